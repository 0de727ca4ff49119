//! What the tools of the linker say about the library.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use super::build::succeed;

/// The symbols that a shared object offers.
pub(crate) fn exported(shared: &Path) -> BTreeSet<String> {
    let text = succeed(Command::new("nm").args(["-D", "--defined-only"]).arg(shared));
    text.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned).collect()
}

/// The functions that the header declares: the names before a parenthesis, outside of comments.
pub(crate) fn declared(header: &Path) -> BTreeSet<String> {
    let mut cc = Command::new("cc");
    let text = succeed(cc.args(["-E", "-P", "-xc", "-D__STDC_HOSTED__=1"]).arg(header));
    let mut names = BTreeSet::new();
    for (at, _) in text.match_indices("firehose_") {
        let name: String =
            text[at..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        let starts_a_word = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        if starts_a_word && text[at + name.len()..].trim_start().starts_with('(') {
            names.insert(name);
        }
    }
    names
}

/// `readelf` with `options`, in wide lines.
pub(crate) fn readelf(options: &str, file: &Path) -> String {
    succeed(Command::new("readelf").args(["-W", options]).arg(file))
}
