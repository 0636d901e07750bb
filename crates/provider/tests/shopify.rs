//! Shopify: queries of GraphQL, failures with a good status, children that come with their parents, points.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use sequin_domain::{
    failure::FailureClass,
    mutation::{Action, Repetition},
    ranges::Span,
    timestamp::Timestamp,
};
use sequin_provider::{
    answer::{Answer, Points},
    catalogue,
    declaration::CollectionRef,
    listing::{Listing, Page},
    made::Made,
    object,
    position::Position,
    probe,
    record::Record,
    request::Request,
    write::{Change, Needs, Stored, Unwritable},
};
use serde_json::{Value, json};
use std::time::{Duration, SystemTime};
use url::Url;

const SINCE: i64 = 1_700_000_000;

fn collection(name: &str) -> CollectionRef {
    CollectionRef::new(catalogue::find("shopify").unwrap(), name).unwrap()
}

fn whole(name: &str) -> Listing {
    Listing::whole(collection(name))
}

fn changes(name: &str) -> Listing {
    Listing { changed_since: Timestamp::from_unix_seconds(SINCE), ..whole(name) }
}

fn base() -> Url {
    Url::parse("https://acme.myshopify.com").unwrap()
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

/// The body of a request, and the operation and the variables in it.
fn asked(request: &Request) -> (Value, Value) {
    assert_eq!(request.method, Method::POST);
    assert_eq!(request.url.as_str(), "https://acme.myshopify.com/admin/api/2026-10/graphql.json");
    let body: Value = serde_json::from_slice(request.body.as_ref().unwrap()).unwrap();
    assert!(body["query"].as_str().unwrap().contains(" {"));
    (body["operationName"].clone(), body["variables"].clone())
}

fn page_of(listing: &Listing, position: &Position) -> (Value, Value) {
    asked(&listing.request(&base(), position))
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

fn nodes(key: &str, nodes: &Value, has_next: bool) -> Value {
    json!({"data": {key: {"nodes": nodes, "pageInfo": {"hasNextPage": has_next, "endCursor": "c1"}}}})
}

fn failure(body: &Value) -> (FailureClass, String) {
    let orders = whole("order");
    let failure = orders.interpret(&orders.start().unwrap(), &answer(200, body)).unwrap_err();
    (failure.class, failure.message)
}

#[test]
fn a_list_goes_on_behind_the_number_of_its_last_id() {
    let orders = whole("order");
    let start = orders.start().unwrap();
    assert_eq!(page_of(&orders, &start), ("list".into(), json!({"first": 20})));
    let page =
        nodes("orders", &json!([{"id": "gid://shopify/Order/9"}, {"id": "gid://shopify/Order/7"}]), true);
    let page = read(&orders, &start, &page);
    assert_eq!(ids(&page), ["gid://shopify/Order/9", "gid://shopify/Order/7"]);
    let next = page.next.unwrap();
    assert_eq!(page_of(&orders, &next).1, json!({"first": 20, "query": "id:<7"}));
    assert_eq!(read(&orders, &next, &nodes("orders", &json!([]), false)).next, None);
}

#[test]
fn bounds_are_words_of_one_query() {
    let span = Span { from: Some(SINCE), before: Some(SINCE + 60) };
    let orders = Listing { span, ..whole("order") };
    assert!(orders.can_be_cut());
    let start = orders.start().unwrap();
    assert_eq!(
        page_of(&orders, &start).1["query"],
        "created_at:>='2023-11-14T22:13:20Z' created_at:<'2023-11-14T22:14:20Z'"
    );
    let page = read(&orders, &start, &nodes("orders", &json!([{"id": "gid://shopify/Order/9"}]), true));
    let query = page_of(&orders, &page.next.unwrap()).1["query"].clone();
    assert!(query.as_str().unwrap().starts_with("id:<9 created_at:>="), "{query}");
}

#[test]
fn changes_come_oldest_first_or_in_any_order() {
    let orders = changes("order");
    let start = orders.start().unwrap();
    let expected = json!({"first": 20, "query": "updated_at:>='2023-11-14T22:13:20Z'", "sortKey": "UPDATED_AT", "reverse": false});
    assert_eq!(page_of(&orders, &start), ("list".into(), expected));
    let page = read(&orders, &start, &nodes("orders", &json!([]), true));
    assert_eq!(page_of(&orders, &page.next.unwrap()).1["after"], "c1");
    let variants = changes("product_variant");
    let (_, variables) = page_of(&variants, &variants.start().unwrap());
    assert_eq!(variables, json!({"first": 125, "query": "updated_at:>='2023-11-14T22:13:20Z'"}));
}

#[test]
fn children_come_with_their_parents_and_the_rest_behind_them() {
    let items = whole("line_item");
    let start = items.start().unwrap();
    assert_eq!(page_of(&items, &start), ("parents".into(), json!({"first": 5})));
    assert_eq!(items.points(&start), 517);
    let of = |ids: &[&str], more: bool| {
        let nodes: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
        json!({"nodes": nodes, "pageInfo": {"hasNextPage": more, "endCursor": "here"}})
    };
    let orders = json!([
        {"id": "gid://shopify/Order/9", "lineItems": of(&["l1", "l2"], true)},
        {"id": "gid://shopify/Order/8", "lineItems": of(&["l4"], false)},
        {"id": "gid://shopify/Order/7", "lineItems": null},
    ]);
    let page = read(&items, &start, &nodes("orders", &orders, true));
    assert_eq!(ids(&page), ["l1", "l2", "l4"]);
    assert_eq!(page.records[2].parent_id.as_deref(), Some("gid://shopify/Order/8"));
    let rest = page.next.unwrap();
    let expected = json!({"parent": "gid://shopify/Order/9", "first": 50, "after": "here"});
    assert_eq!(page_of(&items, &rest), ("beneath".into(), expected));
    assert_eq!(items.points(&rest), 503);
    let page = read(&items, &rest, &json!({"data": {"order": {"lineItems": of(&["l3"], false)}}}));
    let whole = page.next.unwrap();
    assert_eq!(page_of(&items, &whole).1, json!({"parent": "gid://shopify/Order/7", "first": 50}));
    // The order has gone meanwhile.
    let page = read(&items, &whole, &json!({"data": {"order": null}}));
    assert!(page.is_missing && page.records.is_empty());
    assert_eq!(
        page_of(&items, &page.next.unwrap()),
        ("parents".into(), json!({"first": 5, "query": "id:<7"}))
    );
}

#[test]
fn a_plain_array_within_a_parent_is_all_there_is() {
    let refunds = whole("refund");
    let start = refunds.start().unwrap();
    let orders = json!([{"id": "gid://shopify/Order/9", "refunds": [{"id": "r1"}, {"id": "r2"}]},
                        {"id": "gid://shopify/Order/8", "refunds": []}]);
    let page = read(&refunds, &start, &nodes("orders", &orders, false));
    assert_eq!(ids(&page), ["r1", "r2"]);
    assert_eq!(page.next, None);
}

#[test]
fn a_look_at_changed_orders_is_one_at_what_they_contain() {
    let items = changes("line_item");
    let start = items.start().unwrap();
    assert_eq!(page_of(&items, &start).1["query"], "updated_at:>='2023-11-14T22:13:20Z'");
    let changed = "2023-11-14T22:13:21Z";
    let orders = json!([{"id": "gid://shopify/Order/9", "updatedAt": changed,
        "lineItems": {"nodes": [{"id": "l1"}], "pageInfo": {"hasNextPage": false, "endCursor": "x"}}}]);
    let page = read(&items, &start, &nodes("orders", &orders, true));
    assert_eq!(page.changed, [Timestamp::from_unix_seconds(SINCE + 1)], "that of the order");
    let (_, variables) = page_of(&items, &page.next.unwrap());
    assert_eq!(variables["query"], "id:<9 updated_at:>='2023-11-14T22:13:20Z'");
}

#[test]
fn lists_beneath_have_what_their_bodies_name_of_a_parent() {
    let entries = whole("metaobject");
    let start = entries.start().unwrap();
    let definitions = json!([{"id": "gid://shopify/MetaobjectDefinition/1", "type": "author"}]);
    let page = read(&entries, &start, &nodes("metaobjectDefinitions", &definitions, false));
    assert_eq!(page_of(&entries, &page.next.unwrap()).1, json!({"type": "author", "first": 150}));
    let levels = changes("inventory_level");
    let start = levels.start().unwrap();
    let page =
        read(&levels, &start, &nodes("locations", &json!([{"id": "gid://shopify/Location/1"}]), false));
    let beneath = page.next.unwrap();
    let (_, variables) = page_of(&levels, &beneath);
    assert_eq!(variables["query"], "updated_at:>='2023-11-14T22:13:20Z'");
    // A location that is gone is passed over.
    assert_eq!(read(&levels, &beneath, &json!({"data": {"location": null}})).next, None);
}

#[test]
fn deletions_are_events() {
    let gone = Listing::tombstones(collection("product"), Timestamp::from_unix_seconds(SINCE));
    let start = gone.start().unwrap();
    let (operation, variables) = page_of(&gone, &start);
    assert_eq!(operation, "list");
    let query = "action:destroy subject_type:PRODUCT created_at:>='2023-11-14T22:13:20Z'";
    assert_eq!(variables, json!({"first": 50, "query": query}));
    let event =
        json!({"id": "e1", "createdAt": "2023-11-15T00:00:00Z", "subjectId": "gid://shopify/Product/1"});
    let page = read(&gone, &start, &nodes("events", &json!([event]), false));
    assert_eq!(ids(&page), ["gid://shopify/Product/1"]);
    assert!(page.records[0].deleted);
    assert_eq!(gone.points(&start), 60);
}

#[test]
fn one_object_is_read_or_is_null() {
    let product = collection("product");
    let id = "gid://shopify/Product/1";
    let (operation, variables) = asked(&object::request(&base(), &product, id, &[]).unwrap());
    assert_eq!((operation, variables), ("one".into(), json!({"id": id})));
    let read = |body: &Value| object::interpret(&product, id, &answer(200, body));
    let found = read(&json!({"data": {"product": {"id": id, "title": "x"}}})).unwrap().unwrap();
    assert_eq!(found.data.as_deref(), Some(r#"{"id":"gid://shopify/Product/1","title":"x"}"#));
    assert!(read(&json!({"data": {"product": null}})).unwrap().unwrap().deleted);
    for odd in
        [json!({"data": {}}), json!({"data": {"product": {"id": "gid://shopify/Product/2"}}}), json!([])]
    {
        assert_eq!(read(&odd).unwrap_err().class, FailureClass::BadData, "{odd}");
    }
    let denied = json!({"data": {"product": null}, "errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]});
    assert_eq!(
        read(&denied).unwrap_err().class,
        FailureClass::Permission,
        "null because of that is not gone"
    );
}

#[test]
fn what_is_refused_with_a_good_status_is_refused() {
    use FailureClass::*;
    let error = |code: &str| json!({"errors": [{"message": "words", "extensions": {"code": code}}]});
    for (code, class) in [
        ("THROTTLED", RateLimited),
        ("ACCESS_DENIED", Permission),
        ("INTERNAL_SERVER_ERROR", Transient),
        ("MAX_COST_EXCEEDED", BadRequest),
        ("undefinedField", BadRequest),
    ] {
        let (found, message) = failure(&error(code));
        assert_eq!((found, message.as_str()), (class, &*format!("the API answered 200 OK: {code}: words")));
    }
    // Half of an answer is none.
    let mut partial = nodes("orders", &json!([{"id": "gid://shopify/Order/9", "customer": null}]), false);
    partial["errors"] = error("ACCESS_DENIED")["errors"].clone();
    assert_eq!(failure(&partial).0, Permission);
    // A search that was not understood has found everything.
    let mut unsearched = nodes("orders", &json!([]), false);
    unsearched["extensions"] = json!({"search": [{"warnings": [{"field": "colour"}]}]});
    let (class, message) = failure(&unsearched);
    assert!(class == BadRequest && message.contains("colour"), "{message}");
    let mut fine = nodes("orders", &json!([]), false);
    fine["errors"] = json!([]);
    fine["extensions"] = json!({"search": []});
    read(&whole("order"), &whole("order").start().unwrap(), &fine);
}

#[test]
fn other_statuses_have_a_meaning_too() {
    let orders = whole("order");
    let start = orders.start().unwrap();
    let refused =
        |status| orders.interpret(&start, &answer(status, &json!({"errors": "[API] no"}))).unwrap_err();
    for (status, class) in
        [(401, FailureClass::Credential), (403, FailureClass::Permission), (502, FailureClass::Transient)]
    {
        assert_eq!(refused(status).class, class, "{status}");
    }
    assert!(refused(401).message.contains("[API] no"));
}

#[test]
fn points_are_told_by_each_answer() {
    let limits = &catalogue::find("shopify").unwrap().rate_limit;
    let status = json!({"maximumAvailable": 2000.0, "currentlyAvailable": 1954, "restoreRate": 100.0});
    let cost = json!({"requestedQueryCost": 101, "actualQueryCost": 46, "throttleStatus": status});
    let mut body = json!({"data": {}, "extensions": {"cost": cost}});
    let told = answer(200, &body);
    let expected =
        Points { available: 1954.0, restored_per_second: 100.0, maximum: Some(2000.0), spent: Some(46.0) };
    assert_eq!(told.points(limits), Some(expected));
    assert_eq!(told.pause(limits), None, "what is set aside is what slows");
    body["extensions"]["cost"]["actualQueryCost"] = Value::Null;
    assert_eq!(answer(200, &body).points(limits).unwrap().spent, None);
    assert_eq!(answer(200, &json!({"data": {}})).points(limits), None);
    let unlimited = &catalogue::find("stripe").unwrap().rate_limit;
    assert_eq!(answer(200, &body).points(unlimited), None);
    assert_eq!(Listing::whole(collection("order")).points(&whole("order").start().unwrap()), 502);
}

#[test]
fn the_check_asks_for_the_shop() {
    let shopify = catalogue::find("shopify").unwrap();
    for kind in &shopify.authentication {
        let check = kind.check.as_ref().unwrap();
        let request = probe::request(&base(), check);
        assert_eq!(request.method, Method::POST);
        let told =
            answer(200, &json!({"data": {"shop": {"id": "x", "myshopifyDomain": "acme.myshopify.com"}}}));
        let identity = probe::interpret(shopify, check, &told).unwrap();
        assert_eq!(identity.account.as_deref(), Some("acme.myshopify.com"));
    }
    assert!(shopify.needs_base_url);
}

fn change(name: &str, action: Action, id: Option<&str>, data: Option<&Value>) -> Change {
    let (upstream_id, data) = (id.map(str::to_owned), data.map(Value::to_string));
    let (collection, key) = (collection(name), "key-1".to_owned());
    Change { collection, action, upstream_id, parent_id: None, data, key, stored: Stored::default() }
}

/// What a good answer shows.
fn shown(change: &Change, body: &Value) -> Record {
    match change.interpret(&answer(200, body)).unwrap() {
        Made::Shown(Ok(record)) => record,
        other => panic!("{other:?}"),
    }
}

/// The operation and the variables that ask for a change.
fn written(change: &Change) -> (Value, Value) {
    asked(&change.request(&base()).unwrap())
}

#[test]
fn a_change_is_a_mutation_with_what_is_given() {
    let (id, data) = ("gid://shopify/Product/1", json!({"title": "x", "tags": ["a", "b"]}));
    let create = change("product", Action::Create, None, Some(&data));
    assert_eq!(written(&create), ("create".into(), json!({"product": data})));
    let update = change("product", Action::Update, Some(id), Some(&data));
    let expected = json!({"product": {"id": id, "title": "x", "tags": ["a", "b"]}});
    assert_eq!(written(&update), ("update".into(), expected));
    let delete = change("product", Action::Delete, Some(id), None);
    assert_eq!(written(&delete), ("delete".into(), json!({"input": {"id": id}})));
    let given = json!({"companyId": "c", "input": {"name": "Paris"}});
    let place = change("company_location", Action::Create, None, Some(&given));
    assert_eq!(written(&place).1, given);
    let page = change("page", Action::Update, Some("p"), Some(&data));
    assert_eq!(written(&page).1, json!({"id": "p", "page": data}));
    let given = json!({"productId": id, "variant": {"price": "7.50"}});
    let variant = change("product_variant", Action::Create, None, Some(&given));
    assert_eq!(written(&variant).1, json!({"productId": id, "variants": [{"price": "7.50"}]}));
    let variant = change("product_variant", Action::Update, Some("v"), Some(&given));
    assert_eq!(written(&variant).1, json!({"productId": id, "variants": [{"price": "7.50", "id": "v"}]}));
    let variant = change("product_variant", Action::Delete, Some("v"), Some(&given));
    assert_eq!(written(&variant).1, json!({"productId": id, "variantsIds": ["v"]}));
    for (wrong, problem) in [
        (change("product", Action::Create, Some(id), Some(&data)), Unwritable::HasId),
        (change("product", Action::Update, None, Some(&data)), Unwritable::NoId),
        (change("product", Action::Delete, None, None), Unwritable::NoId),
        (change("product", Action::Create, None, None), Unwritable::NoData),
        (change("transaction", Action::Create, None, Some(&data)), Unwritable::NoSuchAction),
    ] {
        assert_eq!(wrong.check(), Err(problem));
    }
}

#[test]
fn what_is_refused_says_so_beside_no_object() {
    let create = change("company", Action::Create, None, Some(&json!({"company": {"name": ""}})));
    let said = json!([{"field": ["input"], "message": "Name can't be blank", "code": "BLANK"}]);
    let refused = answer(200, &json!({"data": {"companyCreate": {"company": null, "userErrors": said}}}));
    let failure = create.interpret(&refused).unwrap_err();
    assert_eq!(failure.class, FailureClass::BadRequest);
    assert_eq!(failure.message, "the API answered 200 OK: BLANK: Name can't be blank");
    let refusal = create.refusal(&refused);
    assert_eq!((refusal.status, refusal.code.as_deref()), (200, Some("BLANK")));
    assert!(refusal.body.contains("userErrors"));
    let done = json!({"id": "gid://shopify/Company/1", "name": "x"});
    let done = json!({"data": {"companyCreate": {"company": done, "userErrors": []}}});
    assert_eq!(shown(&create, &done).upstream_id, "gid://shopify/Company/1");
    let nothing = answer(200, &json!({"data": {"companyCreate": {"company": null, "userErrors": []}}}));
    assert_eq!(create.interpret(&nothing).unwrap_err().class, FailureClass::BadData);
    let denied = json!({"data": {"companyCreate": null},
        "errors": [{"message": "no", "extensions": {"code": "ACCESS_DENIED"}}]});
    assert_eq!(create.interpret(&answer(200, &denied)).unwrap_err().class, FailureClass::Permission);
    assert_eq!(create.refusal(&answer(200, &denied)).code.as_deref(), Some("ACCESS_DENIED"));
}

#[test]
fn what_is_gone_can_be_deleted_again() {
    let id = "gid://shopify/Page/1";
    let delete = change("page", Action::Delete, Some(id), None);
    let done = json!({"data": {"pageDelete": {"deletedPageId": id, "userErrors": []}}});
    assert!(shown(&delete, &done).deleted);
    let refused = |message: &str| {
        let said = json!([{"field": ["id"], "message": message}]);
        json!({"data": {"pageDelete": {"deletedPageId": null, "userErrors": said}}})
    };
    // Whether it is that page, a look says.
    let missing = answer(200, &refused("Page does not exist"));
    assert_eq!(delete.interpret(&missing).unwrap_err().class, FailureClass::Missing);
    assert!(delete.can_be_seen());
    let not_now = answer(200, &refused("not now"));
    assert_eq!(delete.interpret(&not_now).unwrap_err().class, FailureClass::BadRequest);
    let update = change("page", Action::Update, Some(id), Some(&json!({})));
    let said = json!([{"message": "Page does not exist"}]);
    let refused = answer(200, &json!({"data": {"pageUpdate": {"page": null, "userErrors": said}}}));
    assert_eq!(update.interpret(&refused).unwrap_err().class, FailureClass::Missing);
}

#[test]
fn a_refund_has_a_key_and_knows_its_order() {
    let order = "gid://shopify/Order/1";
    let nowhere = change("refund", Action::Create, None, Some(&json!({"note": "x"})));
    assert_eq!(nowhere.check(), Err(Unwritable::NoParent));
    let refund = Change { parent_id: Some(order.to_owned()), ..nowhere };
    assert_eq!(refund.needs(), Needs { object: false, parent: false });
    assert_eq!(written(&refund).1, json!({"input": {"orderId": order, "note": "x"}, "key": "key-1"}));
    assert!(refund.is_keyed());
    let hour = Duration::from_secs(3600);
    assert_eq!(refund.repetition(hour), Repetition::Harmless);
    assert_eq!(refund.repetition(hour * 24), Repetition::Harmful);
    let page = change("page", Action::Create, None, Some(&json!({"title": "x"})));
    assert_eq!(page.repetition(hour), Repetition::Harmful);
    let done = json!({"data": {"refundCreate": {"refund": {"id": "r1"}, "userErrors": []}}});
    assert_eq!(shown(&refund, &done).parent_id.as_deref(), Some(order));
    let product = "gid://shopify/Product/1";
    let set = change("product_metafield", Action::Upsert, None, Some(&json!({"key": "colour"})));
    assert_eq!(set.check(), Err(Unwritable::NoParent));
    let set = Change { parent_id: Some(product.to_owned()), ..set };
    let expected = json!({"metafields": [{"key": "colour", "ownerId": product}]});
    assert_eq!(written(&set), ("upsert".into(), expected));
    let done = json!({"data": {"metafieldsSet": {"metafields": [{"id": "m1"}], "userErrors": []}}});
    let record = shown(&set, &done);
    assert_eq!((record.upstream_id.as_str(), record.parent_id.as_deref()), ("m1", Some(product)));
    let elsewhere = change("product", Action::Create, None, Some(&json!({"title": "x"})));
    let elsewhere = Change { parent_id: Some(product.to_owned()), ..elsewhere };
    assert_eq!(elsewhere.check(), Err(Unwritable::HasParent));
}

#[test]
fn what_has_become_of_a_change_is_read_by_its_id() {
    let draft = |data: &Value| change("draft_order", Action::Update, Some("d1"), Some(data));
    let update = draft(&json!({"note": "", "email": null, "shippingAddress": {"city": "Oslo"}}));
    assert_eq!(update.repetition(Duration::ZERO), Repetition::Visible);
    assert!(update.is_seen_by_reading());
    let is_shown = |change: &Change, object: Value| change.is_shown_by(&object.to_string());
    assert!(!is_shown(&update, json!({"email": null, "shippingAddress": {"city": "Oslo"}})), "note2");
    let update = draft(&json!({"email": null, "shippingAddress": {"city": "Oslo"}}));
    assert!(is_shown(&update, json!({"email": null, "shippingAddress": {"city": "Oslo", "zip": "1"}})));
    let update = draft(&json!({"shippingAddress": {"countryCode": ""}}));
    assert!(!is_shown(&update, json!({"shippingAddress": {"countryCodeV2": "NO"}})));
    let delete = change("draft_order", Action::Delete, Some("d1"), None);
    assert!(delete.is_seen_by_reading());
    let create = change("draft_order", Action::Create, None, Some(&json!({})));
    assert!(!create.can_be_seen());
    // Where an API is asked by a path, that is enough.
    let customer = CollectionRef::new(catalogue::find("stripe").unwrap(), "customer").unwrap();
    let update = Change { collection: customer, ..draft(&json!({"name": ""})) };
    assert!(!update.is_seen_by_reading() && update.is_shown_by("{}"));
}
