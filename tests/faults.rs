//! What a call says when the service or the network fails: always the truth, in time, and what to do about it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use support::run::{Call, Run};
use support::server::Server;

/// One call against a server with `faults`.
fn call(faults: &Value, arguments: &[&str]) -> (Call, Server) {
    let server = Server::with(faults);
    let calls = Run::new("put.c").http(&server).args(arguments).pass().calls();
    (calls.into_iter().next().unwrap(), server)
}

/// The number of records of each request, in order.
fn records_of_requests(server: &Server) -> Vec<u64> {
    server.requests().iter().map(|request| request["records"].as_u64().unwrap()).collect()
}

#[test]
fn a_batch_resends_only_what_failed() {
    let server = Server::with(&json!([{"kind": "throttle_records", "count": 100, "times": 2}]));
    // The fault takes the first 100 records of each request: of the second, all that it holds.
    let ran = Run::new("batch.c").arg("healed").http(&server).pass();
    let sizes = records_of_requests(&server);
    assert_eq!(sizes[..3], [500, 100, 100]);
    assert_eq!(sizes[3..], [1], "the call after it");
    let arrived = server.arrived();
    for i in 0..500 {
        assert_eq!(arrived[&format!("record-{i}")], 1, "record {i}");
    }
    assert_eq!(ran.stdout.lines().filter(|line| line.starts_with("id\t")).count(), 500);
}

#[test]
fn a_batch_keeps_the_index_of_records_that_failed_here_and_there() {
    let refused: Vec<usize> = (0..500).filter(|i| i % 7 == 3).collect();
    let server = Server::with(&json!([
        {"kind": "throttle_records", "records": refused, "times": 1},
        {"kind": "throttle_records", "records": [0, 2, 70], "times": 1, "code": "InternalFailure"},
        {"kind": "throttle_records", "records": [1], "code": "InternalFailure"},
    ]));
    let ran = Run::new("put.c").http(&server).args(&["--batch", "500", "--data", "same"]).pass();
    let call = &ran.calls()[0];
    assert_eq!((call.status.as_str(), call.records, call.failed), ("PARTIAL_FAILURE", 500, 1), "{call:?}");
    assert_eq!(records_of_requests(&server), [500, refused.len() as u64, 3]);
    // The third request held what the second refused: its 0, 2 and 70; of these its 1 failed for good.
    let index = refused[2];
    let failed: Vec<&str> = ran.stdout.lines().filter(|line| line.starts_with("at\t")).collect();
    assert_eq!(failed, [format!("at\t{index}\tInternalFailure\tSlow down.")]);
}

#[test]
fn a_batch_that_never_heals_names_each_record() {
    let server = Server::with(&json!([{"kind": "throttle_records", "count": 100}]));
    Run::new("batch.c").arg("final").http(&server).pass();
    assert_eq!(records_of_requests(&server), [500, 100, 100]);
    assert_eq!(server.count("records"), 400);
}

#[test]
fn limits_are_checked_before_anything_is_sent() {
    let server = Server::start();
    Run::new("limits.c").http(&server).env("FIREHOSE_TEST_NO_PUTS", "1").pass();
    assert_eq!((server.count("requests"), server.count("connections")), (0, 0));
    Run::new("limits.c").http(&server).pass();
    assert_eq!(server.count("requests"), 7);
    assert_eq!(server.count("records"), 505);
}

/// Fault, arguments, status, attempts, and what the message says.
type Case = (Value, &'static [&'static str], &'static str, u32, &'static str);

#[test]
fn every_answer_has_its_status() {
    const NO_PAUSE: &[&str] = &["max_attempts=2"];
    let refusal = |code: &str, status: u32| json!({"kind": "error", "code": code, "status": status});
    let cases: Vec<Case> = vec![
        (json!({"kind": "error"}), NO_PAUSE, "UNAVAILABLE", 2, "InternalFailure"),
        (refusal("ServiceUnavailableException", 500), &["max_attempts=1"], "UNAVAILABLE", 1, "Unavailable"),
        (refusal("InternalFailure", 502), NO_PAUSE, "UNAVAILABLE", 2, "InternalFailure"),
        (json!({"kind": "error", "status": 503, "html": true}), NO_PAUSE, "UNAVAILABLE", 2, "503"),
        (json!({"kind": "throttle"}), &["max_attempts=1"], "THROTTLED", 1, "ThrottlingException"),
        (
            refusal("ProvisionedThroughputExceededException", 400),
            &["max_attempts=1"],
            "THROTTLED",
            1,
            "Provisioned",
        ),
        (refusal("SomethingNew", 429), &["max_attempts=1"], "THROTTLED", 1, "429"),
        (refusal("AccessDeniedException", 403), NO_PAUSE, "ACCESS_DENIED", 1, "AccessDenied"),
        (refusal("SubscriptionRequiredException", 403), NO_PAUSE, "ACCESS_DENIED", 1, "Subscription"),
        (refusal("OptInRequired", 403), NO_PAUSE, "ACCESS_DENIED", 1, "OptIn"),
        (refusal("UnrecognizedClientException", 400), NO_PAUSE, "ACCESS_DENIED", 1, "Unrecognized"),
        (refusal("ResourceNotFoundException", 400), NO_PAUSE, "NOT_FOUND", 1, "test"),
        (refusal("ResourceInUseException", 400), NO_PAUSE, "IN_USE", 1, "ResourceInUse"),
        (refusal("LimitExceededException", 400), &["max_attempts=1"], "LIMIT_EXCEEDED", 1, "LimitExceeded"),
        (refusal("InvalidKMSResourceException", 400), NO_PAUSE, "INVALID_KMS", 1, "InvalidKMS"),
        (refusal("InvalidSourceException", 400), NO_PAUSE, "INVALID_SOURCE", 1, "InvalidSource"),
        (refusal("ConcurrentModificationException", 400), NO_PAUSE, "CONFLICT", 1, "Concurrent"),
        (refusal("ExpiredIteratorException", 400), NO_PAUSE, "EXPIRED_ITERATOR", 1, "ExpiredIterator"),
        (refusal("InvalidArgumentException", 400), NO_PAUSE, "REJECTED", 1, "InvalidArgument"),
        (refusal("SomethingNew", 418), NO_PAUSE, "REJECTED", 1, "SomethingNew"),
        (json!({"kind": "garbage"}), NO_PAUSE, "BAD_RESPONSE", 0, "JSON"),
        (json!({"kind": "garbage", "body": "{\"RecordId\":5}"}), NO_PAUSE, "BAD_RESPONSE", 0, "RecordId"),
        (json!({"kind": "garbage", "body": "{\"RecordId\":\"\"}"}), NO_PAUSE, "BAD_RESPONSE", 0, "RecordId"),
        (json!({"kind": "garbage", "body": "{\"RecordId\":\"a\"} x"}), NO_PAUSE, "BAD_RESPONSE", 0, "JSON"),
        (json!({"kind": "garbage", "body": ""}), NO_PAUSE, "BAD_RESPONSE", 0, ""),
        (json!({"kind": "garbage", "body": "[]"}), NO_PAUSE, "BAD_RESPONSE", 0, ""),
        (json!({"kind": "garbage", "status": 204, "body": ""}), NO_PAUSE, "BAD_RESPONSE", 0, ""),
        (json!({"kind": "no_record_id"}), NO_PAUSE, "BAD_RESPONSE", 0, "RecordId"),
        (json!({"kind": "redirect"}), NO_PAUSE, "BAD_RESPONSE", 0, "307"),
        (json!({"kind": "huge"}), NO_PAUSE, "BAD_RESPONSE", 0, ""),
        (json!({"kind": "wrong_count"}), &["--batch", "10"], "BAD_RESPONSE", 0, "10"),
        (json!({"kind": "garbage"}), &["--batch", "10"], "BAD_RESPONSE", 0, "JSON"),
        (json!({"kind": "truncate"}), NO_PAUSE, "IO_FAILED", 2, ""),
        (json!({"kind": "reset_before"}), NO_PAUSE, "IO_FAILED", 2, ""),
        (json!({"kind": "reset_middle"}), NO_PAUSE, "IO_FAILED", 2, ""),
        (json!({"kind": "reset_read"}), &["max_attempts=2", "--size", "900000"], "IO_FAILED", 2, ""),
    ];
    for (fault, arguments, status, attempts, says) in cases {
        let (call, server) = call(&json!([fault]), arguments);
        assert_eq!(call.status, status, "{fault}: {call:?}");
        // 0: whether a bad answer is asked for again is not what is tested here.
        assert!(attempts == 0 || call.attempts == attempts, "{fault}: {call:?}");
        assert_eq!(u64::from(call.attempts), server.count("requests"), "{fault}: {call:?}");
        assert!(call.record_id.is_empty() && call.message.len() > 20, "{fault}: {call:?}");
        assert!(call.message.contains(says), "{fault}: {call:?}");
        let transient = ["UNAVAILABLE", "THROTTLED", "IO_FAILED"].contains(&status);
        assert!(!transient || call.retryable, "{fault}: {call:?}");
        let for_good = ["NOT_FOUND", "REJECTED", "ACCESS_DENIED", "INVALID_KMS"].contains(&status);
        assert!(!for_good || !call.retryable, "{fault}: {call:?}");
    }
}

#[test]
fn a_page_of_a_proxy_is_quoted() {
    let (call, _server) = call(&json!([{"kind": "error", "status": 503, "html": true}]), &["max_attempts=1"]);
    assert_eq!((call.status.as_str(), call.http), ("UNAVAILABLE", 503));
    let words = call.message.to_ascii_lowercase();
    assert!(words.contains("html") || words.contains("unavailable"), "{call:?}");
    assert!(call.message.len() < 1000, "{call:?}");
}

#[test]
fn attempts_are_numbered_under_one_invocation_id() {
    let faults = json!([{"kind": "error", "times": 2}]);
    let (call, server) = call(&faults, &["max_attempts=4"]);
    assert_eq!((call.status.as_str(), call.attempts), ("OK", 3), "{call:?}");
    let requests = server.requests();
    let ids: BTreeSet<&str> = requests.iter().map(|r| r["invocation_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(ids.first().unwrap().len(), 36);
    for (n, request) in requests.iter().enumerate() {
        let told = request["sdk_request"].as_str().unwrap();
        assert!(told.contains(&format!("attempt={}", n + 1)) && told.contains("max=4"), "{told}");
        assert!(request["authorised"].as_bool().unwrap());
    }
    let more = Run::new("put.c").http(&server).args(&["--count", "2"]).pass();
    assert_eq!(more.calls().len(), 2);
    let ids: BTreeSet<String> = server.requests().iter().map(|r| r["invocation_id"].to_string()).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn max_attempts_is_the_most_that_is_sent() {
    for most in [1, 2, 3] {
        let (call, server) = call(&json!([{"kind": "error"}]), &[&format!("max_attempts={most}")]);
        assert_eq!((u64::from(call.attempts), server.count("requests")), (most, most));
    }
    let (call, _server) = call(&json!([{"kind": "error"}]), &[]);
    assert_eq!(call.attempts, 3, "the default");
}

#[test]
fn the_services_wish_for_a_pause_is_honoured() {
    for (asked, least, most) in
        [("700", 700.0, 1100.0), ("-100", 0.0, 500.0), ("soon", 0.0, 500.0), ("0", 0.0, 500.0)]
    {
        let faults = json!([{"kind": "error", "times": 1, "retry_after_ms": asked}]);
        let (call, _server) = call(&faults, &[]);
        assert_eq!((call.status.as_str(), call.attempts), ("OK", 2), "{asked}: {call:?}");
        assert!(call.ms >= least && call.ms <= most, "{asked}: {call:?}");
    }
    // A pause that the call has no time for is not begun.
    let faults = json!([{"kind": "error", "retry_after_ms": 4000}]);
    let (call, _server) = call(&faults, &["operation_timeout_ms=500"]);
    assert!(call.ms < 600.0 && ["UNAVAILABLE", "TIMEOUT"].contains(&call.status.as_str()), "{call:?}");
}

#[test]
fn the_status_of_a_call_without_an_answer_has_no_http_status() {
    let (call, _server) = call(&json!([{"kind": "reset_before"}]), &["max_attempts=1"]);
    assert_eq!((call.http, call.code.as_str(), call.request_id.as_str()), (0, "", ""), "{call:?}");
    assert!(call.message.contains("127.0.0.1"), "{call:?}");
}

#[test]
fn a_call_of_any_operation_goes_through() {
    let server = Server::start();
    let json = "{\"DeliveryStreamName\":\"made\",\"DeliveryStreamType\":\"DirectPut\"}";
    let run = |action: &str, json: &str| {
        Run::new("put.c")
            .http(&server)
            .args(&["max_attempts=1", "--call", action, "--data", json])
            .pass()
            .calls()
            .remove(0)
    };
    assert_eq!(run("DescribeDeliveryStream", json).status, "NOT_FOUND");
    assert_eq!(run("ListDeliveryStreams", "{}").status, "OK");
    let unknown = run("NoSuchOperation", "{}");
    assert_eq!(unknown.status, "REJECTED", "{unknown:?}");
    assert_eq!(
        run("PutRecord", "{\"DeliveryStreamName\":\"test\",\"Record\":{\"Data\":\"eHl6\"}}").status,
        "OK"
    );
    assert_eq!(server.records(), [b"xyz".to_vec()]);
}
