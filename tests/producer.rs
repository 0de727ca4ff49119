//! Background delivery, through the C ABI.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use serde_json::json;
use std::net::TcpListener;
use support::run::Run;
use support::server::Server;

fn lines(server: &Server) -> usize {
    let arrived = server.arrived();
    assert!(arrived.keys().all(|line| line.starts_with("line-")));
    arrived.len()
}

#[test]
fn each_put_has_one_report() {
    let faults = json!([
        {"kind": "throttle_records", "fraction": 0.3, "probability": 0.2},
        {"kind": "error", "probability": 0.05}, {"kind": "reset_middle", "probability": 0.02},
        {"kind": "garbage", "probability": 0.02},
    ]);
    let server = Server::with(&faults);
    let arguments = ["reports", "producer.reports=all", "producer.linger_ms=5"];
    let ran = Run::new("producer.c").http(&server).args(&arguments).limit(120).pass();
    println!("{}{:?}", ran.stdout, ran.took);
    assert_eq!((ran.count("reports"), ran.count("failed")), (100_000, 0));
    assert_eq!(lines(&server), 100_000);
    assert!(ran.count("retried") > 0);
}

#[test]
fn without_reports_flush_sums_up() {
    let server = Server::start();
    let ran = Run::new("producer.c").http(&server).arg("silent").pass();
    assert!(
        ran.stdout.contains("flush FIREHOSE_OK") && ran.stdout.contains("20000 delivered"),
        "{}",
        ran.stdout
    );
    assert_eq!(lines(&server), 20_000);
}

#[test]
fn what_cannot_heal_fails_at_once_and_is_summed_up() {
    let server = Server::start();
    let ran =
        Run::new("producer.c").http(&server).arg("silent").env("FIREHOSE_TEST_STREAM", "nowhere").pass();
    assert!(ran.stdout.contains("PARTIAL_FAILURE") && ran.stdout.contains("20000 failed"), "{}", ran.stdout);
}

#[test]
fn a_full_queue_refuses_and_close_comes_back() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    Run::new("producer.c").against(endpoint).args(&["full", "producer.queue_bytes=2097152"]).pass();
}

#[test]
fn a_forked_child_delivers_its_own_and_the_parent_the_rest() {
    let server = Server::start();
    Run::new("producer.c").http(&server).arg("forked").pass();
    let arrived = server.arrived();
    assert_eq!(arrived.values().sum::<u32>(), 2, "{arrived:?}");
}

#[test]
fn wrong_arguments_are_refused() {
    let server = Server::start();
    Run::new("producer.c").http(&server).arg("arguments").pass();
}
