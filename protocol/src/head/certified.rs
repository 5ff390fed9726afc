//! Whose key it is that signs, as a chain of certificates proves.

use std::time::Duration;

use ed25519_dalek::VerifyingKey;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use uuid::Uuid;
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::oid_registry::OID_SIG_ED25519;

use super::{Signer, SignerName};
use crate::id::{InstallId, SiteId};
use crate::wire::limits;

/// An installation and the key with which it signs, as a certificate of its region says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignerKey {
    /// The installation.
    pub install: InstallId,
    /// Its site; none for the hub.
    pub site: Option<SiteId>,
    /// Its Ed25519 key.
    pub key: VerifyingKey,
}

/// In which way certificates do not prove whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignerError {
    /// There is none.
    #[error("there is no certificate")]
    Missing,
    /// More of them, or longer ones, than a chain has.
    #[error("the chain is too long")]
    TooLong,
    /// The first is not X.509.
    #[error("the certificate is not X.509")]
    NotX509,
    /// It was issued before 1970.
    #[error("the certificate's time is not sound")]
    Time,
    /// No root of the region vouches for it.
    #[error("no root of the region vouches for the certificate")]
    NotVouched,
    /// Its name is not that of an installation.
    #[error("the certificate's name is of another form")]
    Name,
    /// Its key is not an Ed25519 key, or a weak one.
    #[error("the certificate's key is not sound")]
    Key,
    /// It is of another region or installation.
    #[error("the certificate is of another installation")]
    Other,
}

impl Signer {
    /// The key that the certificates prove to be this installation's in `region`, whose roots are `roots` (DER).
    ///
    /// They have to hold at the moment at which they were issued, not today: a key stays with its installation for
    /// ever, and what it signed does not become untrue when its certificate ends. Whether the installation was allowed
    /// to write then was the hub's to judge, when it took the change in.
    pub fn key(&self, region: Uuid, roots: &[CertificateDer<'_>]) -> Result<SignerKey, SignerError> {
        let is_long = |der: &[u8]| der.len() > limits::CERTIFICATE_BYTES_MAX;
        if self.chain.len() > limits::CERTIFICATES_MAX || self.chain.iter().any(|der| is_long(&der.0)) {
            return Err(SignerError::TooLong);
        }
        let chain: Vec<CertificateDer<'_>> = self.chain.iter().map(|der| der.0.as_slice().into()).collect();
        let (leaf, issuers) = chain.split_first().ok_or(SignerError::Missing)?;
        let (rest, parsed) = x509_parser::parse_x509_certificate(leaf).map_err(|_| SignerError::NotX509)?;
        if !rest.is_empty() {
            return Err(SignerError::NotX509);
        }
        let issued =
            u64::try_from(parsed.validity().not_before.timestamp()).map_err(|_| SignerError::Time)?;
        verify(leaf, issuers, roots, UnixTime::since_unix_epoch(Duration::from_secs(issued)))?;
        let name = name_in(&parsed).ok_or(SignerError::Name)?;
        if (name.region, name.install) != (region, self.install) {
            return Err(SignerError::Other);
        }
        let key = key_in(&parsed).ok_or(SignerError::Key)?;
        Ok(SignerKey { install: name.install, site: name.site, key })
    }
}

/// Whether one of these roots vouches for the leaf, as for one that dials.
fn verify(
    leaf: &CertificateDer<'_>,
    issuers: &[CertificateDer<'_>],
    roots: &[CertificateDer<'_>],
    at: UnixTime,
) -> Result<(), SignerError> {
    // What cannot be read as a root vouches for nothing.
    let roots: Vec<TrustAnchor<'_>> =
        roots.iter().filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).collect();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    let leaf = EndEntityCert::try_from(leaf).map_err(|_| SignerError::NotVouched)?;
    leaf.verify_for_usage(algorithms, &roots, issuers, at, KeyUsage::client_auth(), None, None)
        .map(|_| ())
        .map_err(|_| SignerError::NotVouched)
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

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ED25519,
    };

    use super::*;
    use crate::wire::message::CertificateBytes;

    /// An authority and its root.
    fn authority() -> (Issuer<'static, KeyPair>, CertificateDer<'static>) {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap();
        (Issuer::new(params, key), root.der().clone())
    }

    /// A certificate for one that dials, with this name.
    fn issue(
        authority: &Issuer<'static, KeyPair>,
        name: &str,
        usage: ExtendedKeyUsagePurpose,
    ) -> (Vec<CertificateBytes>, KeyPair) {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![usage];
        params.subject_alt_names = vec![rcgen::SanType::URI(name.try_into().unwrap())];
        let certificate = params.signed_by(&pair, authority).unwrap();
        (vec![CertificateBytes(certificate.der().to_vec())], pair)
    }

    #[test]
    fn a_certificate_says_whose_key_it_is_to_its_own_region_alone_and_for_ever() {
        let ((here, root), (elsewhere, other_root)) = (authority(), authority());
        let (region, install) = (Uuid::from_u128(5), InstallId(99));
        let site = Some("OTHER".parse().unwrap());
        let name = SignerName { region, site, install }.to_string();
        let client = || ExtendedKeyUsagePurpose::ClientAuth;
        let (chain, pair) = issue(&here, &name, client());
        let signer = Signer { install, chain };
        let roots = [root];
        let known = signer.key(region, &roots).unwrap();
        assert_eq!((known.install, known.site), (install, site));
        assert_eq!(known.key.as_bytes(), pair.public_key_raw());

        let refused =
            |chain: Vec<CertificateBytes>| Signer { install, chain }.key(region, &roots).unwrap_err();
        assert_eq!(signer.key(Uuid::from_u128(6), &roots), Err(SignerError::Other));
        let of_another = Signer { install: InstallId(98), ..signer.clone() };
        assert_eq!(of_another.key(region, &roots), Err(SignerError::Other));
        assert_eq!(signer.key(region, &[other_root]), Err(SignerError::NotVouched));
        assert_eq!(signer.key(region, &[]), Err(SignerError::NotVouched));
        assert_eq!(refused(issue(&elsewhere, &name, client()).0), SignerError::NotVouched);
        let server = issue(&here, &name, ExtendedKeyUsagePurpose::ServerAuth).0;
        assert_eq!(refused(server), SignerError::NotVouched);
        assert_eq!(refused(issue(&here, "spiffe://elsewhere/1", client()).0), SignerError::Name);
        assert_eq!(refused(Vec::new()), SignerError::Missing);
        assert_eq!(refused(vec![signer.chain[0].clone(); 9]), SignerError::TooLong);
        assert_eq!(refused(vec![CertificateBytes(vec![0x30; 8193])]), SignerError::TooLong);
        assert_eq!(refused(vec![CertificateBytes(b"no certificate".to_vec())]), SignerError::NotX509);
        for at in 0..signer.chain[0].0.len() {
            let mut damaged = signer.clone();
            damaged.chain[0].0[at] ^= 1;
            assert!(damaged.key(region, &roots).is_err(), "byte {at}");
        }
    }
}
