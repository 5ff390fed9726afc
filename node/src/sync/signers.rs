//! The certificates of those who sign, checked against the region's roots.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use hearth_protocol::head::{Signer, SignerName};
use hearth_protocol::sync::node::{Intake, IntakeItem};
use hearth_protocol::wire::limits;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use uuid::Uuid;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_SIG_ED25519;

use super::tls;
use crate::records::SignerKey;

/// The certificates that came with a batch.
pub(super) fn of(intake: &Intake) -> impl Iterator<Item = &Signer> {
    intake.items.iter().flat_map(|item| match item {
        IntakeItem::Feed(feed) => feed.signers.as_slice(),
        IntakeItem::Snapshot(part) => part.signers.as_slice(),
        IntakeItem::Outline(outline) => outline.signers.as_slice(),
        IntakeItem::Grant(_) | IntakeItem::Revoke(_) => &[],
    })
}

/// The key that a signer's certificates prove to be its; an error says in which way they do not.
///
/// They have to hold at the moment at which they were issued, not today: a key stays with its installation for ever, and
/// what it signed does not become untrue when its certificate ends. Whether the installation was allowed to write then
/// was the hub's to judge, when it took the change in.
pub(super) fn check(
    signer: &Signer,
    region: Uuid,
    roots: &[CertificateDer<'static>],
) -> Result<SignerKey, &'static str> {
    let is_long = |der: &[u8]| der.len() > limits::CERTIFICATE_BYTES_MAX;
    if signer.chain.len() > limits::CERTIFICATES_MAX || signer.chain.iter().any(|der| is_long(&der.0)) {
        return Err("the chain is too long");
    }
    let chain: Vec<CertificateDer<'_>> = signer.chain.iter().map(|der| der.0.as_slice().into()).collect();
    let (leaf, issuers) = chain.split_first().ok_or("there is no certificate")?;
    let (rest, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| "it is not X.509")?;
    if !rest.is_empty() {
        return Err("it is not X.509");
    }
    let issued =
        u64::try_from(parsed.validity().not_before.timestamp()).map_err(|_| "its time is not sound")?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(issued));
    verifier(roots)?
        .verify_client_cert(leaf, issuers, at)
        .map_err(|_| "no root of the region vouches for it")?;
    let name = name_in(&parsed).ok_or("its name is of another form")?;
    if name.region != region || name.install != signer.install {
        return Err("it is of another installation");
    }
    Ok(SignerKey {
        install: name.install,
        site: name.site,
        key: key_in(&parsed).ok_or("its key is not sound")?,
    })
}

fn verifier(
    roots: &[CertificateDer<'static>],
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, &'static str> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root.clone()).map_err(|_| "a root of the region is not sound")?;
    }
    WebPkiClientVerifier::builder_with_provider(Arc::new(store), tls::provider())
        .build()
        .map_err(|_| "the roots of the region are not sound")
}

fn name_in(certificate: &X509Certificate<'_>) -> Option<SignerName> {
    let names = certificate.subject_alternative_name().ok()??;
    match names.value.general_names.as_slice() {
        [GeneralName::URI(uri)] => uri.parse().ok(),
        _ => None,
    }
}

fn key_in(certificate: &X509Certificate<'_>) -> Option<VerifyingKey> {
    let info = certificate.public_key();
    let bytes = info.subject_public_key.data.as_ref().try_into().ok()?;
    let key = VerifyingKey::from_bytes(bytes).ok()?;
    (info.algorithm.algorithm == OID_SIG_ED25519 && !key.is_weak()).then_some(key)
}
