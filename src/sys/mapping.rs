//! A file in memory, shared with the kernel: what is written to it survives the process whatever ends it.
//!
//! Bytes are written once, upwards from the start, and flags of one byte each grow downwards from the end. Bytes below
//! the fill mark never change again, so that slices of them may be handed out; flags are only touched as atomics, and
//! the two never meet. Whoever else may write to the file must be kept away by its permissions, as with every mapping.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::ptr::{self, NonNull};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering};

/// A mapped file, read by everybody.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    len: usize,
    /// The process that mapped it: a child has no such mapping.
    generation: u64,
    /// Bytes below this are final.
    filled: AtomicUsize,
    /// Flags in use: the first at `tail - 1`, the next below it.
    flags: AtomicUsize,
    /// Flags end here; at most `len`. What lies above is neither written nor read through the mapping.
    tail: usize,
}

// SAFETY: the memory belongs to the mapping until it is dropped; bytes below the mark are never written, those above
// only through the one `Writer`, and flags are atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(file: &File, len: usize, filled: usize, tail: usize) -> io::Result<Mapping> {
        let generation = super::fork::generation();
        // SAFETY: a new shared mapping of an open file; no memory that exists is touched.
        let base = unsafe {
            libc::mmap(
                ptr::null_mut(),
                len,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let base = NonNull::new(base.cast::<u8>()).ok_or(io::ErrorKind::InvalidData)?;
        let mapping =
            Mapping { base, len, generation, filled: filled.into(), flags: AtomicUsize::new(0), tail };
        // A child neither writes to it by mistake nor keeps the disk space of a file that its parent deleted.
        // SAFETY: the range is the mapping made above.
        if unsafe { libc::madvise(base.as_ptr().cast(), len, libc::MADV_DONTFORK) } != 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(mapping)
    }

    /// Bytes that are final: below this.
    pub(crate) fn filled(&self) -> usize {
        self.filled.load(Ordering::Acquire)
    }

    /// `len` final bytes from `at` on.
    pub(crate) fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        let end = at.checked_add(len)?;
        if end > self.filled() {
            return None;
        }
        // SAFETY: below the mark, which is within the mapping; such bytes are not written while the mapping lives.
        Some(unsafe { std::slice::from_raw_parts(self.base.as_ptr().add(at), len) })
    }

    fn flag_cell(&self, index: usize) -> Option<&AtomicU8> {
        if index >= self.flags.load(Ordering::Acquire) {
            return None;
        }
        let at = self.tail.checked_sub(1)?.checked_sub(index)?;
        // SAFETY: flags in use lie within the mapping, at or above the fill mark, and are touched only as atomics.
        Some(unsafe { AtomicU8::from_ptr(self.base.as_ptr().add(at)) })
    }

    /// The flag with that index, if it is in use.
    pub(crate) fn flag(&self, index: usize) -> Option<u8> {
        self.flag_cell(index).map(|cell| cell.load(Ordering::Acquire))
    }

    /// Sets the flag with that index and tells what it was.
    pub(crate) fn set_flag(&self, index: usize, value: u8) -> Option<u8> {
        self.flag_cell(index).map(|cell| cell.swap(value, Ordering::AcqRel))
    }

    /// Gives the memory back until it is looked at again; the file keeps what was written.
    pub(crate) fn forget(&self) {
        // SAFETY: the range is the mapping, which is shared: its pages stay in the kernel's cache of the file. Where
        // it fails nothing is lost but memory.
        unsafe { libc::madvise(self.base.as_ptr().cast(), self.len, libc::MADV_DONTNEED) };
    }

    /// Waits until the device has what was written so far.
    pub(crate) fn sync(&self) -> io::Result<()> {
        loop {
            // SAFETY: the range is the mapping.
            if unsafe { libc::msync(self.base.as_ptr().cast(), self.len, libc::MS_SYNC) } == 0 {
                return Ok(());
            }
            let error = io::Error::last_os_error();
            if error.kind() != io::ErrorKind::Interrupted {
                return Err(error);
            }
        }
    }
}

impl std::fmt::Debug for Mapping {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mapping")
            .field("len", &self.len)
            .field("filled", &self.filled)
            .finish_non_exhaustive()
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // In a forked child other memory may be at that place.
        if self.generation == super::fork::generation() {
            // SAFETY: the mapping made by `new`; whoever holds a slice of it borrows it.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.len) };
        }
    }
}

/// A mapped file that nobody else has seen yet, to be read as a whole.
pub(crate) struct Opened(Mapping);

impl Opened {
    /// Maps the first `len` bytes of `file`, which must be that long.
    pub(crate) fn map(file: &File, len: usize) -> io::Result<Opened> {
        Mapping::new(file, len, 0, len).map(Opened)
    }

    /// All of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: the whole mapping; there are no flags and there is no writer before `settle`.
        unsafe { std::slice::from_raw_parts(self.0.base.as_ptr(), self.0.len) }
    }

    /// Says that the first `filled` bytes are final and that there are `flags` flags below `tail`; `None` if they
    /// would meet.
    pub(crate) fn settle(self, filled: usize, flags: usize, tail: usize) -> Option<Mapping> {
        let mut mapping = self.0;
        if tail > mapping.len || filled > tail.checked_sub(flags)? {
            return None;
        }
        mapping.tail = tail;
        mapping.filled.store(filled, Ordering::Release);
        mapping.flags.store(flags, Ordering::Release);
        Some(mapping)
    }
}

/// The one that writes to a mapping.
pub(crate) struct Writer(Arc<Mapping>);

impl Writer {
    /// Maps a file of `len` bytes that hold zeros from `start`, a multiple of 8, up to `tail`: bytes are written from
    /// `start` on, flags below `tail`. Every block must be allocated, or a write ends the process when the disk is full.
    pub(crate) fn map(file: &File, len: usize, start: usize, tail: usize) -> io::Result<Writer> {
        if !start.is_multiple_of(8) || start > tail || tail > len {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(Writer(Arc::new(Mapping::new(file, len, start, tail)?)))
    }

    /// What is written to.
    pub(crate) fn mapping(&self) -> &Arc<Mapping> {
        &self.0
    }

    /// `len` bytes behind the mark, to be filled and then published; `None` if they and a flag do not fit.
    pub(crate) fn room(&mut self, len: usize) -> Option<&mut [u8]> {
        let map = &self.0;
        let at = map.filled.load(Ordering::Relaxed);
        let limit = map.tail.checked_sub(map.flags.load(Ordering::Relaxed))?.checked_sub(1)?;
        if at.checked_add(len.checked_next_multiple_of(8)?)? > limit {
            return None;
        }
        // SAFETY: within the mapping, above the mark and below the flags: nobody reads there, and there is one writer,
        // which is borrowed.
        Some(unsafe { std::slice::from_raw_parts_mut(map.base.as_ptr().add(at), len) })
    }

    /// Writes `word` over the first 8 bytes behind the mark, after all else that was written there, moves the mark up by
    /// `len` rounded up to 8, and takes one more flag into use. False, and nothing is done, if that does not fit.
    pub(crate) fn publish(&mut self, len: usize, word: u64) -> bool {
        if len < 8 || self.room(len).is_none() {
            return false;
        }
        let map = &self.0;
        let at = map.filled.load(Ordering::Relaxed);
        // SAFETY: `room` found it to be within the mapping; the mark is a multiple of 8 and the mapping page-aligned.
        unsafe { AtomicU64::from_ptr(map.base.as_ptr().add(at).cast()) }.store(word, Ordering::Release);
        map.flags.store(map.flags.load(Ordering::Relaxed) + 1, Ordering::Release);
        map.filled.store(at + len.next_multiple_of(8), Ordering::Release);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn file(len: u64) -> File {
        let path = std::env::temp_dir().join(format!(
            "firehose-mapping-{}-{}",
            std::process::id(),
            crate::sys::random::Random::new().bits()
        ));
        let options = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        options.set_len(len).unwrap();
        options
    }

    #[test]
    fn bytes_and_flags_never_meet() {
        let file = file(4096);
        let mut writer = Writer::map(&file, 4096, 64, 4000).unwrap();
        let map = Arc::clone(writer.mapping());
        let mut count = 0;
        while let Some(room) = writer.room(21) {
            room.fill(7);
            assert!(writer.publish(21, 0x0807_0605_0403_0201));
            count += 1;
        }
        assert_eq!(count, (4000 - 64) / 25);
        assert!(!writer.publish(21, 0));
        assert_eq!(map.flag(count), None);
        for index in 0..count {
            assert_eq!(map.set_flag(index, 9), Some(0));
            assert_eq!(map.flag(index), Some(9));
            let bytes = map.bytes(64 + 24 * index, 21).unwrap();
            assert_eq!(bytes[..8], [1, 2, 3, 4, 5, 6, 7, 8]);
            assert_eq!(bytes[8..], [7; 13]);
        }
        assert_eq!(map.bytes(map.filled() - 3, 4), None);
        assert_eq!(map.bytes(usize::MAX, 4), None);
        map.sync().unwrap();
        let mut read = [0; 1];
        file.read_exact_at(&mut read, 3999).unwrap();
        assert_eq!(read, [9]);
    }

    #[test]
    fn what_is_opened_settles_within_its_bounds() {
        let file = file(4096);
        let open = || Opened::map(&file, 4096).unwrap();
        assert_eq!(open().bytes().len(), 4096);
        assert!(open().settle(4000, 97, 4096).is_none());
        assert!(open().settle(0, 4097, 4096).is_none());
        assert!(open().settle(0, 0, 4097).is_none());
        let map = open().settle(4000, 96, 4096).unwrap();
        assert_eq!((map.flag(95), map.flag(96)), (Some(0), None));
    }
}
