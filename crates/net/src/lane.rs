//! A lane: its queue, and the decision whether something may go now. Pure; time is passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::pace::Pace;
use crate::points::{Points, Ready};
use crate::settings::{Limits, Rate};
use crate::task::{Balance, Priority};

/// Longer pauses are cut to this: then the lane asks again.
const MAX_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What a lane has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<J> {
    /// This job may go now; it counts as in flight until `finish`.
    Send(J),
    /// Nothing before that time.
    At(Instant),
    /// Nothing until a job is added or finished.
    Wait,
}

/// A job, and how many points it may cost.
struct Queued<J> {
    job: J,
    points: u32,
}

/// Jobs that share a limit.
pub(crate) struct Lane<J> {
    limits: Option<Limits>,
    pace: Option<Pace>,
    /// What some of the jobs keep to besides.
    budgets: Vec<(Rate, Pace)>,
    points: Points,
    /// How many jobs have been sent.
    sent: u64,
    queue: [VecDeque<Queued<J>>; Priority::COUNT],
    in_flight: usize,
    paused_until: Option<Instant>,
}

impl<J> Lane<J> {
    pub(crate) fn new() -> Self {
        Lane {
            limits: None,
            pace: None,
            budgets: Vec::new(),
            points: Points::default(),
            sent: 0,
            queue: Default::default(),
            in_flight: 0,
            paused_until: None,
        }
    }

    /// Puts new limits in force at the time `now`; `None` lifts them. What was sent before counts
    /// with the new ones; where nobody knows, something was sent just now.
    pub(crate) fn set_limits(&mut self, limits: Option<Limits>, now: Instant) {
        if limits != self.limits {
            let rate = limits.map(|limits| limits.rate());
            self.pace = rate.map(|rate| Pace::new(&rate, self.pace.as_ref(), now));
            self.limits = limits;
        }
    }

    /// Puts further budgets in force, in the same way. A job names those that it counts against by
    /// their place.
    pub(crate) fn set_budgets(&mut self, rates: &[Rate], now: Instant) {
        if !self.budgets.iter().map(|(rate, _)| rate).eq(rates) {
            let before = std::mem::take(&mut self.budgets);
            let going_on = |place: usize| before.get(place).map(|(_, pace)| pace);
            let budgets = rates.iter().enumerate();
            self.budgets =
                budgets.map(|(place, rate)| (*rate, Pace::new(rate, going_on(place), now))).collect();
        }
    }

    /// Queues a job that may cost so many points.
    pub(crate) fn push(&mut self, priority: Priority, points: u32, job: J) {
        self.queue[priority as usize].push_back(Queued { job, points });
    }

    /// Puts a job before all others of its priority.
    pub(crate) fn push_first(&mut self, priority: Priority, points: u32, job: J) {
        self.queue[priority as usize].push_front(Queued { job, points });
    }

    /// Takes the first queued job that `wanted` accepts out of the queue.
    pub(crate) fn take(&mut self, wanted: impl Fn(&J) -> bool) -> Option<J> {
        self.queue.iter_mut().find_map(|queue| {
            let place = queue.iter().position(|queued| wanted(&queued.job))?;
            queue.remove(place).map(|queued| queued.job)
        })
    }

    /// Takes all queued jobs out of the queue.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = J> {
        std::mem::take(&mut self.queue).into_iter().flatten().map(|queued| queued.job)
    }

    /// What may go at the time `now`. The permit is taken here, at the last moment, so that the
    /// most urgent job gets it, whenever it came. `budgets`: which of the lane's further ones a job
    /// counts against; where they are used up, others pass it by.
    pub(crate) fn next(&mut self, now: Instant, budgets: impl Fn(&J) -> &[usize]) -> Next<J> {
        let room = self.limits.is_none_or(|limits| self.in_flight < limits.max_concurrent.get());
        if self.queued() == 0 || !room {
            return Next::Wait;
        }
        if let Some(until) = self.paused_until {
            if now < until {
                return Next::At(until);
            }
            self.paused_until = None;
        }
        if let Some(at) = self.pace.as_ref().map(Pace::opens).filter(|at| *at > now) {
            return Next::At(at);
        }
        let mut soonest: Option<Instant> = None;
        let mut may_go = |queued: &Queued<J>| {
            let own = budgets(&queued.job).iter().filter_map(|place| self.budgets.get(*place));
            match own.map(|(_, pace)| pace.opens()).max().filter(|at| *at > now) {
                None => true,
                Some(at) => {
                    soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
                    false
                }
            }
        };
        let mut queues = self.queue.iter().enumerate().rev();
        let found =
            queues.find_map(|(priority, queue)| Some((priority, queue.iter().position(&mut may_go)?)));
        let nothing_before = soonest.map_or(Next::Wait, Next::At);
        let Some((priority, place)) = found else { return nothing_before };
        let points = self.queue[priority].get(place).map_or(0, |queued| queued.points);
        // What is less urgent and cheaper doesn't go before what waits: that would wait for ever.
        match self.points.ready(points, self.in_flight, now) {
            Ready::Now => {}
            Ready::At(at) => return Next::At(soonest.map_or(at, |soonest| soonest.min(at))),
            Ready::Later => return nothing_before,
        }
        let Some(Queued { job, points }) = self.queue[priority].remove(place) else { return Next::Wait };
        self.sent += 1;
        self.in_flight += 1;
        self.points.reserve(points, now);
        // Each is open, as was seen.
        if let Some(pace) = &mut self.pace {
            let _ = pace.take(self.sent, now);
        }
        for place in budgets(&job) {
            if let Some((_, pace)) = self.budgets.get_mut(*place) {
                let _ = pace.take(self.sent, now);
                pace.settle(self.sent);
            }
        }
        Next::Send(job)
    }

    /// The number of the job that was sent last.
    pub(crate) fn last_sent(&self) -> u64 {
        self.sent
    }

    /// The job of this number, which was sent, has come to its end. `is_free`: it doesn't count
    /// against the lane's limits; against its further budgets it does.
    pub(crate) fn finish(&mut self, number: u64, is_free: bool) {
        self.in_flight = self.in_flight.saturating_sub(1);
        match &mut self.pace {
            Some(pace) if is_free => pace.give_back(number),
            Some(pace) => pace.settle(number),
            None => {}
        }
    }

    /// What a job that was sent at `sent`, and could cost so many points, has cost. `balance`: what
    /// its answer says of them.
    pub(crate) fn settle(&mut self, points: u32, sent: Instant, balance: Option<Balance>, now: Instant) {
        self.points.settle(points, sent, balance, now);
    }

    /// Nothing goes for `pause` from `now` on. A pause that ends later stays in force.
    pub(crate) fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause.min(MAX_PAUSE);
        self.paused_until = self.paused_until.max(Some(until));
    }

    pub(crate) fn queued(&self) -> usize {
        self.queue.iter().map(VecDeque::len).sum()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.in_flight
    }

    pub(crate) fn paused_until(&self) -> Option<Instant> {
        self.paused_until
    }
}

#[cfg(test)]
mod tests {
    use std::num::{NonZeroU32, NonZeroUsize};
    use std::time::{Duration, Instant};

    use super::{Lane, Next};
    use crate::settings::{Limits, Rate};
    use crate::task::Balance;
    use crate::task::Priority::{Backfill, Mutation, Polling};

    fn limits(allowed: u32, concurrent: usize) -> Option<Limits> {
        Some(Limits {
            allowed_requests: NonZeroU32::new(allowed).unwrap(),
            interval: Duration::from_secs(1),
            max_concurrent: NonZeroUsize::new(concurrent).unwrap(),
        })
    }

    fn next<J>(lane: &mut Lane<J>, now: Instant) -> Next<J> {
        lane.next(now, |_| &[])
    }

    /// When a lane was opened, and a time at which it may send.
    fn a_minute() -> (Instant, Instant) {
        let begun = Instant::now();
        (begun, begun + Duration::from_secs(60))
    }

    #[test]
    fn the_most_urgent_goes_first_and_equals_in_order() {
        let mut lane = Lane::new();
        for (priority, job) in
            [(Backfill, 5), (Polling, 3), (Backfill, 6), (Mutation, 1), (Polling, 4), (Mutation, 2)]
        {
            lane.push(priority, 0, job);
        }
        let now = Instant::now();
        for job in 1..=6 {
            assert_eq!(next(&mut lane, now), Next::Send(job));
        }
        assert_eq!(next(&mut lane, now), Next::Wait);
        assert_eq!(lane.in_flight(), 6);
    }

    #[test]
    fn what_goes_again_goes_before_its_equals() {
        let mut lane = Lane::new();
        lane.push(Polling, 0, 2);
        lane.push(Mutation, 0, 1);
        lane.push_first(Backfill, 0, 4);
        lane.push_first(Backfill, 0, 3);
        let now = Instant::now();
        for job in 1..=4 {
            assert_eq!(next(&mut lane, now), Next::Send(job));
        }
    }

    #[test]
    fn a_permit_goes_to_the_most_urgent_of_its_moment() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        lane.set_limits(limits(10, 10), begun);
        lane.push(Backfill, 0, "first");
        lane.push(Backfill, 0, "second");
        assert_eq!(next(&mut lane, now), Next::Send("first"));
        let Next::At(at) = next(&mut lane, now) else { panic!("the permit has been taken") };
        lane.push(Mutation, 0, "late and urgent");
        assert_eq!(next(&mut lane, now), Next::At(at));
        assert_eq!(next(&mut lane, at), Next::Send("late and urgent"));
    }

    #[test]
    fn an_empty_or_full_lane_takes_no_permit() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        lane.set_limits(limits(1, 1), begun);
        assert_eq!(next(&mut lane, now), Next::Wait);
        lane.push(Polling, 0, 1);
        lane.push(Polling, 0, 2);
        assert_eq!(next(&mut lane, now), Next::Send(1));
        let later = now + Duration::from_secs(5);
        assert_eq!(next(&mut lane, later), Next::Wait);
        lane.finish(1, false);
        assert_eq!(next(&mut lane, later), Next::Send(2));
    }

    #[test]
    fn what_costs_points_waits_for_them_with_all_behind_it() {
        let mut lane = Lane::new();
        let now = Instant::now();
        for (priority, points, job) in [(Backfill, 10, 3), (Polling, 600, 2), (Mutation, 500, 1)] {
            lane.push(priority, points, job);
        }
        assert_eq!(next(&mut lane, now), Next::Send(1));
        assert_eq!(next(&mut lane, now), Next::Wait, "nobody knows yet how many there are");
        let balance =
            Balance { available: 400.0, per_second: 100.0, maximum: Some(1000.0), spent: Some(10.0) };
        lane.finish(lane.last_sent(), false);
        lane.settle(500, now, Some(balance), now);
        let at = now + Duration::from_secs(2);
        assert_eq!(next(&mut lane, now), Next::At(at));
        assert_eq!(next(&mut lane, at), Next::Send(2));
        assert!(matches!(next(&mut lane, at), Next::At(later) if later > at));
        lane.finish(lane.last_sent(), false);
        lane.settle(600, at, Some(balance), at);
        assert_eq!(next(&mut lane, at), Next::Send(3));
    }

    #[test]
    fn a_pause_holds_and_the_longer_one_wins() {
        let mut lane = Lane::new();
        let now = Instant::now();
        lane.pause(now, Duration::from_secs(60));
        lane.pause(now, Duration::from_secs(5));
        lane.push(Mutation, 0, 1);
        let end = now + Duration::from_secs(60);
        assert_eq!(next(&mut lane, end - Duration::from_millis(1)), Next::At(end));
        assert_eq!(next(&mut lane, end), Next::Send(1));
        assert_eq!(lane.paused_until(), None);
    }

    #[test]
    fn an_endless_pause_is_a_day() {
        let mut lane = Lane::<()>::new();
        let now = Instant::now();
        lane.pause(now, Duration::MAX);
        assert_eq!(lane.paused_until(), Some(now + Duration::from_secs(86_400)));
    }

    #[test]
    fn the_same_limits_again_change_nothing() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        lane.set_limits(limits(1, 9), begun);
        lane.push(Polling, 0, 1);
        lane.push(Polling, 0, 2);
        lane.set_limits(limits(1, 9), now);
        assert_eq!(next(&mut lane, now), Next::Send(1));
        lane.set_limits(limits(1, 9), now);
        assert!(matches!(next(&mut lane, now), Next::At(_)));
    }

    #[test]
    fn limits_that_are_new_hold_the_first_request() {
        let mut lane = Lane::new();
        lane.push(Polling, 0, 1);
        let now = Instant::now();
        lane.set_limits(limits(1, 9), now);
        let Next::At(at) = next(&mut lane, now) else { panic!("another process may have sent just now") };
        assert!(at >= now + Duration::from_secs(1));
        // They were unknown for a while.
        lane.set_limits(None, at);
        lane.set_limits(limits(1, 9), at);
        assert!(matches!(next(&mut lane, at), Next::At(later) if later >= at + Duration::from_secs(1)));
    }

    #[test]
    fn queued_jobs_can_be_taken_back() {
        let mut lane = Lane::new();
        for job in 1..=3 {
            lane.push(Backfill, 0, job);
        }
        assert_eq!(lane.take(|&job| job == 2), Some(2));
        assert_eq!(lane.take(|&job| job == 2), None);
        assert_eq!(lane.drain().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(lane.queued(), 0);
    }

    fn of_searches<'a>(job: &'a &'static str) -> &'a [usize] {
        if job.starts_with("search") { &[0] } else { &[] }
    }

    #[test]
    fn who_has_used_up_a_budget_lets_others_pass() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        lane.set_limits(limits(1000, 10), begun);
        let search = Rate { allowed_requests: NonZeroU32::new(1).unwrap(), interval: Duration::from_secs(5) };
        lane.set_budgets(&[search], begun);
        for (priority, job) in [
            (Polling, "search 1"),
            (Polling, "search 2"),
            (Polling, "look"),
            (Backfill, "page"),
            (Mutation, "search 0"),
        ] {
            lane.push(priority, 0, job);
        }
        let mut at = now;
        let mut order = Vec::new();
        for _ in 0..20 {
            match lane.next(at, of_searches) {
                Next::Send(job) => order.push((job, (at - now).as_secs())),
                Next::At(later) => at = later,
                Next::Wait => break,
            }
        }
        assert_eq!(order, [("search 0", 0), ("look", 0), ("page", 0), ("search 1", 5), ("search 2", 10)]);
        // The same again change nothing, and neither does one that the lane doesn't have.
        lane.set_budgets(&[search], at);
        lane.push(Polling, 0, "search 3");
        let soon = at + Duration::from_secs(1);
        assert!(
            matches!(lane.next(soon, of_searches), Next::At(later) if later > at + Duration::from_secs(4))
        );
        assert_eq!(lane.next(soon, |_| &[7]), Next::Send("search 3"));
    }

    #[test]
    fn what_waits_for_a_budget_holds_up_no_points_and_what_waits_for_points_no_longer_than_that() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        let search = Rate { allowed_requests: NonZeroU32::new(1).unwrap(), interval: Duration::from_secs(5) };
        lane.set_budgets(&[search], begun);
        for (priority, points, job) in [
            (Mutation, 1, "search 1"),
            (Mutation, 0, "search 2"),
            (Polling, 10, "look"),
            (Backfill, 1, "page"),
        ] {
            lane.push(priority, points, job);
        }
        assert_eq!(lane.next(now, of_searches), Next::Send("search 1"));
        let Next::At(opens) = lane.next(now, of_searches) else {
            panic!("nobody knows how many points there are")
        };
        assert!(opens > now + Duration::from_secs(4), "the other search needs none");
        let balance = Balance { available: 0.0, per_second: 1.0, maximum: Some(100.0), spent: Some(1.0) };
        lane.finish(lane.last_sent(), false);
        lane.settle(1, now, Some(balance), now);
        assert_eq!(lane.next(now, of_searches), Next::At(opens), "the points come later");
        assert_eq!(lane.next(opens, of_searches), Next::Send("search 2"));
        assert_eq!(lane.next(opens, of_searches), Next::At(now + Duration::from_secs(10)));
        assert_eq!(lane.next(now + Duration::from_secs(10), of_searches), Next::Send("look"));
    }

    #[test]
    fn a_free_job_costs_the_limits_nothing_and_further_budgets_all() {
        let mut lane = Lane::new();
        let (begun, now) = a_minute();
        lane.set_limits(limits(1, 9), begun);
        let all = Rate { allowed_requests: NonZeroU32::new(10).unwrap(), interval: Duration::from_secs(1) };
        lane.set_budgets(&[all], begun);
        for job in 1..=3 {
            lane.push(Polling, 0, job);
        }
        assert_eq!(lane.next(now, |_| &[0]), Next::Send(1));
        lane.finish(lane.last_sent(), true);
        let Next::At(at) = lane.next(now, |_| &[0]) else { panic!("a tenth of a second lies between two") };
        assert!(at < now + Duration::from_millis(200));
        assert_eq!(lane.next(at, |_| &[0]), Next::Send(2));
        lane.finish(lane.last_sent(), false);
        assert!(
            matches!(lane.next(at, |_| &[0]), Next::At(later) if later > at + Duration::from_millis(900))
        );
    }
}
