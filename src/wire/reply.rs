//! What a call gives back, kept in buffers that the next call fills again.

/// Text that ends with a NUL, so that it can be handed to C as it is. A NUL inside cuts it there for a C reader.
#[derive(Default)]
pub(crate) struct Text(Vec<u8>);

impl Text {
    /// Replaces the text.
    pub(crate) fn set(&mut self, text: &str) {
        self.set_bytes(text.as_bytes());
    }

    /// Replaces the text by bytes that are UTF-8.
    pub(crate) fn set_bytes(&mut self, bytes: &[u8]) {
        self.0.clear();
        self.0.reserve(bytes.len() + 1);
        self.0.extend_from_slice(bytes);
        self.0.push(0);
    }

    /// Empties the text and keeps its memory.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// With its NUL; at least that.
    pub(crate) fn with_nul(&self) -> &[u8] {
        if self.0.is_empty() { b"\0" } else { &self.0 }
    }

    /// Without its NUL.
    pub(crate) fn as_str(&self) -> &str {
        self.0.split_last().and_then(|(_, text)| std::str::from_utf8(text).ok()).unwrap_or_default()
    }
}

/// What became of one record of a batch: places in the arena, 0 for none.
#[derive(Clone, Copy, Default)]
struct Slot {
    id: u32,
    code: u32,
    message: u32,
}

/// The outcome of one call.
#[derive(Default)]
pub(crate) struct Reply {
    /// One sentence for a person; empty when all is well.
    pub(crate) message: Text,
    /// The service's own code.
    pub(crate) error_code: Text,
    /// The service's id of the last attempt.
    pub(crate) request_id: Text,
    /// The id of the one record put.
    pub(crate) record_id: Text,
    /// JSON, of a call that gives some.
    pub(crate) body: Text,
    /// 0: no answer came.
    pub(crate) http_status: u16,
    /// How many requests were made.
    pub(crate) attempts: u32,
    /// Worth trying again later.
    pub(crate) retryable: bool,
    /// The stream encrypts at rest.
    pub(crate) encrypted: bool,
    slots: Vec<Slot>,
    /// Instead of the number of slots, where there are only sums.
    summed: Option<usize>,
    /// NUL-terminated strings; the answer itself, where its strings could be ended in place.
    arena: Vec<u8>,
    failed: usize,
}

impl Reply {
    /// Forgets everything but the memory.
    pub(crate) fn clear(&mut self) {
        for text in [
            &mut self.message,
            &mut self.error_code,
            &mut self.request_id,
            &mut self.record_id,
            &mut self.body,
        ] {
            text.clear();
        }
        self.http_status = 0;
        self.attempts = 0;
        self.retryable = false;
        self.encrypted = false;
        self.slots.clear();
        self.summed = None;
        self.arena.clear();
        self.failed = 0;
    }

    /// Makes room for the fates of `count` records, none of which is known to be delivered.
    pub(crate) fn expect_records(&mut self, count: usize) {
        self.slots.clear();
        self.slots.resize(count, Slot::default());
        self.arena.clear();
        self.failed = count;
    }

    /// Records in the batch.
    pub(crate) fn record_count(&self) -> usize {
        self.summed.unwrap_or(self.slots.len())
    }

    /// Sums without a slot for each record.
    pub(crate) fn sum_up(&mut self, delivered: usize, failed: usize) {
        (self.summed, self.failed) = (Some(delivered), failed);
    }

    /// Records of the batch that were not delivered.
    pub(crate) fn failed_count(&self) -> usize {
        self.failed
    }

    /// The first record that was not delivered.
    pub(crate) fn first_failed(&self) -> Option<usize> {
        self.slots.iter().position(|slot| slot.id == 0)
    }

    fn text_at(&self, index: usize, place: impl FnOnce(&Slot) -> u32) -> &[u8] {
        let start = self.slots.get(index).map_or(0, place);
        // Place 0 is never a string: an answer begins with a brace, and what is appended follows it.
        if start == 0 {
            return b"\0";
        }
        let rest = usize::try_from(start).ok().and_then(|start| self.arena.get(start..)).unwrap_or_default();
        memchr::memchr(0, rest).and_then(|end| rest.get(..=end)).unwrap_or(b"\0")
    }

    /// The id of a delivered record, with its NUL.
    pub(crate) fn record_id_at(&self, index: usize) -> &[u8] {
        self.text_at(index, |slot| slot.id)
    }

    /// The code of a failed record; empty for one that was delivered.
    pub(crate) fn error_code_text(&self, index: usize) -> &str {
        let code = self.error_code_at(index);
        std::str::from_utf8(code.strip_suffix(b"\0").unwrap_or(code)).unwrap_or_default()
    }

    /// The code of a failed record, with its NUL.
    pub(crate) fn error_code_at(&self, index: usize) -> &[u8] {
        self.text_at(index, |slot| slot.code)
    }

    /// The message of a failed record, with its NUL.
    pub(crate) fn error_message_at(&self, index: usize) -> &[u8] {
        self.text_at(index, |slot| slot.message)
    }

    /// Takes the answer's memory over, leaving the old arena in its place, or copies it behind what an earlier
    /// attempt left. Gives the place at which the answer now begins.
    pub(crate) fn take_answer(&mut self, answer: &mut Vec<u8>) -> usize {
        if self.arena.is_empty() {
            std::mem::swap(&mut self.arena, answer);
            return 0;
        }
        let start = self.arena.len();
        self.arena.extend_from_slice(answer);
        start
    }

    /// The arena, for reading an answer in place.
    pub(crate) fn arena(&mut self) -> &mut Vec<u8> {
        &mut self.arena
    }

    /// Copies a string into the arena.
    pub(crate) fn store(&mut self, text: &str) -> u32 {
        if self.arena.is_empty() {
            self.arena.push(0);
        }
        let start = u32::try_from(self.arena.len()).unwrap_or_default();
        self.arena.extend(text.bytes().filter(|b| *b != 0));
        self.arena.push(0);
        start
    }

    /// The record was delivered; `id` is a place in the arena.
    pub(crate) fn delivered(&mut self, index: usize, id: u32) {
        if let Some(slot) = self.slots.get_mut(index) {
            if slot.id == 0 && id != 0 {
                self.failed = self.failed.saturating_sub(1);
            }
            *slot = Slot { id, code: 0, message: 0 };
        }
    }

    /// The record was refused; both are places in the arena.
    pub(crate) fn refused(&mut self, index: usize, code: u32, message: u32) {
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = Slot { id: 0, code, message };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_filled_again_holds_nothing_of_before() {
        let mut reply = Reply::default();
        reply.expect_records(2);
        let id = reply.store("id-1");
        reply.delivered(0, id);
        let (code, message) = (reply.store("InternalFailure"), reply.store("try\0 later"));
        reply.refused(1, code, message);
        reply.message.set("hello");
        assert_eq!((reply.record_count(), reply.failed_count()), (2, 1));
        assert_eq!(reply.record_id_at(0), b"id-1\0");
        assert_eq!(reply.error_code_at(0), b"\0");
        assert_eq!(reply.error_message_at(1), b"try later\0");
        assert_eq!(reply.record_id_at(7), b"\0");
        reply.clear();
        assert_eq!((reply.record_count(), reply.failed_count()), (0, 0));
        assert_eq!(reply.record_id_at(0), b"\0");
        assert_eq!(reply.message.with_nul(), b"\0");
    }
}
