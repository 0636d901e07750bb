//! Keeping step with a feed of events that may list an event late, behind others that were read before.
//!
//! An event only says *that* an object changed; the object itself is fetched, so the order of events doesn't matter.
//! What matters is that each event leads to a fetch that starts after it, and that the cursor never passes an event
//! whose fetch is not yet stored.

use crate::timestamp::Timestamp;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::Hash,
    time::Duration,
};

/// With so many events in the look-back, it is no longer read at each poll.
const CROWDED: usize = 100;
/// How far back each poll looks while the look-back is crowded.
const SHORT_LOOKBACK: Duration = Duration::from_secs(10);

/// The state of one feed; `K` names an object to fetch.
#[derive(Debug)]
pub struct EventFeed<K> {
    newest: Timestamp,
    /// Whatever happened before is known without events.
    floor: Timestamp,
    lookback: Duration,
    seen: HashMap<String, Timestamp>,
    changed: HashMap<K, Changed>,
    /// All changed objects, oldest change first …
    unresolved: BTreeSet<(Timestamp, u64)>,
    /// … and those of them that are not being fetched.
    waiting: BTreeMap<(Timestamp, u64), K>,
    next: u64,
}

#[derive(Debug)]
struct Changed {
    since: Timestamp,
    ordinal: u64,
    fetching: bool,
    /// Changed again while it was being fetched.
    again: Option<Timestamp>,
}

impl<K: Eq + Hash + Clone> EventFeed<K> {
    /// A feed whose events up to `cursor` have been dealt with, but for those that appear up to `lookback` late.
    pub fn new(cursor: Timestamp, lookback: Duration) -> Self {
        Self::starting_at(cursor, cursor.minus(lookback), lookback)
    }

    /// A feed that is read for the first time. What has been listed by then, back to `floor`, is to be taken without
    /// objects: the first walks will see them.
    pub fn starting_at(start: Timestamp, floor: Timestamp, lookback: Duration) -> Self {
        Self {
            newest: start,
            floor,
            lookback,
            seen: HashMap::new(),
            changed: HashMap::new(),
            unresolved: BTreeSet::new(),
            waiting: BTreeMap::new(),
            next: 0,
        }
    }

    /// From when on to list events. `deep` asks for the whole look-back even where that is long.
    pub fn since(&self, deep: bool) -> Timestamp {
        let lookback = if deep || self.seen.len() <= CROWDED {
            self.lookback
        } else {
            SHORT_LOOKBACK.min(self.lookback)
        };
        self.newest.minus(lookback).max(self.floor)
    }

    /// Takes an event that was listed; true where it is new.
    pub fn is_new(&self, event: &str) -> bool {
        !self.seen.contains_key(event)
    }

    /// Takes a new event, and the objects that must be fetched because of it.
    pub fn take(&mut self, event: &str, occurred_at: Timestamp, objects: impl IntoIterator<Item = K>) {
        self.seen.insert(event.to_owned(), occurred_at);
        self.newest = self.newest.max(occurred_at);
        for object in objects {
            match self.changed.get_mut(&object) {
                Some(changed) if changed.fetching => {
                    changed.again = Some(changed.again.map_or(occurred_at, |at| at.min(occurred_at)));
                }
                Some(changed) if occurred_at < changed.since => {
                    self.unresolved.remove(&(changed.since, changed.ordinal));
                    self.waiting.remove(&(changed.since, changed.ordinal));
                    changed.since = occurred_at;
                    self.unresolved.insert((occurred_at, changed.ordinal));
                    self.waiting.insert((occurred_at, changed.ordinal), object);
                }
                Some(_) => {}
                None => self.wait_for(object, occurred_at),
            }
        }
    }

    fn wait_for(&mut self, object: K, since: Timestamp) {
        let ordinal = self.next;
        self.next += 1;
        self.unresolved.insert((since, ordinal));
        self.waiting.insert((since, ordinal), object.clone());
        self.changed.insert(object, Changed { since, ordinal, fetching: false, again: None });
    }

    /// All that occurred before `moment` has been listed, but for what is still to appear late.
    pub fn quiet_until(&mut self, moment: Timestamp) {
        self.newest = self.newest.max(moment);
    }

    /// The objects that wait to be fetched, oldest change first, at most `limit`.
    pub fn waiting(&self, limit: usize) -> Vec<K> {
        self.waiting.values().take(limit).cloned().collect()
    }

    /// The fetch of `object` starts now.
    pub fn fetching(&mut self, object: &K) {
        if let Some(changed) = self.changed.get_mut(object) {
            changed.fetching = true;
            self.waiting.remove(&(changed.since, changed.ordinal));
        }
    }

    /// The fetch of `object` failed: it waits again.
    pub fn failed(&mut self, object: &K) {
        if let Some(changed) = self.changed.get_mut(object) {
            changed.fetching = false;
            changed.again = None;
            self.waiting.insert((changed.since, changed.ordinal), object.clone());
        }
    }

    /// What was fetched of `object` is stored.
    pub fn stored(&mut self, object: &K) {
        if let Some(changed) = self.changed.remove(object) {
            self.unresolved.remove(&(changed.since, changed.ordinal));
            self.waiting.remove(&(changed.since, changed.ordinal));
            if let Some(since) = changed.again {
                self.wait_for(object.clone(), since);
            }
        }
    }

    /// How many objects are being fetched.
    pub fn fetching_count(&self) -> usize {
        self.changed.len() - self.waiting.len()
    }

    /// How many objects are changed and not yet stored.
    pub fn backlog(&self) -> usize {
        self.changed.len()
    }

    /// Everything that occurred before is stored, but for what is still to appear late.
    pub fn cursor(&self) -> Timestamp {
        self.unresolved.first().map_or(self.newest, |(oldest, _)| *oldest)
    }

    /// Whether the API, at `now` by its own clock, may already have forgotten events that have not been dealt with.
    pub fn has_gap(&self, now: Timestamp, retention: Duration) -> bool {
        self.cursor() < now.minus(retention)
    }

    /// Forgets the events that no poll will list again.
    pub fn forget(&mut self) {
        // Twice the look-back: a poll that was planned before the cursor moved may still list them.
        let horizon = self.newest.minus(self.lookback * 2);
        self.seen.retain(|_, occurred_at| *occurred_at >= horizon);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_unix_seconds(second).unwrap()
    }

    fn feed() -> EventFeed<&'static str> {
        EventFeed::new(at(1000), Duration::from_secs(600))
    }

    #[test]
    fn the_cursor_waits_for_what_is_not_stored() {
        let mut feed = feed();
        feed.take("e1", at(1010), ["a"]);
        feed.take("e2", at(1020), ["b"]);
        assert_eq!(feed.cursor(), at(1010));
        assert_eq!(feed.waiting(9), ["a", "b"]);
        feed.fetching(&"a");
        feed.fetching(&"b");
        assert!(feed.waiting(9).is_empty());
        feed.stored(&"b");
        assert_eq!(feed.cursor(), at(1010));
        feed.stored(&"a");
        assert_eq!((feed.cursor(), feed.backlog()), (at(1020), 0));
    }

    #[test]
    fn an_event_behind_the_cursor_is_found_and_taken_once() {
        let mut feed = feed();
        feed.take("e1", at(1010), ["a"]);
        feed.fetching(&"a");
        feed.stored(&"a");
        assert!(feed.since(false) <= at(500));
        assert!(feed.is_new("late"));
        feed.take("late", at(700), ["b"]);
        assert!(!feed.is_new("late"));
        assert_eq!((feed.waiting(9), feed.cursor()), (vec!["b"], at(700)));
    }

    #[test]
    fn a_new_feed_does_not_look_back_to_before_its_floor() {
        let mut feed: EventFeed<&str> = EventFeed::starting_at(at(1000), at(900), Duration::from_secs(600));
        assert_eq!(feed.since(true), at(900));
        feed.quiet_until(at(1400));
        assert_eq!(feed.since(true), at(900));
        feed.quiet_until(at(1700));
        assert_eq!(feed.since(true), at(1100));
    }

    #[test]
    fn a_change_during_a_fetch_is_fetched_again() {
        let mut feed = feed();
        feed.take("e1", at(1010), ["a"]);
        feed.fetching(&"a");
        feed.take("e2", at(1011), ["a"]);
        feed.stored(&"a");
        assert_eq!((feed.waiting(9), feed.cursor()), (vec!["a"], at(1011)));
    }

    #[test]
    fn a_failed_fetch_waits_again() {
        let mut feed = feed();
        feed.take("e1", at(1010), ["a"]);
        feed.fetching(&"a");
        feed.failed(&"a");
        assert_eq!((feed.waiting(9), feed.cursor()), (vec!["a"], at(1010)));
    }

    #[test]
    fn a_crowded_look_back_is_read_now_and_then() {
        let mut feed = feed();
        for n in 0..200 {
            feed.take(&format!("e{n}"), at(2000), ["a"]);
        }
        assert_eq!(feed.since(false), at(1990));
        assert_eq!(feed.since(true), at(1400));
        feed.fetching(&"a");
        feed.stored(&"a");
        feed.take("much later", at(9000), []);
        feed.forget();
        assert!(feed.is_new("e0") && !feed.is_new("much later"));
    }
}
