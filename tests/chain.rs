//! Where credentials are found: each recorded scenario of the default chain, through the C border, against what was
//! recorded of IMDS, ECS, EKS, STS and SSO, each under its own address; then the put is signed with what was found.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use support::build::{How, Library, scratch};
use support::cloud::{self, Cloud};
use support::namespace::inside;
use support::root;
use support::run::Run;
use support::web::{Reply, Seen};

/// Everything recorded expires after this moment: the client is made to believe that it is now.
const THEN: i64 = 1_234_567_890 - 1800;

/// A request that was recorded and its answer.
struct Step {
    what: String,
    action: Option<String>,
    status: u16,
    body: String,
}

fn scenarios() -> Option<PathBuf> {
    let place = std::env::var_os("FIREHOSE_CONFORMANCE")
        .map_or_else(|| root().join("../shared/conformance"), Into::into);
    let chain = place.join("chain");
    if !chain.is_dir() {
        assert!(
            std::env::var_os("CI").is_none(),
            "the vectors are needed and are not in {}",
            place.display()
        );
        println!("skipped: the vectors are not in {}", place.display());
        return None;
    }
    Some(chain)
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// An address with a path, and with the parts of its query in order.
fn normal(what: &str) -> String {
    let (address, query) = what.split_once('?').unwrap_or((what, ""));
    let path = if address.matches('/').count() == 2 { "/" } else { "" };
    let mut parts: Vec<&str> = query.split('&').filter(|part| !part.is_empty()).collect();
    parts.sort_unstable();
    format!("{address}{path}?{}", parts.join("&"))
}

fn action_of(body: &str) -> Option<String> {
    body.split('&').find_map(|field| field.strip_prefix("Action=")).map(str::to_owned)
}

fn recorded(traffic: &Value) -> VecDeque<Step> {
    let mut steps: BTreeMap<u64, Step> = BTreeMap::new();
    for event in traffic["events"].as_array().unwrap() {
        let (id, action) = (event["connection_id"].as_u64().unwrap(), &event["action"]);
        if let Some(request) = action.get("Request") {
            let request = &request["request"];
            let what =
                format!("{} {}", request["method"].as_str().unwrap(), request["uri"].as_str().unwrap());
            steps.insert(id, Step { what: normal(&what), action: None, status: 0, body: String::new() });
        } else if let Some(response) = action.get("Response") {
            let status = response["response"]["Ok"]["status"].as_u64().unwrap();
            steps.get_mut(&id).unwrap().status = u16::try_from(status).unwrap();
        } else if let Some(data) = action.get("Data") {
            let (step, text) = (steps.get_mut(&id).unwrap(), data["data"]["Utf8"].as_str().unwrap());
            match data["direction"].as_str().unwrap() {
                "Request" => step.action = action_of(text),
                _ => step.body.push_str(text),
            }
        }
    }
    steps.into_values().collect()
}

/// A copy of the scenario's files, in which what lay at the root of the file system lies where the copy is. The
/// command lines were made for a shell, and the library runs none by itself.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (path, place) = (entry.path(), to.join(entry.file_name()));
        if path.is_dir() {
            copy(&path, &place);
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().map(|line| match line.strip_prefix("credential_process = ") {
            Some(command) => format!("credential_process = sh -c '{command}'\n"),
            None => format!("{line}\n"),
        });
        std::fs::write(&place, lines.collect::<String>()).unwrap();
    }
}

fn replace_root(folder: &Path, at: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            replace_root(&path, at);
        } else {
            let text = std::fs::read_to_string(&path).unwrap();
            let token = at.join("token.jwt").display().to_string();
            std::fs::write(&path, text.replace("= /token.jwt", &format!("= {token}"))).unwrap();
        }
    }
}

#[derive(Clone, Default)]
struct Script(Arc<Mutex<VecDeque<Step>>>);

impl Script {
    fn answer(&self, seen: &Seen) -> Reply {
        let mut steps = self.0.lock().unwrap();
        let fits = |step: &&Step| step.what == normal(&seen.what()) && step.action == action_of(&seen.body);
        if steps.front().filter(fits).is_none() {
            return Reply::error(599);
        }
        let step = steps.pop_front().unwrap();
        Reply::Answer(step.status, "text/plain", step.body)
    }
}

/// Where a scenario's put goes: what it says, or a region that is added because it says nothing.
fn region(name: &str) -> (&'static str, bool) {
    match name {
        "environment_variables_blank" | "profile_name" | "profile-region_override" => ("us-east-2", false),
        "sso_assume_role" => ("us-west-2", false),
        "profile-credential_process"
        | "profile-credential_process_failure"
        | "profile_overrides_web_identity" => ("us-east-1", true),
        _ => ("us-east-1", false),
    }
}

/// What a message must speak of where a scenario has no credentials.
fn failure(name: &str) -> &'static [&'static str] {
    match name {
        "imds_no_iam_role" => &["IMDS", "no role"],
        "profile_overrides_web_identity" => &["Environment", "AWS_ACCESS_KEY_ID"],
        "profile-credential_process_failure" => &["credential_process", "1"],
        other => panic!("{other} is to fail, and nobody knows how"),
    }
}

fn plays(folder: &Path, cloud: &Cloud, script: &Script) {
    let name = folder.file_name().unwrap().to_str().unwrap();
    let (case, steps) =
        (read(&folder.join("test-case.json")), recorded(&read(&folder.join("http-traffic.json"))));
    let expected: Vec<String> = steps.iter().map(|step| step.what.clone()).collect();
    *script.0.lock().unwrap() = steps;
    cloud.take();

    let place = scratch().join(name);
    let _ = std::fs::remove_dir_all(&place);
    copy(&folder.join("fs"), &place);
    replace_root(&place, &place);

    let found = &case["result"]["Ok"];
    let text = |member: &str| found[member].as_str().unwrap_or_default();
    let key = match found["session_token"].as_str() {
        Some(token) => cloud::temporary(text("access_key_id"), text("secret_access_key"), token),
        None if found.is_object() => {
            firehose_local::Key::new(text("access_key_id"), text("secret_access_key"))
        }
        None => firehose_local::Key::new("NOBODY", "nothing"),
    };
    let (region, added) = region(name);
    let offset = THEN - cloud::now();
    let firehose = cloud::firehose(region, key, offset);

    let mut run = Run::built("put.c", Library::Checked, How::Plain)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_CA_BUNDLE", cloud.bundle(name, &firehose))
        .args(&["--describe", "max_attempts=1", "operation_timeout_ms=20000"])
        .arg(format!("test.clock_offset_ms={}", offset * 1000));
    if added {
        run = run.env("AWS_REGION", region);
    }
    for (variable, value) in read(&folder.join("env.json")).as_object().unwrap() {
        let value = value.as_str().unwrap();
        run = match variable.as_str() {
            "HOME" => run.env("HOME", place.join("home")),
            // The scenarios of this name were recorded of the profile alone; in the chain the environment comes first.
            _ if name.starts_with("profile-") && variable.contains("ACCESS_KEY") => run,
            _ if value == "/token.jwt" => run.env(variable, place.join("token.jwt")),
            _ => run.env(variable, value),
        };
    }
    let ran = run.pass();
    let call = ran.calls().remove(0);
    let asked: Vec<String> = cloud.take().iter().map(|seen| normal(&seen.what())).collect();
    println!("{name}: {} {} {asked:?}", call.status, call.message);

    assert_eq!(asked, expected, "{name}: {call:?}");
    if found.is_object() {
        assert_eq!(call.status, "OK", "{name}: {call:?}");
        assert_eq!(firehose.records("test"), [b"record".to_vec()], "{name}");
        let described = ran.described();
        let shown = &described["credentials"];
        let tail = text("access_key_id").chars().rev().take(4).collect::<Vec<_>>();
        let tail: String = tail.into_iter().rev().collect();
        assert!(shown["access_key_id"].as_str().unwrap().ends_with(&tail), "{name}: {shown}");
        assert_eq!(shown["expires_at"], found["expiry"], "{name}: {shown}");
        for secret in [text("secret_access_key"), text("session_token")] {
            assert!(secret.is_empty() || !ran.stdout.contains(secret), "{name}: {}", ran.stdout);
        }
    } else {
        assert_eq!(call.status, "CREDENTIALS_FAILED", "{name}: {call:?}");
        for word in failure(name) {
            assert!(call.message.contains(word), "{name}: no \"{word}\" in {}", call.message);
        }
    }
}

#[test]
fn every_recorded_scenario_ends_as_recorded() {
    let Some(folder) = scenarios() else { return };
    if !inside("every_recorded_scenario_ends_as_recorded", Library::Checked) {
        return;
    }
    let script = Script::default();
    let answers = script.clone();
    let cloud = Cloud::start(move |seen| answers.answer(seen));
    let mut folders: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 17, "{folders:?}");
    // All of them are played before any of them counts as failed.
    let failed: Vec<PathBuf> = folders
        .into_iter()
        .filter(|folder| {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| plays(folder, &cloud, &script))).is_err()
        })
        .collect();
    assert!(failed.is_empty(), "these ended otherwise: {failed:#?}");
}
