//! The signing key: derived once a day from the secret, then only its prepared HMAC state is kept.

use super::Hex;
use crate::clock::Stamp;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

type Hmac256 = Hmac<Sha256>;

/// What a key is good for: a region and a service. The day is the third part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Scope {
    /// `eu-west-1`
    pub(crate) region: String,
    /// `firehose`
    pub(crate) service: String,
}

/// A key that signs for one day, one region and one service.
pub(crate) struct SigningKey {
    mac: Hmac256,
    day: [u8; 8],
}

fn hmac(key: &[u8], message: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut mac = keyed(key);
    mac.update(message);
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn keyed(key: &[u8]) -> Hmac256 {
    // A key of any length is a good HMAC key: longer ones are hashed first.
    Hmac256::new_from_slice(key).unwrap_or_else(|_| Hmac256::new(&Default::default()))
}

impl SigningKey {
    /// Derives the key for the day of `stamp`.
    pub(crate) fn derive(secret: &str, stamp: &Stamp, scope: &Scope) -> SigningKey {
        let mut first = Zeroizing::new(Vec::with_capacity(4 + secret.len()));
        first.extend_from_slice(b"AWS4");
        first.extend_from_slice(secret.as_bytes());
        let key = hmac(&first, stamp.day().as_bytes());
        let key = hmac(&*key, scope.region.as_bytes());
        let key = hmac(&*key, scope.service.as_bytes());
        let key = hmac(&*key, b"aws4_request");
        let mut day = [0; 8];
        day.copy_from_slice(stamp.day().as_bytes());
        SigningKey { mac: keyed(&*key), day }
    }

    /// Whether the key is still the one for the day of `stamp`.
    pub(crate) fn serves(&self, stamp: &Stamp) -> bool {
        stamp.day().as_bytes() == self.day
    }

    /// The signature of a canonical request; `scratch` is overwritten with the string to sign.
    pub(crate) fn sign(&self, canonical: &str, stamp: &Stamp, scope: &Scope, scratch: &mut String) -> Hex {
        let hash = Hex::sha256(canonical.as_bytes());
        scratch.clear();
        for part in [
            "AWS4-HMAC-SHA256\n",
            stamp.as_str(),
            "\n",
            stamp.day(),
            "/",
            &scope.region,
            "/",
            &scope.service,
            "/aws4_request\n",
            hash.as_str(),
        ] {
            scratch.push_str(part);
        }
        let mut mac = self.mac.clone();
        mac.update(scratch.as_bytes());
        Hex::new(mac.finalize().into_bytes().into())
    }
}

/// Writes the value of the `Authorization` header.
pub(crate) fn authorization(
    out: &mut String,
    access_key_id: &str,
    stamp: &Stamp,
    scope: &Scope,
    signed_headers: &str,
    signature: &Hex,
) {
    out.clear();
    for part in [
        "AWS4-HMAC-SHA256 Credential=",
        access_key_id,
        "/",
        stamp.day(),
        "/",
        &scope.region,
        "/",
        &scope.service,
        "/aws4_request, SignedHeaders=",
        signed_headers,
        ", Signature=",
        signature.as_str(),
    ] {
        out.push_str(part);
    }
}
