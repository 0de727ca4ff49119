//! Puts that wait on disk: a log of segments that are mapped into memory, so that a put is a copy and what was put
//! outlives the process whatever ends it. The kernel has what was written; only a loss of power asks for a sync.
//!
//! Why a log of our own, and not a store that others maintain: each put has to outlive a `kill -9` as soon as it has
//! answered, so that an embedded store needs a commit for each. Measured with 200-byte records on one core, synced once
//! a second: SQLite (WAL, `synchronous = OFF`) 49,000 puts a second and 14.0 µs of CPU each, redb 45,000 and 19.6 µs,
//! this log, through the C ABI, 2,100,000 and 0.48 µs. With a thousand puts to a commit, which a kill would lose, SQLite
//! comes to 652,000 and redb to 396,000. A queue asks for little of what a store offers: records are written at the end,
//! read in order, and released; there is nothing to look up and nothing to change.

mod folder;
mod layout;
mod segment;
mod sync;
#[cfg(test)]
mod tests;

pub(super) use sync::Syncer;

use super::settings::{SpoolSettings, SpoolSync};
use crate::error::{Error, Result};
use crate::sys::mapping::Writer;
use folder::{Folder, failed};
use layout::{HEAD, RECORD, Record};
use segment::Segment;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// The size of a segment's file at the most.
const SEGMENT: u64 = 32 << 20;
/// The size of a segment's file at the least: room for the largest record.
const SMALLEST: u64 = 1 << 20;
/// For how long a full disk is not asked again, in milliseconds.
const FULL: u64 = 200;

/// Why a put was not taken.
#[derive(Debug)]
pub(super) enum Refusal {
    /// There is no room now: `producer.spool_bytes` is reached, or the disk is full.
    Full,
    /// The folder cannot be written.
    Failed(Error),
}

/// Puts on disk, in the order in which they came: those of earlier processes first.
pub(super) struct Spool {
    folder: Arc<Folder>,
    most: u64,
    each: u64,
    salt: u64,
    segments: VecDeque<Held>,
    writer: Option<Writer>,
    /// How many of the segments are taken, and where the next record of the one behind them is looked for.
    taken: usize,
    at: usize,
    next: u64,
    full_until: u64,
    used: u64,
    syncer: Arc<Syncer>,
    found: Found,
}

/// A segment, and the folder that it is in, which stays locked as long as it may have to be deleted. Puts that are
/// still in a call when the spool is closed keep the segment alone.
struct Held {
    segment: Arc<Segment>,
    _folder: Arc<Folder>,
}

/// What an opening found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// Pending records of earlier processes.
    pub(super) records: u64,
    /// The bytes of their data.
    pub(super) bytes: u64,
    /// Places where something stood that is no record: cut off, or skipped.
    pub(super) damaged: u64,
    /// Folders of other processes, which are gone.
    pub(super) orphans: u64,
}

/// A put in the spool. Dropped without a release it stays there.
#[derive(Clone, Debug)]
pub(super) struct Spooled {
    segment: Arc<Segment>,
    at: u32,
    len: u32,
}

impl Spooled {
    fn head(&self) -> Option<Record> {
        let at = self.at as usize;
        let bytes = self.segment.map().bytes(at, RECORD)?;
        Record::read(bytes, 0).map(|(record, _)| record)
    }

    /// Its data, delimiter included.
    pub(super) fn data(&self) -> &[u8] {
        self.segment.map().bytes(self.at as usize + RECORD, self.len as usize).unwrap_or_default()
    }

    /// What its caller calls it.
    pub(super) fn tag(&self) -> u64 {
        self.head().map_or(0, |record| record.tag)
    }

    /// When it was put, in milliseconds since 1970.
    pub(super) fn came(&self) -> u64 {
        self.head().map_or(0, |record| record.put_at_ms)
    }

    /// It was put by an earlier process.
    pub(super) fn recovered(&self) -> bool {
        self.segment.recovered
    }

    /// It needs no delivery any more.
    pub(super) fn release(&self) {
        if let Some(record) = self.head() {
            self.segment.release(record.seq);
        }
    }
}

/// A segment that is done with: its file goes when [`Done::delete`] is called, which takes its time.
pub(super) struct Done(Held);

impl Done {
    /// Takes the file away.
    pub(super) fn delete(self) -> io::Result<()> {
        self.0.segment.delete()
    }
}

impl Spool {
    /// Opens the folder of the process `pid`, and takes over those of processes that are gone. `random` is any number.
    pub(super) fn open(settings: &SpoolSettings, pid: u32, random: u64) -> Result<Spool> {
        let (path, passing) = folder::of_process(&settings.dir, pid);
        let folder = Arc::new(Folder::open(&path, passing)?);
        let mut spool = Spool {
            syncer: Arc::new(Syncer::new(&folder, settings.sync != SpoolSync::Never)),
            folder,
            most: settings.bytes,
            each: (settings.bytes / 8).clamp(SMALLEST, SEGMENT).next_multiple_of(4096),
            salt: random,
            segments: VecDeque::new(),
            writer: None,
            taken: 0,
            at: HEAD,
            // Data that looks like a record's head must not have a number that fits.
            next: random >> 2,
            full_until: 0,
            used: 0,
            found: Found::default(),
        };
        if passing {
            for orphan in folder::orphans(&settings.dir) {
                spool.found.orphans += 1;
                spool.adopt(&Arc::new(orphan))?;
            }
        }
        let own = Arc::clone(&spool.folder);
        spool.adopt(&own)?;
        Ok(spool)
    }

    fn adopt(&mut self, folder: &Arc<Folder>) -> Result<()> {
        for path in folder.segments()? {
            let scanned = Segment::scan(&path)?;
            self.found.records += scanned.records;
            self.found.bytes += scanned.bytes;
            self.found.damaged += scanned.damaged;
            if Arc::ptr_eq(folder, &self.folder) {
                self.next = self.next.max(scanned.next);
            }
            match scanned.segment {
                Some(segment) => {
                    self.used += segment.head().size;
                    self.segments.push_back(Held { segment, _folder: Arc::clone(folder) });
                }
                None => std::fs::remove_file(&path).map_err(|error| failed("delete", &path, error))?,
            }
        }
        Ok(())
    }

    /// What was there.
    pub(super) fn found(&self) -> Found {
        self.found
    }

    /// What makes it outlive a loss of power.
    pub(super) fn syncer(&self) -> &Arc<Syncer> {
        &self.syncer
    }

    /// Bytes of its files.
    pub(super) fn used(&self) -> u64 {
        self.used
    }

    /// Takes a put in, with `end` behind it where that is given. `now` is in milliseconds since 1970. Gives its number,
    /// for [`Syncer::wait`].
    pub(super) fn append(
        &mut self,
        data: &[u8],
        end: Option<u8>,
        tag: u64,
        now: u64,
    ) -> std::result::Result<u64, Refusal> {
        let len = data.len() + usize::from(end.is_some());
        if !self.has_room(len) {
            self.extend(now)?;
        }
        let lost = || {
            Refusal::Failed(failed("write to", self.folder.path(), "a segment has no room for the record"))
        };
        let (Some(writer), Some(last)) = (&mut self.writer, self.segments.back()) else {
            return Err(lost());
        };
        let record = Record { at: writer.mapping().filled(), len, seq: self.next, tag, put_at_ms: now };
        let room = writer.room(RECORD + len).ok_or_else(lost)?;
        let word = record.write(last.segment.head(), room, data, end).ok_or_else(lost)?;
        // Counted first: it can be released the moment it is there.
        last.segment.added();
        if !writer.publish(RECORD + len, word) {
            return Err(lost());
        }
        self.next += 1;
        self.syncer.appended(record.seq);
        Ok(record.seq)
    }

    fn has_room(&mut self, len: usize) -> bool {
        self.writer.as_mut().is_some_and(|writer| writer.room(RECORD + len).is_some())
    }

    /// Begins a new segment.
    fn extend(&mut self, now: u64) -> std::result::Result<(), Refusal> {
        if now < self.full_until || self.used + self.each > self.most {
            return Err(Refusal::Full);
        }
        // The number of the last record is not used again even where its segment is gone: names are new ones.
        match Segment::create(&self.folder, self.salt ^ self.next, self.next, self.each) {
            Ok((segment, writer)) => {
                self.seal();
                self.syncer.began(&segment);
                self.segments.push_back(Held { segment, _folder: Arc::clone(&self.folder) });
                self.writer = Some(writer);
                self.used += self.each;
                Ok(())
            }
            Err(error) if is_full(&error) => {
                self.full_until = now + FULL;
                Err(Refusal::Full)
            }
            Err(error) => Err(Refusal::Failed(failed("write to the folder", self.folder.path(), error))),
        }
    }

    /// The last segment gets no more records.
    fn seal(&mut self) {
        if self.writer.take().is_some()
            && let Some(last) = self.segments.back()
        {
            last.segment.seal();
        }
    }

    /// The oldest that was not taken.
    fn front(&mut self) -> Option<(&Arc<Segment>, Record)> {
        loop {
            let segment = &self.segments.get(self.taken)?.segment;
            if let Some(record) = segment.next(self.at) {
                // Borrowed anew: what was found above must not be held across the end of the loop.
                return self.segments.get(self.taken).map(|held| (&held.segment, record));
            }
            if self.taken + 1 >= self.segments.len() && self.writer.is_some() {
                return None;
            }
            self.taken += 1;
            self.at = HEAD;
        }
    }

    /// The size of the data of the oldest that was not taken, and when it came.
    pub(super) fn peek(&mut self) -> Option<(usize, u64)> {
        self.front().map(|(_, record)| (record.len, record.put_at_ms))
    }

    /// Takes the oldest.
    pub(super) fn take(&mut self) -> Option<Spooled> {
        let (segment, record) = self.front()?;
        let segment = Arc::clone(segment);
        self.at = record.end();
        let place = |number: usize| u32::try_from(number).unwrap_or_default();
        Some(Spooled { segment, at: place(record.at), len: place(record.len) })
    }

    /// Segments of which nothing is pending; there is room for new ones at once.
    pub(super) fn tidy(&mut self) -> Option<Done> {
        let (index, held) = self.segments.iter().enumerate().find(|(_, held)| held.segment.is_done())?;
        self.used = self.used.saturating_sub(held.segment.head().size);
        if index < self.taken {
            self.taken -= 1;
        } else if index == self.taken {
            self.at = HEAD;
        }
        self.full_until = 0;
        self.segments.remove(index).map(Done)
    }

    /// Closes it; what is pending stays. Gives what is done with, the last segment among it.
    pub(super) fn close(mut self) -> Vec<Done> {
        self.seal();
        std::iter::from_fn(|| self.tidy()).collect()
    }
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT))
}
