//! The producer: records are taken in at once and delivered in the background.

mod batch;
mod chunk;
mod core;
mod epochs;
mod memory;
mod pace;
mod pack;
mod put;
mod queue;
#[cfg(test)]
mod queue_tests;
mod report;
mod sender;
mod settings;
mod spool;
mod sync;

pub(crate) use report::{Delivery, Stats, Summary};
pub(crate) use settings::ProducerSettings;

use crate::client::{Client, Setup};
use crate::error::{Error, Kind, Result};
use crate::log::Level;
use crate::sys::fork::PerProcess;
use crate::sys::random::Random;
use crate::wire::{Reply, limits};
use core::Core;
use sender::Sender;
use spool::{Found, Spool};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A producer of one stream, and the state that each process has for itself: a child starts with an empty queue.
pub(crate) struct Producer {
    client: Arc<Client>,
    stream: Arc<str>,
    settings: Arc<ProducerSettings>,
    state: PerProcess<State>,
}

struct State {
    random: Arc<Random>,
    /// Made at the first call of a child, which may not be able to open the spool.
    core: OnceLock<Result<Arc<Core>>>,
}

impl State {
    fn new() -> State {
        State { random: Arc::new(Random::new()), core: OnceLock::new() }
    }
}

impl Producer {
    /// Resolves the settings, and opens the spool. Starts no thread unless it holds something.
    pub(crate) fn new(client: Arc<Client>, stream: &str, setup: &Setup) -> Result<Producer> {
        limits::stream_name(stream)?;
        let settings = Arc::new(ProducerSettings::resolve(&setup.config, client.producer_options())?);
        let state = PerProcess::new(State::new());
        client.hold();
        let producer = Producer { client, stream: stream.into(), settings, state };
        producer.core()?;
        Ok(producer)
    }

    fn state(&self) -> &State {
        self.state.get(State::new)
    }

    /// What this process has, made where it has nothing yet.
    fn core(&self) -> Result<&Arc<Core>> {
        let state = self.state();
        let mut found = None;
        let made = state.core.get_or_init(|| {
            let open = |settings| Spool::open(settings, std::process::id(), state.random.bits());
            let spool = self.settings.spool.as_ref().map(open).transpose()?;
            found = spool.as_ref().map(Spool::found);
            Ok(Arc::new(Core::new(&self.settings, spool)))
        });
        let core = made.as_ref().map_err(Clone::clone)?;
        if let Some(found) = found {
            self.tell(&found);
            if found.records > 0 {
                self.start(core);
            }
        }
        Ok(core)
    }

    /// What this process has, if it has anything.
    fn made(&self) -> Option<&Arc<Core>> {
        self.state().core.get()?.as_ref().ok()
    }

    /// Says what the spool held.
    fn tell(&self, found: &Found) {
        let Found { records, bytes, damaged, orphans } = found;
        let dir =
            self.settings.spool.as_ref().map(|spool| spool.dir.display().to_string()).unwrap_or_default();
        if *records > 0 {
            let text = format!(
                "the spool {dir} holds {records} records of earlier processes, {bytes} bytes, from {orphans} folders of others; they are delivered now"
            );
            self.say(Level::Info, &text);
        }
        if *damaged > 0 {
            let text =
                format!("the spool {dir} was damaged in {damaged} places; what was whole is delivered");
            self.say(Level::Error, &text);
        }
    }

    /// Starts a sender, where there may be one more.
    fn start(&self, core: &Arc<Core>) {
        let sender = Sender {
            core: Arc::clone(core),
            client: Arc::clone(&self.client),
            stream: Arc::clone(&self.stream),
            random: Arc::clone(&self.state().random),
        };
        sender.start();
    }

    /// Takes a record. `wait` is for how long there may be no room; `None`: no limit.
    pub(crate) fn put(&self, data: &[u8], tag: u64, wait: Option<Duration>) -> Result<()> {
        let core = self.core()?;
        let wanting = core.put(data, tag, wait)?;
        if wanting.sender {
            self.start(core);
        }
        if let Some(dropped) = wanting.dropped {
            self.say(
                Level::Error,
                &format!("the queue is full: {dropped} of the oldest records were dropped and have failed"),
            );
        }
        if wanting.syncer {
            sync::start(Arc::clone(core), Arc::clone(&self.client), Arc::clone(&self.stream));
        }
        Ok(())
    }

    /// Says something to whoever listens to its client.
    pub(crate) fn say(&self, level: Level, line: &str) {
        self.client.log(level, format_args!("stream {}: {line}", self.stream));
    }

    /// Says why a put was refused; that there is no room only now and then, as those who put may try all the time.
    pub(crate) fn say_refused(&self, error: &Error) {
        let often = error.kind == Kind::QueueFull && self.made().is_some_and(|core| !core.may_tell());
        if !often {
            self.say(Level::Warn, &error.message);
        }
    }

    /// Fetches up to `most` reports, waiting for the first.
    pub(crate) fn poll(&self, most: usize, wait: Option<Duration>, each: impl FnMut(Delivery)) -> usize {
        self.core().map_or(0, |core| core.poll(most, wait, each))
    }

    /// The descriptor that is readable while reports wait; -1 where there is none.
    pub(crate) fn descriptor(&self) -> i32 {
        self.core().map_or(-1, |core| core.descriptor())
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Stats {
        self.made().map(|core| core.stats()).unwrap_or_default()
    }

    /// Waits until what was put before is delivered or has failed for good.
    pub(crate) fn flush(&self, wait: Option<Duration>, reply: &mut Reply) -> Result<()> {
        self.sum_up("flush", wait, false, reply)
    }

    /// The same, and takes nothing any more; what is left at the end has failed.
    pub(crate) fn close(&self, wait: Option<Duration>, reply: &mut Reply) -> Result<()> {
        self.sum_up("close", wait, true, reply)
    }

    fn sum_up(&self, what: &str, wait: Option<Duration>, close: bool, reply: &mut Reply) -> Result<()> {
        // A child that cannot open the spool has put nothing.
        let (summary, done) = self.core().map_or((Summary::default(), true), |core| core.flush(wait, close));
        let Summary { delivered, failed, left } = summary;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        reply.sum_up(count(delivered), count(failed));
        let stream = &self.stream;
        let place = if self.settings.spool.is_some() { " in the spool" } else { "" };
        let message = format!(
            "{what} of the stream {stream}: {delivered} delivered, {failed} failed, {left} left{place}"
        );
        if !done {
            let advice =
                "the time was up first; give it more, or look at the log for why records do not get through";
            return Err(Error::new(Kind::Timeout, format!("{message}; {advice}")));
        }
        if failed > 0 {
            let advice = "ask for reports (producer.reports) to learn which";
            return Err(Error::new(Kind::PartialFailure, format!("{message}; {advice}")));
        }
        reply.message.set(&message);
        Ok(())
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        if let Some(core) = self.made() {
            let _ = core.flush(Some(Duration::ZERO), true);
        }
        self.client.let_go();
    }
}
