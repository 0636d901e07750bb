//! What a failed request means, and when to try again.

use crate::secret::Mask;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// The kind of a failure: it decides what is done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureClass {
    /// A fault that passes by itself: network, time-out, 5xx.
    Transient,
    /// The API asks for fewer requests.
    RateLimited,
    /// The API doesn't accept the credential.
    Credential,
    /// The credential may not read this collection.
    Permission,
    /// The object that was asked for does not exist.
    Missing,
    /// The API refuses the request as such.
    BadRequest,
    /// The answer can't be understood.
    BadData,
    Unknown,
}

impl FailureClass {
    const ALL: [Self; 8] = [
        Self::Transient,
        Self::RateLimited,
        Self::Credential,
        Self::Permission,
        Self::Missing,
        Self::BadRequest,
        Self::BadData,
        Self::Unknown,
    ];

    /// The class that [`FailureClass::as_str`] calls so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.as_str() == text)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transient => "transient",
            Self::RateLimited => "rate_limited",
            Self::Credential => "credential",
            Self::Permission => "permission",
            Self::Missing => "missing",
            Self::BadRequest => "bad_request",
            Self::BadData => "bad_data",
            Self::Unknown => "unknown",
        }
    }

    /// What would help, for the person who reads the status.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Transient | Self::RateLimited => "Nothing needs to be done: it is tried again.",
            Self::Credential => "Give the credential a valid secret with sequin.update_credential.",
            Self::Permission => {
                "Grant the credential access to this collection at the provider, or take the collection out of the sync."
            }
            Self::Missing | Self::BadRequest => {
                "Check the sync's options and the credential's base_url; it is tried again now and then."
            }
            Self::BadData => {
                "The answer was not what the API documents. Is base_url the API's? It is tried again."
            }
            Self::Unknown => "It is tried again; look at the error for what the API said.",
        }
    }

    /// The first and the longest delay between two tries.
    fn delays(self) -> (Duration, Duration) {
        let (first, longest) = match self {
            Self::Transient | Self::BadData => (1, 300),
            Self::RateLimited => (1, 60),
            Self::Unknown => (2, 600),
            Self::Credential | Self::Permission | Self::Missing | Self::BadRequest => (30, 900),
        };
        (Duration::from_secs(first), Duration::from_secs(longest))
    }
}

impl fmt::Display for FailureClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failed request, in words that can be shown: no secrets, no query strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub class: FailureClass,
    pub message: String,
    /// How long the API asks to be left alone.
    pub retry_after: Option<Duration>,
    /// Whether what is called missing may be there, and not for this credential.
    pub may_be_hidden: bool,
}

impl Failure {
    pub fn new(class: FailureClass, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), retry_after: None, may_be_hidden: false }
    }

    /// The same in words that have none of the secrets that the API was sent.
    pub fn without(mut self, secrets: &Mask) -> Self {
        self.message = secrets.hide(&self.message);
        self
    }

    /// For how long all that uses the credential has to be silent, where the API asks for that.
    pub fn pause(&self) -> Option<Duration> {
        const UNLESS_IT_SAYS: Duration = Duration::from_secs(1);
        (self.class == FailureClass::RateLimited).then(|| self.retry_after.unwrap_or(UNLESS_IT_SAYS))
    }

    /// How long to wait before try number `attempt + 1`, where `attempt` ≥ 1 have failed.
    ///
    /// Doubles with each try up to a cap; `jitter` in 0..1 takes up to half of it off, so that what failed
    /// together isn't tried again together. Never less than what the API asked for.
    pub fn delay(&self, attempt: u32, jitter: f64) -> Duration {
        let (first, longest) = self.class.delays();
        let doubled = first.saturating_mul(2u32.saturating_pow(attempt.saturating_sub(1)));
        let delay = doubled.min(longest).mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0);
        delay.max(self.retry_after.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn backs_off_to_a_cap() {
        let failure = Failure::new(FailureClass::Transient, "500");
        let delays: Vec<u64> =
            [1, 2, 3, 9, 10, 4_000_000_000].map(|n| failure.delay(n, 0.0).as_secs()).to_vec();
        assert_eq!(delays, [1, 2, 4, 256, 300, 300]);
    }

    #[test]
    fn only_a_rate_limit_silences_all() {
        let retry_after = Some(Duration::from_secs(9));
        let asked = |class| Failure { retry_after, ..Failure::new(class, "") };
        assert_eq!(asked(FailureClass::RateLimited).pause(), retry_after);
        assert_eq!(asked(FailureClass::Transient).pause(), None);
        assert_eq!(Failure::new(FailureClass::RateLimited, "").pause(), Some(Duration::from_secs(1)));
    }

    #[test]
    fn a_secret_that_the_api_quotes_is_not_shown() {
        let failure = Failure::new(FailureClass::Credential, "no such key: sk_test_1");
        let shown = failure.clone().without(&Mask::new(["sk_test_1".into()]));
        assert_eq!(shown, Failure { message: "no such key: ********".to_owned(), ..failure });
    }

    proptest! {
        #[test]
        fn obeys_retry_after_and_never_hurries(
            class in proptest::sample::select(&FailureClass::ALL[..]),
            attempt in 0u32..,
            jitter in 0.0f64..1.0,
            asked in proptest::option::of(0u64..100_000),
        ) {
            let retry_after = asked.map(Duration::from_secs);
            let delay = Failure { retry_after, ..Failure::new(class, "") }.delay(attempt, jitter);
            prop_assert!(delay >= retry_after.unwrap_or_default());
            prop_assert!(delay >= Duration::from_millis(500));
            prop_assert!(delay <= Duration::from_secs(900).max(retry_after.unwrap_or_default()));
        }
    }
}
