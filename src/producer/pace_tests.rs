//! The pace in simulated worlds: streams with quotas, outages and refusals at random.

use super::{Allowance, Load, Pace};

/// A stream with a bucket of one second's worth, and senders that always have more.
struct World {
    pace: Pace,
    quota: Load,
    tokens: Load,
    now: f64,
    filled: f64,
    latency: f64,
    size: f64,
    /// When each sender's call is answered, when it was sent, how many records it has.
    calls: Vec<Option<(f64, f64, f64)>>,
    down: bool,
    /// A call that does not fit is refused, all of it.
    whole: bool,
    delivered: f64,
    throttled: f64,
    count: u32,
}

impl World {
    fn new(quota: f64, size: f64, latency: f64) -> World {
        let quota = Load { bytes: quota, records: quota / 10.0 };
        World {
            pace: Pace::new(None, 4, 0.0),
            quota,
            tokens: quota,
            now: 0.0,
            filled: 0.0,
            latency,
            size,
            calls: vec![None; 4],
            down: false,
            whole: false,
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
        let mut taken = (self.tokens.bytes / self.size).min(self.tokens.records).floor().clamp(0.0, records);
        if self.whole && taken < records {
            taken = 0.0;
        }
        self.tokens.bytes -= taken * self.size;
        self.tokens.records -= taken;
        taken
    }

    /// Runs until then; gives the bytes delivered in a second, and the share of what was sent that was throttled.
    fn run(&mut self, until: f64) -> (f64, f64) {
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

const MIB: f64 = 1_048_576.0;

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

/// Records sent in a second, after minutes, by a sender that could send 25,000, where nothing is over a quota but a
/// part of the calls, drawn from the seed, have three records in ten refused.
fn under_noise(part: f64, mut seed: u64) -> f64 {
    let mut pace = Pace::new(None, 4, 0.0);
    let mut unit = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        Load::of(0, usize::try_from(seed >> 40).unwrap()).records / 16_777_216.0
    };
    let (mut now, mut sent) = (0.0, 0.0);
    while now < 300.0 {
        match pace.allow(now, Load { bytes: 1e9, records: 1e6 }) {
            Allowance::Wait(time) => now = time.max(now + 0.001),
            allowed => {
                let most = if let Allowance::Most(load) = allowed { load.records } else { 500.0 };
                let records = most.floor().clamp(1.0, 500.0);
                let refused = if unit() < part { (records * 0.3).floor() } else { 0.0 };
                let load = |records: f64| Load { bytes: records * 200.0, records };
                pace.took(now, load(records));
                now += 0.02;
                pace.answered(now, now - 0.02, load(records - refused), load(refused));
                sent += if now > 240.0 { records } else { 0.0 };
            }
        }
    }
    sent / 60.0
}

#[test]
fn refusals_at_random_do_not_lead_to_a_halt() {
    for (part, least) in [(0.02, 15_000.0), (0.2, 15_000.0), (0.5, 5000.0)] {
        for seed in 0..20 {
            let sent = under_noise(part, seed);
            assert!(sent > least, "{part} of the calls, seed {seed}: {sent} records in a second");
        }
    }
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
    let mut pace = Pace::new(None, 4, 0.0);
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
    let mut pace = Pace::new(Some(100_000.0), 4, 0.0);
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

#[test]
fn slow_calls_and_few_at_a_time_do_not_hold_the_rate_down() {
    for (senders, latency, least) in [(1, 0.2, 0.9), (4, 1.0, 0.85)] {
        let mut world = World::new(MIB, 5000.0, latency);
        world.calls.truncate(senders);
        world.pace = Pace::new(None, senders, 0.0);
        world.run(20.0);
        let (rate, share) = world.run(140.0);
        assert!(rate > least * MIB && share < 0.05, "{senders} senders, {latency} s: {rate} {share}");
    }
}

#[test]
fn calls_that_are_refused_as_a_whole_get_smaller() {
    let mut pace = Pace::new(None, 4, 0.0);
    let (mut now, mut calls) = (0.0, 0);
    loop {
        match pace.allow(now, Load { bytes: 1e9, records: 1e5 }) {
            Allowance::Wait(time) => now = time.max(now + 0.001),
            allowed => {
                let most = if let Allowance::Most(load) = allowed { load.bytes } else { 4e6 };
                let load = Load { bytes: most, records: most / 1e4 };
                pace.took(now, load);
                now += 0.02;
                calls += 1;
                // The stream takes half a megabyte at once, or nothing of a call.
                if most < 5e5 {
                    pace.answered(now, now - 0.02, load, Load::default());
                    break;
                }
                pace.answered(now, now - 0.02, Load::default(), load);
            }
        }
        assert!(calls < 10 && now < 30.0, "{calls} calls in {now} s");
    }
}

#[test]
fn a_stream_that_takes_a_call_as_a_whole_or_not_at_all_is_used_up_as_well() {
    for size in [200.0, 5000.0] {
        for latency in [0.005, 0.05, 0.2] {
            let mut world = World::new(MIB, size, latency);
            world.whole = true;
            world.run(20.0);
            let (rate, share) = world.run(80.0);
            assert!(rate > 0.9 * MIB && share < 0.05, "records of {size} bytes, {latency} s: {rate} {share}");
        }
    }
}

#[test]
fn a_few_refusals_among_many_records_are_no_reason_for_a_limit() {
    let mut pace = Pace::new(None, 4, 0.0);
    for n in 0..5000 {
        let now = f64::from(n) * 0.01;
        assert_eq!(pace.allow(now, Load::of(1 << 20, 5000)), Allowance::Unlimited, "{now}");
        pace.took(now, Load::of(100_000, 500));
        let refused = if n % 100 == 99 { 100 } else { 0 };
        pace.answered(
            now,
            now,
            Load::of((500 - refused) * 200, 500 - refused),
            Load::of(refused * 200, refused),
        );
    }
    // One record in five hundred is little, but not where it has most of the bytes.
    pace.took(60.0, Load::of(1_000_000, 500));
    pace.answered(60.0, 60.0, Load::of(100_000, 499), Load::of(900_000, 1));
    assert_ne!(pace.allow(60.0, Load::of(1 << 20, 5000)), Allowance::Unlimited);
}
