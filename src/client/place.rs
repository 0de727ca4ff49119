//! Where requests go and the region they are signed for: from the settings, or, where these have no region, from the
//! metadata service, at the first call.

use super::settings::Settings;
use super::{Client, State, header};
use crate::config::Setting;
use crate::config::endpoint::{self, Endpoint, Service};
use crate::error::{Error, Kind, Result};
use crate::sign::Scope;
use std::time::Instant;
use ureq_proto::http::{HeaderValue, Uri};

/// The place of a client's service.
pub(super) struct Place {
    pub(super) endpoint: Endpoint,
    /// The `Host` header.
    pub(super) host: HeaderValue,
    /// The path of every request.
    pub(super) uri: Uri,
    /// What is signed for.
    pub(super) scope: Scope,
    /// The region and what gave it.
    pub(super) region: Setting,
}

impl Place {
    fn new(endpoint: Endpoint, region: Setting) -> Place {
        let scope = Scope { region: region.value.clone(), service: "firehose".into() };
        let uri = endpoint.path.parse().unwrap_or_else(|_| Uri::from_static("/"));
        Place { host: header(endpoint.authority.clone()), uri, endpoint, scope, region }
    }

    /// What the settings say, if they do.
    pub(super) fn of(settings: &Settings) -> Option<Place> {
        Some(Place::new(settings.endpoint.clone()?, settings.region.clone()?))
    }
}

impl Client {
    /// Where requests go, or what is missing.
    pub(super) fn place(&self, deadline: Instant) -> Result<&Place> {
        let state = self.state();
        match state.place.get() {
            Some(place) => Ok(place),
            None => self.ask_place(state, deadline),
        }
    }

    fn ask_place<'s>(&self, state: &'s State, deadline: Instant) -> Result<&'s Place> {
        let why = match &state.imds {
            Some(imds) => match imds.region(deadline) {
                Ok(region) => {
                    let (fips, dualstack) = self.settings.variants;
                    let endpoint = endpoint::resolve(Service::Firehose, &region, fips, dualstack)?;
                    let region = Setting { value: region, source: "instance metadata (IMDS)".into() };
                    return Ok(state.place.get_or_init(|| Place::new(endpoint, region)));
                }
                Err(error) if error.kind == Kind::Timeout => return Err(error),
                Err(error) => error.message,
            },
            None => match &self.settings.metadata {
                Err(Some(why)) => why.clone(),
                _ => "instance metadata (IMDS): AWS_EC2_METADATA_DISABLED is true".into(),
            },
        };
        let message = format!(
            "no region and no endpoint were found; set the option region, AWS_REGION, or region in the profile; \
             {why}"
        );
        Err(Error::new(Kind::NoRegion, message))
    }
}
