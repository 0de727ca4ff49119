//! What is said to a proxy, and what a refusal of its means for a person.

use super::exchange::Answer;
use super::link::is_timeout;
use super::proxy::Proxy;
use super::stream::{Stream, Wait};
use super::{Failure, Limits};
use crate::config::endpoint::Endpoint;
use crate::error::Kind;
use std::io;

/// The longest head of an answer.
const LONGEST_HEAD: usize = 64 * 1024;

/// Asks a proxy for a tunnel to the target (RFC 9110, 9.3.6).
pub(super) fn open(
    stream: &mut Stream,
    proxy: &Proxy,
    target: &Endpoint,
    wait: Wait,
    limits: &Limits,
) -> Result<(), Failure> {
    let host = if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let place = format!("{host}:{}", target.port);
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    if let Some(authorization) = &proxy.authorization {
        request.push_str("Proxy-Authorization: ");
        request.push_str(authorization);
        request.push_str("\r\n");
    }
    request.push_str("\r\n");
    let request = zeroize::Zeroizing::new(request);
    let refused = |why: String| {
        Failure::new(
            Kind::ConnectFailed,
            format!("the proxy {} did not connect to {place}: {why}", proxy.name()),
        )
    };
    let failed = |error: io::Error| match is_timeout(&error) {
        true => Failure::new(
            Kind::Timeout,
            format!(
                "the proxy {} gave no answer in time; connect_timeout_ms is {}",
                proxy.name(),
                limits.connect.as_millis()
            ),
        ),
        false => refused(error.to_string()),
    };
    stream.send(request.as_bytes(), wait).map_err(failed)?;
    let mut answer = Vec::new();
    loop {
        // The tunnel begins right behind the head: not a byte more may be read.
        if stream.receive(&mut answer, 1, wait).map_err(failed)? == 0 {
            return Err(refused("it closed the connection".into()));
        }
        if answer.ends_with(b"\r\n\r\n") {
            break;
        }
        if answer.len() > LONGEST_HEAD {
            return Err(refused("its answer is too long".into()));
        }
    }
    let first = answer.split(|b| *b == b'\r').next().unwrap_or_default();
    let first = crate::text::printable(&String::from_utf8_lossy(first));
    let status = first.split(' ').nth(1).unwrap_or_default();
    match status {
        "200" => Ok(()),
        _ => Err(refused(advice(status, &first))),
    }
}

/// The refusal, where a proxy that passes requests on has refused one itself: 407 is never an answer of a server, and
/// a 403 without any header of the service comes from before it.
pub(super) fn refusal(proxy: &Proxy, answer: &Answer) -> Option<Failure> {
    let of_the_service = || answer.headers.keys().any(|name| name.as_str().starts_with("x-amz"));
    let refused = answer.status == 407 || (answer.status == 403 && !of_the_service());
    refused.then(|| {
        let status = answer.status.to_string();
        let why = advice(&status, &status);
        Failure::new(
            Kind::ConnectFailed,
            format!("the proxy {} did not pass the request on: {why}", proxy.name()),
        )
    })
}

fn advice(status: &str, answer: &str) -> String {
    match status {
        "407" => {
            format!("it answered '{answer}'; give its user and password as http://user:password@host:port")
        }
        "403" => {
            format!("it answered '{answer}'; have it allow the endpoint, or name the endpoint in NO_PROXY")
        }
        _ => format!("it answered '{answer}'"),
    }
}
