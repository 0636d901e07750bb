//! Whether a URL that an API gives may be asked with its credential.

use url::Url;

/// It is kept in the database, and no server takes a longer one.
const LONGEST_URL: usize = 8192;
const LONGEST_SHOWN: usize = 200;

/// The URL `text` as it stands in an answer to `asked`.
///
/// Fails where it leads elsewhere: a credential is for one API, and no other server must see it.
pub(crate) fn resolve(asked: &Url, text: &str) -> Result<Url, String> {
    let shown = || text.chars().take(LONGEST_SHOWN).collect::<String>();
    let url = asked.join(text).map_err(|problem| format!("{:?} is no URL: {problem}", shown()))?;
    if text.len() > LONGEST_URL {
        return Err(format!("the next page's URL is longer than {LONGEST_URL} bytes: {:?}…", shown()));
    }
    let place = |url: &Url| url.origin().ascii_serialization();
    if url.origin() != asked.origin() {
        Err(format!("it says that the list goes on at {}, which is not {}", place(&url), place(asked)))
    } else if !url.username().is_empty() || url.password().is_some() {
        Err("it says that the list goes on at a URL with a user or a password in it".into())
    } else {
        Ok(url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_goes_on_where_it_began() {
        let asked = Url::parse("https://api.example.com:8443/base/list?page=1").unwrap();
        for (text, expected) in [
            ("https://api.example.com:8443/other?page=2", Some("https://api.example.com:8443/other?page=2")),
            ("/other", Some("https://api.example.com:8443/other")),
            ("more?page=2", Some("https://api.example.com:8443/base/more?page=2")),
            ("?page=2", Some("https://api.example.com:8443/base/list?page=2")),
            ("https://api.example.com/other", None),
            ("http://api.example.com:8443/other", None),
            ("//evil.example/x", None),
            ("https://api.example.com:8443@evil.example/x", None),
            ("https://user:secret@api.example.com:8443/x", None),
            ("https://", None),
        ] {
            assert_eq!(resolve(&asked, text).ok().map(String::from).as_deref(), expected, "{text}");
        }
    }
}
