//! What `make install` puts in place, seen from outside: files, links and soname, a C program built with
//! pkg-config and one with CMake, and a static archive that keeps to itself.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use support::build::{cargo, succeed};
use support::root;

const VERSION: &str = env!("CARGO_PKG_VERSION");
const MAJOR: &str = env!("CARGO_PKG_VERSION_MAJOR");

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if path.exists() {
        std::fs::remove_dir_all(&path).expect("the folder of an earlier run goes");
    }
    std::fs::create_dir_all(&path).expect("a folder for the test");
    path
}

fn make_install(settings: &[String]) {
    let mut make = Command::new("make");
    make.current_dir(root()).arg("install").args(settings);
    // The same surroundings as in the other tests: cargo builds anew whatever sees others.
    for (name, value) in cargo().get_envs() {
        match value {
            Some(value) => make.env(name, value),
            None => make.env_remove(name),
        };
    }
    // The tests may themselves run below a make.
    succeed(make.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").env_remove("DESTDIR"));
}

struct Installed {
    prefix: PathBuf,
    staged: PathBuf,
}

const STAGED_PREFIX: &str = "/opt/firehose";

/// One installation under a prefix, and one staged for a package, with a library folder of its own.
fn installed() -> &'static Installed {
    static DONE: OnceLock<Installed> = OnceLock::new();
    DONE.get_or_init(|| {
        let prefix = folder("installed");
        let staged = folder("staged");
        make_install(&[format!("PREFIX={}", prefix.display())]);
        make_install(&[
            format!("DESTDIR={}", staged.display()),
            format!("PREFIX={STAGED_PREFIX}"),
            format!("LIBDIR={STAGED_PREFIX}/lib/x86_64-linux-gnu"),
        ]);
        Installed { prefix, staged }
    })
}

fn files_under(place: &Path) -> BTreeSet<String> {
    let listed = succeed(Command::new("find").arg(place).args(["-not", "-type", "d", "-printf", "%P\n"]));
    listed.lines().map(str::to_owned).collect()
}

fn expected_files(libdir: &str) -> BTreeSet<String> {
    [
        format!("libfirehose.so.{VERSION}"),
        format!("libfirehose.so.{MAJOR}"),
        "libfirehose.so".into(),
        "libfirehose.a".into(),
        "pkgconfig/firehose.pc".into(),
        "cmake/firehose/firehose-config.cmake".into(),
        "cmake/firehose/firehose-config-version.cmake".into(),
    ]
    .into_iter()
    .map(|name| format!("{libdir}/{name}"))
    .chain(["include/firehose.h".to_owned(), "bin/firehose-pipe".to_owned()])
    .collect()
}

fn pkg_config(prefix: &Path, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", prefix.join("lib/pkgconfig")).args(arguments).arg("firehose");
    succeed(&mut command).split_whitespace().map(str::to_owned).collect()
}

fn example() -> PathBuf {
    root().join("examples-c/01_put_record.c")
}

/// Runs a program that puts its second argument, and expects just that to arrive.
fn puts_a_record(program: &Path, library_path: Option<&Path>) {
    let server = firehose_local::Server::start(firehose_local::Options::default()).expect("a local Firehose");
    server.create_stream("clicks");
    let mut command = Command::new(program);
    command.args(["clicks", "a line\n"]).env_clear().env("HOME", "/nonexistent");
    command.env("AWS_ENDPOINT_URL_FIREHOSE", server.endpoint()).env("AWS_REGION", "us-east-1");
    command.env("AWS_EC2_METADATA_DISABLED", "true").env("AWS_ACCESS_KEY_ID", "AKIDLOCAL");
    command.env("AWS_SECRET_ACCESS_KEY", "local-secret");
    if let Some(path) = library_path {
        command.env("LD_LIBRARY_PATH", path);
    }
    succeed(&mut command);
    assert_eq!(server.records("clicks"), [b"a line\n"]);
}

fn needed(program: &Path) -> Vec<String> {
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(program));
    let lines = dynamic.lines().filter(|line| line.contains("(NEEDED)"));
    lines.filter_map(|line| Some(line.split_once('[')?.1.trim_end_matches(']').to_owned())).collect()
}

fn is_shared(program: &Path) -> bool {
    needed(program).contains(&format!("libfirehose.so.{MAJOR}"))
}

#[test]
fn every_file_is_in_its_place() {
    let Installed { prefix, staged } = installed();
    assert_eq!(files_under(prefix), expected_files("lib"));
    let below = staged.join("opt/firehose");
    assert_eq!(files_under(&below), expected_files("lib/x86_64-linux-gnu"));
    assert_eq!(files_under(staged).len(), files_under(&below).len(), "nothing lands outside the prefix");

    let told = succeed(Command::new(prefix.join("bin/firehose-pipe")).arg("--version"));
    assert_eq!(told, format!("firehose-pipe {VERSION}\n"));

    let link = |name: String| std::fs::read_link(prefix.join("lib").join(name)).expect("a link");
    assert_eq!(link("libfirehose.so".into()), Path::new(&format!("libfirehose.so.{MAJOR}")));
    assert_eq!(link(format!("libfirehose.so.{MAJOR}")), Path::new(&format!("libfirehose.so.{VERSION}")));
    let dynamic = succeed(Command::new("readelf").arg("-d").arg(prefix.join("lib/libfirehose.so")));
    assert!(dynamic.contains(&format!("Library soname: [libfirehose.so.{MAJOR}]")), "{dynamic}");
}

#[test]
fn a_staged_description_names_the_prefix_not_the_stage() {
    let staged = &installed().staged;
    let libdir = staged.join("opt/firehose/lib/x86_64-linux-gnu");
    let text = std::fs::read_to_string(libdir.join("pkgconfig/firehose.pc")).expect("firehose.pc");
    assert!(!text.contains(&staged.display().to_string()), "{text}");
    assert!(!text.contains('@'), "{text}");
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_LIBDIR", libdir.join("pkgconfig")).args(["--cflags", "--libs", "firehose"]);
    let flags = succeed(&mut command);
    let expected = format!("-I{STAGED_PREFIX}/include -L{STAGED_PREFIX}/lib/x86_64-linux-gnu -lfirehose");
    assert_eq!(flags.trim(), expected);
}

#[test]
fn a_program_is_built_with_pkg_config() {
    let prefix = &installed().prefix;
    let program = folder("pkg-config-shared").join("program");
    let flags = pkg_config(prefix, &["--cflags", "--libs"]);
    succeed(Command::new("cc").arg("-std=c99").arg(example()).args(flags).arg("-o").arg(&program));
    assert!(is_shared(&program));
    puts_a_record(&program, Some(&prefix.join("lib")));
    assert_eq!(pkg_config(prefix, &["--modversion"]), [VERSION]);
}

#[test]
fn a_program_is_linked_statically_with_pkg_config() {
    let prefix = &installed().prefix;
    let program = folder("pkg-config-static").join("program");
    let flags = pkg_config(prefix, &["--static", "--cflags", "--libs"]);
    // Where both are installed the linker takes the shared one unless the archive is named.
    let archive = |flag: String| if flag == "-lfirehose" { "-l:libfirehose.a".into() } else { flag };
    let flags = flags.into_iter().map(archive);
    succeed(Command::new("cc").arg("-std=c99").arg(example()).args(flags).arg("-o").arg(&program));
    assert!(!is_shared(&program));
    puts_a_record(&program, None);
}

const CMAKE_LISTS: &str = r"cmake_minimum_required(VERSION 3.13)
project(program C)
set(CMAKE_C_STANDARD 99)
find_package(firehose 1.0 REQUIRED)
add_executable(shared ${SOURCE})
target_link_libraries(shared PRIVATE firehose::firehose)
add_executable(static ${SOURCE})
target_link_libraries(static PRIVATE firehose::firehose_static)
";

#[test]
fn programs_are_built_with_cmake() {
    let prefix = &installed().prefix;
    let dir = folder("cmake");
    std::fs::write(dir.join("CMakeLists.txt"), CMAKE_LISTS).expect("a CMake project");
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(&dir).arg("-B").arg(dir.join("build"));
    configure.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    succeed(configure.arg(format!("-DSOURCE={}", example().display())));
    succeed(Command::new("cmake").arg("--build").arg(dir.join("build")));

    let (shared, fixed) = (dir.join("build/shared"), dir.join("build/static"));
    assert!(is_shared(&shared) && !is_shared(&fixed));
    puts_a_record(&shared, None);
    puts_a_record(&fixed, None);

    let asks_for_two = CMAKE_LISTS.replace("firehose 1.0", "firehose 2.0");
    std::fs::write(dir.join("CMakeLists.txt"), asks_for_two).expect("a CMake project");
    let mut refused = Command::new("cmake");
    refused.arg("-S").arg(&dir).arg("-B").arg(dir.join("refused"));
    refused.arg(format!("-DCMAKE_PREFIX_PATH={}", prefix.display()));
    let refused = refused.arg(format!("-DSOURCE={}", example().display())).output().expect("cmake runs");
    assert!(!refused.status.success(), "version 1 is not what a program that asks for 2 can use");
}

#[test]
fn the_archive_shows_only_its_own_names() {
    let archive = installed().prefix.join("lib/libfirehose.a");
    let names = succeed(Command::new("nm").args(["-g", "--defined-only", "--format=posix"]).arg(&archive));
    let names: Vec<_> = names.lines().filter_map(|line| line.split_once(' ')).map(|(name, _)| name).collect();
    assert!(names.contains(&"firehose_put_record"), "{names:?}");
    let others: Vec<_> = names.iter().filter(|name| !name.starts_with("firehose_")).collect();
    assert!(others.is_empty(), "{others:?}");

    let symbols = |file: PathBuf, options: &[&str]| -> BTreeSet<String> {
        let printed =
            succeed(Command::new("nm").args(options).args(["--defined-only", "--format=posix"]).arg(file));
        printed.lines().filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect()
    };
    let shared = symbols(installed().prefix.join("lib/libfirehose.so"), &["-D"]);
    assert_eq!(symbols(archive, &["-g"]), shared, "archive and shared object offer the same functions");
}

const OTHER_ARCHIVE: &str = r#"#[unsafe(no_mangle)]
pub extern "C" fn other_panics_and_goes_on() -> i32 {
    std::panic::set_hook(Box::new(|_| ()));
    let caught = std::thread::spawn(|| std::panic::catch_unwind(|| panic!("other")).is_err()).join();
    i32::from(caught.unwrap_or(false))
}
"#;

const BOTH: &str = r#"#include <firehose.h>
#include <string.h>
int other_panics_and_goes_on(void);
int main(void) {
    firehose_client *client = NULL;
    firehose_config *config = firehose_config_new();
    int made = firehose_config_set(config, "region", "us-east-1", NULL) == FIREHOSE_OK &&
               firehose_client_new(config, &client, NULL) == FIREHOSE_OK;
    firehose_free(client);
    firehose_config_free(config);
    return made && other_panics_and_goes_on() == 1 && strlen(firehose_version()) > 0 ? 0 : 1;
}
"#;

/// Two archives of Rust, both with link-time optimisation, define the same runtime twice; ours hides its copy.
#[test]
fn the_archive_links_beside_another_rust_archive() {
    let prefix = &installed().prefix;
    let dir = folder("two-archives");
    std::fs::write(dir.join("other.rs"), OTHER_ARCHIVE).expect("a Rust file");
    std::fs::write(dir.join("both.c"), BOTH).expect("a C file");
    let mut rustc = Command::new("rustc");
    rustc.current_dir(&dir).args(["--edition=2024", "--crate-type=staticlib", "-O", "-Clto=fat", "other.rs"]);
    succeed(&mut rustc);
    for order in [["-l:libfirehose.a", "libother.a"], ["libother.a", "-l:libfirehose.a"]] {
        let flags = pkg_config(prefix, &["--static", "--cflags", "--libs"]);
        let flags = flags.into_iter().filter(|flag| flag != "-lfirehose");
        let (before, after): (Vec<_>, Vec<_>) = flags.partition(|flag| !flag.starts_with("-l"));
        let mut cc = Command::new("cc");
        cc.current_dir(&dir).arg("both.c").args(before).args(order).args(after).args(["-o", "both"]);
        succeed(&mut cc);
        succeed(&mut Command::new(dir.join("both")));
    }
}
