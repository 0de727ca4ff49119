//! Runs a C program in an environment that holds nothing but what is named here.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use super::build::{How, Library, preload, program, scratch};
use super::server::Server;

/// A program about to run.
#[derive(Clone)]
pub(crate) struct Run {
    executable: PathBuf,
    arguments: Vec<OsString>,
    environment: HashMap<OsString, OsString>,
    limit: Duration,
    valgrind: bool,
    leaks: bool,
    stdin: Option<PathBuf>,
}

/// What a program left behind.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Run {
    /// `tests/c/<source>` against the library that ships.
    pub(crate) fn new(source: &str) -> Run {
        Run::built(source, Library::Release, How::Plain)
    }

    pub(crate) fn built(source: &str, library: Library, how: How) -> Run {
        let home = scratch().join("home");
        std::fs::create_dir_all(&home).unwrap();
        let run = Run {
            executable: program(source, library, how),
            arguments: Vec::new(),
            environment: HashMap::new(),
            limit: Duration::from_secs(60),
            valgrind: false,
            leaks: true,
            stdin: None,
        };
        let run = run
            .env("HOME", home)
            .env("PATH", "/usr/bin:/bin")
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("FIREHOSE_TEST_STREAM", "test");
        match how {
            How::Sanitized => run
                .env("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=98:alloc_dealloc_mismatch=1")
                .env("UBSAN_OPTIONS", "print_stacktrace=1"),
            _ => run,
        }
    }

    /// Where the service is, and the keys that it knows.
    pub(crate) fn against(self, endpoint: impl Into<OsString>) -> Run {
        self.env("FIREHOSE_TEST_ENDPOINT", endpoint)
            .env("AWS_ACCESS_KEY_ID", "AKIDLOCAL")
            .env("AWS_SECRET_ACCESS_KEY", "local-secret")
            .env("AWS_REGION", "us-east-1")
    }

    pub(crate) fn http(self, server: &Server) -> Run {
        self.against(server.http())
    }

    /// The same port under a name, so that there is something to look up.
    pub(crate) fn named(self, server: &Server) -> Run {
        self.against(server.http().replace("127.0.0.1", "localhost"))
    }

    pub(crate) fn tls(self, server: &Server) -> Run {
        self.against(server.https()).env("AWS_CA_BUNDLE", server.ca())
    }

    pub(crate) fn arg(mut self, argument: impl Into<OsString>) -> Run {
        self.arguments.push(argument.into());
        self
    }

    /// What it reads.
    pub(crate) fn stdin(mut self, path: &Path) -> Run {
        self.stdin = Some(path.to_path_buf());
        self
    }

    pub(crate) fn args(self, arguments: &[&str]) -> Run {
        arguments.iter().fold(self, |run, argument| run.arg(argument))
    }

    pub(crate) fn env(mut self, name: &str, value: impl Into<OsString>) -> Run {
        self.environment.insert(name.into(), value.into());
        self
    }

    pub(crate) fn scale(self, percent: u32) -> Run {
        self.env("FIREHOSE_TEST_SCALE", percent.to_string())
    }

    pub(crate) fn limit(mut self, seconds: u64) -> Run {
        self.limit = Duration::from_secs(seconds);
        self
    }

    /// With `tests/c/preload/count.c` in front of the C library.
    pub(crate) fn counted(self) -> Run {
        self.env("LD_PRELOAD", preload("count.c"))
    }

    /// Under valgrind: a definite or an indirect leak is a failure like any wrong access.
    pub(crate) fn valgrind(mut self) -> Run {
        self.valgrind = true;
        self.limit(300)
    }

    /// Without the search for leaks: a forked child never frees what was its parent's, as it must.
    pub(crate) fn may_leak(mut self) -> Run {
        self.leaks = false;
        self.env("ASAN_OPTIONS", "detect_leaks=0:exitcode=98")
    }

    fn command(&self) -> Command {
        let mut command = if self.valgrind {
            let mut valgrind = Command::new("valgrind");
            valgrind.args([
                "--quiet",
                "--error-exitcode=99",
                "--num-callers=30",
                "--child-silent-after-fork=yes",
            ]);
            if self.leaks {
                valgrind.args(["--leak-check=full", "--errors-for-leak-kinds=definite,indirect"]);
                valgrind.arg("--show-leak-kinds=definite,indirect");
            } else {
                // In a child it would search word by word through what is not mapped there.
                valgrind.arg("--leak-check=no");
            }
            let mut suppressions = OsString::from("--suppressions=");
            suppressions.push(suppressions_file());
            valgrind.arg(suppressions).arg(&self.executable);
            valgrind
        } else {
            Command::new(&self.executable)
        };
        command.args(&self.arguments).env_clear().envs(&self.environment);
        match &self.stdin {
            Some(path) => command.stdin(std::fs::File::open(path).unwrap()),
            None => command.stdin(Stdio::null()),
        };
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts the program, for a test that does something to it meanwhile.
    pub(crate) fn start(self) -> std::process::Child {
        self.command().spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.executable))
    }

    /// Runs the program to its end or to its limit, whatever comes of it.
    pub(crate) fn finish(self) -> Ran {
        let start = Instant::now();
        let mut child =
            self.command().spawn().unwrap_or_else(|error| panic!("{:?}: {error}", self.executable));
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if start.elapsed() > self.limit {
                let threads = what_it_does(child.id());
                let _ = child.kill();
                let _ = child.wait();
                panic!("{:?} {:?} hangs after {:?}\n{threads}", self.executable, self.arguments, self.limit);
            }
            std::thread::sleep(Duration::from_millis(2));
        };
        Ran { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap(), took: start.elapsed() }
    }

    /// Runs the program, which must succeed and say nothing on stderr.
    pub(crate) fn pass(self) -> Ran {
        let name = format!("{:?} {:?}", self.executable.file_name().unwrap(), self.arguments);
        let ran = self.finish();
        assert!(
            ran.status.success() && ran.stderr.is_empty(),
            "{name}: {} (signal {:?})\nstderr: {}\nstdout: {}",
            ran.status,
            ran.status.signal(),
            ran.stderr,
            ran.stdout.chars().take(2000).collect::<String>(),
        );
        ran
    }
}

/// ring's AES-GCM is assembly that works on whole vectors. Memcheck cannot follow from which bytes the tag at the end of
/// a TLS record is made and takes it for uninitialised; that tags are right is proved by the peers, which check each.
/// Excused are the records that rustls sends, as what a system call reads (one entry for each piece), and the comparison
/// of a received tag.
fn suppressions_file() -> PathBuf {
    static WRITTEN: OnceLock<PathBuf> = OnceLock::new();
    let write = || {
        let entry = |piece| {
            format!(
                "{{\n   tag-of-a-tls-record\n   Memcheck:Param\n   sendmsg(msg.msg_iov[{piece}])\n   ...\n   \
                 fun:*ChunkVecBuffer*write_to*\n   ...\n}}\n"
            )
        };
        let path = scratch().join("valgrind.supp");
        let received =
            "{\n   tag-of-a-received-record\n   Memcheck:Cond\n   fun:*ring*aead*open_within*\n   ...\n}\n";
        std::fs::write(&path, (0..64).map(entry).collect::<String>() + received).unwrap();
        path
    };
    WRITTEN.get_or_init(write).clone()
}

fn collect(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// What each thread of a hanging process waits for.
fn what_it_does(pid: u32) -> String {
    let tasks = PathBuf::from(format!("/proc/{pid}/task"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let Ok(entries) = std::fs::read_dir(tasks) else { return String::new() };
    let lines = entries.flatten().map(|entry| {
        let path = entry.path();
        format!("{} {} {}", read(&path.join("comm")), read(&path.join("wchan")), read(&path.join("syscall")))
    });
    lines.collect::<Vec<_>>().join("\n")
}

impl Ran {
    /// The number that the program printed as `name value`.
    pub(crate) fn number(&self, name: &str) -> f64 {
        self.value(name)
    }

    /// The same as a count.
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.value(name)
    }

    fn value<T: std::str::FromStr>(&self, name: &str) -> T {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.trim().parse().ok())
            .unwrap_or_else(|| panic!("no number {name} in {}", self.stdout))
    }

    /// What `put.c --describe` printed.
    pub(crate) fn described(&self) -> serde_json::Value {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix("describe\t"));
        serde_json::from_str(line.unwrap_or_else(|| panic!("nothing described in {}", self.stdout))).unwrap()
    }

    /// The calls that `put.c` reports.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.stdout.lines().filter_map(Call::parse).collect()
    }
}

/// A call as `put.c` reports it.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) status: String,
    pub(crate) attempts: u32,
    pub(crate) http: u32,
    pub(crate) code: String,
    pub(crate) ms: f64,
    pub(crate) record_id: String,
    pub(crate) request_id: String,
    pub(crate) retryable: bool,
    pub(crate) records: usize,
    pub(crate) failed: usize,
    pub(crate) message: String,
}

impl Call {
    fn parse(line: &str) -> Option<Call> {
        let mut fields = line.strip_prefix("call\t")?.splitn(11, '\t');
        let mut next =
            || fields.next().unwrap_or_else(|| panic!("a field is missing in {line:?}")).to_owned();
        Some(Call {
            status: next().trim_start_matches("FIREHOSE_").to_owned(),
            attempts: next().parse().unwrap(),
            http: next().parse().unwrap(),
            code: next(),
            ms: next().parse().unwrap(),
            record_id: next(),
            request_id: next(),
            retryable: next() == "1",
            records: next().parse().unwrap(),
            failed: next().parse().unwrap(),
            message: next(),
        })
    }
}
