//! The published vectors, header and query form, file by file.

use super::*;
use crate::clock::Stamp;
use crate::vectors;
use std::path::Path;

struct Case {
    method: String,
    path: String,
    query: String,
    headers: Vec<(String, String)>,
    body: String,
    context: serde_json::Value,
}

fn read(dir: &Path, name: &str) -> String {
    std::fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{}/{name}: {e}", dir.display()))
}

fn case(dir: &Path) -> Case {
    let text = read(dir, "request.txt");
    let (head, body) = text.split_once("\n\n").unwrap_or((&text, ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let (target, _) = rest.rsplit_once(' ').unwrap();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with(' ') {
            headers.last_mut().unwrap().1.push_str(&format!("\n{line}"));
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.into(), value.into()));
        }
    }
    let context = serde_json::from_str(&read(dir, "context.json")).unwrap();
    Case {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers,
        body: body.into(),
        context,
    }
}

fn check(dir: &Path, form: &str, case: &Case) -> String {
    let scope = Scope {
        region: case.context["region"].as_str().unwrap().into(),
        service: case.context["service"].as_str().unwrap().into(),
    };
    assert_eq!(case.context["timestamp"], "2015-08-30T12:36:00Z");
    let stamp = Stamp::new(1_440_938_160);
    let hash = Hex::sha256(case.body.as_bytes());
    let headers: Vec<(&str, &str)> = case.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    let request = Canonical {
        method: &case.method,
        path: &case.path,
        query: &case.query,
        headers: &headers,
        payload: hash.as_str(),
    };
    let (mut canonical, mut signed, mut scratch) = (String::new(), String::new(), String::new());
    request.write(&mut canonical, &mut signed);
    assert_eq!(canonical, read(dir, &format!("{form}-canonical-request.txt")), "{}", dir.display());
    let credentials = &case.context["credentials"];
    let key = SigningKey::derive(credentials["secret_access_key"].as_str().unwrap(), &stamp, &scope);
    let signature = key.sign(&canonical, &stamp, &scope, &mut scratch);
    assert_eq!(scratch, read(dir, &format!("{form}-string-to-sign.txt")), "{}", dir.display());
    assert_eq!(signature.as_str(), read(dir, &format!("{form}-signature.txt")).trim(), "{}", dir.display());
    let id = credentials["access_key_id"].as_str().unwrap();
    let mut value = String::new();
    authorization(&mut value, id, &stamp, &scope, &signed, &signature);
    value
}

fn each(mut test: impl FnMut(&Path, Case)) {
    let Some(root) = vectors::folder("sigv4") else { return };
    let mut count = 0;
    for entry in std::fs::read_dir(root).unwrap() {
        let dir = entry.unwrap().path();
        let case = case(&dir);
        test(&dir, case);
        count += 1;
    }
    assert!(count >= 22, "{count} cases");
}

fn token(case: &Case) -> Option<String> {
    case.context["credentials"]["token"].as_str().map(String::from)
}

#[test]
fn header_form() {
    each(|dir, mut case| {
        let signs_body = case.context["sign_body"] == true;
        if signs_body && !case.headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-length")) {
            case.headers.push(("Content-Length".into(), case.body.len().to_string()));
        }
        case.headers.push(("X-Amz-Date".into(), "20150830T123600Z".into()));
        if signs_body {
            let hash = Hex::sha256(case.body.as_bytes());
            case.headers.push(("x-amz-content-sha256".into(), hash.as_str().into()));
        }
        if let Some(token) = token(&case).filter(|_| case.context["omit_session_token"] != true) {
            case.headers.push(("X-Amz-Security-Token".into(), token));
        }
        let value = check(dir, "header", &case);
        let signed = read(dir, "header-signed-request.txt");
        assert!(signed.contains(&format!("Authorization:{value}")), "{}: {value}", dir.display());
    });
}

#[test]
fn query_form() {
    each(|dir, mut case| {
        let mut names: Vec<String> = case.headers.iter().map(|(n, _)| n.to_lowercase()).collect();
        names.sort();
        names.dedup();
        let escape =
            |text: &str| text.replace('/', "%2F").replace(';', "%3B").replace('+', "%2B").replace('=', "%3D");
        let id = case.context["credentials"]["access_key_id"].as_str().unwrap();
        let mut parts = vec![
            ("X-Amz-Algorithm", "AWS4-HMAC-SHA256".into()),
            ("X-Amz-Credential", escape(&format!("{id}/20150830/us-east-1/service/aws4_request"))),
            ("X-Amz-Date", "20150830T123600Z".into()),
            ("X-Amz-SignedHeaders", escape(&names.join(";"))),
            ("X-Amz-Expires", case.context["expiration_in_seconds"].to_string()),
        ];
        if let Some(token) = token(&case).filter(|_| case.context["omit_session_token"] != true) {
            parts.push(("X-Amz-Security-Token", escape(&token)));
        }
        for (name, value) in parts {
            if !case.query.is_empty() {
                case.query.push('&');
            }
            case.query.push_str(&format!("{name}={value}"));
        }
        check(dir, "query", &case);
    });
}
