//! Whatever the results of an export are, it goes on with the same job, further on, or is at its end.

#![no_main]

use http::{HeaderValue, StatusCode};
use libfuzzer_sys::fuzz_target;
use sequin_provider::{
    declaration::{CollectionRef, Declaration},
    listing::Listing,
    position::Position,
};
use sequin_provider_fuzz::{BASE, DECLARATION, Input};
use std::sync::{Arc, LazyLock};

/// Of a table that comes in parts, and of a file with an object a line.
const BULKS: [&str; 2] = [
    r#"{"start": {"request": {"path": "/jobs"}, "job": "/id"},
        "status": {"request": {"path": "/jobs/{job}"}, "state": "/state", "done": ["done"], "failed": ["failed"]},
        "results": {"format": "csv", "request": {"path": "/jobs/{job}/results"}, "utc": "+0000",
            "next": {"header": "Retry-After", "parameter": "after"}}}"#,
    r#"{"start": {"request": {"path": "/jobs"}, "job": "/id"},
        "status": {"request": {"path": "/jobs/{job}"}, "state": "/state", "done": ["done"], "failed": ["failed"]},
        "results": {"format": "json_lines", "file": "/url", "parent": "of"}}"#,
];
/// Behind the first row, or byte.
const READING: &str = r#"{"levels": [[{"beneath": "root", "after": {"export": {
    "columns": {"types": {"n": "number", "b": "boolean", "t": "timestamp", "j": "json"},
        "compounds": {"AB": {"b": "b", "x": "x"}}},
    "stage": {"reading": {"job": "j", "requested_at": 1, "part": {"after": null, "at": 1}}}}}}]]}"#;

static LISTINGS: LazyLock<Vec<Listing>> = LazyLock::new(|| {
    let pagination = r#"{"kind": "none", "items": ""}"#;
    let listing = |bulk: &str| {
        let json = DECLARATION
            .replace("\"PAGINATION\"", pagination)
            .replace("\"changes\"", &format!("\"bulk\": {bulk}, \"changes\""));
        let declaration = Declaration::parse(&json).unwrap_or_else(|problem| panic!("{bulk}: {problem}"));
        let collection = CollectionRef::new(&Arc::new(declaration), "thing");
        Listing::whole(collection.expect("a collection that is declared"))
    };
    BULKS.map(listing).into()
});

fuzz_target!(|data: &[u8]| {
    let Some(input) = Input::read(data) else { return };
    let listing = &LISTINGS[input.choice % LISTINGS.len()];
    let reading: Position = serde_json::from_str(READING).expect("a position");
    // A file is asked for by its address, which only the answer before has.
    let status = br#"{"state": "done", "url": "https://files.example.com/x"}"#;
    let found = Input { choice: 0, line: b"", body: status };
    let asked = listing.request(&BASE, &reading).url;
    let position = match input.choice % LISTINGS.len() {
        0 => reading,
        _ => match listing.interpret(&reading, &found.answer(StatusCode::OK, &asked)).map(|page| page.next) {
            Ok(Some(next)) => next,
            other => panic!("the file is there: {other:?}"),
        },
    };
    let url = listing.request(&BASE, &position).url;
    let mut answer = input.answer(StatusCode::OK, &url);
    if input.choice >= 128 {
        answer.status = StatusCode::PARTIAL_CONTENT;
        answer.headers.insert("content-range", HeaderValue::from_static("bytes 1-9/100"));
    }
    let Ok(page) = listing.interpret(&position, &answer) else { return };
    for next in page.ahead.iter().map(|(_, next)| next).chain(&page.next) {
        let kept = serde_json::to_string(next).expect("a position can be kept");
        serde_json::from_str::<Position>(&kept).expect("what was kept");
        assert_eq!(next.exported_at(), position.exported_at());
        assert_ne!(*next, position, "it would read the same for ever");
    }
});
