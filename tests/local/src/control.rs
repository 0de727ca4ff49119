//! The paths under `/_local/`: what a test asks the server about itself, and tells it to do.

use crate::answer::Answer;
use crate::quota::Quota;
use crate::service::Service;
use crate::stream::lock;
use crate::wire::Head;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const ROOT: &str = "/_local/";

pub(crate) fn is_for(head: &Head) -> bool {
    head.path().starts_with(ROOT)
}

fn json_answer(status: u16, body: &Value) -> Answer {
    Answer { form: "application/json", ..Answer::new(status, body.to_string()) }
}

fn mistake(status: u16, text: impl Into<String>) -> Answer {
    json_answer(status, &json!({ "error": text.into() }))
}

pub(crate) fn answer(service: &Service, head: &Head, body: &[u8]) -> Answer {
    let path = head.path().strip_prefix(ROOT).unwrap_or_default();
    match (head.method.as_str(), path) {
        ("GET", "counters") => json_answer(200, &lock(&service.tally).counters()),
        ("GET", "requests") => json_answer(200, &lock(&service.tally).requests().into()),
        ("GET", _) if path.starts_with("records/") => {
            records(service, &path["records/".len()..], head.query())
        }
        ("PUT", "faults") => faults(service, body),
        ("PUT", "quota") => quota(service, body),
        ("POST", "reset") => {
            service.reset();
            json_answer(200, &json!({}))
        }
        ("POST", "clock") => clock(service, head.query()),
        (_, "counters" | "requests" | "faults" | "quota" | "reset" | "clock") => {
            mistake(405, format!("{} does not go with {}", head.method, head.path()))
        }
        _ => mistake(404, format!("there is nothing at {}", head.path())),
    }
}

fn records(service: &Service, stream: &str, query: &str) -> Answer {
    let Some(records) = service.streams.records(stream) else {
        return mistake(404, format!("there is no stream {stream}"));
    };
    match query {
        "raw" => Answer {
            form: "application/octet-stream",
            body: records.concat(),
            ..Answer::new(200, String::new())
        },
        "" => {
            let texts: Vec<String> = records.iter().map(|record| STANDARD.encode(record)).collect();
            json_answer(200, &texts.into())
        }
        _ => mistake(400, format!("the query can only be ?raw, not ?{query}")),
    }
}

fn faults(service: &Service, body: &[u8]) -> Answer {
    let orders = match serde_json::from_slice(body) {
        Ok(orders) => orders,
        Err(error) => return mistake(400, format!("faults are a JSON array of objects: {error}")),
    };
    match lock(&service.faults).replace(&orders) {
        Ok(count) => json_answer(200, &json!({ "faults": count })),
        Err(error) => mistake(400, error),
    }
}

fn quota(service: &Service, body: &[u8]) -> Answer {
    let order = match serde_json::from_slice(body) {
        Ok(order) => order,
        Err(error) => return mistake(400, format!("a quota is a JSON object: {error}")),
    };
    match Quota::parse(&order) {
        Ok(quota) => {
            let described = quota.describe();
            *lock(&service.quota) = quota;
            json_answer(200, &described)
        }
        Err(error) => mistake(400, error),
    }
}

fn clock(service: &Service, query: &str) -> Answer {
    match query.strip_prefix("offset=").and_then(|text| text.parse().ok()) {
        Some(seconds) => {
            service.clock.set_offset(seconds);
            json_answer(200, &json!({ "offset": seconds }))
        }
        None => mistake(400, "say ?offset=SECONDS, a whole number"),
    }
}
