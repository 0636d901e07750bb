//! Reading a feed of events.

use crate::{
    answer::Answer,
    declaration::{Declaration, Feed},
    pages::After,
    pointer,
    record::identifier,
    request::{Draft, at_path},
};
use sequin_domain::{failure::Failure, timestamp::Timestamp};
use url::Url;

/// An event: something happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    pub occurred_at: Timestamp,
    /// `None` where the event is about nothing that could be fetched.
    pub object: Option<Object>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// As the API calls it: `checkout.session`.
    pub kind: String,
    pub id: String,
}

/// A page of a feed, newest event first.
#[derive(Debug)]
pub struct Events {
    pub events: Vec<Event>,
    /// Where the list goes on, where there are more.
    pub after: Option<After>,
    /// The API's clock when it answered.
    pub date: Timestamp,
}

/// The address of a page of events: those that occurred from `since` on, behind `after` in the list.
pub fn url(
    base: &Url,
    declaration: &Declaration,
    feed: &Feed,
    since: Option<Timestamp>,
    after: &After,
) -> Url {
    let mut draft = Draft::new(at_path(base, &feed.path), None);
    draft.parameter(&feed.since, since.map(|since| feed.occurred_at.format.write(since).into()));
    draft.page(&declaration.pagination, after).url
}

/// What the answer lists.
///
/// An event that can't be read is an error and not left out: it would be a change that nobody notices.
pub fn interpret(
    declaration: &Declaration,
    feed: &Feed,
    after: &After,
    answer: &Answer,
) -> Result<Events, Failure> {
    let text = answer.text(declaration)?;
    read(&text, declaration, feed, after, answer).map_err(|problem| answer.bad_data(problem))
}

fn read(
    text: &str,
    declaration: &Declaration,
    feed: &Feed,
    after: &After,
    answer: &Answer,
) -> Result<Events, String> {
    let not_json = |error: serde_json::Error| format!("it is not JSON: {error}");
    let list = declaration.pagination.read(text, answer)?;
    let date = answer.date();
    let mut events = Vec::with_capacity(list.items.len());
    for item in &list.items {
        let pointers = [&feed.id, &feed.occurred_at.at, &feed.object_type, &feed.object_id].map(Some);
        let [id, at, kind, object_id] = pointer::follow(item.get(), pointers).map_err(not_json)?;
        let id = id.and_then(identifier).ok_or_else(|| format!("an event has no id at {}", feed.id))?;
        // An event that doesn't say when, or says that it is still to come, has happened by now.
        let occurred_at = at.and_then(|at| feed.occurred_at.format.read(at)).map_or(date, |at| at.min(date));
        let object = match (kind.and_then(identifier), object_id.and_then(identifier)) {
            (Some(kind), Some(id)) => Some(Object { kind, id }),
            _ => None,
        };
        events.push(Event { id, occurred_at, object });
    }
    let ids: Vec<String> = events.iter().map(|event: &Event| event.id.clone()).collect();
    let after = declaration.pagination.next(&list, &ids, after)?;
    Ok(Events { events, after, date })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue;
    use bytes::Bytes;
    use http::{HeaderMap, StatusCode};
    use sequin_domain::failure::FailureClass;
    use std::time::{Duration, SystemTime};

    fn stripe() -> (&'static Declaration, &'static Feed) {
        let stripe = catalogue::find("stripe").unwrap();
        (stripe, &stripe.feeds["events"])
    }

    fn interpret_text(body: &'static str) -> Result<Events, Failure> {
        let answer = Answer {
            status: StatusCode::OK,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
            received_at: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            url: Url::parse("https://api.stripe.com/v1/events").unwrap(),
        };
        interpret(stripe().0, stripe().1, &After::start(), &answer)
    }

    fn evt_1() -> After {
        After::Ids(["evt_1".to_owned()].into())
    }

    #[test]
    fn lists_what_changed() {
        let events = interpret_text(
            r#"{"has_more": true, "data": [
                {"id": "evt_2", "created": 20, "data": {"object": {"id": "cus_1", "object": "customer"}}},
                {"id": "evt_1", "created": 10, "data": {"object": {"object": "balance"}}}]}"#,
        )
        .unwrap();
        assert_eq!(events.after, Some(After::Ids(["evt_1".to_owned(), "evt_2".to_owned()].into())));
        assert_eq!(events.events[0].object, Some(Object { kind: "customer".into(), id: "cus_1".into() }));
        assert_eq!(events.events[0].occurred_at, Timestamp::from_unix_seconds(20).unwrap());
        assert_eq!(events.events[1].object, None);
    }

    #[test]
    fn an_event_that_cannot_be_read_is_not_skipped() {
        for body in [
            r#"{"has_more": false, "data": [{"created": 20}]}"#,
            r#"{"has_more": true, "data": []}"#,
            r#"{"data": []}"#,
            "[]",
        ] {
            assert_eq!(interpret_text(body).unwrap_err().class, FailureClass::BadData, "{body}");
        }
    }

    #[test]
    fn an_event_cannot_be_still_to_come() {
        let page = r#"{"has_more": false, "data": [{"id": "evt_2", "created": 9999999999}, {"id": "evt_1", "created": "soon"}]}"#;
        let events = interpret_text(page).unwrap();
        assert!(events.events.iter().all(|event| event.occurred_at == events.date));
    }

    #[test]
    fn asks_from_an_instant_on() {
        let (stripe, feed) = stripe();
        let base = Url::parse("https://api.stripe.com").unwrap();
        let since = Timestamp::from_unix_seconds(1000);
        let url = url(&base, stripe, feed, since, &evt_1());
        assert_eq!(url.path(), "/v1/events");
        assert_eq!(url.query(), Some("created%5Bgte%5D=1000&limit=100&starting_after=evt_1"));
    }
}
