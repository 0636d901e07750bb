//! How much an API lets itself be asked, and how it says what is left.

use crate::pointer::Pointer;
use sequin_domain::rate_limit::RateLimit;
use serde::Deserialize;
use std::num::{NonZeroU32, NonZeroUsize};

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
    /// Where answers say what requests cost.
    pub cost: Option<Cost>,
}

impl Limits {
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
