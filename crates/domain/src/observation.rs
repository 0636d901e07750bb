//! Which answers are too old to be believed.
//!
//! An object is observed when a request that shows it is *sent*: the answer may arrive much later, after the answer
//! to a younger request has been applied. The database remembers when a stored version was observed, but writes
//! nothing for an observation that changed nothing, and nothing for an object that was seen to be gone. As long as
//! an older request is under way, those are remembered here. A crash forgets them, and the older requests with them.

use std::{
    collections::{BTreeMap, HashMap},
    time::SystemTime,
};

/// The observations of one collection of one sync that requests still under way could contradict.
#[derive(Debug, Default)]
pub struct Observations {
    in_flight: BTreeMap<(SystemTime, u64), ()>,
    newest: HashMap<String, SystemTime>,
}

impl Observations {
    /// A request that will show objects is handed over at `at`; `request` tells it from others.
    pub fn begin(&mut self, request: u64, at: SystemTime) {
        self.in_flight.insert((at, request), ());
    }

    /// The request has been dealt with: applied, failed or dropped.
    pub fn end(&mut self, request: u64, at: SystemTime) {
        self.in_flight.remove(&(at, request));
        match self.in_flight.first_key_value() {
            None => self.newest = HashMap::new(),
            Some(((oldest, _), ())) => {
                let oldest = *oldest;
                self.newest.retain(|_, observed| *observed > oldest);
            }
        }
    }

    /// Whether nothing is under way, so that nothing need be remembered.
    pub fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// Whether an answer that was observed at `at` may still speak about `upstream_id`, and remembers that it did.
    pub fn observe(&mut self, upstream_id: &str, at: SystemTime) -> bool {
        if let Some(newest) = self.newest.get_mut(upstream_id) {
            if *newest > at {
                return false;
            }
            *newest = at;
        } else if self.in_flight.first_key_value().is_some_and(|((oldest, _), ())| *oldest < at) {
            self.newest.insert(upstream_id.to_owned(), at);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(second: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(second)
    }

    #[test]
    fn an_older_answer_is_not_believed_after_a_younger_one() {
        let mut seen = Observations::default();
        seen.begin(1, at(10));
        seen.begin(2, at(20));
        assert!(seen.observe("a", at(20)));
        seen.end(2, at(20));
        assert!(!seen.observe("a", at(10)), "the page asked for at 10 arrives after the one asked for at 20");
        assert!(seen.observe("b", at(10)));
        seen.end(1, at(10));
        assert!(seen.newest.is_empty(), "nothing is remembered once nothing is under way");
    }

    proptest! {
        /// Whatever the order in which answers arrive, what was believed last is the youngest observation.
        #[test]
        fn the_youngest_observation_wins(order in Just((0u64..8).collect::<Vec<_>>()).prop_shuffle()) {
            let mut seen = Observations::default();
            for request in 0..8 {
                seen.begin(request, at(request));
            }
            let mut believed = None;
            for request in order {
                if seen.observe("x", at(request)) {
                    believed = Some(request);
                }
                seen.end(request, at(request));
            }
            prop_assert_eq!(believed, Some(7));
            prop_assert!(seen.newest.is_empty());
        }
    }
}
