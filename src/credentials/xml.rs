//! The little XML that the Security Token Service answers with. A reader of its own, because all that is needed is the
//! text of a few elements, strictly: a document that is cut short, nested deeply or has a document type is refused, and
//! no tree of secrets is built that could not be wiped.

use zeroize::Zeroizing;

/// Deeper than any answer of the service.
const DEEPEST: usize = 32;

/// The text of the elements named by their paths (as `Root/Child/Leaf`), in the order asked for. An error says what is
/// wrong with the document, never what is in it.
pub(super) fn read<const N: usize>(
    document: &str,
    paths: [&str; N],
) -> Result<[Option<Zeroizing<String>>; N], &'static str> {
    let mut found = [const { None }; N];
    let mut open: Vec<&str> = Vec::new();
    let mut text = Zeroizing::new(String::new());
    let mut rest = document.strip_prefix('\u{feff}').unwrap_or(document);
    let mut root = false;
    while let Some(start) = rest.find('<') {
        let (before, tail) = rest.split_at_checked(start).ok_or("it is cut short")?;
        add_text(before, open.is_empty(), &mut text)?;
        let tail = tail.get(1..).unwrap_or_default();
        if let Some(tail) = tail.strip_prefix('?') {
            rest = after(tail, "?>")?;
        } else if let Some(tail) = tail.strip_prefix("!--") {
            rest = after(tail, "-->")?;
        } else if tail.starts_with('!') {
            return Err("it has a document type or a CDATA section");
        } else if let Some(tail) = tail.strip_prefix('/') {
            let (name, tail) = tail.split_once('>').ok_or("it is cut short")?;
            if open.last().copied() != Some(name.trim_end()) {
                return Err("its elements are not nested properly");
            }
            let path = open.join("/");
            open.pop();
            for (slot, _) in found.iter_mut().zip(paths).filter(|(_, wanted)| *wanted == path) {
                if slot.replace(Zeroizing::new(text.trim().to_owned())).is_some() {
                    return Err("it has an element twice");
                }
            }
            text.clear();
            rest = tail;
        } else {
            if open.is_empty() && std::mem::replace(&mut root, true) {
                return Err("it has more than one root");
            }
            let end = tag_end(tail)?;
            let (tag, tail) = tail.split_at_checked(end).ok_or("it is cut short")?;
            let closed = tag.ends_with('/');
            let name = tag.trim_end_matches('/').split_ascii_whitespace().next().unwrap_or_default();
            let good = |b: u8| b.is_ascii_alphanumeric() || b"_-.:".contains(&b);
            if name.is_empty() || !name.bytes().all(good) {
                return Err("it has an element without a proper name");
            }
            text.clear();
            if !closed {
                open.push(name);
                if open.len() > DEEPEST {
                    return Err("its elements are nested too deeply");
                }
            }
            rest = tail.get(1..).unwrap_or_default();
        }
    }
    add_text(rest, true, &mut text)?;
    match (open.is_empty(), root) {
        (true, true) => Ok(found),
        (false, _) => Err("it is cut short"),
        (_, false) => Err("it is not XML"),
    }
}

fn after<'t>(text: &'t str, end: &str) -> Result<&'t str, &'static str> {
    text.split_once(end).map(|(_, rest)| rest).ok_or("it is cut short")
}

/// Where the `>` is that ends a tag: one within a quoted attribute does not.
fn tag_end(text: &str) -> Result<usize, &'static str> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Ok(at),
            (None, b'<') => return Err("it has a < within a tag"),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), byte) if open == byte => quote = None,
            _ => {}
        }
    }
    Err("it is cut short")
}

fn add_text(raw: &str, outside: bool, out: &mut String) -> Result<(), &'static str> {
    if outside {
        return if raw.trim().is_empty() { Ok(()) } else { Err("it has text outside of its root") };
    }
    let mut rest = raw;
    while let Some((before, tail)) = rest.split_once('&') {
        out.push_str(before);
        let (name, tail) = tail.split_once(';').ok_or("it has an & that begins no entity")?;
        out.push(entity(name).ok_or("it has an unknown entity")?);
        rest = tail;
    }
    out.push_str(rest);
    Ok(())
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        name => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(document: &str, path: &str) -> Result<Option<String>, &'static str> {
        read(document, [path]).map(|[text]| text.map(|text| text.to_string()))
    }

    #[test]
    fn text_is_found_by_its_path() {
        let document = "\u{feff}<?xml version=\"1.0\"?>\n<!-- a --><A xmlns=\"https://x/?a>b\">\n <B><C> x&amp;&#x41;&#66; </C><D/></B>\n <C>y</C></A>\n";
        assert_eq!(one(document, "A/B/C"), Ok(Some("x&AB".into())));
        assert_eq!(one(document, "A/C"), Ok(Some("y".into())));
        assert_eq!(one(document, "A/B/D"), Ok(None));
        assert_eq!(one("<A>x<B>y</B></A>", "A/B"), Ok(Some("y".into())));
    }

    #[test]
    fn a_document_is_whole_or_refused() {
        let good = "<A b='c'><B>x</B></A>";
        for cut in 0..good.len() {
            assert!(one(&good[..cut], "A/B").is_err(), "{cut}");
        }
        for bad in [
            "x",
            "<A/><A/>",
            "<A></B>",
            "<A>x</A>y",
            "<!DOCTYPE a><A/>",
            "<A><![CDATA[x]]></A>",
            "<A>&nbsp;</A>",
            "<A>&</A>",
            "<A>&#xD800;</A>",
            "<A><B>1</B><B>2</B></A>",
            "< />",
            "<A b=\"></A>",
        ] {
            assert!(one(bad, "A/B").is_err(), "{bad}");
        }
        let deep = "<A>".repeat(40) + &"</A>".repeat(40);
        assert!(one(&deep, "A").is_err());
    }
}
