//! What waits to be sent: which puts go into the next batch, and when. Pure: time comes in as milliseconds since the
//! producer began, and no thread or lock is known here.

use super::chunk::{Chunk, New, OVERHEAD, Put, ROOM};
use super::epochs::Epochs;
use super::settings::ProducerSettings;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a report that may have to be kept counts for against the bound, in bytes.
pub(super) const REPORT: usize = 32;
/// The first pause after a failure, and the longest, in milliseconds.
const PAUSE: (u64, u64) = (100, 20_000);

/// When there is something to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Now.
    Take,
    /// At this time, or when more comes.
    Wait(u64),
    /// When something comes.
    Empty,
}

/// Puts in the order in which they go out: those that came back first.
pub(super) struct Queue {
    settings: Arc<ProducerSettings>,
    open: Chunk,
    sealed: VecDeque<Arc<Chunk>>,
    /// The first put of the first sealed block that is not taken yet.
    cursor: usize,
    back: VecDeque<Put>,
    back_bytes: usize,
    fresh: usize,
    fresh_bytes: usize,
    used: usize,
    not_before: u64,
    failures: u32,
    /// Tells when all that was put before has met its fate.
    pub(super) epochs: Epochs,
}

impl Queue {
    /// Empty.
    pub(super) fn new(settings: Arc<ProducerSettings>) -> Queue {
        Queue {
            settings,
            open: Chunk::default(),
            sealed: VecDeque::new(),
            cursor: 0,
            back: VecDeque::new(),
            back_bytes: 0,
            fresh: 0,
            fresh_bytes: 0,
            used: 0,
            not_before: 0,
            failures: 0,
            epochs: Epochs::new(),
        }
    }

    /// Puts that wait, and their bytes.
    pub(super) fn waiting(&self) -> (usize, usize) {
        (self.fresh + self.back.len(), self.fresh_bytes + self.back_bytes)
    }

    /// What is held, in bytes: puts waiting and in flight, and reports.
    pub(super) fn used(&self) -> usize {
        self.used
    }

    /// A report was fetched, or none has to be kept.
    pub(super) fn forget_report(&mut self) {
        self.used = self.used.saturating_sub(REPORT);
    }

    /// Takes a put in; false where there is no room for it. `bytes` is its size with its delimiter.
    pub(super) fn put(&mut self, new: New<'_>, bytes: usize) -> bool {
        let report = if new.tag.is_some() { REPORT } else { 0 };
        let cost = bytes + OVERHEAD + report;
        if self.used + cost > self.settings.queue_bytes {
            return false;
        }
        if !self.open.fits(bytes) {
            if self.open.len() > 0 {
                self.sealed.push_back(self.open.seal());
            }
            if !self.open.fits(bytes) {
                self.open = Chunk::with_room(ROOM.max(bytes));
            }
        }
        let seq = self.epochs.begin();
        self.open.push(new, seq);
        self.used += cost;
        self.fresh += 1;
        self.fresh_bytes += bytes;
        true
    }

    /// The oldest put that was never taken.
    fn oldest(&self) -> Option<u64> {
        match self.sealed.front() {
            Some(chunk) => Some(chunk.came(self.cursor)),
            None => (self.open.len() > 0).then(|| self.open.came(0)),
        }
    }

    /// When the next batch is due; at once where `hurry` is set.
    pub(super) fn next(&self, now: u64, hurry: bool) -> Next {
        let oldest = self.oldest();
        if oldest.is_none() && self.back.is_empty() {
            return Next::Empty;
        }
        let life = u64::try_from(self.settings.delivery_timeout.as_millis()).unwrap_or(u64::MAX);
        let end = self.back.iter().map(Put::came).chain(oldest).min().unwrap_or(now).saturating_add(life);
        if now >= end {
            return Next::Take;
        }
        if now < self.not_before {
            return Next::Wait(self.not_before.min(end));
        }
        let full = self.fresh >= self.settings.batch_records || self.fresh_bytes >= self.settings.batch_bytes;
        let linger = u64::try_from(self.settings.linger.as_millis()).unwrap_or(u64::MAX);
        let due = oldest.map_or(now, |oldest| oldest.saturating_add(linger));
        if hurry || full || !self.back.is_empty() || now >= due {
            Next::Take
        } else {
            Next::Wait(due.min(end))
        }
    }

    fn pop(&mut self) -> Option<Put> {
        if let Some(put) = self.back.pop_front() {
            self.back_bytes -= put.data().len();
            return Some(put);
        }
        if self.sealed.is_empty() && self.open.len() > 0 {
            self.sealed.push_back(self.open.seal());
        }
        let chunk = self.sealed.front()?;
        let put = Put::of(chunk, self.cursor);
        self.cursor += 1;
        if self.cursor >= chunk.len() {
            self.sealed.pop_front();
            self.cursor = 0;
        }
        self.fresh -= 1;
        self.fresh_bytes -= put.data().len();
        Some(put)
    }

    /// Puts one back that did not fit, in front of all.
    fn unpop(&mut self, put: Put) {
        self.back_bytes += put.data().len();
        self.back.push_front(put);
    }

    /// Takes the next batch: at least one put where any waits, whatever its size. Those that are too old go to `old`,
    /// and during a pause nothing else is taken.
    pub(super) fn take(&mut self, now: u64, batch: &mut Vec<Put>, old: &mut Vec<Put>) {
        let life = u64::try_from(self.settings.delivery_timeout.as_millis()).unwrap_or(u64::MAX);
        let is_old = |put: &Put| put.came().saturating_add(life) <= now;
        if self.back.iter().any(is_old) {
            for put in std::mem::take(&mut self.back) {
                if is_old(&put) {
                    self.back_bytes -= put.data().len();
                    old.push(put);
                } else {
                    self.back.push_back(put);
                }
            }
        }
        let pausing = now < self.not_before;
        let mut bytes = 0;
        while batch.len() < self.settings.batch_records {
            if pausing && self.oldest().is_none_or(|came| came.saturating_add(life) > now) {
                break;
            }
            let Some(put) = self.pop_for(pausing) else { break };
            let size = put.data().len();
            if is_old(&put) {
                old.push(put);
            } else if !batch.is_empty() && bytes + size > self.settings.batch_bytes {
                self.unpop(put);
                break;
            } else {
                bytes += size;
                batch.push(put);
            }
        }
    }

    /// During a pause those that came back stay where they are.
    fn pop_for(&mut self, pausing: bool) -> Option<Put> {
        if !pausing {
            return self.pop();
        }
        let (back, bytes) = (std::mem::take(&mut self.back), std::mem::take(&mut self.back_bytes));
        let put = self.pop();
        (self.back, self.back_bytes) = (back, bytes);
        put
    }

    /// The oldest of all that wait, to be given up.
    pub(super) fn drop_oldest(&mut self) -> Option<Put> {
        self.pop()
    }

    /// Everything that waits, to be given up.
    pub(super) fn drain(&mut self) -> Vec<Put> {
        std::iter::from_fn(|| self.pop()).collect()
    }

    /// Puts that failed and may be sent again go back to the head, in their order.
    pub(super) fn give_back(&mut self, puts: impl DoubleEndedIterator<Item = Put>) {
        for put in puts.rev() {
            self.unpop(put);
        }
    }

    /// The fate of a put is known.
    pub(super) fn settle(&mut self, put: Put) {
        self.epochs.end(put.seq());
        self.used = self.used.saturating_sub(put.settle());
    }

    /// A call got something through.
    pub(super) fn went_well(&mut self) {
        (self.failures, self.not_before) = (0, 0);
    }

    /// A call got nothing through: a pause that doubles, of which `chance` (0 to 1) chooses the second half.
    pub(super) fn went_badly(&mut self, now: u64, chance: f64) {
        let longest = PAUSE.0.saturating_mul(1 << self.failures.min(10)).min(PAUSE.1);
        self.failures += 1;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and the longest pause"
        )]
        let share = (longest as f64 / 2.0 * chance.clamp(0.0, 1.0)) as u64;
        self.not_before = now + longest / 2 + share;
    }
}
