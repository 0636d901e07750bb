//! An HTTP/1.1 server for tests. What it does depends on the first part of the path.
//!
//! - `/ok/…` answers at once; `/echo/…` answers with the request itself
//! - `/gate/…` answers once the gate has been opened; `/hang/…` never answers
//! - `/cut`, `/chunks`, `/zeros`, `/bomb`, `/garbled`, `/large`, `/redirect`, `/circle`, `/away`, `/mute`: see `reply`

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How long a test waits for what must happen.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The first byte of a connection that begins with TLS.
const TLS_HANDSHAKE: u8 = 22;

/// What the server has seen.
#[derive(Default)]
pub struct Log {
    pub connections: usize,
    /// The paths in the order of arrival, with the time.
    pub arrivals: Vec<(Instant, String)>,
    /// Requests that wait at the gate now, and the most that ever did.
    pub waiting: usize,
    pub most_waiting: usize,
    pub gate_open: bool,
    /// Paths of requests that were never answered and whose client has hung up.
    pub hung_up: Vec<String>,
}

impl Log {
    pub fn paths(&self) -> Vec<&str> {
        self.arrivals.iter().map(|(_, path)| path.as_str()).collect()
    }
}

#[derive(Default)]
struct Shared {
    log: Mutex<Log>,
    changed: Condvar,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Log)) {
        change(&mut self.log());
        self.changed.notify_all();
    }
}

pub struct Server {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Server {
    pub fn start() -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared::default());
        let server = Server { address, shared: Arc::clone(&shared) };
        // Both kinds of thread end with the test's process, a connection's also with its client.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                shared.change(|log| log.connections += 1);
                thread::spawn(move || serve(stream, &shared));
            }
        });
        server
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub fn open_gate(&self) {
        self.shared.change(|log| log.gate_open = true);
    }

    pub fn look<R>(&self, look: impl FnOnce(&Log) -> R) -> R {
        look(&self.shared.log())
    }

    /// Waits until the log is as it must become.
    pub fn wait(&self, what: &str, until: impl Fn(&Log) -> bool) {
        let (log, timeout) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.log(), DEADLINE, |log| !until(log))
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!timeout.timed_out(), "{what} did not happen; arrived: {:?}", log.paths());
    }
}

struct Incoming {
    path: String,
    /// Request line and headers, and the body after an empty line.
    text: String,
}

/// Serves one connection until either side ends it.
fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    while let Ok(Some(incoming)) = receive(&mut stream) {
        let path = incoming.path.clone();
        shared.change(|log| log.arrivals.push((Instant::now(), path)));
        match reply(&mut stream, &incoming, shared) {
            Ok(true) => {}
            Ok(false) | Err(_) => return,
        }
    }
}

/// Reads on until the client ends the connection.
fn drain(stream: &mut TcpStream) {
    while matches!(stream.read(&mut [0; 1024]), Ok(1..)) {}
}

/// The next request of a connection; `None` at its end.
fn receive(stream: &mut TcpStream) -> io::Result<Option<Incoming>> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        bytes.push(byte[0]);
        if bytes == [TLS_HANDSHAKE] {
            // What many servers do: they answer TLS in plain text.
            let greeted = stream.read(&mut [0; 4096])?;
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")?;
            assert!(greeted > 0, "a greeting is longer than a byte");
            drain(stream);
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&bytes).into_owned();
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    Ok(Some(Incoming { path, text: head + &String::from_utf8_lossy(&body) }))
}

/// Answers a request, and tells whether the connection goes on.
fn reply(stream: &mut TcpStream, incoming: &Incoming, shared: &Shared) -> io::Result<bool> {
    let kind = incoming.path.split('/').nth(1).unwrap_or_default();
    match kind {
        "ok" => plain(stream, b"ok")?,
        "echo" => plain(stream, incoming.text.as_bytes())?,
        "gate" => {
            shared.change(|log| {
                log.waiting += 1;
                log.most_waiting = log.most_waiting.max(log.waiting);
            });
            let opened = shared.changed.wait_while(shared.log(), |log| !log.gate_open);
            drop(opened.unwrap_or_else(PoisonError::into_inner));
            shared.change(|log| log.waiting -= 1);
            plain(stream, b"through")?;
        }
        "hang" => {
            drain(stream);
            shared.change(|log| log.hung_up.push(incoming.path.clone()));
            return Ok(false);
        }
        "cut" => {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this")?;
            return Ok(false);
        }
        "mute" => return Ok(false),
        "garbled" => {
            stream.write_all(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!",
            )?;
        }
        "redirect" => redirect(stream, "/ok/elsewhere")?,
        "circle" => redirect(stream, &incoming.path)?,
        // `/away/host:port`
        "away" => redirect(stream, &incoming.path.replacen("/away/", "http://", 1))?,
        "large" => plain(stream, &[b'x'; 100_000])?,
        "chunks" => {
            // Of unknown length, and longer than any limit: it ends when the client hangs up.
            stream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
            loop {
                stream.write_all(b"400\r\n")?;
                stream.write_all(&[b'x'; 0x400])?;
                stream.write_all(b"\r\n")?;
            }
        }
        "zeros" => compressed(stream, &gzip_of_zeros(100))?,
        "bomb" => compressed(stream, &gzip_of_zeros(8000))?,
        _ => stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")?,
    }
    Ok(true)
}

fn plain(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

fn redirect(stream: &mut TcpStream, to: &str) -> io::Result<()> {
    write!(stream, "HTTP/1.1 307 Temporary Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn compressed(stream: &mut TcpStream, body: &[u8]) -> io::Result<()> {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat())
}

/// A gzip file (RFC 1952) of `1 + 258 * runs` zeros in about `1.6 * runs` bytes: one block of fixed
/// Huffman codes (RFC 1951, 3.2.6), a zero and then runs of the longest length at distance one.
pub fn gzip_of_zeros(runs: usize) -> Vec<u8> {
    let length = 1 + 258 * runs;
    let mut bits = ["1", "10", "00110000"].concat();
    for _ in 0..runs {
        bits.push_str("11000101");
        bits.push_str("00000");
    }
    bits.push_str("0000000");

    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    for byte in bits.as_bytes().chunks(8) {
        file.push(byte.iter().rev().fold(0, |byte, bit| (byte << 1) | (bit - b'0')));
    }
    let mut crc = u32::MAX;
    for _ in 0..length * 8 {
        crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
    }
    file.extend((!crc).to_le_bytes());
    file.extend((length as u32).to_le_bytes());
    file
}
