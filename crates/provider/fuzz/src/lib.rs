//! What the fuzz targets share: collections to read, and answers made of bytes.
//!
//! An input is a line of text, which becomes the value of headers, and the body of an answer behind it. The first byte
//! chooses among the cases that a target has.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sequin_provider::{
    answer::Answer,
    catalogue,
    declaration::{CollectionRef, Declaration},
};
use std::{
    sync::{Arc, LazyLock},
    time::{Duration, SystemTime},
};
use url::Url;

/// What stands in for `PAGINATION` in the declaration of an API that pages so.
const PAGINATIONS: [&str; 7] = [
    r#"{"kind": "id_cursor", "items": "/data", "has_more": "/more", "parameter": "after", "page_size": {"parameter": "limit", "value": 10}}"#,
    r#"{"kind": "cursor", "items": "/data", "next": "/next", "parameter": "cursor"}"#,
    r#"{"kind": "link_header", "items": ""}"#,
    r#"{"kind": "next_url", "items": "/data", "next": "/next"}"#,
    r#"{"kind": "page", "items": "/data", "parameter": "page", "has_more": "/more"}"#,
    r#"{"kind": "offset", "items": "/data", "parameter": "offset"}"#,
    r#"{"kind": "none", "items": "/a/b"}"#,
];
pub const DECLARATION: &str = include_str!("declaration.json");

/// Of Stripe one that is nested and one that isn't, and one of an API of each way to page.
pub static COLLECTIONS: LazyLock<Vec<CollectionRef>> = LazyLock::new(|| {
    let stripe = catalogue::find("stripe").expect("a provider that is built in");
    let of_stripe = ["customer", "subscription_item"].map(|name| CollectionRef::new(stripe, name));
    let declared = PAGINATIONS.map(|pagination| {
        let json = DECLARATION.replace("\"PAGINATION\"", pagination);
        let declaration =
            Declaration::parse(&json).unwrap_or_else(|problem| panic!("{pagination}: {problem}"));
        CollectionRef::new(&Arc::new(declaration), "thing")
    });
    of_stripe.into_iter().chain(declared).map(|found| found.expect("a collection that is declared")).collect()
});

pub static BASE: LazyLock<Url> = LazyLock::new(|| Url::parse("https://api.example.com/base").expect("a URL"));

/// An input in its parts.
pub struct Input<'a> {
    pub choice: usize,
    pub line: &'a [u8],
    pub body: &'a [u8],
}

impl<'a> Input<'a> {
    pub fn read(data: &'a [u8]) -> Option<Self> {
        let (&choice, rest) = data.split_first()?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        Some(Self { choice: choice.into(), line: &rest[..end], body: &rest[end + 1..] })
    }

    pub fn collection(&self) -> &'static CollectionRef {
        &COLLECTIONS[self.choice % COLLECTIONS.len()]
    }

    /// The answer to the request for `url`, with the line as each header that is read.
    pub fn answer(&self, status: StatusCode, url: &Url) -> Answer {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(self.line) {
            for name in [header::DATE, header::LINK, header::RETRY_AFTER, header::CONTENT_TYPE] {
                headers.insert(name, value.clone());
            }
        }
        Answer {
            status,
            headers,
            body: Bytes::copy_from_slice(self.body),
            received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000),
            url: url.clone(),
        }
    }
}
