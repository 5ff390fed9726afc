//! A hub's database for unit tests, and installations that write as a node does.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use hearth_protocol::access::SiteKind;
use hearth_protocol::document::{self, Tip};
use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId, StaffId};
use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{
    ChangeGroup, ChangeResult, FeedNumber, RegionId, RevokeMode, ScopedChange, Sequence,
};
use hearth_provisioning::authority::{IdentityRoot, Region, TrustBundle, WebAuthority, WebNames};
use hearth_provisioning::region::{Advertised, HubConfig, RegionKeys};
use rand::rngs::StdRng;
use uuid::Uuid;

use crate::enrol::Certifier;
use crate::ingest::{self, Push, Pushed};
use crate::store::{Store, StoreError, StoreOptions};
use crate::{grants, region, sites};

/// 21 September 2026.
pub(crate) const NOW: Timestamp = Timestamp(1_790_000_000_000);
pub(crate) const HUB: InstallId = InstallId(0xffff_0001);
pub(crate) const REGION: Uuid = Uuid::from_u128(1);

pub(crate) fn site(code: &str) -> SiteId {
    code.parse().unwrap()
}

pub(crate) fn resident(number: u128) -> ResidentId {
    ResidentId(Uuid::from_u128(number))
}

pub(crate) fn scope(person: u128, section: Section) -> Scope {
    Scope::of_resident(resident(person), section, NOW).unwrap()
}

pub(crate) fn entry(id: EntryId, at: Timestamp) -> Entry {
    Entry {
        id,
        happened: at,
        recorded: at,
        author: Author { staff: StaffId(7), role: Role::Nurse, name: "A. Nurse".into() },
        origin: Origin::Site(site("VL1AB")),
        thread: None,
        replaces: Vec::new(),
        body: Body::EnteredInError(EnteredInError { reason: format!("entry {}", id.counter) }),
    }
}

/// The key with which an installation of these tests signs.
pub(crate) fn signing_key(install: u32) -> SigningKey {
    let mut seed = [0; 32];
    seed[..4].copy_from_slice(&install.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

fn public_key(install: u32) -> [u8; 32] {
    signing_key(install).verifying_key().to_bytes()
}

/// The authorities of the region, and what its hub advertises.
pub(crate) fn certifier(rng: &mut StdRng) -> Certifier {
    let region = Region { id: REGION, name: "North Vale".to_owned() };
    let root = IdentityRoot::create(&region, rng, NOW).unwrap();
    let names = WebNames { domain: "vale.hearth.internal".into(), hosts: vec![], addresses: vec![] };
    let web = WebAuthority::create(&region, &names, rng, NOW).unwrap();
    let web_roots = TrustBundle::from_pem(&web.certificate_pem()).unwrap();
    let keys = RegionKeys {
        issuing: root.issuing_authority(&region, rng, NOW).unwrap(),
        identity_roots: TrustBundle::new(vec![root.certificate().clone()]),
        web,
        web_roots,
    };
    let advertised = Advertised {
        addresses: vec!["hub.example.test:4433".into()],
        server_name: HubConfig::SERVER_NAME.into(),
        admin_names: vec![],
    };
    Certifier::new(region, &advertised, keys).unwrap()
}

/// A database with one region.
pub(crate) struct TestHub {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) store: Store,
}

impl TestHub {
    pub(crate) async fn new() -> Self {
        Self::with(&StoreOptions::default()).await
    }

    pub(crate) async fn with(options: &StoreOptions) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path().join("hub.db"), options).unwrap();
        store.write(|t| region::begin(t, RegionId(REGION), HUB)).await.unwrap();
        Self { folder, store }
    }

    /// Closes the database as a killed process would leave it to the next, and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        self.store = Store::open(self.folder.path().join("hub.db"), &StoreOptions::default()).unwrap();
    }

    /// Adds a site with one installation.
    pub(crate) async fn add_site(&self, code: &str, kind: SiteKind, install: u32) {
        let code = site(code);
        let added = self.store.write(move |t| {
            sites::add(t, code, kind, "Home", NOW)?;
            sites::add_install(t, InstallId(install), code, &public_key(install), NOW)
        });
        added.await.unwrap();
    }

    pub(crate) async fn add_install(&self, code: &str, install: u32) {
        let code = site(code);
        self.store
            .write(move |t| sites::add_install(t, InstallId(install), code, &public_key(install), NOW))
            .await
            .unwrap();
    }

    pub(crate) async fn assign(&self, code: &str, person: u128) {
        let code = site(code);
        let assigned = self.store.write(move |t| {
            grants::add_resident(t, resident(person), NOW)?;
            grants::assign(t, code, resident(person), NOW)
        });
        assigned.await.unwrap();
    }

    pub(crate) async fn revoke(&self, code: &str, person: u128, mode: RevokeMode) -> Result<(), StoreError> {
        let code = site(code);
        self.store.write(move |t| grants::revoke(t, code, resident(person), mode, NOW)).await
    }

    pub(crate) async fn try_push(
        &self,
        install: u32,
        changes: Vec<ScopedChange>,
    ) -> Result<Pushed, StoreError> {
        let push = Push::check(vec![ChangeGroup { changes }]);
        self.store.write(move |t| ingest::push(t, InstallId(install), push, NOW)).await
    }

    /// Pushes and returns the results; the installation must be admitted.
    pub(crate) async fn push(&self, install: u32, changes: Vec<ScopedChange>) -> Vec<ChangeResult> {
        match self.try_push(install, changes).await.unwrap() {
            Pushed::Judged(results) => results,
            Pushed::Refused(code) => panic!("refused: {code:?}"),
        }
    }

    /// An entry that the hub writes itself.
    pub(crate) async fn append(&self, scope: Scope) -> Result<Sequence, StoreError> {
        let appended = self.store.write(move |t| {
            let id = region::next_entry(t)?;
            ingest::append(t, scope, vec![entry(id, NOW)], NOW)
        });
        appended.await
    }

    pub(crate) async fn count(&self, table: &'static str) -> u64 {
        let count = self
            .store
            .read(move |c| Ok(c.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?));
        count.await.unwrap()
    }

    pub(crate) async fn head(&self, code: &str) -> FeedNumber {
        let code = site(code);
        self.store.read(move |c| Ok(crate::feed::level(c, code)?.unwrap().head)).await.unwrap()
    }
}

/// An installation that writes: it knows the tips of the documents that it has seen.
#[derive(Clone, Debug)]
pub(crate) struct Pen {
    pub(crate) install: InstallId,
    counter: u64,
    tips: BTreeMap<Scope, Tip>,
}

impl Pen {
    pub(crate) fn new(install: u32) -> Self {
        Self { install: InstallId(install), counter: 0, tips: BTreeMap::new() }
    }

    pub(crate) fn next_id(&mut self) -> EntryId {
        self.counter += 1;
        EntryId { install: self.install, counter: self.counter }
    }

    /// One entry: the change that adds it, after the first change of its document where that is needed.
    pub(crate) fn write(&mut self, scope: Scope) -> Vec<ScopedChange> {
        let entry = entry(self.next_id(), NOW);
        self.add(scope, vec![entry])
    }

    pub(crate) fn add(&mut self, scope: Scope, entries: Vec<Entry>) -> Vec<ScopedChange> {
        let mut changes = Vec::new();
        let mut tip = self.tips.remove(&scope).unwrap_or_default();
        if tip.heads.is_empty() {
            let genesis = document::genesis(scope.section());
            tip.advance(self.install, &genesis);
            changes.push(ScopedChange { scope, change: genesis.to_stored() });
        }
        let change = document::add(self.install, scope.section(), &mut tip, entries).unwrap();
        changes.push(ScopedChange { scope, change: change.to_stored() });
        self.tips.insert(scope, tip);
        changes
    }
}

pub(crate) fn subject_site(code: &str, section: Section) -> Scope {
    Scope::try_new(Subject::Site(site(code)), section, None).unwrap()
}
