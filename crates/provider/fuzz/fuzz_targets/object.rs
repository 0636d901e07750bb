//! An object is asked for within its collection, and read or set aside.

#![no_main]

use http::StatusCode;
use libfuzzer_sys::fuzz_target;
use sequin_provider::{object, request::Request};
use sequin_provider_fuzz::{BASE, Input};

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let id = String::from_utf8_lossy(input.line);
    let collection = input.collection();
    let Some(Request { url, .. }) = object::request(&BASE, collection, &id, &[]) else { return };
    assert_eq!(url.origin(), BASE.origin());
    assert!(url.query().is_none() && url.fragment().is_none());
    let plain = object::request(&BASE, collection, "x", &[]).expect("the same template").url;
    assert_eq!(url.path().matches('/').count(), plain.path().matches('/').count());
    if let Ok(Ok(record)) = object::interpret(collection, &id, &input.answer(StatusCode::OK, &url)) {
        assert!(!record.upstream_id.is_empty());
    }
});
