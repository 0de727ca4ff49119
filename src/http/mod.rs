//! One request and its answer over a connection that is kept: sockets, time limits and TLS are ours, the protocol is
//! that of ureq's sans-I/O half. Knows nothing of the service.

mod exchange;
mod link;
mod pool;
mod proxy;
mod resolver;
mod stream;
mod tls;
mod tunnel;

pub(crate) use exchange::{Answer, Buffers, Request};
pub(crate) use link::{Connector, Link};
pub(crate) use pool::{Lane, Pool};
pub(crate) use proxy::{Proxies, Proxy};
pub(crate) use resolver::Resolver;
pub(crate) use tls::{Roots, Tls};

use crate::error::Kind;
use std::time::{Duration, Instant};

/// Why no answer came.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Which status of the library it is.
    pub(crate) kind: Kind,
    /// A sentence for a person.
    pub(crate) message: String,
    /// The peer closed or reset the connection before it said anything: what a connection does that was closed
    /// while it lay idle.
    pub(crate) unanswered: bool,
}

impl Failure {
    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Failure {
        Failure { kind, message: message.into(), unanswered: false }
    }
}

/// The time limits of one attempt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// For name resolution, connecting, the proxy and the handshake together.
    pub(crate) connect: Duration,
    /// For each wait until the peer takes or sends something.
    pub(crate) read: Duration,
    /// The end of the whole call.
    pub(crate) deadline: Instant,
}

impl Limits {
    /// When a connection that is begun now must stand.
    pub(crate) fn connect_by(&self, now: Instant) -> Instant {
        self.deadline.min(now + self.connect)
    }
}
