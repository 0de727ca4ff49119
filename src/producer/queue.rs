//! What waits to be sent: which puts go into the next batch, and when. Pure: time comes in as milliseconds since the
//! producer began, and no thread or lock is known here.

use super::batch::Batch;
use super::chunk::{New, OVERHEAD, Put};
use super::epochs::Epochs;
use super::memory::Memory;
use super::pack::{Fits, Limits, Packer};
use super::settings::ProducerSettings;
use std::collections::VecDeque;
use std::sync::Arc;

/// What a report that may have to be kept counts for against the bound, in bytes.
pub(super) const REPORT: usize = 32;
/// The first pause after a failure, and the longest, in milliseconds.
const PAUSE: (u64, u64) = (100, 20_000);
/// Pauses after a refusal that sending again will hardly heal begin here: 2^4 times the first one.
const SLOWLY: u32 = 4;

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
    memory: Memory,
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
            memory: Memory::default(),
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
        let seq = self.epochs.begin();
        self.memory.put(new, bytes, seq);
        self.used += cost;
        self.fresh += 1;
        self.fresh_bytes += bytes;
        true
    }

    /// The time at which a put is too old.
    fn end_of(&self, came: u64) -> u64 {
        let life = self.settings.delivery_timeout.map_or(u128::MAX, |life| life.as_millis());
        came.saturating_add(u64::try_from(life).unwrap_or(u64::MAX))
    }

    /// When the first of those that wait is too old.
    fn first_end(&self) -> u64 {
        self.settings.delivery_timeout.map_or(u64::MAX, |_| {
            let first = self.back.iter().map(Put::came).chain(self.memory.oldest()).min();
            first.map_or(u64::MAX, |came| self.end_of(came))
        })
    }

    /// When the next batch is due; at once where `hurry` is set. `limits` are those of the next call.
    pub(super) fn next(&self, now: u64, limits: &Limits, hurry: bool) -> Next {
        let oldest = self.memory.oldest();
        if oldest.is_none() && self.back.is_empty() {
            return Next::Empty;
        }
        let end = self.first_end();
        if now < self.not_before {
            return Next::Wait(self.not_before.min(end));
        }
        let full = self.fresh >= limits.puts() || self.fresh_bytes >= limits.bytes;
        let linger = u64::try_from(self.settings.linger.as_millis()).unwrap_or(u64::MAX);
        let due = oldest.map_or(now, |oldest| oldest.saturating_add(linger));
        if hurry || full || !self.back.is_empty() || now >= due {
            Next::Take
        } else {
            Next::Wait(due.min(end))
        }
    }

    fn pop_fresh(&mut self) -> Option<Put> {
        let put = self.memory.pop()?;
        self.fresh = self.fresh.saturating_sub(1);
        self.fresh_bytes = self.fresh_bytes.saturating_sub(put.data().len());
        Some(put)
    }

    fn pop(&mut self) -> Option<Put> {
        if let Some(put) = self.back.pop_front() {
            self.back_bytes = self.back_bytes.saturating_sub(put.data().len());
            return Some(put);
        }
        self.pop_fresh()
    }

    /// Takes out those that are too old.
    pub(super) fn expire(&mut self, now: u64) -> Vec<Put> {
        let mut old = Vec::new();
        if now < self.first_end() {
            return old;
        }
        for put in std::mem::take(&mut self.back) {
            if self.end_of(put.came()) <= now {
                self.back_bytes = self.back_bytes.saturating_sub(put.data().len());
                old.push(put);
            } else {
                self.back.push_back(put);
            }
        }
        while self.memory.oldest().is_some_and(|came| self.end_of(came) <= now) {
            old.extend(self.pop_fresh());
        }
        old
    }

    /// Takes the next batch: at least one put where any waits, whatever its size.
    pub(super) fn take(&mut self, limits: Limits) -> Batch {
        let mut batch = Batch::default();
        let mut packer = Packer::new(limits);
        loop {
            let size = match self.back.front() {
                Some(put) => Some(put.data().len()),
                None => self.memory.peek(),
            };
            let Some(fits) = size.map(|size| packer.add(size)) else { break };
            match fits {
                Fits::Not => break,
                Fits::Begins if !batch.puts.is_empty() => batch.ends.push(batch.puts.len()),
                Fits::Begins | Fits::Joins => {}
            }
            batch.puts.extend(self.pop());
        }
        if !batch.puts.is_empty() {
            batch.ends.push(batch.puts.len());
        }
        batch
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
            self.back_bytes += put.data().len();
            self.back.push_front(put);
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

    /// A call got nothing through: a pause that doubles, of which `chance` (0 to 1) chooses the second half. `slowly`:
    /// it is not likely to heal by itself.
    pub(super) fn went_badly(&mut self, now: u64, chance: f64, slowly: bool) {
        if slowly {
            self.failures = self.failures.max(SLOWLY);
        }
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
