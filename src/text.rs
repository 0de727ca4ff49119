//! Foreign text made fit for a message or a log line.

/// How much is kept.
const PIECE: usize = 200;

/// The beginning of a text, on one line and without control characters.
pub(crate) fn printable(text: &str) -> String {
    let mut out = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > PIECE {
            let end = (0..=PIECE).rev().find(|end| out.is_char_boundary(*end)).unwrap_or_default();
            out.truncate(end);
            out.push('…');
            break;
        }
    }
    out
}

/// The whole text on one line.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_cut_and_cleaned() {
        assert_eq!(printable(" a\r\n b\u{1}c "), "a b c");
        assert_eq!(printable(""), "");
        let long = printable(&"é".repeat(500));
        assert!(long.len() <= PIECE + 3 && long.ends_with('…'));
    }
}
