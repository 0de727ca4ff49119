//! Sources of keys in odd surroundings: processes in hosts that ignore or reap their children, variables that are no
//! text; and what `describe` says of where everything came from.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::build::scratch;
use support::cloud::{iso, now, temporary};
use support::run::{Ran, Run};
use support::web::{Reply, Web};

const STATUS_OK: u64 = 0;
const CREDENTIALS_FAILED: u64 = 4;
const TIMEOUT: u64 = 12;

fn home(name: &str, config: &str) -> PathBuf {
    let home = scratch().join(format!("{name}-home"));
    std::fs::create_dir_all(home.join(".aws")).unwrap();
    std::fs::write(home.join(".aws/config"), config).unwrap();
    home
}

fn with_process(name: &str, mode: &str, command: &str, server: &firehose_local::Server) -> Ran {
    let config = format!("[default]\nregion = us-east-1\ncredential_process = {command}\n");
    Run::new("children.c")
        .env("HOME", home(&format!("{name}-{mode}"), &config))
        .env("FIREHOSE_TEST_ENDPOINT", server.endpoint())
        .arg(mode)
        .pass()
}

fn server() -> firehose_local::Server {
    firehose_local::Server::start(firehose_local::Options {
        keys: vec![temporary("ASIAPROCESS", "process-secret", "process-token")],
        streams: vec!["test".into()],
        ..firehose_local::Options::default()
    })
    .unwrap()
}

fn says(ran: &Ran, status: u64, words: &[&str]) {
    assert_eq!(ran.count("status"), status, "{}", ran.stdout);
    for word in words {
        assert!(ran.stdout.contains(word), "no \"{word}\" in {}", ran.stdout);
    }
}

#[test]
fn a_process_gives_keys_however_the_host_treats_its_children() {
    let server = server();
    let script = scratch().join("keys.sh");
    let keys = json!({"Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "process-secret",
                      "SessionToken": "process-token", "Expiration": iso(now() + 3600)});
    std::fs::write(&script, format!("sleep 0.1\necho some words >&2\ncat <<E\n{keys}\nE\n")).unwrap();
    let good = format!("sh '{}'", script.display());
    for (number, mode) in ["plain", "ignore", "handler", "thread"].into_iter().enumerate() {
        says(&with_process("keys", mode, &good, &server), STATUS_OK, &[]);
        assert_eq!(server.records("test").len(), number + 1, "{mode}");
        // Its last words are told, whether or not the host has taken its status away.
        let bad = "sh -c 'echo no luck today >&2; exit 3'";
        says(
            &with_process("bad", mode, bad, &server),
            CREDENTIALS_FAILED,
            &["no luck today", "profile default"],
        );
        // What hangs is stopped in time, and is not left behind.
        let ran = with_process("hangs", mode, "sh -c 'echo the code, please >&2; exec sleep 1000'", &server);
        says(&ran, TIMEOUT, &["the code, please", "was stopped"]);
        assert!(ran.number("put_ms") < 3500.0, "{}", ran.stdout);
    }
    let ran = with_process("piped", "plain", "echo 1 | cat", &server);
    says(&ran, CREDENTIALS_FAILED, &["without a shell", "sh -c"]);
}

#[test]
fn a_variable_that_is_no_text_is_refused_by_name() {
    let garbled = || OsString::from_vec(b"caf\xe9".to_vec());
    for name in
        ["AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_EC2_METADATA_DISABLED"]
    {
        let ran = Run::new("put.c").env(name, garbled()).pass();
        let call = ran.calls().remove(0);
        assert_eq!(call.status, "INVALID_ARGUMENT", "{name}: {call:?}");
        assert!(call.message.contains(name) && call.message.contains("UTF-8"), "{name}: {call:?}");
        assert!(!ran.stdout.contains("caf"), "{}", ran.stdout);
    }
    // What nobody asks for may be anything.
    let run = Run::new("put.c").env("LS_COLORS", garbled()).env("AWS_REGION", "us-east-1");
    assert_eq!(run.pass().calls()[0].status, "NO_CREDENTIALS");
}

fn of(described: &Value, setting: &str) -> (Value, String) {
    let setting = &described["settings"][setting];
    (setting["value"].clone(), setting["source"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn describe_answers_what_a_person_asks_at_night() {
    let sts = Web::start(|_| {
        Reply::xml(format!(
            "<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>ASIAPROCESS</AccessKeyId>\
             <SecretAccessKey>process-secret</SecretAccessKey><SessionToken>process-token</SessionToken>\
             <Expiration>{}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>",
            iso(now() + 3600)
        ))
    });
    let server = server();
    let config = format!(
        "[profile night]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = base\n\
         retry_mode = adaptive\nmax_attempts = 4\nsdk_ua_app_id = night-watch\nservices = local\n\
         [services local]\nfirehose =\n  endpoint_url = {}\nsts =\n  endpoint_url = {}\n",
        server.endpoint(),
        sts.url()
    );
    let home = home("night", &config);
    let keys = "[base]\naws_access_key_id = AKIDBASE\naws_secret_access_key = base-secret\n[night]\nca_bundle = /x.pem\n";
    std::fs::write(home.join(".aws/credentials"), keys).unwrap();
    let run = || {
        Run::new("put.c")
            .env("HOME", &home)
            .env("AWS_PROFILE", "night")
            .env("HTTP_PROXY", "http://u:pass@127.0.0.1:1")
    };
    let ran = run()
        .env("NO_PROXY", "127.0.0.0/8")
        .args(&["--describe", "read_timeout_ms=9000", "use_fips=false"])
        .pass();
    assert_eq!(ran.calls()[0].status, "OK", "{:?}", ran.calls());
    let told = ran.described();
    println!("{told:#}");

    let (config, credentials) = (home.join(".aws/config"), home.join(".aws/credentials"));
    let from = |file: &PathBuf| format!("profile night in {}", file.display());
    let services = format!("[services local] for {}", from(&config));
    for (setting, value, source) in [
        ("region", json!("us-east-1"), from(&config)),
        ("endpoint", json!(server.endpoint()), services),
        ("retry_mode", json!("adaptive"), from(&config)),
        ("max_attempts", json!("4"), from(&config)),
        ("app_id", json!("night-watch"), from(&config)),
        ("ca_bundle", json!("/x.pem"), from(&credentials)),
        ("profile", json!("night"), "AWS_PROFILE".into()),
        ("config_file", json!(config), "default".into()),
        ("credentials_file", json!(credentials), "default".into()),
        ("proxy", json!("http://127.0.0.1:1"), "HTTP_PROXY".into()),
        ("no_proxy", json!("127.0.0.0/8"), "NO_PROXY".into()),
        ("read_timeout_ms", json!("9000"), "option".into()),
        ("use_fips", json!("false"), "option".into()),
        ("connect_timeout_ms", json!("3100"), "default".into()),
        ("operation_timeout_ms", json!("120000"), "default".into()),
        ("use_dualstack", json!("false"), "default".into()),
    ] {
        assert_eq!(of(&told, setting), (value, source), "{setting}");
    }
    let shown = &told["credentials"];
    let source = shown["source"].as_str().unwrap();
    assert!(source.contains("role of profile night") && source.contains("profile base"), "{source}");
    assert_eq!(shown["access_key_id"], "…CESS");
    assert!((now() + 3500..=now() + 3600).contains(&shown["expires_at"].as_i64().unwrap()), "{shown}");
    assert_eq!(
        (&shown["error"], shown["passed_over"].as_array().unwrap().len()),
        (&Value::Null, 2),
        "{shown}"
    );
    assert_eq!(told["endpoint"], format!("{}/", server.endpoint()));
    assert!(told["clock_skew_ms"].as_i64().unwrap().abs() < 5000, "{told}");
    for secret in ["process-secret", "process-token", "base-secret", "ASIAPROCESS", "AKIDBASE", "pass@"] {
        assert!(!ran.stdout.contains(secret), "{secret} in {}", ran.stdout);
    }

    // The roots where there is TLS, and why there are no keys.
    let bare = Run::new("put.c").env("AWS_REGION", "eu-west-1").args(&["--count", "0", "--describe"]).pass();
    let told = bare.described();
    assert!(told["roots"].as_str().unwrap().len() > 5, "{told}");
    assert_eq!(told["endpoint"], "https://firehose.eu-west-1.amazonaws.com/");
    let passed: Vec<&str> = told["credentials"]["passed_over"]
        .as_array()
        .unwrap()
        .iter()
        .map(|why| why.as_str().unwrap())
        .collect();
    for (why, words) in passed.iter().zip([
        "options",
        "AWS_ACCESS_KEY_ID",
        "profile default",
        "WEB_IDENTITY",
        "CONTAINER",
        "METADATA_DISABLED",
    ]) {
        assert!(why.contains(words), "{passed:?}");
    }
    assert_eq!(passed.len(), 6, "{passed:?}");
}
