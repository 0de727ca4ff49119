//! Reads the answer to a `PutRecord`, and what any answer must be.

use super::Reply;
use crate::error::{Error, Kind, Result};
use crate::text::printable;
use serde_json::Value;

/// An answer that is not what the service documents. It is never taken for a success.
pub(crate) fn bad(what: &str, body: &[u8]) -> Error {
    let quoted = printable(&String::from_utf8_lossy(body));
    let quoted = if quoted.is_empty() { "an empty body".into() } else { format!("'{quoted}'") };
    Error::new(
        Kind::BadResponse,
        format!(
            "the answer is not one of the service: {what}, in {quoted}; check that the endpoint is Amazon Data \
             Firehose and that no proxy answers in its place"
        ),
    )
}

/// Parses a whole body as JSON.
pub(crate) fn parse(body: &[u8]) -> Result<Value> {
    serde_json::from_slice(body).map_err(|error| bad(&format!("it is not JSON ({error})"), body))
}

/// Checks that a body is JSON without keeping it.
pub(crate) fn check(body: &[u8]) -> Result<()> {
    parse(body).map(drop)
}

/// The `Encrypted` member: absent or null is false.
pub(crate) fn encrypted(value: Option<&Value>, body: &[u8]) -> Result<bool> {
    match value {
        None | Some(Value::Null) => Ok(false),
        Some(Value::Bool(encrypted)) => Ok(*encrypted),
        Some(_) => Err(bad("its Encrypted is no boolean", body)),
    }
}

/// Reads the answer to a `PutRecord` into the reply.
pub(crate) fn put_record(body: &[u8], reply: &mut Reply) -> Result<()> {
    if let Some((id, encrypted)) = quick(body) {
        reply.record_id.set_bytes(id);
        reply.encrypted = encrypted;
        return Ok(());
    }
    let json = parse(body)?;
    match json.get("RecordId").and_then(Value::as_str) {
        Some(id) if !id.is_empty() => reply.record_id.set(id),
        _ => return Err(bad("it has no RecordId", body)),
    }
    reply.encrypted = encrypted(json.get("Encrypted"), body)?;
    Ok(())
}

/// The two forms in which the service answers, compared byte by byte; anything else is left to the parser.
fn quick(body: &[u8]) -> Option<(&[u8], bool)> {
    let (encrypted, rest) = match body.strip_prefix(b"{\"Encrypted\":") {
        Some(rest) => {
            let (encrypted, rest) = boolean(rest)?;
            (Some(encrypted), rest.strip_prefix(b",")?)
        }
        None => (None, body.strip_prefix(b"{")?),
    };
    let (id, rest) = plain_string(rest.strip_prefix(b"\"RecordId\":")?)?;
    match (encrypted, rest) {
        (Some(encrypted), b"}") => Some((id, encrypted)),
        (None, rest) => {
            let (encrypted, rest) = boolean(rest.strip_prefix(b",\"Encrypted\":")?)?;
            (rest == b"}").then_some((id, encrypted))
        }
        _ => None,
    }
}

/// `true` or `false`, and what follows.
pub(crate) fn boolean(text: &[u8]) -> Option<(bool, &[u8])> {
    match text.strip_prefix(b"true") {
        Some(rest) => Some((true, rest)),
        None => text.strip_prefix(b"false").map(|rest| (false, rest)),
    }
}

/// A quoted string of printable ASCII without escapes, not empty, and what follows.
pub(crate) fn plain_string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"\"")?;
    let end = memchr::memchr2(b'"', b'\\', text)?;
    let (inside, rest) = text.split_at_checked(end)?;
    let rest = rest.strip_prefix(b"\"")?;
    // Without an early end the compiler looks at many bytes at a time.
    let strange = inside.iter().fold(false, |strange, b| strange | !(0x20..0x7f).contains(b));
    (!inside.is_empty() && !strange).then_some((inside, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(body: &str) -> Result<(String, bool)> {
        let mut reply = Reply::default();
        put_record(body.as_bytes(), &mut reply)?;
        Ok((reply.record_id.as_str().into(), reply.encrypted))
    }

    #[test]
    fn all_ways_to_write_an_answer_are_read() {
        for (body, encrypted) in [
            (r#"{"RecordId":"abc","Encrypted":true}"#, true),
            (r#"{"Encrypted":false,"RecordId":"abc"}"#, false),
            (r#"{"RecordId":"abc"}"#, false),
            (r#" { "RecordId" : "abc" , "New" : [1] } "#, false),
            (r#"{"RecordId":"a\u0062c","Encrypted":null}"#, false),
        ] {
            assert_eq!(read(body).unwrap(), ("abc".into(), encrypted), "{body}");
        }
    }

    #[test]
    fn what_is_no_answer_is_no_success() {
        for body in [
            "",
            "{}",
            "[]",
            "null",
            r#"{"RecordId":""}"#,
            r#"{"RecordId":7}"#,
            r#"{"RecordId":"abc","Encrypted":1}"#,
            r#"{"RecordId":"abc"} x"#,
            r#"{"RecordId":"abc""#,
            r#"{"RecordId":"abc","Encrypted":false}}"#,
            "<html>hello</html>",
        ] {
            assert_eq!(read(body).unwrap_err().kind, Kind::BadResponse, "{body}");
        }
        assert!(read("<html>hello</html>").unwrap_err().message.contains("hello"));
    }
}
