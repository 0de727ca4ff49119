//! A connected socket, plain or TLS, whose every wait ends in time.
//!
//! The socket blocks, with the kernel's own time limits: a send and a receive are then one system call each. The
//! limits are changed only when a call's own would be missed by more than a few milliseconds, which in a row of like
//! calls is never.

use crate::sys::socket;
use rustls::ClientConnection;
use std::io::{self, BufRead, IoSlice, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// By how much the kernel's limit may be longer than the call's.
const SLACK: Duration = Duration::from_millis(20);
/// How much is sealed before it is sent.
const SEALED: usize = 256 * 1024;

/// How long a single operation may wait.
#[derive(Clone, Copy)]
pub(crate) struct Wait {
    /// At most this long without progress.
    pub(crate) idle: Duration,
    /// Not past this instant.
    pub(crate) until: Instant,
}

/// The socket and the limit that the kernel holds for it.
pub(crate) struct Socket {
    tcp: TcpStream,
    limit: Duration,
}

impl Socket {
    pub(crate) fn new(tcp: TcpStream) -> io::Result<Socket> {
        tcp.set_nodelay(true)?;
        Ok(Socket { tcp, limit: Duration::ZERO })
    }

    /// Makes the kernel's limit fit; an error where the time is up. `since` is when the wait began.
    fn arm(&mut self, wait: Wait, since: Instant, now: Instant) -> io::Result<()> {
        let end = wait.until.min(since + wait.idle);
        let left = end.saturating_duration_since(now);
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        // A new socket has no limit at all: however short the wait, it must get one.
        if self.limit.is_zero() || self.limit > left + SLACK || self.limit + SLACK < left {
            // The kernel takes zero for no limit.
            let limit = left.max(Duration::from_millis(1));
            self.tcp.set_read_timeout(Some(limit))?;
            self.tcp.set_write_timeout(Some(limit))?;
            self.limit = limit;
        }
        Ok(())
    }

    /// Repeats `step` until it makes progress, fails, or the time is up.
    fn patiently<T>(
        &mut self,
        wait: Wait,
        mut step: impl FnMut(&TcpStream) -> io::Result<T>,
    ) -> io::Result<T> {
        let since = Instant::now();
        let mut now = since;
        loop {
            self.arm(wait, since, now)?;
            match step(&self.tcp) {
                Err(e) if matches!(e.kind(), io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock) => {
                    now = Instant::now();
                }
                done => return done,
            }
        }
    }
}

/// A socket with a wait.
struct Raw<'a> {
    socket: &'a mut Socket,
    wait: Wait,
}

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.socket.patiently(self.wait, |mut tcp| tcp.read(buffer))
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.socket.patiently(self.wait, |mut tcp| tcp.write(bytes))
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        self.socket.patiently(self.wait, |tcp| socket::send_vectored(tcp, pieces))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a session sends and receives on: the socket, or the session with a proxy around it.
struct Carrier<'a> {
    raw: Raw<'a>,
    proxy: Option<&'a mut ClientConnection>,
}

impl Read for Carrier<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(session) = &mut self.proxy else { return self.raw.read(buffer) };
        loop {
            match session.reader().read(buffer) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => more(session, &mut self.raw)?,
                done => return done,
            }
        }
    }
}

impl Write for Carrier<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_vectored(&[IoSlice::new(bytes)])
    }

    fn write_vectored(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let Some(session) = &mut self.proxy else { return self.raw.write_vectored(pieces) };
        let taken = session.writer().write_vectored(pieces)?;
        flush(session, &mut self.raw)?;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Sends what the session wants to send.
fn flush(session: &mut ClientConnection, to: &mut impl Write) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(to)?;
    }
    Ok(())
}

/// Receives once.
fn more(session: &mut ClientConnection, from: &mut (impl Read + Write)) -> io::Result<()> {
    session.read_tls(from)?;
    if let Err(error) = session.process_new_packets() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, error));
    }
    // A key update or a ticket may want an answer.
    flush(session, from)
}

/// A connection on which bytes can be sent and received.
pub(crate) struct Stream {
    socket: Socket,
    /// With a proxy that is reached over TLS, while there is a session with the target within.
    proxy: Option<Box<ClientConnection>>,
    tls: Option<Box<ClientConnection>>,
}

impl Stream {
    /// Without TLS.
    pub(crate) fn plain(socket: Socket) -> Stream {
        Stream { socket, proxy: None, tls: None }
    }

    /// Shakes hands, within the session that there is already. The error holds a `rustls::Error` where the peer or
    /// its certificate is at fault.
    pub(crate) fn secure(self, session: ClientConnection, wait: Wait) -> io::Result<Stream> {
        let Stream { mut socket, tls: mut proxy, .. } = self;
        let mut session = Box::new(session);
        session.set_buffer_limit(None);
        let mut carrier = Carrier { raw: Raw { socket: &mut socket, wait }, proxy: proxy.as_deref_mut() };
        while session.is_handshaking() {
            flush(&mut session, &mut carrier)?;
            if session.is_handshaking() && session.read_tls(&mut carrier)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Err(error) = session.process_new_packets() {
                // The alert tells the peer why; if it does not get through, the reason stays the same.
                let _ = session.write_tls(&mut carrier);
                return Err(io::Error::new(io::ErrorKind::InvalidData, error));
            }
        }
        flush(&mut session, &mut carrier)?;
        Ok(Stream { socket, proxy, tls: Some(session) })
    }

    /// Sends everything.
    pub(crate) fn send(&mut self, bytes: &[u8], wait: Wait) -> io::Result<()> {
        let Some(session) = &mut self.tls else {
            let mut rest = bytes;
            while !rest.is_empty() {
                let sent = self.socket.patiently(wait, |mut tcp| tcp.write(rest))?;
                if sent == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
                rest = rest.get(sent..).unwrap_or_default();
            }
            return Ok(());
        };
        let raw = Raw { socket: &mut self.socket, wait };
        let mut carrier = Carrier { raw, proxy: self.proxy.as_deref_mut() };
        for part in bytes.chunks(SEALED) {
            session.writer().write_all(part)?;
            flush(session, &mut carrier)?;
        }
        Ok(())
    }

    /// Appends what comes, at most `most` bytes; 0 is the orderly end.
    pub(crate) fn receive(&mut self, buffer: &mut Vec<u8>, most: usize, wait: Wait) -> io::Result<usize> {
        let Some(session) = &mut self.tls else {
            return self.socket.patiently(wait, |tcp| socket::receive(tcp, buffer, most));
        };
        loop {
            let mut reader = session.reader();
            match reader.fill_buf() {
                Ok(plain) => {
                    let plain = plain.get(..most).unwrap_or(plain);
                    buffer.extend_from_slice(plain);
                    let count = plain.len();
                    reader.consume(count);
                    return Ok(count);
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
            let raw = Raw { socket: &mut self.socket, wait };
            more(session, &mut Carrier { raw, proxy: self.proxy.as_deref_mut() })?;
        }
    }

    /// Whether the peer has closed the connection, or said something unasked, while it lay idle.
    pub(crate) fn is_stale(&self) -> bool {
        // A TLS peer may have sent session tickets; those are read with the next answer.
        match &self.tls {
            None => socket::has_input(&self.socket.tcp),
            Some(_) => socket::is_closed(&self.socket.tcp),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn the_shortest_wait_of_a_new_socket_ends() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (done, ended) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let mut stream = Stream::plain(Socket::new(tcp).unwrap());
            let idle = Duration::from_millis(5);
            let got = stream.receive(&mut Vec::new(), 1, Wait { idle, until: Instant::now() + SLACK });
            let _ = done.send(got.map_err(|error| error.kind()));
        });
        let got = ended.recv_timeout(Duration::from_secs(5)).expect("the wait never ended");
        assert_eq!(got, Err(io::ErrorKind::TimedOut));
    }
}
