use super::args::{bytes, null, optional_text, sized, text};
use super::boundary::{call, plain};
use super::config::firehose_config;
use super::handle::{Handle, Shared, Sole};
use super::result::firehose_result;
use super::status::firehose_status;
use crate::client::{Client, PutOptions, Records, Resend, Setup};
use crate::error::{Error, Result};
use std::ffi::{c_char, c_void};
use std::sync::Arc;
use std::time::Duration;

/// A client of the service: its settings, its connections, its keys. Any number of threads may use one client at
/// once. It works on after fork, in the parent and in the child: the child opens connections of its own at its first
/// call.
pub struct firehose_client {
    _private: [u8; 0],
}

impl Handle for firehose_client {
    type Inner = Client;
}

/// One record of a batch: any bytes. (NULL, 0) is an empty record.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct firehose_record {
    /// The bytes; only read, and only during the call.
    pub data: *const c_void,
    /// How many; at most 1,024,000.
    pub len: usize,
}

/// What a single put may ask for. Set it to zero, then struct_size to its sizeof, then what is wanted.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct firehose_put_options {
    /// sizeof(firehose_put_options)
    pub struct_size: usize,
    /// Not 0: the data is base64 already (RFC 4648, padded) and is sent as it is; it is checked to be base64.
    pub data_is_base64: i32,
    /// NULL: not sent. This and the next three are extra members of the request, as in the put_record of the first
    /// Python client; the service of today takes no notice of them.
    pub partition_key: *const c_char,
    /// NULL: not sent.
    pub explicit_hash_key: *const c_char,
    /// NULL: not sent.
    pub sequence_number_for_ordering: *const c_char,
    /// NULL: not sent.
    pub exclusive_minimum_sequence_number: *const c_char,
    /// The limit for the whole call in milliseconds; 0: the client's operation_timeout_ms.
    pub timeout_ms: i32,
}

/// Makes a client. Reads the environment and the shared config files now and never again; does no network I/O and
/// takes no time to speak of. config may be NULL: all comes from the environment. On success *client is the caller's,
/// who frees it with firehose_free; on failure it is set to NULL.
///
/// Returns FIREHOSE_OK, FIREHOSE_INVALID_ARGUMENT for a setting that is wrong wherever it comes from, or
/// FIREHOSE_CREDENTIALS_FAILED for a profile or environment that is. That no region or no keys are there is told by
/// the first call that needs them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_client_new(
    config: *const firehose_config,
    client: *mut *mut firehose_client,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_client_new", result, |_| {
            if client.is_null() {
                return Err(null("client"));
            }
            client.write(std::ptr::null_mut());
            let none = Setup::default();
            let setup = Sole::borrow(config).unwrap_or(&none);
            let made = Client::new(setup, &|name| std::env::var_os(name))?;
            client.write(Shared::give(Arc::new(made)));
            Ok(())
        })
    }
}

/// Describes a client as JSON in the result's body: each setting in force and where it came from, the endpoint, the
/// source of keys and those passed over, the roots in use, the measured clock skew. Holds no secret. Sends nothing and
/// does not block.
///
/// Returns FIREHOSE_OK or FIREHOSE_INVALID_ARGUMENT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_client_describe(
    client: *mut firehose_client,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_client_describe", result, |reply| {
            Shared::borrow(client).ok_or_else(|| null("client"))?.describe(reply)
        })
    }
}

/// Puts one record into a stream and waits for the service's answer. data is read during the call only; it is sent as
/// base64, so any bytes will do, and nothing is added to them: a line needs its own newline. A stream's name has 1 to
/// 64 of the characters a-z A-Z 0-9 _ . -; a record has at most 1,024,000 bytes. Failures that may pass are tried
/// again, up to max_attempts and within operation_timeout_ms, so that a record may arrive twice. Blocks for that long
/// at most.
///
/// Returns FIREHOSE_OK once the service has the record (the result has its id), or any status but
/// FIREHOSE_PARTIAL_FAILURE. After FIREHOSE_TIMEOUT, FIREHOSE_IO_FAILED and FIREHOSE_BAD_RESPONSE the record may have
/// been written all the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_put_record(
    client: *mut firehose_client,
    stream: *const c_char,
    data: *const c_void,
    len: usize,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_put_record", result, |reply| {
            let client: &Client = Shared::borrow(client).ok_or_else(|| null("client"))?;
            client.put_record(
                text("stream", stream)?,
                bytes("data", data, len)?,
                PutOptions::default(),
                reply,
            )
        })
    }
}

/// As firehose_put_record, with options, which may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_put_record_with(
    client: *mut firehose_client,
    stream: *const c_char,
    data: *const c_void,
    len: usize,
    options: *const firehose_put_options,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_put_record_with", result, |reply| {
            let client: &Client = Shared::borrow(client).ok_or_else(|| null("client"))?;
            let (stream, data) = (text("stream", stream)?, bytes("data", data, len)?);
            if options.is_null() {
                return client.put_record(stream, data, PutOptions::default(), reply);
            }
            let given = sized("options", options)?;
            let members = [
                ("PartitionKey", optional_text("partition_key", given.partition_key)?),
                ("ExplicitHashKey", optional_text("explicit_hash_key", given.explicit_hash_key)?),
                (
                    "SequenceNumberForOrdering",
                    optional_text("sequence_number_for_ordering", given.sequence_number_for_ordering)?,
                ),
                (
                    "ExclusiveMinimumSequenceNumber",
                    optional_text(
                        "exclusive_minimum_sequence_number",
                        given.exclusive_minimum_sequence_number,
                    )?,
                ),
            ];
            let base64 = given.data_is_base64 != 0;
            let options = PutOptions { base64, members: &members, timeout: timeout(given.timeout_ms)? };
            client.put_record(stream, data, options, reply)
        })
    }
}

/// Puts 1 to 500 records, 4,194,304 bytes together, into a stream in one call and waits for the answer. Records that
/// the service refuses are sent again, and only those. All is checked before anything is sent. The records are read
/// during the call only. Blocks for operation_timeout_ms at most.
///
/// Returns FIREHOSE_OK once the service has all of them; FIREHOSE_PARTIAL_FAILURE where some failed for good (the
/// result tells of each under the index that it has here: firehose_result_record_id_at or
/// firehose_result_error_code_at); any other status where none is known to have been taken.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_put_record_batch(
    client: *mut firehose_client,
    stream: *const c_char,
    records: *const firehose_record,
    count: usize,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_put_record_batch", result, |reply| {
            let client: &Client = Shared::borrow(client).ok_or_else(|| null("client"))?;
            let stream = text("stream", stream)?;
            let batch = Batch::new(records, count)?;
            client.put_record_batch(stream, &batch, Resend::Refused, reply)
        })
    }
}

/// Calls any operation of the service: action is its name, such as "DescribeDeliveryStream", json its request, which
/// is sent as it is ((NULL, 0) is {}). The answer is the result's body; {} where the service gives nothing back. A
/// PutRecordBatch made this way is FIREHOSE_OK even where the service refused some of its records: only
/// firehose_put_record_batch looks at each and sends the refused ones again. Failures that may pass are tried again. Blocks
/// for operation_timeout_ms at most.
///
/// Returns FIREHOSE_OK, or any status but FIREHOSE_PARTIAL_FAILURE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_call(
    client: *mut firehose_client,
    action: *const c_char,
    json: *const c_char,
    json_len: usize,
    result: *mut firehose_result,
) -> firehose_status {
    // SAFETY: the header's contract for each pointer; NULL is checked.
    unsafe {
        call("firehose_call", result, |reply| {
            let client: &Client = Shared::borrow(client).ok_or_else(|| null("client"))?;
            client.call(text("action", action)?, bytes("json", json.cast(), json_len)?, reply)
        })
    }
}

/// Frees a client once no call is using it. NULL is ignored. In a forked child it frees nothing of the parent's.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_free(client: *mut firehose_client) {
    // SAFETY: the header's contract.
    plain((), || unsafe {
        if let Some(inner) = Shared::borrow(client) {
            Client::let_go(inner);
        }
        Shared::free(client);
    });
}

fn timeout(timeout_ms: i32) -> Result<Option<Duration>> {
    match u64::try_from(timeout_ms) {
        Ok(0) => Ok(None),
        Ok(ms) => Ok(Some(Duration::from_millis(ms))),
        Err(_) => Err(Error::invalid(format!(
            "timeout_ms is {timeout_ms}; it is 0 for the client's own limit, or a number of milliseconds"
        ))),
    }
}

/// A caller's array of records, checked once and read where it lies.
struct Batch<'a>(&'a [firehose_record]);

impl<'a> Batch<'a> {
    /// # Safety
    /// `records` is NULL or points to `count` records, each with as many readable bytes as it says, which stay as they
    /// are during `'a`.
    unsafe fn new(records: *const firehose_record, count: usize) -> Result<Batch<'a>> {
        if count == 0 {
            return Ok(Batch(&[]));
        }
        if records.is_null() {
            return Err(null("records"));
        }
        crate::wire::limits::batch_count(count)?;
        // SAFETY: not NULL, a sensible count, and the caller's promise.
        let records = unsafe { std::slice::from_raw_parts(records, count) };
        for (index, record) in records.iter().enumerate() {
            if record.data.is_null() && record.len > 0 {
                let message = format!("the record at index {index} is NULL and its length is {}", record.len);
                return Err(Error::invalid(message));
            }
        }
        Ok(Batch(records))
    }
}

impl Records for Batch<'_> {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn size(&self, index: usize) -> usize {
        self.0.get(index).map_or(0, |record| record.len)
    }

    fn get(&self, index: usize) -> &[u8] {
        match self.0.get(index) {
            Some(record) if record.len > 0 => {
                // SAFETY: not NULL, as `new` has checked, of a size that the limits have passed, and the caller's
                // promise.
                unsafe { std::slice::from_raw_parts(record.data.cast(), record.len) }
            }
            _ => &[],
        }
    }
}
