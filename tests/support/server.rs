//! The local Firehose that the programs run against.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::Value;

/// A server of its own for each test, so that counts are exact.
pub(crate) struct Server {
    inner: firehose_local::Server,
}

impl Server {
    /// With the stream `test`.
    pub(crate) fn start() -> Server {
        Server::with(&Value::Array(Vec::new()))
    }

    pub(crate) fn with(faults: &Value) -> Server {
        let options = firehose_local::Options {
            streams: vec!["test".into()],
            tls_listen: Some("127.0.0.1:0".into()),
            seed: 20_261_123,
            faults: faults.clone(),
            ..firehose_local::Options::default()
        };
        Server { inner: firehose_local::Server::start(options).unwrap() }
    }

    /// Listens at this address, and at no other.
    pub(crate) fn at(address: &str) -> Server {
        let options = firehose_local::Options {
            streams: vec!["test".into()],
            listen: address.into(),
            ..firehose_local::Options::default()
        };
        Server { inner: firehose_local::Server::start(options).unwrap() }
    }

    pub(crate) fn http(&self) -> String {
        self.inner.endpoint().to_owned()
    }

    pub(crate) fn https(&self) -> String {
        self.inner.tls_endpoint().unwrap().to_owned()
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.inner.ca_path().unwrap().to_path_buf()
    }

    pub(crate) fn faults(&self, faults: &Value) {
        self.inner.set_faults(faults.clone());
    }

    pub(crate) fn quota(&self, quota: &Value) {
        self.inner.set_quota(quota.clone());
    }

    pub(crate) fn reset(&self) {
        self.inner.reset();
    }

    /// One of the counters.
    pub(crate) fn count(&self, name: &str) -> u64 {
        let counters = self.inner.counters();
        counters[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {counters}"))
    }

    /// How many faults of each kind were injected.
    pub(crate) fn injected(&self, kind: &str) -> u64 {
        self.inner.counters()["faults"][kind].as_u64().unwrap_or(0)
    }

    pub(crate) fn requests(&self) -> Vec<Value> {
        self.inner.requests()
    }

    /// What arrived in the stream `test`, in order.
    pub(crate) fn records(&self) -> Vec<Vec<u8>> {
        self.inner.records("test")
    }

    /// How often each record arrived; all of them are text.
    /// Lines of all records, aggregated ones taken apart, and how often each arrived.
    pub(crate) fn lines(&self) -> HashMap<String, u32> {
        let mut times = HashMap::new();
        for record in self.records() {
            assert!(record.ends_with(b"\n"), "a record ends in the middle of a line");
            for line in String::from_utf8(record).unwrap().lines() {
                *times.entry(line.to_owned()).or_insert(0) += 1;
            }
        }
        times
    }

    /// Keeps counts only.
    pub(crate) fn forgetful(faults: &Value) -> Server {
        let options = firehose_local::Options {
            streams: vec!["test".into()],
            faults: faults.clone(),
            forget: true,
            ..firehose_local::Options::default()
        };
        Server { inner: firehose_local::Server::start(options).unwrap() }
    }

    pub(crate) fn arrived(&self) -> HashMap<String, u32> {
        let mut times = HashMap::new();
        for record in self.records() {
            *times.entry(String::from_utf8(record).unwrap()).or_insert(0) += 1;
        }
        times
    }
}
