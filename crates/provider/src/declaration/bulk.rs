//! How a collection is exported whole, by a job that the API does in the background.

use super::{
    Collection, Declaration, Invalid, PageSize, Paths, WriteMethod,
    check::{Checked, path, refuse},
};
use crate::{body::Body, pointer::Pointer, template::Template};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::{collections::BTreeMap, num::NonZeroU64, time::Duration};

/// An export: a job is started, waited for, and its results are read in parts.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bulk {
    /// It is worth it from so many objects on; always, where that is not said.
    pub at_least: Option<u64>,
    /// How many objects there are.
    pub count: Option<Count>,
    /// What the columns of a table are, beside what is said of fields.
    pub types: Option<ColumnTypes>,
    pub start: Start,
    pub status: Status,
    pub results: Results,
    /// Ends a job that nobody waits for any more.
    pub abort: Option<Call>,
    /// Removes a job that has ended.
    pub delete: Option<Call>,
    /// A job that takes longer, in seconds, is given up.
    #[serde(default = "six_hours")]
    pub patience: u64,
}

fn six_hours() -> u64 {
    6 * 3600
}

impl Bulk {
    /// All bodies in it, and where they stand.
    pub(super) fn bodies(&mut self) -> impl Iterator<Item = (&'static str, &mut Body)> {
        let Self { count, types, start, status, results, abort, delete, .. } = self;
        [
            ("/bulk/count/request/body", count.as_mut().map(|count| &mut count.request)),
            ("/bulk/types/request/body", types.as_mut().map(|types| &mut types.request)),
            ("/bulk/start/request/body", Some(&mut start.request)),
            ("/bulk/status/request/body", Some(&mut status.request)),
            ("/bulk/results/request/body", results.request.as_mut()),
            ("/bulk/abort/body", abort.as_mut()),
            ("/bulk/delete/body", delete.as_mut()),
        ]
        .into_iter()
        .filter_map(|(at, call)| Some((at, call?.body.as_mut()?)))
    }

    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.patience)
    }
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// POST where it has a body, and GET where it has none, if it is not said.
    pub method: Option<WriteMethod>,
    /// With `{job}` in it, or in what follows, for the job's id.
    pub path: Template,
    #[serde(default)]
    pub query: BTreeMap<String, Template>,
    pub body: Option<Body>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    pub request: Call,
    /// Where in the answer the number is.
    pub at: Pointer,
}

/// A list of the columns' types, which comes whole. What is none of these is a text.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnTypes {
    pub request: Call,
    pub items: Pointer,
    /// Where in a column its name is, and what the API calls its type.
    pub name: Pointer,
    #[serde(rename = "type")]
    pub column_type: Pointer,
    #[serde(default)]
    pub boolean: Vec<String>,
    #[serde(default)]
    pub number: Vec<String>,
    #[serde(default)]
    pub timestamp: Vec<String>,
    /// Columns that a table has in parts only.
    pub compound: Option<Compound>,
    /// Columns that a table can't show as the list does: with one of these there is no export.
    #[serde(default)]
    pub unsupported: Vec<String>,
}

/// Values that are objects in the list, and whose members are columns of their own in a table: `BillingCity` is the `city`
/// of `BillingAddress`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compound {
    /// What the API calls the types of such values.
    pub types: Vec<String>,
    /// Where a part says which it belongs to.
    pub part_of: Pointer,
    /// What stands behind the member in the names of some parts.
    pub suffix: Option<String>,
}

impl Compound {
    /// What the value of a part is called in the whole: what the part's name has behind that which both have in front.
    pub(crate) fn member(&self, whole: &str, part: &str) -> String {
        let same = whole.chars().zip(part.chars()).take_while(|(one, other)| one == other);
        let begin: usize = same.map(|(c, _)| c.len_utf8()).sum();
        let own = &part[begin..];
        let own = self.suffix.as_deref().and_then(|suffix| own.strip_suffix(suffix)).unwrap_or(own);
        let mut chars = own.chars();
        chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    pub request: Call,
    /// Where in the answer the job's id is.
    pub job: Pointer,
    /// What in a good answer says that there is no job.
    pub refusal: Option<StartRefusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartRefusal {
    /// Where the reason is, if there is one.
    pub message: Pointer,
    /// Reasons with one of these texts in them: another job is under way, and this one has to wait.
    #[serde(default)]
    pub busy: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Status {
    pub request: Call,
    /// Where in the answer the state is.
    pub state: Pointer,
    /// The state of a job whose results are there …
    pub done: Vec<String>,
    /// … that has failed, so that the list is read instead …
    pub failed: Vec<String>,
    /// … or whose results there will not be, so that another one is started. In any other it is waited for.
    #[serde(default)]
    pub lost: Vec<String>,
    /// Where the reason of a failure is.
    pub message: Option<Pointer>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Results {
    pub format: ResultFormat,
    /// Where the parts are asked for.
    pub request: Option<Call>,
    pub page_size: Option<PageSize>,
    /// What leads from one part to the next.
    pub next: Option<NextPart>,
    /// The header with the number of rows in a part.
    pub rows: Option<String>,
    /// Where in the answer to the status the URL of a file is, which may be on any server. There is no file of nothing.
    pub file: Option<Pointer>,
    /// So many bytes of it are asked for at once.
    #[serde(default = "eight_mebibytes")]
    pub bytes: NonZeroU64,
    /// How the list writes the offset of UTC, where a table has `Z`.
    pub utc: Option<String>,
    /// The key that names the parent in lines of children.
    pub parent: Option<String>,
}

fn eight_mebibytes() -> NonZeroU64 {
    const { NonZeroU64::new(8 << 20).unwrap() }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResultFormat {
    /// A table with a head (RFC 4180).
    Csv,
    /// An object a line.
    JsonLines,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NextPart {
    /// The header that says where the next part begins …
    pub header: String,
    /// … which is asked for with this parameter.
    pub parameter: String,
    /// What it says in the last part, where it is there at all.
    pub last: Option<String>,
}

/// Writes what all exports of a declaration have in common into each; false where there is nothing of the kind.
pub(super) fn share(document: &mut Value) -> Result<bool, Invalid> {
    let Some(common) = document.as_object_mut().and_then(|document| document.remove("bulk")) else {
        return Ok(false);
    };
    let Value::Object(common) = common else { return refuse("/bulk", "it must be an object") };
    for place in ["/discover/templates", "/collections"] {
        let objects = document.pointer_mut(place).and_then(Value::as_array_mut);
        for object in objects.into_iter().flatten() {
            let collection =
                if place == "/collections" { Some(object) } else { object.get_mut("collection") };
            if let Some(Value::Object(own)) = collection.and_then(|collection| collection.get_mut("bulk")) {
                add(own, &common);
            }
        }
    }
    Ok(true)
}

/// Adds what an object doesn't say itself.
fn add(own: &mut Map<String, Value>, common: &Map<String, Value>) {
    for (key, value) in common {
        match (own.get_mut(key), value) {
            (Some(Value::Object(own)), Value::Object(common)) => add(own, common),
            (Some(_), _) => {}
            (None, value) => drop(own.insert(key.clone(), value.clone())),
        }
    }
}

impl Declaration {
    pub(super) fn check_bulk(&self, place: &str, collection: &Collection) -> Checked {
        let Some(bulk) = &collection.bulk else { return Ok(()) };
        let at = |key: &str| format!("{place}/bulk{key}");
        if !self.is_found_without_options(collection) {
            return refuse(at(""), "it is for collections that no option says the place of");
        }
        if bulk.at_least.is_some() != bulk.count.is_some() {
            return refuse(at("/at_least"), "it goes with a count");
        }
        let Results { format, request, page_size, next, rows, file, utc, parent, .. } = &bulk.results;
        match (request, file) {
            (Some(_), None) | (None, Some(_)) => {}
            _ => return refuse(at("/results"), "either request or file says where they are"),
        }
        if request.is_none() && (page_size.is_some() || next.is_some() || rows.is_some()) {
            return refuse(at("/results/request"), "page_size, next and rows go with it");
        }
        match format {
            ResultFormat::Csv if file.is_some() => {
                return refuse(at("/results/format"), "a file has an object a line");
            }
            ResultFormat::Csv if parent.is_some() => {
                return refuse(at("/results/parent"), "it goes with json_lines");
            }
            ResultFormat::Csv if collection.parent.is_some() => {
                return refuse(at("/results/format"), "a table doesn't say whose children its rows are");
            }
            ResultFormat::Csv => {}
            ResultFormat::JsonLines if request.is_some() => {
                return refuse(at("/results/file"), "lines of JSON are read from a file");
            }
            ResultFormat::JsonLines if utc.is_some() || bulk.types.is_some() => {
                return refuse(at("/results/format"), "types and utc go with csv");
            }
            ResultFormat::JsonLines if collection.parent.is_some() && parent.is_none() => {
                return refuse(at("/results/parent"), "it is needed where there are parents");
            }
            ResultFormat::JsonLines => {}
        }
        let states = [("/status/done", &bulk.status.done), ("/status/failed", &bulk.status.failed)];
        if let Some((key, _)) = states.into_iter().find(|(_, states)| states.is_empty()) {
            return refuse(at(key), "at least one state is needed");
        }
        let calls = [
            ("/count/request", bulk.count.as_ref().map(|count| &count.request), false),
            ("/types/request", bulk.types.as_ref().map(|types| &types.request), false),
            ("/start/request", Some(&bulk.start.request), false),
            ("/status/request", Some(&bulk.status.request), true),
            ("/results/request", request.as_ref(), true),
            ("/abort", bulk.abort.as_ref(), true),
            ("/delete", bulk.delete.as_ref(), true),
        ];
        for (key, call, has_job) in calls {
            if let Some(call) = call {
                call.check(&at(key), has_job)?;
            }
        }
        Ok(())
    }

    /// Whether the list of everything can be had without a sync saying where to look.
    fn is_found_without_options(&self, collection: &Collection) -> bool {
        let above = |collection: &&Collection| self.find(&collection.parent.as_ref()?.collection);
        std::iter::successors(Some(collection), above).all(|level| matches!(level.path, Paths::One(_)))
    }
}

impl Call {
    fn check(&self, at: &str, has_job: bool) -> Checked {
        path(&format!("{at}/path"), &self.path)?;
        let mut named = self.path.names().chain(self.query.values().flat_map(Template::names));
        let is_unknown = |name: &&str| !(has_job && *name == JOB);
        if let Some(unknown) = named.find(is_unknown) {
            return refuse(at, format!("{{{unknown}}} has no value there"));
        }
        let is_object = self.body.as_ref().is_none_or(Body::is_object);
        if !is_object {
            return refuse(format!("{at}/body"), "it must be an object");
        }
        let known: &[&str] = if has_job { &[JOB] } else { &[PROPERTIES] };
        match self.body.as_ref().and_then(|body| body.unknown(|name| known.contains(&name))) {
            Some(unknown) => refuse(format!("{at}/body"), format!("{{{unknown}}} has no value there")),
            None => Ok(()),
        }
    }
}

/// What stands for the id of a job, and for the properties of the objects.
pub(crate) const JOB: &str = "job";
pub(crate) const PROPERTIES: &str = "properties";
