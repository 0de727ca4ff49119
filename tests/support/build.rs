//! Builds the library once for each test process, and C programs against it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

/// Which library a program is linked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Library {
    /// What ships.
    Release,
    /// The same with symbols, and with the faults that only tests may ask for.
    Checked,
}

/// How a program is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum How {
    Plain,
    /// With the address and the undefined-behaviour sanitizer.
    Sanitized,
    /// Against the static archive.
    Static,
    /// Not linked with the library at all.
    Alone,
}

/// The folder that cargo builds into: `target`, or what stands in for it.
pub(crate) fn target() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    // target/PROFILE/deps/this-program
    exe.ancestors().nth(3).unwrap().to_path_buf()
}

impl Library {
    fn profile(self) -> &'static str {
        match self {
            Library::Release => "release",
            Library::Checked => "checked",
        }
    }

    /// The folder with libfirehose.so and libfirehose.a, freshly built.
    pub(crate) fn folder(self) -> PathBuf {
        static RELEASE: OnceLock<PathBuf> = OnceLock::new();
        static CHECKED: OnceLock<PathBuf> = OnceLock::new();
        let once = match self {
            Library::Release => &RELEASE,
            Library::Checked => &CHECKED,
        };
        once.get_or_init(|| self.build()).clone()
    }

    fn build(self) -> PathBuf {
        let mut cargo = cargo();
        cargo.args(["build", "--lib", "--profile", self.profile()]);
        if self == Library::Checked {
            cargo.args(["--features", "test-hooks"]);
        }
        succeed(&mut cargo);
        target().join(self.profile())
    }

    pub(crate) fn shared(self) -> PathBuf {
        self.folder().join("libfirehose.so")
    }

    pub(crate) fn archive(self) -> PathBuf {
        self.folder().join("libfirehose.a")
    }

    /// A folder in which the shared object has the name that programs ask for when they run.
    fn run_folder(self) -> PathBuf {
        let shared = self.shared();
        let folder = scratch().join(format!("lib-{}", self.profile()));
        let _ = std::fs::create_dir_all(&folder);
        let link = folder.join("libfirehose.so.1");
        if !link.exists() {
            let _ = std::os::unix::fs::symlink(shared, link);
        }
        folder
    }
}

/// The cargo that runs these tests, with the same target folder.
pub(crate) fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(super::root()).arg("--quiet").env("CARGO_TARGET_DIR", target());
    // Build scripts of dependencies watch these, which a test is given: with them everything would be built again.
    for (name, _) in std::env::vars_os() {
        if name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"))
        {
            cargo.env_remove(name);
        }
    }
    cargo
}

/// Runs `command` and fails the test with all that it said if it fails.
pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A folder for what this test process makes.
pub(crate) fn scratch() -> PathBuf {
    let exe = std::env::current_exe().unwrap();
    let folder = target().join("tests-c").join(exe.file_name().unwrap());
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

type Slot = Arc<OnceLock<PathBuf>>;
type Programs = HashMap<(String, Library, How), Slot>;

/// The executable of `tests/c/<source>`, or of all sources in that folder, compiled once.
pub(crate) fn program(source: &str, library: Library, how: How) -> PathBuf {
    static BUILT: OnceLock<Mutex<Programs>> = OnceLock::new();
    let slot = {
        let mut built = BUILT.get_or_init(Mutex::default).lock().unwrap();
        Arc::clone(built.entry((source.to_owned(), library, how)).or_default())
    };
    slot.get_or_init(|| compile(source, library, how)).clone()
}

fn compile(source: &str, library: Library, how: How) -> PathBuf {
    let path = super::root().join("tests/c").join(source);
    let stem = Path::new(source).file_stem().unwrap().to_str().unwrap();
    let output = scratch().join(format!("{stem}-{library:?}-{how:?}").to_lowercase());
    if super::namespace::is_inside() {
        // The test outside has built it, and may be running it.
        return output;
    }
    let cxx = source.ends_with(".cpp");
    let mut compiler = Command::new(if cxx { "c++" } else { "cc" });
    compiler.arg(if cxx { "-std=c++11" } else { "-std=gnu11" });
    compiler.args(["-O1", "-g", "-Wall", "-Wextra", "-Werror", "-pthread"]);
    // The folder must hold a header before a program that is not linked with the library includes it.
    let folder = library.folder();
    compiler.arg("-I").arg(super::root().join("include")).arg("-o").arg(&output);
    if path.is_dir() {
        let files = std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        compiler.args(files.filter(|file| file.extension().is_some_and(|kind| kind == "c")));
    } else {
        compiler.arg(&path);
    }
    if how == How::Sanitized {
        compiler.args([
            "-fsanitize=address,undefined",
            "-fno-sanitize-recover=all",
            "-fno-omit-frame-pointer",
        ]);
    }
    match how {
        How::Alone => _ = compiler.arg("-ldl"),
        How::Static => _ = compiler.arg(library.archive()).args(["-lgcc_s", "-lutil", "-lrt", "-lm", "-ldl"]),
        How::Plain | How::Sanitized => {
            let mut rpath = std::ffi::OsString::from("-Wl,-rpath,");
            rpath.push(library.run_folder());
            compiler.arg(rpath).arg("-L").arg(folder).args(["-lfirehose", "-ldl"]);
        }
    }
    succeed(&mut compiler);
    output
}

/// The shared object of `tests/c/preload/<source>`.
pub(crate) fn preload(source: &str) -> PathBuf {
    static BUILT: Mutex<()> = Mutex::new(());
    let _one_at_a_time = BUILT.lock().unwrap();
    let output = scratch().join(source).with_extension("so");
    if !output.exists() {
        let path = super::root().join("tests/c/preload").join(source);
        let mut cc = Command::new("cc");
        cc.args(["-std=gnu11", "-O1", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-pthread"]);
        succeed(cc.arg(path).arg("-o").arg(&output).arg("-ldl"));
    }
    output
}
