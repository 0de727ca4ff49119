//! A quota, as a stream has one: so many bytes, records and requests in a second. What is over it is throttled.

use serde_json::{Value, json};
use std::time::Instant;

/// A bucket that holds what comes in a second.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    rate: f64,
    tokens: f64,
}

impl Bucket {
    fn has(&self, amount: f64) -> bool {
        self.tokens >= amount.min(self.rate)
    }
}

/// Full at the start; what has no rate has no limit.
#[derive(Debug, Default)]
pub(crate) struct Quota {
    bytes: Option<Bucket>,
    records: Option<Bucket>,
    requests: Option<Bucket>,
    filled: Option<Instant>,
}

const NAMES: [&str; 3] = ["bytes_per_second", "records_per_second", "requests_per_second"];

impl Quota {
    /// From a JSON object of numbers above 0; `{}`: no quota.
    pub(crate) fn parse(order: &Value) -> Result<Quota, String> {
        let Value::Object(members) = order else { return Err("a quota is a JSON object".into()) };
        if let Some(name) = members.keys().find(|name| !NAMES.contains(&name.as_str())) {
            return Err(format!("a quota has no \"{name}\"; it has {}", NAMES.join(", ")));
        }
        let bucket = |name: &str| match members.get(name).map(Value::as_f64) {
            None => Ok(None),
            Some(Some(rate)) if rate > 0.0 => Ok(Some(Bucket { rate, tokens: rate })),
            Some(_) => Err(format!("{name} is a number above 0")),
        };
        let [bytes, records, requests] = NAMES.map(bucket);
        Ok(Quota { bytes: bytes?, records: records?, requests: requests?, filled: None })
    }

    fn buckets(&mut self) -> [&mut Option<Bucket>; 3] {
        [&mut self.bytes, &mut self.records, &mut self.requests]
    }

    /// Time has passed.
    pub(crate) fn fill(&mut self, now: Instant) {
        let passed = self.filled.map_or(0.0, |filled| now.saturating_duration_since(filled).as_secs_f64());
        self.filled = Some(now);
        for bucket in self.buckets().into_iter().flatten() {
            bucket.tokens = (bucket.tokens + bucket.rate * passed).min(bucket.rate);
        }
    }

    /// Another request: false where it is one too many.
    pub(crate) fn request(&mut self) -> bool {
        let Some(bucket) = &mut self.requests else { return true };
        let fits = bucket.has(1.0);
        bucket.tokens -= if fits { 1.0 } else { 0.0 };
        fits
    }

    /// Another record: false where it is too much.
    pub(crate) fn record(&mut self, bytes: usize) -> bool {
        let costs = [bytes as f64, 1.0];
        let mut buckets = [self.bytes, self.records].into_iter().zip(costs);
        if !buckets.all(|(bucket, cost)| bucket.is_none_or(|bucket| bucket.has(cost))) {
            return false;
        }
        let [size, count, _] = self.buckets();
        for (bucket, cost) in [size, count].into_iter().zip(costs) {
            if let Some(bucket) = bucket {
                bucket.tokens -= cost;
            }
        }
        true
    }

    /// As it was ordered.
    pub(crate) fn describe(&self) -> Value {
        let rate = |bucket: &Option<Bucket>| bucket.map(|bucket| bucket.rate);
        json!({ NAMES[0]: rate(&self.bytes), NAMES[1]: rate(&self.records), NAMES[2]: rate(&self.requests) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_holds_a_second() {
        let mut quota = Quota::parse(&json!({ "bytes_per_second": 1000, "records_per_second": 4 })).unwrap();
        let start = Instant::now();
        quota.fill(start);
        let taken: Vec<bool> = [400, 400, 400, 100, 100, 1].map(|bytes| quota.record(bytes)).into();
        assert_eq!(taken, [true, true, false, true, true, false], "by bytes, then by records");
        quota.fill(start + Duration::from_millis(500));
        assert!(quota.record(500) && !quota.record(1));
        quota.fill(start + Duration::from_secs(60));
        // What is larger than a second's worth passes when the bucket is full.
        assert!(quota.record(5000) && !quota.record(1));
        let mut quota = Quota::parse(&json!({ "requests_per_second": 1 })).unwrap();
        quota.fill(start);
        assert!(quota.request() && !quota.request() && quota.record(1 << 30));
    }

    #[test]
    fn slips_of_the_pen_are_refused() {
        for order in [json!([]), json!({ "bytes": 1 }), json!({ "bytes_per_second": 0 })] {
            assert!(Quota::parse(&order).is_err(), "{order}");
        }
    }
}
