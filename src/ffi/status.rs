use super::boundary::plain;
use crate::error::Kind;
use std::ffi::{CStr, c_char};

/// What became of a call. Values are never renumbered and never used again.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum firehose_status {
    /// Done.
    FIREHOSE_OK = 0,
    /// The caller's argument or option is wrong; nothing was sent.
    FIREHOSE_INVALID_ARGUMENT = 1,
    /// No region and no endpoint was found anywhere.
    FIREHOSE_NO_REGION = 2,
    /// Every source of credentials was asked and none has any.
    FIREHOSE_NO_CREDENTIALS = 3,
    /// The source of credentials that was chosen failed.
    FIREHOSE_CREDENTIALS_FAILED = 4,
    /// Name resolution or connection failed, proxy included.
    FIREHOSE_CONNECT_FAILED = 10,
    /// The peer's certificate or the handshake was refused.
    FIREHOSE_TLS_FAILED = 11,
    /// A time limit of the call ran out.
    FIREHOSE_TIMEOUT = 12,
    /// The connection broke in the middle of the call; the record may or may not have been written.
    FIREHOSE_IO_FAILED = 13,
    /// The answer could not be understood.
    FIREHOSE_BAD_RESPONSE = 14,
    /// Throttled past the last attempt.
    FIREHOSE_THROTTLED = 20,
    /// The service was unavailable past the last attempt.
    FIREHOSE_UNAVAILABLE = 21,
    /// Signature, token or permission refused.
    FIREHOSE_ACCESS_DENIED = 22,
    /// ResourceNotFoundException: there is no such stream.
    FIREHOSE_NOT_FOUND = 23,
    /// ResourceInUseException.
    FIREHOSE_IN_USE = 24,
    /// LimitExceededException: a quota of the account.
    FIREHOSE_LIMIT_EXCEEDED = 25,
    /// InvalidKMSResourceException.
    FIREHOSE_INVALID_KMS = 26,
    /// InvalidSourceException: only Direct PUT streams take records.
    FIREHOSE_INVALID_SOURCE = 27,
    /// ConcurrentModificationException.
    FIREHOSE_CONFLICT = 28,
    /// ExpiredIteratorException.
    FIREHOSE_EXPIRED_ITERATOR = 29,
    /// InvalidArgumentException and every other refusal of the service.
    FIREHOSE_REJECTED = 30,
    /// Some records of a batch failed past the last attempt; the result names each.
    FIREHOSE_PARTIAL_FAILURE = 31,
    /// The producer's bound is reached and the wait ran out; the record was not taken.
    FIREHOSE_QUEUE_FULL = 40,
    /// The producer is closed.
    FIREHOSE_CLOSED = 41,
    /// The spool directory cannot be used.
    FIREHOSE_SPOOL_FAILED = 42,
    /// A fault of the library.
    FIREHOSE_INTERNAL = 99,
}

use firehose_status::*;

/// Every status with its name and a sentence, in the order of their values.
const ALL: [(firehose_status, &CStr, &CStr); 26] = [
    (FIREHOSE_OK, c"FIREHOSE_OK", c"done"),
    (
        FIREHOSE_INVALID_ARGUMENT,
        c"FIREHOSE_INVALID_ARGUMENT",
        c"an argument or option is wrong; nothing was sent",
    ),
    (FIREHOSE_NO_REGION, c"FIREHOSE_NO_REGION", c"no region and no endpoint was found"),
    (FIREHOSE_NO_CREDENTIALS, c"FIREHOSE_NO_CREDENTIALS", c"no source has credentials"),
    (FIREHOSE_CREDENTIALS_FAILED, c"FIREHOSE_CREDENTIALS_FAILED", c"the chosen source of credentials failed"),
    (FIREHOSE_CONNECT_FAILED, c"FIREHOSE_CONNECT_FAILED", c"name resolution or connection failed"),
    (FIREHOSE_TLS_FAILED, c"FIREHOSE_TLS_FAILED", c"the certificate or the TLS handshake was refused"),
    (FIREHOSE_TIMEOUT, c"FIREHOSE_TIMEOUT", c"a time limit of the call ran out"),
    (
        FIREHOSE_IO_FAILED,
        c"FIREHOSE_IO_FAILED",
        c"the connection broke; the record may or may not have been written",
    ),
    (FIREHOSE_BAD_RESPONSE, c"FIREHOSE_BAD_RESPONSE", c"the answer could not be understood"),
    (FIREHOSE_THROTTLED, c"FIREHOSE_THROTTLED", c"throttled past the last attempt"),
    (FIREHOSE_UNAVAILABLE, c"FIREHOSE_UNAVAILABLE", c"the service was unavailable past the last attempt"),
    (FIREHOSE_ACCESS_DENIED, c"FIREHOSE_ACCESS_DENIED", c"signature, token or permission refused"),
    (FIREHOSE_NOT_FOUND, c"FIREHOSE_NOT_FOUND", c"there is no such delivery stream"),
    (FIREHOSE_IN_USE, c"FIREHOSE_IN_USE", c"the delivery stream is in use"),
    (FIREHOSE_LIMIT_EXCEEDED, c"FIREHOSE_LIMIT_EXCEEDED", c"a quota of the account is exceeded"),
    (FIREHOSE_INVALID_KMS, c"FIREHOSE_INVALID_KMS", c"the KMS key of the delivery stream cannot be used"),
    (
        FIREHOSE_INVALID_SOURCE,
        c"FIREHOSE_INVALID_SOURCE",
        c"the delivery stream does not take records directly",
    ),
    (FIREHOSE_CONFLICT, c"FIREHOSE_CONFLICT", c"the delivery stream was changed by someone else"),
    (FIREHOSE_EXPIRED_ITERATOR, c"FIREHOSE_EXPIRED_ITERATOR", c"the iterator has expired"),
    (FIREHOSE_REJECTED, c"FIREHOSE_REJECTED", c"the service refused the request"),
    (FIREHOSE_PARTIAL_FAILURE, c"FIREHOSE_PARTIAL_FAILURE", c"some records of the batch were not delivered"),
    (FIREHOSE_QUEUE_FULL, c"FIREHOSE_QUEUE_FULL", c"the queue is full; the record was not taken"),
    (FIREHOSE_CLOSED, c"FIREHOSE_CLOSED", c"the producer is closed"),
    (FIREHOSE_SPOOL_FAILED, c"FIREHOSE_SPOOL_FAILED", c"the spool directory cannot be used"),
    (FIREHOSE_INTERNAL, c"FIREHOSE_INTERNAL", c"a fault of the library"),
];

impl From<Kind> for firehose_status {
    fn from(kind: Kind) -> firehose_status {
        match kind {
            Kind::InvalidArgument => FIREHOSE_INVALID_ARGUMENT,
            Kind::NoRegion => FIREHOSE_NO_REGION,
            Kind::NoCredentials => FIREHOSE_NO_CREDENTIALS,
            Kind::CredentialsFailed => FIREHOSE_CREDENTIALS_FAILED,
            Kind::ConnectFailed => FIREHOSE_CONNECT_FAILED,
            Kind::TlsFailed => FIREHOSE_TLS_FAILED,
            Kind::Timeout => FIREHOSE_TIMEOUT,
            Kind::IoFailed => FIREHOSE_IO_FAILED,
            Kind::BadResponse => FIREHOSE_BAD_RESPONSE,
            Kind::Throttled => FIREHOSE_THROTTLED,
            Kind::Unavailable => FIREHOSE_UNAVAILABLE,
            Kind::AccessDenied => FIREHOSE_ACCESS_DENIED,
            Kind::NotFound => FIREHOSE_NOT_FOUND,
            Kind::InUse => FIREHOSE_IN_USE,
            Kind::LimitExceeded => FIREHOSE_LIMIT_EXCEEDED,
            Kind::InvalidKms => FIREHOSE_INVALID_KMS,
            Kind::InvalidSource => FIREHOSE_INVALID_SOURCE,
            Kind::Conflict => FIREHOSE_CONFLICT,
            Kind::ExpiredIterator => FIREHOSE_EXPIRED_ITERATOR,
            Kind::Rejected => FIREHOSE_REJECTED,
            Kind::PartialFailure => FIREHOSE_PARTIAL_FAILURE,
            Kind::QueueFull => FIREHOSE_QUEUE_FULL,
            Kind::Closed => FIREHOSE_CLOSED,
            Kind::SpoolFailed => FIREHOSE_SPOOL_FAILED,
            Kind::Internal => FIREHOSE_INTERNAL,
        }
    }
}

fn find(status: i32) -> Option<&'static (firehose_status, &'static CStr, &'static CStr)> {
    ALL.iter().find(|(known, ..)| *known as i32 == status)
}

/// The name of a status, such as "FIREHOSE_THROTTLED"; "FIREHOSE_UNKNOWN" for a number that is none. Static; never
/// freed. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_status_name(status: i32) -> *const c_char {
    plain(c"".as_ptr(), || find(status).map_or(c"FIREHOSE_UNKNOWN", |(_, name, _)| name).as_ptr())
}

/// What a status means, in a few words. What happened in a particular call is told by firehose_result_message. Static;
/// never freed. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_status_message(status: i32) -> *const c_char {
    plain(c"".as_ptr(), || {
        find(status).map_or(c"a status that this version does not know", |(.., text)| text).as_ptr()
    })
}

/// Gives the status at an index from 0 on; false past the end, and then nothing is written. For authors of bindings.
/// Does not block.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn firehose_status_at(index: usize, status: *mut firehose_status) -> bool {
    plain(false, || match ALL.get(index) {
        Some((known, ..)) if !status.is_null() => {
            // SAFETY: not NULL, and the caller's to write.
            unsafe { status.write(*known) };
            true
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_core() {
        for pair in ALL.windows(2) {
            assert!((pair[0].0 as i32) < pair[1].0 as i32);
        }
        for (status, name, text) in ALL {
            assert_eq!(format!("{status:?}"), name.to_str().unwrap());
            assert!(!text.is_empty());
        }
        for kind in
            [Kind::Timeout, Kind::IoFailed, Kind::PartialFailure, Kind::NoCredentials, Kind::InvalidKms]
        {
            assert_eq!(format!("{:?}", firehose_status::from(kind)), kind.name());
        }
    }
}
