//! The threads that send: each takes a batch, makes one call, and tells what became of it.

use super::batch::{Batch, Packed};
use super::core::{Core, Fate, State};
use super::put::Put;
use super::queue::Next;
use crate::client::{Client, Resend, kind_of_record};
use crate::error::{Error, Kind};
use crate::log::Level;
use crate::retry::{Class, classify};
use crate::sys::random::Random;
use crate::sys::thread;
use crate::wire::Reply;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A sender that has had nothing to do for this long ends.
const IDLE: Duration = Duration::from_secs(10);
/// Puts whose fates are told under one hold of the lock.
const SLICE: usize = 1000;

/// What a sender works with.
pub(super) struct Sender {
    pub(super) core: Arc<Core>,
    pub(super) client: Arc<Client>,
    pub(super) stream: Arc<str>,
    pub(super) random: Arc<Random>,
}

/// What becomes of the puts of a record after a call.
enum After {
    Settled(Fate),
    Again,
    /// Again, though it will hardly help soon: they are in the spool, and can wait.
    Later,
}

/// What became of a call, counted.
#[derive(Default)]
struct Outcome {
    delivered: usize,
    failed: usize,
    again: Vec<Put>,
    throttled: u64,
    later: bool,
    codes: Vec<Arc<str>>,
}

impl Sender {
    /// Starts a thread, where there may be one more.
    pub(super) fn start(self) {
        let slot = {
            let mut state = self.core.lock();
            if state.senders >= self.core.settings.max_in_flight {
                return;
            }
            state.senders += 1;
            // Each sender has a place of its own: one that ends leaves it to the next.
            match state.places.pop() {
                Some(place) => place,
                None => {
                    state.flights.push(None);
                    state.flights.len() - 1
                }
            }
        };
        let core = Arc::clone(&self.core);
        if thread::spawn("firehose-send", move || self.run(slot)).is_err() {
            let mut state = core.lock();
            state.senders -= 1;
            state.places.push(slot);
        }
    }

    fn run(self, slot: usize) {
        let mut reply = Reply::default();
        let mut packed = Packed::new(self.core.settings.gzip);
        while let Some(batch) = self.take(slot) {
            let sent = catch_unwind(AssertUnwindSafe(|| {
                packed.pack(Arc::clone(&batch))?;
                self.client.put_record_batch(&self.stream, &packed, Resend::Nothing, &mut reply)
            }));
            let outcome = sent.unwrap_or_else(|_| {
                reply = Reply::default();
                Err(Error::new(
                    Kind::Internal,
                    "a fault of the library was contained; please report it".to_owned(),
                ))
            });
            self.settle(slot, &batch, &packed, outcome.err().as_ref(), &reply);
            packed.clear();
        }
    }

    /// The next batch; `None`: this sender ends.
    fn take(&self, slot: usize) -> Option<Arc<Batch>> {
        let core = &*self.core;
        let mut state = core.lock();
        let mut bored = Instant::now() + IDLE;
        loop {
            let now = core.now();
            let old = state.queue.expire(now);
            self.give_up(&mut state, old);
            let limits = core.settings.limits();
            let hurry = state.hurry > 0;
            let until = match state.queue.next(now, &limits, hurry) {
                Next::Take => {
                    let mut batch = state.queue.take(limits);
                    for put in &mut batch.puts {
                        put.attempts += 1;
                    }
                    let batch = Arc::new(batch);
                    if let Some(flight) = state.flights.get_mut(slot) {
                        *flight = Some(Arc::clone(&batch));
                    }
                    // What is left may be a batch for another.
                    if state.idle > 0 && state.queue.next(now, &limits, hurry) == Next::Take {
                        core.work.notify_one();
                    }
                    return Some(batch);
                }
                Next::Wait(ms) => {
                    bored = Instant::now() + IDLE;
                    core.instant(ms)
                }
                Next::Empty if state.closed || Instant::now() >= bored => {
                    state.senders -= 1;
                    state.places.push(slot);
                    return None;
                }
                Next::Empty => bored,
            };
            state.idle += 1;
            state = core.wait(&core.work, state, Some(until));
            state.idle -= 1;
        }
    }

    /// Puts whose time has run out.
    fn give_up(&self, state: &mut State, old: Vec<Put>) {
        if old.is_empty() {
            return;
        }
        let count = old.len();
        let fate = Fate::Failed(Kind::Timeout, "FIREHOSE_TIMEOUT".into());
        for put in old {
            self.core.settle(state, put, &fate);
        }
        self.core.settled();
        let limit = self.core.settings.delivery_timeout.unwrap_or_default().as_millis();
        self.say(Level::Error, format_args!(
            "{count} records for the stream {} were given up after producer.delivery_timeout_ms = {limit}", self.stream
        ));
    }

    /// A host's log must not end a sender.
    fn say(&self, level: Level, line: std::fmt::Arguments<'_>) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.client.log(level, line)));
    }

    fn settle(&self, slot: usize, batch: &Batch, packed: &Packed, error: Option<&Error>, reply: &Reply) {
        let core = &*self.core;
        let mut state = core.lock();
        state.stats.requests += u64::from(reply.attempts);
        if state.flights.get_mut(slot).and_then(Option::take).is_none() {
            // Given up by close: whatever the answer, it has been told.
            return;
        }
        state.settling += 1;
        let mut outcome = Outcome::default();
        let mut held = 0;
        for (index, puts) in batch.records().enumerate() {
            let after = self.fate(index, error, reply, &mut outcome);
            match after {
                After::Settled(Fate::Delivered) => {
                    outcome.delivered += puts.len();
                    state.stats.billed_bytes += packed.billed(index);
                }
                After::Settled(_) => outcome.failed += puts.len(),
                After::Later => outcome.later = true,
                After::Again => {}
            }
            for put in puts {
                match &after {
                    After::Settled(fate) => core.settle(&mut state, put.clone(), fate),
                    After::Again | After::Later => outcome.again.push(put.clone()),
                }
            }
            held += puts.len();
            if held >= SLICE {
                // Those who put must not wait for all of a large call.
                drop(state);
                held = 0;
                state = core.lock();
            }
        }
        state.stats.throttled += outcome.throttled;
        state.stats.retried += outcome.again.len() as u64;
        let again = outcome.again.len();
        if outcome.delivered > 0 && outcome.throttled == 0 {
            state.queue.went_well();
        } else if again > 0 {
            let now = core.now();
            let chance = self.random.unit();
            state.queue.went_badly(now, chance, outcome.later);
        }
        state.queue.give_back(outcome.again.into_iter());
        state.settling -= 1;
        drop(state);
        core.settled();
        if let Some(error) = error {
            let level = if outcome.failed > 0 { Level::Error } else { Level::Warn };
            self.say(
                level,
                format_args!(
                    "stream {}: {} records delivered, {} failed, {again} to be sent again: {}",
                    self.stream, outcome.delivered, outcome.failed, error.message
                ),
            );
        }
    }

    /// What becomes of the record at `index`.
    fn fate(&self, index: usize, error: Option<&Error>, reply: &Reply, outcome: &mut Outcome) -> After {
        let Some(error) = error else { return After::Settled(Fate::Delivered) };
        let code = reply.error_code_text(index);
        let whole = error.kind != Kind::PartialFailure;
        if !whole && code.is_empty() {
            return After::Settled(Fate::Delivered);
        }
        let kind = if whole { error.kind } else { kind_of_record(code) };
        let class = classify(code, 0);
        if class == Some(Class::Throttling) || kind == Kind::Throttled {
            outcome.throttled += 1;
        }
        if class.is_some() || !is_final(kind) {
            return After::Again;
        }
        if self.core.settings.spool.is_some() {
            return After::Later;
        }
        let code = if code.is_empty() { kind.name() } else { code };
        let code = match outcome.codes.iter().find(|known| &***known == code) {
            Some(known) => Arc::clone(known),
            None => {
                outcome.codes.push(code.into());
                code.into()
            }
        };
        After::Settled(Fate::Failed(kind, code))
    }
}

/// A refusal that stays one however often the records are sent.
fn is_final(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::InvalidArgument
            | Kind::AccessDenied
            | Kind::NotFound
            | Kind::InvalidKms
            | Kind::InvalidSource
            | Kind::Rejected
            | Kind::ExpiredIterator
            | Kind::Internal
    )
}
