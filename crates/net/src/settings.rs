//! What the operator sets: for the client as a whole, and for a lane.

use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Unusable;
use crate::proxy::ProxyUrl;
use crate::tls;

/// Settings of the client, for all lanes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Let requests go to private, loopback and link-local addresses, and over plain HTTP.
    pub allow_private_networks: bool,
    /// The most bytes of a response body that are read, counted after decompression.
    pub max_response_bytes: u64,
    /// The most bytes that bodies larger than usual (a 64th of the largest) may take together. There
    /// is always room for one.
    pub max_memory: u64,
    /// How long a new connection may take, TLS included.
    pub connect_timeout: Duration,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// The proxy that all requests go through. The environment is never asked for one.
    pub proxy: Option<ProxyUrl>,
    /// Certificates in PEM that are trusted beside those of the machine.
    pub ca_file: Option<PathBuf>,
    /// How many tasks of one lane and priority may be under way at one time: queued, in flight,
    /// or completed and not yet received.
    pub queue_capacity: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            allow_private_networks: false,
            max_response_bytes: 64 << 20,
            max_memory: 256 << 20,
            connect_timeout: Duration::from_secs(10),
            user_agent: concat!("sequin/", env!("CARGO_PKG_VERSION")).to_owned(),
            proxy: None,
            ca_file: None,
            queue_capacity: 256,
        }
    }
}

impl Settings {
    /// What can't be used as it is set. It keeps no client from being made: the requests that need it
    /// fail.
    pub fn unusable(&self) -> impl Iterator<Item = Unusable> {
        let proxy = self.proxy.as_ref().and_then(|proxy| proxy.parse().err());
        let ca_file = self.ca_file.as_ref().and_then(|file| tls::check_ca_file(file).err());
        proxy.into_iter().chain(ca_file)
    }
}

/// What a lane may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many requests may be sent in any window of `interval`.
    pub allowed_requests: NonZeroU32,
    /// The length of the window. Meant to be a second or more: the clock that spaces requests
    /// ticks in milliseconds.
    pub interval: Duration,
    /// How many requests may be in flight at one time.
    pub max_concurrent: NonZeroUsize,
}

impl Limits {
    pub(crate) fn rate(&self) -> Rate {
        Rate { allowed_requests: self.allowed_requests, interval: self.interval }
    }
}

/// How often something may be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many requests may be sent in any window of `interval`.
    pub allowed_requests: NonZeroU32,
    /// The length of the window; see [`Limits::interval`].
    pub interval: Duration,
}
