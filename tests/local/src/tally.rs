//! What the server has seen: counters, and the list of requests.

use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

const KEPT_REQUESTS: usize = 100_000;

/// One request as `/_local/requests` shows it.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) connection: u64,
    pub(crate) operation: String,
    pub(crate) records: u64,
    /// 0 when no status line was sent.
    pub(crate) status: u16,
    pub(crate) invocation_id: Option<String>,
    pub(crate) sdk_request: Option<String>,
    pub(crate) user_agent: Option<String>,
    pub(crate) fault: Option<&'static str>,
    pub(crate) authorised: bool,
    pub(crate) ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    requests: u64,
    connections: u64,
    open_connections: u64,
    records: u64,
    bytes: u64,
    duplicates: u64,
    failed_records: u64,
    faults: BTreeMap<&'static str, u64>,
    by_operation: BTreeMap<String, u64>,
    seen: VecDeque<(u64, Seen)>,
}

impl Tally {
    pub(crate) fn opened(&mut self) {
        self.connections += 1;
        self.open_connections += 1;
    }

    pub(crate) fn closed(&mut self) {
        self.open_connections = self.open_connections.saturating_sub(1);
    }

    /// Takes back an [`opened`](Self::opened): the connection turned out to be one for control.
    pub(crate) fn not_counted(&mut self) {
        self.connections = self.connections.saturating_sub(1);
        self.closed();
    }

    pub(crate) fn stored(&mut self, records: u64, bytes: u64, duplicates: u64) {
        self.records += records;
        self.bytes += bytes;
        self.duplicates += duplicates;
    }

    pub(crate) fn failed(&mut self, records: u64) {
        self.failed_records += records;
    }

    pub(crate) fn saw(&mut self, request: Seen) {
        self.requests += 1;
        if let Some(kind) = request.fault {
            *self.faults.entry(kind).or_default() += 1;
        }
        match self.by_operation.get_mut(&request.operation) {
            Some(count) => *count += 1,
            None => drop(self.by_operation.insert(request.operation.clone(), 1)),
        }
        if self.seen.len() == KEPT_REQUESTS {
            self.seen.pop_front();
        }
        self.seen.push_back((self.requests, request));
    }

    /// Forgets all but the connections that are open, which go on.
    pub(crate) fn reset(&mut self) {
        *self = Self { open_connections: self.open_connections, ..Self::default() };
    }

    pub(crate) fn counters(&self) -> Value {
        json!({
            "requests": self.requests,
            "connections": self.connections,
            "open_connections": self.open_connections,
            "records": self.records,
            "bytes": self.bytes,
            "duplicates": self.duplicates,
            "failed_records": self.failed_records,
            "faults": self.faults,
            "by_operation": self.by_operation,
        })
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        let shown = self.seen.iter().map(|(number, seen)| {
            json!({
                "n": number,
                "connection": seen.connection,
                "operation": seen.operation,
                "records": seen.records,
                "status": seen.status,
                "invocation_id": seen.invocation_id,
                "sdk_request": seen.sdk_request,
                "user_agent": seen.user_agent,
                "fault": seen.fault,
                "authorised": seen.authorised,
                "ms": seen.ms,
            })
        });
        shown.collect()
    }
}
