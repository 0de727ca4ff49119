//! Makes `include/firehose.h` from `src/ffi` and gives the shared object its name and marks.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    for input in ["src/ffi", "cbindgen.toml", "Cargo.toml", "build.rs", "include/firehose.h"] {
        println!("cargo:rerun-if-changed={input}");
    }
    println!("cargo:rerun-if-env-changed=FIREHOSE_HEADER");
    let major = env::var("CARGO_PKG_VERSION_MAJOR").unwrap_or_default();
    // The soname, and no unloading while a thread may still run our code.
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libfirehose.so.{major}");
    for mark in ["nodelete", "now", "relro", "noexecstack"] {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,{mark}");
    }
    if let Some(header) = generate(&root) {
        publish(&root, &header);
    }
}

/// The header's text. Where cbindgen cannot read the source, rustc will say why; the old header stays until then.
fn generate(root: &Path) -> Option<Vec<u8>> {
    let mut config = cbindgen::Config::from_file(root.join("cbindgen.toml"))
        .map_err(|error| println!("cargo:warning=cbindgen.toml: {error}"))
        .ok()?;
    let overview = fs::read_to_string(root.join("src/ffi/overview.h")).unwrap_or_default();
    config.after_includes = Some(format!("\n{}\n{overview}", version_macros()));
    let bindings = cbindgen::Builder::new()
        .with_src(root.join("src/ffi/mod.rs"))
        .with_config(config)
        .generate()
        .map_err(|error| println!("cargo:warning=the header was not made: {error}"))
        .ok()?;
    let mut header = Vec::new();
    bindings.write(&mut header);
    Some(header)
}

fn version_macros() -> String {
    let part = |name: &str| env::var(format!("CARGO_PKG_VERSION_{name}")).unwrap_or_default();
    let (major, minor, patch) = (part("MAJOR"), part("MINOR"), part("PATCH"));
    let number = |text: &str| text.parse::<u32>().unwrap_or_default();
    format!(
        "/* The version of this header; that of the library is told by firehose_version_number. */\n\
         #define FIREHOSE_VERSION_MAJOR {major}\n#define FIREHOSE_VERSION_MINOR {minor}\n\
         #define FIREHOSE_VERSION_PATCH {patch}\n#define FIREHOSE_VERSION_NUMBER {}\n",
        number(&major) * 1_000_000 + number(&minor) * 1_000 + number(&patch)
    )
}

/// Puts the header beside the build's other outputs, and into `include` where that is a checkout of ours.
fn publish(root: &Path, header: &[u8]) {
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    if fs::write(out.join("firehose.h"), header).is_err() {
        println!("cargo:warning=firehose.h cannot be written to {}", out.display());
    }
    println!("cargo:include={}", out.display());
    let place = root.join("include/firehose.h");
    if fs::read(&place).is_ok_and(|committed| committed == header) {
        return;
    }
    if env::var("FIREHOSE_HEADER").is_ok_and(|mode| mode == "check") {
        println!(
            "cargo:error=include/firehose.h is not the one that src/ffi makes; build once and commit it"
        );
        std::process::exit(1);
    }
    let packaged =
        root.components().any(|part| part.as_os_str() == "registry" || part.as_os_str() == "package");
    if packaged || env::var_os("DOCS_RS").is_some() {
        return;
    }
    // Written beside and renamed: another profile may be building at the same time.
    let draft = root.join(format!("include/.firehose.h.{}", std::process::id()));
    let written = fs::create_dir_all(root.join("include"))
        .and_then(|()| fs::write(&draft, header))
        .and_then(|()| fs::rename(&draft, &place));
    if let Err(error) = written {
        println!("cargo:warning={} is not up to date and cannot be written: {error}", place.display());
        let _ = fs::remove_file(&draft);
    }
}
