//! A whole entry in words: for its own page and where versions stand side by side. Kinds that lists show are worded by
//! [`super::item`]; those that no list shows are worded here.

use hearth_protocol::clinical::format;
use hearth_protocol::record::Body;
use hearth_protocol::record::identity::{Demographics, Gender, Placement};
use hearth_protocol::record::medicines::{Order, StockReason};
use hearth_protocol::record::safety::{AllergyStatus, Criticality, Resuscitation};
use hearth_protocol::time::Date;

use super::item;

/// What an entry says: in a few words, and the rest line by line.
#[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds are worded as lists word them")]
pub fn whole(body: &Body) -> (String, Vec<String>) {
    match body {
        Body::Demographics(person) => ("Personal details".to_owned(), demographics(person)),
        Body::Placement(place) => ("Room and stay".to_owned(), placement(place)),
        Body::Order(order) => ("Medicine".to_owned(), self::order(order)),
        Body::Resuscitation(decision) => resuscitation(decision),
        Body::EscalationLimits(limits) => {
            let lines = [
                Some(limits.text.clone()),
                limits.signed.map(|on| format!("Signed on {}", format::date(on))),
                limits.clinician.as_ref().map(|who| format!("Signed by {who}")),
                limits.paper.as_ref().map(|at| format!("The paper is: {at}")),
                limits.withdrawn.as_ref().map(|why| format!("Withdrawn: {why}")),
            ];
            ("Escalation limits".to_owned(), lines.into_iter().flatten().collect())
        }
        Body::Allergy(allergy) => {
            let status = match &allergy.status {
                AllergyStatus::Confirmed => "Confirmed".to_owned(),
                AllergyStatus::Unconfirmed => "Told, not confirmed".to_owned(),
                AllergyStatus::Resolved => "No longer holds".to_owned(),
                AllergyStatus::Refuted(why) => format!("Found not to be so: {why}"),
            };
            let risk = match allergy.criticality {
                Some(Criticality::High) => Some("High risk: may threaten life".to_owned()),
                Some(Criticality::Low) => Some("Low risk".to_owned()),
                Some(Criticality::UnableToAssess) | None => None,
            };
            let reactions = Some(format::reactions(&allergy.reactions)).filter(|text| !text.is_empty());
            let coded = allergy.substance.code.as_ref().map(|code| format!("Code {}", code.code));
            let kind = allergy.intolerance.then(|| "Intolerance (side effect)".to_owned());
            let lines =
                [Some(status), reactions.map(|seen| format!("Past reactions: {seen}")), risk, kind, coded];
            let lines = lines.into_iter().chain([allergy.note.clone()]).flatten().collect();
            (format!("Allergy: {}", allergy.substance.display), lines)
        }
        Body::NoKnownAllergies(found) => {
            let source = found.source.as_ref().map(|source| format!("Asked or read: {source}"));
            ("No known allergies".to_owned(), source.into_iter().collect())
        }
        Body::Alert(alert) => {
            let state = if alert.active { "Holds now" } else { "No longer holds" };
            let lines = [Some(state.to_owned()), alert.ended_reason.clone()];
            (format!("Alert: {}", alert.text.display), lines.into_iter().flatten().collect())
        }
        Body::Setting(setting) => (format!("Setting {}", setting.key), vec![setting.value.clone()]),
        Body::Task(task) => {
            let lines = [
                Some(task.text.clone()),
                task.due.map(|due| format!("Due by {}", format::date_time(due))),
                Some(if task.done { "Done" } else { "To do" }.to_owned()),
                task.outcome.clone(),
            ];
            ("Task".to_owned(), lines.into_iter().flatten().collect())
        }
        Body::Reconciliation(done) => {
            let sources = format!("Compared: {}", done.sources.join(", "));
            ("Medicines list confirmed".to_owned(), vec![sources, done.outcome.clone()])
        }
        Body::StockMovement(moved) => {
            let reason = match moved.reason {
                StockReason::Received => "received",
                StockReason::CarriedForward => "carried forward",
                StockReason::Given => "given",
                StockReason::Wasted => "wasted or destroyed",
                StockReason::Returned => "returned",
                StockReason::Counted => "found by a count",
            };
            let batch = moved.batch.as_ref().map(|batch| format!("Batch {batch}"));
            (format!("Stock {}: {reason}", moved.change), batch.into_iter().collect())
        }
        Body::CovertDecision(decision) => {
            let lines = [
                Some(decision.method.clone()),
                Some(format!("Decided by {}", decision.decided_by)),
                decision.review.map(|on| format!("To be looked at again on {}", format::date(on))),
                (!decision.active).then(|| "No longer holds".to_owned()),
            ];
            ("Covert administration decided".to_owned(), lines.into_iter().flatten().collect())
        }
        Body::Effect(effect) => {
            let helped = match effect.helped {
                Some(true) => "It helped",
                Some(false) => "It did not help",
                None => "Whether it helped is not known",
            };
            (format!("After the dose: {helped}"), effect.text.iter().cloned().collect())
        }
        Body::Passage(passage) => {
            (passage.heading.clone(), passage.text.lines().map(str::to_owned).collect())
        }
        Body::Settlement(settled) => {
            let paper =
                settled.paper_seen.unwrap_or(false).then(|| "The signed paper was looked at".to_owned());
            ("Settled".to_owned(), [Some(settled.reason.clone()), paper].into_iter().flatten().collect())
        }
        other => {
            let (head, text) = item::words(other);
            (head, text.lines().map(str::to_owned).collect())
        }
    }
}

fn demographics(person: &Demographics) -> Vec<String> {
    let gender = match person.gender {
        Gender::Female => "Female",
        Gender::Male => "Male",
        Gender::Other => "Other",
        Gender::Unknown => "Not known",
    };
    let practice = person.practice.as_ref().map(|practice| {
        let more = [practice.doctor.clone(), practice.phone.clone()].into_iter().flatten();
        format!(
            "Practice: {}",
            std::iter::once(practice.name.clone()).chain(more).collect::<Vec<_>>().join(", ")
        )
    });
    let contact = |contact: &hearth_protocol::record::identity::Contact| {
        let kin = contact.next_of_kin.then(|| "next of kin".to_owned());
        let more = [contact.relationship.clone(), kin, contact.phone.clone(), contact.attorney.clone()];
        let parts: Vec<String> =
            std::iter::once(contact.name.clone()).chain(more.into_iter().flatten()).collect();
        format!("Contact: {}", parts.join(", "))
    };
    let lines = [
        Some(format!("Name: {}", format::name(&person.name))),
        person.name.preferred.as_ref().map(|name| format!("Likes to be called: {name}")),
        person.nhs_number.map(|number| format!("NHS No.: {number}")),
        person.birth_date.map(|on| format!("Born: {}", format::date(on))),
        Some(format!("Gender: {gender}")),
        person.died.map(|on| format!("Died: {}", format::date(on))),
        person.address.as_ref().map(|address| format!("Address: {address}")),
        person.phone.as_ref().map(|phone| format!("Telephone: {phone}")),
        practice,
        person.communication.as_ref().map(|needs| format!("Communication: {needs}")),
        person.photo.as_ref().map(|photo| {
            let mut name = photo.id.to_string();
            name.truncate(8);
            format!("Photo {name}")
        }),
    ];
    lines.into_iter().flatten().chain(person.contacts.iter().map(contact)).collect()
}

fn placement(place: &Placement) -> Vec<String> {
    let day = |what: &str, on: Option<Date>| on.map(|on| format!("{what}: {}", format::date(on)));
    let lines = [
        Some(place.room.as_ref().map_or("No room".to_owned(), |room| format!("Room: {room}"))),
        day("Arrived", place.arrived),
        day("Left", place.left),
        place.away.as_ref().map(|away| format!("Away: {away}")),
    ];
    lines.into_iter().flatten().collect()
}

fn order(order: &Order) -> Vec<String> {
    let lines = [
        Some(format::MedicineLine::of(order).to_string()),
        order.indication.as_ref().map(|what| format!("For: {what}")),
        order.instructions.clone(),
        order.prescriber.as_ref().map(|who| format!("Prescribed by {who}")),
    ];
    lines.into_iter().flatten().collect()
}

fn resuscitation(decision: &Resuscitation) -> (String, Vec<String>) {
    let lines = [
        decision.signed.map(|on| format!("Signed on {}", format::date(on))),
        decision.clinician.as_ref().map(|who| format!("Signed by {who}")),
        decision.form.as_ref().map(|form| format!("Form: {form}")),
        decision.paper.as_ref().map(|at| format!("The paper is: {at}")),
        decision.review.map(|on| format!("To be reviewed on {}", format::date(on))),
        decision.withdrawn.as_ref().map(|why| format!("Withdrawn: {why}")),
    ];
    (super::banner::cpr_words(decision.decision).to_owned(), lines.into_iter().flatten().collect())
}
