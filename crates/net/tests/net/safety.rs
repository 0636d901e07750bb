//! Where requests don't go.

use sequin_net::{Settings, TransportError};

use crate::rig::{Rig, local, request};
use crate::server::Server;

#[test]
fn private_addresses_are_refused_by_literal_and_by_name() {
    let server = Server::start();
    let rig = Rig::start(Settings::default(), None);
    let port = server.address.port();
    for host in ["127.0.0.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"] {
        let failure = rig.ask(request(&format!("https://{host}:{port}/ok"))).expect_err("a private address");
        match failure.error {
            TransportError::RefusedAddress { address, .. } => {
                assert!(address.is_loopback() || host != "localhost", "{address}");
            }
            // Told first on a machine without certificates, where nothing is asked anyway.
            TransportError::NoTrustedRoots { .. } => {}
            error => panic!("{host}: {error:?}"),
        }
        assert_eq!(failure.sent_at, None);
    }
    assert_eq!(server.look(|log| log.connections), 0);
}

#[test]
fn plain_http_needs_the_same_leave() {
    let server = Server::start();
    let rig = Rig::start(Settings::default(), None);
    let error = rig.error(&server.url("/ok?key=s3cret"));
    assert_eq!(error, TransportError::Insecure { host: "127.0.0.1".to_owned() });
    assert!(matches!(rig.error("http://example.com/"), TransportError::Insecure { .. }));
    assert!(matches!(rig.error("ftp://example.com/"), TransportError::Invalid { .. }));
    assert_eq!(server.look(|log| log.connections), 0);

    rig.net.update(local()).expect("valid settings");
    rig.ask(request(&server.url("/ok"))).expect("allowed now");
}

#[test]
fn with_leave_names_work_too() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let url = format!("http://localhost:{}/ok", server.address.port());
    rig.ask(request(&url)).expect("an answer");
}
