//! Where an answer leads on. Pure.
//!
//! A request carries a credential, and a credential is for one origin: scheme, host and port. Within
//! it a redirect is followed, as some APIs answer for what was renamed with where it is now.

use http::header::LOCATION;
use http::{HeaderMap, Method, StatusCode};
use url::Url;

use crate::error::TransportError;

/// How many redirects in a row are followed.
pub(crate) const MOST_REDIRECTS: u8 = 5;

/// The URL to ask in place of `asked`; `None` where the answer is one.
///
/// Only what reads is sent again: of a write nobody knows whether it was done. `followed`: how many
/// redirects have led to `asked`.
pub(crate) fn target(
    method: &Method,
    asked: &Url,
    status: StatusCode,
    headers: &HeaderMap,
    followed: u8,
) -> Result<Option<Url>, TransportError> {
    let location = match status.as_u16() {
        301 | 302 | 303 | 307 | 308 if method == Method::GET => headers.get(LOCATION),
        _ => None,
    };
    let Some(location) = location else { return Ok(None) };
    let refused = |cause: String| {
        let host = asked.host_str().unwrap_or_default().to_owned();
        Err(TransportError::BadRedirect { host, cause })
    };
    let Some(mut url) = location.to_str().ok().and_then(|location| asked.join(location).ok()) else {
        return refused("its Location is no URL".to_owned());
    };
    if url.origin() != asked.origin() {
        let (from, to) = (place(asked), place(&url));
        return refused(format!(
            "it leads from {from} to {to}, and what is asked with a credential stays with one scheme, host and port; if the API has moved there, that has to be its base URL"
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return refused("it leads to a URL with a user or a password in it".to_owned());
    }
    if followed >= MOST_REDIRECTS {
        return refused(format!("{followed} others have led to it"));
    }
    url.set_fragment(None);
    Ok(Some(url))
}

/// Scheme, host and port; path and query may hold secrets.
fn place(url: &Url) -> String {
    let origin = url.origin();
    if origin.is_tuple() { origin.ascii_serialization() } else { format!("{}:…", url.scheme()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASKED: &str = "https://api.example.com/repos/old?page=2";

    fn follow(method: Method, status: u16, location: &[u8], followed: u8) -> Result<Option<String>, String> {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, location.try_into().unwrap());
        let status = StatusCode::from_u16(status).unwrap();
        target(&method, &ASKED.parse().unwrap(), status, &headers, followed)
            .map(|url| url.map(String::from))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn within_the_origin_it_is_followed() {
        for status in [301, 302, 303, 307, 308] {
            for (location, expected) in [
                (
                    "https://api.example.com/repositories/7?page=2",
                    "https://api.example.com/repositories/7?page=2",
                ),
                ("HTTPS://API.example.com:443/x#part", "https://api.example.com/x"),
                ("/repositories/7", "https://api.example.com/repositories/7"),
                ("new?page=2", "https://api.example.com/repos/new?page=2"),
                ("//api.example.com/x", "https://api.example.com/x"),
                // What looks like a user is a path, as browsers read it.
                ("https://api.example.com\\@evil.example", "https://api.example.com/@evil.example"),
            ] {
                let followed = follow(Method::GET, status, location.as_bytes(), 4);
                assert_eq!(followed, Ok(Some(expected.to_owned())), "{status} {location}");
            }
        }
    }

    #[test]
    fn elsewhere_it_is_not() {
        for (location, says) in [
            ("https://evil.example/?key=s3cret", "https://evil.example"),
            ("//evil.example/s3cret", "https://evil.example"),
            ("http://api.example.com/s3cret", "http://api.example.com"),
            ("https://api.example.com:8443/s3cret", "https://api.example.com:8443"),
            ("https://api.example.com@evil.example/s3cret", "https://evil.example"),
            ("https://user:s3cret@api.example.com/", "user"),
            ("file:///s3cret", "file:"),
            ("javascript:s3cret", "javascript:"),
            ("https://[s3cret", "no URL"),
        ] {
            let error = follow(Method::GET, 302, location.as_bytes(), 0).unwrap_err();
            assert!(error.contains(says) && error.contains("api.example.com"), "{location}: {error}");
            assert!(!error.contains("s3cret"), "{location}: {error}");
        }
        assert!(follow(Method::GET, 302, b"/caf\xe9", 0).unwrap_err().contains("no URL"));
    }

    #[test]
    fn it_comes_to_an_end() {
        assert!(follow(Method::GET, 307, b"/again", MOST_REDIRECTS - 1).is_ok());
        assert!(follow(Method::GET, 307, b"/again", MOST_REDIRECTS).is_err());
    }

    #[test]
    fn all_else_is_an_answer() {
        assert_eq!(follow(Method::POST, 307, b"/x", 0), Ok(None));
        for status in [200, 201, 300, 304, 305, 404] {
            assert_eq!(follow(Method::GET, status, b"https://evil.example/", 0), Ok(None), "{status}");
        }
        let asked = ASKED.parse().unwrap();
        assert_eq!(target(&Method::GET, &asked, StatusCode::FOUND, &HeaderMap::new(), 0), Ok(None));
    }
}
