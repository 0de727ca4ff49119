//! The published vectors of the shared files, of roles and of endpoints, from a C program: what the client says of
//! itself, and what it asks other servers for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use support::build::{How, Library, scratch};
use support::cloud::{iso, now};
use support::root;
use support::run::{Call, Run};
use support::web::{Reply, Seen, Web};

fn vectors(name: &str) -> Option<Value> {
    let place = std::env::var_os("FIREHOSE_CONFORMANCE")
        .map_or_else(|| root().join("../shared/conformance"), PathBuf::from)
        .join(name);
    let Ok(text) = std::fs::read_to_string(&place) else {
        assert!(std::env::var_os("CI").is_none(), "the vectors are needed: {}", place.display());
        println!("skipped: there is no {}", place.display());
        return None;
    };
    Some(serde_json::from_str(&text).unwrap())
}

/// Plays all before any of them counts as failed.
fn each(cases: &[Value], play: impl Fn(usize, &Value)) {
    let failed: Vec<usize> = (0..cases.len())
        .filter(|index| {
            let play = std::panic::AssertUnwindSafe(|| play(*index, &cases[*index]));
            std::panic::catch_unwind(play).is_err()
        })
        .collect();
    println!("{} cases played", cases.len());
    assert!(failed.is_empty(), "these ended otherwise: {failed:?}");
}

/// A folder of a case's own, empty.
fn folder(name: &str, index: usize) -> PathBuf {
    let folder = scratch().join(name).join(index.to_string());
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(folder.join(".aws/sso/cache")).unwrap();
    folder
}

/// What is understood of the files is asked of the library with its test hooks: in the one that ships nothing shows a
/// property that no setting has.
#[test]
fn shared_files_are_understood_as_published() {
    let Some(vectors) = vectors("profile/profile-parser-tests.json") else { return };
    let cases = vectors["tests"].as_array().unwrap();
    assert!(cases.len() >= 65, "only {} cases", cases.len());
    each(cases, |index, case| {
        let home = folder("parser", index);
        for (key, file) in [("configFile", "config"), ("credentialsFile", "credentials")] {
            if let Some(text) = case["input"][key].as_str() {
                std::fs::write(home.join(".aws").join(file), text).unwrap();
            }
        }
        let run = Run::built("put.c", Library::Checked, How::Plain).env("HOME", home);
        let run = run.args(&["--count", "0", "--describe", "test.files=true"]);
        if let Some(expected) = case["output"]["errorContaining"].as_str() {
            let call = run.pass().calls().remove(0);
            assert_eq!(call.status, "CREDENTIALS_FAILED", "{case}: {call:?}");
            assert!(call.message.contains(expected) && call.message.contains("line "), "{case}: {call:?}");
            return;
        }
        // With keys at hand half a profile is no error.
        let run = run.env("AWS_ACCESS_KEY_ID", "AKIDVECTORS").env("AWS_SECRET_ACCESS_KEY", "secret");
        let described = run.pass().described();
        let expected = &case["output"]["config"];
        let sessions = expected.get("sso_sessions").cloned().unwrap_or_else(|| json!({}));
        let expected = json!({"profiles": expected["profiles"], "sso_sessions": sessions});
        assert_eq!(described["files"], expected, "{case}");
    });
}

#[test]
fn files_are_looked_for_where_published() {
    let Some(vectors) = vectors("profile/file-location-tests.json") else { return };
    let cases: Vec<Value> = vectors["tests"].as_array().unwrap().clone();
    let (cases, others): (Vec<Value>, Vec<Value>) =
        cases.into_iter().partition(|case| case["platform"] == "linux");
    for other in others {
        println!("of another system: {}", other["name"]);
    }
    assert!(cases.len() >= 4, "only {} cases", cases.len());
    each(&cases, |_, case| {
        let mut run = Run::new("put.c").args(&["--count", "0", "--describe"]);
        // The profile is not there, and need not be where there are keys.
        run = run.env("AWS_ACCESS_KEY_ID", "AKIDVECTORS").env("AWS_SECRET_ACCESS_KEY", "secret");
        for (name, value) in case["environment"].as_object().unwrap() {
            run = run.env(name, value.as_str().unwrap());
        }
        let described = run.pass().described();
        let settings = &described["settings"];
        assert_eq!(settings["config_file"]["value"], case["configLocation"], "{case}: {settings}");
        assert_eq!(settings["credentials_file"]["value"], case["credentialsLocation"], "{case}: {settings}");
        if let Some(profile) = case["profile"].as_str() {
            assert_eq!(settings["profile"]["value"], profile, "{case}: {settings}");
        }
    });
}

/// A proxy sees the very address that the client wants to reach.
#[test]
fn endpoints_are_reached_as_published() {
    let Some(vectors) = vectors("endpoints/endpoint-tests.json") else { return };
    let cases = vectors["testCases"].as_array().unwrap();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let proxy = Web::start(|_| Reply::error(503));
    each(cases, |_, case| {
        let params = &case["params"];
        let mut run = Run::new("put.c")
            .env("AWS_ACCESS_KEY_ID", "AKIDVECTORS")
            .env("AWS_SECRET_ACCESS_KEY", "secret")
            .args(&["--describe", "max_attempts=1"])
            .arg(format!("proxy={}", proxy.url()));
        for (name, option) in [("Region", "region"), ("Endpoint", "endpoint")] {
            if let Some(value) = params[name].as_str() {
                run = run.arg(format!("{option}={value}"));
            }
        }
        for (name, option) in [("UseFIPS", "use_fips"), ("UseDualStack", "use_dualstack")] {
            run = run.arg(format!("{option}={}", params[name].as_bool().unwrap_or(false)));
        }
        let ran = run.pass();
        let call = ran.calls().remove(0);
        let asked = proxy.take();
        if let Some(expected) = case["expect"]["error"].as_str() {
            let missing = expected.contains("Missing Region");
            assert_eq!(
                call.status,
                if missing { "NO_REGION" } else { "INVALID_ARGUMENT" },
                "{case}: {call:?}"
            );
            assert!(missing || call.message.contains(expected), "{case}: {call:?}");
            assert!(asked.is_empty(), "{case}: {asked:?}");
            return;
        }
        let url = case["expect"]["endpoint"]["url"].as_str().unwrap();
        let host = url.strip_prefix("https://").unwrap();
        assert_eq!(ran.described()["endpoint"], format!("{url}/"), "{case}");
        assert_eq!(call.status, "CONNECT_FAILED", "{case}: {call:?}");
        let asked: Vec<String> =
            asked.iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect();
        assert_eq!(asked, [format!("CONNECT {host}:443")], "{case}");
    });
}

const TASK: [&str; 3] = ["ASIATASK", "task-secret", "task-token"];
const INSTANCE: [&str; 3] = ["ASIAINSTANCE", "instance-secret", "instance-token"];
const SESSION: [&str; 3] = ["ASIASESSION", "session-secret", "session-token"];

fn found([id, secret, token]: [&str; 3]) -> Value {
    json!({"Code": "Success", "AccessKeyId": id, "SecretAccessKey": secret, "Token": token,
           "Expiration": iso(now() + 3600)})
}

/// Every service that hands out keys, and Firehose. What it saw is kept, in order, as the published cases put it: the
/// first keys, then the roles.
#[derive(Clone, Default)]
struct Services(Arc<Mutex<Vec<Value>>>);

impl Services {
    fn note(&self, step: Value) {
        self.0.lock().unwrap().push(step);
    }

    fn role(seen: &Seen) -> Value {
        let mut step = json!({"role_arn": seen.field("RoleArn").unwrap()});
        let session = seen.field("RoleSessionName").unwrap();
        if !session.starts_with("libfirehose-") {
            step["role_session_name"] = session.into();
        }
        if let Some(id) = seen.field("ExternalId") {
            step["external_id"] = id.into();
        }
        step
    }

    fn answer(&self, seen: &Seen) -> Reply {
        let signer = seen.header("authorization").and_then(|value| {
            let rest = value.strip_prefix("AWS4-HMAC-SHA256 Credential=")?;
            rest.split('/').next().map(str::to_owned)
        });
        match (seen.field("Action").as_deref(), seen.target.as_str()) {
            (Some(action @ ("AssumeRole" | "AssumeRoleWithWebIdentity")), _) => {
                let role = Self::role(seen);
                match seen.field("WebIdentityToken") {
                    Some(token) => {
                        assert!(signer.is_none(), "{seen:?}");
                        self.note(json!({"WebIdentityToken": role, "token": token.trim()}));
                    }
                    None => self.note(json!({"AssumeRole": role, "by": signer})),
                }
                let id = format!("ASIA{}", role_name(&seen.field("RoleArn").unwrap()));
                Reply::xml(format!(
                    "<{action}Response><{action}Result><Credentials><AccessKeyId>{id}</AccessKeyId>\
                     <SecretAccessKey>role-secret</SecretAccessKey><SessionToken>role-token</SessionToken>\
                     <Expiration>{}</Expiration></Credentials></{action}Result></{action}Response>",
                    iso(now() + 3600)
                ))
            }
            (_, "/latest/api/token") => Reply::text("token"),
            (_, path) if path.ends_with("/a-role") => {
                self.note(json!({"NamedSource": "Ec2InstanceMetadata"}));
                Reply::json(found(INSTANCE))
            }
            (_, path) if path.contains("/security-credentials") => Reply::text("a-role"),
            (_, "/task") => {
                self.note(json!({"NamedSource": "EcsContainer"}));
                Reply::json(found(TASK))
            }
            (_, path) if path.starts_with("/federation/credentials?") => {
                let query = path.split_once('?').unwrap().1;
                let part = |name: &str| query.split('&').find_map(|part| part.strip_prefix(name)).unwrap();
                let token = seen.header("x-amz-sso_bearer_token").unwrap();
                self.note(json!({"Sso": {"sso_account_id": part("account_id="), "sso_role_name": part("role_name=")},
                                 "token": token}));
                let [id, secret, token] = SESSION;
                Reply::json(json!({"roleCredentials": {"accessKeyId": id, "secretAccessKey": secret,
                    "sessionToken": token, "expiration": (now() + 3600) * 1000}}))
            }
            _ => {
                self.note(json!({"put by": signer}));
                Reply::json(json!({"RecordId": "one", "Encrypted": false}))
            }
        }
    }
}

fn role_name(arn: &str) -> String {
    arn.rsplit('/').next().unwrap().to_ascii_uppercase()
}

/// What the services must have seen, for a chain as published.
fn expected(chain: &[Value]) -> Vec<Value> {
    let mut steps = Vec::new();
    let mut keys = String::new();
    for step in chain {
        let (kind, value) = step.as_object().unwrap().iter().next().unwrap();
        let mut step = step.clone();
        match kind.as_str() {
            "AccessKey" => {
                keys = value["access_key_id"].as_str().unwrap().to_owned();
                continue;
            }
            "NamedSource" => {
                keys = match value.as_str().unwrap() {
                    "Ec2InstanceMetadata" => INSTANCE[0].to_owned(),
                    "EcsContainer" => TASK[0].to_owned(),
                    other => panic!("{other} is not known"),
                };
            }
            "Sso" => {
                // The start URL leads to the file of the token.
                let token = value.get("sso_session").unwrap_or(&value["sso_start_url"]);
                let (account, role) = (&value["sso_account_id"], &value["sso_role_name"]);
                step = json!({"Sso": {"sso_account_id": account, "sso_role_name": role},
                              "token": format!("token-of-{}", file_of(token.as_str().unwrap()))});
                keys = SESSION[0].to_owned();
            }
            "AssumeRole" => {
                step = json!({"AssumeRole": value, "by": keys});
                keys = format!("ASIA{}", role_name(value["role_arn"].as_str().unwrap()));
            }
            "WebIdentityToken" => {
                let mut role = value.clone();
                role.as_object_mut().unwrap().remove("web_identity_token_file");
                step = json!({"WebIdentityToken": role, "token": "a.web.token"});
                keys = format!("ASIA{}", role_name(value["role_arn"].as_str().unwrap()));
            }
            other => panic!("{other} is not known"),
        }
        steps.push(step);
    }
    steps.push(json!({"put by": keys}));
    steps
}

/// The SHA-1 of what the published cases name; there is no other use for the algorithm here.
fn file_of(name: &str) -> &'static str {
    match name {
        "https://foo.bar" => "7c459196c60f9c8b83244ac9c88b673bfec5eece",
        "foo" => "0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33",
        other => panic!("what is the SHA-1 of {other}?"),
    }
}

/// The files of a case, with every path below `home`.
fn write_profiles(case: &Value, home: &std::path::Path) {
    let mut text = String::new();
    for (kind, sections) in
        [("profile", &case["input"]["profiles"]), ("sso-session", &case["input"]["sso_sessions"])]
    {
        for (name, keys) in sections.as_object().into_iter().flatten() {
            text.push_str(&format!("[{kind} {name}]\n"));
            for (key, value) in keys.as_object().unwrap() {
                let value = value.as_str().unwrap();
                let value = value.replace("/var/token.jwt", home.join("token.jwt").to_str().unwrap());
                text.push_str(&format!("{key} = {value}\n"));
            }
        }
    }
    std::fs::write(home.join(".aws/config"), text).unwrap();
    std::fs::write(home.join("token.jwt"), "a.web.token\n").unwrap();
    for name in ["https://foo.bar", "foo"] {
        let file = file_of(name);
        let token = json!({"accessToken": format!("token-of-{file}"), "expiresAt": iso(now() + 7200)});
        std::fs::write(home.join(".aws/sso/cache").join(format!("{file}.json")), token.to_string()).unwrap();
    }
}

#[test]
fn roles_are_assumed_as_published() {
    let Some(vectors) = vectors("profile/assume-role-tests.json") else { return };
    let cases = vectors.as_array().unwrap();
    assert!(cases.len() >= 28, "only {} cases", cases.len());
    let services = Services::default();
    let answers = services.clone();
    let web = Web::start(move |seen| answers.answer(seen));
    each(cases, |index, case| {
        let home = folder("roles", index);
        write_profiles(case, &home);
        services.0.lock().unwrap().clear();
        let ran = Run::new("put.c")
            .env("HOME", home)
            .env("AWS_PROFILE", case["input"]["selected_profile"].as_str().unwrap())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", web.url())
            .env("AWS_EC2_METADATA_DISABLED", "false")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", web.url())
            .env("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/task", web.url()))
            .arg("max_attempts=1")
            .pass();
        let call = ran.calls().remove(0);
        let seen = services.0.lock().unwrap().clone();
        match case["output"]["Error"].as_str() {
            Some(error) => fails(case, &call, error, &seen),
            None => ends(case, &call, &seen),
        }
    });
}

fn fails(case: &Value, call: &Call, error: &str, seen: &[Value]) {
    // A profile with nothing to say of keys is passed over, and the next source asked; only the resolution of profiles,
    // which is not the whole chain, calls that an error.
    if case["input"]["profiles"] == json!({"A": {"ec2_metadata_service_endpoint_mode": "IPv6"}}) {
        assert_eq!((call.status.as_str(), seen.len()), ("OK", 2), "{case}: {call:?} {seen:?}");
        return;
    }
    assert_eq!(call.status, "CREDENTIALS_FAILED", "{case}: {call:?}");
    // In words of its own where the profile that the variable names is missing.
    let error = if error == "No profiles were defined" { "there is no profile \"A\"" } else { error };
    assert!(call.message.contains(error), "{case}: {call:?}");
    assert!(seen.is_empty(), "{case}: {seen:?}");
}

fn ends(case: &Value, call: &Call, seen: &[Value]) {
    let chain = case["output"]["ProfileChain"].as_array().unwrap();
    if chain[0]["Sso"].is_object() && chain[0]["Sso"].get("sso_account_id").is_none() {
        // A session for tokens alone has no keys to sign with.
        assert_eq!(call.status, "CREDENTIALS_FAILED", "{case}: {call:?}");
        assert!(call.message.contains("no sso_account_id"), "{case}: {call:?}");
        return;
    }
    assert_eq!(call.status, "OK", "{case}: {call:?}");
    assert_eq!(seen, expected(chain), "{case}");
}
