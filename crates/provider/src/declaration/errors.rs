//! What answers other than the expected ones mean.

use crate::pointer::Pointer;
use sequin_domain::failure::FailureClass;
use serde::Deserialize;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Errors {
    /// The error's code in the body of an answer.
    pub code: Option<Pointer>,
    pub message: Option<Pointer>,
    /// Where an answer has anything only if it is a failure, whatever its status.
    #[serde(default)]
    pub failed: Vec<Pointer>,
    /// The header that says how long to wait.
    pub retry_after: Option<String>,
    /// The header that says whether a retry makes sense.
    pub should_retry: Option<String>,
    /// The first that matches says what an answer means.
    pub rules: Vec<ErrorRule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    pub status: Vec<StatusPattern>,
    pub code: Option<String>,
    /// A header that tells this error from others of the status.
    pub header: Option<HeaderValue>,
    pub class: FailureClass,
    /// Of what is missing: whether the API says the same of what the credential may not see.
    #[serde(default)]
    pub or_hidden: bool,
    /// Of a change that is refused so, nothing was done: it is tried again, whether it may be done twice or not.
    #[serde(default)]
    pub undone: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeaderValue {
    pub name: String,
    /// Without one it is enough that the header is there.
    pub value: Option<String>,
}

/// `404`, or `"5xx"` for all from 500 to 599.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "StatusText")]
pub enum StatusPattern {
    Exactly(u16),
    Hundred(u16),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum StatusText {
    Number(u16),
    Text(String),
}

impl TryFrom<StatusText> for StatusPattern {
    type Error = String;

    fn try_from(text: StatusText) -> Result<Self, String> {
        match text {
            StatusText::Number(status @ 100..=599) => Ok(Self::Exactly(status)),
            StatusText::Text(text) if text == "2xx" => Ok(Self::Hundred(2)),
            StatusText::Text(text) if text == "4xx" => Ok(Self::Hundred(4)),
            StatusText::Text(text) if text == "5xx" => Ok(Self::Hundred(5)),
            StatusText::Number(other) => Err(format!("{other} is no HTTP status")),
            StatusText::Text(other) => {
                Err(format!("{other:?} is neither an HTTP status nor \"2xx\", \"4xx\" or \"5xx\""))
            }
        }
    }
}

impl StatusPattern {
    pub fn matches(self, status: u16) -> bool {
        match self {
            Self::Exactly(exact) => exact == status,
            Self::Hundred(hundred) => status / 100 == hundred,
        }
    }
}
