//! The rules that hold for every function of the C border: one program of `tests/c` for each promise.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::json;
use support::build::{How, Library, program};
use support::run::Run;
use support::server::Server;
use support::{elf, root};

/// Everything arrived exactly once.
fn each_once(server: &Server, expected: &BTreeSet<String>) {
    let arrived = server.arrived();
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times != 1).take(5).collect();
    assert!(twice.is_empty(), "arrived more than once: {twice:?}");
    let names: BTreeSet<String> = arrived.into_keys().collect();
    let lost: Vec<_> = expected.difference(&names).take(5).collect();
    let strange: Vec<_> = names.difference(expected).take(5).collect();
    assert!(lost.is_empty() && strange.is_empty(), "lost {lost:?}, never sent {strange:?}");
}

#[test]
fn wrong_arguments_are_refused_and_nothing_is_sent() {
    for how in [How::Plain, How::Static] {
        let server = Server::start();
        Run::built("arguments.c", Library::Release, how).http(&server).pass();
        assert_eq!(server.records(), [b"sized".to_vec(), b"base64".to_vec()]);
        assert_eq!(server.count("requests"), 2);
    }
}

#[test]
fn a_result_is_filled_in_place_and_bytes_arrive_whole() {
    let server = Server::start();
    Run::new("results.c").http(&server).pass();
    let every: Vec<u8> = (0..=255).collect();
    let blob: Vec<u8> = (0..1_024_000_u32).map(|i| ((i * 131) >> 3).to_le_bytes()[0]).collect();
    let records = server.records();
    let blobs = &records[records.len() - 8..];
    assert!(blobs[..2].iter().all(Vec::is_empty) && blobs[2] == every && blobs[3] == blob);
    assert!(blobs[4].is_empty() && blobs[5] == every && blobs[6] == blob && blobs[7].is_empty());
}

#[test]
fn sixteen_threads_share_one_client() {
    let server = Server::start();
    let ran = Run::new("threads.c").http(&server).pass();
    let each = ran.count("puts_each");
    let mut expected = BTreeSet::new();
    for thread in 0..16 {
        for i in 0..each {
            expected.insert(format!("t{thread}-{i}"));
            if i % 10 == 0 {
                expected.insert(format!("t{thread}-{i}-batch"));
            }
        }
    }
    each_once(&server, &expected);
    assert!(server.count("connections") <= 16, "{} connections", server.count("connections"));
}

fn fork(run: Run, server: &Server) {
    let ran = run.limit(120).pass();
    let mut expected = BTreeSet::from(["first".to_owned(), "last".to_owned()]);
    for thread in 0..4 {
        let puts = ran.count(&format!("thread{thread}"));
        assert!(puts > 0, "thread {thread} put nothing");
        expected.extend((0..puts).map(|i| format!("p{thread}-{i}")));
    }
    for child in (0..ran.count("forks")).filter(|child| child % 10 > 1) {
        expected.insert(format!("c{child}"));
        if child % 10 == 2 {
            expected.extend([format!("g{child}"), format!("d{child}")]);
        }
    }
    each_once(server, &expected);
}

#[test]
fn a_thousand_forks_under_load() {
    let server = Server::start();
    fork(Run::new("fork.c").http(&server), &server);
}

#[test]
fn forks_under_load_over_tls() {
    let server = Server::start();
    fork(Run::new("fork.c").tls(&server).scale(30), &server);
}

#[test]
fn the_librarys_thread_blocks_the_hosts_signals() {
    let server = Server::start();
    let ran = Run::new("signals.c")
        .arg("mask")
        .named(&server)
        .counted()
        .env("FIREHOSE_TEST_LOOKUP_MS", "400")
        .pass();
    assert!(ran.number("threads_seen") >= 10.0);
}

#[test]
fn calls_go_on_through_a_thousand_alarms_a_second() {
    let server = Server::start();
    Run::new("signals.c").arg("alarm").named(&server).counted().env("FIREHOSE_TEST_LOOKUP_MS", "100").pass();
    Run::new("signals.c").arg("alarm").tls(&server).pass();
}

#[test]
fn a_broken_connection_raises_no_sigpipe() {
    let server = Server::with(&json!([
        {"kind": "reset_read", "probability": 0.2},
        {"kind": "reset_before", "probability": 0.2},
        {"kind": "reset_middle", "probability": 0.1},
        {"kind": "close_idle", "probability": 0.2},
    ]));
    Run::new("signals.c").arg("pipe").http(&server).pass();
    Run::new("signals.c").arg("pipe").tls(&server).pass();
    for kind in ["reset_read", "reset_before", "reset_middle", "close_idle"] {
        assert!(server.injected(kind) > 20, "{kind}: {}", server.injected(kind));
    }
}

#[test]
fn a_fault_inside_is_a_status() {
    let server = Server::start();
    for point in ["put", "lookup", "log"] {
        // What the log has to say is that an attempt failed.
        let refused: Vec<_> = (0..5)
            .map(|n| json!({"kind": "error", "operation": "PutRecord", "times": 1, "after": n * 6}))
            .collect();
        server.faults(&if point == "log" { json!(refused) } else { json!([]) });
        let run = Run::built("panic.c", Library::Checked, How::Plain).arg(point);
        let ran = if point == "lookup" { run.named(&server) } else { run.http(&server) }.pass();
        assert_eq!(ran.stdout, "", "after a fault in {point}");
    }
    assert_eq!(server.arrived()["after"], 20);
    assert!(Run::new("panic.c").arg("put").http(&server).finish().stdout.contains("test.panic"));
}

#[test]
fn no_descriptor_of_the_host_is_written_to() {
    let server = Server::start();
    for part in ["streams", "closed"] {
        let ran = Run::new("quiet.c").arg(part).http(&server).pass();
        assert_eq!(ran.stdout, "");
        assert_eq!(Run::new("quiet.c").arg(part).tls(&server).pass().stdout, "");
    }
}

#[test]
fn making_a_client_is_quick_and_changes_nothing_of_the_process() {
    let server = Server::start();
    let ran = Run::new("quiet.c").arg("made").http(&server).env("FIREHOSE_TEST_NO_PUTS", "1").pass();
    println!("{}", ran.stdout);
    assert_eq!((server.count("connections"), server.count("requests")), (0, 0));
    Run::new("quiet.c").arg("made").http(&server).pass();
}

#[test]
fn the_library_may_be_closed_while_its_threads_live() {
    let server = Server::start();
    let run = || Run::built("unload.c", Library::Release, How::Alone).arg(Library::Release.shared());
    run().http(&server).pass();
    run().named(&server).pass();
    run().tls(&server).scale(20).pass();
    assert_eq!(server.count("records"), 220);
}

#[test]
fn calls_work_while_the_process_ends() {
    let server = Server::start();
    for _ in 0..10 {
        Run::new("at_exit.c").http(&server).pass();
        Run::new("static_destructor.cpp").http(&server).pass();
    }
    let arrived = server.arrived();
    for name in ["atexit", "made at exit", "destructor"] {
        assert_eq!(arrived[name], 10, "{name}");
    }
}

#[test]
fn ten_thousand_clients_leave_nothing_behind() {
    let server = Server::start();
    let ran = Run::new("no_leftovers.c").http(&server).pass();
    assert_eq!(server.count("records"), ran.count("rounds"));
    Run::new("no_leftovers.c").tls(&server).scale(3).pass();
}

#[test]
fn neither_locale_nor_time_zone_changes_a_signature() {
    let locales = support::build::scratch().join("locales");
    std::fs::create_dir_all(&locales).unwrap();
    if !support::have("localedef") {
        return;
    }
    let made = locales.join("tr_TR.UTF-8");
    let mut localedef = Command::new("localedef");
    let output = localedef.args(["-i", "tr_TR", "-f", "UTF-8"]).arg(&made).output().unwrap();
    if !made.join("LC_CTYPE").is_file() {
        let why = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(std::env::var_os("CI").is_none(), "the Turkish locale cannot be made: {why}");
        println!("skipped: the Turkish locale cannot be made: {why}");
        return;
    }
    let server = Server::start();
    Run::new("locale.c").arg("tr_TR.UTF-8").http(&server).env("LOCPATH", locales).pass();
    assert_eq!(server.count("records"), 3);
}

#[test]
fn keys_and_log_of_the_host() {
    let server = Server::start();
    let ran = Run::new("callbacks.c").http(&server).pass();
    assert!(ran.number("log_lines") >= 1.0);
}

#[test]
fn options_explain_themselves() {
    let ran = Run::new("config.c").pass();
    let line = ran.stdout.lines().find_map(|line| line.strip_prefix("describe\t")).unwrap();
    let described: serde_json::Value = serde_json::from_str(line).unwrap();
    assert!(described.is_object());
}

#[test]
fn only_the_functions_of_the_header_are_exported() {
    let committed = std::fs::read_to_string(root().join("tests/abi/symbols.txt")).unwrap();
    let committed: BTreeSet<String> = committed.lines().map(str::to_owned).collect();
    assert_eq!(elf::exported(&Library::Release.shared()), committed, "the shared object against symbols.txt");
    let header = root().join("include/firehose.h");
    assert_eq!(elf::declared(&header), committed, "the header against symbols.txt");
}

#[test]
fn the_layout_of_public_structs_never_changes() {
    let ran = Run::built("layout.c", Library::Release, How::Plain).pass();
    let committed = std::fs::read_to_string(root().join("tests/abi/layout.txt")).unwrap();
    assert_eq!(ran.stdout, committed);
}

#[test]
fn the_shared_object_is_a_good_neighbour() {
    let shared = Library::Release.shared();
    let dynamic = elf::readelf("-d", &shared);
    assert!(dynamic.contains("Library soname: [libfirehose.so.1]"), "{dynamic}");
    let needed: BTreeSet<&str> = dynamic
        .lines()
        .filter(|line| line.contains("(NEEDED)"))
        .filter_map(|line| Some(line.split_once('[')?.1.split_once(']')?.0))
        .collect();
    let allowed = BTreeSet::from(["libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2"]);
    assert!(needed.is_subset(&allowed), "needs {needed:?}");
    println!("needed {needed:?}");
    assert!(dynamic.contains("NODELETE"), "{dynamic}");
    assert!(dynamic.contains("BIND_NOW") || dynamic.contains("Flags: NOW"), "{dynamic}");
    for bad in ["TEXTREL", "STATIC_TLS", "RPATH", "RUNPATH"] {
        assert!(!dynamic.contains(bad), "{bad}: {dynamic}");
    }
    let segments = elf::readelf("-l", &shared);
    let stack = segments.lines().find(|line| line.contains("GNU_STACK")).unwrap();
    assert!(stack.contains("RW ") && !stack.contains("RWE"), "{stack}");
    assert!(segments.contains("GNU_RELRO"), "{segments}");
    let size = std::fs::metadata(&shared).unwrap().len();
    println!("shared_object_bytes {size}");
    assert!(!elf::readelf("-S", &shared).contains(".symtab"), "not stripped");
    // A program asks for the soname, not for the name of the file.
    let program = elf::readelf("-d", &program("layout.c", Library::Release, How::Plain));
    assert!(!program.contains("libfirehose") || program.contains("[libfirehose.so.1]"), "{program}");
}
