//! A made-up home for the tests of pages: staff with PINs, two residents with what their pages show.

use std::collections::BTreeMap;

use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, Version};
use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, ResidentId, StaffId};
use hearth_protocol::record::coded::{Coded, System};
use hearth_protocol::record::identity::{Demographics, Gender, PersonName, Placement, Security};
use hearth_protocol::record::medicines::{
    Days, Decimal, Dose, Order, PrnProtocol, Quantity, Schedule, Timing,
};
use hearth_protocol::record::notes::{Incident, Note};
use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
use hearth_protocol::record::plan::Baseline;
use hearth_protocol::record::safety::{
    Allergy, AllergyStatus, CprDecision, Criticality, Reaction, Resuscitation, Severity,
};
use hearth_protocol::record::site::{RegisterLine, StaffMember, Task, register};
use hearth_protocol::record::{Author, Body, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::sync::node::Settled;
use hearth_protocol::wire::message::{ChangeResult, Sequence};
use tempfile::TempDir;
use uuid::Uuid;

use crate::clock::Clock;
use crate::keys::DataKey;
use crate::random::Random;
use crate::records::{Draft, OutboxOrder, Records, Requester, Site};
use crate::store::{Store, StoreError};
use crate::web::session::SessionLimits;
use crate::web::{Web, WebConfig};

pub(super) const MARGARET: ResidentId =
    ResidentId(Uuid::from_u128(0x0190_aaaa_0000_7000_8000_0000_0000_0001));
pub(super) const ALBERT: ResidentId = ResidentId(Uuid::from_u128(0x0190_aaaa_0000_7000_8000_0000_0000_0002));
pub(super) const PIN: &str = "271828";
pub(super) const CARER: StaffId = StaffId(1);
pub(super) const NURSE: StaffId = StaffId(2);
pub(super) const PHARMACIST: StaffId = StaffId(3);
pub(super) const MANAGER: StaffId = StaffId(9);
pub(super) const HOST: &str = "rose.example";

/// A node of one home, whose database can be closed and opened again.
pub(super) struct Home {
    pub(super) records: Records,
    pub(super) web: Web,
    pub(super) clock: Clock,
    key: DataKey,
    site: Site,
    directory: TempDir,
}

impl Home {
    pub(super) async fn new(kind: SiteKind, clock: Clock) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = DataKey::generate(&Random::seeded(1));
        let site = Site { kind, ..crate::records::sample::site() };
        let (records, web) = open(&directory, &key, &site, &clock);
        let home = Self { records, web, clock, key, site, directory };
        home.fill().await;
        home
    }

    /// The same home after the power came back.
    pub(super) fn reopened(self) -> Self {
        let Self { records, web, clock, key, site, directory } = self;
        drop((records, web));
        let (records, web) = open(&directory, &key, &site, &clock);
        Self { records, web, clock, key, site, directory }
    }

    async fn fill(&self) {
        let ids = [MARGARET, ALBERT];
        let granted = self.records.store().write(move |tx| {
            for id in ids {
                let sql = "INSERT INTO resident (id, state, since) VALUES (?1, 'granted', 0)";
                tx.execute(sql, [id.0.as_bytes()])?;
            }
            Ok::<_, StoreError>(())
        });
        granted.await.unwrap();
        let site = Subject::Site(self.site.id);
        for member in staff() {
            self.add(site, Section::Roster, -60, Body::StaffMember(member)).await;
        }
        if self.site.kind == SiteKind::CareHome {
            self.fill_margaret().await;
            self.fill_albert().await;
        }
    }

    async fn fill_margaret(&self) {
        let who = Subject::Resident(MARGARET);
        let named = person("Smith", "Margaret", "Mrs", Some("Peggy"), "1938-08-14", "9990000018");
        self.add(who, Section::Identity, -9000, Body::Demographics(named)).await;
        self.add(who, Section::Identity, -9000, room("12")).await;
        self.add(who, Section::Safety, -9000, Body::Allergy(penicillin())).await;
        self.add(who, Section::Safety, -9000, resuscitation()).await;
        let baseline = Baseline {
            news2: 1,
            agreed_by: Some("Dr Patel".into()),
            agreed: None,
            review: None,
            check_hours: None,
        };
        self.add(who, Section::Plan, -9000, Body::Baseline(baseline)).await;
        self.add(who, Section::Observations, -180, Body::VitalSigns(unwell())).await;
        let note = Note { category: "food".into(), text: "Ate half of her lunch.".into(), important: true };
        self.add(who, Section::Notes, -120, Body::Note(note)).await;
        let text = "Found beside his bed.".to_owned();
        let fall = Incident { kind: "fall".into(), text, head_injury: Some(true), ..Incident::default() };
        self.add(Subject::Resident(ALBERT), Section::Notes, -150, Body::Incident(fall)).await;
        let task = Task { resident: Some(ALBERT), text: "Ring the optician".into(), ..Task::default() };
        self.add(Subject::Site(self.site.id), Section::Tasks, -60, Body::Task(task)).await;
        for order in [levodopa(self), paracetamol(), morphine(self)] {
            self.add(who, Section::Medicines, -9000, Body::Order(order)).await;
        }
        let received = RegisterLine {
            resident: MARGARET,
            page: register::page_name(&morphine(self)),
            change: Decimal::whole(28),
            counted: Some(Decimal::whole(28)),
            reason: "received".into(),
            witness: Some(Author { staff: NURSE, role: Role::Nurse, name: "Nia Nurse".into() }),
            lease: None,
            note: Some("From the pharmacy".into()),
        };
        let site = Subject::Site(self.site.id);
        self.add(site, Section::CdRegister, -8900, Body::RegisterLine(received)).await;
    }

    async fn fill_albert(&self) {
        let who = Subject::Resident(ALBERT);
        let named = person("Okonkwo-Featherstonehaugh", "Albert", "Mr", None, "1931-02-03", "9000000009");
        self.add(who, Section::Identity, -9000, Body::Demographics(named)).await;
        self.add(who, Section::Identity, -9000, room("3")).await;
        self.add(who, Section::Medicines, -9000, Body::Order(levodopa(self))).await;
    }

    /// Writes an entry that happened so many minutes from now.
    pub(super) async fn add(&self, subject: Subject, section: Section, minutes: i64, body: Body) -> EntryId {
        let happened = self.clock.now().plus_ms(minutes * 60_000);
        let draft = Draft { subject, section, happened, thread: None, replaces: Vec::new(), body };
        let key = self.web.form_key().to_string().parse().unwrap();
        self.records.add(&manager(), key, vec![draft]).await.unwrap().ids[0]
    }

    /// Everything that was written here has reached the hub.
    pub(super) async fn reach_hub(&self) {
        let outbox = self.records.outbox(&OutboxOrder::default(), 0, usize::MAX).await.unwrap();
        let mut places = BTreeMap::new();
        let changes = outbox.groups.into_iter().flat_map(|group| group.group.changes);
        let settled = changes.map(|one| {
            let place = places.entry(one.scope).or_insert(0);
            *place += 1;
            let result = ChangeResult::Accepted(Sequence(*place));
            Settled { scope: one.scope, hash: one.change.hash, result }
        });
        let settled = settled.collect();
        self.records.settle(settled).await.unwrap();
    }

    /// The threads of a resident's orders, by the start of their name.
    pub(super) async fn order(&self, resident: ResidentId, name: &str) -> EntryId {
        let subject = Subject::Resident(resident);
        let entries = self.records.entries(subject, &[Section::Medicines], None).await.unwrap();
        let is_named = |body: &Body| matches!(body, Body::Order(o) if o.medicine.display.starts_with(name));
        entries.iter().find(|entry| is_named(&entry.body)).unwrap().id
    }
}

fn open(directory: &TempDir, key: &DataKey, site: &Site, clock: &Clock) -> (Records, Web) {
    let store = Store::open(&directory.path().join("node.db"), key, clock).unwrap();
    let records = Records::new(store, clock.clone(), site.clone());
    let hosts = vec![HOST.to_owned(), "localhost".to_owned()];
    let config = WebConfig { hosts, sessions: SessionLimits::default() };
    let web = Web::new(records.clone(), Random::seeded(2), config);
    (records, web)
}

fn manager() -> Requester {
    Requester { staff: MANAGER, role: Role::Manager, name: "Mo Manager".into(), device: 1, session: 1 }
}

fn staff() -> Vec<StaffMember> {
    let member = |staff, name: &str, role| StaffMember {
        staff,
        name: name.to_owned(),
        role,
        active: true,
        pin: Some(verifier(PIN)),
        until: None,
        registration: None,
        new_pin: false,
        agency: None,
    };
    vec![
        member(CARER, "Ann Carer", Role::Carer),
        member(NURSE, "Nia Nurse", Role::Nurse),
        member(MANAGER, "Mo Manager", Role::Manager),
        member(PHARMACIST, "Phil Pharmacist", Role::Pharmacist),
    ]
}

/// Cheap parameters: the tests check many PINs, and the parameters come with the verifier.
fn verifier(pin: &str) -> String {
    let params = Params::new(8, 1, 1, None).unwrap();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon2.hash_password_with_salt(pin.as_bytes(), b"salt of the tests").unwrap().to_string()
}

fn person(
    family: &str,
    given: &str,
    title: &str,
    preferred: Option<&str>,
    born: &str,
    nhs_number: &str,
) -> Demographics {
    Demographics {
        name: PersonName {
            family: family.into(),
            given: vec![given.into()],
            title: Some(title.into()),
            preferred: preferred.map(str::to_owned),
        },
        nhs_number: Some(nhs_number.parse().unwrap()),
        nhs_number_status: None,
        birth_date: Some(born.parse().unwrap()),
        gender: if title == "Mr" { Gender::Male } else { Gender::Female },
        died: None,
        address: None,
        phone: None,
        practice: None,
        contacts: Vec::new(),
        security: Security::Unrestricted,
        photo: None,
        communication: None,
    }
}

fn room(room: &str) -> Body {
    Body::Placement(Placement { room: Some(room.into()), arrived: None, left: None, away: None })
}

fn penicillin() -> Allergy {
    let seen = ["rash", "wheeze"].map(Coded::text).to_vec();
    Allergy {
        substance: Coded::new(System::Snomed, "764146007", "Penicillin"),
        category: None,
        criticality: Some(Criticality::High),
        status: AllergyStatus::Confirmed,
        reactions: vec![Reaction { manifestations: seen, severity: Some(Severity::Severe), when: None }],
        intolerance: false,
        note: None,
    }
}

fn resuscitation() -> Body {
    Body::Resuscitation(Resuscitation {
        decision: CprDecision::DoNotAttempt,
        signed: Some("2026-03-02".parse().unwrap()),
        clinician: Some("Dr Patel".into()),
        form: Some("ReSPECT".into()),
        paper: Some("Red folder in the office".into()),
        review: None,
        withdrawn: None,
        paper_seen: None,
    })
}

fn unwell() -> VitalSigns {
    VitalSigns {
        respiratory_rate: Some(22),
        oxygen_saturation: Some(93),
        breathing: Some(Breathing::Air),
        systolic: Some(104),
        diastolic: Some(60),
        pulse: Some(112),
        consciousness: Some(Consciousness::Alert),
        temperature_tenths: Some(384),
        note: None,
        device: None,
    }
}

fn quantity(value: &str, unit: &str) -> Quantity {
    Quantity { value: value.parse().unwrap(), unit: unit.into() }
}

fn order(name: &str, strength: &str, dose: Dose, timing: Timing) -> Order {
    Order {
        strength: Some(strength.into()),
        form: Some("tablet".into()),
        route: Some(Coded::text("Oral")),
        prescriber: Some("Dr Patel".into()),
        ..Order::new(Coded::text(name), dose, timing)
    }
}

/// Due at the last full hour.
fn due_now(home: &Home) -> Timing {
    let now = home.clock.now().in_zone();
    let hour = u8::try_from(now.hour()).unwrap();
    let times = vec![hearth_protocol::time::TimeOfDay::new(hour, 0).unwrap()];
    Timing::Times { times, days: Days::Daily }
}

fn levodopa(home: &Home) -> Order {
    Order {
        time_critical_minutes: Some(30),
        indication: Some("Parkinson's disease".into()),
        instructions: Some("30 minutes before food".into()),
        ..order("Co-careldopa", "25mg/100mg", Dose::Fixed(quantity("1", "tablet")), due_now(home))
    }
}

fn paracetamol() -> Order {
    let protocol = PrnProtocol {
        indication: Some("Pain".into()),
        interval_minutes: Some(240),
        doses_per_day: Some(4),
        ..PrnProtocol::default()
    };
    Order {
        prn: Some(protocol),
        ..order("Paracetamol", "500mg", Dose::Fixed(quantity("2", "tablet")), Timing::WhenRequired)
    }
}

fn morphine(home: &Home) -> Order {
    Order {
        schedule: Some(Schedule::Two),
        ..order("Morphine", "10mg", Dose::Fixed(quantity("10", "mg")), due_now(home))
    }
}
