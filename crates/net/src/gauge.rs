//! What a lane shows of itself to the other thread, without a lock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A lane at a glance. Each figure is right by itself; together they may be a moment apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneState {
    /// Until when the lane is silent because an answer said so.
    pub paused_until: Option<SystemTime>,
    /// How many tasks wait for their turn.
    pub queued: usize,
    /// How many requests are under way.
    pub in_flight: usize,
}

/// The figures of a [`LaneState`].
#[derive(Default)]
pub(crate) struct Gauge {
    /// Milliseconds since 1970; 0 for none.
    paused_until: AtomicU64,
    queued: AtomicUsize,
    in_flight: AtomicUsize,
}

impl Gauge {
    pub(crate) fn show(&self, paused_until: Option<Instant>, queued: usize, in_flight: usize) {
        self.queued.store(queued, Relaxed);
        self.in_flight.store(in_flight, Relaxed);
        let millis = paused_until.map_or(0, |until| {
            let wall = SystemTime::now() + until.saturating_duration_since(Instant::now());
            let since = wall.duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
        self.paused_until.store(millis, Relaxed);
    }

    pub(crate) fn read(&self) -> LaneState {
        let until = UNIX_EPOCH.checked_add(Duration::from_millis(self.paused_until.load(Relaxed)));
        LaneState {
            paused_until: until.filter(|until| *until > SystemTime::now()),
            queued: self.queued.load(Relaxed),
            in_flight: self.in_flight.load(Relaxed),
        }
    }
}
