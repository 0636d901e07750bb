//! Changes of single objects: the request for one, and what its answer says.

use crate::{
    answer::{Answer, is_nothing, readable, shorten, word},
    body::{self, Names},
    declaration::{CollectionRef, Encoding, Idempotency, Write, WriteMethod},
    form::{NoForm, fields},
    pointer::{self, Pointer},
    record::{Reader, Record, Rejected},
    request::{Request, at_path},
};
use http::{HeaderMap, HeaderName, HeaderValue, header::CONTENT_TYPE};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Repetition},
    secret::Mask,
};
use serde_json::{Value, value::RawValue};
use std::time::Duration;
use url::{Url, form_urlencoded::Serializer};

/// How much is kept of an API's words about a change that it refuses, in bytes.
const LONGEST_BODY: usize = 16 * 1024;

/// What the names in a body begin with that stand for a member of what is given.
const OF_DATA: &str = "data.";

/// A change that an API is asked for.
#[derive(Debug, Clone)]
pub struct Change {
    pub collection: CollectionRef,
    pub action: Action,
    pub upstream_id: Option<String>,
    /// A JSON object.
    pub data: Option<String>,
    /// What an API can know the request by when it comes again.
    pub key: String,
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
    #[error("it must say what is to be changed")]
    NoData,
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

/// What an API has said in refusing a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub status: u16,
    pub code: Option<String>,
    /// The body, as far as it is kept.
    pub body: String,
}

impl Refusal {
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
            (Some(_), false) if self.action == Action::Create => return Err(Unwritable::HasId),
            _ => {}
        }
        if self.data.is_none() && self.action != Action::Delete {
            return Err(Unwritable::NoData);
        }
        if self.data.as_ref().is_some_and(|data| !data.trim_start().starts_with('{')) {
            return Err(NoForm::NoObject.into());
        }
        self.body(write).map(drop)
    }

    fn write(&self) -> Result<&Write, Unwritable> {
        self.collection.writes.of(self.action).ok_or(Unwritable::NoSuchAction)
    }

    fn idempotency(&self) -> Option<&Idempotency> {
        self.collection.declaration.writes.as_ref()?.idempotency.as_ref()
    }

    /// Whether it may be asked for again `age` after it was asked for first, when nobody knows what came of that.
    pub fn repetition(&self, age: Duration) -> Repetition {
        let is_repeatable = self.action == Action::Delete || self.write().is_ok_and(|write| write.repeatable);
        let in_body = self.write().ok().and_then(|write| write.key_lifetime).map(Duration::from_secs);
        let lifetime = in_body.or_else(|| self.idempotency().map(Idempotency::lifetime));
        let is_known = lifetime.is_some_and(|lifetime| age < lifetime);
        if is_repeatable || is_known { Repetition::Harmless } else { Repetition::Harmful }
    }

    /// The request to an API at `base`.
    pub fn request(&self, base: &Url) -> Result<Request, Unwritable> {
        self.check()?;
        let write = self.write()?;
        let id = self.upstream_id.as_deref();
        let mut url = at_path(base, &write.path.fill_path(|name| (name == "id").then_some(id).flatten()));
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
        match writing.encoding {
            Encoding::Form => Ok(Body::Form(fields(data)?)),
            Encoding::Json => Ok(Body::Json(wrapped(data, write.wrap.as_ref()))),
        }
    }

    fn filled(&self, body: &body::Body) -> Result<String, Unwritable> {
        let data = self.data.as_deref().map(serde_json::from_str::<Value>).transpose();
        let data = data.map_err(|problem| Unwritable::BadData(problem.to_string()))?;
        let value = |name: &str| match name {
            "id" => self.upstream_id.as_deref().map(Value::from),
            "key" => Some(Value::from(self.key.as_str())),
            "data" => data.clone(),
            member => data.as_ref()?.get(member.strip_prefix(OF_DATA)?).cloned(),
        };
        let is_name = |name: &&str| matches!(*name, "id" | "key" | "data") || name.starts_with(OF_DATA);
        let names: Names = body.names().into_iter().filter(is_name).map(|name| (name, value(name))).collect();
        Ok(body.fill(&names))
    }

    /// What a good answer says of a change that it refuses.
    fn refused<'a>(&self, text: &'a str) -> Option<&'a str> {
        let at = self.write().ok()?.refused.as_ref()?;
        let [found] = pointer::follow(text, [Some(at)]).ok()?;
        found.map(RawValue::get).filter(|said| !is_nothing(said))
    }

    /// What the answer shows of the object; that a thing to be deleted is missing means that it is deleted.
    ///
    /// A failure of the class `BadData` can come from a change that was made.
    pub fn interpret(&self, answer: &Answer) -> Result<Result<Record, Rejected>, Failure> {
        let gone = || self.upstream_id.as_deref().map(Record::gone);
        let declaration = &self.collection.declaration;
        let found =
            answer.text(declaration).and_then(|text| match (self.refused(&text), &declaration.writes) {
                (Some(said), Some(writing)) => {
                    Err(declaration.errors.refused(answer, said, &writing.refusal))
                }
                _ => Ok(text),
            });
        let text = match found {
            Ok(text) => text,
            Err(failure) if failure.class == FailureClass::Missing && self.action == Action::Delete => {
                return gone().map(Ok).ok_or(failure);
            }
            Err(failure) => return Err(failure),
        };
        let write = self.write().map_err(|problem| answer.bad_data(problem))?;
        if let Some(record) = gone().filter(|_| write.gone) {
            return Ok(Ok(record));
        }
        let found = pointer::follow(text.trim(), [Some(&write.record)]);
        let [object] = found.map_err(|_| answer.bad_data("it is not JSON"))?;
        let object =
            object.ok_or_else(|| answer.bad_data(format!("it has no object at {}", write.record)))?;
        let parent_id = word(self.data.as_deref().unwrap_or_default(), write.parent.as_ref());
        match Reader::new(&self.collection, answer.original(&text)).read(object.get(), parent_id.as_deref()) {
            // Nobody could say which object it is.
            Err(rejected) if rejected.upstream_id.is_none() => Err(answer.bad_data(rejected.reason)),
            read => Ok(read),
        }
    }

    /// The API's own words in an answer that is a failure.
    pub fn refusal(&self, answer: &Answer) -> Refusal {
        let text = readable(&answer.body);
        let declaration = &self.collection.declaration;
        let code = match (self.refused(&text), &declaration.writes) {
            (Some(said), Some(writing)) => word(said, writing.refusal.code.as_ref()),
            _ => word(&text, declaration.errors.code.as_ref()),
        };
        let mut body = text.into_owned();
        if body.len() > LONGEST_BODY {
            body.truncate(body.floor_char_boundary(LONGEST_BODY));
        }
        Refusal { status: answer.status.as_u16(), code: code.map(|code| shorten(&code)), body }
    }
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
        Change { collection, action, upstream_id, data, key: "key-1".to_owned() }
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
        let record = update.interpret(&answer(200, r#" {"id": "cus_1", "name": "Ada"} "#)).unwrap().unwrap();
        assert_eq!(record.data.as_deref(), Some(r#"{"id": "cus_1", "name": "Ada"}"#));
        let create = of_json(Action::Create, None, Some("{}"));
        let record = create.interpret(&answer(201, r#"{"data": {"id": 7}}"#)).unwrap().unwrap();
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
        assert_eq!(stripe.interpret(&answer(200, deleted)).unwrap().unwrap(), Record::gone("cus_1"));
        assert_eq!(json.interpret(&answer(204, "")).unwrap().unwrap(), Record::gone("7"));
        assert_eq!(json.interpret(&answer(404, "")).unwrap().unwrap(), Record::gone("7"));
        let update = of_json(Action::Update, Some("7"), Some("{}"));
        assert_eq!(update.interpret(&answer(404, "")).unwrap_err().class, FailureClass::Missing);
    }

    #[test]
    fn a_refusal_has_the_words_of_the_api() {
        let body = r#"{"error": {"code": "parameter_missing", "message": "no"}}"#;
        let create = of_stripe(Action::Create, None, Some("{}"));
        let refusal = create.refusal(&answer(400, body));
        let code = Some("parameter_missing".to_owned());
        assert_eq!(refusal, Refusal { status: 400, code, body: body.to_owned() });
        let long = create.refusal(&answer(500, &"é".repeat(20_000)));
        assert_eq!((long.code, long.body.len()), (None, LONGEST_BODY));
        for (body, json) in [
            (body, Some(body)),
            ("", None),
            ("<\u{0}b>", Some("\"<b>\"")),
            ("{\"a\"", Some("\"{\\\"a\\\"\"")),
        ] {
            assert_eq!(create.refusal(&answer(400, body)).json().as_deref(), json);
        }
    }
}
