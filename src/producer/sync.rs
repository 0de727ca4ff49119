//! The thread that makes the device have what was spooled, once a second.

use super::core::Core;
use crate::client::Client;
use crate::log::Level;
use crate::sys::thread;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What a loss of power may cost at the most (`producer.spool_sync` = `interval`).
const INTERVAL: Duration = Duration::from_secs(1);
/// Rounds without anything to do after which the thread ends.
const IDLE: u32 = 10;

/// Starts the thread. It ends when there is nothing to do for a while, and once the producer is closed.
pub(super) fn start(core: Arc<Core>, client: Arc<Client>, stream: Arc<str>) {
    let shared = Arc::clone(&core);
    let started = thread::spawn("firehose-sync", move || {
        let mut idle = 0;
        while idle < IDLE && !core.pause(INTERVAL) {
            match core.sync() {
                Ok(true) => idle = 0,
                Ok(false) => idle += 1,
                Err(error) => {
                    let line = format_args!(
                        "stream {stream}: the spool cannot be synced, and may not outlive a loss of power: {error}"
                    );
                    let _ = catch_unwind(AssertUnwindSafe(|| client.log(Level::Error, line)));
                }
            }
        }
        core.ends_to_sync();
        // What came after the last look and before the thread was known to end.
        let _ = core.sync();
    });
    if started.is_err() {
        shared.ends_to_sync();
    }
}

impl Core {
    /// Syncs what was spooled; false where there was nothing to do.
    fn sync(&self) -> std::io::Result<bool> {
        match self.syncer.as_ref().filter(|syncer| syncer.is_behind()) {
            Some(syncer) => syncer.sync().map(|()| true),
            None => Ok(false),
        }
    }

    /// Waits, unless the producer is closed, which is what it tells.
    fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut state = self.lock();
        while !state.closed && Instant::now() < until {
            state = self.wait(&self.ending, state, Some(until));
        }
        state.closed
    }

    fn ends_to_sync(&self) {
        self.lock().syncing = false;
    }
}
