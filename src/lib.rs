//! libfirehose: records to Amazon Data Firehose from any program, behind a C header.
//!
//! Modules use only what stands further down in this list; `ffi` alone knows of C, and only `ffi` and `sys` hold
//! unsafe code.

mod ffi;

mod producer;

mod client;

mod credentials;
mod http;
mod retry;
mod sign;
mod wire;

mod config;

mod clock;
mod error;
mod log;
mod sys;
mod text;

#[cfg(test)]
mod vectors;
