//! One attempt of a call: sign what is written, send it, read the answer.

use super::place::Place;
use super::settings::Settings;
use super::{Scratch, State, header};
use crate::clock::Stamp;
use crate::credentials::Credentials;
use crate::http::{Answer, Connector, Failure, Lane, Limits, Request};
use crate::sign::{Canonical, Hex, SigningKey, authorization};
use std::sync::Arc;
use std::time::Instant;
use ureq_proto::http::{self, HeaderName, HeaderValue, Method, header as name};

/// What stays the same over the attempts of a call.
pub(super) struct Attempts<'a> {
    pub(super) state: &'a State,
    pub(super) settings: &'a Settings,
    pub(super) connector: Connector<'a>,
    pub(super) place: &'a Place,
    pub(super) limits: Limits,
    /// `Firehose_20150804.PutRecord`
    pub(super) target: &'a str,
    /// The same as a header.
    pub(super) target_header: HeaderValue,
    /// The same over all attempts of a call.
    pub(super) invocation: HeaderValue,
    /// The longest answer that is read.
    pub(super) most: usize,
}

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

impl Attempts<'_> {
    /// Sends what the lane's buffer holds. `now` is the monotonic time, `wall` the machine's, in milliseconds.
    pub(super) fn make(
        &self,
        lane: &mut Lane<Scratch>,
        keys: &Arc<Credentials>,
        number: u32,
        now: Instant,
        wall: i64,
    ) -> Result<Answer, Failure> {
        let corrected = if self.settings.correct_skew { wall + self.state.skew.get() } else { wall };
        let stamp = Stamp::new(corrected / 1000);
        let Lane { link, buffers, scratch } = lane;
        self.sign(scratch, buffers.written(), keys, &stamp);
        let length = buffers.written().len();
        let mut sdk_request = String::with_capacity(48);
        if self.state.skew.measured().is_some() {
            let read = i64::try_from(self.limits.read.as_secs()).unwrap_or_default();
            sdk_request.push_str("ttl=");
            sdk_request.push_str(Stamp::new(corrected / 1000 + read).as_str());
            sdk_request.push_str("; ");
        }
        sdk_request.push_str("attempt=");
        push_number(&mut sdk_request, number);
        sdk_request.push_str("; max=");
        push_number(&mut sdk_request, self.settings.max_attempts);
        let sdk_request = header(sdk_request);
        let scratch = &*scratch;
        let head = || {
            let mut request = http::Request::new(());
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.place.uri.clone();
            let headers = request.headers_mut();
            headers.reserve(12);
            headers.insert(name::HOST, self.place.host.clone());
            headers.insert(name::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
            headers.insert(name::CONTENT_LENGTH, HeaderValue::from(length));
            headers.insert(HeaderName::from_static("x-amz-target"), self.target_header.clone());
            headers.insert(HeaderName::from_static("x-amz-date"), header(stamp.as_str().to_owned()));
            if let Some(token) = &keys.token {
                let mut value = header(token.to_string());
                value.set_sensitive(true);
                headers.insert(HeaderName::from_static("x-amz-security-token"), value);
            }
            headers.insert(name::AUTHORIZATION, header(scratch.authorization.clone()));
            headers.insert(HeaderName::from_static("amz-sdk-invocation-id"), self.invocation.clone());
            headers.insert(HeaderName::from_static("amz-sdk-request"), sdk_request.clone());
            headers.insert(name::USER_AGENT, self.state.user_agent.clone());
            request
        };
        let request = Request { head: &head, most: self.most, limits: &self.limits };
        buffers.exchange(link, self.connector, request, now)
    }

    fn sign(&self, scratch: &mut Scratch, body: &[u8], keys: &Arc<Credentials>, stamp: &Stamp) {
        let payload = *scratch.payload.get_or_insert_with(|| Hex::sha256(body));
        let fixed = [
            ("content-type", CONTENT_TYPE),
            ("host", self.connector.target.authority.as_str()),
            ("x-amz-date", stamp.as_str()),
        ];
        let [a, b, c] = fixed;
        let target = ("x-amz-target", self.target);
        let with_token;
        let without;
        let headers: &[(&str, &str)] = match &keys.token {
            Some(token) => {
                with_token = [a, b, c, ("x-amz-security-token", token.as_str()), target];
                &with_token
            }
            None => {
                without = [a, b, c, target];
                &without
            }
        };
        let request = Canonical {
            method: "POST",
            path: &self.connector.target.path,
            query: "",
            headers,
            payload: payload.as_str(),
        };
        request.write(&mut scratch.canonical, &mut scratch.signed_headers);
        let scope = &self.place.scope;
        let known = scratch.key.take().filter(|(of, key)| Arc::ptr_eq(of, keys) && key.serves(stamp));
        let (_, key) = scratch.key.insert(
            known.unwrap_or_else(|| (Arc::clone(keys), SigningKey::derive(&keys.secret, stamp, scope))),
        );
        let signature = key.sign(&scratch.canonical, stamp, scope, &mut scratch.string_to_sign);
        let out = &mut scratch.authorization;
        authorization(out, &keys.access_key_id, stamp, scope, &scratch.signed_headers, &signature);
    }
}

fn push_number(out: &mut String, number: u32) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(char::from_digit(number % 10, 10).unwrap_or('0'));
}
