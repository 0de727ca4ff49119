//! What waits to be sent: which puts go into the next batch, and when. Pure: time comes in as milliseconds since the
//! producer began, and no thread or lock is known here.

use super::batch::Batch;
use super::chunk::{New, OVERHEAD};
use super::epochs::Epochs;
use super::memory::Memory;
use super::pack::{Fits, Limits, Packer};
use super::put::Put;
use super::settings::{ProducerSettings, Reports};
use super::spool::{Done, Refusal, Spool};
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
    /// Where puts wait instead, if there is one.
    spool: Option<Spool>,
    /// Segments whose files can go.
    done: Vec<Done>,
    /// The number that the next put has which is taken out of the spool.
    number: u64,
    /// Puts that were in the spool at its opening and were not there when their turn came.
    pub(super) vanished: u64,
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
    /// Empty, but for what a spool holds.
    pub(super) fn new(settings: Arc<ProducerSettings>, spool: Option<Spool>) -> Queue {
        let found = spool.as_ref().map(Spool::found).unwrap_or_default();
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let mut epochs = Epochs::new();
        let number = epochs.begin_many(found.records);
        Queue {
            settings,
            memory: Memory::default(),
            spool,
            done: Vec::new(),
            number,
            vanished: 0,
            back: VecDeque::new(),
            back_bytes: 0,
            fresh: count(found.records),
            fresh_bytes: count(found.bytes),
            used: 0,
            not_before: 0,
            failures: 0,
            epochs,
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

    /// The spool, if there is one.
    pub(super) fn spool(&self) -> Option<&Spool> {
        self.spool.as_ref()
    }

    /// Takes a put in. `bytes` is its size with its delimiter. Gives its number in the spool, if it went there.
    pub(super) fn put(&mut self, new: New<'_>, bytes: usize) -> std::result::Result<Option<u64>, Refusal> {
        let report = if new.tag.is_some() { REPORT } else { 0 };
        let cost = if self.spool.is_some() { report } else { bytes + OVERHEAD + report };
        if self.used + cost > self.settings.queue_bytes {
            return Err(Refusal::Full);
        }
        let spooled = match &mut self.spool {
            Some(spool) => {
                let append = |spool: &mut Spool| {
                    spool.append(new.data, new.delimiter, new.tag.unwrap_or_default(), new.now)
                };
                let number = match append(spool) {
                    Err(Refusal::Full) if self.tidy() => match &mut self.spool {
                        Some(spool) => append(spool),
                        None => Err(Refusal::Full),
                    },
                    other => other,
                }?;
                self.epochs.begin();
                Some(number)
            }
            None => {
                let number = self.epochs.begin();
                self.memory.put(new, bytes, number);
                self.used += cost;
                None
            }
        };
        self.fresh += 1;
        self.fresh_bytes += bytes;
        Ok(spooled)
    }

    /// Sets aside the segments of the spool that are done with; false where there are none.
    fn tidy(&mut self) -> bool {
        let before = self.done.len();
        if let Some(spool) = &mut self.spool {
            self.done.extend(std::iter::from_fn(|| spool.tidy()));
        }
        self.done.len() > before
    }

    /// Segments whose files are to be deleted, once the lock is given back.
    pub(super) fn done(&mut self) -> Vec<Done> {
        self.tidy();
        std::mem::take(&mut self.done)
    }

    /// Closes the spool, with what is in it; nothing waits any more.
    pub(super) fn close_spool(&mut self) -> Vec<Done> {
        let mut done = self.done();
        done.extend(self.spool.take().map(Spool::close).into_iter().flatten());
        self.back.clear();
        (self.back_bytes, self.fresh, self.fresh_bytes) = (0, 0, 0);
        done
    }

    /// The put that waited longest of those that were never taken: its size, and when it came.
    fn peek(&mut self) -> Option<(usize, u64)> {
        let Some(spool) = &mut self.spool else { return self.memory.peek() };
        let front = spool.peek();
        if front.is_none() && self.fresh > 0 {
            // The files are not what they were when they were opened: what is gone has no fate to wait for.
            for _ in 0..self.fresh {
                self.epochs.end(self.number);
                self.number += 1;
            }
            self.vanished += self.fresh as u64;
            (self.fresh, self.fresh_bytes) = (0, 0);
        }
        front
    }

    /// Nothing can be taken out of the spool before reports are fetched.
    fn is_blocked(&self) -> bool {
        self.spool.is_some()
            && self.settings.reports != Reports::None
            && self.used + REPORT > self.settings.queue_bytes
    }

    /// The time at which a put is too old.
    fn end_of(&self, came: u64) -> u64 {
        let life = self.settings.delivery_timeout.map_or(u128::MAX, |life| life.as_millis());
        came.saturating_add(u64::try_from(life).unwrap_or(u64::MAX))
    }

    /// When the first of those that wait is too old.
    pub(super) fn first_end(&mut self) -> u64 {
        if self.settings.delivery_timeout.is_none() {
            return u64::MAX;
        }
        let fresh = self.oldest();
        let first = self.back.iter().map(Put::came).chain(fresh).min();
        first.map_or(u64::MAX, |came| self.end_of(came))
    }

    fn oldest(&mut self) -> Option<u64> {
        if self.spool.is_some() { self.peek().map(|(_, came)| came) } else { self.memory.oldest() }
    }

    /// When the next batch is due; at once where `hurry` is set. `limits` are those of the next call.
    pub(super) fn next(&mut self, now: u64, limits: &Limits, hurry: bool) -> Next {
        let oldest = self.oldest();
        if self.back.is_empty() && (oldest.is_none() || self.is_blocked()) {
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
        let put = match &mut self.spool {
            Some(spool) => {
                let put = Put::spooled(spool.take()?, self.number);
                self.number += 1;
                if self.settings.reports != Reports::None && !put.recovered() {
                    self.used += REPORT;
                }
                put
            }
            None => self.memory.pop()?,
        };
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
        while !self.is_blocked() && self.oldest().is_some_and(|came| self.end_of(came) <= now) {
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
                None if self.is_blocked() => None,
                None => self.peek().map(|(size, _)| size),
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
    pub(super) fn settle(&mut self, put: &Put) {
        self.epochs.end(put.number());
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
