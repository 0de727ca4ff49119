//! Where the unit tests find published test vectors.

use std::env;
use std::path::PathBuf;

/// The path of a file or folder of vectors; `None`, which skips the test, where they are not at hand, but never on
/// the build server.
pub(crate) fn folder(name: &str) -> Option<PathBuf> {
    let root = env::var_os("FIREHOSE_CONFORMANCE").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"),
        PathBuf::from,
    );
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    let why = format!("no {}; FIREHOSE_CONFORMANCE names the folder of the vectors", path.display());
    assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
    println!("skipped: {why}");
    None
}

/// The JSON of a file of vectors.
pub(crate) fn read(name: &str) -> Option<serde_json::Value> {
    let text = std::fs::read_to_string(folder(name)?).expect("test vectors can be read");
    Some(serde_json::from_str(&text).expect("test vectors are JSON"))
}
