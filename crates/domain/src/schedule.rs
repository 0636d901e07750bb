//! When something is due again, by what was written down and a clock that may have been set since.

use crate::timestamp::Timestamp;
use std::time::Duration;

/// How long until something is due that is done each `every` and was done last at `last`, if ever.
///
/// Never longer than `every`: a `last` in the future says that the clock was set back, and nothing more.
pub fn until_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> Duration {
    let Some(last) = last else { return Duration::ZERO };
    let since = u64::try_from(now.unix_micros().saturating_sub(last.unix_micros())).unwrap_or(0);
    every.saturating_sub(Duration::from_micros(since))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_from_the_last_time() {
        let at = |second| Timestamp::from_unix_seconds(second).unwrap();
        let every = Duration::from_secs(60);
        assert_eq!(until_due(None, every, at(100)), Duration::ZERO);
        assert_eq!(until_due(Some(at(70)), every, at(100)), Duration::from_secs(30));
        assert_eq!(until_due(Some(at(10)), every, at(100)), Duration::ZERO);
        assert_eq!(until_due(Some(at(9_000)), every, at(100)), every);
    }
}
