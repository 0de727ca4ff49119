//! The threads that send: each takes a batch, makes one call, and tells what became of it.

use super::batch::{Batch, Packed};
use super::core::{Core, Fate, State};
use super::pace::{Allowance, Load};
use super::pack::Limits;
use super::put::Put;
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
    /// As the service counts them.
    taken: Load,
    refused: Load,
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
        while let Some((batch, sent_at)) = self.take(slot) {
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
            self.settle(slot, &batch, &packed, sent_at, outcome.err().as_ref(), &reply);
            packed.clear();
        }
    }

    /// What the next call may carry, or until when there is to be none.
    fn allowed(&self, state: &mut State, now: f64) -> std::result::Result<Limits, f64> {
        let limits = self.core.settings.limits();
        let (puts, bytes) = state.queue.waiting();
        let mut waiting = Load::of(bytes, puts.div_ceil(limits.lines));
        waiting.bytes *= state.ratio;
        match state.pace.allow(now, waiting) {
            Allowance::Unlimited => Ok(limits),
            Allowance::Wait(until) => Err(until),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "neither is negative, and what is too large is cut"
            )]
            Allowance::Most(most) => Ok(Limits {
                bytes: limits.bytes.min((most.bytes / state.ratio) as usize),
                records: limits.records.min(most.records as usize),
                ..limits
            }),
        }
    }

    /// The next batch, and when it was taken; `None`: this sender ends.
    fn take(&self, slot: usize) -> Option<(Arc<Batch>, f64)> {
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
                Next::Take => 'until: {
                    let seconds = core.seconds();
                    let limits = match self.allowed(&mut state, seconds) {
                        Ok(limits) => limits,
                        Err(until) => {
                            let end = state.queue.first_end();
                            break 'until core.moment(until).min(core.instant(end));
                        }
                    };
                    let mut batch = state.queue.take(limits);
                    let mut load = Load::of(batch.bytes(), batch.ends.len());
                    load.bytes *= state.ratio;
                    state.pace.took(seconds, load);
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
                    return Some((batch, seconds));
                }
                Next::Wait(ms) => {
                    bored = Instant::now() + IDLE;
                    core.instant(ms)
                }
                // What waits for reports to be fetched needs a sender when they are.
                Next::Empty if state.queue.waiting().0 > 0 => {
                    bored = Instant::now() + IDLE;
                    bored
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
        for put in &old {
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

    fn settle(
        &self,
        slot: usize,
        batch: &Batch,
        packed: &Packed,
        sent_at: f64,
        error: Option<&Error>,
        reply: &Reply,
    ) {
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
            let after = self.fate(index, error, reply, packed.size(index), &mut outcome);
            match after {
                After::Settled(Fate::Delivered) => {
                    outcome.delivered += puts.len();
                    state.stats.billed_bytes += packed.billed(index);
                    outcome.taken.add(packed.size(index));
                }
                After::Settled(_) => outcome.failed += puts.len(),
                After::Later => outcome.later = true,
                After::Again => {}
            }
            for put in puts {
                match &after {
                    After::Settled(fate) => core.settle(&mut state, put, fate),
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
        let seconds = core.seconds();
        state.pace.answered(seconds, sent_at, outcome.taken, outcome.refused);
        if core.settings.gzip && packed.count() > 0 {
            state.ratio = packed.ratio(batch.bytes());
        }
        if outcome.delivered > 0 {
            state.queue.went_well();
        } else if again > 0 && outcome.throttled == 0 {
            // Where records are throttled it is the pace that makes the pause.
            let now = core.now();
            let chance = self.random.unit();
            state.queue.went_badly(now, chance, outcome.later);
        }
        state.queue.give_back(outcome.again.into_iter());
        state.settling -= 1;
        drop(state);
        core.settled();
        if let Some(error) = error {
            let level = match outcome.failed {
                0 if outcome.throttled > 0 && outcome.delivered > 0 => Level::Info,
                0 => Level::Warn,
                _ => Level::Error,
            };
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
    fn fate(
        &self,
        index: usize,
        error: Option<&Error>,
        reply: &Reply,
        size: usize,
        outcome: &mut Outcome,
    ) -> After {
        let Some(error) = error else { return After::Settled(Fate::Delivered) };
        let code = reply.error_code_text(index);
        let whole = error.kind != Kind::PartialFailure;
        if !whole && code.is_empty() {
            return After::Settled(Fate::Delivered);
        }
        let kind = if whole { error.kind } else { kind_of_record(code) };
        let class = classify(code, 0);
        // A single record is "unavailable" where the stream's quota is used up ("Slow down.").
        if class == Some(Class::Throttling)
            || kind == Kind::Throttled
            || (!whole && kind == Kind::Unavailable)
        {
            outcome.throttled += 1;
            outcome.refused.add(size);
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
