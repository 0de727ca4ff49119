//! Which process this is, told without a system call, and state that each process has for itself.
//!
//! A page that the kernel wipes in a forked child (`MADV_WIPEONFORK`, Linux 4.14) holds the generation. Unlike a
//! `pthread_atfork` handler it also sees children made by `clone` directly, and nothing is registered with the host.
//! Older kernels are served by comparing the process id.

use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicPtr, AtomicU64, Ordering};

/// The last generation handed out on the way from the first process to this one.
static LAST: AtomicU64 = AtomicU64::new(0);
static PAGE: OnceLock<Page> = OnceLock::new();

enum Page {
    /// Zero in a process that has not asked yet.
    Wiped(&'static AtomicU64),
    /// The kernel wipes no pages: the process id stands for the generation.
    ProcessId,
}

impl Page {
    fn map() -> Page {
        const SIZE: usize = 4096;
        // SAFETY: a new private anonymous mapping; no memory that exists is touched.
        let page = unsafe {
            libc::mmap(
                ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            )
        };
        if page == libc::MAP_FAILED {
            return Page::ProcessId;
        }
        // SAFETY: `page` is the mapping made above, of that size.
        if unsafe { libc::madvise(page, SIZE, libc::MADV_WIPEONFORK) } != 0 {
            // SAFETY: as above; nothing refers to it yet.
            unsafe { libc::munmap(page, SIZE) };
            return Page::ProcessId;
        }
        // SAFETY: the mapping is page-aligned, zeroed, large enough, and never unmapped.
        Page::Wiped(unsafe { &*page.cast::<AtomicU64>() })
    }
}

/// A number that differs between a process and every process it was forked from. Never 0.
pub(crate) fn generation() -> u64 {
    match PAGE.get_or_init(Page::map) {
        Page::Wiped(cell) => match cell.load(Ordering::Acquire) {
            0 => {
                // The number is used up before it is shown: a child that is forked in between must not get it again.
                let next = LAST.fetch_add(1, Ordering::AcqRel) + 1;
                cell.compare_exchange(0, next, Ordering::AcqRel, Ordering::Acquire)
                    .map_or_else(|set| set, |_| next)
            }
            set => set,
        },
        Page::ProcessId => u64::from(std::process::id()),
    }
}

struct Cell<T> {
    generation: u64,
    value: T,
}

/// A value that each process makes for itself: a forked child never looks at its parent's, whose locks may be held
/// by threads that do not exist in the child, and never drops it.
pub(crate) struct PerProcess<T> {
    current: AtomicPtr<Cell<T>>,
}

// SAFETY: the cell is owned through the pointer and only ever shared as `&T`, or dropped by the last owner.
unsafe impl<T: Send + Sync> Send for PerProcess<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

impl<T> PerProcess<T> {
    /// The value of this process, from the start.
    pub(crate) fn new(value: T) -> PerProcess<T> {
        let cell = Box::new(Cell { generation: generation(), value });
        PerProcess { current: AtomicPtr::new(Box::into_raw(cell)) }
    }

    /// The value of this process; after a fork `make` makes the child's. The parent's is left where it is.
    pub(crate) fn get(&self, make: impl FnOnce() -> T) -> &T {
        let now = generation();
        let seen = self.current.load(Ordering::Acquire);
        // SAFETY: the pointer is never null, and what it points to is freed only by drop: a cell that is replaced
        // below belongs to a parent process and is leaked here on purpose.
        let cell = unsafe { &*seen };
        if cell.generation == now {
            return &cell.value;
        }
        let fresh = Box::into_raw(Box::new(Cell { generation: now, value: make() }));
        match self.current.compare_exchange(seen, fresh, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: just made, and now owned by `self`.
            Ok(_) => unsafe { &(*fresh).value },
            Err(won) => {
                // SAFETY: nobody else has seen `fresh`.
                drop(unsafe { Box::from_raw(fresh) });
                // SAFETY: set by another thread of this process a moment ago; as above.
                unsafe { &(*won).value }
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let cell = *self.current.get_mut();
        // SAFETY: owned by `self`, never null.
        if unsafe { (*cell).generation } == generation() {
            // SAFETY: made by Box::into_raw, and no call is using the handle any more.
            drop(unsafe { Box::from_raw(cell) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_has_a_generation_and_a_value_of_its_own() {
        let cell = PerProcess::new(7);
        let parent = generation();
        assert_eq!(*cell.get(|| 8), 7);
        // SAFETY: the child calls nothing but async-signal-safe code and the code under test, then _exit.
        let pid = unsafe { libc::fork() };
        if pid == 0 {
            let other = generation();
            let good =
                other != parent && other == generation() && *cell.get(|| 8) == 8 && *cell.get(|| 9) == 8;
            // SAFETY: ends the child at once.
            unsafe { libc::_exit(i32::from(!good)) };
        }
        let mut status = -1;
        // SAFETY: waits for the child made above.
        unsafe { libc::waitpid(pid, &mut status, 0) };
        assert_eq!(status, 0);
        assert_eq!(generation(), parent);
    }

    #[test]
    fn drop_frees_the_value_of_this_process() {
        use std::sync::Arc;
        let value = Arc::new(());
        drop(PerProcess::new(Arc::clone(&value)));
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
