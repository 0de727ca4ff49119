//! A certificate authority of the server's own, made at each start, and a certificate from it.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use std::io;
use std::sync::Arc;

/// What a TLS listener needs, and the authority that clients are to trust.
pub(crate) struct Identity {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) ca_pem: String,
}

fn failed(error: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("the TLS certificate cannot be made: {error}"))
}

pub(crate) fn make(more_names: &[String]) -> io::Result<Identity> {
    let ca_key = KeyPair::generate().map_err(failed)?;
    let mut ca = CertificateParams::default();
    ca.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    ca.distinguished_name.push(DnType::CommonName, "firehose-local authority");
    let ca_certificate = ca.self_signed(&ca_key).map_err(failed)?;
    let issuer = Issuer::new(ca, ca_key);

    let own_names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let names: Vec<String> = own_names.into_iter().chain(more_names.iter().cloned()).collect();
    let key = KeyPair::generate().map_err(failed)?;
    let mut leaf = CertificateParams::new(names).map_err(failed)?;
    leaf.distinguished_name.push(DnType::CommonName, "firehose-local");
    leaf.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    leaf.use_authority_key_identifier_extension = true;
    let certificate = leaf.signed_by(&key, &issuer).map_err(failed)?;

    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], private)
        .map_err(failed)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Identity { config: Arc::new(config), ca_pem: ca_certificate.pem() })
}
