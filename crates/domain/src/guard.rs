//! When so many deletions are more likely a mistake than a truth.

/// So many missing objects are never held back.
const UNGUARDED: u64 = 100;

/// What a whole list has not shown of the objects that are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletions {
    pub stored: u64,
    pub missing: u64,
    /// Whether the list has shown any object at all.
    pub has_shown: bool,
    /// How many missing objects somebody has confirmed to be deleted.
    pub confirmed: u64,
}

impl Deletions {
    /// Whether nothing may be deleted on the list's word. `largest_share`: of the stored objects that may be missing.
    ///
    /// An empty list is never believed, whatever the share. What has been confirmed is, and little more than that.
    pub fn are_suspicious(&self, largest_share: f64) -> bool {
        #[allow(clippy::cast_precision_loss, reason = "a share of objects needs no last digits")]
        let share = self.missing as f64 / self.stored.max(1) as f64;
        self.missing > UNGUARDED.saturating_add(self.confirmed) && (!self.has_shown || share > largest_share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn suspicious(stored: u64, missing: u64, confirmed: u64) -> bool {
        Deletions { stored, missing, has_shown: missing < stored, confirmed }.are_suspicious(0.5)
    }

    #[test]
    fn many_at_once_are_held_back() {
        for (stored, missing, confirmed, expected) in [
            (100, 100, 0, false),
            (101, 101, 0, true),
            (300, 150, 0, false),
            (300, 151, 0, true),
            (300, 151, 51, false),
            (300, 151, 50, true),
            (300, 300, 300, false),
            (300, 251, 150, true),
            (0, 0, 0, false),
        ] {
            assert_eq!(
                suspicious(stored, missing, confirmed),
                expected,
                "{missing} of {stored}, {confirmed}"
            );
        }
    }

    proptest! {
        #[test]
        fn an_empty_list_deletes_nothing_by_itself(stored in 101u64.., share in 0.0f64..=1.0) {
            let deletions = Deletions { stored, missing: stored, has_shown: false, confirmed: 0 };
            prop_assert!(deletions.are_suspicious(share));
        }

        /// While the missing ones are dealt with, one by one, the guard doesn't change its mind.
        #[test]
        fn what_was_let_pass_stays_so(stored in 1u64..10_000, missing in 0u64..10_000, gone in 0u64..10_000) {
            let missing = missing.min(stored);
            let gone = gone.min(missing);
            let before = Deletions { stored, missing, has_shown: missing < stored, confirmed: 0 };
            let after = Deletions { stored: stored - gone, missing: missing - gone, ..before };
            prop_assert!(before.are_suspicious(0.5) || !after.are_suspicious(0.5));
        }
    }
}
