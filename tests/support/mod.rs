//! What the tests of the C border share: the built library, compiled C programs, and a way to run them.

#![allow(dead_code, reason = "each test program uses its own part of this module")]

pub(crate) mod authority;
pub(crate) mod build;
pub(crate) mod cloud;
pub(crate) mod elf;
pub(crate) mod namespace;
pub(crate) mod run;
pub(crate) mod server;
pub(crate) mod web;

use std::path::PathBuf;

/// The root of the sources.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Whether `tool` can be run. Where it cannot: a failure under CI, else a skip that says so.
pub(crate) fn have(tool: &str) -> bool {
    let found = std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(tool).is_file()));
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{tool} is needed and not installed");
        println!("skipped: {tool} is not installed");
    }
    found
}
