//! Whose key it is that signed a head, as a chain of certificates proves.

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::head::SignerName;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;

use super::peer::{PeerError, certified_key};
use super::profile::{self, Validity};
use super::trust::TrustBundle;

/// The installation that a chain names, leaf first, and its Ed25519 key, when one of these roots vouches for it.
///
/// The certificate has to hold at the moment at which it was issued, not today: what was signed does not become untrue
/// when a certificate ends.
pub fn certified_signer(
    chain: &[CertificateDer<'_>],
    roots: &TrustBundle,
) -> Result<(SignerName, [u8; 32]), PeerError> {
    let (leaf, issuers) = chain.split_first().ok_or(PeerError::NotANode("no certificate"))?;
    let parsed = profile::parse(leaf).map_err(|_| PeerError::NotANode("not X.509"))?;
    let issued = u64::try_from(Validity::of(&parsed).not_before.0 / 1000);
    let issued = issued.map_err(|_| PeerError::NotANode("its time is not sound"))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(issued));
    let foreign = PeerError::NotANode("no root of the region vouches for it");
    let roots = roots.root_store().map_err(|_| foreign)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    verifier.map_err(|_| foreign)?.verify_client_cert(leaf, issuers, at).map_err(|_| foreign)?;
    let name = name_in(&parsed).ok_or(PeerError::NotANode("its name is of another form"))?;
    Ok((name, certified_key(leaf)?))
}

fn name_in(certificate: &X509Certificate<'_>) -> Option<SignerName> {
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => uri.parse().ok(),
        _ => None,
    }
}
