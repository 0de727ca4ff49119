//! The Security Token Service: keys of a role, for other keys or for a token of somebody whom the account trusts.

use super::profile::Role;
use super::request::{Answered, Ask, Network, Patience};
use super::{Credentials, Moment, failed, xml};
use crate::clock::parse_rfc3339;
use crate::config::Setting;
use crate::config::endpoint::{self, Endpoint, Service};
use crate::error::{Error, Kind, Result};
use crate::sign::Scope;
use std::time::Duration;
use ureq_proto::http::Method;
use zeroize::Zeroizing;

/// What one attempt at AWS's own services may take.
pub(super) const PATIENCE: Patience = Patience {
    connect: Duration::from_millis(3100),
    read: Duration::from_secs(10),
    attempt: Duration::from_secs(15),
    attempts: 3,
};

/// Where the services are that hand out keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    /// `AWS_ENDPOINT_URL_STS` and the like.
    pub(super) sts: Option<Setting>,
    /// `AWS_ENDPOINT_URL_SSO`
    pub(super) portal: Option<Setting>,
    /// `AWS_ENDPOINT_URL_SSO_OIDC`
    pub(super) oidc: Option<Setting>,
    /// The client's own settings, which hold for these services too.
    pub(super) fips: bool,
    pub(super) dualstack: bool,
}

impl Places {
    /// Where `service` is for a client in `region`.
    pub(super) fn find(&self, service: Service, region: &str) -> Result<Endpoint> {
        let chosen = match service {
            Service::Firehose => None,
            Service::Sts => self.sts.as_ref(),
            Service::SsoPortal => self.portal.as_ref(),
            Service::SsoOidc => self.oidc.as_ref(),
        };
        let Some(chosen) = chosen else {
            return endpoint::resolve(service, region, self.fips, self.dualstack);
        };
        endpoint::custom(&chosen.value, self.fips, self.dualstack)
            .map_err(|error| Error::new(error.kind, format!("{} (from {})", error.message, chosen.source)))
    }
}

/// How a role is asked for.
pub(super) enum Proof<'a> {
    /// By a signature with these keys.
    Keys(&'a Credentials),
    /// By a token.
    Token(&'a str),
}

/// Gets keys of `role`. `source` names what is going on, for messages.
pub(super) fn assume(
    network: &Network,
    places: &Places,
    role: &Role,
    proof: &Proof<'_>,
    source: &str,
    moment: &Moment<'_>,
) -> Result<Credentials> {
    let region = moment.region;
    let endpoint = places.find(Service::Sts, region).map_err(|error| failed(source, &error.message))?;
    let action = match proof {
        Proof::Keys(_) => "AssumeRole",
        Proof::Token(_) => "AssumeRoleWithWebIdentity",
    };
    let session = match &role.session_name {
        Some(name) => name.clone(),
        None => format!("libfirehose-{}", (moment.now)()),
    };
    let duration = role.duration_seconds.map(|seconds| seconds.to_string());
    let mut body = Zeroizing::new(format!("Action={action}&Version=2011-06-15"));
    let mut add = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            body.reserve(name.len() + 2 + 3 * value.len());
            body.push('&');
            body.push_str(name);
            body.push('=');
            push_encoded(value, &mut body);
        }
    };
    add("RoleArn", Some(&role.arn));
    add("RoleSessionName", Some(&session));
    add("DurationSeconds", duration.as_deref());
    let scope = Scope { region: region.into(), service: "sts".into() };
    let signed = match proof {
        Proof::Keys(keys) => {
            add("ExternalId", role.external_id.as_deref());
            Some((*keys, &scope))
        }
        Proof::Token(token) => {
            add("WebIdentityToken", Some(token));
            None
        }
    };
    let ask = Ask {
        endpoint: &endpoint,
        method: Method::POST,
        path: "",
        headers: &[("content-type", "application/x-www-form-urlencoded")],
        body: body.as_bytes(),
        signed,
        proxied: true,
        patience: PATIENCE,
    };
    let answered = network.ask(&ask, moment.deadline).map_err(|none| none.error(source, moment.deadline))?;
    if !answered.good {
        return Err(refused(&answered, &endpoint, role, source, action));
    }
    read(&answered.body, action).map_err(|why| {
        failed(source, &format!("the answer of {} to {action} cannot be used: {why}", endpoint.authority))
    })
}

fn refused(answered: &Answered, endpoint: &Endpoint, role: &Role, source: &str, action: &str) -> Error {
    let advice = match answered.fault.code.as_str() {
        "AccessDenied" | "AccessDeniedException" => {
            "check the role's trust policy, and that the keys it is assumed with may assume it"
        }
        "ExpiredTokenException" | "ExpiredToken" => "the token or the keys have expired: get new ones",
        "InvalidIdentityToken" | "IDPRejectedClaim" | "IDPRejectedClaimException" => {
            "check the token file, and the identity provider in the role's account"
        }
        "RegionDisabledException" => "activate the region for the account, or set another region",
        "InvalidClientTokenId" | "SignatureDoesNotMatch" => "check the keys the role is assumed with",
        _ => "check the role and the profile",
    };
    let why = format!(
        "{} refused {action} of {}: {}; {advice}",
        endpoint.authority,
        crate::text::printable(&role.arn),
        answered.refusal()
    );
    Error::new(Kind::CredentialsFailed, format!("no credentials from {source}: {why}"))
}

/// Reads an answer of STS, every part of it.
fn read(body: &[u8], action: &str) -> std::result::Result<Credentials, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8")?;
    let path = |leaf: &str| format!("{action}Response/{action}Result/Credentials/{leaf}");
    let names = ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"];
    let paths = names.map(path);
    let [a, b, c, d] = &paths;
    let found = xml::read(text, [a.as_str(), b, c, d])?;
    for (name, part) in names.iter().zip(&found) {
        if part.as_ref().is_none_or(|part| part.is_empty()) {
            return Err(format!("{name} is missing or empty"));
        }
    }
    let [Some(id), Some(secret), Some(token), Some(expiration)] = &found else {
        return Err("it lacks a part".into());
    };
    let expires_at = parse_rfc3339(expiration).ok_or("Expiration is not a date")?;
    Credentials::checked(id, secret, Some(token), Some(expires_at)).map_err(Into::into)
}

/// Percent-encodes what a form does not take as it is.
pub(super) fn push_encoded(value: &str, out: &mut String) {
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let digit =
                |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase();
            out.extend(['%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) const GOOD: &str = "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\n\
        <AssumeRoleResult><AssumedRoleUser><AssumedRoleId>A:s</AssumedRoleId></AssumedRoleUser><Credentials>\n\
        <AccessKeyId>ASIARCORRECT</AccessKeyId><SecretAccessKey>hush</SecretAccessKey>\n\
        <SessionToken>quiet</SessionToken><Expiration>2021-09-21T18:41:26Z</Expiration></Credentials>\n\
        </AssumeRoleResult><ResponseMetadata><RequestId>d</RequestId></ResponseMetadata></AssumeRoleResponse>\n";

    pub(crate) fn read_answer(body: &[u8]) -> std::result::Result<Credentials, String> {
        read(body, "AssumeRole")
    }

    #[test]
    fn every_part_of_an_answer_is_needed() {
        let keys = read_answer(GOOD.as_bytes()).unwrap();
        assert_eq!(keys.access_key_id, "ASIARCORRECT");
        assert_eq!(keys.token.unwrap().as_str(), "quiet");
        assert_eq!(keys.expires_at, Some(1_632_249_686));
        for part in ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"] {
            let without = GOOD.replace(&format!("{part}>"), "Other>");
            assert!(read_answer(without.as_bytes()).unwrap_err().contains(part));
        }
        for cut in 0..GOOD.trim_end().len() {
            let why = read_answer(&GOOD.as_bytes()[..cut]).unwrap_err();
            assert!(!why.contains("hush"), "{why}");
        }
        assert!(read_answer(GOOD.replace("2021-", "21-").as_bytes()).is_err());
        assert!(read(GOOD.as_bytes(), "AssumeRoleWithWebIdentity").is_err());
    }

    #[test]
    fn forms_are_encoded() {
        let mut out = String::new();
        push_encoded("a+b/c=é ~", &mut out);
        assert_eq!(out, "a%2Bb%2Fc%3D%C3%A9%20~");
    }

    #[test]
    fn places_follow_region_and_choice() {
        let places = Places { fips: true, ..Places::default() };
        assert_eq!(places.find(Service::Sts, "us-east-2").unwrap().host, "sts-fips.us-east-2.amazonaws.com");
        let url = |url: &str| Some(Setting { value: url.into(), source: "AWS_ENDPOINT_URL_STS".into() });
        let places = Places { sts: url("http://localhost:1/x"), ..Places::default() };
        assert_eq!(places.find(Service::Sts, "us-east-2").unwrap().path, "/x");
        assert_eq!(
            places.find(Service::SsoPortal, "eu-west-1").unwrap().host,
            "portal.sso.eu-west-1.amazonaws.com"
        );
        assert_eq!(places.find(Service::SsoOidc, "eu-west-1").unwrap().host, "oidc.eu-west-1.amazonaws.com");
        let places = Places { sts: url("nonsense"), ..places };
        assert!(places.find(Service::Sts, "us-east-2").unwrap_err().message.contains("AWS_ENDPOINT_URL_STS"));
        assert!(Places::default().find(Service::Sts, "").is_err());
    }
}
