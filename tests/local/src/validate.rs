//! Reading members out of a request, with the service's constraints. Members that are not asked for are ignored.

use crate::error::Refusal;
use serde_json::{Map, Value};

/// A request's JSON object.
pub(crate) type Members = Map<String, Value>;

fn in_model(member: &str) -> String {
    let mut name = member.to_owned();
    name[..1].make_ascii_lowercase();
    name
}

pub(crate) fn parse(body: &[u8]) -> Result<Members, Refusal> {
    if body.is_empty() {
        return Ok(Members::new());
    }
    match serde_json::from_slice(body) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(Refusal::bad("SerializationException", "The request's body must be a JSON object")),
        Err(error) => {
            Err(Refusal::bad("SerializationException", format!("The request's body is not JSON: {error}")))
        }
    }
}

pub(crate) fn optional_text<'a>(members: &'a Members, member: &str) -> Result<Option<&'a str>, Refusal> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Refusal::wrong_type(member, "a string")),
    }
}

pub(crate) fn text<'a>(members: &'a Members, member: &str) -> Result<&'a str, Refusal> {
    optional_text(members, member)?.ok_or_else(|| Refusal::missing(&in_model(member)))
}

pub(crate) fn object<'a>(members: &'a Members, member: &str) -> Result<Option<&'a Members>, Refusal> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(inner)) => Ok(Some(inner)),
        Some(_) => Err(Refusal::wrong_type(member, "an object")),
    }
}

pub(crate) fn list<'a>(members: &'a Members, member: &str) -> Result<Option<&'a [Value]>, Refusal> {
    match members.get(member) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(values)) => Ok(Some(values)),
        Some(_) => Err(Refusal::wrong_type(member, "a list")),
    }
}

/// A whole number between two bounds, if it is there.
pub(crate) fn number(members: &Members, member: &str, low: i64, high: i64) -> Result<Option<i64>, Refusal> {
    let value = match members.get(member) {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => value.as_i64().ok_or_else(|| Refusal::wrong_type(member, "a whole number"))?,
    };
    if value < low {
        let rule = format!("Member must have value greater than or equal to {low}");
        return Err(Refusal::constraint(&format!("'{value}'"), &in_model(member), &rule));
    }
    if value > high {
        let rule = format!("Member must have value less than or equal to {high}");
        return Err(Refusal::constraint(&format!("'{value}'"), &in_model(member), &rule));
    }
    Ok(Some(value))
}

pub(crate) fn one_of<'a>(
    members: &'a Members,
    member: &str,
    allowed: &[&str],
) -> Result<Option<&'a str>, Refusal> {
    let Some(value) = optional_text(members, member)? else { return Ok(None) };
    if allowed.contains(&value) {
        return Ok(Some(value));
    }
    let rule = format!("Member must satisfy enum value set: [{}]", allowed.join(", "));
    Err(Refusal::constraint(&format!("'{value}'"), &in_model(member), &rule))
}

/// Checks how many characters a text has.
pub(crate) fn length(value: &str, member: &str, low: usize, high: usize) -> Result<(), Refusal> {
    let count = value.chars().count();
    let rule = if count < low {
        format!("Member must have length greater than or equal to {low}")
    } else if count > high {
        format!("Member must have length less than or equal to {high}")
    } else {
        return Ok(());
    };
    Err(Refusal::constraint(&format!("'{value}'"), member, &rule))
}

/// Checks how many entries a list has; the entries are not repeated in the message.
pub(crate) fn count(found: usize, member: &str, low: usize, high: usize) -> Result<(), Refusal> {
    let rule = if found < low {
        format!("Member must have length greater than or equal to {low}")
    } else if found > high {
        format!("Member must have length less than or equal to {high}")
    } else {
        return Ok(());
    };
    Err(Refusal::constraint(&format!("'[{found} entries]'"), member, &rule))
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-')
}

pub(crate) fn check_stream_name(name: &str) -> Result<(), Refusal> {
    length(name, "deliveryStreamName", 1, 64)?;
    if name.bytes().all(is_name_byte) {
        return Ok(());
    }
    let rule = "Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
    Err(Refusal::constraint(&format!("'{name}'"), "deliveryStreamName", rule))
}

pub(crate) fn stream_name(members: &Members) -> Result<&str, Refusal> {
    let name = text(members, "DeliveryStreamName")?;
    check_stream_name(name)?;
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> Refusal {
        stream_name(&parse(body.as_bytes()).unwrap()).unwrap_err()
    }

    #[test]
    fn stream_names() {
        let longest = format!(r#"{{"DeliveryStreamName":"{}"}}"#, "a".repeat(64));
        assert_eq!(stream_name(&parse(longest.as_bytes()).unwrap()).unwrap().len(), 64);
        let long = refused(&format!(r#"{{"DeliveryStreamName":"{}"}}"#, "a".repeat(65)));
        assert_eq!(long.code, "InvalidArgumentException");
        assert!(long.message.contains("less than or equal to 64"), "{}", long.message);
        assert!(refused(r#"{"DeliveryStreamName":""}"#).message.contains("greater than or equal to 1"));
        assert!(refused("{}").message.contains("must not be null"));
        assert!(refused(r#"{"DeliveryStreamName":"a b"}"#).message.contains("[a-zA-Z0-9_.-]+"));
        assert!(refused(r#"{"DeliveryStreamName":"ä"}"#).message.contains("[a-zA-Z0-9_.-]+"));
        assert_eq!(refused(r#"{"DeliveryStreamName":7}"#).code, "SerializationException");
    }

    #[test]
    fn bodies() {
        assert!(parse(b"").unwrap().is_empty());
        assert_eq!(parse(b"[]").unwrap_err().code, "SerializationException");
        assert_eq!(parse(b"{\"a\":").unwrap_err().code, "SerializationException");
    }

    #[test]
    fn numbers_and_choices() {
        let members = parse(br#"{"Limit":5,"Word":"b","Bad":1.5}"#).unwrap();
        assert_eq!(number(&members, "Limit", 1, 5).unwrap(), Some(5));
        assert!(number(&members, "Limit", 6, 9).is_err());
        assert!(number(&members, "Limit", 1, 4).is_err());
        assert!(number(&members, "Bad", 1, 4).is_err());
        assert_eq!(number(&members, "None", 1, 4).unwrap(), None);
        assert_eq!(one_of(&members, "Word", &["a", "b"]).unwrap(), Some("b"));
        assert!(one_of(&members, "Word", &["a"]).unwrap_err().message.contains("enum value set: [a]"));
    }
}
