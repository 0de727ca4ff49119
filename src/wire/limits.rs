//! The service's limits, checked before anything is sent (developer guide, "Limits"; API reference, PutRecordBatch).

use crate::error::{Error, Result};

/// Characters of a stream's name.
pub(crate) const STREAM_NAME: usize = 64;
/// Bytes of one record before base64.
pub(crate) const RECORD_BYTES: usize = 1_024_000;
/// Records of one batch.
pub(crate) const BATCH_RECORDS: usize = 500;
/// Bytes of one batch before base64.
pub(crate) const BATCH_BYTES: usize = 4 * 1024 * 1024;

/// Checks a stream's name: `[a-zA-Z0-9_.-]`, 1 to 64 of them.
pub(crate) fn stream_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::invalid(
            "the stream name is empty; it takes 1 to 64 of the characters a-z A-Z 0-9 _ . -",
        ));
    }
    let count = name.chars().count();
    if count > STREAM_NAME {
        return Err(Error::invalid(format!(
            "the stream name has {count} characters; the service takes at most {STREAM_NAME}"
        )));
    }
    match name.chars().enumerate().find(|(_, c)| !(c.is_ascii_alphanumeric() || "_.-".contains(*c))) {
        Some((index, c)) => Err(Error::invalid(format!(
            "the stream name has {c:?} at index {index}; the service takes only a-z A-Z 0-9 _ . -"
        ))),
        None => Ok(()),
    }
}

/// Checks the size of a single record.
pub(crate) fn record(bytes: usize) -> Result<()> {
    if bytes > RECORD_BYTES {
        return Err(Error::invalid(format!(
            "the record has {bytes} bytes; the service takes at most {RECORD_BYTES} in one record"
        )));
    }
    Ok(())
}

/// Checks how many records a batch has.
pub(crate) fn batch_count(count: usize) -> Result<()> {
    if count == 0 || count > BATCH_RECORDS {
        return Err(Error::invalid(format!(
            "the batch has {count} records; the service takes 1 to {BATCH_RECORDS} in one call"
        )));
    }
    Ok(())
}

/// Checks a batch, whose record `n` has `size(n)` bytes.
pub(crate) fn batch(count: usize, size: impl Fn(usize) -> usize) -> Result<()> {
    batch_count(count)?;
    let mut total = 0;
    for index in 0..count {
        let bytes = size(index);
        if bytes > RECORD_BYTES {
            return Err(Error::invalid(format!(
                "the record at index {index} has {bytes} bytes; the service takes at most {RECORD_BYTES} in one record"
            )));
        }
        total += bytes;
        if total > BATCH_BYTES {
            return Err(Error::invalid(format!(
                "the records up to index {index} have {total} bytes; the service takes at most {BATCH_BYTES} in one \
                 batch"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_holds_to_the_byte() {
        stream_name(&"a".repeat(64)).unwrap();
        stream_name("Az09_.-").unwrap();
        assert!(stream_name(&"a".repeat(65)).unwrap_err().message.contains("65 characters"));
        assert!(stream_name("").unwrap_err().message.contains("empty"));
        assert!(stream_name("a b").unwrap_err().message.contains("index 1"));
        assert!(stream_name("é").unwrap_err().message.contains("index 0"));
        record(1_024_000).unwrap();
        assert!(record(1_024_001).unwrap_err().message.contains("1024001 bytes"));
        batch(500, |_| 100).unwrap();
        assert!(batch(501, |_| 1).unwrap_err().message.contains("501 records"));
        assert!(batch(0, |_| 1).is_err());
        batch(4, |_| 1_024_000).unwrap();
        let last = |n| if n == 4 { 98_304 } else { 1_024_000 };
        batch(5, last).unwrap();
        let over = batch(5, |n| last(n) + usize::from(n == 4)).unwrap_err().message;
        assert!(over.contains("index 4") && over.contains("4194305") && over.contains("4194304"), "{over}");
        assert!(batch(2, |n| n * 1_024_001).unwrap_err().message.contains("index 1"));
    }
}
