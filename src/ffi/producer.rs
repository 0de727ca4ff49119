use super::args::{bytes, null, sized, text};
use super::boundary::{call, plain};
use super::client::firehose_client;
use super::config::firehose_config;
use super::handle::{Handle, Shared, Sole};
use super::result::firehose_result;
use super::status::firehose_status;
use crate::client::Setup;
use crate::error::Result;
use crate::producer::{Delivery, Producer};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// Background delivery to one stream: firehose_producer_put takes a record in at once; threads of the producer
/// collect batches, send them, and send again what the service refused. Any number of threads may use one producer at
/// once. It keeps its client alive: the two may be freed in either order. After fork the parent goes on; the child
/// starts with an empty queue, and with threads and a descriptor of its own.
pub struct firehose_producer {
    _private: [u8; 0],
}

impl Handle for firehose_producer {
    type Inner = Producer;
}

/// What became of one firehose_producer_put.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct firehose_delivery {
    /// The caller's name for the record.
    pub tag: u64,
    /// FIREHOSE_OK, or why it failed for good.
    pub status: firehose_status,
    /// Calls that it was part of.
    pub attempts: u32,
    /// The service's code, or the status's name where the service gave none; "" when delivered. NUL-terminated.
    pub error_code: [c_char; 64],
}

/// Counters of a producer, since it was made (in a forked child: since the fork). Set struct_size to its sizeof.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct firehose_stats {
    /// sizeof(firehose_stats)
    pub struct_size: usize,
    /// Records taken.
    pub records: u64,
    /// Their bytes, delimiters included.
    pub bytes: u64,
    /// Records delivered.
    pub delivered: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Their bytes as the service bills them: each record of a call as a multiple of 5,120.
    pub billed_bytes: u64,
    /// Records that failed for good.
    pub failed: u64,
    /// Times that a record went back to the head of the queue.
    pub retried: u64,
    /// Times that a record was throttled.
    pub throttled: u64,
    /// Requests made.
    pub requests: u64,
    /// Records waiting now.
    pub queued: u64,
    /// Their bytes.
    pub queued_bytes: u64,
    /// Records in calls now.
    pub in_flight: u64,
    /// Reports not fetched now.
    pub reports: u64,
    /// Bytes that count against producer.queue_bytes now.
    pub used_bytes: u64,
    /// Records of earlier processes that the spool held when it was opened.
    pub recovered: u64,
    /// Records in the spool now, those in calls included.
    pub spooled: u64,
    /// Bytes of the spool's files now.
    pub spool_bytes: u64,
    /// Places in the spool that were found damaged when it was opened, and skipped.
    pub spool_damaged: u64,
}

/// Milliseconds of a C caller: negative is no limit.
fn limit(timeout_ms: i32) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

/// Makes a producer for a stream. config may be NULL; only its producer.* options are looked at, and they come before
/// those that the client was made with. Does no network I/O, and starts no thread unless there is a spool
/// (producer.spool_dir) that holds records of an earlier process, which are delivered first. On success *producer is the
/// caller's, who frees it with firehose_producer_free; on failure it is set to NULL.
///
/// Returns FIREHOSE_OK, FIREHOSE_INVALID_ARGUMENT, or FIREHOSE_SPOOL_FAILED where the spool's folder cannot be used.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_new(
    client: *mut firehose_client,
    stream: *const c_char,
    config: *const firehose_config,
    producer: *mut *mut firehose_producer,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_producer_new", result, |_| {
            if producer.is_null() {
                return Err(null("producer"));
            }
            producer.write(std::ptr::null_mut());
            let client = Shared::share(client).ok_or_else(|| null("client"))?;
            let none = Setup::default();
            let setup = Sole::borrow(config).unwrap_or(&none);
            let made = Producer::new(client, text("stream", stream)?, setup)?;
            producer.write(Shared::give(Arc::new(made)));
            Ok(())
        })
    }
}

/// Takes a record in, to be delivered in the background: copies it and comes back, without touching the network. A
/// record has at most 1,024,000 bytes with its delimiter. tag is the caller's own name for it in its report. Where
/// producer.queue_bytes, or with a spool producer.spool_bytes or the disk, is used up it waits for room, up to timeout_ms:
/// 0 never waits, -1 has no limit. With a spool (producer.spool_dir) a record that was taken outlives the process.
///
/// Returns FIREHOSE_OK once the record is taken, FIREHOSE_QUEUE_FULL where there was no room in time,
/// FIREHOSE_CLOSED after firehose_producer_close, FIREHOSE_SPOOL_FAILED where the spool cannot be written, or
/// FIREHOSE_INVALID_ARGUMENT. The reason goes to the log. What is not FIREHOSE_OK was not taken, save that with
/// producer.spool_sync = put a record that could not be synced may be delivered all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_put(
    producer: *mut firehose_producer,
    data: *const c_void,
    len: usize,
    tag: u64,
    timeout_ms: i32,
) -> firehose_status {
    plain(firehose_status::FIREHOSE_INTERNAL, || {
        // SAFETY: the header's contract for each pointer; NULL is checked.
        let Some(producer) = (unsafe { Shared::borrow(producer) }) else {
            return firehose_status::FIREHOSE_INVALID_ARGUMENT;
        };
        let producer: &Producer = producer;
        // SAFETY: as above; the bytes are read during this call only.
        let outcome = unsafe { bytes("data", data, len) };
        match outcome.and_then(|data| producer.put(data, tag, limit(timeout_ms))) {
            Ok(()) => firehose_status::FIREHOSE_OK,
            Err(error) => {
                producer.say_refused(&error);
                error.kind.into()
            }
        }
    })
}

/// Waits until every record put before is delivered or has failed for good, up to timeout_ms (-1: no limit); batches
/// do not wait to be filled meanwhile. The result's message counts delivered, failed and left since the last flush;
/// firehose_result_record_count and _failed_count give the first two as numbers.
///
/// Returns FIREHOSE_OK when all were delivered, FIREHOSE_PARTIAL_FAILURE when some failed for good, FIREHOSE_TIMEOUT
/// when the time was up first: what is left is still being delivered.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_flush(
    producer: *mut firehose_producer,
    timeout_ms: i32,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_producer_flush", result, |reply| {
            Shared::borrow(producer).ok_or_else(|| null("producer"))?.flush(limit(timeout_ms), reply)
        })
    }
}

/// Fetches up to max reports into deliveries and gives their number; waits up to timeout_ms (-1: no limit) for the
/// first. Which fates are reported is told by producer.reports; each such record has exactly one report, kept until
/// it is fetched. Gives 0 where there is none in time, and at once where none will come.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_poll(
    producer: *mut firehose_producer,
    deliveries: *mut firehose_delivery,
    max: usize,
    timeout_ms: i32,
) -> usize {
    plain(0, || {
        // SAFETY: the header's contract; NULL is checked.
        let Some(producer) = (unsafe { Shared::borrow(producer) }) else { return 0 };
        if deliveries.is_null() {
            return 0;
        }
        let producer: &Producer = producer;
        let mut next = 0;
        producer.poll(max, limit(timeout_ms), |delivery| {
            // SAFETY: the caller has room for `max`, and no more than that are fetched.
            unsafe { deliveries.add(next).write(told(&delivery)) };
            next += 1;
        })
    })
}

fn told(delivery: &Delivery) -> firehose_delivery {
    let mut error_code = [0; 64];
    let code = delivery.code.as_deref().unwrap_or_default();
    // One is left for the NUL.
    for (to, from) in error_code.iter_mut().take(63).zip(code.bytes()) {
        *to = c_char::from_ne_bytes([from]);
    }
    firehose_delivery {
        tag: delivery.tag,
        status: delivery.failed.map_or(firehose_status::FIREHOSE_OK, firehose_status::from),
        attempts: delivery.attempts,
        error_code,
    }
}

/// A descriptor that is readable while reports wait: for poll, epoll, libevent. It belongs to the producer and is only
/// to be waited on; fetch with firehose_producer_poll and a timeout of 0. -1 where producer.reports is none. In a
/// forked child ask again: it has one of its own. Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_fd(producer: *mut firehose_producer) -> i32 {
    // SAFETY: the header's contract; NULL is checked.
    plain(-1, || unsafe { Shared::borrow(producer) }.map_or(-1, Producer::descriptor))
}

/// Fills in the counters. Cheap enough for every second. Does not block.
///
/// Returns FIREHOSE_OK, or FIREHOSE_INVALID_ARGUMENT where a pointer is NULL or struct_size is not the size of a
/// firehose_stats of this header or a later one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_stats(
    producer: *mut firehose_producer,
    stats: *mut firehose_stats,
) -> firehose_status {
    plain(firehose_status::FIREHOSE_INTERNAL, || {
        // SAFETY: the header's contract for each pointer; NULL is checked.
        let filled = unsafe { fill(producer, stats) };
        filled.map_or_else(|error| error.kind.into(), |()| firehose_status::FIREHOSE_OK)
    })
}

/// # Safety
/// As the header says of `firehose_producer_stats`.
unsafe fn fill(producer: *mut firehose_producer, stats: *mut firehose_stats) -> Result<()> {
    // SAFETY: the caller's promise; NULL is checked.
    let producer: &Producer = unsafe { Shared::borrow(producer) }.ok_or_else(|| null("producer"))?;
    if stats.is_null() {
        return Err(null("stats"));
    }
    // SAFETY: not NULL, and the caller's promise.
    let struct_size = unsafe { sized("stats", stats.cast_const()) }?.struct_size;
    let now = producer.stats();
    let counted = firehose_stats {
        struct_size,
        records: now.records,
        bytes: now.bytes,
        delivered: now.delivered,
        delivered_bytes: now.delivered_bytes,
        billed_bytes: now.billed_bytes,
        failed: now.failed,
        retried: now.retried,
        throttled: now.throttled,
        requests: now.requests,
        queued: now.queued,
        queued_bytes: now.queued_bytes,
        in_flight: now.in_flight,
        reports: now.reports,
        used_bytes: now.used_bytes,
        recovered: now.recovered,
        spooled: now.spooled,
        spool_bytes: now.spool_bytes,
        spool_damaged: now.spool_damaged,
    };
    // SAFETY: as above.
    unsafe { stats.write_unaligned(counted) };
    Ok(())
}

/// Flushes, up to timeout_ms, and stops: nothing is taken any more. Comes back in time even where the endpoint hangs.
/// What is left at the end has failed, and is counted and reported so; reports can still be fetched.
///
/// Returns as firehose_producer_flush does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_close(
    producer: *mut firehose_producer,
    timeout_ms: i32,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_producer_close", result, |reply| {
            Shared::borrow(producer).ok_or_else(|| null("producer"))?.close(limit(timeout_ms), reply)
        })
    }
}

/// Closes without waiting, then frees: close first, where what is still queued matters. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_producer_free(producer: *mut firehose_producer) {
    // SAFETY: the header's contract.
    plain((), || unsafe { Shared::free(producer) });
}
