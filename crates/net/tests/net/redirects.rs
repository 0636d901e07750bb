//! Redirects: followed within the origin, as requests like any other, and not beyond.

use std::time::Duration;

use http::header::{AUTHORIZATION, HeaderValue};
use sequin_net::{LaneState, Priority, TransportError};

use crate::rig::{LANE, Rig, limits, local, request, task};
use crate::server::Server;

#[test]
fn a_redirect_within_the_origin_is_followed() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let answer = rig.ask(request(&server.url("/redirect"))).expect("an answer");
    assert_eq!(answer.status, http::StatusCode::OK);
    assert_eq!(answer.url.as_str(), server.url("/ok/elsewhere"));
    assert_eq!(server.look(|log| log.paths().join(" ")), "/redirect /ok/elsewhere");
}

#[test]
fn it_takes_a_permit_of_its_own() {
    let server = Server::start();
    let interval = Duration::from_secs(1);
    let rig = Rig::start(local(), Some(limits(1, interval, 9)));
    rig.ask(request(&server.url("/redirect"))).expect("an answer");
    let [first, second] = server.look(|log| [log.arrivals[0].0, log.arrivals[1].0]);
    assert!(second - first >= interval.mul_f64(0.9), "{:?}", second - first);
}

#[test]
fn it_goes_before_what_waits_and_can_be_cancelled() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(limits(1, Duration::from_secs(1), 9)));
    rig.submit(task(1, Priority::Polling, &server.url("/redirect")));
    rig.submit(task(2, Priority::Polling, &server.url("/ok/other")));
    assert_eq!(rig.next().id, 1);
    assert_eq!(rig.next().id, 2);
    assert_eq!(server.look(|log| log.paths().join(" ")), "/redirect /ok/elsewhere /ok/other");

    rig.submit(task(3, Priority::Polling, &server.url("/redirect")));
    server.wait("the redirect", |log| log.arrivals.len() == 4);
    let waits = |state: LaneState| state.queued == 1 && state.in_flight == 0;
    rig.wait_for_state(LANE, waits);
    rig.net.cancel(3);
    rig.ask(request(&server.url("/ok/last"))).expect("an answer");
    assert_eq!(server.look(|log| log.paths()[4..].join(" ")), "/ok/last");
}

#[test]
fn another_origin_gets_nothing() {
    let (server, other) = (Server::start(), Server::start());
    let rig = Rig::start(local(), None);
    let mut asked = request(&server.url(&format!("/away/{}/stolen?key=s3cret", other.address)));
    asked.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
    let failure = rig.ask(asked).expect_err("no answer");
    assert!(matches!(failure.error, TransportError::BadRedirect { .. }), "{failure:?}");
    assert!(failure.sent_at.is_some(), "the first server has received it");
    let text = format!("{failure} {failure:?}");
    for place in [server.address, other.address] {
        assert!(text.contains(&place.to_string()), "{text}");
    }
    assert!(!text.contains("stolen") && !text.contains("s3cret"), "{text}");
    assert_eq!(other.look(|log| log.connections), 0);
}

#[test]
fn a_circle_is_left() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let error = rig.error(&server.url("/circle"));
    assert!(matches!(error, TransportError::BadRedirect { .. }), "{error:?}");
    assert_eq!(server.look(|log| log.arrivals.len()), 6);
}

#[test]
fn a_write_is_not_sent_again() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let mut asked = request(&server.url("/redirect"));
    asked.method = http::Method::POST;
    let answer = rig.ask(asked).expect("an answer");
    assert_eq!(answer.status, http::StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(answer.headers["location"], "/ok/elsewhere");
    assert_eq!(server.look(|log| log.arrivals.len()), 1);
}
