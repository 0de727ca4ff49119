//! TLS by rustls with ring: whom to trust, and what a refusal means for a person.

use super::Failure;
use crate::error::Kind;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, ClientConnection, RootCertStore};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

/// Where the trusted roots come from.
#[derive(Clone, Debug)]
pub(crate) enum Roots {
    /// A file of PEM certificates instead of the system's store.
    Bundle(PathBuf),
    /// PEM certificates as text.
    Pem(String),
    /// The system's store, at a place of the host's choice where it names one; else the built-in roots.
    System(Option<PathBuf>),
}

/// Where Linux distributions keep the system's store as one file: Debian and Alpine, Fedora and RHEL, openSUSE, and
/// the rest.
const STORES: [&str; 5] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

struct Loaded {
    config: Arc<ClientConfig>,
    trust: String,
}

/// The TLS side of a client: the roots are read at the first connection that needs them, once. What could not be read
/// is tried again by the next connection: the file may be put right while the host runs.
pub(crate) struct Tls {
    roots: Roots,
    loaded: OnceLock<Loaded>,
}

impl Tls {
    /// Nothing is read yet.
    pub(crate) fn new(roots: Roots) -> Tls {
        Tls { roots, loaded: OnceLock::new() }
    }

    fn load(&self) -> Result<&Loaded, Failure> {
        if let Some(loaded) = self.loaded.get() {
            return Ok(loaded);
        }
        let fresh = load(&self.roots).map_err(|why| Failure::new(Kind::TlsFailed, why))?;
        Ok(self.loaded.get_or_init(|| fresh))
    }

    /// A new session with `host`.
    pub(crate) fn session(&self, host: &str) -> Result<ClientConnection, Failure> {
        let loaded = self.load()?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            Failure::new(Kind::TlsFailed, format!("{host} is no name a certificate can be for"))
        })?;
        ClientConnection::new(Arc::clone(&loaded.config), name)
            .map_err(|error| Failure::new(Kind::TlsFailed, format!("cannot begin TLS with {host}: {error}")))
    }

    /// The roots in use, or those that will be.
    pub(crate) fn describe(&self) -> String {
        match (self.loaded.get(), &self.roots) {
            (Some(loaded), _) => loaded.trust.clone(),
            (None, Roots::Bundle(path)) => format!("{} (not read yet)", path.display()),
            (None, Roots::Pem(_)) => "the text of ca_pem (not read yet)".into(),
            (None, Roots::System(_)) => "the system's store, else built-in roots (not read yet)".into(),
        }
    }
}

fn load(roots: &Roots) -> Result<Loaded, String> {
    let mut store = RootCertStore::empty();
    let trust = match roots {
        Roots::Bundle(path) => {
            let text = std::fs::read(path).map_err(|e| {
                format!("cannot read the certificates of {} (ca_bundle): {e}", path.display())
            })?;
            let count = add(&mut store, &text)
                .map_err(|why| format!("no usable certificate in {} (ca_bundle): {why}", path.display()))?;
            format!("{} ({count} certificates)", path.display())
        }
        Roots::Pem(text) => {
            let count = add(&mut store, text.as_bytes())
                .map_err(|why| format!("no usable certificate in the text of ca_pem: {why}"))?;
            format!("the text of ca_pem ({count} certificates)")
        }
        Roots::System(chosen) => {
            let paths = chosen.iter().cloned().chain(STORES.iter().map(PathBuf::from));
            let found = paths.into_iter().find_map(|path| {
                let text = std::fs::read(&path).ok()?;
                add(&mut store, &text).ok().map(|count| format!("{} ({count} certificates)", path.display()))
            });
            found.unwrap_or_else(|| {
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                format!("built-in roots ({} certificates)", webpki_roots::TLS_SERVER_ROOTS.len())
            })
        }
    };
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("TLS cannot be set up: {error}"))?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Loaded { config: Arc::new(config), trust })
}

/// Adds the certificates of a PEM text; some that do not parse are passed over, as long as one does.
fn add(store: &mut RootCertStore, pem: &[u8]) -> Result<usize, String> {
    let mut last = None;
    let mut certificates = Vec::new();
    for item in CertificateDer::pem_slice_iter(pem) {
        match item {
            Ok(certificate) => certificates.push(certificate),
            Err(error) => last = Some(error.to_string()),
        }
    }
    let (added, ignored) = store.add_parsable_certificates(certificates);
    match (added, ignored, last) {
        (0, 0, None) => Err("it holds no PEM certificate (-----BEGIN CERTIFICATE-----)".into()),
        (0, 0, Some(why)) => Err(why),
        (0, ignored, _) => Err(format!("none of its {ignored} certificates can be parsed")),
        (added, ..) => Ok(added),
    }
}

const ADD_ROOT: &str = "if the network inspects TLS, add its root certificate with the option ca_bundle or the \
                        variable AWS_CA_BUNDLE";

/// What a refusal during the handshake means.
pub(super) fn explain(error: &rustls::Error, host: &str, trust: &str) -> String {
    let why = match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::UnknownIssuer => {
                format!("its certificate is signed by an unknown issuer (trusted: {trust}); {ADD_ROOT}")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("its certificate is for another host; check the endpoint's name; {ADD_ROOT}")
            }
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                format!("its certificate has expired; check this machine's clock; {ADD_ROOT}")
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                format!("its certificate is not valid yet; check this machine's clock; {ADD_ROOT}")
            }
            other => format!("its certificate is refused: {other}; {ADD_ROOT}"),
        },
        rustls::Error::AlertReceived(AlertDescription::ProtocolVersion)
        | rustls::Error::PeerIncompatible(_) => {
            format!("it cannot speak TLS 1.2 or 1.3 as this library does: {error}; {ADD_ROOT}")
        }
        rustls::Error::InvalidMessage(_) => {
            format!("what it answers is not TLS ({error}); if the endpoint speaks plain HTTP, write http://")
        }
        other => other.to_string(),
    };
    format!("TLS with {host} failed: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_that_cannot_be_used_are_errors_and_say_why() {
        for (roots, why) in [
            (Roots::Bundle("/nonexistent/ca.pem".into()), "/nonexistent/ca.pem"),
            (Roots::Pem("hello".into()), "no PEM certificate"),
            (Roots::Pem("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".into()), "parsed"),
        ] {
            let failure = Tls::new(roots).session("example.com").err().unwrap();
            assert_eq!(failure.kind, Kind::TlsFailed);
            assert!(failure.message.contains(why), "{}", failure.message);
        }
    }

    #[test]
    fn a_bundle_that_comes_later_is_found() {
        let path = std::env::temp_dir().join(format!("firehose-late-bundle-{}.pem", std::process::id()));
        let tls = Tls::new(Roots::Bundle(path.clone()));
        assert!(tls.session("example.com").is_err());
        let Some(store) = STORES.iter().find(|store| std::fs::exists(store).unwrap_or(false)) else { return };
        std::fs::copy(store, &path).unwrap();
        assert!(tls.session("example.com").is_ok());
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_systems_store_or_the_built_in_roots_always_do() {
        let tls = Tls::new(Roots::System(Some("/nonexistent".into())));
        assert!(tls.describe().contains("not read yet"));
        tls.session("firehose.eu-west-1.amazonaws.com").unwrap();
        assert!(tls.describe().contains("certificates"));
        assert!(tls.session("not a name").is_err());
    }
}
