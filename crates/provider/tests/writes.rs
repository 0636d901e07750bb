//! Changes of objects beneath others, several changes in one request, and seeing what has become of one.

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use sequin_domain::{
    failure::FailureClass,
    mutation::{Action, Repetition},
};
use sequin_provider::{
    answer::Answer,
    batch_write::{BatchWrite, Outcome},
    catalogue,
    declaration::{CollectionRef, Declaration},
    made::Made,
    record::Record,
    request::Request,
    write::{Change, Needs, Stored, Unwritable},
};
use serde_json::{Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};
use url::Url;

const LONG_AGO: Duration = Duration::from_secs(1_000_000);

fn of(provider: &str, collection: &str, action: Action, id: Option<&str>, data: Option<Value>) -> Change {
    let collection = CollectionRef::new(catalogue::find(provider).unwrap(), collection).unwrap();
    change(collection, action, id, data)
}

fn change(collection: CollectionRef, action: Action, id: Option<&str>, data: Option<Value>) -> Change {
    Change {
        collection,
        action,
        upstream_id: id.map(str::to_owned),
        parent_id: None,
        data: data.map(|data| data.to_string()),
        key: "key-1".to_owned(),
        stored: Stored::default(),
    }
}

fn base() -> Url {
    Url::parse("https://api.example.com").unwrap()
}

fn answer(status: u16, body: &Value) -> Answer {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    Answer {
        status: StatusCode::from_u16(status).unwrap(),
        headers: HeaderMap::new(),
        body,
        received_at: SystemTime::UNIX_EPOCH,
        url: base(),
    }
}

fn asked(request: Request) -> (Method, String, Value) {
    let body = request.body.map_or(Value::Null, |body| serde_json::from_slice(&body).unwrap());
    (request.method, request.url.as_str().trim_start_matches("https://api.example.com").to_owned(), body)
}

fn stored(parent_id: Option<&str>, object: Value, parent: Option<Value>) -> Stored {
    let parent_id = parent_id.map(str::to_owned);
    Stored { parent_id, object: Some(object.to_string()), parent: parent.map(|parent| parent.to_string()) }
}

fn record(made: Made) -> Record {
    match made {
        Made::Shown(Ok(record)) => record,
        other => panic!("{other:?}"),
    }
}

// Paths

#[test]
fn what_is_new_names_its_place() {
    let issue = Change {
        parent_id: Some("42".into()),
        ..of("github", "issue", Action::Create, None, Some(json!({"title": "x"})))
    };
    assert_eq!(issue.needs(), Needs { object: false, parent: false });
    let (method, path, body) = asked(issue.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::POST, "/repositories/42/issues"));
    assert_eq!(body, json!({"title": "x"}));
    let shown = json!({"id": 7, "number": 1, "title": "x", "closed_by": null});
    let made = record(issue.interpret(&answer(201, &shown)).unwrap());
    assert_eq!((made.upstream_id.as_str(), made.parent_id.as_deref()), ("7", Some("42")));
    assert!(!made.data.unwrap().contains("closed_by"), "as lists show it");
    assert_eq!(Change { parent_id: None, ..issue.clone() }.check(), Err(Unwritable::NoParent));
    let update = of("github", "repository", Action::Update, Some("42"), Some(json!({})));
    assert_eq!(Change { parent_id: Some("1".into()), ..update }.check(), Err(Unwritable::HasParent));
}

#[test]
fn a_part_of_what_is_given_can_stand_in_the_path() {
    let comment = |data: Value| Change {
        parent_id: Some("42".into()),
        ..of("github", "issue_comment", Action::Create, None, Some(data))
    };
    let asked_for = comment(json!({"issue_number": 7, "body": "x"})).request(&base()).unwrap();
    let expected = (Method::POST, "/repositories/42/issues/7/comments".to_owned(), json!({"body": "x"}));
    assert_eq!(asked(asked_for), expected);
    for data in [json!({"body": "x"}), json!({"issue_number": true}), json!({"issue_number": ""})] {
        assert_eq!(comment(data).check(), Err(Unwritable::NotGiven("issue_number".into())));
    }
}

#[test]
fn the_stream_knows_where_an_object_is() {
    let label = of("github", "label", Action::Update, Some("5"), Some(json!({"color": "000000"})));
    assert_eq!(label.needs(), Needs { object: true, parent: false });
    assert_eq!(label.check(), Err(Unwritable::NotStored));
    let known = Change { stored: stored(Some("42"), json!({"name": "a b/c"}), None), ..label.clone() };
    let (method, path, _) = asked(known.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::PATCH, "/repositories/42/labels/a%20b%2Fc"));
    let odd = Change { stored: stored(Some("42"), json!({"title": "x"}), None), ..label };
    assert_eq!(odd.check(), Err(Unwritable::Lacks("name".into())));
    let branch = of("github", "branch", Action::Delete, Some("42/feature/x"), None);
    assert_eq!(branch.needs(), Needs { object: false, parent: false });
    let (method, path, _) = asked(branch.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::DELETE, "/repositories/42/git/refs/heads/feature%2Fx"));
    assert_eq!(
        branch.interpret(&answer(204, &Value::Null)),
        Ok(Made::Shown(Ok(Record::gone("42/feature/x"))))
    );
}

#[test]
fn a_path_can_need_what_the_parent_has() {
    let review = |data: Value| of("github", "pull_request_review", Action::Create, None, Some(data));
    let given = Change { parent_id: Some("9".into()), ..review(json!({"event": "APPROVE"})) };
    assert_eq!(given.needs(), Needs { object: false, parent: true });
    assert_eq!(given.check(), Err(Unwritable::ParentNotStored));
    let pull = json!({"number": 3, "base": {"repo": {"id": 42}}});
    let known = Stored { parent: Some(pull.to_string()), ..Stored::default() };
    let (_, path, _) = asked(Change { stored: known, ..given }.request(&base()).unwrap());
    assert_eq!(path, "/repositories/42/pulls/3/reviews");
}

// Looks

#[test]
fn what_has_become_of_a_change_is_seen() {
    let label = |action: Action, data: Value| Change {
        parent_id: (action == Action::Create).then(|| "42".to_owned()),
        stored: stored(Some("42"), json!({"name": "old"}), None),
        ..of("github", "label", action, (action != Action::Create).then_some("5"), Some(data))
    };
    let seen = |change: &Change| asked(change.look(&base()).unwrap()).1;
    let create = label(Action::Create, json!({"name": "new", "color": "ff0000"}));
    assert!(create.is_unique() && create.is_repeatable());
    assert_eq!(create.repetition(LONG_AGO), Repetition::Visible);
    assert_eq!(seen(&create), "/repositories/42/labels/new");
    assert!(create.is_shown_by(r#"{"id": 5, "name": "New", "color": "ff0000", "default": false}"#));
    assert!(!create.is_shown_by(r#"{"id": 5, "name": "New", "color": "00ff00"}"#));
    assert_eq!(seen(&label(Action::Update, json!({"color": "ff0000"}))), "/repositories/42/labels/old");
    let renamed = label(Action::Update, json!({"new_name": "newer"}));
    assert_eq!(seen(&renamed), "/repositories/42/labels/newer");
    assert!(renamed.is_shown_by(r#"{"id": 5, "name": "newer"}"#) && !renamed.is_unique());
    assert_eq!(renamed.seen(&answer(404, &json!({"message": "Not Found"}))), Ok(None));
    let found = renamed.seen(&answer(200, &json!({"id": 5, "name": "newer"}))).unwrap().unwrap();
    assert_eq!(record(found).upstream_id, "5");
    let issue = Change {
        parent_id: Some("42".into()),
        ..of("github", "issue", Action::Create, None, Some(json!({"title": "x"})))
    };
    assert_eq!(issue.repetition(LONG_AGO), Repetition::Harmful);
}

#[test]
fn a_contact_is_found_by_its_email_alone() {
    let create = |properties: Value| {
        of(
            "hubspot",
            "contact",
            Action::Create,
            None,
            Some(json!({"properties": properties, "associations": [{}]})),
        )
    };
    let ada = create(json!({"email": "ada@example.com", "age": 36}));
    assert_eq!(ada.repetition(LONG_AGO), Repetition::Visible);
    let path = "/crm/v3/objects/contacts/ada%40example.com?idProperty=email";
    assert_eq!(asked(ada.look(&base()).unwrap()).1, path);
    let seen = ada.seen(&answer(200, &json!({"id": "51", "properties": {"email": "ada@example.com"}})));
    assert_eq!(seen, Ok(Some(Made::Named("51".into()))));
    assert!(ada.is_shown_by(r#"{"properties": {"email": "ada@example.com", "age": "36", "city": null}}"#));
    assert!(!ada.is_shown_by(r#"{"properties": {"email": "ada@example.com", "age": "37"}}"#));
    assert_eq!(create(json!({"firstname": "Ada"})).repetition(LONG_AGO), Repetition::Harmful);
    let update = of("hubspot", "contact", Action::Update, Some("51"), Some(json!({"properties": {}})));
    assert_eq!(update.repetition(LONG_AGO), Repetition::Visible);
    let upsert = json!({"idProperty": "email", "id": "a@example.com", "properties": {}});
    let upsert = of("hubspot", "contact", Action::Upsert, None, Some(upsert));
    assert_eq!(upsert.repetition(LONG_AGO), Repetition::Harmless);
    assert!(upsert.is_only_together());
}

#[test]
fn an_answer_that_shows_a_part_names_the_object() {
    let shown = json!({"id": "51", "properties": {"email": null}});
    let create = of("hubspot", "company", Action::Create, None, Some(json!({"properties": {"name": "x"}})));
    assert_eq!(create.interpret(&answer(201, &shown)), Ok(Made::Named("51".into())));
    let update = of("hubspot", "company", Action::Update, Some("7"), Some(json!({"properties": {}})));
    assert_eq!(update.interpret(&answer(200, &Value::Null)), Ok(Made::Named("7".into())));
}

// Several in one request

fn several(changes: Vec<Change>) -> BatchWrite {
    let changes: Vec<Change> = changes
        .into_iter()
        .enumerate()
        .map(|(n, change)| Change { key: format!("key-{n}"), ..change })
        .collect();
    BatchWrite { collection: changes[0].collection.clone(), changes }
}

#[test]
fn creations_are_matched_by_their_key() {
    let create = |name: &str| {
        of("hubspot", "company", Action::Create, None, Some(json!({"properties": {"name": name}})))
    };
    assert_eq!(create("a").most_together(), 100);
    let together = several(["a", "b", "c", "d"].map(create).into());
    let (method, path, body) = asked(together.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::POST, "/crm/v3/objects/companies/batch/create"));
    assert_eq!(body["inputs"][1], json!({"properties": {"name": "b"}, "objectWriteTraceId": "key-1"}));
    let shown = |n: u8| json!({"id": format!("5{n}"), "objectWriteTraceId": format!("key-{n}")});
    let error =
        json!({"category": "CONFLICT", "message": "no", "context": {"objectWriteTraceId": ["key-2"]}});
    let told = json!({"results": [shown(3), shown(0)], "numErrors": 1, "errors": [error]});
    let outcomes = together.interpret(&answer(207, &told)).unwrap();
    let named = |id: &str| Outcome::Made(Made::Named(id.into()));
    assert_eq!(outcomes[0], named("50"));
    assert_eq!(outcomes[1], Outcome::Untold);
    assert_eq!(outcomes[3], named("53"));
    let Outcome::Refused(failure, refusal) = &outcomes[2] else { panic!("{:?}", outcomes[2]) };
    assert_eq!((refusal.status, refusal.code.as_deref()), (207, Some("CONFLICT")));
    assert!(failure.message.contains("no"));
    assert!(together.interpret(&answer(400, &json!({"message": "all"}))).is_err());
    assert!(together.interpret(&answer(200, &json!({"status": "PENDING"}))).is_err());
}

#[test]
fn updates_and_deletions_are_matched_by_their_id() {
    let update = |id: &str| {
        of("hubspot", "deal", Action::Update, Some(id), Some(json!({"properties": {"amount": 1.10}})))
    };
    let together = several(["7", "8"].map(update).into());
    let body = String::from_utf8(together.request(&base()).unwrap().body.unwrap().to_vec()).unwrap();
    assert!(
        body.contains(r#"{"properties":{"amount":1.1},"id":"7","objectWriteTraceId":"key-0"}"#),
        "{body}"
    );
    let told = json!({"results": [{"id": "7"}], "errors": [{"context": {"ids": ["8"]}}]});
    let outcomes = together.interpret(&answer(207, &told)).unwrap();
    assert_eq!(outcomes[0], Outcome::Made(Made::Named("7".into())));
    assert!(matches!(outcomes[1], Outcome::Refused(..)));
    let delete = |id: &str| of("hubspot", "deal", Action::Delete, Some(id), None);
    let together = several(["7", "8"].map(delete).into());
    assert_eq!(asked(together.request(&base()).unwrap()).2, json!({"inputs": [{"id": "7"}, {"id": "8"}]}));
    let outcomes = together.interpret(&answer(204, &Value::Null)).unwrap();
    assert_eq!(outcomes[1], Outcome::Made(Made::Shown(Ok(Record::gone("8")))));
}

#[test]
fn what_has_one_key_takes_turns() {
    let upsert = |id: &str| {
        let data = json!({"idProperty": "email", "id": id, "properties": {}});
        of("hubspot", "contact", Action::Upsert, None, Some(data))
    };
    assert_eq!(upsert("A@example.com").turn(), upsert("a@example.com").turn());
    assert!(upsert("a").turn().is_some() && upsert("a").turn() != upsert("b").turn());
    assert_eq!(of("hubspot", "contact", Action::Create, None, Some(json!({}))).turn(), None);
    assert_eq!(of("hubspot", "contact", Action::Delete, Some("7"), None).turn().as_deref(), Some("7"));
    let metafield = |parent: &str, key: &str, value: &str| Change {
        parent_id: Some(parent.to_owned()),
        ..of("shopify", "product_metafield", Action::Upsert, None, Some(json!({"key": key, "value": value})))
    };
    assert_eq!(metafield("1", "a", "x").turn(), metafield("1", "a", "y").turn());
    assert_ne!(metafield("1", "a", "x").turn(), metafield("2", "a", "x").turn());
    assert_ne!(metafield("1", "a", "x").turn(), metafield("1", "b", "x").turn());
}

/// What an element says of itself twice, the API may read either way.
#[test]
fn what_names_another_object_is_asked_for_by_itself() {
    let update = |given: Value| of("hubspot", "deal", Action::Update, Some("7"), Some(given));
    assert!(!update(json!({"properties": {"id": "8"}})).is_ambiguous_together());
    for given in [json!({"id": "8"}), json!({"Id": "8"}), json!({"objectWriteTraceId": "x"})] {
        assert!(update(given.clone()).is_ambiguous_together(), "{given}");
    }
    let given = json!({"idProperty": "email", "id": "a", "objectWriteTraceId": "theirs"});
    let upsert = several(vec![of("hubspot", "contact", Action::Upsert, None, Some(given))]);
    let body = String::from_utf8(upsert.request(&base()).unwrap().body.unwrap().to_vec()).unwrap();
    assert!(!body.contains("theirs") && body.contains(r#""objectWriteTraceId":"key-0""#), "{body}");
}

#[test]
fn what_is_in_the_way_of_an_api_does_not_speak_for_it() {
    let page = |body: &'static str| Answer { body: body.into(), ..answer(200, &Value::Null) };
    let update = of("hubspot", "deal", Action::Update, Some("7"), Some(json!({"properties": {}})));
    let delete = of("hubspot", "deal", Action::Delete, Some("7"), None);
    let order = of("shopify", "order", Action::Delete, Some("gid://shopify/Order/1"), None);
    let together = several(vec![delete.clone()]);
    for body in ["<html>", "It works!"] {
        for change in [&update, &delete, &order] {
            assert_eq!(change.interpret(&page(body)).unwrap_err().class, FailureClass::BadData, "{body}");
        }
        assert_eq!(together.interpret(&page(body)).unwrap_err().class, FailureClass::BadData, "{body}");
    }
    // It answers to each query.
    assert_eq!(order.interpret(&page("")).unwrap_err().class, FailureClass::BadData);
    let deleted = json!({"data": {"orderDelete": {"deletedId": "1", "userErrors": []}}});
    assert!(order.interpret(&answer(200, &deleted)).is_ok());
    assert!(delete.interpret(&page("")).is_ok());
}

/// GitHub says of what is there, and not to be seen or to be deleted, that it isn't.
#[test]
fn what_is_not_there_to_be_deleted_is_looked_for_where_it_can_be() {
    let label = Change {
        stored: Stored {
            parent_id: Some("1".into()),
            object: Some(r#"{"name": "bug"}"#.into()),
            parent: None,
        },
        ..of("github", "label", Action::Delete, Some("5"), None)
    };
    for status in [404, 409] {
        let failure = label.interpret(&answer(status, &json!({"message": "no"}))).unwrap_err();
        assert_eq!(failure.class, FailureClass::Missing, "{status}");
    }
    // One that is cancelled already is still there, and can be read.
    let cancelled = of("stripe", "subscription", Action::Delete, Some("sub_1"), None);
    let missing = answer(404, &json!({"error": {"code": "resource_missing"}}));
    assert_eq!(cancelled.interpret(&missing), Ok(Made::Named("sub_1".into())));
}

/// Rows of which the API says, in their order, whether they were done.
fn rows() -> Arc<Declaration> {
    let write = |method: &str, batch: Value| json!({"method": method, "path": "/rows/{id}", "repeatable": true, "batch": batch});
    let declared = json!({
        "provider": "rows", "title": "Rows", "documentation": "https://example.com", "base_url": "https://api.example.com",
        "authentication": [{"kind": "none", "secrets": [], "headers": {}}],
        "rate_limit": {"allowed_requests": 10, "interval": 1},
        "errors": {"code": "/code", "message": "/message", "rules": [{"status": ["4xx"], "class": "bad_request"}]},
        "pagination": {"kind": "none", "items": ""}, "record": {"id": "/id"},
        "writes": {"encoding": "json", "read_back": true},
        "collections": [{
            "name": "row", "title": "Rows", "path": "/rows", "retrieve": "/rows/{id}", "changes": {"sweep": 60},
            "writes": {
                "update": write("PATCH", json!({
                    "method": "PATCH", "path": "/composite", "size": 200, "items": "records",
                    "with": {"allOrNone": false},
                    "item": {"attributes": {"type": "Row"}, "id": "{id}"},
                    "results": "", "success": "/success"
                })),
                "delete": write("DELETE", json!({
                    "method": "DELETE", "path": "/composite", "size": 200,
                    "query": {"ids": "{ids}", "allOrNone": "false"},
                    "results": "", "success": "/success"
                }))
            }
        }]
    });
    Arc::new(Declaration::parse(&declared.to_string()).unwrap())
}

#[test]
fn results_can_be_in_the_order_of_what_was_asked_for() {
    let row = |action: Action, id: &str, data: Option<Value>| {
        change(CollectionRef::new(&rows(), "row").unwrap(), action, Some(id), data)
    };
    let update = |id: &str| row(Action::Update, id, Some(json!({"Name": id})));
    let together = several(["a", "b"].map(update).into());
    let (method, path, body) = asked(together.request(&base()).unwrap());
    assert_eq!((method, path.as_str()), (Method::PATCH, "/composite"));
    let record = |id: &str| json!({"Name": id, "attributes": {"type": "Row"}, "id": id});
    assert_eq!(body, json!({"allOrNone": false, "records": [record("a"), record("b")]}));
    let refused = json!({"success": false, "code": "LOCKED", "message": "later"});
    let outcomes = together.interpret(&answer(200, &json!([refused, {"id": "b", "success": true}]))).unwrap();
    let Outcome::Refused(_, refusal) = &outcomes[0] else { panic!("{:?}", outcomes[0]) };
    assert_eq!(refusal.code.as_deref(), Some("LOCKED"));
    assert_eq!(outcomes[1], Outcome::Made(Made::Named("b".into())));
    assert!(together.interpret(&answer(200, &json!([{"id": "b", "success": true}]))).is_err(), "which one?");
    let together = several(["a", "b"].map(|id| row(Action::Delete, id, None)).into());
    let (method, path, body) = asked(together.request(&base()).unwrap());
    assert_eq!(
        (method, path.as_str(), body),
        (Method::DELETE, "/composite?allOrNone=false&ids=a%2Cb", Value::Null)
    );
}
