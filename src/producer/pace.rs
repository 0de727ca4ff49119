//! Finds the rate that a stream takes, from the records that it throttles. Pure: time comes in, in seconds.
//!
//! This is the adaptive mode of AWS's SDKs (a cubic that returns to the last good rate, lingers there, and then looks
//! for more), with five differences, since here bytes and records are paced, and not calls:
//!
//! - The cubic is in shares of the rate, so that it comes back in the same time whatever the quota is.
//! - A bucket that is empty at two moments has given out exactly its rate in between: what was accepted from one
//!   throttling to the next tells the quota, so that a tenth is enough to step back by, in place of three.
//! - Several calls that are throttled at once are one event: only what was sent after a step back leads to another.
//! - What is throttled right after a step back is not due to the rate: it is noise, and so much of it is let pass later
//!   on, so that refusals at random do not lead to a halt.
//! - Where nothing at all gets through there is nothing to be learned about a rate: calls pause instead, longer and
//!   longer, and the rate is kept for when it ends.

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
/// Below this a call is not made smaller, if it is not more than a second's worth.
const SMALL: f64 = 32_768.0;
/// Seconds' worth that can be saved up.
const SAVED: f64 = 0.25;
/// Seconds over which the accepted rate is measured, and between two steps back.
const WINDOW: f64 = 1.0;
/// The quota's share at the least of what was accepted in the second before a bucket was found empty that had been full.
const FULL: f64 = 0.7;
/// The share of what is sent that can be noise at the most, and how little is none.
const NOISE: (f64, f64) = (0.15, 0.01);
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
    /// What was accepted of late, and how many records were throttled.
    window: VecDeque<(f64, Load, f64)>,
    /// The share that is throttled whatever the rate, and the records sent and throttled from which it is learned.
    noise: f64,
    heard: (f64, f64),
    last_share: f64,
    /// When the first call was begun.
    began: Option<f64>,
    /// Bytes for a record when the rates were learned.
    mix: f64,
    /// Calls in a row of which nothing got through.
    refused: u32,
    paused: f64,
}

impl Pace {
    /// Without a limit until something is throttled, save the `ceiling` in bytes for a second.
    pub(super) fn new(ceiling: Option<f64>, now: f64) -> Pace {
        Pace {
            bytes: Rate::new(ceiling.unwrap_or(f64::INFINITY)),
            records: Rate::new(f64::INFINITY),
            stepped: now,
            filled: now,
            window: VecDeque::new(),
            noise: 0.0,
            heard: (0.0, 0.0),
            last_share: 0.0,
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
        let recent = self.window.iter().filter(|(time, ..)| *time > now - WINDOW);
        recent.fold(Load::default(), |sum, (_, load, _)| Load {
            bytes: sum.bytes + load.bytes / WINDOW,
            records: sum.records + load.records / WINDOW,
        })
    }

    /// The share of the records sent of late that was throttled.
    fn share(&self, now: f64) -> f64 {
        let recent = self.window.iter().filter(|(time, ..)| *time > now - WINDOW);
        let (sent, throttled) = recent.fold((0.0, 0.0), |(sent, all), (_, load, throttled)| {
            (sent + load.records + throttled, all + throttled)
        });
        if sent > 0.0 { throttled / sent } else { 0.0 }
    }

    fn fill(&mut self, now: f64) -> Load {
        let rate = self.rate(now);
        let passed = (now - self.filled).max(0.0);
        self.filled = now;
        for (side, rate) in [(&mut self.bytes, rate.bytes), (&mut self.records, rate.records)] {
            if rate.is_finite() {
                // Saved for calls of a share at least, and of one record.
                let most = (rate * SAVED).max(call_of(rate)).max(1.0);
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
        let call = Load { bytes: call_of(rate.bytes), records: (rate.records * SHARE).max(1.0) };
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
        if now - self.stepped < RETURN / 2.0 && self.bytes.good.is_finite() && sent >= self.stepped {
            self.heard.0 += delivered.records + throttled.records;
            self.heard.1 += throttled.records;
        }
        self.window.push_back((now, delivered, throttled.records));
        while self.window.front().is_some_and(|(time, ..)| *time <= now - WINDOW) {
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
        if self.began.is_none_or(|began| now - began < WINDOW) {
            return;
        }
        if (first || (sent >= self.stepped && now - self.stepped >= WINDOW))
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
        // More than can be noise is a rate that was too high still; and noise is there every time.
        let share = if sent > 0.0 && throttled <= NOISE.0 * sent { throttled / sent } else { 0.0 };
        self.noise = share.min(std::mem::replace(&mut self.last_share, share));
        self.mix = measured.bytes / measured.records.max(1.0);
        self.stepped = now;
        self.filled = now;
    }
}

/// Bytes of a call at this rate.
fn call_of(rate: f64) -> f64 {
    (rate * SHARE).max(rate.min(SMALL)).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream with a bucket of one second's worth, and senders that always have more.
    pub(super) struct World {
        pub(super) pace: Pace,
        quota: Load,
        tokens: Load,
        pub(super) now: f64,
        filled: f64,
        latency: f64,
        size: f64,
        /// When each sender's call is answered, when it was sent, how many records it has.
        calls: Vec<Option<(f64, f64, f64)>>,
        down: bool,
        delivered: f64,
        pub(super) throttled: f64,
        count: u32,
    }

    impl World {
        pub(super) fn new(quota: f64, size: f64, latency: f64) -> World {
            let quota = Load { bytes: quota, records: quota / 10.0 };
            World {
                pace: Pace::new(None, 0.0),
                quota,
                tokens: quota,
                now: 0.0,
                filled: 0.0,
                latency,
                size,
                calls: vec![None; 4],
                down: false,
                delivered: 0.0,
                throttled: 0.0,
                count: 0,
            }
        }

        /// The records of a call that the stream takes now.
        fn take(&mut self, records: f64) -> f64 {
            let passed = self.now - self.filled;
            self.filled = self.now;
            self.tokens.bytes = (self.tokens.bytes + self.quota.bytes * passed).min(self.quota.bytes);
            self.tokens.records = (self.tokens.records + self.quota.records * passed).min(self.quota.records);
            if self.down {
                return 0.0;
            }
            let taken = (self.tokens.bytes / self.size).min(self.tokens.records).floor().clamp(0.0, records);
            self.tokens.bytes -= taken * self.size;
            self.tokens.records -= taken;
            taken
        }

        /// Runs until then; gives the bytes delivered in a second, and the share of what was sent that was throttled.
        pub(super) fn run(&mut self, until: f64) -> (f64, f64) {
            let (begin, before) = (self.now, (self.delivered, self.throttled));
            while self.now < until {
                let mut next = until;
                for slot in 0..self.calls.len() {
                    if let Some((answer, sent, records)) = self.calls[slot] {
                        if answer > self.now {
                            next = next.min(answer);
                            continue;
                        }
                        self.calls[slot] = None;
                        let taken = self.take(records);
                        let load = |records| Load { bytes: records * self.size, records };
                        self.pace.answered(self.now, sent, load(taken), load(records - taken));
                        self.delivered += taken * self.size;
                        self.throttled += (records - taken) * self.size;
                    }
                    let waiting = Load { bytes: 1e9, records: 1e9 / self.size };
                    match self.pace.allow(self.now, waiting) {
                        Allowance::Wait(time) => next = next.min(time.max(self.now + 1e-4)),
                        allowed => {
                            let most = match allowed {
                                Allowance::Most(load) => load,
                                _ => Load { bytes: f64::INFINITY, records: f64::INFINITY },
                            };
                            let fit = (most.bytes.min(4e6) / self.size).min(most.records).min(500.0);
                            let records = fit.floor().max(1.0);
                            self.pace.took(self.now, Load { bytes: records * self.size, records });
                            self.calls[slot] = Some((self.now + self.latency, self.now, records));
                            self.count += 1;
                            next = next.min(self.now + self.latency);
                        }
                    }
                }
                self.now = next;
            }
            let (delivered, throttled) = (self.delivered - before.0, self.throttled - before.1);
            (delivered / (until - begin), throttled / (delivered + throttled))
        }
    }

    pub(super) const MIB: f64 = 1_048_576.0;

    #[test]
    fn it_settles_near_the_quota_and_finds_a_new_one() {
        for size in [200.0, 5000.0, 100_000.0] {
            for latency in [0.005, 0.05, 0.2] {
                let case = format!("records of {size} bytes, {latency} s");
                let mut world = World::new(MIB, size, latency);
                world.run(10.0);
                let (rate, share) = world.run(70.0);
                println!("{case}: {:.3} of the quota, {:.2} % throttled", rate / MIB, share * 100.0);
                assert!(rate > 0.9 * MIB && share < 0.05, "{case}: {rate} {share}");
                // Twice as much: found within 30 seconds.
                world.quota = Load { bytes: 2.0 * MIB, records: 2.0 * MIB / 10.0 };
                world.run(100.0);
                let (rate, share) = world.run(130.0);
                assert!(rate > 1.8 * MIB && share < 0.05, "{case}, doubled: {rate} {share}");
                // And back.
                world.quota = Load { bytes: MIB, records: MIB / 10.0 };
                world.run(140.0);
                let (rate, share) = world.run(200.0);
                assert!(rate > 0.9 * MIB && share < 0.05, "{case}, halved: {rate} {share}");
            }
        }
    }

    #[test]
    fn refusals_at_random_do_not_lead_to_a_halt() {
        let mut world = World::new(1000.0 * MIB, 200.0, 0.02);
        let mut word = 20_261_124_u32;
        let mut chance = || {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(word) / f64::from(u32::MAX)
        };
        let (mut now, mut sent) = (0.0, 0.0);
        while now < 300.0 {
            match world.pace.allow(now, Load { bytes: 1e9, records: 1e6 }) {
                Allowance::Wait(time) => now = time.max(now + 0.001),
                allowed => {
                    let most = if let Allowance::Most(load) = allowed { load.records } else { 500.0 };
                    let records = most.floor().clamp(1.0, 500.0);
                    let refused = if chance() < 0.2 { (records * 0.3).floor() } else { 0.0 };
                    let load = |records: f64| Load { bytes: records * 200.0, records };
                    world.pace.took(now, load(records));
                    now += 0.02;
                    world.pace.answered(now, now - 0.02, load(records - refused), load(refused));
                    sent += if now > 240.0 { records } else { 0.0 };
                }
            }
        }
        // One sender can send 25,000 records in a second.
        println!("{} records in a second", sent / 60.0);
        assert!(sent / 60.0 > 5000.0, "{sent}");
    }

    #[test]
    fn a_quota_of_records_is_found_as_well() {
        let mut world = World::new(MIB, 200.0, 0.02);
        world.quota.records = 1000.0;
        world.run(10.0);
        let (rate, share) = world.run(70.0);
        assert!(rate > 0.9 * 200_000.0 && share < 0.05, "{rate} {share}");
    }

    #[test]
    fn a_rate_that_was_learned_with_large_records_does_not_hold_small_ones_down() {
        let mut world = World::new(MIB, 100_000.0, 0.02);
        world.run(30.0);
        world.size = 200.0;
        world.run(32.0);
        let (rate, share) = world.run(60.0);
        assert!(rate > 0.9 * MIB && share < 0.05, "{rate} {share}");
        world.size = 100_000.0;
        world.run(62.0);
        let (rate, share) = world.run(90.0);
        assert!(rate > 0.9 * MIB && share < 0.05, "{rate} {share}");
    }

    #[test]
    fn where_nothing_gets_through_calls_are_rare_and_it_recovers_soon() {
        for before in [false, true] {
            let mut world = World::new(MIB, 200.0, 0.02);
            if before {
                world.run(30.0);
            }
            world.down = true;
            let (begin, count) = (world.now, world.count);
            world.run(begin + 60.0);
            assert!(world.count - count < 40, "{} calls in a minute", world.count - count);
            world.down = false;
            world.run(begin + 75.0);
            let (rate, share) = world.run(begin + 105.0);
            assert!(rate > 0.9 * MIB && share < 0.1, "{rate} {share}");
        }
    }

    #[test]
    fn without_throttling_there_is_no_limit() {
        let mut pace = Pace::new(None, 0.0);
        for n in 0..1000 {
            let now = f64::from(n);
            assert_eq!(pace.allow(now, Load::of(1, 1)), Allowance::Unlimited);
            pace.took(now, Load::of(4_000_000, 500));
            pace.answered(now, now, Load::of(4_000_000, 500), Load::default());
        }
        assert!(pace.window.len() <= 2);
    }

    #[test]
    fn a_ceiling_holds_from_the_start_and_a_large_record_goes_out() {
        let mut pace = Pace::new(Some(100_000.0), 0.0);
        let (mut now, mut sent) = (0.0, 0.0);
        while now < 60.0 {
            match pace.allow(now, Load { bytes: 1e9, records: 1e3 }) {
                Allowance::Wait(time) => now = time,
                allowed => {
                    assert!(matches!(allowed, Allowance::Most(load) if load.bytes < 50_000.0), "{allowed:?}");
                    // The record is larger than what is allowed: it goes, and those after it wait for longer.
                    pace.took(now, Load::of(250_000, 1));
                    sent += 250_000.0;
                    pace.answered(now, now, Load::of(250_000, 1), Load::default());
                }
            }
        }
        assert!((5_800_000.0..6_300_000.0).contains(&sent), "{sent}");
    }
}
