//! A year of a home's entries, written day by day through the node's own records.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use hearth_node::clock::ManualTime;
use hearth_node::records::{Draft, IdempotencyKey, Records, Requester};
use hearth_node::store::StoreError;
use hearth_protocol::clinical::dose_times;
use hearth_protocol::id::{EntryId, ResidentId, StaffId};
use hearth_protocol::record::identity::{Demographics, Gender, PersonName, Placement, Security};
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::medicines::{Days, Decimal, Dose, Order, PrnProtocol, Quantity, Timing};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
use hearth_protocol::record::plan::Baseline;
use hearth_protocol::record::safety::{Allergy, AllergyStatus};
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::record::{Body, Coded, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::{TimeOfDay, Timestamp};
use uuid::Uuid;

use super::PagesPlan;
use super::ask::{NURSE, PIN};
use crate::generate::dice::Dice;

/// Medicines that are given by the clock: nine medicines and 206 administrations a resident a month are usual
/// (Szczepura 2011); these seven doses a day are 210.
const REGULAR: [(&str, &[u8]); 6] = [
    ("Amlodipine", &[8]),
    ("Co-careldopa", &[8, 20]),
    ("Furosemide", &[8]),
    ("Omeprazole", &[8]),
    ("Ramipril", &[8]),
    ("Simvastatin", &[20]),
];
const WHEN_REQUIRED: [&str; 3] = ["Paracetamol", "Lactulose", "Senna"];
const DAY: Duration = Duration::from_hours(24);
const MORNING: Duration = Duration::from_mins(8 * 60 + 20);

/// Fills the node up to the morning round of the day after the last. Gives how many entries it has.
pub(super) async fn fill(
    records: &Records,
    time: &Arc<ManualTime>,
    plan: PagesPlan,
    told: &impl Fn(&str),
) -> anyhow::Result<u64> {
    let mut home = Filling { records, keys: 0, entries: 0 };
    home.staff().await?;
    let mut residents = Vec::new();
    for number in 0..plan.residents {
        residents.push(home.admit(number).await?);
    }
    let start = records.clock().now();
    for day in 0..plan.days {
        time.pass(DAY);
        let midnight = start.plus_ms(i64::from(day) * 86_400_000);
        for (number, (resident, orders)) in residents.iter().enumerate() {
            let mut dice = Dice::new(u64::from(day), &format!("pages/{number}"));
            home.add(of_day(*resident, orders, midnight, &mut dice)?).await?;
        }
        if day % 30 == 29 {
            told(&format!("{} of {} days are written", day + 1, plan.days));
        }
    }
    // In the middle of the morning round: about half of its doses are given.
    let today = records.clock().now();
    time.pass(MORNING);
    for (number, (resident, orders)) in residents.iter().enumerate() {
        let mut dice = Dice::new(u64::from(plan.days), &format!("pages/{number}"));
        let all = of_day(*resident, orders, today, &mut dice)?;
        let now = records.clock().now();
        home.add_uncounted(all.into_iter().filter(|draft| draft.happened < now).collect()).await?;
    }
    Ok(home.entries)
}

/// The number of a resident.
pub(super) fn resident(number: u16) -> ResidentId {
    ResidentId(Uuid::from_u128(0x0190_bbbb_0000_7000_8000_0000_0000_0000 + u128::from(number)))
}

struct Filling<'a> {
    records: &'a Records,
    keys: u64,
    entries: u64,
}

impl Filling<'_> {
    async fn staff(&mut self) -> anyhow::Result<()> {
        use argon2::{Argon2, PasswordHasher as _};
        let salt = b"salt of the bench";
        let pin = Argon2::default().hash_password_with_salt(PIN.as_bytes(), salt);
        let pin = pin.map_err(|error| anyhow::anyhow!("{error}"))?.to_string();
        let member = StaffMember {
            staff: NURSE,
            name: "Nia Nurse".to_owned(),
            role: Role::Nurse,
            active: true,
            pin: Some(pin),
            until: None,
            registration: None,
            new_pin: false,
            agency: None,
        };
        let site = Subject::Site(self.records.site().id);
        let now = self.records.clock().now();
        self.add_uncounted(vec![draft(site, Section::Roster, now, Body::StaffMember(member))]).await?;
        Ok(())
    }

    /// A resident with a base record. Gives the orders with their hours.
    async fn admit(&mut self, number: u16) -> anyhow::Result<(ResidentId, Vec<(EntryId, &'static [u8])>)> {
        let id = resident(number);
        let granted = self.records.store().write(move |tx| {
            let sql = "INSERT INTO resident (id, state, since) VALUES (?1, 'granted', 0)";
            tx.connection.execute(sql, [id.0.as_bytes()])?;
            Ok::<_, StoreError>(())
        });
        granted.await?;
        let (who, now) = (Subject::Resident(id), self.records.clock().now());
        let put = |section, body| draft(who, section, now, body);
        let mut drafts = vec![
            put(Section::Identity, Body::Demographics(person(number))),
            put(
                Section::Identity,
                Body::Placement(Placement {
                    room: Some((number + 1).to_string()),
                    arrived: None,
                    left: None,
                    away: None,
                }),
            ),
            put(Section::Safety, Body::Allergy(penicillin())),
            put(Section::Plan, Body::Baseline(usual())),
            put(Section::Notes, note("The first day.")),
        ];
        let first_order = drafts.len();
        for (name, hours) in REGULAR {
            let times: Option<Vec<TimeOfDay>> = hours.iter().map(|hour| TimeOfDay::new(*hour, 0)).collect();
            let timing = Timing::Times { times: times.context("an hour")?, days: Days::Daily };
            drafts.push(put(Section::Medicines, Body::Order(order(name, timing))));
        }
        for name in WHEN_REQUIRED {
            let protocol =
                PrnProtocol { interval_minutes: Some(240), doses_per_day: Some(4), ..Default::default() };
            let order = Order { prn: Some(protocol), ..order(name, Timing::WhenRequired) };
            drafts.push(put(Section::Medicines, Body::Order(order)));
        }
        let ids = self.add(drafts).await?;
        let orders = ids.into_iter().skip(first_order).zip(REGULAR.iter().map(|(_, hours)| *hours));
        Ok((id, orders.collect()))
    }

    async fn add(&mut self, drafts: Vec<Draft>) -> anyhow::Result<Vec<EntryId>> {
        self.entries += drafts.len() as u64;
        self.add_uncounted(drafts).await
    }

    async fn add_uncounted(&mut self, drafts: Vec<Draft>) -> anyhow::Result<Vec<EntryId>> {
        self.keys += 1;
        let key: IdempotencyKey = format!("fill-{:08}", self.keys).parse()?;
        let who = Requester {
            staff: StaffId(9),
            role: Role::Manager,
            name: "Mo Manager".into(),
            device: 1,
            session: 1,
        };
        Ok(self.records.add(&who, key, drafts).await?.ids)
    }
}

/// Seven doses, four notes and a set of observations.
fn of_day(
    id: ResidentId,
    orders: &[(EntryId, &'static [u8])],
    midnight: Timestamp,
    dice: &mut Dice,
) -> anyhow::Result<Vec<Draft>> {
    let who = Subject::Resident(id);
    let hour = |hour: i64, minutes: i64| midnight.plus_ms(hour * 3_600_000 + minutes * 60_000);
    let mut drafts = Vec::new();
    for (order, hours) in orders {
        for at in *hours {
            let time = TimeOfDay::new(*at, 0).context("an hour")?;
            let due = dose_times::moment(midnight.date(), time).context("a time that is no time")?;
            let late = i64::try_from(dice.below(40))? * 60_000;
            drafts.push(draft(who, Section::Mar, due.plus_ms(late), given(*order, due)));
        }
    }
    for at in [7, 12, 17, 22] {
        let words = "Ate and drank well, walked to the garden with her frame and was glad of the company.";
        drafts.push(draft(who, Section::Notes, hour(at, 10), note(words)));
    }
    drafts.push(draft(who, Section::Observations, hour(9, 0), vitals(dice)?));
    Ok(drafts)
}

fn draft(subject: Subject, section: Section, happened: Timestamp, body: Body) -> Draft {
    Draft { subject, section, happened, thread: None, replaces: Vec::new(), body }
}

fn note(text: &str) -> Body {
    Body::Note(Note { category: "general".into(), text: text.to_owned(), important: false })
}

fn given(order: EntryId, due: Timestamp) -> Body {
    Body::Administration(Administration {
        order,
        order_version: order,
        due: Some(due),
        outcome: Outcome::Given,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: "Ramipril 5 mg capsules".to_owned(),
        overridden: None,
    })
}

fn vitals(dice: &mut Dice) -> anyhow::Result<Body> {
    let mut from = |least: u16, range: u64| Ok::<_, anyhow::Error>(least + u16::try_from(dice.below(range))?);
    Ok(Body::VitalSigns(VitalSigns {
        respiratory_rate: Some(from(14, 6)?),
        oxygen_saturation: Some(from(95, 5)?),
        breathing: Some(Breathing::Air),
        systolic: Some(from(115, 40)?),
        diastolic: Some(from(60, 25)?),
        pulse: Some(from(60, 30)?),
        consciousness: Some(Consciousness::Alert),
        temperature_tenths: Some(from(362, 12)?),
        note: None,
        device: None,
    }))
}

fn order(name: &str, timing: Timing) -> Order {
    let tablet = Quantity { value: Decimal::whole(1), unit: "tablet".into() };
    Order {
        strength: Some("5 mg".into()),
        form: Some("tablet".into()),
        route: Some(Coded::text("Oral")),
        prescriber: Some("Dr Patel".into()),
        ..Order::new(Coded::text(name), Dose::Fixed(tablet), timing)
    }
}

fn penicillin() -> Allergy {
    Allergy {
        substance: Coded::text("Penicillin"),
        category: None,
        criticality: None,
        status: AllergyStatus::Confirmed,
        reactions: Vec::new(),
        intolerance: false,
        note: None,
    }
}

fn usual() -> Baseline {
    let agreed_by = Some("Dr Patel".into());
    Baseline { news2: 1, agreed_by, agreed: None, review: None, check_hours: None }
}

fn person(number: u16) -> Demographics {
    Demographics {
        name: PersonName {
            family: format!("Resident{number}"),
            given: vec!["Maria".into()],
            title: Some("Mrs".into()),
            preferred: None,
        },
        nhs_number: None,
        nhs_number_status: None,
        birth_date: "1938-08-14".parse().ok(),
        gender: Gender::Female,
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
