//! The options of a producer, resolved.

use super::batch::GZIP_OVERHEAD;
use super::pack::Limits;
use crate::config::{Config, Key};
use crate::error::{Error, Result};
use crate::wire::limits;
use std::path::PathBuf;
use std::time::Duration;

/// The age at which a record is given up that waits in memory.
const IN_MEMORY: Duration = Duration::from_secs(300);

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

/// What of a spool outlives a loss of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpoolSync {
    /// Every put that came back with success.
    Put,
    /// All but the last second.
    Interval,
    /// What the kernel had written.
    Never,
}

/// Where records wait on disk.
#[derive(Clone, Debug)]
pub(crate) struct SpoolSettings {
    /// The folder; `%p` in it stands for the process id.
    pub(crate) dir: PathBuf,
    /// Bytes of its files at the most.
    pub(crate) bytes: u64,
    /// What outlives a loss of power.
    pub(crate) sync: SpoolSync,
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
    /// Puts are packed into records of up to this many, and this many bytes.
    pub(crate) aggregate: Option<(usize, usize)>,
    /// Each record is one gzip member.
    pub(crate) gzip: bool,
    /// Bytes sent in a second at the most.
    pub(crate) max_bytes_per_second: Option<u64>,
    /// The age at which a record is given up.
    pub(crate) delivery_timeout: Option<Duration>,
    /// Where records wait on disk, if they do.
    pub(crate) spool: Option<SpoolSettings>,
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
        let aggregate = chosen(Key::ProducerAggregate) == "true";
        let delimiter = delimiter.transpose()?.or(aggregate.then_some(b'\n'));
        let spool = match get(Key::ProducerSpoolDir).filter(|dir| !dir.is_empty()) {
            Some(dir) => Some(SpoolSettings {
                dir: PathBuf::from(dir),
                bytes: number(Key::ProducerSpoolBytes)?,
                sync: match chosen(Key::ProducerSpoolSync).as_str() {
                    "put" => SpoolSync::Put,
                    "never" => SpoolSync::Never,
                    _ => SpoolSync::Interval,
                },
            }),
            None => None,
        };
        let given = |key: Key| get(key).is_some().then(|| number(key)).transpose();
        let delivery_timeout = match (given(Key::ProducerDeliveryTimeoutMs)?, &spool) {
            (Some(ms), _) => Some(Duration::from_millis(ms)),
            (None, None) => Some(IN_MEMORY),
            (None, Some(_)) => None,
        };
        Ok(ProducerSettings {
            batch_records: size(Key::ProducerBatchRecords)?.clamp(1, limits::BATCH_RECORDS),
            batch_bytes: size(Key::ProducerBatchBytes)?.clamp(1, limits::BATCH_BYTES),
            linger: Duration::from_millis(number(Key::ProducerLingerMs)?),
            queue_bytes: size(Key::ProducerQueueBytes)?,
            max_in_flight: size(Key::ProducerMaxInFlight)?.max(1),
            delimiter,
            aggregate: if aggregate {
                Some((size(Key::ProducerAggregateRecords)?, size(Key::ProducerAggregateBytes)?))
            } else {
                None
            },
            gzip: chosen(Key::ProducerCompression) == "gzip",
            max_bytes_per_second: given(Key::ProducerMaxBytesPerSecond)?,
            overflow: match chosen(Key::ProducerOverflow).as_str() {
                "drop_oldest" => Overflow::DropOldest,
                _ => Overflow::Refuse,
            },
            delivery_timeout,
            spool,
            reports: match chosen(Key::ProducerReports).as_str() {
                "all" => Reports::All,
                "failures" => Reports::Failures,
                _ => Reports::None,
            },
        })
    }
}

impl ProducerSettings {
    /// How much goes into a record, and into a call.
    pub(super) fn limits(&self) -> Limits {
        let (lines, record_bytes) = self.aggregate.unwrap_or((1, 0));
        Limits { lines, record_bytes, records: self.batch_records, bytes: self.batch_bytes }
    }

    /// Checks the size of a put, delimiter included.
    pub(super) fn check(&self, bytes: usize) -> Result<()> {
        limits::record(if self.gzip { bytes.saturating_add(GZIP_OVERHEAD) } else { bytes })
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
        assert_eq!((settings.delivery_timeout, settings.aggregate), (Some(IN_MEMORY), None));
        let own = config(&[("producer.aggregate", "true"), ("producer.spool_dir", "/x/%p")]);
        let settings = ProducerSettings::resolve(&own, &Config::default()).unwrap();
        assert_eq!((settings.aggregate, settings.delimiter), (Some((500, 102_400)), Some(b'\n')));
        assert_eq!((settings.delivery_timeout, settings.max_bytes_per_second), (None, None));
        let spool = settings.spool.unwrap();
        assert_eq!((spool.bytes, spool.sync), (1 << 30, SpoolSync::Interval));
        let wrong = config(&[("producer.delimiter", "x")]);
        let message = ProducerSettings::resolve(&wrong, &clients).unwrap_err().message;
        assert!(message.contains("producer.delimiter"), "{message}");
    }
}
