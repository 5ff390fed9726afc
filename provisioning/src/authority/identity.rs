//! The identity hierarchy: root, issuing authority, hub, nodes. All keys are Ed25519.

use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey};
use hearth_protocol::head::SignerName;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use rand::CryptoRng;
use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair, PKCS_ED25519, SanType, SubjectPublicKeyInfo};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use uuid::Uuid;
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use super::profile::{self, Validity};
use super::trust::{certificate_of_pem, fingerprint, pem_of_chain};
use super::{AuthorityError, HUB_DAYS, ISSUING_DAYS, NODE_DAYS, ROOT_DAYS, request};

/// The scheme and trust domain of every identity.
const URI_PREFIX: &str = "spiffe://hearth/";

/// A region as its certificates name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// The identifier.
    pub id: Uuid,
    /// The name, for people.
    pub name: String,
}

/// An Ed25519 key that never leaves the computer on which it was made.
pub struct IdentityKey(KeyPair);

impl IdentityKey {
    /// A fresh key.
    pub fn generate(rng: &mut impl CryptoRng) -> Result<Self, AuthorityError> {
        let mut seed = Zeroizing::new([0; 32]);
        rng.fill_bytes(seed.as_mut_slice());
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        let der = key.to_pkcs8_der().map_err(|_| AuthorityError::Pem("an Ed25519 key"))?;
        let der = PrivatePkcs8KeyDer::from(der.as_bytes());
        Ok(Self(KeyPair::from_pkcs8_der_and_sign_algo(&der, &PKCS_ED25519)?))
    }

    /// The key in a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        KeyPair::from_pem_and_sign_algo(pem, &PKCS_ED25519)
            .map(Self)
            .map_err(|_| AuthorityError::Pem("an Ed25519 key"))
    }

    /// The key as PEM (PKCS #8).
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The key as `rustls` takes it.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }

    /// The public half.
    pub fn public_bytes(&self) -> &[u8] {
        self.0.public_key_raw()
    }
}

/// The root of a region's identities.
pub struct IdentityRoot(Authority);

/// An authority at the hub that the root vouches for.
pub struct IssuingAuthority(Authority);

/// The names of a hub in its identity certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubName {
    /// The DNS name that invites give as the server's name.
    pub server_name: String,
}

/// A certificate that may sign others, with its key.
struct Authority {
    region: Uuid,
    validity: Validity,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl IdentityRoot {
    /// A fresh root for a region.
    pub fn create(region: &Region, rng: &mut impl CryptoRng, now: Timestamp) -> Result<Self, AuthorityError> {
        let key = IdentityKey::generate(rng)?;
        let name = format!("{} identity root", region.name);
        let mut params = profile::certificate(&name, Validity::days(now, ROOT_DAYS), rng)?;
        profile::authority(&mut params, 1);
        params.subject_alt_names = vec![uri(format!("{URI_PREFIX}{}", region.id))?];
        let certificate = params.self_signed(&key.0)?.der().clone();
        Authority::new(certificate, key).map(Self)
    }

    /// The root of two PEM texts.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        Authority::from_pem(certificate, key).map(Self)
    }

    /// Its certificate, which every node pins.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// The SHA-256 of its certificate, which every invite carries.
    pub fn fingerprint(&self) -> [u8; 32] {
        fingerprint(&self.0.certificate)
    }

    /// Its key as PEM.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.issuer.key().serialize_pem())
    }

    /// A fresh issuing authority.
    pub fn issuing_authority(
        &self,
        region: &Region,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<IssuingAuthority, AuthorityError> {
        let key = IdentityKey::generate(rng)?;
        let validity = self.0.validity_below(ISSUING_DAYS, now)?;
        let mut params = profile::certificate(&format!("{} identity", region.name), validity, rng)?;
        profile::authority(&mut params, 0);
        params.subject_alt_names = vec![uri(format!("{URI_PREFIX}{}", self.0.region))?];
        let certificate = params.signed_by(&key.0, &self.0.issuer)?.der().clone();
        Authority::new(certificate, key).map(IssuingAuthority)
    }
}

impl IssuingAuthority {
    /// The authority of two PEM texts.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        Authority::from_pem(certificate, key).map(Self)
    }

    /// The region whose identities it signs.
    pub fn region(&self) -> Uuid {
        self.0.region
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    /// Its certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem_of_chain(std::slice::from_ref(&self.0.certificate))
    }

    /// Its key as PEM.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.issuer.key().serialize_pem())
    }

    /// A secret for this use, which every hub with this key has and nobody else.
    pub fn derive_secret(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, self.key_pem().as_bytes())
    }

    /// When its certificate ends.
    pub fn not_after(&self) -> Timestamp {
        self.0.validity.not_after
    }

    /// The chain of a hub's server certificate for this key.
    pub fn hub_chain(
        &self,
        key: &IdentityKey,
        name: &HubName,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let validity = self.0.validity_below(HUB_DAYS, now)?;
        let mut params = profile::certificate(&name.server_name, validity, rng)?;
        profile::end_entity(&mut params, ExtendedKeyUsagePurpose::ServerAuth);
        let dns = name.server_name.as_str().try_into()?;
        params.subject_alt_names =
            vec![SanType::DnsName(dns), uri(format!("{URI_PREFIX}{}/hub", self.0.region))?];
        let certificate = params.signed_by(&key.0, &self.0.issuer)?;
        Ok(vec![certificate.der().clone(), self.0.certificate.clone()])
    }

    /// The chain of a node's client certificate for the key in its signing request.
    ///
    /// Nothing but the key is taken from the request.
    pub fn node_chain(
        &self,
        csr: &[u8],
        site: SiteId,
        install: InstallId,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let key = request::public_key(csr, &PKCS_ED25519)?;
        let validity = self.0.validity_below(NODE_DAYS, now)?;
        let mut params = profile::certificate(&format!("{site} {install}"), validity, rng)?;
        profile::end_entity(&mut params, ExtendedKeyUsagePurpose::ClientAuth);
        let name = SignerName { region: self.0.region, site: Some(site), install };
        params.subject_alt_names = vec![uri(name.to_string())?];
        let certificate = params.signed_by(&key, &self.0.issuer)?;
        Ok(vec![certificate.der().clone(), self.0.certificate.clone()])
    }

    /// The chain of a certificate that says with which key the hub, as this installation, signs what it writes.
    ///
    /// Its name is no site's, so it opens no session.
    pub fn writer_chain(
        &self,
        key: &VerifyingKey,
        install: InstallId,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let der = key.to_public_key_der().map_err(|_| AuthorityError::Pem("an Ed25519 key"))?;
        let key = SubjectPublicKeyInfo::from_der(der.as_bytes())?;
        let validity = self.0.validity_below(ISSUING_DAYS, now)?;
        let mut params = profile::certificate(&format!("hub {install}"), validity, rng)?;
        profile::end_entity(&mut params, ExtendedKeyUsagePurpose::ClientAuth);
        let name = SignerName { region: self.0.region, site: None, install };
        params.subject_alt_names = vec![uri(name.to_string())?];
        let certificate = params.signed_by(&key, &self.0.issuer)?;
        Ok(vec![certificate.der().clone(), self.0.certificate.clone()])
    }
}

impl Authority {
    fn new(certificate: CertificateDer<'static>, key: IdentityKey) -> Result<Self, AuthorityError> {
        let (region, validity) = {
            let parsed = profile::parse(&certificate)?;
            if parsed.public_key().subject_public_key.data.as_ref() != key.public_bytes() {
                return Err(AuthorityError::KeyMismatch);
            }
            if !parsed.is_ca() {
                return Err(AuthorityError::Foreign("not an authority's"));
            }
            (region_of(&parsed)?, Validity::of(&parsed))
        };
        let issuer = Issuer::from_ca_cert_der(&certificate, key.0)?;
        Ok(Self { region, validity, certificate, issuer })
    }

    fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        Self::new(certificate_of_pem(certificate)?, IdentityKey::from_pem(key)?)
    }

    fn validity_below(&self, days: i64, now: Timestamp) -> Result<Validity, AuthorityError> {
        if !self.validity.contains(now) {
            return Err(AuthorityError::NotValidNow);
        }
        Ok(Validity::days(now, days).within(self.validity))
    }
}

fn uri(text: String) -> Result<SanType, AuthorityError> {
    Ok(SanType::URI(text.try_into()?))
}

fn region_of(authority: &x509_parser::certificate::X509Certificate<'_>) -> Result<Uuid, AuthorityError> {
    let foreign = AuthorityError::Foreign("it names no region");
    let Ok(Some(names)) = authority.subject_alternative_name() else {
        return Err(foreign);
    };
    match names.value.general_names.as_slice() {
        [GeneralName::URI(text)] => {
            let region = text.strip_prefix(URI_PREFIX).and_then(|text| Uuid::parse_str(text).ok());
            region.ok_or(foreign)
        }
        _ => Err(foreign),
    }
}
