//! Waiting for what another process writes, with a time limit.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::time::{Duration, Instant};

/// Waits until one of two pipes can be read (or has come to its end) or the time is up; tells which can be.
pub(crate) fn readable(pipes: [Option<BorrowedFd<'_>>; 2], until: Instant) -> io::Result<[bool; 2]> {
    loop {
        let left = until.saturating_duration_since(Instant::now()).min(Duration::from_secs(3600));
        // Rounded up: a limit of less than a millisecond must not become a busy loop.
        let wait = i32::try_from(left.as_micros().div_ceil(1000)).unwrap_or(i32::MAX);
        // A negative descriptor is passed over by the kernel.
        let mut polled = pipes.map(|pipe| libc::pollfd {
            fd: pipe.map_or(-1, |pipe| pipe.as_raw_fd()),
            events: libc::POLLIN,
            revents: 0,
        });
        // SAFETY: two entries are passed, whose descriptors are open while they are borrowed.
        let count = unsafe { libc::poll(polled.as_mut_ptr(), 2, wait) };
        if count >= 0 {
            return Ok(polled.map(|entry| entry.revents != 0));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::fd::AsFd;

    #[test]
    fn the_pipe_that_speaks_is_told_and_silence_ends() {
        let (quiet, _open) = io::pipe().unwrap();
        let (loud, mut writer) = io::pipe().unwrap();
        let soon = || Instant::now() + Duration::from_millis(20);
        let pipes = [Some(quiet.as_fd()), Some(loud.as_fd())];
        assert_eq!(readable(pipes, soon()).unwrap(), [false, false]);
        writer.write_all(b"x").unwrap();
        assert_eq!(readable(pipes, soon()).unwrap(), [false, true]);
        assert_eq!(readable([Some(quiet.as_fd()), None], soon()).unwrap(), [false, false]);
        drop(writer);
        assert_eq!(readable([None, Some(loud.as_fd())], soon()).unwrap(), [false, true]);
    }
}
