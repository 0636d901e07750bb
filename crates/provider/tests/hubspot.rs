//! HubSpot: lists that only name records, batches that read them, searches that go on from where they have come.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header::CONTENT_TYPE};
use sequin_domain::{failure::FailureClass, timestamp::Timestamp};
use sequin_provider::{
    answer::Answer,
    catalogue,
    declaration::{CollectionRef, FieldType},
    kinds::{self, Listed},
    leap::Shown,
    listing::{Listing, Page, Subject},
    position::Position,
    properties,
    request::Request,
};
use serde_json::{Value, json};
use std::{sync::Arc, time::SystemTime};
use url::Url;

const SINCE: i64 = 1_700_000_000;

fn collection(name: &str) -> CollectionRef {
    CollectionRef::new(catalogue::find("hubspot").unwrap(), name).unwrap()
}

fn contacts() -> Listing {
    let properties = ["email", "score"].map(str::to_owned);
    Listing { properties: properties.into(), ..Listing::whole(collection("contact")) }
}

fn changes() -> Listing {
    Listing { changed_since: Timestamp::from_unix_seconds(SINCE), ..contacts() }
}

fn base() -> Url {
    Url::parse("https://api.hubapi.com").unwrap()
}

fn answer(status: u16, body: &Value) -> Answer {
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body: Bytes::from(body.to_string()),
        received_at: SystemTime::UNIX_EPOCH,
        url: base(),
    }
}

fn asked(listing: &Listing, position: &Position) -> (Method, String, Value) {
    let Request { method, url, headers, body } = listing.request(&base(), position);
    assert_eq!(headers.contains_key(CONTENT_TYPE), body.is_some());
    let body = body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
    (method, url.as_str().trim_start_matches("https://api.hubapi.com").to_owned(), body)
}

/// A contact that has changed so many milliseconds after [`SINCE`].
fn contact(id: &str, after: i64) -> Value {
    let micros = (SINCE * 1000 + after) * 1000;
    let changed = Timestamp::from_unix_micros(micros).unwrap().iso_8601();
    json!({"id": id, "properties": {"lastmodifieddate": changed}, "createdAt": "2026-01-01T00:00:00Z"})
}

fn page_of(contacts: &[Value], next: Option<&str>) -> Value {
    let paging = next.map(|after| json!({"next": {"after": after}}));
    json!({"results": contacts, "paging": paging})
}

fn read(listing: &Listing, position: &Position, body: &Value) -> Page {
    let page = listing.interpret(position, &answer(200, body)).unwrap();
    // A position has to survive the database.
    let kept = page.next.map(|next| serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap());
    Page { next: kept, ..page }
}

fn ids(page: &Page) -> Vec<&str> {
    page.records.iter().map(|record| record.upstream_id.as_str()).collect()
}

fn leap(listing: &Listing, contacts: &[Value], next: Option<&str>) -> Option<(Option<i64>, Option<String>)> {
    let page = read(listing, &listing.start().unwrap(), &page_of(contacts, next));
    let further = listing.leap(&Shown::of(&page), next.is_some())?;
    let after = further.changed_since.map(|since| since.unix_micros() / 1000 - SINCE * 1000);
    Some((after, further.tied))
}

#[test]
fn what_a_list_names_is_read_in_batches() {
    let contacts = contacts();
    let start = contacts.start().unwrap();
    let (method, url, body) = asked(&contacts, &start);
    assert_eq!(
        (method, url.as_str(), body),
        (Method::GET, "/crm/v3/objects/contacts?limit=100", Value::Null)
    );
    let named: Vec<Value> = (0..150).map(|id| contact(&id.to_string(), 0)).collect();
    let page = read(&contacts, &start, &page_of(&named, Some("x")));
    assert!(page.records.is_empty());
    assert_eq!((page.listed.len(), page.changed.len()), (150, 150));
    let first = page.next.unwrap();
    assert!(!first.is_outermost());
    assert_eq!(first.requests(), Some(3));
    let (method, url, body) = asked(&contacts, &first);
    assert_eq!((method, url.as_str()), (Method::POST, "/crm/v3/objects/contacts/batch/read"));
    assert_eq!(body["properties"], json!(["email", "score"]));
    assert_eq!(body["inputs"].as_array().unwrap().len(), 100);
    assert_eq!(body["inputs"][99], json!({"id": "99"}));
    // In another order, with one that is gone, and what another one was merged into.
    let shown = json!({"results": [contact("7", 5), contact("3", 9), contact("4711", 1)], "numErrors": 1});
    let page = read(&contacts, &first, &shown);
    assert_eq!(ids(&page), ["7", "3"]);
    assert!(page.changed.is_empty());
    let second = page.next.unwrap();
    assert_eq!(asked(&contacts, &second).2["inputs"].as_array().unwrap().len(), 50);
    let next = read(&contacts, &second, &json!({"results": []})).next.unwrap();
    assert_eq!(asked(&contacts, &next).1, "/crm/v3/objects/contacts?limit=100&after=x");
    assert_eq!(read(&contacts, &next, &page_of(&[], None)).next, None);
}

#[test]
fn a_batch_that_is_refused_is_not_passed_over() {
    let contacts = contacts();
    let page = read(&contacts, &contacts.start().unwrap(), &page_of(&[contact("1", 0)], None));
    let batch = page.next.unwrap();
    let failure = contacts.interpret(&batch, &answer(404, &json!({"message": "no"}))).unwrap_err();
    assert_eq!(failure.class, FailureClass::Missing);
    let failure = contacts.interpret(&batch, &answer(200, &json!({"status": "PENDING"}))).unwrap_err();
    assert_eq!(failure.class, FailureClass::BadData);
}

#[test]
fn what_a_batch_could_not_read_is_not_gone() {
    let contacts = contacts();
    let named = page_of(&[contact("1", 0), contact("2", 0)], None);
    let batch = read(&contacts, &contacts.start().unwrap(), &named).next.unwrap();
    let error = |category: &str, id: &str| json!({"category": category, "context": {"ids": [id]}});
    let shown = |errors: &[Value]| json!({"results": [contact("1", 5)], "numErrors": 1, "errors": errors});
    let page = contacts.interpret(&batch, &answer(207, &shown(&[error("OBJECT_NOT_FOUND", "2")]))).unwrap();
    assert_eq!(ids(&page), ["1"]);
    for errors in [
        vec![error("INTERNAL_ERROR", "2")],
        vec![error("OBJECT_NOT_FOUND", "3"), error("INTERNAL_ERROR", "2")],
        vec![json!({"message": "no category"})],
    ] {
        let failure = contacts.interpret(&batch, &answer(207, &shown(&errors))).unwrap_err();
        assert_eq!(failure.class, FailureClass::BadData, "{errors:?}");
    }
}

#[test]
fn what_a_list_shows_garbled_is_read_in_the_batch_all_the_same() {
    let contacts = contacts();
    let text = b"{\"results\": [{\"id\": \"1\"}, {\"id\": \"2\", \"name\": \"\xff\"}, {\"id\": \"1\", \"name\": \"\xff\"}, {}]}";
    let garbled = Answer { body: Bytes::from_static(text), ..answer(200, &Value::Null) };
    let page = contacts.interpret(&contacts.start().unwrap(), &garbled).unwrap();
    assert_eq!(page.rejected.iter().map(|each| each.upstream_id.as_deref()).collect::<Vec<_>>(), [None]);
    let inputs = asked(&contacts, &page.next.unwrap()).2["inputs"].take();
    assert_eq!(inputs, json!([{"id": "1"}, {"id": "2"}]));
}

#[test]
fn objects_that_are_known_are_read_without_a_list() {
    let contacts = contacts();
    let position = Position::of_objects(vec!["7".into(), "9".into()]);
    let (method, url, body) = asked(&contacts, &position);
    assert_eq!((method, url.as_str()), (Method::POST, "/crm/v3/objects/contacts/batch/read"));
    assert_eq!(body["inputs"], json!([{"id": "7"}, {"id": "9"}]));
    let page = read(&contacts, &position, &json!({"results": [contact("9", 1)], "numErrors": 1}));
    assert_eq!(ids(&page), ["9"]);
    assert_eq!(page.next, None);
}

#[test]
fn changes_are_searched_for() {
    let changes = changes();
    let start = changes.start().unwrap();
    let (method, url, body) = asked(&changes, &start);
    assert_eq!((method, url.as_str()), (Method::POST, "/crm/v3/objects/contacts/search"));
    let filter = json!({"propertyName": "lastmodifieddate", "operator": "GTE", "value": "1700000000000"});
    assert_eq!(body["filterGroups"], json!([{"filters": [filter]}]));
    assert_eq!((&body["limit"], body.get("after")), (&json!(200), None));
    let page = read(&changes, &start, &page_of(&[], Some("200")));
    assert_eq!(asked(&changes, &page.next.unwrap()).2["after"], "200");
    let deals = Listing { changed_since: changes.changed_since, ..Listing::whole(collection("deal")) };
    let body = asked(&deals, &start).2;
    assert_eq!(body["filterGroups"][0]["filters"][0]["propertyName"], "hs_lastmodifieddate");
}

#[test]
fn a_search_goes_on_from_the_last_change() {
    let changes = changes();
    let far = [contact("5", 3), contact("1", 7)];
    assert_eq!(leap(&changes, &far, Some("2")), Some((Some(7), None)));
    assert_eq!(leap(&changes, &far, None), None, "it is at its end");
    assert_eq!(leap(&changes, &[], Some("2")), None, "an empty page leads on by its cursor");
}

#[test]
fn one_instant_is_read_in_the_order_of_ids() {
    let changes = changes();
    let alike = [contact("12", 3), contact("7", 3)];
    assert_eq!(leap(&changes, &alike, Some("2")), Some((Some(3), Some("0".into()))));
    let since = Timestamp::from_unix_micros((SINCE * 1000 + 3) * 1000);
    let tied = Listing { changed_since: since, tied: Some("0".into()), ..changes };
    let body = asked(&tied, &tied.start().unwrap()).2;
    let [instant, ids] = [0_usize, 1].map(|n| body["filterGroups"][0]["filters"][n].clone());
    assert_eq!(
        (&instant["value"], &instant["highValue"]),
        (&json!("1700000000003"), &json!("1700000000003"))
    );
    assert_eq!(ids, json!({"propertyName": "hs_object_id", "operator": "GT", "value": "0"}));
    assert_eq!(body["sorts"][0]["propertyName"], "hs_object_id");
    assert_eq!(leap(&tied, &alike, Some("2")), Some((Some(3), Some("7".into()))), "as the API sorts them");
    assert_eq!(leap(&tied, &[], Some("250")), None);
    assert_eq!(leap(&tied, &alike, None), Some((Some(4), None)), "behind the instant");
    let stuck = Listing { tied: Some("7".into()), ..tied };
    assert_eq!(
        leap(&stuck, &alike, Some("2")),
        None,
        "what leads nowhere goes on by pages, to an end or an error"
    );
}

#[test]
fn the_archive_is_a_list_of_deletions() {
    let archive = Listing::tombstones(collection("contact"), Timestamp::from_unix_seconds(SINCE));
    assert!(archive.subject == Subject::Tombstones && !archive.is_ascending());
    let start = archive.start().unwrap();
    let url = "/crm/v3/objects/contacts?archived=true&limit=100";
    assert_eq!(asked(&archive, &start), (Method::GET, url.to_owned(), Value::Null));
    let gone = json!({"id": "9", "archived": true, "archivedAt": "2026-02-03T04:05:06.789Z"});
    let page = read(&archive, &start, &page_of(&[gone], None));
    assert_eq!(ids(&page), ["9"]);
    assert!(page.records[0].deleted && page.records[0].updated_at.is_some() && page.next.is_none());
}

#[test]
fn properties_are_told_by_the_api() {
    let contact = collection("contact");
    let url = properties::url(&base(), &contact).unwrap();
    assert_eq!(url.path(), "/crm/v3/properties/contacts");
    assert_eq!(properties::url(&base(), &collection("owner")), None);
    let told = json!({"results": [{"name": "size", "type": "number"}, {"name": "email"}, {"name": "size"}]});
    let found = properties::interpret(&contact, &answer(200, &told)).unwrap();
    let found: Vec<_> = found.iter().map(|property| (property.name.as_str(), property.field_type)).collect();
    assert_eq!(found, [("email", Some(FieldType::Text)), ("size", Some(FieldType::Numeric))]);
    for odd in [json!({"results": [{"label": "E-mail"}]}), json!({"results": null}), json!([])] {
        let failure = properties::interpret(&contact, &answer(200, &odd)).unwrap_err();
        assert_eq!(failure.class, FailureClass::BadData, "{odd}");
    }
}

#[test]
fn associations_of_many_records_come_at_once() {
    let companies = Listing::whole(collection("deal_company"));
    let start = companies.start().unwrap();
    let deals: Vec<Value> = (1..=150).map(|id| json!({"id": id.to_string()})).collect();
    let first = read(&companies, &start, &page_of(&deals, Some("x"))).next.unwrap();
    let (method, url, body) = asked(&companies, &first);
    assert_eq!((method, url.as_str()), (Method::POST, "/crm/v4/associations/deals/companies/batch/read"));
    assert_eq!(body["inputs"].as_array().unwrap().len(), 100);
    assert_eq!(body["inputs"][0], json!({"id": "1"}));
    let to = |id: u32| json!({"toObjectId": id, "associationTypes": []});
    let none = json!({"category": "OBJECT_NOT_FOUND", "message": "No company is associated with deal 3."});
    let shown = json!({"numErrors": 1, "errors": [none], "results": [
        {"from": {"id": "2"}, "to": [to(8), to(9)]},
        {"from": {"id": "1"}, "to": [to(7)], "paging": {"next": {"after": "NTAw"}}}]});
    let page = read(&companies, &first, &shown);
    assert_eq!(ids(&page), ["2/8", "2/9"]);
    assert_eq!(page.records[0].parent_id.as_deref(), Some("2"));
    assert_eq!(page.parents.len(), 100, "those without any have none");
    // What is not whole is read by itself, and then the next of them, and then the list goes on.
    let own = page.next.unwrap();
    assert_eq!(asked(&companies, &own).1, "/crm/v4/objects/deals/1/associations/companies?limit=500");
    let page = read(&companies, &own, &page_of(&[to(7)], Some("NTAw")));
    assert_eq!(ids(&page), ["1/7"]);
    let second = read(&companies, &page.next.unwrap(), &page_of(&[to(70)], None)).next.unwrap();
    assert_eq!(asked(&companies, &second).2["inputs"].as_array().unwrap().len(), 50);
    let next = read(&companies, &second, &json!({"results": []})).next.unwrap();
    assert!(asked(&companies, &next).1.ends_with("after=x"));
}

#[test]
fn associations_that_could_not_be_read_are_not_none() {
    let companies = Listing::whole(collection("deal_company"));
    let deals = page_of(&[json!({"id": "1"})], None);
    let first = read(&companies, &companies.start().unwrap(), &deals).next.unwrap();
    let unwell = json!({"results": [], "errors": [{"category": "INTERNAL_ERROR"}]});
    let foreign = json!({"results": [{"from": {"id": "2"}, "to": []}]});
    for odd in [unwell, foreign, json!({"results": [{"from": {"id": "1"}}]}), json!({"status": "PENDING"})] {
        let failure = companies.interpret(&first, &answer(207, &odd)).unwrap_err();
        assert_eq!(failure.class, FailureClass::BadData, "{odd}");
    }
    for status in [403, 404] {
        assert!(companies.interpret(&first, &answer(status, &json!({}))).is_err(), "{status}");
    }
}

#[test]
fn properties_have_types_and_a_place() {
    let property = |name: &str, kind: &str| json!({"name": name, "type": kind, "fieldType": "text"});
    let told = json!({"results": [
        property("email", "string"), property("amount", "number"), property("closed", "datetime"),
        property("born", "date"), property("active", "bool"), property("stage", "enumeration"),
        property("where", "object_coordinates"),
    ]});
    let contact = collection("contact");
    let found = properties::interpret(&contact, &answer(200, &told)).unwrap();
    let list = contact.properties.as_ref().unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|each| {
            let field_type = each.field_type.unwrap();
            (each.name.as_str(), field_type, list.is_quoted(field_type))
        })
        .collect();
    let expected = [
        ("active", FieldType::Boolean, true),
        ("amount", FieldType::Numeric, true),
        ("born", FieldType::Date, false),
        ("closed", FieldType::Timestamptz, true),
        ("email", FieldType::Text, false),
        ("stage", FieldType::Text, false),
        ("where", FieldType::Text, false),
    ];
    assert_eq!(found, expected);
    assert_eq!(list.place("email"), ["properties", "email"]);
}

fn schema(id: &str, name: &str, plural: &str) -> Value {
    json!({"objectTypeId": id, "name": name, "fullyQualifiedName": format!("p123_{name}"), "archived": false,
           "labels": {"singular": name, "plural": plural}, "id": id.split_once('-').unwrap().1})
}

fn listed(schemas: &[Value]) -> Vec<Listed> {
    let declaration = catalogue::find("hubspot").unwrap();
    kinds::interpret(declaration, &answer(200, &json!({"results": schemas}))).unwrap()
}

#[test]
fn a_custom_object_is_a_collection_that_is_named_after_it_and_asked_for_by_its_id() {
    let declaration = catalogue::find("hubspot").unwrap();
    let schemas = [schema("2-12345", "car", "Cars"), schema("2-777", "Contact", "Others")];
    let assigned = kinds::assign(declaration, &[], listed(&schemas));
    let names: Vec<_> = assigned.iter().map(|kind| (&*kind.name, &*kind.collection, &*kind.title)).collect();
    assert_eq!(names, [("2-12345", "car", "Cars"), ("2-777", "contact_2", "Others")]);
    let with_kinds = Arc::new(declaration.with_kinds(&assigned));
    let cars = Listing {
        changed_since: Timestamp::from_unix_seconds(SINCE),
        properties: ["model".to_owned()].into(),
        ..Listing::whole(CollectionRef::of_id(&with_kinds, "hubspot:car").unwrap())
    };
    let (method, url, body) = asked(&cars, &cars.start().unwrap());
    assert_eq!((method, url.as_str()), (Method::POST, "/crm/v3/objects/2-12345/search"));
    assert_eq!(body["filterGroups"][0]["filters"][0]["propertyName"], "hs_lastmodifieddate");
    assert_eq!(properties::url(&base(), &cars.collection).unwrap().path(), "/crm/v3/properties/2-12345");
    // Under another name, and with other labels, it is the same.
    let renamed = [schema("2-12345", "vehicle", "Vehicles")];
    let again = kinds::assign(declaration, &assigned, listed(&renamed));
    assert_eq!(
        again.iter().map(|kind| (&*kind.collection, &*kind.title)).collect::<Vec<_>>(),
        [("car", "Vehicles")]
    );
    assert!(listed(&[]).is_empty());
    let failure = kinds::interpret(declaration, &answer(200, &json!({"results": [{"name": "x"}]})));
    assert_eq!(failure.unwrap_err().class, FailureClass::BadData);
}
