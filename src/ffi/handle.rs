//! Handles: what a C caller holds, and who owns what is behind it.

use std::sync::Arc;

/// Ties the C name of a handle to what is behind it.
pub(super) trait Handle {
    /// What is behind it.
    type Inner;
}

/// Handles that one thread uses at a time.
pub(super) struct Sole;

/// Handles that any number of threads use at once; what is behind them lives as long as anything refers to it.
pub(super) struct Shared;

impl Sole {
    /// Hands `inner` to the caller.
    pub(super) fn give<H: Handle>(inner: H::Inner) -> *mut H {
        Box::into_raw(Box::new(inner)).cast()
    }

    /// # Safety
    /// `handle` is NULL or was given by [`Sole::give`], is not freed, and is used by nobody else during `'a`.
    pub(super) unsafe fn borrow_mut<'a, H: Handle>(handle: *mut H) -> Option<&'a mut H::Inner> {
        // SAFETY: the caller's promise; the cast undoes that of `give`.
        unsafe { handle.cast::<H::Inner>().as_mut() }
    }

    /// # Safety
    /// As for [`Sole::borrow_mut`], but that others may read it too.
    pub(super) unsafe fn borrow<'a, H: Handle>(handle: *const H) -> Option<&'a H::Inner> {
        // SAFETY: the caller's promise; the cast undoes that of `give`.
        unsafe { handle.cast::<H::Inner>().as_ref() }
    }

    /// # Safety
    /// `handle` is NULL, or was given by [`Sole::give`] and is never used again.
    pub(super) unsafe fn free<H: Handle>(handle: *mut H) {
        if !handle.is_null() {
            // SAFETY: the caller's promise; the box was made by `give`.
            drop(unsafe { Box::from_raw(handle.cast::<H::Inner>()) });
        }
    }
}

impl Shared {
    /// Hands a share to the caller.
    pub(super) fn give<H: Handle>(inner: Arc<H::Inner>) -> *mut H {
        Arc::into_raw(inner).cast_mut().cast()
    }

    /// # Safety
    /// `handle` is NULL or was given by [`Shared::give`] and is not freed during `'a`.
    pub(super) unsafe fn borrow<'a, H: Handle>(handle: *const H) -> Option<&'a H::Inner> {
        // SAFETY: the caller's promise; the cast undoes that of `give`.
        unsafe { handle.cast::<H::Inner>().as_ref() }
    }

    /// Another share of what is behind the handle.
    ///
    /// # Safety
    /// As for [`Shared::borrow`].
    pub(super) unsafe fn share<H: Handle>(handle: *const H) -> Option<Arc<H::Inner>> {
        if handle.is_null() {
            return None;
        }
        let inner = handle.cast::<H::Inner>();
        // SAFETY: the caller's promise; the share that the handle stands for stays as it is.
        unsafe {
            Arc::increment_strong_count(inner);
            Some(Arc::from_raw(inner))
        }
    }

    /// # Safety
    /// `handle` is NULL, or was given by [`Shared::give`] and is never used again.
    pub(super) unsafe fn free<H: Handle>(handle: *mut H) {
        if !handle.is_null() {
            // SAFETY: the caller's promise; the share was made by `give`.
            drop(unsafe { Arc::from_raw(handle.cast::<H::Inner>()) });
        }
    }
}
