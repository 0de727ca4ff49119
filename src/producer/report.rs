//! What became of puts: counted, summed up, and told one by one to those who ask.

use crate::error::Kind;
use std::collections::VecDeque;
use std::sync::Arc;

/// What became of one put.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// What the caller calls it.
    pub(crate) tag: u64,
    /// Why it failed for good; `None`: it was delivered.
    pub(crate) failed: Option<Kind>,
    /// Calls that it was part of.
    pub(crate) attempts: u32,
    /// The service's code, or the name of the status; empty when delivered.
    pub(crate) code: Option<Arc<str>>,
}

/// Counters since the producer began, but for those that say what is there now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stats {
    /// Puts taken.
    pub(crate) records: u64,
    /// Their bytes, delimiters included.
    pub(crate) bytes: u64,
    /// Puts delivered.
    pub(crate) delivered: u64,
    /// Their bytes.
    pub(crate) delivered_bytes: u64,
    /// Puts that failed for good.
    pub(crate) failed: u64,
    /// Times that a put went back to the head of the queue.
    pub(crate) retried: u64,
    /// Times that a put was throttled.
    pub(crate) throttled: u64,
    /// Bytes delivered as the service bills them: each record as a multiple of 5,120.
    pub(crate) billed_bytes: u64,
    /// Calls made, attempts counted.
    pub(crate) requests: u64,
    /// Puts of earlier processes that the spool held when it was opened.
    pub(crate) recovered: u64,
    /// Places in the spool that were found damaged, and skipped.
    pub(crate) spool_damaged: u64,
    /// Puts in the spool now, those in calls included.
    pub(crate) spooled: u64,
    /// Bytes of the spool's files now.
    pub(crate) spool_bytes: u64,
    /// Puts waiting now.
    pub(crate) queued: u64,
    /// Their bytes.
    pub(crate) queued_bytes: u64,
    /// Puts in calls now.
    pub(crate) in_flight: u64,
    /// Reports not fetched now.
    pub(crate) reports: u64,
    /// Bytes that count against `producer.queue_bytes` now.
    pub(crate) used_bytes: u64,
}

/// What flush and close sum up.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    /// Delivered since the last summary.
    pub(crate) delivered: u64,
    /// Failed for good since the last summary.
    pub(crate) failed: u64,
    /// Neither, yet.
    pub(crate) left: u64,
}

/// Reports in the order in which fates became known.
#[derive(Default)]
pub(super) struct Reports {
    waiting: VecDeque<Delivery>,
}

impl Reports {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Keeps one; true where it is the only one.
    pub(super) fn add(&mut self, delivery: Delivery) -> bool {
        self.waiting.push_back(delivery);
        self.waiting.len() == 1
    }

    /// The next one.
    pub(super) fn take(&mut self) -> Option<Delivery> {
        let delivery = self.waiting.pop_front();
        // A burst of reports must not keep its memory for good.
        if self.waiting.is_empty() && self.waiting.capacity() > 16 * 1024 {
            self.waiting = VecDeque::new();
        }
        delivery
    }
}
