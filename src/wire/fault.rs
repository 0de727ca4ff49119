//! What the service says when it refuses a call.

use crate::text::printable;

/// A refusal: the service's code and message, either empty where it gave none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// `ResourceNotFoundException`, cut free of what surrounds it on the wire.
    pub(crate) code: String,
    /// The service's own words, or a piece of a body that is not the service's.
    pub(crate) message: String,
}

impl Fault {
    /// Reads a refusal from the `x-amzn-errortype` header and the body: JSON as the service writes it, XML as some
    /// gateways and test servers do, or anything else, of which a piece is quoted.
    pub(crate) fn read(header: Option<&str>, body: &[u8]) -> Fault {
        let json: Option<serde_json::Value> = serde_json::from_slice(body).ok();
        let member = |names: &[&str]| {
            let json = json.as_ref()?;
            names.iter().find_map(|name| json.get(name)?.as_str().filter(|text| !text.is_empty()))
        };
        let code = header.map(bare).filter(|code| !code.is_empty());
        let code = code.or_else(|| member(&["__type", "code"]).map(bare)).map(String::from);
        let message = member(&["message", "Message"]).map(cut);
        if json.is_some() {
            return Fault { code: code.unwrap_or_default(), message: message.unwrap_or_default() };
        }
        let text = String::from_utf8_lossy(body);
        let code = code.or_else(|| element(&text, "Code").map(String::from));
        let message = element(&text, "Message").map(cut);
        Fault { code: code.unwrap_or_default(), message: message.unwrap_or_else(|| printable(&text)) }
    }
}

/// The longest message that is passed on, in bytes; the service's own are a line or two.
const LONGEST: usize = 2048;

fn cut(message: &str) -> String {
    if message.len() <= LONGEST {
        return message.to_owned();
    }
    let start = (0..=LONGEST).rev().find_map(|at| message.get(..at)).unwrap_or_default();
    format!("{start}…")
}

/// `com.amazon#Name:http://…` is `Name`.
fn bare(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    code.rsplit('#').next().unwrap_or_default().trim()
}

/// The text of the first XML element of that name.
fn element<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    rest.split_once(&format!("</{name}>")).map(|(inner, _)| inner.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(code: &str, message: &str) -> Fault {
        Fault { code: code.into(), message: message.into() }
    }

    #[test]
    fn the_code_is_found_wherever_it_stands() {
        let body = br#"{"__type":"com.amazonaws.firehose#ResourceNotFoundException","message":"not found"}"#;
        assert_eq!(Fault::read(None, body), fault("ResourceNotFoundException", "not found"));
        let header = Some("InvalidArgumentException:http://internal.amazon.com/coral/");
        assert_eq!(Fault::read(header, b"{}"), fault("InvalidArgumentException", ""));
        let body = br#"{"code":"LimitExceededException","Message":"too many","__type":""}"#;
        assert_eq!(Fault::read(None, body), fault("LimitExceededException", "too many"));
        let long = Fault::read(None, format!(r#"{{"message":"{}"}}"#, "ä".repeat(4000)).as_bytes());
        assert!(long.message.len() < 2100 && long.message.ends_with("ä…"));
        assert_eq!(Fault::read(Some("A"), br#"{"__type":"B"}"#).code, "A");
        assert_eq!(Fault::read(None, br#"[1]"#), fault("", ""));
    }

    #[test]
    fn bodies_that_are_not_the_services_are_quoted() {
        let xml = b"<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>bad</Message></Error>";
        assert_eq!(Fault::read(None, xml), fault("SignatureDoesNotMatch", "bad"));
        let html = format!("<html>\n\n<h1>503 Service\tUnavailable</h1>{}", "x ".repeat(1000));
        let read = Fault::read(None, html.as_bytes());
        assert!(read.message.starts_with("<html> <h1>503 Service Unavailable</h1>"), "{}", read.message);
        assert!(read.message.len() <= 203);
        assert_eq!(Fault::read(None, b""), fault("", ""));
        assert!(Fault::read(None, &[0xff; 400]).message.len() <= 203);
    }
}
