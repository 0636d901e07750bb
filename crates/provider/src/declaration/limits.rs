//! How much an API lets itself be asked, and how it says what is left.

use crate::pointer::Pointer;
use sequin_domain::rate_limit::RateLimit;
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroUsize};
use url::Url;

/// What the API documents; half of it is used unless a sync says otherwise.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    allowed_requests: NonZeroU32,
    /// In seconds.
    interval: f64,
    max_concurrent_requests: Option<NonZeroUsize>,
    /// The headers that say what is left of the quota.
    pub headers: Option<QuotaHeaders>,
    /// The header that says how much of a quota has been used.
    pub usage: Option<UsageHeader>,
    /// Where answers say what requests cost.
    pub cost: Option<Cost>,
    /// Whether an answer by which nothing has changed (304) doesn't count.
    #[serde(default)]
    pub unchanged_is_free: bool,
    /// What is limited besides.
    #[serde(default)]
    pub also: Vec<FurtherLimit>,
}

/// A limit for some requests, or for all and another span of time.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FurtherLimit {
    allowed_requests: NonZeroU32,
    /// In seconds.
    interval: f64,
    /// Of requests to this path, with `{}` for any segment; of all, where it is not said.
    pub path: Option<String>,
}

impl FurtherLimit {
    pub fn rate_limit(&self) -> RateLimit {
        RateLimit::new(self.allowed_requests, self.interval)
    }

    fn counts(&self, path: &str) -> bool {
        let Some(pattern) = &self.path else { return true };
        let (mut pattern, mut path) = (pattern.split('/'), path.split('/'));
        loop {
            match (pattern.next(), path.next()) {
                (None, None) => return true,
                (Some("{}"), Some(segment)) if !segment.is_empty() => {}
                (Some(own), Some(segment)) if own == segment => {}
                _ => return false,
            }
        }
    }
}

impl Limits {
    /// Which of the further limits a request to `url` counts against, by their place. Their paths are beneath `base`.
    pub fn further(&self, base: &Url, url: &Url) -> Vec<usize> {
        let path = url.path();
        let path = path.strip_prefix(base.path().trim_end_matches('/')).unwrap_or(path);
        let counts = |(_, limit): &(usize, &FurtherLimit)| limit.counts(path);
        self.also.iter().enumerate().filter(counts).map(|(place, _)| place).collect()
    }

    pub fn rate_limit(&self) -> RateLimit {
        let limit = RateLimit::new(self.allowed_requests, self.interval);
        match self.max_concurrent_requests {
            Some(max_concurrent_requests) => RateLimit { max_concurrent_requests, ..limit },
            None => limit,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuotaHeaders {
    /// How many requests are left until the reset.
    pub remaining: String,
    pub reset: String,
    pub reset_format: ResetFormat,
}

/// Such as `Limit-Info: api-usage=18/5000`, of an API that doesn't say when there will be more.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UsageHeader {
    pub header: String,
    /// What stands before the numbers: `api-usage`.
    pub name: String,
    /// For how many seconds nothing is asked when all of it is used.
    pub pause: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetFormat {
    /// An instant, in seconds since 1970.
    UnixSeconds,
    /// So many seconds from now.
    Seconds,
    /// So many milliseconds from now.
    Milliseconds,
}

/// A budget of points, which fills up again steadily.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cost {
    /// What this request was worth.
    pub requested: Pointer,
    /// What is left.
    pub available: Pointer,
    /// How much comes back each second.
    pub restore_per_second: Pointer,
    /// How much there is at most.
    pub maximum: Option<Pointer>,
    /// What this request has cost in the end: what it was worth beyond that has come back.
    pub actual: Option<Pointer>,
    /// So much is set aside for a request before it is sent, unless its list says otherwise: what it costs only the answer
    /// tells, and others may be under way.
    pub reserve: Option<NonZeroU32>,
}
