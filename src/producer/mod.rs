//! The producer: records are taken in at once and delivered in the background.

mod batch;
mod chunk;
mod core;
mod epochs;
mod memory;
mod pack;
mod queue;
#[cfg(test)]
mod queue_tests;
mod report;
mod sender;
mod settings;
mod spool;

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
use std::sync::Arc;
use std::time::Duration;

/// A producer of one stream, and the state that each process has for itself: a child starts with an empty queue.
pub(crate) struct Producer {
    client: Arc<Client>,
    stream: Arc<str>,
    settings: Arc<ProducerSettings>,
    state: PerProcess<State>,
}

struct State {
    core: Arc<Core>,
    random: Arc<Random>,
}

impl State {
    fn new(settings: &Arc<ProducerSettings>) -> State {
        State { core: Arc::new(Core::new(settings)), random: Arc::new(Random::new()) }
    }
}

impl Producer {
    /// Resolves the settings; starts no thread yet.
    pub(crate) fn new(client: Arc<Client>, stream: &str, setup: &Setup) -> Result<Producer> {
        limits::stream_name(stream)?;
        let settings = Arc::new(ProducerSettings::resolve(&setup.config, client.producer_options())?);
        let state = PerProcess::new(State::new(&settings));
        client.hold();
        Ok(Producer { client, stream: stream.into(), settings, state })
    }

    fn state(&self) -> &State {
        self.state.get(|| State::new(&self.settings))
    }

    /// Takes a record. `wait` is for how long there may be no room; `None`: no limit.
    pub(crate) fn put(&self, data: &[u8], tag: u64, wait: Option<Duration>) -> Result<()> {
        let state = self.state();
        if state.core.put(data, tag, wait)? {
            let sender = Sender {
                core: Arc::clone(&state.core),
                client: Arc::clone(&self.client),
                stream: Arc::clone(&self.stream),
                random: Arc::clone(&state.random),
            };
            sender.start();
        }
        Ok(())
    }

    /// Says something to whoever listens to its client.
    pub(crate) fn say(&self, level: Level, line: &str) {
        self.client.log(level, format_args!("stream {}: {line}", self.stream));
    }

    /// Fetches up to `most` reports, waiting for the first.
    pub(crate) fn poll(&self, most: usize, wait: Option<Duration>, each: impl FnMut(Delivery)) -> usize {
        self.state().core.poll(most, wait, each)
    }

    /// The descriptor that is readable while reports wait; -1 where there is none.
    pub(crate) fn descriptor(&self) -> i32 {
        self.state().core.descriptor()
    }

    /// The counters.
    pub(crate) fn stats(&self) -> Stats {
        self.state().core.stats()
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
        let (summary, done) = self.state().core.flush(wait, close);
        let Summary { delivered, failed, left } = summary;
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        reply.sum_up(count(delivered), count(failed));
        let stream = &self.stream;
        let message =
            format!("{what} of the stream {stream}: {delivered} delivered, {failed} failed, {left} left");
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
        // In a child whose parent made it this makes, and closes, an empty one.
        let _ = self.state().core.flush(Some(Duration::ZERO), true);
        self.client.let_go();
    }
}
