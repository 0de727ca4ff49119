//! The connections of a client, kept with the buffers that go with them. A caller takes one for the length of a call.

use super::exchange::Buffers;
use super::{Failure, Link};
use crate::error::Kind;
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

    /// Runs `work` with a lane, waiting until `deadline` for one to be given back where all are taken.
    pub(crate) fn with<T>(
        &self,
        deadline: Instant,
        work: impl FnOnce(&mut Lane<S>) -> T,
    ) -> Result<T, Failure> {
        let mut lane = self.take(deadline)?;
        // Gives the place back even where the work panics; the lane is then dropped, whatever state it is in.
        let place = Place(self);
        let done = work(&mut lane);
        lane.buffers.trim();
        let old = self.keep(lane);
        drop(place);
        drop(old);
        Ok(done)
    }

    fn take(&self, deadline: Instant) -> Result<Box<Lane<S>>, Failure> {
        let mut state = self.lock();
        while state.taken >= self.most {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let most = self.most;
                let message =
                    format!("all {most} connections were busy until the time was up; raise max_connections");
                return Err(Failure::new(Kind::Timeout, message));
            }
            state.waiting += 1;
            state = self.freed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiting -= 1;
        }
        state.taken += 1;
        let idle = state.idle.pop();
        drop(state);
        Ok(idle.unwrap_or_default())
    }

    /// Keeps a lane for the next call; gives one back that has lain idle for too long.
    fn keep(&self, lane: Box<Lane<S>>) -> Option<Box<Lane<S>>> {
        let now = lane.link.last_used();
        let mut state = self.lock();
        state.idle.push(lane);
        match (state.idle.first().and_then(|lane| lane.link.last_used()), now) {
            (Some(first), Some(now)) if now.saturating_duration_since(first) > IDLE => {
                Some(state.idle.remove(0))
            }
            _ => None,
        }
    }
}

/// The right to a lane.
struct Place<'a, S: Default>(&'a Pool<S>);

impl<S: Default> Drop for Place<'_, S> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.taken -= 1;
        if state.waiting > 0 {
            self.0.freed.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_found_again_and_their_number_is_bounded() {
        let pool = Pool::<u8>::new(2);
        let soon = || Instant::now() + Duration::from_millis(20);
        let inner = || {
            pool.with(soon(), |_| {
                let full = pool.with(soon(), |_| ()).err().unwrap();
                assert!(
                    full.kind == Kind::Timeout && full.message.contains("max_connections"),
                    "{}",
                    full.message
                );
            })
        };
        pool.with(soon(), |lane| {
            lane.scratch = 7;
            inner().unwrap();
        })
        .unwrap();
        pool.with(soon(), |lane| assert_eq!(lane.scratch, 7)).unwrap();
    }

    #[test]
    fn who_waits_gets_the_next_lane_even_after_a_panic() {
        let pool = Pool::<u8>::new(1);
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let (pool, later) = (&pool, Instant::now() + Duration::from_secs(5));
            let holder = scope.spawn(move || {
                pool.with(later, |_| {
                    tell.send(()).unwrap();
                    std::thread::sleep(Duration::from_millis(30));
                    panic!("in the middle of a call");
                })
            });
            told.recv().unwrap();
            assert!(pool.with(later, |_| ()).is_ok());
            assert!(holder.join().is_err());
        });
        assert_eq!(pool.lock().taken, 0);
    }
}
