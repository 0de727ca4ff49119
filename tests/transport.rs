//! Threads, connections, deadlines: what a call costs and how long it may take at most.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};

use serde_json::json;
use support::run::{Call, Run};
use support::server::Server;

/// No more than this may be allocated for a put once everything is warm.
const ALLOCATIONS_PER_PUT: f64 = 24.0;

#[test]
fn ten_thousand_puts_on_an_address_start_no_thread_and_use_one_connection() {
    let server = Server::start();
    let ran = Run::new("counts.c").arg("still").http(&server).counted().pass();
    println!("{}", ran.stdout);
    assert_eq!(ran.number("threads_started"), 0.0);
    assert!(ran.number("allocations_per_put") <= ALLOCATIONS_PER_PUT, "{}", ran.stdout);
    assert_eq!(server.count("connections"), 1);
    assert_eq!(server.count("requests"), 10_206);
}

#[test]
fn ten_thousand_puts_on_a_name_start_one_thread_at_most() {
    let server = Server::start();
    let ran = Run::new("counts.c").arg("still").named(&server).counted().pass();
    println!("{}", ran.stdout);
    assert!(ran.number("threads_started") <= 1.0);
    assert_eq!(server.count("connections"), 1);
}

#[test]
fn puts_over_tls_keep_one_connection() {
    let server = Server::start();
    let ran = Run::new("counts.c").arg("still").tls(&server).counted().scale(30).pass();
    println!("{}", ran.stdout);
    assert!(ran.number("threads_started") <= 1.0);
    assert_eq!(server.count("connections"), 1);
}

#[test]
fn the_environment_may_change_under_a_running_client() {
    let server = Server::start();
    Run::new("counts.c").arg("moving").http(&server).counted().scale(30).pass();
    Run::new("counts.c").arg("moving").http(&server).counted().scale(30).pass();
}

#[test]
fn a_connection_closed_while_idle_is_replaced_without_a_trace() {
    for kind in ["close_idle", "close"] {
        let server = Server::with(&json!([{"kind": kind}]));
        for run in [Run::new("put.c").http(&server), Run::new("put.c").tls(&server)] {
            let calls = run.args(&["max_attempts=1", "--count", "20", "--pause", "10"]).pass().calls();
            assert_eq!(calls.len(), 20);
            for call in calls {
                assert_eq!((call.status.as_str(), call.attempts), ("OK", 1), "{kind}: {call:?}");
            }
        }
        assert_eq!(server.count("records"), 40);
        assert_eq!(server.count("requests"), 40);
        assert_eq!(server.count("connections"), 40);
    }
}

#[test]
fn answers_in_pieces_and_interim_answers_are_understood() {
    for kind in ["chunked", "informational"] {
        let server = Server::with(&json!([{"kind": kind}]));
        let calls = Run::new("put.c").http(&server).args(&["max_attempts=1", "--count", "10"]).pass().calls();
        assert!(calls.iter().all(|call| call.status == "OK"), "{kind}: {:?}", calls[0]);
        let batches =
            Run::new("put.c").tls(&server).args(&["max_attempts=1", "--batch", "500"]).pass().calls();
        assert_eq!((batches[0].status.as_str(), batches[0].records), ("OK", 500), "{kind}: {:?}", batches[0]);
        assert_eq!(server.count("connections"), 2, "{kind}");
    }
}

const LIMIT_MS: f64 = 600.0;

/// One call with a limit of 600 ms and shorter ones for its parts, over by 100 ms at most. A machine that is busy with
/// other work gets three tries: a limit that does not hold fails all of them.
fn call_within_the_limit(run: Run, what: &str, options: &[&str]) -> Call {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let run = run.arg("operation_timeout_ms=600").args(options);
    let calls = (0..3).map(|_| run.clone().pass().calls().remove(0));
    let mut slow = Vec::new();
    let call = calls.into_iter().find(|call| {
        slow.push(call.ms);
        call.ms <= LIMIT_MS + 100.0
    });
    let call = call.unwrap_or_else(|| panic!("{what}: {slow:?} ms"));
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

#[test]
fn a_certificate_of_nobody_known_is_refused() {
    let server = Server::start();
    let run = Run::new("put.c").against(server.https());
    let call = run.args(&["max_attempts=1"]).pass().calls().remove(0);
    assert_eq!(call.status, "TLS_FAILED", "{call:?}");
    assert!(call.message.contains("ca_bundle") && call.message.contains("localhost"), "{call:?}");
    assert_eq!(server.count("requests"), 0);

    let plain = Run::new("put.c").against(server.http().replace("http:", "https:"));
    let call = plain.args(&["max_attempts=1", "operation_timeout_ms=2000"]).pass().calls().remove(0);
    assert_eq!(call.status, "TLS_FAILED", "{call:?}");
}
