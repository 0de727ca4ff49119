//! The one way into the library: no panic gets out, none is printed, and every call fills its result.

use super::handle::Sole;
use super::result::{Outcome, firehose_result};
use super::status::firehose_status;
use crate::error::{Error, Result};
use crate::wire::Reply;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

/// The hook belongs to this library's own copy of the standard library: the host's panics are not touched.
static QUIET: Once = Once::new();

fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    QUIET.call_once(|| std::panic::set_hook(Box::new(|_| {})));
    catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Runs what cannot fail; `fallback` stands in after a panic.
pub(super) fn plain<T>(fallback: T, work: impl FnOnce() -> T) -> T {
    guarded(work).unwrap_or(fallback)
}

/// Runs a call that fills `result`, which may be NULL: then what it would hold is dropped.
///
/// # Safety
/// `result` is NULL or a live result that no other thread uses.
pub(super) unsafe fn call(
    name: &'static str,
    result: *mut firehose_result,
    work: impl FnOnce(&mut Reply) -> Result<()>,
) -> firehose_status {
    let mut spare = None;
    // SAFETY: the caller's promise.
    let outcome = match unsafe { Sole::borrow_mut::<firehose_result>(result) } {
        Some(outcome) => outcome,
        None => spare.insert(Outcome::default()),
    };
    let filled = guarded(|| {
        outcome.reply.clear();
        match work(&mut outcome.reply) {
            Ok(()) => firehose_status::FIREHOSE_OK,
            Err(error) => fill(&mut outcome.reply, &error),
        }
    });
    outcome.status = filled.unwrap_or_else(|| {
        let attempts = outcome.reply.attempts;
        // Where not even the message can be made, the status still tells.
        let _ = guarded(|| {
            outcome.reply.clear();
            outcome.reply.attempts = attempts;
            outcome
                .reply
                .message
                .set(&format!("{name}: a fault of the library was contained; please report it"));
        });
        firehose_status::FIREHOSE_INTERNAL
    });
    outcome.status
}

fn fill(reply: &mut Reply, error: &Error) -> firehose_status {
    reply.message.set(&error.message);
    error.kind.into()
}
