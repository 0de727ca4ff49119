//! Keys that are known from the start: options, environment, static keys of a profile. And the lack of any.

use super::{Credentials, Provider, failed};
use crate::error::{Error, Kind, Result};
use zeroize::Zeroizing;

/// Keys that never change.
pub(crate) struct Fixed {
    source: String,
    id: String,
    secret: Zeroizing<String>,
    token: Option<Zeroizing<String>>,
}

impl Fixed {
    /// Keys as `source` gives them; they are checked when they are asked for.
    pub(crate) fn new(source: String, id: &str, secret: &str, token: Option<&str>) -> Fixed {
        Fixed {
            source,
            id: id.into(),
            secret: Zeroizing::new(secret.into()),
            token: token.map(|token| Zeroizing::new(token.into())),
        }
    }
}

impl Provider for Fixed {
    fn fetch(&self) -> Result<Credentials> {
        Credentials::checked(&self.id, &self.secret, self.token.as_ref().map(|token| token.as_str()), None)
            .map_err(|why| failed(&self.source, why))
    }

    fn name(&self) -> &str {
        &self.source
    }
}

/// No source has any: says which were asked and why each has none, a line each.
pub(crate) struct Missing {
    /// The sources that were asked.
    pub(crate) asked: Vec<String>,
}

impl Provider for Missing {
    fn fetch(&self) -> Result<Credentials> {
        let message = format!(
            "no credentials were found; set the options access_key_id and secret_access_key, or give one of these \
             sources some:\n{}",
            self.asked.join("\n")
        );
        Err(Error::new(Kind::NoCredentials, message))
    }

    fn name(&self) -> &str {
        "none"
    }
}
