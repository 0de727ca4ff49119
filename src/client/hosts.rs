//! The host's own functions, which are never called once nothing that it holds refers to the client.
//!
//! A producer's thread may be in a call when the host frees its last handle, and the call ends later. The gate is
//! closed by the last handle; it waits for a function that is running, and no other is begun.

use crate::credentials::{Credentials, Moment, Provider};
use crate::error::{Error, Kind, Result};
use crate::log::Listener;
use crate::sys::fork::PerProcess;
use std::sync::{Arc, PoisonError, RwLock};

/// Open until the host has given back everything that refers to the client. A forked child has its own: a lock that
/// a thread of the parent held would never be free there.
pub(crate) struct Gate(PerProcess<RwLock<bool>>);

impl Gate {
    /// Open.
    pub(super) fn new() -> Gate {
        Gate(PerProcess::new(RwLock::new(true)))
    }

    fn lock(&self) -> &RwLock<bool> {
        self.0.get(|| RwLock::new(true))
    }

    /// Runs `function` unless the gate is closed.
    fn through<T>(&self, function: impl FnOnce() -> T) -> Option<T> {
        let open = self.lock().read().unwrap_or_else(PoisonError::into_inner);
        open.then(function)
    }

    /// Waits for what is running; nothing is begun afterwards.
    pub(super) fn close(&self) {
        *self.lock().write().unwrap_or_else(PoisonError::into_inner) = false;
    }
}

/// The host's log behind the gate.
pub(super) fn listener(gate: &Arc<Gate>, inner: &Arc<Listener>) -> Arc<Listener> {
    let (gate, inner) = (Arc::clone(gate), Arc::clone(inner));
    Arc::new(move |level, line| {
        gate.through(|| inner(level, line));
    })
}

/// The host's source of keys behind the gate.
pub(super) struct Gated {
    pub(super) gate: Arc<Gate>,
    pub(super) inner: Arc<dyn Provider>,
}

impl Provider for Gated {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let freed = || Err(Error::new(Kind::CredentialsFailed, "the client was freed".to_owned()));
        self.gate.through(|| self.inner.fetch(moment)).unwrap_or_else(freed)
    }

    fn name(&self) -> String {
        self.inner.name()
    }

    fn renews(&self) -> bool {
        self.inner.renews()
    }

    fn outlives_expiry(&self) -> bool {
        self.inner.outlives_expiry()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;
    use std::sync::Mutex;
    use std::sync::mpsc::channel;

    #[test]
    fn nothing_is_called_once_the_gate_is_closed_and_closing_waits() {
        let gate = Arc::new(Gate::new());
        let said = Arc::new(Mutex::new(Vec::new()));
        let (begun, wait_begun) = channel();
        let ear = Arc::clone(&said);
        let begun = Mutex::new(begun);
        let slow: Arc<Listener> = Arc::new(move |_, line| {
            begun.lock().unwrap().send(()).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            ear.lock().unwrap().push(line.to_owned());
        });
        let log = listener(&gate, &slow);
        let other = Arc::clone(&log);
        let speaker = std::thread::spawn(move || other(Level::Warn, "before"));
        wait_begun.recv().unwrap();
        gate.close();
        assert_eq!(*said.lock().unwrap(), ["before"]);
        log(Level::Warn, "after");
        speaker.join().unwrap();
        assert_eq!(*said.lock().unwrap(), ["before"]);
    }
}
