//! The declaration of an API, as it stands in a file under `providers/`.

use crate::{pointer::Pointer, template::Template};
use sequin_domain::{collection::CollectionId, failure::FailureClass, rate_limit::RateLimit};
use serde::Deserialize;
use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub provider: String,
    pub title: String,
    /// Where the API is documented.
    pub documentation: String,
    pub base_url: String,
    /// Sent with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The kinds of credentials, the first being the usual one.
    pub authentication: Vec<Authentication>,
    /// What the API documents; half of it is used unless a sync says otherwise.
    pub rate_limit: RateLimit,
    pub errors: Errors,
    pub pagination: Pagination,
    pub record: RecordShape,
    #[serde(default)]
    pub feeds: BTreeMap<String, Feed>,
    pub collections: Vec<Collection>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authentication {
    pub kind: String,
    /// The properties of a credential that are secret; each must be given.
    pub secrets: Vec<String>,
    /// Headers with `{secret}` in them.
    pub headers: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// The error's code in the body of an answer.
    pub code: Pointer,
    pub message: Pointer,
    /// The header that says how long to wait.
    pub retry_after: Option<String>,
    /// The header that says whether a retry makes sense.
    pub should_retry: Option<String>,
    /// The first that matches says what an answer means.
    pub rules: Vec<ErrorRule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    pub status: Vec<StatusPattern>,
    pub code: Option<String>,
    pub class: FailureClass,
}

/// `404`, or `"5xx"` for all from 500 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StatusText")]
pub enum StatusPattern {
    Exactly(u16),
    Hundred(u16),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StatusText {
    Number(u16),
    Text(String),
}

impl TryFrom<StatusText> for StatusPattern {
    type Error = String;

    fn try_from(text: StatusText) -> Result<Self, String> {
        match text {
            StatusText::Number(status @ 100..=599) => Ok(Self::Exactly(status)),
            StatusText::Text(text) if text == "4xx" => Ok(Self::Hundred(4)),
            StatusText::Text(text) if text == "5xx" => Ok(Self::Hundred(5)),
            StatusText::Number(other) => Err(format!("{other} is no HTTP status")),
            StatusText::Text(other) => {
                Err(format!("{other:?} is neither an HTTP status nor \"4xx\" or \"5xx\""))
            }
        }
    }
}

impl StatusPattern {
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(exact) => exact == status,
            Self::Hundred(hundred) => status / 100 == hundred,
        }
    }
}

/// How a list is cut into pages.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Pagination {
    /// The next page starts after the id of the last object of this one.
    IdCursor { items: Pointer, has_more: Pointer, parameter: String, page_size: PageSize },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageSize {
    pub parameter: String,
    pub value: u32,
}

/// Where the parts of a record are in an object.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordShape {
    pub id: Pointer,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
    /// True in what is left of a deleted object.
    pub deleted: Option<Pointer>,
}

/// What a collection says otherwise than its provider's [`RecordShape`]; `null` means that there is no such thing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordShapeChange {
    id: Option<Pointer>,
    #[serde(default, deserialize_with = "given")]
    created_at: Option<Option<Moment>>,
    #[serde(default, deserialize_with = "given")]
    updated_at: Option<Option<Moment>>,
    #[serde(default, deserialize_with = "given")]
    deleted: Option<Option<Pointer>>,
}

fn given<'de, T: Deserialize<'de>, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    pub at: Pointer,
    pub format: MomentFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MomentFormat {
    UnixSeconds,
}

/// A list of events that tell which objects changed, newest first.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feed {
    pub path: String,
    /// The parameter that limits the list to events from an instant on.
    pub since: String,
    pub id: Pointer,
    pub occurred_at: Moment,
    pub object_type: Pointer,
    pub object_id: Pointer,
    /// How late, in seconds, an event may appear behind others.
    pub lookback: u64,
    /// For how long, in seconds, the API keeps events.
    pub retention: u64,
}

impl Feed {
    pub fn lookback(&self) -> Duration {
        Duration::from_secs(self.lookback)
    }

    pub fn retention(&self) -> Duration {
        Duration::from_secs(self.retention)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pub name: String,
    pub title: String,
    pub path: Template,
    /// Where one object is read.
    pub retrieve: Option<Template>,
    /// Sent with each request for a list.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// How the list is limited to what was created within a span of time.
    pub created: Option<CreatedBounds>,
    #[serde(default, rename = "record")]
    shape: RecordShapeChange,
    pub parent: Option<Parent>,
    pub changes: Changes,
}

/// The parameters that limit a list by the time of creation, in seconds since 1970.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatedBounds {
    /// From this second on.
    pub from: String,
    /// Before this second.
    pub before: Option<String>,
}

/// A nested collection is listed once for each object of another.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    pub collection: String,
    /// The list in the parent that already has its first children.
    pub embedded: Option<Pointer>,
    /// Where a child says whose it is.
    pub id_from: Option<Pointer>,
}

/// How changes are noticed after the backfill.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The feed whose events tell of changes …
    pub feed: Option<String>,
    /// … of objects of this type, which are then fetched one by one,
    pub object: Option<String>,
    /// … or of parents of this type, whose children are then listed again.
    pub parent_object: Option<String>,
    /// For what is only ever added: the list is read from the newest object on, each so many seconds …
    pub poll: Option<u64>,
    /// … and from so many seconds before.
    #[serde(default)]
    pub lookback: u64,
    /// The whole list is read again each so many seconds, and compared.
    pub sweep: Option<u64>,
}

/// A declaration that contradicts itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {problem}")]
pub struct Invalid {
    /// A JSON pointer into the declaration.
    pub at: String,
    pub problem: String,
}

impl Declaration {
    /// Reads and checks a declaration.
    pub fn parse(json: &str) -> Result<Self, Invalid> {
        let declaration: Self = serde_json::from_str(json)
            .map_err(|error| Invalid { at: String::new(), problem: error.to_string() })?;
        declaration.check()?;
        Ok(declaration)
    }

    fn check(&self) -> Result<(), Invalid> {
        let invalid = |at: String, problem: &str| Err(Invalid { at, problem: problem.to_owned() });
        if self.authentication.is_empty() {
            return invalid("/authentication".into(), "at least one kind of credential is needed");
        }
        if let Err(problem) = self.rate_limit.check() {
            return invalid("/rate_limit".into(), &problem.to_string());
        }
        for (n, collection) in self.collections.iter().enumerate() {
            let at = |key: &str| format!("/collections/{n}{key}");
            if self.collections[..n].iter().any(|other| other.name == collection.name) {
                return invalid(at("/name"), "another collection has this name");
            }
            if let Some(parent) = &collection.parent {
                match self.find(&parent.collection) {
                    None => return invalid(at("/parent/collection"), "there is no such collection"),
                    Some(found) if found.parent.is_some() => {
                        return invalid(at("/parent/collection"), "the parent can't be nested itself");
                    }
                    Some(_) => {}
                }
            }
            for template in std::iter::once(&collection.path).chain(collection.query.values()) {
                if template.names().any(|name| name != "parent.id" || collection.parent.is_none()) {
                    return invalid(at(""), "a list knows {parent.id}, and that only where it has a parent");
                }
            }
            if collection.retrieve.iter().flat_map(Template::names).any(|name| name != "id") {
                return invalid(at("/retrieve"), "only {id} is known there");
            }
            let changes = &collection.changes;
            match (&changes.feed, &changes.object, &changes.parent_object) {
                (None, None, None) => {}
                (Some(feed), _, _) if !self.feeds.contains_key(feed) => {
                    return invalid(at("/changes/feed"), "there is no such feed");
                }
                (Some(_), Some(_), None) if collection.retrieve.is_some() => {}
                (Some(_), Some(_), None) => {
                    return invalid(at("/retrieve"), "it is needed for changes by object");
                }
                (Some(_), None, Some(_)) if collection.parent.is_some() => {}
                (Some(_), None, Some(_)) => {
                    return invalid(at("/parent"), "it is needed for changes by parent");
                }
                _ => return invalid(at("/changes"), "a feed goes with either object or parent_object"),
            }
            if changes.poll.is_some()
                && (collection.created.is_none() || self.shape(collection).created_at.is_none())
            {
                return invalid(at("/changes/poll"), "it needs created and a created_at");
            }
            if changes.feed.is_none() && changes.poll.is_none() && changes.sweep.is_none() {
                return invalid(at("/changes"), "one of feed, poll and sweep is needed");
            }
        }
        Ok(())
    }

    /// The collection of this name.
    pub fn find(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.name == name)
    }

    /// Where the parts of a record of `collection` are.
    pub fn shape(&self, collection: &Collection) -> RecordShape {
        let RecordShapeChange { id, created_at, updated_at, deleted } = collection.shape.clone();
        RecordShape {
            id: id.unwrap_or_else(|| self.record.id.clone()),
            created_at: created_at.unwrap_or_else(|| self.record.created_at.clone()),
            updated_at: updated_at.unwrap_or_else(|| self.record.updated_at.clone()),
            deleted: deleted.unwrap_or_else(|| self.record.deleted.clone()),
        }
    }

    /// The kind of credential called `kind`.
    pub fn authentication(&self, kind: &str) -> Option<&Authentication> {
        self.authentication.iter().find(|authentication| authentication.kind == kind)
    }
}

/// A collection together with the declaration that it stands in.
#[derive(Debug, Clone)]
pub struct CollectionRef {
    pub declaration: Arc<Declaration>,
    index: usize,
}

impl CollectionRef {
    pub fn new(declaration: &Arc<Declaration>, name: &str) -> Option<Self> {
        let index = declaration.collections.iter().position(|collection| collection.name == name)?;
        Some(Self { declaration: declaration.clone(), index })
    }

    pub fn id(&self) -> CollectionId {
        CollectionId::new(&self.declaration.provider, &self.name)
    }

    /// The collection that this one is nested in.
    pub fn parent_collection(&self) -> Option<Self> {
        Self::new(&self.declaration, &self.parent.as_ref()?.collection)
    }

    pub fn shape(&self) -> RecordShape {
        self.declaration.shape(self)
    }
}

impl Deref for CollectionRef {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.declaration.collections[self.index]
    }
}
