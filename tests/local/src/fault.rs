//! Faults to order: what they are, how they are written, and which request meets one.

use crate::chance::{Chance, unit};
use crate::operations::OPERATIONS;
use serde_json::{Map, Value};
use std::sync::Arc;

macro_rules! kinds {
    ($($kind:ident $name:literal $stores:literal,)*) => {
        /// What a fault does.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Kind { $($kind),* }

        impl Kind {
            const NAMES: &[&str] = &[$($name),*];

            fn parse(name: &str) -> Option<Self> {
                match name { $($name => Some(Self::$kind),)* _ => None }
            }

            pub(crate) fn name(self) -> &'static str {
                match self { $(Self::$kind => $name),* }
            }

            /// Whether the request is carried out, unless the order says otherwise.
            fn stores(self) -> bool {
                match self { $(Self::$kind => $stores),* }
            }
        }
    };
}

kinds! {
    Throttle "throttle" false,
    ThrottleRecords "throttle_records" true,
    Error "error" false,
    ResetBefore "reset_before" false,
    ResetMiddle "reset_middle" true,
    ResetRead "reset_read" false,
    CloseIdle "close_idle" true,
    Close "close" true,
    Hang "hang" false,
    Trickle "trickle" true,
    Delay "delay" true,
    Truncate "truncate" true,
    Garbage "garbage" true,
    NoRecordId "no_record_id" true,
    WrongCount "wrong_count" true,
    Redirect "redirect" false,
    Informational "informational" true,
    Chunked "chunked" true,
    ExpiredToken "expired_token" false,
    Huge "huge" true,
}

/// Which records of a batch are refused.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Refused {
    All,
    Indices(Vec<usize>),
    First(usize),
    Fraction(f64),
}

/// One order.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    probability: f64,
    times: Option<u64>,
    after: u64,
    operation: Option<String>,
    stored: Option<bool>,
    pub(crate) status: Option<u16>,
    pub(crate) code: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) body: Option<String>,
    pub(crate) location: Option<String>,
    pub(crate) html: bool,
    /// The code goes into the header `x-amzn-ErrorType` and not into the body.
    pub(crate) error_header: bool,
    pub(crate) interval_ms: Option<u64>,
    pub(crate) refused: Refused,
    /// Headers to add or to replace; those without a value are left out of the answer.
    pub(crate) headers: Vec<(String, Option<String>)>,
}

impl Fault {
    /// Whether the request is carried out all the same.
    pub(crate) fn stores(&self) -> bool {
        self.stored.unwrap_or(self.kind.stores())
    }

    fn fits(&self, operation: &str) -> bool {
        let possible = match self.kind {
            Kind::ThrottleRecords => matches!(operation, "PutRecord" | "PutRecordBatch"),
            Kind::WrongCount => operation == "PutRecordBatch",
            _ => true,
        };
        possible && self.operation.as_deref().is_none_or(|wanted| wanted == operation)
    }

    fn parse(value: &Value) -> Result<Self, String> {
        let Value::Object(members) = value else {
            return Err(format!("a fault is a JSON object with a \"kind\", not {value}"));
        };
        let mut members = Reader(members.clone());
        let name = members.text("kind")?.ok_or_else(|| format!("the fault {value} has no \"kind\""))?;
        let kind = Kind::parse(&name)
            .ok_or_else(|| format!("there is no fault \"{name}\"; there are {}", Kind::NAMES.join(", ")))?;
        let fault =
            Self::read(kind, &mut members).map_err(|error| format!("the fault \"{name}\": {error}"))?;
        match members.0.keys().next() {
            Some(unknown) => Err(format!("the fault \"{name}\" takes no \"{unknown}\"")),
            None => Ok(fault),
        }
    }

    fn read(kind: Kind, members: &mut Reader) -> Result<Self, String> {
        let operation = members.text("operation")?;
        if let Some(operation) = operation.as_deref().filter(|name| !OPERATIONS.contains(name)) {
            return Err(format!("there is no operation \"{operation}\""));
        }
        let mut headers = members.headers()?;
        match members.0.remove("retry_after_ms") {
            None => {}
            Some(Value::String(text)) => headers.push(("x-amz-retry-after".into(), Some(text))),
            Some(Value::Number(number)) => {
                headers.push(("x-amz-retry-after".into(), Some(number.to_string())))
            }
            Some(other) => {
                return Err(format!("\"retry_after_ms\" is {other}, not a number or a text to send"));
            }
        }
        let interval = if kind == Kind::Delay { "ms" } else { "interval_ms" };
        let status = members.count("status")?;
        Ok(Self {
            kind,
            probability: members.fraction("probability")?.unwrap_or(1.0),
            times: members.count("times")?,
            after: members.count("after")?.unwrap_or(0),
            operation,
            stored: members.flag("stored")?,
            status: match status {
                None => None,
                Some(status @ 200..=599) => Some(status as u16),
                Some(other) => return Err(format!("\"status\" is {other}, not from 200 to 599")),
            },
            code: members.text("code")?,
            message: members.text("message")?,
            body: members.text("body")?,
            location: members.text("location")?,
            html: members.flag("html")?.unwrap_or(false),
            error_header: members.flag("error_header")?.unwrap_or(false),
            interval_ms: members.count(interval)?,
            refused: if kind == Kind::ThrottleRecords { members.refused()? } else { Refused::All },
            headers,
        })
    }
}

/// Takes members out of an order, so that what is left at the end is what nobody knows.
struct Reader(Map<String, Value>);

impl Reader {
    fn take<T>(
        &mut self,
        name: &str,
        kind: &str,
        read: impl Fn(&Value) -> Option<T>,
    ) -> Result<Option<T>, String> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(value) => read(&value).map(Some).ok_or_else(|| format!("\"{name}\" is {value}, not {kind}")),
        }
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, String> {
        self.take(name, "a text", |value| value.as_str().map(str::to_owned))
    }

    fn count(&mut self, name: &str) -> Result<Option<u64>, String> {
        self.take(name, "a whole number from 0", Value::as_u64)
    }

    fn flag(&mut self, name: &str) -> Result<Option<bool>, String> {
        self.take(name, "true or false", Value::as_bool)
    }

    fn fraction(&mut self, name: &str) -> Result<Option<f64>, String> {
        self.take(name, "a number from 0 to 1", |value| {
            value.as_f64().filter(|fraction| (0.0..=1.0).contains(fraction))
        })
    }

    fn refused(&mut self) -> Result<Refused, String> {
        let indices = self.take("records", "a list of indices", |value| {
            let indices = value.as_array()?.iter().map(|index| index.as_u64().map(|index| index as usize));
            indices.collect::<Option<Vec<_>>>()
        })?;
        let first = self.count("count")?;
        let fraction = self.fraction("fraction")?;
        match (indices, first, fraction) {
            (None, None, None) => Ok(Refused::All),
            (Some(indices), None, None) => Ok(Refused::Indices(indices)),
            (None, Some(first), None) => Ok(Refused::First(first as usize)),
            (None, None, Some(fraction)) => Ok(Refused::Fraction(fraction)),
            _ => Err("only one of \"records\", \"count\" and \"fraction\" can be given".into()),
        }
    }

    fn headers(&mut self) -> Result<Vec<(String, Option<String>)>, String> {
        let read = |value: &Value| {
            let members = value.as_object()?.iter().map(|(name, value)| match value {
                Value::Null => Some((name.clone(), None)),
                Value::String(text) => Some((name.clone(), Some(text.clone()))),
                _ => None,
            });
            members.collect::<Option<Vec<_>>>()
        };
        Ok(self.take("headers", "an object of texts (null: leave the header out)", read)?.unwrap_or_default())
    }
}

#[derive(Debug)]
struct Order {
    fault: Arc<Fault>,
    matched: u64,
    acted: u64,
}

/// A fault that a request meets.
#[derive(Debug, Clone)]
pub(crate) struct Injected {
    pub(crate) fault: Arc<Fault>,
    /// The draw that decided it; seeds what else the fault has to choose.
    pub(crate) draw: u64,
}

/// The orders in force.
#[derive(Debug)]
pub(crate) struct Faults {
    orders: Vec<Order>,
    seed: u64,
    chance: Chance,
}

impl Faults {
    pub(crate) fn new(seed: u64) -> Self {
        Self { orders: Vec::new(), seed, chance: Chance::new(seed) }
    }

    /// Replaces all orders, and starts the draws afresh. On an error nothing is changed.
    pub(crate) fn replace(&mut self, orders: &Value) -> Result<usize, String> {
        let Value::Array(orders) = orders else {
            return Err("faults are a JSON array of objects".into());
        };
        let parsed: Result<Vec<Fault>, String> = orders.iter().map(Fault::parse).collect();
        let order = |fault| Order { fault: Arc::new(fault), matched: 0, acted: 0 };
        self.orders = parsed?.into_iter().map(order).collect();
        self.chance = Chance::new(self.seed);
        Ok(self.orders.len())
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::new(self.seed);
    }

    /// The fault that this request meets, if any.
    pub(crate) fn choose(&mut self, operation: &str) -> Option<Injected> {
        let mut chosen = None;
        for order in self.orders.iter_mut().filter(|order| order.fault.fits(operation)) {
            order.matched += 1;
            let due = order.matched > order.fault.after
                && order.fault.times.is_none_or(|times| order.acted < times);
            if !due || chosen.is_some() {
                continue;
            }
            let draw = self.chance.next();
            if unit(draw) < order.fault.probability {
                order.acted += 1;
                chosen = Some(Injected { fault: Arc::clone(&order.fault), draw });
            }
        }
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(orders: Value) -> Faults {
        let mut faults = Faults::new(1);
        faults.replace(&orders).unwrap();
        faults
    }

    fn met(faults: &mut Faults, operation: &str) -> Option<&'static str> {
        faults.choose(operation).map(|injected| injected.fault.kind.name())
    }

    #[test]
    fn every_kind_can_be_ordered() {
        for kind in Kind::NAMES {
            let mut faults = faults(json!([{ "kind": kind }]));
            assert_eq!(met(&mut faults, "PutRecordBatch"), Some(*kind));
        }
    }

    #[test]
    fn mistakes_are_named() {
        let refused = |order: Value| Faults::new(1).replace(&json!([order])).unwrap_err();
        assert!(
            refused(json!({ "kind": "trottle" }))
                .contains("there is no fault \"trottle\"; there are throttle,")
        );
        assert!(refused(json!({})).contains("no \"kind\""));
        assert!(refused(json!(7)).contains("JSON object"));
        assert!(refused(json!({ "kind": "hang", "tims": 1 })).contains("takes no \"tims\""));
        assert!(refused(json!({ "kind": "hang", "count": 1 })).contains("takes no \"count\""));
        assert!(refused(json!({ "kind": "hang", "times": -1 })).contains("\"times\" is -1"));
        assert!(refused(json!({ "kind": "hang", "probability": 1.5 })).contains("from 0 to 1"));
        assert!(refused(json!({ "kind": "hang", "operation": "Put" })).contains("no operation \"Put\""));
        assert!(refused(json!({ "kind": "error", "status": 7 })).contains("from 200 to 599"));
        let two = json!({ "kind": "throttle_records", "count": 1, "fraction": 0.5 });
        assert!(refused(two).contains("only one of"));
        assert!(Faults::new(1).replace(&json!({})).is_err());
    }

    #[test]
    fn a_mistake_changes_nothing() {
        let mut faults = faults(json!([{ "kind": "hang" }]));
        assert!(faults.replace(&json!([{ "kind": "close" }, { "kind": "x" }])).is_err());
        assert_eq!(met(&mut faults, "PutRecord"), Some("hang"));
        faults.clear();
        assert_eq!(met(&mut faults, "PutRecord"), None);
    }

    #[test]
    fn times_after_and_operation() {
        let mut faults = faults(json!([
            { "kind": "throttle", "operation": "PutRecord", "after": 1, "times": 2 },
            { "kind": "wrong_count" },
            { "kind": "error", "after": 5 },
        ]));
        let operations = ["PutRecord", "PutRecordBatch", "PutRecord", "PutRecord", "PutRecord", "PutRecord"];
        let seen: Vec<_> = operations.iter().map(|operation| met(&mut faults, operation)).collect();
        assert_eq!(
            seen,
            [None, Some("wrong_count"), Some("throttle"), Some("throttle"), None, Some("error")],
            "the third order counts requests that an earlier one took, too"
        );
    }

    #[test]
    fn draws_repeat_and_keep_to_the_probability() {
        let order = json!([{ "kind": "error", "probability": 0.2 }]);
        let mut faults = faults(order.clone());
        let run =
            |faults: &mut Faults| (0..5000).map(|_| met(faults, "PutRecord").is_some()).collect::<Vec<_>>();
        let first = run(&mut faults);
        faults.replace(&order).unwrap();
        assert_eq!(first, run(&mut faults));
        let hits = first.iter().filter(|hit| **hit).count();
        assert!((850..1150).contains(&hits), "{hits}");
    }

    #[test]
    fn what_is_stored() {
        let stores = |order: Value| Fault::parse(&order).unwrap().stores();
        assert!(!stores(json!({ "kind": "reset_before" })));
        assert!(stores(json!({ "kind": "reset_before", "stored": true })));
        assert!(stores(json!({ "kind": "reset_middle" })));
        assert!(!stores(json!({ "kind": "reset_middle", "stored": false })));
        assert!(!stores(json!({ "kind": "error" })));
    }
}
