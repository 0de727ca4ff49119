//! JSON that holds secrets: read strictly, and wiped when it is no longer needed.

use serde_json::Value;
use zeroize::{Zeroize, Zeroizing};

/// A document whose strings are wiped when it is dropped.
pub(super) struct Document(Value);

impl Drop for Document {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl Document {
    /// Reads a JSON object.
    pub(super) fn parse(text: &[u8]) -> Result<Document, String> {
        // The parser's own message has line and column, and may quote a word of a key, never a value.
        match serde_json::from_slice(text) {
            Ok(value @ Value::Object(_)) => Ok(Document(value)),
            Ok(_) => Err("it is JSON, but no object".into()),
            Err(error) => Err(format!("it is not JSON (line {}, column {})", error.line(), error.column())),
        }
    }

    /// A member that must be there, be text and not be empty.
    pub(super) fn text(&self, name: &str) -> Result<&str, String> {
        self.optional(name)?.ok_or_else(|| format!("{name} is missing or empty"))
    }

    /// A member that may be absent, null or empty, and is text otherwise.
    pub(super) fn optional(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(_) => Err(format!("{name} is not a string")),
        }
    }

    /// A member that must be there and be a whole number.
    pub(super) fn number(&self, name: &str) -> Result<i64, String> {
        self.0.get(name).and_then(Value::as_i64).ok_or_else(|| format!("{name} is not a whole number"))
    }

    /// A member that must be there and be an object; it is taken out.
    pub(super) fn object(&mut self, name: &str) -> Result<Document, String> {
        match self.0.get_mut(name).map(Value::take) {
            Some(value @ Value::Object(_)) => Ok(Document(value)),
            other => {
                drop(other.map(Document));
                Err(format!("{name} is missing or no object"))
            }
        }
    }

    /// A member that must be there and be a date.
    pub(super) fn date(&self, name: &str) -> Result<i64, String> {
        crate::clock::parse_rfc3339(self.text(name)?).ok_or_else(|| format!("{name} is not a date"))
    }

    /// Sets a member to a text, leaving all others as they are.
    pub(super) fn set(&mut self, name: &str, text: &str) {
        if let Value::Object(members) = &mut self.0
            && let Some(mut old) = members.insert(name.into(), Value::String(text.into()))
        {
            wipe(&mut old);
        }
    }

    /// The document as text.
    pub(super) fn write(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_read_strictly() {
        let mut document =
            Document::parse(br#"{"a":"x","b":"","c":7,"d":{"e":"2021-09-21T18:41:26Z"},"f":null}"#).unwrap();
        assert_eq!(document.text("a"), Ok("x"));
        assert_eq!(document.optional("b"), Ok(None));
        assert_eq!(document.optional("f"), Ok(None));
        assert_eq!(document.number("c"), Ok(7));
        for name in ["b", "c", "d", "f", "g"] {
            assert!(document.text(name).is_err(), "{name}");
        }
        assert!(
            document.optional("c").is_err() && document.number("a").is_err() && document.date("a").is_err()
        );
        assert_eq!(document.object("d").unwrap().date("e"), Ok(1_632_249_686));
        assert!(document.object("a").is_err());
        document.set("h", "y");
        assert_eq!(document.text("h"), Ok("y"));
        for bad in ["", "[]", "{", "{\"a\":\"secret\"", "\"secret\""] {
            let why = Document::parse(bad.as_bytes()).err().unwrap();
            assert!(!why.contains("secret"), "{why}");
        }
    }
}
