//! One connection's bytes: requests in, answers out, over plain TCP or TLS.

use rustls::{ServerConnection, StreamOwned};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

const LARGEST_HEAD: usize = 64 * 1024;
/// Far above the largest request that the service takes, so that its own limits are what a client meets.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// A socket that the server can shut down from another thread while a connection's thread uses it.
#[derive(Clone)]
pub(crate) struct Socket(pub(crate) Arc<TcpStream>);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

enum Transport {
    Plain(Socket),
    Tls(Box<StreamOwned<ServerConnection, Socket>>),
}

/// A request's first line and headers; names are in lower case.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) old_version: bool,
}

impl Head {
    #[cfg(test)]
    pub(crate) fn new(method: &str, target: &str, headers: Vec<(String, Vec<u8>)>) -> Self {
        Self { method: method.into(), target: target.into(), headers, old_version: false }
    }

    fn parse(bytes: &[u8]) -> io::Result<Option<(Self, usize)>> {
        let mut space = [httparse::EMPTY_HEADER; 96];
        let mut request = httparse::Request::new(&mut space);
        let length = match request.parse(bytes).map_err(invalid)? {
            httparse::Status::Partial => return Ok(None),
            httparse::Status::Complete(length) => length,
        };
        let headers =
            request.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()));
        let head = Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            headers: headers.collect(),
            old_version: request.version == Some(0),
        };
        Ok(Some((head, length)))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(known, _)| known == name)?;
        std::str::from_utf8(value).ok()
    }

    /// All the values of a header, joined as a signature wants them.
    pub(crate) fn joined(&self, name: &str) -> String {
        let values = self.headers.iter().filter(|(known, _)| known == name);
        values
            .map(|(_, value)| String::from_utf8_lossy(value).trim().to_owned())
            .collect::<Vec<_>>()
            .join(",")
    }

    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(crate) fn query(&self) -> &str {
        self.target.split_once('?').map_or("", |(_, query)| query)
    }

    /// `PutRecord`, when the target header is one of this service's.
    pub(crate) fn operation(&self) -> &str {
        self.header("x-amz-target")
            .and_then(|target| target.strip_prefix("Firehose_20150804."))
            .unwrap_or_default()
    }

    fn has_word(&self, name: &str, word: &str) -> bool {
        self.header(name)
            .is_some_and(|value| value.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    }

    pub(crate) fn wants_close(&self) -> bool {
        self.has_word("connection", "close") || self.old_version && !self.has_word("connection", "keep-alive")
    }

    fn is_chunked(&self) -> bool {
        self.has_word("transfer-encoding", "chunked")
    }

    fn content_length(&self) -> io::Result<usize> {
        match self.header("content-length") {
            None => Ok(0),
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().map_err(invalid),
            Some(text) => Err(invalid(format!("Content-Length is not a number: {text}"))),
        }
    }
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the client left in the middle of a request")
}

pub(crate) struct Wire {
    transport: Transport,
    socket: Socket,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Wire {
    pub(crate) fn new(socket: Arc<TcpStream>, tls: Option<ServerConnection>) -> Self {
        let socket = Socket(socket);
        let transport = match tls {
            None => Transport::Plain(socket.clone()),
            Some(session) => Transport::Tls(Box::new(StreamOwned::new(session, socket.clone()))),
        };
        Self { transport, socket, buffer: vec![0; LARGEST_HEAD].into(), start: 0, end: 0 }
    }

    pub(crate) fn scheme(&self) -> &'static str {
        match self.transport {
            Transport::Plain(_) => "http",
            Transport::Tls(_) => "https",
        }
    }

    fn receive(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = match &mut self.transport {
                Transport::Plain(socket) => socket.read(into),
                Transport::Tls(stream) => stream.read(into),
            };
            match got {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                got => return got,
            }
        }
    }

    fn fill(&mut self) -> io::Result<usize> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        let got = self.receive(&mut buffer[self.end..]);
        self.buffer = buffer;
        self.end += *got.as_ref().unwrap_or(&0);
        got
    }

    /// The next request's head; `None` when the client has closed between requests.
    pub(crate) fn read_head(&mut self) -> io::Result<Option<Head>> {
        loop {
            if self.start < self.end {
                if let Some((head, length)) = Head::parse(&self.buffer[self.start..self.end])? {
                    self.start += length;
                    return Ok(Some(head));
                }
                if self.end - self.start == self.buffer.len() {
                    return Err(invalid("the request's headers are larger than 64 KiB"));
                }
            }
            let started = self.start < self.end;
            if self.fill()? == 0 {
                return if started { Err(cut()) } else { Ok(None) };
            }
        }
    }

    fn take(&mut self, count: usize, out: &mut Vec<u8>) -> io::Result<()> {
        let buffered = count.min(self.end - self.start);
        out.extend_from_slice(&self.buffer[self.start..self.start + buffered]);
        self.start += buffered;
        let left = (count - buffered) as u64;
        let got = match &mut self.transport {
            _ if left == 0 => 0,
            Transport::Plain(socket) => Read::by_ref(socket).take(left).read_to_end(out)?,
            Transport::Tls(stream) => Read::by_ref(stream).take(left).read_to_end(out)?,
        };
        if (got as u64) < left { Err(cut()) } else { Ok(()) }
    }

    fn read_line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        loop {
            if self.start == self.end && self.fill()? == 0 {
                return Err(cut());
            }
            let byte = self.buffer[self.start];
            self.start += 1;
            match byte {
                b'\n' => return String::from_utf8(line).map_err(invalid),
                b'\r' => {}
                _ if line.len() >= 8192 => return Err(invalid("a line of a chunked body is too long")),
                _ => line.push(byte),
            }
        }
    }

    /// Tells a client that waits for it to go on.
    fn go_on(&mut self, head: &Head) -> io::Result<()> {
        let waits = head.has_word("expect", "100-continue") && self.start == self.end;
        if waits { self.send(b"HTTP/1.1 100 Continue\r\n\r\n") } else { Ok(()) }
    }

    pub(crate) fn read_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        self.go_on(head)?;
        if head.is_chunked() {
            return self.read_chunks();
        }
        let length = head.content_length()?;
        if length > LARGEST_BODY {
            return Err(invalid(format!("the request's body is larger than {LARGEST_BODY} bytes")));
        }
        let mut body = Vec::with_capacity(length);
        self.take(length, &mut body)?;
        Ok(body)
    }

    fn read_chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line = self.read_line()?;
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).map_err(invalid)?;
            if size > LARGEST_BODY - body.len() {
                return Err(invalid(format!("the request's body is larger than {LARGEST_BODY} bytes")));
            }
            if size == 0 {
                while !self.read_line()?.is_empty() {}
                return Ok(body);
            }
            self.take(size, &mut body)?;
            if !self.read_line()?.is_empty() {
                return Err(invalid("a chunk is longer than it says"));
            }
        }
    }

    /// Reads about half of the body, so that a reset comes while the client is still sending.
    pub(crate) fn read_half(&mut self, head: &Head) -> io::Result<()> {
        self.go_on(head)?;
        let half = head.content_length().unwrap_or(0) / 2;
        self.take(half, &mut Vec::new())
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.transport {
            Transport::Plain(socket) => socket.write_all(bytes),
            Transport::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Waits until the client has left, whatever it still sends.
    pub(crate) fn wait_for_end(&mut self) {
        let mut scratch = [0; 4096];
        while matches!(self.receive(&mut scratch), Ok(got) if got > 0) {}
    }

    /// Ends the connection as a well-behaved server does.
    pub(crate) fn close(mut self) {
        if let Transport::Tls(stream) = &mut self.transport {
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
        let _ = self.socket.0.shutdown(Shutdown::Write);
    }

    /// Ends the connection of a client that may still be sending: bytes left unread would turn the close into a
    /// reset, which could take the answer with it.
    pub(crate) fn close_gently(self) {
        let socket = self.socket.clone();
        self.close();
        let _ = socket.0.set_read_timeout(Some(Duration::from_millis(100)));
        let mut scratch = [0; 4096];
        let mut left = 4 * 1024 * 1024;
        while let Ok(got @ 1..) = (&*socket.0).read(&mut scratch) {
            if got >= left {
                return;
            }
            left -= got;
        }
    }

    /// Ends the connection with a reset as soon as the last owner of the socket drops it.
    pub(crate) fn reset(self) {
        let linger = libc::linger { l_onoff: 1, l_linger: 0 };
        // SAFETY: the descriptor is open, and the option's value is a `linger` of the length that is given.
        unsafe {
            libc::setsockopt(
                self.socket.0.as_raw_fd(),
                libc::SOL_SOCKET,
                libc::SO_LINGER,
                (&raw const linger).cast(),
                size_of::<libc::linger>() as libc::socklen_t,
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads() {
        let text = b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Firehose_20150804.PutRecord\r\nX-A:  1 \r\nx-a:2\r\n\r\nrest";
        let (head, length) = Head::parse(text).unwrap().unwrap();
        assert_eq!(&text[length..], b"rest");
        assert_eq!((head.path(), head.query(), head.operation()), ("/a", "b=1", "PutRecord"));
        assert_eq!(head.joined("x-a"), "1,2");
        assert!(!head.wants_close());
        assert!(Head::parse(&text[..30]).unwrap().is_none());
        assert!(Head::parse(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn lengths_and_closing() {
        let with = |name: &str, value: &str| Head::new("POST", "/", vec![(name.into(), value.into())]);
        assert_eq!(with("content-length", "12").content_length().unwrap(), 12);
        assert!(with("content-length", "-1").content_length().is_err());
        assert!(with("content-length", "").content_length().is_err());
        assert!(with("connection", "Close").wants_close());
        assert!(with("transfer-encoding", "gzip, chunked").is_chunked());
        assert_eq!(with("x-amz-target", "DynamoDB_20120810.PutItem").operation(), "");
    }
}
