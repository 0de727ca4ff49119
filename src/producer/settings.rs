//! The options of a producer, resolved.

use crate::config::{Config, Key};
use crate::error::{Error, Result};
use crate::wire::limits;
use std::time::Duration;

/// Which fates are reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reports {
    /// None: failures are counted and logged.
    None,
    /// Those of records that failed for good.
    Failures,
    /// All.
    All,
}

/// What a full queue does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overflow {
    /// Refuses the new record.
    Refuse,
    /// Drops the oldest ones.
    DropOldest,
}

/// What a producer is told.
#[derive(Clone, Debug)]
pub(crate) struct ProducerSettings {
    /// Records that close a batch.
    pub(crate) batch_records: usize,
    /// Bytes that close a batch.
    pub(crate) batch_bytes: usize,
    /// How long a record may wait for others.
    pub(crate) linger: Duration,
    /// What may be held in memory, in bytes.
    pub(crate) queue_bytes: usize,
    /// Calls at once, each on a thread of its own.
    pub(crate) max_in_flight: usize,
    /// What a record ends with; appended where it does not.
    pub(crate) delimiter: Option<u8>,
    /// What a full queue does.
    pub(crate) overflow: Overflow,
    /// The age at which a record is given up.
    pub(crate) delivery_timeout: Duration,
    /// Which fates are reported.
    pub(crate) reports: Reports,
}

impl ProducerSettings {
    /// From the producer's own options, the client's, the defaults, in that order.
    pub(crate) fn resolve(own: &Config, clients: &Config) -> Result<ProducerSettings> {
        let get = |key: Key| own.get(key).or_else(|| clients.get(key)).or_else(|| key.default());
        let number = |key: Key| {
            let text = get(key).unwrap_or_default();
            text.trim().parse::<u64>().map_err(|_| Error::invalid(format!("{text:?} is no number")))
        };
        let size = |key: Key| Ok::<_, Error>(usize::try_from(number(key)?).unwrap_or(usize::MAX));
        let delimiter = get(Key::ProducerDelimiter).map(|text| match text {
            "\\n" | "\n" => Ok(b'\n'),
            other => Err(Error::invalid(format!(
                "the option producer.delimiter is {other:?}; allowed: \\n, a newline"
            ))),
        });
        let chosen = |key: Key| get(key).unwrap_or_default().trim().to_ascii_lowercase();
        Ok(ProducerSettings {
            batch_records: size(Key::ProducerBatchRecords)?.clamp(1, limits::BATCH_RECORDS),
            batch_bytes: size(Key::ProducerBatchBytes)?.clamp(1, limits::BATCH_BYTES),
            linger: Duration::from_millis(number(Key::ProducerLingerMs)?),
            queue_bytes: size(Key::ProducerQueueBytes)?,
            max_in_flight: size(Key::ProducerMaxInFlight)?.max(1),
            delimiter: delimiter.transpose()?,
            overflow: match chosen(Key::ProducerOverflow).as_str() {
                "drop_oldest" => Overflow::DropOldest,
                _ => Overflow::Refuse,
            },
            delivery_timeout: Duration::from_millis(number(Key::ProducerDeliveryTimeoutMs)?),
            reports: match chosen(Key::ProducerReports).as_str() {
                "all" => Reports::All,
                "failures" => Reports::Failures,
                _ => Reports::None,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(options: &[(&str, &str)]) -> Config {
        let mut config = Config::default();
        for (name, value) in options {
            config.set(name, value).unwrap();
        }
        config
    }

    #[test]
    fn the_producers_own_options_come_before_the_clients() {
        let own = config(&[("producer.linger_ms", "5"), ("producer.reports", "ALL")]);
        let clients = config(&[("producer.linger_ms", "7"), ("producer.delimiter", "\\n")]);
        let settings = ProducerSettings::resolve(&own, &clients).unwrap();
        assert_eq!(settings.linger, Duration::from_millis(5));
        assert_eq!((settings.reports, settings.delimiter), (Reports::All, Some(b'\n')));
        assert_eq!((settings.batch_records, settings.batch_bytes), (500, 4 * 1024 * 1024));
        assert_eq!((settings.queue_bytes, settings.overflow), (64 << 20, Overflow::Refuse));
        let wrong = config(&[("producer.delimiter", "x")]);
        let message = ProducerSettings::resolve(&wrong, &clients).unwrap_err().message;
        assert!(message.contains("producer.delimiter"), "{message}");
    }
}
