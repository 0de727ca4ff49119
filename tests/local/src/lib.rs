//! A local Firehose: the JSON protocol of Amazon Data Firehose over HTTP and HTTPS, with signatures verified,
//! requests checked as the service checks them, and faults to order.
//!
//! ```no_run
//! let server = firehose_local::Server::start(firehose_local::Options {
//!     streams: vec!["clicks".into()],
//!     ..Default::default()
//! })?;
//! println!("{}", server.endpoint());
//! # Ok::<(), std::io::Error>(())
//! ```

mod answer;
mod chance;
mod clock;
mod connection;
mod control;
mod destinations;
mod error;
mod fault;
mod objects;
mod operations;
mod puts;
mod quota;
mod server;
mod service;
mod sigv4;
mod stream;
mod tags;
mod tally;
mod tls;
mod validate;
mod wire;

pub use server::{Options, Server};
pub use sigv4::{Key, sign};
