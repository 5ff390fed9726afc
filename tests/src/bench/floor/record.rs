//! The work as compact records: 64 random bits, then what was written, without names of fields.

use crate::generate::workload::{BaseResident, Change, GpChange, Kind, Workload, WorkloadEntry};
use hearth_protocol::record::mar::Outcome;

/// An entry as the floor keeps it. The id comes first.
pub(super) fn of_entry(work: &Workload, entry: &WorkloadEntry) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(192);
    bytes.extend(entry.id.to_le_bytes());
    bytes.push(u8::try_from(entry.resident).unwrap_or(u8::MAX));
    bytes.extend(entry.at.0.to_le_bytes().get(..6).unwrap_or_default());
    text(&mut bytes, work.staff().get(usize::from(entry.staff)).map_or("", String::as_str));
    match &entry.kind {
        Kind::Note { text: note } => {
            bytes.push(0);
            text(&mut bytes, note);
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
        } => {
            bytes.push(1);
            // Each fits a byte but for temperature and weight.
            let narrow = [pulse, systolic, diastolic, oxygen_saturation, respiratory_rate, glucose_tenths];
            bytes.extend(narrow.map(|n| u8::try_from(*n).unwrap_or(u8::MAX)));
            bytes.extend(temperature_tenths.to_le_bytes());
            bytes.extend(weight_tenths.to_le_bytes());
        }
        Kind::Administration { medicine, outcome } => {
            bytes.push(2);
            bytes.push(*medicine);
            let code = [Outcome::Given, Outcome::Refused, Outcome::Asleep].iter().position(|o| o == outcome);
            bytes.push(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(3));
        }
    }
    bytes
}

/// A base record as the floor keeps it.
pub(super) fn of_base(base: &BaseResident) -> Vec<u8> {
    let mut bytes = u64::from(base.index).to_le_bytes().to_vec();
    bytes.push(u8::try_from(base.room).unwrap_or(u8::MAX));
    let texts = [&base.name, &base.birth_date, &base.number, &base.practice, &base.address, &base.history];
    for one in texts.into_iter().chain([&base.legal]).chain(&base.plan) {
        text(&mut bytes, one);
    }
    for contact in &base.contacts {
        text(&mut bytes, &contact.name);
        text(&mut bytes, &contact.phone);
        text(&mut bytes, &contact.relationship);
    }
    for allergy in &base.allergies {
        bytes.extend(allergy.id.to_le_bytes());
        text(&mut bytes, &allergy.substance);
        text(&mut bytes, allergy.severity);
        text(&mut bytes, &allergy.reaction);
        text(&mut bytes, &allergy.since);
    }
    for medicine in &base.medicines {
        bytes.extend(medicine.id.to_le_bytes());
        bytes.extend(medicine.dose_mg.to_le_bytes());
        text(&mut bytes, &medicine.name);
        text(&mut bytes, medicine.form);
        text(&mut bytes, &medicine.times.join(" "));
        text(&mut bytes, &medicine.prescriber);
        text(&mut bytes, &medicine.start);
        text(&mut bytes, &medicine.instructions);
    }
    bytes
}

/// A change made elsewhere as the floor keeps it.
pub(super) fn of_change(change: &GpChange) -> Vec<u8> {
    let mut bytes = match &change.change {
        Change::Note { id, .. } => id.to_le_bytes().to_vec(),
        Change::Medicine { .. } | Change::Plan { .. } => change.at.0.to_le_bytes().to_vec(),
    };
    bytes.push(u8::try_from(change.resident).unwrap_or(u8::MAX));
    bytes.extend(change.at.0.to_le_bytes().get(..6).unwrap_or_default());
    match &change.change {
        Change::Medicine { medicine, dose, instructions } => {
            bytes.extend([3, *medicine]);
            text(&mut bytes, dose);
            text(&mut bytes, instructions);
        }
        Change::Plan { field, position, deleted, inserted } => {
            bytes.push(4);
            text(&mut bytes, field);
            bytes.extend(position.to_le_bytes());
            bytes.extend(deleted.to_le_bytes());
            text(&mut bytes, inserted);
        }
        Change::Note { author, text: note, .. } => {
            bytes.push(5);
            text(&mut bytes, author);
            text(&mut bytes, note);
        }
    }
    bytes
}

fn text(bytes: &mut Vec<u8>, text: &str) {
    super::wire::number(bytes, text.len() as u64);
    bytes.extend(text.as_bytes());
}
