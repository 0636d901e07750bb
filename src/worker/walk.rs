//! Walking through the list of a collection: backfills, sweeps and polls.

mod export;

use super::{
    job::{Ask, Batch, Done, Orders, Retry, Tag, Then, Work},
    passed_over::PassedOver,
    plan::SyncContext,
    poll::Poll,
    range::Range,
    request::{Answered, Question, Reply},
};
use crate::store::{
    plan,
    progress::{Noted, Standing},
};
use pgrx::Uuid;
use sequin_domain::{
    failure::{Failure, FailureClass},
    ranges::Tally,
};
use sequin_net::Priority;
use sequin_provider::{
    declaration::CollectionRef,
    listing::{Listing, Page, Subject},
    pieces::Piece,
    position::Position,
    record::{Record, Rejected},
    unread::Hides,
};
use std::{
    collections::{HashSet, VecDeque},
    rc::Rc,
    time::{Duration, Instant, SystemTime},
};

/// How many ranges are read side by side at most.
const MOST_RANGES: usize = 16;
/// How many pages of a walk are asked for or wait to be stored at most.
const MOST_PAGES: usize = 24;
/// How many requests may overtake one of the same walk: as long as it is under way, what they show is remembered.
const MOST_OVERTAKING: u64 = 250;
/// The least time that a request waits where the lane is full.
const LEAST_WAIT: Duration = Duration::from_millis(5);
/// How many objects that a sweep has missed are looked for at once.
const CHECKS: usize = 8;
/// With so many that wait to be looked for, no further page is asked for.
const MOST_CHECKS: usize = 1000;

pub struct Walk {
    sync: Rc<SyncContext>,
    collection: CollectionRef,
    purpose: Purpose,
    /// Side by side from the newest object to the oldest; a poll has one, while it is under way.
    ranges: Vec<Range>,
    tally: Tally,
    /// How many pages have been asked for.
    turn: u64,
    retry: Retry,
    /// What has to succeed before the walk counts as well again.
    failing: Option<Tag>,
    checks: Checks,
    passed_over: PassedOver,
}

enum Purpose {
    Backfill(Backfill),
    Poll(Box<Poll>),
}

struct Backfill {
    id: Uuid,
    sweep: bool,
    /// All ranges are done, and that has been said.
    closing: bool,
    /// A sweep reads the list for the second time.
    is_second: bool,
    /// When the export was asked for, of which something is still to be stored.
    exported_at: Option<SystemTime>,
    /// It goes on with an export that was asked for by another worker, or by this one before it started over. What was
    /// seen to be gone meanwhile nobody remembers.
    resumes: bool,
}

/// The objects that a sweep has missed, or that are listed as deleted, while each is looked for.
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
        let sweep = row.kind == "sweep";
        let exports = !sweep && row.since.is_none();
        let ranges: Vec<Range> = row
            .ranges
            .iter()
            .map(|range| Range::restored(sync.whole(&collection), row.since, range, exports))
            .collect();
        let exported_at = ranges.iter().find_map(Range::exported_at);
        let tally = Tally {
            pages: row.pages,
            cuts: ranges.len().saturating_sub(1) as u64,
            in_vain: ranges.iter().filter(|range| range.was_in_vain()).count() as u64,
        };
        let backfill = Backfill {
            id: row.id,
            sweep,
            closing: false,
            is_second: false,
            exported_at,
            resumes: exported_at.is_some(),
        };
        let passed_over = PassedOver::of_backfill(&collection, row);
        Self { ranges, tally, passed_over, ..Self::new(sync, collection, Purpose::Backfill(backfill), retry) }
    }

    /// Looks for what is new or has changed. `every`: the shortest time between two looks.
    pub fn poll(
        sync: Rc<SyncContext>,
        collection: CollectionRef,
        row: &plan::Collection,
        every: Duration,
        due: Instant,
    ) -> Self {
        let poll = Poll::of_changes(&collection, row, every, due);
        Self::looking(sync, collection, row, poll)
    }

    /// The same for what has been deleted.
    pub fn deletes(
        sync: Rc<SyncContext>,
        collection: CollectionRef,
        row: &plan::Collection,
        every: Duration,
        due: Instant,
    ) -> Self {
        let poll = Poll::of_deletes(&collection, row, every, due);
        Self::looking(sync, collection, row, poll)
    }

    fn looking(sync: Rc<SyncContext>, collection: CollectionRef, row: &plan::Collection, poll: Poll) -> Self {
        let retry = Retry::restored(row.failures, row.retry_at);
        Self::new(sync, collection, Purpose::Poll(Box::new(poll)), retry)
    }

    fn new(sync: Rc<SyncContext>, collection: CollectionRef, purpose: Purpose, retry: Retry) -> Self {
        Self {
            passed_over: PassedOver::new(&collection),
            sync,
            collection,
            purpose,
            ranges: Vec::new(),
            tally: Tally::default(),
            turn: 0,
            retry,
            failing: None,
            checks: Checks::default(),
        }
    }

    pub fn sync(&self) -> &Rc<SyncContext> {
        &self.sync
    }

    /// Whether objects are known to have other properties than those that it asks for.
    pub fn is_described_otherwise(&self) -> bool {
        let known = self.sync.whole(&self.collection).properties;
        let is_other = |list: &Listing| list.subject == Subject::Objects && list.properties != known;
        self.ranges.iter().map(Range::listing).any(is_other)
    }

    fn backfill_id(&self) -> Option<Uuid> {
        match &self.purpose {
            Purpose::Backfill(backfill) => Some(backfill.id),
            Purpose::Poll(_) => None,
        }
    }

    pub fn collection_id(&self) -> String {
        self.collection.id().as_str().to_owned()
    }

    /// The feed that must be listening before the walk may start, so that no change falls between the two.
    pub fn needs_feed(&self) -> Option<&str> {
        self.backfill_id().and(self.collection.changes.feed.as_deref())
    }

    pub fn drive(&mut self, now: Instant, orders: &mut Orders) {
        self.close(orders);
        if let Some(until) = self.retry.waits_until(now) {
            orders.wake_at(until);
            return;
        }
        if let Purpose::Poll(poll) = &mut self.purpose
            && !poll.is_looking()
        {
            if poll.due() > now {
                orders.wake_at(poll.due());
                return;
            }
            let listing = poll.look(self.sync.whole(&self.collection), now);
            self.ranges = vec![Range::new(1, listing)];
            self.passed_over.begin();
        }
        self.ask_for_pages(orders);
        for at in self.ranges.iter().filter_map(|range| range.waits_until(now)) {
            orders.wake_at(at);
        }
        while self.checks.open.len() < CHECKS
            && let Some(upstream_id) = self.checks.waiting.pop_front()
        {
            self.checks.open.insert(upstream_id.clone());
            let question = self.sync.object(&self.collection, &upstream_id);
            self.ask(orders, Tag::Check(upstream_id), question);
        }
    }

    /// Says that a backfill has come to its end, once.
    fn close(&mut self, orders: &mut Orders) {
        if let Purpose::Backfill(backfill) = &mut self.purpose
            && !backfill.closing
            && !self.ranges.is_empty()
            && self.ranges.iter().all(Range::is_done)
        {
            backfill.closing = true;
            let Backfill { id, sweep, resumes, .. } = *backfill;
            self.passed_over.tell(&self.collection, true, false, orders);
            if resumes && self.collection.changes.sweep.is_some() {
                orders.work(Then::StartSweep { collection_id: self.collection.id().as_str().to_owned() });
            }
            orders.work(if sweep { Then::Compare { backfill: id } } else { Then::Complete { backfill: id } });
        }
        // What is listed as deleted may first have to be looked at.
        let is_done = self.ranges.iter().all(Range::is_done) && self.checks.is_over();
        if let Purpose::Poll(poll) = &mut self.purpose
            && is_done
        {
            poll.close(&self.collection, orders);
        }
    }

    fn ask_for_pages(&mut self, orders: &mut Orders) {
        loop {
            let ahead: usize = self.ranges.iter().map(Range::pages_ahead).sum();
            let oldest = self.ranges.iter().filter_map(Range::turn).min().unwrap_or(self.turn);
            if ahead >= MOST_PAGES
                || self.turn - oldest >= MOST_OVERTAKING
                || self.checks.waiting.len() >= MOST_CHECKS
            {
                return;
            }
            // The one that is the least ahead goes first.
            let ready = self.ranges.iter_mut().filter(|range| range.is_ready());
            let Some(range) = ready.min_by_key(|range| range.pages_ahead()) else { return };
            self.turn += 1;
            let (no, question) = (range.no(), range.ask(self.turn));
            if let Some(mut question) = question {
                if let Purpose::Poll(poll) = &self.purpose {
                    poll.recall(&mut question);
                }
                self.ask(orders, Tag::Page(no), question);
            }
        }
    }

    fn ask(&mut self, orders: &mut Orders, tag: Tag, question: Question) {
        let priority = match &mut self.purpose {
            Purpose::Backfill(_) => Priority::Backfill,
            Purpose::Poll(poll) => {
                poll.asks(self.sync.poll_share);
                Priority::Polling
            }
        };
        orders.asks.push(Ask {
            tag,
            question,
            priority,
            shows: Some(self.collection.id().as_str().to_owned()),
        });
    }

    pub fn answered(&mut self, tag: Tag, answered: Answered, orders: &mut Orders) {
        let Answered { sent_at, result, is_free, .. } = answered;
        if let Purpose::Poll(poll) = &mut self.purpose
            && is_free
        {
            poll.was_free();
        }
        match (tag, result) {
            (Tag::Page(no), Ok(Reply::Page(page))) => self.take_page(no, page, sent_at, orders),
            (Tag::Check(upstream_id), Ok(Reply::Object(object))) => {
                let (records, rejected) = match object {
                    Ok(record) => (vec![record], Vec::new()),
                    Err(rejected) => (Vec::new(), vec![rejected]),
                };
                let recovered = self.recover(&Tag::Check(upstream_id.clone()));
                let batch = self.batch(records, rejected, sent_at);
                let then = match self.backfill_id() {
                    Some(backfill) => Then::Noted { backfill, upstream_id },
                    None => Then::Looked { upstream_id },
                };
                orders.works.push(Work { batch: Some(batch), recovered, then });
            }
            // Where the API won't show the object, its list has to do.
            (Tag::Check(upstream_id), Err(failure))
                if self.backfill_id().is_none()
                    && matches!(failure.class, FailureClass::Permission | FailureClass::BadRequest) =>
            {
                let batch = self.batch(vec![Record::gone(&upstream_id)], Vec::new(), sent_at);
                let then = Then::Looked { upstream_id };
                orders.works.push(Work { batch: Some(batch), recovered: None, then });
            }
            (tag, Err(failure)) => match self.past_failure(&tag, &failure) {
                Some((no, page)) => self.take_page(no, page, sent_at, orders),
                None => self.failed(tag, failure, orders),
            },
            (tag, Ok(_)) => {
                self.failed(
                    tag,
                    Failure::new(FailureClass::Unknown, "the answer is to another question"),
                    orders,
                );
            }
        }
    }

    fn take_page(&mut self, no: i32, mut page: Page, sent_at: SystemTime, orders: &mut Orders) {
        let has_room = self.has_room(no, sent_at);
        let next_no = 1 + self.ranges.iter().map(Range::no).max().unwrap_or_default();
        let Some(range) = self.ranges.iter_mut().find(|range| range.no() == no) else { return };
        let told = page.told.clone().unwrap_or_default();
        range.wait(told.pause);
        if told.begun.is_some() {
            page.next = page.next.take().map(|next| next.begun_at(sent_at));
        }
        if told.pause.is_some() && range.is_at(page.next.as_ref()) {
            range.give_back();
            if let Some(recovered) = self.recover(&Tag::Page(no)) {
                let recovered = Some(recovered);
                orders.works.push(Work { batch: None, recovered, then: Then::Nothing });
            }
            return;
        }
        let is_ordered = || page.changed.iter().flatten().is_sorted();
        if range.is_ascending() && !is_ordered() {
            let problem = "the list is declared to come oldest change first (updated.ascending), and doesn't";
            self.failed(Tag::Page(no), Failure::new(FailureClass::BadData, problem), orders);
            return;
        }
        let unread = page.unread.take();
        if let Some(unread) = &unread {
            let is_passed_over = self.passed_over.take(unread);
            // What an option names may be there later; where that is nothing at all, the collection is what fails.
            let is_nothing = page.next.is_none() && self.passed_over.is_everything();
            if !is_passed_over || is_nothing {
                if is_nothing {
                    range.start_over();
                    self.passed_over.begin();
                }
                self.failed(Tag::Page(no), unread.failure.clone(), orders);
                return;
            }
        }
        let position = match range.take(&page) {
            Ok(position) => position,
            Err(failure) => {
                self.failed(Tag::Page(no), failure, orders);
                return;
            }
        };
        range.storing();
        if unread.is_none() {
            self.passed_over.read(position.as_ref().is_some_and(Position::is_beneath_an_object));
        }
        let ahead: Vec<(Piece, Standing)> = std::mem::take(&mut page.ahead)
            .into_iter()
            .map(|(piece, next)| {
                range.storing();
                (piece, range.standing_at(Some(&next)))
            })
            .collect();
        let then = match &mut self.purpose {
            Purpose::Backfill(backfill) => {
                self.tally.pages += 1;
                self.tally.in_vain += u64::from(range.was_in_vain());
                let may_be_cut = has_room && self.tally.allows_a_cut();
                let piece = if may_be_cut { range.cut(&page, next_no) } else { None };
                let standing = range.standing();
                let cut = piece.as_ref().map(Range::piece);
                self.tally.cuts += u64::from(cut.is_some());
                self.ranges.extend(piece);
                let noted = backfill.sweep.then(|| {
                    let hides = unread.as_ref().map_or(Hides::None, |unread| unread.hides.clone());
                    Noted { parents: std::mem::take(&mut page.parents), hides }
                });
                Then::Advance { backfill: backfill.id, range: standing, cut, noted }
            }
            Purpose::Poll(poll) => {
                let is_final = self.collection.retrieve.is_none();
                poll.take(range, position.as_ref(), &mut page, is_final)
            }
        };
        let is_over = matches!(then, Then::Polled { began: Some(_), .. });
        // That a list was passed over is no success, as long as it may be all of them.
        let is_well = unread.is_none() || !self.passed_over.is_everything();
        let mut recovered = if is_well { self.recover(&Tag::Page(no)) } else { None };
        // First: where a look has moved on, nothing else tells that a list is to be read again.
        if is_over || unread.is_some() {
            let looks = self.backfill_id().is_none();
            self.passed_over.tell(&self.collection, is_over, looks, orders);
        }
        let observed_at = told.observed_at.unwrap_or(sent_at);
        if let Some(backfill) = self.backfill_id() {
            for (piece, range) in ahead {
                let batch = self.batch(piece.records, piece.rejected, observed_at);
                let then = Then::Advance { backfill, range, cut: None, noted: None };
                orders.works.push(Work { batch: Some(batch), recovered: recovered.take(), then });
            }
        }
        let batch = self.batch(page.records, page.rejected, observed_at);
        orders.works.push(Work { batch: Some(batch), recovered, then });
        self.log(told, orders);
        self.note_export();
    }

    /// Whether another range would bring anything: neither the lane nor the database has kept this one waiting.
    fn has_room(&self, no: i32, sent_at: SystemTime) -> bool {
        let Some(range) = self.ranges.iter().find(|range| range.no() == no) else { return false };
        let budget = &self.sync.budget;
        let wanted = budget.max_concurrent_requests.get().min(MOST_RANGES);
        let patience = (budget.window() / budget.allowed_requests.get() / 2).max(LEAST_WAIT);
        let under_way = self.ranges.iter().filter(|range| !range.is_over()).count();
        under_way < wanted && !range.is_unstored() && !range.was_held_back(sent_at, patience)
    }

    fn batch(&self, records: Vec<Record>, rejected: Vec<Rejected>, observed_at: SystemTime) -> Batch {
        Batch { place: self.sync.place(&self.collection), observed_at, records, rejected }
    }

    /// The collection, where it had been failing until what `tag` stands for succeeded.
    fn recover(&mut self, tag: &Tag) -> Option<String> {
        if self.failing.as_ref().is_some_and(|failing| failing != tag) {
            return None;
        }
        self.failing = None;
        self.retry.succeeded().then(|| self.collection.id().as_str().to_owned())
    }

    /// The question is to be asked again.
    pub fn give_back(&mut self, tag: Tag) {
        match tag {
            Tag::Check(upstream_id) => {
                self.checks.open.remove(&upstream_id);
                self.checks.waiting.push_back(upstream_id);
            }
            Tag::Page(no) => {
                if let Some(range) = self.ranges.iter_mut().find(|range| range.no() == no) {
                    range.give_back();
                }
            }
            Tag::Events | Tag::Properties | Tag::Fetch(_) | Tag::Mutation(_) => {}
        }
    }

    fn failed(&mut self, tag: Tag, failure: Failure, orders: &mut Orders) {
        self.give_back(tag.clone());
        self.failing = Some(tag);
        self.back_off(failure, orders);
    }

    /// Nothing is asked for a while.
    fn back_off(&mut self, failure: Failure, orders: &mut Orders) {
        let now = Instant::now();
        let known_until = self.retry.waits_until(now);
        let retry_in = self.retry.failed(&failure);
        orders.wake_at(now + retry_in);
        // Of requests that fail together one is told of, unless another one asks for more time.
        if known_until.is_none_or(|until| now + retry_in > until) {
            let collection_id = self.collection.id().as_str().to_owned();
            orders.work(Then::FailCollection { collection_id, failure, retry_in });
        }
    }

    /// Takes what came of the work; true where the walk has come to its end.
    pub fn done(&mut self, then: &Then, done: Done, orders: &mut Orders) -> bool {
        match (then, done) {
            (_, Done::Gone) => return true,
            (Then::Advance { range: standing, .. }, _) => {
                if let Some(range) = self.ranges.iter_mut().find(|range| range.no() == standing.no) {
                    range.stored();
                }
                self.note_export();
            }
            (Then::Polled { began: Some(_), .. } | Then::DeletesPolled { .. }, _) => {
                if let Purpose::Poll(poll) = &mut self.purpose {
                    poll.looked();
                    orders.wake_at(poll.due());
                }
            }
            (Then::Polled { began: None, .. }, _) => self.ranges.iter_mut().for_each(Range::stored),
            (Then::Bury { .. }, Done::Missing { upstream_ids, .. }) => {
                self.ranges.iter_mut().for_each(Range::stored);
                let unknown = upstream_ids.into_iter().filter(|id| !self.checks.has(id));
                self.checks.waiting.extend(unknown.collect::<Vec<_>>());
            }
            (Then::Looked { upstream_id }, _) => {
                self.checks.open.remove(upstream_id);
            }
            (Then::Noted { upstream_id, backfill }, _) => {
                self.checks.open.remove(upstream_id);
                if self.checks.is_over() {
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
        } else if self.collection.is_retrievable() {
            self.checks.waiting.extend(missing);
        } else if self.collection.may_shift() && self.look_again(orders) {
            // Nothing is deleted yet.
        } else {
            let records = missing.iter().map(|id| Record::gone(id)).collect();
            let place = self.sync.place(&self.collection);
            let batch = Batch { place, observed_at, records, rejected: Vec::new() };
            orders.works.push(Work { batch: Some(batch), recovered: None, then: Then::Compare { backfill } });
        }
    }

    /// Has a sweep read the list once more, as an object can have slipped from one page to another unseen; false where it
    /// has.
    fn look_again(&mut self, orders: &mut Orders) -> bool {
        let no = 1 + self.ranges.iter().map(Range::no).max().unwrap_or_default();
        match &mut self.purpose {
            Purpose::Backfill(backfill) if !backfill.is_second => {
                (backfill.is_second, backfill.closing) = (true, false);
                let range = Range::new(no, self.sync.whole(&self.collection));
                orders.work(Then::LookAgain { backfill: backfill.id, range: range.piece() });
                self.ranges.push(range);
                true
            }
            _ => false,
        }
    }
}

impl Checks {
    fn is_over(&self) -> bool {
        self.open.is_empty() && self.waiting.is_empty()
    }

    fn has(&self, upstream_id: &String) -> bool {
        self.open.contains(upstream_id) || self.waiting.contains(upstream_id)
    }
}
