//! A call: attempts, and what lies between them, within one time limit.

use super::attempt::Attempts;
use super::refusal::{advice, is_expired_token, kind, may_heal};
use super::{Client, Scratch, State, header};
use crate::clock::parse_http_date;
use crate::credentials::{Credentials, Moment};
use crate::error::{Error, Kind, Result};
use crate::http::{Answer, Lane, Limits};
use crate::log::Level;
use crate::retry::{Class, backoff, classify, is_skew_code, parse_retry_after};
use crate::text::printable;
use crate::wire::Reply;
use crate::wire::fault::Fault;
use std::borrow::Cow;
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use ureq_proto::http::HeaderValue;

/// What a success of the transport turns out to be.
pub(super) enum Verdict {
    /// All is done.
    Done,
    /// Some records were refused; what is left has been written anew.
    Again(Class, Error),
}

/// What is called.
pub(super) struct Subject<'a> {
    /// `PutRecord`
    pub(super) action: &'a str,
    /// Goes to `x-amz-target`.
    pub(super) target: Cow<'static, str>,
    /// For messages; empty where there is none.
    pub(super) stream: &'a str,
    /// The longest answer that is read.
    pub(super) most: usize,
}

impl Subject<'_> {
    fn target_header(&self) -> HeaderValue {
        match &self.target {
            Cow::Borrowed(target) => HeaderValue::from_static(target),
            Cow::Owned(target) => header(target.clone()),
        }
    }
}

/// An attempt that did not succeed.
struct Setback {
    error: Error,
    /// `None` is final.
    class: Option<Class>,
    asked: Option<Duration>,
    /// Made good without counting as one of the call's attempts: new keys were got for expired ones.
    free: bool,
}

impl Setback {
    fn last(error: Error) -> Setback {
        Setback { error, class: None, asked: None, free: false }
    }
}

impl Client {
    /// Sends what the lane holds until it is accepted, refused for good, or the time or the attempts are used up.
    pub(super) fn run(
        &self,
        lane: &mut Lane<Scratch>,
        subject: &Subject<'_>,
        deadline: Instant,
        reply: &mut Reply,
        accept: &mut dyn FnMut(&mut Lane<Scratch>, &mut Reply) -> Result<Verdict>,
    ) -> Result<()> {
        let state = self.state();
        let place = self.place(deadline)?;
        let limits =
            Limits { connect: self.settings.connect_timeout, read: self.settings.read_timeout, deadline };
        let attempts = Attempts {
            state,
            settings: &self.settings,
            connector: state.connector(&self.settings, place),
            place,
            limits,
            target: &subject.target,
            target_header: subject.target_header(),
            invocation: invocation(state),
            most: subject.most,
        };
        let (mut number, mut retries, mut price, mut renewed) = (0, 0, 0, false);
        loop {
            number += 1;
            self.pace(state, deadline).inspect_err(|error| reply.retryable = may_heal(error.kind))?;
            let setback = match self.attempt(&attempts, lane, subject, number, reply, &mut renewed, accept) {
                Ok(()) => {
                    // An earlier attempt may have said otherwise.
                    reply.retryable = false;
                    state.quota.refund(price);
                    if self.settings.log.wants(Level::Debug) {
                        let (status, id) = (reply.http_status, printable(reply.request_id.as_str()));
                        let line =
                            format_args!("{}: HTTP {status}, request {id}, attempt {number}", what(subject));
                        self.settings.log.write(Level::Debug, line);
                    }
                    return Ok(());
                }
                Err(setback) => setback,
            };
            // Standard retries take a refused handshake for passing; a person who must mend trust is told that it is not.
            let kind = setback.error.kind;
            reply.retryable = may_heal(kind) || (setback.class.is_some() && kind != Kind::TlsFailed);
            if setback.free {
                continue;
            }
            let Some(class) = setback.class else { return Err(setback.error) };
            if number - u32::from(renewed) >= self.settings.max_attempts {
                return Err(setback.error);
            }
            let delay = backoff(class, retries, state.random.unit(), setback.asked);
            let now = self.settings.clock.monotonic();
            if now + delay >= deadline {
                return Err(late(setback.error, deadline <= now));
            }
            match state.quota.pay(class) {
                Some(paid) => price = paid,
                None => return Err(exhausted(setback.error)),
            }
            retries += 1;
            self.settings.log.write(
                Level::Info,
                format_args!(
                    "attempt {number} failed, the next one in {} ms: {}",
                    delay.as_millis(),
                    setback.error
                ),
            );
            std::thread::sleep(delay);
        }
    }

    /// In adaptive mode, waits for a token.
    fn pace(&self, state: &State, deadline: Instant) -> Result<()> {
        let Some(adaptive) = &state.adaptive else { return Ok(()) };
        loop {
            let now = self.settings.clock.monotonic();
            let seconds = now.saturating_duration_since(state.started).as_secs_f64();
            let wait = adaptive.lock().unwrap_or_else(PoisonError::into_inner).take(seconds);
            let Some(wait) = wait.map(Duration::from_secs_f64) else { return Ok(()) };
            if now + wait >= deadline {
                let message = "the send rate that the service's throttling left did not allow the call in time: send \
                               less, or ask for a higher quota";
                return Err(Error::new(Kind::Throttled, message));
            }
            std::thread::sleep(wait);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one attempt, borrowed separately")]
    fn attempt(
        &self,
        attempts: &Attempts<'_>,
        lane: &mut Lane<Scratch>,
        subject: &Subject<'_>,
        number: u32,
        reply: &mut Reply,
        renewed: &mut bool,
        accept: &mut dyn FnMut(&mut Lane<Scratch>, &mut Reply) -> Result<Verdict>,
    ) -> std::result::Result<(), Setback> {
        let state = attempts.state;
        let clock = self.settings.clock;
        let corrected = || {
            let skew = if self.settings.correct_skew { state.skew.get() } else { 0 };
            (clock.wall_ms() + skew) / 1000
        };
        let moment = Moment {
            now: &corrected,
            random: state.random.unit(),
            deadline: attempts.limits.deadline,
            region: &attempts.place.region.value,
        };
        let keys = state.credentials.get(&moment).map_err(Setback::last)?;
        // The source of keys may have taken long: its time is neither the connection's nor the signature's.
        let (now, wall) = (clock.monotonic(), clock.wall_ms());
        reply.attempts = number;
        let outcome = attempts.make(lane, &keys, number, now, wall);
        let answer = match outcome {
            Ok(answer) => answer,
            Err(failure) => {
                let class = match failure.kind {
                    Kind::BadResponse | Kind::Internal => None,
                    _ => Some(Class::Transient),
                };
                reply.http_status = 0;
                reply.request_id.clear();
                reply.error_code.clear();
                self.learn(state, false);
                let error = Error::new(failure.kind, format!("{}: {}", what(subject), failure.message));
                return Err(Setback { error, class, asked: None, free: false });
            }
        };
        let skew = self.observe(state, &answer, wall, now);
        reply.http_status = answer.status;
        let request_id = answer.header("x-amzn-requestid").or_else(|| answer.header("x-amz-request-id"));
        reply.request_id.set(request_id.unwrap_or_default());
        if (200..300).contains(&answer.status) {
            reply.error_code.clear();
            let verdict = accept(lane, reply);
            let throttled = matches!(verdict, Ok(Verdict::Again(Class::Throttling, _)));
            self.learn(state, throttled);
            return match verdict {
                Ok(Verdict::Done) => Ok(()),
                Ok(Verdict::Again(class, error)) => {
                    let error = Error::new(error.kind, format!("{}: {}", what(subject), error.message));
                    let asked = answer.header("x-amz-retry-after").and_then(parse_retry_after);
                    Err(Setback { error, class: Some(class), asked, free: false })
                }
                Err(error) => {
                    let message = format!("{}: {}", what(subject), error.message);
                    Err(Setback::last(Error::new(error.kind, message)))
                }
            };
        }
        let body = lane.buffers.body.as_slice();
        let setback = self.refused(state, subject, &answer, body, &keys, skew, number, reply);
        self.learn(state, setback.class == Some(Class::Throttling));
        if !*renewed
            && is_expired_token(reply.error_code.as_str())
            && state.credentials.reject(&keys, corrected())
        {
            // Worth one more attempt with other keys, whatever the limit of attempts.
            *renewed = true;
            return Err(Setback { free: true, ..setback });
        }
        Err(setback)
    }

    fn learn(&self, state: &State, throttled: bool) {
        if let Some(adaptive) = &state.adaptive {
            let now = self.settings.clock.monotonic().saturating_duration_since(state.started).as_secs_f64();
            adaptive.lock().unwrap_or_else(PoisonError::into_inner).update(now, throttled);
        }
    }

    /// Learns how far the clocks are apart.
    fn observe(&self, state: &State, answer: &Answer, sent: i64, started: Instant) -> Option<i64> {
        let elapsed = answer.at.saturating_duration_since(started).as_millis();
        let received = sent.saturating_add(i64::try_from(elapsed).unwrap_or(i64::MAX));
        let date = answer.header("date").and_then(parse_http_date);
        state.skew.observe(sent, received, date, answer.header("age").is_some())
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one refusal")]
    fn refused(
        &self,
        state: &State,
        subject: &Subject<'_>,
        answer: &Answer,
        body: &[u8],
        keys: &Credentials,
        skew: Option<i64>,
        number: u32,
        reply: &mut Reply,
    ) -> Setback {
        let status = answer.status;
        let mut fault = Fault::read(answer.header("x-amzn-errortype"), body);
        // A refused signature is answered with the headers that were signed, the session token among them.
        for secret in [Some(&keys.secret), keys.token.as_ref()].into_iter().flatten() {
            if fault.message.contains(secret.as_str()) {
                fault.message = fault.message.replace(secret.as_str(), "(hidden)");
            }
        }
        reply.error_code.set(&fault.code);
        let kind = kind(&fault.code, status);
        let place = state.place.get();
        let endpoint = place.map(|place| place.endpoint.authority.as_str()).unwrap_or_default();
        if kind == Kind::BadResponse {
            let message = format!(
                "{}: {endpoint} answered with HTTP status {status}, which the service never does; redirects are not \
                 followed; check the endpoint and proxies",
                what(subject)
            );
            return Setback::last(Error::new(kind, message));
        }
        let region = place.map(|place| place.region.value.as_str()).unwrap_or_default();
        // Once corrected, the clock is not what was wrong.
        let blamed = skew.filter(|_| !self.settings.correct_skew || number == 1);
        let advice = advice(kind, &fault.code, subject.action, region, blamed);
        let code = if fault.code.is_empty() { "no error code" } else { &fault.code };
        let attempts = if number > 1 { format!(", attempt {number}") } else { String::new() };
        let id = match reply.request_id.as_str() {
            "" => String::new(),
            id => format!(", request {}", printable(id)),
        };
        let message = format!(
            "{} was refused by {endpoint}: {}: {} (HTTP {status}{id}{attempts}); {advice}",
            what(subject),
            printable(code),
            crate::text::one_line(&fault.message),
        );
        let skewed = self.settings.correct_skew && is_skew_code(&fault.code, skew);
        let class = classify(&fault.code, status).or(skewed.then_some(Class::Transient));
        let asked = answer.header("x-amz-retry-after").and_then(parse_retry_after);
        Setback { error: Error::new(kind, message), class, asked, free: false }
    }
}

/// `PutRecord to the stream clicks`
fn what(subject: &Subject<'_>) -> String {
    match subject.stream {
        "" => subject.action.to_owned(),
        stream => format!("{} to the stream {stream}", subject.action),
    }
}

fn late(error: Error, over: bool) -> Error {
    // What ran out of time in the middle of an attempt says so already.
    if over && error.kind == Kind::Timeout {
        return error;
    }
    let message = format!("{}; operation_timeout_ms leaves no time for another attempt", error.message);
    Error::new(error.kind, message)
}

fn exhausted(error: Error) -> Error {
    let message = format!(
        "{}; not retried: so many calls failed that the client's retry quota is used up",
        error.message
    );
    Error::new(error.kind, message)
}

/// A random identifier in the form of a UUID of version 4.
fn invocation(state: &State) -> HeaderValue {
    use std::fmt::Write;
    let (a, b) = (state.random.bits(), state.random.bits());
    let mut id = String::with_capacity(36);
    // Writing to a string does not fail.
    let _ = write!(
        id,
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        a >> 16 & 0xffff,
        a & 0xfff,
        b >> 48 & 0x3fff | 0x8000,
        b & 0xffff_ffff_ffff
    );
    header(id)
}
