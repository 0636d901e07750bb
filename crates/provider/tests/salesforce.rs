//! Salesforce: queries as parameters, records read in batches, and the kinds of objects that an org has.

use bytes::Bytes;
use http::{Method, StatusCode};
use sequin_domain::{
    failure::{Failure, FailureClass},
    mutation::{Action, Repetition},
    ranges::Span,
    timestamp::Timestamp,
};
use sequin_provider::{
    answer::Answer,
    batch_write::{BatchWrite, Outcome},
    catalogue,
    declaration::{CollectionRef, Declaration, FieldType},
    kinds::{self, Kind, Listed},
    leap::Shown,
    listing::{Listing, Page},
    made::Made,
    object,
    position::Position,
    properties,
    record::Record,
    refusal::Refusal,
    request::Request,
    write::{Change, Stored, Unwritable},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

const SINCE: i64 = 1_700_000_000;
const DATA: &str = "/services/data/v68.0";

fn salesforce() -> &'static Arc<Declaration> {
    catalogue::find("salesforce").unwrap()
}

fn collection(name: &str) -> CollectionRef {
    CollectionRef::new(salesforce(), name).unwrap()
}

fn contacts() -> Listing {
    let properties = ["Email", "Id"].map(str::to_owned);
    Listing { properties: properties.into(), ..Listing::whole(collection("contact")) }
}

fn base() -> Url {
    Url::parse("https://acme.my.salesforce.com").unwrap()
}

fn told(status: u16, headers: &[(&'static str, &'static str)], body: &Value) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: headers
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect(),
        body: Bytes::from(body.to_string()),
        received_at: SystemTime::UNIX_EPOCH,
        url: base(),
    }
}

fn answer(body: &Value) -> Answer {
    told(200, &[], body)
}

/// What is asked at a position: the path, and the query.
fn asked(listing: &Listing, position: &Position) -> (String, String) {
    let request = listing.request(&base(), position);
    assert_eq!((request.method, request.body), (Method::GET, None));
    let parameters: Vec<_> = request.url.query_pairs().collect();
    let [(name, query)] = parameters.as_slice() else { panic!("{parameters:?}") };
    assert_eq!(name, "q");
    (request.url.path().to_owned(), query.clone().into_owned())
}

fn row(id: &str, seconds: i64) -> Value {
    let time = Timestamp::from_unix_seconds(SINCE + seconds).unwrap().iso_8601();
    // As Salesforce writes it.
    let time = format!("{}.000+0000", &time[..19]);
    let attributes = json!({"type": "Contact", "url": format!("{DATA}/sobjects/Contact/{id}")});
    json!({"attributes": attributes, "Id": id, "CreatedDate": time, "SystemModstamp": time})
}

fn batch(rows: &[Value], done: bool) -> Value {
    json!({"totalSize": rows.len(), "done": done, "records": rows})
}

fn read(listing: &Listing, position: &Position, body: &Value) -> Page {
    let page = listing.interpret(position, &answer(body)).unwrap();
    // A position has to survive the database.
    let kept = page.next.map(|next| serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
    Page { next: kept, ..page }
}

#[test]
fn a_list_names_the_records_in_the_order_of_their_ids() {
    let contacts = contacts();
    let start = contacts.start().unwrap();
    let (path, query) = asked(&contacts, &start);
    assert_eq!(path, format!("{DATA}/query"));
    let select = "SELECT Id, CreatedDate, SystemModstamp FROM Contact WHERE Id != null";
    assert_eq!(query, format!("{select} ORDER BY Id DESC LIMIT 2000"));
    let page = read(&contacts, &start, &batch(&[row("003b", 9), row("003a", 5)], false));
    assert!(page.records.is_empty() && page.created.len() == 2);
    let named = page.next.unwrap();
    let request = contacts.request(&base(), &named);
    assert_eq!(
        (request.method, request.url.path()),
        (Method::POST, &*format!("{DATA}/composite/sobjects/Contact"))
    );
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body, json!({"ids": ["003b", "003a"], "fields": ["Email", "Id"]}));
    // In the place of one that is gone there is nothing.
    let page = read(&contacts, &named, &json!([row("003b", 9), null]));
    let [record] = page.records.as_slice() else { panic!("{:?}", page.records) };
    assert!(page.rejected.is_empty() && record.updated_at.is_some());
    let data: Value = serde_json::from_str(record.data.as_ref().unwrap()).unwrap();
    assert_eq!((data.get("attributes"), &data["Id"]), (None, &json!("003b")));
    assert_eq!(
        asked(&contacts, &page.next.unwrap()).1,
        format!("{select} AND Id < '003a' ORDER BY Id DESC LIMIT 2000")
    );
}

#[test]
fn a_list_ends_with_a_page_that_is_done_and_not_full() {
    let contacts = contacts();
    let start = contacts.start().unwrap();
    let full: Vec<Value> = (0..2000).rev().map(|id| row(&format!("003{id:04}"), id)).collect();
    for (rows, done, goes_on) in
        [(&full[..], true, true), (&full[..1999], true, false), (&full[..7], false, true)]
    {
        let page = read(&contacts, &start, &batch(rows, done));
        let outermost = page.next.and_then(|next| next.requests());
        assert_eq!(outermost.is_some(), goes_on, "{} {done}", rows.len());
    }
    assert_eq!(read(&contacts, &start, &batch(&[], true)).next, None);
    let failure = contacts.interpret(&start, &answer(&json!({"records": []}))).unwrap_err();
    assert_eq!(failure.class, FailureClass::BadData);
}

#[test]
fn a_list_can_be_cut_into_ranges() {
    let contacts = contacts();
    assert!(contacts.can_be_cut());
    let cut = Listing { span: Span { from: Some(SINCE), before: Some(SINCE + 60) }, ..contacts };
    let query = asked(&cut, &cut.start().unwrap()).1;
    let span = "AND CreatedDate >= 2023-11-14T22:13:20Z AND CreatedDate < 2023-11-14T22:14:20Z";
    assert!(query.contains(span), "{query}");
}

#[test]
fn changes_go_on_from_the_last_and_within_one_instant_by_ids() {
    let changes = Listing { changed_since: Timestamp::from_unix_seconds(SINCE), ..contacts() };
    let start = changes.start().unwrap();
    let select = "SELECT Id, SystemModstamp FROM Contact WHERE Id != null";
    let expected =
        format!("{select} AND SystemModstamp >= 2023-11-14T22:13:20Z ORDER BY SystemModstamp, Id LIMIT 2000");
    assert_eq!(asked(&changes, &start), (format!("{DATA}/query"), expected));
    let leap = |listing: &Listing, rows: &[Value], done: bool| {
        let page = read(listing, &listing.start().unwrap(), &batch(rows, done));
        let has_more = page.next.as_ref().and_then(Position::requests).is_some();
        listing.leap(&Shown::of(&page), has_more)
    };
    let further = leap(&changes, &[row("003b", 1), row("003a", 7)], false).unwrap();
    assert_eq!((further.changed_since, &further.tied), (Timestamp::from_unix_seconds(SINCE + 7), &None));
    assert!(leap(&changes, &[row("003b", 1), row("003a", 7)], true).is_none());
    let tied = leap(&changes, &[row("003a", 3), row("003b", 3)], false).unwrap();
    let query = asked(&tied, &tied.start().unwrap()).1;
    let expected = format!(
        "{select} AND SystemModstamp = 2023-11-14T22:13:23Z AND Id > '000000000000000AAA' ORDER BY Id LIMIT 2000"
    );
    assert_eq!(query, expected);
    let behind = leap(&tied, &[row("003b", 3)], true).unwrap();
    assert_eq!((behind.tied, behind.changed_since > tied.changed_since), (None, true));
}

#[test]
fn what_is_in_the_recycle_bin_is_a_list_of_deletions() {
    let deleted = Listing::tombstones(collection("contact"), Timestamp::from_unix_seconds(SINCE));
    let start = deleted.start().unwrap();
    let select = "SELECT Id, SystemModstamp FROM Contact WHERE IsDeleted = true";
    let since = "AND SystemModstamp >= 2023-11-14T22:13:20Z";
    let expected = format!("{select} {since} ORDER BY Id DESC LIMIT 2000");
    assert_eq!(asked(&deleted, &start), (format!("{DATA}/queryAll"), expected));
    let page = read(&deleted, &start, &batch(&[row("003b", 4)], false));
    assert!(page.records[0].deleted && page.records[0].updated_at.is_some());
    let query = asked(&deleted, &page.next.unwrap()).1;
    assert_eq!(query, format!("{select} {since} AND Id < '003b' ORDER BY Id DESC LIMIT 2000"));
    // Activities of old are found by no other query.
    let tasks = Listing::whole(collection("task"));
    let (path, query) = asked(&tasks, &start);
    assert!(path.ends_with("/queryAll") && query.contains("WHERE IsDeleted = false"), "{query}");
}

#[test]
fn one_record_is_read_as_many_are() {
    let contact = collection("contact");
    let request = object::request(&base(), &contact, "003b", &["Id".to_owned()]).unwrap();
    let body: Value = serde_json::from_slice(&request.body.unwrap()).unwrap();
    assert_eq!(body, json!({"ids": ["003b"], "fields": ["Id"]}));
    let read = |body: &Value| object::interpret(&contact, "003b", &answer(body));
    assert!(!read(&json!([row("003b", 1)])).unwrap().unwrap().deleted);
    assert!(read(&json!([null])).unwrap().unwrap().deleted);
    assert_eq!(read(&json!([row("003c", 1)])).unwrap_err().class, FailureClass::BadData);
    let missing = told(404, &[], &json!([{"errorCode": "NOT_FOUND", "message": "no"}]));
    let failure = object::interpret(&contact, "003b", &missing).unwrap_err();
    assert_eq!(failure.class, FailureClass::Missing, "the object, and not the record");
}

#[test]
fn errors_are_arrays_and_a_day_is_long() {
    let fails = |status: u16, headers: &[(&'static str, &'static str)], code: &str| -> Failure {
        let body = json!([{"errorCode": code, "message": "words"}]);
        told(status, headers, &body).text(salesforce()).unwrap_err()
    };
    let session = fails(401, &[], "INVALID_SESSION_ID");
    assert_eq!(session.class, FailureClass::Credential);
    assert!(session.message.ends_with("INVALID_SESSION_ID: words"), "{}", session.message);
    assert_eq!(fails(400, &[], "INVALID_TYPE").class, FailureClass::Permission);
    assert_eq!(fails(400, &[], "MALFORMED_QUERY").class, FailureClass::BadRequest);
    let used_up = [("sforce-limit-info", "api-usage=5000/5000")];
    let some_left = [("sforce-limit-info", "api-usage=18/5000, per-app-api-usage=17/250(appName=x)")];
    let day = fails(403, &used_up, "REQUEST_LIMIT_EXCEEDED");
    assert_eq!((day.class, day.retry_after), (FailureClass::RateLimited, Some(Duration::from_secs(900))));
    let at_once = fails(403, &some_left, "REQUEST_LIMIT_EXCEEDED");
    assert_eq!((at_once.class, at_once.retry_after), (FailureClass::RateLimited, None));
    let pause = |headers: &[(&'static str, &'static str)]| {
        told(200, headers, &json!({})).pause(&salesforce().rate_limit)
    };
    assert_eq!(pause(&used_up), Some(Duration::from_secs(900)));
    for headers in [&some_left[..], &[], &[("sforce-limit-info", "api-usage=x")]] {
        assert_eq!(pause(headers), None);
    }
}

#[test]
fn fields_are_described_with_their_types() {
    let field = |name: &str, kind: &str| json!({"name": name, "type": kind, "label": "x"});
    let described = json!({"fields": [field("Name", "string"), field("Amount", "currency"), field("At", "datetime"), field("X", "odd")]});
    let found = properties::interpret(&collection("opportunity"), &answer(&described)).unwrap();
    let found: Vec<_> =
        found.into_iter().map(|property| (property.name, property.field_type.unwrap())).collect();
    let expected = [
        ("Amount", FieldType::Numeric),
        ("At", FieldType::Timestamptz),
        ("Name", FieldType::Text),
        ("X", FieldType::Text),
    ];
    assert_eq!(found, expected.map(|(name, field_type)| (name.to_owned(), field_type)));
}

fn kind(name: &str, prefix: Option<&str>, replicateable: bool) -> Value {
    json!({"name": name, "labelPlural": format!("{name}s"), "keyPrefix": prefix, "queryable": true, "retrieveable": true,
           "replicateable": replicateable, "deprecatedAndHidden": false, "custom": name.ends_with("__c")})
}

fn listed(kinds: &[Value]) -> Vec<Listed> {
    kinds::interpret(salesforce(), &answer(&json!({"sobjects": kinds}))).unwrap()
}

#[test]
fn kinds_of_objects_become_collections() {
    let mut hidden = kind("Hidden__c", Some("a03"), true);
    hidden["queryable"] = json!(false);
    let found = listed(&[
        kind("Account", Some("001"), true),
        kind("Invoice__c", Some("a00"), true),
        kind("AccountHistory", Some("017"), false),
        kind("CaseHistory", Some("017"), false),
        kind("AccountShare", None, true),
        kind("Odd Name", Some("a04"), true),
        hidden,
    ]);
    let found: Vec<_> = found.iter().map(|kind| (&*kind.key, &*kind.name, &*kind.template)).collect();
    assert_eq!(
        found,
        [
            ("a00", "Invoice__c", "changing"),
            // What several have tells none of them apart.
            ("AccountHistory", "AccountHistory", "listed"),
            ("CaseHistory", "CaseHistory", "listed"),
            ("AccountShare", "AccountShare", "changing"),
        ]
    );
    for odd in [json!({"sobjects": null}), json!({"sobjects": [{"label": "x"}]}), json!([])] {
        let failure = kinds::interpret(salesforce(), &answer(&odd)).unwrap_err();
        assert_eq!(failure.class, FailureClass::BadData, "{odd}");
    }
}

#[test]
fn a_collection_keeps_its_name_whatever_becomes_of_the_kind() {
    let assign = |known: &[Kind], kinds: &[Value]| kinds::assign(salesforce(), known, listed(kinds));
    let names = |kinds: &[Kind]| -> Vec<(String, String)> {
        kinds.iter().map(|kind| (kind.name.clone(), kind.collection.clone())).collect()
    };
    let pair = |name: &str, collection: &str| (name.to_owned(), collection.to_owned());
    let first = assign(&[], &[kind("Invoice__c", Some("a00"), true), kind("Case__c", Some("a01"), true)]);
    assert_eq!(names(&first), [pair("Invoice__c", "invoice__c"), pair("Case__c", "case__c")]);
    let renamed =
        assign(&first, &[kind("Bill__c", Some("a00"), true), kind("Invoice__c", Some("a09"), true)]);
    assert_eq!(names(&renamed), [pair("Bill__c", "invoice__c"), pair("Invoice__c", "invoice__c_2")]);
    // One that was known by its name alone, and that has a prefix now.
    let unprefixed = assign(&[], &[kind("Invoice__c", None, true)]);
    assert_eq!(
        names(&assign(&unprefixed, &[kind("Invoice__c", Some("a00"), true)])),
        [pair("Invoice__c", "invoice__c")]
    );
    // What others of its sort share says nothing, even where the account shows one of them alone.
    let history = assign(&[], &[kind("AccountHistory", Some("017"), false)]);
    assert_eq!(
        names(&assign(&history, &[kind("CaseHistory", Some("017"), false)])),
        [pair("CaseHistory", "case_history")]
    );
    // A declared one has its name already.
    assert_eq!(names(&assign(&[], &[kind("Pricebook", None, true)])), [pair("Pricebook", "pricebook_2")]);
}

#[test]
fn of_two_kinds_that_requests_cannot_tell_apart_there_is_one() {
    let twice = [kind("Bill__c", Some("a00"), true), kind("Bill__c", Some("a01"), true)];
    let known = kinds::assign(salesforce(), &[], listed(&[kind("Bill__c", Some("a09"), true)]));
    let assigned = kinds::assign(salesforce(), &known, listed(&twice));
    assert_eq!(assigned.iter().map(|kind| &*kind.collection).collect::<Vec<_>>(), ["bill__c"]);
}

#[test]
fn a_kind_is_read_as_its_template_says() {
    let kinds = kinds::assign(
        salesforce(),
        &[],
        listed(&[kind("Invoice__c", Some("a00"), true), kind("LoginHistory", Some("0Ya"), false)]),
    );
    let with_kinds = Arc::new(salesforce().with_kinds(&kinds));
    let invoices = Listing::whole(CollectionRef::of_id(&with_kinds, "salesforce:invoice__c").unwrap());
    assert_eq!(invoices.collection.title, "Invoice__cs");
    let query = asked(&invoices, &invoices.start().unwrap()).1;
    assert!(query.starts_with("SELECT Id, CreatedDate, SystemModstamp FROM Invoice__c "), "{query}");
    let url = properties::url(&base(), &invoices.collection).unwrap();
    assert_eq!(url.path(), format!("{DATA}/sobjects/Invoice__c/describe"));
    let logins = CollectionRef::of_id(&with_kinds, "login_history").unwrap();
    assert!(logins.updated.is_none() && logins.deleted.is_none() && logins.changes.sweep.is_some());
    assert!(CollectionRef::of_id(salesforce(), "login_history").is_none());
    let unknown = Kind { template: "zzz".to_owned(), ..kinds[0].clone() };
    assert!(salesforce().collection_of(&unknown).is_none());
}

fn change(action: Action, id: Option<&str>, data: Option<Value>) -> Change {
    Change {
        collection: collection("contact"),
        action,
        upstream_id: id.map(str::to_owned),
        parent_id: None,
        data: data.map(|data| data.to_string()),
        key: "key-1".to_owned(),
        stored: Stored::default(),
    }
}

/// The method, the path with its parameters behind that of the version, and the body.
fn sent(request: Request) -> (Method, String, Value) {
    let body = request.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
    let url = request.url.as_str().trim_start_matches(base().as_str().trim_end_matches('/'));
    (request.method, url.trim_start_matches(DATA).to_owned(), body)
}

#[test]
fn an_answer_to_a_change_names_the_record() {
    let create = change(Action::Create, None, Some(json!({"LastName": "Lovelace"})));
    let (method, path, body) = sent(create.request(&base()).unwrap());
    assert_eq!(
        (method, path.as_str(), body),
        (Method::POST, "/sobjects/Contact", json!({"LastName": "Lovelace"}))
    );
    let made = told(201, &[], &json!({"id": "003a", "success": true, "errors": []}));
    assert_eq!(create.interpret(&made).unwrap(), Made::Named("003a".into()));
    assert_eq!(create.repetition(Duration::ZERO), Repetition::Harmful);
    let nothing = Answer { body: Bytes::new(), ..told(204, &[], &Value::Null) };
    let update = change(Action::Update, Some("003a"), Some(json!({"Title": null})));
    assert_eq!(sent(update.request(&base()).unwrap()).1, "/sobjects/Contact/003a");
    assert_eq!(update.interpret(&nothing).unwrap(), Made::Named("003a".into()));
    assert_eq!(update.repetition(Duration::ZERO), Repetition::Visible);
    let delete = change(Action::Delete, Some("003a"), None);
    assert_eq!(delete.interpret(&nothing).unwrap(), Made::Shown(Ok(Record::gone("003a"))));
    let gone = told(404, &[], &json!([{"errorCode": "ENTITY_IS_DELETED", "message": "gone"}]));
    // Whether it is, the record says.
    assert_eq!(delete.interpret(&gone).unwrap_err().class, FailureClass::Missing);
    assert!(delete.is_seen_by_reading());
}

#[test]
fn an_external_id_stands_in_the_path_and_not_in_the_body() {
    let given = json!({"externalIdFieldName": "Key__c", "externalId": "C/17", "LastName": "Lovelace"});
    let upsert = change(Action::Upsert, None, Some(given));
    let (method, path, body) = sent(upsert.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::PATCH, "/sobjects/Contact/Key__c/C%2F17"));
    assert_eq!(body, json!({"LastName": "Lovelace"}));
    let made = told(200, &[], &json!({"id": "003a", "success": true, "created": false}));
    assert_eq!(upsert.interpret(&made).unwrap(), Made::Named("003a".into()));
    assert_eq!(upsert.repetition(Duration::ZERO), Repetition::Harmless);
    let without = change(Action::Upsert, None, Some(json!({"LastName": "Lovelace"})));
    assert_eq!(without.check(), Err(Unwritable::NotGiven("externalIdFieldName".into())));
}

#[test]
fn up_to_two_hundred_go_into_one_request() {
    let together = |changes: Vec<Change>| BatchWrite { collection: collection("contact"), changes };
    let update = |id: &str, title: &str| change(Action::Update, Some(id), Some(json!({"Title": title})));
    assert_eq!(update("003a", "x").most_together(), 200);
    let updates = together(vec![update("003a", "x"), update("003b", "y")]);
    let (method, path, body) = sent(updates.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::PATCH, "/composite/sobjects"));
    assert_eq!(body["allOrNone"], json!(false));
    assert_eq!(body["records"][1], json!({"attributes": {"type": "Contact"}, "id": "003b", "Title": "y"}));
    let results = json!([
        {"id": "003a", "success": true, "errors": []},
        {"success": false, "errors": [{"statusCode": "STRING_TOO_LONG", "message": "no", "fields": ["Title"]}]}
    ]);
    let outcomes = updates.interpret(&answer(&results)).unwrap();
    assert_eq!(outcomes[0], Outcome::Made(Made::Named("003a".into())));
    assert!(matches!(outcomes[1], Outcome::Refused(..)), "{outcomes:?}");
    let create = |name: &str| change(Action::Create, None, Some(json!({"LastName": name})));
    let creations = together(vec![create("a"), create("b")]);
    let results =
        json!([{"id": "003c", "success": true, "errors": []}, {"id": "003d", "success": true, "errors": []}]);
    let named = ["003c", "003d"].map(|id| Outcome::Made(Made::Named(id.into())));
    assert_eq!(creations.interpret(&answer(&results)).unwrap(), named);
    let deletions = together(["003a", "003b"].map(|id| change(Action::Delete, Some(id), None)).to_vec());
    let (method, path, body) = sent(deletions.request(&base()).unwrap());
    assert_eq!((method, body), (Method::DELETE, Value::Null));
    assert_eq!(path, "/composite/sobjects?allOrNone=false&ids=003a%2C003b");
}

#[test]
fn a_locked_row_says_that_nothing_was_done() {
    let refusal = |code: &str| {
        Refusal::new(salesforce(), &told(400, &[], &json!([{"errorCode": code, "message": "words"}])))
    };
    assert!(refusal("UNABLE_TO_LOCK_ROW").is_undone);
    assert!(!refusal("REQUIRED_FIELD_MISSING").is_undone);
    assert_eq!(refusal("REQUIRED_FIELD_MISSING").code.as_deref(), Some("REQUIRED_FIELD_MISSING"));
}
