//! What jobs order from the engine: questions to an API, work in the database, and to be looked after later.

use super::request::Question;
use crate::store::{
    mutations::{Mutation, Settled, Words},
    pages::Place,
    progress::{Noted, Piece, Standing},
    retention::Oldest,
};
use pgrx::Uuid;
use sequin_domain::{failure::Failure, timestamp::Timestamp};
use sequin_net::Priority;
use sequin_provider::record::{Record, Rejected};
use std::time::{Duration, Instant, SystemTime};

/// How often it is written down that a look, at a feed or a list, has found nothing.
pub const QUIET_INTERVAL: Duration = Duration::from_secs(10);

/// Which of a job's questions an answer belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tag {
    /// A page of the range of this number.
    Page(i32),
    Events,
    /// Which properties objects have.
    Properties,
    /// An object that a sweep has missed, or that was set aside.
    Check(String),
    /// Something that an event has called to mind.
    Fetch(Key),
    /// A change that is to be made, the first of those that are asked for together.
    Mutation(Uuid),
}

/// What an event makes necessary; collections by their identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    Object { collection_id: String, upstream_id: String },
    Children { collection_id: String, parent_id: String },
}

impl Key {
    pub fn collection_id(&self) -> &str {
        match self {
            Self::Object { collection_id, .. } | Self::Children { collection_id, .. } => collection_id,
        }
    }
}

pub struct Ask {
    pub tag: Tag,
    pub question: Question,
    pub priority: Priority,
    /// The collection whose objects the answer will show.
    pub shows: Option<String>,
}

/// Objects to be stored.
pub struct Batch {
    pub place: Place,
    pub observed_at: SystemTime,
    pub records: Vec<Record>,
    pub rejected: Vec<Rejected>,
}

/// Work in the database: the batch and what stands under `then` are done in one transaction.
pub struct Work {
    pub batch: Option<Batch>,
    /// The collection that has been failing and does no longer.
    pub recovered: Option<String>,
    pub then: Then,
}

#[derive(Debug, Clone)]
pub enum Then {
    Nothing,
    /// A page of a range of a backfill is behind it.
    Advance {
        backfill: Uuid,
        range: Standing,
        /// What was cut off the range because of the page.
        cut: Option<Piece>,
        /// What a sweep notes of the page, beside the ids on it.
        noted: Option<Noted>,
    },
    Complete {
        backfill: Uuid,
    },
    /// A sweep is at its end: what has it not seen?
    Compare {
        backfill: Uuid,
    },
    /// A sweep reads the whole list once more, before what it has not seen counts as deleted.
    LookAgain {
        backfill: Uuid,
        range: Piece,
    },
    /// A sweep has seen an object after all.
    Noted {
        backfill: Uuid,
        upstream_id: String,
    },
    /// These lists could not be read, by what they are called.
    NoteUnread {
        collection_id: String,
        unread: Vec<(String, Failure)>,
        /// All that is known of others is out of date.
        is_whole: bool,
        /// Of those behind the last one, by name, nothing is said.
        is_cut: bool,
        /// A look has found it, which shows no more than what is new.
        looks: bool,
    },
    /// A page of a poll; the last one says when the poll began. `is_news`: it is to be written down.
    Polled {
        newest: Option<Timestamp>,
        began: Option<SystemTime>,
        is_news: bool,
    },
    /// These are listed as deleted since then. `is_final`: it need not be verified, as single objects can't be read.
    Bury {
        tombstones: Vec<(String, Option<Timestamp>)>,
        is_final: bool,
    },
    /// An object that is listed as deleted has been looked at.
    Looked {
        upstream_id: String,
    },
    /// All that was listed as deleted is deleted in the stream.
    DeletesPolled {
        collection_id: String,
        newest: Option<Timestamp>,
        began: SystemTime,
        is_news: bool,
    },
    /// The API has asked all that uses the credential to be silent until then.
    Pause {
        until: SystemTime,
    },
    StartSweep {
        collection_id: String,
    },
    /// What has become of an export is to be found in the history of the sync.
    Log {
        collection_id: String,
        event: &'static str,
        detail: serde_json::Value,
    },
    MoveFeed {
        feed: String,
        cursor: Timestamp,
        polled_at: SystemTime,
    },
    /// What an event has called to mind is stored, and others are not yet.
    Fetched {
        key: Key,
    },
    /// All children of a parent have been listed: which are gone?
    CompareChildren {
        key: Key,
        parent_id: String,
        seen: Vec<String>,
        /// The API says that there is no such parent.
        is_parent_gone: bool,
        observed_at: SystemTime,
    },
    /// Which objects that were set aside are to be fetched again?
    ListRejected {
        collection_id: String,
    },
    /// An object that was set aside has been fetched again; `problem`: why it can't be.
    SettleRejected {
        collection_id: String,
        upstream_id: String,
        problem: Option<String>,
    },
    /// Some of what is too old goes. `from`: there is nothing older.
    Expire {
        from: Option<Timestamp>,
    },
    /// The objects of a collection have these properties.
    Described {
        collection_id: String,
        properties: Vec<String>,
        /// What they are in SQL, where the API tells.
        types: Option<Vec<String>>,
    },
    /// The next changes to be made are handed over, at most so many. `recovers`: what has been handed over before is lost.
    TakeMutations {
        limit: usize,
        recovers: bool,
    },
    /// What has come of changes that were asked for in one request.
    SettleMutations {
        settlements: Vec<Settlement>,
    },
    /// Some of the changes that were finished too long ago go.
    ForgetMutations,
    /// The feed no longer reaches back to where it was left.
    Gap {
        feed: String,
    },
    FailCollection {
        collection_id: String,
        failure: Failure,
        retry_in: Duration,
    },
    FailFeed {
        feed: String,
        failure: Failure,
        retry_in: Duration,
    },
}

/// What has come of a change; `words`: what was wrong.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub id: Uuid,
    pub settled: Settled,
    pub words: Option<Words>,
}

/// What came of the work.
#[derive(Debug)]
pub enum Done {
    Well,
    /// These are stored as live, and the API does not list them, or lists them as deleted.
    Missing {
        upstream_ids: Vec<String>,
        observed_at: SystemTime,
    },
    /// So many records would be deleted that it is more likely a mistake: the sweep has been called off.
    Guarded,
    Rejected {
        upstream_ids: Vec<String>,
    },
    /// `removed`: `None` where the database refused to. `more`: there may be more that is due.
    Expired {
        removed: Option<usize>,
        more: bool,
        oldest: Option<Oldest>,
    },
    /// `has_more`: there may be more to take at once. `next`: when there will be.
    Taken {
        mutations: Vec<Mutation>,
        has_more: bool,
        next: Option<Timestamp>,
    },
    /// `due_in`: how long until the next one is finished too long ago, where there is any.
    Forgotten {
        has_more: bool,
        due_in: Option<Duration>,
    },
    /// What is known of the collection's objects may be out of date, and is asked for again.
    Doubted,
    /// What the work belongs to has been cancelled or deleted.
    Gone,
}

/// Collects what a job orders.
#[derive(Default)]
pub struct Orders {
    pub asks: Vec<Ask>,
    pub works: Vec<Work>,
    pub wake_at: Option<Instant>,
}

impl Orders {
    pub fn wake_at(&mut self, at: Instant) {
        self.wake_at = Some(self.wake_at.map_or(at, |earlier| earlier.min(at)));
    }

    pub fn work(&mut self, then: Then) {
        self.works.push(Work { batch: None, recovered: None, then });
    }
}

/// When a job that failed may go on.
#[derive(Debug, Clone, Copy, Default)]
pub struct Retry {
    failures: u32,
    at: Option<Instant>,
}

impl Retry {
    /// As it was left in the database; `at` in terms of the wall clock.
    pub fn restored(failures: u32, at: Option<Timestamp>) -> Self {
        let now = Timestamp::from(SystemTime::now()).unix_micros();
        let left = at.map(|at| Duration::from_micros(u64::try_from(at.unix_micros() - now).unwrap_or(0)));
        Self { failures, at: left.map(|left| Instant::now() + left) }
    }

    /// Counts a failure; gives the time until the next try. What was under way when another request failed, and fails
    /// too, counts as one with it.
    pub fn failed(&mut self, failure: &Failure) -> Duration {
        self.failed_for(failure, Duration::MAX)
    }

    /// The same with a time of at most `longest`, unless the API asks for more.
    pub fn failed_for(&mut self, failure: &Failure, longest: Duration) -> Duration {
        let now = Instant::now();
        let waits_until = self.waits_until(now);
        if waits_until.is_none() {
            self.failures = self.failures.saturating_add(1);
        }
        let longest = longest.max(failure.retry_after.unwrap_or_default());
        let at = waits_until.unwrap_or(now).max(now + failure.delay(self.failures, jitter()).min(longest));
        self.at = Some(at);
        at - now
    }

    /// True where there had been failures.
    pub fn succeeded(&mut self) -> bool {
        self.at = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// Until when to wait, where that is still to come.
    pub fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.at.filter(|at| *at > now)
    }
}

/// From 0 to 1.
pub fn jitter() -> f64 {
    let random = u16::from_be_bytes([uuid::Uuid::new_v4().as_bytes()[0], uuid::Uuid::new_v4().as_bytes()[1]]);
    f64::from(random) / f64::from(u16::MAX)
}
