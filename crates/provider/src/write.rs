//! Changes of single objects: the request for one, and what its answer says.

use crate::{
    answer::{Answer, Original, is_nothing, readable, shorten, word},
    body::{self, Names},
    declaration::{
        CollectionRef, Declaration, Encoding, Idempotency, OF_DATA, OF_PARENT, RefusalWords, Write,
        WriteMethod, is_own, is_parents,
    },
    form::{NoForm, fields},
    pointer::{self, Pointer},
    record::{Reader, Record, Rejected, identifier, unscoped},
    request::{Request, at_path},
    template::Template,
};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Repetition},
    secret::Mask,
};
use serde_json::{Value, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap, time::Duration};
use url::{Url, form_urlencoded::Serializer};

/// How much is kept of an API's words about a change that it refuses, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

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

/// What an answer to a change says of the object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// The object, as lists show it.
    Shown(Result<Record, Rejected>),
    /// Which it is: what it is now has to be read.
    Named(String),
}

/// What an API has said in refusing a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: Option<String>,
    /// The body, as far as it is kept.
    pub body: String,
    /// Nothing was done, and another try may go better.
    pub is_undone: bool,
}

impl Refusal {
    /// The API's own words in an answer that is a failure, or in the part of one that is about a single change.
    pub(crate) fn of(declaration: &Declaration, status: u16, text: &str) -> Self {
        let code = word(text, declaration.errors.code.as_ref());
        let mut body = text.to_owned();
        if body.len() > LONGEST_BODY {
            body.truncate(body.floor_char_boundary(LONGEST_BODY));
        }
        Self { status, code: code.map(|code| shorten(&code)), body, is_undone: false }
    }

    /// The body as JSON: as a text, where it is none. `None` where there is no body.
    pub fn json(&self) -> Option<String> {
        let body = self.body.trim();
        if body.is_empty() {
            return None;
        }
        let is_json = serde_json::from_str::<&RawValue>(body).is_ok();
        let readable = |text: &str| text.chars().filter(|c| !c.is_control()).collect::<String>();
        Some(if is_json { body.to_owned() } else { Value::from(readable(body)).to_string() })
    }

    /// The same with none of the secrets that the API was sent.
    pub fn without(self, secrets: &Mask) -> Self {
        Self { code: self.code.map(|code| secrets.hide(&code)), body: secrets.hide(&self.body), ..self }
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
        let given = without(data, &members(&write.path));
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

    /// What a good answer says of a change that it refuses.
    fn refused<'a>(&self, text: &'a str) -> Option<(&'a str, &RefusalWords)> {
        let at = self.write().ok()?.refused.as_ref()?;
        let words = &self.collection.declaration.writes.as_ref()?.refusal;
        let [found] = pointer::follow(text, [Some(at)]).ok()?;
        found.map(RawValue::get).filter(|said| !is_nothing(said)).map(|said| (said, words))
    }

    /// What the answer says of the object; that a thing to be deleted is missing means that it is deleted.
    ///
    /// A failure of the class `BadData` can come from a change that was made.
    pub fn interpret(&self, answer: &Answer) -> Result<Made, Failure> {
        let gone = || self.upstream_id.as_deref().map(Record::gone).map(|record| Made::Shown(Ok(record)));
        let declaration = &self.collection.declaration;
        let found = answer.text(declaration).and_then(|text| match self.refused(&text) {
            Some((said, words)) => Err(declaration.errors.refused(answer, said, words)),
            None => Ok(text),
        });
        let text = match found {
            Ok(text) => text,
            Err(failure) if failure.class == FailureClass::Missing && self.action == Action::Delete => {
                return gone().ok_or(failure);
            }
            Err(failure) => return Err(failure),
        };
        let write = self.write().map_err(|problem| answer.bad_data(problem))?;
        if let Some(gone) = gone().filter(|_| write.gone) {
            return Ok(gone);
        }
        // There need not be anything in the answer.
        if let Some(id) = self.upstream_id.clone().filter(|_| self.is_read_back()) {
            return Ok(Made::Named(id));
        }
        let found = pointer::follow(text.trim(), [Some(&write.record)]);
        let [object] = found.map_err(|_| answer.bad_data("it is not JSON"))?;
        let object =
            object.ok_or_else(|| answer.bad_data(format!("it has no object at {}", write.record)))?;
        self.told(object.get(), answer.original(&text)).map_err(|problem| answer.bad_data(problem))
    }

    /// What an answer to the change tells of the object; fails where nobody could say which object it is.
    pub(crate) fn told(&self, object: &str, original: Option<Original>) -> Result<Made, String> {
        let id = self.collection.declaration.writes.as_ref().and_then(|writing| writing.id.clone());
        self.made(object, id, original)
    }

    /// The same of an object that is shown as lists show it.
    pub(crate) fn shown(&self, object: &str, original: Option<Original>) -> Result<Made, String> {
        self.made(object, None, original)
    }

    /// `id`: where the object is named, if not where objects have their id.
    fn made(&self, object: &str, id: Option<Pointer>, original: Option<Original>) -> Result<Made, String> {
        if self.is_read_back() {
            let id = id.unwrap_or_else(|| self.collection.shape().id);
            let [found] = pointer::follow(object, [Some(&id)]).map_err(|problem| problem.to_string())?;
            let found = found.and_then(identifier).ok_or_else(|| format!("it has no id at {id}"))?;
            return Ok(Made::Named(found));
        }
        // What is not UTF-8 is set aside as it came.
        let shown = match &original {
            None => without(object, &self.collection.writes.omit),
            Some(_) => Cow::Borrowed(object),
        };
        match Reader::new(&self.collection, original).read(&shown, self.parent().as_deref()) {
            Err(rejected) if rejected.upstream_id.is_none() => Err(rejected.reason),
            read => Ok(Made::Shown(read)),
        }
    }

    /// The API's own words in an answer that is a failure.
    pub fn refusal(&self, answer: &Answer) -> Refusal {
        let declaration = &self.collection.declaration;
        let told = refusal(declaration, answer);
        let text = readable(&answer.body);
        match self.refused(&text).filter(|_| answer.judged(&declaration.errors).is_ok()) {
            Some((said, words)) => {
                let code = word(said, words.code.as_ref()).map(|code| shorten(&code));
                let is_undone = declaration.errors.is_refusal_undone(answer, said, words);
                Refusal { code, is_undone, ..told }
            }
            None => told,
        }
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

/// The API's own words in an answer that is a failure.
pub fn refusal(declaration: &Declaration, answer: &Answer) -> Refusal {
    let text = readable(&answer.body);
    let is_undone = declaration.errors.is_undone(answer, &text);
    Refusal { is_undone, ..Refusal::of(declaration, answer.status.as_u16(), &text) }
}

/// The members of what is given that stand in a path, and not in the body.
pub(crate) fn members(path: &Template) -> Vec<String> {
    let given = path.names().filter_map(|name| name.strip_prefix(OF_DATA));
    given.filter(|name| !name.contains('.')).map(str::to_owned).collect()
}

/// What an object has at `a.b`, where that is a string or a whole number.
fn within(object: &str, at: &str) -> Option<String> {
    let pointer = Pointer::try_from(format!("/{}", at.replace('.', "/"))).ok()?;
    let [found] = pointer::follow(object, [Some(&pointer)]).ok()?;
    identifier(found?)
}

/// A JSON object without these members; what is none stays as it is.
fn without<'a>(object: &'a str, members: &[String]) -> Cow<'a, str> {
    if members.is_empty() {
        return Cow::Borrowed(object);
    }
    let Ok(mut all) = serde_json::from_str::<BTreeMap<String, &RawValue>>(object) else {
        return Cow::Borrowed(object);
    };
    all.retain(|name, _| !members.contains(name));
    serde_json::to_string(&all).map_or(Cow::Borrowed(object), Cow::Owned)
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
    use bytes::Bytes;
    use http::{Method, StatusCode};
    use std::{sync::Arc, time::SystemTime};

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

    fn answer(status: u16, body: &str) -> Answer {
        Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::copy_from_slice(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH,
            url: Url::parse(BASE).unwrap(),
        }
    }

    fn shown(change: &Change, answer: &Answer) -> Record {
        match change.interpret(answer).unwrap() {
            Made::Shown(Ok(record)) => record,
            other => panic!("{other:?}"),
        }
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

    #[test]
    fn the_answer_is_the_record() {
        let update = of_stripe(Action::Update, Some("cus_1"), Some("{}"));
        let record = shown(&update, &answer(200, r#" {"id": "cus_1", "name": "Ada"} "#));
        assert_eq!(record.data.as_deref(), Some(r#"{"id": "cus_1", "name": "Ada"}"#));
        let create = of_json(Action::Create, None, Some("{}"));
        let record = shown(&create, &answer(201, r#"{"data": {"id": 7}}"#));
        assert_eq!((record.upstream_id.as_str(), record.data.as_deref()), ("7", Some(r#"{"id": 7}"#)));
        for body in ["", "<html>", "{}", r#"{"data": {"name": "x"}}"#] {
            let failure = create.interpret(&answer(200, body)).unwrap_err();
            assert_eq!(failure.class, FailureClass::BadData, "{body}");
        }
    }

    #[test]
    fn what_is_deleted_is_gone() {
        let (stripe, json) =
            (of_stripe(Action::Delete, Some("cus_1"), None), of_json(Action::Delete, Some("7"), None));
        let deleted = r#"{"id": "cus_1", "deleted": true}"#;
        assert_eq!(shown(&stripe, &answer(200, deleted)), Record::gone("cus_1"));
        assert_eq!(shown(&json, &answer(204, "")), Record::gone("7"));
        assert_eq!(shown(&json, &answer(404, "")), Record::gone("7"));
        let update = of_json(Action::Update, Some("7"), Some("{}"));
        assert_eq!(update.interpret(&answer(404, "")).unwrap_err().class, FailureClass::Missing);
    }

    #[test]
    fn a_refusal_has_the_words_of_the_api() {
        let body = r#"{"error": {"code": "parameter_missing", "message": "no"}}"#;
        let create = of_stripe(Action::Create, None, Some("{}"));
        let refusal = |status, body: &str| refusal(&create.collection.declaration, &answer(status, body));
        let told = refusal(400, body);
        let code = Some("parameter_missing".to_owned());
        assert_eq!(told, Refusal { status: 400, code, body: body.to_owned(), is_undone: false });
        let long = refusal(500, &"é".repeat(20_000));
        assert_eq!((long.code, long.body.len()), (None, LONGEST_BODY));
        for (body, json) in [
            (body, Some(body)),
            ("", None),
            ("<\u{0}b>", Some("\"<b>\"")),
            ("{\"a\"", Some("\"{\\\"a\\\"\"")),
        ] {
            assert_eq!(refusal(400, body).json().as_deref(), json);
        }
    }
}
