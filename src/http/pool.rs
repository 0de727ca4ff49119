//! The connections of a client, kept with the buffers that go with them. A caller takes one for the length of a call.

use super::exchange::Buffers;
use super::{Failure, Link};
use crate::error::Kind;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a call works with.
#[derive(Default)]
pub(crate) struct Lane<S> {
    /// The connection.
    pub(crate) link: Link,
    /// Request and answer.
    pub(crate) buffers: Buffers,
    /// Whatever else the caller wants to find again.
    pub(crate) scratch: S,
}

/// At most so many calls at once; the last one given back is the first taken again, so that the others grow old.
pub(crate) struct Pool<S> {
    state: Mutex<State<S>>,
    freed: Condvar,
    most: usize,
}

struct State<S> {
    idle: Vec<Box<Lane<S>>>,
    taken: usize,
    waiting: usize,
}

/// An idle connection is given up before the service gives it up (it closes after about a minute).
pub(super) const IDLE: Duration = Duration::from_secs(50);

impl<S: Default> Pool<S> {
    /// Empty; connections are made when they are needed.
    pub(crate) fn new(most: usize) -> Pool<S> {
        let state = State { idle: Vec::new(), taken: 0, waiting: 0 };
        Pool { state: Mutex::new(state), freed: Condvar::new(), most: most.max(1) }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a lane, waiting until `deadline` for one to be given back where all are taken.
    pub(crate) fn take(&self, deadline: Instant) -> Result<Taken<'_, S>, Failure> {
        let mut state = self.lock();
        while state.taken >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let most = self.most;
                let message = format!("all {most} connections were busy until the time was up; raise max_connections");
                return Err(Failure::new(Kind::Timeout, message));
            }
            state.waiting += 1;
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.taken += 1;
        let idle = state.idle.pop();
        drop(state);
        Ok(Taken { pool: self, lane: idle.unwrap_or_default() })
    }

    /// One that has lain idle for long is closed meanwhile.
    fn give(&self, mut lane: Box<Lane<S>>) {
        lane.buffers.trim();
        let now = lane.link.last_used();
        let mut state = self.lock();
        state.taken -= 1;
        state.idle.push(lane);
        let old = match (state.idle.first().and_then(|lane| lane.link.last_used()), now) {
            (Some(first), Some(now)) if now.saturating_duration_since(first) > IDLE => Some(state.idle.remove(0)),
            _ => None,
        };
        let waiting = state.waiting > 0;
        drop(state);
        if waiting {
            self.freed.notify_one();
        }
        drop(old);
    }
}

/// A lane for the length of a call; dropped, it goes back.
pub(crate) struct Taken<'a, S: Default> {
    pool: &'a Pool<S>,
    lane: Box<Lane<S>>,
}

impl<S: Default> Deref for Taken<'_, S> {
    type Target = Lane<S>;

    fn deref(&self) -> &Lane<S> {
        &self.lane
    }
}

impl<S: Default> DerefMut for Taken<'_, S> {
    fn deref_mut(&mut self) -> &mut Lane<S> {
        &mut self.lane
    }
}

impl<S: Default> Drop for Taken<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whatever state it was left in, nobody is to find it.
            self.lane = Box::default();
        }
        self.pool.give(std::mem::take(&mut self.lane));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_found_again_and_their_number_is_bounded() {
        let pool = Pool::<u8>::new(2);
        let soon = || Instant::now() + Duration::from_millis(20);
        let mut first = pool.take(soon()).unwrap();
        first.scratch = 7;
        let second = pool.take(soon()).unwrap();
        let full = pool.take(soon()).err().unwrap();
        assert!(full.kind == Kind::Timeout && full.message.contains("max_connections"), "{}", full.message);
        drop(second);
        drop(first);
        assert_eq!(pool.take(soon()).unwrap().scratch, 7);
    }

    #[test]
    fn who_waits_gets_the_next_lane() {
        let pool = Pool::<u8>::new(1);
        let lane = pool.take(Instant::now()).unwrap();
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| pool.take(Instant::now() + Duration::from_secs(5)).is_ok());
            std::thread::sleep(Duration::from_millis(30));
            drop(lane);
            assert!(waiting.join().unwrap());
        });
    }
}
