//! The region's authority in a simulation: real certificates, with keys from the seed.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use anyhow::Context as _;
use hearth_hub::enrol::Certifier;
use hearth_node::install::{Install, InstallKeys};
use hearth_node::keys::PlatformKey;
use hearth_node::random::Random;
use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::{Granted, SigningRequests};
use hearth_protocol::head::Signer;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::CertificateBytes;
use hearth_provisioning::authority::{
    IdentityKey, IdentityRoot, PeerIdentity, Region, TrustBundle, WebAuthority, WebNames,
};
use hearth_provisioning::region::{Advertised, HubConfig, RegionKeys};
use minicbor::bytes::ByteVec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use uuid::Uuid;

/// The region.
pub(super) const REGION: Uuid = Uuid::from_u128(0x5eed);

/// What signs in the region whose hub listens at this address.
pub(super) fn certifier(seed: u64, address: &str, now: Timestamp) -> anyhow::Result<Arc<Certifier>> {
    let rng = &mut StdRng::seed_from_u64(seed);
    let region = Region { id: REGION, name: "North Vale".to_owned() };
    let root = IdentityRoot::create(&region, rng, now)?;
    let names = WebNames { domain: "vale.hearth.internal".into(), hosts: vec![], addresses: vec![] };
    let web = WebAuthority::create(&region, &names, rng, now)?;
    let web_roots = TrustBundle::from_pem(&web.certificate_pem())?;
    let keys = RegionKeys {
        issuing: root.issuing_authority(&region, rng, now)?,
        identity_roots: TrustBundle::new(vec![root.certificate().clone()]),
        web,
        web_roots,
    };
    let advertised = Advertised {
        addresses: vec![address.to_owned()],
        server_name: HubConfig::SERVER_NAME.into(),
        admin_names: vec![],
    };
    Ok(Arc::new(Certifier::new(region, &advertised, keys)?))
}

/// An installation that was enrolled, and what the hub knows it by.
pub(super) struct Enrolled {
    pub(super) install: Install,
    pub(super) peer: PeerIdentity,
    /// The certificates that say with which key it signs.
    pub(super) signer: Signer,
}

/// Enrols an installation. Its key is Ed25519, whose signatures have one length: the sizes of messages then do not depend
/// on chance. Pages are not simulated, so there is no key for them.
pub(super) fn enrol(
    certifier: &Certifier,
    seed: u64,
    site: (SiteId, SiteKind),
    id: InstallId,
    now: Timestamp,
) -> anyhow::Result<Enrolled> {
    let rng = &mut StdRng::seed_from_u64(seed ^ u64::from(id.0));
    let key = ByteVec::from(IdentityKey::generate(rng)?.to_der().secret_der().to_vec());
    let keys: InstallKeys = minicbor::decode(&minicbor::to_vec((key, ByteVec::from(Vec::new())))?)?;
    let csr = keys.requests(&[])?.csr;
    let requests = SigningRequests { csr, web_csr: Vec::new(), web_names: Vec::new() };
    let (certificates, peer) = certifier.certify(&requests, site.0, id, rng, now)?;
    let chain = certificates.identity_chain.iter().map(|der| CertificateBytes(der.to_vec())).collect();
    let signer = Signer { install: id, chain };
    let terms = certifier.terms();
    let granted = Granted {
        install: id,
        site: site.0,
        kind: site.1,
        site_name: site.0.to_string(),
        region: REGION,
        region_name: terms.region_name.clone(),
        addresses: terms.addresses.clone(),
        server_name: terms.server_name.clone(),
        certificates,
        time: now,
    };
    Ok(Enrolled { install: Install::new(keys, granted), peer, signer })
}

/// The key of the machines, the same for all: the file that it would seal is not simulated.
pub(super) fn platform() -> anyhow::Result<PlatformKey> {
    static KEY: OnceLock<PlatformKey> = OnceLock::new();
    if let Some(key) = KEY.get() {
        return Ok(key.clone());
    }
    let folder = tempfile::tempdir().context("no folder for the machine's key")?;
    let key = PlatformKey::load(None::<&Path>, folder.path(), &Random::seeded(1))?;
    Ok(KEY.get_or_init(|| key).clone())
}
