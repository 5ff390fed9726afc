//! The web authority: certificates of the LAN pages and of the hub's admin API. All keys are ECDSA P-256.

use std::net::IpAddr;

use hearth_protocol::id::SiteId;
use hearth_protocol::time::Timestamp;
use rand::CryptoRng;
use rcgen::{
    CidrSubnet, ExtendedKeyUsagePurpose, GeneralSubtree, Issuer, KeyPair, NameConstraints,
    PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use zeroize::Zeroizing;

use super::identity::Region;
use super::profile::{self, Validity};
use super::trust::{certificate_of_pem, pem_of_chain};
use super::{AuthorityError, WEB_DAYS, WEB_ROOT_DAYS, request};

/// An ECDSA P-256 key for a web server. Its randomness is that of the cryptographic library.
pub struct WebKey(KeyPair);

impl WebKey {
    /// A fresh key.
    pub fn generate() -> Result<Self, AuthorityError> {
        Ok(Self(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?))
    }

    /// The key in a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, AuthorityError> {
        KeyPair::from_pem_and_sign_algo(pem, &PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|_| AuthorityError::Pem("an ECDSA P-256 key"))
    }

    /// The key as PEM (PKCS #8).
    pub fn to_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.serialize_pem())
    }

    /// The key as `rustls` takes it.
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }
}

/// The names that a web authority may sign, which its certificate says too (RFC 5280, name constraints).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebNames {
    /// The domain under which every site has its name, such as `north-vale.hearth.internal`.
    pub domain: String,
    /// Further host names, such as that of the hub.
    pub hosts: Vec<String>,
    /// Addresses outside the private networks, such as that of the hub.
    pub addresses: Vec<IpAddr>,
}

/// Networks that are nobody's in particular (RFC 1918, 3927, 4193, 4291, 6598), and the computer itself.
const PRIVATE_V4: [([u8; 4], u8); 6] = [
    ([10, 0, 0, 0], 8),
    ([172, 16, 0, 0], 12),
    ([192, 168, 0, 0], 16),
    ([169, 254, 0, 0], 16),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
];

/// The same of IPv6: unique local, link-local, the computer itself.
const PRIVATE_V6: [(u128, u8); 3] = [(0xfc << 120, 7), (0xfe80 << 112, 10), (1, 128)];

/// The root of the web certificates, with its key.
pub struct WebAuthority {
    certificate: CertificateDer<'static>,
    validity: Validity,
    permitted: Permitted,
    issuer: Issuer<'static, KeyPair>,
}

/// The names that the authority's own certificate permits.
struct Permitted {
    domains: Vec<String>,
    /// Address and mask, each of 4 or of 16 bytes.
    networks: Vec<(Vec<u8>, Vec<u8>)>,
}

impl WebAuthority {
    /// A fresh web authority for these names.
    pub fn create(
        region: &Region,
        names: &WebNames,
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Self, AuthorityError> {
        let key = WebKey::generate()?;
        let validity = Validity::days(now, WEB_ROOT_DAYS);
        let mut params = profile::certificate(&format!("{} web", region.name), validity, rng)?;
        profile::authority(&mut params, 0);
        params.name_constraints =
            Some(NameConstraints { permitted_subtrees: names.subtrees(), excluded_subtrees: Vec::new() });
        let certificate = params.self_signed(&key.0)?.der().clone();
        Self::new(certificate, key)
    }

    /// The authority of two PEM texts.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, AuthorityError> {
        Self::new(certificate_of_pem(certificate)?, WebKey::from_pem(key)?)
    }

    /// Its certificate, which tablets and administrators' computers install or pin.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// Its certificate as PEM.
    pub fn certificate_pem(&self) -> String {
        pem_of_chain(std::slice::from_ref(&self.certificate))
    }

    /// Its key as PEM.
    pub fn key_pem(&self) -> Zeroizing<String> {
        Zeroizing::new(self.issuer.key().serialize_pem())
    }

    /// The name of a site's pages, such as `vl1ab.north-vale.hearth.internal`.
    pub fn site_name(&self, site: SiteId) -> String {
        let domain = self.permitted.domains.first().map_or("", String::as_str);
        format!("{}.{domain}", site.as_str().to_ascii_lowercase())
    }

    /// The certificate of a site's LAN pages for the key in its signing request: the site's name and those of
    /// `further` that the authority may sign. The others are left out, so that a name too many costs no page.
    pub fn site_chain(
        &self,
        csr: &[u8],
        site: SiteId,
        further: &[String],
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        let key = request::public_key(csr, &PKCS_ECDSA_P256_SHA256)?;
        let own = self.site_name(site);
        let further = further.iter().filter(|name| may_a_node_carry(name)).cloned();
        let names: Vec<String> = std::iter::once(own).chain(further).collect();
        self.sign(&key, &names, rng, now)
    }

    /// The certificate of the hub's admin API. A name that the authority may not sign is an error.
    pub fn hub_chain(
        &self,
        key: &WebKey,
        names: &[String],
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        if let Some(name) = names.iter().find(|name| !self.permitted.permits(name)) {
            return Err(AuthorityError::Name(name.clone()));
        }
        self.sign(&key.0, names, rng, now)
    }

    fn new(certificate: CertificateDer<'static>, key: WebKey) -> Result<Self, AuthorityError> {
        let (validity, permitted) = {
            let parsed = profile::parse(&certificate)?;
            if parsed.public_key().subject_public_key.data.as_ref() != key.0.public_key_raw() {
                return Err(AuthorityError::KeyMismatch);
            }
            (Validity::of(&parsed), Permitted::of(&parsed)?)
        };
        let issuer = Issuer::from_ca_cert_der(&certificate, key.0)?;
        Ok(Self { certificate, validity, permitted, issuer })
    }

    fn sign(
        &self,
        key: &impl PublicKeyData,
        names: &[String],
        rng: &mut impl CryptoRng,
        now: Timestamp,
    ) -> Result<Vec<CertificateDer<'static>>, AuthorityError> {
        if !self.validity.contains(now) {
            return Err(AuthorityError::NotValidNow);
        }
        let validity = Validity::days(now, WEB_DAYS).within(self.validity);
        let common_name = names.first().map_or("", String::as_str);
        let mut params = profile::certificate(common_name, validity, rng)?;
        profile::end_entity(&mut params, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names =
            names.iter().map(|name| alternative_name(name)).collect::<Result<_, _>>()?;
        Ok(vec![params.signed_by(key, &self.issuer)?.der().clone()])
    }
}

impl WebNames {
    fn subtrees(&self) -> Vec<GeneralSubtree> {
        let hosts = std::iter::once(&self.domain).chain(&self.hosts).map(|name| name.to_ascii_lowercase());
        let hosts = hosts.chain(std::iter::once("localhost".to_owned())).map(GeneralSubtree::DnsName);
        let private_v4 = PRIVATE_V4.map(|(address, prefix)| CidrSubnet::from_v4_prefix(address, prefix));
        let private_v6 =
            PRIVATE_V6.map(|(address, prefix)| CidrSubnet::from_v6_prefix(address.to_be_bytes(), prefix));
        let single = self.addresses.iter().map(|address| match address {
            IpAddr::V4(address) => CidrSubnet::from_v4_prefix(address.octets(), 32),
            IpAddr::V6(address) => CidrSubnet::from_v6_prefix(address.octets(), 128),
        });
        let networks = private_v4.into_iter().chain(private_v6).chain(single).map(GeneralSubtree::IpAddress);
        hosts.chain(networks).collect()
    }
}

impl Permitted {
    fn of(certificate: &X509Certificate<'_>) -> Result<Self, AuthorityError> {
        let foreign = AuthorityError::Foreign("it permits no names");
        let Ok(Some(constraints)) = certificate.name_constraints() else {
            return Err(foreign);
        };
        let trees = constraints.value.permitted_subtrees.as_deref().unwrap_or_default();
        let (mut domains, mut networks) = (Vec::new(), Vec::new());
        for tree in trees {
            if let GeneralName::DNSName(name) = &tree.base {
                domains.push((*name).to_owned());
            } else if let GeneralName::IPAddress(bytes) = &tree.base {
                let (address, mask) = bytes.split_at(bytes.len() / 2);
                networks.push((address.to_vec(), mask.to_vec()));
            } else {
                return Err(foreign);
            }
        }
        if domains.is_empty() { Err(foreign) } else { Ok(Self { domains, networks }) }
    }

    fn permits(&self, name: &str) -> bool {
        match name.parse::<IpAddr>() {
            Ok(IpAddr::V4(address)) => self.permits_address(&address.octets()),
            Ok(IpAddr::V6(address)) => self.permits_address(&address.octets()),
            Err(_) => self.domains.iter().any(|domain| is_in_domain(name, domain)),
        }
    }

    fn permits_address(&self, address: &[u8]) -> bool {
        self.networks.iter().any(|(network, mask)| {
            network.len() == address.len()
                && address
                    .iter()
                    .zip(mask)
                    .zip(network)
                    .all(|((byte, mask), network)| byte & mask == network & mask)
        })
    }
}

/// A node may ask for its private addresses, never for a name of the region, by which it could pass for another site
/// or the hub.
fn may_a_node_carry(name: &str) -> bool {
    match name.parse::<IpAddr>() {
        Ok(address) => is_private(address),
        Err(_) => name == "localhost",
    }
}

fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => PRIVATE_V4.iter().any(|(network, prefix)| {
            let shift = 32 - u32::from(*prefix);
            u32::from(address) >> shift == u32::from_be_bytes(*network) >> shift
        }),
        IpAddr::V6(address) => PRIVATE_V6.iter().any(|(network, prefix)| {
            let shift = 128 - u32::from(*prefix);
            u128::from(address) >> shift == network >> shift
        }),
    }
}

fn is_in_domain(name: &str, domain: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name == domain || name.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'))
}

fn alternative_name(name: &str) -> Result<SanType, AuthorityError> {
    match name.parse::<IpAddr>() {
        Ok(address) => Ok(SanType::IpAddress(address)),
        Err(_) => Ok(SanType::DnsName(name.to_ascii_lowercase().try_into()?)),
    }
}
