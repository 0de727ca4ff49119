//! A role for a token that somebody else writes into a file: Kubernetes service accounts, CI systems.

use super::profile::Role;
use super::request::Network;
use super::sts::{Places, Proof, assume};
use super::{Credentials, Moment, Provider, failed, token_file};
use crate::error::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// The source.
pub(super) struct WebIdentity {
    pub(super) network: Arc<Network>,
    pub(super) places: Places,
    pub(super) role: Role,
    pub(super) token_file: PathBuf,
    /// What asked for it.
    pub(super) source: String,
}

impl Provider for WebIdentity {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let token = token_file::read_token(&self.token_file).map_err(|why| failed(&self.source, &why))?;
        assume(&self.network, &self.places, &self.role, &Proof::Token(&token), &self.source, moment)
    }

    fn name(&self) -> String {
        self.source.clone()
    }
}
