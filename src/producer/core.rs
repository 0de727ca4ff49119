//! What a producer's callers and senders share: the queue, the reports, and who waits for what.

use super::batch::Batch;
use super::chunk::{New, OVERHEAD};
use super::pace::Pace;
use super::put::Put;
use super::queue::{Queue, REPORT};
use super::report::{Delivery, Reports, Stats, Summary};
use super::settings::{Overflow, ProducerSettings, Reports as Wanted, SpoolSync};
use super::spool::{Refusal, Spool, Syncer};
use crate::error::{Error, Kind, Result};
use crate::sys::event::Event;
use crate::sys::ticks::Ticks;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often it is told at the most that there is no room.
const TELL: Duration = Duration::from_secs(10);
/// For how long a put waits before it tries a full disk again.
const DISK: Duration = Duration::from_millis(200);

/// Threads that a put asks for.
#[derive(Clone, Copy)]
pub(super) struct Wanting {
    pub(super) sender: bool,
    pub(super) syncer: bool,
    /// Records dropped to make room that nobody was told of yet, where it is time to tell.
    pub(super) dropped: Option<u64>,
}

/// A fate: delivered, or why not.
pub(super) enum Fate {
    /// The service has it.
    Delivered,
    /// It failed for good: the status and the code.
    Failed(Kind, Arc<str>),
}

/// Under the lock.
pub(super) struct State {
    pub(super) queue: Queue,
    pub(super) stats: Stats,
    reports: Reports,
    summary: Summary,
    /// What each sender has in a call; `None` where the call was given up by `close`.
    pub(super) flights: Vec<Option<Arc<Batch>>>,
    /// Senders that are telling what became of a call.
    pub(super) settling: usize,
    /// Places in `flights` whose senders have ended.
    pub(super) places: Vec<usize>,
    /// Senders there are, and those of them that wait for work.
    pub(super) senders: usize,
    pub(super) idle: usize,
    /// Callers who do not want to wait for batches to fill.
    pub(super) hurry: usize,
    pub(super) closed: bool,
    /// How fast records go out.
    pub(super) pace: Pace,
    /// Bytes sent for each byte put, of late: below 1 where records are compressed.
    pub(super) ratio: f64,
    /// A thread syncs the spool.
    pub(super) syncing: bool,
    /// When somebody was told that there is no room, and records dropped since.
    told: Option<Instant>,
    dropped: u64,
}

impl State {
    fn may_tell(&mut self) -> bool {
        let now = Instant::now();
        let may = self.told.is_none_or(|told| now.saturating_duration_since(told) >= TELL);
        if may {
            self.told = Some(now);
        }
        may
    }
}

/// The shared part.
pub(super) struct Core {
    pub(super) settings: Arc<ProducerSettings>,
    began: Instant,
    ticks: Ticks,
    /// Milliseconds from 1970 to that instant.
    since: u64,
    /// What makes a spool outlive a loss of power.
    pub(super) syncer: Option<Arc<Syncer>>,
    state: Mutex<State>,
    /// Senders wait here for work.
    pub(super) work: Condvar,
    /// Puts wait here for room.
    room: Condvar,
    /// Flushes and polls wait here.
    done: Condvar,
    /// The thread that syncs waits here for the end.
    pub(super) ending: Condvar,
    event: Option<Event>,
}

impl Core {
    /// An empty one, of this process, but for what a spool holds.
    pub(super) fn new(settings: &Arc<ProducerSettings>, spool: Option<Spool>) -> Core {
        let syncer = spool.as_ref().map(|spool| Arc::clone(spool.syncer()));
        let recovered = spool.as_ref().map_or(0, |spool| spool.found().records);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        let state = State {
            queue: Queue::new(Arc::clone(settings), spool),
            stats: Stats { recovered, ..Stats::default() },
            reports: Reports::default(),
            summary: Summary::default(),
            flights: Vec::new(),
            settling: 0,
            places: Vec::new(),
            senders: 0,
            idle: 0,
            hurry: 0,
            closed: false,
            pace: Pace::new(
                settings.max_bytes_per_second.map(|most| most as f64),
                settings.max_in_flight,
                0.0,
            ),
            ratio: 1.0,
            syncing: false,
            told: None,
            dropped: 0,
        };
        let event = (settings.reports != Wanted::None).then(Event::new).and_then(std::io::Result::ok);
        Core {
            settings: Arc::clone(settings),
            began: Instant::now(),
            ticks: Ticks::new(),
            since: u64::try_from(since).unwrap_or_default(),
            syncer,
            state: Mutex::new(state),
            work: Condvar::new(),
            room: Condvar::new(),
            done: Condvar::new(),
            ending: Condvar::new(),
            event,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since 1970 by a clock that is never set.
    pub(super) fn now(&self) -> u64 {
        self.since + u64::try_from(self.began.elapsed().as_millis()).unwrap_or_default()
    }

    /// When a put came. Only one that finds nothing waiting decides when a batch is due, and has to know exactly.
    fn came(&self, state: &State) -> u64 {
        if state.queue.waiting().0 == 0 { self.now() } else { self.since + self.ticks.elapsed_ms() }
    }

    /// Seconds since the producer began.
    pub(super) fn seconds(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// The instant that comes so many seconds after the beginning.
    pub(super) fn moment(&self, seconds: f64) -> Instant {
        self.began + Duration::try_from_secs_f64(seconds).unwrap_or_default()
    }

    /// The instant of such a time.
    pub(super) fn instant(&self, ms: u64) -> Instant {
        self.began + Duration::from_millis(ms.saturating_sub(self.since))
    }

    pub(super) fn wait<'a>(
        &self,
        on: &Condvar,
        state: MutexGuard<'a, State>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, State> {
        match until {
            None => on.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(until) => {
                let left = until.saturating_duration_since(Instant::now());
                on.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
            }
        }
    }

    /// Takes a record in. `wait`: how long for room, `None` for as long as it takes. Gives what has to be
    /// started.
    pub(super) fn put(&self, data: &[u8], tag: u64, wait: Option<Duration>) -> Result<Wanting> {
        let delimiter = self.settings.delimiter.filter(|end| data.last() != Some(end));
        let bytes = data.len() + usize::from(delimiter.is_some());
        self.settings.check(bytes)?;
        let tag = (self.settings.reports != Wanted::None).then_some(tag);
        let mut until = None;
        let mut state = self.lock();
        let spooled = loop {
            if state.closed {
                return Err(Error::new(Kind::Closed, "the producer is closed"));
            }
            let now = self.came(&state);
            match state.queue.put(New { data, delimiter, tag, now }, bytes) {
                Ok(spooled) => break spooled,
                Err(Refusal::Failed(error)) => return Err(error),
                Err(Refusal::Full) => {}
            }
            // Where reports that nobody fetches take the room, dropping records gives none.
            let reports = (state.reports.len() + 1) * REPORT;
            if self.settings.overflow == Overflow::DropOldest
                && reports + bytes + OVERHEAD <= self.settings.queue_bytes
                && let Some(put) = state.queue.drop_oldest()
            {
                self.settle(&mut state, &put, &Fate::Failed(Kind::QueueFull, "FIREHOSE_QUEUE_FULL".into()));
                state.dropped += 1;
                continue;
            }
            let end = wait.map(|wait| *until.get_or_insert_with(|| Instant::now() + wait));
            if end.is_some_and(|end| Instant::now() >= end) {
                return Err(self.full(&state));
            }
            // Nobody tells when a full disk has room again.
            let soon = state.queue.spool().map(|_| Instant::now() + DISK);
            state = self.wait(&self.room, state, [end, soon].into_iter().flatten().min());
        };
        state.stats.records += 1;
        state.stats.bytes += bytes as u64;
        let sender = self.call_senders(&mut state, bytes);
        let syncer =
            self.sync_mode() == Some(SpoolSync::Interval) && !std::mem::replace(&mut state.syncing, true);
        let dropped = (state.dropped > 0 && state.may_tell()).then(|| std::mem::take(&mut state.dropped));
        drop(state);
        if let (Some(number), Some(syncer), Some(SpoolSync::Put)) = (spooled, &self.syncer, self.sync_mode())
        {
            syncer.wait(number).map_err(|error| {
                let message =
                    format!("the spool cannot sync the record, which may be delivered all the same: {error}");
                Error::new(Kind::SpoolFailed, message)
            })?;
        }
        Ok(Wanting { sender, syncer, dropped })
    }

    /// Whether to tell that there is no room: it was not told of late.
    pub(super) fn may_tell(&self) -> bool {
        self.lock().may_tell()
    }

    fn sync_mode(&self) -> Option<SpoolSync> {
        self.settings.spool.as_ref().map(|spool| spool.sync)
    }

    /// Says why there is no room.
    fn full(&self, state: &State) -> Error {
        let (used, reports) = (state.queue.used(), state.reports.len());
        let hint = if reports > 0 { ", some of them reports that nobody has fetched" } else { "" };
        let message = match state.queue.spool() {
            Some(spool) if reports == 0 => format!(
                "the spool is full: its files have {} of producer.spool_bytes = {}, or there is no room on its disk",
                spool.used(),
                self.settings.spool.as_ref().map_or(0, |spool| spool.bytes),
            ),
            _ => format!(
                "the queue is full: {used} of producer.queue_bytes = {} are held{hint}",
                self.settings.queue_bytes
            ),
        };
        Error::new(Kind::QueueFull, message)
    }

    /// Wakes a sender where there is something to do; true where one has to be started. `bytes` is what came last.
    fn call_senders(&self, state: &mut State, bytes: usize) -> bool {
        let (puts, all) = state.queue.waiting();
        // The first put starts the linger; each full batch is work for one more.
        let limits = self.settings.limits();
        let full = puts.is_multiple_of(limits.puts())
            || all / limits.bytes > all.saturating_sub(bytes) / limits.bytes;
        if puts != 1 && !full && state.senders > 0 {
            return false;
        }
        if state.idle > 0 {
            self.work.notify_one();
            return false;
        }
        state.senders < self.settings.max_in_flight
    }

    /// The fate of a put that was taken out of the queue is known.
    pub(super) fn settle(&self, state: &mut State, put: &Put, fate: &Fate) {
        let size = put.data().len() as u64;
        let failed = match fate {
            Fate::Delivered => {
                state.stats.delivered += 1;
                state.stats.delivered_bytes += size;
                state.summary.delivered += 1;
                None
            }
            Fate::Failed(kind, code) => {
                state.stats.failed += 1;
                state.summary.failed += 1;
                Some((*kind, Arc::clone(code)))
            }
        };
        let wanted = match self.settings.reports {
            // A tag of an earlier process means nothing to this one.
            _ if put.recovered() => None,
            Wanted::None => None,
            Wanted::Failures => Some(failed.is_some()),
            Wanted::All => Some(true),
        };
        match wanted {
            Some(true) => {
                let (failed, code) = failed.unzip();
                let delivery = Delivery { tag: put.tag(), failed, attempts: put.attempts, code };
                if state.reports.add(delivery)
                    && let Some(event) = &self.event
                {
                    event.raise();
                }
            }
            Some(false) => state.queue.forget_report(),
            None => {}
        }
        state.queue.settle(put);
    }

    /// After fates have become known.
    pub(super) fn settled(&self) {
        if self.syncer.is_some() {
            let done = self.lock().queue.done();
            for segment in done {
                // One that cannot be deleted has nothing to deliver, and is deleted by the next opening.
                let _ = segment.delete();
            }
        }
        self.room.notify_all();
        self.done.notify_all();
    }

    /// Fetches up to `most` reports, waiting for the first.
    pub(super) fn poll(&self, most: usize, wait: Option<Duration>, mut each: impl FnMut(Delivery)) -> usize {
        let until = wait.map(|wait| Instant::now() + wait);
        let mut state = self.lock();
        while state.reports.len() == 0 && until.is_none_or(|until| Instant::now() < until) {
            if self.settings.reports == Wanted::None || (state.closed && self.is_empty(&state)) {
                break;
            }
            state = self.wait(&self.done, state, until);
        }
        let mut count = 0;
        while count < most {
            let Some(delivery) = state.reports.take() else { break };
            state.queue.forget_report();
            each(delivery);
            count += 1;
        }
        if count > 0
            && state.reports.len() == 0
            && let Some(event) = &self.event
        {
            event.clear();
        }
        drop(state);
        if count > 0 {
            self.room.notify_all();
            // Where there is a spool, senders wait for room as well.
            if self.syncer.is_some() {
                self.work.notify_all();
            }
        }
        count
    }

    fn is_empty(&self, state: &State) -> bool {
        state.queue.waiting().0 == 0 && state.flights.iter().flatten().next().is_none()
    }

    /// The descriptor that is readable while reports wait; -1 where there is none.
    pub(super) fn descriptor(&self) -> i32 {
        self.event.as_ref().map_or(-1, Event::descriptor)
    }

    /// What the counters say now.
    pub(super) fn stats(&self) -> Stats {
        let state = self.lock();
        let (queued, queued_bytes) = state.queue.waiting();
        let in_flight: usize = state.flights.iter().flatten().map(|batch| batch.puts.len()).sum();
        Stats {
            queued: queued as u64,
            queued_bytes: queued_bytes as u64,
            in_flight: in_flight as u64,
            reports: state.reports.len() as u64,
            used_bytes: state.queue.used() as u64,
            spooled: if self.syncer.is_some() { Self::left(&state) } else { 0 },
            spool_bytes: state.queue.spool().map_or(0, Spool::used),
            spool_damaged: state.queue.spool().map_or(0, |spool| spool.found().damaged)
                + state.queue.vanished,
            ..state.stats
        }
    }

    /// Waits until everything that was put before has met its fate; false where the time was up first. With `close`
    /// nothing is taken any more, and what is left at the end has failed.
    pub(super) fn flush(&self, wait: Option<Duration>, close: bool) -> (Summary, bool) {
        let until = wait.map(|wait| Instant::now() + wait);
        let mut state = self.lock();
        state.closed |= close;
        let mark = state.queue.epochs.mark();
        state.hurry += 1;
        self.work.notify_all();
        self.room.notify_all();
        while !state.queue.epochs.done(mark) && until.is_none_or(|until| Instant::now() < until) {
            state = self.wait(&self.done, state, until);
        }
        state.hurry -= 1;
        // What has been answered already gets the fate that the answer gave it: this takes no time to speak of.
        while close && state.settling > 0 {
            state = self.wait(&self.done, state, None);
        }
        let done = state.queue.epochs.done(mark);
        let mut gone = Vec::new();
        if close && self.syncer.is_some() {
            // What is in a call is left as well: whether it got through will not be known in time.
            gone = state.queue.close_spool();
            state.flights.iter_mut().for_each(|flight| *flight = None);
        } else if close {
            self.give_up(&mut state);
        }
        if close {
            self.work.notify_all();
            self.ending.notify_all();
        }
        let summary = Summary { left: Self::left(&state), ..state.summary };
        state.summary = Summary::default();
        drop(state);
        for segment in gone {
            let _ = segment.delete();
        }
        self.settled();
        (summary, done)
    }

    /// Puts whose fates are not known.
    fn left(state: &State) -> u64 {
        let known = state.stats.delivered + state.stats.failed + state.queue.vanished;
        (state.stats.records + state.stats.recovered).saturating_sub(known)
    }

    /// What waits or is in a call has failed.
    fn give_up(&self, state: &mut State) {
        let fate = Fate::Failed(Kind::Closed, "FIREHOSE_CLOSED".into());
        for put in state.queue.drain() {
            self.settle(state, &put, &fate);
        }
        let flights: Vec<Arc<Batch>> = state.flights.iter_mut().filter_map(Option::take).collect();
        for put in flights.iter().flat_map(|batch| batch.puts.iter()) {
            self.settle(state, put, &fate);
        }
    }
}
