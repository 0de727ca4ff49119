use super::*;

const NOW: i64 = 1_700_000_000;

fn key() -> Key {
    Key::new("AKIDLOCAL", "local-secret")
}

fn head(headers: Vec<(String, String)>, target: &str) -> Head {
    let headers = headers.into_iter().map(|(name, value)| (name, value.into_bytes())).collect();
    Head::new("POST", target, headers)
}

fn verifier() -> Verifier {
    Verifier::new(&[key()], &[Key::new("AKIDDENIED", "denied-secret")], "us-east-1")
}

fn check(key: &Key, at: i64, change: impl Fn(&mut Vec<(String, String)>)) -> Result<bool, Refusal> {
    let mut headers = sign(key, "us-east-1", "127.0.0.1:4000", "/a/b%20c/", "PutRecord", b"body", at);
    change(&mut headers);
    verifier().verify(&head(headers, "/a/b%20c/"), b"body", NOW)
}

fn refused(key: &Key, at: i64, change: impl Fn(&mut Vec<(String, String)>)) -> (String, String) {
    let refusal = check(key, at, change).unwrap_err();
    assert_eq!(refusal.status, 400);
    (refusal.code.into_owned(), refusal.message)
}

#[test]
fn canonical_forms() {
    assert_eq!(canonical_path("/"), "/");
    assert_eq!(canonical_path(""), "/");
    assert_eq!(canonical_path("//a/./b/../c d/"), "/a/c%20d/");
    assert_eq!(canonical_path("/x%20y"), "/x%2520y");
    assert_eq!(canonical_query("b=2&a=%7e&a=1&c"), "a=1&a=~&b=2&c=");
}

/// The worked example of AWS's own description of the signing key.
#[test]
fn the_published_signing_key() {
    let made = signing_key("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "20150830", "us-east-1", "iam");
    assert_eq!(hex(&made), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
}

#[test]
fn a_right_signature_passes() {
    assert_eq!(check(&key(), NOW, |_| {}), Ok(true));
    assert_eq!(check(&key(), NOW - 300, |_| {}), Ok(true));
    assert_eq!(check(&key(), NOW + 300, |_| {}), Ok(true));
    assert_eq!(check(&Key::new("AKIDDENIED", "denied-secret"), NOW, |_| {}), Ok(false));
}

#[test]
fn a_wrong_one_does_not() {
    let (code, message) = refused(&Key::new("AKIDLOCAL", "wrong"), NOW, |_| {});
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with("The request signature we calculated does not match"), "{message}");
    assert_eq!(refused(&Key::new("NOBODY", "local-secret"), NOW, |_| {}).0, "UnrecognizedClientException");
    let changed = |headers: &mut Vec<(String, String)>| headers[0].1 = "localhost:4000".into();
    assert_eq!(refused(&key(), NOW, changed).0, "InvalidSignatureException");
    let added = |headers: &mut Vec<(String, String)>| headers.push(("x-amz-extra".into(), "1".into()));
    assert!(refused(&key(), NOW, added).1.contains("'x-amz-extra' must be a 'SignedHeader'"));
}

#[test]
fn another_body_or_path_does_not_pass() {
    let headers = || sign(&key(), "us-east-1", "h", "/", "PutRecord", b"body", NOW);
    let verify = |target: &str, body: &[u8]| verifier().verify(&head(headers(), target), body, NOW);
    assert_eq!(verify("/", b"body"), Ok(true));
    assert!(verify("/", b"bodY").is_err());
    assert!(verify("/x", b"body").is_err());
    assert!(verify("/?x=1", b"body").is_err());
}

#[test]
fn clocks_that_are_off() {
    let (code, message) = refused(&key(), NOW - 301, |_| {});
    assert_eq!(code, "InvalidSignatureException");
    assert_eq!(
        message,
        "Signature expired: 20231114T220819Z is now earlier than 20231114T220820Z (20231114T221320Z - 5 min.)"
    );
    let (code, message) = refused(&key(), NOW + 301, |_| {});
    assert_eq!(code, "InvalidSignatureException");
    assert!(message.starts_with("Signature not yet current: "), "{message}");
    assert!(message.ends_with("+ 5 min.)"), "{message}");
}

#[test]
fn tokens() {
    let session = Key { token: Some("token".into()), ..key() };
    let verifier = Verifier::new(std::slice::from_ref(&session), &[], "us-east-1");
    let verify = |key: &Key| {
        let headers = sign(key, "us-east-1", "h", "/", "PutRecord", b"", NOW);
        verifier.verify(&head(headers, "/"), b"", NOW)
    };
    assert_eq!(verify(&session), Ok(true));
    assert_eq!(verify(&key()).unwrap_err().code, "UnrecognizedClientException");
    let other = Key { token: Some("other".into()), ..key() };
    assert_eq!(verify(&other).unwrap_err().code, "UnrecognizedClientException");
    assert_eq!(refused(&session, NOW, |_| {}).0, "UnrecognizedClientException");
}

#[test]
fn headers_that_lack_something() {
    let without = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != "authorization");
    assert_eq!(refused(&key(), NOW, without).0, "MissingAuthenticationTokenException");
    let cut = |headers: &mut Vec<(String, String)>| {
        let line = &mut headers.last_mut().unwrap().1;
        line.truncate(line.find(", Signature=").unwrap());
    };
    let (code, message) = refused(&key(), NOW, cut);
    assert_eq!(code, "IncompleteSignatureException");
    assert!(message.contains("'Signature' parameter"), "{message}");
    let dateless = |headers: &mut Vec<(String, String)>| headers.retain(|(name, _)| name != "x-amz-date");
    assert_eq!(refused(&key(), NOW, dateless).0, "IncompleteSignatureException");
    let hostless = |headers: &mut Vec<(String, String)>| {
        let line = &mut headers.last_mut().unwrap().1;
        *line = line.replace("host;", "");
    };
    assert!(refused(&key(), NOW, hostless).1.contains("'Host'"));
}

#[test]
fn scopes() {
    let headers = sign(&key(), "eu-west-1", "h", "/", "PutRecord", b"", NOW);
    let refusal = verifier().verify(&head(headers, "/"), b"", NOW).unwrap_err();
    assert!(refusal.message.contains("valid region, not 'eu-west-1'"), "{}", refusal.message);
    let service = |headers: &mut Vec<(String, String)>| {
        let line = &mut headers.last_mut().unwrap().1;
        *line = line.replace("/firehose/", "/kinesis/");
    };
    assert!(refused(&key(), NOW, service).1.contains("correct service"));
    assert!(Key::parse("a:b:c:d").is_some_and(|key| key.token.as_deref() == Some("c:d")));
    assert!(Key::parse("a").is_none() && Key::parse(":b").is_none() && Key::parse("a:b:").is_none());
}
