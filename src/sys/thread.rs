//! Threads that the host does not notice: named, with a small stack, and with every asynchronous signal blocked.

use std::io;
use std::mem::MaybeUninit;
use std::thread::{Builder, JoinHandle};

/// Signals that a fault of the thread itself raises, and the profiler's: blocking them would break crash reporters
/// and profilers of the host.
const LEFT_ALONE: [i32; 7] =
    [libc::SIGSEGV, libc::SIGBUS, libc::SIGILL, libc::SIGFPE, libc::SIGABRT, libc::SIGTRAP, libc::SIGPROF];

/// The resolver of the C library, with its plug-ins, is what needs most of this.
const STACK: usize = 512 * 1024;

/// Starts a thread on which no handler of the host will ever run.
pub(crate) fn spawn<T, F>(name: &str, work: F) -> io::Result<JoinHandle<T>>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    let mut blocked = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: both sets are valid to write; sigfillset initialises the first before it is used.
    unsafe {
        libc::sigfillset(blocked.as_mut_ptr());
        for signal in LEFT_ALONE {
            libc::sigdelset(blocked.as_mut_ptr(), signal);
        }
        // A new thread inherits the mask of the thread that makes it.
        libc::pthread_sigmask(libc::SIG_BLOCK, blocked.as_ptr(), before.as_mut_ptr());
    }
    let thread = Builder::new().name(name.into()).stack_size(STACK).spawn(work);
    // SAFETY: `before` was filled in by the call above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    thread
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_blocked(signal: i32) -> bool {
        let mut set = MaybeUninit::<libc::sigset_t>::uninit();
        // SAFETY: reads this thread's mask into `set`.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), set.as_mut_ptr());
            libc::sigismember(set.as_ptr(), signal) == 1
        }
    }

    #[test]
    fn asynchronous_signals_are_blocked_in_the_thread_and_nowhere_else() {
        let inside = spawn("firehose-test", || {
            let left: Vec<bool> = LEFT_ALONE.iter().map(|&s| is_blocked(s)).collect();
            (is_blocked(libc::SIGALRM), is_blocked(libc::SIGTERM), left)
        });
        assert_eq!(inside.unwrap().join().unwrap(), (true, true, vec![false; LEFT_ALONE.len()]));
        assert!(!is_blocked(libc::SIGALRM));
    }
}
