//! The spacing of a lane's requests.
//!
//! A generic cell rate algorithm with a tolerance so small that it serves one purpose: a timer
//! fires up to a millisecond or two late, and without tolerance each delay would be lost for good
//! (a tenth of the budget at 100 requests a second). With it, a request may go up to `early` before
//! its nominal time, so lateness doesn't add up. What the tolerance could let through too much is
//! paid for by spacing requests a little wider than `interval / allowed_requests`.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::settings::Rate;

/// Part of the interval that is given up, so that requests which reach the API a little closer to
/// each other than they left are still within the limit.
const SLACK_DIVISOR: u32 = 50;
/// The most that is given up.
const MAX_SLACK: Duration = Duration::from_secs(1);
/// The most that a request may go before its nominal time.
const MAX_EARLY: Duration = Duration::from_millis(5);
/// Longer intervals are taken for this one, so that no sum of times overflows.
const MAX_INTERVAL: Duration = Duration::from_secs(366 * 24 * 60 * 60);
/// The most permits that are remembered so that they can be given back.
const MOST_REMEMBERED: usize = 1000;

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
    /// The latest permits, the oldest of which can still be given back, and what `next` was before them.
    latest: VecDeque<Permit>,
    before: Instant,
}

#[derive(Debug)]
struct Permit {
    number: u64,
    taken_at: Instant,
    /// It can't be given back any more.
    is_used: bool,
}

impl Pace {
    /// The pace of `rate`, going on from `before` as if its last permit had been given by this
    /// one. Without one, as if somebody had sent a request just `now`: another process may have,
    /// and nobody remembers.
    pub(crate) fn new(rate: &Rate, before: Option<&Pace>, now: Instant) -> Self {
        let interval = rate.interval.min(MAX_INTERVAL);
        let slack = (interval / SLACK_DIVISOR).min(MAX_SLACK);
        let space = (interval + slack) / rate.allowed_requests.get();
        let early = (slack / 4).min(MAX_EARLY);
        // What the other process sent may have gone early itself, so this one doesn't.
        let next = before.and_then(|before| Some(before.next.checked_sub(before.space)? + space));
        let next = next.unwrap_or(now + space + early);
        Pace { space, early, next, latest: VecDeque::new(), before: next }
    }

    /// When there will be a permit.
    pub(crate) fn opens(&self) -> Instant {
        self.next.checked_sub(self.early).unwrap_or(self.next)
    }

    /// Takes a permit at the time `now`, or tells when there will be one. Its `number` is that of no
    /// other permit.
    pub(crate) fn take(&mut self, number: u64, now: Instant) -> Result<(), Instant> {
        let open = self.opens();
        if now < open {
            return Err(open);
        }
        self.next = self.behind(self.next, now);
        self.latest.push_back(Permit { number, taken_at: now, is_used: false });
        if self.latest.len() > MOST_REMEMBERED {
            self.forget_oldest();
        }
        Ok(())
    }

    /// What the permit was for has been done, and can't be undone.
    pub(crate) fn settle(&mut self, number: u64) {
        if let Some(permit) = self.latest.iter_mut().find(|permit| permit.number == number) {
            permit.is_used = true;
        }
        while self.latest.front().is_some_and(|oldest| oldest.is_used) {
            self.forget_oldest();
        }
    }

    /// Gives a permit back: the pace is what it would be if it had never been taken. Merely to move
    /// `next` would also give back a time in which nobody wanted anything.
    pub(crate) fn give_back(&mut self, number: u64) {
        if let Some(place) = self.latest.iter().position(|permit| permit.number == number) {
            self.latest.remove(place);
            self.next =
                self.latest.iter().fold(self.before, |next, permit| self.behind(next, permit.taken_at));
            self.settle(number);
        }
    }

    fn behind(&self, next: Instant, taken_at: Instant) -> Instant {
        next.max(taken_at) + self.space
    }

    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.latest.pop_front() {
            self.before = self.behind(self.before, oldest.taken_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::time::{Duration, Instant};

    use super::Pace;
    use crate::settings::Rate;

    fn limits(allowed: u32, interval: Duration) -> Rate {
        Rate { allowed_requests: NonZeroU32::new(allowed).unwrap(), interval }
    }

    /// Permits at a simulated clock whose timers are late by up to `lateness`, as pseudo-random
    /// as a small generator makes it.
    fn permits(pace: &mut Pace, from: Instant, until: Instant, lateness: Duration) -> Vec<Instant> {
        let mut seed: u64 = 0x2545_f491_4f6c_dd1d;
        let mut taken = Vec::new();
        let mut now = from;
        while now < until {
            match pace.take(0, now) {
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
                // The first one is held back.
                let full = f64::from(allowed * windows - 1);
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
        let hour = Duration::from_secs(3600);
        let start = Instant::now();
        let mut slow = Pace::new(&limits(1, hour), None, start);
        let now = slow.take(0, start).expect_err("the first permit takes its time");
        slow.take(0, now).unwrap();
        let mut fast = Pace::new(&limits(1, Duration::from_secs(10)), Some(&slow), now);
        let at = fast.take(0, now).expect_err("the last permit was just now");
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
                    _ => match pace.take(0, now) {
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
    fn a_pace_that_begins_anew_holds_the_first_request_for_a_whole_space() {
        let start = Instant::now();
        for (allowed, interval) in [(1, 1), (25, 1), (1000, 1), (1, 3600)] {
            let limits = limits(allowed, Duration::from_secs(interval));
            let mut pace = Pace::new(&limits, None, start);
            let at = pace.take(0, start).expect_err("not at once");
            assert!(at >= start + limits.interval / allowed, "{allowed} in {interval} s");
            assert!(at <= start + (limits.interval + limits.interval / 50) / allowed);
            pace.take(0, at).expect("now");
        }
    }

    /// A worker that is ended and started again, with no memory but the limits.
    #[test]
    fn no_window_exceeds_the_limit_across_restarts() {
        let start = Instant::now();
        for (allowed, interval_ms, alive_ms) in
            [(25, 1000, 700), (25, 1000, 90), (100, 1000, 333), (5, 1000, 1000), (3, 60_000, 45_000)]
        {
            let (interval, alive) = (Duration::from_millis(interval_ms), Duration::from_millis(alive_ms));
            let mut taken = Vec::new();
            for life in 0..30 {
                let born = start + alive * life;
                let mut pace = Pace::new(&limits(allowed, interval), None, born);
                taken.extend(permits(&mut pace, born, born + alive, Duration::from_millis(2)));
            }
            assert!(taken.len() > allowed as usize, "it never sends");
            for pair in taken.windows(allowed as usize + 1) {
                let apart = pair[allowed as usize] - pair[0];
                assert!(apart > interval, "{allowed} in {interval:?}: {apart:?}");
            }
        }
    }

    /// Some requests turn out to be free, each a while after it was sent.
    #[test]
    fn what_was_free_is_given_back_and_nothing_else() {
        let start = Instant::now();
        for (allowed, interval_ms, free_of_8) in
            [(10, 1000, 4), (10, 1000, 8), (100, 1000, 1), (5000, 3_600_000, 7)]
        {
            let interval = Duration::from_millis(interval_ms);
            let mut pace = Pace::new(&limits(allowed, interval), None, start);
            let space = pace.space;
            let mut seed: u64 = 7;
            let mut random = |below: u64| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) % below
            };
            let (mut now, mut paid, mut free) = (start, Vec::new(), 0_u32);
            let mut under_way: Vec<(Instant, u64, Instant)> = Vec::new();
            for number in 0..20_000 {
                // Now and then nobody wants anything for a while.
                if random(100) == 0 {
                    now += space * 30;
                }
                while let Err(at) = pace.take(number, now) {
                    let lands = under_way.iter().map(|(lands, ..)| *lands).min();
                    now = lands.map_or(at, |lands| lands.min(at)).max(now);
                    let (landed, others) = under_way.into_iter().partition(|(lands, ..)| *lands <= now);
                    under_way = others;
                    for (_, number, sent_at) in landed {
                        if random(8) < free_of_8 {
                            free += 1;
                            pace.give_back(number);
                        } else {
                            paid.push(sent_at);
                            pace.settle(number);
                        }
                    }
                }
                under_way.push((now + space * random(4) as u32 / 8, number, now));
            }
            paid.sort_unstable();
            for pair in paid.windows(allowed as usize + 1) {
                let apart = pair[allowed as usize] - pair[0];
                assert!(apart > interval, "{allowed} in {interval:?}: {apart:?}");
            }
            assert!(free > 1000 && pace.latest.len() < 100, "{free} were free");
            // What is free costs no more than the time until that is known.
            assert!(free_of_8 < 7 || now - start < space * 15_000, "{:?}", now - start);
        }
    }

    #[test]
    fn a_time_without_requests_is_not_given_back() {
        let start = Instant::now();
        let mut pace = Pace::new(&limits(1, Duration::from_secs(1)), None, start);
        let first = start + Duration::from_secs(10);
        pace.take(1, first).unwrap();
        let second = first + Duration::from_secs(10);
        pace.take(2, second).unwrap();
        pace.give_back(1);
        assert!(pace.take(3, second).unwrap_err() > second + Duration::from_millis(990));
        pace.give_back(2);
        pace.take(3, second).expect("as if nothing had been sent");
        pace.give_back(2);
        assert!(pace.take(4, second).is_err(), "once is enough");
    }
}
