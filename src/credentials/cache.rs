//! The keys in use, fetched once for all threads and renewed ahead of their end by whoever comes first.
//!
//! No lock is held while a source is asked, and nobody waits while there are keys that are still good.

use super::{Credentials, Moment, Provider};
use crate::error::{Error, Kind, Result};
use crate::log::{Level, Log};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Renewal begins this long before the end, and up to as long again earlier, so that a fleet does not renew at once.
const AHEAD: i64 = 300;
/// The longest pause after a failed renewal.
const LONGEST_PAUSE: i64 = 60;
/// Expired keys of a source that outlives their expiry are used for this long, and up to half as long again, before
/// it is asked once more.
const STABLE: i64 = 600;
/// What a renewal may take of the time of a call that could go on with the old keys.
const RENEWAL: Duration = Duration::from_secs(20);

/// The cache of a client.
pub(crate) struct Cache {
    provider: Arc<dyn Provider>,
    log: Arc<Log>,
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Default)]
struct State {
    current: Option<Arc<Credentials>>,
    /// Seconds since 1970 from which on they are renewed.
    renew_at: i64,
    fetching: bool,
    failures: u32,
    /// Keys that the service took for expired, and until when keys like them are not worth another look.
    rejected: Option<(Arc<Credentials>, i64)>,
    /// Those, where they are better than none.
    fallback: Option<Arc<Credentials>>,
    /// Counts the fetches that have ended.
    round: u64,
    error: Option<Error>,
}

/// Ends a fetch even where the source panics.
struct Fetching<'a>(&'a Cache);

impl Drop for Fetching<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if state.fetching {
            state.fetching = false;
            state.round += 1;
            state.error = Some(Error::new(Kind::Internal, "the source of credentials panicked"));
        }
        self.0.done.notify_all();
    }
}

impl Cache {
    /// Nothing is fetched yet.
    pub(crate) fn new(provider: Arc<dyn Provider>, log: Arc<Log>) -> Cache {
        Cache { provider, log, state: Mutex::default(), done: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys that are good now. Waits until the call's end at the most, and only where there are none.
    pub(crate) fn get(&self, moment: &Moment<'_>) -> Result<Arc<Credentials>> {
        let now = (moment.now)();
        let lasting = self.provider.outlives_expiry();
        let usable = |state: &State| {
            state.current.clone().filter(|keys| lasting || keys.expires_at.is_none_or(|end| now < end))
        };
        let mut state = self.lock();
        loop {
            match usable(&state) {
                Some(keys) if state.fetching || now < state.renew_at => return Ok(keys),
                None if state.fetching => {
                    let round = state.round;
                    while state.round == round {
                        let left = moment.deadline.saturating_duration_since(Instant::now());
                        if left.is_zero() {
                            let source = self.provider.name();
                            let message =
                                format!("no credentials from {source} in time: operation_timeout_ms ran out");
                            return Err(Error::new(Kind::Timeout, message));
                        }
                        state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
                    }
                    // Unless it was somebody else's time that was up, not ours.
                    if let Some(error) = state.error.as_ref().filter(|error| error.kind != Kind::Timeout)
                        && usable(&state).is_none()
                    {
                        return Err(error.clone());
                    }
                }
                good => {
                    state.fetching = true;
                    drop(state);
                    return self.fetch(moment, good);
                }
            }
        }
    }

    fn fetch(&self, moment: &Moment<'_>, good: Option<Arc<Credentials>>) -> Result<Arc<Credentials>> {
        let guard = Fetching(self);
        let deadline = match &good {
            Some(_) => moment.deadline.min(Instant::now() + RENEWAL),
            None => moment.deadline,
        };
        let fetched = self.provider.fetch(&Moment { deadline, ..*moment });
        // Fetching may have taken a while, and may have put the clock right.
        let now = (moment.now)();
        let lasting = self.provider.outlives_expiry();
        let fetched = fetched.and_then(|keys| match keys.expires_at {
            Some(end) if end <= now && !lasting => {
                let why = "they have expired already; check this machine's clock and the source";
                Err(super::failed(&self.provider.name(), why))
            }
            _ => Ok(keys),
        });
        let mut state = self.lock();
        state.fetching = false;
        state.round += 1;
        let outcome = match fetched {
            Ok(keys) => {
                let keys = Arc::new(keys);
                state.renew_at = keys.expires_at.map_or(i64::MAX, |end| renew_at(now, end, moment.random));
                state.current = Some(Arc::clone(&keys));
                state.fallback = None;
                state.failures = 0;
                state.error = None;
                Ok(keys)
            }
            Err(error) => {
                state.failures = state.failures.saturating_add(1);
                let pause =
                    1i64.checked_shl(state.failures.min(6)).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE);
                state.renew_at = now + pause;
                state.error = Some(error);
                // Old keys that are still good are better than none.
                let old = good.or_else(|| {
                    state.current = Some(state.fallback.take()?);
                    state.current.clone()
                });
                old.ok_or(())
            }
        };
        let error = state.error.clone();
        drop(state);
        drop(guard);
        match (&outcome, &error) {
            (Ok(_), Some(error)) => self.log.write(
                Level::Warn,
                format_args!("the credentials could not be renewed, the old ones serve on: {error}"),
            ),
            (Ok(keys), None) if keys.expires_at.is_some_and(|end| end <= now) => self.log.write(
                Level::Warn,
                format_args!(
                    "the credentials of {} have expired and are used all the same: it has no newer ones",
                    self.provider.name()
                ),
            ),
            _ => {}
        }
        outcome.map_err(|()| error.unwrap_or_else(|| super::failed(&self.provider.name(), "none came")))
    }

    /// The service says that these keys have expired: others are got at the next need. Gives whether another attempt is
    /// worth it: not with keys that never change, nor where the source has just given the very same ones again.
    pub(crate) fn reject(&self, keys: &Arc<Credentials>, now: i64) -> bool {
        if !self.provider.renews() {
            return false;
        }
        let mut state = self.lock();
        if !state.current.as_ref().is_some_and(|current| Arc::ptr_eq(current, keys)) {
            // Somebody else was told so before, and has got others or is about to.
            return true;
        }
        if state.rejected.as_ref().is_some_and(|(known, until)| now < *until && known.same(keys)) {
            return false;
        }
        state.rejected = Some((Arc::clone(keys), now.saturating_add(LONGEST_PAUSE)));
        state.fallback = state.current.take().filter(|_| self.provider.outlives_expiry());
        true
    }

    /// The keys in use, if any were needed yet, the name of their source, and why it failed last.
    pub(crate) fn current(&self) -> (Option<Arc<Credentials>>, String, Option<String>) {
        let state = self.lock();
        (state.current.clone(), self.provider.name(), state.error.as_ref().map(|error| error.message.clone()))
    }
}

/// When keys that end at `end` are renewed: some minutes ahead, but not in the first half of a short life. Those that
/// have ended are used for a while, if they are used at all.
fn renew_at(now: i64, end: i64, random: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "between 0 and AHEAD")]
    let jitter = (random * AHEAD as f64) as i64;
    match now < end {
        true => (end - AHEAD - jitter).max(now + (end - now) / 2),
        false => now + STABLE + jitter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};

    #[derive(Default)]
    struct Source {
        calls: AtomicUsize,
        end: AtomicI64,
        broken: AtomicBool,
        slow: AtomicBool,
        lasting: AtomicBool,
        same: AtomicBool,
    }

    impl Provider for Source {
        fn fetch(&self, _: &Moment<'_>) -> Result<Credentials> {
            let n = self.calls.fetch_add(1, Ordering::SeqCst);
            if self.slow.load(Ordering::SeqCst) {
                std::thread::sleep(Duration::from_millis(100));
            }
            if self.broken.load(Ordering::SeqCst) {
                return Err(super::super::failed("the test", "it is broken"));
            }
            let end = self.end.load(Ordering::SeqCst);
            let id = if self.same.load(Ordering::SeqCst) { "SAME".into() } else { format!("KEY{n}") };
            Ok(Credentials::checked(&id, "secret", None, (end > 0).then_some(end)).unwrap())
        }

        fn name(&self) -> String {
            "the test".into()
        }

        fn outlives_expiry(&self) -> bool {
            self.lasting.load(Ordering::SeqCst)
        }
    }

    fn cache(end: i64) -> (Arc<Source>, Cache) {
        let source = Arc::new(Source::default());
        source.end.store(end, Ordering::SeqCst);
        (Arc::clone(&source), Cache::new(source, Arc::default()))
    }

    fn get(cache: &Cache, now: i64) -> Result<Arc<Credentials>> {
        let deadline = Instant::now() + Duration::from_secs(5);
        cache.get(&Moment { now: &|| now, random: 0.5, deadline, region: "" })
    }

    fn id(cache: &Cache, now: i64) -> Result<String> {
        get(cache, now).map(|keys| keys.access_key_id.clone())
    }

    #[test]
    fn keys_are_renewed_ahead_and_old_ones_serve_when_that_fails() {
        let (source, cache) = cache(10_000);
        assert_eq!(id(&cache, 0).unwrap(), "KEY0");
        assert_eq!(id(&cache, 9_549).unwrap(), "KEY0");
        source.broken.store(true, Ordering::SeqCst);
        assert_eq!(id(&cache, 9_550).unwrap(), "KEY0");
        assert_eq!(id(&cache, 9_551).unwrap(), "KEY0");
        assert_eq!(source.calls.load(Ordering::SeqCst), 2, "a failed renewal is not repeated at once");
        assert_eq!(id(&cache, 10_000).unwrap_err().kind, Kind::CredentialsFailed);
        source.broken.store(false, Ordering::SeqCst);
        source.end.store(20_000, Ordering::SeqCst);
        assert_eq!(id(&cache, 10_001).unwrap(), "KEY3");
    }

    #[test]
    fn many_threads_cause_one_fetch() {
        let (source, cache) = cache(0);
        source.slow.store(true, Ordering::SeqCst);
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| assert_eq!(id(&cache, 0).unwrap(), "KEY0"));
            }
        });
        assert_eq!(source.calls.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn nobody_waits_while_old_keys_are_good() {
        let (source, cache) = cache(1000);
        id(&cache, 0).unwrap();
        source.slow.store(true, Ordering::SeqCst);
        source.end.store(9000, Ordering::SeqCst);
        std::thread::scope(|scope| {
            scope.spawn(|| id(&cache, 900).unwrap());
            while source.calls.load(Ordering::SeqCst) < 2 {
                std::thread::yield_now();
            }
            let begun = Instant::now();
            assert_eq!(id(&cache, 900).unwrap(), "KEY0");
            assert!(begun.elapsed() < Duration::from_millis(50));
        });
        assert_eq!(id(&cache, 900).unwrap(), "KEY1");
    }

    #[test]
    fn a_lasting_source_serves_expired_keys_and_is_asked_once_in_a_while() {
        let (source, cache) = cache(1000);
        source.lasting.store(true, Ordering::SeqCst);
        assert_eq!(id(&cache, 2000).unwrap(), "KEY0");
        assert_eq!(id(&cache, 2749).unwrap(), "KEY0");
        assert_eq!(id(&cache, 2750).unwrap(), "KEY1");
        source.broken.store(true, Ordering::SeqCst);
        assert_eq!(id(&cache, 3500).unwrap(), "KEY1");
        assert_eq!(id(&cache, 3501).unwrap(), "KEY1");
        assert_eq!(source.calls.load(Ordering::SeqCst), 3);
        let (_, cache) = self::cache(1000);
        assert!(id(&cache, 1000).unwrap_err().message.contains("expired"));
    }

    #[test]
    fn rejected_keys_are_not_given_out_again() {
        let (source, cache) = cache(0);
        let keys = get(&cache, 0).unwrap();
        assert!(cache.reject(&keys, 0) && cache.reject(&keys, 0));
        assert_eq!(id(&cache, 0).unwrap(), "KEY1");
        source.same.store(true, Ordering::SeqCst);
        let keys = get(&cache, 0).unwrap();
        assert!(cache.reject(&keys, 0));
        let keys = get(&cache, 0).unwrap();
        assert!(cache.reject(&keys, 1), "KEY1 and SAME differ");
        let keys = get(&cache, 1).unwrap();
        assert!(!cache.reject(&keys, 2), "the source has no others");
        assert_eq!(id(&cache, 2).unwrap(), "SAME");
        assert!(cache.reject(&keys, 61), "it may have others by now");
    }

    #[test]
    fn static_keys_are_not_asked_for_again() {
        let source = super::super::Fixed::new("the test".into(), "STATIC", "secret", None);
        let cache = Cache::new(Arc::new(source), Arc::default());
        assert!(!cache.reject(&get(&cache, 0).unwrap(), 0));
        assert_eq!(id(&cache, 0).unwrap(), "STATIC");
    }

    #[test]
    fn a_lasting_source_that_fails_leaves_its_rejected_keys_in_use() {
        let (source, cache) = cache(1000);
        source.lasting.store(true, Ordering::SeqCst);
        let keys = get(&cache, 0).unwrap();
        source.broken.store(true, Ordering::SeqCst);
        assert!(cache.reject(&keys, 0));
        assert_eq!(id(&cache, 0).unwrap(), "KEY0");
        assert!(!cache.reject(&keys, 1));
        assert_eq!(id(&cache, 1).unwrap(), "KEY0");
        assert_eq!(source.calls.load(Ordering::SeqCst), 2);
    }

    #[test]
    fn short_lives_are_halved() {
        assert_eq!(renew_at(0, 3600, 0.0), 3300);
        assert_eq!(renew_at(0, 3600, 1.0), 3000);
        assert_eq!(renew_at(0, 2, 0.5), 1);
        assert_eq!(renew_at(100, 700, 1.0), 400);
    }
}
