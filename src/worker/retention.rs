//! Retention: what has grown older than its sync's `max_age` is removed from the stream, in small steps.

use super::{
    job::{Done, Orders, Then},
    plan::SyncContext,
};
use crate::store::retention::Oldest;
use sequin_domain::timestamp::Timestamp;
use std::{
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// Between two steps while there is more to remove: changes go in between.
const BREATH: Duration = Duration::from_millis(100);
/// The shortest and the longest time between two removals: within it, what has grown too old is collected.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// After the database refused to remove something, as a foreign key or a trigger of the user's can make it.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

pub struct Retention {
    sync: Rc<SyncContext>,
    pause: Duration,
    /// `None`: there is nothing that will grow too old.
    due: Option<Instant>,
    not_before: Instant,
    /// The creation of the oldest record; nothing older need be looked at, such as what was removed and is still in the
    /// index.
    oldest: Option<Timestamp>,
    ordered: bool,
    /// The oldest of what was stored since the step was ordered, which may have missed it.
    since_ordered: Option<Timestamp>,
}

impl Retention {
    /// `None` where the sync keeps everything.
    pub fn new(sync: Rc<SyncContext>) -> Option<Self> {
        // A hundredth of the age: nobody who keeps a month wants it to the minute.
        let pause = (sync.max_age? / 100).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        let now = Instant::now();
        Some(Self {
            sync,
            pause,
            due: Some(now),
            not_before: now,
            oldest: None,
            ordered: false,
            since_ordered: None,
        })
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        let Some(due) = self.due.filter(|_| !self.ordered) else { return };
        let at = due.max(self.not_before);
        if at > now {
            orders.wake_at(at);
            return;
        }
        self.ordered = true;
        orders.work(Then::Expire { from: self.oldest });
    }

    /// Records were stored, of which the oldest was created at `created_at`: the next step may be due earlier. Gives the
    /// time to come back.
    pub fn stored(&mut self, created_at: Timestamp) -> Option<Instant> {
        if self.ordered {
            self.since_ordered = Some(self.since_ordered.map_or(created_at, |oldest| oldest.min(created_at)));
            return None;
        }
        if self.oldest.is_some_and(|oldest| oldest <= created_at) {
            return None;
        }
        self.oldest = Some(created_at);
        // How old it may become, the calendar in the database says.
        self.due = Some(Instant::now());
        Some(self.not_before)
    }

    /// Takes what came of a step.
    pub fn done(&mut self, then: &Then, done: Done) {
        let (Then::Expire { .. }, Done::Expired { removed, more, oldest }) = (then, done) else { return };
        self.ordered = false;
        let now = Instant::now();
        // Months differ: what a month after its creation has come is not yet a month before now.
        let is_overdue = oldest.is_some_and(|oldest| time_left(oldest).is_zero());
        self.not_before = now
            + match removed {
                Some(_) if more => BREATH,
                Some(0) if !is_overdue => SHORTEST_PAUSE,
                Some(_) => self.pause,
                None => self.pause.max(REFUSED_PAUSE),
            };
        self.oldest = oldest.map(|oldest| oldest.created_at);
        self.due = oldest.map(|oldest| now + time_left(oldest));
        if let Some(created_at) = self.since_ordered.take() {
            self.stored(created_at);
        }
    }
}

fn time_left(oldest: Oldest) -> Duration {
    SystemTime::from(oldest.due_at).duration_since(SystemTime::now()).unwrap_or_default()
}
