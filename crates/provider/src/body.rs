//! Bodies of requests: JSON, with `{names}` in its texts to be filled in.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// A body as it is declared.
///
/// A text that is nothing but `{name}` becomes the value itself, be it a number. What has no value is left out: a member
/// of an object, or the whole element of an array that it stands in. An element with the name of several values stands
/// there once for each. Braces around anything that is no name stay as they are: a query of GraphQL is full of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Body(Value);

/// What can be filled in, by name; `None` for what has no value, an array for what has several.
pub(crate) type Names<'a> = BTreeMap<&'a str, Option<Value>>;

impl Body {
    pub(crate) fn is_object(&self) -> bool {
        self.0.is_object()
    }

    /// The JSON with the values of all `names`.
    pub(crate) fn fill(&self, names: &Names) -> String {
        filled(&self.0, names, false).unwrap_or(Value::Null).to_string()
    }

    /// Whether it has `{name}` in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        has(&self.0, name)
    }

    /// The first text that is nothing but a name in braces, and none of `known`.
    pub(crate) fn unknown(&self, known: &[&str]) -> Option<&str> {
        unknown(&self.0, known)
    }
}

fn has(value: &Value, name: &str) -> bool {
    match value {
        Value::String(text) => text.contains(&format!("{{{name}}}")),
        Value::Array(elements) => elements.iter().any(|element| has(element, name)),
        Value::Object(members) => members.values().any(|member| has(member, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn unknown<'a>(value: &'a Value, known: &[&str]) -> Option<&'a str> {
    match value {
        Value::String(text) => sole_name(text).filter(|name| !known.contains(name)),
        Value::Array(elements) => elements.iter().find_map(|element| unknown(element, known)),
        Value::Object(members) => members.values().find_map(|member| unknown(member, known)),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

/// The name that the text consists of.
fn sole_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('{')?.strip_suffix('}')?;
    let is_name = !name.is_empty() && !name.contains(|c: char| c.is_whitespace() || matches!(c, '{' | '}'));
    is_name.then_some(name)
}

/// `None` where something has no value, and so the whole has none.
fn filled(value: &Value, names: &Names, is_within_element: bool) -> Option<Value> {
    match value {
        Value::String(text) => filled_text(text, names),
        Value::Array(elements) => {
            Some(elements.iter().flat_map(|element| repeated(element, names)).collect::<Vec<_>>().into())
        }
        Value::Object(members) => {
            let mut object = Map::new();
            for (key, member) in members {
                match filled(member, names, is_within_element) {
                    Some(member) => drop(object.insert(key.clone(), member)),
                    None if is_within_element => return None,
                    None => {}
                }
            }
            Some(object.into())
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => Some(value.clone()),
    }
}

/// An element of an array, once for each value of a name in it that has several.
fn repeated(element: &Value, names: &Names) -> Vec<Value> {
    let several = names.iter().find_map(|(name, value)| match value {
        Some(Value::Array(values)) if has(element, name) => Some((*name, values)),
        _ => None,
    });
    let Some((name, values)) = several else {
        return filled(element, names, true).into_iter().collect();
    };
    let mut names = names.clone();
    let of_value = |value: &Value| {
        names.insert(name, Some(value.clone()));
        filled(element, &names, true)
    };
    values.iter().filter_map(of_value).collect()
}

fn filled_text(text: &str, names: &Names) -> Option<Value> {
    if let Some(value) = sole_name(text).and_then(|name| names.get(name)) {
        return value.clone();
    }
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((literal, tail)) = rest.split_once('{') {
        filled.push_str(literal);
        let named = tail.split_once('}').and_then(|(name, tail)| Some((names.get(name)?, tail)));
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
        serde_json::from_str(&Body(body).fill(&names)).unwrap()
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
    fn an_element_stands_there_once_for_each_of_several_values() {
        let body = json!({"inputs": [{"id": "{ids}"}], "names": ["{ids}"], "fixed": ["x"]});
        let filled = fill(body, &[("ids", json!(["1", "2"]))]);
        assert_eq!(
            filled,
            json!({"inputs": [{"id": "1"}, {"id": "2"}], "names": ["1", "2"], "fixed": ["x"]})
        );
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
    fn names_are_known() {
        let body = Body(json!({"a": [{"b": "{since}"}], "c": "at {after}", "d": "{ids }"}));
        assert!(body.has("since") && body.has("after") && !body.has("limit"));
        assert_eq!(body.unknown(&["since"]), None);
        assert_eq!(body.unknown(&["after"]), Some("since"));
    }
}
