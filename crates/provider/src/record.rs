//! Cutting records out of an answer, as text.

use crate::{
    answer::Original,
    declaration::{CollectionRef, Moment, RecordShape, Tombstones},
    omit::without,
    pointer::{self, Pointer},
};
use sequin_domain::timestamp::Timestamp;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// One object of an API, ready to be stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub upstream_id: String,
    /// The object as the API wrote it. `None` where the API only says that it is gone.
    pub data: Option<String>,
    /// Of the text of `data`: equal hashes mean that nothing changed.
    pub hash: [u8; 16],
    pub deleted: bool,
    pub created_at: Option<Timestamp>,
    pub updated_at: Option<Timestamp>,
    /// Whose child it is, in a nested collection.
    pub parent_id: Option<String>,
}

impl Record {
    /// An object that is gone.
    pub fn gone(upstream_id: &str) -> Self {
        Self {
            upstream_id: upstream_id.to_owned(),
            data: None,
            hash: [0; 16],
            deleted: true,
            created_at: None,
            updated_at: None,
            parent_id: None,
        }
    }

    /// What a tombstone says: that the object is gone, and since when.
    pub(crate) fn buried(self) -> Self {
        Self { updated_at: self.updated_at, ..Self::gone(&self.upstream_id) }
    }
}

/// An object that can't be stored as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    pub upstream_id: Option<String>,
    /// What the API sent, byte by byte.
    pub raw: Vec<u8>,
    pub reason: String,
}

/// Reads objects of one collection.
pub struct Reader {
    shape: RecordShape,
    id_from: Option<Pointer>,
    /// Whether ids have the parent's in front.
    scoped: bool,
    /// What the API sent, where its text had to be made readable.
    original: Option<Original>,
}

impl Reader {
    pub fn new(collection: &CollectionRef, original: Option<Original>) -> Self {
        let id_from = collection.parent.as_ref().and_then(|parent| parent.id_from.clone());
        Self { shape: collection.shape(), id_from, scoped: collection.scoped, original }
    }

    /// A reader of what a list of deletions has: `updated_at` is when the object was deleted, and `data` is no object.
    pub(crate) fn of_tombstones(tombstones: &Tombstones, original: Option<Original>) -> Self {
        let Tombstones { id, deleted_at, .. } = tombstones;
        let (id, updated_at) = (id.clone(), deleted_at.clone());
        let shape = RecordShape { id, created_at: None, updated_at, deleted: None, omit: Vec::new() };
        Self { shape, id_from: None, scoped: false, original }
    }

    /// The id that a list has of the object: without the parent's in front.
    pub(crate) fn own_id<'a>(&self, upstream_id: &'a str) -> &'a str {
        match self.scoped {
            true => unscoped(upstream_id).map_or(upstream_id, |(_, id)| id),
            false => upstream_id,
        }
    }

    /// The record in `raw`, a whole JSON value and a part of the answer's text; `parent_id` where it is known from the
    /// request.
    pub fn read(&self, raw: &str, parent_id: Option<&str>) -> Result<Record, Rejected> {
        let reject = |upstream_id: Option<&str>, reason: String| Rejected {
            upstream_id: upstream_id.map(str::to_owned),
            raw: self.original.as_ref().map_or(raw.as_bytes(), |original| original.of(raw)).to_vec(),
            reason,
        };
        let is_intact = |part: &str| self.original.as_ref().is_none_or(|original| original.is_intact(part));
        let RecordShape { id, created_at, updated_at, deleted, omit } = &self.shape;
        let found = pointer::follow(
            raw,
            [
                Some(id),
                created_at.as_ref().map(|moment| &moment.at),
                updated_at.as_ref().map(|moment| &moment.at),
                deleted.as_ref(),
                self.id_from.as_ref(),
            ],
        );
        let [upstream_id, created, updated, gone, parent] =
            found.map_err(|error| reject(None, format!("it is not JSON: {error}")))?;
        let intact_id = upstream_id.filter(|found| is_intact(found.get()));
        let Some(upstream_id) = intact_id.and_then(identifier) else {
            let reason = match upstream_id {
                None => format!("it has no id at {id}"),
                Some(_) if intact_id.is_none() => format!("its id at {id} is not valid UTF-8"),
                Some(other) => format!(
                    "its id at {id} is no string of 1 to {LONGEST_ID} bytes or whole number: {:.80}",
                    other.get()
                ),
            };
            return Err(reject(None, reason));
        };
        let parent_id = parent_id.map(str::to_owned).or_else(|| parent.and_then(identifier));
        let upstream_id = match &parent_id {
            Some(parent_id) if self.scoped => scoped(parent_id, &upstream_id),
            _ => upstream_id,
        };
        if !is_intact(raw) {
            return Err(reject(Some(&upstream_id), "it is not valid UTF-8".into()));
        }
        if is_too_deep(raw) {
            return Err(reject(Some(&upstream_id), format!("it is nested deeper than {DEEPEST} levels")));
        }
        let moment = |declared: &Option<Moment>, raw: Option<&RawValue>| declared.as_ref()?.format.read(raw?);
        if gone.is_some_and(|gone| gone.get() == "true") {
            // What is left of the object says less than the version that is stored.
            return Ok(Record { parent_id, ..Record::gone(&upstream_id) });
        }
        let data = if omit.is_empty() { raw.to_owned() } else { without(raw, omit) };
        Ok(Record {
            hash: hash(&data),
            // A child that no longer names a parent has left the collection.
            deleted: self.id_from.is_some() && parent_id.is_none(),
            created_at: moment(created_at, created),
            updated_at: moment(updated_at, updated),
            data: Some(data),
            parent_id,
            upstream_id,
        })
    }
}

/// The id of a record whose object has an id that tells it only from others beneath the same parent.
fn scoped(parent_id: &str, id: &str) -> String {
    // Whose it is has no slash in it, so that no two pairs are one.
    format!("{}/{id}", parent_id.replace('%', "%25").replace('/', "%2F"))
}

/// The parts of such an id.
pub(crate) fn unscoped(upstream_id: &str) -> Option<(String, &str)> {
    let (parent_id, id) = upstream_id.split_once('/')?;
    Some((parent_id.replace("%2F", "/").replace("%25", "%"), id))
}

/// The longest id, in bytes: an index entry can't be much longer.
pub const LONGEST_ID: usize = 1000;
/// The deepest nesting: many parsers of JSON refuse more, and one of them may be a consumer's.
const DEEPEST: usize = 500;

/// An id: a string, or a whole number as text.
pub(crate) fn identifier(raw: &RawValue) -> Option<String> {
    let text = raw.get();
    let id = if text.starts_with('"') {
        serde_json::from_str(text).ok()?
    } else if text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        text.to_owned()
    } else {
        return None;
    };
    // U+0000 can't be stored, and an empty id names nothing.
    (!id.is_empty() && id.len() <= LONGEST_ID && !id.contains('\0')).then_some(id)
}

/// Whether arrays and objects are nested deeper than is good for anybody.
fn is_too_deep(json: &str) -> bool {
    let opens = |byte: &u8| matches!(byte, b'[' | b'{');
    if json.as_bytes().iter().filter(|byte| opens(byte)).count() <= DEEPEST {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    json.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = in_string,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        depth > DEEPEST
    })
}

pub(crate) fn hash(text: &str) -> [u8; 16] {
    let digest: [u8; 32] = Sha256::digest(text.as_bytes()).into();
    let mut half = [0; 16];
    half.copy_from_slice(&digest[..16]);
    half
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{answer::Answer, catalogue};
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use std::time::SystemTime;

    fn reader(collection: &str) -> Reader {
        Reader::new(&CollectionRef::new(catalogue::find("stripe").unwrap(), collection).unwrap(), None)
    }

    #[test]
    fn reads_what_is_declared_and_keeps_the_text() {
        let raw = r#"{"id": "cus_1",  "created": 1700000000, "big": 1e400}"#;
        let record = reader("customer").read(raw, None).unwrap();
        assert_eq!(record.upstream_id, "cus_1");
        assert_eq!(record.data.as_deref(), Some(raw));
        assert_eq!(record.created_at, Timestamp::from_unix_seconds(1_700_000_000));
        assert!(!record.deleted);
        let gone = reader("customer").read(r#"{"id": "cus_1", "deleted": true}"#, None).unwrap();
        assert_eq!(gone, Record::gone("cus_1"));
    }

    #[test]
    fn odd_ids_are_set_aside_with_a_reason() {
        let reader = reader("customer");
        for (raw, why) in [
            (r#"{"name": "x"}"#, "no id"),
            (r#"{"id": null}"#, "no string"),
            (r#"{"id": {"a": 1}}"#, "no string"),
            (r#"{"id": 1.5}"#, "no string"),
            (r#"{"id": ""}"#, "no string"),
            (r#"{"id": "a\u0000b"}"#, "no string"),
            (r#"{"id": "\ud800"}"#, "no string"),
            (&format!(r#"{{"id": "{}"}}"#, "x".repeat(1001)), "no string"),
            (&format!(r#"{{"id": "a", "v": {}{}}}"#, "[".repeat(500), "]".repeat(500)), "deeper"),
            (r#"["cus_1"]"#, "no id"),
        ] {
            let rejected = reader.read(raw, None).unwrap_err();
            assert!(rejected.reason.contains(why), "{raw}: {}", rejected.reason);
            assert_eq!(rejected.raw, raw.as_bytes());
        }
        assert_eq!(reader.read(r#"{"id": 7}"#, None).unwrap().upstream_id, "7");
        assert_eq!(
            reader.read(r#"{"id": 18446744073709551617}"#, None).unwrap().upstream_id,
            "18446744073709551617"
        );
    }

    #[test]
    fn brackets_in_strings_are_not_deep() {
        let raw =
            format!(r#"{{"id": "a", "v": "\"{}", "w": [{}]}}"#, "[".repeat(2000), vec!["{}"; 900].join(","));
        assert!(reader("customer").read(&raw, None).is_ok());
    }

    fn read_bytes(body: &'static [u8]) -> Result<Record, Rejected> {
        let stripe = catalogue::find("stripe").unwrap();
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body),
            received_at: SystemTime::UNIX_EPOCH,
            url: url::Url::parse("https://api.example.com").unwrap(),
        };
        let text = answer.text(stripe).unwrap();
        let collection = CollectionRef::new(stripe, "customer").unwrap();
        Reader::new(&collection, answer.original(&text)).read(text.trim(), None)
    }

    #[test]
    fn what_is_not_utf_8_is_set_aside_byte_by_byte() {
        let body = b"{\"id\": \"cus_1\", \"name\": \"caf\xe9 \xff\"}";
        let rejected = read_bytes(body).unwrap_err();
        assert_eq!(rejected.upstream_id.as_deref(), Some("cus_1"));
        assert_eq!(rejected.raw, body);
        let rejected = read_bytes(b"{\"id\": \"cus_\xff\"}").unwrap_err();
        assert_eq!((rejected.upstream_id, rejected.raw), (None, b"{\"id\": \"cus_\xff\"}".to_vec()));
        assert!(rejected.reason.contains("id"));
        for whole in ["{\"id\": \"cus_1\", \"name\": \"\u{FFFD}\"}", "{\"id\": \"cus_1\", \"name\": \"?\"}"] {
            assert!(read_bytes(whole.as_bytes()).is_ok());
        }
    }

    #[test]
    fn a_child_knows_its_parent_or_has_left() {
        let reader = reader("payment_method");
        let attached = reader.read(r#"{"id": "pm_1", "customer": "cus_1"}"#, None).unwrap();
        assert_eq!((attached.parent_id.as_deref(), attached.deleted), (Some("cus_1"), false));
        let detached = reader.read(r#"{"id": "pm_1", "customer": null}"#, None).unwrap();
        assert_eq!((detached.parent_id, detached.deleted), (None, true));
    }
}
