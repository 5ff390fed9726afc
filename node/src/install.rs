//! Who this installation is: its keys, its certificates and what the hub granted it. One sealed file, written whole.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use hearth_protocol::enrol::{Certificates, Granted, SigningRequests};
use hearth_protocol::time::Timestamp;
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::files;
use crate::keys::{KeyError, PlatformKey};
use crate::random::Random;
use crate::records::Site;

/// Name of the file, in the data directory. While it is not there, the node is not enrolled.
pub const INSTALL_FILE: &str = "install.sealed";
/// Separates what the file seals from everything else that the platform's key seals.
const CONTEXT: &[u8] = b"hearth-node install 1";
/// The form of the file.
const VERSION: u8 = 1;

/// Why an installation's file or keys are of no use.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The file could not be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file does not open with this machine's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The file opens and makes no sense.
    #[error("the installation's file is damaged or of another version")]
    Damaged,
    /// A key or signing request could not be made.
    #[error("a key or signing request could not be made")]
    Keys(#[from] rcgen::Error),
}

/// The two keys of an installation. They are made here and never leave.
#[derive(Clone, Encode, Decode)]
pub struct InstallKeys {
    /// PKCS #8 of the Ed25519 identity key.
    #[n(0)]
    identity: ByteVec,
    /// PKCS #8 of the P-256 key of the pages; empty for a node without pages, as in a simulation.
    #[n(1)]
    web: ByteVec,
}

impl std::fmt::Debug for InstallKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("InstallKeys(..)")
    }
}

impl InstallKeys {
    /// Fresh keys.
    pub fn generate() -> Result<Self, InstallError> {
        let identity = KeyPair::generate_for(&PKCS_ED25519)?.serialize_der();
        let web = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?.serialize_der();
        Ok(Self { identity: identity.into(), web: web.into() })
    }

    /// Signing requests for both keys, with the names by which tablets reach the node.
    pub fn requests(&self, web_names: &[String]) -> Result<SigningRequests, InstallError> {
        let web_csr = if self.web.is_empty() { Vec::new() } else { request(&self.web)? };
        Ok(SigningRequests { csr: request(&self.identity)?, web_csr, web_names: web_names.to_vec() })
    }

    #[cfg(test)]
    pub(crate) fn identity_pair(&self) -> KeyPair {
        KeyPair::try_from(&*self.identity as &[u8]).unwrap()
    }

    fn pair(der: &[u8]) -> PrivateKeyDer<'static> {
        PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.to_vec()))
    }
}

fn request(key: &[u8]) -> Result<Vec<u8>, InstallError> {
    let key = KeyPair::try_from(key)?;
    let params = CertificateParams::new(Vec::new())?;
    Ok(params.serialize_request(&key)?.der().to_vec())
}

/// An enrolled installation.
#[derive(Clone, Debug, Encode, Decode)]
pub struct Install {
    #[n(0)]
    version: u8,
    #[n(1)]
    keys: InstallKeys,
    #[n(2)]
    granted: Granted,
    /// When the certificates were signed, by the hub's time.
    #[n(3)]
    certified: Timestamp,
}

impl Install {
    /// The installation of these keys and what the hub granted them.
    pub fn new(keys: InstallKeys, granted: Granted) -> Self {
        let certified = granted.time;
        Self { version: VERSION, keys, granted, certified }
    }

    /// The installation in this data directory; none before the node is enrolled.
    pub fn load(data: &Path, platform: &PlatformKey) -> Result<Option<Self>, InstallError> {
        let install: Option<Self> = read_sealed(&data.join(INSTALL_FILE), CONTEXT, platform)?;
        let is_known = install.as_ref().is_none_or(|install| install.version == VERSION);
        is_known.then_some(install).ok_or(InstallError::Damaged)
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, data: &Path, platform: &PlatformKey, random: &Random) -> Result<(), InstallError> {
        write_sealed(&data.join(INSTALL_FILE), CONTEXT, self, platform, random)
    }

    /// What pages know of the site.
    pub fn site(&self) -> Site {
        Site {
            install: self.granted.install,
            id: self.granted.site,
            kind: self.granted.kind,
            name: self.granted.site_name.clone(),
            region: self.granted.region,
            region_name: self.granted.region_name.clone(),
        }
    }

    #[cfg(test)]
    pub(crate) fn with_addresses(&self, addresses: Vec<String>) -> Self {
        Self { granted: Granted { addresses, ..self.granted.clone() }, ..self.clone() }
    }

    /// Where the region's hubs listen, as `host:port`, the best first.
    pub fn addresses(&self) -> &[String] {
        &self.granted.addresses
    }

    /// The DNS name in the hub's certificate.
    pub fn server_name(&self) -> &str {
        &self.granted.server_name
    }

    /// When the certificates were signed.
    pub fn certified(&self) -> Timestamp {
        self.certified
    }

    /// The roots of the region's identities.
    pub fn roots(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.granted.certificates.identity_roots)
    }

    /// The identity certificate, its issuer and the key.
    pub fn identity(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (certificates(&self.granted.certificates.identity_chain), InstallKeys::pair(&self.keys.identity))
    }

    /// The identity certificate and its issuer, as they came.
    pub(crate) fn identity_ders(&self) -> Vec<Vec<u8>> {
        self.granted.certificates.identity_chain.iter().map(|der| der.to_vec()).collect()
    }

    /// The certificate of the pages, its issuers and the key.
    pub fn web(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (certificates(&self.granted.certificates.web_chain), InstallKeys::pair(&self.keys.web))
    }

    /// The roots of the web authority, for the site's tablets.
    pub fn web_roots(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.granted.certificates.web_roots)
    }

    /// The identity key, for receipts and the audit.
    pub fn signing_key(&self) -> Result<SigningKey, InstallError> {
        SigningKey::from_pkcs8_der(&self.keys.identity).map_err(|_| InstallError::Damaged)
    }

    /// Signing requests for a renewal, of the same keys.
    pub fn requests(&self) -> Result<SigningRequests, InstallError> {
        self.keys.requests(&[])
    }

    /// The installation with new certificates; an empty web chain leaves that as it was.
    #[must_use]
    pub fn renewed(&self, chain: Vec<Vec<u8>>, web_chain: Vec<Vec<u8>>, at: Timestamp) -> Self {
        let list = |ders: Vec<Vec<u8>>| ders.into_iter().map(ByteVec::from).collect::<Vec<_>>();
        let old = &self.granted.certificates;
        let web_chain = if web_chain.is_empty() { old.web_chain.clone() } else { list(web_chain) };
        let certificates = Certificates { identity_chain: list(chain), web_chain, ..old.clone() };
        let granted = Granted { certificates, ..self.granted.clone() };
        Self { granted, certified: at, ..self.clone() }
    }

    /// Whether a chain's first certificate is of this installation's identity key.
    pub fn is_own(&self, chain: &[Vec<u8>]) -> bool {
        let Some(leaf) = chain.first() else { return false };
        let Ok((_, leaf)) = x509_parser::parse_x509_certificate(leaf) else { return false };
        let Ok(key) = self.signing_key() else { return false };
        leaf.public_key().subject_public_key.data.as_ref() == key.verifying_key().as_bytes()
    }
}

/// What a file seals for this machine under a context; none where there is no file.
pub(crate) fn read_sealed<T: for<'b> Decode<'b, ()>>(
    path: &Path,
    context: &[u8],
    platform: &PlatformKey,
) -> Result<Option<T>, InstallError> {
    let sealed = match std::fs::read(path) {
        Ok(sealed) => sealed,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(InstallError::Io { path: path.to_owned(), source }),
    };
    let bytes = platform.unseal(context, &sealed)?;
    minicbor::decode(&bytes).map(Some).map_err(|_| InstallError::Damaged)
}

/// Seals a value for this machine into a file, which is written whole or not at all.
pub(crate) fn write_sealed(
    path: &Path,
    context: &[u8],
    value: &impl Encode<()>,
    platform: &PlatformKey,
    random: &Random,
) -> Result<(), InstallError> {
    let bytes = zeroize::Zeroizing::new(minicbor::to_vec(value).map_err(|_| InstallError::Damaged)?);
    let sealed = platform.seal(context, &bytes, random)?;
    files::replace(path, &sealed).map_err(|source| InstallError::Io { path: path.to_owned(), source })
}

fn certificates(ders: &[ByteVec]) -> Vec<CertificateDer<'static>> {
    ders.iter().map(|der| CertificateDer::from(der.to_vec())).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use hearth_protocol::access::SiteKind;
    use hearth_protocol::id::InstallId;
    use uuid::Uuid;

    pub(crate) fn granted() -> Granted {
        Granted {
            install: InstallId(7),
            site: "VL1AB".parse().unwrap(),
            kind: SiteKind::CareHome,
            site_name: "Rose Court".to_owned(),
            region: Uuid::from_u128(5),
            region_name: "North Vale".to_owned(),
            addresses: vec!["127.0.0.1:1".to_owned()],
            server_name: "hub.hearth.internal".to_owned(),
            certificates: Certificates {
                identity_chain: vec![vec![1].into()],
                identity_roots: vec![vec![2].into()],
                web_chain: vec![vec![3].into()],
                web_roots: vec![vec![4].into()],
            },
            time: Timestamp(1_764_158_400_000),
        }
    }

    #[test]
    fn an_installation_reads_back_on_its_own_machine_alone() {
        let (here, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let random = Random::seeded(1);
        let platform = PlatformKey::load(None, here.path(), &random).unwrap();
        let install = Install::new(InstallKeys::generate().unwrap(), granted());
        assert!(Install::load(here.path(), &platform).unwrap().is_none());
        install.save(here.path(), &platform, &random).unwrap();
        let read = Install::load(here.path(), &platform).unwrap().unwrap();
        assert_eq!(read.site(), install.site());
        assert_eq!(read.signing_key().unwrap(), install.signing_key().unwrap());

        std::fs::copy(here.path().join(INSTALL_FILE), elsewhere.path().join(INSTALL_FILE)).unwrap();
        let stranger = PlatformKey::load(None, elsewhere.path(), &random).unwrap();
        assert!(matches!(
            Install::load(elsewhere.path(), &stranger),
            Err(InstallError::Key(KeyError::Wrong))
        ));
    }

    #[test]
    fn a_renewal_changes_the_certificates_and_nothing_else() {
        let install = Install::new(InstallKeys::generate().unwrap(), granted());
        let renewed = install.renewed(vec![vec![9]], Vec::new(), Timestamp(5));
        assert_eq!(renewed.identity().0, [CertificateDer::from(vec![9])]);
        assert_eq!((renewed.web(), renewed.site()), (install.web(), install.site()));
        assert_eq!(renewed.certified(), Timestamp(5));
        assert!(!install.is_own(&[vec![9]]));
    }
}
