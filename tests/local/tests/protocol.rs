//! What a healthy server does on the wire: HTTP, signatures, control, TLS, records on disk, and the program.

mod raw;

use firehose_local::{Key, Options, Server};
use raw::{Client, batch, key, now, record, server, wait_for};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("firehose-local-test-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

#[test]
fn headers_and_a_kept_connection() {
    let server = server(Options::default());
    let mut client = Client::new(&server);
    let mut ids = Vec::new();
    for number in 0..20 {
        let answer = client.put(&number.to_string()).unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("application/x-amz-json-1.1"));
        assert!(answer.header("date").unwrap().ends_with(" GMT"));
        assert_eq!(answer.header("x-amz-id-2").unwrap().len(), 76);
        ids.push(answer.header("x-amzn-requestid").unwrap().to_owned());
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
    let wanted: Vec<Vec<u8>> = (0..20).map(|number: i32| number.to_string().into_bytes()).collect();
    assert_eq!(server.records("s"), wanted);
    let counters = server.counters();
    assert_eq!((&counters["connections"], &counters["requests"]), (&json!(1), &json!(20)));
    let first = &server.requests()[0];
    assert_eq!(
        (&first["n"], &first["operation"], &first["authorised"]),
        (&json!(1), &json!("PutRecord"), &json!(true))
    );
    assert_eq!((&first["sdk_request"], &first["user_agent"]), (&json!("attempt=1; max=3"), &json!("raw/1")));
}

#[test]
fn framings_of_a_request() {
    let server = server(Options::default());
    let mut client = Client::new(&server);
    let body = record("chunked").to_string();
    let head = client.head("PutRecord", body.as_bytes());
    let (one, two) = body.split_at(10);
    let rest = two.len();
    let text =
        format!("{head}Transfer-Encoding: chunked\r\n\r\na\r\n{one}\r\n{rest:X};x=y\r\n{two}\r\n0\r\n\r\n");
    client.socket.write_all(text.as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 200);

    let body = record("expect").to_string();
    let head = client.head("PutRecord", body.as_bytes());
    let text = format!("{head}Expect: 100-continue\r\nContent-Length: {}\r\n\r\n", body.len());
    client.socket.write_all(text.as_bytes()).unwrap();
    let mut interim = [0; 25];
    client.socket.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    client.socket.write_all(body.as_bytes()).unwrap();
    assert_eq!(client.receive().unwrap().status, 200);

    let body = record("slow").to_string();
    let head = client.head("PutRecord", body.as_bytes());
    let text = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    for piece in text.as_bytes().chunks(100) {
        client.socket.write_all(piece).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(client.receive().unwrap().header("connection"), Some("close"));
    assert!(client.is_closed());
    assert_eq!(server.records("s"), [&b"chunked"[..], b"expect", b"slow"]);

    let mut client = Client::new(&server);
    client.path = "/a%20prefix/".into();
    assert_eq!(client.put("prefix").unwrap().status, 200);
}

#[test]
fn what_is_not_a_request() {
    let server = server(Options { auth: false, ..Options::default() });
    let answer_to = |text: &str| {
        let mut client = Client::new(&server);
        client.socket.write_all(text.as_bytes()).unwrap();
        client.receive().unwrap()
    };
    assert_eq!(answer_to("nonsense\r\n\r\n").status, 400);
    assert_eq!(answer_to("POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n").status, 400);
    assert_eq!(answer_to("GET / HTTP/1.1\r\nHost: x\r\n\r\n").status, 404);
    let json = "Content-Type: application/x-amz-json-1.1\r\nContent-Length: 2";
    let target = "X-Amz-Target: Firehose_20150804.Nothing";
    let unknown = answer_to(&format!("POST / HTTP/1.1\r\n{target}\r\n{json}\r\n\r\n{{}}"));
    assert_eq!((unknown.status, unknown.code().as_str()), (400, "UnknownOperationException"));
    let form = answer_to(&format!("POST / HTTP/1.1\r\n{target}\r\nContent-Length: 2\r\n\r\n{{}}"));
    assert_eq!((form.status, form.code().as_str()), (404, "UnknownOperationException"));
    assert_eq!(server.counters()["by_operation"]["Unknown"], 3);
}

#[test]
fn signatures_and_permissions() {
    let denied = Key::new("AKIDDENIED", "denied-secret");
    let session = Key { token: Some("session".into()), ..Key::new("ASIDSESSION", "session-secret") };
    let server = server(Options {
        keys: vec![key(), session.clone()],
        denied_keys: vec![denied.clone()],
        ..Options::default()
    });
    let ask = |key: Key, at: i64| {
        let mut client = Client::new(&server);
        (client.key, client.at) = (key, at);
        let answer = client.put("x").unwrap();
        let code = if answer.status == 200 { String::new() } else { answer.code() };
        (answer.status, code, String::from_utf8(answer.body).unwrap())
    };
    assert_eq!(ask(key(), now()).0, 200);
    assert_eq!(ask(session.clone(), now()).0, 200);
    let (status, code, text) = ask(Key::new("AKIDLOCAL", "wrong-secret"), now());
    assert_eq!((status, code.as_str()), (400, "InvalidSignatureException"));
    assert!(text.contains("Check your AWS Secret Access Key and signing method"), "{text}");
    assert_eq!(ask(Key::new("NOBODY", "local-secret"), now()).1, "UnrecognizedClientException");
    assert_eq!(ask(Key { token: None, ..session }, now()).1, "UnrecognizedClientException");
    let (status, code, text) = ask(denied, now());
    assert_eq!((status, code.as_str()), (400, "AccessDeniedException"));
    let resource = "on resource: arn:aws:firehose:us-east-1:000000000000:deliverystream/s because no identity-based \
                    policy allows the firehose:PutRecord action";
    assert!(
        text.contains("is not authorized to perform: firehose:PutRecord ") && text.contains(resource),
        "{text}"
    );
    let (_, code, text) = ask(key(), now() - 1800);
    assert_eq!(code, "InvalidSignatureException");
    assert!(text.contains("Signature expired: ") && text.contains(" - 5 min.)"), "{text}");
    assert!(ask(key(), now() + 1800).2.contains("Signature not yet current: "));

    server.set_clock_offset(1800);
    assert_eq!(ask(key(), now()).1, "InvalidSignatureException");
    assert_eq!(ask(key(), now() + 1800).0, 200);
    let authorised = server.requests().iter().filter(|request| request["authorised"] == true).count();
    assert_eq!((authorised, server.records("s").len()), (3, 3));
}

#[test]
fn control_over_http() {
    let server = server(Options::default());
    let mut control = Client::new(&server);
    let get = |control: &mut Client, path: &str| control.control("GET", path, "").json();
    let mut client = Client::new(&server);
    client.put("one").unwrap();
    client.put("one").unwrap();
    client.ask("PutRecordBatch", &batch(3)).unwrap();
    let counters = get(&mut control, "/_local/counters");
    let wanted = json!({
        "requests": 3, "connections": 1, "open_connections": 1, "records": 5, "bytes": 6 + 3 * 8, "duplicates": 1,
        "failed_records": 0, "faults": {}, "by_operation": { "PutRecord": 2, "PutRecordBatch": 1 },
    });
    assert_eq!(counters, wanted);
    assert_eq!(counters, server.counters());
    assert_eq!(get(&mut control, "/_local/requests")[2]["records"], 3);
    assert_eq!(get(&mut control, "/_local/records/s")[0], "b25l");
    let raw = control.control("GET", "/_local/records/s?raw", "").body;
    assert_eq!(raw, b"oneonerecord 0record 1record 2");
    assert_eq!(control.control("GET", "/_local/records/other", "").status, 404);
    assert_eq!(control.control("GET", "/_local/nothing", "").status, 404);
    assert_eq!(control.control("GET", "/_local/reset", "").status, 405);

    let fault = r#"[{"kind":"throttle"}]"#;
    assert_eq!(control.control("PUT", "/_local/faults", fault).status, 200);
    assert_eq!(client.put("x").unwrap().code(), "ThrottlingException");
    let wrong = control.control("PUT", "/_local/faults", r#"[{"kind":"trottle"}]"#);
    assert_eq!(wrong.status, 400);
    assert!(wrong.json()["error"].as_str().unwrap().contains("\"trottle\""));
    assert_eq!(control.control("PUT", "/_local/faults", "[]").status, 200);

    assert_eq!(control.control("POST", "/_local/clock?offset=-1800", "").status, 200);
    assert_eq!(client.put("x").unwrap().code(), "InvalidSignatureException");
    assert_eq!(control.control("POST", "/_local/clock?offset=soon", "").status, 400);
    assert_eq!(control.control("POST", "/_local/clock?offset=0", "").status, 200);
    assert_eq!(control.control("POST", "/_local/reset", "").status, 200);
    assert_eq!(get(&mut control, "/_local/counters")["requests"], 0);
    assert_eq!(get(&mut control, "/_local/records/s"), json!([]));
    assert_eq!(client.put("after").unwrap().status, 200);
    assert_eq!(get(&mut control, "/_local/requests")[0]["n"], 1);
}

#[test]
fn tls_with_names_that_are_trusted() {
    let folder = folder("tls");
    let server = server(Options {
        tls_listen: Some("127.0.0.1:0".into()),
        tls_dir: Some(folder.clone()),
        tls_names: vec!["firehose.example".into()],
        ..Options::default()
    });
    assert_eq!(server.ca_path(), Some(folder.join("ca.pem").as_path()));
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(server.ca_path().unwrap()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = Arc::new(config);
    let address = server.tls_endpoint().unwrap().strip_prefix("https://").unwrap().to_owned();
    let ask = |name: &'static str| -> std::io::Result<String> {
        let session =
            rustls::ClientConnection::new(Arc::clone(&config), ServerName::try_from(name).unwrap()).unwrap();
        let mut stream = rustls::StreamOwned::new(session, TcpStream::connect(&address).unwrap());
        let body = record("x").to_string();
        let head = Client::new(&server).head("PutRecord", body.as_bytes());
        let text = format!("{head}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(text.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map(|_| answer)
    };
    for name in ["localhost", "127.0.0.1", "::1", "firehose.example"] {
        assert!(ask(name).unwrap().starts_with("HTTP/1.1 200 OK\r\n"), "{name}");
    }
    assert_eq!(ask("other.example").unwrap_err().kind(), ErrorKind::InvalidData);
    for kind in ["reset_before", "truncate", "reset_middle"] {
        server.set_faults(json!([{ "kind": kind }]));
        let cut = ask("localhost");
        let whole =
            cut.as_ref().is_ok_and(|answer| kind != "truncate" || answer.contains("\"Encrypted\":false}}"));
        assert!(!whole, "{kind}: {cut:?}");
    }
    drop(server);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn without_a_folder_for_the_authority_none_stays_behind() {
    let server = server(Options { tls_listen: Some("127.0.0.1:0".into()), ..Options::default() });
    let path = server.ca_path().unwrap().to_owned();
    assert!(path.is_absolute() && path.exists());
    drop(server);
    assert!(!path.parent().unwrap().exists());
}

#[test]
fn options_that_are_wrong() {
    let wrong = |options: Options| Server::start(options).unwrap_err().to_string();
    assert!(
        wrong(Options { listen: "nowhere:x".into(), ..Options::default() })
            .contains("cannot listen on nowhere:x")
    );
    assert!(
        wrong(Options { faults: json!([{ "kind": "x" }]), ..Options::default() }).contains("no fault \"x\"")
    );
    assert!(wrong(Options { streams: vec!["a b".into()], ..Options::default() }).contains("'a b'"));
}

#[test]
fn every_name_exists_and_records_are_forgotten_when_asked() {
    let options = Options { streams: vec!["*".into()], forget: true, ..Options::default() };
    let server = Server::start(options).unwrap();
    let mut client = Client::new(&server);
    assert_eq!(client.put("x").unwrap().status, 200);
    assert_eq!(client.put("x").unwrap().status, 200);
    assert!(server.records("s").is_empty());
    assert_eq!((&server.counters()["records"], &server.counters()["duplicates"]), (&json!(2), &json!(1)));
}

fn contents(folder: &Path) -> Vec<u8> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    let read = |path: &PathBuf| if path.is_dir() { contents(path) } else { std::fs::read(path).unwrap() };
    entries.iter().flat_map(read).collect()
}

struct Program {
    child: Child,
    ready: Value,
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_firehose-local"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { ready: serde_json::from_str(&line).unwrap(), child }
    }

    fn put(&self, data: &str) -> u16 {
        let host = self.ready["http"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        let mut client = Client::to(host);
        client.put(data).unwrap().status
    }

    fn ends_well(&mut self) {
        let end = Instant::now() + Duration::from_secs(5);
        while Instant::now() < end {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("the program did not end");
    }
}

#[test]
fn the_program_writes_records_to_disk_and_ends_with_its_input() {
    let folder = folder("data");
    let data = folder.to_str().unwrap();
    let tls = ["--tls-listen", "127.0.0.1:0"];
    let more = ["--stream", "s", "--data", data, "--exit-with-stdin", "--seed", "5"];
    let mut program = Program::start(&[&tls[..], &more[..]].concat());
    assert_eq!(program.ready["data"], data);
    assert_eq!(program.ready["pid"], program.child.id());
    assert!(program.ready["https"].as_str().unwrap().starts_with("https://localhost:"));
    assert!(Path::new(program.ready["ca"].as_str().unwrap()).exists());
    for number in 0..50 {
        assert_eq!(program.put(&format!("line {number}\n")), 200);
    }
    let wanted: String = (0..50).map(|number| format!("line {number}\n")).collect();
    assert_eq!(contents(&folder), wanted.as_bytes());
    drop(program.child.stdin.take());
    program.ends_well();
    assert!(!Path::new(program.ready["ca"].as_str().unwrap()).exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_program_ends_with_sigterm_and_takes_its_options() {
    let mut program = Program::start(&["--stream", "s", "--fault", r#"{"kind":"error","status":503}"#]);
    assert_eq!(program.put("x"), 503);
    // SAFETY: the process was started above and has not been waited for, so the number is still its own.
    unsafe { libc::kill(program.child.id() as libc::pid_t, libc::SIGTERM) };
    program.ends_well();
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_firehose-local")).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, text) = run(&["--sream", "s"]);
    assert_eq!(code, 2);
    assert!(text.contains("there is no option --sream"), "{text}");
    assert!(run(&["--key", "AKID"]).1.contains("--key needs AKID:SECRET"));
    assert!(run(&["--seed"]).1.contains("--seed needs a value"));
    assert_eq!(run(&["--listen", "256.0.0.1:0"]).0, 1);
    assert_eq!(run(&["--help"]).0, 0);
}

#[test]
fn many_clients_at_once() {
    let server = server(Options::default());
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let server = &server;
            scope.spawn(move || {
                let mut client = Client::new(server);
                for number in 0..25 {
                    assert_eq!(client.put(&format!("{thread} {number}")).unwrap().status, 200);
                }
            });
        }
    });
    let counters = server.counters();
    assert_eq!((&counters["records"], &counters["duplicates"]), (&json!(400), &json!(0)));
    assert_eq!(counters["connections"], 16);
    wait_for("the end of the connections", || server.counters()["open_connections"] == 0);
}
