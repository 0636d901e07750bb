//! Who goes when: rates, priorities, pauses, and lanes beside each other.

use std::num::NonZeroU32;
use std::time::{Duration, Instant, SystemTime};

use sequin_net::Priority::{Backfill, Mutation, Polling};
use sequin_net::{Completion, LaneId, Rate, Refusal, Settings, Task};

use crate::rig::{LANE, Outcome, Rig, at_once, limits, local, task};
use crate::server::Server;

#[test]
fn the_rate_holds_at_the_server_and_is_used() {
    let server = Server::start();
    let (allowed, interval, count) = (50, Duration::from_secs(1), 150);
    let rig = Rig::start(local(), Some(limits(allowed, interval, 8)));
    for id in 0..count {
        rig.submit(task(id, Backfill, &server.url("/ok")));
    }
    for _ in 0..count {
        rig.next().value.expect("no panic").result.expect("an answer");
    }
    server.look(|log| {
        let times: Vec<_> = log.arrivals.iter().map(|(at, _)| *at).collect();
        assert_eq!(times.len(), count as usize);
        // The exact bounds are proven in simulated time; these leave room for a busy machine that
        // delivers a request late.
        for window in times.windows(allowed as usize + 1) {
            let apart = window[allowed as usize] - window[0];
            assert!(apart > interval - Duration::from_millis(250), "{apart:?}");
        }
        let took = times[times.len() - 1] - times[0];
        let ideal = interval / allowed * (count as u32 - 1);
        assert!(took < ideal.mul_f64(1.5), "{took:?} for what is {ideal:?} at the full rate");
    });
}

#[test]
fn a_lane_that_is_opened_holds_its_first_request() {
    let server = Server::start();
    let interval = Duration::from_millis(800);
    let opened = Instant::now();
    let rig = Rig::start(local(), Some(limits(1, interval, 9)));
    rig.submit(task(1, Mutation, &server.url("/ok")));
    rig.next().value.expect("no panic").result.expect("an answer");
    let waited = server.look(|log| log.arrivals[0].0) - opened;
    assert!(waited >= interval, "{waited:?}");
}

#[test]
fn the_urgent_overtakes_what_waits() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    rig.submit(task(1, Backfill, &server.url("/gate/1")));
    server.wait("the first", |log| log.waiting == 1);
    for (id, priority) in [(5, Backfill), (6, Backfill), (4, Polling), (2, Mutation), (3, Mutation)] {
        rig.submit(task(id, priority, &server.url(&format!("/ok/{id}"))));
    }
    server.open_gate();
    let order: Vec<u64> = (0..6).map(|_| rig.next().id).collect();
    assert_eq!(order, [1, 2, 3, 4, 5, 6]);
    assert_eq!(server.look(|log| log.paths().join(" ")), "/gate/1 /ok/2 /ok/3 /ok/4 /ok/5 /ok/6");
}

#[test]
fn the_urgent_gets_the_permit_that_others_wait_for() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(limits(1, Duration::from_secs(1), 9)));
    for id in [1, 3] {
        rig.submit(task(id, Backfill, &server.url("/ok")));
    }
    assert_eq!(rig.next().id, 1);
    rig.submit(task(2, Mutation, &server.url("/ok")));
    assert_eq!([rig.next().id, rig.next().id], [2, 3]);
}

#[test]
fn no_more_in_flight_than_allowed() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(3)));
    for id in 1..=8 {
        rig.submit(task(id, Polling, &server.url("/gate")));
    }
    server.wait("three in flight", |log| log.waiting == 3);
    rig.wait_for_state(LANE, |state| state.in_flight == 3 && state.queued == 5);
    server.open_gate();
    for _ in 1..=8 {
        rig.next();
    }
    assert_eq!(server.look(|log| log.most_waiting), 3);
    rig.wait_for_state(LANE, |state| state.in_flight == 0 && state.queued == 0);
}

#[test]
fn more_room_is_used_at_once() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    for id in 1..=4 {
        rig.submit(task(id, Polling, &server.url("/gate")));
    }
    server.wait("one in flight", |log| log.waiting == 1);
    rig.net.set_lane(LANE, Some(at_once(3)));
    server.wait("three in flight", |log| log.waiting == 3);
    rig.net.set_lane(LANE, None);
    server.wait("all in flight", |log| log.waiting == 4);
    server.open_gate();
}

#[test]
fn a_pause_silences_its_lane_and_no_other() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    let other = LaneId(2);
    rig.net.set_lane(other, Some(at_once(1)));
    let pause = Duration::from_secs(1);

    let interpret = move |result| Outcome { result, pause: Some(pause) };
    rig.submit(Task { interpret: Box::new(interpret), ..task(1, Polling, &server.url("/ok/1")) });
    // Queued before the answer to the first is there.
    rig.submit(task(3, Mutation, &server.url("/gate/3")));
    let first = rig.next();
    assert_eq!(first.id, 1);
    rig.submit(Task { lane: other, ..task(2, Backfill, &server.url("/ok/2")) });
    assert_eq!(rig.next().id, 2);
    server.open_gate();
    let second = rig.next();
    assert_eq!(second.id, 3);

    let sent = |end: Completion<Outcome>| end.value.expect("no panic").result.expect("an answer").sent_at;
    let silent = sent(second).duration_since(sent(first)).expect("in order");
    // The pause is measured by another clock than the times of sending.
    assert!(silent >= pause - Duration::from_millis(10), "{silent:?}");
}

#[test]
fn a_pause_can_be_given_to_a_lane() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    let pause = Duration::from_millis(800);
    let began = Instant::now();
    rig.net.pause_lane(LANE, pause);
    // The longer one is in force.
    rig.net.pause_lane(LANE, Duration::from_millis(1));
    rig.submit(task(1, Mutation, &server.url("/ok")));
    rig.next().value.expect("no panic").result.expect("an answer");
    assert!(began.elapsed() >= pause, "{:?}", began.elapsed());
}

#[test]
fn a_pause_shows_in_the_state() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let pause = Duration::from_secs(3600);
    let interpret = move |result| Outcome { result, pause: Some(pause) };
    rig.submit(Task { interpret: Box::new(interpret), ..task(1, Polling, &server.url("/ok")) });
    rig.next();
    rig.submit(task(2, Mutation, &server.url("/ok")));
    let state = rig.wait_for_state(LANE, |state| state.queued == 1);
    let until = state.paused_until.expect("a paused lane");
    let left = until.duration_since(SystemTime::now()).expect("in the future");
    assert!(left > pause / 2 && left <= pause, "{left:?}");
}

#[test]
fn one_lane_never_holds_up_another() {
    let server = Server::start();
    let settings = Settings { queue_capacity: 4, ..local() };
    let rig = Rig::start(settings, Some(at_once(1)));
    let other = LaneId(2);
    rig.net.set_lane(other, Some(at_once(1)));
    for id in 1..=4 {
        rig.submit(task(id, Backfill, &server.url("/hang")));
    }
    server.wait("a request that hangs", |log| log.arrivals.len() == 1);
    for id in 11..=30 {
        rig.submit(Task { lane: other, ..task(id, Backfill, &server.url("/ok")) });
        assert_eq!(rig.next().id, id);
    }
}

#[test]
fn a_full_queue_refuses_and_keeps_room_for_the_urgent() {
    let server = Server::start();
    let settings = Settings { queue_capacity: 2, ..local() };
    let rig = Rig::start(settings, Some(at_once(1)));
    rig.submit(task(1, Backfill, &server.url("/gate")));
    rig.submit(task(2, Backfill, &server.url("/gate")));
    let rejected =
        rig.net.try_submit(task(3, Backfill, &server.url("/gate"))).expect_err("two are under way");
    assert_eq!((rejected.reason, rejected.task.id), (Refusal::Full, 3));
    rig.submit(task(4, Mutation, &server.url("/gate")));

    let twice = rig.net.try_submit(task(4, Mutation, &server.url("/ok"))).expect_err("the same id");
    assert_eq!(twice.reason, Refusal::DuplicateId);
    let unknown = Task { lane: LaneId(9), ..task(5, Mutation, &server.url("/ok")) };
    let unknown = rig.net.try_submit(unknown).expect_err("no such lane");
    assert_eq!(unknown.reason, Refusal::UnknownLane);

    server.open_gate();
    let first = rig.next();
    assert_eq!(first.id, 1);
    // Received, not just completed: only now there is room again.
    rig.net.try_submit(*rejected.task).expect("room");
    assert_eq!([rig.next().id, rig.next().id, rig.next().id], [4, 2, 3]);
}

#[test]
fn what_was_free_gives_its_permit_back() {
    let server = Server::start();
    let begun = Instant::now();
    let rig = Rig::start(local(), Some(limits(1, Duration::from_secs(2), 1)));
    for id in 0..10 {
        rig.submit(task(id, Polling, &server.url("/ok/free")));
    }
    (0..10).for_each(|_| drop(rig.next()));
    // The first one waits for its turn, and no other.
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[test]
fn a_budget_is_kept_and_others_pass() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(4)));
    let (allowed_requests, interval) = (NonZeroU32::new(2).unwrap(), Duration::from_secs(1));
    rig.net.set_budgets(LANE, vec![Rate { allowed_requests, interval }]);
    for id in 0..5 {
        rig.submit(Task { budgets: vec![0], ..task(id, Mutation, &server.url("/ok/search")) });
    }
    rig.submit(task(5, Backfill, &server.url("/ok/page")));
    assert_eq!(rig.next().id, 5);
    (0..5).for_each(|_| drop(rig.next()));
    server.look(|log| {
        let searches = log.arrivals.iter().filter(|(_, path)| path == "/ok/search");
        let times: Vec<_> = searches.map(|(at, _)| *at).collect();
        for window in times.windows(3) {
            let apart = window[2] - window[0];
            assert!(apart > interval - Duration::from_millis(250), "{apart:?}");
        }
    });
}
