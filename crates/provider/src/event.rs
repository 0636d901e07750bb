//! Reading a feed of events.

use crate::{
    answer::Answer,
    declaration::{Declaration, Feed, PageSize, Pagination},
    listing::{at_path, too_many},
    pointer,
    record::{identifier, read_moment},
};
use sequin_domain::{failure::Failure, timestamp::Timestamp};
use serde_json::value::RawValue;
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
    /// The event to go on from, where there are more.
    pub after: Option<String>,
    /// The API's clock when it answered.
    pub date: Timestamp,
}

/// The address of a page of events: those that occurred from `since` on, after the event `after` in the list.
pub fn url(
    base: &Url,
    declaration: &Declaration,
    feed: &Feed,
    since: Option<Timestamp>,
    after: Option<&str>,
) -> Url {
    let Pagination::IdCursor { parameter, page_size: PageSize { parameter: size, value }, .. } =
        &declaration.pagination;
    let mut url = at_path(base, &feed.path);
    let mut query = url.query_pairs_mut();
    query.append_pair(size, &value.to_string());
    if let Some(since) = since {
        query.append_pair(&feed.since, &since.unix_seconds().max(0).to_string());
    }
    if let Some(after) = after {
        query.append_pair(parameter, after);
    }
    drop(query);
    url
}

/// What the answer lists.
///
/// An event that can't be read is an error and not left out: it would be a change that nobody notices.
pub fn interpret(declaration: &Declaration, feed: &Feed, answer: &Answer) -> Result<Events, Failure> {
    let text = answer.text(declaration)?;
    let date = answer.date();
    let (events, after) = read(&text, declaration, feed, date).map_err(|problem| answer.bad_data(problem))?;
    Ok(Events { events, after, date })
}

fn read(
    text: &str,
    declaration: &Declaration,
    feed: &Feed,
    date: Timestamp,
) -> Result<(Vec<Event>, Option<String>), String> {
    let Pagination::IdCursor { items, has_more, .. } = &declaration.pagination;
    let not_json = |error: serde_json::Error| format!("it is not JSON: {error}");
    let [list, more] = pointer::follow(text, [Some(items), Some(has_more)]).map_err(not_json)?;
    let list: Vec<&RawValue> = list
        .and_then(|list| serde_json::from_str(list.get()).ok())
        .ok_or_else(|| format!("there is no list at {items}"))?;
    let has_more: bool = more
        .and_then(|more| serde_json::from_str(more.get()).ok())
        .ok_or_else(|| format!("there is no true or false at {has_more}"))?;
    too_many(list.len(), declaration)?;
    let mut events = Vec::with_capacity(list.len());
    for item in list {
        let pointers = [&feed.id, &feed.occurred_at.at, &feed.object_type, &feed.object_id].map(Some);
        let [id, at, kind, object_id] = pointer::follow(item.get(), pointers).map_err(not_json)?;
        let id = id.and_then(identifier).ok_or_else(|| format!("an event has no id at {}", feed.id))?;
        // An event that doesn't say when, or says that it is still to come, has happened by now.
        let occurred_at =
            at.and_then(|at| read_moment(&feed.occurred_at, at)).map_or(date, |at| at.min(date));
        let object = match (kind.and_then(identifier), object_id.and_then(identifier)) {
            (Some(kind), Some(id)) => Some(Object { kind, id }),
            _ => None,
        };
        events.push(Event { id, occurred_at, object });
    }
    let after = match (has_more, events.last()) {
        (false, _) => None,
        (true, Some(last)) => Some(last.id.clone()),
        (true, None) => return Err("it says that there is more, but lists nothing".into()),
    };
    Ok((events, after))
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
        };
        interpret(stripe().0, stripe().1, &answer)
    }

    #[test]
    fn lists_what_changed() {
        let events = interpret_text(
            r#"{"has_more": true, "data": [
                {"id": "evt_2", "created": 20, "data": {"object": {"id": "cus_1", "object": "customer"}}},
                {"id": "evt_1", "created": 10, "data": {"object": {"object": "balance"}}}]}"#,
        )
        .unwrap();
        assert_eq!(events.after.as_deref(), Some("evt_1"));
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
        let page = r#"{"has_more": false, "data": [{"id": "evt_2", "created": 9999999999}, {"id": "evt_1", "created": 1.5}]}"#;
        let events = interpret_text(page).unwrap();
        assert!(events.events.iter().all(|event| event.occurred_at == events.date));
    }

    #[test]
    fn asks_from_an_instant_on() {
        let (stripe, feed) = stripe();
        let base = Url::parse("https://api.stripe.com").unwrap();
        let since = Timestamp::from_unix_seconds(1000);
        let url = url(&base, stripe, feed, since, Some("evt_1"));
        assert_eq!(url.path(), "/v1/events");
        assert_eq!(url.query(), Some("limit=100&created%5Bgte%5D=1000&starting_after=evt_1"));
    }
}
