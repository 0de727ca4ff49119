//! What a refusal of the service means: which status of the library, and what a person can do.

use crate::error::Kind;

/// The status of a refusal, by its code first.
pub(super) fn kind(code: &str, status: u16) -> Kind {
    match code {
        "ResourceNotFoundException" => Kind::NotFound,
        "ResourceInUseException" => Kind::InUse,
        "LimitExceededException" => Kind::LimitExceeded,
        "InvalidKMSResourceException" => Kind::InvalidKms,
        "InvalidSourceException" => Kind::InvalidSource,
        "ConcurrentModificationException" => Kind::Conflict,
        "ExpiredIteratorException" => Kind::ExpiredIterator,
        "InvalidArgumentException" => Kind::Rejected,
        "ServiceUnavailableException" | "ServiceUnavailable" | "InternalFailure" | "InternalServerError" => {
            Kind::Unavailable
        }
        "AccessDenied"
        | "AccessDeniedException"
        | "AuthFailure"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "IncompleteSignature"
        | "IncompleteSignatureException"
        | "InvalidAccessKeyId"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "MissingAuthenticationToken"
        | "MissingAuthenticationTokenException"
        | "NotAuthorized"
        | "OptInRequired"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "SignatureDoesNotMatch"
        | "SubscriptionRequiredException"
        | "UnauthorizedOperation"
        | "UnrecognizedClientException" => Kind::AccessDenied,
        _ if is_throttling(code) || status == 429 => Kind::Throttled,
        _ => match status {
            500.. => Kind::Unavailable,
            401 | 403 => Kind::AccessDenied,
            400..500 => Kind::Rejected,
            _ => Kind::BadResponse,
        },
    }
}

/// The status of a single record that was refused within a call that went through.
pub(crate) fn kind_of_record(code: &str) -> Kind {
    kind(code, 400)
}

fn is_throttling(code: &str) -> bool {
    crate::retry::classify(code, 0) == Some(crate::retry::Class::Throttling)
}

/// The keys have expired: new ones may be had.
pub(super) fn is_expired_token(code: &str) -> bool {
    matches!(code, "ExpiredToken" | "ExpiredTokenException")
}

/// What to do, as the last part of a message; `skew` is how far the machine's clock is off, in milliseconds.
pub(super) fn advice(kind: Kind, code: &str, action: &str, region: &str, skew: Option<i64>) -> String {
    let off = skew.filter(|skew| skew.abs() > 4 * 60_000);
    match (kind, code) {
        (Kind::AccessDenied, "InvalidSignatureException" | "SignatureDoesNotMatch" | "RequestTimeTooSkewed" | "AuthFailure")
            if off.is_some() =>
        {
            // To the nearest minute.
            let ms = off.unwrap_or_default();
            let minutes = (ms + 30_000 * ms.signum()) / 60_000;
            let (by, way) = if minutes > 0 { (minutes, "behind") } else { (-minutes, "ahead of") };
            format!("this machine's clock is {by} minutes {way} the service's: set it, or leave clock-skew correction on")
        }
        (Kind::AccessDenied, "InvalidSignatureException" | "SignatureDoesNotMatch" | "IncompleteSignatureException") => {
            "check that the secret access key belongs to the access key id, and the region".into()
        }
        (Kind::AccessDenied, "UnrecognizedClientException" | "InvalidClientTokenId" | "InvalidAccessKeyId") => {
            "check the access key id (and the session token of temporary keys): the service does not know it".into()
        }
        (Kind::AccessDenied, "ExpiredToken" | "ExpiredTokenException" | "RequestExpired") => {
            "get new temporary keys: these have expired".into()
        }
        (Kind::AccessDenied, "OptInRequired" | "SubscriptionRequiredException") => {
            "subscribe the account to the service first".into()
        }
        (Kind::AccessDenied, _) => format!("allow firehose:{action} on the stream in the policy of these keys"),
        (Kind::NotFound, _) => format!("check the stream's name, the account of the keys and the region ({region})"),
        (Kind::Throttled, _) => "send less, or ask for a higher quota".into(),
        (Kind::Unavailable, "ServiceUnavailableException") => {
            "the stream's throughput is exceeded or the service is down: try again later, or ask for a higher quota".into()
        }
        (Kind::Unavailable, _) => "try again later".into(),
        (Kind::LimitExceeded, _) => "a quota of the account is reached".into(),
        (Kind::InvalidKms, _) => "check the stream's KMS key and its policy".into(),
        (Kind::InvalidSource, _) => "only a stream whose source is Direct PUT takes records".into(),
        (Kind::InUse | Kind::Conflict, _) => "wait until the stream is no longer being changed".into(),
        _ => "check the request".into(),
    }
}

/// Whether the same call may succeed later, nothing else being changed.
pub(super) fn may_heal(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::ConnectFailed
            | Kind::Timeout
            | Kind::IoFailed
            | Kind::Throttled
            | Kind::Unavailable
            | Kind::PartialFailure
            | Kind::LimitExceeded
            | Kind::InUse
            | Kind::Conflict
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_the_contract() {
        for (code, status, expected) in [
            ("ResourceNotFoundException", 400, Kind::NotFound),
            ("ServiceUnavailableException", 500, Kind::Unavailable),
            ("ThrottlingException", 400, Kind::Throttled),
            ("ProvisionedThroughputExceededException", 400, Kind::Throttled),
            ("", 429, Kind::Throttled),
            ("", 503, Kind::Unavailable),
            ("", 403, Kind::AccessDenied),
            ("SomethingNewException", 403, Kind::AccessDenied),
            ("SignatureDoesNotMatch", 403, Kind::AccessDenied),
            ("SubscriptionRequiredException", 400, Kind::AccessDenied),
            ("SomethingNewException", 400, Kind::Rejected),
            ("LimitExceededException", 400, Kind::LimitExceeded),
            ("", 307, Kind::BadResponse),
        ] {
            assert_eq!(kind(code, status), expected, "{code} {status}");
        }
    }

    #[test]
    fn advice_fits() {
        let says = |code, skew| advice(Kind::AccessDenied, code, "PutRecord", "eu-west-1", skew);
        assert!(says("InvalidSignatureException", None).contains("secret access key"));
        assert!(says("InvalidSignatureException", Some(1_800_000)).contains("30 minutes behind"));
        assert!(says("InvalidSignatureException", Some(-1_800_000)).contains("30 minutes ahead of"));
        assert!(says("AccessDeniedException", None).contains("firehose:PutRecord"));
        assert!(advice(Kind::NotFound, "", "PutRecord", "eu-west-1", None).contains("eu-west-1"));
    }
}
