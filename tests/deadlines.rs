//! No call takes longer than its limit and 100 ms, whatever the other side does. One program at a time, and nothing
//! else beside it: what is measured here is the library, not how busy the tests are.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use support::run::{Call, Run};
use support::server::Server;

const LIMIT_MS: f64 = 600.0;

/// What a call may take past its limit.
const GRACE_MS: f64 = 100.0;

fn alone() -> MutexGuard<'static, ()> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One call with a limit of 600 ms and shorter ones for its parts.
fn call_within_the_limit(run: Run, what: &str, options: &[&str]) -> Call {
    let call = {
        let _alone = alone();
        run.arg("operation_timeout_ms=600").args(options).pass().calls().remove(0)
    };
    println!("{what} {options:?}: {} ms", call.ms);
    assert!(call.ms <= LIMIT_MS + GRACE_MS, "{what}: {call:?}");
    assert!(call.message.len() > 20, "{what}: {call:?}");
    call
}

#[test]
fn no_call_outlives_its_deadline_against_a_silent_server() {
    // The kernel accepts what the listener never does.
    let never_accepts = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = never_accepts.local_addr().unwrap();
    for scheme in ["http", "https"] {
        let endpoint = format!("{scheme}://{address}");
        let run = || Run::new("put.c").against(&endpoint);
        let one = call_within_the_limit(run(), &endpoint, &["max_attempts=1"]);
        assert_eq!(one.status, "TIMEOUT", "{one:?}");
        assert!(one.retryable && one.http == 0, "{one:?}");
        let parts = ["max_attempts=3", "connect_timeout_ms=150", "read_timeout_ms=150"];
        let three = call_within_the_limit(run(), &endpoint, &parts);
        assert_eq!(three.status, "TIMEOUT", "{three:?}");
        assert!(three.attempts > 1, "{three:?}");
        // The limit of a part holds alone, too.
        let short = call_within_the_limit(run(), &endpoint, &["max_attempts=1", parts[1], parts[2]]);
        assert_eq!(short.status, "TIMEOUT", "{short:?}");
        assert!(short.ms < 500.0, "{short:?}");
        let big =
            call_within_the_limit(run(), &endpoint, &["max_attempts=1", "--size", "1000000", "--batch", "4"]);
        assert_eq!(big.status, "TIMEOUT", "{big:?}");
    }
}

#[test]
fn no_call_outlives_its_deadline_against_a_slow_server() {
    for fault in
        [json!({"kind": "hang"}), json!({"kind": "trickle"}), json!({"kind": "trickle", "interval_ms": 20})]
    {
        let server = Server::with(&json!([fault]));
        for run in [Run::new("put.c").http(&server), Run::new("put.c").tls(&server)] {
            let call = call_within_the_limit(run, &fault.to_string(), &["read_timeout_ms=300"]);
            assert_eq!(call.status, "TIMEOUT", "{fault}: {call:?}");
        }
    }
}

#[test]
fn no_call_outlives_its_deadline_where_nothing_answers() {
    // TEST-NET-1 is never routed: the packets are lost, or the kernel says so at once.
    let nowhere = Run::new("put.c").against("http://192.0.2.1:81");
    let call = call_within_the_limit(nowhere, "unroutable", &["max_attempts=1", "connect_timeout_ms=300"]);
    assert!(["CONNECT_FAILED", "TIMEOUT"].contains(&call.status.as_str()), "{call:?}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let call =
        call_within_the_limit(Run::new("put.c").against(format!("http://{closed}")), "closed port", &[]);
    assert_eq!(call.status, "CONNECT_FAILED", "{call:?}");
    assert!(call.message.contains(&closed.to_string()) && call.retryable, "{call:?}");

    let unknown = Run::new("put.c").against("http://no-such-host.invalid");
    let call = call_within_the_limit(unknown, "unknown name", &["max_attempts=1"]);
    assert!(["CONNECT_FAILED", "TIMEOUT"].contains(&call.status.as_str()), "{call:?}");
    assert!(call.message.contains("no-such-host.invalid"), "{call:?}");
}

#[test]
fn a_slow_name_lookup_is_cut_at_the_deadline() {
    let server = Server::start();
    let slow = Run::new("put.c").named(&server).counted().env("FIREHOSE_TEST_LOOKUP_MS", "3000");
    let call = call_within_the_limit(slow, "slow lookup", &["max_attempts=1"]);
    assert!(["TIMEOUT", "CONNECT_FAILED"].contains(&call.status.as_str()), "{call:?}");
    assert!(call.message.contains("localhost"), "{call:?}");
}

/// 20 % in all, each kind as likely as the others.
fn storm_faults() -> Value {
    let kinds = [
        json!({"kind": "throttle"}),
        json!({"kind": "throttle", "retry_after_ms": 20}),
        json!({"kind": "throttle_records", "fraction": 0.5}),
        json!({"kind": "error"}),
        json!({"kind": "error", "status": 503, "html": true}),
        json!({"kind": "reset_before"}),
        json!({"kind": "reset_middle"}),
        json!({"kind": "reset_read"}),
        json!({"kind": "close_idle"}),
        json!({"kind": "close"}),
        json!({"kind": "hang"}),
        json!({"kind": "hang", "stored": true}),
        json!({"kind": "trickle"}),
        json!({"kind": "trickle", "interval_ms": 5}),
        json!({"kind": "truncate"}),
        json!({"kind": "garbage"}),
        json!({"kind": "no_record_id"}),
        json!({"kind": "wrong_count"}),
        json!({"kind": "redirect"}),
        json!({"kind": "informational"}),
        json!({"kind": "chunked"}),
        json!({"kind": "expired_token"}),
        json!({"kind": "huge"}),
    ];
    let share = 0.2 / kinds.len() as f64;
    let with_share = |mut fault: Value| {
        fault["probability"] = json!(share);
        fault
    };
    Value::Array(kinds.into_iter().map(with_share).collect())
}

#[test]
fn ten_thousand_calls_through_a_storm_tell_the_truth() {
    // After one of these the record may be there: nobody has said that it is not.
    const NOT_KNOWN: [&str; 3] = ["FIREHOSE_IO_FAILED", "FIREHOSE_TIMEOUT", "FIREHOSE_BAD_RESPONSE"];
    let server = Server::with(&storm_faults());
    let ran = {
        let _alone = alone();
        Run::new("storm.c").http(&server).limit(180).pass()
    };
    let arrived = server.arrived();
    let mut statuses: BTreeMap<&str, u32> = BTreeMap::new();
    let (mut slowest, mut records, mut delivered_records) = (0.0_f64, 0, 0);
    for line in ran.stdout.lines().filter(|line| line.starts_with("r-")) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [name, status, delivered, attempts, ms] = fields[..] else { panic!("{line}") };
        let (delivered, attempts, ms) =
            (delivered == "1", attempts.parse::<u32>().unwrap(), ms.parse::<f64>().unwrap());
        let there = arrived.contains_key(name);
        *statuses.entry(status).or_default() += 1;
        slowest = slowest.max(ms);
        records += 1;
        delivered_records += u32::from(delivered);
        assert!(!delivered || there, "called delivered, and did not arrive: {line}");
        assert!(status != "FIREHOSE_OK" || delivered, "{line}");
        assert!(!delivered || ["FIREHOSE_OK", "FIREHOSE_PARTIAL_FAILURE"].contains(&status), "{line}");
        // An earlier attempt of the same call may have stored what the last one refused.
        let may_be_there = delivered || attempts > 1 || NOT_KNOWN.contains(&status);
        assert!(!there || may_be_there, "refused, and arrived: {line}");
        assert!(attempts <= 4, "{line}");
    }
    println!(
        "statuses {statuses:?}
slowest_ms {slowest}
seconds {:.1}",
        ran.took.as_secs_f64()
    );
    assert!(slowest <= 400.0 + GRACE_MS, "a call took {slowest} ms; its limit was 400");
    // Of the 1,250 calls of each of the 8 threads, 312 are batches of 5.
    assert_eq!(records, 10_000 + 8 * 312 * 4);
    assert!(
        f64::from(delivered_records) > 0.8 * f64::from(records),
        "{delivered_records} of {records} delivered"
    );
    for fault in storm_faults().as_array().unwrap() {
        let kind = fault["kind"].as_str().unwrap();
        assert!(server.injected(kind) > 10, "{kind}: {}", server.injected(kind));
    }
}
