//! Exports in the background: from the first question to the last part, and what becomes of what goes wrong.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use sequin_domain::failure::{Failure, FailureClass};
use sequin_provider::{
    answer::Answer,
    declaration::{CollectionRef, Declaration},
    export::Told,
    listing::{Listing, Page},
    position::Position,
    request::Request,
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

const BASE: &str = "https://api.example.com/v1";
const FILE: &str = "https://files.example.net/all.jsonl?signature=s3cret";

fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// An API that exports tables in parts, and one that exports a file.
fn declare(bulk: Value, change: impl FnOnce(&mut Value)) -> Result<Declaration, String> {
    let mut declaration = json!({
        "provider": "crm", "title": "CRM", "documentation": "https://example.com/docs", "base_url": BASE,
        "authentication": [{"kind": "none", "secrets": [], "headers": {}}],
        "rate_limit": {"allowed_requests": 10, "interval": 1},
        "errors": {"rules": [
            {"status": [404], "class": "missing"}, {"status": [401], "class": "credential"},
            {"status": [429], "class": "rate_limited"}, {"status": ["5xx"], "class": "transient"},
            {"status": ["4xx"], "class": "bad_request"}]},
        "pagination": {"kind": "none", "items": ""},
        "record": {"id": "/Id"},
        "collections": [{"name": "item", "title": "Items", "path": "/items", "changes": {"sweep": 60}}]
    });
    declaration["collections"][0]["bulk"] = bulk;
    change(&mut declaration);
    Declaration::parse(&declaration.to_string()).map_err(|invalid| invalid.to_string())
}

fn listing(bulk: Value) -> Listing {
    let declaration = Arc::new(declare(bulk, |_| {}).unwrap());
    Listing::whole(CollectionRef::new(&declaration, "item").unwrap())
}

fn tables() -> Value {
    json!({
        "at_least": 3,
        "count": {"request": {"path": "/count", "query": {"of": "item"}}, "at": "/total"},
        "types": {"request": {"path": "/describe"}, "items": "/fields", "name": "/name", "type": "/type",
            "boolean": ["boolean"], "number": ["double"], "timestamp": ["datetime"], "unsupported": ["base64"],
            "compound": {"types": ["address", "location"], "part_of": "/of", "suffix": "__s"}},
        "start": {"request": {"path": "/jobs", "body": {"query": "SELECT {properties} FROM item"}}, "job": "/id"},
        "status": {"request": {"path": "/jobs/{job}"}, "state": "/state", "message": "/why",
            "done": ["Complete"], "failed": ["Failed"], "lost": ["Aborted"]},
        "results": {"format": "csv", "request": {"path": "/jobs/{job}/results"}, "utc": "+0000", "rows": "Rows",
            "page_size": {"parameter": "max", "value": 2},
            "next": {"header": "Locator", "parameter": "locator", "last": "null"}},
        "abort": {"method": "PATCH", "path": "/jobs/{job}", "body": {"state": "Aborted"}},
        "delete": {"method": "DELETE", "path": "/jobs/{job}"},
        "patience": 100
    })
}

fn files() -> Value {
    json!({
        "start": {"request": {"path": "/graphql", "body": {"query": "mutation { run { id } }"}}, "job": "/run/id",
            "refusal": {"message": "/run/errors", "busy": ["in progress"]}},
        "status": {
            "request": {"path": "/graphql", "body": {"query": "query($id: ID!) { job { id } }", "variables": {"id": "{job}"}}},
            "state": "/job/state", "done": ["COMPLETED"], "failed": ["FAILED"], "lost": ["EXPIRED"]},
        "results": {"format": "json_lines", "file": "/job/url", "bytes": 40, "parent": "__parentId"}
    })
}

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let header = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received_at: now(),
        url: Url::parse(BASE).unwrap(),
    }
}

/// As the database gives it back.
fn kept(position: &Position) -> Position {
    serde_json::from_str(&serde_json::to_string(position).unwrap()).unwrap()
}

fn request(listing: &Listing, position: &Position) -> Request {
    listing.request(&Url::parse(BASE).unwrap(), position)
}

/// What is asked: the method, the URL, and the body.
fn asked(listing: &Listing, position: &Position) -> String {
    let Request { method, url, body, .. } = request(listing, position);
    let body = body.map_or_else(String::new, |body| format!(" {}", String::from_utf8_lossy(&body)));
    format!("{method} {}{body}", url.as_str().trim_start_matches(BASE))
}

fn ids(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| record.upstream_id.as_str()).collect()
}

/// A walk that takes one answer after the other.
struct Walk {
    listing: Listing,
    position: Option<Position>,
}

impl Walk {
    fn new(bulk: Value) -> Self {
        let listing = listing(bulk);
        Self { position: listing.start_of_export(), listing }
    }

    fn asked(&self) -> String {
        asked(&self.listing, self.position.as_ref().expect("the walk goes on"))
    }

    fn take(&mut self, status: u16, headers: &[(&str, &str)], body: &str) -> Page {
        let position = self.position.clone().expect("the walk goes on");
        let answer = answer(status, headers, body);
        let page = self.listing.interpret(&position, &answer).unwrap_or_else(|failure| {
            let page = self.listing.past_failure(&position, &failure, now());
            page.unwrap_or_else(|| panic!("it would be asked again: {failure:?}"))
        });
        self.position.clone_from(&page.next);
        page
    }

    fn json(&mut self, body: &Value) -> Told {
        self.take(200, &[], &body.to_string()).told.expect("it is about an export")
    }

    /// On to where the job has been started.
    fn started(bulk: Value) -> Self {
        let mut walk = Self::new(bulk);
        if walk.asked().starts_with("GET /count") {
            walk.json(&json!({"total": 3}));
            walk.json(&json!({"fields": [{"name": "Id", "type": "id"}, {"name": "n", "type": "double"}]}));
        }
        walk.json(&json!({"id": "j1", "run": {"id": "j1", "errors": []}}));
        walk
    }

    fn is_at_the_list(&self) -> bool {
        self.position == self.listing.start()
    }
}

#[test]
fn a_table_is_read_from_the_first_question_to_the_last_part() {
    let mut walk = Walk::new(tables());
    walk.listing.properties = ["Id", "Flag", "HomeAddress", "HomeCity", "Site__c", "Site__Latitude__s", "At"]
        .map(str::to_owned)
        .as_slice()
        .into();
    assert_eq!(walk.asked(), "GET /count?of=item");
    walk.json(&json!({"total": 3}));
    assert_eq!(walk.asked(), "GET /describe");
    let field = |name: &str, called: &str, of: Option<&str>| json!({"name": name, "type": called, "of": of});
    walk.json(&json!({"fields": [
        field("Id", "id", None), field("Flag", "boolean", None), field("At", "datetime", None),
        field("HomeAddress", "address", None), field("HomeCity", "string", Some("HomeAddress")),
        field("Site__c", "location", None), field("Site__Latitude__s", "double", Some("Site__c")),
        field("Unseen", "base64", None)]}));
    let start = walk.asked();
    assert!(start.starts_with("POST /jobs "), "{start}");
    assert!(start.contains("SELECT Id,Flag,HomeCity,Site__Latitude__s,At FROM item"), "{start}");
    let told = walk.json(&json!({"id": "j/1"}));
    assert_eq!(told.begun.as_deref(), Some("j/1"));
    assert!(told.pause.is_some());
    assert_eq!(walk.asked(), "GET /jobs/j%2F1");
    let waiting = walk.position.clone();
    assert!(walk.json(&json!({"id": "j/1", "state": "InProgress"})).pause.is_some());
    assert_eq!(walk.position, waiting, "there is nothing to be written down");
    walk.json(&json!({"state": "Complete"}));
    assert_eq!(walk.asked(), "GET /jobs/j%2F1/results?max=2");
    walk.position = walk.position.as_ref().map(kept);
    let page = walk.take(
        200,
        &[("Locator", "MjAw"), ("Rows", "2")],
        "Id,Flag,HomeCity,Site__Latitude__s,At\na,true,Berne,1.5,2026-01-01T00:00:00.000Z\nb,,,,\n",
    );
    let data = |page: &Page, n: usize| -> Value {
        serde_json::from_str(page.records[n].data.as_deref().unwrap()).unwrap()
    };
    assert_eq!(
        data(&page, 0),
        json!({"Id": "a", "Flag": true, "HomeCity": "Berne", "HomeAddress": {"city": "Berne"},
            "Site__Latitude__s": 1.5, "Site__c": {"latitude": 1.5}, "At": "2026-01-01T00:00:00.000+0000"})
    );
    assert_eq!(data(&page, 1)["HomeAddress"], Value::Null);
    assert_eq!(page.told.unwrap().observed_at, Some(now()), "as the job was asked for then");
    assert_eq!(walk.asked(), "GET /jobs/j%2F1/results?max=2&locator=MjAw");
    let page = walk.take(200, &[("Locator", "null"), ("Rows", "1")], "Id\nc\n");
    assert_eq!(ids(&page), ["c"]);
    assert_eq!(walk.asked(), "DELETE /jobs/j%2F1");
    walk.take(404, &[], "");
    assert_eq!(walk.position, None, "whatever the answer, the walk is at its end");
}

#[test]
fn few_objects_are_listed() {
    let mut walk = Walk::new(tables());
    let told = walk.json(&json!({"total": 2}));
    assert!(walk.is_at_the_list() && told.given_up.is_none());
    for status in [400, 503] {
        let mut walk = Walk::new(tables());
        walk.take(status, &[], "");
        assert_eq!(walk.asked(), "GET /describe", "how many there are is not known");
    }
}

#[test]
fn what_can_not_be_exported_is_listed() {
    let gives_up = |walk: &mut Walk, status: u16, body: Value| {
        let page = walk.take(status, &[], &body.to_string());
        page.told.unwrap().given_up.unwrap_or_else(|| panic!("{body}"))
    };
    let mut walk = Walk::new(tables());
    walk.json(&json!({"total": 3}));
    let reason = gives_up(&mut walk, 200, json!({"fields": [{"name": "Body", "type": "base64"}]}));
    assert!(reason.contains("Body (base64)") && walk.is_at_the_list(), "{reason}");
    let mut walk = Walk::new(tables());
    walk.json(&json!({"total": 3}));
    walk.json(&json!({"fields": []}));
    gives_up(&mut walk, 400, json!({}));
    assert!(walk.is_at_the_list());
    let mut walk = Walk::started(tables());
    let reason = gives_up(&mut walk, 200, json!({"state": "Failed", "why": "too much"}));
    assert!(reason.contains("Failed: too much"), "{reason}");
    assert_eq!(walk.asked(), "DELETE /jobs/j1");
    walk.take(204, &[], "");
    assert!(walk.is_at_the_list());
    let mut walk = Walk::new(files());
    let refused = json!({"run": {"errors": [{"message": "no connection in it"}]}});
    assert!(gives_up(&mut walk, 200, refused).contains("no connection"));
    assert!(walk.is_at_the_list());
}

#[test]
fn a_job_that_is_lost_is_started_again_and_not_for_ever() {
    let mut walk = Walk::started(tables());
    for n in 0..3 {
        // Forgotten, called off, and with results that are none.
        match n {
            0 => drop(walk.take(404, &[], "")),
            1 => drop(walk.json(&json!({"state": "Aborted"}))),
            _ => {
                walk.json(&json!({"state": "Complete"}));
                walk.take(200, &[], "<html>\n<a,b>\n");
            }
        }
        walk.position = walk.position.as_ref().map(kept);
        assert!(walk.asked().starts_with("POST /jobs"), "{n}: {}", walk.asked());
        walk.json(&json!({"id": format!("again {n}")}));
    }
    let page = walk.take(404, &[], "");
    assert!(page.told.unwrap().given_up.is_some());
    walk.take(204, &[], "");
    assert!(walk.is_at_the_list());
}

#[test]
fn what_passes_is_asked_again_unless_it_takes_too_long() {
    let walk = Walk::started(tables());
    let running = walk.position.clone().unwrap();
    let failure = |class| Failure::new(class, "later");
    for class in [FailureClass::Transient, FailureClass::RateLimited, FailureClass::Credential] {
        assert!(walk.listing.past_failure(&running, &failure(class), now()).is_none());
    }
    let late = now() + Duration::from_secs(101);
    let page = walk.listing.past_failure(&running, &failure(FailureClass::Transient), late).unwrap();
    assert!(page.told.unwrap().given_up.is_some());
    let leaving = page.next.unwrap();
    assert_eq!(asked(&walk.listing, &leaving), "PATCH /jobs/j1 {\"state\":\"Aborted\"}");
    let page = walk.listing.interpret(&leaving, &answer(200, &[], "{}")).unwrap();
    assert_eq!(asked(&walk.listing, &page.next.unwrap()), "DELETE /jobs/j1");
    let waiting = Answer { received_at: late, ..answer(200, &[], "{\"state\": \"InProgress\"}") };
    let failure = walk.listing.interpret(&running, &waiting).unwrap_err();
    assert!(failure.message.contains("100 s"), "{failure:?}");
}

#[test]
fn the_longer_a_job_takes_the_more_seldom_it_is_looked_at() {
    let walk = Walk::started(tables());
    let running = walk.position.clone().unwrap();
    let pause = |seconds| {
        let received_at = now() + Duration::from_secs(seconds);
        let waiting = Answer { received_at, ..answer(200, &[], "{\"state\": \"InProgress\"}") };
        walk.listing.interpret(&running, &waiting).unwrap().told.unwrap().pause.unwrap()
    };
    assert!(pause(0) < Duration::from_secs(1));
    assert_eq!((pause(20), pause(80)), (Duration::from_secs(5), Duration::from_secs(20)));
}

#[test]
fn what_an_export_shows_was_so_when_it_was_asked_for() {
    let walk = Walk::started(tables());
    let running = walk.position.unwrap();
    let sent_at = now() - Duration::from_secs(3);
    let begun = running.clone().begun_at(sent_at);
    assert_eq!((running.exported_at(), begun.exported_at()), (Some(now()), Some(sent_at)));
    assert_eq!(kept(&begun).exported_at(), Some(sent_at));
    let list = walk.listing.start().unwrap();
    assert_eq!(list.clone().begun_at(sent_at), list);
    assert_eq!(list.exported_at(), None);
}

#[test]
fn a_job_that_nobody_waits_for_is_ended() {
    let mut walk = Walk::started(tables());
    let farewell = walk.listing.farewell(walk.position.as_ref().unwrap()).unwrap();
    assert!(asked(&walk.listing, &farewell).starts_with("PATCH /jobs/j1"));
    walk.json(&json!({"state": "Complete"}));
    let farewell = walk.listing.farewell(walk.position.as_ref().unwrap()).unwrap();
    assert_eq!(asked(&walk.listing, &farewell), "DELETE /jobs/j1");
    assert_eq!(walk.listing.farewell(&walk.listing.start().unwrap()), None);
    let walk = Walk::started(files());
    assert_eq!(walk.listing.farewell(walk.position.as_ref().unwrap()), None, "the API has no request for it");
}

#[test]
fn another_job_has_to_end_first() {
    let mut walk = Walk::new(files());
    let busy = json!({"run": {"id": null, "errors": [{"message": "a job is in progress already"}]}});
    assert!(walk.json(&busy).pause.is_some());
    let waiting = walk.position.clone();
    assert!(walk.asked().starts_with("POST /graphql"));
    assert!(walk.json(&busy).pause.is_some());
    assert_eq!(walk.position, waiting);
    assert_eq!(walk.position.as_ref().unwrap().exported_at(), None);
    walk.json(&json!({"run": {"id": "gid://job/1", "errors": []}}));
    assert!(walk.asked().contains("\"id\":\"gid://job/1\""), "{}", walk.asked());
}

#[test]
fn a_file_is_read_piece_by_piece_and_without_the_credential() {
    let mut walk = Walk::started(files());
    walk.json(&json!({"job": {"state": "COMPLETED", "url": FILE}}));
    let at = walk.position.clone().unwrap();
    let Request { method, url, headers, .. } = request(&walk.listing, &at);
    assert_eq!(
        (method, url.as_str(), &headers["range"]),
        (Method::GET, FILE, &"bytes=0-39".parse().unwrap())
    );
    assert!(walk.listing.is_elsewhere(&at));
    let text = serde_json::to_string(&at).unwrap();
    assert!(!text.contains("s3cret"), "it is as good as a password: {text}");
    // After a restart it is asked for again.
    walk.position = Some(kept(&at));
    assert!(!walk.listing.is_elsewhere(walk.position.as_ref().unwrap()));
    assert!(walk.asked().contains("\"id\":\"j1\""));
    walk.json(&json!({"job": {"state": "COMPLETED", "url": FILE}}));
    let file = "{\"Id\":\"a\"}\n{\"Id\":\"c\",\"__parentId\":\"a\"}\n{\"Id\":\"b\"}";
    let page = walk.take(206, &[("Content-Range", "bytes 0-39/49")], &file[..40]);
    assert_eq!(ids(&page), ["a"], "children belong to another collection");
    assert_eq!(request(&walk.listing, walk.position.as_ref().unwrap()).headers["range"], "bytes=39-78");
    let page = walk.take(206, &[("Content-Range", "bytes 39-48/49")], &file[39..]);
    assert_eq!(ids(&page), ["b"]);
    assert_eq!(walk.position, None);
}

#[test]
fn a_server_of_files_may_answer_otherwise() {
    let reading = |answer: Answer| {
        let mut walk = Walk::started(files());
        walk.json(&json!({"job": {"state": "COMPLETED", "url": FILE}}));
        walk.listing.interpret(walk.position.as_ref().unwrap(), &answer)
    };
    let whole = reading(answer(200, &[], "{\"Id\":\"a\"}\n{\"Id\":\"b\"}\n")).unwrap();
    assert_eq!(ids(&whole), ["a", "b"]);
    assert_eq!(whole.next, None);
    let class = |answer: Answer| reading(answer).unwrap_err().class;
    assert_eq!(
        class(answer(403, &[], "<Error/>")),
        FailureClass::Missing,
        "the URL is good for some days only"
    );
    assert_eq!(class(answer(503, &[], "")), FailureClass::Transient);
    assert_eq!(class(answer(206, &[], "{}")), FailureClass::BadData);
    assert_eq!(class(answer(206, &[("Content-Range", "bytes 7-8/9")], "{}")), FailureClass::BadData);
    assert!(reading(answer(416, &[], "")).unwrap().records.is_empty());
}

#[test]
fn there_is_no_file_of_nothing() {
    let mut walk = Walk::started(files());
    walk.json(&json!({"job": {"state": "COMPLETED", "url": null}}));
    assert_eq!(walk.position, None);
}

#[test]
fn a_part_that_is_cut_off_is_not_taken_for_whole() {
    let mut walk = Walk::started(tables());
    walk.json(&json!({"state": "Complete"}));
    let at = walk.position.clone().unwrap();
    let read =
        |headers: &[(&str, &str)], body: &str| walk.listing.interpret(&at, &answer(200, headers, body));
    assert!(read(&[("Rows", "2")], "Id\na\n").is_err());
    let long = "x".repeat(9000);
    assert!(read(&[("Locator", long.as_str())], "Id\na\n").is_err());
    assert!(read(&[("Rows", "1"), ("Locator", "next")], "Id\na\n").is_ok());
}

#[test]
fn a_large_part_goes_to_the_database_in_pieces() {
    let mut walk = Walk::started(tables());
    walk.json(&json!({"state": "Complete"}));
    let rows: String = (0..2300).map(|n| format!("r{n}\n")).collect();
    let page = walk.take(200, &[("Locator", "more")], &format!("Id\n{rows}"));
    let sizes: Vec<usize> = page.ahead.iter().map(|(piece, _)| piece.records.len()).collect();
    assert_eq!((sizes, page.records.len()), (vec![1000, 1000], 300));
    // After a crash the same part is asked for, and what is stored of it passed over.
    let (_, second) = &page.ahead[1];
    let position = kept(second);
    assert_eq!(asked(&walk.listing, &position), "GET /jobs/j1/results?max=2");
    let again =
        walk.listing.interpret(&position, &answer(200, &[("Locator", "more")], &format!("Id\n{rows}")));
    let again = again.unwrap();
    assert_eq!((ids(&again)[0], again.records.len(), again.ahead.len()), ("r2000", 300, 0));
    assert_eq!(again.next, walk.position);
}

#[test]
fn what_must_not_be_declared_of_an_export_is_named_by_its_place() {
    type Change = fn(&mut Value);
    let of_tables: &[(Change, &str)] = &[
        (|b| drop(b.as_object_mut().unwrap().remove("count")), "/at_least: "),
        (|b| b["results"]["file"] = json!("/url"), "/results: "),
        (|b| b["results"]["parent"] = json!("of"), "/results/parent: "),
        (|b| b["results"]["format"] = json!("json_lines"), "/results/file: "),
        (|b| b["status"]["done"] = json!([]), "/status/done: "),
        (|b| b["start"]["request"]["path"] = json!("/jobs/{job}"), "/start/request: "),
        (|b| b["start"]["request"]["path"] = json!("jobs"), "/start/request/path: "),
        (|b| b["abort"]["body"] = json!({"id": "{jobs}"}), "/abort/body: "),
    ];
    for (change, place) in of_tables {
        let mut bulk = tables();
        change(&mut bulk);
        let refused = declare(bulk, |_| {}).unwrap_err();
        assert!(refused.starts_with(&format!("/collections/0/bulk{place}")), "{place}: {refused}");
    }
    let refused = declare(files(), |d| {
        d["options"] = json!({"of": {"description": "Whose"}});
        d["collections"][0]["path"] = json!([{"option": "of", "path": "/{of}/items"}]);
    });
    assert!(refused.unwrap_err().starts_with("/collections/0/bulk: "));
}

#[test]
fn what_exports_have_in_common_is_said_once() {
    let of = |own: Value, common: Value| declare(own, |d| d["bulk"] = common);
    let mut common = tables();
    let start = common.as_object_mut().unwrap().remove("start").unwrap();
    let own = json!({"at_least": 5, "start": start, "delete": {"path": "/gone/{job}"}});
    let declared = of(own, common.clone()).unwrap();
    let bulk = declared.find("item").unwrap().bulk.clone().unwrap();
    assert_eq!((bulk.at_least, bulk.patience), (Some(5), 100), "its own comes first");
    let delete = bulk.delete.unwrap();
    assert!(delete.method.is_some() && delete.path.fill(|_| Some("j")) == "/gone/j");
    assert!(of(json!({}), common.clone()).unwrap_err().contains("missing field `start`"));
    assert!(of(Value::Null, common).unwrap().find("item").unwrap().bulk.is_none());
    assert!(of(Value::Null, json!(7)).unwrap_err().starts_with("/bulk: "));
}

#[test]
fn what_is_asked_of_an_export_costs_points_and_a_file_none() {
    let declared = declare(files(), |d| {
        d["rate_limit"]["cost"] = json!({"requested": "/a", "available": "/b", "restore_per_second": "/c",
            "reserve": 60});
        d["collections"][0]["cost"] = json!(500);
    });
    let listing = Listing::whole(CollectionRef::new(&Arc::new(declared.unwrap()), "item").unwrap());
    let start = listing.start_of_export().unwrap();
    assert_eq!((listing.points(&start), listing.points(&listing.start().unwrap())), (60, 500));
    let mut walk = Walk { listing, position: Some(start) };
    walk.json(&json!({"run": {"id": "j"}}));
    walk.json(&json!({"job": {"state": "COMPLETED", "url": FILE}}));
    let position = walk.position.unwrap();
    assert!(walk.listing.is_elsewhere(&position));
    assert_eq!(walk.listing.points(&position), 0);
}
