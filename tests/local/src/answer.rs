//! An answer, and the ways, good and bad, in which it reaches the client.

use crate::error::Refusal;
use crate::fault::{Fault, Kind};
use crate::wire::Wire;
use serde_json::json;
use std::io;
use std::time::{Duration, Instant};

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) form: &'static str,
    /// Headers to add or to replace; those without a value are left out.
    pub(crate) headers: Vec<(String, Option<String>)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn new(status: u16, body: String) -> Self {
        let form = "application/x-amz-json-1.1";
        Self { status, form, headers: Vec::new(), body: body.into_bytes() }
    }

    pub(crate) fn page(status: u16, body: String) -> Self {
        Self { form: "text/html", ..Self::new(status, body) }
    }

    pub(crate) fn refusal(refusal: &Refusal, code_in_header: bool) -> Self {
        let message = &refusal.message;
        if code_in_header {
            let mut answer = Self::new(refusal.status, json!({ "message": message }).to_string());
            answer.headers.push(("x-amzn-ErrorType".into(), Some(refusal.code.to_string())));
            return answer;
        }
        Self::new(refusal.status, json!({ "__type": refusal.code, "message": message }).to_string())
    }

    pub(crate) fn reason(status: u16) -> &'static str {
        match status {
            200 => "OK",
            204 => "No Content",
            301 => "Moved Permanently",
            302 => "Found",
            307 => "Temporary Redirect",
            308 => "Permanent Redirect",
            400 => "Bad Request",
            403 => "Forbidden",
            404 => "Not Found",
            405 => "Method Not Allowed",
            413 => "Content Too Large",
            429 => "Too Many Requests",
            500 => "Internal Server Error",
            502 => "Bad Gateway",
            503 => "Service Unavailable",
            504 => "Gateway Timeout",
            _ => "Unknown",
        }
    }

    /// The status line and headers, with room for the body behind.
    fn head(&self, date: &str, ids: (&str, &str), framing: &str, close: bool) -> Vec<u8> {
        let mut out = String::with_capacity(512 + self.body.len());
        out.push_str(&format!("HTTP/1.1 {} {}\r\n", self.status, Self::reason(self.status)));
        let mut line = |name: &str, value: &str| {
            if !self.headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(name)) {
                for part in [name, ": ", value, "\r\n"] {
                    out.push_str(part);
                }
            }
        };
        line("x-amzn-RequestId", ids.0);
        line("x-amz-id-2", ids.1);
        line("Date", date);
        line("Content-Type", self.form);
        if close {
            line("Connection", "close");
        }
        let (name, value) = framing.split_once(": ").unwrap_or((framing, ""));
        line(name, value);
        for (name, value) in &self.headers {
            if let Some(value) = value {
                out.push_str(&format!("{name}: {value}\r\n"));
            }
        }
        out.push_str("\r\n");
        out.into_bytes()
    }
}

/// What is to be done with the connection.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    Keep,
    Close,
    Reset,
}

/// What an answer needs to know besides itself.
pub(crate) struct Context<'a> {
    pub(crate) date: &'a str,
    pub(crate) request_id: &'a str,
    pub(crate) extended_id: &'a str,
    pub(crate) wants_close: bool,
    /// True once the server is to stop.
    pub(crate) stopping: &'a dyn Fn() -> bool,
}

impl Context<'_> {
    /// Sleeps, but not past the end of the server. False: the server stops.
    fn pause(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            if (self.stopping)() {
                return false;
            }
            if left.is_zero() {
                return true;
            }
            std::thread::sleep(left.min(Duration::from_millis(20)));
        }
    }
}

/// Sends the answer in the way that the fault asks for.
pub(crate) fn send(
    wire: &mut Wire,
    answer: &Answer,
    fault: Option<&Fault>,
    context: &Context<'_>,
) -> io::Result<Next> {
    let kind = fault.map(|fault| fault.kind);
    let close = context.wants_close || kind == Some(Kind::Close);
    let next = if close { Next::Close } else { Next::Keep };
    let ids = (context.request_id, context.extended_id);
    let head = |framing: &str| answer.head(context.date, ids, framing, close);
    let whole = |length: usize| {
        let mut out = head(&format!("Content-Length: {length}"));
        out.extend_from_slice(&answer.body);
        out
    };
    let length = answer.body.len();
    match kind {
        Some(Kind::ResetBefore) => return Ok(Next::Reset),
        Some(Kind::Hang) => {
            wire.wait_for_end();
            return Ok(Next::Close);
        }
        Some(Kind::ResetMiddle) => {
            let out = whole(length);
            wire.send(&out[..out.len() - length.div_ceil(2)])?;
            // The client is to see the first half before the reset.
            context.pause(Duration::from_millis(5));
            return Ok(Next::Reset);
        }
        Some(Kind::CloseIdle) => {
            wire.send(&whole(length))?;
            return Ok(Next::Close);
        }
        Some(Kind::Truncate) => {
            wire.send(&whole(length * 2 + 16))?;
            return Ok(Next::Close);
        }
        Some(Kind::Trickle) => {
            let interval = Duration::from_millis(fault.and_then(|fault| fault.interval_ms).unwrap_or(1000));
            for byte in whole(length) {
                wire.send(&[byte])?;
                if !context.pause(interval) {
                    return Ok(Next::Reset);
                }
            }
        }
        Some(Kind::Delay) => {
            let time = fault.and_then(|fault| fault.interval_ms).unwrap_or(100);
            if !context.pause(Duration::from_millis(time)) {
                return Ok(Next::Reset);
            }
            wire.send(&whole(length))?;
        }
        Some(Kind::Informational) => {
            let early =
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </>; rel=preconnect\r\n\r\n";
            let mut out = early.as_bytes().to_vec();
            out.extend_from_slice(&whole(length));
            wire.send(&out)?;
        }
        Some(Kind::Chunked) => {
            wire.send(&head("Transfer-Encoding: chunked"))?;
            for piece in answer.body.chunks(length.div_ceil(50).max(7)) {
                wire.send(&chunk(piece))?;
            }
            wire.send(b"0\r\n\r\n")?;
        }
        Some(Kind::Huge) => {
            let mut out = head("Transfer-Encoding: chunked");
            out.extend_from_slice(&chunk(br#"{"Encrypted":false,"RecordId":""#));
            wire.send(&out)?;
            let piece = chunk(&[b'a'; 16 * 1024]);
            while !(context.stopping)() {
                wire.send(&piece)?;
            }
            return Ok(Next::Reset);
        }
        _ => wire.send(&whole(length))?,
    }
    Ok(next)
}

fn chunk(piece: &[u8]) -> Vec<u8> {
    let mut out = format!("{:x}\r\n", piece.len()).into_bytes();
    out.extend_from_slice(piece);
    out.extend_from_slice(b"\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: &Answer, close: bool) -> String {
        String::from_utf8(answer.head("DATE", ("ID", "ID2"), "Content-Length: 2", close)).unwrap()
    }

    #[test]
    fn headers_of_an_answer() {
        let mut answer = Answer::new(200, "{}".into());
        assert_eq!(
            text(&answer, false),
            "HTTP/1.1 200 OK\r\nx-amzn-RequestId: ID\r\nx-amz-id-2: ID2\r\nDate: DATE\r\n\
             Content-Type: application/x-amz-json-1.1\r\nContent-Length: 2\r\n\r\n"
        );
        assert!(text(&answer, true).contains("\r\nConnection: close\r\n"));
        answer.headers = vec![("date".into(), None), ("Age".into(), Some("7".into()))];
        let changed = text(&answer, false);
        assert!(!changed.contains("Date") && changed.contains("\r\nAge: 7\r\n"), "{changed}");
    }

    #[test]
    fn refusals_name_the_code_in_body_or_header() {
        let refusal = Refusal::bad("SomeException", "why");
        let body = |answer: Answer| String::from_utf8(answer.body).unwrap();
        assert_eq!(body(Answer::refusal(&refusal, false)), r#"{"__type":"SomeException","message":"why"}"#);
        let other = Answer::refusal(&refusal, true);
        assert_eq!(other.headers, [("x-amzn-ErrorType".to_owned(), Some("SomeException".to_owned()))]);
        assert_eq!(body(other), r#"{"message":"why"}"#);
    }
}
