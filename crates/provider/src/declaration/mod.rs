//! The declaration of an API, as it stands in a file under `providers/`.

mod authentication;
mod bulk;
mod check;
mod check_request;
mod check_token;
mod check_writes;
mod collection;
mod discover;
mod documents;
mod errors;
mod fields;
mod limits;
mod options;
mod pagination;
mod retrieve;
mod token;
mod writes;

pub use authentication::{Authentication, Check, Encoded, HeaderText};
pub use bulk::{
    Bulk, Call, ColumnTypes, Compound, Count, NextPart, ResultFormat, Results, Start, StartRefusal, Status,
};
pub(crate) use bulk::{JOB, PROPERTIES};
pub use check_token::ACCESS_TOKEN;
pub use collection::{
    Batch, BodyForm, Changes, Collection, CreatedBounds, Moment, OptionPath, Parent, ParentList, PartErrors,
    Paths, PropertyList, RecordShape, Ties, Together, Tombstones, UpdatedBound,
};
pub use discover::{Discover, KindTemplate};
pub use errors::{ErrorRule, Errors, HeaderValue, StatusPattern};
pub use fields::{Field, FieldType, Fields};
pub use limits::{Cost, FurtherLimit, Limits, QuotaHeaders, ResetFormat, UsageHeader};
pub use options::{OptionValues, SyncOption};
pub use pagination::{Connection, PageSize, Pagination};
pub use retrieve::Retrieve;
pub use token::{Algorithm, Authorize, ClientAuthentication, Grant, Jwt, TokenAnswer, TokenSource};
pub use writes::{
    BatchErrors, Encoding, Find, Idempotency, RefusalWords, Write, WriteBatch, WriteMethod, Writes, Writing,
};
pub(crate) use writes::{OF_DATA, OF_PARENT, is_own, is_parents};

use crate::pointer::Pointer;
use sequin_domain::collection::CollectionId;
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, ops::Deref, sync::Arc, time::Duration};

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declaration {
    pub provider: String,
    /// Of the declaration, for its readers.
    #[serde(default)]
    pub version: Option<String>,
    pub title: String,
    /// Where the API is documented.
    pub documentation: String,
    pub base_url: String,
    /// Whether each customer has a host of their own, so that a credential has to say where the API is.
    #[serde(default)]
    pub needs_base_url: bool,
    /// Texts that bodies name, such as queries of GraphQL.
    #[serde(default)]
    pub documents: BTreeMap<String, String>,
    /// Sent with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The kinds of credentials, the first being the usual one.
    pub authentication: Vec<Authentication>,
    pub rate_limit: Limits,
    pub errors: Errors,
    pub pagination: Pagination,
    pub record: RecordShape,
    /// How objects are changed, where that is possible.
    pub writes: Option<Writing>,
    #[serde(default)]
    pub feeds: BTreeMap<String, Feed>,
    /// What a sync says of what it is to read.
    #[serde(default)]
    pub options: BTreeMap<String, SyncOption>,
    /// What the API's types of properties are in SQL; what is not among them is a text.
    #[serde(default)]
    pub property_types: BTreeMap<String, FieldType>,
    pub collections: Vec<Collection>,
    /// What else there is to be listed, as the API tells of each account.
    pub discover: Option<Discover>,
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
        Self::parse_with(json, &[])
    }

    /// The same of one whose documents stand in files of their own: each by its name.
    pub fn parse_with(json: &str, documents: &[(&str, &str)]) -> Result<Self, Invalid> {
        let mut declaration: Self = read(&discover::expanded(json)?)?;
        let of_files = documents.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
        declaration.documents.extend(of_files);
        declaration.hand_out_documents()?;
        declaration.check()?;
        Ok(declaration)
    }

    /// The collection of this name.
    pub fn find(&self, name: &str) -> Option<&Collection> {
        self.collections.iter().find(|collection| collection.name == name)
    }

    /// Where the parts of a record of `collection` are.
    pub fn shape(&self, collection: &Collection) -> RecordShape {
        collection.shape.of(&self.record)
    }

    /// The kind of credential called `kind`.
    pub fn authentication(&self, kind: &str) -> Option<&Authentication> {
        self.authentication.iter().find(|authentication| authentication.kind == kind)
    }
}

fn read<T: DeserializeOwned>(json: &str) -> Result<T, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| Invalid {
        at: json_pointer(error.path()),
        problem: without_place(&error.inner().to_string()),
    })
}

/// A path of serde's as a JSON pointer.
fn json_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } | Segment::Enum { variant: key } => {
                format!("/{}", key.replace('~', "~0").replace('/', "~1"))
            }
            Segment::Unknown => "/?".to_owned(),
        })
        .collect()
}

/// serde_json's words without its line and column: the text that it has read is not the user's.
fn without_place(problem: &str) -> String {
    problem.rsplit_once(" at line ").map_or(problem, |(words, _)| words).to_owned()
}

/// So deep can collections be nested.
pub(crate) const MOST_LEVELS: usize = 4;

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

    /// The collection that an identifier names, with or without the provider.
    pub fn of_id(declaration: &Arc<Declaration>, id: &str) -> Option<Self> {
        Self::new(declaration, CollectionId::in_provider(&declaration.provider, id)?.name())
    }

    pub fn id(&self) -> CollectionId {
        CollectionId::new(&self.declaration.provider, &self.name)
    }

    /// The collection that this one is nested in.
    pub fn parent_collection(&self) -> Option<Self> {
        Self::new(&self.declaration, &self.parent.as_ref()?.collection)
    }

    /// The collections that it stands beneath, the outermost first, and itself at the end.
    pub fn levels(&self) -> Vec<Self> {
        let parents = std::iter::successors(self.parent_collection(), Self::parent_collection);
        let mut levels: Vec<Self> = parents.take(MOST_LEVELS).collect();
        levels.reverse();
        levels.push(self.clone());
        levels
    }

    pub fn shape(&self) -> RecordShape {
        self.declaration.shape(self)
    }

    /// Whether an object that comes or goes may have others missed, in its list or with their parents in one above it.
    pub fn may_shift(&self) -> bool {
        self.levels().iter().any(|level| level.pagination().may_shift())
    }

    pub fn pagination(&self) -> &Pagination {
        self.pagination.as_ref().unwrap_or(&self.declaration.pagination)
    }

    /// Whether a position in one list is one in the other: nothing has changed of where the collection is listed, how
    /// that is cut, and what is read of it.
    pub fn lists_as(&self, other: &Self) -> bool {
        let parents = [self.parent_collection(), other.parent_collection()];
        let is_same_parent = match &parents {
            [Some(one), Some(other)] => one.lists_as(other),
            parents => parents.iter().all(Option::is_none),
        };
        // What objects have, and how they are changed, says nothing of how they are listed.
        let (fields, writes) = (other.fields.clone(), other.writes.clone());
        let is_same_list = Collection { fields, writes, ..(**self).clone() } == **other;
        is_same_parent
            && is_same_list
            && self.pagination() == other.pagination()
            && self.shape() == other.shape()
    }
}

impl Deref for CollectionRef {
    type Target = Collection;

    fn deref(&self) -> &Collection {
        &self.declaration.collections[self.index]
    }
}
