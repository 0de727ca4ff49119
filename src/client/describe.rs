//! The settings in force, for a person who wonders why.

use super::Client;
use crate::error::Result;
use crate::wire::Reply;
use serde_json::{Map, Value, json};

impl Client {
    /// Writes a JSON document into the reply's body: each setting with its source, the endpoint, the source of keys,
    /// the roots in use and the measured clock skew. No secret is in it; nothing is sent.
    pub(crate) fn describe(&self, reply: &mut Reply) -> Result<()> {
        let settings = &self.settings;
        let state = self.state();
        let mut shown = Map::new();
        for (name, setting) in &settings.shown {
            shown.insert((*name).into(), json!({ "value": setting.value, "source": setting.source }));
        }
        let (keys, source, error) = state.credentials.current();
        let found = state.place.get();
        let endpoint = found.map(|found| &found.endpoint);
        let scheme = |tls| if tls { "https" } else { "http" };
        let place = endpoint.map(|e| format!("{}://{}{}", scheme(e.tls), e.authority, e.path));
        let trust = match endpoint {
            Some(endpoint) if !endpoint.tls => Value::Null,
            _ => Value::String(state.tls.describe()),
        };
        if let Some(region) = found.map(|found| &found.region) {
            shown.insert("region".into(), json!({ "value": region.value, "source": region.source }));
        }
        #[cfg_attr(not(feature = "test-hooks"), expect(unused_mut, reason = "a test has more described"))]
        let mut document = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "endpoint": place,
            "settings": shown,
            "credentials": {
                "source": source,
                "passed_over": settings.credential.passed_over,
                "access_key_id": keys.as_ref().map(|keys| keys.shortened_id()),
                "error": error,
                "expires_at": keys.as_ref().and_then(|keys| keys.expires_at),
            },
            "roots": trust,
            "clock_skew_ms": state.skew.measured(),
        });
        #[cfg(feature = "test-hooks")]
        if let (Some(files), Some(members)) = (&settings.files, document.as_object_mut()) {
            members.insert("files".into(), files.clone());
        }
        reply.body.set(&document.to_string());
        Ok(())
    }
}
