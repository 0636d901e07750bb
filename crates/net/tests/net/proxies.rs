//! The way through a proxy.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use http::header::{AUTHORIZATION, HeaderValue};
use sequin_net::{ProxyUrl, Settings, TransportError, Unusable};

use crate::https::{Authority, Identity, TemporaryFile};
use crate::rig::{Rig, local, request};
use crate::server::Server;

/// A proxy that knows CONNECT. Whatever it is asked for, it leads to one address.
struct Tunnel {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Tunnel {
    /// `password`: as in `Proxy-Authorization`; without one everybody is let through.
    fn start(to: SocketAddr, password: Option<&'static str>) -> Tunnel {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let tunnel = Tunnel { address, heads: Arc::clone(&heads) };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let heads = Arc::clone(&heads);
                thread::spawn(move || lead(client, to, password, &heads));
            }
        });
        tunnel
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn lead(
    mut client: TcpStream,
    to: SocketAddr,
    password: Option<&str>,
    heads: &Mutex<Vec<String>>,
) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let is_let_in = password.is_none_or(|password| head.contains(password));
    heads.lock().unwrap_or_else(PoisonError::into_inner).push(head);
    if !is_let_in {
        return client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n");
    }
    let mut server = TcpStream::connect(to)?;
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
    let (mut upward, mut downward) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let copied = io::copy(&mut upward, &mut server);
        // The other direction ends with it.
        let _ = server.shutdown(Shutdown::Both);
        copied
    });
    io::copy(&mut downward, &mut client)?;
    client.shutdown(Shutdown::Both)
}

fn through(proxy: &str) -> Settings {
    Settings { proxy: Some(proxy.to_owned().into()), ..local() }
}

#[test]
fn plain_http_goes_to_the_proxy_as_a_whole_url() {
    let proxy = Server::start();
    let rig = Rig::start(through(&proxy.url("/")), None);
    let answer = rig.ask(request("http://nobody.invalid/ok")).expect("the proxy's answer");
    assert_eq!(answer.status, http::StatusCode::NOT_FOUND);
    assert_eq!(proxy.look(|log| log.paths().join(" ")), "http://nobody.invalid/ok");
}

#[test]
fn https_goes_through_it_and_the_proxy_sees_nothing() {
    let authority = Authority::new("mine");
    let server = authority.server(&Identity { name: "api.invalid", ..Identity::default() });
    let file = TemporaryFile::new("proxied.pem", &authority.pem());
    // "user:s3 cret" in base64.
    let tunnel = Tunnel::start(server.address, Some("Basic dXNlcjpzMyBjcmV0"));
    let with = |user: &str| Settings {
        ca_file: Some(file.path().to_owned()),
        ..through(&format!("http://{user}{}", tunnel.address))
    };
    let rig = Rig::start(with("user:s3%20cret@"), None);
    // Only the proxy knows the name.
    let mut asked = request("https://api.invalid/ok?key=k3y");
    asked.headers.insert(AUTHORIZATION, HeaderValue::from_static("Bearer k3y"));
    let answer = rig.ask(asked).expect("an answer");
    assert_eq!(&answer.body[..], b"ok");
    let [head]: [String; 1] = tunnel.heads().try_into().expect("one connection");
    assert!(head.starts_with("CONNECT api.invalid:443 HTTP/1.1\r\n"), "{head}");
    assert!(!head.contains("k3y"), "{head}");

    rig.net.update(with("user:wrong@")).expect("valid settings");
    let failure = rig.ask(request("https://api.invalid/ok")).expect_err("no way");
    assert_eq!(failure.sent_at, None);
    let text = format!("{failure} {failure:?}");
    assert!(matches!(failure.error, TransportError::Connect { .. }), "{text}");
    for part in ["api.invalid", tunnel.address.to_string().as_str(), "authorization"] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("wrong"), "{text}");
}

#[test]
fn a_proxy_that_is_not_there_is_named() {
    let rig = Rig::start(through("http://127.0.0.1:1"), None);
    let failure = rig.ask(request("http://api.invalid/ok")).expect_err("no way");
    assert!(failure.to_string().contains("through the proxy 127.0.0.1:1"), "{failure}");
    assert_eq!(failure.sent_at, None);
}

#[test]
fn a_private_address_is_refused_before_the_proxy_is_asked() {
    let proxy = Server::start();
    let settings = Settings { proxy: Some(proxy.url("/").into()), ..Settings::default() };
    let rig = Rig::start(settings, None);
    let failure = rig.ask(request("https://169.254.169.254/")).expect_err("a private address");
    assert!(
        matches!(
            failure.error,
            TransportError::RefusedAddress { .. } | TransportError::NoTrustedRoots { .. }
        ),
        "{failure:?}"
    );
    assert_eq!(proxy.look(|log| log.connections), 0);
}

#[test]
fn a_proxy_that_cannot_be_used_is_no_leave_to_go_without() {
    let server = Server::start();
    for url in ["", "proxy.example:3128", "socks5://user:s3cret@127.0.0.1", "http://user:s3cret@:80"] {
        let settings = through(url);
        assert!(settings.unusable().any(|setting| matches!(setting, Unusable::Proxy { .. })), "{url}");
        let rig = Rig::start(settings, None);
        let failure = rig.ask(request(&server.url("/ok"))).expect_err("no way");
        assert!(matches!(failure.error, TransportError::Unusable { .. }), "{failure:?}");
        assert!(!format!("{failure} {failure:?}").contains("s3cret"));
    }
    assert_eq!(server.look(|log| log.connections), 0);
}

#[test]
fn it_never_shows_its_password() {
    let settings = Settings {
        proxy: Some(ProxyUrl::from("http://user:s3cret@proxy.example".to_owned())),
        ..Settings::default()
    };
    assert!(!format!("{settings:?}").contains("s3cret"));
}
