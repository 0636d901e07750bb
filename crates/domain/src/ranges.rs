//! Cutting a list into ranges of creation time that are read side by side.
//!
//! A list that comes newest first is read as a chain of pages, each asked for where the one before ended: one request at
//! a time, however long each takes. Where an API lists what was created within a span of time, the rest of a chain can
//! be cut in two that go on side by side.
//!
//! Nobody says how long a list is, nor how its objects lie in time, so each cut is a guess: a few pages further down at
//! first, and three times as far from each range that was cut off and went well. Where nothing lies below a cut, the
//! range above has an end that is known, and is cut in its middle the next time.

use crate::timestamp::Timestamp;
use std::collections::VecDeque;

/// Fewer requests than this are not worth a cut.
const WORTH: u64 = 4;
/// How many requests further down the first cut of a list is made.
const FIRST_REACH: u64 = 4;
/// How much further the next one is, in what was cut off.
const GROWTH: u64 = 3;
/// How many of the latest pages say how dense the list is.
const LATEST: usize = 3;
/// How many pages pay for one cut below which nothing, or less than a page, was found.
const PAGES_FOR_A_CUT: u64 = 20;

/// A span of creation time in whole seconds since 1970, `from` within it and `before` not; `None` is an open end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Span {
    pub from: Option<i64>,
    pub before: Option<i64>,
}

impl Span {
    pub fn contains(self, second: i64) -> bool {
        self.from.is_none_or(|from| from <= second) && self.before.is_none_or(|before| second < before)
    }
}

/// What a range has shown on the way from its newest object to its oldest.
#[derive(Debug, Clone)]
pub struct Course {
    span: Span,
    /// Pages of the list so far.
    pages: u64,
    /// Of the latest pages: from where on they have been read, and down to where.
    latest: VecDeque<(i64, i64)>,
    /// As long as nothing else has been seen.
    newest_first: bool,
    /// How many requests the cut that made this range hoped for in it.
    hoped: u64,
}

impl Course {
    pub fn new(span: Span) -> Self {
        Self { span, pages: 0, latest: VecDeque::new(), newest_first: true, hoped: 0 }
    }

    /// The course of a range that goes on after a restart.
    pub fn resumed(span: Span, pages: u64) -> Self {
        Self { pages, ..Self::new(span) }
    }

    pub fn span(&self) -> Span {
        self.span
    }

    /// The second down to which the list has been read.
    pub fn reached(&self) -> Option<i64> {
        self.latest.back().map(|(_, oldest)| *oldest)
    }

    /// Takes a page of the list: when its objects were created, in their order.
    pub fn note(&mut self, created: &[Option<Timestamp>]) {
        self.pages += 1;
        let seconds: Option<Vec<i64>> = created.iter().map(|at| at.map(Timestamp::unix_seconds)).collect();
        let Some(seconds) = seconds else {
            // Where one doesn't say when it was created, a cut could pass it by.
            self.latest.clear();
            return;
        };
        let (Some(first), Some(last)) = (seconds.first().copied(), seconds.last().copied()) else { return };
        let before = self.reached();
        self.newest_first = self.newest_first
            && seconds.is_sorted_by(|one, next| one >= next)
            && before.is_none_or(|before| before >= first)
            && self.span.contains(first)
            && self.span.contains(last);
        self.latest.push_back((before.unwrap_or(first), last));
        if self.latest.len() > LATEST {
            self.latest.pop_front();
        }
    }

    /// Cuts off the older part of what is left, where that is worth it: this range keeps what was created from the cut
    /// on, and the other one is returned. To be asked after `note`, while the list goes on.
    ///
    /// `requests`: how many a page of the list leads to; one, unless children have to be asked for.
    pub fn cut(&mut self, requests: u64) -> Option<Self> {
        let (top, _) = *self.latest.front()?;
        let oldest = self.reached()?;
        // Two seconds at least are left to be parted.
        let lowest = self.span.from.unwrap_or(0) + 1;
        if !self.newest_first || top <= oldest || oldest < lowest {
            return None;
        }
        let hope = self.hoped.max(FIRST_REACH);
        let seconds = i128::from(top - oldest);
        let requests_in_them = self.latest.len() as i128 * i128::from(requests.max(1));
        let (left, reach) = match self.span.from {
            Some(from) => {
                let left = i128::from(oldest - from) * requests_in_them / seconds;
                (left, i128::from(hope).min(left / 2))
            }
            // As much may be left as there has been, or as was hoped for.
            None => {
                let been = self.pages.saturating_mul(requests.max(1));
                (i128::from(been.max(self.hoped)), i128::from(hope))
            }
        };
        if left < i128::from(WORTH) {
            return None;
        }
        let at = i128::from(oldest) - reach * seconds / requests_in_them;
        let at = i64::try_from(at).unwrap_or(lowest).max(lowest);
        let rest = Span { from: self.span.from, before: Some(at) };
        self.span.from = Some(at);
        Some(Self { hoped: hope.saturating_mul(GROWTH), ..Self::new(rest) })
    }
}

/// What a walk has spent on cuts, and what for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    pub pages: u64,
    pub cuts: u64,
    /// Ranges that were over with their first page.
    pub in_vain: u64,
}

impl Tally {
    /// Whether another cut can be risked.
    pub fn allows_a_cut(self) -> bool {
        self.cuts < self.pages && self.in_vain <= 1 + self.pages / PAGES_FOR_A_CUT
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY: i64 = 86_400;
    const NOW: i64 = 1_760_000_000;

    fn times(seconds: &[i64]) -> Vec<Option<Timestamp>> {
        seconds.iter().map(|second| Timestamp::from_unix_seconds(*second)).collect()
    }

    /// A course that has seen pages, each from one second down to another.
    fn course(span: Span, pages: &[(i64, i64)]) -> Course {
        let mut course = Course::new(span);
        for (first, last) in pages {
            course.note(&times(&[*first, *last]));
        }
        course
    }

    fn open() -> Span {
        Span::default()
    }

    /// Pages of a day each, back from now.
    fn days(count: i64) -> Vec<(i64, i64)> {
        (0..count).map(|day| (NOW - day * DAY - 1, NOW - (day + 1) * DAY)).collect()
    }

    #[test]
    fn a_short_list_stays_whole() {
        for pages in 1..=3 {
            assert!(course(open(), &days(pages)).cut(1).is_none(), "{pages} pages");
        }
        assert!(course(open(), &days(4)).cut(1).is_some());
    }

    #[test]
    fn both_parts_meet_at_the_cut() {
        let mut upper = course(open(), &days(4));
        let lower = upper.cut(1).unwrap();
        let at = upper.span().from.unwrap();
        assert_eq!(upper.span(), Span { from: Some(at), before: None });
        assert_eq!(lower.span(), Span { from: None, before: Some(at) });
        // Some four days further down.
        assert!((NOW - 9 * DAY..NOW - 7 * DAY).contains(&at), "{} days down", (NOW - at) / DAY);
    }

    #[test]
    fn what_goes_well_goes_further() {
        let mut upper = course(open(), &days(4));
        let mut lower = upper.cut(1).unwrap();
        let top = lower.span().before.unwrap();
        lower.note(&times(&[top - 1, top - DAY]));
        let lowest = lower.cut(1).unwrap();
        let reach = (top - DAY - lowest.span().before.unwrap()) / DAY;
        assert!((11..=12).contains(&reach), "{reach} days");
    }

    #[test]
    fn a_known_end_is_approached_from_its_middle() {
        let from = NOW - 14 * DAY;
        let mut course = course(Span { from: Some(from), before: None }, &days(8));
        let lower = course.cut(1).unwrap();
        assert_eq!(lower.span().from, Some(from));
        let at = lower.span().before.unwrap();
        assert!((NOW - 12 * DAY..NOW - 10 * DAY).contains(&at), "{} days down", (NOW - at) / DAY);
        assert!(course.cut(1).is_none(), "what it has left is no longer worth it");
    }

    #[test]
    fn a_page_of_parents_is_worth_a_cut_as_soon_as_there_are_more() {
        let mut parents = course(open(), &days(1));
        assert!(parents.clone().cut(1).is_none());
        let lower = parents.cut(101).unwrap();
        let at = lower.span().before.unwrap();
        assert!((NOW - DAY - DAY / 10..=NOW - DAY).contains(&at), "the next page is for the other range");
    }

    #[test]
    fn any_other_order_is_left_alone() {
        let oldest_first: Vec<_> = (0..9).map(|day| (NOW + day * DAY, NOW + (day + 1) * DAY)).collect();
        assert!(course(open(), &oldest_first).cut(1).is_none());
        let mut jumping = days(4);
        jumping.swap(1, 2);
        assert!(course(open(), &jumping).cut(1).is_none(), "in relation to the page before");
        let mut outside = course(Span { from: None, before: Some(NOW - DAY) }, &days(9));
        assert!(outside.cut(1).is_none(), "the API does not heed the bound");
    }

    #[test]
    fn one_second_is_never_cut() {
        let second = [(NOW, NOW)];
        assert!(course(open(), &second.repeat(50)).cut(1).is_none());
        let span = Span { from: Some(NOW), before: None };
        assert!(course(span, &[(NOW + 9, NOW), (NOW, NOW), (NOW, NOW)]).cut(1).is_none());
    }

    #[test]
    fn what_does_not_say_when_it_was_created_is_not_passed_by() {
        let mut course = course(open(), &days(9));
        course.note(&[Timestamp::from_unix_seconds(NOW - 10 * DAY), None]);
        assert!(course.cut(1).is_none());
        assert_eq!(course.reached(), None);
    }

    #[test]
    fn the_beginning_of_time_is_the_end() {
        let lower = course(open(), &[(3_000, 2_000), (2_000, 1_000), (1_000, 10), (10, 3)]).cut(1).unwrap();
        assert_eq!(lower.span(), Span { from: None, before: Some(1) });
        assert!(course(open(), &[(9, 7), (7, 5), (5, 3), (3, 0)]).cut(1).is_none());
    }

    #[test]
    fn cuts_in_vain_have_to_be_earned() {
        let tally = |pages, cuts, in_vain| Tally { pages, cuts, in_vain }.allows_a_cut();
        assert!(tally(4, 0, 0) && tally(4, 1, 1));
        assert!(!tally(10, 3, 2) && tally(20, 3, 2) && !tally(39, 5, 3));
        assert!(!tally(1, 1, 0));
    }

    /// A list as an API has it, and ranges of it that are walked in any order.
    struct Walk {
        /// Oldest first.
        list: Vec<i64>,
        page_size: usize,
        ranges: Vec<Walker>,
        tally: Tally,
        times_seen: Vec<u32>,
    }

    struct Walker {
        course: Course,
        /// In the list: what comes after the cursor ends here.
        cursor: usize,
        pages: u64,
        is_over: bool,
    }

    impl Walk {
        fn new(list: Vec<i64>, page_size: usize, span: Span) -> Self {
            let times_seen = vec![0; list.len()];
            let whole = Walker { course: Course::new(span), cursor: list.len(), pages: 0, is_over: false };
            Self { list, page_size, ranges: vec![whole], tally: Tally::default(), times_seen }
        }

        fn under_way(&self) -> Vec<usize> {
            (0..self.ranges.len()).filter(|range| !self.ranges[*range].is_over).collect()
        }

        /// Reads the next page of a range, and cuts the range where it may be.
        fn step(&mut self, range: usize, wanted: usize) {
            let under_way = self.under_way().len();
            let walker = &mut self.ranges[range];
            let span = walker.course.span();
            let bottom = self.list.partition_point(|second| span.from.is_some_and(|from| *second < from));
            let top = self.list.partition_point(|second| span.before.is_none_or(|before| *second < before));
            let end = top.min(walker.cursor);
            let start = end.saturating_sub(self.page_size).max(bottom);
            let page: Vec<i64> = self.list[start..end].iter().rev().copied().collect();
            for seen in &mut self.times_seen[start..end] {
                *seen += 1;
            }
            walker.cursor = start;
            walker.course.note(&times(&page));
            walker.pages += 1;
            walker.is_over = start <= bottom;
            self.tally.pages += 1;
            self.tally.in_vain += u64::from(walker.is_over && walker.pages == 1);
            if !walker.is_over
                && under_way < wanted
                && self.tally.allows_a_cut()
                && let Some(course) = walker.course.cut(1)
            {
                self.tally.cuts += 1;
                self.ranges.push(Walker { course, cursor: self.list.len(), pages: 0, is_over: false });
            }
        }

        /// Whether the ranges lie side by side from one end of `span` to the other.
        fn is_partition_of(&self, span: Span) -> bool {
            let mut spans: Vec<Span> = self.ranges.iter().map(|walker| walker.course.span()).collect();
            spans.sort_by_key(|span| span.from.unwrap_or(i64::MIN));
            let side_by_side =
                spans.windows(2).all(|pair| pair[0].before.is_some() && pair[0].before == pair[1].from);
            let not_empty =
                |span: &Span| span.from.zip(span.before).is_none_or(|(from, before)| from < before);
            side_by_side
                && spans.iter().all(not_empty)
                && spans.first().map(|first| first.from) == Some(span.from)
                && spans.last().map(|last| last.before) == Some(span.before)
        }
    }

    /// Objects in heaps: each begins at a second, is so many seconds long, and has so many objects.
    fn lists() -> impl Strategy<Value = Vec<i64>> {
        let spread = prop_oneof![Just(1i64), 1i64..100, 1i64..10 * DAY, 1i64..2_000 * DAY];
        let heap = (1i64..NOW, spread, 0usize..60, any::<u64>());
        proptest::collection::vec(heap, 0..6).prop_map(|heaps| {
            let mut list: Vec<i64> = heaps
                .into_iter()
                .flat_map(|(start, spread, count, seed)| {
                    (0..count as u64).map(move |n| {
                        let mixed = (seed ^ n).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
                        start + i64::try_from(mixed >> 1).unwrap_or(0) % spread
                    })
                })
                .collect();
            list.sort_unstable();
            list
        })
    }

    proptest! {
        /// Whatever is cut, and in whichever order the ranges go on: all is read, nothing twice, and it ends.
        #[test]
        fn ranges_are_a_partition_and_cost_little(
            list in lists(),
            page_size in 1usize..12,
            wanted in 1usize..12,
            since in proptest::option::of(1i64..NOW),
            order in proptest::collection::vec(any::<usize>(), 1..60),
        ) {
            let span = Span { from: since, before: None };
            let within: Vec<bool> = list.iter().map(|second| span.contains(*second)).collect();
            let least = within.iter().filter(|within| **within).count().div_ceil(page_size);
            let mut walk = Walk::new(list, page_size, span);
            let mut turns = order.iter().cycle();
            loop {
                let under_way = walk.under_way();
                let Some(turn) = turns.next().filter(|_| !under_way.is_empty()) else { break };
                walk.step(under_way[turn % under_way.len()], wanted);
                prop_assert!(walk.is_partition_of(span));
                prop_assert!(walk.under_way().len() <= wanted);
                prop_assert!(walk.tally.cuts <= walk.tally.pages);
            }
            let expected: Vec<u32> = within.into_iter().map(u32::from).collect();
            prop_assert_eq!(&walk.times_seen, &expected);
            // Each cut costs a page that is not full at most, and what is in vain is a few percent.
            let Tally { pages, cuts, in_vain } = walk.tally;
            prop_assert!(pages <= least as u64 + cuts + 1, "{pages} pages for {least}, {cuts} cuts");
            prop_assert!(in_vain <= 2 + pages / PAGES_FOR_A_CUT + wanted as u64, "{in_vain} of {pages} in vain");
        }

        #[test]
        fn arithmetic_never_overflows(
            from in proptest::option::of(-62_135_596_800i64..253_402_300_799),
            moments in proptest::collection::vec(-62_135_596_800i64..=253_402_300_799, 1..8),
            requests in any::<u64>(),
            hoped in any::<u64>(),
        ) {
            let mut moments = moments;
            moments.sort_unstable_by(|a, b| b.cmp(a));
            let mut course = Course { hoped, ..Course::resumed(Span { from, before: None }, u64::MAX - 10) };
            for moment in moments {
                course.note(&times(&[moment]));
            }
            if let Some(lower) = course.cut(requests) {
                prop_assert_eq!(lower.span().before, course.span().from);
                prop_assert!(course.span().from <= course.reached());
            }
        }
    }
}
