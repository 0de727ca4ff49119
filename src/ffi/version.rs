use super::boundary::plain;
use crate::config::options::OPTIONS;
use std::ffi::{CStr, c_char};
use std::ptr;
use std::sync::LazyLock;

/// The version of the library, such as "1.0.0". Static; never freed. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_version() -> *const c_char {
    plain(ptr::null(), || concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast())
}

/// The version of the library as a number, to compare with FIREHOSE_VERSION_NUMBER of the header that a program was
/// built with: major * 1000000 + minor * 1000 + patch.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_version_number() -> u32 {
    plain(0, || {
        let part = |text: &str| text.parse::<u32>().unwrap_or(0);
        part(env!("CARGO_PKG_VERSION_MAJOR")) * 1_000_000
            + part(env!("CARGO_PKG_VERSION_MINOR")) * 1_000
            + part(env!("CARGO_PKG_VERSION_PATCH"))
    })
}

static OPTION_NAMES: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let shown = OPTIONS.iter().filter(|option| !option.name.starts_with("test."));
    shown.flat_map(|option| option.name.bytes().chain([0])).collect()
});

/// The name of an option that firehose_config_set takes, by its index from 0 on; NULL past the end. For programs that
/// list the options. Static; never freed. Does not block.
#[unsafe(no_mangle)]
pub extern "C" fn firehose_option_name(index: usize) -> *const c_char {
    plain(ptr::null(), || {
        let name = OPTION_NAMES.split_inclusive(|b| *b == 0).nth(index);
        name.and_then(|name| CStr::from_bytes_with_nul(name).ok()).map_or(ptr::null(), CStr::as_ptr)
    })
}
