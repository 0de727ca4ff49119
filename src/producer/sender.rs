//! The threads that send: each takes a batch, makes one call, and tells what became of it.

use super::chunk::Put;
use super::core::{Core, Fate, State};
use super::queue::Next;
use crate::client::{Client, Records, Resend, kind_of_record};
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
/// The service bills each record as a multiple of this many bytes (developer guide, "Amazon Data Firehose pricing").
const BILLED: usize = 5120;

/// What a sender works with.
pub(super) struct Sender {
    pub(super) core: Arc<Core>,
    pub(super) client: Arc<Client>,
    pub(super) stream: Arc<str>,
    pub(super) random: Arc<Random>,
}

impl Records for Vec<Put> {
    fn count(&self) -> usize {
        self.len()
    }

    fn size(&self, index: usize) -> usize {
        self.get(index).len()
    }

    fn get(&self, index: usize) -> &[u8] {
        self.as_slice().get(index).map(Put::data).unwrap_or_default()
    }
}

/// What becomes of a put after a call.
enum After {
    Settled(Fate),
    Again,
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
        while let Some(batch) = self.take(slot) {
            let sent = catch_unwind(AssertUnwindSafe(|| {
                self.client.put_record_batch(&self.stream, &*batch, Resend::Nothing, &mut reply)
            }));
            let outcome = sent.unwrap_or_else(|_| {
                reply = Reply::default();
                Err(Error::new(
                    Kind::Internal,
                    "a fault of the library was contained; please report it".to_owned(),
                ))
            });
            self.settle(slot, &batch, &outcome.err(), &reply);
        }
    }

    /// The next batch; `None`: this sender ends.
    fn take(&self, slot: usize) -> Option<Arc<Vec<Put>>> {
        let core = &*self.core;
        let mut state = core.lock();
        let mut bored = Instant::now() + IDLE;
        loop {
            let now = core.now();
            let until = match state.queue.next(now, state.hurry > 0) {
                Next::Take => {
                    let (mut batch, mut old) = (Vec::new(), Vec::new());
                    state.queue.take(now, &mut batch, &mut old);
                    self.give_up(&mut state, old);
                    if batch.is_empty() {
                        continue;
                    }
                    for put in &mut batch {
                        put.attempts += 1;
                    }
                    let batch = Arc::new(batch);
                    if let Some(flight) = state.flights.get_mut(slot) {
                        *flight = Some(Arc::clone(&batch));
                    }
                    // What is left may be a batch for another.
                    if state.idle > 0 && state.queue.next(now, state.hurry > 0) == Next::Take {
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
        let limit = self.core.settings.delivery_timeout.as_millis();
        self.say(Level::Error, format_args!(
            "{count} records for the stream {} were given up after producer.delivery_timeout_ms = {limit}", self.stream
        ));
    }

    /// A host's log must not end a sender.
    fn say(&self, level: Level, line: std::fmt::Arguments<'_>) {
        let _ = catch_unwind(AssertUnwindSafe(|| self.client.log(level, line)));
    }

    fn settle(&self, slot: usize, batch: &Arc<Vec<Put>>, error: &Option<Error>, reply: &Reply) {
        let core = &*self.core;
        let mut state = core.lock();
        state.stats.requests += u64::from(reply.attempts);
        let flight = state.flights.get_mut(slot).and_then(Option::take);
        if flight.is_none() {
            // Given up by close: whatever the answer, it has been told.
            return;
        }
        let (mut again, mut throttled, mut delivered, mut failed) = (Vec::new(), 0_u64, 0_usize, 0_usize);
        let mut codes: Vec<Arc<str>> = Vec::new();
        for (index, put) in batch.iter().enumerate() {
            match fate(index, error.as_ref(), reply, &mut codes, &mut throttled) {
                After::Again => again.push(put.clone()),
                After::Settled(fate) => {
                    if matches!(fate, Fate::Delivered) {
                        delivered += 1;
                        state.stats.billed_bytes += put.data().len().max(1).next_multiple_of(BILLED) as u64;
                    } else {
                        failed += 1;
                    }
                    core.settle(&mut state, put.clone(), &fate);
                }
            }
        }
        state.stats.throttled += throttled;
        state.stats.retried += again.len() as u64;
        if delivered > 0 && throttled == 0 {
            state.queue.went_well();
        } else if !again.is_empty() {
            let now = core.now();
            let chance = self.random.unit();
            state.queue.went_badly(now, chance);
        }
        // Nothing goes back once the producer was closed and its rest was given up.
        state.queue.give_back(again.into_iter());
        drop(state);
        core.settled();
        if let Some(error) = error {
            let level = if failed > 0 { Level::Error } else { Level::Warn };
            self.say(
                level,
                format_args!(
                    "stream {}: {delivered} records delivered, {failed} failed, {} to be sent again: {}",
                    self.stream,
                    batch.len() - delivered - failed,
                    error.message
                ),
            );
        }
    }
}

/// What becomes of the record at `index`.
fn fate(
    index: usize,
    error: Option<&Error>,
    reply: &Reply,
    codes: &mut Vec<Arc<str>>,
    throttled: &mut u64,
) -> After {
    let Some(error) = error else { return After::Settled(Fate::Delivered) };
    let code = reply.error_code_text(index);
    let whole = error.kind != Kind::PartialFailure;
    if !whole && code.is_empty() {
        return After::Settled(Fate::Delivered);
    }
    let kind = if whole { error.kind } else { kind_of_record(code) };
    let class = classify(code, 0);
    if class == Some(Class::Throttling) || kind == Kind::Throttled {
        *throttled += 1;
    }
    if class.is_some() || !is_final(kind) {
        return After::Again;
    }
    let code = if code.is_empty() { kind.name() } else { code };
    let code = match codes.iter().find(|known| &***known == code) {
        Some(known) => Arc::clone(known),
        None => {
            codes.push(code.into());
            code.into()
        }
    };
    After::Settled(Fate::Failed(kind, code))
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
