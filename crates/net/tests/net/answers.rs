//! What comes of a request: the answer, or the reason why there is none.

use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderValue};
use sequin_net::{Priority, Request, Settings, TransportError};

use crate::rig::{Rig, limits, local, request, task};
use crate::server::{Server, gzip_of_zeros};

#[test]
fn a_request_arrives_whole_and_so_does_its_answer() {
    let server = Server::start();
    let rig = Rig::start(Settings { user_agent: "tester/1".to_owned(), ..local() }, None);
    let mut asked = request(&server.url("/echo/a?b=c"));
    asked.method = http::Method::POST;
    let mut secret = HeaderValue::from_static("Bearer s3cret");
    secret.set_sensitive(true);
    asked.headers.insert(AUTHORIZATION, secret);
    asked.body = Some(Bytes::from_static(b"{\"x\": 1}"));

    let before = SystemTime::now();
    let answer = rig.ask(asked).expect("an answer");
    assert_eq!(answer.status, http::StatusCode::OK);
    assert!(answer.sent_at >= before && answer.sent_at <= SystemTime::now());
    let text = String::from_utf8(answer.body.to_vec()).expect("text");
    let head = text.to_lowercase();
    assert!(text.starts_with("POST /echo/a?b=c HTTP/1.1\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\n{\"x\": 1}"), "{text}");
    assert!(head.contains("authorization: bearer s3cret\r\n"), "{text}");
    assert!(head.contains("user-agent: tester/1\r\n"), "{text}");
    assert!(head.contains("accept-encoding: gzip\r\n"), "{text}");
}

#[test]
fn connections_are_used_again() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    for _ in 0..5 {
        rig.ask(request(&server.url("/ok"))).expect("an answer");
    }
    assert_eq!(server.look(|log| log.connections), 1);
}

#[test]
fn a_compressed_answer_is_opened() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let answer = rig.ask(request(&server.url("/zeros"))).expect("an answer");
    assert_eq!(answer.body, vec![0; 25_801]);
    assert!(!answer.headers.contains_key("content-encoding"));
}

#[test]
fn a_body_past_the_limit_is_refused() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let limit = local().max_response_bytes;
    assert!((gzip_of_zeros(8000).len() as u64) < limit, "the bomb is small on the wire");
    for path in ["/large", "/chunks", "/bomb"] {
        let host = "127.0.0.1".to_owned();
        assert_eq!(rig.error(&server.url(path)), TransportError::TooLarge { host, limit }, "{path}");
    }
}

#[test]
fn large_answers_wait_for_one_another() {
    let server = Server::start();
    // Room for one; a 64th of it is less than the answer.
    let rig = Rig::start(Settings { max_response_bytes: 1 << 20, max_memory: 1, ..local() }, None);
    rig.submit(task(1, Priority::Polling, &server.url("/large")));
    let first = rig.next();
    rig.submit(task(2, Priority::Polling, &server.url("/large")));
    rig.submit(task(3, Priority::Polling, &server.url("/ok")));
    assert_eq!((first.id, rig.next().id), (1, 3), "the second has no room before the first is dropped");
    drop(first);
    assert_eq!(rig.next().id, 2);
}

#[test]
fn a_new_limit_is_in_force_at_once() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    rig.net.update(Settings { max_response_bytes: 1 << 20, ..local() }).expect("valid settings");
    assert_eq!(rig.ask(request(&server.url("/large"))).expect("an answer").body.len(), 100_000);
    rig.net
        .update(Settings { user_agent: "two\nlines".to_owned(), ..local() })
        .expect_err("a header has no line breaks");
    assert_eq!(rig.ask(request(&server.url("/large"))).expect("an answer").body.len(), 100_000);
}

#[test]
fn a_broken_answer_is_no_answer() {
    let server = Server::start();
    let rig = Rig::start(local(), None);

    let cut = rig.ask(request(&server.url("/cut"))).expect_err("a part only");
    assert!(matches!(cut.error, TransportError::CutOff { received: 9, .. }), "{cut:?}");
    assert!(cut.sent_at.is_some(), "it has arrived");

    let garbled = rig.error(&server.url("/garbled"));
    assert!(matches!(garbled, TransportError::CutOff { received: 0, .. }), "{garbled:?}");

    let mute = rig.ask(request(&server.url("/mute"))).expect_err("nothing");
    assert!(matches!(mute.error, TransportError::NoAnswer { .. }), "{mute:?}");
    assert!(mute.sent_at.is_some(), "it may have arrived");
}

#[test]
fn who_is_not_there_was_not_reached() {
    let rig = Rig::start(local(), None);
    // Port 1 belongs to a service (tcpmux, RFC 1078) that nobody runs.
    let url = "http://127.0.0.1:1/secret-path?key=s3cret";
    let failure = rig.ask(request(url)).expect_err("nobody listens");
    assert!(matches!(failure.error, TransportError::Connect { .. }), "{failure:?}");
    assert_eq!(failure.sent_at, None);
    let text = format!("{failure} {failure:?}");
    assert!(!text.contains("secret-path") && !text.contains("s3cret"), "{text}");

    // A label of more than 63 characters can't exist, so that no name server is asked.
    let url = format!("http://{}.invalid/?key=s3cret", "x".repeat(64));
    let failure = rig.ask(request(&url)).expect_err("no such name");
    assert!(matches!(failure.error, TransportError::Dns { .. }), "{failure:?}");
    assert_eq!(failure.sent_at, None);
    assert!(!format!("{failure} {failure:?}").contains("s3cret"));
}

#[test]
fn a_server_without_tls_is_not_trusted() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let failure = rig
        .ask(request(&format!("https://{}/ok", server.address)))
        .expect_err("the server speaks plain HTTP");
    // A machine may have no certificates at all, which is told before anybody is asked.
    assert!(
        matches!(failure.error, TransportError::Tls { .. } | TransportError::NoTrustedRoots { .. }),
        "{failure:?}"
    );
    assert_eq!(failure.sent_at, None);
}

#[test]
fn a_timeout_counts_from_sending() {
    let server = Server::start();
    let timeout = Duration::from_millis(700);
    let rig = Rig::start(local(), Some(limits(1, Duration::from_secs(1), 9)));
    for id in 1..=2 {
        let mut late = task(id, Priority::Polling, &server.url("/ok"));
        late.request.timeout = timeout;
        rig.submit(late);
    }
    // The second waits longer in the queue than it may take on the network.
    let first = rig.next().value.expect("no panic").result.expect("an answer");
    let second = rig.next().value.expect("no panic").result.expect("an answer, not a timeout");
    let apart = second.sent_at.duration_since(first.sent_at).expect("in order");
    assert!(apart > timeout, "{apart:?}");
    assert!(second.elapsed < timeout);

    rig.net.set_lane(crate::rig::LANE, None);
    let start = Instant::now();
    let failure =
        rig.ask(Request { timeout, ..request(&server.url("/hang")) }).expect_err("the server never answers");
    let host = "127.0.0.1".to_owned();
    assert_eq!(failure.error, TransportError::Timeout { host, after: timeout });
    assert!(start.elapsed() >= timeout);
    assert!(failure.sent_at.is_some());
    server.wait("hanging up", |log| log.hung_up == ["/hang"]);
}
