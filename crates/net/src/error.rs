//! What can go wrong, told to the person who reads it.
//!
//! Messages name the host and never more of the URL: path and query may hold secrets.

use std::error::Error;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::address;
use crate::task::Task;

/// Why a request got no complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The request can't be sent as it is.
    #[error("the request to {host} is not valid: {cause}")]
    Invalid {
        /// The host of the URL.
        host: String,
        /// What is wrong with it.
        cause: String,
    },
    /// Plain HTTP, and private networks are not allowed.
    #[error("{host} was not asked: plain HTTP is refused unless private networks are allowed; use https")]
    Insecure {
        /// The host of the URL.
        host: String,
    },
    /// The host is an address, or has only addresses, that are not on the public internet.
    #[error(
        "{host} was not asked: its address {address} is not public, and private networks are not allowed"
    )]
    RefusedAddress {
        /// The host of the URL.
        host: String,
        /// One of its addresses.
        address: IpAddr,
    },
    /// This machine has no trusted certificates, so no server can be verified.
    #[error(
        "{host} was not asked: no trusted CA certificates were found on this machine; install the package ca-certificates, or set SSL_CERT_FILE"
    )]
    NoTrustedRoots {
        /// The host of the URL.
        host: String,
    },
    /// What the operator has set can't be used.
    #[error("{host} was not asked: {setting}")]
    Unusable {
        /// The host of the URL.
        host: String,
        /// What was set.
        setting: Unusable,
    },
    /// The name has no address.
    #[error("the name {host} could not be resolved: {cause}")]
    Dns {
        /// The host of the URL.
        host: String,
        /// What the resolver said.
        cause: String,
    },
    /// No connection.
    #[error("could not connect to {host}: {cause}")]
    Connect {
        /// The host of the URL.
        host: String,
        /// What the system said.
        cause: String,
    },
    /// A connection, but no trust.
    #[error("no secure connection to {host}: {cause}")]
    Tls {
        /// The host of the URL.
        host: String,
        /// What the verification said.
        cause: String,
    },
    /// The whole exchange took too long.
    #[error("{host} did not answer completely within {after:?}")]
    Timeout {
        /// The host of the URL.
        host: String,
        /// The time that it was given, from being sent.
        after: Duration,
    },
    /// The connection broke, or what came was not HTTP, before a status came.
    #[error("no answer from {host}: {cause}")]
    NoAnswer {
        /// The host of the URL.
        host: String,
        /// What happened to the connection.
        cause: String,
    },
    /// The answer began and can't be read to its end: cut off, or wrongly compressed.
    #[error("the answer of {host} can't be read past its first {received} bytes: {cause}")]
    CutOff {
        /// The host of the URL.
        host: String,
        /// How many bytes of the body came, decompressed.
        received: u64,
        /// What happened to the connection.
        cause: String,
    },
    /// The answer is a redirect that leads where no request goes.
    #[error("the redirect of {host} was not followed: {cause}")]
    BadRedirect {
        /// The host of the URL.
        host: String,
        /// What is wrong with it.
        cause: String,
    },
    /// The body is longer than is allowed.
    #[error("the answer of {host} is longer than the {limit} bytes that are allowed")]
    TooLarge {
        /// The host of the URL.
        host: String,
        /// The limit, in bytes after decompression.
        limit: u64,
    },
}

impl TransportError {
    /// Whether the API may have received the request, and acted on it.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::NoAnswer { .. }
            | Self::CutOff { .. }
            | Self::BadRedirect { .. }
            | Self::TooLarge { .. } => true,
            Self::Invalid { .. }
            | Self::Insecure { .. }
            | Self::RefusedAddress { .. }
            | Self::NoTrustedRoots { .. }
            | Self::Unusable { .. }
            | Self::Dns { .. }
            | Self::Connect { .. }
            | Self::Tls { .. } => false,
        }
    }

    /// What an error before the status means. `host`: whom it was sent to, and by which way.
    pub(crate) fn sending(host: &str, error: &reqwest::Error) -> Self {
        let host = host.to_owned();
        let causes = causes(error);
        let refused = causes.iter().find_map(|cause| cause.downcast_ref::<address::Refused>());
        if let Some(&address::Refused { address }) = refused {
            return Self::RefusedAddress { host, address };
        }
        let cause = innermost(&causes);
        if error.is_dns() {
            Self::Dns { host, cause }
        } else if error.is_connect() {
            if causes.iter().any(|cause| cause.is::<rustls::Error>()) {
                Self::Tls { host, cause }
            } else {
                Self::Connect { host, cause }
            }
        } else if error.is_builder() {
            Self::Invalid { host, cause }
        } else {
            Self::NoAnswer { host, cause }
        }
    }

    /// What an error in the middle of the body means.
    pub(crate) fn reading(host: &str, received: usize, error: &reqwest::Error) -> Self {
        Self::CutOff { host: host.to_owned(), received: received as u64, cause: innermost(&causes(error)) }
    }
}

/// The errors behind `error`, outermost first. An `io::Error` hides what it wraps from `source`, so
/// it is opened by hand.
fn causes(error: &reqwest::Error) -> Vec<&(dyn Error + 'static)> {
    let mut found = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        found.push(cause);
        next = match cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped as &(dyn Error + 'static)),
            None => cause.source(),
        };
    }
    found
}

/// The words of the last cause. The client's own errors are passed over: they print the URL.
fn innermost(causes: &[&(dyn Error + 'static)]) -> String {
    causes
        .iter()
        .rev()
        .find(|cause| !cause.is::<reqwest::Error>())
        .map_or_else(|| "the connection failed".to_owned(), ToString::to_string)
}

/// A setting that can't be used. The requests that need it fail with it, rather than go without.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// The file of CA certificates.
    #[error("the file of CA certificates {file:?} can't be used: {problem}")]
    CaFile {
        /// Its name.
        file: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The URL of the proxy.
    #[error("the URL of the proxy can't be used: {problem}")]
    Proxy {
        /// What is wrong with it, without what may be a password.
        problem: String,
    },
}

/// A request without a complete answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{error}")]
pub struct Failure {
    /// Why.
    pub error: TransportError,
    /// When it was sent, if it may have arrived; `None` if it surely didn't.
    pub sent_at: Option<SystemTime>,
}

/// The interpretation of a response panicked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the response could not be interpreted: {message}")]
pub struct Panicked {
    /// What the panic said.
    pub message: String,
}

/// Why a task was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// As many tasks of its lane and priority are under way as may be; try again after a completion.
    #[error("the lane has as many tasks of this priority under way as it may have")]
    Full,
    /// `set_lane` has not been called for its lane.
    #[error("the lane is not known")]
    UnknownLane,
    /// A task with its id is under way.
    #[error("a task with this id is under way")]
    DuplicateId,
    /// The thread has ended.
    #[error("the network thread has ended")]
    Dead,
}

/// A task that was not accepted, with the reason.
pub struct Rejected<T> {
    /// Why.
    pub reason: Refusal,
    /// The task, untouched.
    pub task: Box<Task<T>>,
}

impl<T> std::fmt::Debug for Rejected<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Rejected")
            .field("reason", &self.reason)
            .field("id", &self.task.id)
            .finish_non_exhaustive()
    }
}

impl<T> std::fmt::Display for Rejected<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "task {} was not accepted: {}", self.task.id, self.reason)
    }
}

impl<T> Error for Rejected<T> {}

/// The network thread has ended: it was told to, or it panicked. What it had in hand is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the network thread has ended")]
pub struct Dead;

/// Why the client can't be made of the settings, or its thread can't be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// TLS can't be set up.
    #[error("TLS could not be set up: {0}")]
    Tls(String),
    /// A setting is not valid, such as a user agent with a line break.
    #[error("the HTTP client could not be set up: {0}")]
    Client(String),
    /// No event loop, for example for want of file descriptors.
    #[error("the event loop of the network thread could not be set up: {0}")]
    Runtime(#[source] io::Error),
    /// No thread.
    #[error("the network thread could not be started: {0}")]
    Thread(#[source] io::Error),
}

impl StartError {
    /// An error of the client's builder, without the URL that it may name.
    pub(crate) fn client(error: &reqwest::Error) -> Self {
        Self::Client(innermost(&causes(error)))
    }
}
