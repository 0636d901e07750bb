//! A server with TLS, and the authority that vouches for it. It answers each request with "ok".

use std::fs;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A CA of the test's own.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// What a server shows of itself.
pub struct Identity {
    /// The name or address that its certificate is for.
    pub name: &'static str,
    /// The first year in which the certificate is not valid any more.
    pub until: i32,
    /// The protocols that it speaks (ALPN).
    pub protocols: &'static [&'static str],
}

impl Default for Identity {
    fn default() -> Self {
        Identity { name: "127.0.0.1", until: 3000, protocols: &["h2", "http/1.1"] }
    }
}

pub struct HttpsServer {
    pub address: SocketAddr,
    answered: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// A file that is there for as long as this.
pub struct TemporaryFile(PathBuf);

impl TemporaryFile {
    pub fn new(name: &str, text: &str) -> TemporaryFile {
        let path = std::env::temp_dir().join(format!("sequin-net-{}-{name}", std::process::id()));
        fs::write(&path, text).expect("a writable directory");
        TemporaryFile(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // What is left in the system's temporary directory does no harm.
        let _ = fs::remove_file(&self.0);
    }
}

fn called(name: &str, alternatives: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(alternatives).expect("names for a certificate");
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

impl Authority {
    pub fn new(name: &str) -> Authority {
        let mut params = called(name, Vec::new());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("a certificate"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    pub fn server(&self, identity: &Identity) -> HttpsServer {
        let key = KeyPair::generate().expect("a key");
        let mut params = called("server", vec![identity.name.to_owned()]);
        params.not_after = date_time_ymd(identity.until, 1, 1);
        let certificate = params.signed_by(&key, &self.0).expect("a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("protocols")
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
            )
            .expect("a key and its certificate");
        config.alpn_protocols =
            identity.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        HttpsServer::start(Arc::new(config))
    }
}

impl HttpsServer {
    fn start(config: Arc<ServerConfig>) -> HttpsServer {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let answered = Arc::<Mutex<Vec<Vec<u8>>>>::default();
        let server = HttpsServer { address, answered: Arc::clone(&answered) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, answered) = (Arc::clone(&config), Arc::clone(&answered));
                // It ends with its client, or because that does not trust it.
                thread::spawn(move || serve(stream, config, &answered));
            }
        });
        server
    }

    pub fn url(&self) -> String {
        format!("https://{}/ok", self.address)
    }

    /// The protocols of the requests that it has answered.
    pub fn answered(&self) -> Vec<String> {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.iter().map(|protocol| String::from_utf8_lossy(protocol).into_owned()).collect()
    }
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, answered: &Mutex<Vec<Vec<u8>>>) -> io::Result<()> {
    let connection = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = StreamOwned::new(connection, stream);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    let protocol = stream.conn.alpn_protocol().unwrap_or_default().to_vec();
    let note = || answered.lock().unwrap_or_else(PoisonError::into_inner).push(protocol.clone());
    if protocol == b"h2" { serve_http2(&mut stream, note) } else { serve_http1(&mut stream, note) }
}

fn serve_http1(stream: &mut (impl Read + Write), note: impl Fn()) -> io::Result<()> {
    let mut head = Vec::new();
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.ends_with(b"\r\n\r\n") {
            head.clear();
            note();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")?;
        }
    }
}

/// As much of HTTP/2 (RFC 9113) as one request at a time takes.
fn serve_http2(stream: &mut (impl Read + Write), note: impl Fn()) -> io::Result<()> {
    const DATA: u8 = 0;
    const HEADERS: u8 = 1;
    const SETTINGS: u8 = 4;
    const PING: u8 = 6;
    const ACK: u8 = 1;
    const END_STREAM: u8 = 1;
    const END_HEADERS: u8 = 4;
    /// `:status: 200`, from HPACK's static table.
    const STATUS_200: u8 = 0x88;

    let mut preface = [0; 24];
    stream.read_exact(&mut preface)?;
    stream.write_all(&frame(SETTINGS, 0, [0; 4], &[]))?;
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head)?;
        let [a, b, c, kind, flags, id @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
        stream.read_exact(&mut payload)?;
        match (kind, flags & ACK) {
            (SETTINGS, 0) => stream.write_all(&frame(SETTINGS, ACK, [0; 4], &[]))?,
            (PING, 0) => stream.write_all(&frame(PING, ACK, [0; 4], &payload))?,
            (HEADERS, _) => {
                note();
                stream.write_all(&frame(HEADERS, END_HEADERS, id, &[STATUS_200]))?;
                stream.write_all(&frame(DATA, END_STREAM, id, b"ok"))?;
            }
            _ => {}
        }
    }
}

fn frame(kind: u8, flags: u8, stream: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let [_, length @ ..] = (payload.len() as u32).to_be_bytes();
    [&length[..], &[kind, flags], &stream, payload].concat()
}
