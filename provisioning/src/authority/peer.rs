//! Who is at the other end of a connection, as its certificate says.

use hearth_protocol::head::SignerName;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use rustls_pki_types::CertificateDer;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_SIG_ED25519;

use super::profile::{self, Validity};
use super::trust::fingerprint;

/// What a node's certificate says about it.
///
/// Reading it proves nothing: the TLS handshake has to have verified the chain and the key before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerIdentity {
    /// The region.
    pub region: Uuid,
    /// The site.
    pub site: SiteId,
    /// The installation.
    pub install: InstallId,
    /// The installation's Ed25519 key, which also signs the heads of its changes.
    pub public_key: [u8; 32],
    /// The certificate holds from here.
    pub not_before: Timestamp,
    /// The certificate holds until here.
    pub not_after: Timestamp,
    /// SHA-256 of the certificate.
    pub fingerprint: [u8; 32],
}

/// Why a certificate lets nobody in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It is not a node's certificate.
    #[error("not the certificate of a node: {0}")]
    NotANode(&'static str),
    /// It is of another region.
    #[error("the certificate is of region {0}")]
    OtherRegion(Uuid),
    /// It has ended.
    #[error("the certificate has ended")]
    Expired,
    /// It has not begun.
    #[error("the certificate has not begun")]
    NotYet,
}

impl PeerIdentity {
    /// What this certificate says.
    pub fn from_der(certificate: &CertificateDer<'_>) -> Result<Self, PeerError> {
        let parsed = profile::parse(certificate).map_err(|_| PeerError::NotANode("not X.509"))?;
        let (region, site, install) = node_of(&parsed)?;
        let validity = Validity::of(&parsed);
        Ok(Self {
            region,
            site,
            install,
            public_key: ed25519_key(&parsed)?,
            not_before: validity.not_before,
            not_after: validity.not_after,
            fingerprint: fingerprint(certificate),
        })
    }

    /// Whether the certificate is of this region and holds at `now`. To be asked at every handshake and while a
    /// connection lives: TLS asks only once.
    pub fn check(&self, region: Uuid, now: Timestamp) -> Result<(), PeerError> {
        if self.region != region {
            return Err(PeerError::OtherRegion(self.region));
        }
        if now > self.not_after {
            return Err(PeerError::Expired);
        }
        if now < self.not_before {
            return Err(PeerError::NotYet);
        }
        Ok(())
    }
}

fn node_of(certificate: &X509Certificate<'_>) -> Result<(Uuid, SiteId, InstallId), PeerError> {
    if certificate.is_ca() {
        return Err(PeerError::NotANode("an authority's"));
    }
    let client = matches!(certificate.extended_key_usage(), Ok(Some(usage)) if usage.value.client_auth);
    if !client {
        return Err(PeerError::NotANode("not for clients"));
    }
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Err(PeerError::NotANode("without a name"));
    };
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => node_of_uri(uri).ok_or(PeerError::NotANode("its name is of another form")),
        _ => Err(PeerError::NotANode("its name is of another form")),
    }
}

fn node_of_uri(uri: &str) -> Option<(Uuid, SiteId, InstallId)> {
    let name: SignerName = uri.parse().ok()?;
    Some((name.region, name.site?, name.install))
}

/// The Ed25519 key that this certificate says is its holder's.
pub fn certified_key(certificate: &CertificateDer<'_>) -> Result<[u8; 32], PeerError> {
    ed25519_key(&profile::parse(certificate).map_err(|_| PeerError::NotANode("not X.509"))?)
}

fn ed25519_key(certificate: &X509Certificate<'_>) -> Result<[u8; 32], PeerError> {
    let info = certificate.public_key();
    if info.algorithm.algorithm != OID_SIG_ED25519 {
        return Err(PeerError::NotANode("its key is not Ed25519"));
    }
    let key = info.subject_public_key.data.as_ref();
    key.try_into().map_err(|_| PeerError::NotANode("its key is not Ed25519"))
}
