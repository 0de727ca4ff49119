//! Which source of keys is used: the first in the order of AWS's SDKs that the options, the environment or the profile
//! speak of. That is settled when the client is made; the source is asked at the first call, and stays the one.

use super::container::{Agent, Container};
use super::fixed::{Fixed, Missing};
use super::imds::{FromImds, Imds, Metadata};
use super::process::Process;
use super::profile::{Base, Lack, Named, Role, resolve};
use super::request::Network;
use super::role::Roles;
use super::sso::{Login, Sso};
use super::sts::Places;
use super::web_identity::WebIdentity;
use super::{Provider, failed};
use crate::config::endpoint::Endpoint;
use crate::config::{Setting, Sources};
use crate::error::{Error, Kind, Result};
use std::path::PathBuf;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The source that was chosen, for each process to make its own of.
pub(crate) struct Choice {
    start: Start,
    roles: Vec<Role>,
    places: Places,
    /// The sources before it, and why each was passed over.
    pub(crate) passed_over: Vec<String>,
}

/// Where the first keys come from.
enum Start {
    Ready(Arc<dyn Provider>),
    Container(Agent),
    WebIdentity {
        role: Role,
        token_file: PathBuf,
        source: String,
    },
    Sso(Login),
    Process {
        profile: String,
        command: Zeroizing<String>,
    },
    /// Asked in the name of a profile.
    Metadata,
    /// Asked because nothing else is there.
    LastResort,
}

/// The instance metadata service as the settings have it; `Err(None)` where it is switched off, else what is wrong.
pub(crate) type MetadataSetting = std::result::Result<Metadata, Option<String>>;

impl Choice {
    /// The source for one process. `imds` is `None` only where the settings have no metadata service.
    pub(crate) fn provider(&self, network: &Arc<Network>, imds: Option<&Arc<Imds>>) -> Arc<dyn Provider> {
        let network = || Arc::clone(network);
        let places = || self.places.clone();
        let metadata = |asked: Option<Vec<String>>| -> Arc<dyn Provider> {
            match imds {
                Some(imds) => Arc::new(FromImds { imds: Arc::clone(imds), asked }),
                None => Arc::new(Missing { asked: self.passed_over.clone() }),
            }
        };
        let base: Arc<dyn Provider> = match &self.start {
            Start::Ready(provider) => Arc::clone(provider),
            Start::Container(agent) => Arc::new(Container::new(network(), agent.clone())),
            Start::WebIdentity { role, token_file, source } => Arc::new(WebIdentity {
                network: network(),
                places: places(),
                role: role.clone(),
                token_file: token_file.clone(),
                source: source.clone(),
            }),
            Start::Sso(login) => Arc::new(Sso { network: network(), places: places(), login: login.clone() }),
            Start::Process { profile, command } => Arc::new(Process::new(profile.clone(), command.clone())),
            Start::Metadata => metadata(None),
            Start::LastResort => metadata(Some(self.passed_over.clone())),
        };
        if self.roles.is_empty() {
            return base;
        }
        Arc::new(Roles { network: network(), places: places(), base, roles: self.roles.clone() })
    }

    /// Whether a service of AWS that hands out keys has an endpoint without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        let Places { sts, portal, oidc, .. } = &self.places;
        let plain = |place: &Setting| Endpoint::parse(&place.value).is_ok_and(|endpoint| !endpoint.tls);
        [sts, portal, oidc].into_iter().flatten().any(plain)
    }
}

/// Chooses. `given` is what the options or the host's callback gave; `fips` and `dualstack` are the client's own.
pub(crate) fn choose(
    sources: &Sources<'_>,
    given: Option<Arc<dyn Provider>>,
    metadata: &MetadataSetting,
    (fips, dualstack): (bool, bool),
) -> Result<Choice> {
    let places = Places {
        sts: sources.service_endpoint("AWS_ENDPOINT_URL_STS", "sts")?,
        portal: sources.service_endpoint("AWS_ENDPOINT_URL_SSO", "sso")?,
        oidc: sources.service_endpoint("AWS_ENDPOINT_URL_SSO_OIDC", "sso_oidc")?,
        fips,
        dualstack,
    };
    let mut passed_over = Vec::new();
    let (start, roles) = first(sources, given, metadata, &mut passed_over)?;
    Ok(Choice { start, roles, places, passed_over })
}

fn first(
    sources: &Sources<'_>,
    given: Option<Arc<dyn Provider>>,
    metadata: &MetadataSetting,
    passed_over: &mut Vec<String>,
) -> Result<(Start, Vec<Role>)> {
    let alone = |start| Ok((start, Vec::new()));
    if let Some(provider) = given {
        return alone(Start::Ready(provider));
    }
    passed_over.push("options: access_key_id is not set, nor is a callback".into());
    if let Some(keys) = environment(sources)? {
        return alone(Start::Ready(Arc::new(keys)));
    }
    passed_over.push("environment: AWS_ACCESS_KEY_ID is not set".into());
    if let Some(flaw) = &sources.flaw {
        return Err(flaw.clone());
    }
    let name = &sources.location.profile.value;
    let wrong = |why: &str| failed(&sources.profile_source(), why);
    match resolve(sources.profiles(), name) {
        Ok(plan) => {
            let start = base(sources, plan.base, metadata).map_err(|why| wrong(&why))?;
            return Ok((start, plan.roles));
        }
        Err(Lack::Wrong(why)) => return Err(wrong(&why)),
        Err(Lack::Nothing(_)) => {
            let why = match sources.profile() {
                Some(_) => "has no credential information",
                None => "is not there",
            };
            passed_over.push(format!("{}: it {why}", sources.profile_source()));
        }
    }
    let variable = |name: &str| sources.variable(name);
    match (variable("AWS_WEB_IDENTITY_TOKEN_FILE"), variable("AWS_ROLE_ARN")) {
        (Some(file), Some(arn)) => {
            let role = Role { arn, session_name: variable("AWS_ROLE_SESSION_NAME"), ..Role::default() };
            let source = "web identity (AWS_WEB_IDENTITY_TOKEN_FILE)".into();
            return alone(Start::WebIdentity { role, token_file: file.into(), source });
        }
        (Some(_), None) => {
            let message =
                "the environment has AWS_WEB_IDENTITY_TOKEN_FILE and lacks AWS_ROLE_ARN; set both or neither";
            return Err(Error::new(Kind::CredentialsFailed, message));
        }
        (None, _) => passed_over.push("web identity: AWS_WEB_IDENTITY_TOKEN_FILE is not set".into()),
    }
    match Agent::find(&variable).map_err(|why| Error::new(Kind::CredentialsFailed, why))? {
        Some(agent) => return alone(Start::Container(agent)),
        None => passed_over.push(Agent::lack()),
    }
    match metadata {
        Ok(_) => alone(Start::LastResort),
        Err(Some(why)) => Err(Error::new(Kind::CredentialsFailed, why.clone())),
        Err(None) => {
            passed_over.push(Metadata::off());
            alone(Start::Ready(Arc::new(Missing { asked: passed_over.clone() })))
        }
    }
}

/// The keys in the environment.
fn environment(sources: &Sources<'_>) -> Result<Option<Fixed>> {
    let variable = |name: &str| sources.variable(name).map(Zeroizing::new);
    let (id, secret) = match (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY")) {
        (Some(id), Some(secret)) => (id, secret),
        (None, None) => return Ok(None),
        (id, _) => {
            let (set, unset) = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY");
            let (set, unset) = if id.is_some() { (set, unset) } else { (unset, set) };
            let message = format!("the environment has {set} and lacks {unset}; set both or neither");
            return Err(Error::new(Kind::CredentialsFailed, message));
        }
    };
    let token = variable("AWS_SESSION_TOKEN").or_else(|| variable("AWS_SECURITY_TOKEN"));
    let expires_at = match sources.variable("AWS_CREDENTIAL_EXPIRATION") {
        None => None,
        Some(text) => Some(crate::clock::parse_rfc3339(&text).ok_or_else(|| {
            let why = "AWS_CREDENTIAL_EXPIRATION is not a date like 2026-01-02T03:04:05Z";
            failed("the environment", why)
        })?),
    };
    let keys = Fixed::new("the environment".into(), &id, &secret, token.as_ref().map(|token| token.as_str()));
    Ok(Some(keys.until(expires_at)))
}

/// Where the keys of a profile's base come from.
fn base(sources: &Sources<'_>, base: Base, metadata: &MetadataSetting) -> std::result::Result<Start, String> {
    Ok(match base {
        Base::Keys { profile, id, secret, token } => {
            let source = format!("profile {profile} in {}", sources.files());
            Start::Ready(Arc::new(Fixed::new(
                source,
                &id,
                &secret,
                token.as_ref().map(|token| token.as_str()),
            )))
        }
        Base::WebIdentity { role, token_file } => {
            let source = format!("web identity of profile {}", role.profile);
            Start::WebIdentity { role, token_file: token_file.into(), source }
        }
        Base::Sso(session) => Start::Sso(Login::new(&session, sources.variable("HOME").as_deref())?),
        Base::Process { profile, command } => Start::Process { profile, command },
        Base::Named(Named::Environment) => match environment(sources).map_err(|error| error.message)? {
            Some(keys) => Start::Ready(Arc::new(keys)),
            None => {
                return Err("its credential_source is Environment, and AWS_ACCESS_KEY_ID is not set".into());
            }
        },
        Base::Named(Named::Container) => match Agent::find(&|name| sources.variable(name))? {
            Some(agent) => Start::Container(agent),
            None => return Err(format!("its credential_source is EcsContainer; {}", Agent::lack())),
        },
        Base::Named(Named::Metadata) => match metadata {
            Ok(_) => Start::Metadata,
            Err(Some(why)) => return Err(why.clone()),
            Err(None) => {
                return Err(format!("its credential_source is Ec2InstanceMetadata; {}", Metadata::off()));
            }
        },
    })
}
