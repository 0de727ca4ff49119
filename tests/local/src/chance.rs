//! Numbers that look random: a repeatable source for faults, and ids that are never the same twice.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// SplitMix64: small, fast, and the same on every machine for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Turns a draw into a number in `[0, 1)`.
pub(crate) fn unit(draw: u64) -> f64 {
    (draw >> 11) as f64 / (1_u64 << 53) as f64
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Makes record ids, request ids and the like. Unlike faults they differ from run to run.
#[derive(Debug)]
pub(crate) struct Ids {
    seed: u64,
    count: AtomicU64,
}

impl Ids {
    pub(crate) fn new() -> Self {
        Self { seed: RandomState::new().build_hasher().finish(), count: AtomicU64::new(0) }
    }

    fn source(&self) -> (u64, Chance) {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        (number, Chance::new(self.seed ^ number.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    /// Appends an id of `length` base64 characters. The first ten carry the count and the seed, so no two are equal.
    fn text(&self, out: &mut String, length: usize) {
        let (number, mut chance) = self.source();
        let mut word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ self.seed;
        let mut left = 11;
        for _ in 0..length {
            if left == 0 {
                (word, left) = (chance.next(), 10);
            }
            out.push(char::from(ALPHABET[(word & 63) as usize]));
            (word, left) = (word >> 6, left - 1);
        }
    }

    /// Appends what a record's id looks like.
    pub(crate) fn record(&self, out: &mut String) {
        self.text(out, 224);
    }

    /// The long id that goes with a request's id.
    pub(crate) fn extended(&self) -> String {
        let mut out = String::with_capacity(76);
        self.text(&mut out, 76);
        out
    }

    pub(crate) fn uuid(&self) -> String {
        let (_, mut chance) = self.source();
        let (high, low) = (chance.next(), chance.next());
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            high >> 16 & 0xffff,
            high & 0xfff,
            low >> 48 & 0x3fff | 0x8000,
            low & 0xffff_ffff_ffff
        )
    }
}

/// A 128-bit fingerprint of a record's bytes; equal bytes are equal, different ones differ but for a chance of 2^-128.
pub(crate) fn fingerprint(data: &[u8]) -> u128 {
    fn fold(left: u64, right: u64) -> u64 {
        let product = u128::from(left) * u128::from(right);
        product as u64 ^ (product >> 64) as u64
    }
    let (mut first, mut second) = (0x2d35_8dcc_aa6c_78a5 ^ data.len() as u64, 0x8bb8_4b93_962e_acc9);
    let mut mix = |low: u64, high: u64| {
        (first, second) = (
            fold(low ^ first ^ 0x4b33_a62e_d433_d4a3, high ^ 0x4d5a_2da5_1de1_aa47).wrapping_add(second),
            fold(high ^ second ^ 0xa076_1d64_78bd_642f, low ^ 0xe703_7ed1_a0b4_28db).wrapping_add(first),
        );
    };
    let word = |bytes: &[u8]| {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        u64::from_le_bytes(whole)
    };
    let mut pieces = data.chunks_exact(16);
    for piece in &mut pieces {
        mix(word(&piece[..8]), word(&piece[8..]));
    }
    let (low, high) = pieces.remainder().split_at(pieces.remainder().len().min(8));
    mix(word(low), word(high));
    mix(data.len() as u64, 0x5896_59a1_3c2f_7ee1);
    u128::from(first) << 64 | u128::from(second)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_repeats_itself() {
        let (mut one, mut same, mut other) = (Chance::new(7), Chance::new(7), Chance::new(8));
        let drawn: Vec<u64> = (0..100).map(|_| one.next()).collect();
        assert_eq!(drawn, (0..100).map(|_| same.next()).collect::<Vec<_>>());
        assert_ne!(drawn, (0..100).map(|_| other.next()).collect::<Vec<_>>());
        let mean = (0..10_000).map(|_| unit(one.next())).sum::<f64>() / 10_000.0;
        assert!((0.48..0.52).contains(&mean), "{mean}");
    }

    #[test]
    fn record_ids_are_long_and_unique() {
        let ids = Ids::new();
        let mut seen = HashSet::new();
        for _ in 0..20_000 {
            let mut id = String::new();
            ids.record(&mut id);
            assert_eq!(id.len(), 224);
            assert!(seen.insert(id));
        }
        let uuid = ids.uuid();
        assert_eq!(uuid.len(), 36);
        assert_eq!(uuid.as_bytes()[14], b'4');
    }

    #[test]
    fn fingerprints_tell_bytes_apart() {
        let mut seen = HashSet::new();
        for length in 0..200 {
            assert!(seen.insert(fingerprint(&vec![0; length])), "zeros {length}");
        }
        let mut data = vec![7; 100];
        for at in 0..100 {
            for bit in 0..8 {
                data[at] ^= 1 << bit;
                assert!(seen.insert(fingerprint(&data)), "{at} {bit}");
                data[at] ^= 1 << bit;
            }
        }
        assert_eq!(fingerprint(b"same"), fingerprint(&[b"sa".as_slice(), b"me"].concat()));
    }
}
