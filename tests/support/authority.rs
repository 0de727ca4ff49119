//! A certificate authority of the test's own, and the certificates of servers that it wants.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, SupportedProtocolVersion};

/// Signs certificates.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// A certificate and its key, as PEM.
pub(crate) struct Identity {
    pub(crate) certificate: String,
    pub(crate) key: String,
    der: (CertificateDer<'static>, Vec<u8>),
}

impl Identity {
    /// What a server with this certificate is made with.
    pub(crate) fn config(&self) -> Arc<ServerConfig> {
        self.config_of(rustls::DEFAULT_VERSIONS)
    }

    /// The same for these versions of TLS alone.
    pub(crate) fn config_of(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ServerConfig> {
        let (certificate, key) = &self.der;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.clone()));
        Arc::new(builder.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap())
    }
}

impl Authority {
    /// No two have the same name.
    pub(crate) fn new() -> Authority {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, format!("authority {number} of a test"));
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { issuer: Issuer::new(params, key), pem }
    }

    /// Its own certificate.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// A file of its certificate and of `others`, named after the test.
    pub(crate) fn bundle(&self, name: &str, others: &str) -> PathBuf {
        let path = super::build::scratch().join(format!("{name}-ca.pem"));
        std::fs::write(&path, format!("{}{others}", self.pem)).unwrap();
        path
    }

    pub(crate) fn identity(&self, names: &[&str]) -> Identity {
        self.identity_between(names, 2020, 2120)
    }

    /// Valid from one New Year to another.
    pub(crate) fn identity_between(&self, names: &[&str], from: i32, until: i32) -> Identity {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let der = (certificate.der().clone(), key.serialize_der());
        Identity { certificate: certificate.pem(), key: key.serialize_pem(), der }
    }
}
