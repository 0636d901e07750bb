//! Budgets of requests.

use serde::{Deserialize, Serialize};
use std::{
    num::{NonZeroU32, NonZeroUsize},
    time::Duration,
};

/// At most `allowed_requests` in any window of `interval` seconds, and `max_concurrent_requests` at once.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    pub allowed_requests: NonZeroU32,
    /// In seconds.
    pub interval: f64,
    #[serde(default = "default_concurrency")]
    pub max_concurrent_requests: NonZeroUsize,
}

fn default_concurrency() -> NonZeroUsize {
    const { NonZeroUsize::new(10).unwrap() }
}

#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidRateLimit {
    #[error("the interval must be from 0.001 to 86400 seconds, not {0}")]
    Interval(f64),
    #[error("at most {MAX_CONCURRENT} requests can run at once, not {0}")]
    Concurrency(usize),
}

/// More connections than this to one API help nobody.
const MAX_CONCURRENT: usize = 1000;

impl RateLimit {
    /// So many requests in any window of `interval` seconds, with the usual concurrency.
    pub fn new(allowed_requests: NonZeroU32, interval: f64) -> Self {
        Self { allowed_requests, interval, max_concurrent_requests: default_concurrency() }
    }

    pub fn check(self) -> Result<Self, InvalidRateLimit> {
        // NaN fails the comparison too.
        if !(0.001..=86400.0).contains(&self.interval) {
            return Err(InvalidRateLimit::Interval(self.interval));
        }
        if self.max_concurrent_requests.get() > MAX_CONCURRENT {
            return Err(InvalidRateLimit::Concurrency(self.max_concurrent_requests.get()));
        }
        Ok(self)
    }

    /// The interval as a duration.
    pub fn window(&self) -> Duration {
        Duration::from_secs_f64(self.interval)
    }

    /// Half of what the API documents: the rest of the quota belongs to the company's other software.
    pub fn half(self) -> Self {
        let half = self.allowed_requests.get() / 2;
        match NonZeroU32::new(half) {
            Some(allowed_requests) if self.allowed_requests.get().is_multiple_of(2) => {
                Self { allowed_requests, ..self }
            }
            // An odd quota is halved by doubling the window, so that nothing is lost in rounding.
            _ => Self { interval: self.interval * 2.0, ..self },
        }
    }

    /// Requests a second.
    fn rate(&self) -> f64 {
        f64::from(self.allowed_requests.get()) / self.interval
    }

    /// The one that allows more requests a second.
    pub fn wider(self, other: Self) -> Self {
        if other.rate() > self.rate() { other } else { self }
    }

    /// The stricter of two budgets in each respect.
    pub fn stricter(self, other: Self) -> Self {
        let slower = if other.rate() < self.rate() { other } else { self };
        Self {
            max_concurrent_requests: self.max_concurrent_requests.min(other.max_concurrent_requests),
            ..slower
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(allowed: u32, interval: f64, concurrent: usize) -> RateLimit {
        RateLimit {
            allowed_requests: NonZeroU32::new(allowed).unwrap(),
            interval,
            max_concurrent_requests: NonZeroUsize::new(concurrent).unwrap(),
        }
    }

    #[test]
    fn half_is_half_for_odd_quotas_too() {
        assert_eq!(limit(100, 1.0, 5).half(), limit(50, 1.0, 5));
        assert_eq!(limit(25, 1.0, 5).half(), limit(25, 2.0, 5));
        assert_eq!(limit(1, 60.0, 5).half(), limit(1, 120.0, 5));
    }

    #[test]
    fn the_stricter_rate_and_the_smaller_concurrency_win() {
        assert_eq!(limit(100, 1.0, 5).stricter(limit(100, 10.0, 9)), limit(100, 10.0, 5));
        assert_eq!(limit(100, 10.0, 9).stricter(limit(100, 1.0, 5)), limit(100, 10.0, 5));
    }

    #[test]
    fn the_wider_of_two_budgets_allows_more_a_second() {
        for (one, other) in
            [(limit(100, 1.0, 5), limit(900, 60.0, 9)), (limit(20, 1.0, 5), limit(900, 60.0, 9))]
        {
            assert_eq!(one.wider(other), one);
            assert_eq!(other.wider(one), one);
        }
    }

    #[test]
    fn refuses_nonsense() {
        for interval in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e9] {
            assert!(limit(1, interval, 1).check().is_err());
        }
        assert!(limit(1, 1.0, 1001).check().is_err());
        assert!(limit(1, 1.0, 1000).check().is_ok());
    }
}
