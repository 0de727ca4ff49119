//! Whom the library trusts: TLS 1.2 and up, a certificate for the right host, at the right time, of a known issuer.
//! What is refused says which of these it was and how the root of a company is added.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ServerConfig;
use support::authority::{Authority, Identity};
use support::build::scratch;
use support::have;
use support::run::{Call, Run};
use support::server::Server;
use support::web::{Reply, Web};

fn put(endpoint: &str, ca: &Path, options: &[&str]) -> Call {
    let run = Run::new("put.c").against(endpoint).env("AWS_CA_BUNDLE", ca);
    run.args(&["max_attempts=1", "operation_timeout_ms=5000"]).args(options).pass().calls().remove(0)
}

fn secure(config: Arc<ServerConfig>) -> Web {
    Web::on(&["127.0.0.1:0"], Some(config), |_| Reply::json(r#"{"RecordId":"one","Encrypted":false}"#))
}

fn endpoint(web: &Web) -> String {
    format!("https://localhost:{}", web.address.port())
}

/// The call was refused before anything was asked, and says so in these words.
fn refused(call: &Call, words: &[&str]) {
    assert_eq!((call.status.as_str(), call.http), ("TLS_FAILED", 0), "{call:?}");
    for word in words {
        assert!(call.message.contains(word), "no \"{word}\" in: {}", call.message);
    }
}

const HOW_TO_ADD_A_ROOT: [&str; 2] = ["ca_bundle", "AWS_CA_BUNDLE"];

#[test]
fn certificates_that_do_not_fit_are_refused_and_named() {
    let (known, unknown) = (Authority::new(), Authority::new());
    let ca = known.bundle("known", "");
    let cases: [(Identity, &str); 4] = [
        (known.identity(&["firehose.example"]), "for another host"),
        (unknown.identity(&["localhost"]), "unknown issuer"),
        (known.identity_between(&["localhost"], 2019, 2020), "has expired"),
        (known.identity_between(&["localhost"], 2119, 2120), "not valid yet"),
    ];
    for (identity, why) in cases {
        let web = secure(identity.config());
        let call = put(&endpoint(&web), &ca, &[]);
        refused(&call, &["localhost", why]);
        refused(&call, &HOW_TO_ADD_A_ROOT);
        assert!(web.seen().is_empty(), "{why}: {:?}", web.seen());
    }
}

#[test]
fn a_good_certificate_works_with_either_version_that_is_allowed() {
    let authority = Authority::new();
    let ca = authority.bundle("versions", "");
    let identity = authority.identity(&["localhost"]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let web = secure(identity.config_of(&[version]));
        let call = put(&endpoint(&web), &ca, &[]);
        assert_eq!(call.record_id, "one", "{version:?}: {call:?}");
    }
}

#[test]
fn a_server_of_old_versions_alone_is_refused() {
    let authority = Authority::new();
    let ca = authority.bundle("old", "");
    let identity = authority.identity(&["localhost"]);
    for version in ["-tls1", "-tls1_1"] {
        let Some(old) = OpenSsl::start(version, &[version, "-cipher", "ALL:@SECLEVEL=0"], &identity) else {
            return;
        };
        let call = put(&old.endpoint(), &ca, &[]);
        refused(&call, &["localhost", "TLS 1.2"]);
        refused(&call, &HOW_TO_ADD_A_ROOT);
    }
}

#[test]
fn plain_http_behind_https_is_named() {
    let authority = Authority::new();
    let ca = authority.bundle("plain", "");
    // One that answers what it cannot read, as web servers do.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let _ = socket.read(&mut [0; 1000]);
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n");
        }
    });
    refused(&put(&format!("https://localhost:{port}"), &ca, &[]), &["localhost", "http://"]);
}

#[test]
fn roots_come_from_where_they_are_said_to() {
    let server = Server::start();
    let pem = std::fs::read_to_string(server.ca()).unwrap();
    let other = Authority::new();
    let wrong = other.bundle("wrong", "");
    let run = || Run::new("put.c").against(server.https());
    let status = |run: Run| run.arg("max_attempts=1").pass().calls().remove(0);
    let good = |run: Run| {
        let call = status(run);
        assert_eq!(call.status, "OK", "{call:?}");
    };
    let file = server.ca().display().to_string();

    good(run().env("AWS_CA_BUNDLE", server.ca()));
    good(run().arg(format!("ca_bundle={file}")));
    good(run().arg(format!("ca_pem={pem}")));
    // An option comes before the variable, and the variable before the profile.
    good(run().env("AWS_CA_BUNDLE", &wrong).arg(format!("ca_bundle={file}")));
    good(run().env("AWS_CA_BUNDLE", &wrong).arg(format!("ca_pem={pem}")));
    let config = scratch().join("roots-config");
    std::fs::write(&config, format!("[default]\nca_bundle = {file}\n")).unwrap();
    good(run().env("AWS_CONFIG_FILE", &config));
    refused(&status(run().env("AWS_CONFIG_FILE", &config).env("AWS_CA_BUNDLE", &wrong)), &["unknown issuer"]);
    // Several in one file, with words between them.
    let many = other.bundle("many", &format!("\n# the next one is that of the server\n{pem}"));
    good(run().env("AWS_CA_BUNDLE", &many));

    // The system's roots, or those built in, do not know it, whichever they are.
    refused(&status(run()), &["unknown issuer", HOW_TO_ADD_A_ROOT[0]]);
    refused(&status(run().env("AWS_CA_BUNDLE", "/nonexistent/ca.pem")), &["/nonexistent/ca.pem"]);
    assert_eq!(server.count("requests"), 7);
}

/// `openssl s_server`, ended with the value.
struct OpenSsl {
    child: Child,
    port: u16,
}

impl OpenSsl {
    fn start(name: &str, options: &[&str], identity: &Identity) -> Option<OpenSsl> {
        if !have("openssl") {
            return None;
        }
        let folder = scratch().join(format!("openssl{name}"));
        std::fs::create_dir_all(&folder).unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let (certificate, key) =
            (file("certificate.pem", &identity.certificate), file("key.pem", &identity.key));
        // The port is given back before openssl takes it; nobody else here asks for that very one.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("openssl");
        command.args(["s_server", "-quiet", "-www", "-accept", &format!("127.0.0.1:{port}")]);
        command.args(options).arg("-cert").arg(certificate).arg("-key").arg(key);
        // The distribution's own settings may forbid the old versions.
        command.env("OPENSSL_CONF", "/dev/null").stdin(Stdio::null()).stdout(Stdio::null());
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let mut child = command.stderr(log).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            let said = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
            assert!(child.try_wait().unwrap().is_none() && Instant::now() < end, "openssl: {}", said());
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(OpenSsl { child, port })
    }

    fn endpoint(&self) -> String {
        format!("https://localhost:{}", self.port)
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
