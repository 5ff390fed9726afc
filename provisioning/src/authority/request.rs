//! Signing requests. Only the public key is taken from one: whatever else it asks for is the authority's to say.

use hearth_protocol::wire::limits;
use rcgen::{PublicKeyData, SignatureAlgorithm, SubjectPublicKeyInfo};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::FromDer;

use super::AuthorityError;

/// The public key of a request that is sound, signed by that key, and of this algorithm.
pub(super) fn public_key(
    csr: &[u8],
    algorithm: &'static SignatureAlgorithm,
) -> Result<SubjectPublicKeyInfo, AuthorityError> {
    if csr.len() > limits::CERTIFICATE_BYTES_MAX {
        return Err(AuthorityError::BadRequest("it is too long"));
    }
    let Ok(([], request)) = X509CertificationRequest::from_der(csr) else {
        return Err(AuthorityError::BadRequest("it is not PKCS #10"));
    };
    request.verify_signature().map_err(|_| AuthorityError::BadRequest("its signature is wrong"))?;
    let info = request.certification_request_info.subject_pki;
    let key = SubjectPublicKeyInfo::from_der(info.raw)
        .map_err(|_| AuthorityError::BadRequest("its key is of an unknown algorithm"))?;
    if key.algorithm() != algorithm {
        return Err(AuthorityError::BadRequest("its key is of another algorithm"));
    }
    if algorithm == &rcgen::PKCS_ED25519 && is_weak(key.der_bytes()) {
        return Err(AuthorityError::BadRequest("its key is weak"));
    }
    Ok(key)
}

/// Whether a signature of this Ed25519 key would hold for other bytes as well.
fn is_weak(key: &[u8]) -> bool {
    let key = <[u8; 32]>::try_from(key).ok();
    key.and_then(|key| ed25519_dalek::VerifyingKey::from_bytes(&key).ok()).is_none_or(|key| key.is_weak())
}
