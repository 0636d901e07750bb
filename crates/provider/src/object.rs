//! Fetching one object.

use crate::{
    answer::Answer,
    declaration::CollectionRef,
    pointer,
    record::{Reader, Record, Rejected, unscoped},
    request::{Draft, Request, at_path},
};
use sequin_domain::failure::{Failure, FailureClass};
use serde_json::value::RawValue;
use url::Url;

/// The request for the object; `None` where the collection has no way to read one.
pub fn request(base: &Url, collection: &CollectionRef, upstream_id: &str) -> Option<Request> {
    let retrieve = collection.retrieve.as_ref()?;
    let (parent_id, id) = match collection.scoped {
        true => unscoped(upstream_id)?,
        false => (String::new(), upstream_id),
    };
    let value = |name: &str| match name {
        "id" => Some(id),
        _ => Some(parent_id.as_str()),
    };
    let mut draft = Draft::new(at_path(base, &retrieve.path.fill_path(value)), retrieve.body.as_ref());
    draft.fill_body(|name| matches!(name, "id" | "parent.id"), value);
    Some(draft.whole())
}

/// What the answer says of the object that was asked for; that it is missing means that it is deleted.
pub fn interpret(
    collection: &CollectionRef,
    upstream_id: &str,
    answer: &Answer,
) -> Result<Result<Record, Rejected>, Failure> {
    let text = match answer.text(&collection.declaration) {
        Ok(text) => text,
        Err(failure) if failure.class == FailureClass::Missing => return Ok(Ok(Record::gone(upstream_id))),
        Err(failure) => return Err(failure),
    };
    let record = collection.retrieve.as_ref().map(|retrieve| retrieve.record.clone()).unwrap_or_default();
    let [object] =
        pointer::follow(text.trim(), [Some(&record)]).map_err(|_| answer.bad_data("it is not JSON"))?;
    let object = match object.map(RawValue::get) {
        Some("null") if !record.is_root() => return Ok(Ok(Record::gone(upstream_id))),
        Some(object) => object,
        None => return Err(answer.bad_data(format!("it has no object at {record}"))),
    };
    let parent_id =
        collection.scoped.then(|| unscoped(upstream_id)).flatten().map(|(parent_id, _)| parent_id);
    match Reader::new(collection, answer.original(&text)).read(object, parent_id.as_deref()) {
        Ok(record) if record.upstream_id != upstream_id => {
            Err(answer.bad_data(format!("it is {:?} and not {upstream_id:?}", record.upstream_id)))
        }
        // What is known to have an id and shows none is not the object, however odd that may be.
        Err(rejected) if rejected.upstream_id.as_deref() != Some(upstream_id) => {
            Err(answer.bad_data(format!("it is not {upstream_id:?}: {}", rejected.reason)))
        }
        read => Ok(read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn read(status: u16, body: &'static str) -> Result<Result<Record, Rejected>, Failure> {
        let collection = CollectionRef::new(catalogue::find("stripe").unwrap(), "customer").unwrap();
        let answer = Answer {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH,
            url: Url::parse("https://api.example.com").unwrap(),
        };
        interpret(&collection, "cus_1", &answer)
    }

    #[test]
    fn an_object_is_read_or_known_to_be_gone() {
        assert!(!read(200, r#"{"id": "cus_1"}"#).unwrap().unwrap().deleted);
        assert!(read(200, r#"{"id": "cus_1", "deleted": true}"#).unwrap().unwrap().deleted);
        assert!(read(404, r#"{"error": {"code": "resource_missing"}}"#).unwrap().unwrap().deleted);
        assert_eq!(read(404, "not found").unwrap_err().class, FailureClass::BadRequest);
    }

    #[test]
    fn another_object_or_none_is_bad_data() {
        for body in [
            r#"{"id": "cus_2"}"#,
            r#"{"object": "list", "has_more": true}"#,
            r#"{"id": null}"#,
            "[]",
            "null",
            "<html>",
            "",
        ] {
            assert_eq!(read(200, body).unwrap_err().class, FailureClass::BadData, "{body}");
        }
    }
}
