//! One file of a spool: records one behind the other, and a flag for each that needs no delivery any more.

use super::folder::{Folder, failed};
use super::layout::{Found, HEAD, Head, RELEASED, Record};
use crate::error::{Error, Kind, Result};
use crate::sys::file::allocate;
use crate::sys::mapping::{Mapping, Opened, Writer};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A file of records, each of which is pending until it is released.
#[derive(Debug)]
pub(super) struct Segment {
    head: Head,
    map: Arc<Mapping>,
    path: PathBuf,
    /// Records in it that are pending.
    pending: AtomicU64,
    /// Nothing is written to it any more.
    sealed: AtomicBool,
    /// It was there when the spool was opened.
    pub(super) recovered: bool,
}

/// What a segment that was there turned out to hold.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// It, where anything in it is pending.
    pub(super) segment: Option<Arc<Segment>>,
    /// Pending records, and the bytes of their data.
    pub(super) records: u64,
    pub(super) bytes: u64,
    /// Places where something stood that is no record.
    pub(super) damaged: u64,
    /// The number behind that of its last record.
    pub(super) next: u64,
}

impl Segment {
    /// Makes a file of `size` bytes for records from the number `first` on.
    pub(super) fn create(
        folder: &Folder,
        salt: u64,
        first: u64,
        size: u64,
    ) -> io::Result<(Arc<Segment>, Writer)> {
        let (path, head) = (folder.segment(first), Head { salt, first, size });
        let mut options = File::options();
        options.read(true).write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = options.open(&path)?;
        let made = fill(&file, &head).and_then(|()| {
            let len = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
            Writer::map(&file, len, HEAD, head.tail())
        });
        match made {
            Ok(writer) => {
                let map = Arc::clone(writer.mapping());
                let segment = Segment {
                    head,
                    map,
                    path,
                    pending: AtomicU64::new(0),
                    sealed: AtomicBool::new(false),
                    recovered: false,
                };
                Ok((Arc::new(segment), writer))
            }
            Err(error) => {
                // What could not be finished holds no record.
                let _ = fs::remove_file(&path);
                Err(error)
            }
        }
    }

    /// Looks through a file that was there: what is whole and pending stays, the rest is counted.
    pub(super) fn scan(path: &Path) -> Result<Scanned> {
        let open = |error: io::Error| failed("open", path, error);
        let mut options = File::options();
        let file = options.read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(path).map_err(open)?;
        let len = file.metadata().map_err(open)?.len();
        let mapped = usize::try_from(len).unwrap_or(usize::MAX);
        if mapped == 0 {
            return Ok(Scanned::default());
        }
        let opened = Opened::map(&file, mapped).map_err(open)?;
        let Some(head) = head(opened.bytes(), path)? else {
            let damaged = u64::from(opened.bytes().iter().any(|byte| *byte != 0));
            return Ok(Scanned { damaged, ..Scanned::default() });
        };
        let mut scanned = Scanned { next: head.first, ..Scanned::default() };
        // A file that was cut off has lost its flags: every whole record in it is pending.
        let cut = len < head.size;
        scanned.damaged += u64::from(cut);
        let tail = if cut { mapped } else { head.tail() };
        let bytes = opened.bytes().get(..tail).unwrap_or_default();
        let flag = |record: &Record| {
            let index = usize::try_from(record.seq - head.first).unwrap_or(usize::MAX);
            if cut { None } else { bytes.get(tail.checked_sub(1)?.checked_sub(index)?).copied() }
        };
        let (mut at, mut filled) = (HEAD, HEAD);
        while let Some(record) = Record::next(&head, bytes, at, &head.seqs(scanned.next)) {
            // Between whole records there is nothing but damage.
            scanned.damaged += u64::from(record.at != at);
            if flag(&record) != Some(RELEASED) {
                scanned.records += 1;
                scanned.bytes += record.len as u64;
            }
            scanned.next = record.seq + 1;
            (at, filled) = (record.end(), record.end().min(tail));
        }
        let flags = usize::try_from(scanned.next - head.first).unwrap_or(usize::MAX);
        // Behind the last record there are zeros up to the flags, save where a put was cut off.
        let rest = bytes.get(filled..tail.saturating_sub(flags)).unwrap_or_default();
        scanned.damaged += u64::from(rest.iter().any(|byte| *byte != 0));
        if scanned.records == 0 {
            return Ok(scanned);
        }
        let settled = if cut { opened.settle(mapped, 0, mapped) } else { opened.settle(filled, flags, tail) };
        let map = settled.ok_or_else(|| failed("open", path, "its records and flags overlap"))?;
        map.forget();
        scanned.segment = Some(Arc::new(Segment {
            head,
            map: Arc::new(map),
            path: path.into(),
            pending: AtomicU64::new(scanned.records),
            sealed: AtomicBool::new(true),
            recovered: true,
        }));
        Ok(scanned)
    }

    /// What it says of itself.
    pub(super) fn head(&self) -> &Head {
        &self.head
    }

    /// Its memory.
    pub(super) fn map(&self) -> &Mapping {
        &self.map
    }

    /// One more record is in it.
    pub(super) fn added(&self) {
        self.pending.fetch_add(1, Ordering::AcqRel);
    }

    /// Nothing is written to it any more.
    pub(super) fn seal(&self) {
        self.sealed.store(true, Ordering::Release);
        self.map.forget();
    }

    /// The first pending record from `at` on. Records of a file that was there are verified.
    pub(super) fn next(&self, at: usize) -> Option<Record> {
        let bytes = self.map.bytes(0, self.map.filled())?;
        let mut at = at;
        loop {
            let record = if self.recovered {
                Record::next(&self.head, bytes, at, &self.head.seqs(self.head.first))?
            } else {
                let here = bytes.get(at..).filter(|rest| !rest.is_empty()).and(Record::read(bytes, at));
                here.map(|(record, _)| record)?
            };
            if self.flag(record.seq) != Some(RELEASED) {
                return Some(record);
            }
            at = record.end();
        }
    }

    fn index(&self, seq: u64) -> usize {
        usize::try_from(seq.wrapping_sub(self.head.first)).unwrap_or(usize::MAX)
    }

    fn flag(&self, seq: u64) -> Option<u8> {
        self.map.flag(self.index(seq))
    }

    /// The record needs no delivery any more; true where it was pending.
    pub(super) fn release(&self, seq: u64) -> bool {
        if self.map.set_flag(self.index(seq), RELEASED) == Some(RELEASED) {
            return false;
        }
        self.pending.fetch_sub(1, Ordering::AcqRel);
        true
    }

    /// Nothing in it is pending, and nothing will be.
    pub(super) fn is_done(&self) -> bool {
        self.sealed.load(Ordering::Acquire) && self.pending.load(Ordering::Acquire) == 0
    }

    /// Takes the file away.
    pub(super) fn delete(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// Blocks for all of the file, and its head at both ends.
fn fill(file: &File, head: &Head) -> io::Result<()> {
    if !allocate(file, head.size)? {
        // Where blocks cannot be allocated they are written.
        let zeros = [0_u8; 64 * 1024];
        let mut at = 0;
        while at < head.size {
            let len = usize::try_from(head.size - at).unwrap_or(usize::MAX).min(zeros.len());
            file.write_all_at(zeros.get(..len).unwrap_or_default(), at)?;
            at += len as u64;
        }
    }
    file.write_all_at(&head.encode(), 0)?;
    file.write_all_at(&head.encode(), head.tail() as u64)
}

/// The head of a file, or its copy; `None` where there is neither.
fn head(bytes: &[u8], path: &Path) -> Result<Option<Head>> {
    let copy = bytes.len().checked_sub(HEAD).and_then(|at| bytes.get(at..)).unwrap_or_default();
    let sides = [Head::decode(bytes), Head::decode(copy)];
    for side in sides {
        if let Found::Head(head) = side {
            return Ok(Some(head));
        }
    }
    for side in sides {
        if let Found::Version(version) = side {
            let why = format!(
                "{} is of the spool format {version}, and this library reads format {}; deliver it with the version that wrote it, or move it away",
                path.display(),
                super::layout::VERSION
            );
            return Err(Error::new(Kind::SpoolFailed, why));
        }
    }
    Ok(None)
}
