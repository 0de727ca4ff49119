//! Files that hold a token and are rewritten by somebody else: read anew each time.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::Zeroizing;

/// Longer than any token.
const MOST: u64 = 256 * 1024;

/// The text of a file, bounded.
pub(super) fn read(path: &Path) -> Result<Zeroizing<String>, String> {
    let mut text = Zeroizing::new(String::new());
    let file = File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    file.take(MOST + 1)
        .read_to_string(&mut text)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    if u64::try_from(text.len()).is_ok_and(|length| length > MOST) {
        return Err(format!("{} has more than {MOST} bytes: is it the right file?", path.display()));
    }
    Ok(text)
}

/// A token that goes into a header or a form: one word.
pub(super) fn read_token(path: &Path) -> Result<Zeroizing<String>, String> {
    let text = read(path)?;
    let token = text.trim();
    match token {
        "" => Err(format!("{} is empty", path.display())),
        token if token.bytes().all(|b| (b' '..=b'~').contains(&b)) => Ok(Zeroizing::new(token.to_owned())),
        _ => Err(format!("{} holds a line break or a character that is not ASCII", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_a_token_is_taken() {
        let path = std::env::temp_dir().join(format!("firehose-token-{}", std::process::id()));
        std::fs::write(&path, " a.b-c\n").unwrap();
        assert_eq!(read_token(&path).unwrap().as_str(), "a.b-c");
        for bad in [&b""[..], b" \n", b"a\r\nb: c", b"\xff", "é".as_bytes()] {
            std::fs::write(&path, bad).unwrap();
            assert!(read_token(&path).is_err());
        }
        std::fs::remove_file(&path).unwrap();
        assert!(read_token(&path).unwrap_err().contains("firehose-token-"));
        assert!(read(Path::new("/dev/zero")).unwrap_err().contains("more than"));
    }
}
