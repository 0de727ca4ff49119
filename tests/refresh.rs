//! Keys that run out under load, a metadata service that fails, and a machine on which there is nothing at all.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use support::build::{How, Library, program, succeed};
use support::cloud::{iso, now, temporary};
use support::namespace::{inside, is_inside};
use support::run::{Ran, Run};
use support::web::{Reply, Seen, Web};

/// A server that knows the keys `ASIA0` to `ASIA99`.
fn firehose() -> firehose_local::Server {
    let options = firehose_local::Options {
        keys: (0..100)
            .map(|n| temporary(&format!("ASIA{n}"), &format!("secret{n}"), &format!("token{n}")))
            .collect(),
        streams: vec!["test".into()],
        ..firehose_local::Options::default()
    };
    firehose_local::Server::start(options).unwrap()
}

fn keys(number: usize, expires: i64) -> Value {
    json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": iso(now()), "AccessKeyId": format!("ASIA{number}"),
           "SecretAccessKey": format!("secret{number}"), "Token": format!("token{number}"), "Expiration": iso(expires)})
}

/// Tests that keep eight threads busy run one after the other, so that none takes the time of another for a wait.
static BUSY: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(server: &firehose_local::Server, arguments: [&str; 3]) -> Run {
    Run::new("refresh.c")
        .env("FIREHOSE_TEST_ENDPOINT", server.endpoint())
        .env("AWS_REGION", "us-east-1")
        .args(&arguments)
}

fn none_failed(ran: &Ran, server: &firehose_local::Server, puts: usize) {
    println!("{}", ran.stdout);
    assert_eq!(ran.count("failed"), 0, "{}", ran.stdout);
    assert_eq!(server.records("test").len(), puts);
}

#[test]
fn keys_that_live_two_seconds_are_renewed_by_one_caller() {
    const FETCH: Duration = Duration::from_millis(300);
    let _alone = alone();
    let server = firehose();
    let count = AtomicUsize::new(0);
    let web = Web::start(move |_| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Reply::Late(FETCH, Box::new(Reply::json(keys(number, now() + 2))))
    });
    let ran = run(&server, ["10000", "5", "250"]).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", web.url()).pass();
    none_failed(&ran, &server, 10_000);

    let fetches: Vec<Seen> = web.seen();
    let seconds = usize::try_from(ran.count("elapsed_ms") / 1000).unwrap();
    assert!(seconds >= 4, "too short to see a renewal: {seconds} s");
    // A renewal begins at half of the two seconds, which are counted whole.
    assert!((seconds / 2..=seconds + 2).contains(&fetches.len()), "{} fetches in {seconds} s", fetches.len());
    for pair in fetches.windows(2) {
        let apart = pair[1].at - pair[0].at;
        assert!(apart >= FETCH, "two fetches at once, {apart:?} apart");
    }
    // All wait for the first keys; later only the caller that renews them.
    let slow = usize::try_from(ran.count("slow")).unwrap();
    assert!(slow <= 8 + fetches.len(), "{slow} puts waited for {} fetches", fetches.len());
}

/// IMDS that gives keys at first, and from then on does `later` instead.
fn imds(life: i64, later: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Web {
    let given = Arc::new(AtomicUsize::new(0));
    Web::start(move |seen| {
        if given.load(Ordering::Relaxed) > 0 {
            return later(seen);
        }
        imds_answer(seen, || {
            given.fetch_add(1, Ordering::Relaxed);
            keys(0, now() + life)
        })
    })
}

fn imds_answer(seen: &Seen, keys: impl Fn() -> Value) -> Reply {
    match seen.target.as_str() {
        "/latest/api/token" => Reply::text("token"),
        path if path.ends_with("/security-credentials/a-role") => Reply::json(keys()),
        path if path.contains("/security-credentials") => Reply::text("a-role"),
        _ => Reply::error(404),
    }
}

/// Puts go on past the end of the keys, and the service is not asked at each of them.
fn puts_go_on(web: &Web) -> Ran {
    let _alone = alone();
    let server = firehose();
    let ran = run(&server, ["4800", "10", "500"])
        .env("AWS_EC2_METADATA_DISABLED", "false")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", web.url())
        .pass();
    none_failed(&ran, &server, 4800);
    assert!(ran.count("elapsed_ms") > 5000, "{}", ran.stdout);
    let asked: Vec<String> = web.seen().iter().map(Seen::what).collect();
    assert!(asked.len() <= 40, "{} requests: {asked:#?}", asked.len());
    ran
}

#[test]
fn puts_go_on_while_imds_hangs() {
    let ran = puts_go_on(&imds(3, |_| Reply::Silence));
    // Those that wait are the callers that try to renew: one at a time.
    assert!(ran.count("slow") <= 16, "{}", ran.stdout);
}

#[test]
fn puts_go_on_while_imds_fails() {
    puts_go_on(&imds(3, |_| Reply::error(500)));
}

#[test]
fn puts_go_on_while_imds_hands_out_keys_that_have_run_out() {
    puts_go_on(&imds(3, |seen| imds_answer(seen, || keys(0, now() - 60))));
    // From the start, too: the service decides.
    let web = Web::start(|seen| imds_answer(seen, || keys(0, now() - 60)));
    let ran = puts_go_on(&web);
    assert!(web.seen().len() <= 4, "asked {} times: {}", web.seen().len(), ran.stdout);
}

fn expired_token(web: &Web) -> Run {
    Run::new("put.c").env("AWS_REGION", "us-east-1").env("FIREHOSE_TEST_ENDPOINT", web.url()).args(&[
        "--count",
        "2",
        "max_attempts=1",
    ])
}

fn is_expired(seen: &Seen, good: &str) -> Reply {
    match seen.header("authorization").unwrap().contains(&format!("Credential={good}/")) {
        true => Reply::json(json!({"RecordId": "one"})),
        false => Reply::Answer(
            400,
            "application/x-amz-json-1.1",
            json!({"__type": "ExpiredTokenException", "message": "The security token is expired"})
                .to_string(),
        ),
    }
}

/// Which keys each put that arrived was signed with.
fn signers(web: &Web) -> Vec<String> {
    let signer = |seen: &Seen| {
        let rest = seen.header("authorization")?.split("Credential=").nth(1)?.to_owned();
        rest.split('/').next().map(str::to_owned)
    };
    web.take().iter().filter_map(signer).collect()
}

#[test]
fn expired_keys_are_replaced_once_and_those_that_never_change_are_refused_at_once() {
    let put = Web::start(|seen| is_expired(seen, "ASIA1"));
    let statics =
        expired_token(&put).env("AWS_ACCESS_KEY_ID", "ASIA0").env("AWS_SECRET_ACCESS_KEY", "secret0");
    for call in statics.pass().calls() {
        assert_eq!((call.status.as_str(), call.attempts), ("ACCESS_DENIED", 1), "{call:?}");
        assert!(
            call.message.contains("ExpiredToken") && call.message.contains("new temporary keys"),
            "{call:?}"
        );
    }
    assert_eq!(signers(&put), ["ASIA0", "ASIA0"]);

    // A source with others is asked for them, and the put goes through, whatever the limit of attempts.
    let number = AtomicUsize::new(0);
    let agent = Web::start(move |_| Reply::json(keys(number.fetch_add(1, Ordering::Relaxed), now() + 3600)));
    let renewed = expired_token(&put).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url());
    let attempts: Vec<(String, u32)> =
        renewed.pass().calls().into_iter().map(|call| (call.status, call.attempts)).collect();
    assert_eq!(attempts, [("OK".to_owned(), 2), ("OK".to_owned(), 1)]);
    assert_eq!((signers(&put).join(" "), agent.take().len()), ("ASIA0 ASIA1 ASIA1".into(), 2));

    // One that has the same again is asked once, not at every call.
    let agent = Web::start(move |_| Reply::json(keys(7, now() + 3600)));
    let same = expired_token(&put).env("AWS_CONTAINER_CREDENTIALS_FULL_URI", agent.url());
    for call in same.pass().calls() {
        assert_eq!(call.status, "ACCESS_DENIED", "{call:?}");
    }
    assert_eq!((signers(&put).join(" "), agent.take().len()), ("ASIA7 ASIA7 ASIA7".into(), 2));
}

fn ip(arguments: &str) {
    succeed(Command::new("ip").args(arguments.split(' ')));
}

/// What a machine without a metadata service may have in its place, one after the other.
fn without_metadata(then: impl Fn(&str)) {
    const PLACE: &str = "169.254.169.254";
    then("nobody listens");
    let silent = TcpListener::bind((PLACE, 80)).unwrap();
    then("somebody listens and never answers");
    drop(silent);
    ip(&format!("addr del {PLACE}/32 dev lo"));
    then("there is no way to it");
    for arguments in [
        "link add name near type veth peer name far",
        "addr add 169.254.1.1/16 dev near",
        "link set near up",
        "link set far up",
        &format!("neigh add {PLACE} lladdr 02:00:00:00:00:01 dev near"),
    ] {
        ip(arguments);
    }
    then("what is sent there is lost");
}

#[test]
fn with_nothing_at_all_a_client_is_made_at_once_and_says_what_is_missing() {
    if !is_inside() {
        program("nothing.c", Library::Release, How::Plain);
    }
    let this = "with_nothing_at_all_a_client_is_made_at_once_and_says_what_is_missing";
    if !inside(this, Library::Release) {
        return;
    }
    without_metadata(|what| {
        for region in [None, Some("us-east-1")] {
            // Without the setting that every test has.
            let mut run = Run::new("nothing.c").env("AWS_EC2_METADATA_DISABLED", "");
            if let Some(region) = region {
                run = run.env("AWS_REGION", region);
            }
            says_what_is_missing(&run.pass(), what, region);
        }
    });
}

fn says_what_is_missing(ran: &Ran, what: &str, region: Option<&str>) {
    println!("{what}, {region:?}\n{}", ran.stdout);
    assert!(ran.number("made_ms") < 10.0, "{}", ran.stdout);
    assert!(ran.number("put_ms") < 5000.0, "{}", ran.stdout);
    let (status, words): (u64, &[&str]) = match region {
        None => (2, &["AWS_REGION", "IMDS"]),
        Some(_) => {
            (3, &["AWS_ACCESS_KEY_ID", "profile", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER", "IMDS"])
        }
    };
    assert_eq!(ran.count("status"), status, "{}", ran.stdout);
    for word in words {
        assert!(ran.stdout.contains(word), "no {word} in {}", ran.stdout);
    }
    // One line for each source.
    let lines = ran.stdout.lines().skip_while(|line| !line.starts_with("message")).count();
    assert!(region.is_none() || lines >= 6, "{}", ran.stdout);
}
