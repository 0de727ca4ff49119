//! Puts that wait in memory: many to a block, so that a put costs one copy and no allocation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// What the book-keeping of a put costs beside its bytes, reports not counted.
pub(super) const OVERHEAD: usize = 16;
/// The room of a block, in bytes; a put that needs more gets a block of its own.
pub(super) const ROOM: usize = 256 * 1024;

/// A block of puts, in the order in which they came.
#[derive(Default)]
pub(super) struct Chunk {
    data: Vec<u8>,
    ends: Vec<u32>,
    /// When each came, in milliseconds after the first.
    ages: Vec<u32>,
    /// What the caller calls each; empty where nobody wants reports.
    tags: Vec<u64>,
    /// When the first came, in milliseconds since the producer began.
    since: u64,
    /// The number of the first.
    first: u64,
    /// Puts whose fate is not known yet.
    open: AtomicU32,
}

impl Chunk {
    /// With room for puts of up to `room` bytes in all.
    pub(super) fn with_room(room: usize) -> Chunk {
        Chunk { data: Vec::with_capacity(room), ..Chunk::default() }
    }

    /// How many puts it holds.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// What it counts for against the producer's bound.
    pub(super) fn cost(&self) -> usize {
        self.data.len() + self.ends.len() * OVERHEAD
    }

    /// Whether `more` bytes fit without new memory.
    pub(super) fn fits(&self, more: usize) -> bool {
        self.data.capacity() - self.data.len() >= more
    }

    /// Copies a put in, with the delimiter where it lacks it.
    pub(super) fn push(&mut self, put: New<'_>, seq: u64) {
        if self.ends.is_empty() {
            (self.since, self.first) = (put.now, seq);
        }
        self.data.extend_from_slice(put.data);
        self.data.extend(put.delimiter);
        self.ends.push(u32::try_from(self.data.len()).unwrap_or(u32::MAX));
        self.ages.push(u32::try_from(put.now.saturating_sub(self.since)).unwrap_or(u32::MAX));
        self.tags.extend(put.tag);
    }

    /// When the put at `index` came.
    pub(super) fn came(&self, index: usize) -> u64 {
        self.since + self.ages.get(index).copied().map_or(0, u64::from)
    }

    /// The size of the put at `index`.
    pub(super) fn size(&self, index: usize) -> usize {
        self.range(index).len()
    }

    /// The bytes from the put at `first` to the one at `last`, which lie together.
    pub(super) fn bytes(&self, first: usize, last: usize) -> &[u8] {
        self.data.get(self.range(first).start..self.range(last).end).unwrap_or_default()
    }

    /// What the caller calls the put at `index`; 0 where nobody wants reports.
    pub(super) fn tag(&self, index: usize) -> u64 {
        self.tags.get(index).copied().unwrap_or_default()
    }

    /// The number of the put at `index`.
    pub(super) fn number(&self, index: usize) -> u64 {
        self.first + index as u64
    }

    /// The fate of one of its puts is known: gives what the block counted for when it was the last, else 0.
    pub(super) fn settle(&self) -> usize {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 { self.cost() } else { 0 }
    }

    fn range(&self, index: usize) -> std::ops::Range<usize> {
        let end = |index: usize| self.ends.get(index).map_or(0, |end| *end as usize);
        let start = index.checked_sub(1).map_or(0, end);
        start..end(index)
    }

    /// Closes it, so that its puts can be taken. What is far from full gives its memory to the next block.
    pub(super) fn seal(&mut self) -> Arc<Chunk> {
        let count = u32::try_from(self.ends.len()).unwrap_or(u32::MAX);
        if self.data.len() >= self.data.capacity() / 2 {
            let mut full = std::mem::take(self);
            full.open = AtomicU32::new(count);
            return Arc::new(full);
        }
        let copy = Chunk {
            data: self.data.as_slice().to_vec(),
            ends: self.ends.clone(),
            ages: self.ages.clone(),
            tags: self.tags.clone(),
            since: self.since,
            first: self.first,
            open: AtomicU32::new(count),
        };
        self.data.clear();
        self.ends.clear();
        self.ages.clear();
        self.tags.clear();
        Arc::new(copy)
    }
}

/// A put as it comes.
#[derive(Clone, Copy)]
pub(super) struct New<'a> {
    /// The caller's bytes.
    pub(super) data: &'a [u8],
    /// What is put behind them.
    pub(super) delimiter: Option<u8>,
    /// The caller's name for it, where reports are wanted.
    pub(super) tag: Option<u64>,
    /// Milliseconds since the producer began.
    pub(super) now: u64,
}

#[cfg(test)]
mod tests {
    use super::super::put::Put;
    use super::*;

    fn new(data: &[u8], now: u64) -> New<'_> {
        New { data, delimiter: Some(b'\n'), tag: Some(now * 10), now }
    }

    #[test]
    fn puts_come_out_as_they_went_in() {
        let mut chunk = Chunk::with_room(1000);
        for (n, data) in [b"one".as_slice(), b"", b"three"].iter().enumerate() {
            chunk.push(new(data, 5 + n as u64), 100 + n as u64);
        }
        assert_eq!((chunk.len(), chunk.cost()), (3, 11 + 3 * OVERHEAD));
        let sealed = chunk.seal();
        // Far from full: its memory stays for the next.
        assert!(chunk.len() == 0 && chunk.fits(1000));
        let puts: Vec<Put> = (0..3).map(|index| Put::of(&sealed, index)).collect();
        let seen: Vec<_> = puts.iter().map(|put| (put.data(), put.tag(), put.number(), put.came())).collect();
        assert_eq!(
            seen,
            [
                (b"one\n".as_slice(), 50, 100, 5),
                (b"\n".as_slice(), 60, 101, 6),
                (b"three\n".as_slice(), 70, 102, 7)
            ]
        );
        let costs: Vec<usize> = puts.iter().map(Put::settle).collect();
        assert_eq!(costs, [0, 0, 11 + 3 * OVERHEAD]);
    }

    #[test]
    fn a_full_block_is_handed_over_whole() {
        let mut chunk = Chunk::with_room(10);
        assert!(chunk.fits(10) && !chunk.fits(11));
        chunk.push(New { data: b"0123456789", delimiter: None, tag: None, now: 0 }, 7);
        let sealed = chunk.seal();
        assert!(!chunk.fits(1));
        let put = Put::of(&sealed, 0);
        assert_eq!((put.data(), put.tag(), put.number()), (b"0123456789".as_slice(), 0, 7));
    }
}
