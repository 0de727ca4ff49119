//! One request, from its bytes to the answer that a healthy service would give, and what a fault makes of it.

use crate::answer::Answer;
use crate::chance::Ids;
use crate::clock::Clock;
use crate::error::Refusal;
use crate::fault::{Fault, Faults, Injected, Kind};
use crate::operations;
use crate::puts::{self, Throttle};
use crate::quota::Quota;
use crate::sigv4::Verifier;
use crate::stream::Streams;
use crate::tally::Tally;
use crate::validate;
use crate::wire::Head;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Mutex;

/// What all connections share.
pub(crate) struct Service {
    pub(crate) clock: Clock,
    pub(crate) ids: Ids,
    pub(crate) faults: Mutex<Faults>,
    pub(crate) quota: Mutex<Quota>,
    pub(crate) streams: Streams,
    pub(crate) tally: Mutex<Tally>,
    /// None when every request is taken as signed.
    pub(crate) verifier: Option<Verifier>,
}

/// What became of a request.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) records: u64,
    pub(crate) authorised: bool,
}

impl Service {
    pub(crate) fn serve(&self, head: &Head, body: &[u8], injected: Option<&Injected>) -> Outcome {
        let operation = head.operation();
        let permission = match &self.verifier {
            None => Ok(true),
            Some(verifier) => verifier.verify(head, body, self.clock.now()),
        };
        let parsed = validate::parse(body);
        let records = parsed.as_ref().map_or(0, |members| puts::count(operation, members));
        let authorised = permission == Ok(true);
        let fault = injected.map(|injected| injected.fault.as_ref());
        let carry_out = || -> Result<String, Refusal> {
            if !permission? {
                let resource = parsed.as_ref().ok().and_then(|members| members.get("DeliveryStreamName"));
                return Err(self.denied(operation, resource.and_then(Value::as_str).unwrap_or("*")));
            }
            check_form(head, operation)?;
            let throttle = injected.filter(|injected| injected.fault.kind == Kind::ThrottleRecords);
            if let Some(injected) = throttle.filter(|_| operation == "PutRecord") {
                return Err(refusal(&injected.fault, 500, "ServiceUnavailableException", "Slow down."));
            }
            let throttle = throttle.map(|injected| Throttle {
                which: &injected.fault.refused,
                code: injected.fault.code.as_deref().unwrap_or("ServiceUnavailableException"),
                message: injected.fault.message.as_deref().unwrap_or("Slow down."),
                draw: injected.draw,
            });
            operations::run(self, operation, &parsed?, throttle.as_ref())
        };
        let done = if fault.is_none_or(Fault::stores) {
            carry_out()
        } else {
            Err(Refusal::new(500, "InternalFailure", "The request was not carried out."))
        };
        let mut answer = match done {
            Ok(body) => Answer::new(200, body),
            Err(refusal) => Answer::refusal(&refusal, fault.is_some_and(|fault| fault.error_header)),
        };
        if let Some(fault) = fault {
            answer = replaced(fault, answer);
            answer.headers.extend(fault.headers.iter().cloned());
        }
        Outcome { answer, records, authorised }
    }

    fn denied(&self, operation: &str, stream: &str) -> Refusal {
        let text = format!(
            "User: arn:aws:iam::{}:user/denied is not authorized to perform: firehose:{operation} on resource: {} \
             because no identity-based policy allows the firehose:{operation} action",
            crate::stream::ACCOUNT,
            self.streams.arn(stream)
        );
        Refusal::bad("AccessDeniedException", text)
    }

    /// A service with some streams that asks for no signatures.
    #[cfg(test)]
    pub(crate) fn open(streams: &[String]) -> Self {
        Self {
            clock: Clock::default(),
            ids: Ids::new(),
            faults: Mutex::new(Faults::new(0)),
            quota: Mutex::default(),
            streams: Streams::new(streams, None, true, "us-east-1").unwrap(),
            tally: Mutex::new(Tally::default()),
            verifier: None,
        }
    }

    /// Forgets what happened; the streams stay.
    pub(crate) fn reset(&self) {
        self.streams.forget_records();
        crate::stream::lock(&self.faults).clear();
        crate::stream::lock(&self.tally).reset();
    }
}

fn check_form(head: &Head, operation: &str) -> Result<(), Refusal> {
    if head.method != "POST" {
        let text = format!("Requests are sent with POST, not {}.", head.method);
        return Err(Refusal::new(404, "UnknownOperationException", text));
    }
    let form = head.header("content-type").unwrap_or_default();
    let form = form.split(';').next().unwrap_or_default().trim();
    if form != "application/x-amz-json-1.1" {
        let text = format!("The Content-Type must be application/x-amz-json-1.1, not '{form}'.");
        return Err(Refusal::new(404, "UnknownOperationException", text));
    }
    match operation {
        "" => Err(operations::unknown(head.header("x-amz-target").unwrap_or_default())),
        _ => Ok(()),
    }
}

fn refusal(fault: &Fault, status: u16, code: &'static str, message: &str) -> Refusal {
    let code: Cow<'static, str> = fault.code.clone().map_or(code.into(), Into::into);
    let usual = match &*code {
        "ServiceUnavailableException" | "InternalFailure" => 500,
        _ => status,
    };
    let message = fault.message.clone().unwrap_or_else(|| message.to_owned());
    Refusal::new(fault.status.unwrap_or(usual), code, message)
}

/// The answer that the fault puts in the place of the true one.
fn replaced(fault: &Fault, answer: Answer) -> Answer {
    let refused = |refusal: Refusal| Answer::refusal(&refusal, fault.error_header);
    match fault.kind {
        Kind::Throttle => refused(refusal(fault, 400, "ThrottlingException", "Rate exceeded")),
        Kind::ExpiredToken => refused(refusal(
            fault,
            400,
            "ExpiredTokenException",
            "The security token included in the request is expired",
        )),
        Kind::Error if fault.html => {
            let status = fault.status.unwrap_or(500);
            let text = format!("<html><body><h1>{status} {}</h1></body></html>\n", Answer::reason(status));
            Answer::page(status, fault.body.clone().unwrap_or(text))
        }
        Kind::Error if fault.body.is_some() => {
            Answer::new(fault.status.unwrap_or(500), fault.body.clone().unwrap_or_default())
        }
        Kind::Error => refused(refusal(fault, 500, "InternalFailure", "The request processing has failed.")),
        Kind::Garbage => {
            let body = fault.body.clone().unwrap_or_else(|| "this is not JSON {\"RecordId\": ".into());
            Answer::new(fault.status.unwrap_or(200), body)
        }
        Kind::NoRecordId => Answer::new(200, "{}".into()),
        Kind::WrongCount => one_missing(answer),
        Kind::Redirect => Answer::new(fault.status.unwrap_or(307), String::new()),
        _ => answer,
    }
}

fn one_missing(answer: Answer) -> Answer {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    if let Some(entries) = body.get_mut("RequestResponses").and_then(Value::as_array_mut) {
        entries.pop();
    }
    Answer { body: body.to_string().into_bytes(), ..answer }
}
