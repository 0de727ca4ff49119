//! Finds the rate that a stream takes, from the records that it throttles. Pure: time comes in, in seconds.
//!
//! This is the adaptive mode of AWS's SDKs (a cubic that returns to the last good rate, lingers there, and then looks
//! for more), with six differences, since here bytes and records are paced, and not calls:
//!
//! - The cubic is in shares of the rate, so that it comes back in the same time whatever the quota is.
//! - A bucket that is empty at two moments has given out exactly its rate in between: what was accepted from one
//!   throttling to the next tells the quota, so that a tenth is enough to step back by, in place of three.
//! - Several calls that are throttled at once are one event: only what was sent after a step back leads to another.
//! - What is throttled right after a step back is not due to the rate: it is noise, and so much of it is let pass later
//!   on, so that refusals at random do not lead to a halt.
//! - Where nothing at all gets through there is nothing to be learned about a rate: calls pause instead, longer and
//!   longer, and the rate is kept for when it ends. They get smaller as well: it may be that they are too large.
//! - Calls get larger where they are slow and few at a time, which would hold the rate down, and a throttling that hits
//!   next to nothing of what is sent is no reason to step back.

use std::collections::VecDeque;

/// What is left of the rate after a throttling.
const BACK: f64 = 0.9;
/// Seconds until the rate is what it was.
const RETURN: f64 = 5.0;
/// Seconds until the rate doubles every other second: nothing like the good one is near.
const SEARCH: f64 = 12.0;
/// A good rate is never less than this in bytes and records: what was measured while little was sent is no measure.
const LEAST: (f64, f64) = (65_536.0, 500.0);
/// A call takes this share of a second's worth, so that it is no burst, and what is refused of it is little.
const SHARE: f64 = 1.0 / 8.0;
/// How much more the senders' calls can carry together than the rate asks for.
const SLACK: f64 = 1.5;
/// The most that a call carries, whatever the rate (API reference, "PutRecordBatch").
const LARGEST: Load = Load { bytes: 4_194_304.0, records: 500.0 };
/// The latest call's weight in how long calls take.
const LATEST: f64 = 0.125;
/// The share of what was sent of late that is throttled at the least where a bucket is empty.
const EMPTY: f64 = 0.02;
/// Below this a call is not made smaller, if it is not more than a second's worth.
const SMALL: f64 = 32_768.0;
/// Seconds' worth that can be saved up.
const SAVED: f64 = 0.25;
/// Seconds over which the accepted rate is measured, and between two steps back; more where calls take longer.
const WINDOW: f64 = 1.0;
/// The quota's share at the least of what was accepted in the second before a bucket was found empty that had been full.
const FULL: f64 = 0.7;
/// The share of what is sent that can be noise at the most, and how little is none.
const NOISE: (f64, f64) = (0.3, 0.01);
/// Seconds until the noise is learned anew.
const LISTEN: f64 = 12.0;
/// By how much the share in a second may be larger than the noise is.
const SPREAD: f64 = 0.1;
/// Pauses where nothing gets through, in seconds: the first and the longest.
const PAUSE: (f64, f64) = (0.1, 5.0);
/// Below this many bytes for a record it may be the quota of records that binds: the service's quotas have 10.5 bytes
/// to a record (developer guide, "Quota").
const TINY: f64 = 64.0;

/// Bytes and records.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Load {
    pub(super) bytes: f64,
    pub(super) records: f64,
}

impl Load {
    /// Of whole numbers.
    #[expect(clippy::cast_precision_loss, reason = "neither comes near 2^53")]
    pub(super) fn of(bytes: usize, records: usize) -> Load {
        Load { bytes: bytes as f64, records: records as f64 }
    }

    /// One more record.
    pub(super) fn add(&mut self, bytes: usize) {
        let one = Load::of(bytes, 1);
        self.bytes += one.bytes;
        self.records += one.records;
    }
}

/// What the next call may carry.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Allowance {
    /// What there is.
    Unlimited,
    /// Up to this, and one record in any case.
    Most(Load),
    /// Nothing before this time.
    Wait(f64),
}

/// One of the two rates.
#[derive(Clone, Copy, Debug)]
struct Rate {
    /// The last one that was good; infinite before anything was throttled.
    good: f64,
    /// Never more than this.
    ceiling: f64,
    tokens: f64,
    /// Accepted since the last step back.
    accepted: f64,
}

impl Rate {
    fn new(ceiling: f64) -> Rate {
        Rate { good: f64::INFINITY, ceiling, tokens: 0.0, accepted: 0.0 }
    }

    /// What may be sent in a second, `since` seconds after the last step back, when `measured` was accepted of late.
    fn at(&self, since: f64, measured: f64) -> f64 {
        let bend = (1.0 - BACK) / RETURN.powi(3);
        let rate =
            self.good * (1.0 + bend * (since - RETURN).powi(3)) * ((since - SEARCH).max(0.0) / 2.0).exp2();
        // More than was good is asked for only by those who use it.
        rate.min(self.good.max(2.0 * measured)).min(self.ceiling)
    }

    fn is_limited(&self) -> bool {
        self.good.min(self.ceiling).is_finite()
    }
}

/// The controller.
pub(super) struct Pace {
    bytes: Rate,
    records: Rate,
    /// When something was throttled for the last time, that led to a step back.
    stepped: f64,
    /// When tokens were counted for the last time.
    filled: f64,
    /// What was accepted of late, and what was throttled.
    window: VecDeque<(f64, Load, Load)>,
    /// Seconds that a call takes.
    lag: f64,
    /// Calls at once.
    senders: f64,
    /// The share that is throttled whatever the rate, and the records sent and throttled from which it is learned.
    noise: f64,
    heard: (f64, f64),
    /// When the first call was begun.
    began: Option<f64>,
    /// Bytes for a record when the rates were learned.
    mix: f64,
    /// Calls in a row of which nothing got through.
    refused: u32,
    paused: f64,
}

impl Pace {
    /// Without a limit until something is throttled, save the `ceiling` in bytes for a second. There are up to so many
    /// calls at once.
    pub(super) fn new(ceiling: Option<f64>, senders: usize, now: f64) -> Pace {
        Pace {
            bytes: Rate::new(ceiling.unwrap_or(f64::INFINITY)),
            records: Rate::new(f64::INFINITY),
            stepped: now,
            filled: now,
            window: VecDeque::new(),
            lag: 0.0,
            senders: Load::of(0, senders.max(1)).records,
            noise: 0.0,
            heard: (0.0, 0.0),
            began: None,
            mix: 0.0,
            refused: 0,
            paused: 0.0,
        }
    }

    /// What may be sent in a second now; infinite where there is no limit.
    pub(super) fn rate(&self, now: f64) -> Load {
        let (since, measured) = (now - self.stepped, self.measured(now));
        Load {
            bytes: self.bytes.at(since, measured.bytes),
            records: self.records.at(since, measured.records),
        }
    }

    /// What was accepted in a second, of late.
    fn measured(&self, now: f64) -> Load {
        let over = self.over();
        let recent = self.window.iter().filter(|(time, ..)| *time > now - over);
        recent.fold(Load::default(), |sum, (_, load, _)| Load {
            bytes: sum.bytes + load.bytes / over,
            records: sum.records + load.records / over,
        })
    }

    /// The share that was throttled of the records, or of the bytes, sent of late, whichever is larger: it is the large
    /// records among small ones that do not fit.
    fn share(&self, now: f64) -> f64 {
        let over = self.over();
        let recent = || self.window.iter().filter(|(time, ..)| *time > now - over);
        let of = |part: fn(&Load) -> f64| {
            let (taken, refused) = recent()
                .fold((0.0, 0.0), |(taken, refused), (_, one, two)| (taken + part(one), refused + part(two)));
            if refused > 0.0 { refused / (taken + refused) } else { 0.0 }
        };
        of(|load| load.bytes).max(of(|load| load.records))
    }

    /// Seconds that are "of late": there are answers in them, however slow.
    fn over(&self) -> f64 {
        WINDOW.max(2.0 * self.lag)
    }

    /// A call's share of a second's worth.
    fn part(&self) -> f64 {
        (self.lag * SLACK / self.senders).clamp(SHARE, 1.0)
    }

    fn fill(&mut self, now: f64) -> Load {
        let rate = self.rate(now);
        let passed = (now - self.filled).max(0.0);
        self.filled = now;
        let part = self.part();
        for (side, rate) in [(&mut self.bytes, rate.bytes), (&mut self.records, rate.records)] {
            if rate.is_finite() {
                // Saved for a call at least, and for one record.
                let most = (rate * SAVED).max(rate * part).max(call_of(rate, part)).max(1.0);
                side.tokens = (side.tokens + rate * passed).min(most);
            }
        }
        rate
    }

    /// What the next call may carry, when so much waits.
    pub(super) fn allow(&mut self, now: f64, waiting: Load) -> Allowance {
        if now < self.paused {
            return Allowance::Wait(self.paused);
        }
        if !self.bytes.is_limited() && !self.records.is_limited() && self.refused == 0 {
            return Allowance::Unlimited;
        }
        let rate = self.fill(now);
        let part = self.part();
        let mut call = Load { bytes: call_of(rate.bytes, part), records: (rate.records * part).max(1.0) };
        if self.refused > 0 {
            let part = 0.5_f64.powi(i32::try_from(self.refused).unwrap_or(i32::MAX));
            call.bytes = call.bytes.min(LARGEST.bytes * part).max(1.0);
            call.records = call.records.min(LARGEST.records * part).max(1.0);
        }
        let wait = |side: &Rate, rate: f64, need: f64| {
            if rate.is_finite() { (need - side.tokens) / rate } else { 0.0 }
        };
        let late = wait(&self.bytes, rate.bytes, waiting.bytes.min(call.bytes)).max(wait(
            &self.records,
            rate.records,
            waiting.records.min(call.records),
        ));
        // Below a millisecond it is not worth going to sleep.
        if late > 0.001 {
            return Allowance::Wait(now + late);
        }
        Allowance::Most(call)
    }

    /// A call was begun with this.
    pub(super) fn took(&mut self, now: f64, load: Load) {
        for (side, used) in [(&mut self.bytes, load.bytes), (&mut self.records, load.records)] {
            // Without a limit nothing is owed.
            side.tokens = if side.is_limited() { side.tokens - used } else { 0.0 };
        }
        self.began.get_or_insert(now);
        if self.refused > 0 {
            // One tries; the others wait for what it finds.
            self.paused = now + PAUSE.1;
        }
        // Records so much smaller may be held down by a rate that was learned with large ones, and the other way round.
        let mix = load.bytes / load.records.max(1.0);
        if self.mix > 0.0 && mix * 2.0 < self.mix {
            self.records.good = f64::INFINITY;
            self.mix = mix;
        } else if self.mix > 0.0 && self.mix < TINY && mix > self.mix * 2.0 {
            self.bytes.good = f64::INFINITY;
            self.mix = mix;
        }
    }

    /// What became of the records of a call that was begun at `sent`. A call that was throttled as a whole delivered
    /// nothing.
    pub(super) fn answered(&mut self, now: f64, sent: f64, delivered: Load, throttled: Load) {
        let took = (now - sent).max(0.0);
        self.lag += (took - self.lag) * if self.lag > 0.0 { LATEST } else { 1.0 };
        if now - self.stepped < RETURN / 2.0 && self.bytes.good.is_finite() && sent >= self.stepped {
            self.heard.0 += delivered.records + throttled.records;
            self.heard.1 += throttled.records;
        }
        self.window.push_back((now, delivered, throttled));
        let over = self.over();
        while self.window.front().is_some_and(|(time, ..)| *time <= now - over) {
            self.window.pop_front();
        }
        if delivered.records > 0.0 {
            self.bytes.accepted += delivered.bytes;
            self.records.accepted += delivered.records;
            (self.refused, self.paused) = (0, 0.0);
        }
        if throttled.records == 0.0 {
            return;
        }
        if delivered.records == 0.0 && sent >= self.paused - PAUSE.1 {
            let pause = (PAUSE.0 * 2_f64.powi(i32::try_from(self.refused).unwrap_or(i32::MAX))).min(PAUSE.1);
            self.refused += 1;
            // That is more than noise.
            (self.noise, self.heard) = (0.0, (0.0, 0.0));
            self.paused = now + pause;
        }
        if self.share(now) < EMPTY {
            return;
        }
        let first = !self.bytes.good.is_finite();
        if self.noise > NOISE.1 && self.share(now) < self.noise + SPREAD {
            // What was refused at random is no measure of what the stream takes.
            self.bytes.accepted += throttled.bytes;
            self.records.accepted += throttled.records;
            // From time to time it is listened to again.
            if now - self.stepped < LISTEN {
                return;
            }
        }
        // What was accepted at the very beginning is what the bucket had saved.
        if self.began.is_none_or(|began| now - began < self.over()) {
            return;
        }
        if (first || (sent >= self.stepped && now - self.stepped >= self.over()))
            && self.measured(now).records > 0.0
        {
            self.step_back(now, first);
        }
    }

    fn step_back(&mut self, now: f64, first: bool) {
        let (measured, rate, passed) = (self.measured(now), self.rate(now), now - self.stepped);
        let sides = [
            (&mut self.bytes, measured.bytes, rate.bytes, LEAST.0),
            (&mut self.records, measured.records, rate.records, LEAST.1),
        ];
        for (side, measured, rate, least) in sides {
            // From one empty bucket to the next; where it was full in between that is too little.
            let steady = if first { measured } else { side.accepted / passed };
            side.good = steady.max(measured * FULL).min(rate).max(least);
            side.accepted = 0.0;
            side.tokens = side.tokens.min(0.0);
        }
        let (sent, throttled) = std::mem::take(&mut self.heard);
        // Far more than can be noise is a rate that was too high still.
        let share = if throttled > 0.0 { throttled / sent } else { 0.0 };
        self.noise = f64::midpoint(self.noise, if share > NOISE.0 { 0.0 } else { share });
        self.mix = measured.bytes / measured.records.max(1.0);
        self.stepped = now;
        self.filled = now;
    }
}

/// Bytes of a call at this rate that is such a part of a second's worth.
fn call_of(rate: f64, part: f64) -> f64 {
    (rate * part).max(rate.min(SMALL)).max(1.0)
}

#[cfg(test)]
#[path = "pace_tests.rs"]
mod tests;
