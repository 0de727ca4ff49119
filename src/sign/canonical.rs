//! The canonical form of a request, over which the signature is made.

/// The parts of a request that are signed. Headers are given in the order in which they are sent, names in any case.
pub(crate) struct Canonical<'a> {
    /// `POST`
    pub(crate) method: &'a str,
    /// The path as it stands in the request line, without the query.
    pub(crate) path: &'a str,
    /// The query as it stands in the request line, without the `?`; may be empty.
    pub(crate) query: &'a str,
    /// The headers to sign: name and value.
    pub(crate) headers: &'a [(&'a str, &'a str)],
    /// The body's hash in hexadecimal.
    pub(crate) payload: &'a str,
}

impl Canonical<'_> {
    /// Writes the canonical request to `out` and the list of signed headers to `signed` (what they held is gone).
    pub(crate) fn write(&self, out: &mut String, signed: &mut String) {
        out.clear();
        signed.clear();
        out.push_str(self.method);
        out.push('\n');
        if self.path == "/" {
            out.push('/')
        } else {
            write_path(self.path, out)
        }
        out.push('\n');
        if !self.query.is_empty() {
            write_query(self.query, out);
        }
        out.push('\n');
        if self.headers.is_sorted_by(|a, b| a.0 < b.0) && self.headers.iter().all(|(name, _)| is_lower(name))
        {
            for (name, value) in self.headers {
                write_header(name, [*value].into_iter(), out, signed);
            }
        } else {
            self.write_sorted(out, signed);
        }
        out.push('\n');
        out.push_str(signed);
        out.push('\n');
        out.push_str(self.payload);
    }

    fn write_sorted(&self, out: &mut String, signed: &mut String) {
        let mut sorted: Vec<(String, &str)> =
            self.headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), *value)).collect();
        // Stable: values of one name keep the order in which they are sent.
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        for group in sorted.chunk_by(|a, b| a.0 == b.0) {
            if let Some((name, _)) = group.first() {
                write_header(name, group.iter().map(|(_, value)| *value), out, signed);
            }
        }
    }
}

fn is_lower(name: &str) -> bool {
    !name.bytes().any(|b| b.is_ascii_uppercase())
}

fn write_header<'v>(
    name: &str,
    values: impl Iterator<Item = &'v str>,
    out: &mut String,
    signed: &mut String,
) {
    out.push_str(name);
    for (n, value) in values.enumerate() {
        out.push(if n == 0 { ':' } else { ',' });
        // Runs of white space count as one blank, folded lines included.
        for (n, word) in value.split_ascii_whitespace().enumerate() {
            if n > 0 {
                out.push(' ');
            }
            out.push_str(word);
        }
    }
    out.push('\n');
    if !signed.is_empty() {
        signed.push(';');
    }
    signed.push_str(name);
}

fn hex_digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16).unwrap_or('0').to_ascii_uppercase()
}

fn push_encoded(byte: u8, out: &mut String) {
    out.push('%');
    out.push(hex_digit(byte >> 4));
    out.push(hex_digit(byte & 15));
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)
}

/// Removes `.`, `..` and empty segments, then encodes each octet of what is left: a second time for what the request
/// line has encoded already, as every service but S3 wants it.
fn write_path(path: &str, out: &mut String) {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            name => kept.push(name),
        }
    }
    for segment in &kept {
        out.push('/');
        for byte in segment.bytes() {
            if is_unreserved(byte) { out.push(char::from(byte)) } else { push_encoded(byte, out) }
        }
    }
    if kept.is_empty() || path.ends_with('/') {
        out.push('/');
    }
}

/// Sorts the parameters by name, then value, each encoded exactly once.
fn write_query(query: &str, out: &mut String) {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|part| !part.is_empty())
        .map(|part| part.split_once('=').unwrap_or((part, "")))
        .map(|(name, value)| (encode_once(name), encode_once(value)))
        .collect();
    pairs.sort();
    for (n, (name, value)) in pairs.iter().enumerate() {
        if n > 0 {
            out.push('&');
        }
        out.push_str(name);
        out.push('=');
        out.push_str(value);
    }
}

/// Encodes what is not encoded yet: an octet that stands as `%XX` stays one octet.
fn encode_once(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        let escaped = match (byte, tail) {
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                let digit =
                    |d: u8| char::from(d).to_digit(16).and_then(|d| u8::try_from(d).ok()).unwrap_or_default();
                digit(*high) << 4 | digit(*low)
            }
            _ => byte,
        };
        if is_unreserved(escaped) { out.push(char::from(escaped)) } else { push_encoded(escaped, &mut out) }
    }
    out
}
