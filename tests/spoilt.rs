//! Config files and answers of IMDS, ECS, STS and SSO that somebody has spoilt, a thousand of each, met by a C program
//! in one process: each is an error, none a crash, and neither time nor memory is without bound.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use support::build::scratch;
use support::cloud::{iso, now};
use support::run::Run;
use support::web::{Reply, Seen, Web};

const COUNT: usize = 1000;
const SECRET: &str = "hush-hush-hush";
/// What no SDK takes for a date.
const DATES: [&str; 10] = [
    "",
    "soon",
    "2099-13-01T00:00:00Z",
    "2099-02-30T00:00:00Z",
    "2099-01-01T24:00:00Z",
    "2099-01-01T00:00:00",
    "2099-01-01",
    "4070908800",
    "20990101T000000Z",
    "2099-01-01T00:00:00+99:99",
];
/// More than is read of any answer.
const HUGE: usize = 400_000;

/// A small generator (xorshift), so that a failure can be repeated.
struct Seeded(usize);

impl Seeded {
    fn new(seed: usize) -> Seeded {
        Seeded(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// A document without one of the `texts` that it must have, or with another in its place, cut, too long, or no JSON at
/// all. `at` finds the object that has them; `date` is one of them where that is a text.
fn spoilt_json(
    seed: usize,
    good: &Value,
    at: fn(&mut Value) -> &mut Value,
    texts: &[&str],
    date: Option<&str>,
) -> String {
    let mut random = Seeded::new(seed);
    let mut document = good.clone();
    let text = *random.pick(texts);
    match random.below(7) {
        0 => _ = at(&mut document).as_object_mut().unwrap().remove(text),
        1 => {
            at(&mut document)[text] =
                random.pick(&[json!(null), json!(""), json!(7.5), json!([SECRET])]).clone()
        }
        2 => at(&mut document)[text] = random.pick(&[json!({"x": SECRET}), json!(true), json!(1)]).clone(),
        3 => at(&mut document)[text] = format!("{SECRET}\r\n{}", "x".repeat(random.below(100))).into(),
        4 if date.is_some() => at(&mut document)[date.unwrap()] = (*random.pick(&DATES)).into(),
        4 => at(&mut document)["padding"] = "x".repeat(HUGE).into(),
        5 => document["padding"] = "x".repeat(HUGE + random.below(HUGE)).into(),
        _ => {
            let whole = good.to_string();
            let cut = &whole[..random.below(whole.len())];
            let tail = ["", "", "\u{1}", "\u{fffd}", "]]]]", "null", "\"", "\\"][random.below(8)];
            return format!("{cut}{tail}{}", "[".repeat([0, 0, 0, 100_000][random.below(4)]));
        }
    }
    document.to_string()
}

/// The same of an answer of STS.
fn spoilt_xml(seed: usize, good: &str) -> String {
    let mut random = Seeded::new(seed);
    let part = *random.pick(&["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration", "Credentials"]);
    let (open, close) = (format!("<{part}>"), format!("</{part}>"));
    let (before, rest) = good.split_once(&open).unwrap();
    let (inside, after) = rest.split_once(&close).unwrap();
    let with = |inside: &str| format!("{before}{open}{inside}{close}{after}");
    match random.below(8) {
        0 => format!("{before}{after}"),
        1 => with(""),
        2 => with(&format!(
            "{inside}{}",
            random.pick(&["&what;", "&", "&#xD800;", "<", "<![CDATA[x]]>", "<x></y>"])
        )),
        3 => {
            let (before, rest) = good.split_once("<Expiration>").unwrap();
            let after = rest.split_once("</Expiration>").unwrap().1;
            format!("{before}<Expiration>{}</Expiration>{after}", random.pick(&DATES))
        }
        4 => with(&"x".repeat(HUGE + random.below(HUGE))),
        5 => format!("{}{good}", "<deep>".repeat(random.below(20_000) + 1)),
        6 => format!("{before}{open}{inside}{close}{open}{inside}{close}{after}"),
        _ => good[..random.below(good.len())].to_owned(),
    }
}

/// Puts with a new client each, none of which may be answered with anything but an error.
fn all_fail(name: &str, run: Run, arguments: &[&str]) {
    let firehose = Web::start(|_| Reply::json(json!({"RecordId": "one"})));
    let ran = run
        .env("FIREHOSE_TEST_SECRET", SECRET)
        .arg(COUNT.to_string())
        .arg(format!("endpoint={}", firehose.url()))
        .args(arguments)
        .limit(120)
        .pass();
    println!("{name}, {:.1} s\n{}", ran.took.as_secs_f64(), ran.stdout);
    assert!(firehose.seen().is_empty(), "{name}: something was sent");
    assert!(ran.number("slowest_ms") < 5000.0, "{name}: {}", ran.stdout);
    assert!(ran.count("grown_kb") < 16 * 1024, "{name}: {}", ran.stdout);
}

fn spoilt() -> Run {
    Run::new("spoilt.c").env("AWS_REGION", "us-east-1")
}

/// A reply for each number, counted up by the requests for which it is asked.
fn numbered(reply: impl Fn(usize) -> Reply) -> impl Fn() -> Reply {
    let number = AtomicUsize::new(0);
    move || reply(number.fetch_add(1, Ordering::Relaxed))
}

fn keys() -> Value {
    json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": iso(now()), "AccessKeyId": "ASIASPOILT",
           "SecretAccessKey": SECRET, "Token": "a-token", "Expiration": iso(now() + 3600)})
}

fn spoilt_keys(seed: usize) -> Reply {
    let texts = ["AccessKeyId", "SecretAccessKey", "Token", "Expiration"];
    Reply::json(spoilt_json(seed, &keys(), |document| document, &texts, Some("Expiration")))
}

#[test]
fn answers_of_ecs() {
    let answer = numbered(spoilt_keys);
    let web = Web::start(move |_| answer());
    all_fail("ECS", spoilt().env("AWS_CONTAINER_CREDENTIALS_FULL_URI", web.url()), &[]);
    assert_eq!(web.seen().len(), COUNT);
}

#[test]
fn answers_of_imds() {
    let role = numbered(|number| match number % 5 {
        0 => Reply::text(["", "a/b", "../x", "a role", "\u{1}", "é"][number / 5 % 6]),
        1 if number % 50 == 1 => Reply::text("x".repeat(HUGE)),
        _ => Reply::text("a-role"),
    });
    let keys = numbered(spoilt_keys);
    let token = numbered(|number| match number % 10 {
        9 => Reply::text(
            ["", "a b", "\u{7f}", "ü"][number / 10 % 4].to_owned() + &"x".repeat(number % 3 * 9000),
        ),
        _ => Reply::text("token"),
    });
    // A good token that is long is one; so is the first of two lines with a role.
    let web = Web::start(move |seen: &Seen| match seen.target.as_str() {
        "/latest/api/token" => token(),
        path if path.ends_with("/a-role") => keys(),
        _ => role(),
    });
    let run = spoilt()
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", web.url());
    all_fail("IMDS", run, &[]);
}

#[test]
fn answers_of_sts() {
    let good = format!(
        "<AssumeRoleWithWebIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
         <AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>ASIASPOILT</AccessKeyId>\
         <SecretAccessKey>{SECRET}</SecretAccessKey><SessionToken>a-token</SessionToken>\
         <Expiration>{}</Expiration></Credentials></AssumeRoleWithWebIdentityResult>\
         </AssumeRoleWithWebIdentityResponse>",
        iso(now() + 3600)
    );
    let answer = numbered(move |number| Reply::xml(spoilt_xml(number, &good)));
    let web = Web::start(move |_| answer());
    let token = scratch().join("spoilt-token");
    std::fs::write(&token, "a.web.token").unwrap();
    let run = spoilt()
        .env("AWS_ENDPOINT_URL_STS", web.url())
        .env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/r")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", token);
    all_fail("STS", run, &[]);
    assert_eq!(web.seen().len(), COUNT);
}

#[test]
fn answers_of_sso() {
    let good = json!({"roleCredentials": {"accessKeyId": "ASIASPOILT", "secretAccessKey": SECRET,
                      "sessionToken": "a-token", "expiration": (now() + 3600) * 1000}});
    let texts = ["accessKeyId", "secretAccessKey", "sessionToken"];
    let answer = numbered(move |number| {
        let mut good = good.clone();
        if number % 4 == 0 {
            let bad = [json!(null), json!("4070908800000"), json!(1e300), json!(0), json!(-1), json!([1])];
            good["roleCredentials"]["expiration"] = bad[number / 4 % bad.len()].clone();
            return Reply::json(good);
        }
        Reply::json(spoilt_json(number, &good, |document| &mut document["roleCredentials"], &texts, None))
    });
    let web = Web::start(move |_| answer());
    let home = scratch().join("spoilt-sso");
    std::fs::create_dir_all(home.join(".aws/sso/cache")).unwrap();
    let config =
        "[default]\nsso_start_url = foo\nsso_region = us-east-1\nsso_account_id = 1\nsso_role_name = r\n";
    std::fs::write(home.join(".aws/config"), config).unwrap();
    let token = json!({"accessToken": "signed-in", "expiresAt": iso(now() + 7200)}).to_string();
    // Named after the SHA-1 of the start URL.
    let file = home.join(".aws/sso/cache/0beec7b5ea3f0fdbc95d0dd47f3c5bc275da8a33.json");
    std::fs::write(file, token).unwrap();
    all_fail("SSO", spoilt().env("HOME", home).env("AWS_ENDPOINT_URL_SSO", web.url()), &[]);
    assert_eq!(web.seen().len(), COUNT);
}

const CONFIG: &str = "[default]\nregion = us-east-1\nrole_arn = arn:aws:iam::123456789012:role/r\n\
                      source_profile = base\nduration_seconds = 900\nservices = local\n\
                      [profile base]\naws_access_key_id = AKIDSPOILT\naws_secret_access_key = hush-hush-hush\n\
                      [services local]\nsts =\n  endpoint_url = http://127.0.0.1:1\n";

fn spoilt_config(seed: usize) -> Vec<u8> {
    let mut random = Seeded::new(seed);
    let lines: Vec<&str> = CONFIG.lines().collect();
    let number = random.below(lines.len());
    let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    let replaced = |from: &str, to: &str| CONFIG.replacen(from, to, 1).into_bytes();
    match random.below(8) {
        // A line cut where it cannot be understood any more.
        0 => {
            let line = lines[number];
            let end = line.find(['=', ']']).unwrap();
            let start = usize::from(line.starts_with('[')).max(line.len() - line.trim_start().len() + 1);
            line[..start + random.below(end - start)].clone_into(&mut changed[number]);
        }
        1 => changed.insert(0, " indented = x".to_owned() + &"x".repeat(random.below(1000))),
        2 => changed.insert(number, format!("={SECRET}")),
        3 => {
            let mut bytes = CONFIG.as_bytes().to_vec();
            let at = random.below(bytes.len());
            bytes.splice(at..at, [0xff, 0xfe, 0xc3, 0x28].iter().copied());
            return bytes;
        }
        4 => {
            let (key, value) = *random.pick(&[
                ("duration_seconds = 900", "duration_seconds = 99999999999999999999"),
                ("duration_seconds = 900", "duration_seconds = -900"),
                ("duration_seconds = 900", "duration_seconds = 2099-01-01T00:00:00Z"),
                ("region = us-east-1", "region = us east"),
                ("region = us-east-1", "max_attempts = many"),
                ("region = us-east-1", "use_fips_endpoint = perhaps"),
                ("region = us-east-1", "retry_mode = [standard]"),
                ("region = us-east-1", "endpoint_url = {}"),
                ("region = us-east-1", "sdk_ua_app_id = a b"),
                ("region = us-east-1", "ignore_configured_endpoint_urls = 2"),
                ("endpoint_url = http://127.0.0.1:1", "endpoint_url = nonsense"),
            ]);
            return replaced(key, value);
        }
        5 => {
            let (from, to) = *random.pick(&[
                ("source_profile = base", "source_profile = nobody"),
                ("source_profile = base", "source_profile = default"),
                ("source_profile = base", "credential_source = Moon"),
                ("source_profile = base", "region = us-east-2"),
                ("source_profile = base", "source_profile = base\nmfa_serial = m"),
                ("aws_access_key_id = AKIDSPOILT\n", ""),
                ("aws_secret_access_key = hush-hush-hush\n", ""),
                ("aws_access_key_id = AKIDSPOILT", "aws_access_key_id = A B"),
                ("aws_secret_access_key = hush-hush-hush", "login_session = x"),
                ("[profile base]", "[base]"),
                ("[services local]", "[services other]"),
            ]);
            return replaced(from, to);
        }
        6 => {
            let hops = random.below(300) + 1;
            let chain: String = (0..hops)
                .map(|hop| {
                    format!("[profile h{hop}]\nrole_arn = r\nsource_profile = h{}\n", (hop + 1) % hops)
                })
                .collect();
            return (CONFIG.replacen("= base", "= h0", 1) + &chain).into_bytes();
        }
        _ => changed.push(format!("[{}", "[profile x".repeat(random.below(20_000)))),
    }
    changed.join("\n").into_bytes()
}

#[test]
fn config_files() {
    let folder: PathBuf = scratch().join("spoilt-config");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    for number in 0..COUNT {
        let file = folder.join(number.to_string());
        match number % 100 {
            // What has no end.
            99 => std::os::unix::fs::symlink("/dev/zero", file).unwrap(),
            98 => std::os::unix::fs::symlink("/proc/self", file).unwrap(),
            _ => std::fs::write(file, spoilt_config(number)).unwrap(),
        }
    }
    all_fail("config", Run::new("spoilt.c"), &[&format!("config_file={}/%", folder.display())]);
    std::fs::remove_dir_all(folder).unwrap();
}
