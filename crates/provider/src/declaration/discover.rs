//! Collections that are not declared one by one: an API tells which kinds of objects an account has.

use super::{
    Collection, Declaration, Invalid, bulk,
    check::{Checked, constant_path, name, refuse},
};
use crate::{body::Documents, kinds::Kind, pointer::Pointer};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{borrow::Cow, collections::BTreeMap};

/// What stands in a template for the name of the kind.
const KIND: &str = "{kind}";

/// The list of kinds, which comes whole, and what is made of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Discover {
    pub path: String,
    /// Where the kinds are in the answer.
    pub items: Pointer,
    /// Where in a kind its name is, by which requests name it.
    pub name: Pointer,
    pub title: Pointer,
    /// Where it has the word that its collection is named after; the name, if it is not said.
    pub collection_name: Option<Pointer>,
    /// Where it has what stays when it is renamed. The name, where nothing else is there, or several have the same.
    pub key: Option<Pointer>,
    /// Which kinds that is said of, by what they have at these places: a kind of which others have the same, and of which the
    /// account shows only one at a time, would be taken for renamed. All, if it is not said.
    pub key_where: Option<BTreeMap<Pointer, Value>>,
    /// The first that fits a kind is what its collection is made by; there is none of a kind that none fits.
    pub templates: Vec<KindTemplate>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindTemplate {
    pub name: String,
    /// What a kind has at these places. Without, it is for collections that are declared.
    #[serde(rename = "where")]
    pub condition: Option<BTreeMap<Pointer, Value>>,
    /// A collection, without a name and a title, and with `{kind}` in its texts.
    pub collection: Map<String, Value>,
}

impl Discover {
    pub(crate) fn template(&self, name: &str) -> Option<&KindTemplate> {
        self.templates.iter().find(|template| template.name == name)
    }
}

impl KindTemplate {
    fn expand(&self, kind: &Kind, documents: &Documents) -> Result<Collection, String> {
        let Kind { collection, name, title, .. } = kind;
        let mut object = self.collection.clone();
        object.values_mut().for_each(|value| fill(value, name));
        for (key, value) in [("name", collection), ("title", title), ("kind", name)] {
            object.insert(key.to_owned(), Value::from(value.as_str()));
        }
        let mut whole =
            Collection::deserialize(Value::Object(object)).map_err(|problem| problem.to_string())?;
        whole.take_documents(documents).map_err(|name| format!("there is no document {name:?}"))?;
        Ok(whole)
    }
}

/// A declaration with everything written out in its collections: what exports have in common, and what those have that
/// say no more than by which template they are made.
pub(super) fn expanded(json: &str) -> Result<Cow<'_, str>, Invalid> {
    let Ok(mut document) = serde_json::from_str::<Value>(json) else { return Ok(Cow::Borrowed(json)) };
    let has_common = bulk::share(&mut document)?;
    let templates: BTreeMap<String, Value> = document
        .pointer("/discover/templates")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|template| {
            Some((template.get("name")?.as_str()?.to_owned(), template.get("collection")?.clone()))
        })
        .collect();
    let collections = document.get_mut("collections").and_then(Value::as_array_mut);
    let mut are_any = has_common;
    for (n, collection) in collections.into_iter().flatten().enumerate() {
        let Some(own) = collection.as_object_mut() else { continue };
        let Some(template) = own.remove("template") else { continue };
        are_any = true;
        let Some(Value::Object(mut whole)) = template.as_str().and_then(|name| templates.get(name)).cloned()
        else {
            return refuse(format!("/collections/{n}/template"), "there is no such template");
        };
        let Some(kind) = own.get("kind").and_then(Value::as_str) else {
            return refuse(format!("/collections/{n}/kind"), "the template needs it");
        };
        whole.values_mut().for_each(|value| fill(value, kind));
        // What it says itself stands in place of the template's.
        whole.append(own);
        *own = whole;
    }
    Ok(if are_any { Cow::Owned(document.to_string()) } else { Cow::Borrowed(json) })
}

fn fill(value: &mut Value, name: &str) {
    match value {
        Value::String(text) => *text = text.replace(KIND, name),
        Value::Array(elements) => elements.iter_mut().for_each(|element| fill(element, name)),
        Value::Object(members) => members.values_mut().for_each(|member| fill(member, name)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Declaration {
    /// The collection that a kind is; `None` where there is no template for it any more.
    pub fn collection_of(&self, kind: &Kind) -> Option<Collection> {
        self.made_of(kind, &self.documents())
    }

    fn made_of(&self, kind: &Kind, documents: &Documents) -> Option<Collection> {
        self.discover.as_ref()?.template(&kind.template)?.expand(kind, documents).ok()
    }

    /// With the collections of these kinds.
    #[must_use]
    pub fn with_kinds(&self, kinds: &[Kind]) -> Self {
        let mut declaration = self.clone();
        let documents = self.documents();
        declaration.collections.extend(kinds.iter().filter_map(|kind| self.made_of(kind, &documents)));
        declaration
    }

    pub(super) fn check_discover(&self) -> Checked {
        let Some(discover) = &self.discover else {
            let of_kind = self.collections.iter().position(|collection| collection.kind.is_some());
            return match of_kind {
                Some(n) => refuse(format!("/collections/{n}/kind"), "it goes with discover"),
                None => Ok(()),
            };
        };
        constant_path("/discover/path", &discover.path)?;
        if discover.templates.is_empty() {
            return refuse("/discover/templates", "at least one is needed");
        }
        let documents = self.documents();
        for (n, template) in discover.templates.iter().enumerate() {
            let place = format!("/discover/templates/{n}");
            name(&format!("{place}/name"), &template.name)?;
            if discover.templates[..n].iter().any(|other| other.name == template.name) {
                return refuse(format!("{place}/name"), "another template has this name");
            }
            if let Some(taken) =
                ["name", "title", "kind"].iter().find(|key| template.collection.contains_key(**key))
            {
                return refuse(format!("{place}/collection/{taken}"), "the kind says it");
            }
            let place = format!("{place}/collection");
            let example = Kind {
                key: "x".to_owned(),
                collection: "x".to_owned(),
                name: "x".to_owned(),
                title: "x".to_owned(),
                template: template.name.clone(),
            };
            let collection = template
                .expand(&example, &documents)
                .map_err(|problem| Invalid { at: place.clone(), problem })?;
            self.check_collection(&place, &collection)?;
        }
        Ok(())
    }
}
