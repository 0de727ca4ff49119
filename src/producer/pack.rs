//! Puts become records: one each, or many to one where they are aggregated. Pure: tells where each record ends.

/// How much goes into a record, and into a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Puts of one record.
    pub(super) lines: usize,
    /// Bytes of one record of several puts.
    pub(super) record_bytes: usize,
    /// Records of one call.
    pub(super) records: usize,
    /// Bytes of one call, before compression.
    pub(super) bytes: usize,
}

impl Limits {
    /// Puts that fill a call, whatever their size.
    pub(super) fn puts(&self) -> usize {
        self.lines.saturating_mul(self.records)
    }
}

/// Where a put goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fits {
    /// Into the record that the one before it is in.
    Joins,
    /// Into a new record.
    Begins,
    /// Into another call.
    Not,
}

/// A call that is being filled.
pub(super) struct Packer {
    limits: Limits,
    records: usize,
    bytes: usize,
    lines: usize,
    record_bytes: usize,
}

impl Packer {
    /// Empty.
    pub(super) fn new(limits: Limits) -> Packer {
        Packer { limits, records: 0, bytes: 0, lines: 0, record_bytes: 0 }
    }

    /// Adds a put of `bytes` where it fits. The first always does, whatever its size.
    pub(super) fn add(&mut self, bytes: usize) -> Fits {
        if self.records > 0 && self.bytes + bytes > self.limits.bytes {
            return Fits::Not;
        }
        let joins = self.records > 0
            && self.lines < self.limits.lines
            && self.record_bytes + bytes <= self.limits.record_bytes;
        // A record of several puts is not begun where it could not be filled: the service bills what is missing.
        let room = if self.limits.lines > 1 { self.limits.record_bytes } else { 0 };
        let is_full = self.records >= self.limits.records || self.bytes + room > self.limits.bytes;
        if !joins && self.records > 0 && is_full {
            return Fits::Not;
        }
        if !joins {
            (self.lines, self.record_bytes) = (0, 0);
            self.records += 1;
        }
        self.lines += 1;
        self.record_bytes += bytes;
        self.bytes += bytes;
        if joins { Fits::Joins } else { Fits::Begins }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Limits = Limits { lines: 1, record_bytes: 0, records: 500, bytes: 4 << 20 };
    const AGGREGATED: Limits = Limits { lines: 500, record_bytes: 102_400, records: 500, bytes: 4 << 20 };

    /// How many puts of `bytes` a call takes, and how many records they make.
    fn fill(limits: Limits, bytes: usize) -> (usize, usize) {
        let mut packer = Packer::new(limits);
        let mut count = 0;
        while packer.add(bytes) != Fits::Not {
            count += 1;
        }
        (count, packer.records)
    }

    #[test]
    fn a_call_takes_500_records_or_4_mib() {
        let mut packer = Packer::new(PLAIN);
        for _ in 0..500 {
            assert_eq!(packer.add(1), Fits::Begins);
        }
        assert_eq!(packer.add(1), Fits::Not);
        assert_eq!(fill(PLAIN, 0), (500, 500));
        assert_eq!(fill(PLAIN, 8389), (499, 499));
        assert_eq!(fill(PLAIN, 8388), (500, 500));
        assert_eq!(fill(PLAIN, 1_024_000), (4, 4));
        let mut packer = Packer::new(PLAIN);
        for _ in 0..4 {
            packer.add(1_024_000);
        }
        let rest = (4 << 20) - 4 * 1_024_000;
        assert_eq!(packer.add(rest + 1), Fits::Not);
        assert_eq!(packer.add(rest), Fits::Begins);
        assert_eq!(packer.add(0), Fits::Begins);
        assert_eq!(packer.add(1), Fits::Not);
    }

    #[test]
    fn the_first_always_fits() {
        let mut packer = Packer::new(Limits { lines: 1, record_bytes: 0, records: 1, bytes: 10 });
        assert_eq!(packer.add(11), Fits::Begins);
        assert_eq!(packer.add(0), Fits::Not);
    }

    #[test]
    fn a_record_takes_500_lines_or_its_bytes() {
        let mut packer = Packer::new(AGGREGATED);
        assert_eq!(packer.add(1), Fits::Begins);
        for _ in 0..499 {
            assert_eq!(packer.add(1), Fits::Joins);
        }
        assert_eq!(packer.add(1), Fits::Begins);
        let mut packer = Packer::new(AGGREGATED);
        assert_eq!(packer.add(102_000), Fits::Begins);
        assert_eq!(packer.add(400), Fits::Joins);
        assert_eq!(packer.add(0), Fits::Joins);
        assert_eq!(packer.add(1), Fits::Begins);
        // What is larger than an aggregated record may be is one by itself.
        assert_eq!(packer.add(1_024_000), Fits::Begins);
        assert_eq!(packer.add(1), Fits::Begins);
        assert_eq!(packer.add(1), Fits::Joins);
        assert_eq!(fill(AGGREGATED, 200), (41 * 500, 41));
        assert_eq!(fill(AGGREGATED, 1), (250_000, 500));
    }
}
