//! Putting records, and every other operation of the service.

use super::call::{Subject, Verdict};
use super::{Client, Scratch};
use crate::error::{Error, Kind, Result};
use crate::http::{Failure, Lane};
use crate::retry::{Class, classify};
use crate::sign::BodyHash;
use crate::wire::{Reply, answer, batch, encode, limits};
use std::time::{Duration, Instant};

/// What `firehose_put_record_with` may ask for.
#[derive(Clone, Copy, Default)]
pub(crate) struct PutOptions<'a> {
    /// The data is base64 already.
    pub(crate) base64: bool,
    /// Extra members of the request: name and value.
    pub(crate) members: &'a [(&'static str, Option<&'a str>)],
    /// Instead of the client's own limit.
    pub(crate) timeout: Option<Duration>,
}

/// The records of a batch, wherever they lie.
pub(crate) trait Records {
    /// How many.
    fn count(&self) -> usize;
    /// The size of one of them.
    fn size(&self, index: usize) -> usize;
    /// One of them, once its size has passed the limits.
    fn get(&self, index: usize) -> &[u8];
}

/// What happens to records that are refused and may be tried again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resend {
    /// They are sent again within the call.
    Refused,
    /// They are the caller's to send again.
    Nothing,
}

/// What an answer may have beyond what its records need.
const ANSWER: usize = 1024 * 1024;
/// What the answer for one record may have: ids have 224 characters, messages some more.
const ANSWER_PER_RECORD: usize = 1024;

impl Client {
    /// Puts one record.
    pub(crate) fn put_record(
        &self,
        stream: &str,
        data: &[u8],
        options: PutOptions<'_>,
        reply: &mut Reply,
    ) -> Result<()> {
        #[cfg(feature = "test-hooks")]
        assert!(self.settings.panics.as_deref() != Some("put"), "test.panic = put");
        limits::stream_name(stream)?;
        limits::record(if options.base64 { encode::check_base64(data)? } else { data.len() })?;
        let deadline = self.deadline(options.timeout);
        self.place(deadline)?;
        let members: usize =
            options.members.iter().map(|(name, value)| name.len() + 6 * value.map_or(0, str::len)).sum();
        let subject = Subject {
            action: "PutRecord",
            target: "Firehose_20150804.PutRecord".into(),
            stream,
            most: ANSWER,
        };
        let outcome = self.state().pool.with(deadline, |lane| {
            let body = lane.buffers.start(256 + members + encode::record_length(data.len()));
            encode::open(body, stream, "Record");
            if options.base64 {
                encode::record_base64(body, data);
            } else {
                encode::record(body, data);
            }
            for (name, value) in options.members {
                if let Some(value) = value {
                    encode::string_member(body, name, value);
                }
            }
            body.push(b'}');
            lane.scratch.payload = Some(BodyHash::new().finish(lane.buffers.written()));
            self.run(lane, &subject, deadline, reply, &mut |lane, reply| {
                answer::put_record(&lane.buffers.body, reply).map(|()| Verdict::Done)
            })
        });
        served(outcome, reply)
    }

    /// Puts up to 500 records in one call; those that are refused are sent again, and only those, where `resend` says
    /// so. A call that fails as a whole is always tried again.
    pub(crate) fn put_record_batch(
        &self,
        stream: &str,
        records: &dyn Records,
        resend: Resend,
        reply: &mut Reply,
    ) -> Result<()> {
        #[cfg(feature = "test-hooks")]
        assert!(self.settings.panics.as_deref() != Some("put"), "test.panic = put");
        limits::stream_name(stream)?;
        let count = records.count();
        limits::batch(count, |index| records.size(index))?;
        let deadline = self.deadline(None);
        self.place(deadline)?;
        reply.expect_records(count);
        let most = ANSWER + count * ANSWER_PER_RECORD;
        let subject = Subject {
            action: "PutRecordBatch",
            target: "Firehose_20150804.PutRecordBatch".into(),
            stream,
            most,
        };
        let outcome = self.state().pool.with(deadline, |lane| {
            lane.scratch.pending.clear();
            lane.scratch.pending.extend(0..u32::try_from(count).unwrap_or_default());
            write_batch(lane, stream, records);
            let outcome = self.run(lane, &subject, deadline, reply, &mut |lane, reply| {
                let pending = &mut lane.scratch.pending;
                batch::read(&mut lane.buffers.body, pending, reply)?;
                let class = retryable(pending, reply);
                let Some(error) = left(reply) else { return Ok(Verdict::Done) };
                // What cannot heal stays refused; the rest is sent again.
                let Some(class) = class.filter(|_| resend == Resend::Refused) else { return Err(error) };
                write_batch(lane, stream, records);
                Ok(Verdict::Again(class, error))
            });
            outcome.map_err(|error| settle(error, &lane.scratch.pending, reply))
        });
        served(outcome, reply)
    }

    /// Calls any operation of the service with the JSON given.
    pub(crate) fn call(&self, action: &str, json: &[u8], reply: &mut Reply) -> Result<()> {
        if action.is_empty() || action.len() > 64 || !action.bytes().all(|b| b.is_ascii_alphanumeric()) {
            let shown: String = action.chars().take(80).collect();
            let message = format!(
                "the action {shown:?} is not valid: it is 1 to 64 letters and digits, as ListDeliveryStreams"
            );
            return Err(Error::invalid(message));
        }
        let deadline: Instant = self.deadline(None);
        self.place(deadline)?;
        let json = if json.is_empty() { b"{}" } else { json };
        let target = format!("Firehose_20150804.{action}").into();
        let subject = Subject { action, target, stream: "", most: 4 * ANSWER };
        let outcome = self.state().pool.with(deadline, |lane| {
            lane.buffers.start(json.len()).extend_from_slice(json);
            lane.scratch.payload = None;
            self.run(lane, &subject, deadline, reply, &mut |lane, reply| {
                // Operations that give nothing back are documented to answer 200 with an empty body; a put is not.
                if lane.buffers.body.is_empty() && reply.http_status == 200 && !action.starts_with("Put") {
                    reply.body.set("{}");
                    return Ok(Verdict::Done);
                }
                answer::check(&lane.buffers.body)?;
                reply.body.set_bytes(&lane.buffers.body);
                Ok(Verdict::Done)
            })
        });
        served(outcome, reply)
    }
}

/// The outcome of a call, or that no connection was free for it in time.
fn served(outcome: std::result::Result<Result<()>, Failure>, reply: &mut Reply) -> Result<()> {
    outcome.unwrap_or_else(|failure| {
        reply.retryable = true;
        Err(failure.into())
    })
}

/// Writes the pending records, hashing them on the way.
fn write_batch(lane: &mut Lane<Scratch>, stream: &str, records: &dyn Records) {
    let indices = || lane.scratch.pending.iter().map(|&index| usize::try_from(index).unwrap_or_default());
    let length: usize = indices().map(|index| encode::record_length(records.size(index))).sum();
    lane.buffers.start(256 + length);
    let mut hash = BodyHash::new();
    encode::open(lane.buffers.request(), stream, "Records");
    for (n, index) in indices().enumerate() {
        let body = lane.buffers.request();
        body.push(if n == 0 { b'[' } else { b',' });
        encode::record(body, records.get(index));
        hash.follow(lane.buffers.written());
    }
    lane.buffers.request().extend_from_slice(b"]}");
    lane.scratch.payload = Some(hash.finish(lane.buffers.written()));
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes.strip_suffix(b"\0").unwrap_or(bytes)).unwrap_or_default()
}

/// An error that counts the records that were refused and quotes the first; `None` where all were delivered.
fn left(reply: &Reply) -> Option<Error> {
    let first = reply.first_failed()?;
    let message = format!(
        "{} of {} records were refused; the one at index {first}: {}: {}; the result names each",
        reply.failed_count(),
        reply.record_count(),
        text(reply.error_code_at(first)),
        text(reply.error_message_at(first)),
    );
    Some(Error::new(Kind::PartialFailure, message))
}

/// Leaves those records in `pending` that may be tried again, and tells as what: throttling if any was throttled.
fn retryable(pending: &mut Vec<u32>, reply: &Reply) -> Option<Class> {
    let mut worst = None;
    pending.retain(|&index| {
        let class = classify(text(reply.error_code_at(usize::try_from(index).unwrap_or_default())), 0);
        if class == Some(Class::Throttling) || worst.is_none() {
            worst = class.or(worst);
        }
        class.is_some()
    });
    worst
}

/// A batch did not get through as a whole: every record that is left gets the code of what ended it, and the call is
/// a partial failure where the fate of others is known.
fn settle(error: Error, pending: &[u32], reply: &mut Reply) -> Error {
    if error.kind == Kind::PartialFailure {
        return error;
    }
    let code = match reply.error_code.as_str() {
        "" => error.kind.name().to_owned(),
        code => code.to_owned(),
    };
    let (code, message) = (reply.store(&code), reply.store(&error.message));
    for &index in pending {
        reply.refused(usize::try_from(index).unwrap_or_default(), code, message);
    }
    if pending.len() == reply.record_count() {
        return error;
    }
    let message = format!(
        "{} of {} records were not delivered; the last attempt: {}",
        reply.failed_count(),
        reply.record_count(),
        error.message
    );
    Error::new(Kind::PartialFailure, message)
}
