//! A small HTTP server that remembers what it was asked and answers what the test tells it to.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

/// A request as it arrived; names of headers are in lower case.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
    pub(crate) tls: bool,
    /// The address that it came to.
    pub(crate) to: SocketAddr,
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Method and whole address.
    pub(crate) fn what(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{} {scheme}://{}{}", self.method, self.header("host").unwrap_or("?"), self.target)
    }

    /// A field of a form.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        let fields = self.body.split('&').filter_map(|field| field.split_once('='));
        fields.filter(|(known, _)| *known == name).map(|(_, value)| decoded(value)).next()
    }
}

fn decoded(text: &str) -> String {
    let mut pieces = text.split('%');
    let mut out = pieces.next().unwrap().replace('+', " ").into_bytes();
    for piece in pieces {
        out.push(u8::from_str_radix(&piece[..2], 16).unwrap());
        out.extend(piece[2..].replace('+', " ").bytes());
    }
    String::from_utf8(out).unwrap()
}

/// What comes back.
pub(crate) enum Reply {
    /// Status, type and body.
    Answer(u16, &'static str, String),
    /// The same, later.
    Late(Duration, Box<Reply>),
    /// Nothing, until the client leaves.
    Silence,
}

impl Reply {
    pub(crate) fn json(body: impl ToString) -> Reply {
        Reply::Answer(200, "application/json", body.to_string())
    }

    pub(crate) fn xml(body: impl ToString) -> Reply {
        Reply::Answer(200, "text/xml", body.to_string())
    }

    pub(crate) fn text(body: impl ToString) -> Reply {
        Reply::Answer(200, "text/plain", body.to_string())
    }

    pub(crate) fn error(status: u16) -> Reply {
        Reply::Answer(status, "text/html", format!("<html><body>{status}</body></html>"))
    }
}

type Answers = dyn Fn(&Seen) -> Reply + Send + Sync;

/// A running server. Its threads live as long as the test program.
pub(crate) struct Web {
    seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) address: SocketAddr,
}

impl Web {
    /// On a free port of 127.0.0.1, without TLS.
    pub(crate) fn start(answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Web {
        Web::on(&["127.0.0.1:0"], None, answers)
    }

    /// On all these addresses.
    pub(crate) fn on(
        addresses: &[&str],
        tls: Option<Arc<ServerConfig>>,
        answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    ) -> Web {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let answers: Arc<Answers> = Arc::new(answers);
        let mut bound = None;
        for address in addresses {
            let listener = TcpListener::bind(address).unwrap_or_else(|error| panic!("{address}: {error}"));
            bound = bound.or(listener.local_addr().ok());
            let (seen, answers, tls) = (Arc::clone(&seen), Arc::clone(&answers), tls.clone());
            std::thread::spawn(move || {
                for socket in listener.incoming().flatten() {
                    let (seen, answers, tls) = (Arc::clone(&seen), Arc::clone(&answers), tls.clone());
                    std::thread::spawn(move || serve(socket, tls, &seen, &*answers));
                }
            });
        }
        Web { seen, address: bound.expect("an address") }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What was asked so far, oldest first.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The same, and forgets it.
    pub(crate) fn take(&self) -> Vec<Seen> {
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

fn serve(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    seen: &Mutex<Vec<Seen>>,
    answers: &Answers,
) -> Option<()> {
    let to = socket.local_addr().ok()?;
    let _ = socket.set_nodelay(true);
    let secure = tls.is_some();
    let mut stream: Box<dyn Duplex> = match tls {
        None => Box::new(socket),
        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).ok()?, socket)),
    };
    loop {
        let request = read(&mut *stream, secure, to).ok().flatten()?;
        seen.lock().unwrap().push(request.clone());
        send(&mut *stream, answers(&request)).ok()?;
    }
}

/// A stream in both directions.
pub(crate) trait Duplex: Read + Write {}
impl<T: Read + Write> Duplex for T {}

/// Everything up to the empty line; nothing where the client left before.
pub(crate) fn read_head(stream: &mut dyn Duplex) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        if stream.read(&mut byte)? == 0 {
            return Ok(None);
        }
        head.push(byte[0]);
    }
    Ok(Some(String::from_utf8_lossy(&head).into_owned()))
}

fn read(stream: &mut dyn Duplex, tls: bool, to: SocketAddr) -> io::Result<Option<Seen>> {
    let Some(head) = read_head(stream)? else { return Ok(None) };
    let mut lines = head.trim_end().split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let mut seen = Seen { method, target, headers, body: String::new(), tls, to, at: Instant::now() };
    let length = seen.header("content-length").and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    seen.body = String::from_utf8_lossy(&body).into_owned();
    Ok(Some(seen))
}

fn send(stream: &mut dyn Duplex, reply: Reply) -> io::Result<()> {
    match reply {
        Reply::Answer(status, kind, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            );
            stream.write_all(format!("{head}{body}").as_bytes())?;
            stream.flush()
        }
        Reply::Late(wait, reply) => {
            std::thread::sleep(wait);
            send(stream, *reply)
        }
        Reply::Silence => {
            let _ = stream.read(&mut [0]);
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
}
