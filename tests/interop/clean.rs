//! Folders, and programs in a clean environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A new, empty folder.
pub(crate) fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the folder of an earlier run goes");
    }
    std::fs::create_dir_all(&path).expect("a folder for the test");
    path
}

/// A command that sees of the environment only what the test gives it, and has an empty home.
pub(crate) fn clean(program: &Path, home: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("HOME", home)
        .env("PATH", "/usr/bin:/bin")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_REGION", "us-east-1").envs(environment);
    command
}

/// Whether a tool that a test cannot do without is there. On a build machine it has to be; elsewhere the test
/// is left out, and says so.
pub(crate) fn has(what: &str, there: bool) -> bool {
    if !there {
        assert!(std::env::var_os("CI").is_none(), "{what} is missing; run packaging/setup.sh test");
        eprintln!("left out: {what} is missing; `make test` sets it up");
    }
    there
}

/// Whether a command can be run and succeeds.
pub(crate) fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output: Output| output.status.success())
}
