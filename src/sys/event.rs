//! A descriptor that is readable while something waits.

use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

/// An event descriptor of the kernel's.
pub(crate) struct Event(OwnedFd);

impl Event {
    /// Not readable yet.
    pub(crate) fn new() -> io::Result<Event> {
        // SAFETY: takes no pointers.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: just opened, and owned by nobody else.
        Ok(Event(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The descriptor; it stays this object's.
    pub(crate) fn descriptor(&self) -> i32 {
        self.0.as_raw_fd()
    }

    /// Makes it readable.
    pub(crate) fn raise(&self) {
        let one = 1_u64;
        // SAFETY: eight bytes are read from a valid place. It fails only where the counter is full: then it is
        // readable anyway.
        unsafe { libc::write(self.descriptor(), (&raw const one).cast(), 8) };
    }

    /// Makes it unreadable.
    pub(crate) fn clear(&self) {
        let mut count = 0_u64;
        // SAFETY: eight bytes are written to a valid place. It fails only where there is nothing to clear.
        unsafe { libc::read(self.descriptor(), (&raw mut count).cast(), 8) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::time::{Duration, Instant};

    #[test]
    fn it_is_readable_from_raise_to_clear() {
        let event = Event::new().unwrap();
        let readable = || {
            let soon = Instant::now() + Duration::from_millis(1);
            crate::sys::pipe::readable([Some(event.0.as_fd()), None], soon).unwrap()[0]
        };
        assert!(!readable());
        event.raise();
        event.raise();
        assert!(readable());
        event.clear();
        assert!(!readable());
        event.clear();
    }
}
