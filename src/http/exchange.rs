//! One request and its answer. The protocol's state machine is ureq's (`ureq-proto`, which does no I/O); the bytes
//! are sent from, and received into, buffers that are kept.

use super::link::is_timeout;
use super::proxy::Proxy;
use super::stream::{Stream, Wait};
use super::{Connector, Failure, Limits, Link, tunnel};
use crate::config::endpoint::Endpoint;
use crate::error::Kind;
use std::io;
use std::time::Instant;
use ureq_proto::BodyMode;
use ureq_proto::client::state::RecvResponse;
use ureq_proto::client::{Call, RecvResponseResult, SendRequestResult};
use ureq_proto::http::{self, HeaderMap, HeaderValue, Version, header};
use zeroize::Zeroize;

/// Room in front of the body, so that head and body leave in one piece.
const ROOM: usize = 8 * 1024;
/// How much is received at first: the whole of a small answer.
const FIRST: usize = 4 * 1024;
/// The longest head of an answer.
const LONGEST_HEAD: usize = 64 * 1024;
/// A body's buffer above this is given back when many calls in a row did not need it.
const LARGE: usize = 256 * 1024;

/// The buffers of a request and its answer.
#[derive(Default)]
pub(crate) struct Buffers {
    /// `ROOM` bytes, then the body.
    out: Vec<u8>,
    head: Vec<u8>,
    input: Vec<u8>,
    /// The answer's body.
    pub(crate) body: Vec<u8>,
    unneeded: u8,
}

impl Buffers {
    /// An empty body with room for `capacity` bytes.
    pub(crate) fn start(&mut self, capacity: usize) -> &mut Vec<u8> {
        // The room keeps what it holds: only what is written over it is ever sent.
        self.out.truncate(ROOM);
        self.out.reserve(ROOM + capacity - self.out.len());
        self.out.resize(ROOM, 0);
        &mut self.out
    }

    /// The request's body, to be appended to.
    pub(crate) fn request(&mut self) -> &mut Vec<u8> {
        &mut self.out
    }

    /// The request's body as far as it is written.
    pub(crate) fn written(&self) -> &[u8] {
        body_of(&self.out)
    }

    /// Wipes everything that was sent and received.
    pub(crate) fn wipe(&mut self) {
        for buffer in [&mut self.out, &mut self.head, &mut self.input, &mut self.body] {
            buffer.zeroize();
        }
    }

    /// Gives memory back that the last calls did not need.
    pub(super) fn trim(&mut self) {
        let spare = |buffer: &Vec<u8>| buffer.capacity() > LARGE && buffer.len() < buffer.capacity() / 4;
        if spare(&self.out) || spare(&self.body) {
            self.unneeded = self.unneeded.saturating_add(1);
            if self.unneeded == u8::MAX {
                self.out = Vec::new();
                self.body = Vec::new();
                self.unneeded = 0;
            }
        } else {
            self.unneeded = 0;
        }
    }
}

/// The body within the buffer that begins with the room.
pub(crate) fn body_of(out: &[u8]) -> &[u8] {
    out.get(ROOM..).unwrap_or_default()
}

/// What is asked.
pub(crate) struct Request<'a> {
    /// Makes method, path and headers, `Host` and `Content-Length` included; called again for a new connection.
    pub(crate) head: &'a dyn Fn() -> http::Request<()>,
    /// The longest body of an answer that is read.
    pub(crate) most: usize,
    /// The time limits.
    pub(crate) limits: &'a Limits,
}

/// What came back; the body lies in the buffers.
pub(crate) struct Answer {
    /// 200
    pub(crate) status: u16,
    /// All headers.
    pub(crate) headers: HeaderMap,
    /// When it was complete.
    pub(crate) at: Instant,
}

impl Answer {
    /// A header's value, where it is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The answer's head, and whether the connection may be used again.
struct Head {
    status: u16,
    headers: HeaderMap,
    keep: bool,
}

impl Buffers {
    /// Sends the request and reads the answer. A connection that turns out to have been closed while it lay idle is
    /// replaced once, silently.
    pub(crate) fn exchange(
        &mut self,
        link: &mut Link,
        connector: Connector<'_>,
        request: Request<'_>,
        now: Instant,
    ) -> Result<Answer, Failure> {
        let most = request.most;
        let limits = request.limits;
        let proxied =
            connector.proxies.choose(connector.target.tls, &connector.target.host, connector.target.port);
        let forward = proxied.filter(|_| !connector.target.tls);
        let mut now = now;
        loop {
            let (mut stream, reused) = link.take(connector, limits, now)?;
            match self.once(&mut stream, connector.target, forward, (request.head)(), most, limits) {
                Ok((answer, keep)) => {
                    if let Some(refusal) = forward.and_then(|proxy| tunnel::refusal(proxy, &answer)) {
                        return Err(refusal);
                    }
                    if keep {
                        link.keep(stream, answer.at);
                    }
                    return Ok(answer);
                }
                // The link is empty now, so the next connection is a new one and this happens once.
                Err(failure) if reused && failure.unanswered => now = Instant::now(),
                Err(failure) => return Err(failure),
            }
        }
    }

    fn once(
        &mut self,
        stream: &mut Stream,
        target: &Endpoint,
        forward: Option<&Proxy>,
        head: http::Request<()>,
        most: usize,
        limits: &Limits,
    ) -> Result<(Answer, bool), Failure> {
        let wait = Wait { idle: limits.read, until: limits.deadline };
        let call = self.send(stream, target, forward, head, wait, limits)?;
        let (head, result) = self.receive_head(stream, target, call, wait, limits)?;
        self.body.clear();
        let keep = match result {
            RecvResponseResult::RecvBody(mut call) => match call.body_mode() {
                BodyMode::NoBody => head.keep,
                BodyMode::LengthDelimited(length) => {
                    let length = usize::try_from(length).ok().filter(|length| *length <= most);
                    let length = length.ok_or_else(|| too_long(target, most))?;
                    let have = self.input.len().min(length);
                    self.body.reserve(length + 1);
                    self.body.extend(self.input.drain(..have));
                    while self.body.len() < length {
                        let rest = length - self.body.len();
                        // One byte more than is due: what follows must not be taken for the next call's answer.
                        let got = stream.receive(&mut self.body, rest + 1, wait);
                        ended(got, target, limits, "in the middle of its answer")?;
                    }
                    let exact = self.body.len() == length;
                    self.body.truncate(length);
                    head.keep && exact
                }
                BodyMode::Chunked => {
                    self.receive_chunked(stream, target, &mut call, most, wait, limits)?;
                    head.keep
                }
                BodyMode::CloseDelimited => {
                    self.body.append(&mut self.input);
                    loop {
                        if self.body.len() > most {
                            return Err(too_long(target, most));
                        }
                        let got = stream.receive(&mut self.body, FIRST, wait);
                        if got.map_err(|e| broke(target, &e, limits, "in the middle of its answer"))? == 0 {
                            break false;
                        }
                    }
                }
            },
            RecvResponseResult::Redirect(_) => false,
            RecvResponseResult::Cleanup(_) => head.keep,
        };
        // What follows the answer belongs to nothing.
        let keep = keep && self.input.is_empty();
        Ok((Answer { status: head.status, headers: head.headers, at: Instant::now() }, keep))
    }

    fn send(
        &mut self,
        stream: &mut Stream,
        target: &Endpoint,
        forward: Option<&Proxy>,
        mut head: http::Request<()>,
        wait: Wait,
        limits: &Limits,
    ) -> Result<Call<RecvResponse>, Failure> {
        if let Some(authorization) = forward.and_then(|proxy| proxy.authorization.as_ref()) {
            let mut value = HeaderValue::from_str(authorization).map_err(|e| internal(&e))?;
            value.set_sensitive(true);
            head.headers_mut().insert(header::PROXY_AUTHORIZATION, value);
        }
        let method_length = head.method().as_str().len();
        let body = self.out.len().saturating_sub(ROOM);
        let mut call = Call::new(head).map_err(|e| internal(&e))?.proceed();
        let mut length = 0;
        if self.head.is_empty() {
            self.head.resize(ROOM / 2, 0);
        }
        while !call.can_proceed() {
            match call.write(self.head.get_mut(length..).unwrap_or_default()) {
                Ok(0) | Err(ureq_proto::Error::OutputOverflow) => {
                    if self.head.len() > LONGEST_HEAD {
                        return Err(internal(&"the head of the request is too long"));
                    }
                    self.head.resize(self.head.len() * 2, 0);
                }
                Ok(written) => length += written,
                Err(error) => return Err(internal(&error)),
            }
        }
        let call = match call.proceed().map_err(|e| internal(&e))? {
            Some(SendRequestResult::SendBody(mut call)) => {
                call.consume_direct_write(body).map_err(|e| internal(&e))?;
                call.proceed()
            }
            Some(SendRequestResult::RecvResponse(call)) => Some(call),
            Some(SendRequestResult::Await100(_)) | None => None,
        };
        let call = call.ok_or_else(|| internal(&"the request does not fit the protocol"))?;
        if forward.is_some() {
            // A proxy wants the whole address in the first line.
            let origin = format!("http://{}", target.authority);
            self.head.truncate(length);
            self.head.splice(method_length + 1..method_length + 1, origin.bytes());
            length += origin.len();
        }
        let written = self.head.get(..length).unwrap_or_default();
        let start = ROOM.checked_sub(length);
        let sent = match start.and_then(|start| Some((start, self.out.get_mut(start..ROOM)?))) {
            Some((start, room)) => {
                room.copy_from_slice(written);
                stream.send(self.out.get(start..).unwrap_or_default(), wait)
            }
            None => stream.send(written, wait).and_then(|()| stream.send(body_of(&self.out), wait)),
        };
        if let Err(error) = sent {
            // A server may refuse a request before it has read all of it: then its answer is what matters.
            let closed = matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset);
            self.input.clear();
            let early = Wait { idle: std::time::Duration::from_millis(10), ..wait };
            let answered = closed && stream.receive(&mut self.input, FIRST, early).is_ok_and(|got| got > 0);
            if !answered {
                let mut failure = broke(target, &error, limits, "while the request was sent");
                failure.unanswered = closed;
                return Err(failure);
            }
            return Ok(call);
        }
        self.input.clear();
        Ok(call)
    }

    fn receive_head(
        &mut self,
        stream: &mut Stream,
        target: &Endpoint,
        mut call: Call<RecvResponse>,
        wait: Wait,
        limits: &Limits,
    ) -> Result<(Head, RecvResponseResult), Failure> {
        let mut any = !self.input.is_empty();
        loop {
            if let Some(end) = continued(&self.input) {
                self.input.drain(..end);
                continue;
            }
            if !self.input.is_empty() {
                let (used, response) = call
                    .try_response(&self.input, false)
                    .map_err(|e| bad(target, &format!("its head cannot be read ({e})")))?;
                self.input.drain(..used);
                if let Some(response) = response {
                    let headers = response.headers();
                    let says = |what: &str| {
                        let values = headers.get_all(header::CONNECTION);
                        values
                            .iter()
                            .filter_map(|v| v.to_str().ok())
                            .any(|v| v.split(',').any(|token| token.trim().eq_ignore_ascii_case(what)))
                    };
                    let keep =
                        !says("close") && (response.version() != Version::HTTP_10 || says("keep-alive"));
                    let (parts, ()) = response.into_parts();
                    let status = parts.status.as_u16();
                    let head = Head { status, headers: parts.headers, keep: keep && status != 101 };
                    let result =
                        call.proceed().ok_or_else(|| internal(&"the answer does not fit the protocol"))?;
                    return Ok((head, result));
                }
                if used > 0 {
                    continue;
                }
                if self.input.len() > LONGEST_HEAD {
                    return Err(bad(target, &format!("its head is longer than {LONGEST_HEAD} bytes")));
                }
            }
            match stream.receive(&mut self.input, FIRST, wait) {
                Ok(0) => {
                    let error = io::ErrorKind::UnexpectedEof.into();
                    let mut failure = broke(target, &error, limits, "before its answer was complete");
                    failure.unanswered = !any;
                    return Err(failure);
                }
                Ok(_) => any = true,
                Err(error) => {
                    let mut failure = broke(target, &error, limits, "before its answer was complete");
                    failure.unanswered = !any && !is_timeout(&error);
                    return Err(failure);
                }
            }
        }
    }

    fn receive_chunked(
        &mut self,
        stream: &mut Stream,
        target: &Endpoint,
        call: &mut Call<ureq_proto::client::state::RecvBody>,
        most: usize,
        wait: Wait,
        limits: &Limits,
    ) -> Result<(), Failure> {
        let mut filled = 0;
        while !call.can_proceed() {
            if self.input.is_empty() {
                let got = stream.receive(&mut self.input, FIRST, wait);
                ended(got, target, limits, "in the middle of its answer")?;
            }
            self.body.resize(filled + self.input.len().max(1), 0);
            let room = self.body.get_mut(filled..).unwrap_or_default();
            let (used, written) = call
                .read(&self.input, room)
                .map_err(|e| bad(target, &format!("its chunks cannot be read ({e})")))?;
            self.input.drain(..used);
            filled += written;
            if filled > most {
                return Err(too_long(target, most));
            }
            if used == 0 && written == 0 && !call.can_proceed() {
                if self.input.len() > LONGEST_HEAD {
                    return Err(bad(target, "its chunks cannot be read (a line is too long)"));
                }
                let got = stream.receive(&mut self.input, FIRST, wait);
                ended(got, target, limits, "in the middle of its answer")?;
            }
        }
        self.body.truncate(filled);
        Ok(())
    }
}

/// The length of a `100 Continue` at the start of the input. It may have headers, as from some proxies, which the state
/// machine does not take.
fn continued(input: &[u8]) -> Option<usize> {
    let rest = input.strip_prefix(b"HTTP/1.")?.get(1..)?;
    rest.strip_prefix(b" 100").filter(|rest| matches!(rest.first(), Some(b' ' | b'\r')))?;
    memchr::memmem::find(input, b"\r\n\r\n").map(|end| end + 4)
}

fn internal(error: &dyn std::fmt::Display) -> Failure {
    Failure::new(Kind::Internal, format!("the request cannot be written: {error}"))
}

fn bad(target: &Endpoint, why: &str) -> Failure {
    let place = &target.authority;
    Failure::new(
        Kind::BadResponse,
        format!("the answer of {place} is not one of the service: {why}; check the endpoint and proxies"),
    )
}

fn too_long(target: &Endpoint, most: usize) -> Failure {
    bad(target, &format!("its body is longer than {most} bytes"))
}

fn ended(got: io::Result<usize>, target: &Endpoint, limits: &Limits, when: &str) -> Result<(), Failure> {
    match got {
        Ok(0) => Err(broke(target, &io::ErrorKind::UnexpectedEof.into(), limits, when)),
        Ok(_) => Ok(()),
        Err(error) => Err(broke(target, &error, limits, when)),
    }
}

fn broke(target: &Endpoint, error: &io::Error, limits: &Limits, when: &str) -> Failure {
    let place = &target.authority;
    if is_timeout(error) {
        let limit = if Instant::now() + std::time::Duration::from_millis(5) >= limits.deadline {
            "operation_timeout_ms ran out".to_owned()
        } else {
            format!("nothing moved for read_timeout_ms, {} ms", limits.read.as_millis())
        };
        let message =
            format!("no complete answer from {place}: {limit}; whether it took the request is not known");
        return Failure::new(Kind::Timeout, message);
    }
    let why = match error.kind() {
        io::ErrorKind::UnexpectedEof => "it closed the connection".to_owned(),
        _ => error.to_string(),
    };
    let message =
        format!("the connection to {place} broke {when}: {why}; whether it took the request is not known");
    Failure::new(Kind::IoFailed, message)
}
