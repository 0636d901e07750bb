//! Whom requests trust.

use std::path::Path;

use sequin_net::{Settings, TransportError, Unusable};

use crate::https::{Authority, HttpsServer, Identity, TemporaryFile};
use crate::rig::{Rig, local, request};
use crate::server::Server;

fn trusting(file: &Path) -> Settings {
    Settings { ca_file: Some(file.to_owned()), ..local() }
}

/// Why a server is not trusted, which learns nothing.
fn distrust(rig: &Rig, server: &HttpsServer) -> String {
    let failure = rig.ask(request(&server.url())).expect_err("no trust");
    assert_eq!(failure.sent_at, None);
    assert_eq!(server.answered(), [""; 0]);
    match failure.error {
        TransportError::Tls { cause, .. } => cause,
        error => panic!("{error:?}"),
    }
}

#[test]
fn an_authority_that_was_added_is_trusted() {
    let authority = Authority::new("mine");
    let file = TemporaryFile::new("trusted.pem", &authority.pem());
    let cases: [(&'static [&'static str], &str); 3] =
        [(&["h2", "http/1.1"], "h2"), (&["http/1.1"], "http/1.1"), (&[], "")];
    for (protocols, expected) in cases {
        let server = authority.server(&Identity { protocols, ..Identity::default() });
        let rig = Rig::start(trusting(file.path()), None);
        let answer = rig.ask(request(&server.url())).expect("an answer");
        assert_eq!((answer.status, &answer.body[..]), (http::StatusCode::OK, &b"ok"[..]));
        assert_eq!(server.answered(), [expected]);
    }
}

#[test]
fn without_it_the_server_is_not_trusted() {
    let server = Authority::new("mine").server(&Identity::default());
    let rig = Rig::start(local(), None);
    let failure = rig.ask(request(&server.url())).expect_err("no trust");
    match failure.error {
        TransportError::Tls { cause, .. } => assert!(cause.contains("UnknownIssuer"), "{cause}"),
        // On a machine without certificates.
        TransportError::NoTrustedRoots { .. } => {}
        error => panic!("{error:?}"),
    }
    assert_eq!(failure.sent_at, None);
}

#[test]
fn one_that_was_added_vouches_for_its_own_servers_only() {
    let (mine, other) = (Authority::new("mine"), Authority::new("mine"));
    let file = TemporaryFile::new("own.pem", &mine.pem());
    let rig = Rig::start(trusting(file.path()), None);
    assert!(distrust(&rig, &other.server(&Identity::default())).contains("invalid peer certificate"));
}

#[test]
fn the_name_and_the_date_count() {
    let authority = Authority::new("mine");
    let file = TemporaryFile::new("dates.pem", &authority.pem());
    let rig = Rig::start(trusting(file.path()), None);
    let elsewhere = Identity { name: "api.example.com", ..Identity::default() };
    let cause = distrust(&rig, &authority.server(&elsewhere));
    assert!(cause.contains("not valid for name"), "{cause}");
    let expired = Identity { until: 2020, ..Identity::default() };
    let cause = distrust(&rig, &authority.server(&expired));
    assert!(cause.contains("expired"), "{cause}");
}

#[test]
fn several_can_be_in_one_file_and_a_new_file_counts_at_once() {
    let (one, two) = (Authority::new("one"), Authority::new("two"));
    let file = TemporaryFile::new("several.pem", &one.pem());
    let rig = Rig::start(trusting(file.path()), None);
    let server = two.server(&Identity::default());
    distrust(&rig, &server);
    let both = TemporaryFile::new("several.pem", &format!("# two of them\n{}\n{}", one.pem(), two.pem()));
    rig.net.update(trusting(both.path())).expect("valid settings");
    rig.ask(request(&server.url())).expect("an answer");
}

#[test]
fn a_file_that_cannot_be_used_is_no_leave_to_go_without() {
    let authority = Authority::new("mine");
    let server = authority.server(&Identity::default());
    let plain = Server::start();
    let truncated = authority.pem().replace("-----END CERTIFICATE-----", "");
    for (name, text, says) in [
        ("empty", Some(""), "no certificate"),
        ("words", Some("no PEM at all"), "no certificate"),
        ("truncated", Some(truncated.as_str()), "certificate 1"),
        ("nonsense", Some("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), "certificate 1"),
        ("missing", None, "can't be read"),
    ] {
        let file = text.map(|text| TemporaryFile::new(name, text));
        let path = file.as_ref().map_or(Path::new("/nonexistent/ca.pem"), TemporaryFile::path);
        let settings = trusting(path);
        let unusable: Vec<Unusable> = settings.unusable().collect();
        assert!(matches!(&unusable[..], [Unusable::CaFile { file, .. }] if file == path), "{unusable:?}");
        assert!(unusable[0].to_string().contains(says), "{}", unusable[0]);

        let rig = Rig::start(settings, None);
        let failure = rig.ask(request(&server.url())).expect_err("no trust");
        let [setting]: [Unusable; 1] = unusable.try_into().expect("one");
        assert_eq!(failure.error, TransportError::Unusable { host: "127.0.0.1".to_owned(), setting });
        assert_eq!(failure.sent_at, None);
        rig.ask(request(&plain.url("/ok"))).expect("no certificate is needed");
    }
    assert_eq!(server.answered(), [""; 0]);
}
