//! Keys that are known from the start: options, environment, static keys of a profile. And the lack of any.

use super::{Credentials, Moment, Provider, failed};
use crate::error::{Error, Kind, Result};
use zeroize::Zeroizing;

/// Keys that never change.
pub(crate) struct Fixed {
    source: String,
    id: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
    expires_at: Option<i64>,
}

impl Fixed {
    /// Keys as `source` gives them; they are checked when they are asked for.
    pub(crate) fn new(source: String, id: &str, secret: &str, token: Option<&str>) -> Fixed {
        Fixed {
            source,
            id: id.into(),
            secret: Zeroizing::new(secret.into()),
            token: token.map(|token| Zeroizing::new(token.into())),
            expires_at: None,
        }
    }

    /// The same, known to expire.
    pub(super) fn until(self, expires_at: Option<i64>) -> Fixed {
        Fixed { expires_at, ..self }
    }
}

impl Provider for Fixed {
    fn fetch(&self, _: &Moment<'_>) -> Result<Credentials> {
        let token = self.token.as_ref().map(|token| token.as_str());
        Credentials::checked(&self.id, &self.secret, token, self.expires_at)
            .map_err(|why| failed(&self.source, why))
    }

    fn name(&self) -> String {
        self.source.clone()
    }

    fn renews(&self) -> bool {
        false
    }
}

/// No source has any: says which were asked and why each has none, a line each.
pub(super) struct Missing {
    /// The sources that were asked.
    pub(super) asked: Vec<String>,
}

impl Provider for Missing {
    fn fetch(&self, _: &Moment<'_>) -> Result<Credentials> {
        Err(missing(&self.asked))
    }

    fn name(&self) -> String {
        "none".into()
    }
}

/// What was asked in vain.
pub(super) fn missing(asked: &[String]) -> Error {
    let message = format!(
        "no credentials were found; set the options access_key_id and secret_access_key, or give one of these \
         sources some:\n{}",
        asked.join("\n")
    );
    Error::new(Kind::NoCredentials, message)
}
