//! Makes the device have what was put: for those who put at once, one sync serves all.

use super::folder::Folder;
use super::segment::Segment;
use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// What is not on the device yet.
#[derive(Default)]
struct State {
    /// Segments that were written to since the last sync; the last of them still is.
    segments: Vec<Arc<Segment>>,
    /// A segment was begun: its name has to be on the device, too.
    named: bool,
    /// Numbers below this are on the device.
    synced: u64,
    running: bool,
}

/// Syncs a spool.
pub(in super::super) struct Syncer {
    folder: PathBuf,
    /// Somebody will sync.
    wanted: bool,
    /// The number behind the last put.
    appended: AtomicU64,
    state: Mutex<State>,
    done: Condvar,
}

impl Syncer {
    /// Nothing is written yet. Unless it is `wanted` it keeps no account of what it would have to do.
    pub(super) fn new(folder: &Folder, wanted: bool) -> Syncer {
        Syncer {
            folder: folder.path().into(),
            wanted,
            appended: AtomicU64::new(0),
            state: Mutex::default(),
            done: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A segment was begun.
    pub(super) fn began(&self, segment: &Arc<Segment>) {
        if !self.wanted {
            return;
        }
        let mut state = self.lock();
        state.segments.push(Arc::clone(segment));
        state.named = true;
    }

    /// The put with this number was written.
    pub(super) fn appended(&self, seq: u64) {
        self.appended.store(seq + 1, Ordering::Release);
    }

    /// Whether anything was written since the last sync.
    pub(in super::super) fn is_behind(&self) -> bool {
        self.appended.load(Ordering::Acquire) > self.lock().synced
    }

    /// Comes back once the device has all that was written so far.
    pub(in super::super) fn sync(&self) -> io::Result<()> {
        let appended = self.appended.load(Ordering::Acquire);
        appended.checked_sub(1).map_or(Ok(()), |last| self.wait(last))
    }

    /// Comes back once the device has the put with this number: by a sync of this thread, or of another that began late
    /// enough.
    pub(in super::super) fn wait(&self, seq: u64) -> io::Result<()> {
        let mut state = self.lock();
        while state.synced <= seq {
            if state.running {
                state = self.done.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            state.running = true;
            // Read before the segments are: what is written from now on may be missed.
            let until = self.appended.load(Ordering::Acquire);
            let (segments, named) = (state.segments.clone(), std::mem::take(&mut state.named));
            drop(state);
            let synced = segments.iter().try_for_each(|segment| segment.map().sync());
            let synced =
                synced.and_then(|()| if named { File::open(&self.folder)?.sync_all() } else { Ok(()) });
            state = self.lock();
            state.running = false;
            self.done.notify_all();
            if let Err(error) = synced {
                state.named |= named;
                return Err(error);
            }
            state.synced = state.synced.max(until);
            let keep = segments.len().saturating_sub(1);
            state.segments.drain(..keep);
        }
        Ok(())
    }
}
