//! Threads, connections, deadlines: what a call costs and how long it may take at most.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use serde_json::json;
use support::run::Run;
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
