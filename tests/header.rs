//! The header: current, and complete on its own in every dialect that callers use.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::process::Command;

use support::build::{cargo, scratch, succeed};
use support::root;

#[test]
fn the_committed_header_is_what_the_sources_say() {
    let mut build = cargo();
    succeed(build.args(["check", "--lib"]).env("FIREHOSE_HEADER", "check"));
}

/// A header that was edited by hand stops the build that checks it.
#[test]
fn a_stale_header_is_noticed() {
    let copy = scratch().join("stale");
    let _ = std::fs::remove_dir_all(&copy);
    for folder in ["include", "tests/local/src"] {
        std::fs::create_dir_all(copy.join(folder)).unwrap();
    }
    for file in ["Cargo.toml", "Cargo.lock", "build.rs", "cbindgen.toml", "tests/local/Cargo.toml"] {
        std::fs::copy(root().join(file), copy.join(file)).unwrap();
    }
    for folder in ["src", "tests/local/src"] {
        let into = copy.join(folder).parent().unwrap().to_path_buf();
        succeed(Command::new("cp").arg("-R").arg(root().join(folder)).arg(into));
    }
    let header = std::fs::read_to_string(root().join("include/firehose.h")).unwrap();
    let stale = header.replacen("firehose_put_record_batch", "firehose_put_records", 1);
    assert_ne!(header, stale);
    std::fs::write(copy.join("include/firehose.h"), stale).unwrap();
    let mut build = cargo();
    build.args(["check", "--lib"]).current_dir(&copy).env("FIREHOSE_HEADER", "check");
    let output = build.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "a stale header was taken");
    assert!(said.contains("firehose.h"), "{said}");
}

#[test]
fn it_compiles_alone_and_twice_in_every_dialect() {
    let include = root().join("include");
    let once = "#include <firehose.h>\n";
    let twice = "#include <firehose.h>\n#include <firehose.h>\n#include <stdlib.h>\n";
    let used = "#include <firehose.h>\nint main(void) { return firehose_put_record(NULL, \"s\", \"x\", 1, NULL) == \
                FIREHOSE_INVALID_ARGUMENT ? 0 : 1; }\n";
    let mut compiled = 0;
    for (compilers, extension, standards) in [
        (["gcc", "clang"], "c", ["c99", "c11", "c2x"].as_slice()),
        (["g++", "clang++"], "cpp", ["c++11", "c++17", "c++20"].as_slice()),
    ] {
        for compiler in compilers.into_iter().filter(|compiler| support::have(compiler)) {
            for standard in standards {
                for (name, text) in [("once", once), ("twice", twice), ("used", used)] {
                    let source = scratch().join(format!("header-{compiler}-{standard}-{name}.{extension}"));
                    std::fs::write(&source, text).unwrap();
                    let mut command = Command::new(compiler);
                    command.arg(format!("-std={standard}"));
                    command.args(["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "-I"]);
                    succeed(command.arg(&include).arg(&source));
                    compiled += 1;
                }
            }
        }
    }
    assert!(compiled >= 18, "{compiled} combinations");
}

#[test]
fn two_files_that_include_it_link_into_one_program() {
    let include = root().join("include");
    let mut command = Command::new("cc");
    command.args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-I"]).arg(&include);
    for (name, text) in
        [("a", "#include <firehose.h>\nint main(void) { return 0; }\n"), ("b", "#include <firehose.h>\n")]
    {
        let source = scratch().join(format!("link-{name}.c"));
        std::fs::write(&source, text).unwrap();
        command.arg(source);
    }
    succeed(command.arg("-o").arg(scratch().join("linked")));
}
