//! What only the operating system can tell or do. Together with `ffi` the only place where unsafe code lives;
//! it knows nothing of the rest of the library.
#![expect(unsafe_code, reason = "system calls and the state that must survive fork")]

pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod fork;
pub(crate) mod mapping;
pub(crate) mod output;
pub(crate) mod pipe;
pub(crate) mod random;
pub(crate) mod socket;
pub(crate) mod thread;
pub(crate) mod ticks;
