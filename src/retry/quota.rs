//! The bucket that keeps a client from retrying a service to death.

use super::Class;
use std::sync::atomic::{AtomicU32, Ordering};

/// Tokens of a client: each retry costs some, each success gives some back.
pub(crate) struct Quota(AtomicU32);

const FULL: u32 = 500;

impl Quota {
    /// A full bucket.
    pub(crate) fn new() -> Quota {
        Quota(AtomicU32::new(FULL))
    }

    /// Pays for a retry; gives the price, or `None` where the bucket is too empty.
    pub(crate) fn pay(&self, class: Class) -> Option<u32> {
        let price = match class {
            Class::Throttling => 5,
            Class::Transient => 14,
        };
        let paid = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(price));
        paid.ok().map(|_| price)
    }

    /// A call succeeded: its last retry's price comes back, or one token where it needed none.
    pub(crate) fn refund(&self, last_price: u32) {
        if self.0.load(Ordering::Relaxed) < FULL {
            let add = |left: u32| Some((left + last_price.max(1)).min(FULL));
            // The closure never refuses.
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_prices() {
        let quota = Quota::new();
        assert_eq!(quota.pay(Class::Throttling), Some(5));
        assert_eq!(quota.pay(Class::Transient), Some(14));
        assert_eq!(quota.0.load(Ordering::Relaxed), 481);
        quota.refund(14);
        assert_eq!(quota.0.load(Ordering::Relaxed), 495);
        quota.refund(0);
        assert_eq!(quota.0.load(Ordering::Relaxed), 496);
        quota.refund(14);
        assert_eq!(quota.0.load(Ordering::Relaxed), 500);
        for _ in 0..35 {
            quota.pay(Class::Transient).unwrap();
        }
        assert_eq!(quota.pay(Class::Transient), None);
        assert_eq!(quota.pay(Class::Throttling), Some(5));
        assert_eq!(quota.pay(Class::Throttling), Some(5));
        assert_eq!(quota.pay(Class::Throttling), None);
    }
}
