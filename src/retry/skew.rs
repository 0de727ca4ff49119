//! How far the machine's clock is from the service's, learned from the `Date` of every answer.

use std::sync::atomic::{AtomicI64, Ordering};

/// The distance in milliseconds that a client adds to its own clock; shared by all its calls.
pub(crate) struct Skew(AtomicI64);

/// An answer that took longer says too little about when it was written.
const TRUSTED_MS: i64 = 15 * 60 * 1000;
/// A refusal is blamed on the clock only past this distance; the service itself allows 5 minutes.
const BLAMED_MS: i64 = 4 * 60 * 1000;
/// No answer has been seen yet.
const UNKNOWN: i64 = i64::MIN;

impl Skew {
    /// Not known: the machine's clock is believed.
    pub(crate) fn new() -> Skew {
        Skew(AtomicI64::new(UNKNOWN))
    }

    /// What to add to the machine's clock.
    pub(crate) fn get(&self) -> i64 {
        self.measured().unwrap_or(0)
    }

    /// The distance, where an answer has told it.
    pub(crate) fn measured(&self) -> Option<i64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|skew| *skew != UNKNOWN)
    }

    /// Learns from an answer: local times of sending and receiving in milliseconds, its `Date` in seconds, and
    /// whether a cache served it (it has an `Age`). Gives the distance if the answer tells one.
    pub(crate) fn observe(&self, sent: i64, received: i64, date: Option<i64>, cached: bool) -> Option<i64> {
        let date = date?;
        if cached || received - sent > TRUSTED_MS {
            return None;
        }
        let skew = date * 1000 - (sent + received) / 2;
        // A Date has whole seconds: what lies within one is no news.
        let old = self.measured().unwrap_or(0);
        let skew = if (skew - old).abs() < 1000 && old.abs() < 1000 { 0 } else { skew };
        self.0.store(skew, Ordering::Relaxed);
        Some(skew)
    }
}

/// Whether a refusal with this code may come from a wrong clock, given the distance that the answer told.
pub(crate) fn is_skew_code(code: &str, skew: Option<i64>) -> bool {
    matches!(
        code,
        "InvalidSignatureException"
            | "SignatureDoesNotMatch"
            | "AuthFailure"
            | "RequestTimeTooSkewed"
            | "AccessDeniedException"
    ) && skew.is_some_and(|skew| skew.abs() > BLAMED_MS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{Stamp, parse_http_date};
    use crate::retry::classify;

    /// `2026-01-01T00:00:02Z`, as the vectors write it, in milliseconds.
    fn instant(text: &serde_json::Value) -> i64 {
        let text = text.as_str().unwrap();
        let (day, time) = (&text[8..10], &text[11..19]);
        assert!(text.starts_with("2026-01-") && text.ends_with('Z'));
        parse_http_date(&format!("Xxx, {day} Jan 2026 {time} GMT")).unwrap() * 1000
    }

    #[test]
    fn published_cases() {
        let Some(json) = crate::vectors::read("clock-skew/clock-skew-test-cases.json") else { return };
        let tests = json["tests"].as_array().unwrap();
        assert_eq!(tests.len(), 10);
        for test in tests {
            let name = test["description"].as_str().unwrap();
            let skew = Skew::new();
            let first = test["operations"][0]["initialClientSkew"].as_i64().unwrap();
            if first != 0 {
                skew.0.store(first * 1000, Ordering::Relaxed);
            }
            for operation in test["operations"].as_array().unwrap() {
                assert_eq!(skew.get(), operation["initialClientSkew"].as_i64().unwrap() * 1000, "{name}");
                let most = operation["maxAttempts"].as_u64().unwrap_or(3);
                let attempts = operation["attempts"].as_array().unwrap();
                let mut outcome = "error";
                let mut made = 0;
                for attempt in attempts {
                    made += 1;
                    let sent = instant(&attempt["clientTimeAtSend"]);
                    let received = instant(&attempt["clientTimeAtReceive"]);
                    let signing = Stamp::new((sent + skew.get()) / 1000);
                    let expected = Stamp::new(instant(&attempt["expectedSigningTime"]) / 1000);
                    assert_eq!(signing.as_str(), expected.as_str(), "{name}");
                    let response = &attempt["response"];
                    let date = response["headers"]["Date"].as_str().and_then(parse_http_date);
                    let cached = response["headers"].get("Age").is_some();
                    let seen = skew.observe(sent, received, date, cached);
                    let status = u16::try_from(response["statusCode"].as_u64().unwrap()).unwrap();
                    if status == 200 {
                        outcome = "success";
                        break;
                    }
                    let code = response["errorCode"].as_str().unwrap();
                    assert_eq!(classify(code, status), None, "{name}");
                    if !is_skew_code(code, seen) || made == most {
                        break;
                    }
                }
                assert_eq!(usize::try_from(made).unwrap(), attempts.len(), "{name}");
                assert_eq!(outcome, operation["expectedOutcome"], "{name}");
                assert_eq!(skew.get(), operation["expectedClientSkew"].as_i64().unwrap() * 1000, "{name}");
            }
        }
    }
}
