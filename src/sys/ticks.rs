//! The monotonic clock as it stood at the kernel's last tick, a few milliseconds ago: to read it costs a fifth of
//! reading the clock itself, and never a system call.

use std::mem::MaybeUninit;

/// Counts from the moment in which it was made.
#[derive(Clone, Copy)]
pub(crate) struct Ticks {
    /// Nanoseconds of the monotonic clock.
    began: i64,
}

impl Ticks {
    pub(crate) fn new() -> Ticks {
        Ticks { began: nanoseconds(libc::CLOCK_MONOTONIC) }
    }

    /// Milliseconds since then, at the last tick: never later than the clock itself says.
    pub(crate) fn elapsed_ms(self) -> u64 {
        let passed = nanoseconds(libc::CLOCK_MONOTONIC_COARSE).saturating_sub(self.began);
        u64::try_from(passed / 1_000_000).unwrap_or_default()
    }
}

fn nanoseconds(clock: libc::clockid_t) -> i64 {
    let mut time = MaybeUninit::<libc::timespec>::zeroed();
    // SAFETY: all zeros are a valid timespec, which the call fills in or, for a clock that is not there, leaves alone.
    let time = unsafe {
        libc::clock_gettime(clock, time.as_mut_ptr());
        time.assume_init()
    };
    #[allow(clippy::useless_conversion, reason = "both are 32 bits wide on some machines")]
    i64::from(time.tv_sec).saturating_mul(1_000_000_000).saturating_add(i64::from(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    #[test]
    fn it_follows_the_clock_and_is_never_ahead() {
        let began = Instant::now();
        let ticks = Ticks::new();
        while ticks.elapsed_ms() < 50 {
            let passed = began.elapsed();
            assert!(passed < Duration::from_secs(10), "it stands still");
            assert!(u128::from(ticks.elapsed_ms()) <= began.elapsed().as_millis());
        }
        assert!(began.elapsed() >= Duration::from_millis(50));
    }
}
