//! What a segment file looks like.
//!
//! A head of 64 bytes, records upwards from there, a flag of one byte for each record downwards from the end, and a
//! copy of the head in the last 64 bytes. A record is `len u32, checksum u32, seq u64, tag u64, put_at u64`, all in
//! little endian, and `len` bytes of data, padded with zeros to a multiple of 8. Sequence numbers are consecutive within
//! a segment, so that a record's flag is known from its number whatever became of those before it.

/// Bytes of a segment's head, and of its copy at the end.
pub(super) const HEAD: usize = 64;
/// Bytes before a record's data.
pub(super) const RECORD: usize = 32;
/// The format that is written here; another is refused.
pub(super) const VERSION: u32 = 1;
/// The flag of a record that needs no delivery any more. Every other value leaves it pending: a flag that was damaged
/// may double a record and never loses one.
pub(super) const RELEASED: u8 = 0xA5;
/// The most bytes of one record's data.
pub(super) const LARGEST: usize = 1_024_000;

const MAGIC: [u8; 8] = *b"FHSPOOL\n";

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Random: checksums start from it, so that no record of another segment, nor one that is the data of a record, can
    /// be taken for one of this segment.
    pub(super) salt: u64,
    /// The number of its first record.
    pub(super) first: u64,
    /// Bytes of the file.
    pub(super) size: u64,
}

/// What stands where a head should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A head of this format.
    Head(Head),
    /// A head of another format, with its number.
    Version(u32),
    /// Nothing but zeros.
    Zeros,
    /// Something else.
    Damaged,
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

impl Head {
    /// The head as it is written.
    pub(super) fn encode(&self) -> [u8; HEAD] {
        let mut out = [0; HEAD];
        let version = VERSION.to_le_bytes();
        let numbers = [self.salt, self.first, self.size].map(u64::to_le_bytes);
        let fields = MAGIC.iter().chain(&version).chain(&[0; 4]).chain(numbers.as_flattened());
        out.iter_mut().zip(fields).for_each(|(place, byte)| *place = *byte);
        let sum = crc32fast::hash(&out);
        if let Some(place) = out.get_mut(12..16) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        out
    }

    /// What stands at the start of `bytes`.
    pub(super) fn decode(bytes: &[u8]) -> Found {
        let Some(head) = bytes.first_chunk::<HEAD>() else { return Found::Damaged };
        if head.iter().all(|byte| *byte == 0) {
            return Found::Zeros;
        }
        let (Some(version), Some(salt), Some(first), Some(size)) =
            (u32_at(head, 8), u64_at(head, 16), u64_at(head, 24), u64_at(head, 32))
        else {
            return Found::Damaged;
        };
        let read = Head { salt, first, size };
        let sound = usize::try_from(size).is_ok_and(|size| size >= 2 * HEAD && size.is_multiple_of(8));
        if sound && read.encode() == *head && read.encode().starts_with(&MAGIC) {
            return Found::Head(read);
        }
        // Other formats keep the mark, the number and a checksum in these places; a flipped bit is no other format.
        let mut zeroed = *head;
        if let Some(sum) = zeroed.get_mut(12..16) {
            sum.fill(0);
        }
        if head.starts_with(&MAGIC)
            && version != VERSION
            && u32_at(head, 12) == Some(crc32fast::hash(&zeroed))
        {
            return Found::Version(version);
        }
        Found::Damaged
    }

    /// The numbers that records of the segment from `from` on can have.
    pub(super) fn seqs(&self, from: u64) -> std::ops::Range<u64> {
        from..self.first.saturating_add(self.size / RECORD as u64)
    }

    /// Where flags end and the head's copy begins.
    pub(super) fn tail(&self) -> usize {
        usize::try_from(self.size).unwrap_or(usize::MAX).saturating_sub(HEAD)
    }

    /// The checksum of a record at `at`: over where it is, its length, and `rest`, all from its number to the end of its
    /// data.
    pub(super) fn checksum(&self, at: usize, len: u32, rest: &[u8]) -> u32 {
        let mixed = (self.salt ^ at as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (u64::from(len) << 32);
        let mut hasher = crc32fast::Hasher::new_with_initial(fold(mixed));
        hasher.update(rest);
        hasher.finalize()
    }
}

fn fold(word: u64) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "both halves are taken")]
    let folded = (word >> 32) as u32 ^ word as u32;
    folded
}

/// Bytes that a record of `len` bytes of data takes in a segment, its flag apart.
pub(super) fn span(len: usize) -> usize {
    (RECORD + len).next_multiple_of(8)
}

/// A record's place and particulars, without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Where it begins.
    pub(super) at: usize,
    /// Bytes of its data.
    pub(super) len: usize,
    /// Its number.
    pub(super) seq: u64,
    /// The caller's.
    pub(super) tag: u64,
    /// When it was put, in ms since 1970.
    pub(super) put_at_ms: u64,
}

impl Record {
    /// What stands at `at`, taken at its word.
    pub(super) fn read(bytes: &[u8], at: usize) -> Option<(Record, u32)> {
        let head = bytes.get(at..)?.get(..RECORD)?;
        let len = usize::try_from(u32_at(head, 0)?).ok()?;
        let record =
            Record { at, len, seq: u64_at(head, 8)?, tag: u64_at(head, 16)?, put_at_ms: u64_at(head, 24)? };
        Some((record, u32_at(head, 4)?))
    }

    /// The record at `at`, if there is one whose number is in `seqs` and whose checksum is right.
    pub(super) fn verify(
        head: &Head,
        bytes: &[u8],
        at: usize,
        seqs: &std::ops::Range<u64>,
    ) -> Option<Record> {
        // Asked first: it is what most places are found out by.
        if !seqs.contains(&u64_at(bytes, at + 8)?) {
            return None;
        }
        let (record, sum) = Record::read(bytes, at)?;
        if record.len > LARGEST {
            return None;
        }
        let len = u32::try_from(record.len).ok()?;
        let rest = bytes.get(at + 8..at + RECORD + record.len)?;
        (head.checksum(at, len, rest) == sum).then_some(record)
    }

    /// The first record from `at` on whose number is in `seqs` and whose checksum is right: the next one, or the one
    /// behind the damage.
    pub(super) fn next(head: &Head, bytes: &[u8], at: usize, seqs: &std::ops::Range<u64>) -> Option<Record> {
        let mut at = at;
        while at.checked_add(RECORD)? <= bytes.len() {
            if let Some(record) = Record::verify(head, bytes, at, seqs) {
                return Some(record);
            }
            at += 8;
        }
        None
    }

    /// Where the next record begins.
    pub(super) fn end(&self) -> usize {
        self.at + span(self.len)
    }

    /// Writes a record of this length, number, tag and time with `data` and `end` behind it into `room`, which is
    /// `RECORD` and the data's bytes long, all but its first 8 bytes; gives those as a word.
    pub(super) fn write(&self, head: &Head, room: &mut [u8], data: &[u8], end: Option<u8>) -> Option<u64> {
        let len = u32::try_from(self.len).ok()?;
        let (place, body) = room.split_at_mut_checked(RECORD)?;
        place.get_mut(8..16)?.copy_from_slice(&self.seq.to_le_bytes());
        place.get_mut(16..24)?.copy_from_slice(&self.tag.to_le_bytes());
        place.get_mut(24..32)?.copy_from_slice(&self.put_at_ms.to_le_bytes());
        let (copy, last) = body.split_at_mut_checked(data.len())?;
        copy.copy_from_slice(data);
        if let (Some(byte), Some(end)) = (last.first_mut(), end) {
            *byte = end;
        }
        let sum = head.checksum(self.at, len, room.get(8..)?);
        // The word is stored in the machine's order; in the file it is little endian.
        Some((u64::from(len) | (u64::from(sum) << 32)).to_le())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEGMENT: Head = Head { salt: 0x1234_5678_9ABC_DEF0, first: 7, size: 4096 };

    #[test]
    fn a_head_is_read_back_and_nothing_else_is_one() {
        let bytes = SEGMENT.encode();
        assert_eq!(Head::decode(&bytes), Found::Head(SEGMENT));
        assert_eq!(Head::decode(&[0; 64]), Found::Zeros);
        assert_eq!(Head::decode(&bytes[..63]), Found::Damaged);
        for at in 0..HEAD {
            for bit in 0..8 {
                let mut bad = bytes;
                bad[at] ^= 1 << bit;
                assert_eq!(Head::decode(&bad), Found::Damaged, "{at} {bit}");
            }
        }
        let mut other = bytes;
        other[8] = 2;
        other[12..16].fill(0);
        let sum = crc32fast::hash(&other);
        other[12..16].copy_from_slice(&sum.to_le_bytes());
        assert_eq!(Head::decode(&other), Found::Version(2));
    }

    #[test]
    fn a_record_is_one_only_at_its_place_in_its_segment() {
        let record = Record { at: 64, len: 6, seq: 9, tag: 3, put_at_ms: 5 };
        let mut bytes = vec![0; 4096];
        let word = record.write(&SEGMENT, &mut bytes[64..64 + RECORD + 6], b"hello", Some(b'\n')).unwrap();
        bytes[64..72].copy_from_slice(&word.to_ne_bytes());
        assert_eq!(Record::verify(&SEGMENT, &bytes, 64, &(7..20)), Some(record));
        assert_eq!(&bytes[96..102], b"hello\n");
        assert_eq!(Record::verify(&SEGMENT, &bytes, 64, &(10..20)), None);
        assert_eq!(Record::verify(&Head { salt: 1, ..SEGMENT }, &bytes, 64, &(7..20)), None);
        bytes.copy_within(64..104, 512);
        assert_eq!(Record::verify(&SEGMENT, &bytes, 512, &(7..20)), None);
        assert_eq!(Record::next(&SEGMENT, &bytes, 0, &(7..20)), Some(record));
        assert_eq!(Record::next(&SEGMENT, &bytes, 72, &(7..20)), None);
    }
}
