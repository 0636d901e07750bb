//! When an access token is renewed: ahead of its end, so that nothing has to wait for the new one.

use std::time::Duration;

/// So long before its end a token is renewed at the latest, if it lives long enough for that.
const MARGIN: Duration = Duration::from_secs(60);

/// How long after it was given a token is renewed that is good for `lifetime`.
///
/// At four fifths of its life, and up to a tenth of that earlier by `jitter` in 0..1, so that tokens that were given
/// together aren't renewed together. Half of its life is used in any case.
pub fn renew_after(lifetime: Duration, jitter: f64) -> Duration {
    let usual = lifetime.mul_f64(0.8 - 0.08 * jitter.clamp(0.0, 1.0));
    usual.min(lifetime.saturating_sub(MARGIN)).max(lifetime / 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_token_is_renewed_ahead_of_its_end() {
        for (lifetime, jitter, after) in
            [(3600, 0.0, 2880), (3600, 1.0, 2592), (200, 0.0, 140), (100, 0.0, 50), (4, 0.5, 2)]
        {
            let renewed = renew_after(Duration::from_secs(lifetime), jitter);
            assert_eq!(renewed.as_secs_f64().round() as u64, after, "{lifetime} {jitter}");
        }
    }

    proptest! {
        #[test]
        fn there_is_always_time_left(lifetime in 1u64..400_000_000, jitter in 0.0f64..1.0) {
            let lifetime = Duration::from_secs(lifetime);
            let left = lifetime - renew_after(lifetime, jitter);
            prop_assert!(left >= MARGIN.min(lifetime / 2));
            prop_assert!(left <= lifetime / 2);
        }
    }
}
