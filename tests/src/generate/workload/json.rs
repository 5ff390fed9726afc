//! The work as JSON lines, of the same shape and size as the other engines were fed.

use hearth_protocol::record::mar::Outcome;
use serde_json::{Value, json};

use super::base::{BaseAllergy, BaseContact, BaseMedicine, PLAN_FIELDS};
use super::{BaseResident, Change, GpChange, Kind, Workload, WorkloadEntry};

impl Workload {
    /// An entry as one line of JSON, without the line's end.
    pub fn json(&self, entry: &WorkloadEntry) -> String {
        let who = self.staff.get(usize::from(entry.staff)).map_or("", String::as_str);
        let head = |kind: &str| json!({"k": kind, "r": resident(entry.resident), "id": id(entry.id), "ts": entry.at.0, "who": who});
        match &entry.kind {
            Kind::Note { text } => joined(head("note"), json!({ "text": text })),
            Kind::Observations { .. } => joined(head("obs"), observations(&entry.kind)),
            Kind::Administration { medicine, outcome } => {
                let given =
                    json!({"med": self.medicine_id(entry.resident, *medicine), "status": status(*outcome)});
                joined(head("mar"), given)
            }
        }
    }

    fn medicine_id(&self, resident: u16, medicine: u8) -> String {
        // Residents of other homes take what those of this one take.
        let ids = self.medicines.get(usize::from(resident % super::RESIDENTS));
        id(ids.and_then(|ids| ids.get(usize::from(medicine))).copied().unwrap_or_default())
    }
}

impl BaseResident {
    /// The record as one line of JSON, without the line's end.
    pub fn json(&self) -> String {
        let contacts: Vec<Value> = self.contacts.iter().map(contact).collect();
        let plan: serde_json::Map<String, Value> =
            PLAN_FIELDS.iter().zip(&self.plan).map(|(k, v)| ((*k).to_owned(), v.as_str().into())).collect();
        json!({"k": "resident", "r": resident(self.index),
            "demographics": {"name": self.name, "dob": self.birth_date, "nhs": self.number, "room": self.room,
                "gp": self.practice, "address": self.address, "nok": contacts, "history": self.history,
                "legal": self.legal},
            "allergies": self.allergies.iter().map(allergy).collect::<Vec<_>>(),
            "medicines": self.medicines.iter().map(medicine).collect::<Vec<_>>(),
            "careplan": plan})
        .to_string()
    }
}

impl GpChange {
    /// The change as one line of JSON, without the line's end.
    pub fn json(&self) -> String {
        let head = |kind: &str| json!({"k": kind, "r": resident(self.resident), "ts": self.at.0});
        match &self.change {
            Change::Medicine { medicine, dose, instructions } => {
                joined(head("med"), json!({"i": medicine, "dose": dose, "instructions": instructions}))
            }
            Change::Plan { field, position, deleted, inserted } => {
                joined(head("cp"), json!({"f": field, "pos": position, "del": deleted, "ins": inserted}))
            }
            Change::Note { id: note, author, text } => {
                joined(head("gpnote"), json!({"id": id(*note), "who": author, "text": text}))
            }
        }
    }
}

fn joined(mut head: Value, rest: Value) -> String {
    if let (Some(head), Value::Object(rest)) = (head.as_object_mut(), rest) {
        head.extend(rest);
    }
    head.to_string()
}

fn resident(index: u16) -> String {
    format!("r{index:03}")
}

fn id(bits: u64) -> String {
    format!("{bits:016x}")
}

fn observations(kind: &Kind) -> Value {
    let Kind::Observations {
        pulse,
        systolic,
        diastolic,
        temperature_tenths,
        oxygen_saturation,
        respiratory_rate,
        weight_tenths,
        glucose_tenths,
    } = kind
    else {
        return Value::Null;
    };
    json!({"hr": pulse, "sys": systolic, "dia": diastolic, "temp": tenths(*temperature_tenths),
        "spo2": oxygen_saturation, "resp": respiratory_rate, "weight": tenths(*weight_tenths),
        "bm": tenths(*glucose_tenths)})
}

fn tenths(number: u16) -> f64 {
    f64::from(number) / 10.0
}

fn status(outcome: Outcome) -> &'static str {
    if outcome.is_taken() {
        "given"
    } else if outcome == Outcome::Refused {
        "refused"
    } else if outcome == Outcome::Asleep {
        "asleep"
    } else {
        "omitted"
    }
}

fn contact(contact: &BaseContact) -> Value {
    json!({"name": contact.name, "tel": contact.phone, "rel": contact.relationship})
}

fn allergy(allergy: &BaseAllergy) -> Value {
    json!({"id": id(allergy.id), "substance": allergy.substance, "severity": allergy.severity,
        "reaction": allergy.reaction, "since": allergy.since})
}

fn medicine(medicine: &BaseMedicine) -> Value {
    json!({"id": id(medicine.id), "name": medicine.name, "form": medicine.form,
        "dose": format!("{} mg", medicine.dose_mg), "route": "oral", "times": medicine.times,
        "prescriber": medicine.prescriber, "start": medicine.start, "instructions": medicine.instructions})
}
