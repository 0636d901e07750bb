//! Lists that a walk could not read and has passed over, and what is said of them.

use super::job::{Orders, Then};
use crate::store::plan;
use sequin_domain::failure::{Failure, FailureClass};
use sequin_provider::{
    declaration::CollectionRef,
    unread::{Unread, UnreadList},
};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// So many lists beneath objects may be refused where none of them was shown: then it is the collection that is forbidden.
const MOST_REFUSED: usize = 100;
/// So many are remembered and told of, the first by name.
const MOST_TOLD: usize = 100;
/// How often a look that finds the same writes it down all the same.
const TOLD_ANEW: Duration = Duration::from_secs(60);

/// By what it is called: `repositories acme/site`.
type Failures = BTreeMap<String, Failure>;
type Classes = BTreeMap<String, FailureClass>;

/// What a walk has passed over.
pub struct PassedOver {
    /// Whether any of its lists can be passed over.
    is_possible: bool,
    /// Whether it reads each list of the collection.
    reads_all: bool,
    found: Failures,
    /// There are more than those.
    is_cut: bool,
    /// How many lists beneath objects were refused, and how many pages of others of them were shown.
    refused: usize,
    shown: usize,
    /// Whether any page was read at all.
    has_read: bool,
    /// What has been written down, and when that was all there was.
    told: Classes,
    settled_at: Option<Instant>,
}

impl PassedOver {
    pub fn new(collection: &CollectionRef) -> Self {
        Self {
            is_possible: !collection.is_one_list(),
            // Of parents that have not changed, the children are not asked for.
            reads_all: !collection.changes.of_parents,
            found: Failures::new(),
            is_cut: false,
            refused: 0,
            shown: 0,
            has_read: false,
            told: Classes::new(),
            settled_at: None,
        }
    }

    /// Of a backfill, which may go on where an earlier worker has left it, or read a part of the lists only.
    pub fn of_backfill(collection: &CollectionRef, row: &plan::Backfill) -> Self {
        let is_fresh = row.ranges.iter().all(|range| range.position.is_none() && !range.done);
        Self { reads_all: is_fresh && row.since.is_none(), ..Self::new(collection) }
    }

    /// All lists are read anew.
    pub fn begin(&mut self) {
        self.found.clear();
        self.is_cut = false;
        (self.refused, self.shown, self.has_read) = (0, 0, false);
    }

    /// A page has been read; `is_beneath`: of a list beneath an object.
    pub fn read(&mut self, is_beneath: bool) {
        self.has_read = true;
        self.shown += usize::from(is_beneath);
    }

    /// Takes a list that could not be read. False where it is not to be passed over: too many are refused.
    pub fn take(&mut self, unread: &Unread) -> bool {
        if matches!(unread.list, UnreadList::Object { .. }) {
            self.refused += 1;
            if self.shown == 0 && self.refused > MOST_REFUSED {
                return false;
            }
        }
        self.found.insert(unread.list.to_string(), unread.failure.clone());
        if self.found.len() > MOST_TOLD {
            self.found.pop_last();
            self.is_cut = true;
        }
        true
    }

    /// Whether nothing could be read at all.
    pub fn is_everything(&self) -> bool {
        !self.has_read
    }

    /// Has what was found written down, where it is news. `is_over`: all lists have been asked for. `looks`: by a look,
    /// which shows of a list that can be read again no more than what is new.
    pub fn tell(&mut self, collection: &CollectionRef, is_over: bool, looks: bool, orders: &mut Orders) {
        if !self.is_possible {
            return;
        }
        let found: Classes = self.found.iter().map(|(name, failure)| (name.clone(), failure.class)).collect();
        let is_whole = is_over && self.reads_all;
        let is_news = match self.settled_at {
            _ if !is_whole => found.iter().any(|(name, class)| self.told.get(name) != Some(class)),
            // Another walk may have written down something else.
            Some(at) => found != self.told || at.elapsed() >= TOLD_ANEW,
            None => true,
        };
        if !is_news {
            return;
        }
        let unread = self.found.iter().map(|(name, failure)| (name.clone(), failure.clone()));
        orders.work(Then::NoteUnread {
            collection_id: collection.id().as_str().to_owned(),
            unread: unread.collect(),
            is_whole,
            is_cut: self.is_cut,
            looks,
        });
        if is_whole {
            (self.told, self.settled_at) = (found, Some(Instant::now()));
        } else {
            self.told.extend(found);
        }
    }
}
