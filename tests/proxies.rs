//! Proxies: over plain HTTP and over TLS, with and without credentials, for https and http endpoints; what goes past
//! them; and what their refusals say.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};
use support::authority::Authority;
use support::run::{Call, Run};
use support::server::Server;
use support::web::{Duplex, read_head};

/// A proxy that passes on, or answers what it is told to.
struct Relay {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    fn start(tls: Option<Arc<ServerConfig>>, refusal: Option<&'static str>) -> Relay {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&heads);
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let (tls, heads) = (tls.clone(), Arc::clone(&kept));
                std::thread::spawn(move || relay(socket, tls, refusal, &heads));
            }
        });
        Relay { port, heads }
    }

    fn heads(&self) -> Vec<String> {
        std::mem::take(&mut *self.heads.lock().unwrap())
    }
}

fn relay(
    socket: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    refusal: Option<&str>,
    heads: &Mutex<Vec<String>>,
) -> Option<()> {
    let handle = socket.try_clone().ok()?;
    let mut client: Box<dyn Duplex> = match tls {
        None => Box::new(socket),
        Some(config) => Box::new(StreamOwned::new(ServerConnection::new(config).ok()?, socket)),
    };
    let head = read_head(&mut *client).ok()??;
    heads.lock().unwrap().push(head.clone());
    if let Some(refusal) = refusal {
        let length = "Content-Length: 0";
        client.write_all(format!("HTTP/1.1 {refusal}\r\n{length}\r\n\r\n").as_bytes()).ok()?;
        client.flush().ok()?;
        let _ = client.read(&mut [0; 1000]);
        return None;
    }
    let mut words = head.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let (place, first) = if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        client.flush().ok()?;
        (target, String::new())
    } else {
        let (place, path) = target.strip_prefix("http://")?.split_once('/')?;
        (place, head.replacen(target, &format!("/{path}"), 1))
    };
    let mut server = TcpStream::connect(place).ok()?;
    server.write_all(first.as_bytes()).ok()?;
    for socket in [&handle, &server] {
        socket.set_read_timeout(Some(Duration::from_millis(2))).ok()?;
    }
    loop {
        pass(&mut *client, &mut server).ok()?;
        pass(&mut server, &mut *client).ok()?;
    }
}

/// Passes on what has come; an error at the end.
fn pass(from: &mut dyn Duplex, to: &mut dyn Duplex) -> io::Result<()> {
    let mut bytes = [0; 16 * 1024];
    match from.read(&mut bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(length) => to.write_all(&bytes[..length]).and_then(|()| to.flush()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => Ok(()),
        Err(error) => Err(error),
    }
}

fn call(run: Run) -> Call {
    run.args(&["max_attempts=1", "operation_timeout_ms=5000"]).pass().calls().remove(0)
}

/// `me:p@ss` in base64.
const CREDENTIALS: &str = "Proxy-Authorization: Basic bWU6cEBzcw==";

#[test]
fn puts_go_through_every_kind_of_proxy() {
    let server = Server::start();
    let authority = Authority::new();
    let identity = authority.identity(&["localhost"]);
    let bundle = authority.bundle("proxies", &std::fs::read_to_string(server.ca()).unwrap());
    for (scheme, tls) in [("http", None), ("https", Some(identity.config()))] {
        let relay = Relay::start(tls, None);
        for user in ["", "me:p%40ss@"] {
            let proxy = format!("{scheme}://{user}localhost:{}", relay.port);
            for (endpoint, variable) in [(server.https(), "HTTPS_PROXY"), (server.http(), "http_proxy")] {
                let to = format!("{endpoint} through {proxy}");
                let run = Run::new("put.c").against(&endpoint).env("AWS_CA_BUNDLE", &bundle);
                // A record of many pieces, so that what is sealed twice is more than one record of TLS.
                let run = run.env(variable, &proxy).args(&["--size", "500000"]);
                let put = call(run);
                assert_eq!(put.status, "OK", "{to}: {put:?}");

                let heads = relay.heads();
                assert_eq!(heads.len(), 1, "{to}: {heads:?}");
                let head = &heads[0];
                let place = endpoint.split_once("://").unwrap().1;
                let start = match variable {
                    "HTTPS_PROXY" => format!("CONNECT {place} HTTP/1.1\r\n"),
                    _ => format!("POST {endpoint}/ HTTP/1.1\r\n"),
                };
                assert!(head.starts_with(&start), "{to}: {head}");
                let lower = head.to_ascii_lowercase();
                assert!(lower.contains(&format!("\r\nhost: {place}\r\n")), "{to}: {head}");
                let sent = lower.contains(&CREDENTIALS.to_ascii_lowercase());
                assert_eq!(sent, !user.is_empty(), "{to}: {head}");
            }
        }
    }
    assert_eq!(server.count("records"), 8);
}

#[test]
fn the_option_comes_before_the_variables() {
    let server = Server::start();
    let relay = Relay::start(None, None);
    let option = format!("proxy=http://127.0.0.1:{}", relay.port);
    let put = call(Run::new("put.c").tls(&server).arg(option).env("HTTPS_PROXY", "http://127.0.0.1:1"));
    assert_eq!((put.status.as_str(), relay.heads().len()), ("OK", 1), "{put:?}");
}

#[test]
fn no_proxy_names_what_goes_past_it() {
    let server = Server::start();
    let port = server.http().rsplit_once(':').unwrap().1.to_owned();
    let relay = Relay::start(None, None);
    let proxy = format!("http://127.0.0.1:{}", relay.port);
    let (address, name) = (server.http(), server.http().replace("127.0.0.1", "localhost"));
    for (rule, endpoint, past) in [
        ("*", &address, true),
        ("localhost", &name, true),
        ("LOCALHOST", &name, true),
        (".localhost", &name, true),
        ("host", &name, false),
        ("127.0.0.1", &address, true),
        ("127.0.0.1", &name, false),
        ("127.0.0.0/8", &address, true),
        ("10.0.0.0/8", &address, false),
        ("127.0.0.1:1", &address, false),
        (&format!("127.0.0.1:{port}"), &address, true),
        (&format!("example.com, localhost:{port}"), &name, true),
        ("example.com,.internal", &name, false),
        ("", &name, false),
    ] {
        for (variable, proxy_variable) in [("NO_PROXY", "HTTP_PROXY"), ("no_proxy", "http_proxy")] {
            let run = Run::new("put.c").against(endpoint).env(variable, rule).env(proxy_variable, &proxy);
            let put = call(run);
            assert_eq!(put.status, "OK", "{rule} {endpoint}: {put:?}");
            assert_eq!(relay.heads().is_empty(), past, "{rule} {endpoint}");
        }
    }
}

#[test]
fn a_refusal_names_the_proxy_and_its_answer() {
    let server = Server::start();
    for answer in ["407 Proxy Authentication Required", "403 Forbidden"] {
        let relay = Relay::start(None, Some(answer));
        let place = format!("127.0.0.1:{}", relay.port);
        let proxy = format!("http://me:hush@{place}");
        for run in [
            Run::new("put.c").tls(&server).env("HTTPS_PROXY", &proxy),
            Run::new("put.c").http(&server).env("http_proxy", &proxy),
        ] {
            let put = call(run);
            assert_eq!((put.status.as_str(), relay.heads().len()), ("CONNECT_FAILED", 1), "{put:?}");
            assert!(put.message.contains(&place), "{put:?}");
            assert!(put.message.contains(&answer[..3]), "{put:?}");
            assert!(!put.message.contains("hush"), "{put:?}");
        }
    }
    // An answer of the service that came through a proxy stays one of the service.
    let relay = Relay::start(None, None);
    server.faults(&serde_json::json!([{"kind": "error", "status": 403, "code": "AccessDeniedException"}]));
    let put =
        call(Run::new("put.c").http(&server).env("http_proxy", format!("http://127.0.0.1:{}", relay.port)));
    assert_eq!((put.status.as_str(), put.http), ("ACCESS_DENIED", 403), "{put:?}");
    assert_eq!(server.count("records"), 0);
}

#[test]
fn a_proxy_that_is_not_there_or_not_trusted_is_named() {
    let server = Server::start();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let put = call(Run::new("put.c").tls(&server).env("HTTPS_PROXY", format!("http://{closed}")));
    assert_eq!(put.status, "CONNECT_FAILED", "{put:?}");
    assert!(put.message.contains(&closed.to_string()) && put.message.contains("proxy"), "{put:?}");

    let stranger = Authority::new().identity(&["localhost"]);
    let relay = Relay::start(Some(stranger.config()), None);
    let proxy = format!("localhost:{}", relay.port);
    let put = call(Run::new("put.c").tls(&server).env("HTTPS_PROXY", format!("https://{proxy}")));
    assert_eq!((put.status.as_str(), relay.heads().len()), ("TLS_FAILED", 0), "{put:?}");
    for word in [proxy.as_str(), "unknown issuer", "ca_bundle"] {
        assert!(put.message.contains(word), "{put:?}");
    }
}
