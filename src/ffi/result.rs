use super::boundary::plain;
use super::handle::{Handle, Sole};
use super::status::firehose_status;
use crate::wire::{Reply, Text};
use std::ffi::c_char;

/// What a call gave back. Made once, filled in place by each call, freed once; what it held before a call is gone
/// after it. The strings that it gives are NUL-terminated UTF-8, belong to it, and are valid until it is filled again
/// or freed; what is not known is "", never NULL. Every accessor takes NULL too, and then gives "" or 0.
///
/// One thread at a time may use a result; it may move from thread to thread.
pub struct firehose_result {
    _private: [u8; 0],
}

/// What is behind the handle.
pub(super) struct Outcome {
    pub(super) status: firehose_status,
    pub(super) reply: Reply,
}

impl Default for Outcome {
    fn default() -> Outcome {
        Outcome { status: firehose_status::FIREHOSE_OK, reply: Reply::default() }
    }
}

impl Handle for firehose_result {
    type Inner = Outcome;
}

/// Reads something of a result; `fallback` stands for NULL.
///
/// # Safety
/// `result` is NULL or a live result that no other thread fills.
unsafe fn read<T: Copy>(result: *const firehose_result, fallback: T, get: impl FnOnce(&Outcome) -> T) -> T {
    // SAFETY: the caller's promise.
    plain(fallback, || unsafe { Sole::borrow(result) }.map_or(fallback, get))
}

/// As [`read`], for a text.
///
/// # Safety
/// As for [`read`].
unsafe fn text(result: *const firehose_result, get: impl FnOnce(&Reply) -> &Text) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { read(result, c"".as_ptr(), |outcome| get(&outcome.reply).with_nul().as_ptr().cast()) }
}

/// As [`read`], for a text of one record.
///
/// # Safety
/// As for [`read`].
unsafe fn text_at(result: *const firehose_result, get: impl FnOnce(&Reply) -> &[u8]) -> *const c_char {
    // SAFETY: the caller's promise.
    unsafe { read(result, c"".as_ptr(), |outcome| get(&outcome.reply).as_ptr().cast()) }
}

/// Makes an empty result. The caller frees it with firehose_result_free. Does not block. NULL only where a fault of
/// the library was contained; every call takes a NULL result.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_result_new() -> *mut firehose_result {
    plain(std::ptr::null_mut(), || Sole::give(Outcome::default()))
}

/// The status of the last call that filled the result: what that call returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_status(result: *const firehose_result) -> firehose_status {
    // SAFETY: the header's contract.
    unsafe { read(result, firehose_status::FIREHOSE_OK, |outcome| outcome.status) }
}

/// What failed, where, why, and what to do, in words for a person; "" after a success. Holds no secret.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_message(result: *const firehose_result) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text(result, |reply| &reply.message) }
}

/// The service's own code of the last attempt, such as "ResourceNotFoundException".
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_error_code(result: *const firehose_result) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text(result, |reply| &reply.error_code) }
}

/// The HTTP status of the last attempt; 0: no answer came.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_http_status(result: *const firehose_result) -> i32 {
    // SAFETY: the header's contract.
    unsafe { read(result, 0, |outcome| i32::from(outcome.reply.http_status)) }
}

/// The service's id of the last attempt, which AWS Support asks for.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_request_id(result: *const firehose_result) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text(result, |reply| &reply.request_id) }
}

/// How many attempts the call made, those included that found no connection; 0 where it was refused before the first.
/// A request that meets a connection which the peer has closed meanwhile is sent again within the same attempt.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_attempts(result: *const firehose_result) -> u32 {
    // SAFETY: the header's contract.
    unsafe { read(result, 0, |outcome| outcome.reply.attempts) }
}

/// Whether the same call may succeed later, nothing else being changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_retryable(result: *const firehose_result) -> bool {
    // SAFETY: the header's contract.
    unsafe { read(result, false, |outcome| outcome.reply.retryable) }
}

/// The id that the service gave the record of firehose_put_record.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_record_id(result: *const firehose_result) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text(result, |reply| &reply.record_id) }
}

/// Whether the stream encrypts what it stores, as the service says in its answer to a put.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_encrypted(result: *const firehose_result) -> bool {
    // SAFETY: the header's contract.
    unsafe { read(result, false, |outcome| outcome.reply.encrypted) }
}

/// The JSON that firehose_call or firehose_client_describe gave; its length in bytes goes to len, which may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_body(
    result: *const firehose_result,
    len: *mut usize,
) -> *const c_char {
    let get = |outcome: &Outcome| {
        let text = outcome.reply.body.with_nul();
        (text.as_ptr().cast(), text.len() - 1)
    };
    // SAFETY: the header's contract.
    let (text, length): (*const c_char, usize) = unsafe { read(result, (c"".as_ptr(), 0), get) };
    if !len.is_null() {
        // SAFETY: not NULL, and the caller's to write.
        unsafe { len.write(length) };
    }
    text
}

/// How many records the batch had that the result tells of; 0 where nothing was sent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_record_count(result: *const firehose_result) -> usize {
    // SAFETY: the header's contract.
    unsafe { read(result, 0, |outcome| outcome.reply.record_count()) }
}

/// How many of those were not delivered, as far as is known.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_failed_count(result: *const firehose_result) -> usize {
    // SAFETY: the header's contract.
    unsafe { read(result, 0, |outcome| outcome.reply.failed_count()) }
}

/// The id of the record at an index of the batch; "" where it was not delivered, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_record_id_at(
    result: *const firehose_result,
    index: usize,
) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text_at(result, |reply| reply.record_id_at(index)) }
}

/// Why the record at an index of the batch was not delivered: the service's code, or where it gave none the name of a
/// status, such as "FIREHOSE_TIMEOUT"; "" for a delivered record, and past the end.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_error_code_at(
    result: *const firehose_result,
    index: usize,
) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text_at(result, |reply| reply.error_code_at(index)) }
}

/// The same in words.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_error_message_at(
    result: *const firehose_result,
    index: usize,
) -> *const c_char {
    // SAFETY: the header's contract.
    unsafe { text_at(result, |reply| reply.error_message_at(index)) }
}

/// Frees a result and all strings it gave. NULL is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_result_free(result: *mut firehose_result) {
    // SAFETY: the header's contract.
    plain((), || unsafe { Sole::free(result) });
}
