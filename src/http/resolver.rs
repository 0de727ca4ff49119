//! Names to addresses, without a thread for each call and without ever waiting longer than allowed.
//!
//! The C library's resolver cannot be given a time limit, so a lookup runs on a thread of ours; one lookup of a name
//! at a time, whatever number of callers wait for it. Literal addresses and names looked up a moment ago need none.

use super::Failure;
use crate::error::Kind;
use crate::sys::thread;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long an answer is used: the service's own names live a minute.
#[cfg(not(test))]
const FRESH: Duration = Duration::from_secs(60);
#[cfg(test)]
const FRESH: Duration = Duration::from_millis(400);
/// Lookups under way at once; only a resolver that hangs, with different names, gets there.
const MOST_LOOKUPS: usize = 8;

/// Looks names up; shared by all calls of a client.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
    lookup: Lookup,
}

/// What asks the system; replaced in tests.
type Lookup = Arc<dyn Fn(&str, u16) -> io::Result<Vec<SocketAddr>> + Send + Sync>;

#[derive(Default)]
struct Shared {
    names: Mutex<HashMap<(String, u16), Name>>,
    done: Condvar,
}

#[derive(Default)]
struct Name {
    /// The last good answer and when it came.
    known: Option<(Arc<[SocketAddr]>, Instant)>,
    /// Why the last lookup failed.
    failed: Option<String>,
    thread: Option<std::thread::JoinHandle<()>>,
    running: bool,
    /// Counts finished lookups.
    round: u64,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<(String, u16), Name>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Marks a lookup as finished even where it panics.
struct Finish {
    shared: Arc<Shared>,
    key: (String, u16),
    outcome: Result<Vec<SocketAddr>, String>,
}

impl Drop for Finish {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Ok(Vec::new()));
        if let Some(name) = self.shared.lock().get_mut(&self.key) {
            name.running = false;
            name.round += 1;
            name.failed = None;
            match outcome {
                Ok(found) if found.is_empty() => name.failed = Some("the name has no address".into()),
                Ok(found) => name.known = Some((found.into(), Instant::now())),
                Err(why) => name.failed = Some(why),
            }
        }
        self.shared.done.notify_all();
    }
}

impl Resolver {
    /// Asks the system's resolver.
    pub(crate) fn new() -> Resolver {
        Resolver::with(Arc::new(|host, port| Ok((host, port).to_socket_addrs()?.collect())))
    }

    /// Asks `lookup`.
    pub(crate) fn with(lookup: Lookup) -> Resolver {
        Resolver { shared: Arc::default(), lookup }
    }

    /// The addresses of `host`, before `until`. An older answer is given where the lookup fails.
    pub(crate) fn resolve(
        &self,
        host: &str,
        port: u16,
        until: Instant,
    ) -> Result<Arc<[SocketAddr]>, Failure> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(Arc::new([SocketAddr::new(address, port)]));
        }
        let key = (host.to_owned(), port);
        let mut names = self.shared.lock();
        let name = names.entry(key.clone()).or_default();
        if let Some((known, at)) = &name.known
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(known));
        }
        // Who has an older answer leaves itself time to connect to it.
        let now = Instant::now();
        let until = if name.known.is_some() { now + until.saturating_duration_since(now) / 4 } else { until };
        let round = name.round;
        if !name.running {
            let running = names.values().filter(|name| name.running).count();
            if running >= MOST_LOOKUPS {
                return Err(failure(
                    host,
                    &format!("{running} other lookups hang; check the machine's resolver"),
                ));
            }
            let thread =
                self.start(&key).map_err(|e| failure(host, &format!("no thread for the lookup: {e}")))?;
            if let Some(name) = names.get_mut(&key) {
                name.running = true;
                name.thread = Some(thread);
            }
        }
        loop {
            let Some(name) = names.get_mut(&key) else { return Err(failure(host, "the lookup was lost")) };
            if name.round != round {
                let thread = name.thread.take_if(|_| !name.running);
                let outcome = match (&name.known, &name.failed) {
                    // An older answer is better than none.
                    (Some((known, _)), _) => Ok(Arc::clone(known)),
                    (None, why) => Err(failure(host, why.as_deref().unwrap_or("no answer"))),
                };
                drop(names);
                if let Some(thread) = thread {
                    // It has nothing left to do; joined, it is gone before the client can be freed.
                    let _ = thread.join();
                }
                return outcome;
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let known = name.known.as_ref().map(|(known, _)| Arc::clone(known));
                let late = || {
                    Failure::new(
                        Kind::Timeout,
                        format!(
                            "no answer from the resolver for {host} in time; check this machine's DNS, or raise connect_timeout_ms"
                        ),
                    )
                };
                return known.ok_or_else(late);
            }
            names = self.shared.done.wait_timeout(names, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn start(&self, key: &(String, u16)) -> io::Result<std::thread::JoinHandle<()>> {
        let lookup = Arc::clone(&self.lookup);
        let finish = Finish {
            shared: Arc::clone(&self.shared),
            key: key.clone(),
            outcome: Err("the lookup panicked".into()),
        };
        thread::spawn("firehose-dns", move || {
            let mut finish = finish;
            let (host, port) = finish.key.clone();
            let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| lookup(&host, port)));
            if let Ok(answer) = asked {
                finish.outcome = answer.map_err(|e| e.to_string());
            }
            drop(finish);
        })
    }

    /// None of the addresses could be reached: the next caller asks anew.
    pub(crate) fn forget(&self, host: &str, port: u16) {
        if let Some(name) = self.shared.lock().get_mut(&(host.to_owned(), port)) {
            name.known = None;
        }
    }
}

fn failure(host: &str, why: &str) -> Failure {
    Failure::new(
        Kind::ConnectFailed,
        format!("cannot resolve {host}: {why}; check the endpoint or region, and this machine's DNS"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    fn counting(count: &Arc<AtomicUsize>, delay: u64) -> Resolver {
        let count = Arc::clone(count);
        Resolver::with(Arc::new(move |_, port| {
            std::thread::sleep(Duration::from_millis(delay));
            count.fetch_add(1, Ordering::SeqCst);
            Ok(vec![([127, 0, 0, 1], port).into()])
        }))
    }

    #[test]
    fn literal_addresses_and_known_names_ask_nobody() {
        let count = Arc::default();
        let resolver = counting(&count, 0);
        assert_eq!(resolver.resolve("10.0.0.1", 80, soon()).unwrap()[0], ([10, 0, 0, 1], 80).into());
        assert_eq!(resolver.resolve("::1", 80, soon()).unwrap()[0].ip().to_string(), "::1");
        for _ in 0..3 {
            resolver.resolve("name.example", 443, soon()).unwrap();
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
        resolver.forget("name.example", 443);
        resolver.resolve("name.example", 443, soon()).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn many_callers_share_one_lookup_and_none_waits_too_long() {
        let count = Arc::default();
        let resolver = counting(&count, 200);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| resolver.resolve("name.example", 443, soon()).unwrap());
            }
            scope.spawn(|| {
                let begun = Instant::now();
                let late =
                    resolver.resolve("name.example", 443, begun + Duration::from_millis(30)).unwrap_err();
                assert_eq!(late.kind, Kind::Timeout);
                assert!(begun.elapsed() < Duration::from_millis(150));
            });
        });
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn an_old_answer_leaves_time_to_use_it() {
        let count = Arc::new(AtomicUsize::new(0));
        let calls = Arc::clone(&count);
        let resolver = Resolver::with(Arc::new(move |_, port| {
            if calls.fetch_add(1, Ordering::SeqCst) > 0 {
                std::thread::sleep(Duration::from_secs(2));
            }
            Ok(vec![([127, 0, 0, 1], port).into()])
        }));
        resolver.resolve("name.example", 443, soon()).unwrap();
        std::thread::sleep(FRESH + Duration::from_millis(50));
        let until = Instant::now() + Duration::from_secs(1);
        resolver.resolve("name.example", 443, until).unwrap();
        assert!(
            Instant::now() + Duration::from_millis(400) < until,
            "the old answer came too late to connect"
        );
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn failures_are_told_and_panics_contained() {
        let resolver = Resolver::with(Arc::new(|host, _| match host {
            "none" => Ok(vec![]),
            "odd" => panic!("odd"),
            _ => Err(io::Error::other("Name or service not known")),
        }));
        for (host, why) in [("none", "no address"), ("odd", "panicked"), ("x", "Name or service not known")] {
            let error = resolver.resolve(host, 1, soon()).unwrap_err();
            assert_eq!(error.kind, Kind::ConnectFailed);
            assert!(error.message.contains(why) && error.message.contains(host), "{}", error.message);
        }
    }

    #[test]
    fn lookups_that_hang_are_bounded() {
        let resolver = counting(&Arc::default(), 300);
        for n in 0..20 {
            let error = resolver.resolve(&format!("name{n}"), 1, Instant::now()).unwrap_err();
            let full = error.message.contains("other lookups hang");
            assert_eq!(full, n >= MOST_LOOKUPS, "{n}: {}", error.message);
        }
    }
}
