//! One request, one answer: the only place that drives reqwest.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use url::{Host, Url};

use crate::address::{self, Resolver};
use crate::clock::Clock;
use crate::error::{Failure, StartError, TransportError, Unusable};
use crate::memory::{Memory, Room};
use crate::proxy;
use crate::redirect;
use crate::settings::Settings;
use crate::task::{Request, Response};
use crate::tls::{self, Distrust};

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
    /// What the proxy is called that everything goes through.
    proxy: Option<String>,
    /// The proxy that is set can't be used: then nothing goes past it either.
    obstacle: Option<Unusable>,
    distrust: Option<Distrust>,
    max_response_bytes: u64,
    memory: Memory,
    clock: Clock,
}

/// What came of a request.
pub(crate) enum Sent {
    Complete(Result<Response, Failure>),
    /// The same has to be asked there.
    Redirected(Url),
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
        let (tls, distrust) = tls::configuration(settings.ca_file.as_deref())?;
        let (proxy, obstacle) = match settings.proxy.as_ref().map(proxy::ProxyUrl::parse).transpose() {
            Ok(proxy) => (proxy, None),
            Err(unusable) => (None, Some(unusable)),
        };
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Resolver {
                allow_private: settings.allow_private_networks,
                exempt: proxy.as_ref().and_then(Url::host_str).map(str::to_owned),
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
        if let Some(proxy) = &proxy {
            let proxy = reqwest::Proxy::all(proxy.as_str()).map_err(|error| StartError::client(&error))?;
            builder = builder.proxy(proxy);
        }
        Ok(Client {
            http: builder.build().map_err(|error| StartError::client(&error))?,
            allow_private_networks: settings.allow_private_networks,
            proxy: proxy.as_ref().map(proxy::name),
            obstacle,
            distrust,
            max_response_bytes: settings.max_response_bytes,
            memory: Memory::new(settings),
            clock,
        })
    }

    /// Sends `request` now, and returns its answer once that is complete. The time-out runs from
    /// now to the last byte. With it, the room that it takes. `followed`: how many redirects have led
    /// to this request.
    pub(crate) async fn send(&self, request: &Request, followed: u8) -> (Sent, Option<Room>) {
        let mut room = None;
        let sent = match self.try_send(request, followed, &mut room).await {
            Ok(sent) => sent,
            Err(failure) => Sent::Complete(Err(failure)),
        };
        (sent, room)
    }

    async fn try_send(
        &self,
        request: &Request,
        followed: u8,
        room: &mut Option<Room>,
    ) -> Result<Sent, Failure> {
        let host = request.url.host_str().unwrap_or_default().to_owned();
        self.admit(&host, &request.url).map_err(|error| Failure { error, sent_at: None })?;

        let timeout = request.timeout;
        let sent_at = self.clock.now();
        let failed = |error: TransportError| {
            let sent_at = error.may_have_arrived().then_some(sent_at);
            Failure { error, sent_at }
        };
        let started = Instant::now();
        let outcome = tokio::time::timeout(timeout, self.exchange(&host, request, room)).await;
        let (status, headers, body) = match outcome {
            Ok(outcome) => outcome.map_err(failed)?,
            Err(_) => return Err(failed(TransportError::Timeout { host, after: timeout })),
        };
        let elapsed = started.elapsed();
        let target = redirect::target(&request.method, &request.url, status, &headers, followed);
        if let Some(target) = target.map_err(failed)? {
            return Ok(Sent::Redirected(target));
        }
        let url = request.url.clone();
        Ok(Sent::Complete(Ok(Response { url, status, headers, body, sent_at, elapsed })))
    }

    /// Whether the URL may be asked now.
    fn admit(&self, host: &str, url: &Url) -> Result<(), TransportError> {
        check_url(url, self.allow_private_networks)?;
        let host = host.to_owned();
        if let Some(setting) = self.obstacle.clone() {
            return Err(TransportError::Unusable { host, setting });
        }
        match &self.distrust {
            Some(Distrust::NoRoots) if url.scheme() == "https" => {
                Err(TransportError::NoTrustedRoots { host })
            }
            Some(Distrust::Unusable(setting)) if url.scheme() == "https" => {
                Err(TransportError::Unusable { host, setting: setting.clone() })
            }
            _ => Ok(()),
        }
    }

    async fn exchange(
        &self,
        host: &str,
        request: &Request,
        room: &mut Option<Room>,
    ) -> Result<(StatusCode, HeaderMap, Bytes), TransportError> {
        let mut builder =
            self.http.request(request.method.clone(), request.url.clone()).headers(request.headers.clone());
        if let Some(body) = &request.body {
            builder = builder.body(body.clone());
        }
        let sent = builder.send().await;
        let mut response = sent.map_err(|error| TransportError::sending(&self.way_to(host), &error))?;
        let status = response.status();
        let headers = std::mem::take(response.headers_mut());
        let body = self.read(host, response, room).await?;
        Ok((status, headers, body))
    }

    /// What is not reached when a connection fails: through a proxy, it may be that.
    fn way_to(&self, host: &str) -> String {
        match &self.proxy {
            Some(proxy) => format!("{host} through the proxy {proxy}"),
            None => host.to_owned(),
        }
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
