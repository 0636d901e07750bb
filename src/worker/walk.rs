//! Walking through the list of a collection: backfills, sweeps and polls.

use super::{
    job::{Ask, Batch, Done, Orders, Retry, Tag, Then, Work},
    plan::SyncContext,
    request::{Answered, Question, Reply},
};
use crate::store::plan;
use pgrx::Uuid;
use sequin_domain::{
    failure::{Failure, FailureClass},
    timestamp::Timestamp,
};
use sequin_net::Priority;
use sequin_provider::{
    declaration::CollectionRef,
    listing::{Listing, Page, Position},
    record::Record,
};
use std::{
    collections::{HashSet, VecDeque},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// How many pages may wait to be stored while the next is asked for.
const PAGES_AHEAD: usize = 2;
/// How many objects that a sweep has missed are looked for at once.
const CHECKS: usize = 8;

pub struct Walk {
    sync: Rc<SyncContext>,
    collection: CollectionRef,
    purpose: Purpose,
    listing: Arc<Listing>,
    /// Where to go on asking; `None` at the end of the list.
    next: Option<Position>,
    asked: bool,
    unstored: usize,
    retry: Retry,
    checks: Checks,
    /// Hashes of where it has been: a list that leads back there goes in circles.
    trail: HashSet<u64>,
}

enum Purpose {
    Backfill { id: Uuid, sweep: bool },
    Poll(Poll),
}

/// Looking for new objects again and again.
struct Poll {
    every: Duration,
    lookback: Duration,
    cursor: Option<Timestamp>,
    due: Instant,
    began: Option<SystemTime>,
}

/// The objects that a sweep has missed, while each is looked for.
#[derive(Default)]
struct Checks {
    waiting: VecDeque<String>,
    open: HashSet<String>,
}

impl Walk {
    pub fn backfill(
        sync: Rc<SyncContext>,
        collection: CollectionRef,
        row: &plan::Backfill,
        retry: Retry,
    ) -> Self {
        let position = row.position.as_deref().and_then(|position| serde_json::from_str(position).ok());
        let listing = Listing { collection: collection.clone(), since: row.since };
        Self {
            sync,
            purpose: Purpose::Backfill { id: row.id, sweep: row.kind == "sweep" },
            listing: Arc::new(listing),
            next: Some(position.unwrap_or_else(Position::start)),
            asked: false,
            unstored: 0,
            retry,
            checks: Checks::default(),
            trail: HashSet::new(),
            collection,
        }
    }

    /// `every`: the shortest time between two polls.
    pub fn poll(
        sync: Rc<SyncContext>,
        collection: CollectionRef,
        row: &plan::Collection,
        every: Duration,
        due: Instant,
    ) -> Self {
        let poll = Poll {
            every,
            lookback: Duration::from_secs(collection.changes.lookback),
            cursor: row.cursor,
            due,
            began: None,
        };
        Self {
            sync,
            purpose: Purpose::Poll(poll),
            listing: Arc::new(Listing { collection: collection.clone(), since: None }),
            next: None,
            asked: false,
            unstored: 0,
            retry: Retry::restored(row.failures, row.retry_at),
            checks: Checks::default(),
            trail: HashSet::new(),
            collection,
        }
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    fn backfill_id(&self) -> Option<Uuid> {
        match self.purpose {
            Purpose::Backfill { id, .. } => Some(id),
            Purpose::Poll(_) => None,
        }
    }

    /// The feed that must be listening before the walk may start, so that no change falls between the two.
    pub fn needs_feed(&self) -> Option<&str> {
        self.backfill_id().and(self.collection.changes.feed.as_deref())
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        if let Some(until) = self.retry.waits_until(now) {
            orders.wake_at(until);
            return;
        }
        if let Purpose::Poll(poll) = &mut self.purpose
            && poll.began.is_none()
        {
            if poll.due > now {
                orders.wake_at(poll.due);
                return;
            }
            poll.began = Some(SystemTime::now());
            poll.due = now + poll.every;
            let since = poll.cursor.map(|cursor| cursor.minus(poll.lookback));
            self.listing = Arc::new(Listing { collection: self.collection.clone(), since });
            self.next = Some(Position::start());
            self.trail.clear();
        }
        if !self.asked
            && self.unstored < PAGES_AHEAD
            && let Some(position) = &self.next
        {
            self.asked = true;
            let question = Question::Page { listing: self.listing.clone(), position: position.clone() };
            self.ask(orders, Tag::Page, question);
        }
        while self.checks.open.len() < CHECKS
            && let Some(upstream_id) = self.checks.waiting.pop_front()
        {
            self.checks.open.insert(upstream_id.clone());
            let question =
                Question::Object { collection: self.collection.clone(), upstream_id: upstream_id.clone() };
            self.ask(orders, Tag::Check(upstream_id), question);
        }
    }

    fn ask(&self, orders: &mut Orders, tag: Tag, question: Question) {
        let priority = match self.purpose {
            Purpose::Backfill { .. } => Priority::Backfill,
            Purpose::Poll(_) => Priority::Polling,
        };
        orders.asks.push(Ask {
            tag,
            question,
            priority,
            shows: Some(self.collection.id().as_str().to_owned()),
        });
    }

    pub fn answered(&mut self, tag: Tag, answered: Answered, orders: &mut Orders) {
        let Answered { sent_at, result } = answered;
        match (tag, result) {
            (Tag::Page, Ok(Reply::Page(page))) => self.take_page(page, sent_at, orders),
            (Tag::Check(upstream_id), Ok(Reply::Object(object))) => {
                let (records, rejected) = match object {
                    Ok(record) => (vec![record], Vec::new()),
                    Err(rejected) => (Vec::new(), vec![rejected]),
                };
                if let Some(backfill) = self.backfill_id() {
                    self.store(records, rejected, sent_at, Then::Noted { backfill, upstream_id }, orders);
                }
            }
            (tag, Err(failure)) => self.failed(tag, failure, orders),
            (tag, Ok(_)) => {
                self.failed(
                    tag,
                    Failure::new(FailureClass::Unknown, "the answer is to another question"),
                    orders,
                );
            }
        }
    }

    fn take_page(&mut self, page: Page, sent_at: SystemTime, orders: &mut Orders) {
        let Page { records, rejected, next } = page;
        if let Some(position) = &next
            && !self.trail.insert(BuildHasherDefault::<DefaultHasher>::default().hash_one(position))
        {
            let failure =
                Failure::new(FailureClass::BadData, "the list leads back to a page that was read already");
            self.trail.clear();
            self.failed(Tag::Page, failure, orders);
            return;
        }
        self.asked = false;
        let newest = records.iter().filter_map(|record| record.created_at).max();
        let then = match &mut self.purpose {
            Purpose::Backfill { id, sweep } => Then::Advance {
                backfill: *id,
                position: next.as_ref().and_then(|position| serde_json::to_string(position).ok()),
                noted: *sweep,
                newest,
            },
            Purpose::Poll(poll) => {
                poll.cursor = poll.cursor.max(newest);
                let began = if next.is_none() { poll.began } else { None };
                // The cursor moves with the last page only: the list is read from the newest object backwards.
                Then::Polled { newest: if next.is_none() { poll.cursor } else { None }, began }
            }
        };
        self.next = next;
        self.store(records, rejected, sent_at, then, orders);
    }

    fn store(
        &mut self,
        records: Vec<Record>,
        rejected: Vec<sequin_provider::record::Rejected>,
        observed_at: SystemTime,
        then: Then,
        orders: &mut Orders,
    ) {
        self.unstored += 1;
        let recovered = self.retry.succeeded().then(|| self.collection.id().as_str().to_owned());
        let batch = Batch { place: self.sync.place(&self.collection), observed_at, records, rejected };
        orders.works.push(Work { batch: Some(batch), recovered, then });
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: Tag) {
        match tag {
            Tag::Check(upstream_id) => {
                self.checks.open.remove(&upstream_id);
                self.checks.waiting.push_back(upstream_id);
            }
            _ => self.asked = false,
        }
    }

    fn failed(&mut self, tag: Tag, failure: Failure, orders: &mut Orders) {
        self.give_back(tag);
        let retry_in = self.retry.failed(&failure);
        orders.wake_at(Instant::now() + retry_in);
        orders.work(Then::FailCollection {
            collection_id: self.collection.id().as_str().to_owned(),
            failure,
            retry_in,
        });
    }

    /// Takes what came of the work; true where the walk has come to its end.
    pub fn done(&mut self, then: &Then, done: Done, orders: &mut Orders) -> bool {
        match (then, done) {
            (_, Done::Gone) => return true,
            (Then::Advance { backfill, position, noted, .. }, _) => {
                self.unstored -= 1;
                if position.is_none() {
                    if *noted {
                        orders.work(Then::Compare { backfill: *backfill });
                    } else {
                        orders.work(Then::Complete { backfill: *backfill });
                    }
                }
            }
            (Then::Polled { began, .. }, _) => {
                self.unstored -= 1;
                if began.is_some()
                    && let Purpose::Poll(poll) = &mut self.purpose
                {
                    poll.began = None;
                    orders.wake_at(poll.due);
                }
            }
            (Then::Noted { upstream_id, backfill }, _) => {
                self.unstored -= 1;
                self.checks.open.remove(upstream_id);
                if self.checks.open.is_empty() && self.checks.waiting.is_empty() {
                    orders.work(Then::Compare { backfill: *backfill });
                }
            }
            (Then::Compare { backfill }, Done::Missing { upstream_ids, observed_at }) => {
                self.look_for(upstream_ids, observed_at, *backfill, orders);
            }
            (Then::Compare { .. }, Done::Guarded) | (Then::Complete { .. }, _) => return true,
            _ => {}
        }
        false
    }

    /// A list may hide what still exists, so each object that is missing is asked for before it counts as deleted.
    fn look_for(
        &mut self,
        missing: Vec<String>,
        observed_at: SystemTime,
        backfill: Uuid,
        orders: &mut Orders,
    ) {
        if missing.is_empty() {
            orders.work(Then::Complete { backfill });
        } else if self.collection.retrieve.is_some() {
            self.checks.waiting.extend(missing);
        } else {
            let records = missing.iter().map(|id| Record::gone(id)).collect();
            let place = self.sync.place(&self.collection);
            let batch = Batch { place, observed_at, records, rejected: Vec::new() };
            orders.works.push(Work { batch: Some(batch), recovered: None, then: Then::Compare { backfill } });
        }
    }
}
