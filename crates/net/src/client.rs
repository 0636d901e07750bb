//! One request, one answer: the only place that drives reqwest.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::address::{self, Resolver};
use crate::clock::Clock;
use crate::error::{Failure, StartError, TransportError};
use crate::memory::{Memory, Room};
use crate::settings::Settings;
use crate::task::{Request, Response};
use crate::tls;

/// How many idle connections are kept for a host, and for how long. Servers close theirs after a
/// minute or so: better to let go first than to write into a closing connection.
const IDLE_CONNECTIONS: usize = 32;
const IDLE_TIMEOUT: Duration = Duration::from_secs(45);
/// How often a busy HTTP/2 connection is asked whether it lives, and how long it may take.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// The most memory that is set aside because of what an answer says about its own length.
const MAX_RESERVE: u64 = 1 << 20;

/// Sends requests. Clones share their connections.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    allow_private_networks: bool,
    trusting: bool,
    max_response_bytes: u64,
    memory: Memory,
    clock: Clock,
}

/// Whether a URL may be asked at all. What is behind a name is judged when the name is resolved.
///
/// # Errors
/// If it is neither HTTPS nor allowed plain HTTP, or names an address that may not be asked.
pub fn check_url(url: &Url, allow_private_networks: bool) -> Result<(), TransportError> {
    let host = url.host_str().unwrap_or_default().to_owned();
    match url.scheme() {
        "https" => {}
        "http" if allow_private_networks => {}
        "http" => return Err(TransportError::Insecure { host }),
        other => {
            let cause = format!("{other} is not a scheme for requests; use https");
            return Err(TransportError::Invalid { host, cause });
        }
    }
    let literal: Option<IpAddr> = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) | None => None,
    };
    match literal.filter(|address| !allow_private_networks && !address::is_public(*address)) {
        Some(address) => Err(TransportError::RefusedAddress { host, address }),
        None => Ok(()),
    }
}

impl Client {
    pub(crate) fn new(settings: &Settings, clock: Clock) -> Result<Self, StartError> {
        let (tls, trusting) = tls::configuration()?;
        let proxy = settings.proxy.as_ref();
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Resolver {
                allow_private: settings.allow_private_networks,
                exempt: proxy.and_then(Url::host_str).map(str::to_owned),
            })
            .redirect(Policy::none())
            .referer(false)
            // A request that is sent again would be past the rate limit, and a write done twice.
            .retry(reqwest::retry::never())
            .user_agent(settings.user_agent.as_str())
            .connect_timeout(settings.connect_timeout)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .http2_keep_alive_interval(PING_INTERVAL)
            .http2_keep_alive_timeout(PING_TIMEOUT)
            .no_proxy();
        if let Some(proxy) = proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|error| StartError::client(&error))?;
            builder = builder.proxy(proxy);
        }
        Ok(Client {
            http: builder.build().map_err(|error| StartError::client(&error))?,
            allow_private_networks: settings.allow_private_networks,
            trusting,
            max_response_bytes: settings.max_response_bytes,
            memory: Memory::new(settings),
            clock,
        })
    }

    /// Sends `request` now, and returns its answer once that is complete. The time-out runs from
    /// now to the last byte. With it, the room that it takes.
    pub(crate) async fn send(&self, request: Request) -> (Result<Response, Failure>, Option<Room>) {
        let mut room = None;
        let outcome = self.try_send(request, &mut room).await;
        (outcome, room)
    }

    async fn try_send(&self, request: Request, room: &mut Option<Room>) -> Result<Response, Failure> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        self.admit(&host, &request.url).map_err(|error| Failure { error, sent_at: None })?;

        let timeout = request.timeout;
        let sent_at = self.clock.now();
        let started = Instant::now();
        let outcome = tokio::time::timeout(timeout, self.exchange(&host, request, room)).await;
        match outcome {
            Ok(Ok((status, headers, body))) => {
                Ok(Response { status, headers, body, sent_at, elapsed: started.elapsed() })
            }
            Ok(Err(error)) => {
                let sent_at = error.may_have_arrived().then_some(sent_at);
                Err(Failure { error, sent_at })
            }
            Err(_) => {
                let error = TransportError::Timeout { host, after: timeout };
                Err(Failure { error, sent_at: Some(sent_at) })
            }
        }
    }

    /// Whether the URL may be asked now.
    fn admit(&self, host: &str, url: &Url) -> Result<(), TransportError> {
        check_url(url, self.allow_private_networks)?;
        if url.scheme() == "https" && !self.trusting {
            return Err(TransportError::NoTrustedRoots { host: host.to_owned() });
        }
        Ok(())
    }

    async fn exchange(
        &self,
        host: &str,
        request: Request,
        room: &mut Option<Room>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), TransportError> {
        let mut builder = self.http.request(request.method, request.url).headers(request.headers);
        if let Some(body) = request.body {
            builder = builder.body(body);
        }
        let mut response = builder.send().await.map_err(|error| TransportError::sending(host, &error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = self.read(host, response, room).await?;
        Ok((status, headers, body))
    }

    /// The body, as long as it is within the limit.
    async fn read(
        &self,
        host: &str,
        mut response: reqwest::Response,
        room: &mut Option<Room>,
    ) -> Result<Bytes, TransportError> {
        let limit = self.max_response_bytes;
        let too_large = || TransportError::TooLarge { host: host.to_owned(), limit };
        // What the answer says of its length; unknown if it is compressed or chunked.
        let announced = response.content_length().unwrap_or(0);
        if announced > limit {
            return Err(too_large());
        }
        let mut body = BytesMut::with_capacity(announced.min(MAX_RESERVE) as usize);
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if (body.len() + chunk.len()) as u64 > limit => {
                    return Err(too_large());
                }
                Ok(Some(chunk)) => {
                    self.memory.reserve((body.len() + chunk.len()) as u64, room).await;
                    body.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(body.freeze()),
                Err(error) => return Err(TransportError::reading(host, body.len(), &error)),
            }
        }
    }
}
