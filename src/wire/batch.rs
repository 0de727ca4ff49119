//! Reads the answer to a `PutRecordBatch`: one entry for each record sent, in the same order.
//!
//! The common answer, in which everything was taken, is walked once and its strings are ended in place: with record
//! ids of 224 characters it is as long as many a request, and a general parser would cost as much as the rest of the
//! call. Whatever looks different goes through the parser, with the same outcome.

use super::Reply;
use super::answer::{bad, boolean, encrypted, parse, plain_string};
use crate::error::Result;
use serde_json::Value;

/// Reads `body` into the reply; entry `n` belongs to the record `sent[n]`. The refused ones are left in `sent`.
/// The memory of `body` may be exchanged for other memory.
pub(crate) fn read(body: &mut Vec<u8>, sent: &mut Vec<u32>, reply: &mut Reply) -> Result<()> {
    if let Some(encrypted) = quick(body, sent.len()) {
        reply.encrypted = encrypted;
        take_over(body, sent, reply);
        sent.clear();
        return Ok(());
    }
    let json = parse(body)?;
    let entries = match json.get("RequestResponses").and_then(Value::as_array) {
        Some(entries) => entries,
        None => return Err(bad("it has no RequestResponses", body)),
    };
    if entries.len() != sent.len() {
        let what = format!("it has {} RequestResponses for {} records", entries.len(), sent.len());
        return Err(bad(&what, body));
    }
    let fates = entries.iter().map(|entry| fate(entry, body)).collect::<Result<Vec<Fate<'_>>>>()?;
    let failed = fates.iter().filter(|fate| matches!(fate, Fate::Refused(..))).count();
    if json.get("FailedPutCount").and_then(Value::as_u64) != u64::try_from(failed).ok() {
        return Err(bad("its FailedPutCount is not the number of failed entries", body));
    }
    reply.encrypted = encrypted(json.get("Encrypted"), body)?;
    let mut fates = fates.into_iter();
    sent.retain(|&index| {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        match fates.next() {
            Some(Fate::Delivered(id)) => {
                let id = reply.store(id);
                reply.delivered(index, id);
                false
            }
            Some(Fate::Refused(code, message)) => {
                let (code, message) = (reply.store(code), reply.store(message));
                reply.refused(index, code, message);
                true
            }
            None => true,
        }
    });
    Ok(())
}

enum Fate<'a> {
    Delivered(&'a str),
    Refused(&'a str, &'a str),
}

fn fate<'a>(entry: &'a Value, body: &[u8]) -> Result<Fate<'a>> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    match (text("ErrorCode"), text("RecordId")) {
        (Some(code), _) => Ok(Fate::Refused(code, text("ErrorMessage").unwrap_or_default())),
        (None, Some(id)) => Ok(Fate::Delivered(id)),
        (None, None) => Err(bad("an entry has neither RecordId nor ErrorCode", body)),
    }
}

const ENTRIES: &[u8] = b"\"RequestResponses\":[";
const ID: &[u8] = b"{\"RecordId\":";

/// Checks that every record was taken and that the answer is written as the service writes it; gives `Encrypted`.
fn quick(body: &[u8], count: usize) -> Option<bool> {
    let mut rest = body.strip_prefix(b"{")?;
    let (mut seen_encrypted, mut seen_failed, mut seen_entries) = (None, false, false);
    loop {
        if let Some(after) = rest.strip_prefix(b"\"Encrypted\":") {
            let (encrypted, after) = boolean(after)?;
            if seen_encrypted.replace(encrypted).is_some() {
                return None;
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix(b"\"FailedPutCount\":0") {
            if std::mem::replace(&mut seen_failed, true) {
                return None;
            }
            rest = after;
        } else if let Some(after) = rest.strip_prefix(ENTRIES) {
            if std::mem::replace(&mut seen_entries, true) {
                return None;
            }
            rest = entries(after, count)?;
        } else {
            return None;
        }
        match rest.split_first()? {
            (b',', after) => rest = after,
            (b'}', b"") => break,
            _ => return None,
        }
    }
    (seen_failed && seen_entries).then(|| seen_encrypted.unwrap_or(false))
}

fn entries(mut rest: &[u8], count: usize) -> Option<&[u8]> {
    for n in 0..count {
        if n > 0 {
            rest = rest.strip_prefix(b",")?;
        }
        let (_, after) = plain_string(rest.strip_prefix(ID)?)?;
        rest = after.strip_prefix(b"}")?;
    }
    rest.strip_prefix(b"]")
}

/// Makes the checked answer the arena of the reply: each id is ended by a NUL where its quote stood.
fn take_over(body: &mut Vec<u8>, sent: &[u32], reply: &mut Reply) {
    let start = reply.take_answer(body);
    let arena = reply.arena();
    let from = arena.get(start..).unwrap_or_default();
    let Some(list) = memchr::memmem::find(from, ENTRIES) else { return };
    let mut place = start + list + ENTRIES.len() + ID.len() + 1;
    for &index in sent {
        let arena = reply.arena();
        let rest = arena.get_mut(place..).unwrap_or_default();
        let Some(end) = memchr::memchr(b'"', rest) else { return };
        if let Some(quote) = rest.get_mut(end) {
            *quote = 0;
        }
        let id = u32::try_from(place).unwrap_or_default();
        reply.delivered(usize::try_from(index).unwrap_or(usize::MAX), id);
        // Behind the quote: `},{"RecordId":"`.
        place += end + 1 + 2 + ID.len() + 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn text(bytes: &[u8]) -> String {
        String::from_utf8(bytes.strip_suffix(b"\0").unwrap().to_vec()).unwrap()
    }

    #[test]
    fn quick_and_thorough_reading_agree() {
        let ids: Vec<String> = (0..500).map(|n| format!("{n:0224}")).collect();
        let entries: Vec<String> = ids.iter().map(|id| format!("{{\"RecordId\":\"{id}\"}}")).collect();
        let quick_form = format!(
            "{{\"FailedPutCount\":0,\"Encrypted\":true,\"RequestResponses\":[{}]}}",
            entries.join(",")
        );
        let slow_form = quick_form.replace(":0,", ": 0,");
        assert!(quick(quick_form.as_bytes(), 500).is_some() && quick(slow_form.as_bytes(), 500).is_none());
        for form in [quick_form, slow_form] {
            let mut reply = Reply::default();
            reply.expect_records(500);
            let mut sent: Vec<u32> = (0..500).collect();
            read(&mut form.into_bytes(), &mut sent, &mut reply).unwrap();
            assert!(sent.is_empty() && reply.encrypted);
            assert_eq!(reply.failed_count(), 0);
            for (n, id) in ids.iter().enumerate() {
                assert_eq!(text(reply.record_id_at(n)), *id);
                assert_eq!(text(reply.error_code_at(n)), "");
            }
        }
    }

    #[test]
    fn refused_records_are_left_and_a_second_answer_fills_the_gaps() {
        let mut reply = Reply::default();
        reply.expect_records(3);
        let mut sent = vec![0, 1, 2];
        let first = r#"{"FailedPutCount":2,"RequestResponses":[{"ErrorCode":"ServiceUnavailableException",
            "ErrorMessage":"Slow down."},{"RecordId":"b"},{"ErrorCode":"InternalFailure","ErrorMessage":null}]}"#;
        read(&mut first.as_bytes().to_vec(), &mut sent, &mut reply).unwrap();
        assert_eq!((sent.as_slice(), reply.failed_count()), (&[0, 2][..], 2));
        assert_eq!(text(reply.error_code_at(0)), "ServiceUnavailableException");
        assert_eq!(text(reply.error_message_at(0)), "Slow down.");
        let second = r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"RecordId":"c"}]}"#;
        read(&mut second.as_bytes().to_vec(), &mut sent, &mut reply).unwrap();
        assert!(sent.is_empty());
        let ids: Vec<String> = (0..3).map(|n| text(reply.record_id_at(n))).collect();
        assert_eq!((ids.concat().as_str(), reply.failed_count()), ("abc", 0));
        assert_eq!(text(reply.error_code_at(0)), "");
    }

    #[test]
    fn answers_that_do_not_fit_are_no_success() {
        for bad in [
            "",
            "{}",
            r#"{"FailedPutCount":0,"RequestResponses":[]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"}]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"},{"RecordId":"c"}]}"#,
            r#"{"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]}"#,
            r#"{"FailedPutCount":1,"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"RecordId":""}]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{}]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"ErrorCode":"E"}]}"#,
            r#"{"FailedPutCount":"0","RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]}"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]"#,
            r#"{"FailedPutCount":0,"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]}}"#,
            r#"{"FailedPutCount":0,"Encrypted":3,"RequestResponses":[{"RecordId":"a"},{"RecordId":"b"}]}"#,
        ] {
            let mut reply = Reply::default();
            reply.expect_records(2);
            let mut sent = vec![0, 1];
            let error = read(&mut bad.as_bytes().to_vec(), &mut sent, &mut reply).unwrap_err();
            assert_eq!((error.kind, sent.len(), reply.failed_count()), (Kind::BadResponse, 2, 2), "{bad}");
        }
    }
}
