//! A hub's database with one care home, a gateway, and a main care record that really runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use hearth_hub::clock::{Clock, ManualTime};
use hearth_hub::gateway::owed::{self, NewStates};
use hearth_hub::gateway::{ClientOptions, Gateway, Parts, Pass};
use hearth_hub::import::{self, Importer, Report};
use hearth_hub::ingest::{self, Push, Pushed};
use hearth_hub::random::Random;
use hearth_hub::store::{Store, StoreOptions};
use hearth_hub::{grants, records, region, sites};
use hearth_protocol::access::SiteKind;
use hearth_protocol::audit::Who;
use hearth_protocol::clinical::NhsNumber;
use hearth_protocol::document::{self, Tip};
use hearth_protocol::head::{Run, SignedHead, Writer};
use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId, StaffId};
use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{ChangeGroup, ChangeResult, DeliveryState, RegionId, ScopedChange};
use hearth_provisioning::region::{MainRecordAuth, MainRecordConfig};
use hearth_tests::generate::region::region as made_up;
use hearth_tests::main_record::{MainRecord, Settings, Software, Tenant};
use hearth_tests::outside::Life;
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

pub(crate) const SITE: &str = "VL1AB";
pub(crate) const NODE: InstallId = InstallId(7);
pub(crate) const REGION: Uuid = Uuid::from_u128(0x5eed);
/// How long the hub waits for an answer where a test holds the server still.
const PATIENCE: Duration = Duration::from_secs(5);
pub(crate) const SYSTEM: &str = "main";
pub(crate) const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

/// Somebody whom the main care record knows.
pub(crate) struct Person {
    /// The id of the Patient there.
    pub(crate) patient: String,
    /// What was sent there.
    pub(crate) bundle: Value,
    pub(crate) nhs_number: Option<NhsNumber>,
}

/// Everything that a test of the gateway needs.
pub(crate) struct World {
    pub(crate) server: MainRecord,
    pub(crate) tenant: Tenant,
    pub(crate) store: Store,
    pub(crate) gateway: Gateway,
    pub(crate) time: Arc<ManualTime>,
    pub(crate) clock: Clock,
    pub(crate) people: Vec<Person>,
    pub(crate) ids: Vec<ResidentId>,
    importer: Importer,
    config: MainRecordConfig,
    patience: Duration,
    folder: TempDir,
    pens: BTreeMap<Scope, Tip>,
    runs: BTreeMap<Scope, Run>,
    counter: u64,
}

impl World {
    /// A home of so many residents, all of whom the main care record knows and the hub has assigned.
    pub(crate) async fn new(residents: u16, settings: Settings) -> Self {
        Self::through(residents, settings, |base| base).await
    }

    /// The same, the hub reaching the record at another address than its own.
    pub(crate) async fn through(
        residents: u16,
        settings: Settings,
        address: impl FnOnce(String) -> String,
    ) -> Self {
        let mut world = Self::empty(settings, NHS_NUMBER, PATIENCE, address).await;
        for resident in made_up(11, 1, residents, world.clock.now()).residents {
            world.tenant.transaction(&resident.bundle).await.unwrap();
            let (patient, bundle, nhs_number) = (resident.patient, resident.bundle, resident.nhs_number);
            world.people.push(Person { patient, bundle, nhs_number });
        }
        world.assign().await;
        world
    }

    /// A home and its node, with nobody in it, and a main care record that is empty too.
    pub(crate) async fn empty(
        settings: Settings,
        asked_by: &str,
        patience: Duration,
        address: impl FnOnce(String) -> String,
    ) -> Self {
        let software = Software::ready().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("record");
        std::fs::create_dir(&data).unwrap();
        let server = MainRecord::start(&software, &data, settings).await.unwrap();
        let tenant = server.tenant("gateway");
        let now = Clock::system().now();
        let time = ManualTime::at(now);
        let clock = Clock::new(Arc::clone(&time) as Arc<_>);
        let store = Store::open(folder.path().join("hub.db"), &StoreOptions::default()).unwrap();
        begin(&store, now).await;
        let config = MainRecordConfig {
            name: SYSTEM.into(),
            base_url: address(server.base_url()),
            auth: MainRecordAuth::None,
            root_certificates: None,
            identifier_system: asked_by.into(),
            poll_seconds: 1,
        };
        let gateway = gateway(&store, &clock, &config, patience).await;
        let importer = Importer::new(store.clone(), clock.clone(), Random::seeded(6));
        let (people, ids, pens) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self {
            server,
            tenant,
            store,
            gateway,
            time,
            clock,
            people,
            ids,
            importer,
            config,
            patience,
            folder,
            pens,
            runs: BTreeMap::new(),
            counter: 0,
        }
    }

    /// Assigns everybody, who so far are only numbers.
    async fn assign(&mut self) {
        let numbers: Vec<Option<NhsNumber>> = self.people.iter().map(|one| one.nhs_number).collect();
        self.ids = (1..).map(|n| ResidentId(Uuid::from_u128(n))).take(numbers.len()).collect();
        let (residents, now) = (self.ids.clone(), self.clock.now());
        let assigned = self.store.write(move |t| {
            for (resident, number) in residents.iter().zip(numbers) {
                grants::add_resident(t, *resident, now)?;
                if let Some(number) = number {
                    let sql = "INSERT INTO nhs_number (number, resident) VALUES (?1, ?2)";
                    t.execute(sql, (number.to_plain(), resident.0.as_bytes()))?;
                }
                grants::assign(t, site(), *resident, now)?;
            }
            Ok(())
        });
        assigned.await.unwrap();
    }

    /// Brings somebody else's life to the main care record, and to the hub nothing but the Patient, as the home's own
    /// system exports it.
    pub(crate) async fn admit(&mut self, life: &Life) {
        for bundle in &life.bundles {
            let answers = self.tenant.transaction(bundle).await.unwrap();
            for answer in answers["entry"].as_array().unwrap() {
                let status = answer["response"]["status"].as_str().unwrap();
                assert!(status.starts_with("20"), "{status}");
            }
        }
        let asked_by = &self.config.identifier_system;
        let identifier = format!("{asked_by}|{}", life.identifier(asked_by).unwrap());
        let there = self.tenant.search("Patient", &[("identifier", &identifier)]).await.unwrap();
        let patient = there[0]["id"].as_str().unwrap().to_owned();
        self.people.push(Person { patient, bundle: Value::Null, nhs_number: None });
        let report = self.import("admissions", &life.patient).await;
        assert_eq!((report.created, report.parked_total), (1, 0), "{report:?}");
        self.ids.extend(report.residents);
    }

    /// Imports a file for the home.
    pub(crate) async fn import(&self, system: &str, resource: &Value) -> Report {
        let (system, site) = (system.to_owned(), Some(site()));
        let options = import::Options { system, site, dry_run: false, who: Who::System };
        self.importer.json(options, resource.to_string()).await.unwrap()
    }

    /// Closes the hub's database and opens it again, as another process would after a kill.
    pub(crate) async fn restart_hub(&mut self) {
        self.store.close().await;
        self.store = Store::open(self.folder.path().join("hub.db"), &StoreOptions::default()).unwrap();
        self.gateway = gateway(&self.store, &self.clock, &self.config, self.patience).await;
    }

    /// One pass that has to succeed.
    pub(crate) async fn pass(&self) -> Pass {
        let pass = self.gateway.pass().await.unwrap();
        assert_eq!(pass.failures, 0, "{:?}", self.last_error().await);
        pass
    }

    /// Passes, with time between them, until nothing waits any more.
    pub(crate) async fn settle(&self) {
        for _ in 0..40 {
            self.gateway.pass().await.unwrap();
            if self.count("SELECT count(*) FROM owed WHERE state = 'queued'").await == 0 {
                return;
            }
            self.time.advance(Duration::from_mins(10));
        }
        panic!("something still waits: {:?}", self.last_error().await);
    }

    pub(crate) async fn last_error(&self) -> Option<String> {
        let sql = "SELECT last_error FROM main_record";
        self.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }

    /// Why those are not found who are not.
    pub(crate) async fn troubles(&self) -> Vec<String> {
        let read = |c: &rusqlite::Connection| {
            let sql = "SELECT trouble FROM main_record_person WHERE trouble IS NOT NULL ORDER BY resident";
            let mut select = c.prepare(sql)?;
            let rows = select.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<_, _>>()?)
        };
        self.store.read(read).await.unwrap()
    }

    pub(crate) async fn count(&self, sql: &'static str) -> u64 {
        self.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }

    pub(crate) fn resident(&self, index: usize) -> &Person {
        &self.people[index]
    }

    /// The scope of a section of a resident, of this month where it has months.
    pub(crate) fn scope(&self, index: usize, section: Section) -> Scope {
        Scope::of_resident(self.ids[index], section, self.clock.now()).unwrap()
    }

    /// All entries of a section.
    pub(crate) async fn entries(&self, index: usize, section: Section) -> Vec<Entry> {
        let scope = self.scope(index, section);
        self.store.read(move |c| records::entries(c, scope)).await.unwrap()
    }

    /// The entries of a section that nothing has replaced.
    pub(crate) async fn newest(&self, index: usize, section: Section) -> Vec<Entry> {
        let scope = self.scope(index, section);
        self.store.read(move |c| records::newest(c, scope)).await.unwrap()
    }

    /// A nurse of the home writes something down, and the home's node sends it.
    pub(crate) async fn write(&mut self, index: usize, section: Section, body: Body) -> EntryId {
        self.replace(index, section, body, &[]).await
    }

    /// The same, in place of these entries.
    pub(crate) async fn replace(
        &mut self,
        index: usize,
        section: Section,
        body: Body,
        old: &[&Entry],
    ) -> EntryId {
        self.counter += 1;
        let id = EntryId { install: NODE, counter: self.counter };
        let now = self.clock.now();
        let entry = Entry {
            id,
            happened: now,
            recorded: now,
            author: Author { staff: StaffId(9), role: Role::Nurse, name: "A. Nurse".into() },
            origin: Origin::Site(site()),
            thread: old.first().map(|entry| entry.thread_id()),
            replaces: old.iter().map(|entry| entry.id).collect(),
            body,
        };
        self.push(self.scope(index, section), entry).await;
        id
    }

    async fn push(&mut self, scope: Scope, entry: Entry) {
        let mut changes = Vec::new();
        let tip = self.pens.entry(scope).or_default();
        if tip.heads.is_empty() {
            let genesis = document::genesis(scope.section());
            tip.advance(NODE, &genesis);
            changes.push(ScopedChange { scope, change: genesis.to_stored() });
        }
        let change = document::add(NODE, scope.section(), tip, vec![entry]).unwrap();
        changes.push(ScopedChange { scope, change: change.to_stored() });
        let run = self.runs.entry(scope).or_default();
        *run = run.then(change.hash);
        let signature = Writer { region: RegionId(REGION), scope, install: NODE }.sign(*run, &key());
        let (install, seq, hash) = (NODE, run.seq, run.hash);
        let head = SignedHead { scope, install, seq, hash, signature, after: Vec::new() };
        let keys = BTreeMap::from([(NODE, key().verifying_key())]);
        let push = Push::check(vec![ChangeGroup { changes }], vec![head], RegionId(REGION), &keys);
        let now = self.clock.now();
        let pushed = self.store.write(move |t| ingest::push(t, NODE, push, now)).await.unwrap();
        let Pushed::Judged(results) = pushed else { panic!("refused") };
        assert!(matches!(results.last(), Some(ChangeResult::Accepted(_))), "{results:?}");
    }

    /// What the node is told of an entry's way.
    pub(crate) async fn state(&self, entry: EntryId) -> DeliveryState {
        let NewStates { states, .. } = self.news(0).await;
        states.into_iter().find(|known| known.entry == entry).unwrap().state
    }

    pub(crate) async fn news(&self, after: u64) -> NewStates {
        self.store.read(move |c| owed::news(c, site(), after, 1000)).await.unwrap()
    }

    /// The resources in the main care record that carry an entry's identifier.
    pub(crate) async fn there(&self, kind: &str, entry: EntryId) -> Vec<Value> {
        let identifier = format!("urn:ietf:rfc:3986|urn:uuid:{}", entry.to_uuid(REGION));
        self.tenant.search(kind, &[("identifier", &identifier)]).await.unwrap()
    }

    /// The Provenance of a resource in the main care record.
    pub(crate) async fn provenance(&self, resource: &Value) -> Vec<Value> {
        self.tenant.search("Provenance", &[("target", &name(resource))]).await.unwrap()
    }
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

/// Type and id.
pub(crate) fn name(resource: &Value) -> String {
    format!("{}/{}", resource["resourceType"].as_str().unwrap(), resource["id"].as_str().unwrap())
}

pub(crate) fn site() -> SiteId {
    SITE.parse().unwrap()
}

async fn gateway(store: &Store, clock: &Clock, config: &MainRecordConfig, patience: Duration) -> Gateway {
    let options = ClientOptions {
        request: patience,
        headers: vec![("X-Tenant-ID".into(), "gateway".into())],
        ..ClientOptions::default()
    };
    let random = Random::seeded(5);
    let importer = Importer::new(store.clone(), clock.clone(), random.clone());
    let (store, clock) = (store.clone(), clock.clone());
    let parts = Parts { store, clock, random, importer, region: REGION };
    Gateway::new(std::slice::from_ref(config), &options, parts).await.unwrap()
}

/// The home and its node.
async fn begin(store: &Store, now: Timestamp) {
    let begun = store.write(move |t| {
        region::begin(t, RegionId(REGION), InstallId(0xffff_0001))?;
        sites::add(t, site(), SiteKind::CareHome, "Home", now)?;
        sites::add_install(t, NODE, site(), key().verifying_key().as_bytes(), now)
    });
    begun.await.unwrap();
}
