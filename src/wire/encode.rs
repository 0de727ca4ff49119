//! Writes request bodies straight into the buffer that is sent: base64 included, no intermediate copy.

use crate::error::{Error, Result};
use base64_simd::STANDARD;

/// Opens a `PutRecord` or a `PutRecordBatch`; the stream's name needs no escaping, its characters were checked.
pub(crate) fn open(out: &mut Vec<u8>, stream: &str, member: &str) {
    for part in ["{\"DeliveryStreamName\":\"", stream, "\",\"", member, "\":"] {
        out.extend_from_slice(part.as_bytes());
    }
}

/// How many bytes [`record`] writes for a record of `bytes`, a comma included.
pub(crate) fn record_length(bytes: usize) -> usize {
    bytes.div_ceil(3) * 4 + r#",{"Data":""}"#.len()
}

/// Writes one record.
pub(crate) fn record(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(br#"{"Data":""#);
    STANDARD.encode_append(data, out);
    out.extend_from_slice(br#""}"#);
}

/// Writes one record whose data is base64 already.
pub(crate) fn record_base64(out: &mut Vec<u8>, data: &[u8]) {
    out.extend_from_slice(br#"{"Data":""#);
    out.extend_from_slice(data);
    out.extend_from_slice(br#""}"#);
}

/// Checks that `data` is base64 as the service takes it (RFC 4648, section 4, padded) and gives its decoded size.
pub(crate) fn check_base64(data: &[u8]) -> Result<usize> {
    let why = if !data.len().is_multiple_of(4) {
        format!("its {} bytes are no multiple of 4", data.len())
    } else if STANDARD.check(data).is_err() {
        let strange = data.iter().position(|b| !(b.is_ascii_alphanumeric() || b"+/=".contains(b)));
        match strange {
            Some(index) => format!("the byte at index {index} is not of its alphabet"),
            None => "its padding is wrong".into(),
        }
    } else {
        let padding = data.iter().rev().take_while(|b| **b == b'=').count();
        return Ok(data.len() / 4 * 3 - padding);
    };
    Err(Error::invalid(format!(
        "the data was said to be base64, but {why}; pass raw bytes, or padded RFC 4648 base64"
    )))
}

/// Writes a member whose value is a string.
pub(crate) fn string_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":\"");
    for byte in value.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0..=0x1f => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_and_hold_the_data() {
        let mut out = Vec::new();
        open(&mut out, "clicks", "Records");
        out.push(b'[');
        let mut expected = 0;
        for n in 0..64usize {
            let data: Vec<u8> = (0..n).map(|b| u8::try_from(b * 7 % 256).unwrap()).collect();
            let before = out.len();
            if n > 0 {
                out.push(b',');
            }
            record(&mut out, &data);
            expected += usize::from(n == 0);
            assert_eq!(out.len() - before + expected, record_length(n));
            expected = 0;
        }
        out.extend_from_slice(b"]}");
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["DeliveryStreamName"], "clicks");
        assert_eq!(json["Records"][5]["Data"], "AAcOFRw=");
        assert_eq!(json["Records"][0]["Data"], "");
    }

    #[test]
    fn strings_are_escaped() {
        let mut out = b"{\"a\":1".to_vec();
        string_member(&mut out, "PartitionKey", "q\"b\\s\u{1}é\n");
        out.push(b'}');
        let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(json["PartitionKey"], "q\"b\\s\u{1}é\n");
    }

    #[test]
    fn base64_is_checked() {
        assert_eq!(check_base64(b"").unwrap(), 0);
        assert_eq!(check_base64(b"aGVsbG8=").unwrap(), 5);
        assert_eq!(check_base64(b"aGVsbA==").unwrap(), 4);
        for bad in [&b"aGVsbG8"[..], b"aGVs\nG8=", b"a===", b"aGVsbG9=", b"aG=sbG8=", b"\"aaa"] {
            assert!(check_base64(bad).unwrap_err().message.contains("base64"), "{bad:?}");
        }
    }
}
