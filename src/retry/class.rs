//! Which failures are worth another attempt.

/// Why an attempt failed, as far as retrying goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// The service asks to slow down.
    Throttling,
    /// Something passing: a broken connection, a time limit, an internal failure.
    Transient,
}

const THROTTLING: [&str; 15] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottledException",
    "RequestThrottled",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "TransactionInProgressException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    // On AWS's list, although Firehose uses it for an account's quota.
    "LimitExceededException",
    // Ours: what Firehose says, for a call and for a record, when a stream's throughput is exceeded.
    "ServiceUnavailableException",
];

/// The class of a service's refusal; `None` is final.
pub(crate) fn classify(code: &str, status: u16) -> Option<Class> {
    if THROTTLING.contains(&code) {
        return Some(Class::Throttling);
    }
    if matches!(
        code,
        "RequestTimeout" | "RequestTimeoutException" | "InternalFailure" | "InternalServerError"
    ) || matches!(status, 500 | 502 | 503 | 504)
    {
        return Some(Class::Transient);
    }
    (status == 429).then_some(Class::Throttling)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_before_status() {
        assert_eq!(classify("ThrottlingException", 400), Some(Class::Throttling));
        assert_eq!(classify("ServiceUnavailableException", 500), Some(Class::Throttling));
        assert_eq!(classify("ServiceUnavailableException", 200), Some(Class::Throttling));
        assert_eq!(classify("InternalFailure", 200), Some(Class::Transient));
        assert_eq!(classify("", 503), Some(Class::Transient));
        assert_eq!(classify("", 429), Some(Class::Throttling));
        assert_eq!(classify("RequestTimeout", 400), Some(Class::Transient));
        for (code, status) in [("ResourceNotFoundException", 400), ("", 501), ("AccessDeniedException", 403)]
        {
            assert_eq!(classify(code, status), None);
        }
    }
}
