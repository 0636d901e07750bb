//! What must not be seen: secrets that leave nothing behind in memory, and the words of others without them.

use serde::{Deserialize, Deserializer};
use std::{
    fmt,
    ops::{Deref, Range},
};
use zeroize::Zeroizing;

/// A text that is never printed, and that is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(Zeroizing::new(text))
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        text.to_owned().into()
    }
}

impl Deref for Secret {
    type Target = str;

    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

/// What stands in the place of a secret.
const MASK: &str = "********";
/// What is shorter is no secret, and may well be a word of the API's.
const SHORTEST: usize = 6;
/// What a text ends with that has been cut.
const CUT: char = '…';

/// The secrets that an API was sent, and that it may send back in its own words.
#[derive(Debug, Clone, Default)]
pub struct Mask {
    secrets: Vec<Secret>,
}

impl Mask {
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut mask = Self::default();
        secrets.into_iter().for_each(|secret| mask.add(secret));
        mask
    }

    /// Hides one more.
    pub fn add(&mut self, secret: Secret) {
        if secret.len() < SHORTEST {
            return;
        }
        // As it stands in JSON, where some write a slash with a backslash before it.
        let in_json =
            secret.replace('\\', r"\\").replace('"', r#"\""#).replace('\n', r"\n").replace('\r', r"\r");
        let with_slashes = in_json.replace('/', r"\/");
        for other in [in_json, with_slashes].map(Secret::from) {
            if !self.secrets.contains(&other) && other != secret {
                self.secrets.push(other);
            }
        }
        self.secrets.push(secret);
    }

    /// The text without any of the secrets.
    pub fn hide(&self, text: &str) -> String {
        let mut spans: Vec<Range<usize>> =
            self.secrets.iter().flat_map(|secret| found(text, secret)).collect();
        spans.sort_unstable_by_key(|span| span.start);
        let mut shown = String::with_capacity(text.len());
        let mut at = 0;
        for span in spans {
            if span.start >= at {
                shown.push_str(&text[at..span.start]);
                shown.push_str(MASK);
            }
            at = at.max(span.end);
        }
        shown.push_str(&text[at..]);
        shown
    }
}

/// Where the text has the secret, or has had it before its end was cut.
fn found<'a>(text: &'a str, secret: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let whole = text.match_indices(secret).map(|(start, found)| start..start + found.len());
    let begun = text.strip_suffix(CUT).and_then(|text| {
        let lengths = secret.char_indices().map(|(length, _)| length).rev();
        let length = lengths
            .take_while(|length| *length >= SHORTEST)
            .find(|length| text.ends_with(&secret[..*length]))?;
        Some(text.len() - length..text.len())
    });
    whole.chain(begun)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::{IntoDeserializer, value::Error};

    fn mask(secrets: &[&str]) -> Mask {
        Mask::new(secrets.iter().map(|secret| Secret::from(*secret)))
    }

    #[test]
    fn a_secret_is_not_printed() {
        let secret = Secret::deserialize(IntoDeserializer::<Error>::into_deserializer("sk_test_1")).unwrap();
        assert_eq!(secret.as_str(), "sk_test_1");
        assert!(!format!("{secret:?} {:?}", mask(&["sk_test_1"])).contains("sk_test"));
    }

    #[test]
    fn an_api_that_quotes_a_secret_is_quoted_without_it() {
        let mask = mask(&["sk_test_1", "test_12345", "no"]);
        assert_eq!(mask.hide("no key sk_test_1, sk_test_1!"), "no key ********, ********!");
        assert_eq!(mask.hide("sk_test_12345"), "********");
        assert_eq!(mask.hide("nothing of it"), "nothing of it");
    }

    #[test]
    fn a_secret_is_hidden_as_json_has_it_too() {
        let mask = mask(&["1//0gé\"x\\y", "-----BEGIN KEY\nMIIE/z\n"]);
        assert_eq!(mask.hide(r#"{"bad": "1//0gé\"x\\y"}"#), r#"{"bad": "********"}"#);
        assert_eq!(mask.hide(r#"{"bad": "1\/\/0gé\"x\\y"}"#), r#"{"bad": "********"}"#);
        assert_eq!(mask.hide(r"-----BEGIN KEY\nMIIE/z\n!"), "********!");
        assert_eq!(mask.hide(r"-----BEGIN KEY\nMIIE\/z\n!"), "********!");
    }

    #[test]
    fn what_was_cut_in_the_middle_of_a_secret_does_not_show_its_start() {
        let mask = mask(&["sk_tést_1234567890"]);
        assert_eq!(mask.hide("bad key sk_tést_123…"), "bad key ********…");
        assert_eq!(mask.hide("bad key sk_té…"), "bad key ********…");
        assert_eq!(mask.hide("bad key sk_…"), "bad key sk_…");
        assert_eq!(mask.hide("bad key sk_tést_123"), "bad key sk_tést_123");
    }

    proptest! {
        #[test]
        fn no_secret_is_left(
            words in proptest::collection::vec("[ab]{0,4}|abaaba|babbabb| ", 0..20),
            secrets in proptest::collection::vec("[ab]{6,8}", 1..4),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let shown = mask(&secrets).hide(&words.concat());
            for secret in secrets {
                prop_assert!(!shown.contains(secret), "{shown}");
            }
        }
    }
}
