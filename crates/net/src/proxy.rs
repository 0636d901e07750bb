//! The proxy that the operator has set.

use std::fmt;

use http::Uri;
use url::Url;

use crate::error::Unusable;

/// The URL of a proxy: `http://` or `https://`, a user and a password if need be, a host, a port. As
/// it may hold a password, it never shows itself.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyUrl(String);

impl From<String> for ProxyUrl {
    fn from(text: String) -> Self {
        ProxyUrl(text)
    }
}

impl fmt::Debug for ProxyUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyUrl(********)")
    }
}

impl ProxyUrl {
    /// The URL, if a proxy can be asked with it. What is wrong is told without the text.
    pub(crate) fn parse(&self) -> Result<Url, Unusable> {
        let url = Url::parse(&self.0)
            .map_err(|error| Unusable::Proxy { problem: format!("it is no URL ({error})") })?;
        let problem = if !matches!(url.scheme(), "http" | "https") {
            "it begins with neither http:// nor https://"
        } else if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            "there is something behind its host and port"
        } else if url.as_str().parse::<Uri>().is_err() {
            // The client would take such a proxy for none.
            "it has characters that have to be percent-encoded"
        } else {
            return Ok(url);
        };
        Err(Unusable::Proxy { problem: problem.to_owned() })
    }
}

/// What a proxy is called in messages: its host and port.
pub(crate) fn name(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port_or_known_default() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{ProxyUrl, name};

    fn parse(text: &str) -> Result<String, String> {
        let url = ProxyUrl::from(text.to_owned());
        assert!(!format!("{url:?}").contains("s3cret"));
        url.parse().map(|url| name(&url)).map_err(|error| error.to_string())
    }

    #[test]
    fn a_proxy_has_a_scheme_and_a_host_and_nothing_behind() {
        for (text, expected) in [
            ("http://proxy.example:3128", Some("proxy.example:3128")),
            ("http://proxy.example", Some("proxy.example:80")),
            ("https://user:s3cret@[::1]/", Some("[::1]:443")),
            ("proxy.example:3128", None),
            ("socks5://user:s3cret@proxy.example", None),
            ("user:s3cret@proxy.example:3128", None),
            ("http://user:s3cret@proxy.example:99999", None),
            ("http://proxy.example/s3cret", None),
            ("http://proxy.example?s3cret", None),
            ("s3cret", None),
            ("http://", None),
        ] {
            match (parse(text), expected) {
                (Ok(name), Some(expected)) => assert_eq!(name, expected),
                (Err(error), None) => assert!(!error.contains("s3cret"), "{error}"),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}
