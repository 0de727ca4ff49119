//! The delivery streams and what they were given.

use crate::chance::{Ids, fingerprint};
use crate::clock;
use crate::error::Refusal;
use crate::objects::{self, Object};
use crate::validate;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

/// A thread that failed while it held a lock is no reason to stop serving the others.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) const ACCOUNT: &str = "000000000000";

#[derive(Debug)]
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) version: u64,
    /// `ExtendedS3` and the like, with the configuration that was given.
    pub(crate) destination: Option<(&'static str, Value)>,
    pub(crate) source: Option<Value>,
    /// The key's type and ARN, when encryption is on.
    pub(crate) encryption: Option<(String, Option<String>)>,
    pub(crate) tags: BTreeMap<String, Option<String>>,
    records: Vec<Vec<u8>>,
    seen: HashSet<u128>,
    object: Option<Object>,
}

impl Stream {
    pub(crate) fn new(name: &str) -> Self {
        let now = clock::real_now();
        Self {
            name: name.to_owned(),
            kind: "DirectPut".into(),
            created: now,
            updated: now,
            version: 1,
            destination: None,
            source: None,
            encryption: None,
            tags: BTreeMap::new(),
            records: Vec::new(),
            seen: HashSet::new(),
            object: None,
        }
    }

    pub(crate) fn encryption_description(&self) -> Value {
        match &self.encryption {
            None => json!({ "Status": "DISABLED" }),
            Some((kind, None)) => json!({ "Status": "ENABLED", "KeyType": kind }),
            Some((kind, Some(key))) => json!({ "Status": "ENABLED", "KeyType": kind, "KeyARN": key }),
        }
    }
}

pub(crate) type SharedStream = Arc<Mutex<Stream>>;

/// How many records and bytes were stored, and how many of the records the stream had been given before.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Stored {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) duplicates: u64,
}

#[derive(Debug)]
pub(crate) struct Streams {
    map: RwLock<BTreeMap<String, SharedStream>>,
    any_name: bool,
    data: Option<PathBuf>,
    keep: bool,
    region: String,
}

impl Streams {
    pub(crate) fn new(
        names: &[String],
        data: Option<PathBuf>,
        keep: bool,
        region: &str,
    ) -> Result<Self, Refusal> {
        let streams = Self {
            map: RwLock::default(),
            any_name: names.iter().any(|name| name == "*"),
            data,
            keep,
            region: region.to_owned(),
        };
        for name in names.iter().filter(|name| *name != "*") {
            streams.ensure(name)?;
        }
        Ok(streams)
    }

    pub(crate) fn arn(&self, name: &str) -> String {
        format!("arn:aws:firehose:{}:{ACCOUNT}:deliverystream/{name}", self.region)
    }

    /// The stream of that name, made if it is not there.
    pub(crate) fn ensure(&self, name: &str) -> Result<SharedStream, Refusal> {
        validate::check_stream_name(name)?;
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        let made = || Arc::new(Mutex::new(Stream::new(name)));
        Ok(Arc::clone(map.entry(name.to_owned()).or_insert_with(made)))
    }

    pub(crate) fn existing(&self, name: &str) -> Option<SharedStream> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(crate) fn find(&self, name: &str) -> Result<SharedStream, Refusal> {
        match self.existing(name) {
            Some(stream) => Ok(stream),
            None if self.any_name => self.ensure(name),
            None => Err(not_found(name)),
        }
    }

    pub(crate) fn add(&self, stream: Stream) -> Result<(), Refusal> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        if map.contains_key(&stream.name) {
            let text = format!("Firehose {} under accountId {ACCOUNT} already exists", stream.name);
            return Err(Refusal::bad("ResourceInUseException", text));
        }
        map.insert(stream.name.clone(), Arc::new(Mutex::new(stream)));
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), Refusal> {
        let mut map = self.map.write().unwrap_or_else(PoisonError::into_inner);
        map.remove(name).map(drop).ok_or_else(|| not_found(name))
    }

    pub(crate) fn all(&self) -> Vec<SharedStream> {
        self.map.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Stores records all together, in order.
    pub(crate) fn store(
        &self,
        stream: &mut Stream,
        records: Vec<Vec<u8>>,
        ids: &Ids,
    ) -> Result<Stored, Refusal> {
        if let Some(data) = self.data.as_deref().filter(|_| !records.is_empty()) {
            let written = match records.as_slice() {
                [record] => objects::append(&mut stream.object, data, &stream.name, ids, record),
                _ => objects::append(&mut stream.object, data, &stream.name, ids, &records.concat()),
            };
            written.map_err(|error| {
                let text = format!("The record cannot be written under {}: {error}", data.display());
                Refusal::new(500, "InternalFailure", text)
            })?;
        }
        let mut stored = Stored::default();
        for record in records {
            stored.records += 1;
            stored.bytes += record.len() as u64;
            stored.duplicates += u64::from(!stream.seen.insert(fingerprint(&record)));
            if self.keep {
                stream.records.push(record);
            }
        }
        Ok(stored)
    }

    pub(crate) fn records(&self, name: &str) -> Option<Vec<Vec<u8>>> {
        Some(lock(&*self.existing(name)?).records.clone())
    }

    /// Forgets the records of every stream; what is on disk stays, and what comes next starts a new object.
    pub(crate) fn forget_records(&self) {
        for stream in self.all() {
            let mut stream = lock(&stream);
            stream.records = Vec::new();
            stream.seen = HashSet::new();
            stream.object = None;
        }
    }
}

fn not_found(name: &str) -> Refusal {
    Refusal::bad("ResourceNotFoundException", format!("Firehose {name} under account {ACCOUNT} not found."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicates_are_counted_for_each_stream() {
        let streams = Streams::new(&["a".into(), "b".into()], None, true, "us-east-1").unwrap();
        let put = |name: &str, records: &[&[u8]]| {
            let stream = streams.find(name).unwrap();
            let records = records.iter().map(|record| record.to_vec()).collect();
            streams.store(&mut lock(&stream), records, &Ids::new()).unwrap()
        };
        assert_eq!(put("a", &[b"1", b"2", b"1"]), Stored { records: 3, bytes: 3, duplicates: 1 });
        assert_eq!(put("b", &[b"1"]), Stored { records: 1, bytes: 1, duplicates: 0 });
        assert_eq!(put("a", &[b"2"]), Stored { records: 1, bytes: 1, duplicates: 1 });
        assert_eq!(streams.records("a").unwrap(), [b"1", b"2", b"1", b"2"]);
        streams.forget_records();
        assert!(streams.records("a").unwrap().is_empty());
        assert_eq!(put("a", &[b"1"]).duplicates, 0);
    }

    #[test]
    fn names_that_exist() {
        let streams = Streams::new(&["a".into()], None, true, "us-east-1").unwrap();
        assert_eq!(
            streams.find("x").unwrap_err().message,
            "Firehose x under account 000000000000 not found."
        );
        assert_eq!(streams.add(Stream::new("a")).unwrap_err().code, "ResourceInUseException");
        let any = Streams::new(&["*".into()], None, false, "us-east-1").unwrap();
        assert!(any.find("whatever").is_ok());
        assert!(Streams::new(&["a b".into()], None, true, "us-east-1").is_err());
    }
}
