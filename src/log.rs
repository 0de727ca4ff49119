//! What the library has to say, and to whom. Nothing is said to anybody who did not ask, and no lock is held.

use crate::error::{Error, Result};
use std::fmt;

/// Severities, numbered as in syslog.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Records were lost or a call cannot succeed.
    Error = 3,
    /// Something went wrong and was dealt with.
    Warn = 4,
    /// What a person watching wants to know.
    Info = 6,
    /// Every step.
    Debug = 7,
}

impl Level {
    /// The least severe level that a host wants, numbered as in syslog; 0 is silence.
    pub(crate) fn parse(number: i32) -> Result<Option<Level>> {
        match number {
            0 => Ok(None),
            3 => Ok(Some(Level::Error)),
            4 => Ok(Some(Level::Warn)),
            6 => Ok(Some(Level::Info)),
            7 => Ok(Some(Level::Debug)),
            other => Err(Error::invalid(format!(
                "the log level is {other}; allowed: 0 (nothing), 3 (errors), 4 (warnings), 6 (information), 7 \
                 (debugging)"
            ))),
        }
    }

    /// The word at the head of a line, and of the option `log_level`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
        }
    }
}

/// A host's function for log lines.
pub(crate) type Listener = dyn Fn(Level, &str) + Send + Sync;

/// Where lines go.
#[derive(Default)]
pub(crate) enum Sink {
    /// Nowhere.
    #[default]
    None,
    /// To a descriptor that the host opened, a line each.
    Descriptor(i32),
    /// To the host's function.
    Host(std::sync::Arc<Listener>),
}

/// The log of a client.
#[derive(Default)]
pub(crate) struct Log {
    /// Lines less severe are not made; `None` makes none at all.
    pub(crate) level: Option<Level>,
    /// Who listens.
    pub(crate) sink: Sink,
    /// Panics at the next line, for tests of the boundary.
    #[cfg(feature = "test-hooks")]
    pub(crate) panics: bool,
}

impl Log {
    /// Whether a line of that level is heard: what goes into it need not be made otherwise.
    pub(crate) fn wants(&self, level: Level) -> bool {
        !matches!(self.sink, Sink::None) && self.level.is_some_and(|most| level <= most)
    }

    /// Writes a line if somebody wants it.
    pub(crate) fn write(&self, level: Level, line: fmt::Arguments<'_>) {
        if !self.wants(level) {
            return;
        }
        #[cfg(feature = "test-hooks")]
        assert!(!self.panics, "test.panic = log");
        match &self.sink {
            Sink::None => {}
            Sink::Descriptor(fd) => {
                let line =
                    format!("firehose: {}: {}\n", level.name(), crate::text::one_line(&line.to_string()));
                crate::sys::output::write_line(*fd, line.as_bytes());
            }
            Sink::Host(listener) => listener(level, &line.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[test]
    fn only_what_was_asked_for_is_said() {
        let said = Arc::new(Mutex::new(Vec::new()));
        let ear = Arc::clone(&said);
        let mut log = Log::default();
        log.write(Level::Error, format_args!("nobody listens"));
        log.sink =
            Sink::Host(Arc::new(move |level, line| ear.lock().unwrap().push(format!("{level:?} {line}"))));
        log.write(Level::Error, format_args!("no level"));
        log.level = Some(Level::Warn);
        log.write(Level::Warn, format_args!("{}", 1));
        log.write(Level::Info, format_args!("{}", 2));
        assert_eq!(*said.lock().unwrap(), ["Warn 1"]);
    }
}
