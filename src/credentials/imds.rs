//! The metadata service of an EC2 instance: keys of the instance's role, and the region. Version 2, whose token keeps
//! a fooled program from being used as a proxy; version 1 only where somebody asks for it.

use super::request::{Answered, Ask, Network, Patience, Unanswered};
use super::{Credentials, Moment, Provider, container, failed, fixed};
use crate::config::endpoint::{Endpoint, check_region};
use crate::config::options::flag;
use crate::error::{Error, Kind, Result};
use crate::text::printable;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use ureq_proto::http::Method;
use zeroize::Zeroizing;

/// How long a token is asked for, in seconds.
const TOKEN_LIFE: &str = "21600";
/// A token is used for this long: it is renewed somewhat before its end.
const TOKEN_USE: Duration = Duration::from_secs(21_600 - 120);
/// How long nobody is asked again who was not there: each attempt costs seconds.
const ABSENCE: Duration = Duration::from_secs(5);

const DISABLED: &str = "AWS_EC2_METADATA_DISABLED";
const ENDPOINT: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT";
const MODE: &str = "AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE";
const V1_DISABLED: &str = "AWS_EC2_METADATA_V1_DISABLED";

/// Where the service is and how it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Metadata {
    endpoint: Endpoint,
    v1: bool,
    patience: Patience,
}

impl Metadata {
    /// Reads the variables, and the profile's keys where there are none; `Err(None)` is a service that is switched
    /// off.
    pub(crate) fn find(
        variable: &dyn Fn(&str) -> Option<String>,
        profile: &dyn Fn(&str) -> Option<String>,
    ) -> std::result::Result<Metadata, Option<String>> {
        let is_set = |name: &str, value: Option<String>| match value {
            None => Ok(None),
            Some(text) => match flag(&text) {
                Some(flag) => Ok(Some(flag)),
                None => Err(Some(format!("{name} is {:?}; allowed: true, false", printable(&text)))),
            },
        };
        // Every other word leaves it on, as it does for the AWS CLI.
        if variable(DISABLED).as_deref().and_then(flag) == Some(true) {
            return Err(None);
        }
        let either = |name: &str, key: &str| variable(name).or_else(|| profile(key));
        let url = match either(ENDPOINT, "ec2_metadata_service_endpoint") {
            Some(url) => url,
            None => match either(MODE, "ec2_metadata_service_endpoint_mode") {
                None => "http://169.254.169.254".into(),
                Some(mode) if mode.eq_ignore_ascii_case("ipv4") => "http://169.254.169.254".into(),
                Some(mode) if mode.eq_ignore_ascii_case("ipv6") => "http://[fd00:ec2::254]".into(),
                Some(mode) => {
                    let mode = printable(&mode);
                    return Err(Some(format!(
                        "{MODE} (or its key in the profile) is {mode:?}; allowed: IPv4, IPv6"
                    )));
                }
            },
        };
        let endpoint = Endpoint::parse(&url)
            .map_err(|error| Some(format!("{ENDPOINT} (or its key in the profile): {}", error.message)))?;
        let v1_disabled = is_set(V1_DISABLED, either(V1_DISABLED, "ec2_metadata_v1_disabled"))?;
        let number = |name, key, most: u32| match either(name, key) {
            None => Ok(None),
            Some(text) => match text.parse().ok().filter(|number| (1..=most).contains(number)) {
                Some(number) => Ok(Some(number)),
                None => {
                    Err(Some(format!("{name} (or {key} in the profile) is not a number from 1 to {most}")))
                }
            },
        };
        let seconds = number("AWS_METADATA_SERVICE_TIMEOUT", "metadata_service_timeout", 60)?.unwrap_or(1);
        let attempts = number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "metadata_service_num_attempts", 10)?;
        let wait = Duration::from_secs(u64::from(seconds));
        let patience =
            Patience { connect: wait, read: wait, attempt: wait * 3, attempts: attempts.unwrap_or(3) };
        // Saying that it is not disabled is asking for it.
        Ok(Metadata { endpoint, v1: v1_disabled == Some(false), patience })
    }

    /// The variable that switches it off, for the list of what was asked.
    pub(crate) fn off() -> String {
        format!("instance metadata (IMDS): {DISABLED} is true")
    }
}

/// The service as one process sees it.
pub(crate) struct Imds {
    network: Arc<Network>,
    metadata: Metadata,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// `None` within is version 1, which has none.
    token: Option<(Option<Zeroizing<String>>, Instant)>,
    /// Nobody was there, and when that was found out.
    absent: Option<(String, Instant)>,
}

/// Why the service gave nothing.
enum Trouble {
    /// There is no such service here, or it has no such thing.
    Absent(String),
    /// There is, and it failed.
    Failed(String),
    /// The call's own time was up.
    Late(String),
}

impl Imds {
    pub(crate) fn new(network: Arc<Network>, metadata: Metadata) -> Imds {
        Imds { network, metadata, state: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn place(&self) -> &str {
        &self.metadata.endpoint.authority
    }

    fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&'static str, &str)],
        deadline: Instant,
    ) -> std::result::Result<Answered, Unanswered> {
        let ask = Ask {
            endpoint: &self.metadata.endpoint,
            method,
            path,
            headers,
            body: b"",
            signed: None,
            proxied: false,
            patience: self.metadata.patience,
        };
        self.network.ask(&ask, deadline)
    }

    /// A token, kept from an earlier time or new; `None` is version 1.
    fn token(&self, deadline: Instant) -> std::result::Result<Option<Zeroizing<String>>, Trouble> {
        {
            let state = self.lock();
            if let Some((why, _)) = state.absent.as_ref().filter(|(_, at)| at.elapsed() < ABSENCE) {
                return Err(Trouble::Absent(why.clone()));
            }
            if let Some((token, _)) = state.token.as_ref().filter(|(_, at)| at.elapsed() < TOKEN_USE) {
                return Ok(token.clone());
            }
        }
        let life = [("x-aws-ec2-metadata-token-ttl-seconds", TOKEN_LIFE)];
        let v1 = self.metadata.v1;
        let absent = match self.ask(Method::PUT, "/latest/api/token", &life, deadline) {
            Ok(answered) if answered.good => {
                let token = std::str::from_utf8(&answered.body).map(str::trim).unwrap_or_default();
                if token.is_empty() || token.len() > 4096 || !token.bytes().all(|b| b.is_ascii_graphic()) {
                    return Err(Trouble::Failed("its token is not one word of ASCII".into()));
                }
                return Ok(self.keep(Some(Zeroizing::new(token.to_owned()))));
            }
            Ok(answered) if v1 && matches!(answered.status, 403..=405) => return Ok(self.keep(None)),
            Ok(answered) if (400..500).contains(&answered.status) => {
                format!("{} gives no token: {}", self.place(), answered.refusal())
            }
            Ok(answered) => {
                return Err(Trouble::Failed(format!("it gives no token: {}", answered.refusal())));
            }
            Err(none) if none.kind == Kind::Timeout && v1 && Instant::now() < deadline => {
                return Ok(self.keep(None));
            }
            Err(none) if Instant::now() >= deadline => return Err(Trouble::Late(none.message)),
            Err(none) => none.message,
        };
        self.lock().absent = Some((absent.clone(), Instant::now()));
        Err(Trouble::Absent(absent))
    }

    fn keep(&self, token: Option<Zeroizing<String>>) -> Option<Zeroizing<String>> {
        let mut state = self.lock();
        state.token = Some((token.clone(), Instant::now()));
        state.absent = None;
        token
    }

    fn get(&self, path: &str, deadline: Instant) -> std::result::Result<Answered, Trouble> {
        let mut again = true;
        loop {
            let token = self.token(deadline)?;
            let headers: Vec<(&'static str, &str)> =
                token.iter().map(|token| ("x-aws-ec2-metadata-token", token.as_str())).collect();
            let answered = self.ask(Method::GET, path, &headers, deadline).map_err(|none| {
                let late = Instant::now() >= deadline;
                if late { Trouble::Late(none.message) } else { Trouble::Failed(none.message) }
            })?;
            match answered.status {
                _ if answered.good => return Ok(answered),
                // The token is no longer good: once with a new one.
                401 if again => {
                    again = false;
                    self.lock().token = None;
                }
                404 => return Err(Trouble::Absent(format!("{} has no {path}", self.place()))),
                _ => return Err(Trouble::Failed(format!("it refuses {path}: {}", answered.refusal()))),
            }
        }
    }

    /// The region of the instance, for a client that has none from anywhere else.
    pub(crate) fn region(&self, deadline: Instant) -> std::result::Result<String, Error> {
        let none = |kind, why: &str| Error::new(kind, format!("instance metadata (IMDS): {why}"));
        match self.get("/latest/meta-data/placement/region", deadline) {
            Ok(answered) => {
                let region = std::str::from_utf8(&answered.body).map(str::trim).unwrap_or_default();
                check_region(region).map_err(|error| none(Kind::NoRegion, &error.message))?;
                Ok(region.to_owned())
            }
            Err(Trouble::Late(why)) => Err(none(Kind::Timeout, &why)),
            Err(Trouble::Absent(why) | Trouble::Failed(why)) => Err(none(Kind::NoRegion, &why)),
        }
    }

    fn keys(&self, deadline: Instant) -> std::result::Result<Credentials, Trouble> {
        const ROLES: &str = "/latest/meta-data/iam/security-credentials/";
        let answered = self.get(ROLES, deadline).map_err(|trouble| match trouble {
            Trouble::Absent(why) if why.contains(ROLES) => {
                Trouble::Absent(format!("{}: the instance has no role", self.place()))
            }
            trouble => trouble,
        })?;
        let role = std::str::from_utf8(&answered.body).unwrap_or_default();
        let role = role.lines().next().map(str::trim).unwrap_or_default();
        let good = |b: u8| b.is_ascii_alphanumeric() || b"+=,.@_-".contains(&b);
        if role.is_empty() || role.len() > 256 || !role.bytes().all(good) {
            return Err(Trouble::Failed("what it answers is not the name of a role".into()));
        }
        let answered = self.get(&format!("{ROLES}{role}"), deadline)?;
        let keys = container::read(&answered.body)
            .map_err(|why| Trouble::Failed(format!("its answer for the role {role} is not good: {why}")))?;
        if let Some(end) = keys.expires_at {
            self.network.trust_date(end, answered.date);
        }
        Ok(keys)
    }

    fn source(&self) -> String {
        format!("instance metadata (IMDS) at {}", self.place())
    }
}

/// The service as a source of keys.
pub(super) struct FromImds {
    pub(super) imds: Arc<Imds>,
    /// The sources before it, where it stands at the end of the chain: if nobody is there, none has any.
    pub(super) asked: Option<Vec<String>>,
}

impl Provider for FromImds {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let source = self.imds.source();
        self.imds.keys(moment.deadline).map_err(|trouble| match (trouble, &self.asked) {
            (Trouble::Absent(why), Some(asked)) => {
                let mut asked = asked.clone();
                asked.push(format!("instance metadata (IMDS): {why}"));
                fixed::missing(&asked)
            }
            (Trouble::Late(why), _) => {
                Error::new(Kind::Timeout, format!("no credentials from {source}: {why}"))
            }
            (Trouble::Absent(why) | Trouble::Failed(why), _) => failed(&source, &why),
        })
    }

    fn name(&self) -> String {
        self.imds.source()
    }

    fn outlives_expiry(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    fn find(
        variables: &[(&str, &str)],
        profile: &[(&str, &str)],
    ) -> std::result::Result<Metadata, Option<String>> {
        let map = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
            pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
        };
        let (variables, profile) = (map(variables), map(profile));
        Metadata::find(&|name| variables.get(name).cloned(), &|key| profile.get(key).cloned())
    }

    #[test]
    fn where_it_is_and_how_it_is_asked() {
        let host = |variables: &[(&str, &str)], profile: &[(&str, &str)]| {
            find(variables, profile).unwrap().endpoint.host
        };
        assert_eq!(host(&[], &[]), "169.254.169.254");
        assert_eq!(host(&[(MODE, "IPv6")], &[]), "fd00:ec2::254");
        assert_eq!(host(&[(ENDPOINT, "http://localhost:1338/x"), (MODE, "ipv6")], &[]), "localhost");
        assert_eq!(host(&[], &[("ec2_metadata_service_endpoint_mode", "ipv6")]), "fd00:ec2::254");
        assert_eq!(
            host(&[(MODE, "ipv4")], &[("ec2_metadata_service_endpoint_mode", "ipv6")]),
            "169.254.169.254"
        );
        assert!(!find(&[], &[]).unwrap().v1 && !find(&[(V1_DISABLED, "true")], &[]).unwrap().v1);
        assert!(find(&[(V1_DISABLED, "false")], &[]).unwrap().v1);
        let patience = find(&[("AWS_METADATA_SERVICE_TIMEOUT", "2")], &[]).unwrap().patience;
        assert_eq!((patience.read.as_secs(), patience.attempts), (2, 3));
        assert!(find(&[(DISABLED, "TRUE")], &[]).unwrap_err().is_none());
        assert!(find(&[(DISABLED, "yes")], &[]).is_ok());
        for (name, value) in [
            (MODE, "ipv5"),
            (V1_DISABLED, "perhaps"),
            (ENDPOINT, "169.254.169.254"),
            ("AWS_METADATA_SERVICE_TIMEOUT", "0"),
            ("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many"),
        ] {
            assert!(find(&[(name, value)], &[]).unwrap_err().unwrap().contains(name));
        }
    }
}
