//! firehose-pipe as it is used: at the end of a pipe, behind files that grow and are rotated, killed and started again.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use support::build::{How, Library, scratch};
use support::run::Run;
use support::server::Server;

fn pipe(server: &Server) -> Run {
    Run::built("../../examples-c/pipe", Library::Release, How::Plain)
        .against(server.http())
        .env("AWS_ENDPOINT_URL_FIREHOSE", server.http())
        .limit(120)
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let path = scratch().join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// Until as many records have arrived as there are lines, or for so long that the check of which are missing tells more.
fn wait_for(server: &Server, count: u32) {
    let end = Instant::now() + Duration::from_secs(20);
    while (server.count("records") < u64::from(count) || server.lines().len() < count as usize)
        && Instant::now() < end
    {
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Ends it kindly; gives what it said.
fn end(child: Child) -> String {
    signal(&child, "-TERM");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{}: {said}", output.status);
    said
}

/// A writer of numbered lines, as a program with a log file is one.
struct Writer {
    path: PathBuf,
    file: File,
    next: u32,
}

impl Writer {
    fn new(path: PathBuf) -> Writer {
        let file = Writer::open(&path);
        Writer { path, file, next: 0 }
    }

    fn open(path: &Path) -> File {
        OpenOptions::new().create(true).append(true).open(path).unwrap()
    }

    fn write(&mut self, count: u32) {
        for _ in 0..count {
            let line = format!("line {:06} {}\n", self.next, "x".repeat((self.next % 90) as usize));
            // A line comes in two parts sometimes.
            let (head, tail) = line.split_at(if self.next.is_multiple_of(7) { 5 } else { 0 });
            self.file.write_all(head.as_bytes()).unwrap();
            self.file.write_all(tail.as_bytes()).unwrap();
            self.next += 1;
        }
    }

    fn rotated(&self, number: u32) -> PathBuf {
        PathBuf::from(format!("{}.{number}", text(&self.path)))
    }

    fn shift(&self, keep: u32) {
        for number in (1..keep).rev() {
            let _ = fs::rename(self.rotated(number), self.rotated(number + 1));
        }
    }

    /// As logrotate does by default: the file is moved, and its writer is told afterwards.
    fn rename(&mut self) {
        self.shift(5);
        fs::rename(&self.path, self.rotated(1)).unwrap();
        self.write(20);
        std::thread::sleep(Duration::from_millis(30));
        self.write(20);
        self.file = Writer::open(&self.path);
    }

    /// As logrotate does with copytruncate, between two lines.
    fn copy_and_truncate(&mut self) {
        self.shift(5);
        fs::copy(&self.path, self.rotated(1)).unwrap();
        self.file.set_len(0).unwrap();
    }
}

/// Every line arrived, and none of them twice.
fn check(server: &Server, count: u32, doubled: u32) {
    let lines = server.lines();
    let mut missing: Vec<u32> = (0..count).collect();
    missing.retain(|n| !lines.contains_key(&format!("line {n:06} {}", "x".repeat((n % 90) as usize))));
    assert!(
        missing.is_empty(),
        "{} lines are missing: {:?}",
        missing.len(),
        &missing[..missing.len().min(20)]
    );
    assert_eq!(lines.len(), count as usize, "a line is not one that was written");
    let copies: u32 = lines.values().sum();
    assert!(copies - count <= doubled, "{} lines came twice", copies - count);
}

#[test]
fn lines_of_stdin_arrive_whatever_fails() {
    let server = Server::with(&json!([
        {"kind": "error", "probability": 0.05}, {"kind": "throttle_records", "fraction": 0.3, "probability": 0.1},
    ]));
    let path = folder("stdin").join("lines");
    let mut writer = Writer::new(path.clone());
    writer.write(50_000);
    // Without an end, longer than a record can be, empty.
    writer.file.write_all(&vec![b'y'; 1_500_000]).unwrap();
    writer.file.write_all(b"\n\nlast").unwrap();
    let ran = pipe(&server).args(&["--linger", "5", "test"]).stdin(&path).finish();
    assert_eq!(ran.status.code(), Some(1), "a line was skipped: {}", ran.stderr);
    assert!(
        ran.stderr.contains("longer than a record") && ran.stderr.contains("50002 delivered"),
        "{}",
        ran.stderr
    );
    let mut lines = server.lines();
    assert!(lines.remove("last").is_some() && lines.remove("").is_some());
    assert_eq!(lines.len(), 50_000);
}

#[test]
fn files_are_followed_through_rotation_by_rename() {
    let (server, folder) = (Server::start(), folder("rename"));
    let mut writer = Writer::new(folder.join("app.log"));
    let child = pipe(&server).args(&["--from-start", "--linger", "5", "test", text(&writer.path)]).start();
    for _ in 0..12 {
        writer.write(500);
        std::thread::sleep(Duration::from_millis(150));
        writer.rename();
        writer.write(300);
        // So that no two rotations come within one look at the file.
        std::thread::sleep(Duration::from_millis(400));
    }
    wait_for(&server, writer.next);
    println!("{}", end(child));
    check(&server, writer.next, 0);
}

#[test]
fn files_are_followed_through_copytruncate() {
    let (server, folder) = (Server::start(), folder("truncate"));
    let mut writer = Writer::new(folder.join("app.log"));
    let child = pipe(&server).args(&["--from-start", "--linger", "5", "test", text(&writer.path)]).start();
    // What was cut off before it was looked at for the first time is nobody's.
    writer.write(10);
    wait_for(&server, writer.next);
    for round in 0..12 {
        writer.write(500);
        std::thread::sleep(Duration::from_millis(if round % 2 == 0 { 150 } else { 0 }));
        // Lines that were not read yet when the file is cut off are read from its copy.
        writer.write(300);
        writer.copy_and_truncate();
        writer.write(if round % 3 == 0 { 2000 } else { 10 });
        std::thread::sleep(Duration::from_millis(400));
    }
    wait_for(&server, writer.next);
    println!("{}", end(child));
    check(&server, writer.next, 0);
}

#[test]
fn it_goes_on_where_it_was_after_sigterm_and_after_kill() {
    let (server, folder) = (Server::start(), folder("restart"));
    let mut writer = Writer::new(folder.join("app.log"));
    let spool = folder.join("spool");
    let arguments =
        ["--from-start", "--linger", "5", "--spool", text(&spool), "test", text(&writer.path.clone())]
            .map(str::to_owned);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut killed = 0;
    for round in 0..8 {
        let child = pipe(&server).args(&arguments).start();
        writer.write(2000);
        std::thread::sleep(Duration::from_millis(500));
        writer.write(500);
        if round % 2 == 0 {
            end(child);
        } else {
            signal(&child, "-KILL");
            let _ = { child }.wait();
            killed += 1;
        }
        // Rotated while nobody looks, once or twice.
        writer.write(100);
        match round % 4 {
            0 => writer.rename(),
            1 => writer.copy_and_truncate(),
            2 => {
                writer.rename();
                writer.write(50);
                writer.rename();
            }
            _ => {}
        }
    }
    let child = pipe(&server).args(&arguments).start();
    wait_for(&server, writer.next);
    println!("{}", end(child));
    // What came after the position that was kept last comes again after a kill: up to half a round.
    check(&server, writer.next, killed * 3000);
}

#[test]
fn metrics_are_whole_whenever_they_are_read() {
    let (server, folder) = (Server::start(), folder("metrics"));
    let metrics = folder.join("firehose.prom");
    let mut writer = Writer::new(folder.join("lines"));
    writer.write(1000);
    let ran = pipe(&server).args(&["--metrics", text(&metrics), "test"]).stdin(&writer.path).finish();
    assert!(ran.status.success(), "{}", ran.stderr);
    let told = fs::read_to_string(&metrics).unwrap();
    assert!(told.contains("firehose_pipe_delivered_lines_total{stream=\"test\"} 1000\n"), "{told}");
    for line in told.lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.split_once("{stream=\"test\"} ").unwrap();
        assert!(told.contains(&format!("# TYPE {name} ")) && value.parse::<u64>().is_ok(), "{line}");
    }
    assert!(!metrics.with_extension("prom.tmp").exists());
}

#[test]
fn what_is_wrong_is_told_with_a_status() {
    let server = Server::start();
    let status = |arguments: &[&str]| {
        let ran = pipe(&server).args(arguments).finish();
        (ran.status.code(), ran.stdout + &ran.stderr)
    };
    let (code, said) = status(&["--help"]);
    assert!(code == Some(0) && said.contains("--aggregate") && said.contains("Exit status"), "{said}");
    assert_eq!(status(&["--version"]), (Some(0), format!("firehose-pipe {}\n", env!("CARGO_PKG_VERSION"))));
    for wrong in [&[][..], &["--rate", "x", "test"], &["--set", "nothing=1", "test"], &["--once", "test"]] {
        let (code, said) = status(wrong);
        assert!(code == Some(2) && !said.is_empty(), "{wrong:?}: {said}");
    }
    let path = folder("wrong").join("lines");
    fs::write(&path, "one\n").unwrap();
    let ran = pipe(&server).arg("nowhere").stdin(&path).finish();
    assert!(
        ran.status.code() == Some(1) && ran.stderr.contains("ResourceNotFoundException"),
        "{}",
        ran.stderr
    );
}
