//! What one call carries: puts, and the records that they make.

use super::pace::Load;
use super::put::Put;
use crate::client::Records;
use crate::error::{Error, Kind, Result};
use crate::wire::limits::RECORD_BYTES;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::ops::Range;
use std::sync::Arc;

/// The service bills each record as a multiple of this many bytes (developer guide, "Amazon Data Firehose pricing").
const BILLED: usize = 5120;
/// Of zlib's levels the second: three times as fast as the sixth, and its output is an eighth larger (log lines in
/// records of 100 KB).
const LEVEL: u32 = 2;
/// What gzip adds to bytes that cannot be made smaller: its header and trailer, and five bytes to each stored block.
pub(super) const GZIP_OVERHEAD: usize = 1024;

/// Puts that go together, and where each record that they make ends.
#[derive(Default)]
pub(super) struct Batch {
    /// In their order.
    pub(super) puts: Vec<Put>,
    /// For each record, the index behind its last put.
    pub(super) ends: Vec<usize>,
}

impl Batch {
    /// Bytes of its puts.
    pub(super) fn bytes(&self) -> usize {
        self.puts.iter().map(|put| put.data().len()).sum()
    }

    /// The puts of each record.
    pub(super) fn records(&self) -> impl Iterator<Item = &[Put]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.puts.get(start..end).unwrap_or_default())
    }
}

/// Where the bytes of a record lie.
#[derive(Clone)]
enum Place {
    /// Where its puts lie, one behind the other.
    Puts,
    /// In the buffer.
    Buffer(Range<usize>),
}

/// The records of a batch as they are sent; kept by its sender, whose buffers serve call after call.
pub(super) struct Packed {
    batch: Arc<Batch>,
    places: Vec<Place>,
    sizes: Vec<usize>,
    buffer: Vec<u8>,
    gzip: Option<Compress>,
}

impl Packed {
    /// Nothing yet; `gzip`: records are compressed.
    pub(super) fn new(gzip: bool) -> Packed {
        Packed {
            batch: Arc::default(),
            places: Vec::new(),
            sizes: Vec::new(),
            buffer: Vec::new(),
            gzip: gzip.then(|| Compress::new_gzip(Compression::new(LEVEL), 15)),
        }
    }

    /// Makes the records of a batch. Copies what does not lie together already.
    pub(super) fn pack(&mut self, batch: Arc<Batch>) -> Result<()> {
        self.places.clear();
        self.sizes.clear();
        self.buffer.clear();
        let Packed { places, sizes, buffer, gzip, .. } = self;
        for puts in batch.records() {
            let start = buffer.len();
            if let Some(gzip) = gzip {
                compress(gzip, puts, buffer)?;
            } else if let Some(bytes) = together(puts) {
                places.push(Place::Puts);
                sizes.push(bytes.len());
                continue;
            } else {
                puts.iter().for_each(|put| buffer.extend_from_slice(put.data()));
            }
            places.push(Place::Buffer(start..buffer.len()));
            sizes.push(buffer.len() - start);
        }
        self.batch = batch;
        Ok(())
    }

    /// Lets go of the puts, and of a buffer that has become large without need.
    pub(super) fn clear(&mut self) {
        self.batch = Arc::default();
        if self.buffer.capacity() > 8 * self.buffer.len().max(RECORD_BYTES) {
            self.buffer = Vec::new();
        }
    }

    /// Bytes of the records for each byte of their puts.
    pub(super) fn ratio(&self, bytes: usize) -> f64 {
        Load::of(self.sizes.iter().sum(), 1).bytes / Load::of(bytes.max(1), 1).bytes
    }

    /// What the service bills for a record.
    pub(super) fn billed(&self, index: usize) -> u64 {
        self.size(index).max(1).next_multiple_of(BILLED) as u64
    }
}

impl Records for Packed {
    fn count(&self) -> usize {
        self.places.len()
    }

    fn size(&self, index: usize) -> usize {
        self.sizes.get(index).copied().unwrap_or_default()
    }

    fn get(&self, index: usize) -> &[u8] {
        match self.places.get(index) {
            Some(Place::Buffer(range)) => self.buffer.get(range.clone()).unwrap_or_default(),
            Some(Place::Puts) => {
                let start = index.checked_sub(1).and_then(|before| self.batch.ends.get(before));
                let start = start.copied().unwrap_or_default();
                let end = self.batch.ends.get(index).copied().unwrap_or_default();
                self.batch.puts.get(start..end).and_then(together).unwrap_or_default()
            }
            None => &[],
        }
    }
}

/// The bytes of puts that lie one behind the other.
fn together(puts: &[Put]) -> Option<&[u8]> {
    let (first, last) = (puts.first()?, puts.last()?);
    first.through(last, puts.len())
}

/// One gzip member: the joined object of many is valid gzip (RFC 1952, 2.2).
fn compress(gzip: &mut Compress, puts: &[Put], buffer: &mut Vec<u8>) -> Result<()> {
    gzip.reset();
    let broken = |what: &dyn std::fmt::Display| Error::new(Kind::Internal, format!("gzip: {what}"));
    let start = buffer.len();
    let bytes: usize = puts.iter().map(|put| put.data().len()).sum();
    buffer.reserve(bytes + GZIP_OVERHEAD);
    for put in puts {
        let mut data = put.data();
        while !data.is_empty() {
            let before = gzip.total_in();
            gzip.compress_vec(data, buffer, FlushCompress::None).map_err(|error| broken(&error))?;
            let taken = usize::try_from(gzip.total_in() - before).unwrap_or_default();
            data = data.get(taken..).unwrap_or_default();
            buffer.reserve(GZIP_OVERHEAD);
        }
    }
    while gzip.compress_vec(&[], buffer, FlushCompress::Finish).map_err(|error| broken(&error))?
        != Status::StreamEnd
    {
        buffer.reserve(GZIP_OVERHEAD);
    }
    if buffer.len() - start > RECORD_BYTES {
        return Err(broken(&format_args!("{bytes} bytes became {}", buffer.len() - start)));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::chunk::{Chunk, New};
    use super::*;
    use std::io::Read;

    fn puts(chunks: &[&[&[u8]]]) -> Vec<Put> {
        let mut all = Vec::new();
        for (n, data) in chunks.iter().enumerate() {
            let mut chunk = Chunk::with_room(10_000_000);
            for data in *data {
                chunk.push(New { data, delimiter: Some(b'\n'), tag: None, now: 0 }, n as u64);
            }
            let sealed = chunk.seal();
            all.extend((0..sealed.len()).map(|index| Put::of(&sealed, index)));
        }
        all
    }

    fn batch(chunks: &[&[&[u8]]], ends: &[usize]) -> Arc<Batch> {
        Arc::new(Batch { puts: puts(chunks), ends: ends.to_vec() })
    }

    #[test]
    fn records_are_slices_of_the_queue_where_their_puts_lie_together() {
        let mut packed = Packed::new(false);
        packed.pack(batch(&[&[b"a", b"bc", b"d"], &[b"e", b"f"]], &[1, 2, 4, 5])).unwrap();
        let records: Vec<&[u8]> = (0..packed.count()).map(|index| packed.get(index)).collect();
        assert_eq!(records, [b"a\n".as_slice(), b"bc\n", b"d\ne\n", b"f\n"]);
        // Only the one that lies in two blocks was copied.
        assert_eq!(packed.buffer, b"d\ne\n");
        assert_eq!((packed.size(2), packed.billed(2)), (4, 5120));
        packed.pack(batch(&[&[b"a", b"bc", b"d"]], &[3])).unwrap();
        assert_eq!((packed.get(0), packed.buffer.len()), (b"a\nbc\nd\n".as_slice(), 0));
        assert_eq!(packed.get(1), b"");
    }

    #[test]
    fn members_of_gzip_make_one_stream() {
        let mut packed = Packed::new(true);
        // Bytes that gzip cannot make smaller, as large as they may be.
        let mut word = 1_u32;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            word = word.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            word.to_be_bytes()[0]
        })
        .take(RECORD_BYTES - GZIP_OVERHEAD - 1)
        .collect();
        let lines = vec![b"the same line again and again".as_slice(); 500];
        for _ in 0..2 {
            packed.pack(batch(&[&lines, &[&noise], &[b""]], &[500, 501, 502])).unwrap();
            assert!(packed.size(0) < 500 && packed.size(1) <= RECORD_BYTES);
            let joined: Vec<u8> = (0..3).flat_map(|index| packed.get(index).to_vec()).collect();
            let mut plain = Vec::new();
            flate2::read::MultiGzDecoder::new(joined.as_slice()).read_to_end(&mut plain).unwrap();
            let mut expected: Vec<u8> =
                lines.iter().flat_map(|line| [line, b"\n".as_slice()].concat()).collect();
            expected.extend([noise.as_slice(), b"\n\n"].concat());
            assert!(plain == expected);
        }
        packed.clear();
        assert_eq!(packed.batch.puts.len(), 0);
    }
}
