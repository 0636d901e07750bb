//! Bodies of requests: JSON, with `{names}` in its texts to be filled in.

use crate::graphql;
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// A body as it is declared.
///
/// A text that is nothing but `{name}` becomes the value itself, be it a number. What has no value is left out: a member
/// of an object, or the whole element of an array that it stands in. An element with the name of several values stands
/// there once for each. Braces around anything that is no name stay as they are.
///
/// Some objects stand for something else: `{"$document": "name"}` for the text of that document, in which nothing is filled
/// in, as a query of GraphQL is full of braces, or, with `name/operation`, for one operation of it; `{"$words": […]}` for
/// its elements in one text, with spaces in between;
/// `{"$merge": […]}` for one object with the members of all of its elements.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(from = "Value")]
pub struct Body {
    template: Value,
    /// Those that it names.
    documents: Documents,
}

impl From<Value> for Body {
    fn from(template: Value) -> Self {
        Self { template, documents: Documents::new() }
    }
}

/// Texts that bodies name.
pub(crate) type Documents = BTreeMap<String, Arc<str>>;

/// What can be filled in, by name; `None` for what has no value, an array for what has several.
pub(crate) type Names<'a> = BTreeMap<&'a str, Option<Value>>;

const DOCUMENT: &str = "$document";
const WORDS: &str = "$words";
const MERGE: &str = "$merge";

impl Body {
    pub(crate) fn is_object(&self) -> bool {
        self.template.is_object()
    }

    /// The names of its members, where it is an object.
    pub(crate) fn members(&self) -> impl Iterator<Item = &str> {
        self.template.as_object().into_iter().flatten().map(|(name, _)| name.as_str())
    }

    /// Takes the documents that it names; `Err`: the name of one that is not among `all`.
    pub(crate) fn take_documents(&mut self, all: &Documents) -> Result<(), String> {
        let mut names = Vec::new();
        documents(&self.template, &mut names);
        for name in names {
            let text = all.get(name).cloned().or_else(|| operation_of(name, all));
            self.documents.insert(name.to_owned(), text.ok_or_else(|| name.to_owned())?);
        }
        Ok(())
    }

    /// The JSON with the values of all `names`.
    pub(crate) fn fill(&self, names: &Names) -> String {
        let filling = Filling { names, documents: &self.documents };
        filling.filled(&self.template, false).unwrap_or(Value::Null).to_string()
    }

    /// Its members with the values of all `names`, as parameters of a URL. An array is one text.
    pub(crate) fn fill_query(&self, names: &Names) -> Vec<(String, String)> {
        let filling = Filling { names, documents: &self.documents };
        let Some(Value::Object(members)) = filling.filled(&self.template, false) else { return Vec::new() };
        let text = |value: Value| match value {
            Value::Array(parts) => parts.iter().map(as_text).collect::<Vec<_>>().join(" "),
            other => as_text(&other),
        };
        members.into_iter().map(|(name, value)| (name, text(value))).collect()
    }

    /// Whether it has `{name}` in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        has(&self.template, name)
    }

    /// All that stands in braces in its texts, and could be a name.
    pub(crate) fn names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        texts(&self.template, &mut |text| {
            let behind = text.split('{').skip(1);
            names.extend(behind.filter_map(|rest| rest.split_once('}')).map(|(name, _)| name));
        });
        names
    }

    /// The first text that is nothing but a name in braces, and not `known`.
    pub(crate) fn unknown(&self, known: impl Fn(&str) -> bool) -> Option<&str> {
        let mut unknown = None;
        texts(&self.template, &mut |text| {
            unknown = unknown.or_else(|| sole_name(text).filter(|name| !known(name)));
        });
        unknown
    }
}

fn has(value: &Value, name: &str) -> bool {
    let braced = format!("{{{name}}}");
    let mut found = false;
    texts(value, &mut |text| found |= text.contains(&braced));
    found
}

/// Shows each text in a value.
fn texts<'a>(value: &'a Value, see: &mut impl FnMut(&'a str)) {
    match value {
        Value::String(text) => see(text),
        Value::Array(elements) => elements.iter().for_each(|element| texts(element, see)),
        Value::Object(members) => members.values().for_each(|member| texts(member, see)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The names of documents in a value.
fn documents<'a>(value: &'a Value, names: &mut Vec<&'a str>) {
    match value {
        Value::Object(members) => match operator(members) {
            Some((DOCUMENT, Value::String(name))) => names.push(name),
            _ => members.values().for_each(|member| documents(member, names)),
        },
        Value::Array(elements) => elements.iter().for_each(|element| documents(element, names)),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// The text of one operation of a document, by the names of both.
fn operation_of(name: &str, all: &Documents) -> Option<Arc<str>> {
    let (document, operation) = name.split_once('/')?;
    graphql::operation(all.get(document)?, operation).map(Arc::from)
}

/// What an object stands for that is not itself.
fn operator(members: &Map<String, Value>) -> Option<(&str, &Value)> {
    let (key, value) = members.iter().next().filter(|_| members.len() == 1)?;
    Some((key.as_str(), value))
}

/// The name that the text consists of.
fn sole_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
    is_name.then_some(name)
}

/// A body that is being filled in.
#[derive(Clone, Copy)]
struct Filling<'a> {
    names: &'a Names<'a>,
    documents: &'a Documents,
}

impl Filling<'_> {
    /// `None` where something has no value, and so the whole has none.
    fn filled(self, value: &Value, is_within_element: bool) -> Option<Value> {
        match value {
            Value::String(text) => self.filled_text(text),
            Value::Array(elements) => Some(self.elements(elements).into()),
            Value::Object(members) => match operator(members) {
                Some((DOCUMENT, Value::String(name))) => {
                    self.documents.get(name).map(|text| Value::from(&**text))
                }
                Some((WORDS, Value::Array(words))) => {
                    let words: Vec<String> = self.elements(words).iter().map(as_text).collect();
                    (!words.is_empty()).then(|| words.join(" ").into())
                }
                Some((MERGE, Value::Array(objects))) => {
                    let objects = self.elements(objects).into_iter();
                    let members = objects.filter_map(|object| match object {
                        Value::Object(members) => Some(members),
                        _ => None,
                    });
                    Some(Value::Object(members.flatten().collect()))
                }
                _ => self.object(members, is_within_element).map(Value::from),
            },
            Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
        }
    }

    fn object(self, members: &Map<String, Value>, is_within_element: bool) -> Option<Map<String, Value>> {
        let mut object = Map::new();
        for (key, member) in members {
            match self.filled(member, is_within_element) {
                Some(member) => drop(object.insert(key.clone(), member)),
                None if is_within_element => return None,
                None => {}
            }
        }
        Some(object)
    }

    fn elements(self, elements: &[Value]) -> Vec<Value> {
        elements.iter().flat_map(|element| self.repeated(element)).collect()
    }

    /// An element of an array, once for each value of a name in it that has several.
    fn repeated(self, element: &Value) -> Vec<Value> {
        let several = self.names.iter().find_map(|(name, value)| match value {
            Some(Value::Array(values)) if has(element, name) => Some((*name, values)),
            _ => None,
        });
        let Some((name, values)) = several else {
            return self.filled(element, true).into_iter().collect();
        };
        let mut names = self.names.clone();
        let of_value = |value: &Value| {
            names.insert(name, Some(value.clone()));
            Filling { names: &names, documents: self.documents }.filled(element, true)
        };
        values.iter().filter_map(of_value).collect()
    }

    fn filled_text(self, text: &str) -> Option<Value> {
        if let Some(value) = sole_name(text).and_then(|name| self.names.get(name)) {
            return value.clone();
        }
        let mut filled = String::with_capacity(text.len());
        let mut rest = text;
        while let Some((literal, tail)) = rest.split_once('{') {
            filled.push_str(literal);
            let named = tail.split_once('}').and_then(|(name, tail)| Some((self.names.get(name)?, tail)));
            match named {
                Some((value, tail)) => {
                    filled.push_str(&as_text(value.as_ref()?));
                    rest = tail;
                }
                None => {
                    filled.push('{');
                    rest = tail;
                }
            }
        }
        filled.push_str(rest);
        Some(filled.into())
    }
}

/// A value within a text, or in a URL; several stand there with commas in between.
pub(crate) fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(as_text).collect::<Vec<_>>().join(","),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fill(body: Value, names: &[(&str, Value)]) -> Value {
        let known = ["since", "before", "after", "limit", "ids"].map(|name| (name, None));
        let given = names.iter().map(|(name, value)| (*name, Some(value.clone())));
        let names: Names = known.into_iter().chain(given).collect();
        serde_json::from_str(&Body::from(body).fill(&names)).unwrap()
    }

    #[test]
    fn values_keep_their_kind_and_what_has_none_is_left_out() {
        let body = json!({"limit": "{limit}", "after": "{after}", "sorts": ["changed"], "n": null});
        let first = fill(body.clone(), &[("limit", 200.into())]);
        assert_eq!(first, json!({"limit": 200, "sorts": ["changed"], "n": null}));
        let next = fill(body, &[("limit", 200.into()), ("after", "a\"b".into())]);
        assert_eq!(next["after"], "a\"b");
    }

    #[test]
    fn an_element_without_a_value_is_left_out_whole() {
        let filter = |operator: &str, value: &str| json!({"operator": operator, "value": value});
        let body = json!({"groups": [{"filters": [filter("GTE", "{since}"), filter("LT", "{before}")]}]});
        let filled = fill(body.clone(), &[("since", "7".into())]);
        assert_eq!(filled, json!({"groups": [{"filters": [filter("GTE", "7")]}]}));
        assert_eq!(fill(body, &[]), json!({"groups": [{"filters": []}]}));
    }

    #[test]
    fn a_query_lacks_the_conditions_without_a_value() {
        let body = Body::from(json!({
            "q": ["SELECT Id FROM T WHERE Id != null", "AND At >= {since}", "AND Id < '{after}'", "LIMIT {limit}"],
            "plain": "x"
        }));
        let names: Names = [("since", Some("7".into())), ("after", None), ("limit", Some(9.into()))].into();
        let expected = "SELECT Id FROM T WHERE Id != null AND At >= 7 LIMIT 9";
        let query: BTreeMap<String, String> = body.fill_query(&names).into_iter().collect();
        assert_eq!(
            query,
            [("q".to_owned(), expected.to_owned()), ("plain".to_owned(), "x".to_owned())].into()
        );
    }

    #[test]
    fn an_element_stands_there_once_for_each_of_several_values() {
        let body = json!({"inputs": [{"id": "{ids}"}], "names": ["{ids}"], "fixed": ["x"]});
        let filled = fill(body, &[("ids", json!(["1", "2"]))]);
        assert_eq!(
            filled,
            json!({"inputs": [{"id": "1"}, {"id": "2"}], "names": ["1", "2"], "fixed": ["x"]})
        );
    }

    #[test]
    fn a_document_stands_there_as_it_is() {
        let query = "query($first: Int) { items(first: $first) { nodes {limit} pageInfo { endCursor } } }";
        let mut body = Body::from(json!({"query": {"$document": "items"}, "first": "{limit}"}));
        assert_eq!(body.take_documents(&Documents::new()), Err("items".to_owned()));
        body.take_documents(&[("items".to_owned(), query.into())].into()).unwrap();
        assert_eq!(body.names(), ["limit"]);
        let filled = body.fill(&[("limit", Some(250.into()))].into());
        assert_eq!(serde_json::from_str::<Value>(&filled).unwrap(), json!({"query": query, "first": 250}));
        let list = "query list { items { id } }";
        let both = [("items".to_owned(), format!("{list} query other {{ a }}").into())].into();
        let named = |name: &str| Body::from(json!({"query": {"$document": name}}));
        let mut of_one = named("items/list");
        of_one.take_documents(&both).unwrap();
        assert_eq!(of_one.fill(&Names::new()), json!({"query": list}).to_string());
        assert_eq!(named("items/none").take_documents(&both), Err("items/none".to_owned()));
    }

    #[test]
    fn words_that_have_no_value_are_left_out() {
        let words = ["status:any", "created_at:>='{since}'", "created_at:<'{before}'"];
        let body = json!({"query": {"$words": words}, "other": {"$words": ["{after}"]}, "x": {"$else": "y"}});
        assert_eq!(fill(body.clone(), &[]), json!({"query": "status:any", "x": {"$else": "y"}}));
        let filled = fill(body, &[("before", "7".into()), ("after", 3.into())]);
        assert_eq!(filled["query"], "status:any created_at:<'7'");
        assert_eq!(filled["other"], "3");
    }

    #[test]
    fn within_a_text_several_values_have_commas_in_between() {
        let filled = fill(json!({"query": "SELECT {ids} FROM x"}), &[("ids", json!(["a", "b"]))]);
        assert_eq!(filled, json!({"query": "SELECT a,b FROM x"}));
    }

    #[test]
    fn a_query_of_graphql_keeps_its_braces() {
        let query = "query($first: Int) { items(first: $first) { nodes {id} pageInfo { endCursor } } }";
        let body =
            json!({"query": query, "variables": {"query": "updated_at:>='{since}'", "first": "{limit}"}});
        let filled = fill(body, &[("since", "2026-01-01".into()), ("limit", 250.into())]);
        let variables = json!({"query": "updated_at:>='2026-01-01'", "first": 250});
        assert_eq!(filled, json!({"query": query, "variables": variables}));
    }

    #[test]
    fn objects_are_merged() {
        let body = json!({"input": {"$merge": ["{ids}", {"id": "{after}"}, {"limit": "{limit}"}]}});
        let names: Names = [
            ("ids", Some(json!({"title": "x", "id": "theirs"}))),
            ("after", Some("ours".into())),
            ("limit", None),
        ]
        .into();
        let filled: Value = serde_json::from_str(&Body::from(body).fill(&names)).unwrap();
        assert_eq!(filled, json!({"input": {"title": "x", "id": "ours"}}));
    }

    #[test]
    fn names_are_known() {
        let body = Body::from(json!({"a": [{"b": "{since}"}], "c": "at {after}", "d": "{ids }"}));
        assert!(body.has("since") && body.has("after") && !body.has("limit"));
        assert_eq!(body.unknown(|name| name == "since"), None);
        assert_eq!(body.unknown(|name| name == "after"), Some("since"));
        assert_eq!(body.names(), ["since", "after", "ids "]);
    }
}
