//! The spool through the C ABI: processes that are killed at any instant, servers that are down, disks that are full.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use support::build::Library;
use support::namespace::inside;
use support::run::{Ran, Run};
use support::server::Server;

/// Records of a call, and calls at once: their product is what can be in flight at a kill.
const RECORDS: u32 = 100;
const CALLS: u32 = 2;
const KILLS: u32 = 200;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let path = std::env::temp_dir().join(format!(
            "firehose-test-spool-{}-{:?}",
            std::process::id(),
            std::thread::current().id()
        ));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    fn name(&self) -> String {
        self.0.join("spool").to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn options() -> [String; 4] {
    [
        format!("producer.batch_records={RECORDS}"),
        format!("producer.max_in_flight={CALLS}"),
        "producer.linger_ms=2".to_owned(),
        "producer.spool_bytes=33554432".to_owned(),
    ]
}

fn spool(server: &Server, mode: &str, dir: &str) -> Run {
    let options = options();
    let mut arguments = vec![mode, dir];
    arguments.extend(options.iter().map(String::as_str));
    Run::new("spool.c").http(server).args(&arguments).limit(300)
}

/// Every put that had answered with OK has arrived; gives how many arrived more than once.
fn check(ran: &Ran, arrived: &HashMap<String, u32>) -> u32 {
    let mut puts = 0_u64;
    for line in ran.stdout.lines() {
        let Some(rest) = line.strip_prefix("ok ") else { continue };
        let numbers: Vec<u32> = rest.split(' ').map(|number| number.parse().unwrap()).collect();
        for n in 0..numbers[2] {
            let line = format!("line-{}-{}-{n}\n", numbers[0], numbers[1]);
            assert!(arrived.contains_key(&line), "{line} is lost");
            puts += 1;
        }
    }
    assert_eq!(puts, ran.count("puts"));
    assert!(arrived.keys().all(|line| line.starts_with("line-") && line.split('-').count() == 4));
    let doubled: u32 = arrived.values().map(|copies| copies - 1).sum();
    println!("{puts} puts had answered with OK, {} arrived, {doubled} of them doubled", arrived.len());
    doubled
}

fn killed_under(faults: &Value) {
    let (server, folder) = (Server::with(faults), Folder::new());
    let ran = spool(&server, "kills", &folder.name()).env("FIREHOSE_TEST_KILLS", KILLS.to_string()).pass();
    let drained = spool(&server, "drain", &folder.name()).pass();
    println!("{}", drained.stdout);
    let doubled = check(&ran, &server.arrived());
    assert!(doubled <= KILLS * RECORDS * CALLS, "{doubled} records were doubled");
    assert!(ran.count("puts") > 10_000);
}

#[test]
fn nothing_is_lost_when_processes_are_killed_200_times() {
    killed_under(&json!([]));
}

#[test]
fn nothing_is_lost_when_processes_are_killed_200_times_and_the_server_fails() {
    // Those that do not keep what they refuse: other faults double records by themselves.
    killed_under(&json!([
        {"kind": "throttle_records", "fraction": 0.3, "probability": 0.1},
        {"kind": "error", "probability": 0.05}, {"kind": "reset_before", "probability": 0.03},
        {"kind": "delay", "ms": 5, "probability": 0.3},
    ]));
}

#[test]
fn what_is_left_is_there_for_the_next() {
    let (silent, folder) = (TcpListener::bind("127.0.0.1:0").unwrap(), Folder::new());
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    Run::new("spool.c").against(endpoint).args(&["basics", &folder.name()]).pass();
}

#[test]
fn each_child_has_a_folder_of_its_own_and_the_next_producer_delivers_what_one_leaves() {
    let (server, folder) = (Server::start(), Folder::new());
    let dir = format!("{}-%p", folder.name());
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", silent.local_addr().unwrap());
    Run::new("spool.c").against(endpoint).args(&["children", &dir]).pass();
    let ran = Run::new("spool.c").http(&server).args(&["drain", &dir]).pass();
    assert_eq!(ran.count("recovered"), 5, "{}", ran.stdout);
    let mut arrived: Vec<String> = server.arrived().into_keys().collect();
    arrived.sort();
    let arrived: Vec<&str> = arrived.iter().map(|line| line.trim_end()).collect();
    assert_eq!(arrived, ["child-0", "child-1", "child-2", "child-3", "parent"]);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 0, "drained folders are gone");
}

/// The server is down for the first and the last third of the run, and then comes back.
fn killed_while_the_server_is_away(folder: &Folder, full: bool) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let arguments = ["producer.spool_bytes=8388608"];
    let run = |mode: &str| {
        let options = options();
        let dir = folder.name();
        let mut given = vec![mode, dir.as_str()];
        given.extend(options.iter().map(String::as_str).chain(arguments));
        Run::new("spool.c").against(format!("http://{address}")).args(&given).limit(300)
    };
    let kills = run("kills").env("FIREHOSE_TEST_KILLS", KILLS.to_string());
    let running = std::thread::spawn(move || kills.pass());
    // 200 children that live 32 ms in the middle.
    std::thread::sleep(Duration::from_millis(2200));
    if full {
        let free = Command::new("df").args(["--output=avail", folder.0.to_str().unwrap()]).output().unwrap();
        let text = String::from_utf8_lossy(&free.stdout).into_owned();
        let left: u64 = text.lines().last().unwrap().trim().parse().unwrap();
        assert!(left < 1024, "the disk has room for another segment: {text}");
    }
    assert!(!running.is_finished());
    let server = Server::at(&address);
    std::thread::sleep(Duration::from_millis(2200));
    assert!(!running.is_finished());
    // What it has is counted once it takes no more.
    server.faults(&json!([{"kind": "reset_before"}]));
    std::thread::sleep(Duration::from_millis(200));
    let mut arrived = server.arrived();
    println!("{} arrived in the middle", arrived.len());
    assert!(!arrived.is_empty());
    drop(server);
    let ran = running.join().unwrap();
    let server = Server::at(&address);
    println!("{}", run("drain").pass().stdout);
    for (line, copies) in server.arrived() {
        *arrived.entry(line).or_insert(0) += copies;
    }
    // Besides what the kills doubled there is what was on its way when the server went.
    assert!(check(&ran, &arrived) <= (KILLS + 1) * RECORDS * CALLS);
}

#[test]
fn nothing_is_lost_when_the_server_is_away_for_two_thirds() {
    killed_while_the_server_is_away(&Folder::new(), false);
}

#[test]
fn nothing_is_lost_when_the_disk_is_full() {
    if !inside("nothing_is_lost_when_the_disk_is_full", Library::Release) {
        return;
    }
    let folder = Folder::new();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=3m,mode=700", "none", folder.0.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(mounted.success());
    killed_while_the_server_is_away(&folder, true);
    assert!(Command::new("umount").arg(&folder.0).status().unwrap().success());
}
