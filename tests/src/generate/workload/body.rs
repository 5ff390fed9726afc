//! The work as a record's entries.

use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::identity::{Contact, Demographics, Gender, PersonName, Placement, Practice};
use hearth_protocol::record::mar::Administration;
use hearth_protocol::record::medicines::{Days, Decimal, Dose, Order, Quantity, Timing};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::observations::VitalSigns;
use hearth_protocol::record::plan::Statement;
use hearth_protocol::record::safety::{Allergy, AllergyStatus, Criticality, Reaction};
use hearth_protocol::record::{Author, Body, Coded, Role};
use hearth_protocol::time::TimeOfDay;

use super::base::{BaseAllergy, BaseMedicine, PLAN_FIELDS};
use super::{BaseResident, Kind, Workload, WorkloadEntry};

impl Workload {
    /// Who made an entry.
    pub fn author(&self, entry: &WorkloadEntry) -> Author {
        let name = self.staff.get(usize::from(entry.staff)).cloned().unwrap_or_default();
        Author { staff: StaffId(u64::from(entry.staff) + 1), role: Role::Carer, name }
    }
}

impl WorkloadEntry {
    /// What the entry says. A set of observations stays one entry, as it was in what the figures compare with: its
    /// weight and its glucose, which vital signs have no place for, stand in the note.
    ///
    /// `order` gives the entry that orders the resident's medicine of this number.
    pub fn body(&self, order: impl Fn(u16, u8) -> EntryId) -> Body {
        match &self.kind {
            Kind::Note { text } => {
                Body::Note(Note { category: "general".into(), text: text.clone(), important: false })
            }
            Kind::Observations {
                pulse,
                systolic,
                diastolic,
                temperature_tenths,
                oxygen_saturation,
                respiratory_rate,
                weight_tenths,
                glucose_tenths,
            } => Body::VitalSigns(VitalSigns {
                respiratory_rate: Some(*respiratory_rate),
                oxygen_saturation: Some(*oxygen_saturation),
                systolic: Some(*systolic),
                diastolic: Some(*diastolic),
                pulse: Some(*pulse),
                temperature_tenths: Some(*temperature_tenths),
                note: Some(format!("{} kg, {} mmol/L", tenths(*weight_tenths), tenths(*glucose_tenths))),
                ..VitalSigns::default()
            }),
            Kind::Administration { medicine, outcome } => Body::Administration(Administration {
                order: order(self.resident, *medicine),
                order_version: order(self.resident, *medicine),
                due: None,
                outcome: *outcome,
                amount: None,
                reason: None,
                site: None,
                witness: None,
                line: String::new(),
                overridden: None,
            }),
        }
    }
}

impl BaseResident {
    /// The nine orders, in the order of their numbers.
    pub fn orders(&self) -> Vec<Body> {
        self.medicines.iter().map(order).collect()
    }

    /// Everything that the record holds before the first day, but for the orders.
    pub fn bodies(&self) -> Vec<Body> {
        let mut bodies = vec![self.demographics(), self.placement()];
        bodies.extend(self.allergies.iter().map(allergy));
        let history = [("history", &self.history), ("legal", &self.legal)];
        let plan = PLAN_FIELDS.into_iter().zip(&self.plan);
        bodies.extend(history.into_iter().chain(plan).map(|(heading, text)| {
            Body::Statement(Statement { heading: heading.to_owned(), text: text.clone() })
        }));
        bodies
    }

    fn demographics(&self) -> Body {
        let contact = |c: &super::BaseContact| Contact {
            name: c.name.clone(),
            relationship: Some(c.relationship.clone()),
            phone: Some(c.phone.clone()),
            next_of_kin: false,
            attorney: None,
        };
        Body::Demographics(Demographics {
            name: PersonName { family: self.name.clone(), ..PersonName::default() },
            nhs_number: None,
            nhs_number_status: None,
            birth_date: self.birth_date.parse().ok(),
            gender: Gender::Unknown,
            died: None,
            address: Some(self.address.clone()),
            phone: None,
            practice: Some(Practice { name: self.practice.clone(), ods: None, phone: None, doctor: None }),
            contacts: self.contacts.iter().map(contact).collect(),
            security: hearth_protocol::record::identity::Security::Unrestricted,
            photo: None,
            communication: None,
        })
    }

    fn placement(&self) -> Body {
        Body::Placement(Placement {
            room: Some(self.room.to_string()),
            arrived: None,
            left: None,
            away: None,
        })
    }
}

fn tenths(number: u16) -> String {
    format!("{}.{}", number / 10, number % 10)
}

fn allergy(allergy: &BaseAllergy) -> Body {
    let criticality = match allergy.severity {
        "low" => Criticality::Low,
        "high" => Criticality::High,
        _ => Criticality::UnableToAssess,
    };
    let reaction = Reaction {
        manifestations: vec![Coded::text(allergy.reaction.clone())],
        severity: None,
        when: Some(allergy.since.clone()),
    };
    Body::Allergy(Allergy {
        substance: Coded::text(allergy.substance.clone()),
        category: None,
        criticality: Some(criticality),
        status: AllergyStatus::Confirmed,
        reactions: vec![reaction],
        intolerance: false,
        note: None,
    })
}

fn order(medicine: &BaseMedicine) -> Body {
    let value = Decimal { mantissa: i64::from(medicine.dose_mg), places: 0 };
    Body::Order(Order {
        form: Some(medicine.form.to_owned()),
        route: Some(Coded::text("oral")),
        start: medicine.start.parse().ok(),
        prescriber: Some(medicine.prescriber.clone()),
        instructions: Some(medicine.instructions.clone()),
        ..Order::new(
            Coded::text(medicine.name.clone()),
            Dose::Fixed(Quantity { value, unit: "mg".into() }),
            Timing::Times {
                times: medicine.times.iter().filter_map(|t| time_of_day(t)).collect(),
                days: Days::Daily,
            },
        )
    })
}

fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let (hour, minute) = text.split_once(':')?;
    TimeOfDay::new(hour.parse().ok()?, minute.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth_protocol::id::InstallId;
    use hearth_protocol::record::{Entry, Origin};
    use hearth_protocol::scope::Section;
    use hearth_protocol::time::Timestamp;

    #[test]
    fn every_entry_of_a_day_is_an_entry_of_its_section() {
        let work = Workload::new(super::super::SEED, Timestamp(0));
        let order = |resident: u16, medicine: u8| EntryId {
            install: InstallId(1),
            counter: u64::from(resident) * 9 + u64::from(medicine) + 1,
        };
        let origin = Origin::Site("TEST".parse().unwrap());
        for (counter, made) in (10_000..).zip(work.days(0..1)) {
            let entry = Entry {
                id: EntryId { install: InstallId(1), counter },
                happened: made.at,
                recorded: made.at,
                author: work.author(&made),
                origin: origin.clone(),
                thread: None,
                replaces: Vec::new(),
                body: made.body(order),
            };
            assert_eq!(Entry::from_bytes(entry.id, &entry.to_bytes()), Ok(entry.clone()));
            let section = entry.body.section().unwrap();
            assert!(matches!(section, Section::Notes | Section::Observations | Section::Mar));
        }
    }

    #[test]
    fn a_base_record_has_nine_orders_and_twenty_two_passages() {
        let resident = &Workload::new(1, Timestamp(0)).base()[0];
        assert_eq!(resident.orders().len(), 9);
        let passages = resident.bodies().into_iter().filter(|b| matches!(b, Body::Statement(_))).count();
        assert_eq!(passages, 22);
    }
}
