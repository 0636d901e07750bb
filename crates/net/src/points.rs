//! The points of a lane's budget, where an API counts what requests cost. Pure; time is passed in.
//!
//! What a request costs only its answer tells, and others may be under way by then. So as much as it may cost is set aside
//! before it is sent, and what it didn't cost comes back with its answer.

use std::time::{Duration, Instant};

use crate::task::Balance;

/// The longest wait that is counted ahead: then it is looked again.
const MAX_WAIT: Duration = Duration::from_secs(60 * 60);

/// When there are enough points.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready {
    Now,
    At(Instant),
    /// When something that is under way has been answered.
    Later,
}

/// What is known of the points, and what is set aside.
#[derive(Debug, Default)]
pub(crate) struct Points {
    /// `None`: no answer has told yet.
    level: Option<Level>,
    /// For the requests under way.
    reserved: f64,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
    per_second: f64,
    maximum: f64,
    /// When the latest answer came that the level goes back to, and not to what was reckoned before.
    told: Instant,
}

impl Level {
    fn left(&self, now: Instant) -> f64 {
        let restored = now.saturating_duration_since(self.at).as_secs_f64() * self.per_second;
        (self.left + restored).min(self.maximum)
    }
}

impl Points {
    /// Whether a request that may cost so much can go. As long as nothing is known they go one after another.
    pub(crate) fn ready(&self, cost: u32, in_flight: usize, now: Instant) -> Ready {
        let Some(level) = &self.level else {
            return if cost == 0 || in_flight == 0 { Ready::Now } else { Ready::Later };
        };
        // One that may cost more than there ever is can't wait for it.
        let missing = f64::from(cost).min(level.maximum) - level.left(now);
        if cost == 0 || missing <= 0.0 {
            return Ready::Now;
        }
        let wait = Duration::try_from_secs_f64(missing / level.per_second).unwrap_or(MAX_WAIT);
        Ready::At(now + wait.min(MAX_WAIT).max(Duration::from_millis(1)))
    }

    /// Sets points aside for a request that goes.
    pub(crate) fn reserve(&mut self, cost: u32, now: Instant) {
        self.reserved += f64::from(cost);
        if let Some(level) = &mut self.level {
            level.left = level.left(now) - f64::from(cost);
            level.at = now;
        }
    }

    /// A request for which so much was set aside, and which went at `sent`, has come to its end.
    pub(crate) fn settle(&mut self, cost: u32, sent: Instant, balance: Option<Balance>, now: Instant) {
        self.reserved = (self.reserved - f64::from(cost)).max(0.0);
        let Some(Balance { available, per_second, maximum, spent }) = balance else {
            // It may have been paid for, and answers to what was sent before don't know of it.
            if let Some(level) = &mut self.level {
                level.told = now;
            }
            return;
        };
        let maximum = maximum.unwrap_or(f64::INFINITY);
        let told = available - self.reserved;
        let known = self.level.as_ref();
        // An answer to what was sent before the last one came can be older than that one.
        let is_newer = known.is_none_or(|level| sent >= level.told);
        let left = match known {
            Some(level) if !is_newer => {
                let unspent = f64::from(cost) - spent.unwrap_or(f64::from(cost));
                told.min(level.left(now) + unspent)
            }
            _ => told,
        };
        let told = known.filter(|_| !is_newer).map_or(now, |level| level.told);
        self.level = Some(Level { left: left.min(maximum), at: now, per_second, maximum, told });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn balance(available: f64, spent: f64) -> Option<Balance> {
        Some(Balance { available, per_second: 100.0, maximum: Some(2000.0), spent: Some(spent) })
    }

    fn after(start: Instant, seconds: f64) -> Instant {
        start + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn what_costs_nothing_never_waits() {
        assert_eq!(Points::default().ready(0, 5, Instant::now()), Ready::Now);
    }

    #[test]
    fn requests_go_one_after_another_until_an_answer_tells() {
        let (mut points, start) = (Points::default(), Instant::now());
        assert_eq!(points.ready(500, 0, start), Ready::Now);
        points.reserve(500, start);
        assert_eq!(points.ready(500, 1, start), Ready::Later);
        points.settle(500, start, None, start);
        assert_eq!(points.ready(500, 0, start), Ready::Now, "nothing was told");
        points.settle(500, start, balance(1000.0, 10.0), start);
        assert_eq!(points.ready(1000, 3, start), Ready::Now);
        assert_eq!(points.ready(1100, 3, start), Ready::At(after(start, 1.0)));
        assert_eq!(points.ready(9999, 3, after(start, 10.0)), Ready::Now, "there is never more than 2000");
    }

    #[test]
    fn what_is_under_way_is_counted_and_what_it_did_not_cost_comes_back() {
        let (mut points, start) = (Points::default(), Instant::now());
        points.settle(0, start, balance(1000.0, 0.0), start);
        points.reserve(600, start);
        assert_eq!(points.ready(600, 1, start), Ready::At(after(start, 2.0)));
        points.reserve(300, start);
        // An answer to the first, of which the second is not a part.
        let later = after(start, 0.1);
        points.settle(600, start, balance(990.0, 10.0), later);
        assert_eq!(points.ready(690, 1, later), Ready::Now);
        assert!(matches!(points.ready(691, 1, later), Ready::At(_)));
    }

    #[test]
    fn an_older_answer_never_raises_what_a_newer_one_has_told() {
        let (mut points, start) = (Points::default(), Instant::now());
        points.settle(0, start, balance(1000.0, 0.0), start);
        let (first, second) = (after(start, 0.1), after(start, 0.2));
        points.reserve(100, first);
        points.reserve(100, second);
        // Somebody else has used the budget up by the time that the second is answered.
        let now = after(start, 0.3);
        points.settle(100, second, balance(50.0, 100.0), now);
        points.settle(100, first, balance(900.0, 100.0), now);
        assert!(matches!(points.ready(60, 0, now), Ready::At(_)));
        // One that was sent since is believed.
        points.reserve(10, now);
        let later = after(start, 0.4);
        points.settle(10, now, balance(1500.0, 10.0), later);
        assert_eq!(points.ready(1500, 0, later), Ready::Now);
    }

    /// An API with a bucket, answers that overtake each other, and somebody else who uses it too.
    #[test]
    fn the_bucket_of_an_api_never_runs_dry() {
        const MAXIMUM: f64 = 2000.0;
        const RATE: f64 = 100.0;
        let start = Instant::now();
        let mut seed: u64 = 7;
        let mut random = |below: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) % below
        };
        let mut points = Points::default();
        let (mut bucket, mut filled) = (MAXIMUM, start);
        let mut under_way: Vec<(Instant, u32, Instant, Balance)> = Vec::new();
        let (mut now, mut sent, mut spent_in_all) = (start, 0, 0.0);
        while now < after(start, 600.0) {
            now += Duration::from_millis(1 + random(20));
            bucket = f64::min(MAXIMUM, bucket + (now - filled).as_secs_f64() * RATE);
            filled = now;
            let (answered, open) = under_way.into_iter().partition(|(at, ..)| *at <= now);
            under_way = open;
            for (_, cost, at, balance) in answered {
                points.settle(cost, at, Some(balance), now);
            }
            let cost = u32::try_from(1 + random(900)).unwrap();
            if under_way.len() < 8 && points.ready(cost, under_way.len(), now) == Ready::Now {
                points.reserve(cost, now);
                assert!(bucket >= f64::from(cost), "{cost} of {bucket}");
                let actual = f64::from(cost) * random(101) as f64 / 100.0;
                bucket -= actual;
                spent_in_all += actual;
                sent += 1;
                let said = Balance {
                    available: bucket.floor(),
                    per_second: RATE,
                    maximum: Some(MAXIMUM),
                    spent: Some(actual),
                };
                under_way.push((now + Duration::from_millis(random(800)), cost, now, said));
            }
        }
        assert!(sent > 100);
        assert!(spent_in_all > 0.8 * 600.0 * RATE, "{spent_in_all} of what came back were used");
    }
}
