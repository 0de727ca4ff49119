//! The source keeps to its own rules: modules depend one way, unsafe code stays where it belongs, nothing exported
//! goes round the boundary, and the manual quotes programs that are tested.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// Path below `src`, and text without comments and tests.
fn all() -> Vec<(String, String)> {
    let src = root().join("src");
    let mut found = Vec::new();
    sources(&src, &mut found);
    assert!(found.len() > 30, "{} files", found.len());
    let text = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.map(|line| format!("{line}\n")).collect::<String>()
    };
    found.iter().map(|path| (path.strip_prefix(&src).unwrap().display().to_string(), text(path))).collect()
}

/// Lower layers have higher numbers; a module uses only what has a higher one than itself.
fn layer(module: &str) -> usize {
    let layers: [&[&str]; 8] = [
        &["ffi"],
        &["producer"],
        &["client"],
        &["credentials"],
        &["wire", "sign", "http", "retry"],
        &["config"],
        &["log"],
        &["clock", "error", "sys", "text"],
    ];
    layers
        .iter()
        .position(|layer| layer.contains(&module))
        .unwrap_or_else(|| panic!("the module {module} has no layer"))
}

#[test]
fn modules_depend_one_way() {
    let mut wrong = Vec::new();
    for (path, text) in all() {
        let module = path.split(['/', '.']).next().unwrap();
        // Vectors are read by tests alone.
        if matches!(module, "lib" | "vectors") || path.ends_with("vectors.rs") || path.ends_with("tests.rs") {
            continue;
        }
        for used in text.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
            if !used.is_empty() && used != module && layer(&used) <= layer(module) {
                wrong.push(format!("{path} uses {used}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn unsafe_code_is_where_it_belongs() {
    for (path, text) in all() {
        let allowed = path.starts_with("ffi/") || path.starts_with("sys/");
        assert!(allowed || !text.contains("unsafe"), "{path}");
    }
}

#[test]
fn every_exported_function_goes_through_the_boundary() {
    let mut count = 0;
    for (path, text) in all() {
        for definition in text.split("#[unsafe(no_mangle)]").skip(1) {
            count += 1;
            let body = definition.split_once(" {\n").expect("a body").1.trim_start();
            let body = body.strip_prefix("unsafe {").unwrap_or(body).trim_start();
            let name = definition.split("fn ").nth(1).and_then(|rest| rest.split('(').next()).unwrap();
            // `firehose_result_body` sets its second result aside first.
            let inside = body.starts_with("let get = ")
                || ["plain(", "call(", "read(", "text(", "text_at("].iter().any(|way| body.starts_with(way));
            assert!(inside, "{path}: {name} begins with {:?}", body.lines().next());
        }
        let defined = text.matches("extern \"C\" fn firehose_").count();
        assert_eq!(defined, text.matches("#[unsafe(no_mangle)]").count(), "{path}");
    }
    assert!(count > 30, "{count} functions");
}

#[test]
fn files_stay_small() {
    for (path, text) in all() {
        assert!(text.lines().count() <= 500, "{path}");
    }
}

#[test]
fn the_manual_quotes_programs_that_are_tested() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for program in ["tests/interop/put.go", "tests/interop/put.rb"] {
        let text = fs::read_to_string(root().join(program)).unwrap();
        assert!(readme.contains(text.trim()), "{program} is not in README.md as it stands");
    }
    let overview = fs::read_to_string(root().join("include/firehose.h")).unwrap();
    let body = readme.split("int main(void) {\n").nth(1).and_then(|rest| rest.split("\n}\n").next()).unwrap();
    for line in body.lines().filter(|line| !line.is_empty()) {
        assert!(overview.contains(line.trim()), "the header's overview lacks {line:?}");
    }
}
