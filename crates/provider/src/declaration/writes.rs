//! How objects are changed: where the requests go, how what is given is written into them, and what the answers show.

use crate::{pointer::Pointer, template::Template};
use sequin_domain::mutation::Action;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

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
    pub path: Template,
    /// Sent along.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// The place in a JSON body that what is given stands at.
    pub wrap: Option<Pointer>,
    /// Where the answer has the object, as it is now.
    #[serde(default)]
    pub record: Pointer,
    /// The answer says no more than that the object is gone.
    #[serde(default)]
    pub gone: bool,
    /// Twice does what once does.
    #[serde(default)]
    pub repeatable: bool,
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
