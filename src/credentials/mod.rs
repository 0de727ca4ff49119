//! Keys: what they are, where they come from, and how they are kept fresh.

mod cache;
mod chain;
mod container;
mod fixed;
mod imds;
mod json;
#[cfg(test)]
mod mutations;
mod process;
mod profile;
mod request;
mod role;
#[cfg(test)]
mod served;
mod sso;
mod sts;
mod token_file;
mod web_identity;
mod xml;

pub(crate) use cache::Cache;
pub(crate) use chain::{Choice, MetadataSetting, choose};
pub(crate) use fixed::Fixed;
pub(crate) use imds::{Imds, Metadata};
pub(crate) use request::Network;

use crate::error::{Error, Kind, Result};
use std::fmt;
use std::time::Instant;
use zeroize::Zeroizing;

/// A set of keys. The secret parts are wiped when dropped and never shown.
pub(crate) struct Credentials {
    /// `AKIA…`
    pub(crate) access_key_id: String,
    /// Signs.
    pub(crate) secret: Zeroizing<String>,
    /// Goes with temporary keys.
    pub(crate) token: Option<Zeroizing<String>>,
    /// Seconds since 1970; `None` for keys that do not expire.
    pub(crate) expires_at: Option<i64>,
}

impl Credentials {
    /// Checks what a source gave: an empty key, or one with a blank or a line break in it, can only be a mistake.
    pub(crate) fn checked(
        access_key_id: &str,
        secret: &str,
        token: Option<&str>,
        expires_at: Option<i64>,
    ) -> std::result::Result<Credentials, &'static str> {
        let printable = |text: &str| text.bytes().all(|b| b.is_ascii_graphic());
        let token = token.filter(|token| !token.is_empty());
        match (access_key_id, secret) {
            ("", _) => Err("the access key id is empty"),
            (_, "") => Err("the secret access key is empty"),
            (id, _) if !printable(id) => {
                Err("the access key id has a blank, a control or a non-ASCII character")
            }
            (_, secret) if !printable(secret) => {
                Err("the secret access key has a blank, a control or a non-ASCII character")
            }
            _ if !token.is_none_or(printable) => {
                Err("the session token has a blank, a control or a non-ASCII character")
            }
            _ => Ok(Credentials {
                access_key_id: access_key_id.into(),
                secret: Zeroizing::new(secret.into()),
                token: token.map(|token| Zeroizing::new(token.into())),
                expires_at,
            }),
        }
    }

    /// Whether the service can tell no difference.
    fn same(&self, other: &Credentials) -> bool {
        let Credentials { access_key_id, secret, token, expires_at: _ } = self;
        *access_key_id == other.access_key_id && *secret == other.secret && *token == other.token
    }

    /// The access key id with all but its last four characters hidden.
    pub(crate) fn shortened_id(&self) -> String {
        let tail = self.access_key_id.len().saturating_sub(4);
        format!("…{}", self.access_key_id.get(tail..).unwrap_or_default())
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials({}, expires {:?})", self.shortened_id(), self.expires_at)
    }
}

/// When and for what keys are asked.
#[derive(Clone, Copy)]
pub(crate) struct Moment<'a> {
    /// Seconds since 1970 by the corrected clock, as often as it is asked: fetching takes time, and may correct it.
    pub(crate) now: &'a dyn Fn() -> i64,
    /// In [0, 1), for jitter.
    pub(crate) random: f64,
    /// When the call must be over.
    pub(crate) deadline: Instant,
    /// The client's region.
    pub(crate) region: &'a str,
}

/// A source of keys.
pub(crate) trait Provider: Send + Sync {
    /// Gets keys now; may take time.
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials>;

    /// What it is, for messages and for `describe`.
    fn name(&self) -> String;

    /// Whether it may have other keys another time.
    fn renews(&self) -> bool {
        true
    }

    /// Whether keys of it that have expired are used on until it hands out others: the service decides then.
    fn outlives_expiry(&self) -> bool {
        false
    }
}

/// The source that was chosen failed.
pub(crate) fn failed(source: &str, why: &str) -> Error {
    Error::new(Kind::CredentialsFailed, format!("the credentials of {source} cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_do_not_show() {
        let keys = Credentials::checked("AKIDEXAMPLE1234", "hush", Some("token"), Some(7)).unwrap();
        let shown = format!("{keys:?}");
        assert_eq!(shown, "Credentials(…1234, expires Some(7))");
        assert_eq!(Credentials::checked("abc", "x", Some(""), None).unwrap().shortened_id(), "…abc");
    }

    #[test]
    fn keys_that_can_only_be_mistakes_are_refused() {
        for (id, secret, token) in [
            ("", "s", None),
            ("a", "", None),
            ("a b", "s", None),
            ("a", "s\n", None),
            ("a", "s", Some("t\r\nX: y")),
        ] {
            assert!(Credentials::checked(id, secret, token, None).is_err());
        }
    }
}
