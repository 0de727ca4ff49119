//! Random numbers for jitter and identifiers. Not for keys: TLS brings its own.

use std::sync::atomic::{AtomicU64, Ordering};

/// A small generator (SplitMix64), seeded by the kernel. Made anew in each process, so that a parent and its
/// children do not draw the same numbers.
pub(crate) struct Random(AtomicU64);

impl Random {
    /// Seeded by the kernel.
    pub(crate) fn new() -> Random {
        let mut seed = [0u8; 8];
        // SAFETY: the buffer is as long as said; a short or failed read leaves zeros.
        let got = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), libc::GRND_NONBLOCK) };
        let mut number = u64::from_ne_bytes(seed);
        if got != 8 {
            // Early in the boot of a machine; only jitter and identifiers depend on it.
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            number =
                u64::from(now.subsec_nanos()) ^ (now.as_secs() << 30) ^ (u64::from(std::process::id()) << 16);
        }
        Random(AtomicU64::new(number))
    }

    /// 64 random bits.
    pub(crate) fn bits(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut z = self.0.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Evenly spread over [0, 1).
    pub(crate) fn unit(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a double exactly")]
        let bits = (self.bits() >> 11) as f64;
        bits / (1u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_differ_and_stay_in_range() {
        let (a, b) = (Random::new(), Random::new());
        assert_ne!(a.bits(), b.bits());
        let mean =
            (0..10_000).map(|_| a.unit()).inspect(|x| assert!((0.0..1.0).contains(x))).sum::<f64>() / 1e4;
        assert!((0.45..0.55).contains(&mean), "{mean}");
    }
}
