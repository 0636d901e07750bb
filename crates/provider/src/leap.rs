//! Going on in a list that comes oldest change first: not page by page, as what changes meanwhile leaves its place and
//! moves all behind it, but from the last change that was shown. That also leads around the end that some APIs put to
//! a list after so many objects.

use crate::listing::{Listing, Page, Subject};
use sequin_domain::timestamp::Timestamp;

/// What a page of the list has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    first: Option<Timestamp>,
    last: Option<Timestamp>,
    last_id: Option<String>,
}

impl Shown {
    pub fn of(page: &Page) -> Self {
        let mut changed = page.changed.iter().flatten();
        let first = changed.next().copied();
        let last = changed.next_back().copied().or(first);
        let last_id = page.listed.last().filter(|_| first.is_some()).cloned();
        Self { first, last, last_id }
    }
}

impl Listing {
    /// Whether the oldest change comes first.
    pub fn is_ascending(&self) -> bool {
        self.subject == Subject::Objects
            && self.changed_since.is_some()
            && self.collection.updated.as_ref().is_some_and(|updated| updated.ascending)
    }

    /// The list behind what a page of this one has `shown`; `None` where it goes on by pages, or is at its end.
    pub fn leap(&self, shown: &Shown, has_more: bool) -> Option<Self> {
        let updated = self.collection.updated.as_ref().filter(|updated| updated.ascending)?;
        let since = self.changed_since?;
        let to = |since: Timestamp, tied: Option<&str>| {
            Some(Self { changed_since: Some(since), tied: tied.map(str::to_owned), ..self.clone() })
        };
        match (&self.tied, &shown.last_id) {
            (Some(_), _) if !has_more => to(updated.format.next(since), None),
            (Some(behind), Some(id)) if id != behind => to(since, Some(id)),
            (Some(_), _) => None,
            (None, _) if !has_more => None,
            (None, _) => {
                let (first, last) = shown.first.zip(shown.last)?;
                match &updated.ties {
                    // No more than that fits into a page: only ids lead on.
                    Some(ties) if updated.format.cannot_tell(first, last) => to(last, Some(&ties.first)),
                    _ if last > since && !updated.format.cannot_tell(since, last) => to(last, None),
                    _ => None,
                }
            }
        }
    }
}
