//! A network thread under test, and the main thread that a test plays.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sequin_net::{
    Completion, Failure, Interpretation, LaneId, LaneState, Limits, Net, Priority, Request, Response,
    Settings, Task, TransportError,
};

use crate::server::DEADLINE;

pub const LANE: LaneId = LaneId(1);

/// The outcome as it came, and a pause if the test wants one.
#[derive(Debug)]
pub struct Outcome {
    pub result: Result<Response, Failure>,
    pub pause: Option<Duration>,
}

impl Interpretation for Outcome {
    fn pause(&self) -> Option<Duration> {
        self.pause
    }

    /// What is asked for at this path costs nothing.
    fn is_free(&self) -> bool {
        self.result.as_ref().is_ok_and(|response| response.url.path() == "/ok/free")
    }
}

pub struct Rig {
    pub net: Net<Outcome>,
    woken: Receiver<()>,
}

/// Settings for the server on this machine.
pub fn local() -> Settings {
    Settings { allow_private_networks: true, max_response_bytes: 64 << 10, ..Settings::default() }
}

pub fn limits(allowed: u32, interval: Duration, concurrent: usize) -> Limits {
    Limits {
        allowed_requests: NonZeroU32::new(allowed).expect("not zero"),
        interval,
        max_concurrent: NonZeroUsize::new(concurrent).expect("not zero"),
    }
}

/// Limits that leave only the number in flight to be felt.
pub fn at_once(concurrent: usize) -> Limits {
    limits(1_000_000, Duration::from_secs(1), concurrent)
}

pub fn request(url: &str) -> Request {
    Request {
        method: http::Method::GET,
        url: url.parse().expect("a URL"),
        headers: http::HeaderMap::new(),
        body: None,
        timeout: DEADLINE,
    }
}

pub fn task(id: u64, priority: Priority, url: &str) -> Task<Outcome> {
    Task {
        id,
        lane: LANE,
        priority,
        budgets: Vec::new(),
        points: 0,
        request: request(url),
        interpret: Box::new(|result| Outcome { result, pause: None }),
    }
}

impl Rig {
    /// A thread with one lane, `LANE`.
    pub fn start(settings: Settings, limits: Option<Limits>) -> Rig {
        let (wake, woken) = channel();
        let net = Net::start(settings, move || {
            // The test may have ended and gone.
            let _ = wake.send(());
        })
        .expect("a network thread");
        net.set_lane(LANE, limits);
        Rig { net, woken }
    }

    pub fn submit(&self, task: Task<Outcome>) {
        self.net.try_submit(task).expect("a place in the queue");
    }

    /// Waits for the next completion.
    pub fn next(&self) -> Completion<Outcome> {
        loop {
            if let Some(completion) = self.net.try_recv().expect("a living thread") {
                return completion;
            }
            self.woken.recv_timeout(DEADLINE).expect("a completion before the deadline");
        }
    }

    /// Waits for the next wake-up, and takes nothing.
    pub fn wait_for_wake(&self) {
        self.woken.recv_timeout(DEADLINE).expect("a wake-up before the deadline");
    }

    /// Sends one request, and returns its outcome.
    pub fn ask(&self, request: Request) -> Result<Response, Failure> {
        self.submit(Task { request, ..task(u64::MAX, Priority::Polling, "http://unused/") });
        let completion = self.next();
        assert_eq!(completion.id, u64::MAX);
        completion.value.expect("no panic").result
    }

    pub fn error(&self, url: &str) -> TransportError {
        self.ask(request(url)).expect_err("no complete answer").error
    }

    /// Waits until the lane shows what it must come to show.
    pub fn wait_for_state(&self, lane: LaneId, until: impl Fn(LaneState) -> bool) -> LaneState {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let state = self.net.lane_state(lane).expect("an open lane");
            if until(state) {
                return state;
            }
            assert!(Instant::now() < deadline, "the lane stays at {state:?}");
            std::thread::yield_now();
        }
    }
}
