//! A connection to the endpoint: made when needed, through a proxy where there is one, kept, and made anew when it
//! has gone stale.

use super::stream::{Socket, Stream, Wait};
use super::tls::explain;
use super::{Failure, Limits, Proxies, Resolver, Tls, pool};
use crate::config::endpoint::Endpoint;
use crate::error::Kind;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What a connection is made with.
#[derive(Clone, Copy)]
pub(crate) struct Connector<'a> {
    /// Where it goes.
    pub(crate) target: &'a Endpoint,
    /// Finds addresses.
    pub(crate) resolver: &'a Resolver,
    /// Trust.
    pub(crate) tls: &'a Tls,
    /// The ways there.
    pub(crate) proxies: &'a Proxies,
}

/// A connection, or none yet.
#[derive(Default)]
pub(crate) struct Link {
    stream: Option<Stream>,
    used: Option<Instant>,
}

impl Link {
    /// When the last answer came.
    pub(crate) fn last_used(&self) -> Option<Instant> {
        self.used
    }

    /// Keeps the connection for the next call.
    pub(crate) fn keep(&mut self, stream: Stream, now: Instant) {
        self.stream = Some(stream);
        self.used = Some(now);
    }

    /// The connection, taken out; true where it has been used before.
    pub(crate) fn take(
        &mut self,
        connector: Connector<'_>,
        limits: &Limits,
        now: Instant,
    ) -> Result<(Stream, bool), Failure> {
        if let Some(stream) = self.stream.take() {
            let idle = self.used.map_or(Duration::ZERO, |used| now.saturating_duration_since(used));
            // Looked at however short the time was: bytes that nobody asked for would pass for the next answer.
            if idle < pool::IDLE && !stream.is_stale() {
                return Ok((stream, true));
            }
        }
        // Also where it fails: a lane without a time would keep the pool from closing the old ones behind it.
        self.used = Some(now);
        let fresh = connector.connect(limits, now)?;
        Ok((fresh, false))
    }
}

impl Connector<'_> {
    fn connect(&self, limits: &Limits, now: Instant) -> Result<Stream, Failure> {
        let target = self.target;
        let until = limits.connect_by(now);
        let proxy = self.proxies.choose(target.tls, &target.host, target.port);
        let (host, port) = proxy.map_or((&target.host, target.port), |proxy| (&proxy.host, proxy.port));
        let addresses = self.resolver.resolve(host, port, until)?;
        let tcp = match reach(&addresses, until) {
            Ok(tcp) => tcp,
            Err(error) => {
                self.resolver.forget(host, port);
                let via =
                    proxy.map_or_else(String::new, |proxy| format!(" through the proxy {}", proxy.name()));
                let tried: Vec<String> = addresses.iter().take(4).map(ToString::to_string).collect();
                let what = format!("cannot connect to {}{via} at {}", target.authority, tried.join(", "));
                return Err(failed(&what, &error, limits));
            }
        };
        let wait = Wait { idle: limits.connect, until };
        let broken = |error: io::Error| {
            failed(
                &format!("the connection to {} broke while it was set up", target.authority),
                &error,
                limits,
            )
        };
        let mut stream = Stream::plain(Socket::new(tcp).map_err(broken)?);
        if let Some(proxy) = proxy {
            if proxy.tls {
                let name = format!("the proxy {}", proxy.name());
                stream = self.secure(stream, &proxy.host, &name, wait, limits)?;
            }
            if target.tls {
                super::tunnel::open(&mut stream, proxy, target, wait, limits)?;
            }
        }
        if target.tls { self.secure(stream, &target.host, &target.host, wait, limits) } else { Ok(stream) }
    }

    /// Shakes hands with `host`, which messages call `name`.
    fn secure(
        &self,
        stream: Stream,
        host: &str,
        name: &str,
        wait: Wait,
        limits: &Limits,
    ) -> Result<Stream, Failure> {
        let session = self.tls.session(host)?;
        stream.secure(session, wait).map_err(|error| {
            let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match inner {
                Some(inner) => Failure::new(Kind::TlsFailed, explain(inner, name, &self.tls.describe())),
                None if is_timeout(&error) => {
                    failed(&format!("the TLS handshake with {name} did not end"), &error, limits)
                }
                None => Failure::new(
                    Kind::TlsFailed,
                    format!(
                        "TLS with {name} failed: it closed the connection during the handshake ({error})"
                    ),
                ),
            }
        })
    }
}

/// Connects to the first address that answers; none of them may use up the time of those behind it.
fn reach(addresses: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for (n, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break;
        }
        let behind = u32::try_from(addresses.len() - n).unwrap_or(1).min(4);
        match TcpStream::connect_timeout(address, left / behind) {
            Ok(tcp) => return Ok(tcp),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Whether a wait ended because its time was up.
pub(super) fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock)
}

fn failed(what: &str, error: &io::Error, limits: &Limits) -> Failure {
    if is_timeout(error) {
        let now = Instant::now();
        let limit = if now >= limits.deadline {
            "operation_timeout_ms ran out".to_owned()
        } else {
            format!("connect_timeout_ms is {}", limits.connect.as_millis())
        };
        return Failure::new(
            Kind::Timeout,
            format!("{what} in time: {limit}; check the endpoint, routes and firewalls"),
        );
    }
    Failure::new(Kind::ConnectFailed, format!("{what}: {error}; check the endpoint, routes and firewalls"))
}
