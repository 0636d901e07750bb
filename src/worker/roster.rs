//! Which jobs there are, and which the plan asks for.

use super::{
    describe::Describe,
    feed::{FeedJob, Troubled},
    job::Retry,
    mutate::Mutate,
    plan::{Plan, SyncContext},
    refetch::Refetch,
    retention::Retention,
    walk::Walk,
};
use crate::store::plan::{Backfill, Collection, Feed};
use pgrx::Uuid;
use sequin_domain::{schedule::until_due, timestamp::Timestamp};
use sequin_provider::declaration::CollectionRef;
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// What tells a job from all others; collections by their identifier.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Role {
    Feed { sync: Uuid, feed: String },
    Backfill { sync: Uuid, id: Uuid },
    Poll { sync: Uuid, collection_id: String },
    Deletes { sync: Uuid, collection_id: String },
    Refetch { sync: Uuid, collection_id: String },
    Describe { sync: Uuid, collection_id: String },
    Retention { sync: Uuid },
    Mutate { sync: Uuid },
    Sweep { sync: Uuid, collection_id: String },
}

impl Role {
    pub fn sync(&self) -> Uuid {
        match self {
            Self::Feed { sync, .. }
            | Self::Backfill { sync, .. }
            | Self::Poll { sync, .. }
            | Self::Deletes { sync, .. }
            | Self::Refetch { sync, .. }
            | Self::Describe { sync, .. }
            | Self::Retention { sync }
            | Self::Mutate { sync }
            | Self::Sweep { sync, .. } => *sync,
        }
    }
}

pub enum Job {
    Walk(Box<Walk>),
    Feed(Box<FeedJob>),
    Refetch(Box<Refetch>),
    Describe(Box<Describe>),
    Retention(Box<Retention>),
    Mutate(Box<Mutate>),
    Sweep(SweepTimer),
}

/// Waits until the next sweep of a collection.
pub struct SweepTimer {
    pub sync: Rc<SyncContext>,
    pub collection_id: String,
    pub due: Instant,
    pub ordered: bool,
}

impl Job {
    pub fn sync(&self) -> &Rc<SyncContext> {
        match self {
            Self::Walk(walk) => walk.sync(),
            Self::Feed(feed) => feed.sync(),
            Self::Refetch(refetch) => refetch.sync(),
            Self::Describe(describe) => describe.sync(),
            Self::Retention(retention) => retention.sync(),
            Self::Mutate(mutate) => mutate.sync(),
            Self::Sweep(timer) => &timer.sync,
        }
    }

    /// Whether the API has told something else of the collection since the job was made.
    pub fn is_described_otherwise(&self) -> bool {
        match self {
            Self::Walk(walk) => walk.is_described_otherwise(),
            Self::Describe(describe) => describe.is_described_otherwise(),
            Self::Feed(_) | Self::Refetch(_) | Self::Retention(_) | Self::Mutate(_) | Self::Sweep(_) => false,
        }
    }

    /// Whether it has anything to ask the API.
    pub fn asks(&self) -> bool {
        match self {
            Self::Retention(_) => false,
            Self::Mutate(mutate) => mutate.asks(),
            Self::Walk(_) | Self::Feed(_) | Self::Refetch(_) | Self::Describe(_) | Self::Sweep(_) => true,
        }
    }
}

/// The jobs that the plan asks for and that are not among those `at_work`.
pub fn missing(
    plan: &Plan,
    syncs: &HashMap<Uuid, Rc<SyncContext>>,
    at_work: impl Fn(&Role) -> bool,
) -> Vec<(Role, Job)> {
    let mut states: HashMap<Uuid, HashMap<&str, &Collection>> = HashMap::new();
    for state in &plan.collections {
        states.entry(state.sync_id).or_default().insert(&state.collection_id, state);
    }
    let walking = walked(plan, |_| true);
    let sweeping = walked(plan, |backfill| backfill.kind == "sweep");
    let mut jobs = Vec::new();
    let mut add = |role: Role, job: &dyn Fn() -> Option<Job>| {
        if !at_work(&role) {
            jobs.extend(job().map(|job| (role, job)));
        }
    };
    for row in &plan.feeds {
        if let Some((sync, states)) = syncs.get(&row.sync_id).zip(states.get(&row.sync_id)) {
            add(Role::Feed { sync: sync.id, feed: row.feed.clone() }, &|| feed(sync, row, states, &walking));
        }
    }
    for row in &plan.backfills {
        let Some(sync) = syncs.get(&row.sync_id) else { continue };
        let state = states.get(&row.sync_id).and_then(|states| states.get(row.collection_id.as_str()));
        add(Role::Backfill { sync: sync.id, id: row.id }, &|| backfill(sync, row, state.copied()));
    }
    for (sync_id, collection_id) in &plan.rejected {
        let Some(sync) = syncs.get(sync_id) else { continue };
        let state = states.get(sync_id).and_then(|states| states.get(collection_id.as_str()));
        add(Role::Refetch { sync: *sync_id, collection_id: collection_id.clone() }, &|| {
            let collection = sync
                .collection(collection_id)
                .filter(|each| each.is_retrievable() && sync.is_described(each))?;
            Some(Job::Refetch(Box::new(Refetch::new(sync.clone(), collection, retry_of(Some(*state?))))))
        });
    }
    for (sync_id, sync) in syncs {
        add(Role::Retention { sync: *sync_id }, &|| {
            Retention::new(sync.clone()).map(|retention| Job::Retention(Box::new(retention)))
        });
    }
    for sync_id in &plan.mutating {
        let Some(sync) = syncs.get(sync_id) else { continue };
        add(Role::Mutate { sync: *sync_id }, &|| Some(Job::Mutate(Box::new(Mutate::new(sync.clone())))));
    }
    for row in &plan.collections {
        let Some(sync) = syncs.get(&row.sync_id) else { continue };
        let Some(collection) = sync.collection(&row.collection_id) else { continue };
        let (sync_id, collection_id) = (sync.id, row.collection_id.clone());
        if collection.properties.is_some() {
            let last = sync.described_at(&collection_id);
            add(Role::Describe { sync: sync_id, collection_id: collection_id.clone() }, &|| {
                let describe = Describe::new(sync.clone(), collection.clone(), last, retry_of(Some(row)));
                Some(Job::Describe(Box::new(describe)))
            });
        }
        if !sync.is_described(&collection) {
            continue;
        }
        // From the beginning on: what is new does not wait for the backfill.
        let at_least = |seconds| sync.poll_interval.max(Duration::from_secs(seconds));
        if let Some(every) = collection.changes.poll.map(at_least) {
            let role = Role::Poll { sync: sync_id, collection_id: collection_id.clone() };
            add(role, &|| {
                let due = due(row.polled_at, every);
                Some(Job::Walk(Box::new(Walk::poll(sync.clone(), collection.clone(), row, every, due))))
            });
            let lists_deletes = sync.lists_deletes(&collection);
            if let Some(every) = collection.deletes_poll().filter(|_| lists_deletes).map(at_least) {
                let role = Role::Deletes { sync: sync_id, collection_id: collection_id.clone() };
                add(role, &|| {
                    let due = due(row.deletes_polled_at, every);
                    Some(Job::Walk(Box::new(Walk::deletes(
                        sync.clone(),
                        collection.clone(),
                        row,
                        every,
                        due,
                    ))))
                });
            }
        }
        if !row.backfilled {
            continue;
        }
        if let Some(seconds) = collection.changes.sweep
            && !sweeping.contains(&(sync_id, row.collection_id.as_str()))
        {
            let due = due(row.swept_at, sync.frequency.interval(Duration::from_secs(seconds)));
            add(Role::Sweep { sync: sync_id, collection_id: collection_id.clone() }, &|| {
                let collection_id = collection_id.clone();
                Some(Job::Sweep(SweepTimer { sync: sync.clone(), collection_id, due, ordered: false }))
            });
        }
    }
    jobs
}

/// The collections with an unfinished backfill that counts.
fn walked(plan: &Plan, counts: impl Fn(&Backfill) -> bool) -> HashSet<(Uuid, &str)> {
    let walked = plan.backfills.iter().filter(|backfill| counts(backfill));
    walked.map(|backfill| (backfill.sync_id, backfill.collection_id.as_str())).collect()
}

fn feed(
    sync: &Rc<SyncContext>,
    row: &Feed,
    states: &HashMap<&str, &Collection>,
    walking: &HashSet<(Uuid, &str)>,
) -> Option<Job> {
    let listening: Vec<CollectionRef> = states.keys().filter_map(|id| sync.collection(id)).collect();
    let mut troubled = Troubled::default();
    // A walk or a poll says itself that it is well again.
    let is_others = |id: &str| walking.contains(&(sync.id, id)) || sync.is_polled(id);
    for state in
        states.values().filter(|state| state.failures > 0 && !is_others(state.collection_id.as_str()))
    {
        let ids = if state.is_refused { &mut troubled.refused } else { &mut troubled.failing };
        ids.insert(state.collection_id.clone());
    }
    let due = if row.cursor.is_some() { due(row.polled_at, sync.poll_interval) } else { Instant::now() };
    FeedJob::new(sync.clone(), row, &listening, troubled, due).map(|feed| Job::Feed(Box::new(feed)))
}

fn backfill(sync: &Rc<SyncContext>, row: &Backfill, state: Option<&Collection>) -> Option<Job> {
    let collection = sync.collection(&row.collection_id).filter(|each| sync.is_described(each))?;
    Some(Job::Walk(Box::new(Walk::backfill(sync.clone(), collection, row, retry_of(state)))))
}

fn retry_of(state: Option<&Collection>) -> Retry {
    state.map_or_else(Retry::default, |state| Retry::restored(state.failures, state.retry_at))
}

/// When something is due that is done each so often and was done last at `last`.
fn due(last: Option<Timestamp>, every: Duration) -> Instant {
    Instant::now() + until_due(last, every, SystemTime::now().into())
}
