//! The service's JSON 1.1 protocol: requests written in one pass, answers read strictly. Pure.

pub(crate) mod answer;
pub(crate) mod batch;
pub(crate) mod encode;
pub(crate) mod fault;
pub(crate) mod limits;
mod reply;

pub(crate) use reply::{Reply, Text};
