//! A put that was taken out of the queue, wherever it waited.

use super::chunk::Chunk;
use super::spool::Spooled;
use std::sync::Arc;

/// Where it lies.
#[derive(Clone)]
enum Place {
    Memory(Arc<Chunk>, u32),
    Spool(Spooled, u64),
}

/// A put that was taken out of the queue.
#[derive(Clone)]
pub(super) struct Put {
    place: Place,
    /// Calls that it was part of.
    pub(super) attempts: u32,
}

impl Put {
    /// The put at `index` of a block.
    pub(super) fn of(chunk: &Arc<Chunk>, index: usize) -> Put {
        let place = Place::Memory(Arc::clone(chunk), u32::try_from(index).unwrap_or_default());
        Put { place, attempts: 0 }
    }

    /// One of the spool's, with the number that the queue gives it.
    pub(super) fn spooled(spooled: Spooled, number: u64) -> Put {
        Put { place: Place::Spool(spooled, number), attempts: 0 }
    }

    /// Its bytes, delimiter included.
    pub(super) fn data(&self) -> &[u8] {
        match &self.place {
            Place::Memory(chunk, index) => chunk.bytes(*index as usize, *index as usize),
            Place::Spool(spooled, _) => spooled.data(),
        }
    }

    /// The bytes from this put to `last`, where the `count` puts of these two and those between lie together.
    pub(super) fn through<'a>(&'a self, last: &Put, count: usize) -> Option<&'a [u8]> {
        match (&self.place, &last.place) {
            (Place::Memory(chunk, first), Place::Memory(other, last))
                if Arc::ptr_eq(chunk, other) && *first as usize + count == *last as usize + 1 =>
            {
                Some(chunk.bytes(*first as usize, *last as usize))
            }
            _ if count == 1 => Some(self.data()),
            _ => None,
        }
    }

    /// What the caller calls it; 0 where nobody wants reports.
    pub(super) fn tag(&self) -> u64 {
        match &self.place {
            Place::Memory(chunk, index) => chunk.tag(*index as usize),
            Place::Spool(spooled, _) => spooled.tag(),
        }
    }

    /// Its number.
    pub(super) fn number(&self) -> u64 {
        match &self.place {
            Place::Memory(chunk, index) => chunk.number(*index as usize),
            Place::Spool(_, number) => *number,
        }
    }

    /// When it came, in milliseconds since 1970.
    pub(super) fn came(&self) -> u64 {
        match &self.place {
            Place::Memory(chunk, index) => chunk.came(*index as usize),
            Place::Spool(spooled, _) => spooled.came(),
        }
    }

    /// It was put by an earlier process, to whom its tag meant something.
    pub(super) fn recovered(&self) -> bool {
        matches!(&self.place, Place::Spool(spooled, _) if spooled.recovered())
    }

    /// Its fate is known: it leaves the spool. Gives the bytes of memory that are free now.
    pub(super) fn settle(&self) -> usize {
        match &self.place {
            Place::Memory(chunk, _) => chunk.settle(),
            Place::Spool(spooled, _) => {
                spooled.release();
                0
            }
        }
    }
}
