//! Roles assumed one after the other, as a profile says.

use super::profile::Role;
use super::request::Network;
use super::sts::{Places, Proof, assume};
use super::{Credentials, Moment, Provider};
use crate::error::Result;
use std::sync::Arc;

/// Keys of a base, and the roles assumed with them.
pub(super) struct Roles {
    pub(super) network: Arc<Network>,
    pub(super) places: Places,
    pub(super) base: Arc<dyn Provider>,
    /// At least one.
    pub(super) roles: Vec<Role>,
}

impl Provider for Roles {
    fn fetch(&self, moment: &Moment<'_>) -> Result<Credentials> {
        let mut keys = self.base.fetch(moment)?;
        for role in &self.roles {
            let source = format!("the role of profile {}", role.profile);
            keys = assume(&self.network, &self.places, role, &Proof::Keys(&keys), &source, moment)?;
        }
        Ok(keys)
    }

    fn name(&self) -> String {
        let profile = self.roles.last().map(|role| role.profile.as_str()).unwrap_or_default();
        format!("the role of profile {profile} with the keys of {}", self.base.name())
    }
}
