//! A region with thousands of sites, written straight into a hub's database: enrolling each would measure something else.

use std::path::Path;

use anyhow::Context as _;
use hearth_hub::clock::Clock;
use hearth_hub::store::{Store, StoreError, StoreOptions};
use hearth_hub::{grants, heads, sites};
use hearth_node::install::{Install, InstallKeys};
use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::{Certificates, Granted};
use hearth_protocol::head::Signer;
use hearth_protocol::id::{InstallId, ResidentId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::CertificateBytes;
use hearth_provisioning::authority::PeerIdentity;
use hearth_provisioning::region::{HubConfig, RegionFolder, RegionKeys};
use rusqlite::Transaction;

use super::FAN;
use crate::region::{Options, Region};

/// Numbers of the installations begin here.
const FIRST_INSTALL: u32 = 1 << 20;

/// A region whose hub runs.
pub(super) struct World {
    region: Region,
    sites: Vec<SiteOf>,
}

/// A site as it was written into the database.
pub(super) struct SiteOf {
    pub(super) install: Install,
    /// The resident of whom this site writes.
    pub(super) resident: ResidentId,
}

impl World {
    /// Makes a region in an empty folder. Site n writes of resident n, whom the next [`FAN`] sites hold too.
    pub(super) async fn prepare(folder: &Path, count: u32) -> anyhow::Result<Self> {
        let options = Options { log: "warn".into(), ..Options::default() };
        let mut region = Region::create(folder, "Wide Vale", options).await?;
        region.stop_hub().await?;
        let place = RegionFolder::new(folder.join("region"));
        let config = place.config()?;
        let keys = place.keys(&config)?;
        let now = Clock::system().now();
        let sites = (0..count).map(|number| SiteOf::new(number, &config, &keys, now));
        let sites: Vec<SiteOf> = sites.collect::<anyhow::Result<_>>()?;
        let store = Store::open(region.hub_data().join("hub.db"), &StoreOptions::default())?;
        for site in &sites {
            // Waiting for each commit would take minutes; works are done in the order in which they are put in.
            drop(store.submit(site.write(now)?).await?);
        }
        for (number, site) in sites.iter().enumerate() {
            let resident = site.resident;
            let others = sites.iter().cycle().skip(number).take(FAN + 1);
            let holders: std::collections::BTreeSet<SiteId> =
                others.map(|site| site.install.site().id).collect();
            let assign = move |t: &Transaction<'_>| {
                holders.iter().try_for_each(|site| grants::assign(t, *site, resident, now))
            };
            drop(store.submit(assign).await?);
        }
        store.write(|_| Ok(())).await?;
        store.close().await;
        region.start_hub().await?;
        Ok(Self { region, sites })
    }

    pub(super) fn region(&self) -> &Region {
        &self.region
    }

    pub(super) fn sites(&self) -> &[SiteOf] {
        &self.sites
    }
}

impl SiteOf {
    fn new(number: u32, config: &HubConfig, keys: &RegionKeys, now: Timestamp) -> anyhow::Result<Self> {
        let (site, install) = (format!("W{number:05}").parse()?, InstallId(FIRST_INSTALL + number));
        let own = InstallKeys::generate()?;
        let chain = keys.issuing.node_chain(&own.requests(&[])?.csr, site, install, &mut rand::rng(), now)?;
        let ders =
            |all: &[rustls_pki_types::CertificateDer<'_>]| all.iter().map(|c| c.to_vec().into()).collect();
        let granted = Granted {
            install,
            site,
            kind: SiteKind::CareHome,
            site_name: format!("Home {site}"),
            region: config.region.id,
            region_name: config.region.name.clone(),
            addresses: config.advertised.addresses.clone(),
            server_name: config.advertised.server_name.clone(),
            certificates: Certificates {
                identity_chain: ders(&chain),
                identity_roots: ders(keys.identity_roots.roots()),
                web_chain: Vec::new(),
                web_roots: Vec::new(),
            },
            time: now,
        };
        Ok(Self { install: Install::new(own, granted), resident: resident(number) })
    }

    /// Writes the site, its installation and its resident.
    fn write(
        &self,
        now: Timestamp,
    ) -> anyhow::Result<impl FnOnce(&Transaction<'_>) -> Result<(), StoreError> + Send + use<>> {
        let (chain, _) = self.install.identity();
        let peer = PeerIdentity::from_der(chain.first().context("a chain without a certificate")?)?;
        let (site, resident) = (self.install.site(), self.resident);
        Ok(move |t: &Transaction<'_>| {
            sites::add(t, site.id, site.kind, &site.name, now)?;
            sites::add_install(t, site.install, site.id, &peer.public_key, now)?;
            sites::add_certificate(t, site.install, peer.fingerprint, now, peer.not_after)?;
            let chain = chain.iter().map(|der| CertificateBytes(der.to_vec())).collect();
            heads::note_signer(t, &Signer { install: site.install, chain })?;
            grants::add_resident(t, resident, now)
        })
    }
}

fn resident(number: u32) -> ResidentId {
    let hash = blake3::hash(&number.to_be_bytes());
    let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    ResidentId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}
