//! Which kinds of objects an account has, as the API tells, and what their collections are called.

use crate::{
    answer::{Answer, word},
    declaration::{Declaration, Discover, KindTemplate, Pagination},
    pointer::{self, Pointer},
    record::identifier,
    request::at_path,
};
use sequin_domain::failure::Failure;
use serde_json::Value;
use std::collections::{BTreeMap, HashMap, HashSet};
use url::Url;

/// More kinds than this are a mistake.
const MOST: usize = 20_000;
/// The longest name of a kind, in bytes.
const LONGEST_NAME: usize = 255;
/// The longest name of a collection, in bytes.
const LONGEST_COLLECTION: usize = 63;
/// The longest title, in characters.
const LONGEST_TITLE: usize = 200;

/// A kind of objects, and the collection that it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kind {
    /// What it is known by when it comes under another name.
    pub key: String,
    /// The name of its collection. It never changes.
    pub collection: String,
    /// What the API calls it in requests.
    pub name: String,
    pub title: String,
    /// Which of the declaration's templates its collection is made by.
    pub template: String,
}

/// A kind as the API lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub key: String,
    pub name: String,
    pub title: String,
    /// What its collection is named after.
    pub word: String,
    pub template: String,
}

/// Where kinds are listed; `None` where the API tells of none.
pub fn url(base: &Url, declaration: &Declaration) -> Option<Url> {
    Some(at_path(base, &declaration.discover.as_ref()?.path))
}

/// The kinds in the answer that are collections, and are not declared as such.
pub fn interpret(declaration: &Declaration, answer: &Answer) -> Result<Vec<Listed>, Failure> {
    let text = answer.text(declaration)?;
    let Some(discover) = &declaration.discover else {
        return Err(answer.bad_data("the provider has no list of kinds"));
    };
    read(declaration, discover, &text, answer).map_err(|problem| answer.bad_data(problem))
}

fn read(
    declaration: &Declaration,
    discover: &Discover,
    text: &str,
    answer: &Answer,
) -> Result<Vec<Listed>, String> {
    let items = Pagination::whole(discover.items.clone()).read(text, answer)?.items;
    if items.len() > MOST {
        return Err(format!("it lists {} kinds of objects", items.len()));
    }
    let mut all = Vec::with_capacity(items.len());
    let mut uses: HashMap<String, usize> = HashMap::new();
    for item in items {
        let pointers = [Some(&discover.name), discover.key.as_ref()];
        let [name, key] = pointer::follow(item.get(), pointers).map_err(|error| error.to_string())?;
        let name = name
            .and_then(identifier)
            .ok_or_else(|| format!("a kind of objects has no name at {}", discover.name))?;
        let key = key.and_then(identifier);
        if let Some(key) = &key {
            *uses.entry(key.clone()).or_default() += 1;
        }
        let key = key.filter(|_| discover.key_where.as_ref().is_none_or(|each| fits(each, item.get())));
        all.push((item.get(), name, key));
    }
    let is_declared =
        |name: &str| declaration.collections.iter().any(|each| each.kind.as_deref() == Some(name));
    let (mut keys, mut names) = (HashSet::new(), HashSet::new());
    let mut listed = Vec::new();
    for (object, name, key) in all {
        let key = key.filter(|key| uses.get(key) == Some(&1)).unwrap_or_else(|| name.clone());
        let is_meant = |template: &&KindTemplate| {
            template.condition.as_ref().is_some_and(|condition| fits(condition, object))
        };
        let template = discover.templates.iter().find(is_meant);
        let Some(template) = template.filter(|_| is_usable(&name) && !is_declared(&name)) else { continue };
        // Of two that requests can't tell apart there is one.
        if names.insert(name.clone()) && keys.insert(key.clone()) {
            let title = word(object, Some(&discover.title)).unwrap_or_else(|| name.clone());
            let title = title.chars().filter(|c| !c.is_control()).take(LONGEST_TITLE).collect();
            let word = word(object, discover.collection_name.as_ref()).unwrap_or_else(|| name.clone());
            listed.push(Listed { key, name, title, word, template: template.name.clone() });
        }
    }
    Ok(listed)
}

/// Whether a kind has all of this at these places.
fn fits(condition: &BTreeMap<Pointer, Value>, object: &str) -> bool {
    condition.iter().all(|(at, expected)| {
        let found = pointer::follow(object, [Some(at)]).ok().and_then(|[found]| found);
        found.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).as_ref() == Some(expected)
    })
}

/// Whether the name can stand in paths and in queries as it is.
fn is_usable(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.bytes().all(is_plain)
}

/// The collections of the kinds that are listed: those that were `known` keep their names, and what is new gets one that no
/// other has, be it declared or known.
pub fn assign(declaration: &Declaration, known: &[Kind], listed: Vec<Listed>) -> Vec<Kind> {
    let mut collections = known_collections(known, &listed);
    let declared = declaration.collections.iter().map(|collection| collection.name.clone());
    let mut taken: HashSet<String> =
        declared.chain(known.iter().map(|kind| kind.collection.clone())).collect();
    for (kind, collection) in
        listed.iter().zip(&mut collections).filter(|(_, collection)| collection.is_none())
    {
        let name = free_name(&kind.word, &taken);
        taken.insert(name.clone());
        *collection = Some(name);
    }
    let assigned = |(kind, collection): (Listed, Option<String>)| {
        let Listed { key, name, title, template, .. } = kind;
        Some(Kind { key, collection: collection?, name, title, template })
    };
    listed.into_iter().zip(collections).filter_map(assigned).collect()
}

/// What the collections of the kinds that are listed were called before.
fn known_collections(known: &[Kind], listed: &[Listed]) -> Vec<Option<String>> {
    let by_key: HashMap<&str, &Kind> = known.iter().map(|kind| (kind.key.as_str(), kind)).collect();
    let by_name: HashMap<&str, &Kind> = known.iter().map(|kind| (kind.name.as_str(), kind)).collect();
    let keys: HashSet<&str> = listed.iter().map(|kind| kind.key.as_str()).collect();
    let known_as = |kind: &Listed| {
        // What tells a kind from others may itself have changed.
        let of_name = by_name.get(kind.name.as_str()).filter(|known| !keys.contains(known.key.as_str()));
        by_key.get(kind.key.as_str()).or(of_name).map(|known| known.collection.clone())
    };
    listed.iter().map(known_as).collect()
}

/// `OpportunityLineItem` is `opportunity_line_item`, and `Invoice__c` is `invoice__c`; with a number behind it where that is
/// taken.
fn free_name(kind: &str, taken: &HashSet<String>) -> String {
    let mut name = String::new();
    let mut is_within_word = false;
    for c in kind.chars() {
        if c.is_ascii_uppercase() && is_within_word {
            name.push('_');
        }
        is_within_word = c.is_ascii_lowercase() || c.is_ascii_digit();
        name.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' });
    }
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        name.insert_str(0, "kind_");
    }
    name.truncate(LONGEST_COLLECTION);
    if !taken.contains(&name) {
        return name;
    }
    let numbered = |number: u32| {
        let end = format!("_{number}");
        let stem = &name[..name.len().min(LONGEST_COLLECTION - end.len())];
        format!("{stem}{end}")
    };
    (2..).map(numbered).find(|name| !taken.contains(name)).unwrap_or(name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_collections_are_words() {
        let free = |kind: &str, taken: &[&str]| {
            free_name(kind, &taken.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(free("OpportunityLineItem", &[]), "opportunity_line_item");
        assert_eq!(free("Invoice__c", &[]), "invoice__c");
        assert_eq!(free("My_Thing__c", &[]), "my_thing__c");
        assert_eq!(free("2-12345", &[]), "kind_2_12345");
        assert_eq!(free("Pricebook2", &["pricebook2"]), "pricebook2_2");
        assert_eq!(free("A", &["a", "a_2"]), "a_3");
        let long = "x".repeat(100);
        assert_eq!(free(&long, &[]), "x".repeat(63));
        assert_eq!(free(&long, &[&"x".repeat(63)]), format!("{}_2", "x".repeat(61)));
    }
}
