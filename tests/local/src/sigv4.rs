//! Signature Version 4 as the service checks it, written from its specification and not from any client's code.

use crate::clock;
use crate::error::Refusal;
use crate::wire::Head;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

const SERVICE: &str = "firehose";
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const ALLOWED_SKEW: i64 = 300;

/// An access key that the server knows.
#[derive(Clone)]
pub struct Key {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: String,
    /// The session token that must come with it, if any.
    pub token: Option<String>,
}

impl Key {
    /// A key without a session token.
    pub fn new(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self { id: id.into(), secret: secret.into(), token: None }
    }

    /// Reads `AKID:SECRET[:TOKEN]`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ':');
        let (id, secret, token) = (parts.next()?, parts.next()?, parts.next());
        let whole = !id.is_empty() && !secret.is_empty() && token != Some("");
        whole.then(|| Self { token: token.map(str::to_owned), ..Self::new(id, secret) })
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}

pub(crate) struct Verifier {
    keys: HashMap<String, (Key, bool)>,
    region: String,
    /// The signing key of the last day each access key was used on.
    days: Mutex<HashMap<String, (String, [u8; 32])>>,
}

impl Verifier {
    pub(crate) fn new(keys: &[Key], denied: &[Key], region: &str) -> Self {
        let known = keys.iter().map(|key| (key, true)).chain(denied.iter().map(|key| (key, false)));
        Self {
            keys: known.map(|(key, allowed)| (key.id.clone(), (key.clone(), allowed))).collect(),
            region: region.to_owned(),
            days: Mutex::default(),
        }
    }

    /// Says whether the caller may do anything at all (`false`: the key is right, but no policy allows it).
    pub(crate) fn verify(&self, head: &Head, body: &[u8], now: i64) -> Result<bool, Refusal> {
        let header = match head.header("authorization") {
            Some(header) => header,
            None => {
                return Err(Refusal::bad(
                    "MissingAuthenticationTokenException",
                    "Missing Authentication Token",
                ));
            }
        };
        let claim = Claim::parse(header)?;
        let date = head.header("x-amz-date").ok_or_else(|| {
            incomplete("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        })?;
        let signed_at = clock::parse_basic(date)
            .ok_or_else(|| incomplete(&format!("Date must be in ISO-8601 'basic format'. Got '{date}'.")))?;
        self.check_scope(&claim, date)?;
        let (key, allowed) = self.keys.get(claim.key).ok_or_else(unrecognised)?;
        if head.header("x-amz-security-token") != key.token.as_deref() {
            return Err(unrecognised());
        }
        check_age(date, signed_at, now)?;
        check_signed_headers(head, &claim)?;
        let wanted = signature(
            &self.signing_key(key, claim.date),
            date,
            &claim.scope,
            &canonical_request(&head.method, &head.target, &claim.names, |name| head.joined(name), body),
        );
        if wanted != claim.signature {
            return Err(Refusal::bad(
                "InvalidSignatureException",
                "The request signature we calculated does not match the signature you provided. Check your AWS \
                 Secret Access Key and signing method. Consult the service documentation for details.",
            ));
        }
        Ok(*allowed)
    }

    fn check_scope(&self, claim: &Claim<'_>, date: &str) -> Result<(), Refusal> {
        let wrong = |text: String| Err(Refusal::bad("InvalidSignatureException", text));
        if claim.region != self.region {
            return wrong(format!("Credential should be scoped to a valid region, not '{}'.", claim.region));
        }
        if claim.service != SERVICE {
            return wrong(format!("Credential should be scoped to correct service: '{SERVICE}'."));
        }
        if claim.date != &date[..8] {
            return wrong(format!(
                "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: \
                 '{}' != '{}', from '{date}'.",
                claim.date,
                &date[..8]
            ));
        }
        Ok(())
    }

    fn signing_key(&self, key: &Key, date: &str) -> [u8; 32] {
        let mut days = self.days.lock().unwrap_or_else(PoisonError::into_inner);
        match days.get(&key.id) {
            Some((day, made)) if day == date => *made,
            _ => {
                let made = signing_key(&key.secret, date, &self.region, SERVICE);
                days.insert(key.id.clone(), (date.to_owned(), made));
                made
            }
        }
    }
}

fn incomplete(message: &str) -> Refusal {
    Refusal::bad("IncompleteSignatureException", message)
}

fn unrecognised() -> Refusal {
    Refusal::bad("UnrecognizedClientException", "The security token included in the request is invalid.")
}

fn check_age(date: &str, signed_at: i64, now: i64) -> Result<(), Refusal> {
    let (earliest, latest) = (now - ALLOWED_SKEW, now + ALLOWED_SKEW);
    let here = clock::basic(now);
    let message = if signed_at < earliest {
        format!("Signature expired: {date} is now earlier than {} ({here} - 5 min.)", clock::basic(earliest))
    } else if signed_at > latest {
        format!(
            "Signature not yet current: {date} is still later than {} ({here} + 5 min.)",
            clock::basic(latest)
        )
    } else {
        return Ok(());
    };
    Err(Refusal::bad("InvalidSignatureException", message))
}

fn check_signed_headers(head: &Head, claim: &Claim<'_>) -> Result<(), Refusal> {
    let wrong = |text: String| Err(Refusal::bad("InvalidSignatureException", text));
    if !claim.names.contains(&"host") {
        return wrong("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".into());
    }
    let mut amazon =
        head.headers.iter().map(|(name, _)| name.as_str()).filter(|name| name.starts_with("x-amz-"));
    match amazon.find(|name| !claim.names.contains(name)) {
        Some(name) => wrong(format!("'{name}' must be a 'SignedHeader' in the AWS Authorization.")),
        None => Ok(()),
    }
}

/// What an `Authorization` header says.
struct Claim<'a> {
    key: &'a str,
    scope: String,
    date: &'a str,
    region: &'a str,
    service: &'a str,
    names: Vec<&'a str>,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(header: &'a str) -> Result<Self, Refusal> {
        let (algorithm, rest) = header.split_once(' ').unwrap_or((header, ""));
        if algorithm != ALGORITHM {
            return Err(incomplete("Unsupported AWS 'algorithm': only AWS4-HMAC-SHA256 is known here."));
        }
        let parameter = |name: &str| {
            rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=').map(str::trim))
        };
        let mut missing = String::new();
        let mut required = |name: &str| {
            let value = parameter(name).filter(|value| !value.is_empty());
            if value.is_none() {
                let _ = write!(missing, "Authorization header requires '{name}' parameter. ");
            }
            value.unwrap_or_default()
        };
        let credential = required("Credential");
        let signature = required("Signature");
        let names = required("SignedHeaders");
        if !missing.is_empty() {
            return Err(incomplete(&format!("{missing}Authorization={algorithm}")));
        }
        // An access key id has no slash, but the scope is counted from the end all the same.
        let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
        let &[end, service, region, date, key] = parts.as_slice() else {
            return Err(incomplete(&format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{credential}'"
            )));
        };
        if end != "aws4_request" {
            let text =
                format!("Credential should be scoped with a valid terminator: 'aws4_request', not '{end}'.");
            return Err(Refusal::bad("InvalidSignatureException", text));
        }
        let scope = format!("{date}/{region}/{service}/{end}");
        Ok(Self { key, scope, date, region, service, names: names.split(';').collect(), signature })
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |value: u8| char::from(DIGITS[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn mac(key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(data);
    mac.finalize().into_bytes().into()
}

fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> [u8; 32] {
    let day = mac(format!("AWS4{secret}").as_bytes(), date.as_bytes());
    mac(&mac(&mac(&day, region.as_bytes()), service.as_bytes()), b"aws4_request")
}

fn signature(key: &[u8; 32], date: &str, scope: &str, canonical: &str) -> String {
    let hashed = hex(&Sha256::digest(canonical.as_bytes()));
    hex(&mac(key, format!("{ALGORITHM}\n{date}\n{scope}\n{hashed}").as_bytes()))
}

fn encode(bytes: &[u8], keep_slash: bool) -> String {
    let mut out = String::with_capacity(bytes.len());
    for &byte in bytes {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~');
        if plain || keep_slash && byte == b'/' {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn decode(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let pair = bytes.get(at + 1..at + 3).and_then(|pair| std::str::from_utf8(pair).ok());
        match pair.filter(|_| bytes[at] == b'%').and_then(|pair| u8::from_str_radix(pair, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    out
}

/// The path without dot segments and empty segments, each part of it encoded once more, as every service but S3 does.
fn canonical_path(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            _ => parts.push(part),
        }
    }
    let open = path.ends_with('/') || path.ends_with("/.") || path.ends_with("/..");
    let end = if open && !parts.is_empty() { "/" } else { "" };
    encode(format!("/{}{end}", parts.join("/")).as_bytes(), true)
}

fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (encode(&decode(name), false), encode(&decode(value), false)))
        .collect();
    pairs.sort();
    pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&")
}

fn canonical_request(
    method: &str,
    target: &str,
    names: &[&str],
    value_of: impl Fn(&str) -> String,
    body: &[u8],
) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut out = format!("{method}\n{}\n{}\n", canonical_path(path), canonical_query(query));
    for name in names {
        let value = value_of(name);
        let _ = writeln!(out, "{name}:{}", value.split_ascii_whitespace().collect::<Vec<_>>().join(" "));
    }
    let _ = write!(out, "\n{}\n{}", names.join(";"), hex(&Sha256::digest(body)));
    out
}

/// The headers (`host`, `x-amz-date`, `x-amz-target`, `x-amz-security-token` if any, `authorization`) of a signed
/// `POST`, for tests that talk to the server over a bare socket. `at` is in seconds since 1970.
pub fn sign(
    key: &Key,
    region: &str,
    host: &str,
    path: &str,
    operation: &str,
    body: &[u8],
    at: i64,
) -> Vec<(String, String)> {
    let date = clock::basic(at);
    let mut headers = vec![
        ("host".to_owned(), host.to_owned()),
        ("x-amz-date".to_owned(), date.clone()),
        ("x-amz-target".to_owned(), format!("Firehose_20150804.{operation}")),
    ];
    if let Some(token) = &key.token {
        headers.insert(2, ("x-amz-security-token".to_owned(), token.clone()));
    }
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let value_of = |name: &str| {
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap_or_default()
    };
    let scope = format!("{}/{region}/{SERVICE}/aws4_request", &date[..8]);
    let canonical = canonical_request("POST", path, &names, value_of, body);
    let signed = signature(&signing_key(&key.secret, &date[..8], region, SERVICE), &date, &scope, &canonical);
    let line = format!(
        "{ALGORITHM} Credential={}/{scope}, SignedHeaders={}, Signature={signed}",
        key.id,
        names.join(";")
    );
    headers.push(("authorization".to_owned(), line));
    headers
}

#[cfg(test)]
#[path = "sigv4_tests.rs"]
mod tests;
