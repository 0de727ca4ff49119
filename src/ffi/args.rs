//! Arguments of C callers, checked and turned into what the core takes.

use crate::error::{Error, Result};
use std::ffi::{CStr, c_char, c_void};

/// A NULL where something is needed.
pub(super) fn null(name: &str) -> Error {
    Error::invalid(format!("the argument {name} is NULL"))
}

/// A string that must be there.
///
/// # Safety
/// `text` is NULL or points to a NUL-terminated string that stays as it is during `'a`.
pub(super) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str> {
    // SAFETY: the caller's promise.
    unsafe { optional_text(name, text) }?.ok_or_else(|| null(name))
}

/// A string that may be NULL.
///
/// # Safety
/// As for [`text`].
pub(super) unsafe fn optional_text<'a>(name: &str, text: *const c_char) -> Result<Option<&'a str>> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller's promise.
    let bytes = unsafe { CStr::from_ptr(text) }.to_bytes();
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Some(text)),
        Err(error) => {
            let at = error.valid_up_to();
            Err(Error::invalid(format!(
                "the argument {name} is not UTF-8: the byte at index {at} is out of place"
            )))
        }
    }
}

/// Bytes; NULL only where there are none.
///
/// # Safety
/// `data` points to `len` bytes that stay as they are during `'a`, or is NULL.
pub(super) unsafe fn bytes<'a>(name: &str, data: *const c_void, len: usize) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    if data.is_null() {
        return Err(Error::invalid(format!("the argument {name} is NULL and its length is {len}")));
    }
    if isize::try_from(len).is_err() {
        return Err(Error::invalid(format!("the length of {name}, {len} bytes, cannot be right")));
    }
    // SAFETY: not NULL, not too long, and the caller's promise.
    Ok(unsafe { std::slice::from_raw_parts(data.cast(), len) })
}

/// Reads a struct that begins with its own size: shorter than version 1's is refused, longer is taken if the part that
/// this version does not know is zero.
///
/// # Safety
/// `given` points to a `T` that begins with a `size_t`, and to as many readable bytes as that says.
pub(super) unsafe fn sized<T: Copy>(name: &str, given: *const T) -> Result<T> {
    let ours = size_of::<T>();
    // SAFETY: the caller's promise; the size may be at any address that C aligns it to.
    let theirs = unsafe { given.cast::<usize>().read_unaligned() };
    if theirs < ours {
        return Err(Error::invalid(format!(
            "the struct_size of {name} is {theirs}; it is at least {ours}: set it to sizeof"
        )));
    }
    if theirs > ours {
        const MOST: usize = 4096;
        if theirs > MOST {
            return Err(Error::invalid(format!("the struct_size of {name} is {theirs}: set it to sizeof")));
        }
        // SAFETY: the caller says that `theirs` bytes are readable.
        let tail = unsafe { std::slice::from_raw_parts(given.cast::<u8>().add(ours), theirs - ours) };
        if tail.iter().any(|byte| *byte != 0) {
            return Err(Error::invalid(format!(
                "{name} uses members that this version of the library does not know; update the library"
            )));
        }
    }
    // SAFETY: at least `ours` bytes are readable, and every bit pattern of them is a `T`.
    Ok(unsafe { given.read_unaligned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    #[derive(Clone, Copy, Debug)]
    struct Known {
        struct_size: usize,
        value: i32,
    }

    #[test]
    fn sizes_are_checked() {
        let read = |words: [usize; 4]| {
            // SAFETY: four words are behind the pointer, and no case says that there are more.
            unsafe { sized::<Known>("options", words.as_ptr().cast()) }
        };
        assert_eq!(read([16, 7, 0, 0]).unwrap().value, 7);
        assert_eq!(read([32, 7, 0, 0]).unwrap().value, 7);
        assert!(read([15, 7, 0, 0]).unwrap_err().message.contains("struct_size"));
        assert!(read([0, 7, 0, 0]).is_err());
        assert!(read([32, 7, 0, 1]).unwrap_err().message.contains("update the library"));
        assert!(read([usize::MAX, 7, 0, 0]).is_err());
    }

    #[test]
    fn text_and_bytes_are_checked() {
        // SAFETY: all pointers are NULL or to literals of that length.
        unsafe {
            assert!(text("stream", std::ptr::null()).unwrap_err().message.contains("stream is NULL"));
            assert_eq!(text("stream", c"abc".as_ptr()).unwrap(), "abc");
            let bad = text("stream", c"ab\xff".as_ptr()).unwrap_err().message;
            assert!(bad.contains("index 2"), "{bad}");
            assert!(bytes("data", std::ptr::null(), 0).unwrap().is_empty());
            assert!(bytes("data", std::ptr::null(), 1).is_err());
            assert!(bytes("data", c"x".as_ptr().cast(), usize::MAX).is_err());
        }
    }
}
