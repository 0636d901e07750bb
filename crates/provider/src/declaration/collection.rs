//! Collections: where they are listed, what their records look like, how changes and deletes are noticed.

use super::{Bulk, FieldType, Fields, Pagination, Retrieve, Writes};
use crate::{body::Body, moment::MomentFormat, pointer::Pointer, template::Template};
use serde::{
    Deserialize, Deserializer,
    de::{SeqAccess, Visitor},
};
use std::{
    collections::BTreeMap,
    fmt,
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collection {
    pub name: String,
    pub title: String,
    /// What the API's list of kinds calls its objects, so that they are not discovered as a collection of their own.
    pub kind: Option<String>,
    pub path: Paths,
    /// Where one object is read.
    pub retrieve: Option<Retrieve>,
    /// Sent with each request for a list.
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    /// The same; in place of the API's own where they have the same name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The list is asked for with it.
    pub body: Option<Body>,
    /// How the bodies of its lists are sent.
    #[serde(default)]
    pub body_as: BodyForm,
    /// Where it is not the provider's.
    pub pagination: Option<Pagination>,
    /// Where an answer has `null` if what the list belongs to is missing.
    pub missing: Option<Pointer>,
    /// How many points a page may cost, where the API counts them.
    pub cost: Option<NonZeroU32>,
    /// How objects are read of which lists show no more than the ids.
    pub batch: Option<Batch>,
    /// How the lists beneath several parents are read in one go.
    pub together: Option<Together>,
    /// Where the API tells which properties its objects have, which a batch has to name.
    pub properties: Option<PropertyList>,
    /// How the list is limited to what was created within a span of time.
    pub created: Option<CreatedBounds>,
    /// How the list is limited to what was changed from an instant on.
    pub updated: Option<UpdatedBound>,
    #[serde(default, rename = "record")]
    pub(super) shape: RecordShapeChange,
    /// Whether an id tells an object only from others beneath the same parent. Then a record's id has the parent's in front.
    #[serde(default)]
    pub scoped: bool,
    pub parent: Option<Parent>,
    pub changes: Changes,
    /// The list of what has been deleted.
    pub deleted: Option<Tombstones>,
    /// How all of it is exported in the background, for backfills.
    pub bulk: Option<Bulk>,
    #[serde(default)]
    pub writes: Writes,
    /// What its objects have; none where nothing is known of that.
    #[serde(default)]
    pub fields: Fields,
}

impl Collection {
    /// Whether it is all in one list.
    pub fn is_one_list(&self) -> bool {
        self.parent.is_none() && matches!(self.path, Paths::One(_))
    }

    /// The names that are filled in where it is listed beneath a parent.
    pub(crate) fn names_of_parent(&self) -> impl Iterator<Item = &str> {
        let path = match &self.path {
            Paths::One(path) => Some(path),
            Paths::ByOption(_) => None,
        };
        let texts = path.into_iter().chain(self.query.values()).flat_map(Template::names);
        let of_body = self.body.iter().flat_map(Body::names).filter(|name| name.starts_with("parent."));
        texts.chain(of_body)
    }

    /// Whether one object can be read by its id.
    pub fn is_retrievable(&self) -> bool {
        self.retrieve.is_some() || self.batch.as_ref().is_some_and(|batch| batch.retrieves)
    }

    /// How often, in seconds, the list of what has been deleted is looked at, where there is one.
    pub fn deletes_poll(&self) -> Option<u64> {
        self.deleted.as_ref().and_then(|deleted| deleted.poll.or(self.changes.poll))
    }
}

/// How the body of a request for a list is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyForm {
    /// By POST.
    #[default]
    Json,
    /// By GET: its members are parameters of the URL. An array is one text, with spaces between its elements, as a language
    /// for queries has it.
    Query,
}

/// Where a collection is listed: a path, or an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Paths {
    One(Template),
    /// Once for each value of these options.
    ByOption(Vec<OptionPath>),
}

/// By hand, so that a mistake within the array is refused with its place.
impl<'de> Deserialize<'de> for Paths {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Paths;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or an array of paths by option")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Paths, E> {
                Template::try_from(text.to_owned()).map(Paths::One).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Paths, A::Error> {
                let mut paths = Vec::new();
                while let Some(path) = items.next_element()? {
                    paths.push(path);
                }
                Ok(Paths::ByOption(paths))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// Where what an option of a sync names is found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptionPath {
    pub option: String,
    /// With the option in braces in it.
    pub path: Template,
    /// Whether the answer is the one object, and no list.
    #[serde(default)]
    pub single: bool,
    /// Another option, whose lists have it already: a value that begins with one of that, and a slash, is left out.
    pub within: Option<String>,
}

/// Where the parts of a record are in an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RecordShape {
    pub id: Pointer,
    pub created_at: Option<Moment>,
    pub updated_at: Option<Moment>,
    /// True in what is left of a deleted object.
    pub deleted: Option<Pointer>,
    /// Members of an object that are none of its own, and are left out of a record.
    #[serde(default)]
    pub omit: Vec<String>,
}

/// What a collection says otherwise than its provider's [`RecordShape`]; `null` means that there is no such thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordShapeChange {
    id: Option<Pointer>,
    #[serde(default, deserialize_with = "given")]
    created_at: Option<Option<Moment>>,
    #[serde(default, deserialize_with = "given")]
    updated_at: Option<Option<Moment>>,
    #[serde(default, deserialize_with = "given")]
    deleted: Option<Option<Pointer>>,
    omit: Option<Vec<String>>,
}

fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl RecordShapeChange {
    pub(super) fn of(&self, usual: &RecordShape) -> RecordShape {
        let Self { id, created_at, updated_at, deleted, omit } = self.clone();
        RecordShape {
            id: id.unwrap_or_else(|| usual.id.clone()),
            created_at: created_at.unwrap_or_else(|| usual.created_at.clone()),
            updated_at: updated_at.unwrap_or_else(|| usual.updated_at.clone()),
            deleted: deleted.unwrap_or_else(|| usual.deleted.clone()),
            omit: omit.unwrap_or_else(|| usual.omit.clone()),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Moment {
    pub at: Pointer,
    pub format: MomentFormat,
}

/// The parameters that limit a list by the time of creation, in whole seconds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CreatedBounds {
    /// From this second on.
    pub from: Option<String>,
    /// Before this second.
    pub before: Option<String>,
    #[serde(default)]
    pub format: MomentFormat,
    /// Whether the newest object comes first. Then the list need not be read further than to what is too old.
    #[serde(default)]
    pub newest_first: bool,
}

/// The parameter that limits a list by the time of the last change.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdatedBound {
    /// From this instant on.
    pub from: Option<String>,
    #[serde(default)]
    pub format: MomentFormat,
    /// Whether the oldest change comes first. Then a walk goes on from the last object's instant, and what changes
    /// meanwhile shifts nothing.
    #[serde(default)]
    pub ascending: bool,
    /// Whether the newest change comes first. Then the list need not be read further than to what was known before.
    #[serde(default)]
    pub newest_first: bool,
    /// Sent along, to have the list sorted for example.
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    /// Where changes are listed, where that is elsewhere than all objects are: with a body, and cut into pages, of its own.
    pub path: Option<String>,
    pub body: Option<Body>,
    pub pagination: Option<Pagination>,
    /// How a walk goes on where more has changed at one instant than a page has, in a list that is ascending.
    pub ties: Option<Ties>,
}

/// The changes of one instant, in the order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ties {
    /// With the instant, as in the list of all changes, and the `{id}` behind which the list goes on.
    pub body: Body,
    /// Before all ids.
    pub first: String,
}

/// A list of properties, which comes whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropertyList {
    pub path: String,
    pub items: Pointer,
    /// Where in a property its name is.
    pub name: Pointer,
    /// Where in a property its type is, of which the declaration's `property_types` says what it is here.
    #[serde(rename = "type")]
    pub property_type: Option<Pointer>,
    /// Where in an object the property called `{name}` is; the member of its name if it is not said.
    pub at: Option<Pointer>,
    /// Whether values are written as texts, whatever their type.
    #[serde(default)]
    pub quoted: bool,
}

/// What stands in [`PropertyList::at`] for the name of a property.
pub(super) const NAME: &str = "{name}";

impl PropertyList {
    /// Where in an object the property called `name` is: the keys that lead to it.
    pub fn place(&self, name: &str) -> Vec<String> {
        let filled = |key: &String| if key == NAME { name.to_owned() } else { key.clone() };
        match &self.at {
            Some(at) => at.keys().iter().map(filled).collect(),
            None => vec![name.to_owned()],
        }
    }

    /// Where the value is that has them all; `None` where that is the object itself.
    pub fn place_of_all(&self) -> Option<Vec<String>> {
        let keys = self.at.as_ref()?.keys().iter().take_while(|key| *key != NAME);
        Some(keys.cloned().collect()).filter(|place: &Vec<String>| !place.is_empty())
    }

    /// Whether what is of this type in SQL is a text in JSON, and could be something else.
    pub fn is_quoted(&self, field_type: FieldType) -> bool {
        self.quoted && !field_type.is_text()
    }
}

/// How many objects are read in one go.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    pub path: String,
    /// With `{ids}` in an element of an array, and `{properties}` in one where the API tells them.
    pub body: Body,
    /// Where the objects are in the answer; it may be silent about those that are gone.
    pub items: Pointer,
    /// Where an answer that is none of a failure says what could not be read.
    pub errors: Option<PartErrors>,
    /// How many at once.
    pub size: NonZeroUsize,
    /// Whether single objects are read in the same way, as there is no `retrieve` that shows the same. Then the list of
    /// deletions is believed, and what a sweep misses is looked for.
    #[serde(default)]
    pub retrieves: bool,
}

/// How the lists beneath several parents are read in one go: an answer has a list for each, or none where it is empty.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    pub path: String,
    /// With the parents' `{ids}` in an element of an array.
    pub body: Body,
    /// Where the lists are in the answer.
    pub items: Pointer,
    /// Whose one is.
    pub parent: Pointer,
    /// Where the objects are in it.
    pub children: Pointer,
    /// Where it says that it is not all. Then the parent's list is read by itself.
    pub next: Option<Pointer>,
    /// Where an answer that is none of a failure says what could not be read.
    pub errors: Option<PartErrors>,
    /// How many parents at once.
    pub size: NonZeroUsize,
}

/// What could not be read of several objects or lists.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartErrors {
    pub items: Pointer,
    /// Where in one of them its code is.
    pub code: Pointer,
    /// The code that means no more than that an object isn't there, or has no children.
    pub none: String,
}

/// A list of what has been deleted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tombstones {
    pub path: String,
    #[serde(default)]
    pub query: BTreeMap<String, String>,
    pub body: Option<Body>,
    pub pagination: Option<Pagination>,
    /// It is looked at each so many seconds, where that is not as often as the collection.
    pub poll: Option<u64>,
    /// The parameter that limits the list to deletions from an instant on.
    pub from: Option<String>,
    #[serde(default)]
    pub format: MomentFormat,
    /// What objects have as a property where there is such a list: of a collection whose properties the API tells, and this
    /// is not among them, nothing is listed.
    pub property: Option<String>,
    /// Where the id of the deleted object is.
    pub id: Pointer,
    pub deleted_at: Option<Moment>,
    /// How late, in seconds, a deletion may appear behind others.
    #[serde(default = "a_minute")]
    pub lookback: u64,
}

fn a_minute() -> u64 {
    60
}

impl Tombstones {
    pub fn lookback(&self) -> Duration {
        Duration::from_secs(self.lookback)
    }
}

/// A nested collection is listed once for each object of another.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    pub collection: String,
    /// The list in the parent that already has its first children.
    pub embedded: Option<Pointer>,
    /// Where a child says whose it is.
    pub id_from: Option<Pointer>,
    /// How the parents are listed for that, where it is otherwise than for their own sake.
    pub list: Option<ParentList>,
}

/// A list of parents that shows their first children too.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParentList {
    /// With the parents' bounds in it: of their creation, and of their changes where looks are at those.
    pub body: Body,
    pub pagination: Option<Pagination>,
    /// How many points a page may cost.
    pub cost: Option<NonZeroU32>,
}

/// How changes are noticed after the backfill.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Changes {
    /// The feed whose events tell of changes …
    pub feed: Option<String>,
    /// … of objects of this type, which are then fetched one by one,
    pub object: Option<String>,
    /// … or of parents of this type, whose children are then listed again.
    pub parent_object: Option<String>,
    /// The list is read each so many seconds: what was changed since, where it can be limited to that; else, for what is
    /// only ever added, from the newest object on …
    pub poll: Option<u64>,
    /// … and from so many seconds before.
    #[serde(default)]
    pub lookback: u64,
    /// Whether a look lists the children of those parents that have changed, instead of what has changed of all children.
    #[serde(default)]
    pub of_parents: bool,
    /// The whole list is read again each so many seconds, and compared.
    pub sweep: Option<u64>,
}

impl Changes {
    pub fn lookback(&self) -> Duration {
        Duration::from_secs(self.lookback)
    }
}
