//! Looking at a list again and again, for what is new, has changed or has been deleted since.

use super::{
    job::{Orders, QUIET_INTERVAL, Then},
    range::{Range, hash},
    request::Question,
};
use crate::store::plan;
use sequin_domain::{ranges::Span, timestamp::Timestamp};
use sequin_provider::{
    declaration::{CollectionRef, Tombstones},
    listing::{Known, Listing, Page},
    position::Position,
};
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// How far the API's clock may be behind ours.
const CLOCK_SLACK: Duration = Duration::from_secs(3600);
/// How many answers of a look are remembered. With one may come the parents on a page, whose children are to be listed.
const MOST_KNOWN: usize = 1000;

/// Looking for something again and again.
pub struct Poll {
    aim: Aim,
    every: Duration,
    lookback: Duration,
    cursor: Option<Timestamp>,
    due: Instant,
    look: Option<Look>,
    /// When, and with which cursor, it was last written down how far looks have come.
    written: Option<(Instant, Option<Timestamp>)>,
    /// Answers to the look before that the API need not give again, by what was asked; and those to the latest look.
    known: HashMap<u64, Arc<Known>>,
    latest: HashMap<u64, Arc<Known>>,
}

/// What is looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Aim {
    New,
    Changes,
    Deletes,
}

/// A look under way.
#[derive(Clone, Copy)]
struct Look {
    began: SystemTime,
    started: Instant,
    /// The API's clock when it gave the first answer.
    first: Option<Timestamp>,
    /// How far the list has come; what it names may still have to be read.
    reached: Option<Timestamp>,
    /// Whether there was anything new.
    found: bool,
    /// How many requests it has taken that count, and what it waits for each of them.
    requests: u32,
    share: Duration,
    /// All that it has found is stored, and that has been said.
    closing: bool,
}

impl Poll {
    /// Looks for what is new or, where the list can be limited to it, has changed.
    pub fn of_changes(
        collection: &CollectionRef,
        row: &plan::Collection,
        every: Duration,
        due: Instant,
    ) -> Self {
        let by_changes = collection.updated.is_some() || collection.changes.of_parents;
        let aim = if by_changes { Aim::Changes } else { Aim::New };
        let cursor = row.cursor.or(Some(from_the_start(row)));
        Self::new(aim, every, collection.changes.lookback(), cursor, due)
    }

    /// Looks for what has been deleted.
    pub fn of_deletes(
        collection: &CollectionRef,
        row: &plan::Collection,
        every: Duration,
        due: Instant,
    ) -> Self {
        let cursor = row.deletes_cursor.or(Some(from_the_start(row)));
        let lookback = collection.deleted.as_ref().map(Tombstones::lookback).unwrap_or_default();
        Self::new(Aim::Deletes, every, lookback, cursor, due)
    }

    fn new(aim: Aim, every: Duration, lookback: Duration, cursor: Option<Timestamp>, due: Instant) -> Self {
        let (known, latest) = (HashMap::new(), HashMap::new());
        Self { aim, every, lookback, cursor, due, look: None, written: None, known, latest }
    }

    pub fn due(&self) -> Instant {
        self.due
    }

    pub fn is_looking(&self) -> bool {
        self.look.is_some()
    }

    /// Begins a look; gives the list to be read.
    pub fn look(&mut self, whole: Listing, now: Instant) -> Listing {
        let (began, started) = (SystemTime::now(), now);
        let (first, reached) = (None, None);
        self.look = Some(Look {
            began,
            started,
            first,
            reached,
            found: false,
            requests: 0,
            share: Duration::ZERO,
            closing: false,
        });
        self.due = now + self.every;
        self.known = std::mem::take(&mut self.latest);
        self.listing(whole)
    }

    /// Has the API say no more than that, where the answer is the same as the last time.
    pub fn recall(&self, question: &mut Question) {
        if let Question::Page { listing, position, known } = question {
            *known = self.known.get(&page_hash(listing, position)).cloned();
        }
    }

    /// Remembers an answer that was of use.
    fn remember(&mut self, listing: &Listing, position: &Position, page: &Page) {
        // What is listed as deleted has to be looked for again: an older answer may bring it back meanwhile.
        if let Some(known) = &page.known
            && self.aim != Aim::Deletes
            && self.latest.len() < MOST_KNOWN
        {
            self.latest.insert(page_hash(listing, position), known.clone());
        }
    }

    /// Something is asked for the look. One that takes many requests is followed by a longer pause; `share`: for each.
    pub fn asks(&mut self, share: Duration) {
        if let Some(look) = &mut self.look {
            (look.requests, look.share) = (look.requests + 1, share);
        }
    }

    /// What was asked for the look has cost nothing.
    pub fn was_free(&mut self) {
        if let Some(look) = &mut self.look {
            look.requests = look.requests.saturating_sub(1);
        }
    }

    /// The look is over, and what it has found is stored.
    pub fn looked(&mut self) {
        if let Some(look) = self.look.take() {
            self.due = self.due.max(look.started + look.share * look.requests);
        }
    }

    /// Says that all deletions that were listed are in the stream, once.
    pub fn close(&mut self, collection: &CollectionRef, orders: &mut Orders) {
        if let Some(look) = self.look.as_mut().filter(|look| self.aim == Aim::Deletes && !look.closing) {
            look.closing = true;
            let collection_id = collection.id().as_str().to_owned();
            let began = look.began;
            let newest = self.cursor;
            let is_news = self.is_news();
            orders.work(Then::DeletesPolled { collection_id, newest, began, is_news });
        }
    }

    /// Whether the end of a look is to be written down: where nothing happens, only now and then.
    fn is_news(&mut self) -> bool {
        let is_news =
            self.written.is_none_or(|(at, cursor)| cursor != self.cursor || at.elapsed() >= QUIET_INTERVAL);
        if is_news {
            self.written = Some((Instant::now(), self.cursor));
        }
        is_news
    }

    fn listing(&self, whole: Listing) -> Listing {
        let since = self.cursor.map(|cursor| cursor.minus(self.lookback));
        match self.aim {
            Aim::New if whole.collection.parent.is_some() => Listing { children_since: since, ..whole },
            Aim::New => {
                let span = Span { from: since.map(Timestamp::unix_seconds), before: None };
                Listing { span, ..whole }
            }
            Aim::Changes => Listing { changed_since: since, ..whole },
            Aim::Deletes => Listing::tombstones(whole.collection, since),
        }
    }

    /// Takes the page of the look's list that was at `position`, and gives what is to be done with it.
    pub fn take(
        &mut self,
        range: &mut Range,
        position: Option<&Position>,
        page: &mut Page,
        is_final: bool,
    ) -> Then {
        // A list that comes oldest change first goes on from what a page shows, and not by pages.
        if let Some(position) = position.filter(|_| !range.is_ascending()) {
            self.remember(range.listing(), position, page);
        }
        let newest = match self.aim {
            Aim::New => page.records.iter().filter_map(|record| record.created_at).max(),
            Aim::Changes | Aim::Deletes => page.changed.iter().flatten().max().copied(),
        };
        // What is said to be still to come must not hide what comes before it.
        let newest = newest.map(|newest| newest.min(page.date));
        // A parent has changed, whether it has any children or not.
        let of_changed = range.collection().changes.of_parents
            && position.is_some_and(|position| range.listing().is_own(position));
        if range.collection().is_one_list() {
            let first = self.look.as_mut().map(|look| *look.first.get_or_insert(page.date));
            // What has changed while the list was read can be on a page that was read before that.
            let newest = match first.filter(|_| self.aim == Aim::Changes && range.is_in_no_order()) {
                Some(first) => newest.map(|newest| newest.min(first)),
                None => newest,
            };
            let reached = self.look.map_or(newest, |look| look.reached.max(newest));
            self.look = self.look.map(|look| Look { reached, ..look });
            if !range.is_beneath() {
                self.cursor = self.cursor.max(reached);
            }
        } else if let Some(look) = &mut self.look {
            // A list that was read early may have changed by the time that the last one is: what is known of all is that
            // they were read since the first answer.
            let first = *look.first.get_or_insert(page.date);
            look.found |= newest > self.cursor || of_changed;
            if range.is_over() && look.found {
                self.cursor = self.cursor.max(Some(first));
            }
        }
        if self.aim == Aim::Deletes {
            let tombstones =
                page.records.drain(..).map(|record| (record.upstream_id, record.updated_at)).collect();
            return Then::Bury { tombstones, is_final };
        }
        let is_ascending = self.aim == Aim::Changes && range.is_ascending() && !range.is_beneath();
        // Behind what has been shown and no further: the look-back is there for what appears late.
        if is_ascending {
            range.leap();
        }
        let is_over = range.is_over();
        // Where the newest comes first, there are gaps behind it until the last page is stored.
        let newest = if is_over || is_ascending { self.cursor } else { None };
        let began = self.look.filter(|_| is_over).map(|look| look.began);
        let is_news = !is_over || self.is_news();
        Then::Polled { newest, began, is_news }
    }
}

fn page_hash(listing: &Listing, position: &Position) -> u64 {
    let Listing { changed_since, tied, children_since, span, .. } = listing;
    hash(&(position.page(), changed_since, tied, children_since, span))
}

/// Before anything that a backfill could have missed, however the API's clock goes.
fn from_the_start(row: &plan::Collection) -> Timestamp {
    row.added_at.minus(CLOCK_SLACK)
}
