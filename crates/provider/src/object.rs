//! Fetching one object.

use crate::{
    answer::Answer,
    declaration::{Batch, CollectionRef, Pagination},
    pointer::{self, Pointer},
    record::{Reader, Record, Rejected, unscoped},
    request::{Draft, Request, at_path},
};
use sequin_domain::failure::{Failure, FailureClass};
use serde_json::value::RawValue;
use url::Url;

/// The request for the object, of which these properties are to be shown; `None` where the collection has no way to read one.
pub fn request(
    base: &Url,
    collection: &CollectionRef,
    upstream_id: &str,
    properties: &[String],
) -> Option<Request> {
    if let Some(batch) = batch_of_one(collection) {
        return Some(batch.request(base, &[upstream_id.to_owned()], properties));
    }
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

/// How single objects are read, where that is as many are.
fn batch_of_one(collection: &CollectionRef) -> Option<&Batch> {
    collection.batch.as_ref().filter(|batch| batch.retrieves)
}

/// What the answer says of the object that was asked for; that it is missing means that it is deleted.
pub fn interpret(
    collection: &CollectionRef,
    upstream_id: &str,
    answer: &Answer,
) -> Result<Result<Record, Rejected>, Failure> {
    let batch = batch_of_one(collection);
    let text = match answer.text(&collection.declaration) {
        Ok(text) => text,
        // Of many, the answer itself says which are gone.
        Err(failure) if failure.class == FailureClass::Missing && batch.is_none() => {
            return Ok(Ok(Record::gone(upstream_id)));
        }
        Err(failure) => return Err(failure),
    };
    let object = match batch {
        None => {
            let whole = Pointer::default();
            let record = collection.retrieve.as_ref().map_or(&whole, |retrieve| &retrieve.record);
            let [object] = pointer::follow(text.trim(), [Some(record)])
                .map_err(|_| answer.bad_data("it is not JSON"))?;
            match object.map(RawValue::get) {
                Some("null") if !record.is_root() => return Ok(Ok(Record::gone(upstream_id))),
                Some(object) => object,
                None => return Err(answer.bad_data(format!("it has no object at {record}"))),
            }
        }
        Some(batch) => {
            let errors = batch.errors.as_ref().map_or(Ok(()), |errors| errors.check(&text));
            let list = errors.and_then(|()| Pagination::whole(batch.items.clone()).read(&text, answer));
            let list = list.map_err(|problem| answer.bad_data(problem))?;
            match list.items.into_iter().map(RawValue::get).find(|object| *object != "null") {
                Some(object) => object,
                None => return Ok(Ok(Record::gone(upstream_id))),
            }
        }
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
