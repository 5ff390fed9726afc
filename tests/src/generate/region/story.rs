//! One resident's record while it is being made.

use hearth_protocol::time::{Date, Timestamp};
use serde_json::Value;

use super::person::Person;
use super::{Edge, Resident, documents, fhir, history, medicines, ndjson, plan, results, safety, vitals};
use crate::generate::dice::Dice;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// What the parts of a record are made from, and what was made so far.
pub(super) struct Story {
    seed: u64,
    label: String,
    pub(super) now: Timestamp,
    pub(super) person: Person,
    pub(super) home: String,
    resources: Vec<Value>,
    made: u64,
}

impl Story {
    pub(super) fn new(seed: u64, home: u16, index: u16, now: Timestamp, home_name: &str) -> Self {
        let label = format!("home/{home}/resident/{index}");
        let person = Person::new(&mut Dice::new(seed, &label), seed, home, index, now);
        Self { seed, label, now, person, home: home_name.to_owned(), resources: Vec::new(), made: 0 }
    }

    /// Tells it all.
    pub(super) fn tell(mut self) -> Resident {
        self.person.clone().add(&mut self);
        safety::add(&mut self);
        history::add(&mut self);
        let medicines = medicines::add(&mut self);
        results::add(&mut self);
        vitals::add(&mut self);
        plan::add(&mut self);
        let discharge = documents::add(&mut self, &medicines);
        Resident {
            room: self.person.room,
            nhs_number: self.person.nhs_number,
            edge: self.person.edge,
            patient: self.person.id.clone(),
            bundle: ndjson::transaction(&self.resources),
            discharge,
            resources: self.resources,
        }
    }

    /// The stream of chance of one part of this record.
    pub(super) fn dice(&self, part: &str) -> Dice {
        Dice::new(self.seed, &format!("{}/{part}", self.label))
    }

    /// Whether the record has this edge.
    pub(super) fn is(&self, edge: Edge) -> bool {
        self.person.edge == Some(edge)
    }

    /// A new id of this record.
    pub(super) fn id(&mut self) -> String {
        self.made += 1;
        self.dice(&format!("id/{}", self.made)).uuid().to_string()
    }

    /// Adds a resource, whose members are `body` beside type, id and profile. Members that are null are left out.
    pub(super) fn add(&mut self, kind: &str, body: Value) -> String {
        let id = self.id();
        self.add_as(kind, &id, body)
    }

    /// The same under an id that is known.
    pub(super) fn add_as(&mut self, kind: &str, id: &str, body: Value) -> String {
        let mut resource = fhir::head(kind, id, kind);
        if let (Some(resource), Value::Object(body)) = (resource.as_object_mut(), body) {
            resource.extend(body);
        }
        self.resources.push(fhir::without_nulls(resource));
        format!("{kind}/{id}")
    }

    /// A reference to the Patient.
    pub(super) fn patient(&self) -> Value {
        fhir::reference(&self.person.reference())
    }

    /// A reference to the GP.
    pub(super) fn doctor(&self) -> Value {
        fhir::reference(&format!("Practitioner/{}", self.person.practice.doctor_id))
    }

    /// So many days before now, at a time of the day.
    pub(super) fn ago(&self, days: i64, hour: i64, minute: i64) -> Timestamp {
        let midnight = self.now.0.div_euclid(DAY_MS) * DAY_MS;
        Timestamp(midnight).plus_ms(-days * DAY_MS + (hour * 60 + minute) * 60_000)
    }

    /// The date so many days before now.
    pub(super) fn date_ago(&self, days: i64) -> Date {
        self.now.plus_ms(-days * DAY_MS).date()
    }

    /// The resources with these references, in the order given.
    pub(super) fn resources_of(&self, references: &[String]) -> Vec<Value> {
        let is = |resource: &&Value, reference: &String| {
            let part = |name: &str| resource.get(name).and_then(Value::as_str).unwrap_or_default();
            *reference == format!("{}/{}", part("resourceType"), part("id"))
        };
        references.iter().filter_map(|r| self.resources.iter().find(|v| is(v, r))).cloned().collect()
    }
}
