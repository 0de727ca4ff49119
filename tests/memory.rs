//! The C programs once more under valgrind and under the sanitizers: no leak, no wrong access.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use std::{fs, thread};

use serde_json::{Value, json};
use support::build::{How, Library, scratch};
use support::run::Run;
use support::server::Server;

/// A program, its arguments, how much of its loops is run, and over what.
struct Case {
    source: &'static str,
    arguments: &'static [&'static str],
    scale: u32,
    over: Over,
    faults: Value,
}

#[derive(Clone, Copy)]
enum Over {
    Http,
    Name,
    Tls,
    Nothing,
}

fn case(source: &'static str, arguments: &'static [&'static str], scale: u32, over: Over) -> Case {
    Case { source, arguments, scale, over, faults: json!([]) }
}

fn cases() -> Vec<Case> {
    let throttled = |times: u32| json!([{"kind": "throttle_records", "count": 100, "times": times}]);
    // One line of the log each.
    let refused: Vec<Value> = (0..5)
        .map(|n| json!({"kind": "error", "operation": "PutRecord", "times": 1, "after": n * 6}))
        .collect();
    let refused = Value::Array(refused);
    let broken = json!([
        {"kind": "reset_read", "probability": 0.2}, {"kind": "reset_middle", "probability": 0.2},
        {"kind": "close_idle", "probability": 0.2},
    ]);
    let storm = [
        "throttle",
        "error",
        "reset_before",
        "reset_middle",
        "truncate",
        "garbage",
        "no_record_id",
        "hang",
        "wrong_count",
        "redirect",
        "informational",
        "chunked",
        "huge",
        "expired_token",
    ];
    let storm: Vec<Value> = storm.iter().map(|kind| json!({"kind": kind, "probability": 0.03})).collect();
    vec![
        case("arguments.c", &[], 100, Over::Http),
        case("results.c", &[], 100, Over::Http),
        case("threads.c", &[], 4, Over::Http),
        case("threads.c", &[], 2, Over::Tls),
        case("fork.c", &[], 2, Over::Http),
        case("panic.c", &["put"], 100, Over::Http),
        case("panic.c", &["lookup"], 100, Over::Name),
        Case { faults: refused, ..case("panic.c", &["log"], 100, Over::Http) },
        case("quiet.c", &["streams"], 100, Over::Http),
        case("quiet.c", &["closed"], 100, Over::Tls),
        case("no_leftovers.c", &[], 1, Over::Http),
        case("no_leftovers.c", &[], 1, Over::Name),
        Case { faults: throttled(2), ..case("batch.c", &["healed"], 100, Over::Http) },
        Case { faults: throttled(1000), ..case("batch.c", &["final"], 100, Over::Http) },
        Case {
            faults: throttled(1),
            ..case("producer.c", &["reports", "producer.reports=all"], 2, Over::Http)
        },
        case("producer.c", &["silent"], 2, Over::Tls),
        case("producer.c", &["arguments"], 100, Over::Http),
        Case { faults: json!([{"kind": "hang"}]), ..case("spool.c", &["basics"], 1, Over::Http) },
        case("spool.c", &["children"], 1, Over::Http),
        Case {
            faults: json!([{"kind": "error", "operation": "PutRecordBatch", "times": 2}]),
            ..case("spool.c", &["speed", "producer.spool_bytes=8388608"], 1, Over::Http)
        },
        case("limits.c", &[], 100, Over::Http),
        case("callbacks.c", &[], 100, Over::Http),
        case("config.c", &[], 100, Over::Nothing),
        Case { faults: broken, ..case("signals.c", &["pipe"], 10, Over::Tls) },
        Case { faults: Value::Array(storm), ..case("storm.c", &[], 2, Over::Tls) },
        case("put.c", &["--call", "ListDeliveryStreams", "--data", "{}", "--count", "3"], 100, Over::Http),
    ]
}

impl Case {
    fn run(&self, how: How) -> (Run, Server) {
        let server = Server::with(&self.faults);
        let run = Run::built(self.source, Library::Checked, how).scale(self.scale);
        let run = if self.source == "spool.c" {
            // Behind the mode comes a folder, which no run before may have left anything in.
            let folder = scratch().join(format!("{how:?}-{}", self.arguments[0]));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            let name = if self.arguments[0] == "children" { "spool-%p" } else { "spool" };
            run.arg(self.arguments[0]).arg(folder.join(name)).args(&self.arguments[1..])
        } else {
            run.args(self.arguments)
        };
        let forks = self.source == "fork.c" || matches!(self.arguments, ["basics" | "children"]);
        let run = if forks { run.may_leak() } else { run };
        let run = match self.over {
            Over::Http => run.http(&server),
            Over::Name => run.named(&server),
            Over::Tls => run.tls(&server),
            Over::Nothing => run,
        };
        (run, server)
    }
}

/// Two at a time: the slowest of these programs waits more than it works.
fn all(run: impl Fn(&Case) + Sync) {
    let cases = cases();
    let next = std::sync::atomic::AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed)) {
                    run(case);
                }
            });
        }
    });
}

#[test]
fn valgrind_finds_nothing() {
    if !support::have("valgrind") {
        return;
    }
    all(|case| {
        let (run, _server) = case.run(How::Plain);
        let took = run.valgrind().pass().took;
        println!("{} {:?}: {:.1} s", case.source, case.arguments, took.as_secs_f64());
    });
}

/// The programs that a newcomer copies, against the object that ships: stripped, and optimised as a whole.
#[test]
fn valgrind_finds_nothing_in_the_examples_and_the_released_object() {
    if !support::have("valgrind") {
        return;
    }
    let lines = scratch().join("lines");
    fs::write(&lines, "a line\n".repeat(2000)).unwrap();
    let server = Server::with(&json!([{"kind": "error", "operation": "PutRecordBatch", "times": 1}]));
    let example = |name: &str| {
        Run::built(&format!("../../examples-c/{name}"), Library::Release, How::Plain)
            .against(server.http())
            .env("AWS_ENDPOINT_URL_FIREHOSE", server.http())
            .env("MY_ACCESS_KEY", "AKIDLOCAL")
            .env("MY_SECRET_KEY", "local-secret")
            .valgrind()
    };
    for name in ["01_put_record.c", "02_put_record_batch.c", "04_own_credentials.c"] {
        example(name).arg("test").pass();
    }
    example("03_call.c").arg("made-by-the-example").pass();
    example("05_producer.c").arg("test").pass();
    example("06_epoll.c").arg("test").stdin(&lines).pass();
    let piped = example("pipe").args(&["--aggregate", "--gzip", "test"]).stdin(&lines).finish();
    assert!(piped.status.success() && piped.stderr.contains("2000 delivered"), "{}", piped.stderr);
    let (socket, before) = (scratch().join("socket"), server.count("records"));
    let prefork = example("07_prefork.c").may_leak().arg("test").arg(&socket).arg("2").start();
    for n in 0..4 {
        let mut worker = connected(&socket);
        writeln!(worker, "a line of connection {n}\nanother one").unwrap();
    }
    // One that stays open holds nothing up.
    let _open = connected(&socket);
    thread::sleep(Duration::from_secs(1));
    assert!(Command::new("kill").arg(prefork.id().to_string()).status().unwrap().success());
    let ended = prefork.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert_eq!(server.count("records") - before, 8, "{ended:?}");
    let sent = example("send_file.c").arg("test").arg(&lines).arg("20").finish();
    assert!(sent.status.success(), "{}\n{}", sent.stdout, sent.stderr);
    assert!(server.count("records") > 2000);
    // Where nobody listens, the way of an error.
    let refused = example("01_put_record.c").env("AWS_ENDPOINT_URL_FIREHOSE", "http://127.0.0.1:1");
    assert_eq!(refused.arg("test").finish().status.code(), Some(1));
}

/// A program that has just been started listens a moment later.
fn connected(socket: &Path) -> UnixStream {
    let give_up = Instant::now() + Duration::from_secs(60);
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => return stream,
            Err(error) if Instant::now() > give_up => panic!("{}: {error}", socket.display()),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}

#[test]
fn the_sanitizers_find_nothing() {
    all(|case| {
        let (run, _server) = case.run(How::Sanitized);
        run.limit(120).pass();
    });
}

/// The proof that both would speak: a program that leaks a client.
#[test]
fn a_leak_is_found() {
    let server = Server::start();
    let leak = |how| Run::built("leak.c", Library::Checked, how).http(&server);
    let sanitized = leak(How::Sanitized).finish();
    assert!(
        !sanitized.status.success() && sanitized.stderr.contains("LeakSanitizer"),
        "{}",
        sanitized.stderr
    );
    if support::have("valgrind") {
        let under = leak(How::Plain).valgrind().finish();
        assert_eq!(under.status.code(), Some(99), "{}", under.stderr);
    }
}
