//! Tells when everything that was put before some moment has met its fate, whatever the order in which puts do.

use std::collections::VecDeque;

/// Puts between two moments at which somebody asked.
#[derive(Clone, Copy, Debug, Default)]
struct Epoch {
    /// The number behind its last put; the last epoch has no end yet.
    end: u64,
    open: u64,
}

/// Epochs whose puts are not all done, in order; the last is the one that new puts belong to.
#[derive(Debug)]
pub(super) struct Epochs {
    epochs: VecDeque<Epoch>,
    next: u64,
}

impl Epochs {
    /// Numbers begin at 0.
    pub(super) fn new() -> Epochs {
        Epochs { epochs: VecDeque::from([Epoch { end: u64::MAX, open: 0 }]), next: 0 }
    }

    /// The number of a new put.
    pub(super) fn begin(&mut self) -> u64 {
        self.begin_many(1)
    }

    /// The first of the numbers of new puts, which follow each other.
    pub(super) fn begin_many(&mut self, count: u64) -> u64 {
        if let Some(last) = self.epochs.back_mut() {
            last.open += count;
        }
        self.next += count;
        self.next - count
    }

    /// A put has met its fate.
    pub(super) fn end(&mut self, seq: u64) {
        let index = self.epochs.partition_point(|epoch| epoch.end <= seq);
        if let Some(epoch) = self.epochs.get_mut(index) {
            epoch.open = epoch.open.saturating_sub(1);
        }
        while self.epochs.len() > 1 && self.epochs.front().is_some_and(|epoch| epoch.open == 0) {
            self.epochs.pop_front();
        }
    }

    /// A moment: what comes from now on does not belong to what [`Epochs::done`] is asked about with the number that
    /// is given back.
    pub(super) fn mark(&mut self) -> u64 {
        match self.epochs.back_mut() {
            Some(last) if last.open > 0 => {
                last.end = self.next;
                self.epochs.push_back(Epoch { end: u64::MAX, open: 0 });
            }
            _ => {}
        }
        self.next
    }

    /// Whether all puts before `mark` have met their fates.
    pub(super) fn done(&self, mark: u64) -> bool {
        // The last epoch may have puts that came after the mark only: those before it have an epoch of their own.
        self.epochs.iter().take_while(|epoch| epoch.end <= mark).all(|epoch| epoch.open == 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_done_when_what_was_before_it_is() {
        let mut epochs = Epochs::new();
        let first = epochs.mark();
        assert!(epochs.done(first));
        let (a, b) = (epochs.begin(), epochs.begin());
        let mark = epochs.mark();
        let c = epochs.begin();
        assert!(!epochs.done(mark));
        epochs.end(c);
        assert!(!epochs.done(mark));
        epochs.end(b);
        let later = epochs.mark();
        assert!(!epochs.done(mark) && !epochs.done(later));
        epochs.end(a);
        assert!(epochs.done(mark) && epochs.done(later));
    }

    #[test]
    fn a_later_mark_waits_for_earlier_puts() {
        let mut epochs = Epochs::new();
        let a = epochs.begin();
        let first = epochs.mark();
        let b = epochs.begin();
        let second = epochs.mark();
        epochs.end(b);
        assert!(!epochs.done(first) && !epochs.done(second));
        epochs.end(a);
        assert!(epochs.done(first) && epochs.done(second));
        for _ in 0..100 {
            let put = epochs.begin();
            let mark = epochs.mark();
            assert!(!epochs.done(mark));
            epochs.end(put);
            assert!(epochs.done(mark));
        }
        assert!(epochs.epochs.len() <= 2, "{epochs:?}");
    }
}
