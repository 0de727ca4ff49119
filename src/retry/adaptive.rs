//! The adaptive mode: a client-side send rate that follows a cubic curve around the rate at which the service last
//! throttled. Time is seconds since some start, as the published algorithm has it.

/// The controller's state.
#[derive(Debug)]
pub(crate) struct Adaptive {
    enabled: bool,
    fill_rate: f64,
    capacity: f64,
    tokens: f64,
    filled_at: f64,
    measured: f64,
    last_bucket: f64,
    count: f64,
    w_max: f64,
    last_throttle: f64,
}

const BETA: f64 = 0.7;
const SCALE: f64 = 0.4;
const SMOOTH: f64 = 0.8;
const LEAST_RATE: f64 = 0.5;
const LEAST_CAPACITY: f64 = 1.0;

impl Adaptive {
    /// Lets everything pass until the first throttling; `now` is the start.
    pub(crate) fn new(now: f64) -> Adaptive {
        Adaptive {
            enabled: false,
            fill_rate: 0.0,
            capacity: 0.0,
            tokens: 0.0,
            filled_at: now,
            measured: 0.0,
            last_bucket: (now * 2.0).floor() / 2.0,
            count: 0.0,
            w_max: 0.0,
            last_throttle: now,
        }
    }

    fn refill(&mut self, now: f64) {
        self.tokens = self.capacity.min(self.tokens + (now - self.filled_at).max(0.0) * self.fill_rate);
        self.filled_at = now;
    }

    /// Takes a token for an attempt, or tells how many seconds to wait before asking again.
    pub(crate) fn take(&mut self, now: f64) -> Option<f64> {
        if !self.enabled {
            return None;
        }
        self.refill(now);
        if self.tokens >= 1.0 {
            self.tokens -= 1.0;
            return None;
        }
        Some((1.0 - self.tokens) / self.fill_rate)
    }

    /// Learns how an attempt ended.
    pub(crate) fn update(&mut self, now: f64, throttled: bool) {
        let bucket = (now * 2.0).floor() / 2.0;
        self.count += 1.0;
        if bucket > self.last_bucket {
            let rate = self.count / (bucket - self.last_bucket);
            self.measured = SMOOTH * rate + (1.0 - SMOOTH) * self.measured;
            self.count = 0.0;
            self.last_bucket = bucket;
        }
        let wanted = if throttled {
            let rate = if self.enabled { self.measured.min(self.fill_rate) } else { self.measured };
            self.w_max = rate;
            self.last_throttle = now;
            self.enabled = true;
            BETA * rate
        } else {
            let k = (self.w_max * (1.0 - BETA) / SCALE).cbrt();
            SCALE * (now - self.last_throttle - k).powi(3) + self.w_max
        };
        let rate = wanted.min(2.0 * self.measured);
        self.refill(now);
        self.fill_rate = rate.max(LEAST_RATE);
        self.capacity = rate.max(LEAST_CAPACITY);
        self.tokens = self.tokens.min(self.capacity);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sequence that AWS's own implementations are tested with: time, throttled, measured rate, fill rate.
    #[test]
    fn published_sequence() {
        let mut control = Adaptive::new(0.0);
        for (t, throttled, measured, rate) in [
            (0.2, false, 0.0, 0.5),
            (0.4, false, 0.0, 0.5),
            (0.6, false, 4.8, 0.5),
            (0.8, false, 4.8, 0.5),
            (1.0, false, 4.16, 0.5),
            (1.2, false, 4.16, 0.6912),
            (1.4, false, 4.16, 1.0976),
            (1.6, false, 5.632, 1.6384),
            (1.8, false, 5.632, 2.3328),
            (2.0, true, 4.3264, 3.02848),
            (2.2, false, 4.3264, 3.486_639),
            (2.4, false, 4.3264, 3.821_874),
            (2.6, false, 5.665_28, 4.053_386),
            (2.8, false, 5.665_28, 4.200_373),
            (3.0, false, 4.333_056, 4.282_037),
            (3.2, true, 4.333_056, 2.997_426),
            (3.4, false, 4.333_056, 3.452_226),
        ] {
            control.update(t, throttled);
            assert!((control.measured - measured).abs() < 1e-5, "{t}: {} {measured}", control.measured);
            assert!((control.fill_rate - rate).abs() < 1e-5, "{t}: {} {rate}", control.fill_rate);
        }
    }

    #[test]
    fn attempts_wait_for_tokens_once_throttled() {
        let mut control = Adaptive::new(0.0);
        assert_eq!(control.take(0.0), None);
        control.update(1.0, true);
        let wait = control.take(1.0).unwrap();
        assert!((wait - 1.0 / 0.56).abs() < 1e-9, "{wait}");
        assert_eq!(control.take(1.0 + wait + 1e-9), None);
    }
}
