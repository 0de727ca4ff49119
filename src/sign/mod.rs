//! Signature Version 4, as AWS documents it and as the published vectors pin it. Pure: time and keys come in.

mod canonical;
mod key;
#[cfg(test)]
mod vectors;

pub(crate) use canonical::Canonical;
pub(crate) use key::{Scope, SigningKey, authorization};

use sha2::{Digest, Sha256};

/// The hash of a request's body, fed while the bytes are still in the processor's cache.
#[derive(Clone)]
pub(crate) struct BodyHash {
    hasher: Sha256,
    done: usize,
}

/// How much is written before it is hashed: small enough to stay in the first-level cache.
const STEP: usize = 16 * 1024;

impl BodyHash {
    /// Of nothing yet.
    pub(crate) fn new() -> BodyHash {
        BodyHash { hasher: Sha256::new(), done: 0 }
    }

    /// Takes in what was appended to `body` since the last call, if it is worth a step.
    pub(crate) fn follow(&mut self, body: &[u8]) {
        if body.len() - self.done >= STEP {
            self.take(body);
        }
    }

    fn take(&mut self, body: &[u8]) {
        self.hasher.update(body.get(self.done..).unwrap_or_default());
        self.done = body.len();
    }

    /// The hash of the whole of `body`, in hexadecimal.
    pub(crate) fn finish(mut self, body: &[u8]) -> Hex {
        self.take(body);
        Hex::new(self.hasher.finalize().into())
    }
}

/// 32 bytes written as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy)]
pub(crate) struct Hex([u8; 64]);

impl Hex {
    fn new(bytes: [u8; 32]) -> Hex {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let mut hex = [0; 64];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
            for (digit, nibble) in pair.iter_mut().zip([byte >> 4, byte & 15]) {
                *digit = DIGITS.get(usize::from(nibble)).copied().unwrap_or_default();
            }
        }
        Hex(hex)
    }

    /// The hash of `bytes`.
    pub(crate) fn sha256(bytes: &[u8]) -> Hex {
        Hex::new(Sha256::digest(bytes).into())
    }

    /// As text.
    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}
