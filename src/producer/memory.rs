//! Puts that wait in memory, in the order in which they came.

use super::chunk::{Chunk, New, ROOM};
use super::put::Put;
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks of puts: one that is being filled, those that are full, and how far the first of these is taken.
#[derive(Default)]
pub(super) struct Memory {
    open: Chunk,
    sealed: VecDeque<Arc<Chunk>>,
    cursor: usize,
}

impl Memory {
    /// Takes a put in, of `bytes` with its delimiter, as number `seq`.
    pub(super) fn put(&mut self, new: New<'_>, bytes: usize, seq: u64) {
        if !self.open.fits(bytes) {
            if self.open.len() > 0 {
                self.sealed.push_back(self.open.seal());
            }
            if !self.open.fits(bytes) {
                self.open = Chunk::with_room(ROOM.max(bytes));
            }
        }
        self.open.push(new, seq);
    }

    /// When the oldest came.
    pub(super) fn oldest(&self) -> Option<u64> {
        match self.sealed.front() {
            Some(chunk) => Some(chunk.came(self.cursor)),
            None => (self.open.len() > 0).then(|| self.open.came(0)),
        }
    }

    fn front(&mut self) -> Option<&Arc<Chunk>> {
        if self.sealed.is_empty() && self.open.len() > 0 {
            self.sealed.push_back(self.open.seal());
        }
        self.sealed.front()
    }

    /// The size of the oldest, and when it came.
    pub(super) fn peek(&mut self) -> Option<(usize, u64)> {
        let cursor = self.cursor;
        self.front().map(|chunk| (chunk.size(cursor), chunk.came(cursor)))
    }

    /// Takes the oldest.
    pub(super) fn pop(&mut self) -> Option<Put> {
        let cursor = self.cursor;
        let chunk = self.front()?;
        let (put, last) = (Put::of(chunk, cursor), cursor + 1 >= chunk.len());
        self.cursor += 1;
        if last {
            self.sealed.pop_front();
            self.cursor = 0;
        }
        Some(put)
    }
}
