//! What can go wrong, as the library sees it: a kind, a sentence for a person, and what the service said.

use std::fmt;

/// Why a call failed. There is one kind for each status of the C header that is not a success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The caller's argument or option is wrong; nothing was sent.
    InvalidArgument,
    /// No region and no endpoint was found anywhere.
    NoRegion,
    /// Every source of credentials was asked and none has any.
    NoCredentials,
    /// The source of credentials that was chosen failed.
    CredentialsFailed,
    /// Name resolution or connection failed, proxy included.
    ConnectFailed,
    /// The peer's certificate or the handshake was refused.
    TlsFailed,
    /// A time limit of the call ran out.
    Timeout,
    /// The connection broke while the call was under way.
    IoFailed,
    /// The answer could not be understood.
    BadResponse,
    /// Throttled past the last attempt.
    Throttled,
    /// The service is unavailable past the last attempt.
    Unavailable,
    /// Signature, token or permission refused.
    AccessDenied,
    /// `ResourceNotFoundException`.
    NotFound,
    /// `ResourceInUseException`.
    InUse,
    /// `LimitExceededException`.
    LimitExceeded,
    /// `InvalidKMSResourceException`.
    InvalidKms,
    /// `InvalidSourceException`.
    InvalidSource,
    /// `ConcurrentModificationException`.
    Conflict,
    /// `ExpiredIteratorException`.
    ExpiredIterator,
    /// Every other refusal of the service.
    Rejected,
    /// Some records of a batch failed past the last attempt.
    PartialFailure,
    /// The producer's bound is reached and the wait ran out.
    QueueFull,
    /// The producer is closed.
    Closed,
    /// The spool's folder cannot be used.
    SpoolFailed,
    /// A fault of the library.
    Internal,
}

impl Kind {
    /// The name of the status in the C header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Kind::InvalidArgument => "FIREHOSE_INVALID_ARGUMENT",
            Kind::NoRegion => "FIREHOSE_NO_REGION",
            Kind::NoCredentials => "FIREHOSE_NO_CREDENTIALS",
            Kind::CredentialsFailed => "FIREHOSE_CREDENTIALS_FAILED",
            Kind::ConnectFailed => "FIREHOSE_CONNECT_FAILED",
            Kind::TlsFailed => "FIREHOSE_TLS_FAILED",
            Kind::Timeout => "FIREHOSE_TIMEOUT",
            Kind::IoFailed => "FIREHOSE_IO_FAILED",
            Kind::BadResponse => "FIREHOSE_BAD_RESPONSE",
            Kind::Throttled => "FIREHOSE_THROTTLED",
            Kind::Unavailable => "FIREHOSE_UNAVAILABLE",
            Kind::AccessDenied => "FIREHOSE_ACCESS_DENIED",
            Kind::NotFound => "FIREHOSE_NOT_FOUND",
            Kind::InUse => "FIREHOSE_IN_USE",
            Kind::LimitExceeded => "FIREHOSE_LIMIT_EXCEEDED",
            Kind::InvalidKms => "FIREHOSE_INVALID_KMS",
            Kind::InvalidSource => "FIREHOSE_INVALID_SOURCE",
            Kind::Conflict => "FIREHOSE_CONFLICT",
            Kind::ExpiredIterator => "FIREHOSE_EXPIRED_ITERATOR",
            Kind::Rejected => "FIREHOSE_REJECTED",
            Kind::PartialFailure => "FIREHOSE_PARTIAL_FAILURE",
            Kind::QueueFull => "FIREHOSE_QUEUE_FULL",
            Kind::Closed => "FIREHOSE_CLOSED",
            Kind::SpoolFailed => "FIREHOSE_SPOOL_FAILED",
            Kind::Internal => "FIREHOSE_INTERNAL",
        }
    }
}

/// A failed call.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    /// What kind of failure it is.
    pub(crate) kind: Kind,
    /// One sentence or two: what failed, on what, why, what to do. Never a secret.
    pub(crate) message: String,
}

/// The result of whatever can fail.
pub(crate) type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An error of `kind` that says `message`.
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error { kind, message: message.into() }
    }

    /// The caller's argument or option is wrong.
    pub(crate) fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::InvalidArgument, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}
