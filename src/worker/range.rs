//! One range of a walk: a chain of pages, each asked for where the one before ended.

use super::request::Question;
use crate::store::{
    plan,
    progress::{Piece, Standing},
};
use sequin_domain::{
    census::Census,
    failure::{Failure, FailureClass},
    ranges::Course,
    timestamp::Timestamp,
};
use sequin_provider::{
    declaration::CollectionRef,
    leap::Shown,
    listing::{Listing, Page},
    position::Position,
};
use std::{
    collections::HashSet,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

/// How many pages of a range may wait to be stored while the next is asked for.
const PAGES_AHEAD: usize = 2;

pub struct Range {
    no: i32,
    listing: Arc<Listing>,
    course: Course,
    /// Where to go on asking; `None` at the end of the list.
    next: Option<Position>,
    asked: Option<Asked>,
    /// When it may be asked, where the API has to be left time for an export.
    not_before: Option<Instant>,
    /// What the last page of the list itself has shown.
    shown: Shown,
    unstored: usize,
    /// Answers so far, the children's among them.
    pages: u64,
    /// Hashes of where it has been: a list that leads back there goes in circles.
    trail: HashSet<u64>,
    /// What it has shown: a list with new cursors and the same objects goes nowhere.
    census: Census,
}

/// The page that is asked for.
struct Asked {
    at: SystemTime,
    /// Which request of the walk it is.
    turn: u64,
}

impl Range {
    pub fn new(no: i32, listing: Listing) -> Self {
        let course = Course::new(listing.span);
        let start = listing.start();
        Self::starting(no, listing, course, start)
    }

    /// A range of a backfill of `whole`, as it was left in the database. `exports`: what has not begun begins with an
    /// export, if there is any.
    pub fn restored(whole: Listing, since: Option<Timestamp>, row: &plan::Range, exports: bool) -> Self {
        let collection = &whole.collection;
        let mut span = row.span;
        // Parents are listed whatever their age: it is their children that must be young.
        if span.from.is_none() && collection.parent.is_none() && collection.created.is_some() {
            span.from = since.map(Timestamp::unix_seconds);
        }
        let listing = Listing { span, children_since: since, ..whole };
        let position = row.position.as_deref().and_then(|position| serde_json::from_str(position).ok());
        let start = || {
            let export = if exports { listing.start_of_export() } else { None };
            export.or_else(|| listing.start())
        };
        let next = if row.done { None } else { position.or_else(start) };
        let range = Self::starting(row.no, listing, Course::resumed(span, row.pages), next);
        Self { pages: row.pages, ..range }
    }

    fn starting(no: i32, listing: Listing, course: Course, next: Option<Position>) -> Self {
        let listing = Arc::new(listing);
        Self {
            no,
            listing,
            course,
            next,
            asked: None,
            not_before: None,
            shown: Shown::default(),
            unstored: 0,
            pages: 0,
            trail: HashSet::new(),
            census: Census::default(),
        }
    }

    pub fn no(&self) -> i32 {
        self.no
    }

    /// Whether the list has come to its end.
    pub fn is_over(&self) -> bool {
        self.next.is_none()
    }

    /// Whether it has come to its end with its first page.
    pub fn was_in_vain(&self) -> bool {
        self.is_over() && self.pages <= 1
    }

    /// Whether all that there is of it is stored.
    pub fn is_done(&self) -> bool {
        self.is_over() && self.unstored == 0
    }

    /// Pages that are asked for or wait to be stored.
    pub fn pages_ahead(&self) -> usize {
        self.unstored + usize::from(self.asked.is_some())
    }

    pub fn is_unstored(&self) -> bool {
        self.unstored > 0
    }

    /// Which request of the walk is under way for it.
    pub fn turn(&self) -> Option<u64> {
        self.asked.as_ref().map(|asked| asked.turn)
    }

    /// Whether its next page may be asked for.
    pub fn is_ready(&self) -> bool {
        !self.is_over()
            && self.asked.is_none()
            && self.unstored < PAGES_AHEAD
            && self.waits_until(Instant::now()).is_none()
    }

    /// Until when nothing is to be asked for it, where that is still to come.
    pub fn waits_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| *at > now)
    }

    /// Asks nothing for so long.
    pub fn wait(&mut self, pause: Option<Duration>) {
        self.not_before = pause.map(|pause| Instant::now() + pause);
    }

    /// Whether that is where it would go on in any case.
    pub fn is_at(&self, next: Option<&Position>) -> bool {
        self.next.as_ref() == next
    }

    /// When the export was asked for that it waits for or reads.
    pub fn exported_at(&self) -> Option<SystemTime> {
        self.next.as_ref()?.exported_at()
    }

    /// What the failure of its request leads to, if not to the same request.
    pub fn past_failure(&self, failure: &Failure) -> Option<Page> {
        self.listing.past_failure(self.next.as_ref()?, failure, SystemTime::now())
    }

    /// The question by which the API learns that its export is of no use any more.
    pub fn farewell(&self) -> Option<Question> {
        let position = self.listing.farewell(self.next.as_ref()?)?;
        Some(Question::Page { listing: self.listing.clone(), position, known: None })
    }

    /// The question for its next page; `None` at the end.
    pub fn ask(&mut self, turn: u64) -> Option<Question> {
        let position = self.next.clone()?;
        self.asked = Some(Asked { at: SystemTime::now(), turn });
        Some(Question::Page { listing: self.listing.clone(), position, known: None })
    }

    /// The page is to be asked for again.
    pub fn give_back(&mut self) {
        self.asked = None;
    }

    /// The list is to be read from its start again.
    pub fn start_over(&mut self) {
        self.asked = None;
        self.next = self.listing.start();
        self.trail.clear();
        self.census = Census::default();
    }

    /// Whether the page that is asked for had to wait for longer than `patience` before it was sent.
    pub fn was_held_back(&self, sent_at: SystemTime, patience: Duration) -> bool {
        let waited = self.asked.as_ref().and_then(|asked| sent_at.duration_since(asked.at).ok());
        waited.is_some_and(|waited| waited > patience)
    }

    /// Takes the page that was asked for, and gives where that was. Fails where the list leads back to where it was, or has
    /// long been showing nothing new.
    pub fn take(&mut self, page: &Page) -> Result<Option<Position>, Failure> {
        self.census.note(page.listed.iter().map(hash));
        if page.next.is_some() && self.census.is_endless() {
            let (shown, different) = (self.census.shown(), self.census.different());
            return Err(Failure::new(
                FailureClass::BadData,
                format!(
                    "the list doesn't end: {shown} objects or empty pages were read, about {different} of them different"
                ),
            ));
        }
        if let Some(position) = &page.next
            && !self.trail.insert(hash(position))
        {
            self.trail.clear();
            return Err(Failure::new(
                FailureClass::BadData,
                "the list leads back to a page that was read already",
            ));
        }
        if page.told.is_none() && self.next.as_ref().is_some_and(Position::is_outermost) {
            self.course.note(&page.created);
            self.shown = Shown::of(page);
        }
        self.asked = None;
        self.pages += 1;
        Ok(std::mem::replace(&mut self.next, page.next.clone()))
    }

    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    pub fn collection(&self) -> &CollectionRef {
        &self.listing.collection
    }

    /// Whether the list comes oldest change first.
    pub fn is_ascending(&self) -> bool {
        self.listing.is_ascending()
    }

    /// Whether neither the oldest change comes first nor the newest.
    pub fn is_in_no_order(&self) -> bool {
        let updated = self.listing.collection.updated.as_ref();
        updated.is_some_and(|updated| !updated.ascending && !updated.newest_first)
    }

    /// Whether there is something to be read that a page of the list has named, before the list itself goes on.
    pub fn is_beneath(&self) -> bool {
        self.next.as_ref().is_some_and(|next| !next.is_outermost())
    }

    /// Goes on behind what the list has shown instead of with its next page, in one that comes oldest change first.
    pub fn leap(&mut self) {
        let Some(further) = self.listing.leap(&self.shown, !self.is_over()) else { return };
        // Of one instant nothing but what is shown tells whether the list goes on.
        if further.tied.is_none() || self.listing.tied.is_none() {
            self.census = Census::default();
        }
        self.trail.clear();
        self.shown = Shown::default();
        self.next = further.start();
        self.listing = Arc::new(further);
    }

    /// Cuts off a part of what is left after `page`, where that is worth it; the part becomes the range `no`.
    pub fn cut(&mut self, page: &Page, no: i32) -> Option<Self> {
        // It is the page of the list itself that tells, and not those of children behind it.
        let requests =
            self.next.as_ref().and_then(Position::requests).filter(|_| !page.created.is_empty())?;
        if !self.listing.can_be_cut() {
            return None;
        }
        let course = self.course.cut(requests)?;
        let bounded = |span| Listing { span, ..Listing::clone(&self.listing) };
        let listing = bounded(course.span());
        self.listing = Arc::new(bounded(self.course.span()));
        let start = listing.start();
        Some(Self::starting(no, listing, course, start))
    }

    /// A page of it has been stored.
    pub fn stored(&mut self) {
        self.unstored = self.unstored.saturating_sub(1);
    }

    /// The page that it has taken waits to be stored.
    pub fn storing(&mut self) {
        self.unstored += 1;
    }

    /// What is to be written down of it.
    pub fn standing(&self) -> Standing {
        self.standing_at(self.next.as_ref())
    }

    /// The same of a place on the way to where it goes on asking.
    pub fn standing_at(&self, next: Option<&Position>) -> Standing {
        Standing {
            no: self.no,
            span: self.course.span(),
            reached: self.course.reached(),
            position: next.and_then(|position| serde_json::to_string(position).ok()),
        }
    }

    pub fn piece(&self) -> Piece {
        Piece { no: self.no, span: self.course.span() }
    }
}

pub fn hash(what: &impl Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(what)
}
