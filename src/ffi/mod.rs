//! The C ABI: converts and nothing else. The header is made from this folder, in the order of the modules below.
#![expect(unsafe_code, reason = "raw pointers of C callers")]
#![expect(unreachable_pub, reason = "exported to C, not to Rust")]
#![expect(non_camel_case_types, reason = "C names are written as C callers write them")]

mod client;
mod config;
mod producer;
mod result;
mod status;
mod version;

mod args;
mod boundary;
mod handle;
