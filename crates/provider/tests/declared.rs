//! What a declaration can say, and what it must not.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, StatusCode};
use sequin_domain::{failure::FailureClass, timestamp::Timestamp};
use sequin_provider::{
    answer::Answer,
    declaration::{CollectionRef, Declaration, FieldType},
    kinds::Kind,
    listing::{Listing, Page},
    moment::MomentFormat,
    object,
    position::Position,
    unread::Hides,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

const BASE: &str = "https://api.example.com/base";

/// A declaration of one collection, changed by `change`.
fn declare(change: impl FnOnce(&mut Value)) -> Result<Declaration, String> {
    let mut declaration = json!({
        "provider": "shop", "title": "Shop", "documentation": "https://example.com/docs", "base_url": BASE,
        "authentication": [{"kind": "api_key", "secrets": ["key"], "headers": {"X-Key": "{key}"}}],
        "rate_limit": {"allowed_requests": 10, "interval": 1},
        "errors": {"code": "/code", "message": "/message", "retry_after": "Retry-After", "rules": [
            {"status": [403], "header": {"name": "X-Remaining", "value": "0"}, "class": "rate_limited"},
            {"status": ["2xx"], "code": "THROTTLED", "class": "rate_limited"},
            {"status": [404], "class": "missing"}]},
        "pagination": {"kind": "none", "items": ""},
        "record": {"id": "/id", "updated_at": {"at": "/changed", "format": "iso8601"}},
        "collections": [{"name": "item", "title": "Items", "path": "/items", "changes": {"sweep": 60}}]
    });
    change(&mut declaration);
    Declaration::parse(&declaration.to_string()).map_err(|invalid| invalid.to_string())
}

/// Gives the kind of credential a token, and one place of that another value.
fn token(declaration: &mut Value, place: &str, value: Value) {
    let token = &mut declaration["authentication"][0]["token"];
    *token = json!({"url": "/token", "grant": "client_credentials"});
    token[&place[1..]] = value;
}

fn fields(declaration: &mut Value, fields: Value) {
    declaration["collections"][0]["fields"] = fields;
}

/// Gives the API a form of writing in which requests are known again.
fn idempotency(declaration: &mut Value, idempotency: Value) {
    declaration["writes"] = json!({"encoding": "form", "idempotency": idempotency});
}

/// Gives the collection a request for a change, which is a POST unless it says otherwise.
fn write(declaration: &mut Value, action: &str, mut write: Value) {
    declaration["writes"] = json!({"encoding": "form"});
    let write = write.as_object_mut().unwrap();
    write.entry("method").or_insert(json!("POST"));
    declaration["collections"][0]["writes"] = json!({action: write});
}

/// Gives the collection a request for several changes, and changes that.
fn batch(declaration: &mut Value, change: impl FnOnce(&mut Value)) {
    let mut several =
        json!({"method": "POST", "path": "/items/batch", "size": 10, "items": "inputs", "results": "/all"});
    change(&mut several);
    write(declaration, "update", json!({"path": "/items/{id}", "batch": several}));
    declaration["writes"] = json!({"encoding": "json"});
}

fn listing(change: impl FnOnce(&mut Value)) -> Listing {
    let declaration = Arc::new(declare(change).unwrap());
    Listing::whole(CollectionRef::new(&declaration, "item").unwrap())
}

fn answer(url: &Url, status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let header = |(name, value): &(&str, &str)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers.iter().map(header).collect::<HeaderMap>(),
        body: Bytes::copy_from_slice(body.as_bytes()),
        received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
        url: url.clone(),
    }
}

/// Where a list begins that is the only one.
fn start() -> Position {
    listing(|_| {}).start().unwrap()
}

fn url(listing: &Listing, position: &Position) -> Url {
    listing.request(&Url::parse(BASE).unwrap(), position).url
}

/// Walks through `answers`, each a header and a body; gives what was asked, and the ids that came.
fn walk(
    listing: &Listing,
    answers: &[(&[(&str, &str)], &str)],
) -> Result<(Vec<String>, Vec<String>), String> {
    let (mut asked, mut ids) = (Vec::new(), Vec::new());
    let mut position = listing.start();
    for (headers, body) in answers {
        let at = position.ok_or("the list ended early")?;
        let url = url(listing, &at);
        asked.push(url.as_str().trim_start_matches(BASE).to_owned());
        let page: Page = listing
            .interpret(&at, &answer(&url, 200, headers, body))
            .map_err(|failure| format!("{:?} {}", failure.class, failure.message))?;
        ids.extend(page.records.into_iter().map(|record| record.upstream_id));
        // It has to survive the database.
        position =
            page.next.map(|next| serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
    }
    if let Some(position) = position {
        asked.push(url(listing, &position).as_str().trim_start_matches(BASE).to_owned());
    }
    Ok((asked, ids))
}

fn paged(pagination: Value) -> Listing {
    listing(|declaration| declaration["pagination"] = pagination)
}

#[test]
fn a_list_may_come_whole() {
    let whole = paged(json!({"kind": "none", "items": ""}));
    let (asked, ids) = walk(&whole, &[(&[], r#"[{"id": 1}, {"id": 2}]"#)]).unwrap();
    assert_eq!((asked, ids), (vec!["/items".into()], vec!["1".into(), "2".into()]));
    assert!(walk(&whole, &[(&[], r#"{"items": []}"#)]).unwrap_err().contains("it is no list"));
}

#[test]
fn a_cursor_is_followed_until_there_is_none() {
    let cursor =
        paged(json!({"kind": "cursor", "items": "/items", "next": "/paging/next", "parameter": "cursor",
                              "page_size": {"parameter": "limit", "value": 2}}));
    for end in [r#""paging": {"next": null}"#, r#""paging": {"next": ""}"#, r#""paging": {}"#, r#""x": 1"#] {
        let (asked, ids) = walk(
            &cursor,
            &[
                (&[], r#"{"items": [{"id": "a"}], "paging": {"next": "a&b="}}"#),
                (&[], r#"{"items": [], "paging": {"next": 7}}"#),
                (&[], &format!(r#"{{"items": [{{"id": "c"}}], {end}}}"#)),
            ],
        )
        .unwrap();
        assert_eq!(asked, ["/items?limit=2", "/items?limit=2&cursor=a%26b%3D", "/items?limit=2&cursor=7"]);
        assert_eq!(ids, ["a", "c"], "an empty page need not be the last");
    }
    for odd in
        ["1.5e", "true", r#"{"a": 1}"#, r#""a\u0000b""#, r#""\ud800""#, &format!("{:?}", "x".repeat(9000))]
    {
        let odd = format!(r#"{{"items": [], "paging": {{"next": {odd}}}}}"#);
        assert!(walk(&cursor, &[(&[], &odd)]).unwrap_err().starts_with("BadData"), "{odd:.80}");
    }
    let circle = r#"{"items": [], "paging": {"next": "a"}}"#;
    assert!(walk(&cursor, &[(&[], circle), (&[], circle)]).unwrap_err().contains("where it began"));
}

#[test]
fn a_link_is_followed_as_it_is() {
    let links = paged(
        json!({"kind": "link_header", "items": "", "page_size": {"parameter": "per_page", "value": 2}}),
    );
    let next = [("link", r#"<https://api.example.com/moved/1?page=2>; rel="next", <x>; rel="last""#)];
    let (asked, ids) = walk(&links, &[(&next, r#"[{"id": 1}]"#), (&[], r#"[{"id": 2}]"#)]).unwrap();
    assert_eq!(asked, ["/items?per_page=2", "https://api.example.com/moved/1?page=2"]);
    assert_eq!(ids, ["1", "2"]);
    for elsewhere in
        ["<https://evil.example/?page=2>; rel=next", "<http://api.example.com/>; rel=next", "next"]
    {
        assert!(
            walk(&links, &[(&[("link", elsewhere)], "[]")]).unwrap_err().starts_with("BadData"),
            "{elsewhere}"
        );
    }
}

#[test]
fn a_position_is_not_followed_to_where_the_api_no_longer_is() {
    let links = paged(json!({"kind": "link_header", "items": ""}));
    let next = [("link", "<https://api.example.com/base/items?page=2>; rel=next")];
    let first = url(&links, &start());
    let position = links.interpret(&start(), &answer(&first, 200, &next, "[]")).unwrap().next.unwrap();
    let moved = links.request(&Url::parse("https://other.example.com").unwrap(), &position).url;
    assert_eq!(moved.as_str(), "https://other.example.com/items");
}

#[test]
fn a_url_in_the_answer_is_followed() {
    let urls = paged(json!({"kind": "next_url", "items": "/items", "next": "/next"}));
    let (asked, _) = walk(
        &urls,
        &[(&[], r#"{"items": [], "next": "/base/items?page=2"}"#), (&[], r#"{"items": [], "next": null}"#)],
    )
    .unwrap();
    assert_eq!(asked, ["/items", "/items?page=2"]);
    assert!(walk(&urls, &[(&[], r#"{"items": [], "next": "//evil.example"}"#)]).is_err());
    assert!(walk(&urls, &[(&[], r#"{"items": [], "next": {}}"#)]).is_err());
}

#[test]
fn pages_and_offsets_are_counted_to_an_empty_page() {
    let pages = paged(json!({"kind": "page", "items": "", "parameter": "page",
                             "page_size": {"parameter": "size", "value": 2}}));
    let full = (&[][..], r#"[{"id": 1}, {"id": 2}]"#);
    let (asked, _) = walk(&pages, &[full, (&[], r#"[{"id": 3}]"#), (&[], "[]")]).unwrap();
    assert_eq!(asked, ["/items?size=2&page=1", "/items?size=2&page=2", "/items?size=2&page=3"]);
    let offsets =
        paged(json!({"kind": "offset", "items": "/items", "parameter": "skip", "has_more": "/more"}));
    let (asked, _) = walk(
        &offsets,
        &[
            (&[], r#"{"items": [{"id": 1}, {"id": 2}], "more": true}"#),
            (&[], r#"{"items": [{"id": 3}], "more": false}"#),
        ],
    )
    .unwrap();
    assert_eq!(asked, ["/items", "/items?skip=2"]);
    assert!(walk(&pages, &[full, full]).unwrap_err().contains("that of the page before"));
    // What is filtered out behind the paging leaves an empty page.
    let (asked, _) = walk(&offsets, &[(&[], r#"{"items": [{"id": 1}], "more": true}"#)]).unwrap();
    assert_eq!(asked.len(), 2);
    assert!(walk(&offsets, &[(&[], r#"{"items": [], "more": true}"#)]).is_err());
}

#[test]
fn a_cursor_that_has_expired_sends_the_list_back_to_its_start() {
    let cursor = paged(json!({"kind": "cursor", "items": "/items", "next": "/next", "parameter": "cursor"}));
    let start = start();
    let first = url(&cursor, &start);
    let page = cursor.interpret(&start, &answer(&first, 200, &[], r#"{"items": [], "next": "x"}"#)).unwrap();
    let mut position = page.next.unwrap();
    for _ in 0..3 {
        let gone = cursor.interpret(&position, &answer(&first, 404, &[], "")).unwrap().next.unwrap();
        assert_eq!(url(&cursor, &gone), first);
        let page = cursor.interpret(&gone, &answer(&first, 200, &[], r#"{"items": [], "next": "x"}"#));
        position = page.unwrap().next.unwrap();
    }
    assert_eq!(
        cursor.interpret(&position, &answer(&first, 404, &[], "")).unwrap_err().class,
        FailureClass::Missing,
        "not for ever"
    );
}

#[test]
fn changes_and_deletions_are_asked_for_from_an_instant_on() {
    let since = Timestamp::from_unix_micros(1_700_000_000_123_456);
    let item = listing(|declaration| {
        declaration["collections"][0] = json!({"name": "item", "title": "Items", "path": "/items",
            "retrieve": "/items/{id}",
            "updated": {"from": "since", "format": "iso8601", "ascending": true, "query": {"sort": "changed"}},
            "deleted": {"path": "/deleted", "query": {"of": "items"}, "from": "since", "format": "unix_milliseconds",
                        "pagination": {"kind": "none", "items": "/gone"}, "id": "/ref",
                        "deleted_at": {"at": "/at", "format": "unix_seconds"}},
            "changes": {"poll": 5, "lookback": 60}});
    });
    let changed = Listing { changed_since: since, ..item.clone() };
    assert_eq!(url(&changed, &start()).query(), Some("since=2023-11-14T22%3A13%3A20.123Z&sort=changed"));
    assert_eq!(url(&item, &start()).query(), None, "all of it is asked for plainly");
    let tombstones = Listing::tombstones(item.collection.clone(), since);
    let asked = url(&tombstones, &start());
    assert_eq!(asked.as_str(), "https://api.example.com/base/deleted?of=items&since=1700000000123");
    let body = r#"{"gone": [{"ref": 5, "at": 1700000001}, {"at": 1}]}"#;
    let page = tombstones.interpret(&start(), &answer(&asked, 200, &[], body)).unwrap();
    let record = &page.records[0];
    assert_eq!((record.upstream_id.as_str(), record.deleted, &record.data), ("5", true, &None));
    assert_eq!(record.updated_at, Timestamp::from_unix_seconds(1_700_000_001));
    assert_eq!(page.rejected.len(), 1);
}

#[test]
fn errors_are_told_apart_by_header_and_in_good_answers() {
    let item = listing(|_| {});
    let asked = url(&item, &start());
    let class = |status, headers: &[(&str, &str)], body| {
        item.interpret(&start(), &answer(&asked, status, headers, body)).unwrap_err().class
    };
    assert_eq!(class(403, &[("x-remaining", "0")], ""), FailureClass::RateLimited);
    assert_eq!(class(403, &[("x-remaining", "5")], ""), FailureClass::Unknown);
    // A pause until the reset is for the quota, and not for another limit.
    let limited = |left: &str| {
        let declaration = declare(|d| {
            let headers = json!({"remaining": "X-Remaining", "reset": "X-Reset", "reset_format": "seconds"});
            d["rate_limit"]["headers"] = headers;
            d["errors"]["rules"] = json!([{"status": [429], "class": "rate_limited"}]);
        });
        let headers = [("x-remaining", left), ("x-reset", "3600")];
        answer(&asked, 429, &headers, "").text(&declaration.unwrap()).unwrap_err().retry_after
    };
    assert_eq!(limited("0"), Some(Duration::from_secs(3600)));
    assert_eq!(limited("90000"), None);
    assert_eq!(class(200, &[], r#"{"code": "THROTTLED", "message": "slowly"}"#), FailureClass::RateLimited);
    assert_eq!(class(200, &[], r#"{"code": "OTHER"}"#), FailureClass::BadData);
}

#[test]
fn a_request_counts_against_the_limits_of_its_path() {
    let declaration = declare(|d| {
        d["rate_limit"]["also"] = json!([
            {"allowed_requests": 900, "interval": 60},
            {"allowed_requests": 5, "interval": 1, "path": "/objects/{}/search"}]);
    });
    let limits = declaration.unwrap().rate_limit;
    let base: Url = BASE.parse().unwrap();
    let further = |path: &str| limits.further(&base, &format!("{BASE}{path}?q=1").parse().unwrap());
    assert_eq!(further("/objects/contacts/search"), [0, 1]);
    for other in ["/objects/contacts", "/objects//search", "/objects/a/b/search", "/a/objects/b/search", ""] {
        assert_eq!(further(other), [0], "{other}");
    }
}

#[test]
fn a_quota_that_is_used_up_says_how_long_to_wait() {
    let limits = |more: Value| {
        declare(|declaration| {
            declaration["rate_limit"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        })
        .unwrap()
    };
    let asked = Url::parse(BASE).unwrap();
    let pause = |declaration: &Declaration, headers: &[(&str, &str)], body| {
        let pause = answer(&asked, 200, headers, body).pause(&declaration.rate_limit);
        pause.map(|pause| pause.as_secs_f64())
    };
    let headers = |format| {
        limits(json!({"headers": {"remaining": "X-Left", "reset": "X-Reset", "reset_format": format}}))
    };
    let instant = headers("unix_seconds");
    assert_eq!(pause(&instant, &[("x-left", "0"), ("x-reset", "1000030")], ""), Some(30.0));
    assert_eq!(pause(&instant, &[("x-left", "1"), ("x-reset", "1000030")], ""), None);
    assert_eq!(pause(&instant, &[("x-left", "0"), ("x-reset", "999")], ""), None, "it is over");
    assert_eq!(pause(&instant, &[("x-left", "0"), ("x-reset", "soon")], ""), None);
    // By the API's clock, which is ten minutes ahead of ours.
    let date = ("date", "Mon, 12 Jan 1970 13:56:40 GMT");
    assert_eq!(pause(&instant, &[("x-left", "0"), ("x-reset", "1000630"), date], ""), Some(30.0));
    assert_eq!(pause(&headers("seconds"), &[("x-left", "0"), ("x-reset", "1.5")], ""), Some(1.5));
    assert_eq!(pause(&headers("seconds"), &[("x-left", "0"), ("x-reset", "1e12")], ""), Some(86_400.0));
    let cost = limits(
        json!({"cost": {"requested": "/c/want", "available": "/c/have", "restore_per_second": "/c/rate"}}),
    );
    assert_eq!(pause(&cost, &[], r#"{"c": {"want": 20, "have": 5.0, "rate": 10}}"#), Some(1.5));
    assert_eq!(pause(&cost, &[], r#"{"c": {"want": 20, "have": 20, "rate": 10}}"#), None);
    assert_eq!(pause(&cost, &[], r#"{"c": {"want": 20, "have": 0, "rate": 0}}"#), None);
    assert_eq!(pause(&cost, &[], "<html>"), None);
}

#[test]
fn a_field_has_a_type_and_a_place() {
    let declaration = declare(|d| {
        let moment =
            json!({"type": "timestamptz", "format": "unix_seconds", "at": "/meta/created", "quoted": true});
        fields(d, json!({"a/b": "double precision", "created": moment, "updated": "timestamptz"}));
    });
    let declaration = Arc::new(declaration.unwrap());
    let item = CollectionRef::new(&declaration, "item").unwrap();
    let found: Vec<_> = item
        .fields
        .iter()
        .map(|(name, field)| {
            let format = field.moment_format().map(MomentFormat::name);
            (field.field_type.name(), field.pointer(name).to_string(), format, field.quoted)
        })
        .collect();
    assert_eq!(
        found,
        [
            ("double precision", "/a~1b".to_owned(), None, false),
            ("timestamptz", "/meta/created".to_owned(), Some("unix_seconds"), true),
            ("timestamptz", "/updated".to_owned(), Some("iso8601"), false),
        ]
    );
    // Nothing of it changes where a walk goes on.
    let without = Arc::new(declare(|_| {}).unwrap());
    assert!(item.lists_as(&CollectionRef::new(&without, "item").unwrap()));
}

#[test]
fn fields_can_stand_in_a_document_of_their_own() {
    let with = |json: &str| declare(|_| {}).unwrap().with_fields(json).map_err(|invalid| invalid.to_string());
    let declaration = with(r#"{"item": {"a": "text"}}"#).unwrap();
    assert_eq!(declaration.collections[0].fields["a"].field_type, FieldType::Text);
    for (json, place) in [
        (r#"{"items": {}}"#, "/items: there is no such collection"),
        (r#"{"item": {"a": "int"}}"#, "/item/a: unknown variant"),
        (r#"{"item": {"": "text"}}"#, "/item/: "),
    ] {
        let refused = with(json).unwrap_err();
        assert!(refused.starts_with(place), "{refused}");
    }
}

#[test]
fn a_position_stays_one_when_only_writes_change() {
    let old = listing(|_| {}).collection;
    let writing = listing(|d| write(d, "delete", json!({"path": "/items/{id}", "gone": true}))).collection;
    let moved = listing(|d| d["collections"][0]["path"] = json!("/things")).collection;
    assert!(old.lists_as(&writing) && writing.lists_as(&old));
    assert!(!old.lists_as(&moved));
}

#[test]
fn what_a_declaration_must_not_say_is_named_by_its_place() {
    type Change = fn(&mut Value);
    let cases: &[(Change, &str)] = &[
        (|d| d["provider"] = json!("Shop!"), "/provider: "),
        (|d| d["base_url"] = json!("api.example.com"), "/base_url: "),
        (|d| d["base_url"] = json!("https://u:p@api.example.com"), "/base_url: "),
        (|d| d["colour"] = json!(1), "/colour: unknown field"),
        (|d| d["headers"] = json!({"A b": "x"}), "/headers/A b: "),
        (|d| d["authentication"] = json!([]), "/authentication: "),
        (|d| d["authentication"][0]["headers"]["X-Key"] = json!("{other}"), "/authentication/0/headers: "),
        (
            |d| d["authentication"][0]["headers"]["X-Key"] = json!("{access_token}"),
            "/authentication/0/headers: ",
        ),
        (|d| d["authentication"][0]["settings"] = json!({"key": null}), "/authentication/0/settings: "),
        (|d| d["authentication"][0]["secrets"] = json!(["base_url"]), "/authentication/0: "),
        (|d| d["authentication"][0]["check"] = json!({"path": "me"}), "/authentication/0/check/path: "),
        (|d| token(d, "/url", json!("https://x/t?a=b")), "/authentication/0/token/url: "),
        (|d| token(d, "/url", json!("http://example.com/token")), "/authentication/0/token/url: "),
        (|d| token(d, "/url", json!("{key}/token")), "/authentication/0/token/url: "),
        (|d| token(d, "/grant", json!("refresh_token")), "/authentication/0/token/grant: "),
        (|d| token(d, "/grant", json!("jwt_bearer")), "/authentication/0/token/jwt: "),
        (|d| token(d, "/lifetime", json!(0)), "/authentication/0/token/lifetime: "),
        (|d| token(d, "/parameters", json!({"a": "{b}"})), "/authentication/0/token/parameters: "),
        (|d| token(d, "/authorize", json!({"url": "/a"})), "/authentication/0/token/authorize: "),
        (|d| d["rate_limit"]["allowed_requests"] = json!(0), "/rate_limit/allowed_requests: "),
        (|d| d["rate_limit"]["interval"] = json!(-1), "/rate_limit: "),
        (
            |d| d["rate_limit"]["also"] = json!([{"allowed_requests": 1, "interval": 0}]),
            "/rate_limit/also/0: ",
        ),
        (
            |d| d["rate_limit"]["also"] = json!([{"allowed_requests": 1, "interval": 1, "path": "a"}]),
            "/rate_limit/also/0/path: ",
        ),
        (|d| d["errors"]["rules"][0]["status"] = json!(["9xx"]), "/errors/rules/0/status/0: "),
        (|d| d["errors"]["rules"][0]["class"] = json!("odd"), "/errors/rules/0/class: unknown variant"),
        (|d| d["errors"]["rules"][1]["code"] = json!(null), "/errors/rules/1: "),
        (|d| d["pagination"]["kind"] = json!("magic"), "/pagination/kind: unknown variant"),
        (|d| d["record"]["id"] = json!("id"), "/record/id: "),
        (|d| d["collections"] = json!([]), "/collections: "),
        (|d| d["collections"][0]["name"] = json!("a:b"), "/collections/0/name: "),
        (|d| d["collections"][0]["path"] = json!("items"), "/collections/0/path: "),
        (|d| d["collections"][0]["path"] = json!("/items?x=1"), "/collections/0/path: "),
        (|d| d["collections"][0]["path"] = json!("/{parent.id}"), "/collections/0: "),
        (|d| d["collections"][0]["retrieve"] = json!("/items/{key}"), "/collections/0/retrieve: "),
        (
            |d| d["collections"][0]["retrieve"] = json!({"path": "/q", "body": {"x": 1}}),
            "/collections/0/retrieve: ",
        ),
        (
            |d| d["collections"][0]["retrieve"] = json!({"path": "/q", "body": {"x": "{id}", "y": "{z}"}}),
            "/collections/0/retrieve: ",
        ),
        (
            |d| d["collections"][0]["body"] = json!({"query": {"$document": "no"}}),
            "/collections/0/body: there is no document \"no\"",
        ),
        (
            |d| d["authentication"][0]["check"] = json!({"path": "/me", "body": {"x": "{key}"}}),
            "/authentication/0/check/body: ",
        ),
        (
            |d| {
                nest(d);
                d["collections"][2]["parent"]["list"] = json!({"body": {}});
            },
            "/collections/2/parent/list: ",
        ),
        (
            |d| {
                nest(d);
                d["collections"][1]["parent"]["list"] = json!({"body": {"limit": "{limit}"}});
            },
            "/collections/1/parent/list/body: ",
        ),
        (|d| d["collections"][0]["changes"] = json!({}), "/collections/0/changes: "),
        (|d| d["collections"][0]["changes"]["sweep"] = json!(0), "/collections/0/changes/sweep: "),
        (|d| d["collections"][0]["changes"]["poll"] = json!(5), "/collections/0/changes/poll: "),
        (|d| d["collections"][0]["changes"]["feed"] = json!("events"), "/collections/0/changes/feed: "),
        (
            |d| d["collections"][0]["parent"] = json!({"collection": "x"}),
            "/collections/0/parent/collection: ",
        ),
        (
            |d| d["collections"][0]["parent"] = json!({"collection": "item"}),
            "/collections/0/parent/collection: ",
        ),
        (|d| d["collections"][0]["scoped"] = json!(true), "/collections/0/scoped: "),
        (
            |d| {
                nest(d);
                d["collections"][1]["scoped"] = json!(true);
            },
            "/collections/2/parent/collection: ",
        ),
        (
            |d| {
                nest(d);
                d["feeds"] = json!({"events": {"path": "/events", "since": "since", "id": "/id",
                    "occurred_at": {"at": "/at", "format": "unix_seconds"}, "object_type": "/type",
                    "object_id": "/of", "lookback": 60, "retention": 3600}});
                let item = &mut d["collections"][2];
                item["scoped"] = json!(true);
                item["retrieve"] = json!("/shelves/{parent.id}/items/{id}");
                item["changes"] = json!({"feed": "events", "object": "item"});
            },
            "/collections/2/scoped: ",
        ),
        (|d| d["errors"]["rules"][0]["or_hidden"] = json!(true), "/errors/rules/0/or_hidden: "),
        (
            |d| {
                d["collections"][0]["together"] = json!({"path": "/all", "body": {"of": ["{ids}"]}, "items": "",
                    "parent": "/of", "children": "/items", "size": 2});
            },
            "/collections/0/together: ",
        ),
        (|d| d["collections"][0]["path"] = json!([]), "/collections/0/path: "),
        (
            |d| by_option(d, json!({"option": "of", "path": "/x/{of}", "within": "of"})),
            "/collections/0/path/0/within: ",
        ),
        (|d| by_option(d, json!({"option": "x", "path": "/x/{x}"})), "/collections/0/path/0/option: "),
        (|d| by_option(d, json!({"option": "of", "path": "/x"})), "/collections/0/path/0/path: "),
        (|d| by_option(d, json!({"option": "of", "paths": "/x"})), "/collections/0/path/0/paths: "),
        (|d| d["options"] = json!({"of": {"description": "", "segments": 0}}), "/options/of/segments: "),
        (|d| d["collections"][0]["updated"] = json!({"format": "iso8601"}), "/collections/0/updated: "),
        (
            |d| d["collections"][0]["updated"] = json!({"newest_first": true, "ascending": true}),
            "/collections/0/updated/ascending: ",
        ),
        (|d| d["collections"][0]["created"] = json!({"before": "b"}), "/collections/0/created/from: "),
        (
            |d| d["collections"][0]["created"] = json!({"newest_first": true}),
            "/collections/0/created/newest_first: ",
        ),
        (
            |d| d["collections"][0]["deleted"] = json!({"path": "/gone", "id": "/id"}),
            "/collections/0/deleted: ",
        ),
        (|d| fields(d, json!({"": "text"})), "/collections/0/fields/: "),
        (|d| fields(d, json!({"a": "int"})), "/collections/0/fields/a: unknown variant"),
        (|d| fields(d, json!({"a": 1})), "/collections/0/fields/a: "),
        (|d| fields(d, json!({"a": {"at": "/b"}})), "/collections/0/fields/a: missing field"),
        (|d| fields(d, json!({"a": {"type": "int"}})), "/collections/0/fields/a/type: unknown variant"),
        (|d| fields(d, json!({"a": {"type": "text", "at": "b"}})), "/collections/0/fields/a/at: "),
        (|d| fields(d, json!({"a": {"type": "text", "at": ""}})), "/collections/0/fields/a/at: "),
        (
            |d| fields(d, json!({"a/b": {"type": "text", "format": "iso8601"}})),
            "/collections/0/fields/a~1b/format: ",
        ),
        (|d| fields(d, json!({"a": {"type": "text", "quoted": true}})), "/collections/0/fields/a/quoted: "),
        (|d| d["writes"] = json!({"encoding": "xml"}), "/writes/encoding: unknown variant"),
        (|d| d["writes"] = json!({"encoding": "form", "unset": ""}), "/writes/unset: "),
        (|d| idempotency(d, json!({"header": "a b", "lifetime": 60})), "/writes/idempotency/header: "),
        (|d| idempotency(d, json!({"header": "Key", "lifetime": 0})), "/writes/idempotency/lifetime: "),
        (
            |d| d["collections"][0]["writes"] = json!({"create": {"method": "POST", "path": "/items"}}),
            "/writes: ",
        ),
        (|d| write(d, "create", json!({"path": "/items/{id}"})), "/collections/0/writes/create/path: "),
        (|d| write(d, "update", json!({"path": "/items"})), "/collections/0/writes/update/path: "),
        (|d| write(d, "update", json!({"path": "/{id}/{data.key}"})), "/collections/0/writes/update/path: "),
        (|d| write(d, "update", json!({"path": "/{parent.id}/{id}"})), "/collections/0/writes/update/path: "),
        (|d| write(d, "create", json!({"path": "/{data.a}/{b}"})), "/collections/0/writes/create/path: "),
        (
            |d| write(d, "create", json!({"path": "/items", "find": {"path": "/items/{id}"}})),
            "/collections/0/writes/create/find/path: ",
        ),
        (
            |d| write(d, "delete", json!({"path": "/items/{id}", "find": {"path": "/items/{data.a}"}})),
            "/collections/0/writes/delete/find: ",
        ),
        (|d| d["collections"][0]["writes"] = json!({"look": "/items/{id}"}), "/collections/0/writes: "),
        (|d| d["collections"][0]["writes"] = json!({"look": "/items"}), "/collections/0/writes/look: "),
        (|d| batch(d, |batch| batch["size"] = json!(0)), "/collections/0/writes/update/batch/size: "),
        (|d| batch(d, |batch| batch["path"] = json!("batch")), "/collections/0/writes/update/batch/path: "),
        (|d| batch(d, |batch| batch["items"] = json!(null)), "/collections/0/writes/update/batch/items: "),
        (
            |d| batch(d, |batch| batch["item"] = json!({"id": "{ids}"})),
            "/collections/0/writes/update/batch/item: ",
        ),
        (
            |d| batch(d, |batch| batch["results"] = json!(null)),
            "/collections/0/writes/update/batch/results: ",
        ),
        (
            |d| batch(d, |batch| batch["errors"] = json!({"items": "/errors", "matched_by": ["/id"]})),
            "/collections/0/writes/update/batch/matched_by: ",
        ),
        (
            |d| {
                batch(d, |_| {});
                d["writes"]["idempotency"] = json!({"header": "Key", "lifetime": 60});
            },
            "/collections/0/writes/update/batch: ",
        ),
        (
            |d| {
                write(d, "create", json!({"path": "/items"}));
                d["writes"]["read_back"] = json!(true);
            },
            "/collections/0/retrieve: ",
        ),
        (|d| write(d, "delete", json!({"path": "items/{id}"})), "/collections/0/writes/delete/path: "),
        (|d| write(d, "upsert", json!({"path": "/{parent.id}"})), "/collections/0/writes/upsert/path: "),
        (
            |d| write(d, "create", json!({"path": "/items", "method": "GET"})),
            "/collections/0/writes/create/method: ",
        ),
        (
            |d| write(d, "create", json!({"path": "/items", "gone": true})),
            "/collections/0/writes/create/gone: ",
        ),
        (
            |d| write(d, "create", json!({"path": "/q", "body": {"x": "{dat}"}})),
            "/collections/0/writes/create/body: {dat} is none of",
        ),
        (
            |d| write(d, "create", json!({"path": "/q", "body": {"x": "{data}", "k": "{key}"}})),
            "/collections/0/writes/create/body: ",
        ),
        (
            |d| {
                let body = json!({"x": "{data}", "k": "{key}"});
                write(d, "create", json!({"path": "/q", "body": body, "key_lifetime": 0}));
            },
            "/collections/0/writes/create/body: ",
        ),
        (
            |d| write(d, "create", json!({"path": "/q", "body": {"x": "{parent.id}"}})),
            "/collections/0/writes/create/body: it names a parent",
        ),
        (
            |d| write(d, "create", json!({"path": "/q", "body": {"x": "{id}"}})),
            "/collections/0/writes/create/path: ",
        ),
        (
            |d| write(d, "update", json!({"path": "/q", "body": {"x": "{data}"}})),
            "/collections/0/writes/update/path: ",
        ),
        (
            |d| write(d, "create", json!({"path": "/items", "wrap": "/item"})),
            "/collections/0/writes/create/wrap: ",
        ),
        (
            |d| {
                let mut child = d["collections"][0].clone();
                child["name"] = json!("child");
                d["collections"].as_array_mut().unwrap().push(child);
                write(d, "create", json!({"path": "/items"}));
                d["collections"][0]["parent"] = json!({"collection": "child"});
            },
            "/collections/0/writes/create: ",
        ),
        (|d| d["collections"][0]["kind"] = json!("Item"), "/collections/0/kind: "),
        (|d| d["collections"][0]["template"] = json!("any"), "/collections/0/template: "),
        (|d| discover(d, json!([])), "/discover/templates: "),
        (
            |d| discover(d, json!([{"name": "a", "collection": {"path": "/x"}}])),
            "/discover/templates/0/collection: missing field",
        ),
        (
            |d| discover(d, json!([{"name": "a", "collection": {"path": "x", "changes": {"sweep": 9}}}])),
            "/discover/templates/0/collection/path: ",
        ),
        (
            |d| {
                let list =
                    json!({"path": "/x", "body": {"query": {"$document": "no"}}, "changes": {"sweep": 9}});
                discover(d, json!([{"name": "a", "collection": list}]));
            },
            "/discover/templates/0/collection: there is no document \"no\"",
        ),
        (
            |d| discover(d, json!([{"name": "a", "collection": {"name": "x"}}])),
            "/discover/templates/0/collection/name: ",
        ),
        (
            |d| {
                discover(d, json!([{"name": "a", "collection": {"path": "/x", "changes": {"sweep": 9}}}]));
                d["collections"][0] = json!({"name": "item", "title": "Items", "template": "a"});
            },
            "/collections/0/kind: ",
        ),
        (
            |d| {
                d["collections"][0]["batch"] = json!({"path": "/b", "items": "", "size": 9, "retrieves": true,
                                                      "body": {"ids": ["{ids}"]}});
                d["collections"][0]["retrieve"] = json!("/items/{id}");
            },
            "/collections/0/batch/retrieves: ",
        ),
        (
            |d| {
                d["collections"][0]["deleted"] = json!({"path": "/gone", "id": "/id", "property": "x"});
            },
            "/collections/0/deleted/property: ",
        ),
        (|d| described(d, json!({"at": "/properties"})), "/collections/0/properties/at: "),
        (|d| described(d, json!({"at": "/{name}/{name}"})), "/collections/0/properties/at: "),
        (|d| d["collections"][0]["writes"] = json!({"part": "/a"}), "/collections/0/writes: "),
        (
            |d| {
                write(d, "create", json!({"path": "/items"}));
                d["collections"][0]["writes"]["part"] = json!("");
            },
            "/collections/0/writes/part: ",
        ),
        (
            |d| {
                write(d, "create", json!({"path": "/items", "wrap": "/item"}));
                d["writes"] = json!({"encoding": "json"});
                d["collections"][0]["writes"]["part"] = json!("/item");
            },
            "/collections/0/writes/part: ",
        ),
    ];
    for (change, place) in cases {
        let refused = declare(change).unwrap_err();
        assert!(refused.starts_with(place), "{place}: {refused}");
        assert!(!refused.contains(" at line "), "{refused}");
    }
}

/// Has the API tell of properties, in a list that says `more`.
fn described(declaration: &mut Value, more: Value) {
    let mut list = json!({"path": "/properties", "items": "", "name": "/name"});
    list.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let item = &mut declaration["collections"][0];
    item["properties"] = list;
    item["batch"] = json!({"path": "/batch", "items": "", "size": 9,
                           "body": {"ids": ["{ids}"], "properties": ["{properties}"]}});
}

#[test]
fn a_property_has_a_place() {
    let list = |more: Value| {
        let item = listing(move |d| described(d, more)).collection;
        item.properties.clone().unwrap()
    };
    let (bare, nested) = (list(json!({})), list(json!({"at": "/own/{name}/value", "quoted": true})));
    assert_eq!((bare.place("a/b"), bare.place_of_all()), (vec!["a/b".to_owned()], None));
    assert_eq!(nested.place("a/b"), ["own", "a/b", "value"]);
    assert_eq!(nested.place_of_all(), Some(vec!["own".to_owned()]));
    assert!(nested.is_quoted(FieldType::Numeric) && nested.is_quoted(FieldType::Boolean));
    assert!(!nested.is_quoted(FieldType::Date) && !bare.is_quoted(FieldType::Numeric));
}

/// Has the API tell of kinds of objects.
fn discover(declaration: &mut Value, templates: Value) {
    declaration["discover"] = json!({"path": "/kinds", "items": "/kinds", "name": "/name", "title": "/title", "templates": templates});
}

#[test]
fn a_collection_can_be_made_by_a_template() {
    let declaration = declare(|d| {
        let collection = json!({"path": "/list/{kind}", "query": {"of": "{kind}"}, "changes": {"sweep": 60}});
        discover(d, json!([{"name": "any", "collection": collection}]));
        let own = json!({"name": "item", "title": "Items", "template": "any", "kind": "Item", "changes": {"sweep": 9}});
        d["collections"][0] = own;
    });
    let item = CollectionRef::new(&Arc::new(declaration.unwrap()), "item").unwrap();
    assert_eq!((item.changes.sweep, item.kind.as_deref()), (Some(9), Some("Item")));
    let url = url(&Listing::whole(item), &start());
    assert_eq!(url.as_str(), format!("{BASE}/list/Item?of=Item"));
}

#[test]
fn a_list_by_ids_may_not_say_whether_there_is_more() {
    let by_id = |more: Value| {
        let mut pagination = json!({"kind": "id_cursor", "items": "/items", "parameter": "after",
                                    "page_size": {"parameter": "limit", "value": 2}});
        pagination.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        paged(pagination)
    };
    let full = r#"{"items": [{"id": "a"}, {"id": "b"}], "done": true}"#;
    let (asked, _) =
        walk(&by_id(json!({"done": "/done"})), &[(&[], full), (&[], r#"{"items": [], "done": true}"#)])
            .unwrap();
    assert_eq!(asked, ["/items?limit=2", "/items?limit=2&after=b"]);
    let cut_off = r#"{"items": [{"id": "a"}], "done": false}"#;
    let (asked, _) = walk(&by_id(json!({"done": "/done"})), &[(&[], cut_off)]).unwrap();
    assert_eq!(asked.len(), 2, "less than what was asked for");
    let (asked, _) =
        walk(&by_id(json!({"done": "/done"})), &[(&[], r#"{"items": [{"id": "a"}], "done": true}"#)])
            .unwrap();
    assert_eq!(asked.len(), 1);
    let (asked, _) = walk(&by_id(json!({})), &[(&[], cut_off), (&[], r#"{"items": []}"#)]).unwrap();
    assert_eq!(asked, ["/items?limit=2", "/items?limit=2&after=a"], "only an empty page is the last");
}

/// Lists the collection by an option.
fn by_option(declaration: &mut Value, path: Value) {
    declaration["options"] = json!({"of": {"description": "Whose"}});
    declaration["collections"][0]["path"] = json!([path]);
}

/// Items beneath shelves beneath shops, each list going on after its last id.
fn nest(declaration: &mut Value) {
    declaration["pagination"] = json!({"kind": "id_cursor", "items": "/data", "has_more": "/more",
                                       "parameter": "after", "page_size": {"parameter": "limit", "value": 2}});
    declaration["collections"] = json!([
        {"name": "shop", "title": "Shops", "changes": {"sweep": 60}, "path": "/shops"},
        {"name": "shelf", "title": "Shelves", "changes": {"sweep": 60}, "path": "/shops/{parent.id}/shelves",
         "parent": {"collection": "shop", "embedded": "/shelves"}},
        {"name": "item", "title": "Items", "changes": {"sweep": 60}, "path": "/shelves/{parent.id}/items",
         "parent": {"collection": "shelf"}}]);
}

#[test]
fn what_a_parent_has_embedded_is_nothing_that_stands_beneath_that() {
    let items = listing(nest);
    let shops = r#"{"more": false, "data": [{"id": 1, "shelves": {"more": false, "data": [{"id": "s"}]}}]}"#;
    let shelves = r#"{"more": false, "data": [{"id": "s"}]}"#;
    let answers: &[(&[(&str, &str)], &str)] =
        &[(&[], shops), (&[], shelves), (&[], r#"{"more": false, "data": [{"id": "i"}]}"#)];
    let (asked, ids) = walk(&items, answers).unwrap();
    assert_eq!(asked, ["/shops?limit=2", "/shops/1/shelves?limit=2", "/shelves/s/items?limit=2"]);
    assert_eq!(ids, ["i"]);
}

#[test]
fn a_list_of_scoped_objects_goes_on_behind_their_own_ids() {
    let items = listing(|d| {
        nest(d);
        d["collections"][2]["scoped"] = json!(true);
    });
    let shelves = r#"{"more": false, "data": [{"id": "s/1"}]}"#;
    let answers: &[(&[(&str, &str)], &str)] = &[
        (&[], r#"{"more": false, "data": [{"id": 1}]}"#),
        (&[], shelves),
        (&[], r#"{"more": true, "data": [{"id": "a/b"}]}"#),
    ];
    let (asked, ids) = walk(&items, answers).unwrap();
    assert_eq!(asked.last().unwrap(), "/shelves/s%2F1/items?limit=2&after=a%2Fb");
    assert_eq!(ids, ["s%2F1/a/b"]);
}

#[test]
fn lists_stand_beneath_options_and_beneath_one_another() {
    let mut declaration = declare(|d| {
        d["options"] =
            json!({"shops": {"description": "Shops", "segments": 2}, "chain": {"description": "A chain"}});
        d["collections"] = json!([
            {"name": "shop", "title": "Shops", "changes": {"sweep": 60}, "path": [
                {"option": "shops", "path": "/shops/{shops}", "single": true},
                {"option": "chain", "path": "/chains/{chain}/shops"}]},
            {"name": "shelf", "title": "Shelves", "changes": {"sweep": 60}, "path": "/s/{parent.id}/shelves",
             "parent": {"collection": "shop"}},
            {"name": "item", "title": "Items", "changes": {"sweep": 60}, "scoped": true,
             "path": "/s/{parent.of.shop}/shelves/{parent.number}/items", "parent": {"collection": "shelf"},
             "retrieve": "/shelves/{parent.id}/items/{id}",
             "updated": {"newest_first": true, "query": {"sort": "changed"}}}]);
    });
    let declaration = Arc::new(declaration.as_mut().unwrap().clone());
    let options =
        [("shops".to_owned(), vec!["o/a b".to_owned()]), ("chain".to_owned(), vec!["c".to_owned()])];
    let since = Timestamp::from_unix_seconds(1_700_000_000);
    let item = CollectionRef::new(&declaration, "item").unwrap();
    let whole = Listing::whole(item.clone());
    assert_eq!(whole.start(), None, "nothing is named");
    let items = Listing { options: Arc::new(options.into()), changed_since: since, ..whole };
    let shelves =
        r#"[{"id": "s/1", "number": 1, "of": {"shop": 7}}, {"id": 2, "number": 2, "of": {"shop": 7}}]"#;
    let old = r#"[{"id": "x", "changed": "2023-01-01T00:00:00Z"}]"#;
    let new =
        r#"[{"id": "x", "changed": "2024-01-01T00:00:00Z"}, {"id": "y", "changed": "2023-01-01T00:00:00Z"}]"#;
    let (asked, ids) = walk(
        &items,
        &[
            (&[], r#"{"id": 7}"#),
            (&[], shelves),
            (&[("link", "<https://api.example.com/more>; rel=\"next\"")], new),
            (&[], old),
            (&[], "[]"),
        ],
    )
    .unwrap();
    let expected = [
        "/shops/o/a%20b",
        "/s/7/shelves",
        "/s/7/shelves/1/items?sort=changed",
        "/s/7/shelves/2/items?sort=changed",
        "/chains/c/shops",
    ];
    assert_eq!(
        (asked, ids),
        (expected.map(str::to_owned).to_vec(), vec!["s%2F1/x".into(), "s%2F1/y".into(), "2/x".into()])
    );
    let url = object::request(&Url::parse(BASE).unwrap(), &item, "s%2F1/x", &[]).unwrap().url;
    assert_eq!(url.path(), "/base/shelves/s%2F1/items/x");
}

#[test]
fn a_list_that_cant_be_read_is_passed_over_and_what_it_hides_is_known() {
    let shelves = |or_hidden: bool, retrieve: bool| {
        let declaration = declare(|d| {
            d["errors"]["rules"] = json!([{"status": [404], "class": "missing", "or_hidden": or_hidden},
                                          {"status": [410], "class": "missing"},
                                          {"status": [403], "class": "permission"}]);
            by_option(d, json!({"option": "of", "path": "/of/{of}/items"}));
            let mut shelf = json!({"name": "shelf", "title": "Shelves", "changes": {"sweep": 60},
                                   "path": "/items/{parent.id}/shelves", "parent": {"collection": "item"}});
            if retrieve {
                shelf["retrieve"] = json!("/shelves/{id}");
            }
            let book = json!({"name": "book", "title": "Books", "changes": {"sweep": 60},
                              "path": "/shelves/{parent.id}/books", "parent": {"collection": "shelf"}});
            d["collections"].as_array_mut().unwrap().extend([shelf, book]);
        });
        let shelf = CollectionRef::new(&Arc::new(declaration.unwrap()), "shelf").unwrap();
        let options = [("of".to_owned(), vec!["a".to_owned(), "b".to_owned()])];
        Listing { options: Arc::new(options.into()), ..Listing::whole(shelf) }
    };
    let read = |shelves: &Listing, position: &Position, status, body| {
        shelves.interpret(position, &answer(&url(shelves, position), status, &[], body)).unwrap()
    };
    for (status, or_hidden, retrieve, expected) in [
        (404, true, false, Hides::Unlisted),
        (404, false, false, Hides::Unlisted),
        (404, false, true, Hides::None),
        (404, true, true, Hides::Unlisted),
        (403, false, true, Hides::Unlisted),
    ] {
        let shelves = shelves(or_hidden, retrieve);
        let page = read(&shelves, &shelves.start().unwrap(), status, "");
        let unread = page.unread.unwrap();
        assert_eq!((unread.list.to_string(), unread.hides), ("of a".to_owned(), expected), "{status}");
        assert_eq!(url(&shelves, &page.next.unwrap()).path(), "/base/of/b/items");
    }
    let shelves = shelves(true, false);
    let children = read(&shelves, &shelves.start().unwrap(), 200, r#"[{"id": 1}, {"id": 2}]"#).next.unwrap();
    for status in [403, 404] {
        let unread = read(&shelves, &children, status, "").unread.unwrap();
        assert_eq!((unread.list.to_string(), unread.hides), ("item 1".into(), Hides::ChildrenOf("1".into())));
    }
    let gone = read(&shelves, &children, 410, "");
    assert_eq!((gone.unread, gone.parents), (None, vec!["1".to_owned()]), "it surely has no children");
    let book = CollectionRef::new(&shelves.collection.declaration, "book").unwrap();
    let books = Listing { collection: book, ..shelves.clone() };
    let gone = read(&books, &children, 410, "");
    assert_eq!((gone.unread, gone.parents), (None, Vec::new()), "a shelf can have the number of an item");
    let shown = read(&shelves, &children, 200, "[]");
    assert_eq!((shown.unread, shown.parents), (None, vec!["1".to_owned()]));
    let all = listing(|d| d["errors"]["rules"] = json!([{"status": [403], "class": "permission"}]));
    let refused = all.interpret(&start(), &answer(&url(&all, &start()), 403, &[], ""));
    assert_eq!(refused.unwrap_err().class, FailureClass::Permission, "there is nothing beside it");
}

#[test]
fn what_is_in_the_list_of_another_option_is_not_listed_alone() {
    let paths = |shops: &[&str]| {
        let items = listing(|d| {
            d["options"] = json!({"shops": {"description": "Shops", "segments": 2}, "chain": {"description": "A chain"}});
            d["collections"][0]["path"] = json!([
                {"option": "shops", "path": "/shops/{shops}", "single": true, "within": "chain"},
                {"option": "chain", "path": "/chains/{chain}/shops"}]);
        });
        let shops = shops.iter().map(|shop| (*shop).to_owned()).collect();
        let options = [("shops".to_owned(), shops), ("chain".to_owned(), vec!["Big".to_owned()])];
        let items = Listing { options: Arc::new(options.into()), ..items };
        walk(&items, &[]).unwrap().0
    };
    assert_eq!(paths(&["big/one", "Bigger/one"]), ["/shops/Bigger/one"]);
    assert_eq!(paths(&["BIG/one"]), ["/chains/Big/shops"]);
}

#[test]
fn a_list_that_has_the_newest_first_is_read_as_far_as_it_is_new() {
    let links = listing(|d| {
        d["pagination"] = json!({"kind": "link_header", "items": ""});
        d["collections"][0]["updated"] = json!({"newest_first": true});
    });
    let since = Timestamp::from_unix_seconds(1_700_000_000);
    let changed = Listing { changed_since: since, ..links.clone() };
    let more: &[(&str, &str)] = &[("link", "<https://api.example.com/more>; rel=\"next\"")];
    let objects = |days: &[&str]| {
        let object = |day: &&str| format!(r#"{{"id": "{day}", "changed": "{day}T00:00:00Z"}}"#);
        format!("[{}]", days.iter().map(object).collect::<Vec<_>>().join(","))
    };
    let asks_on = |listing: &Listing, body: &str| walk(listing, &[(more, body)]).unwrap().0.len() == 2;
    assert!(asks_on(&changed, &objects(&["2024-01-01", "2023-01-01"])));
    assert!(!asks_on(&changed, &objects(&["2023-01-02", "2023-01-01"])));
    assert!(asks_on(&changed, "[]") && asks_on(&changed, r#"[{"id": "no time"}]"#));
    assert!(asks_on(&links, &objects(&["2023-01-02", "2023-01-01"])), "everything is wanted");
}

#[test]
fn a_last_page_that_is_full_is_always_asked_for() {
    let links = paged(
        json!({"kind": "link_header", "items": "", "page_size": {"parameter": "per_page", "value": 2}}),
    );
    let is_known = |link: Option<(&str, &str)>, body: &str| {
        let headers: Vec<(&str, &str)> = [("etag", "\"1\"")].into_iter().chain(link).collect();
        let page = links.interpret(&start(), &answer(&url(&links, &start()), 200, &headers, body));
        page.unwrap().known.is_some()
    };
    let more = ("link", "<https://api.example.com/more>; rel=\"next\"");
    assert!(is_known(None, r#"[{"id": 1}]"#) && is_known(Some(more), r#"[{"id": 1}, {"id": 2}]"#));
    assert!(!is_known(None, r#"[{"id": 1}, {"id": 2}]"#), "a third one may stand on another page");
}

#[test]
fn parents_that_may_be_missed_have_their_children_missed() {
    let may_shift = |pagination: Value| {
        let items = listing(|d| {
            nest(d);
            d["collections"][0]["pagination"] = pagination;
        });
        items.collection.may_shift()
    };
    assert!(!may_shift(Value::Null));
    assert!(may_shift(json!({"kind": "page", "items": "/data", "parameter": "page"})));
}

#[test]
fn what_goes_on_by_urls_is_not_cut() {
    let can_be_cut = |pagination: Value| {
        let items = listing(|d| {
            d["pagination"] = pagination;
            d["record"]["created_at"] = json!({"at": "/created", "format": "iso8601"});
            d["collections"][0]["created"] = json!({"from": "from", "before": "before"});
        });
        items.can_be_cut()
    };
    assert!(can_be_cut(json!({"kind": "cursor", "items": "", "next": "/next", "parameter": "cursor"})));
    assert!(!can_be_cut(json!({"kind": "link_header", "items": ""})));
}

#[test]
fn an_answer_that_is_known_leads_to_the_same_lists() {
    let items = listing(|d| {
        nest(d);
        d["pagination"] = json!({"kind": "link_header", "items": ""});
        d["collections"][1]["parent"].as_object_mut().unwrap().remove("embedded");
    });
    let start = items.start().unwrap();
    let first = url(&items, &start);
    let headers = [("etag", "\"1\""), ("link", "<https://api.example.com/more>; rel=\"next\"")];
    let page = items.interpret(&start, &answer(&first, 200, &headers, r#"[{"id": 1}, {"id": 2}]"#)).unwrap();
    let known = page.known.unwrap();
    assert_eq!(known.etag, "\"1\"");
    let unchanged = Page::unchanged(known.clone(), &start, &answer(&first, 304, &[], ""));
    assert_eq!(unchanged.next, page.next);
    assert!(unchanged.known.is_some(), "it is known for another time");
    // Such pages in a row are no list that shows the same for ever.
    let second = Page::unchanged(known, &page.next.unwrap(), &answer(&first, 304, &[], ""));
    assert_ne!(unchanged.listed, second.listed);
    let missing = items.interpret(&unchanged.next.unwrap(), &answer(&first, 404, &[], "")).unwrap();
    assert!(missing.known.is_none() && !missing.listed.is_empty());
}

/// The names in the message of an unknown field: `unknown field `zzz`, expected one of `a`, `b``.
fn expected_fields(message: &str) -> BTreeSet<String> {
    message.split('`').skip(3).step_by(2).map(str::to_owned).collect()
}

#[test]
fn an_object_that_a_batch_could_not_read_is_not_gone() {
    let declaration = declare(|d| {
        d["collections"][0]["batch"] = json!({"path": "/some", "body": {"ids": ["{ids}"]}, "items": "/items",
            "errors": {"items": "/errors", "code": "/code", "none": "gone"}, "size": 10, "retrieves": true});
    });
    let item = CollectionRef::new(&Arc::new(declaration.unwrap()), "item").unwrap();
    let read = |code: &str| {
        let body = json!({"items": [], "errors": [{"code": code}]});
        object::interpret(&item, "7", &answer(&Url::parse(BASE).unwrap(), 200, &[], &body.to_string()))
    };
    assert!(read("gone").unwrap().unwrap().deleted);
    assert_eq!(read("busy").unwrap_err().class, FailureClass::BadData);
}

#[test]
fn the_schema_knows_the_same_fields() {
    let schema: Value =
        serde_json::from_str(include_str!("../../../providers/provider.schema.json")).unwrap();
    let properties = |place: &str| -> BTreeSet<String> {
        let found = schema.pointer(place).unwrap_or_else(|| panic!("{place} is not in the schema"));
        found["properties"].as_object().unwrap().keys().cloned().collect()
    };
    let whole = |d: &mut Value| {
        d["authentication"][0] = json!({"kind": "oauth", "secrets": ["refresh_token", "pem"],
            "settings": {"client_id": null},
            "headers": {"Authorization": "Bearer {access_token}"}, "check": {"path": "/me"},
            "token": {"url": "/token", "grant": "refresh_token", "answer": {}, "authorize": {"url": "/authorize"}}});
        let mut signed = d["authentication"][0].clone();
        signed["kind"] = json!("signed");
        signed["token"] = json!({"url": "/token", "grant": "jwt_bearer",
            "jwt": {"algorithm": "RS256", "key": "pem", "claims": {}, "lifetime": 60}});
        d["authentication"].as_array_mut().unwrap().push(signed);
        d["rate_limit"]["headers"] = json!({"remaining": "a", "reset": "b", "reset_format": "seconds"});
        d["rate_limit"]["usage"] = json!({"header": "a", "name": "b", "pause": 60});
        d["rate_limit"]["cost"] = json!({"requested": "/a", "available": "/b", "restore_per_second": "/c"});
        d["rate_limit"]["also"] = json!([{"allowed_requests": 5, "interval": 1}]);
        d["feeds"] = json!({"events": {"path": "/events", "since": "since", "id": "/id",
            "occurred_at": {"at": "/at", "format": "unix_seconds"}, "object_type": "/type", "object_id": "/of",
            "lookback": 60, "retention": 3600}});
        let item = &mut d["collections"][0];
        item["retrieve"] = json!({"path": "/items/{id}", "record": "/item"});
        item["created"] = json!({"from": "from"});
        item["updated"] = json!({"from": "since", "format": "iso8601"});
        item["deleted"] = json!({"path": "/gone", "id": "/id"});
        item["batch"] = json!({"path": "/some", "body": {"ids": ["{ids}"]}, "items": "", "size": 2,
            "errors": {"items": "/a", "code": "/b", "none": "c"}});
        item["record"] = json!({});
        item["bulk"] = json!({
            "at_least": 7, "count": {"request": {"path": "/count"}, "at": "/count"},
            "types": {"request": {"path": "/types"}, "items": "", "name": "/name", "type": "/type",
                "compound": {"types": ["address"], "part_of": "/of"}},
            "start": {"request": {"path": "/jobs", "body": {}}, "job": "/id", "refusal": {"message": "/error"}},
            "status": {"request": {"path": "/jobs/{job}"}, "state": "/state", "done": ["done"], "failed": ["bad"]},
            "results": {"format": "csv", "request": {"path": "/jobs/{job}/results"},
                "page_size": {"parameter": "limit", "value": 100}, "next": {"header": "Next", "parameter": "after"}}});
        item["changes"] = json!({"poll": 5});
        item["fields"] = json!({"full": {"type": "text"}});
        item["writes"] = json!({"update": {"method": "PATCH", "path": "/items/{id}"}});
        d["writes"] =
            json!({"encoding": "json", "idempotency": {"header": "Key", "lifetime": 60}, "refusal": {}});
        let mut child = d["collections"][0].clone();
        child["name"] = json!("child");
        child["parent"] = json!({"collection": "item"});
        for key in ["updated", "deleted", "batch", "writes", "bulk"] {
            child.as_object_mut().unwrap().remove(key);
        }
        child["changes"] = json!({"sweep": 60});
        child["together"] = json!({"path": "/all", "body": {"of": ["{ids}"]}, "items": "", "parent": "/of",
            "children": "/items", "size": 2, "errors": {"items": "/a", "code": "/b", "none": "c"}});
        d["collections"].as_array_mut().unwrap().push(child);
        discover(d, json!([{"name": "any", "collection": {"path": "/{kind}", "changes": {"sweep": 60}}}]));
        d["options"] = json!({"shop": {"description": "Shops"}});
        let mut shop = json!({"name": "shop", "title": "Shops", "changes": {"sweep": 60}});
        shop["path"] = json!([{"option": "shop", "path": "/shops/{shop}", "single": true}]);
        d["collections"].as_array_mut().unwrap().push(shop);
    };
    declare(whole).unwrap();
    for (place, of_schema) in [
        ("", ""),
        ("/authentication/0", "/$defs/authentication"),
        ("/authentication/0/check", "/$defs/authentication/properties/check"),
        ("/authentication/0/token", "/$defs/token"),
        ("/authentication/0/token/answer", "/$defs/token/properties/answer"),
        ("/authentication/0/token/authorize", "/$defs/token/properties/authorize"),
        ("/authentication/1/token/jwt", "/$defs/token/properties/jwt"),
        ("/rate_limit", "/$defs/limits"),
        ("/rate_limit/headers", "/$defs/limits/properties/headers"),
        ("/rate_limit/usage", "/$defs/limits/properties/usage"),
        ("/rate_limit/cost", "/$defs/limits/properties/cost"),
        ("/rate_limit/also/0", "/$defs/further_limit"),
        ("/discover", "/$defs/discover"),
        ("/discover/templates/0", "/$defs/discover/properties/templates/items"),
        ("/errors", "/$defs/errors"),
        ("/errors/rules/0", "/$defs/errors/properties/rules/items"),
        ("/record", "/$defs/record"),
        ("/record/updated_at", "/$defs/moment"),
        ("/feeds/events", "/$defs/feed"),
        ("/writes", "/properties/writes"),
        ("/writes/idempotency", "/properties/writes/properties/idempotency"),
        ("/writes/refusal", "/properties/writes/properties/refusal"),
        ("/collections/0", "/$defs/collection"),
        ("/collections/0/record", "/$defs/record"),
        ("/collections/0/retrieve", "/$defs/retrieve"),
        ("/collections/0/created", "/$defs/collection/properties/created"),
        ("/collections/0/updated", "/$defs/collection/properties/updated"),
        ("/collections/0/deleted", "/$defs/collection/properties/deleted"),
        ("/collections/0/changes", "/$defs/collection/properties/changes"),
        ("/collections/0/bulk", "/$defs/bulk"),
        ("/collections/0/bulk/count", "/$defs/bulk/properties/count"),
        ("/collections/0/bulk/types", "/$defs/bulk/properties/types"),
        ("/collections/0/bulk/types/compound", "/$defs/bulk/properties/types/properties/compound"),
        ("/collections/0/bulk/start", "/$defs/bulk/properties/start"),
        ("/collections/0/bulk/start/request", "/$defs/call"),
        ("/collections/0/bulk/start/refusal", "/$defs/bulk/properties/start/properties/refusal"),
        ("/collections/0/bulk/status", "/$defs/bulk/properties/status"),
        ("/collections/0/bulk/results", "/$defs/bulk/properties/results"),
        ("/collections/0/bulk/results/next", "/$defs/bulk/properties/results/properties/next"),
        ("/collections/2/path/0", "/$defs/option_path"),
        ("/options/shop", "/$defs/option"),
        ("/collections/0/fields/full", "/$defs/field/else"),
        ("/collections/0/writes", "/$defs/collection/properties/writes"),
        ("/collections/0/writes/update", "/$defs/write"),
        ("/collections/1/parent", "/$defs/collection/properties/parent"),
        ("/collections/1/together", "/$defs/collection/properties/together"),
        ("/collections/1/together/errors", "/$defs/part_errors"),
        ("/collections/0/batch", "/$defs/collection/properties/batch"),
        ("/collections/0/batch/errors", "/$defs/part_errors"),
    ] {
        let refused = declare(|d| {
            whole(d);
            d.pointer_mut(place).unwrap()["zzz"] = json!(1);
        })
        .unwrap_err();
        assert!(refused.starts_with(&format!("{place}/zzz: unknown field")), "{place}: {refused}");
        // Templates, and what exports have in common, are filled in before anything else is read.
        let is_read = |name: &String| name != "template" && (place, name.as_str()) != ("", "bulk");
        let of_schema = properties(of_schema).into_iter().filter(is_read).collect();
        assert_eq!(expected_fields(&refused), of_schema, "{place}");
    }
    let kinds = schema["$defs"]["pagination"]["oneOf"].as_array().unwrap();
    let refused = declare(|d| d["pagination"]["kind"] = json!("zzz")).unwrap_err();
    let of_schema = kinds.iter().map(|kind| kind["properties"]["kind"]["const"].as_str().unwrap().to_owned());
    assert_eq!(expected_fields(&refused), of_schema.collect());
    let classes = &schema["$defs"]["errors"]["properties"]["rules"]["items"]["properties"]["class"]["enum"];
    let refused = declare(|d| d["errors"]["rules"][0]["class"] = json!("zzz")).unwrap_err();
    let of_schema = classes.as_array().unwrap().iter().map(|class| class.as_str().unwrap().to_owned());
    assert_eq!(expected_fields(&refused), of_schema.collect());
    let types = schema["$defs"]["field_type"]["enum"].as_array().unwrap();
    let refused = declare(|d| d["collections"][0]["fields"] = json!({"a": "zzz"})).unwrap_err();
    let of_schema = types.iter().map(|field_type| field_type.as_str().unwrap().to_owned());
    assert_eq!(expected_fields(&refused), of_schema.collect());
}

#[test]
fn what_is_made_by_a_template_has_its_documents() {
    let provider = declare(|d| {
        d["documents"] = json!({"all": "{ all { id } }"});
        d["pagination"] = json!({"kind": "none", "items": "/all"});
        let list =
            json!({"path": "/graphql", "body": {"query": {"$document": "all"}}, "changes": {"sweep": 60}});
        discover(d, json!([{"name": "any", "collection": list}]));
    })
    .unwrap();
    let kind = Kind {
        key: "thing".to_owned(),
        collection: "thing".to_owned(),
        name: "Thing".to_owned(),
        title: "Things".to_owned(),
        template: "any".to_owned(),
    };
    let provider = Arc::new(provider.with_kinds(&[kind]));
    let things = Listing::whole(CollectionRef::new(&provider, "thing").unwrap());
    let request = things.request(&Url::parse(BASE).unwrap(), &things.start().unwrap());
    assert_eq!(request.body.unwrap(), r#"{"query":"{ all { id } }"}"#);
}

#[test]
fn a_body_has_all_parameters() {
    let paged = |body: Value| {
        declare(|declaration| {
            declaration["pagination"] = json!({"kind": "cursor", "items": "/items", "next": "/next",
                "parameter": "after", "page_size": {"parameter": "first", "value": 50}});
            declaration["collections"][0]["body"] = body;
        })
        .map(drop)
    };
    let good = json!({"query": "{ items { id } }", "variables": {"first": "{first}", "after": "{after}"}});
    assert_eq!(paged(good), Ok(()));
    for (body, problem) in [
        (json!({"first": "{first}"}), "/collections/0/body: it must have the parameter {after} in it"),
        (
            json!({"first": "{first}", "after": "{after}", "x": "{sinec}"}),
            "{sinec} is none of its parameters",
        ),
        (json!(["{first}", "{after}"]), "it must be an object"),
    ] {
        let refused = paged(body).unwrap_err();
        assert!(refused.contains(problem), "{refused}");
    }
    let refused = |change: fn(&mut Value)| declare(change).map(drop).unwrap_err();
    let linked = refused(|declaration| {
        declaration["pagination"] = json!({"kind": "link_header", "items": ""});
        declaration["collections"][0]["body"] = json!({});
    });
    assert!(linked.contains("a list that goes on at a URL has no body"), "{linked}");
    let batch = refused(|declaration| {
        declaration["collections"][0]["batch"] =
            json!({"path": "/batch", "items": "", "size": 10, "body": {"ids": ["{id}"]}});
    });
    assert!(batch.contains("/collections/0/batch/body: it must have the parameter {ids} in it"), "{batch}");
    let properties = refused(|declaration| {
        declaration["collections"][0]["properties"] = json!({"path": "/p", "items": "", "name": "/name"});
    });
    assert!(properties.contains("they go with a batch"), "{properties}");
    let ties = refused(|declaration| {
        declaration["collections"][0]["updated"] =
            json!({"from": "since", "ties": {"first": "", "body": {"s": "{since}", "i": "{id}"}}});
        declaration["collections"][0]["changes"] = json!({"poll": 5});
    });
    assert!(ties.contains("they go with a list that is ascending"), "{ties}");
    let elsewhere = refused(|declaration| {
        declaration["collections"][0]["updated"] = json!({"from": "since", "body": {"s": "{since}"}});
        declaration["collections"][0]["changes"] = json!({"poll": 5});
    });
    assert!(elsewhere.contains("/collections/0/updated/body: it goes with a path"), "{elsewhere}");
}

/// An API of a user's own, with a query of GraphQL.
#[test]
fn a_query_stands_in_the_declaration_itself() {
    let query = "query list($first: Int) { items(first: $first) { nodes { id } pageInfo { hasNextPage endCursor } } }";
    let items = listing(|declaration| {
        declaration["documents"] = json!({"items": query});
        declaration["errors"]["failed"] = json!(["/errors"]);
        declaration["errors"]["rules"][1] = json!({"status": ["2xx"], "class": "bad_request"});
        declaration["pagination"] = json!({"kind": "connection", "at": "/data/items", "parameter": "after",
            "page_size": {"parameter": "first", "value": 2}});
        declaration["collections"][0]["body"] = json!({
            "query": {"$document": "items"}, "variables": {"first": "{first}", "after": "{after}"}});
    });
    let base = Url::parse(BASE).unwrap();
    let body = |position: &Position| -> Value {
        serde_json::from_slice(&items.request(&base, position).body.unwrap()).unwrap()
    };
    assert_eq!(body(&start()), json!({"query": query, "variables": {"first": 2}}));
    let page = |more: bool, cursor: Value| {
        let info = json!({"hasNextPage": more, "endCursor": cursor});
        answer(
            &base,
            200,
            &[],
            &json!({"data": {"items": {"nodes": [{"id": 1}], "pageInfo": info}}}).to_string(),
        )
    };
    let next = items.interpret(&start(), &page(true, json!("x"))).unwrap().next.unwrap();
    assert_eq!(body(&next)["variables"], json!({"first": 2, "after": "x"}));
    assert_eq!(items.interpret(&next, &page(false, json!("y"))).unwrap().next, None);
    for odd in [
        page(true, Value::Null),
        answer(&base, 200, &[], r#"{"data": {"items": {"nodes": []}}}"#),
        answer(&base, 200, &[], r#"{"data": {"items": null}}"#),
    ] {
        assert_eq!(items.interpret(&next, &odd).unwrap_err().class, FailureClass::BadData);
    }
    let failed = answer(&base, 200, &[], r#"{"data": null, "errors": [{"message": "no such field"}]}"#);
    let failure = items.interpret(&next, &failed).unwrap_err();
    assert_eq!(failure.class, FailureClass::BadRequest);
    assert!(failure.message.contains("no such field"), "{}", failure.message);
}

#[test]
fn a_list_with_a_body_is_posted_and_paged_in_it() {
    let posted = listing(|declaration| {
        declaration["pagination"] = json!({"kind": "offset", "items": "/items", "parameter": "skip",
            "page_size": {"parameter": "take", "value": 2}});
        declaration["collections"][0]["query"] = json!({"v": "2"});
        declaration["collections"][0]["body"] = json!({"page": {"take": "{take}", "skip": "{skip}"}});
    });
    let base = Url::parse(BASE).unwrap();
    let sent = |position: &Position| {
        let sent = posted.request(&base, position);
        (
            sent.method.to_string(),
            sent.url.to_string(),
            String::from_utf8(sent.body.unwrap().to_vec()).unwrap(),
        )
    };
    let url = format!("{BASE}/items?v=2");
    let first = sent(&start());
    assert_eq!(first, ("POST".into(), url.clone(), r#"{"page":{"take":2}}"#.into()));
    let page = answer(&base, 200, &[], r#"{"items": [{"id": 1}, {"id": 2}]}"#);
    let next = posted.interpret(&start(), &page).unwrap().next.unwrap();
    let body: Value = serde_json::from_str(&sent(&next).2).unwrap();
    assert_eq!(body, json!({"page": {"take": 2, "skip": 2}}));
}
