//! Fetching again, one by one, objects that were set aside: because somebody has asked for it.

use super::{
    job::{Ask, Batch, Done, Orders, Retry, Tag, Then, Work},
    plan::SyncContext,
    request::{Answered, Reply},
};
use sequin_domain::failure::{Failure, FailureClass};
use sequin_net::Priority;
use sequin_provider::declaration::CollectionRef;
use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
    time::Instant,
};

/// How many objects are asked for at once.
const FETCHES: usize = 8;

pub struct Refetch {
    sync: Rc<SyncContext>,
    collection: CollectionRef,
    /// Whether `waiting` has been asked for, so that an empty one means that nothing is left.
    listed: bool,
    waiting: VecDeque<String>,
    open: HashSet<String>,
    retry: Retry,
}

impl Refetch {
    pub fn new(sync: Rc<SyncContext>, collection: CollectionRef, retry: Retry) -> Self {
        Self { sync, collection, listed: false, waiting: VecDeque::new(), open: HashSet::new(), retry }
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    fn collection_id(&self) -> String {
        self.collection.id().as_str().to_owned()
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        if let Some(until) = self.retry.waits_until(now) {
            orders.wake_at(until);
            return;
        }
        if !self.listed {
            self.listed = true;
            orders.work(Then::ListRejected { collection_id: self.collection_id() });
        }
        while self.open.len() < FETCHES
            && let Some(upstream_id) = self.waiting.pop_front()
        {
            self.open.insert(upstream_id.clone());
            orders.asks.push(Ask {
                tag: Tag::Check(upstream_id.clone()),
                question: self.sync.object(&self.collection, &upstream_id),
                priority: Priority::Backfill,
                shows: Some(self.collection_id()),
            });
        }
    }

    pub fn answered(&mut self, tag: Tag, answered: Answered, orders: &mut Orders) {
        let Answered { sent_at, result, .. } = answered;
        match (tag, result) {
            (Tag::Check(upstream_id), Ok(Reply::Object(object))) => {
                let (records, rejected) = match object {
                    Ok(record) => (vec![record], Vec::new()),
                    Err(rejected) => (Vec::new(), vec![rejected]),
                };
                let batch = Batch {
                    place: self.sync.place(&self.collection),
                    observed_at: sent_at,
                    records,
                    rejected,
                };
                let recovered = self.retry.succeeded().then(|| self.collection_id());
                let then = self.settled(upstream_id, None);
                orders.works.push(Work { batch: Some(batch), recovered, then });
            }
            (tag, Err(failure)) => self.failed(tag, failure, orders),
            (tag, Ok(_)) => {
                let failure = Failure::new(FailureClass::Unknown, "the answer is to another question");
                self.failed(tag, failure, orders);
            }
        }
    }

    fn settled(&self, upstream_id: String, problem: Option<String>) -> Then {
        Then::SettleRejected { collection_id: self.collection_id(), upstream_id, problem }
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: Tag) {
        if let Tag::Check(upstream_id) = tag {
            self.open.remove(&upstream_id);
            self.waiting.push_back(upstream_id);
        }
    }

    fn failed(&mut self, tag: Tag, failure: Failure, orders: &mut Orders) {
        use FailureClass::{Credential, RateLimited, Transient, Unknown};
        match tag {
            // What will fail again stays set aside.
            Tag::Check(upstream_id)
                if !matches!(failure.class, Transient | RateLimited | Credential | Unknown) =>
            {
                orders.work(self.settled(upstream_id, Some(failure.message)));
            }
            tag => {
                self.give_back(tag);
                let retry_in = self.retry.failed(&failure);
                orders.wake_at(Instant::now() + retry_in);
                let collection_id = self.collection_id();
                orders.work(Then::FailCollection { collection_id, failure, retry_in });
            }
        }
    }

    /// Takes what came of the work; true where nothing is left.
    pub fn done(&mut self, then: &Then, done: Done) -> bool {
        match (then, done) {
            (_, Done::Gone) => return true,
            (Then::ListRejected { .. }, Done::Rejected { upstream_ids }) => {
                if upstream_ids.is_empty() {
                    return true;
                }
                self.waiting.extend(upstream_ids);
            }
            (Then::SettleRejected { upstream_id, .. }, _) => {
                self.open.remove(upstream_id);
                if self.open.is_empty() && self.waiting.is_empty() {
                    self.listed = false;
                }
            }
            _ => {}
        }
        false
    }
}
