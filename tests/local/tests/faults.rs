//! Every fault, seen from a bare socket.

mod raw;

use firehose_local::{Options, Server};
use raw::{Client, batch, record, server, wait_for};
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

fn faulty(faults: Value) -> (Server, Client) {
    let server = server(Options { faults, seed: 3, ..Options::default() });
    let client = Client::new(&server);
    (server, client)
}

fn count(server: &Server, name: &str) -> u64 {
    server.counters()[name].as_u64().unwrap()
}

/// The server is well again: the next request on a new connection gets its record's id.
fn well_again(server: &Server) {
    server.set_faults(json!([]));
    let answer = Client::new(server).put("well again").unwrap();
    assert_eq!(answer.status, 200);
    assert!(answer.json()["RecordId"].is_string());
}

#[test]
fn throttle() {
    let (server, mut client) = faulty(json!([
        { "kind": "throttle", "times": 1, "retry_after_ms": 1500 },
        { "kind": "throttle", "times": 2, "code": "ServiceUnavailableException", "retry_after_ms": "invalid" },
        { "kind": "throttle", "times": 4, "code": "SlowDown", "status": 429, "message": "why", "error_header": true },
    ]));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (400, "ThrottlingException"));
    assert_eq!(answer.header("x-amz-retry-after"), Some("1500"));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (500, "ServiceUnavailableException"));
    assert_eq!(answer.header("x-amz-retry-after"), Some("invalid"));
    client.put("x").unwrap();
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.header("x-amzn-errortype")), (429, Some("SlowDown")));
    assert_eq!(answer.json(), json!({ "message": "why" }));
    assert_eq!(count(&server, "records"), 0);
    assert_eq!(server.counters()["faults"], json!({ "throttle": 4 }));
    assert_eq!(count(&server, "connections"), 1);
    well_again(&server);
}

#[test]
fn throttle_records() {
    let (server, mut client) = faulty(json!([
        { "kind": "throttle_records", "times": 2, "count": 100 },
        { "kind": "throttle_records", "times": 3, "operation": "PutRecordBatch", "fraction": 0.2, "code": "InternalFailure" },
        { "kind": "throttle_records", "operation": "PutRecord" },
    ]));
    let failed = |answer: &Value| -> Vec<usize> {
        let entries = answer["RequestResponses"].as_array().unwrap();
        let failed = entries.iter().enumerate().filter(|(_, entry)| entry.get("ErrorCode").is_some());
        failed.map(|(index, _)| index).collect()
    };
    let first = client.ask("PutRecordBatch", &batch(500)).unwrap();
    assert_eq!(first.status, 200);
    assert_eq!(first.json()["FailedPutCount"], 100);
    assert_eq!(failed(&first.json()), (0..100).collect::<Vec<_>>());
    let slow = json!({ "ErrorCode": "ServiceUnavailableException", "ErrorMessage": "Slow down." });
    assert_eq!(first.json()["RequestResponses"][0], slow);
    let second = client.ask("PutRecordBatch", &batch(100)).unwrap();
    assert_eq!(second.json()["FailedPutCount"], 100);
    assert_eq!((count(&server, "records"), count(&server, "failed_records")), (400, 200));
    let third = client.ask("PutRecordBatch", &batch(500)).unwrap().json();
    assert!((60..140).contains(&third["FailedPutCount"].as_u64().unwrap()), "{}", third["FailedPutCount"]);
    assert_eq!(third["FailedPutCount"], failed(&third).len());
    assert_eq!(third["RequestResponses"][failed(&third)[0]]["ErrorCode"], "InternalFailure");
    let single = client.put("x").unwrap();
    assert_eq!((single.status, single.code().as_str()), (500, "ServiceUnavailableException"));
    assert_eq!(single.message(), "Slow down.");
    let list = client.ask("ListDeliveryStreams", &json!({})).unwrap();
    assert_eq!(list.status, 200);
    let shown: Vec<_> =
        server.requests().iter().map(|request| request["records"].as_u64().unwrap()).collect();
    assert_eq!(shown, [500, 100, 500, 1, 0]);
}

#[test]
fn error() {
    let (server, mut client) = faulty(json!([
        { "kind": "error", "times": 1 },
        { "kind": "error", "times": 1, "status": 503, "html": true },
        { "kind": "error", "status": 400, "code": "AccessDeniedException", "stored": true },
    ]));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (500, "InternalFailure"));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.header("content-type")), (503, Some("text/html")));
    assert!(answer.body.starts_with(b"<html>"));
    assert_eq!(count(&server, "records"), 0);
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (400, "AccessDeniedException"));
    assert_eq!(count(&server, "records"), 1);
}

#[test]
fn reset_before() {
    let (server, mut client) = faulty(json!([
        { "kind": "reset_before", "times": 1 },
        { "kind": "reset_before", "stored": true },
    ]));
    assert_eq!(client.put("x").err().unwrap().kind(), ErrorKind::ConnectionReset);
    assert!(client.pending().is_empty());
    assert_eq!(count(&server, "records"), 0);
    assert_eq!(Client::new(&server).put("x").err().unwrap().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.records("s"), [b"x"]);
    assert_eq!(server.requests()[0]["status"], 0);
    well_again(&server);
}

#[test]
fn reset_middle() {
    let (server, mut client) =
        faulty(json!([{ "kind": "reset_middle", "times": 1 }, { "kind": "reset_middle", "stored": false }]));
    assert_eq!(client.put("x").err().unwrap().kind(), ErrorKind::ConnectionReset);
    assert_eq!(server.records("s"), [b"x"]);
    let pending = client.pending().len();
    assert!((100..272).contains(&pending), "{pending} bytes of the body came");
    assert!(Client::new(&server).put("y").is_err());
    assert_eq!(server.records("s"), [b"x"]);
    well_again(&server);
}

#[test]
fn reset_read() {
    let (server, mut client) = faulty(json!([{ "kind": "reset_read" }]));
    let body = record(&"x".repeat(1_000_000)).to_string();
    let head = client.head("PutRecord", body.as_bytes());
    client.socket.write_all(format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes()).unwrap();
    let sent = client.socket.write_all(body.as_bytes());
    let broken = sent.err().or_else(|| client.receive().err()).unwrap();
    assert!(matches!(broken.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe), "{broken}");
    assert_eq!((count(&server, "records"), count(&server, "requests")), (0, 1));
    well_again(&server);
}

#[test]
fn close_idle_and_close() {
    let (server, mut client) = faulty(json!([{ "kind": "close_idle", "times": 1 }, { "kind": "close" }]));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, None));
    assert!(client.is_closed());
    let mut client = Client::new(&server);
    let answer = client.put("y").unwrap();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    assert_eq!((count(&server, "records"), count(&server, "open_connections")), (2, 0));
}

#[test]
fn hang() {
    let (server, mut client) = faulty(json!([{ "kind": "hang" }]));
    client.socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let error = client.put("x").err().unwrap();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert_eq!((count(&server, "records"), count(&server, "open_connections")), (0, 1));
    client.leave();
    wait_for("the end of the connection", || count(&server, "open_connections") == 0);
    well_again(&server);
}

#[test]
fn trickle_and_delay() {
    let (server, mut client) =
        faulty(json!([{ "kind": "trickle", "interval_ms": 20, "times": 1 }, { "kind": "delay", "ms": 150 }]));
    let start = Instant::now();
    client.send("PutRecord", &record("x"));
    let mut first = [0; 10];
    client.socket.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 2");
    assert!(start.elapsed() >= Duration::from_millis(9 * 20));
    client.leave();
    let start = Instant::now();
    assert_eq!(Client::new(&server).put("y").unwrap().status, 200);
    assert!(start.elapsed() >= Duration::from_millis(150));
    assert_eq!(count(&server, "records"), 2);
}

#[test]
fn truncate() {
    let (server, mut client) = faulty(json!([{ "kind": "truncate" }]));
    assert_eq!(client.put("x").err().unwrap().kind(), ErrorKind::UnexpectedEof);
    let body: Value = serde_json::from_slice(client.pending()).unwrap();
    assert!(body["RecordId"].is_string());
    assert_eq!(count(&server, "records"), 1);
}

#[test]
fn garbage() {
    let (server, mut client) = faulty(json!([
        { "kind": "garbage", "times": 1 },
        { "kind": "garbage", "status": 204, "body": "", "headers": { "Age": "9", "Date": null } },
    ]));
    let answer = client.put("x").unwrap();
    assert_eq!(answer.status, 200);
    assert!(serde_json::from_slice::<Value>(&answer.body).is_err());
    assert!(answer.header("date").is_some());
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.header("age"), answer.header("date")), (204, Some("9"), None));
    assert_eq!(count(&server, "duplicates"), 1);
}

#[test]
fn no_record_id_and_wrong_count() {
    let (server, mut client) = faulty(json!([{ "kind": "wrong_count" }, { "kind": "no_record_id" }]));
    assert_eq!(client.put("x").unwrap().json(), json!({}));
    let answer = client.ask("PutRecordBatch", &batch(5)).unwrap().json();
    assert_eq!(answer["FailedPutCount"], 0);
    assert_eq!(answer["RequestResponses"].as_array().unwrap().len(), 4);
    assert_eq!(count(&server, "records"), 6);
}

#[test]
fn redirect() {
    let (server, mut client) =
        faulty(json!([{ "kind": "redirect", "times": 1 }, { "kind": "redirect", "location": "/there" }]));
    let answer = client.put("x").unwrap();
    let there = format!("{}/redirected", server.endpoint());
    assert_eq!((answer.status, answer.header("location")), (307, Some(there.as_str())));
    assert_eq!(client.put("x").unwrap().header("location"), Some("/there"));
    assert_eq!(count(&server, "records"), 0);
}

#[test]
fn informational_and_chunked() {
    let (server, mut client) =
        faulty(json!([{ "kind": "informational", "times": 1 }, { "kind": "chunked" }]));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.informational.as_slice()), (200, [100, 103].as_slice()));
    assert!(answer.json()["RecordId"].is_string());
    let answer = client.put("y").unwrap();
    assert_eq!(
        (answer.header("transfer-encoding"), answer.header("content-length")),
        (Some("chunked"), None)
    );
    assert_eq!(answer.json()["RecordId"].as_str().unwrap().len(), 224);
    assert_eq!(count(&server, "records"), 2);
}

#[test]
fn expired_token() {
    let (server, mut client) = faulty(json!([{ "kind": "expired_token", "times": 1 }]));
    let answer = client.put("x").unwrap();
    assert_eq!((answer.status, answer.code().as_str()), (400, "ExpiredTokenException"));
    assert_eq!(count(&server, "records"), 0);
    assert_eq!(client.put("x").unwrap().status, 200);
    assert_eq!(server.requests()[0]["fault"], "expired_token");
    assert_eq!(server.requests()[1]["fault"], Value::Null);
}

#[test]
fn huge() {
    let (server, mut client) = faulty(json!([{ "kind": "huge" }]));
    client.send("PutRecord", &record("x"));
    let mut piece = vec![0; 1024 * 1024];
    for _ in 0..8 {
        client.socket.read_exact(&mut piece).unwrap();
    }
    client.leave();
    wait_for("the end of the connection", || count(&server, "open_connections") == 0);
    assert_eq!(count(&server, "records"), 1);
}

#[test]
fn a_server_that_hangs_stops_at_once() {
    for kind in ["hang", "trickle", "huge"] {
        let (server, mut client) = faulty(json!([{ "kind": kind }]));
        client.send("PutRecord", &record("x"));
        wait_for("the request", || count(&server, "requests") == 1);
        let start = Instant::now();
        drop(server);
        assert!(start.elapsed() < Duration::from_millis(900), "{kind}: {:?}", start.elapsed());
        assert!(std::net::TcpStream::connect(&client.host).is_err(), "{kind}: the port is still open");
    }
}

#[test]
fn a_seed_repeats_a_run() {
    let run = |seed| {
        let faults =
            json!([{ "kind": "error", "probability": 0.3 }, { "kind": "throttle", "probability": 0.3 }]);
        let server = server(Options { faults, seed, ..Options::default() });
        let mut client = Client::new(&server);
        (0..60).map(|_| client.put("x").unwrap().status).collect::<Vec<_>>()
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
