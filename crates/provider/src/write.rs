//! Changes of single objects, and the request for one.

use crate::{
    body::{self, Names},
    declaration::{
        CollectionRef, Encoding, Idempotency, OF_DATA, OF_PARENT, Write, WriteMethod, is_own, is_parents,
    },
    form::{NoForm, fields},
    omit::without,
    pointer::{self, Pointer},
    record::{hash, identifier, unscoped},
    request::{Request, at_path},
    template::Template,
};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use sequin_domain::mutation::{Action, Repetition};
use serde_json::Value;
use std::{borrow::Cow, collections::BTreeMap, time::Duration};
use url::{Url, form_urlencoded::Serializer};

/// The name that stands for the id of the object that another stands beneath.
const PARENT_ID: &str = "parent.id";

/// A change that an API is asked for.
#[derive(Debug, Clone)]
pub struct Change {
    pub collection: CollectionRef,
    pub action: Action,
    pub upstream_id: Option<String>,
    /// The object that a new one is to be beneath.
    pub parent_id: Option<String>,
    /// A JSON object.
    pub data: Option<String>,
    /// What an API can know the request by when it comes again.
    pub key: String,
    pub stored: Stored,
}

/// What the stream has of an object that is to be changed, in so far as [`Change::needs`] says so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stored {
    /// Whose child it is.
    pub parent_id: Option<String>,
    /// The object, and the one that it stands beneath, as JSON.
    pub object: Option<String>,
    pub parent: Option<String>,
}

/// What has to be known of the stream to ask for a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    pub object: bool,
    pub parent: bool,
}

/// Why a change can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unwritable {
    #[error("the API has no such request")]
    NoSuchAction,
    #[error("it must say which object")]
    NoId,
    #[error("what is to be created has no id yet")]
    HasId,
    #[error("it must say beneath which object")]
    NoParent,
    #[error("it has its place already, or needs none")]
    HasParent,
    #[error("it must say what is to be changed")]
    NoData,
    #[error("the stream does not have the object, and the API's path needs something of it")]
    NotStored,
    #[error("the stream does not have what it stands beneath, and the API's path needs something of that")]
    ParentNotStored,
    #[error("the API's path needs {0}, which the stream does not have of it")]
    Lacks(String),
    #[error("the API's path needs {0}, which is not in data")]
    NotGiven(String),
    #[error("data can't be sent: {0}")]
    BadData(String),
    #[error("the key can't stand in a header")]
    BadKey,
}

impl From<NoForm> for Unwritable {
    fn from(problem: NoForm) -> Self {
        Self::BadData(problem.to_string())
    }
}

impl Change {
    /// Refuses what could never be sent.
    pub fn check(&self) -> Result<(), Unwritable> {
        let write = self.write()?;
        match (&self.upstream_id, write.names_object()) {
            (None, true) => return Err(Unwritable::NoId),
            (Some(_), false) => return Err(Unwritable::HasId),
            _ => {}
        }
        let has_place = self.is_placed() && write.names_parent();
        if self.parent_id.is_some() && !has_place {
            return Err(Unwritable::HasParent);
        }
        if self.data.is_none() && self.action != Action::Delete {
            return Err(Unwritable::NoData);
        }
        if self.data.as_ref().is_some_and(|data| !data.trim_start().starts_with('{')) {
            return Err(NoForm::NoObject.into());
        }
        self.path(&write.path)?;
        self.body(write).map(drop)
    }

    pub(crate) fn write(&self) -> Result<&Write, Unwritable> {
        self.collection.writes.of(self.action).ok_or(Unwritable::NoSuchAction)
    }

    fn idempotency(&self) -> Option<&Idempotency> {
        self.collection.declaration.writes.as_ref()?.idempotency.as_ref()
    }

    /// For how long the API knows the request when it comes again.
    fn key_lifetime(&self) -> Option<Duration> {
        let in_body = self.write().ok().and_then(|write| write.key_lifetime).map(Duration::from_secs);
        in_body.or_else(|| self.idempotency().map(Idempotency::lifetime))
    }

    /// Whether the API knows the request when it comes again.
    pub fn is_keyed(&self) -> bool {
        self.key_lifetime().is_some()
    }

    /// Whether answers do no more than name the object.
    pub fn is_read_back(&self) -> bool {
        self.collection.declaration.writes.as_ref().is_some_and(|writing| writing.read_back)
    }

    /// Whether twice does what once does, or the API sees to it that nothing is done twice.
    pub fn is_repeatable(&self) -> bool {
        let write = self.write().ok();
        self.action == Action::Delete || write.is_some_and(|write| write.repeatable) || self.is_unique()
    }

    /// What may be done `age` after it was asked for first, when nobody knows what came of that.
    pub fn repetition(&self, age: Duration) -> Repetition {
        if self.key_lifetime().is_some_and(|lifetime| age < lifetime) {
            Repetition::Harmless
        } else if self.can_be_seen() {
            Repetition::Visible
        } else if self.is_repeatable() {
            Repetition::Harmless
        } else {
            Repetition::Harmful
        }
    }

    /// What it has in common with other changes of its object, which are made one after the other: the object's id, or a
    /// hash of what an upsert finds it by. `None`: it waits for no other.
    pub fn turn(&self) -> Option<String> {
        if let Some(id) = &self.upstream_id {
            return Some(id.clone());
        }
        let data = self.data.as_deref()?;
        let known_by = &self.write().ok()?.known_by;
        let values: Vec<Option<String>> =
            known_by.iter().map(|at| value_at(data, at).map(|value| value.to_lowercase())).collect();
        if values.iter().all(Option::is_none) {
            return None;
        }
        let told = serde_json::json!([self.parent_id, values]).to_string();
        Some(format!("#{}", hash(&told).map(|byte| format!("{byte:02x}")).concat()))
    }

    /// What has to be known of the stream before it can be asked for.
    pub fn needs(&self) -> Needs {
        let in_body =
            self.write().is_ok_and(|write| write.body.as_ref().is_some_and(|body| body.has(PARENT_ID)));
        let names = || self.paths().flat_map(Template::names).chain(in_body.then_some(PARENT_ID));
        let is_placed = self.is_placed() || self.collection.scoped;
        Needs {
            object: names().any(|name| (is_own(name) && name != "id") || (is_parents(name) && !is_placed)),
            parent: names().any(|name| is_parents(name) && name != PARENT_ID),
        }
    }

    /// Whether it can say beneath which object its own is to be.
    fn is_placed(&self) -> bool {
        matches!(self.action, Action::Create | Action::Upsert)
    }

    /// The object that it stands beneath, as far as that is known.
    pub fn parent(&self) -> Option<Cow<'_, str>> {
        let scope = || self.upstream_id.as_deref().filter(|_| self.collection.scoped).and_then(unscoped);
        let given = self.parent_id.as_deref().or(self.stored.parent_id.as_deref()).map(Cow::Borrowed);
        given.or_else(|| scope().map(|(parent_id, _)| Cow::Owned(parent_id)))
    }

    fn parent_id(&self) -> Result<Cow<'_, str>, Unwritable> {
        let nowhere = if self.is_placed() { Unwritable::NoParent } else { Unwritable::NotStored };
        self.parent().ok_or(nowhere)
    }

    /// The id that the API knows it by.
    pub(crate) fn own_id(&self) -> Option<&str> {
        let id = self.upstream_id.as_deref()?;
        Some(if self.collection.scoped { unscoped(id).map_or(id, |(_, own)| own) } else { id })
    }

    /// A path of the API with all that stands in braces.
    pub(crate) fn path(&self, path: &Template) -> Result<String, Unwritable> {
        let values: BTreeMap<&str, String> =
            path.names().map(|name| Ok((name, self.value(name)?))).collect::<Result<_, Unwritable>>()?;
        Ok(path.fill_path(|name| values.get(name).map(String::as_str)))
    }

    fn value(&self, name: &str) -> Result<String, Unwritable> {
        if name == "id" {
            return self.own_id().map(str::to_owned).ok_or(Unwritable::NoId);
        }
        if let Some(at) = name.strip_prefix(OF_DATA) {
            let given = self.data.as_deref().and_then(|data| within(data, at));
            return given.ok_or_else(|| Unwritable::NotGiven(at.to_owned()));
        }
        let Stored { object, parent, .. } = &self.stored;
        let lacks = || Unwritable::Lacks(name.to_owned());
        if let Some(at) = name.strip_prefix(OF_PARENT) {
            let id = self.parent_id()?.into_owned();
            return match parent {
                _ if at == "id" => Ok(id),
                Some(parent) => within(parent, at).ok_or_else(lacks),
                None => Err(Unwritable::ParentNotStored),
            };
        }
        within(object.as_ref().ok_or(Unwritable::NotStored)?, name).ok_or_else(lacks)
    }

    /// The request to an API at `base`.
    pub fn request(&self, base: &Url) -> Result<Request, Unwritable> {
        self.check()?;
        let write = self.write()?;
        let mut url = at_path(base, &self.path(&write.path)?);
        if !write.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&write.query);
        }
        let mut headers = HeaderMap::new();
        let mut body = None;
        match self.body(write)? {
            Body::None => {}
            // Many servers pass the body of a DELETE by.
            Body::Form(fields) if write.method == WriteMethod::Delete => {
                if !fields.is_empty() {
                    url.query_pairs_mut().extend_pairs(fields);
                }
            }
            Body::Form(fields) => {
                let text = Serializer::new(String::new()).extend_pairs(fields).finish();
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
                body = Some(text.into());
            }
            Body::Json(text) => {
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                body = Some(text.into());
            }
        }
        if let Some(idempotency) = self.idempotency().filter(|_| write.method != WriteMethod::Delete) {
            let name = HeaderName::try_from(&idempotency.header).map_err(|_| Unwritable::BadKey)?;
            headers.insert(name, HeaderValue::from_str(&self.key).map_err(|_| Unwritable::BadKey)?);
        }
        Ok(Request { method: write.method.into(), url, headers, body })
    }

    fn body(&self, write: &Write) -> Result<Body, Unwritable> {
        if let Some(body) = &write.body {
            return self.filled(body).map(Body::Json);
        }
        let Some(data) = &self.data else { return Ok(Body::None) };
        let writing = self.collection.declaration.writes.as_ref().ok_or(Unwritable::NoSuchAction)?;
        let in_path = members(&write.path);
        let given =
            if in_path.is_empty() { Cow::Borrowed(data.as_str()) } else { without(data, &in_path).into() };
        match writing.encoding {
            Encoding::Form => Ok(Body::Form(fields(&given)?)),
            Encoding::Json => Ok(Body::Json(wrapped(&given, write.wrap.as_ref()))),
        }
    }

    /// A body of the change's own.
    fn filled(&self, body: &body::Body) -> Result<String, Unwritable> {
        let data = self.data.as_deref().map(serde_json::from_str::<Value>).transpose();
        let data = data.map_err(|problem| Unwritable::BadData(problem.to_string()))?;
        let parent_id = if body.has(PARENT_ID) { Some(self.parent_id()?) } else { None };
        let mut names: Names = [
            ("id", self.own_id().map(Value::from)),
            (PARENT_ID, parent_id.as_deref().map(Value::from)),
            ("key", Some(self.key.as_str().into())),
            ("data", data.clone()),
        ]
        .into();
        for name in body.names() {
            if let Some(member) = name.strip_prefix(OF_DATA) {
                names.insert(name, data.as_ref().and_then(|data| data.get(member)).cloned());
            }
        }
        Ok(body.fill(&names))
    }

    /// The paths of all that may be asked for.
    fn paths(&self) -> impl Iterator<Item = &Template> {
        let write = self.collection.writes.of(self.action);
        let find = write.and_then(|write| write.find.as_ref()).map(|find| &find.path);
        let look = self.collection.writes.look.as_ref();
        let look = look.filter(|_| matches!(self.action, Action::Update | Action::Delete));
        write.map(|write| &write.path).into_iter().chain(find).chain(look)
    }
}

/// The members of what is given that stand in a path, and not in the body.
pub(crate) fn members(path: &Template) -> Vec<String> {
    let given = path.names().filter_map(|name| name.strip_prefix(OF_DATA));
    given.filter(|name| !name.contains('.')).map(str::to_owned).collect()
}

/// What an object has at `a.b`, where that is a string or a whole number.
fn within(object: &str, at: &str) -> Option<String> {
    value_at(object, &Pointer::try_from(format!("/{}", at.replace('.', "/"))).ok()?)
}

/// The string or the whole number at a place.
fn value_at(object: &str, at: &Pointer) -> Option<String> {
    let [found] = pointer::follow(object, [Some(at)]).ok()?;
    identifier(found?)
}

enum Body {
    None,
    Form(Vec<(String, String)>),
    Json(String),
}

/// The data within the objects that the pointer leads through.
fn wrapped(data: &str, pointer: Option<&Pointer>) -> String {
    let keys = pointer.map_or(&[][..], Pointer::keys);
    keys.iter().rev().fold(data.to_owned(), |inner, key| format!("{{{}:{inner}}}", Value::from(key.as_str())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, declaration::Declaration};
    use http::Method;
    use std::sync::Arc;

    const BASE: &str = "https://api.example.com/base";

    fn change(collection: CollectionRef, action: Action, id: Option<&str>, data: Option<&str>) -> Change {
        let (upstream_id, data) = (id.map(str::to_owned), data.map(str::to_owned));
        let (parent_id, stored) = (None, Stored::default());
        Change { collection, action, upstream_id, parent_id, data, key: "key-1".to_owned(), stored }
    }

    fn of_stripe(action: Action, id: Option<&str>, data: Option<&str>) -> Change {
        let stripe = catalogue::find("stripe").unwrap();
        change(CollectionRef::new(stripe, "customer").unwrap(), action, id, data)
    }

    fn of_json(action: Action, id: Option<&str>, data: Option<&str>) -> Change {
        let json = r#"{
            "provider": "shop", "title": "Shop", "documentation": "https://example.com/docs",
            "base_url": "https://api.example.com/base",
            "authentication": [{"kind": "api_key", "secrets": ["key"], "headers": {"X-Key": "{key}"}}],
            "rate_limit": {"allowed_requests": 10, "interval": 1},
            "errors": {"rules": [{"status": [404], "class": "missing"}]},
            "pagination": {"kind": "none", "items": ""}, "record": {"id": "/id"},
            "writes": {"encoding": "json"},
            "collections": [{
                "name": "item", "title": "Items", "path": "/items", "changes": {"sweep": 60},
                "writes": {
                    "create": {"method": "POST", "path": "/items", "wrap": "/data/item", "record": "/data"},
                    "update": {"method": "PATCH", "path": "/items/{id}", "query": {"v": "2"}, "repeatable": true},
                    "delete": {"method": "DELETE", "path": "/items/{id}", "gone": true}
                }
            }]
        }"#;
        let declaration = Arc::new(Declaration::parse(json).unwrap());
        change(CollectionRef::new(&declaration, "item").unwrap(), action, id, data)
    }

    fn request(change: &Change) -> Request {
        change.request(&Url::parse(BASE).unwrap()).unwrap()
    }

    #[test]
    fn a_form_is_posted_under_its_key() {
        let sent = request(&of_stripe(Action::Create, None, Some(r#"{"address": {"city": "Köln & co"}}"#)));
        assert_eq!(
            (sent.method, sent.url.as_str()),
            (Method::POST, "https://api.example.com/base/v1/customers")
        );
        assert_eq!(sent.headers["idempotency-key"], "key-1");
        assert_eq!(sent.headers[CONTENT_TYPE], "application/x-www-form-urlencoded");
        assert_eq!(sent.body.unwrap(), "address%5Bcity%5D=K%C3%B6ln+%26+co");
        let sent = request(&of_stripe(Action::Update, Some("../x?y"), Some("{}")));
        assert_eq!(sent.url.as_str(), "https://api.example.com/base/v1/customers/..%2Fx%3Fy");
        let sent = request(&of_stripe(Action::Delete, Some("cus_1"), Some(r#"{"a": 1}"#)));
        assert_eq!(sent.url.query(), Some("a=1"));
        assert!(sent.body.is_none() && sent.headers.is_empty());
    }

    #[test]
    fn json_is_sent_as_it_is_and_where_it_belongs() {
        let sent = request(&of_json(Action::Create, None, Some(r#"{"n": 1.10}"#)));
        assert_eq!(sent.body.unwrap(), r#"{"data":{"item":{"n": 1.10}}}"#);
        let sent = request(&of_json(Action::Update, Some("7"), Some(r#"{"n": null}"#)));
        assert_eq!((sent.method, sent.url.query()), (Method::PATCH, Some("v=2")));
        assert_eq!(sent.body.unwrap(), r#"{"n": null}"#);
    }

    #[test]
    fn what_could_never_be_sent_is_refused() {
        let some = Some("{}");
        for (change, problem) in [
            (of_stripe(Action::Upsert, Some("a"), some), Unwritable::NoSuchAction),
            (of_stripe(Action::Create, Some("a"), some), Unwritable::HasId),
            (of_stripe(Action::Update, None, some), Unwritable::NoId),
            (of_stripe(Action::Delete, None, None), Unwritable::NoId),
            (of_stripe(Action::Update, Some("a"), None), Unwritable::NoData),
            (of_stripe(Action::Create, None, Some("[]")), NoForm::NoObject.into()),
            (of_json(Action::Create, None, Some("[]")), NoForm::NoObject.into()),
        ] {
            assert_eq!(change.check(), Err(problem));
        }
        assert_eq!(of_stripe(Action::Delete, Some("a"), None).check(), Ok(()));
    }

    #[test]
    fn only_what_is_known_again_or_harmless_is_repeated() {
        let hour = Duration::from_secs(3600);
        let create = of_stripe(Action::Create, None, Some("{}"));
        assert_eq!(create.repetition(hour), Repetition::Harmless);
        assert_eq!(create.repetition(hour * 24), Repetition::Harmful);
        assert_eq!(of_json(Action::Create, None, Some("{}")).repetition(hour), Repetition::Harmful);
        assert_eq!(
            of_json(Action::Update, Some("7"), Some("{}")).repetition(hour * 99),
            Repetition::Harmless
        );
        assert_eq!(of_json(Action::Delete, Some("7"), None).repetition(hour * 99), Repetition::Harmless);
    }
}
