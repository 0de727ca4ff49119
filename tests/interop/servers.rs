//! The three servers, each ready for the programs: a user who may write, one who may not, and a way to read
//! back what arrived. All listen on 127.0.0.1 on a free port and end with the value that holds them.

use super::clean::{clean, folder, has};
use crate::support::build::succeed;
use crate::support::root;
use std::collections::BTreeMap;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BUCKET: &str = "arrivals";
const START_LIMIT: Duration = Duration::from_secs(90);

pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: String,
}

pub(crate) struct Server {
    pub(crate) endpoint: String,
    pub(crate) writer: Keys,
    pub(crate) stranger: Keys,
    pub(crate) home: PathBuf,
    role: String,
    /// A role that the writer may assume, where the server has an STS.
    pub(crate) assumed: Option<String>,
    kind: Kind,
}

/// What keeps a server alive, and how what arrived is read.
enum Kind {
    InProcess { server: firehose_local::Server, data: PathBuf },
    Python { _process: Process, venv: PathBuf },
}

impl Server {
    /// The JSON of a destination under the stream's own prefix.
    pub(crate) fn destination(&self, stream: &str) -> String {
        let role = &self.role;
        format!(r#"{{"RoleARN":"{role}","BucketARN":"arn:aws:s3:::{BUCKET}","Prefix":"{stream}/"}}"#)
    }

    /// The bytes of all objects of a stream.
    pub(crate) fn arrived(&self, stream: &str) -> Vec<u8> {
        let place = match &self.kind {
            Kind::InProcess { data, .. } => data.join(stream),
            Kind::Python { venv, .. } => {
                let objects = self.home.join(format!("objects-{stream}"));
                std::fs::create_dir(&objects).expect("a folder for the objects");
                let mut fetch = python(venv, &self.home, "fetch.py", &self.endpoint, &[BUCKET, stream]);
                fetch.arg(&objects).env("AWS_ACCESS_KEY_ID", &self.writer.id);
                succeed(fetch.env("AWS_SECRET_ACCESS_KEY", &self.writer.secret));
                objects
            }
        };
        let mut files = Vec::new();
        files_under(&place, &mut files);
        files.sort();
        files.iter().flat_map(|file| std::fs::read(file).expect("an object can be read")).collect()
    }

    pub(crate) fn make_stream(&self, name: &str) {
        if let Kind::InProcess { server, .. } = &self.kind {
            server.create_stream(name);
        }
    }
}

fn files_under(place: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(place) else { return };
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() { files_under(&path, files) } else { files.push(path) }
    }
}

pub(crate) fn firehose_local(name: &str) -> Server {
    let data = folder(&format!("{name}-data"));
    let writer = Keys { id: "AKIDWRITER".into(), secret: "secret-of-the-writer".into() };
    let stranger = Keys { id: "AKIDSTRANGER".into(), secret: "secret-of-the-stranger".into() };
    let server = firehose_local::Server::start(firehose_local::Options {
        data: Some(data.clone()),
        keys: vec![firehose_local::Key::new(&writer.id, &writer.secret)],
        denied_keys: vec![firehose_local::Key::new(&stranger.id, &stranger.secret)],
        ..Default::default()
    })
    .expect("firehose-local starts");
    Server {
        endpoint: server.endpoint().to_owned(),
        writer,
        stranger,
        home: folder(&format!("{name}-home")),
        role: "arn:aws:iam::123456789012:role/firehose".into(),
        assumed: None,
        kind: Kind::InProcess { server, data },
    }
}

/// MiniStack checks every request from its start; its root key makes the users.
pub(crate) fn ministack() -> Option<Server> {
    let port = free_port();
    let environment = [("BIND_HOST", "127.0.0.1".to_owned()), ("GATEWAY_PORT", port.to_string())];
    python_server("ministack", &[], port, environment.into_iter().chain([("AUTH", "true".to_owned())]), None)
}

/// moto checks nothing until it is told to, once the users are there.
pub(crate) fn moto() -> Option<Server> {
    let port = free_port();
    let switch = format!("http://127.0.0.1:{port}/moto-api/reset-auth");
    let arguments = ["-H".to_owned(), "127.0.0.1".to_owned(), "-p".to_owned(), port.to_string()];
    python_server("moto", &arguments, port, [], Some(&switch))
}

fn python_server(
    name: &str,
    arguments: &[String],
    port: u16,
    environment: impl IntoIterator<Item = (&'static str, String)>,
    switch: Option<&str>,
) -> Option<Server> {
    let venv = root().join("target").join(format!("venv-{name}"));
    if !has(&format!("{} with {name}", venv.display()), venv.join("made-from").exists()) {
        return None;
    }
    let program = if name == "moto" { "moto_server" } else { name };
    let home = folder(&format!("{name}-home"));
    let environment = environment.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let mut server = Process::guarded(&venv.join("bin").join(program), arguments, &home, &environment);
    let endpoint = format!("http://127.0.0.1:{port}");
    server.wait_for_port(port, name);

    let mut arguments = vec![BUCKET];
    arguments.extend(switch);
    let made = succeed(&mut python(&venv, &home, "prepare.py", &endpoint, &arguments));
    let made: serde_json::Value = serde_json::from_str(&made).expect("prepare.py prints JSON");
    let text = |value: &serde_json::Value| value.as_str().expect("a string of prepare.py").to_owned();
    let keys = |user: &str| Keys { id: text(&made[user][0]), secret: text(&made[user][1]) };
    Some(Server {
        endpoint,
        writer: keys("writer"),
        stranger: keys("stranger"),
        home,
        role: text(&made["role"]),
        assumed: Some(text(&made["assumed"])),
        kind: Kind::Python { _process: server, venv },
    })
}

fn python(venv: &Path, home: &Path, script: &str, endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = clean(&venv.join("bin/python"), home, &BTreeMap::new());
    command.arg(root().join("tests/interop").join(script)).arg(endpoint).args(arguments);
    command
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
    listener.local_addr().expect("the port has a number").port()
}

/// A server program under a shell that ends it when its standard input does: also when the test is killed.
struct Process {
    shell: Child,
    log: PathBuf,
}

impl Process {
    fn guarded(
        program: &Path,
        arguments: &[String],
        home: &Path,
        environment: &BTreeMap<String, String>,
    ) -> Self {
        let log = home.join("server.log");
        let file = std::fs::File::create(&log).expect("the server's log can be made");
        let mut shell = clean(Path::new("/bin/sh"), home, environment);
        shell.args([
            "-c",
            r#""$@" </dev/null & server=$!; cat >/dev/null; kill $server; wait $server"#,
            "sh",
        ]);
        shell.arg(program).args(arguments).env("TMPDIR", home).current_dir(home).stdin(Stdio::piped());
        shell.stdout(file.try_clone().expect("a second handle")).stderr(file);
        Self { shell: shell.spawn().expect("a shell can be started"), log }
    }

    fn wait_for_port(&mut self, port: u16, name: &str) {
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(
                began.elapsed() < START_LIMIT,
                "{name} did not start:\n{}",
                std::fs::read_to_string(&self.log).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ended = self.shell.wait();
    }
}
