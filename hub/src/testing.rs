//! A hub's database for unit tests, and installations that write as a node does.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use hearth_protocol::access::SiteKind;
use hearth_protocol::document::{self, Tip};
use hearth_protocol::head::{Run, SignedHead, Writer};
use hearth_protocol::id::{ChangeHash, EntryId, InstallId, ResidentId, SiteId, StaffId};
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
use crate::heads::HeadKeys;
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

/// The keys with which the hub of these tests signs its own entries.
pub(crate) fn head_keys() -> HeadKeys {
    HeadKeys::from_secret([9; 32])
}

/// The heads that a node signs for a push of its own changes, from how far it had signed before.
pub(crate) fn heads(
    install: InstallId,
    key: &SigningKey,
    signed: impl Fn(Scope) -> Run,
    changes: &[ScopedChange],
) -> Vec<SignedHead> {
    let mut by_scope: BTreeMap<Scope, BTreeMap<u64, ChangeHash>> = BTreeMap::new();
    for change in changes {
        let checked = document::check(change.scope.section(), change.change.hash, &change.change.bytes);
        if let Some(checked) = checked.ok().filter(|checked| checked.install == install) {
            by_scope.entry(change.scope).or_default().insert(checked.seq, checked.hash);
        }
    }
    let heads = by_scope.into_iter().map(|(scope, changes)| {
        let base = signed(scope);
        let run = changes.range(base.seq + 1..).fold(base, |run, (_, hash)| run.then(*hash));
        let signature = Writer { region: RegionId(REGION), scope, install }.sign(run, key);
        SignedHead { scope, install, seq: run.seq, hash: run.hash, signature, after: Vec::new() }
    });
    heads.filter(|head| head.seq > 0).collect()
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
        let options = StoreOptions { head_keys: Some(head_keys()), ..options.clone() };
        let store = Store::open(folder.path().join("hub.db"), &options).unwrap();
        store.write(|t| region::begin(t, RegionId(REGION), HUB)).await.unwrap();
        Self { folder, store }
    }

    /// Closes the database as a killed process would leave it to the next, and opens it again.
    pub(crate) async fn reopen(&mut self) {
        self.store.close().await;
        let options = StoreOptions { head_keys: Some(head_keys()), ..StoreOptions::default() };
        self.store = Store::open(self.folder.path().join("hub.db"), &options).unwrap();
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
        let push = self.signed(changes).await?;
        self.store.write(move |t| ingest::push(t, InstallId(install), push, NOW)).await
    }

    /// A push in which every writer has signed for its changes, upon what the hub knows to be signed.
    pub(crate) async fn signed(&self, changes: Vec<ScopedChange>) -> Result<Push, StoreError> {
        let checked = changes.iter().filter_map(|change| {
            let stored = &change.change;
            document::check(change.scope.section(), stored.hash, &stored.bytes).ok()
        });
        let writers: BTreeSet<InstallId> = checked.map(|change| change.install).collect();
        let scopes: BTreeSet<Scope> = changes.iter().map(|change| change.scope).collect();
        let (mut all, mut keys) = (Vec::new(), BTreeMap::new());
        for writer in writers.into_iter().filter(|writer| *writer != InstallId::GENESIS) {
            let scopes = scopes.clone();
            let signed = self.store.read(move |c| {
                let read = |scope: Scope| Ok((scope, crate::heads::signed(c, scope, writer)?));
                scopes.into_iter().map(read).collect::<Result<BTreeMap<_, _>, StoreError>>()
            });
            let signed = signed.await?;
            let run = |scope| signed[&scope].map(|(run, _)| run).unwrap_or_default();
            let key = if writer == HUB { head_keys().key(HUB) } else { signing_key(writer.0) };
            all.extend(heads(writer, &key, run, &changes));
            keys.insert(writer, key.verifying_key());
        }
        Ok(Push::check(vec![ChangeGroup { changes }], all, RegionId(REGION), &keys))
    }

    /// Pushes with these heads, whoever signed them.
    pub(crate) async fn push_with(
        &self,
        install: u32,
        changes: Vec<ScopedChange>,
        heads: Vec<SignedHead>,
    ) -> Result<Pushed, StoreError> {
        let id = InstallId(install);
        let keys = BTreeMap::from([(id, signing_key(install).verifying_key())]);
        let push = Push::check(vec![ChangeGroup { changes }], heads, RegionId(REGION), &keys);
        self.store.write(move |t| ingest::push(t, id, push, NOW)).await
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

    /// Takes note of changes of others.
    pub(crate) fn see(&mut self, changes: &[ScopedChange]) {
        for change in changes {
            let stored = &change.change;
            let checked = document::check(change.scope.section(), stored.hash, &stored.bytes).unwrap();
            self.tips.entry(change.scope).or_default().advance(self.install, &checked);
        }
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
