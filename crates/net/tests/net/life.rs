//! The thread's life: cancelling, panics, its end, and signals.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use sequin_net::Priority::{Mutation, Polling};
use sequin_net::{Dead, LaneId, Net, Refusal, Task};

use crate::rig::{LANE, Outcome, Rig, at_once, local, request, task};
use crate::server::{DEADLINE, Server};

#[test]
fn a_cancelled_task_is_dropped_wherever_it_is() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    rig.submit(task(1, Polling, &server.url("/hang/1")));
    rig.submit(task(2, Polling, &server.url("/ok/2")));
    rig.submit(task(3, Polling, &server.url("/ok/3")));
    server.wait("the first", |log| log.arrivals.len() == 1);
    rig.net.cancel(2);
    rig.net.cancel(1);
    // The request in flight makes room for the next, which isn't the one that was cancelled.
    assert_eq!(rig.next().id, 3);
    server.wait("hanging up", |log| log.hung_up == ["/hang/1"]);
    assert_eq!(server.look(|log| log.paths().join(" ")), "/hang/1 /ok/3");
    // All have been let go of: their ids are free.
    for id in 1..=3 {
        rig.submit(task(id, Polling, &server.url("/ok")));
        assert_eq!(rig.next().id, id);
    }
}

#[test]
fn a_completion_that_waits_is_cancelled_too() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    rig.submit(task(1, Polling, &server.url("/ok")));
    rig.wait_for_wake();
    rig.net.cancel(1);
    rig.net.cancel(77);
    assert!(rig.net.try_recv().expect("a living thread").is_none());
}

#[test]
fn a_removed_lane_drops_its_queue_and_ends_its_requests() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    for id in 1..=3 {
        rig.submit(task(id, Mutation, &server.url(&format!("/gate/{id}"))));
    }
    server.wait("the first", |log| log.waiting == 1);
    rig.net.remove_lane(LANE);
    assert_eq!(rig.net.lane_state(LANE), None);
    let refused = rig.net.try_submit(task(4, Polling, &server.url("/ok"))).expect_err("closed");
    assert_eq!(refused.reason, Refusal::UnknownLane);

    // Opened again while a request of its former self is under way, it still counts that one.
    rig.net.set_lane(LANE, Some(at_once(1)));
    rig.submit(task(5, Polling, &server.url("/gate/5")));
    rig.wait_for_state(LANE, |state| state.in_flight == 1 && state.queued == 1);
    server.open_gate();
    assert_eq!([rig.next().id, rig.next().id], [1, 5]);
    assert_eq!(server.look(|log| log.paths().join(" ")), "/gate/1 /gate/5");
}

#[test]
fn a_panic_costs_its_own_response_only() {
    let server = Server::start();
    let rig = Rig::start(local(), Some(at_once(1)));
    let interpret = |_| -> Outcome { panic!("page {} is beyond me", 7) };
    rig.submit(Task { interpret: Box::new(interpret), ..task(1, Polling, &server.url("/ok")) });
    let completion = rig.next();
    assert_eq!(completion.id, 1);
    assert_eq!(completion.value.expect_err("it panicked").message, "page 7 is beyond me");
    rig.ask(request(&server.url("/ok"))).expect("the thread lives on");
}

#[test]
fn a_dead_thread_is_told_after_what_it_completed() {
    let server = Server::start();
    let (ended, end) = channel::<()>();
    let first = AtomicBool::new(true);
    // The closure is dropped when the thread is done with it.
    let net: Net<Outcome> = Net::start(local(), move || {
        let _ = &ended;
        if first.swap(false, Ordering::SeqCst) {
            panic!("no wake-up for you");
        }
    })
    .expect("a network thread");
    net.set_lane(LANE, None);
    net.try_submit(task(1, Polling, &server.url("/ok"))).expect("a place in the queue");
    assert_eq!(end.recv_timeout(DEADLINE), Err(RecvTimeoutError::Disconnected));
    assert_eq!(net.try_recv().expect("the completion comes first").map(|done| done.id), Some(1));
    assert_eq!(net.try_recv().map(|done| done.is_some()), Err(Dead));
    let start = Instant::now();
    net.shutdown(DEADLINE);
    assert!(start.elapsed() < DEADLINE / 2);
}

#[test]
fn a_request_that_hangs_does_not_hold_up_the_end() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    for id in 1..=3 {
        rig.submit(task(id, Polling, &server.url("/hang")));
    }
    server.wait("all in flight", |log| log.arrivals.len() == 3);
    let start = Instant::now();
    rig.net.shutdown(DEADLINE);
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    server.wait("hanging up", |log| log.hung_up.len() == 3);
}

#[test]
fn an_interpretation_that_hangs_does_not_either() {
    let server = Server::start();
    let rig = Rig::start(local(), None);
    let (begun, begin) = channel();
    let (release, released) = channel::<()>();
    rig.submit(Task {
        interpret: Box::new(move |result| {
            begun.send(()).expect("the test waits");
            // Ends when the test drops the other end.
            let _ = released.recv();
            Outcome { result, pause: None }
        }),
        ..task(1, Polling, &server.url("/ok"))
    });
    begin.recv_timeout(DEADLINE).expect("an interpretation that has begun");
    let (grace, start) = (Duration::from_millis(100), Instant::now());
    rig.net.shutdown(grace);
    assert!(start.elapsed() >= grace && start.elapsed() < DEADLINE / 2, "{:?}", start.elapsed());
    drop(release);
}

#[test]
fn dropping_it_stops_the_thread() {
    let server = Server::start();
    let living = Arc::new(());
    let witness = Arc::downgrade(&living);
    let net: Net<Outcome> = Net::start(local(), move || {
        let _ = &living;
    })
    .expect("a network thread");
    net.set_lane(LaneId(1), None);
    net.try_submit(task(1, Polling, &server.url("/hang"))).expect("a place in the queue");
    server.wait("a request in flight", |log| log.arrivals.len() == 1);
    drop(net);
    server.wait("hanging up", |log| log.hung_up.len() == 1);
    let deadline = Instant::now() + DEADLINE;
    while witness.strong_count() > 0 {
        assert!(Instant::now() < deadline, "the thread still holds its wake-up");
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn no_signal_reaches_its_threads() {
    use std::fs;
    use std::path::Path;

    /// A thread's name, and the mask of its blocked signals (bit 0 is signal 1).
    fn read(task: &Path) -> Option<(String, u64)> {
        // A thread may end while it is looked at.
        let status = fs::read_to_string(task.join("status")).ok()?;
        let field = |name| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        Some((field("Name:")?.to_owned(), u64::from_str_radix(field("SigBlk:")?, 16).ok()?))
    }

    // HUP, INT, QUIT, USR1, USR2, PIPE, ALRM, TERM, CHLD, URG, IO: what PostgreSQL handles.
    let handled: u64 = [1, 2, 3, 10, 12, 13, 14, 15, 17, 23, 29].iter().map(|n| 1_u64 << (n - 1)).sum();
    let own = Path::new("/proc/thread-self");
    let before = read(own).expect("this thread").1;

    let server = Server::start();
    let rig = Rig::start(local(), None);
    assert_eq!(read(own).expect("this thread").1, before, "the caller's mask is as it was");
    assert_ne!(before & handled, handled, "there is something to be masked");
    // Starts a thread for the name.
    let url = format!("http://localhost:{}/ok", server.address.port());
    rig.ask(request(&url)).expect("an answer");

    let mut seen = [0, 0];
    for task in fs::read_dir("/proc/self/task").expect("threads").flatten() {
        let Some((name, blocked)) = read(&task.path()) else {
            continue;
        };
        let kind = match name.as_str() {
            "sequin-net" => 0,
            "sequin-dns" => 1,
            _ => continue,
        };
        seen[kind] += 1;
        assert_eq!(blocked & handled, handled, "{name} has {blocked:#x} masked");
    }
    assert!(seen[0] > 0 && seen[1] > 0, "threads seen: {seen:?}");
}
