//! The spacing of a lane's requests.
//!
//! A generic cell rate algorithm with a tolerance so small that it serves one purpose: a timer
//! fires up to a millisecond or two late, and without tolerance each delay would be lost for good
//! (a tenth of the budget at 100 requests a second). With it, a request may go up to `early` before
//! its nominal time, so lateness doesn't add up. What the tolerance could let through too much is
//! paid for by spacing requests a little wider than `interval / allowed_requests`.

use std::time::{Duration, Instant};

use crate::settings::Limits;

/// Part of the interval that is given up, so that requests which reach the API a little closer to
/// each other than they left are still within the limit.
const SLACK_DIVISOR: u32 = 50;
/// The most that is given up.
const MAX_SLACK: Duration = Duration::from_secs(1);
/// The most that a request may go before its nominal time.
const MAX_EARLY: Duration = Duration::from_millis(5);
/// Longer intervals are taken for this one, so that no sum of times overflows.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// Permits, one after another.
///
/// Any request and the one `allowed_requests` after it are at least `interval` plus three quarters
/// of the slack apart.
#[derive(Debug)]
pub(crate) struct Pace {
    space: Duration,
    early: Duration,
    /// The nominal time of the next permit.
    next: Instant,
}

impl Pace {
    /// The pace of `limits`, going on from `before`, if there was one, as if its last permit had
    /// been given by this one. Else as if one had been given `now`: another process may have sent
    /// something a moment ago.
    pub(crate) fn new(limits: &Limits, before: Option<&Pace>, now: Instant) -> Self {
        let interval = limits.interval.min(MAX_INTERVAL);
        let slack = (interval / SLACK_DIVISOR).min(MAX_SLACK);
        let space = (interval + slack) / limits.allowed_requests.get();
        let last = before.and_then(|before| before.next.checked_sub(before.space)).unwrap_or(now);
        let next = last + space;
        Pace { space, early: (slack / 4).min(MAX_EARLY), next }
    }

    /// Takes a permit at the time `now`, or tells when there will be one.
    pub(crate) fn take(&mut self, now: Instant) -> Result<(), Instant> {
        let open = self.next.checked_sub(self.early).unwrap_or(self.next);
        if now < open {
            return Err(open);
        }
        self.next = self.next.max(now) + self.space;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};
    use std::time::{Duration, Instant};

    use super::Pace;
    use crate::settings::Limits;

    fn limits(allowed: u32, interval: Duration) -> Limits {
        Limits {
            allowed_requests: NonZeroU32::new(allowed).unwrap(),
            interval,
            max_concurrent: NonZeroUsize::MIN,
        }
    }

    /// Permits at a simulated clock whose timers are late by up to `lateness`, as pseudo-random
    /// as a small generator makes it.
    fn permits(pace: &mut Pace, from: Instant, until: Instant, lateness: Duration) -> Vec<Instant> {
        let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
        let mut taken = Vec::new();
        let mut now = from;
        while now < until {
            match pace.take(now) {
                Ok(()) => taken.push(now),
                Err(at) => {
                    assert!(at > now, "a permit refused is for later");
                    seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    now = at + lateness.mul_f64((seed >> 33) as f64 / f64::from(u32::MAX >> 1));
                }
            }
        }
        taken
    }

    #[test]
    fn no_window_exceeds_the_limit_and_the_limit_is_used() {
        let start = Instant::now();
        for (allowed, interval, lateness_ms) in [
            (1, 1000, 3),
            (5, 1000, 3),
            (25, 1000, 3),
            (100, 1000, 3),
            (100, 1000, 40),
            (500, 1000, 2),
            (10_000, 1000, 2),
            (60, 60_000, 3),
            (5000, 3_600_000, 3),
        ] {
            let interval = Duration::from_millis(interval);
            let lateness = Duration::from_millis(lateness_ms);
            let mut pace = Pace::new(&limits(allowed, interval), None, start);
            let windows = 20;
            let taken = permits(&mut pace, start, start + interval * windows, lateness);
            for pair in taken.windows(allowed as usize + 1) {
                let apart = pair[allowed as usize] - pair[0];
                assert!(apart > interval, "{allowed} in {interval:?}: {apart:?}");
            }
            // Timers that are late by more than the tolerance may cost throughput.
            if lateness_ms <= 3 {
                let full = f64::from(allowed * windows);
                let used = taken.len() as f64 / full;
                assert!(used >= 0.95, "{allowed} in {interval:?}: only {used} used");
            }
        }
    }

    #[test]
    fn idleness_saves_up_no_burst() {
        let limits = limits(10, Duration::from_secs(1));
        let start = Instant::now();
        let mut pace = Pace::new(&limits, None, start);
        permits(&mut pace, start, start + Duration::from_secs(2), Duration::ZERO);
        let later = start + Duration::from_secs(60);
        let taken = permits(&mut pace, later, later + Duration::from_secs(1), Duration::ZERO);
        assert_eq!(taken.len(), 10);
        assert!(taken[1] - taken[0] > Duration::from_millis(95));
    }

    #[test]
    fn a_new_limit_counts_from_the_last_permit() {
        let begun = Instant::now();
        let hour = Duration::from_secs(3600);
        let mut slow = Pace::new(&limits(1, hour), None, begun);
        let now = begun + 2 * hour;
        slow.take(now).unwrap();
        let mut fast = Pace::new(&limits(1, Duration::from_secs(10)), Some(&slow), now);
        let at = fast.take(now).expect_err("the last permit was just now");
        assert!(at > now + Duration::from_secs(10) && at < now + Duration::from_secs(11));
    }

    /// A daily and an hourly quota over three weeks, in which the process is started anew at odd times, and asks now in
    /// bursts and now not at all.
    #[test]
    fn quotas_of_a_day_hold_over_weeks() {
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        for (allowed, interval) in [(1000, day), (5000, hour), (1, day)] {
            let limits = limits(allowed, interval);
            let start = Instant::now();
            let mut pace = Pace::new(&limits, None, start);
            let mut seed: u64 = 42;
            let mut random = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % below
            };
            let (mut now, mut taken) = (start, Vec::new());
            while now < start + 21 * day {
                match random(50) {
                    0 => {
                        now += Duration::from_millis(random(5_000));
                        pace = Pace::new(&limits, None, now);
                    }
                    1 => now += Duration::from_secs(random(36_000)),
                    _ => match pace.take(now) {
                        Ok(()) => taken.push(now),
                        Err(at) => now = at,
                    },
                }
            }
            for pair in taken.windows(allowed as usize + 1) {
                let apart = pair[allowed as usize] - pair[0];
                assert!(apart > interval, "{allowed} in {interval:?}: {apart:?}");
            }
            assert!(taken.len() > 15 || allowed > 1, "{allowed} in {interval:?}: only {}", taken.len());
        }
    }

    #[test]
    fn a_beginning_is_no_burst() {
        let now = Instant::now();
        let mut pace = Pace::new(&limits(10, Duration::from_secs(1)), None, now);
        let at = pace.take(now).expect_err("who had the budget before may have sent just now");
        assert!(at > now + Duration::from_millis(95) && at < now + Duration::from_millis(105));
    }
}
