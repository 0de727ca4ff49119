//! What a profile says about keys: where a chain of roles begins and which roles are assumed on the way. Pure: files
//! have been read, nothing is asked.

use crate::config::{Profile, ProfileSet, Section};
use zeroize::Zeroizing;

/// Where a profile's keys come from, step by step.
#[derive(Debug)]
pub(super) struct Plan {
    /// The first keys.
    pub(super) base: Base,
    /// The roles assumed with them, one with the keys of the one before.
    pub(super) roles: Vec<Role>,
}

/// The first keys of a plan.
#[derive(Debug)]
pub(super) enum Base {
    /// Static keys of the profile named.
    Keys { profile: String, id: String, secret: Zeroizing<String>, token: Option<Zeroizing<String>> },
    /// `credential_source`
    Named(Named),
    /// A role for a token in a file.
    WebIdentity { role: Role, token_file: String },
    /// IAM Identity Center.
    Sso(Sso),
    /// A command line.
    Process { profile: String, command: Zeroizing<String> },
}

/// What `credential_source` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Environment,
    Metadata,
    Container,
}

/// A role to assume, as a profile has it.
#[derive(Clone, Debug, Default)]
pub(super) struct Role {
    /// Whose settings these are.
    pub(super) profile: String,
    pub(super) arn: String,
    pub(super) session_name: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) duration_seconds: Option<u32>,
}

/// A session of IAM Identity Center.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sso {
    pub(super) profile: String,
    /// The name of an `[sso-session]`; without one it is the older form, whose token cannot be renewed.
    pub(super) session: Option<String>,
    pub(super) start_url: String,
    pub(super) region: String,
    /// Account and role; absent where the profile is for tokens only.
    pub(super) account_and_role: Option<(String, String)>,
}

/// Why a profile gives no keys.
#[derive(Debug)]
pub(super) enum Lack {
    /// It says nothing about any: the next source is asked.
    Nothing(String),
    /// It says something that is wrong.
    Wrong(String),
}

use Lack::{Nothing, Wrong};

/// Follows the profile `selected` to its base.
pub(super) fn resolve(set: &ProfileSet, selected: &str) -> Result<Plan, Lack> {
    let mut visited: Vec<&str> = Vec::new();
    let mut roles = Vec::new();
    let mut name = selected;
    let base = loop {
        let Some(profile) = set.profile(name) else {
            return Err(match visited.last() {
                None => Nothing(format!("No profiles were defined under the name {name}")),
                Some(from) => Wrong(format!("could not find source profile {name} referenced from {from}")),
            });
        };
        if visited.contains(&name) {
            visited.push(name);
            return Err(Wrong(format!("profile formed an infinite loop: {}", visited.join(" -> "))));
        }
        visited.push(name);
        // Behind the first profile static keys win over whatever else stands there.
        if visited.len() > 1
            && let Some(keys) = keys(name, profile).ok().flatten()
        {
            break keys;
        }
        let Some(role) = role(name, profile)? else {
            break base(set, name, profile).map_err(|lack| match lack {
                // The first profile may have nothing to say; one that others refer to may not.
                Nothing(why) if visited.len() > 1 => Wrong(why),
                lack => lack,
            })?;
        };
        roles.push(role);
        match (value(profile, "source_profile"), value(profile, "credential_source")) {
            (Some(_), Some(_)) => {
                return Err(Wrong(format!(
                    "profile contained both source_profile and credential_source: {name}; keep one of them"
                )));
            }
            (None, None) => {
                return Err(Wrong(format!(
                    "profile must contain `source_profile` or `credential_source` beside `role_arn`: {name}"
                )));
            }
            // A profile may name itself as its source once: its own keys.
            (Some(source), None) if source != name => name = source,
            _ => {
                break base(set, name, profile).map_err(|lack| match lack {
                    Nothing(why) => Wrong(why),
                    lack => lack,
                })?;
            }
        }
    };
    roles.reverse();
    Ok(Plan { base, roles })
}

fn value<'p>(profile: &'p Section, key: &str) -> Option<&'p str> {
    profile.get(key).map(str::trim).filter(|value| !value.is_empty())
}

/// The role that a profile assumes with the keys of another.
fn role(name: &str, profile: &Profile) -> Result<Option<Role>, Lack> {
    // A token in a file needs no keys: it is a base.
    if value(profile, "web_identity_token_file").is_some() || value(profile, "role_arn").is_none() {
        return Ok(None);
    }
    if value(profile, "mfa_serial").is_some() {
        return Err(Wrong(format!(
            "the profile {name} has an mfa_serial, and nobody is there to ask for its code; make a profile with \
             credential_process = aws configure export-credentials --profile {name} --format process, and sign in \
             with the AWS CLI"
        )));
    }
    settings(name, profile).map(Some)
}

fn settings(name: &str, profile: &Profile) -> Result<Role, Lack> {
    let Some(arn) = value(profile, "role_arn") else {
        return Err(Wrong(format!(
            "`role_arn` was missing in profile {name}, which has web_identity_token_file"
        )));
    };
    let duration_seconds = match value(profile, "duration_seconds") {
        None => None,
        Some(text) => Some(text.parse().ok().filter(|n| (900..=43_200).contains(n)).ok_or_else(|| {
            Wrong(format!("duration_seconds of profile {name} is not a number from 900 to 43200"))
        })?),
    };
    let owned = |key| value(profile, key).map(str::to_owned);
    Ok(Role {
        profile: name.into(),
        arn: arn.into(),
        session_name: owned("role_session_name"),
        external_id: owned("external_id"),
        duration_seconds,
    })
}

fn keys(name: &str, profile: &Profile) -> Result<Option<Base>, Lack> {
    match (value(profile, "aws_access_key_id"), value(profile, "aws_secret_access_key")) {
        (Some(id), Some(secret)) => Ok(Some(Base::Keys {
            profile: name.into(),
            id: id.into(),
            secret: Zeroizing::new(secret.into()),
            token: value(profile, "aws_session_token").map(|token| Zeroizing::new(token.into())),
        })),
        (None, None) => Ok(None),
        (id, _) => {
            let missing = if id.is_some() { "aws_secret_access_key" } else { "aws_access_key_id" };
            Err(Wrong(format!("profile missing {missing}: {name} has to have both or neither")))
        }
    }
}

fn base(set: &ProfileSet, name: &str, profile: &Profile) -> Result<Base, Lack> {
    if let Some(source) = value(profile, "credential_source") {
        return match source {
            source if source.eq_ignore_ascii_case("Environment") => Ok(Base::Named(Named::Environment)),
            source if source.eq_ignore_ascii_case("Ec2InstanceMetadata") => Ok(Base::Named(Named::Metadata)),
            source if source.eq_ignore_ascii_case("EcsContainer") => Ok(Base::Named(Named::Container)),
            _ => Err(Wrong(format!(
                "credential_source of profile {name} is none of Environment, Ec2InstanceMetadata and EcsContainer"
            ))),
        };
    }
    if let Some(file) = value(profile, "web_identity_token_file") {
        return Ok(Base::WebIdentity { role: settings(name, profile)?, token_file: file.into() });
    }
    if let Some(sso) = sso(set, name, profile)? {
        return Ok(Base::Sso(sso));
    }
    if value(profile, "login_session").is_some() {
        return Err(Wrong(format!(
            "the profile {name} has a login_session, which only the AWS CLI can use; make a profile with \
             credential_process = aws configure export-credentials --profile {name} --format process"
        )));
    }
    if let Some(command) = value(profile, "credential_process") {
        return Ok(Base::Process { profile: name.into(), command: Zeroizing::new(command.into()) });
    }
    keys(name, profile)?
        .ok_or_else(|| Nothing(format!("profile `{name}` did not contain credential information")))
}

fn sso(set: &ProfileSet, name: &str, profile: &Profile) -> Result<Option<Sso>, Lack> {
    const KEYS: [&str; 5] = ["sso_account_id", "sso_role_name", "sso_start_url", "sso_region", "sso_session"];
    let [account, role, url, region, session] = KEYS.map(|key| value(profile, key));
    if [account, role, url, region, session].iter().all(Option::is_none) {
        return Ok(None);
    }
    let (section, place) = match session {
        None => (profile, format!("profile {name}")),
        Some(session) => {
            let section = set.sso_session(session).ok_or_else(|| {
                Wrong(format!("sso-session named `{session}` (referenced by profile `{name}`) was not found"))
            })?;
            for (key, own) in [("sso_start_url", url), ("sso_region", region)] {
                // The AWS CLI writes the same value in both places.
                if own.is_some() && own != value(section, key) {
                    return Err(Wrong(format!(
                        "`{key}` can only be specified in the [sso-session] config when a session name is given: \
                         profile {name}"
                    )));
                }
            }
            (section, format!("[sso-session {session}]"))
        }
    };
    let need = |key: &str| {
        value(section, key).map(str::to_owned).ok_or_else(|| Wrong(format!("`{key}` was missing in {place}")))
    };
    let account_and_role = match (account, role) {
        (Some(account), Some(role)) => Some((account.to_owned(), role.to_owned())),
        (None, None) if session.is_some() => None,
        (None, _) => {
            return Err(Wrong(format!(
                "if `sso_role_name` is set, then `sso_account_id` must also be set: profile {name}"
            )));
        }
        (_, None) => {
            return Err(Wrong(format!(
                "if `sso_account_id` is set, then `sso_role_name` must also be set: profile {name}"
            )));
        }
    };
    Ok(Some(Sso {
        profile: name.into(),
        session: session.map(str::to_owned),
        start_url: need("sso_start_url")?,
        region: need("sso_region")?,
        account_and_role,
    }))
}

#[cfg(test)]
mod tests;
