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
use std::collections::HashSet;
use std::io::Read;
use std::net::TcpListener;
use std::time::Duration;
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

/// What comes from a faulty server when records are aggregated, compressed or not.
#[test]
fn aggregated_lines_arrive_whole_and_each_put_has_one_report() {
    let server = Server::with(&json!([
        {"kind": "throttle_records", "fraction": 0.3, "probability": 0.2}, {"kind": "error", "probability": 0.05},
    ]));
    let arguments = ["reports", "producer.reports=all", "producer.aggregate=true", "producer.linger_ms=5"];
    let ran = Run::new("producer.c").http(&server).args(&arguments).limit(120).pass();
    assert_eq!((ran.count("reports"), ran.count("failed")), (100_000, 0));
    let lines = server.lines();
    assert_eq!((lines.len(), lines.values().sum::<u32>()), (100_000, 100_000));

    let server = Server::start();
    let arguments = [&arguments[..], &["producer.compression=gzip"]].concat();
    Run::new("producer.c").http(&server).args(&arguments).limit(120).pass();
    let mut plain = String::new();
    let joined = server.records().concat();
    flate2::read::MultiGzDecoder::new(joined.as_slice()).read_to_string(&mut plain).unwrap();
    assert_eq!(plain.lines().collect::<HashSet<_>>().len(), 100_000);
    assert_eq!(plain.lines().count(), 100_000);
}

/// Ten million puts from eight threads: each has one report, and each tag comes back once.
#[test]
fn ten_million_puts_have_ten_million_reports() {
    let server = Server::forgetful(&json!([
        {"kind": "throttle_records", "fraction": 0.2, "probability": 0.1}, {"kind": "error", "probability": 0.05},
        {"kind": "reset_middle", "probability": 0.02}, {"kind": "garbage", "probability": 0.02},
    ]));
    let arguments = ["reports", "producer.reports=all", "producer.aggregate=true"];
    let run = Run::new("producer.c").http(&server).args(&arguments).env("FIREHOSE_TEST_PUTS", "10000000");
    let ran = run.limit(600).pass();
    println!("{}{:?}", ran.stdout, ran.took);
    assert_eq!((ran.count("reports"), ran.count("failed")), (10_000_000, 0));
    assert!(ran.count("retried") > 10_000);
}

#[test]
fn aggregation_cuts_what_is_billed_to_a_twenty_fifth() {
    let server = Server::start();
    let plain = Run::new("producer.c").http(&server).args(&["billed", "producer.delimiter=\\n"]).pass();
    let aggregated = ["billed", "producer.aggregate=true", "producer.linger_ms=60000"];
    let aggregated = Run::new("producer.c").http(&server).args(&aggregated).pass();
    println!("{}{}", plain.stdout, aggregated.stdout);
    assert_eq!((plain.count("bytes"), aggregated.count("bytes")), (20_500_000, 20_500_000));
    assert_eq!(plain.count("billed_bytes"), 102_500 * 5120);
    assert_eq!(aggregated.count("billed_bytes"), 102_500 / 500 * 102_400);
    assert_eq!(plain.count("billed_bytes"), 25 * aggregated.count("billed_bytes"));
}

#[test]
fn under_throttling_it_waits_cheaply_and_delivers_all_when_that_ends() {
    let server = Server::with(&json!([{"kind": "throttle_records"}]));
    let run = Run::new("producer.c").http(&server).arg("throttled").env("FIREHOSE_TEST_SECONDS", "60");
    let running = std::thread::spawn(move || run.limit(300).pass());
    std::thread::sleep(Duration::from_secs(62));
    server.faults(&json!([]));
    let ran = running.join().unwrap();
    println!("{}", ran.stdout);
    assert!(ran.count("peak_kib") < (64 + 32) * 1024, "{}", ran.stdout);
    assert!(ran.number("mean_us") < 100.0, "{}", ran.stdout);
    assert!(ran.number("cpu_share") < 0.02, "{}", ran.stdout);
    assert!(ran.count("requests") < 100, "{}", ran.stdout);
    assert!(ran.count("delivered") > 200_000);
}

/// Bytes delivered in a second between two times, and the share of the records sent that was throttled.
fn between(ran: &str, from: usize, to: usize) -> (f64, f64) {
    let row = |second: usize| -> Vec<f64> {
        let name = format!("second {second} ");
        let line = ran.lines().find_map(|line| line.strip_prefix(&name)).unwrap();
        line.split(' ').map(|number| number.parse().unwrap()).collect()
    };
    let (from, to, seconds) = (row(from), row(to), (to - from) as f64);
    let (delivered, throttled) = (to[1] - from[1], to[2] - from[2]);
    ((to[0] - from[0]) / seconds, throttled / (delivered + throttled))
}

#[test]
fn it_settles_at_the_quota_of_the_stream_and_finds_a_larger_one() {
    const QUOTA: f64 = 1_048_576.0;
    let server = Server::start();
    server.quota(&json!({ "bytes_per_second": QUOTA, "records_per_second": 100_000 }));
    let run = Run::new("producer.c").http(&server).args(&["paced", "producer.queue_bytes=8388608"]);
    let run = run.env("FIREHOSE_TEST_SECONDS", "80");
    let running = std::thread::spawn(move || run.limit(300).pass());
    std::thread::sleep(Duration::from_secs(40));
    server.quota(&json!({ "bytes_per_second": 2.0 * QUOTA, "records_per_second": 200_000 }));
    let ran = running.join().unwrap().stdout;
    let (rate, share) = between(&ran, 10, 40);
    println!("{:.3} of the quota, {:.2} % throttled", rate / QUOTA, share * 100.0);
    assert!(rate > 0.9 * QUOTA && share < 0.05);
    // Thirty seconds after it was doubled.
    let (rate, share) = between(&ran, 70, 80);
    println!("{:.3} of twice the quota, {:.2} % throttled", rate / QUOTA / 2.0, share * 100.0);
    assert!(rate > 0.9 * 2.0 * QUOTA && share < 0.05);
}
