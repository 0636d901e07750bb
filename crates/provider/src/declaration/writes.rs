//! How objects are changed: where the requests go, how what is given is written into them, and what the answers show.

use crate::{body::Body, pointer::Pointer, template::Template};
use sequin_domain::mutation::Action;
use serde::Deserialize;
use std::{collections::BTreeMap, time::Duration};

/// What all changes of an API have in common.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writing {
    pub encoding: Encoding,
    pub idempotency: Option<Idempotency>,
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
    /// The whole body, with `{data}` for what is given, `{data.a}` for a member of it, `{id}`, and `{key}` for what the API
    /// may know the request again by.
    pub body: Option<Body>,
    /// For how many seconds the API remembers the key in the body.
    pub key_lifetime: Option<u64>,
    /// Where an answer has anything only if the change is refused, whatever its status.
    pub refused: Option<Pointer>,
    /// Where what is given says whose child the object is.
    pub parent: Option<Pointer>,
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
    /// Whether the request says which object it is about.
    pub fn names_object(&self) -> bool {
        self.path.names().next().is_some() || self.body.as_ref().is_some_and(|body| body.has("id"))
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
