//! Without any endpoint override: IMDS, ECS, EKS, web identity, SSO and an assumed role, each at the address and under
//! the name that it has in the cloud, deliver records, and are asked no more than they must be.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use serde_json::{Value, json};
use support::build::{Library, scratch};
use support::cloud::{self, Cloud, iso, now};
use support::namespace::inside;
use support::run::Run;
use support::web::{Reply, Seen};

const ID: &str = "ASIACLOUD";
const SECRET: &str = "a-secret-of-the-cloud";
const TOKEN: &str = "a-token/of+the=cloud";

/// Keys as IMDS and ECS write them.
fn keys() -> Value {
    json!({
        "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": iso(now()), "RoleArn": "arn:aws:iam::123456789012:role/r",
        "AccessKeyId": ID, "SecretAccessKey": SECRET, "Token": TOKEN, "Expiration": iso(now() + 3600),
    })
}

fn sts_answer(action: &str) -> Reply {
    Reply::xml(format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><AssumedRoleUser>\
         <AssumedRoleId>AROA:s</AssumedRoleId><Arn>arn:aws:sts::123456789012:assumed-role/r/s</Arn></AssumedRoleUser>\
         <Credentials><AccessKeyId>{ID}</AccessKeyId><SecretAccessKey>{SECRET}</SecretAccessKey>\
         <SessionToken>{TOKEN}</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result>\
         <ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></{action}Response>",
        iso(now() + 3600)
    ))
}

/// IMDS v2 as it is: nothing without its token.
fn imds(seen: &Seen) -> Reply {
    if seen.method == "PUT" && seen.target == "/latest/api/token" {
        return match seen.header("x-aws-ec2-metadata-token-ttl-seconds") {
            Some("21600") => Reply::text("imds-token"),
            _ => Reply::error(400),
        };
    }
    if seen.header("x-aws-ec2-metadata-token") != Some("imds-token") {
        return Reply::error(401);
    }
    match seen.target.as_str() {
        "/latest/meta-data/placement/region" => Reply::text("us-west-2"),
        "/latest/meta-data/iam/security-credentials/" | "/latest/meta-data/iam/security-credentials" => {
            Reply::text("a-role")
        }
        "/latest/meta-data/iam/security-credentials/a-role" => Reply::json(keys()),
        _ => Reply::error(404),
    }
}

/// Five puts to `region`, all of which arrive; what the other services saw of it, in the order of their names.
fn deliver(
    name: &str,
    region: &str,
    answers: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
    settings: &[(&str, &str)],
) -> Vec<Seen> {
    let cloud = Cloud::start(answers);
    let firehose = cloud::firehose(region, cloud::temporary(ID, SECRET, TOKEN), 0);
    let home = home(name);
    let mut run = Run::new("put.c")
        .env("HOME", home)
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_CA_BUNDLE", cloud.bundle(name, &firehose))
        // Nothing of what is asked for keys goes through it.
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .args(&["--count", "5"]);
    for (variable, value) in settings {
        run = run.env(variable, *value);
    }
    let ran = run.pass();
    let mut seen = cloud.take();
    for call in ran.calls() {
        let asked: Vec<String> = seen.iter().map(Seen::what).collect();
        assert_eq!((call.status.as_str(), call.attempts), ("OK", 1), "{call:?}\n{asked:#?}");
    }
    assert_eq!(firehose.records("test").len(), 5);
    assert!(!ran.stdout.contains(SECRET), "{}", ran.stdout);
    seen.sort_by_key(Seen::what);
    seen
}

/// The home of a test, kept between its parts.
fn home(name: &str) -> PathBuf {
    let home = scratch().join(format!("{name}-home"));
    std::fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    home
}

fn write(name: &str, file: &str, text: &str) -> PathBuf {
    let path = home(name).join(file);
    std::fs::write(&path, text).unwrap();
    path
}

fn what(seen: &[Seen]) -> Vec<String> {
    seen.iter().map(Seen::what).collect()
}

fn asked_imds(seen: &[Seen], place: &str) {
    let expected = [
        format!("GET http://{place}/latest/meta-data/iam/security-credentials/"),
        format!("GET http://{place}/latest/meta-data/iam/security-credentials/a-role"),
        format!("GET http://{place}/latest/meta-data/placement/region"),
        format!("PUT http://{place}/latest/api/token"),
    ];
    assert_eq!(what(seen), expected);
    for seen in seen {
        let user_agent = seen.header("user-agent").unwrap_or_default();
        assert!(user_agent.starts_with("libfirehose/"), "{seen:?}");
        assert!(
            seen.header("x-forwarded-for").is_none() && seen.header("authorization").is_none(),
            "{seen:?}"
        );
    }
}

#[test]
fn imds_gives_keys_and_region() {
    if inside("imds_gives_keys_and_region", Library::Release) {
        asked_imds(&deliver("imds", "us-west-2", imds, &[]), "169.254.169.254");
    }
}

#[test]
fn imds_over_ipv6() {
    if inside("imds_over_ipv6", Library::Release) {
        let mode = [("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE", "IPv6")];
        asked_imds(&deliver("imds6", "us-west-2", imds, &mode), "[fd00:ec2::254]");
    }
}

#[test]
fn ecs_by_its_relative_address() {
    if inside("ecs_by_its_relative_address", Library::Release) {
        let settings = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/credentials/a-task"),
            ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Bearer task"),
        ];
        let seen = deliver("ecs", "us-east-1", |_| Reply::json(keys()), &settings);
        assert_eq!(what(&seen), ["GET http://169.254.170.2/v2/credentials/a-task"]);
        assert_eq!(seen[0].header("authorization"), Some("Bearer task"));
    }
}

fn eks(name: &str, place: &'static str) {
    let token = write(name, "token", "the-pods-token");
    let url = format!("http://{place}/v1/credentials");
    let settings = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", url.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token.to_str().unwrap()),
        // The file comes first.
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "not this one"),
    ];
    let seen = deliver(name, "us-east-1", |_| Reply::json(keys()), &settings);
    assert_eq!(what(&seen), [format!("GET {url}")]);
    assert_eq!(seen[0].to.ip().to_string(), place.trim_matches(['[', ']']));
    assert_eq!(seen[0].header("authorization"), Some("the-pods-token"));
}

#[test]
fn eks_pod_identity() {
    if inside("eks_pod_identity", Library::Release) {
        eks("eks", "169.254.170.23");
    }
}

#[test]
fn eks_pod_identity_over_ipv6() {
    if inside("eks_pod_identity_over_ipv6", Library::Release) {
        eks("eks6", "[fd00:ec2::23]");
    }
}

#[test]
fn web_identity() {
    if inside("web_identity", Library::Release) {
        let token = write("web", "token", "a.web.token\n");
        let settings = [
            ("AWS_REGION", "us-east-2"),
            ("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/web"),
            ("AWS_WEB_IDENTITY_TOKEN_FILE", token.to_str().unwrap()),
            ("AWS_ROLE_SESSION_NAME", "a-session"),
        ];
        let answer = |_: &Seen| sts_answer("AssumeRoleWithWebIdentity");
        let seen = deliver("web", "us-east-2", answer, &settings);
        assert_eq!(what(&seen), ["POST https://sts.us-east-2.amazonaws.com/"]);
        assert!(seen[0].header("authorization").is_none(), "{seen:?}");
        for (name, value) in [
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", "2011-06-15"),
            ("RoleArn", "arn:aws:iam::123456789012:role/web"),
            ("RoleSessionName", "a-session"),
            ("WebIdentityToken", "a.web.token"),
        ] {
            assert_eq!(
                seen[0].field(name).as_deref().map(str::trim),
                Some(value),
                "{name}: {}",
                seen[0].body
            );
        }
    }
}

#[test]
fn an_assumed_role() {
    if inside("an_assumed_role", Library::Release) {
        let config = "[profile work]\nregion = us-west-2\nrole_arn = arn:aws:iam::123456789012:role/work\n\
                      source_profile = base\nrole_session_name = a-session\nexternal_id = an id/of+mine\n\
                      duration_seconds = 1800\n[profile base]\naws_access_key_id = AKIDBASE\n\
                      aws_secret_access_key = base-secret\n";
        write("role", ".aws/config", config);
        let seen = deliver("role", "us-west-2", |_| sts_answer("AssumeRole"), &[("AWS_PROFILE", "work")]);
        assert_eq!(what(&seen), ["POST https://sts.us-west-2.amazonaws.com/"]);
        let authorization = seen[0].header("authorization").unwrap();
        assert!(authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDBASE/"), "{authorization}");
        assert!(authorization.contains("/us-west-2/sts/aws4_request"), "{authorization}");
        for (name, value) in [
            ("Action", "AssumeRole"),
            ("RoleArn", "arn:aws:iam::123456789012:role/work"),
            ("RoleSessionName", "a-session"),
            ("ExternalId", "an id/of+mine"),
            ("DurationSeconds", "1800"),
        ] {
            assert_eq!(seen[0].field(name).as_deref(), Some(value), "{name}: {}", seen[0].body);
        }
    }
}

const SSO: &str = "[profile sso]\nregion = us-east-1\nsso_session = corp\nsso_account_id = 123456789012\n\
                   sso_role_name = Writer\n[sso-session corp]\nsso_region = us-east-2\n\
                   sso_start_url = https://corp.awsapps.com/start\nsso_registration_scopes = sso:account:access\n";
/// Named after the SHA-1 of `corp`.
const SSO_TOKEN: &str = ".aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";
const PORTAL: &str = "GET https://portal.sso.us-east-2.amazonaws.com/federation/credentials?";

fn portal(seen: &Seen) -> Reply {
    assert!(seen.target.starts_with("/federation/credentials?"), "{seen:?}");
    Reply::json(json!({"roleCredentials": {
        "accessKeyId": ID, "secretAccessKey": SECRET, "sessionToken": TOKEN, "expiration": (now() + 3600) * 1000,
    }}))
}

fn asked_portal(seen: &Seen, token: &str) {
    let query = seen.what().strip_prefix(PORTAL).map(str::to_owned).unwrap_or_else(|| panic!("{seen:?}"));
    let mut parts: Vec<&str> = query.split('&').collect();
    parts.sort_unstable();
    assert_eq!(parts, ["account_id=123456789012", "role_name=Writer"]);
    assert_eq!(seen.header("x-amz-sso_bearer_token"), Some(token));
    assert!(seen.header("authorization").is_none(), "{seen:?}");
}

#[test]
fn sso_with_a_token_that_is_good() {
    if inside("sso_with_a_token_that_is_good", Library::Release) {
        write("sso", ".aws/config", SSO);
        let token = json!({"accessToken": "signed-in", "expiresAt": iso(now() + 7200), "region": "us-east-2",
                           "startUrl": "https://corp.awsapps.com/start"});
        write("sso", SSO_TOKEN, &token.to_string());
        let seen = deliver("sso", "us-east-1", portal, &[("AWS_PROFILE", "sso")]);
        assert_eq!(seen.len(), 1, "{:?}", what(&seen));
        asked_portal(&seen[0], "signed-in");
    }
}

#[test]
fn sso_with_a_token_to_renew() {
    if inside("sso_with_a_token_to_renew", Library::Release) {
        write("sso-renew", ".aws/config", SSO);
        let token = json!({"accessToken": "run-out", "expiresAt": iso(now() - 60), "region": "us-east-2",
                           "startUrl": "https://corp.awsapps.com/start", "refreshToken": "renew-me",
                           "clientId": "a-client", "clientSecret": "a-client-secret",
                           "registrationExpiresAt": iso(now() + 86_400), "unknown": "kept"});
        let path = write("sso-renew", SSO_TOKEN, &token.to_string());
        let answer = |seen: &Seen| match seen.target.as_str() {
            "/token" => {
                Reply::json(json!({"accessToken": "renewed", "expiresIn": 3600, "tokenType": "Bearer",
                                           "refreshToken": "next"}))
            }
            _ => portal(seen),
        };
        let seen = deliver("sso-renew", "us-east-1", answer, &[("AWS_PROFILE", "sso")]);
        assert_eq!(seen.len(), 2, "{:?}", what(&seen));
        asked_portal(&seen[0], "renewed");
        assert_eq!(seen[1].what(), "POST https://oidc.us-east-2.amazonaws.com/token");
        let sent: Value = serde_json::from_str(&seen[1].body).unwrap();
        let expected = json!({"clientId": "a-client", "clientSecret": "a-client-secret",
                              "grantType": "refresh_token", "refreshToken": "renew-me"});
        assert_eq!(sent, expected);

        let kept: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((&kept["accessToken"], &kept["refreshToken"]), (&json!("renewed"), &json!("next")));
        assert_eq!((&kept["clientId"], &kept["startUrl"]), (&token["clientId"], &token["startUrl"]));
        assert!(kept["expiresAt"].as_str().unwrap() > iso(now() + 3000).as_str(), "{kept}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
