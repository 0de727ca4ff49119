//! IAM Identity Center: the token that `aws sso login` left in its cache, renewed where that can be done without a
//! person, and exchanged for the keys of a role.

mod cache;

use super::json::Document;
use super::profile::Sso as Session;
use super::request::{Ask, Network};
use super::sts::{PATIENCE, Places, push_encoded};
use super::{Credentials, Moment, Provider, failed};
use crate::config::endpoint::Service;
use crate::error::{Error, Result};
use crate::log::Level;
use cache::Token;
use std::path::PathBuf;
use std::sync::Arc;
use ureq_proto::http::Method;
use zeroize::Zeroizing;

/// A token is renewed this long before its end, in seconds.
const AHEAD: i64 = 300;

/// A session that keys can be had for.
#[derive(Clone, Debug)]
pub(super) struct Login {
    session: Session,
    account: String,
    role: String,
    /// The file with the token.
    path: PathBuf,
}

impl Login {
    /// `home` is where the cache lies; without one, or without an account and a role, there can be no keys.
    pub(super) fn new(session: &Session, home: Option<&str>) -> std::result::Result<Login, String> {
        let profile = &session.profile;
        let Some((account, role)) = session.account_and_role.clone() else {
            return Err(format!(
                "the profile {profile} has an sso_session, but no sso_account_id and sso_role_name"
            ));
        };
        let home = home.ok_or_else(|| {
            format!("the token of profile {profile} lies under the home directory: set HOME")
        })?;
        let path = cache::path(home, session.session.as_deref().unwrap_or(&session.start_url));
        Ok(Login { session: session.clone(), account, role, path })
    }

    /// What a person has to do.
    fn command(&self) -> String {
        match &self.session.session {
            Some(session) => format!("run aws sso login --sso-session {session}"),
            None => format!("run aws sso login --profile {}", self.session.profile),
        }
    }
}

/// The source.
pub(super) struct Sso {
    pub(super) network: Arc<Network>,
    pub(super) places: Places,
    pub(super) login: Login,
}

impl Sso {
    fn wrong(&self, why: &str) -> Error {
        failed(&self.name(), &format!("{why}; {}", self.login.command()))
    }

    fn token(&self, moment: &Moment<'_>) -> Result<Token> {
        let now = (moment.now)();
        let token = Token::read(&self.login.path).map_err(|why| self.wrong(&why))?;
        if now < token.expires_at - AHEAD {
            return Ok(token);
        }
        let renewed = match self.login.session.session {
            Some(_) => self.renew(&token, moment),
            None => Err("a token of this older form cannot be renewed".into()),
        };
        match renewed {
            Ok(token) => Ok(token),
            // It is still good for a while.
            Err(why) if now < token.expires_at => {
                self.network.log.write(
                    Level::Warn,
                    format_args!("the token of {} cannot be renewed: {why}", self.name()),
                );
                Ok(token)
            }
            // Another process may have renewed it meanwhile, which makes ours useless.
            Err(why) => match Token::read(&self.login.path) {
                Ok(other) if (moment.now)() < other.expires_at => Ok(other),
                _ => {
                    Err(self.wrong(&format!("the token in {} has expired: {why}", self.login.path.display())))
                }
            },
        }
    }

    fn renew(&self, token: &Token, moment: &Moment<'_>) -> std::result::Result<Token, String> {
        let request = token.renewal((moment.now)())?;
        let endpoint =
            self.places.find(Service::SsoOidc, &self.login.session.region).map_err(|error| error.message)?;
        let ask = Ask {
            endpoint: &endpoint,
            method: Method::POST,
            path: "/token",
            headers: &[("content-type", "application/json")],
            body: request.as_bytes(),
            signed: None,
            proxied: true,
            patience: PATIENCE,
        };
        let answered = self.network.ask(&ask, moment.deadline).map_err(|none| none.message)?;
        if !answered.good {
            let document = Document::parse(&answered.body).ok();
            let code = document.as_ref().and_then(|document| document.optional("error").ok().flatten());
            let said = code.map_or_else(|| answered.refusal(), crate::text::printable);
            return Err(format!("{} refused to renew it: {said}", endpoint.authority));
        }
        let now = (moment.now)();
        let token = token
            .renewed(&answered.body, now)
            .map_err(|why| format!("the answer of {} is not good: {why}", endpoint.authority))?;
        if let Err(error) = token.write(&self.login.path) {
            // It serves this process; the next one has to sign in again.
            self.network.log.write(
                Level::Warn,
                format_args!(
                    "the renewed token of {} cannot be written to {}: {error}",
                    self.name(),
                    self.login.path.display()
                ),
            );
        }
        Ok(token)
    }
}

impl Provider for Sso {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let token = self.token(moment)?;
        let endpoint = self
            .places
            .find(Service::SsoPortal, &self.login.session.region)
            .map_err(|error| failed(&self.name(), &error.message))?;
        let mut path = String::from("/federation/credentials?account_id=");
        push_encoded(&self.login.account, &mut path);
        path.push_str("&role_name=");
        push_encoded(&self.login.role, &mut path);
        let ask = Ask {
            endpoint: &endpoint,
            method: Method::GET,
            path: &path,
            headers: &[("x-amz-sso_bearer_token", token.access())],
            body: b"",
            signed: None,
            proxied: true,
            patience: PATIENCE,
        };
        let answered = self
            .network
            .ask(&ask, moment.deadline)
            .map_err(|none| none.error(&self.name(), moment.deadline))?;
        if !answered.good {
            let advice = match answered.status {
                401 => self.login.command(),
                _ => format!(
                    "check that the role {} of account {} is assigned",
                    self.login.role, self.login.account
                ),
            };
            let why = format!("{} refused: {}; {advice}", endpoint.authority, answered.refusal());
            return Err(failed(&self.name(), &why));
        }
        read(&answered.body).map_err(|why| {
            failed(&self.name(), &format!("the answer of {} is not good: {why}", endpoint.authority))
        })
    }

    fn name(&self) -> String {
        format!("IAM Identity Center for profile {}", self.login.session.profile)
    }
}

/// Reads the portal's answer; its times are milliseconds.
fn read(body: &[u8]) -> std::result::Result<Credentials, String> {
    let keys = Document::parse(body)?.object("roleCredentials")?;
    let expires_at = keys.number("expiration")?.div_euclid(1000);
    let (id, secret, token) =
        (keys.text("accessKeyId")?, keys.text("secretAccessKey")?, keys.text("sessionToken")?);
    Credentials::checked(id, secret, Some(token), Some(expires_at)).map_err(Into::into)
}

/// A form of the token that no message may hold.
type Secret = Zeroizing<String>;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) use super::cache::tests::{ANSWER, CACHE, parse as parse_cache, renew};

    pub(crate) const GOOD: &str = r#"{"roleCredentials":{"accessKeyId":"ASIAS","secretAccessKey":"hush",
        "sessionToken":"quiet","expiration":1234567890123}}"#;

    pub(crate) fn read_answer(body: &[u8]) -> std::result::Result<Credentials, String> {
        read(body)
    }

    #[test]
    fn every_part_of_an_answer_is_needed() {
        let keys = read(GOOD.as_bytes()).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.expires_at), ("ASIAS", Some(1_234_567_890)));
        for part in ["accessKeyId", "secretAccessKey", "sessionToken", "expiration", "roleCredentials"] {
            let without = GOOD.replace(&format!("\"{part}\""), "\"other\"");
            assert!(read(without.as_bytes()).unwrap_err().contains(part));
        }
    }
}
