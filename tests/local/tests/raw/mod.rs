//! A client of bare bytes: it signs a request, sends it, and says exactly what came back.
#![allow(dead_code, unreachable_pub, reason = "each test program uses a part of it")]

use firehose_local::{Key, Options, Server, sign};
use serde_json::{Value, json};
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub fn server(options: Options) -> Server {
    Server::start(Options { streams: vec!["s".into()], ..options }).unwrap()
}

pub fn key() -> Key {
    Key::new("AKIDLOCAL", "local-secret")
}

pub fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() as i64
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub informational: Vec<u16>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().skip(1).filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// `__type` of a refusal.
    pub fn code(&self) -> String {
        self.json()["__type"].as_str().unwrap_or_default().to_owned()
    }

    pub fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

pub struct Client {
    pub socket: TcpStream,
    pub host: String,
    pub key: Key,
    pub at: i64,
    pub path: String,
    got: Vec<u8>,
}

impl Client {
    pub fn new(server: &Server) -> Self {
        Self::to(server.endpoint().strip_prefix("http://").unwrap().to_owned())
    }

    pub fn to(host: String) -> Self {
        let socket = TcpStream::connect(&host).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        Self { socket, host, key: key(), at: now(), path: "/".into(), got: Vec::new() }
    }

    /// The signed head of a request, without what says how its body is framed.
    pub fn head(&self, operation: &str, body: &[u8]) -> String {
        let mut out = format!("POST {} HTTP/1.1\r\n", self.path);
        for (name, value) in sign(&self.key, "us-east-1", &self.host, &self.path, operation, body, self.at) {
            out += &format!("{name}: {value}\r\n");
        }
        out + "Content-Type: application/x-amz-json-1.1\r\namz-sdk-request: attempt=1; max=3\r\nUser-Agent: raw/1\r\n"
    }

    pub fn send(&mut self, operation: &str, request: &Value) {
        let body = request.to_string();
        let head = self.head(operation, body.as_bytes());
        let whole = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        self.socket.write_all(whole.as_bytes()).unwrap();
    }

    pub fn ask(&mut self, operation: &str, request: &Value) -> io::Result<Answer> {
        self.send(operation, request);
        self.receive()
    }

    pub fn put(&mut self, data: &str) -> io::Result<Answer> {
        self.ask("PutRecord", &record(data))
    }

    pub fn control(&mut self, method: &str, path: &str, body: &str) -> Answer {
        let length = body.len();
        let whole = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n{body}");
        self.socket.write_all(whole.as_bytes()).unwrap();
        self.receive().unwrap()
    }

    fn more(&mut self) -> io::Result<()> {
        let mut piece = [0; 65536];
        match self.socket.read(&mut piece)? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => {
                self.got.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }

    fn until(&mut self, end: &str) -> io::Result<String> {
        loop {
            if let Some(at) = self.got.windows(end.len()).position(|window| window == end.as_bytes()) {
                let rest = self.got.split_off(at + end.len());
                let text = std::mem::replace(&mut self.got, rest);
                return Ok(String::from_utf8(text[..at].to_vec()).unwrap());
            }
            self.more()?;
        }
    }

    fn exactly(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.got.len() < count {
            self.more()?;
        }
        let rest = self.got.split_off(count);
        Ok(std::mem::replace(&mut self.got, rest))
    }

    /// Reads one whole answer; a connection that ends before is an error.
    pub fn receive(&mut self) -> io::Result<Answer> {
        let mut informational = Vec::new();
        loop {
            let head = self.until("\r\n\r\n")?;
            let status = head.split(' ').nth(1).unwrap().parse().unwrap();
            if (100..200).contains(&status) {
                informational.push(status);
                continue;
            }
            let mut answer = Answer { status, head, body: Vec::new(), informational };
            if answer.header("transfer-encoding") == Some("chunked") {
                loop {
                    let size = usize::from_str_radix(&self.until("\r\n")?, 16).unwrap();
                    let piece = self.exactly(size + 2)?;
                    answer.body.extend_from_slice(&piece[..size]);
                    if size == 0 {
                        return Ok(answer);
                    }
                }
            }
            let length = answer.header("content-length").unwrap().parse().unwrap();
            answer.body = self.exactly(length)?;
            return Ok(answer);
        }
    }

    /// What was received and belongs to no answer yet.
    pub fn pending(&self) -> &[u8] {
        &self.got
    }

    /// Whether the server has ended the connection in an orderly way; panics when it says more.
    pub fn is_closed(&mut self) -> bool {
        match self.socket.read(&mut [0; 16]) {
            Ok(0) => true,
            Ok(count) => panic!("{count} bytes more"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Leaves without closing the reading side first.
    pub fn leave(self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

pub fn record(data: &str) -> Value {
    use base64::Engine;
    let data = base64::engine::general_purpose::STANDARD.encode(data);
    json!({ "DeliveryStreamName": "s", "Record": { "Data": data } })
}

pub fn batch(count: usize) -> Value {
    use base64::Engine;
    let data = |at: usize| base64::engine::general_purpose::STANDARD.encode(format!("record {at}"));
    let records: Vec<Value> = (0..count).map(|at| json!({ "Data": data(at) })).collect();
    json!({ "DeliveryStreamName": "s", "Records": records })
}

/// Waits until something holds that another thread makes true.
pub fn wait_for(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..500 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("{what} did not happen in 5 s");
}
