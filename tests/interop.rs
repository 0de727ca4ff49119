//! The same C programs, unchanged, against firehose-local, MiniStack and moto, each of which checks signatures
//! and permissions; and the programs in Go and Ruby that the README shows.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod interop {
    pub(crate) mod clean;
    pub(crate) mod servers;
}

mod support;

use interop::clean::{clean, folder, has, works};
use interop::servers::{self, Keys, Server};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use support::build::{How, Library, program, succeed};
use support::root;

/// What a server says to one kind of refused request, and what the library's message must speak of.
struct Refusal {
    code: &'static str,
    http: &'static str,
    advice: &'static [&'static str],
}

const HALF_AN_HOUR_MS: &str = "1800000";

fn environment(server: &Server, stream: &str, keys: &Keys) -> BTreeMap<String, String> {
    [
        ("FIREHOSE_TEST_ENDPOINT", server.endpoint.clone()),
        ("FIREHOSE_TEST_STREAM", stream.to_owned()),
        ("FIREHOSE_TEST_DESTINATION", server.destination(stream)),
        ("AWS_ACCESS_KEY_ID", keys.id.clone()),
        ("AWS_SECRET_ACCESS_KEY", keys.secret.clone()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// Records by their number, taken apart again from whatever order and packing they arrived in.
fn records(mut bytes: &[u8]) -> BTreeMap<usize, &[u8]> {
    let mut found = BTreeMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| *byte == b'\n').expect("a record starts with a line");
        let header = std::str::from_utf8(&bytes[..end]).expect("the line is text");
        let mut words = header.strip_prefix("record ").expect("the line says record").split(' ');
        let mut number = || words.next().and_then(|word| word.parse::<usize>().ok()).expect("a number");
        let (index, length) = (number(), number());
        let (record, rest) = bytes.split_at_checked(end + 1 + length).expect("a record is whole");
        assert!(found.insert(index, record).is_none(), "record {index} arrived twice");
        bytes = rest;
    }
    found
}

fn delivers(server: &Server, program: &Path, stream: &str, more: &[(&str, &str)]) {
    let manifest = server.home.join(format!("{stream}.sent"));
    let mut environment = environment(server, stream, &server.writer);
    environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    succeed(clean(program, &server.home, &environment).arg(&manifest));

    let sent = std::fs::read(&manifest).expect("the program wrote what it sent");
    let arrived = server.arrived(stream);
    let (sent, arrived) = (records(&sent), records(&arrived));
    assert_eq!(sent.len(), 119);
    assert!(sent.keys().eq(arrived.keys()), "sent {:?}, arrived {:?}", sent.keys(), arrived.keys());
    for (number, record) in &sent {
        assert!(arrived[number] == *record, "record {number} arrived with other bytes");
    }
}

fn refuses(
    server: &Server,
    program: &Path,
    stream: &str,
    keys: &Keys,
    more: &[(&str, &str)],
    expected: &Refusal,
) {
    let mut environment = environment(server, stream, keys);
    environment.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let printed = succeed(&mut clean(program, &server.home, &environment));
    print!("{printed}");
    let said: BTreeMap<_, _> = printed.lines().filter_map(|line| line.split_once(' ')).collect();
    for call in ["put_record", "put_record_batch"] {
        let part = |name: &str| said[format!("{call}.{name}").as_str()];
        assert_eq!(part("code"), expected.code, "{printed}");
        assert_eq!(part("http"), expected.http, "{printed}");
        let message = part("message").to_lowercase();
        for word in expected.advice {
            assert!(message.contains(word), "{call}: no word of \"{word}\" in: {message}");
        }
    }
}

/// Puts with the keys of a role, which the server's STS gives for those of the writer.
fn assumes(server: &Server, program: &Path, role: &str) {
    let Keys { id, secret } = &server.writer;
    let config = server.home.join("assumed-config");
    let text = format!(
        "[profile assumed]\nrole_arn = {role}\nsource_profile = writer\n\
         [profile writer]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"
    );
    std::fs::write(&config, text).expect("a config file can be written");
    let settings = [
        ("AWS_ACCESS_KEY_ID", ""),
        ("AWS_SECRET_ACCESS_KEY", ""),
        ("AWS_PROFILE", "assumed"),
        ("AWS_CONFIG_FILE", config.to_str().expect("the path is text")),
        ("AWS_ENDPOINT_URL_STS", server.endpoint.as_str()),
    ];
    delivers(server, program, "assumed", &settings);
}

/// A secret with one character changed.
fn wrong_secret(keys: &Keys) -> Keys {
    let changed = if keys.secret.ends_with('x') { 'y' } else { 'x' };
    let mut secret = keys.secret.clone();
    secret.pop();
    secret.push(changed);
    Keys { id: keys.id.clone(), secret }
}

fn unknown_key(keys: &Keys) -> Keys {
    Keys { id: "AKIAIOSFODNN7UNKNOWN".into(), secret: keys.secret.clone() }
}

/// Every promise on one server, in the order secret, key, policy, clock.
fn serves(server: &Server, refusals: [&Refusal; 3], clock: Option<&Refusal>) {
    let deliver = program("../interop/deliver.c", Library::Checked, How::Plain);
    let refused = program("../interop/refused.c", Library::Checked, How::Plain);
    let [secret, key, policy] = refusals;
    delivers(server, &deliver, "plain", &[]);
    refuses(server, &refused, "plain", &wrong_secret(&server.writer), &[], secret);
    refuses(server, &refused, "plain", &unknown_key(&server.writer), &[], key);
    refuses(server, &refused, "plain", &server.stranger, &[], policy);
    if let Some(role) = &server.assumed {
        assumes(server, &deliver, role);
    }

    let Some(clock) = clock else { return };
    let wrong = ("FIREHOSE_TEST_CLOCK_OFFSET_MS", HALF_AN_HOUR_MS);
    refuses(server, &refused, "plain", &server.writer, &[wrong, ("FIREHOSE_TEST_CORRECTION", "off")], clock);
    let early = ("FIREHOSE_TEST_CLOCK_OFFSET_MS", "-1800000");
    refuses(server, &refused, "plain", &server.writer, &[early, ("FIREHOSE_TEST_CORRECTION", "off")], clock);
    delivers(server, &deliver, "fast-clock", &[wrong]);
    delivers(server, &deliver, "slow-clock", &[early]);
}

#[test]
fn firehose_local_takes_and_refuses() {
    let server = servers::firehose_local("local");
    let secret = Refusal { code: "InvalidSignatureException", http: "400", advice: &["secret"] };
    let key = Refusal { code: "UnrecognizedClientException", http: "400", advice: &["key"] };
    let policy =
        Refusal { code: "AccessDeniedException", http: "400", advice: &["policy", "firehose:putrecord"] };
    let clock = Refusal { code: "InvalidSignatureException", http: "400", advice: &["clock"] };
    serves(&server, [&secret, &key, &policy], Some(&clock));
}

#[test]
fn ministack_takes_and_refuses() {
    let Some(server) = servers::ministack() else { return };
    let secret = Refusal { code: "InvalidSignatureException", http: "400", advice: &["secret"] };
    let key = Refusal { code: "UnrecognizedClientException", http: "400", advice: &["key"] };
    let policy =
        Refusal { code: "AccessDeniedException", http: "403", advice: &["policy", "firehose:putrecord"] };
    let clock = Refusal { code: "InvalidSignatureException", http: "400", advice: &["clock"] };
    serves(&server, [&secret, &key, &policy], Some(&clock));
}

/// moto answers refusals in XML whatever the protocol, and does not look at the time of a signature, so a
/// wrong clock is no case for it.
#[test]
fn moto_takes_and_refuses() {
    let Some(server) = servers::moto() else { return };
    let secret = Refusal { code: "SignatureDoesNotMatch", http: "403", advice: &["secret"] };
    let key = Refusal { code: "InvalidClientTokenId", http: "403", advice: &["key"] };
    let policy = Refusal { code: "AccessDenied", http: "403", advice: &["policy", "firehose:putrecord"] };
    serves(&server, [&secret, &key, &policy], None);
}

/// Runs a program of another language: three records must arrive, and with a wrong secret it must fail and
/// say why.
fn speaks(mut command: impl FnMut(&BTreeMap<String, String>) -> Command, language: &str) {
    let server = servers::firehose_local(&format!("local-{language}"));
    let stream = language.to_lowercase();
    server.make_stream(&stream);
    let settings = |keys: &Keys| {
        let mut settings = environment(&server, &stream, keys);
        settings.insert("AWS_ENDPOINT_URL_FIREHOSE".into(), server.endpoint.clone());
        settings
    };
    succeed(command(&settings(&server.writer)).arg(&stream));
    let expected = format!("one from {language}\none from {language}\ntwo from {language}\n");
    assert_eq!(String::from_utf8_lossy(&server.arrived(&stream)), expected);

    let output =
        command(&settings(&wrong_secret(&server.writer))).arg(&stream).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && said.to_lowercase().contains("secret"),
        "{:?}: {said}",
        output.status
    );
    assert_eq!(String::from_utf8_lossy(&server.arrived(&stream)), expected);
}

#[test]
fn go_program_puts_records() {
    if !has("go", works("go", &["version"])) {
        return;
    }
    let dir = folder("go-program");
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("go-cache");
    let program = dir.join("put");
    for name in ["libfirehose.so", "libfirehose.so.1"] {
        std::os::unix::fs::symlink(Library::Release.shared(), dir.join(name)).expect("a link to the library");
    }
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(root().join("tests/interop/put.go"));
    build.env("GOCACHE", cache).env("GO111MODULE", "off").env("GOFLAGS", "").env("CGO_ENABLED", "1");
    build.env("CGO_CFLAGS", format!("-I{}", root().join("include").display()));
    succeed(build.env("CGO_LDFLAGS", format!("-L{0} -Wl,-rpath,{0}", dir.display())));
    speaks(|settings| clean(&program, &dir, settings), "Go");
}

#[test]
fn ruby_program_puts_records() {
    if !has("ruby with the ffi gem", works("ruby", &["-rffi", "-e", "0"])) {
        return;
    }
    let dir = folder("ruby-program");
    let program = |settings: &BTreeMap<String, String>| {
        let mut ruby = clean(Path::new("/usr/bin/env"), &dir, settings);
        ruby.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        ruby.env("FIREHOSE_LIBRARY", Library::Release.shared());
        ruby.arg("ruby").arg(root().join("tests/interop/put.rb"));
        ruby
    };
    speaks(program, "Ruby");
}
