//! Keeping step with a feed of events: reading it, and fetching what changed.

use super::{
    job::{Ask, Batch, Done, Key, Orders, QUIET_INTERVAL, Retry, Tag, Then, Work},
    plan::SyncContext,
    request::{Answered, Question, Reply},
};
use crate::store::plan;
use sequin_domain::{
    failure::{Failure, FailureClass},
    feed::EventFeed,
    timestamp::Timestamp,
};
use sequin_net::Priority;
use sequin_provider::{
    declaration::CollectionRef,
    event::{Event, Events},
    listing::Page,
    pages::After,
    position::Position,
    record::{Record, Rejected},
};
use std::{
    collections::{HashMap, HashSet},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// How many objects are fetched at once.
const FETCHES: usize = 16;
/// With more changed objects than this, listing the collections again costs less than fetching one by one.
const MOST_CHANGED: usize = 20_000;
/// How many pages a look at a feed may have.
const MOST_PAGES: usize = 10_000;
/// How many of the events before its start a feed remembers at most.
const FIRST_LOOK: usize = 2_000;
/// How often the whole look-back is read while it is crowded.
const DEEP_INTERVAL: Duration = Duration::from_secs(30);
/// How far the API's clock may be ahead of what its events say.
const CLOCK_SLACK: Duration = Duration::from_secs(60);

pub struct FeedJob {
    sync: Rc<SyncContext>,
    name: String,
    /// The sync's collections that listen to the feed, by the type of object that concerns them.
    interests: HashMap<String, Vec<Interest>>,
    feed: Option<EventFeed<Key>>,
    every: Duration,
    lookback: Duration,
    retention: Duration,
    due: Instant,
    deep_due: Instant,
    written_at: Option<Instant>,
    reading: Option<Reading>,
    retry: Retry,
    fetches: HashMap<Key, Fetch>,
    troubled: Troubled,
}

/// Collections that were failing when the job began, and of which nobody else will say that they no longer are: those
/// that fail because the credential is refused, and all others.
#[derive(Default)]
pub struct Troubled {
    pub refused: HashSet<String>,
    pub failing: HashSet<String>,
}

enum Interest {
    Object(CollectionRef),
    ChildrenOf(CollectionRef),
}

/// A poll under way: events come newest first, and are taken once all have come.
struct Reading {
    since: Option<Timestamp>,
    after: After,
    asked: bool,
    requests: u32,
    /// Where it has been: a list that leads back there goes in circles.
    trail: HashSet<After>,
    events: Vec<Event>,
    began: SystemTime,
    started: Instant,
}

#[derive(Default)]
struct Fetch {
    retry: Retry,
    children: Option<Children>,
}

/// The children of one parent, while they are listed.
struct Children {
    seen: Vec<String>,
    trail: HashSet<Position>,
    began: Option<SystemTime>,
}

impl FeedJob {
    pub fn new(
        sync: Rc<SyncContext>,
        row: &plan::Feed,
        collections: &[CollectionRef],
        troubled: Troubled,
        due: Instant,
    ) -> Option<Self> {
        let declared = sync.declaration.feeds.get(&row.feed)?;
        let mut interests: HashMap<String, Vec<Interest>> = HashMap::new();
        for collection in
            collections.iter().filter(|collection| collection.changes.feed.as_ref() == Some(&row.feed))
        {
            if let Some(kind) = &collection.changes.object {
                interests.entry(kind.clone()).or_default().push(Interest::Object(collection.clone()));
            }
            if let Some(kind) = &collection.changes.parent_object {
                interests.entry(kind.clone()).or_default().push(Interest::ChildrenOf(collection.clone()));
            }
        }
        let (lookback, retention) = (declared.lookback(), declared.retention());
        Some(Self {
            name: row.feed.clone(),
            interests,
            feed: row.cursor.map(|cursor| EventFeed::new(cursor, lookback)),
            every: sync.poll_interval,
            lookback,
            retention,
            due,
            deep_due: due,
            written_at: None,
            reading: None,
            retry: Retry::restored(row.failures, row.retry_at),
            fetches: HashMap::new(),
            troubled,
            sync,
        })
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    /// Whether it is known from where on the feed is read, so that no change can be missed any more.
    pub fn is_listening(&self) -> bool {
        self.feed.is_some()
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        match self.retry.waits_until(now) {
            Some(until) => orders.wake_at(until),
            None => self.read(now, orders),
        }
        self.fetch(now, orders);
    }

    fn read(&mut self, now: Instant, orders: &mut Orders) {
        if self.reading.is_none() {
            if self.due > now {
                orders.wake_at(self.due);
                return;
            }
            self.due = now + self.every;
            let deep = self.deep_due <= now;
            if deep {
                self.deep_due = now + DEEP_INTERVAL;
            }
            let since = self.feed.as_ref().map(|feed| feed.since(deep));
            self.reading = Some(Reading {
                since,
                after: After::start(),
                asked: false,
                requests: 0,
                trail: HashSet::new(),
                events: Vec::new(),
                began: SystemTime::now(),
                started: now,
            });
        }
        if let Some(reading) = &mut self.reading
            && !reading.asked
        {
            reading.asked = true;
            reading.requests += 1;
            // A look that takes many requests is followed by a longer pause.
            self.due = self.due.max(reading.started + self.sync.poll_share * reading.requests);
            let question = Question::Events {
                declaration: self.sync.declaration.clone(),
                feed: self.name.clone(),
                since: reading.since,
                after: reading.after.clone(),
            };
            orders.asks.push(Ask { tag: Tag::Events, question, priority: Priority::Polling, shows: None });
        }
    }

    fn fetch(&mut self, now: Instant, orders: &mut Orders) {
        let Some(feed) = &mut self.feed else { return };
        let busy = self.fetches.values().filter(|fetch| fetch.retry.waits_until(now).is_none()).count();
        let resting = self.fetches.len() - busy;
        let mut asked = feed.fetching_count();
        for key in feed.waiting(FETCHES + resting) {
            if asked >= FETCHES {
                break;
            }
            let fetch = self.fetches.entry(key.clone()).or_default();
            if let Some(until) = fetch.retry.waits_until(now) {
                orders.wake_at(until);
                continue;
            }
            let Some(collection) = self.sync.collection(key.collection_id()) else {
                continue;
            };
            feed.fetching(&key);
            asked += 1;
            let shows = Some(key.collection_id().to_owned());
            let question = match &key {
                Key::Object { upstream_id, .. } => self.sync.object(&collection, upstream_id),
                Key::Children { parent_id, .. } => {
                    let position = Position::of_parent(parent_id);
                    fetch.children = Some(Children { seen: Vec::new(), trail: HashSet::new(), began: None });
                    Question::Children { listing: Arc::new(self.sync.whole(&collection)), position }
                }
            };
            orders.asks.push(Ask { tag: Tag::Fetch(key), question, priority: Priority::Polling, shows });
        }
    }

    pub fn answered(&mut self, tag: Tag, answered: Answered, orders: &mut Orders) {
        let Answered { sent_at, result, .. } = answered;
        match (tag, result) {
            (Tag::Events, Ok(Reply::Events(events))) => self.take_events(events, orders),
            (Tag::Fetch(key), Ok(Reply::Object(object))) => {
                let (records, rejected) = match object {
                    Ok(record) => (vec![record], Vec::new()),
                    Err(rejected) => (Vec::new(), vec![rejected]),
                };
                self.store(key.clone(), records, rejected, sent_at, Then::Fetched { key }, orders);
            }
            (Tag::Fetch(key), Ok(Reply::Children { page, is_parent_gone })) => {
                self.take_children(key, page, is_parent_gone, sent_at, orders);
            }
            // The parent is gone, or hidden: that is for the list of parents to say, and nothing to wait for.
            (Tag::Fetch(key @ Key::Children { .. }), Err(failure))
                if failure.class == FailureClass::Missing && failure.may_be_hidden =>
            {
                orders.work(Then::StartSweep { collection_id: key.collection_id().to_owned() });
                self.store(key.clone(), Vec::new(), Vec::new(), sent_at, Then::Fetched { key }, orders);
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

    fn take_events(&mut self, page: Events, orders: &mut Orders) {
        let Some(reading) = &mut self.reading else { return };
        reading.asked = false;
        let is_new = page.after.as_ref().is_none_or(|after| reading.trail.insert(after.clone()));
        if !is_new || reading.trail.len() > MOST_PAGES {
            let problem = "the list of events does not come to an end";
            self.failed(Tag::Events, Failure::new(FailureClass::BadData, problem), orders);
            return;
        }
        for collection_id in self.troubled.refused.drain() {
            orders.works.push(Work { batch: None, recovered: Some(collection_id), then: Then::Nothing });
        }
        let Some(feed) = &mut self.feed else {
            self.start(page, orders);
            return;
        };
        if feed.has_gap(page.date, self.retention) {
            self.reading = None;
            orders.work(Then::Gap { feed: self.name.clone() });
            return;
        }
        reading.events.extend(page.events.into_iter().filter(|event| feed.is_new(&event.id)));
        if let Some(after) = page.after {
            reading.after = after;
            if reading.events.len() > MOST_CHANGED {
                self.reading = None;
                orders.work(Then::Gap { feed: self.name.clone() });
            }
            return;
        }
        let Some(reading) = self.reading.take() else {
            return;
        };
        let quiet = reading.events.is_empty();
        // Oldest first, as they happened.
        for event in reading.events.into_iter().rev() {
            let keys = event.object.iter().flat_map(|object| {
                let interests = self.interests.get(&object.kind).map_or(&[][..], Vec::as_slice);
                interests.iter().map(|interest| match interest {
                    Interest::Object(collection) => Key::Object {
                        collection_id: collection.id().as_str().to_owned(),
                        upstream_id: object.id.clone(),
                    },
                    Interest::ChildrenOf(collection) => Key::Children {
                        collection_id: collection.id().as_str().to_owned(),
                        parent_id: object.id.clone(),
                    },
                })
            });
            feed.take(&event.id, event.occurred_at, keys.collect::<Vec<_>>());
        }
        feed.quiet_until(page.date.minus(CLOCK_SLACK));
        feed.forget();
        let failing = self.retry.succeeded();
        let long_ago = self.written_at.is_none_or(|at| at.elapsed() >= QUIET_INTERVAL);
        if failing || long_ago || (!quiet && feed.backlog() == 0) {
            self.write(reading.began, orders);
        }
    }

    /// The first look says where the feed is. Whatever happened before, the backfills will see; only what is listed
    /// later, behind that point, must not be taken for known.
    fn start(&mut self, page: Events, orders: &mut Orders) {
        let Some(reading) = &mut self.reading else { return };
        let newest = reading.events.first().or(page.events.first()).map(|event| event.occurred_at);
        let start = newest.unwrap_or(page.date).max(page.date.minus(CLOCK_SLACK));
        reading.events.extend(page.events);
        let horizon = start.minus(self.lookback);
        let oldest = reading.events.last().map_or(horizon, |event| event.occurred_at);
        let goes_on = page.after.is_some();
        if let Some(after) = page.after
            && oldest > horizon
            && reading.events.len() < FIRST_LOOK
        {
            reading.after = after;
            return;
        }
        let floor = if goes_on { oldest.max(horizon) } else { horizon };
        let mut feed = EventFeed::starting_at(start, floor, self.lookback);
        for event in &reading.events {
            feed.take(&event.id, event.occurred_at, []);
        }
        let began = reading.began;
        self.reading = None;
        self.feed = Some(feed);
        self.write(began, orders);
    }

    /// Writes down how far the feed has been read.
    fn write(&mut self, polled_at: SystemTime, orders: &mut Orders) {
        if let Some(feed) = &self.feed {
            self.written_at = Some(Instant::now());
            orders.work(Then::MoveFeed { feed: self.name.clone(), cursor: feed.cursor(), polled_at });
        }
    }

    fn take_children(
        &mut self,
        key: Key,
        page: Page,
        is_parent_gone: bool,
        sent_at: SystemTime,
        orders: &mut Orders,
    ) {
        let Key::Children { collection_id, parent_id } = &key else {
            return;
        };
        let Some(children) = self.fetches.get_mut(&key).and_then(|fetch| fetch.children.as_mut()) else {
            return;
        };
        let Page { records, rejected, next, .. } = page;
        let is_new = next.as_ref().is_none_or(|position| children.trail.insert(position.clone()));
        if !is_new || children.trail.len() > MOST_PAGES {
            let problem = "the list of a parent's children does not come to an end";
            self.failed(Tag::Fetch(key), Failure::new(FailureClass::BadData, problem), orders);
            return;
        }
        let ids = records.iter().map(|record| &record.upstream_id);
        children
            .seen
            .extend(ids.chain(rejected.iter().filter_map(|record| record.upstream_id.as_ref())).cloned());
        let began = *children.began.get_or_insert(sent_at);
        let then = match next {
            Some(position) => {
                if let Some(collection) = self.sync.collection(collection_id) {
                    let question =
                        Question::Children { listing: Arc::new(self.sync.whole(&collection)), position };
                    let shows = Some(collection_id.clone());
                    orders.asks.push(Ask {
                        tag: Tag::Fetch(key.clone()),
                        question,
                        priority: Priority::Polling,
                        shows,
                    });
                }
                Then::Nothing
            }
            None => Then::CompareChildren {
                key: key.clone(),
                parent_id: parent_id.clone(),
                seen: std::mem::take(&mut children.seen),
                is_parent_gone,
                observed_at: began,
            },
        };
        self.store(key, records, rejected, sent_at, then, orders);
    }

    fn store(
        &mut self,
        key: Key,
        records: Vec<Record>,
        rejected: Vec<Rejected>,
        observed_at: SystemTime,
        then: Then,
        orders: &mut Orders,
    ) {
        let Some(collection) = self.sync.collection(key.collection_id()) else {
            return;
        };
        let failed = self.fetches.get_mut(&key).is_some_and(|fetch| fetch.retry.succeeded());
        let failing = self.troubled.failing.remove(key.collection_id()) || failed;
        let batch = Batch { place: self.sync.place(&collection), observed_at, records, rejected };
        let recovered = failing.then(|| key.collection_id().to_owned());
        orders.works.push(Work { batch: Some(batch), recovered, then: self.with_cursor(then) });
    }

    /// The cursor moves in the transaction that stores the last object it has waited for.
    fn with_cursor(&mut self, then: Then) -> Then {
        let Then::Fetched { key } = then else { return then };
        let Some(feed) = &mut self.feed else {
            return Then::Fetched { key };
        };
        let before = feed.cursor();
        feed.stored(&key);
        self.fetches.remove(&key);
        if feed.cursor() == before {
            return Then::Fetched { key };
        }
        self.written_at = Some(Instant::now());
        let polled_at = SystemTime::now();
        Then::MoveFeed { feed: self.name.clone(), cursor: feed.cursor(), polled_at }
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: Tag) {
        match tag {
            Tag::Fetch(key) => {
                if let Some(feed) = &mut self.feed {
                    feed.failed(&key);
                }
                self.fetches.entry(key).or_default().children = None;
            }
            _ => self.reading = None,
        }
    }

    fn failed(&mut self, tag: Tag, failure: Failure, orders: &mut Orders) {
        self.give_back(tag.clone());
        match tag {
            Tag::Fetch(key) => {
                let fetch = self.fetches.entry(key.clone()).or_default();
                let retry_in = fetch.retry.failed(&failure);
                orders.wake_at(Instant::now() + retry_in);
                orders.work(Then::FailCollection {
                    collection_id: key.collection_id().to_owned(),
                    failure,
                    retry_in,
                });
            }
            _ => {
                let retry_in = self.retry.failed(&failure);
                orders.wake_at(Instant::now() + retry_in);
                orders.work(Then::FailFeed { feed: self.name.clone(), failure, retry_in });
            }
        }
    }

    /// Takes what came of the work; true where the feed has to be started anew.
    pub fn done(&mut self, then: &Then, done: Done, orders: &mut Orders) -> bool {
        match (then, done) {
            (_, Done::Gone) | (Then::Gap { .. }, _) => return true,
            (Then::CompareChildren { key, .. }, Done::Missing { upstream_ids, observed_at }) => {
                let records = upstream_ids.iter().map(|id| Record::gone(id)).collect();
                self.store(
                    key.clone(),
                    records,
                    vec![],
                    observed_at,
                    Then::Fetched { key: key.clone() },
                    orders,
                );
            }
            _ => {}
        }
        false
    }
}
