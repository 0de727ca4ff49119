//! PutRecord and PutRecordBatch.

use crate::chance::{Chance, Ids, unit};
use crate::error::Refusal;
use crate::fault::Refused;
use crate::service::Service;
use crate::stream::{Stream, lock};
use crate::validate::{self, Members};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

const LARGEST_RECORD: usize = 1_024_000;
const LARGEST_BATCH: usize = 4 * 1024 * 1024;

/// Which records of a batch a fault refuses.
#[derive(Debug)]
pub(crate) struct Throttle<'a> {
    pub(crate) which: &'a Refused,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
    /// What chooses a fraction: the same draw refuses the same records.
    pub(crate) draw: u64,
}

impl Throttle<'_> {
    fn picks(&self, count: usize) -> Vec<bool> {
        let mut chance = Chance::new(self.draw);
        let picked = |index| match self.which {
            Refused::All => true,
            Refused::Indices(indices) => indices.contains(&index),
            Refused::First(first) => index < *first,
            Refused::Fraction(fraction) => unit(chance.next()) < *fraction,
        };
        (0..count).map(picked).collect()
    }
}

fn record_data(record: &Value, member: &str) -> Result<Vec<u8>, Refusal> {
    let Value::Object(record) = record else { return Err(Refusal::wrong_type(member, "an object")) };
    let name = format!("{member}.data");
    let text = match record.get("Data") {
        None | Some(Value::Null) => return Err(Refusal::missing(&name)),
        Some(Value::String(text)) => text,
        Some(_) => return Err(Refusal::wrong_type(&name, "a string of base64")),
    };
    let data = STANDARD.decode(text).map_err(|error| {
        Refusal::bad("SerializationException", format!("Member '{name}' is not base64: {error}"))
    })?;
    if data.len() > LARGEST_RECORD {
        let size = data.len();
        let value = format!("'java.nio.HeapByteBuffer[pos=0 lim={size} cap={size}]'");
        let rule = format!("Member must have length less than or equal to {LARGEST_RECORD}");
        return Err(Refusal::constraint(&value, &name, &rule));
    }
    Ok(data)
}

/// How many records a request carries, whatever becomes of it.
pub(crate) fn count(operation: &str, members: &Members) -> u64 {
    match (operation, members.get("Record"), members.get("Records")) {
        ("PutRecord", Some(_), _) => 1,
        ("PutRecordBatch", _, Some(Value::Array(records))) => records.len() as u64,
        _ => 0,
    }
}

fn check_direct(stream: &Stream) -> Result<(), Refusal> {
    match stream.kind.as_str() {
        "DirectPut" => Ok(()),
        kind => {
            Err(Refusal::argument(format!("This operation is not permitted on {kind} delivery stream type.")))
        }
    }
}

/// Refuses what does not fit the quota any more, record by record.
fn throttle_over_quota(service: &Service, records: &[Vec<u8>], refused: &mut [bool]) {
    let mut quota = lock(&service.quota);
    quota.fill(std::time::Instant::now());
    for (record, refused) in records.iter().zip(refused) {
        *refused = *refused || !quota.record(record.len());
    }
}

/// Refuses a request that is one too many.
fn throttle_request(service: &Service) -> Result<(), Refusal> {
    let mut quota = lock(&service.quota);
    quota.fill(std::time::Instant::now());
    if quota.request() { Ok(()) } else { Err(Refusal::new(500, "ServiceUnavailableException", "Slow down.")) }
}

fn push_id(out: &mut String, ids: &Ids) {
    out.push_str(r#"{"RecordId":""#);
    ids.record(out);
    out.push('"');
}

fn push_encrypted(out: &mut String, stream: &Stream) {
    out.push_str(if stream.encryption.is_some() { r#""Encrypted":true"# } else { r#""Encrypted":false"# });
}

pub(crate) fn put_record(service: &Service, members: &Members) -> Result<String, Refusal> {
    let name = validate::stream_name(members)?;
    let record = match members.get("Record") {
        None | Some(Value::Null) => return Err(Refusal::missing("record")),
        Some(record) => record_data(record, "record")?,
    };
    throttle_request(service)?;
    let stream = service.streams.find(name)?;
    let mut stream = lock(&stream);
    check_direct(&stream)?;
    let mut refused = [false];
    throttle_over_quota(service, std::slice::from_ref(&record), &mut refused);
    if refused == [true] {
        return Err(Refusal::new(500, "ServiceUnavailableException", "Slow down."));
    }
    let stored = service.streams.store(&mut stream, vec![record], &service.ids)?;
    lock(&service.tally).stored(stored.records, stored.bytes, stored.duplicates);
    let mut out = String::with_capacity(272);
    push_id(&mut out, &service.ids);
    out.push(',');
    push_encrypted(&mut out, &stream);
    out.push('}');
    Ok(out)
}

pub(crate) fn put_record_batch(
    service: &Service,
    members: &Members,
    throttle: Option<&Throttle<'_>>,
) -> Result<String, Refusal> {
    let name = validate::stream_name(members)?;
    let given = validate::list(members, "Records")?.ok_or_else(|| Refusal::missing("records"))?;
    validate::count(given.len(), "records", 1, 500)?;
    let mut records = Vec::with_capacity(given.len());
    let mut total = 0;
    for (index, record) in given.iter().enumerate() {
        let data = record_data(record, &format!("records.{}.member", index + 1))?;
        total += data.len();
        records.push(data);
    }
    if total > LARGEST_BATCH {
        return Err(Refusal::argument("Records size exceeds 4 MB limit"));
    }
    throttle_request(service)?;
    let stream = service.streams.find(name)?;
    let mut stream = lock(&stream);
    check_direct(&stream)?;

    let count = records.len();
    let mut refused = throttle.map_or_else(|| vec![false; count], |throttle| throttle.picks(count));
    throttle_over_quota(service, &records, &mut refused);
    let failed = refused.iter().filter(|refused| **refused).count();
    let mut keep = refused.iter().map(|refused| !refused);
    records.retain(|_| keep.next().unwrap_or(true));
    let stored = service.streams.store(&mut stream, records, &service.ids)?;
    {
        let mut tally = lock(&service.tally);
        tally.stored(stored.records, stored.bytes, stored.duplicates);
        tally.failed(failed as u64);
    }

    let mut out = String::with_capacity(64 + 240 * count);
    out.push_str(&format!(r#"{{"FailedPutCount":{failed},"#));
    push_encrypted(&mut out, &stream);
    out.push_str(r#","RequestResponses":["#);
    let (code, message) = throttle
        .map_or(("ServiceUnavailableException", "Slow down."), |throttle| (throttle.code, throttle.message));
    let entry = serde_json::json!({ "ErrorCode": code, "ErrorMessage": message }).to_string();
    for (index, refused) in refused.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        if *refused {
            out.push_str(&entry);
        } else {
            push_id(&mut out, &service.ids);
            out.push('}');
        }
    }
    out.push_str("]}");
    Ok(out)
}
