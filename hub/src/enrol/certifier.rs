//! What the hub signs for a site's installation.

use hearth_protocol::enrol::{Certificates, SigningRequests};
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::authority::{AuthorityError, PeerError, PeerIdentity, Region, fingerprint};
use hearth_provisioning::invite::InviteTerms;
use hearth_provisioning::region::{Advertised, RegionKeys};
use minicbor::bytes::ByteVec;
use rand::CryptoRng;
use rustls_pki_types::CertificateDer;

/// The region's authorities and what every certificate and invite says.
pub struct Certifier {
    region: Region,
    keys: RegionKeys,
    terms: InviteTerms,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum CertifyError {
    /// The authority refused or failed.
    #[error("the authority did not sign")]
    Authority(#[from] AuthorityError),
    /// What was signed does not read back as a node's certificate.
    #[error("the certificate does not read back")]
    ReadBack(#[from] PeerError),
    /// The region has no identity root to pin.
    #[error("the region has no identity root")]
    NoRoot,
}

impl CertifyError {
    /// Whether the node has to make another request, and trying again is of no use.
    pub fn is_request(&self) -> bool {
        matches!(self, Self::Authority(AuthorityError::BadRequest(_) | AuthorityError::Name(_)))
    }
}

impl Certifier {
    /// The certifier of a region whose hub is reached as advertised.
    pub fn new(region: Region, advertised: &Advertised, keys: RegionKeys) -> Result<Self, CertifyError> {
        let root = keys.identity_roots.roots().first().ok_or(CertifyError::NoRoot)?;
        let terms = InviteTerms {
            addresses: advertised.addresses.clone(),
            server_name: advertised.server_name.clone(),
            region_name: region.name.clone(),
            root_fingerprint: fingerprint(root),
        };
        Ok(Self { region, keys, terms })
    }

    /// The region.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// What it signs with.
    pub fn keys(&self) -> &RegionKeys {
        &self.keys
    }

    /// What every invite says.
    pub fn terms(&self) -> &InviteTerms {
        &self.terms
    }

    /// Signs the identity of an installation and, unless that request is empty, the certificate of its pages.
    pub fn certify(
        &self,
        requests: &SigningRequests,
        site: SiteId,
        install: InstallId,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<(Certificates, PeerIdentity), CertifyError> {
        let identity = self.keys.issuing.node_chain(&requests.csr, site, install, rng, now)?;
        let web = if requests.web_csr.is_empty() {
            Vec::new()
        } else {
            self.keys.web.site_chain(&requests.web_csr, site, &requests.web_names, rng, now)?
        };
        let leaf = identity.first().ok_or(PeerError::NotANode("no certificate"))?;
        let peer = PeerIdentity::from_der(leaf)?;
        let certificates = Certificates {
            identity_chain: ders(&identity),
            identity_roots: ders(self.keys.identity_roots.roots()),
            web_chain: ders(&web),
            web_roots: ders(self.keys.web_roots.roots()),
        };
        Ok((certificates, peer))
    }
}

fn ders(certificates: &[CertificateDer<'_>]) -> Vec<ByteVec> {
    certificates.iter().map(|certificate| ByteVec::from(certificate.to_vec())).collect()
}
