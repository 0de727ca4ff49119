//! Keys from the agent beside a container: ECS, EKS Pod Identity, and whatever else speaks their protocol.

use super::json::Document;
use super::request::{Ask, Network, Patience};
use super::{Credentials, Moment, Provider, failed, token_file};
use crate::config::endpoint::Endpoint;
use crate::error::Result;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq_proto::http::Method;
use zeroize::Zeroizing;

const PATIENCE: Patience = Patience {
    connect: Duration::from_secs(2),
    read: Duration::from_secs(2),
    attempt: Duration::from_secs(5),
    attempts: 3,
};

const RELATIVE: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const FULL: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const TOKEN: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN";
const TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// What the environment says about the agent.
#[derive(Clone)]
pub(super) struct Agent {
    /// The variable that said so.
    variable: &'static str,
    endpoint: Endpoint,
    /// Path and query.
    path: String,
    authorization: Authorization,
}

#[derive(Clone)]
enum Authorization {
    None,
    /// Read anew each time.
    File(PathBuf),
    Value(Zeroizing<String>),
}

impl Agent {
    /// Reads the variables; `None` where there is no agent, with the reason.
    pub(super) fn find(
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> std::result::Result<Option<Agent>, String> {
        let (name, uri) = match (variable(RELATIVE), variable(FULL)) {
            (Some(path), _) => (RELATIVE, format!("http://169.254.170.2{path}")),
            (None, Some(uri)) => (FULL, uri),
            (None, None) => return Ok(None),
        };
        let (url, query) =
            uri.split_once('?').map_or((uri.as_str(), None), |(url, query)| (url, Some(query)));
        let bad = |why: &str| format!("the variable {name} cannot be used: {why}");
        if name == RELATIVE && !uri.starts_with("http://169.254.170.2/") {
            return Err(bad("it does not begin with a slash"));
        }
        let mut endpoint = Endpoint::parse(url).map_err(|error| bad(&error.message))?;
        let mut path = std::mem::replace(&mut endpoint.path, "/".into());
        if let Some(query) = query {
            if !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
                return Err(bad("its query has a character that is not allowed"));
            }
            path.push('?');
            path.push_str(query);
        }
        let address = endpoint.host.parse::<IpAddr>().ok();
        if !endpoint.tls && address.is_some_and(|address| !is_trusted(address)) {
            return Err(bad(&refused(&endpoint.host)));
        }
        let authorization = match (variable(TOKEN_FILE), variable(TOKEN)) {
            (Some(file), _) => Authorization::File(file.into()),
            (None, Some(token)) if token.bytes().all(|b| (b' '..=b'~').contains(&b)) => {
                Authorization::Value(Zeroizing::new(token))
            }
            (None, Some(_)) => {
                return Err(format!(
                    "the variable {TOKEN} holds a line break or a character that is not ASCII"
                ));
            }
            (None, None) => Authorization::None,
        };
        Ok(Some(Agent { variable: name, endpoint, path, authorization }))
    }

    /// Why there is none, for the list of what was asked.
    pub(super) fn lack() -> String {
        format!("container: neither {RELATIVE} nor {FULL} is set")
    }
}

/// Plain HTTP may carry keys on this machine and on the links to the agents of ECS and EKS, nowhere else.
fn is_trusted(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            v4.is_loopback()
                || [Ipv4Addr::new(169, 254, 170, 2), Ipv4Addr::new(169, 254, 170, 23)].contains(&v4)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6 == Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    }
}

fn refused(host: &str) -> String {
    format!(
        "{host} may not be asked over plain HTTP: allowed are loopback, 169.254.170.2, 169.254.170.23 and \
         fd00:ec2::23; use https for any other host"
    )
}

/// The source.
pub(super) struct Container {
    network: Arc<Network>,
    agent: Agent,
    source: String,
}

impl Container {
    pub(super) fn new(network: Arc<Network>, agent: Agent) -> Container {
        let source = format!("the container's agent at {} ({})", agent.endpoint.authority, agent.variable);
        Container { network, agent, source }
    }

    /// A name is asked for its addresses: each must be one that may be asked, and the one asked is one of these.
    fn endpoint(&self, deadline: Instant) -> Result<Endpoint> {
        let mut endpoint = self.agent.endpoint.clone();
        if endpoint.tls || endpoint.host.parse::<IpAddr>().is_ok() {
            return Ok(endpoint);
        }
        let until = deadline.min(Instant::now() + PATIENCE.attempt);
        let found = self.network.resolver.resolve(&endpoint.host, endpoint.port, until);
        let found = found.map_err(|failure| failed(&self.source, &failure.message))?;
        match found.first() {
            Some(first) if found.iter().all(|address| is_trusted(address.ip())) => {
                endpoint.host = first.ip().to_string();
                Ok(endpoint)
            }
            _ => Err(failed(&self.source, &refused(&endpoint.host))),
        }
    }
}

impl Provider for Container {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let token = match &self.agent.authorization {
            Authorization::None => None,
            Authorization::Value(token) => Some(token.clone()),
            Authorization::File(path) => {
                Some(token_file::read_token(path).map_err(|why| failed(&self.source, &why))?)
            }
        };
        let endpoint = self.endpoint(moment.deadline)?;
        let mut headers = vec![("accept", "application/json")];
        headers.extend(token.as_ref().map(|token| ("authorization", token.as_str())));
        let ask = Ask {
            endpoint: &endpoint,
            method: Method::GET,
            path: &self.agent.path,
            headers: &headers,
            body: b"",
            signed: None,
            proxied: false,
            patience: PATIENCE,
        };
        let answered = self
            .network
            .ask(&ask, moment.deadline)
            .map_err(|none| none.error(&self.source, moment.deadline))?;
        if !answered.good {
            let why = format!(
                "it refused: {}; check the task's or pod's role and the variables {TOKEN_FILE} and {TOKEN}",
                answered.refusal()
            );
            return Err(failed(&self.source, &why));
        }
        let keys = read(&answered.body)
            .map_err(|why| failed(&self.source, &format!("its answer is not good: {why}")))?;
        if let Some(end) = keys.expires_at {
            self.network.trust_date(end, answered.date);
        }
        Ok(keys)
    }

    fn name(&self) -> String {
        self.source.clone()
    }
}

/// Reads what ECS, EKS and the metadata service answer with.
pub(super) fn read(body: &[u8]) -> std::result::Result<Credentials, String> {
    let document = Document::parse(body)?;
    if let Some(code) = document.optional("Code")?.filter(|code| !code.eq_ignore_ascii_case("Success")) {
        let message = document.optional("Message")?.unwrap_or_default();
        let said = format!("{code}: {message}");
        return Err(format!("it says {}", crate::text::printable(&said)));
    }
    let expires_at = document.date("Expiration")?;
    let (id, secret, token) =
        (document.text("AccessKeyId")?, document.text("SecretAccessKey")?, document.text("Token")?);
    Credentials::checked(id, secret, Some(token), Some(expires_at)).map_err(Into::into)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::collections::HashMap;

    pub(crate) const GOOD: &str = r#"{"RoleArn":"arn:aws:iam::1:role/r","AccessKeyId":"ASIAC","SecretAccessKey":"hush",
        "Token":"quiet","AccountId":"1","Expiration" : "2021-09-21T18:41:26Z"}"#;

    fn find(variables: &[(&str, &str)]) -> std::result::Result<Option<Agent>, String> {
        let variables: HashMap<&str, &str> = variables.iter().copied().collect();
        Agent::find(&|name| variables.get(name).map(|value| (*value).to_owned()))
    }

    #[test]
    fn plain_http_stays_on_trusted_links() {
        for good in [
            "http://127.0.0.1:8080/x?y=1",
            "http://127.9.9.9/",
            "http://[::1]:80/x",
            "http://169.254.170.2/x",
            "http://169.254.170.23/v1/credentials",
            "http://[fd00:ec2::23]/v1/credentials",
            "http://localhost:1/x",
            "https://192.168.1.1/x",
            "https://keys.example/x",
        ] {
            assert!(find(&[(FULL, good)]).unwrap().is_some(), "{good}");
        }
        for bad in [
            "http://192.168.1.1/x",
            "http://169.254.169.254/",
            "http://[fd00:ec2::254]/",
            "ftp://127.0.0.1/",
            "x",
        ] {
            let why = find(&[(FULL, bad)]).err().unwrap();
            assert!(why.contains(FULL), "{why}");
        }
        assert!(find(&[]).unwrap().is_none());
        let agent = find(&[(RELATIVE, "/v2/credentials/1?a=b"), (FULL, "http://8.8.8.8/")]).unwrap().unwrap();
        assert_eq!(
            (agent.endpoint.host.as_str(), agent.path.as_str()),
            ("169.254.170.2", "/v2/credentials/1?a=b")
        );
        for bad in ["@evil.example/", ".evil.example/", ":80/", "v2"] {
            assert!(find(&[(RELATIVE, bad)]).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_token_may_not_break_the_header() {
        let uri = (FULL, "http://127.0.0.1/");
        let why = find(&[uri, (TOKEN, "hush\r\nX: y")]).err().unwrap();
        assert!(why.contains(TOKEN) && !why.contains("hush"), "{why}");
        let agent = find(&[uri, (TOKEN, "t"), (TOKEN_FILE, "/f")]).unwrap().unwrap();
        assert!(matches!(agent.authorization, Authorization::File(_)));
    }

    #[test]
    fn every_part_of_an_answer_is_needed() {
        let keys = read(GOOD.as_bytes()).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.expires_at), ("ASIAC", Some(1_632_249_686)));
        for part in ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"] {
            let without = GOOD.replace(&format!("\"{part}\""), "\"Other\"");
            assert!(read(without.as_bytes()).unwrap_err().contains(part));
        }
        let why = read(br#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"not allowed"}"#).unwrap_err();
        assert_eq!(why, "it says AssumeRoleUnauthorizedAccess: not allowed");
    }
}
