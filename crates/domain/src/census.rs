//! Whether a list goes on although it has nothing new to show.

use std::collections::BTreeSet;

/// So much of a list is never called endless.
const PATIENCE: u64 = 1_000;
/// How often a list may show each of its objects. While it is read, objects move, and are shown twice or three times.
const REPEATS: u64 = 10;
/// How many hashes are kept.
const KEPT: usize = 256;

/// Counts what a list shows, and how many different objects that is, in memory that doesn't grow.
///
/// Of all hashes the smallest are kept. While they are fewer than that, they are all. Then how densely they lie says
/// how many there are, give or take a few percent (Bar-Yossef et al., 2002).
#[derive(Debug, Clone, Default)]
pub struct Census {
    shown: u64,
    smallest: BTreeSet<u64>,
}

impl Census {
    /// Takes a page, as the hashes of what it shows. A page that shows nothing counts like one more of the same.
    pub fn note(&mut self, page: impl IntoIterator<Item = u64>) {
        let before = self.shown;
        for hash in page {
            self.shown += 1;
            if self.smallest.len() < KEPT || self.smallest.last().is_some_and(|largest| hash < *largest) {
                self.smallest.insert(hash);
            }
            if self.smallest.len() > KEPT {
                self.smallest.pop_last();
            }
        }
        self.shown += u64::from(self.shown == before);
    }

    /// How much was shown.
    pub fn shown(&self) -> u64 {
        self.shown
    }

    /// About how much of it was different.
    pub fn different(&self) -> u64 {
        match self.smallest.last() {
            #[allow(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "an estimate"
            )]
            Some(&largest) if self.smallest.len() == KEPT => {
                ((KEPT - 1) as f64 * (u64::MAX as f64 / largest.max(1) as f64)) as u64
            }
            _ => self.smallest.len() as u64,
        }
    }

    /// Whether the list shows the same again and again.
    pub fn is_endless(&self) -> bool {
        self.shown >= PATIENCE && self.shown / REPEATS >= self.different().max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

    fn hash(object: u64) -> u64 {
        BuildHasherDefault::<DefaultHasher>::default().hash_one(object)
    }

    /// After how many pages of 100 the list is called endless; at most so many.
    fn endless_after(pages: u64, object: impl Fn(u64) -> u64) -> Option<u64> {
        let mut census = Census::default();
        (1..=pages).find(|page| {
            census.note((100 * (page - 1)..100 * page).map(|place| hash(object(place))));
            census.is_endless()
        })
    }

    #[test]
    fn a_list_of_different_objects_may_be_long() {
        assert_eq!(endless_after(20_000, |place| place), None);
        assert_eq!(endless_after(20_000, |place| place / 5), None);
    }

    #[test]
    fn the_same_objects_come_to_an_end() {
        assert_eq!(endless_after(20_000, |_| 0), Some(10));
        assert_eq!(endless_after(20_000, |place| place % 100), Some(10));
        let many = endless_after(20_000, |place| place % 10_000).unwrap();
        assert!((800..1_250).contains(&many), "{many}");
        // In whatever order.
        let many = endless_after(20_000, |place| hash(place) % 10_000).unwrap();
        assert!((800..1_250).contains(&many), "{many}");
    }

    #[test]
    fn empty_pages_come_to_an_end() {
        let mut census = Census::default();
        for _ in 1..1_000 {
            census.note([]);
            assert!(!census.is_endless());
        }
        census.note([]);
        assert!(census.is_endless());
    }

    #[test]
    fn the_count_is_right_within_a_few_percent() {
        for objects in [0, 1, 255, 300, 10_000, 1_000_000] {
            let mut census = Census::default();
            census.note((0..2 * objects).map(|place| hash(place % objects.max(1))));
            let off = census.different().abs_diff(objects);
            assert!(
                off * 5 <= if objects > 255 { objects } else { 0 },
                "{} of {objects}",
                census.different()
            );
        }
    }
}
