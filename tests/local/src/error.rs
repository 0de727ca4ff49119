//! What the service says when it refuses a request.

use std::borrow::Cow;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    /// A refusal with status 400, which is what nearly all are.
    pub(crate) fn bad(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::bad("InvalidArgumentException", message)
    }

    /// A member that breaks a constraint of the service's model, in the service's own words.
    pub(crate) fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::argument(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    pub(crate) fn missing(member: &str) -> Self {
        Self::constraint("null", member, "Member must not be null")
    }

    pub(crate) fn wrong_type(member: &str, expected: &str) -> Self {
        Self::bad("SerializationException", format!("Member '{member}' must be {expected}"))
    }
}
