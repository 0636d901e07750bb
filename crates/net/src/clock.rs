//! When requests were sent.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

/// The wall clock, but never backwards: what was sent later must not seem older, or its answer would
/// be taken for a stale one. Clones are one clock.
#[derive(Clone, Debug, Default)]
pub struct Clock(Arc<Mutex<Option<SystemTime>>>);

impl Clock {
    /// The time.
    pub fn now(&self) -> SystemTime {
        self.not_before(SystemTime::now())
    }

    /// Lets no time be earlier than `floor` from now on, such as one that another process noted
    /// before the wall clock was set back. Returns the time.
    pub fn not_before(&self, floor: SystemTime) -> SystemTime {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let time = last.map_or(floor, |last| last.max(floor));
        *last.insert(time)
    }
}

#[cfg(test)]
mod tests {
    use super::Clock;
    use std::time::{Duration, SystemTime};

    #[test]
    fn never_goes_back() {
        let clock = Clock::default();
        let first = clock.now();
        let later = SystemTime::now() + Duration::from_secs(3600);
        assert!(first < later);
        assert_eq!(clock.clone().not_before(later), later);
        // As when the wall clock is set back by an hour.
        assert_eq!(clock.now(), later);
        assert_eq!(clock.not_before(first), later);
    }
}
