//! One-shot requests of the sources of keys: each on a connection of its own, with short limits of its own, tried
//! again by the same rules as a put.

use super::Credentials;
use crate::clock::{Clock, Stamp, parse_http_date};
use crate::config::endpoint::Endpoint;
use crate::error::{Error, Kind};
use crate::http::{Answer, Buffers, Connector, Failure, Limits, Link, Proxies, Request, Resolver, Tls};
use crate::log::Log;
use crate::retry::{Class, Skew, backoff, classify, is_skew_code, parse_retry_after};
use crate::sign::{Canonical, Hex, Scope, SigningKey, authorization};
use crate::sys::random::Random;
use crate::wire::fault::Fault;
use std::sync::Arc;
use std::time::{Duration, Instant};
use ureq_proto::http::{self, HeaderName, HeaderValue, Method, Uri, header};
use zeroize::Zeroizing;

/// Longer than any answer with keys.
const MOST: usize = 256 * 1024;

/// What the sources of a client's keys share with its calls.
pub(crate) struct Network {
    /// Finds addresses.
    pub(crate) resolver: Arc<Resolver>,
    /// Trust.
    pub(crate) tls: Arc<Tls>,
    /// The ways to AWS; metadata and container addresses are asked directly.
    pub(crate) proxies: Proxies,
    /// What is known of the machine's clock.
    pub(crate) skew: Arc<Skew>,
    /// Whether that is used.
    pub(crate) correct_skew: bool,
    /// For jitter.
    pub(crate) random: Random,
    /// The `User-Agent`.
    pub(crate) user_agent: HeaderValue,
    /// Who hears of it.
    pub(crate) log: Arc<Log>,
    /// The wall clock.
    pub(crate) clock: Clock,
}

/// How long and how often a source is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// For a connection.
    pub(crate) connect: Duration,
    /// For each wait.
    pub(crate) read: Duration,
    /// For a whole attempt.
    pub(crate) attempt: Duration,
    /// Attempts.
    pub(crate) attempts: u32,
}

/// What is asked.
pub(super) struct Ask<'a> {
    pub(super) endpoint: &'a Endpoint,
    pub(super) method: Method,
    /// Path and query, behind the path of the endpoint; `""` is that path itself.
    pub(super) path: &'a str,
    pub(super) headers: &'a [(&'static str, &'a str)],
    pub(super) body: &'a [u8],
    /// Keys and scope to sign with.
    pub(super) signed: Option<(&'a Credentials, &'a Scope)>,
    /// Whether the client's proxies are used.
    pub(super) proxied: bool,
    pub(super) patience: Patience,
}

/// What came back, whatever its status.
pub(super) struct Answered {
    pub(super) status: u16,
    /// 200 to 299
    pub(super) good: bool,
    pub(super) body: Zeroizing<Vec<u8>>,
    /// The service's code and message where it refused.
    pub(super) fault: Fault,
    /// When it was written, in seconds since 1970, as the other side believes.
    pub(super) date: Option<i64>,
}

impl Answered {
    /// `AccessDenied: not allowed (HTTP 403)`, for a message.
    pub(super) fn refusal(&self) -> String {
        let message = crate::text::printable(&self.fault.message);
        match (self.fault.code.as_str(), message.as_str()) {
            ("", "") => format!("HTTP {}", self.status),
            ("", message) => format!("HTTP {}: {message}", self.status),
            (code, message) => format!("{}: {message} (HTTP {})", crate::text::printable(code), self.status),
        }
    }
}

/// Nobody answered.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// A connection was made, or begun, and nothing came of it in time; or none could be made.
    pub(super) kind: Kind,
    pub(super) message: String,
}

impl Unanswered {
    /// As the failure of `source`.
    pub(super) fn error(&self, source: &str, deadline: Instant) -> Error {
        let message = format!("no credentials from {source}: {}", self.message);
        let late = self.kind == Kind::Timeout && Instant::now() >= deadline;
        Error::new(if late { Kind::Timeout } else { Kind::CredentialsFailed }, message)
    }
}

impl Network {
    /// Seconds since 1970 by the corrected clock.
    pub(super) fn now(&self) -> i64 {
        let skew = if self.correct_skew { self.skew.get() } else { 0 };
        self.clock.wall_ms().saturating_add(skew) / 1000
    }

    /// Learns from a metadata service's clock what that of this machine does not know: keys that it has just written
    /// have not expired.
    pub(super) fn trust_date(&self, expires_at: i64, answered: Option<i64>) {
        if let Some(date) = answered.filter(|date| expires_at <= self.now() && *date < expires_at) {
            let wall = self.clock.wall_ms();
            self.skew.observe(wall, wall, Some(date), false);
        }
    }

    /// Asks until somebody answers with something final, or attempts or time are used up.
    pub(super) fn ask(&self, ask: &Ask<'_>, deadline: Instant) -> Result<Answered, Unanswered> {
        let mut buffers = Buffers::default();
        let outcome = self.attempts(ask, deadline, &mut buffers);
        buffers.wipe();
        outcome
    }

    fn attempts(
        &self,
        ask: &Ask<'_>,
        deadline: Instant,
        buffers: &mut Buffers,
    ) -> Result<Answered, Unanswered> {
        let mut retries = 0;
        loop {
            let outcome = self.once(ask, deadline, buffers);
            let (class, asked) = match &outcome {
                Ok((answered, asked)) => {
                    (class(answered, self.correct_skew.then(|| self.skew.get())), *asked)
                }
                Err(failure) => {
                    let lasting =
                        matches!(failure.kind, Kind::BadResponse | Kind::Internal | Kind::TlsFailed);
                    ((!lasting).then_some(Class::Transient), None)
                }
            };
            let wait = class.map(|class| backoff(class, retries, self.random.unit(), asked));
            retries += 1;
            match wait {
                Some(wait) if retries < ask.patience.attempts && Instant::now() + wait < deadline => {
                    std::thread::sleep(wait);
                }
                _ => {
                    return outcome
                        .map(|(answered, _)| answered)
                        .map_err(|failure| unanswered(failure, ask, retries, deadline));
                }
            }
        }
    }

    fn once(
        &self,
        ask: &Ask<'_>,
        deadline: Instant,
        buffers: &mut Buffers,
    ) -> Result<(Answered, Option<Duration>), Failure> {
        let now = Instant::now();
        let limits = Limits {
            connect: ask.patience.connect,
            read: ask.patience.read,
            deadline: deadline.min(now + ask.patience.attempt),
        };
        buffers.start(ask.body.len()).extend_from_slice(ask.body);
        let path = match ask.path {
            "" => ask.endpoint.path.clone(),
            path => format!("{}{path}", ask.endpoint.path.trim_end_matches('/')),
        };
        let uri: Uri = path.parse().map_err(|_| {
            Failure::new(Kind::Internal, format!("{:?} is no path", crate::text::printable(&path)))
        })?;
        let stamp = Stamp::new(self.now());
        let authorization =
            ask.signed.map(|(keys, scope)| sign(ask, keys, scope, &uri, &stamp)).map(Zeroizing::new);
        let value = |text: &str| {
            let mut value = HeaderValue::from_str(text).unwrap_or_else(|_| HeaderValue::from_static(""));
            value.set_sensitive(true);
            value
        };
        let head = || {
            let mut request = http::Request::new(());
            *request.method_mut() = ask.method.clone();
            *request.uri_mut() = uri.clone();
            let headers = request.headers_mut();
            headers.insert(header::HOST, value(&ask.endpoint.authority));
            headers.insert(header::USER_AGENT, self.user_agent.clone());
            if ask.method != Method::GET {
                headers.insert(header::CONTENT_LENGTH, HeaderValue::from(ask.body.len()));
            }
            for (name, text) in ask.headers {
                headers.insert(HeaderName::from_static(name), value(text));
            }
            if let (Some((keys, _)), Some(authorization)) = (ask.signed, &authorization) {
                headers.insert(HeaderName::from_static("x-amz-date"), value(stamp.as_str()));
                if let Some(token) = &keys.token {
                    headers.insert(HeaderName::from_static("x-amz-security-token"), value(token));
                }
                headers.insert(header::AUTHORIZATION, value(authorization));
            }
            request
        };
        let none = Proxies::default();
        let connector = Connector {
            target: ask.endpoint,
            resolver: &self.resolver,
            tls: &self.tls,
            proxies: if ask.proxied { &self.proxies } else { &none },
        };
        let request = Request { head: &head, most: MOST, limits: &limits };
        let sent = self.clock.wall_ms();
        let answer = buffers.exchange(&mut Link::default(), connector, request, now)?;
        Ok(self.read(ask, &answer, Zeroizing::new(std::mem::take(&mut buffers.body)), sent))
    }

    fn read(
        &self,
        ask: &Ask<'_>,
        answer: &Answer,
        body: Zeroizing<Vec<u8>>,
        sent: i64,
    ) -> (Answered, Option<Duration>) {
        let date = answer.header("date").and_then(parse_http_date);
        if ask.proxied {
            // Only AWS itself is believed; what stands nearer may have a clock like this machine's.
            self.skew.observe(sent, self.clock.wall_ms(), date, answer.header("age").is_some());
        }
        let good = (200..300).contains(&answer.status);
        let fault = match good {
            true => Fault::default(),
            false => Fault::read(answer.header("x-amzn-errortype"), &body),
        };
        let asked = answer.header("x-amz-retry-after").and_then(parse_retry_after);
        (Answered { status: answer.status, good, body, fault, date }, asked)
    }
}

fn class(answered: &Answered, skew: Option<i64>) -> Option<Class> {
    if answered.good {
        return None;
    }
    let code = answered.fault.code.as_str();
    let passing = code == "IDPCommunicationError" || is_skew_code(code, skew);
    classify(code, answered.status).or(passing.then_some(Class::Transient))
}

fn unanswered(failure: Failure, ask: &Ask<'_>, attempts: u32, deadline: Instant) -> Unanswered {
    let place = &ask.endpoint.authority;
    let message = match failure.kind {
        Kind::Timeout if Instant::now() >= deadline => {
            format!("no answer from {place} within the time of the call")
        }
        Kind::Timeout => {
            format!("no answer from {place} ({attempts} attempts of {} ms)", ask.patience.read.as_millis())
        }
        _ => failure.message,
    };
    Unanswered { kind: failure.kind, message }
}

fn sign(ask: &Ask<'_>, keys: &Credentials, scope: &Scope, uri: &Uri, stamp: &Stamp) -> String {
    let payload = Hex::sha256(ask.body);
    let mut headers: Vec<(&str, &str)> = ask.headers.to_vec();
    headers.push(("host", &ask.endpoint.authority));
    headers.push(("x-amz-date", stamp.as_str()));
    if let Some(token) = &keys.token {
        headers.push(("x-amz-security-token", token));
    }
    let request = Canonical {
        method: ask.method.as_str(),
        path: uri.path(),
        query: uri.query().unwrap_or_default(),
        headers: &headers,
        payload: payload.as_str(),
    };
    let (mut canonical, mut signed_headers) = (Zeroizing::new(String::new()), String::new());
    request.write(&mut canonical, &mut signed_headers);
    let key = SigningKey::derive(&keys.secret, stamp, scope);
    let signature = key.sign(&canonical, stamp, scope, &mut String::new());
    let mut out = String::new();
    authorization(&mut out, &keys.access_key_id, stamp, scope, &signed_headers, &signature);
    out
}
