//! Lists of certificates: chains, and the roots that are trusted.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use super::AuthorityError;

/// The SHA-256 of a certificate's DER, by which an invite names a root and the hub's device table a node.
pub fn fingerprint(certificate: &[u8]) -> [u8; 32] {
    Sha256::digest(certificate).into()
}

/// A chain as PEM, in its order.
pub fn pem_of_chain(chain: &[CertificateDer<'_>]) -> String {
    chain.iter().map(|certificate| pem_of("CERTIFICATE", certificate)).collect()
}

/// The roots that are trusted: one, or two while one takes the other's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    roots: Vec<CertificateDer<'static>>,
}

impl TrustBundle {
    /// The bundle of these roots.
    pub fn new(roots: Vec<CertificateDer<'static>>) -> Self {
        Self { roots }
    }

    /// The certificates of a PEM text, at least one.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match roots {
            Ok(roots) if !roots.is_empty() => Ok(Self { roots }),
            Ok(_) | Err(_) => Err(AuthorityError::Pem("a certificate")),
        }
    }

    /// The bundle as PEM.
    pub fn to_pem(&self) -> String {
        pem_of_chain(&self.roots)
    }

    /// The roots.
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// The roots as `rustls` takes them.
    pub fn root_store(&self) -> Result<rustls::RootCertStore, AuthorityError> {
        let mut store = rustls::RootCertStore::empty();
        for root in &self.roots {
            store.add(root.clone()).map_err(|_| AuthorityError::Foreign("not a root"))?;
        }
        Ok(store)
    }
}

/// The first certificate of a PEM text.
pub(super) fn certificate_of_pem(pem: &str) -> Result<CertificateDer<'static>, AuthorityError> {
    CertificateDer::from_pem_slice(pem.as_bytes()).map_err(|_| AuthorityError::Pem("a certificate"))
}

fn pem_of(label: &str, der: &[u8]) -> String {
    let text = data_encoding::BASE64.encode(der);
    let mut lines = vec![format!("-----BEGIN {label}-----")];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, left) = rest.split_at(rest.len().min(64));
        lines.push(line.to_owned());
        rest = left;
    }
    lines.push(format!("-----END {label}-----\n"));
    lines.join("\n")
}
