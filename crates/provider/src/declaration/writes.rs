//! How objects are changed: where the requests go, how what is given is written into them, and what the answers show.

use crate::{body::Body, pointer::Pointer, template::Template};
use sequin_domain::mutation::Action;
use serde::Deserialize;
use std::{collections::BTreeMap, num::NonZeroUsize, time::Duration};

/// What all changes of an API have in common.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writing {
    pub encoding: Encoding,
    pub idempotency: Option<Idempotency>,
    /// Whether an object within what is given to an update changes the members that it has and no others, and `null`
    /// unsets one.
    #[serde(default)]
    pub merges: bool,
    /// The text that unsets a field, where that is not `null`.
    pub unset: Option<String>,
    /// Answers name objects, and don't show them as lists do: what was changed is read anew.
    #[serde(default)]
    pub read_back: bool,
    /// Where such an answer names the object, if not where objects have their id.
    pub id: Option<Pointer>,
    /// Where what is at the place that a change has as `refused` says why.
    #[serde(default)]
    pub refusal: RefusalWords,
}

/// Places in what an API says of a change that it refuses with a good status.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefusalWords {
    pub code: Option<Pointer>,
    pub message: Option<Pointer>,
    /// Codes, or words in a message, that say that there is no such object.
    #[serde(default)]
    pub missing: Vec<String>,
}

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// `a[b]=v`, `a[0]=v`.
    Form,
    Json,
}

/// How an API knows a request that it has seen before.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Idempotency {
    /// The header that has the key.
    pub header: String,
    /// For how many seconds the API remembers a key.
    pub lifetime: u64,
}

impl Idempotency {
    pub fn lifetime(&self) -> Duration {
        Duration::from_secs(self.lifetime)
    }
}

/// What can be done to the objects of a collection.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writes {
    pub create: Option<Write>,
    pub update: Option<Write>,
    pub delete: Option<Write>,
    pub upsert: Option<Write>,
    /// Where one object is read to see what has become of a change, where `retrieve` doesn't say.
    pub look: Option<Template>,
    /// Members that objects have in answers to changes, and not in lists.
    #[serde(default)]
    pub omit: Vec<String>,
    /// The place of all that can be changed, in objects and in what is given alike.
    pub part: Option<Pointer>,
}

impl Writes {
    /// How `action` is done; `None` where it can't be.
    pub fn of(&self, action: Action) -> Option<&Write> {
        match action {
            Action::Create => self.create.as_ref(),
            Action::Update => self.update.as_ref(),
            Action::Delete => self.delete.as_ref(),
            Action::Upsert => self.upsert.as_ref(),
        }
    }

    /// What can be done, and how.
    pub fn all(&self) -> impl Iterator<Item = (Action, &Write)> {
        Action::ALL.into_iter().filter_map(|action| Some((action, self.of(action)?)))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    pub method: WriteMethod,
    /// With `{id}`, `{parent.id}`, `{parent.a}` and `{a}` for what the stream has of the parent and of the object, and
    /// `{data.a}` for what is given.
    pub path: Template,
    /// Sent along.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The place in a JSON body that what is given stands at.
    pub wrap: Option<Pointer>,
    /// The whole body, with `{data}` for what is given, `{data.a}` for a member of it, `{id}`, `{parent.id}`, and `{key}` for
    /// what the API may know the request again by.
    pub body: Option<Body>,
    /// For how many seconds the API remembers the key in the body.
    pub key_lifetime: Option<u64>,
    /// Where an answer has anything only if the change is refused, whatever its status.
    pub refused: Option<Pointer>,
    /// Where the answer has the object, as it is now.
    #[serde(default)]
    pub record: Pointer,
    /// The answer says no more than that the object is gone.
    #[serde(default)]
    pub gone: bool,
    /// Twice does what once does.
    #[serde(default)]
    pub repeatable: bool,
    /// Places in what is given that tell which object an upsert is about.
    #[serde(default)]
    pub known_by: Vec<Pointer>,
    /// Where the object is read by something in what is given that no two objects have.
    pub find: Option<Find>,
    /// How several are asked for in one request.
    pub batch: Option<WriteBatch>,
}

/// Where an object is read by something that no two have.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Find {
    /// With `{data.a}` in it.
    pub path: Template,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
}

/// A request for several changes of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WriteBatch {
    pub method: WriteMethod,
    pub path: String,
    /// With `{ids}` for the ids of all objects, with commas in between.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// The member of the body that is the array of what is given; without, there is no body.
    pub items: Option<String>,
    /// Members of the body beside that.
    pub with: Option<Body>,
    /// Members of each element beside what is given, with `{id}` and `{key}`, which no two changes share.
    pub item: Option<Body>,
    /// Where the answer has what came of each; without, a good answer means that all were done.
    pub results: Option<Pointer>,
    /// Places that have the same value in an element and in its result; none: results are in the order of the elements.
    #[serde(default)]
    pub matched_by: Vec<Pointer>,
    /// Where a result says whether it was done, by `true`.
    pub success: Option<Pointer>,
    /// Where else the answer tells what was refused.
    pub errors: Option<BatchErrors>,
    /// There is no request for a single one.
    #[serde(default)]
    pub only: bool,
    /// How many at once.
    pub size: NonZeroUsize,
}

/// A list of what was refused of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BatchErrors {
    pub items: Pointer,
    /// Places with something, or an array of something, that an element has at a place of `matched_by`, or the id.
    pub matched_by: Vec<Pointer>,
}

impl Write {
    /// The place in an object, as the API shows it, of what is given; none where that is the object itself.
    ///
    /// A body is taken to have the form of an answer. Whether there is anything at that place, only the objects tell: some
    /// APIs wrap what they are given, and nothing else.
    pub fn place_in_object(&self) -> &[String] {
        let wrap = self.wrap.as_ref().map_or(&[][..], Pointer::keys);
        wrap.strip_prefix(self.record.keys()).unwrap_or_default()
    }

    /// Whether the request says which object it is about.
    pub(crate) fn names_object(&self) -> bool {
        self.path.names().any(is_own) || self.has_in_body("id")
    }

    /// Whether it says beneath which object that is.
    pub(crate) fn names_parent(&self) -> bool {
        self.path.names().any(is_parents) || self.has_in_body("parent.id")
    }

    fn has_in_body(&self, name: &str) -> bool {
        self.body.as_ref().is_some_and(|body| body.has(name))
    }
}

/// What the names in a path begin with that stand for something of the parent, and for something that is given.
pub(crate) const OF_PARENT: &str = "parent.";
pub(crate) const OF_DATA: &str = "data.";

/// Whether a name stands for something of the parent.
pub(crate) fn is_parents(name: &str) -> bool {
    name.starts_with(OF_PARENT)
}

/// Whether it stands for something that is given.
pub(crate) fn is_given(name: &str) -> bool {
    name.starts_with(OF_DATA)
}

/// Whether it stands for something of the object, its id for one.
pub(crate) fn is_own(name: &str) -> bool {
    !is_parents(name) && !is_given(name)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum WriteMethod {
    Post,
    Put,
    Patch,
    Delete,
}

impl From<WriteMethod> for http::Method {
    fn from(method: WriteMethod) -> Self {
        match method {
            WriteMethod::Post => Self::POST,
            WriteMethod::Put => Self::PUT,
            WriteMethod::Patch => Self::PATCH,
            WriteMethod::Delete => Self::DELETE,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_given_has_a_place_in_the_object() {
        let cases: [(Option<&str>, &str, &[&str]); 5] = [
            (None, "", &[]),
            (Some("/properties"), "", &["properties"]),
            (Some("/data/attributes"), "/data", &["attributes"]),
            (Some("/invoice"), "/invoice", &[]),
            (Some("/invoice"), "/data", &[]),
        ];
        for (wrap, record, place) in cases {
            let json = json!({"method": "PATCH", "path": "/items/{id}", "wrap": wrap, "record": record});
            let write: Write = serde_json::from_value(json).unwrap();
            assert_eq!(write.place_in_object(), place, "{wrap:?} {record}");
        }
    }
}
