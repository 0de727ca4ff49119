//! What may be tried again, when, and how often: AWS's standard mode, version 2.1, and the adaptive mode. Pure; the
//! clock and the random numbers come in.

mod adaptive;
mod class;
mod quota;
mod skew;

pub(crate) use adaptive::Adaptive;
pub(crate) use class::{Class, classify};
pub(crate) use quota::Quota;
pub(crate) use skew::{Skew, is_skew_code};

use std::time::Duration;

/// The longest back-off.
const LONGEST: Duration = Duration::from_secs(20);
/// How much longer than its own back-off a call waits because the service asks for it.
const ASKED: Duration = Duration::from_secs(5);

/// The wait before retry number `retry` (0 is the first): random below a bound that doubles, from 1 s when throttled
/// and from 50 ms otherwise; `asked` is the service's `x-amz-retry-after`.
pub(crate) fn backoff(class: Class, retry: u32, random: f64, asked: Option<Duration>) -> Duration {
    let base = match class {
        Class::Throttling => Duration::from_secs(1),
        Class::Transient => Duration::from_millis(50),
    };
    let bound = base.saturating_mul(1u32.checked_shl(retry).unwrap_or(u32::MAX)).min(LONGEST);
    let own = bound.mul_f64(random.clamp(0.0, 1.0));
    asked.map_or(own, |asked| asked.clamp(own, own + ASKED))
}

/// Reads an `x-amz-retry-after`: whole milliseconds, or nothing.
pub(crate) fn parse_retry_after(value: &str) -> Option<Duration> {
    let digits = value.trim();
    let good = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    good.then(|| digits.parse().ok().map(Duration::from_millis))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn the_published_back_off() {
        assert_eq!(backoff(Class::Transient, 0, 1.0, None), ms(50));
        assert_eq!(backoff(Class::Transient, 3, 1.0, None), ms(400));
        assert_eq!(backoff(Class::Throttling, 0, 1.0, None), ms(1000));
        assert_eq!(backoff(Class::Throttling, 1, 0.5, None), ms(1000));
        assert_eq!(backoff(Class::Throttling, 9, 1.0, None), ms(20_000));
        assert_eq!(backoff(Class::Transient, 400, 1.0, None), ms(20_000));
        assert_eq!(backoff(Class::Throttling, 0, 0.0, None), ms(0));
    }

    #[test]
    fn the_service_may_ask_for_more() {
        let after = |text| backoff(Class::Transient, 0, 1.0, parse_retry_after(text));
        assert_eq!(after("1500"), ms(1500));
        assert_eq!(after("0"), ms(50));
        assert_eq!(after("10000"), ms(5050));
        assert_eq!(after("invalid"), ms(50));
        assert_eq!(after("-100"), ms(50));
        assert_eq!(after("99999999999999999999999"), ms(50));
    }
}
