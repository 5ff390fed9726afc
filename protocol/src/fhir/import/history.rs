//! `Condition`, `Appointment`, `Encounter` and `Immunization`.

use serde_json::Value;

use super::{Draft, NotMapped, Reading};
use crate::fhir::concept::{coded, has_code, label};
use crate::fhir::view::{View, capped, cut_to, notes};
use crate::fhir::when;
use crate::record::coded::Coded;
use crate::record::entry::Body;
use crate::record::history::{Appointment, Encounter, Immunisation, Problem};
use crate::scope::Section;

pub(super) fn read_condition(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let condition = reading.resource;
    let verified = |code: &str| condition.one("verificationStatus").is_some_and(|v| has_code(v, code));
    if verified("entered-in-error") {
        return Ok(reading.taken_back(Section::History));
    }
    let clinical = condition.one("clinicalStatus");
    let over =
        ["inactive", "remission", "resolved"].iter().any(|code| clinical.is_some_and(|c| has_code(c, code)));
    let ended = when::chosen(condition, "abatement");
    let onset = when::chosen(condition, "onset");
    let problem = Problem {
        problem: condition.one("code").and_then(coded).ok_or(NotMapped::Missing("code"))?,
        active: !over && !verified("refuted") && (clinical.is_some() || ended.is_none()),
        onset: onset.and_then(when::day),
        ended: ended.and_then(when::day),
        note: condition_note(condition, verified("refuted"), [onset, ended]),
    };
    let happened = onset.or_else(|| condition.text("recordedDate"));
    Ok(reading.draft(Section::History, happened, Body::Problem(problem)))
}

/// Notes, and what the dates of a problem cannot hold: a year alone, an age, words.
fn condition_note(condition: &Value, refuted: bool, dates: [Option<&str>; 2]) -> Option<String> {
    let labels = ["Onset", "Ended"];
    let partial = dates.iter().zip(labels).filter_map(|(date, label)| {
        let date = date.filter(|d| !when::is_exact(d))?;
        Some(format!("{label}: {}", cut_to(date, 100)))
    });
    let spoken = [("onsetString", "Onset"), ("abatementString", "Ended")].into_iter();
    let spoken =
        spoken.filter_map(|(key, label)| Some(format!("{label}: {}", cut_to(condition.text(key)?, 300))));
    let refuted = refuted.then(|| "Found not to be so.".to_owned());
    let lines: Vec<String> =
        refuted.into_iter().chain(notes(condition)).chain(partial).chain(spoken).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

pub(super) fn read_appointment(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let appointment = reading.resource;
    let status = appointment.text("status");
    if status == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::History));
    }
    let requested = || appointment.path_text(&["requestedPeriod", "start"]);
    let start = appointment.text("start").or_else(requested).and_then(when::moment);
    let words = || {
        let concepts = ["serviceType", "appointmentType", "reasonCode", "specialty", "serviceCategory"];
        concepts.iter().flat_map(|key| appointment.list(key)).find_map(label)
    };
    let what = appointment.text("description").map(|t| cut_to(t, 500)).or_else(words);
    let body = Body::Appointment(Appointment {
        what: what.unwrap_or_else(|| "Appointment".to_owned()),
        with: participant(reading, |kind| kind.starts_with("Practitioner") || kind == "HealthcareService"),
        location: participant(reading, |kind| kind == "Location"),
        start: start.ok_or(NotMapped::Missing("start"))?,
        end: appointment.text("end").and_then(when::moment),
        status: cut_to(status.unwrap_or("unknown"), 40),
    });
    Ok(reading.draft(Section::History, appointment.text("created"), body))
}

/// The name of the first participant whose type is one of these.
fn participant(reading: Reading<'_>, is_one: fn(&str) -> bool) -> Option<String> {
    let actors = capped(reading.resource.list("participant")).iter().filter_map(|p| p.one("actor"));
    let mut wanted = actors.filter(|actor| {
        let named = actor.text("type").or_else(|| actor.text("reference")?.rsplit('/').nth(1));
        named.or_else(|| reading.resolve(actor)?.text("resourceType")).is_some_and(is_one)
    });
    wanted.find_map(|actor| reading.name_of(actor))
}

pub(super) fn read_encounter(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let encounter = reading.resource;
    let status = encounter.text("status");
    if status == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::History));
    }
    let class = || {
        let class = encounter.one("class")?;
        let shown = class.text("display").or_else(|| class.text("code")).map(|d| Coded::text(cut_to(d, 200)));
        coded(class).or(shown)
    };
    let end = |key: &str| encounter.path_text(&["period", key]);
    let kind =
        encounter.list("type").iter().chain(encounter.one("serviceType")).find_map(coded).or_else(class);
    let referred = || {
        encounter.list("reasonReference").iter().find_map(|r| reading.resolve(r)?.one("code").and_then(coded))
    };
    let body = Body::Encounter(Encounter {
        kind: kind.ok_or(NotMapped::Missing("type"))?,
        reason: encounter.list("reasonCode").iter().find_map(coded).or_else(referred),
        start: end("start").and_then(when::moment),
        end: end("end").and_then(when::moment),
        service: encounter.one("serviceProvider").and_then(|p| reading.name_of(p)),
        status: cut_to(status.unwrap_or("unknown"), 40),
    });
    Ok(reading.draft(Section::History, end("start"), body))
}

pub(super) fn read_immunisation(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let immunization = reading.resource;
    let status = immunization.text("status");
    if status == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::History));
    }
    let occurred = when::chosen(immunization, "occurrence");
    let body = Body::Immunisation(Immunisation {
        vaccine: immunization.one("vaccineCode").and_then(coded).ok_or(NotMapped::Missing("vaccineCode"))?,
        status: cut_to(status.unwrap_or("unknown"), 40),
        given: occurred.and_then(when::day),
    });
    Ok(reading.draft(Section::History, occurred, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::ResourceSet;
    use crate::fhir::import::import;
    use crate::fhir::import::tests::{body_of, context, import_one};
    use serde_json::json;

    #[test]
    fn a_problem_keeps_an_onset_that_is_only_a_year_in_words() {
        let Body::Problem(problem) = body_of(&json!({"resourceType": "Condition", "id": "1",
            "clinicalStatus": {"coding": [{"code": "resolved"}]}, "code": {"text": "Gout"},
            "onsetDateTime": "2009", "abatementDateTime": "2010-02-03"}))
        else {
            panic!("a problem")
        };
        assert!(!problem.active);
        assert_eq!((problem.onset, problem.note.as_deref()), (None, Some("Onset: 2009")));
        assert_eq!(problem.ended.unwrap().to_string(), "2010-02-03");
    }

    #[test]
    fn a_refuted_problem_is_not_active() {
        let Body::Problem(problem) = body_of(&json!({"resourceType": "Condition", "id": "1",
            "clinicalStatus": {"coding": [{"code": "active"}]}, "code": {"text": "Gout"},
            "verificationStatus": {"coding": [{"code": "refuted"}]}}))
        else {
            panic!("a problem")
        };
        assert!(!problem.active);
    }

    #[test]
    fn a_future_appointment_is_dated_when_it_was_made() {
        let draft = import_one(&json!({"resourceType": "Appointment", "id": "1", "status": "booked",
            "description": "Eye clinic", "start": "2027-02-01T09:30:00Z", "created": "2026-05-01",
            "participant": [{"actor": {"reference": "Patient/p"}},
                {"actor": {"reference": "Location/l", "display": "Clinic 3"}},
                {"actor": {"type": "Practitioner", "display": "Dr C"}}]}));
        assert_eq!(draft.happened, when::moment("2026-05-01").unwrap());
        let Body::Appointment(read) = draft.body else { panic!("an appointment") };
        assert_eq!((read.location.as_deref(), read.with.as_deref()), (Some("Clinic 3"), Some("Dr C")));
        assert_eq!(read.start, when::moment("2027-02-01T09:30:00Z").unwrap());
    }

    #[test]
    fn an_encounter_and_a_vaccination_are_read() {
        let Body::Encounter(encounter) =
            body_of(&json!({"resourceType": "Encounter", "id": "1", "status": "finished",
            "class": {"code": "IMP", "display": "inpatient"}, "period": {"start": "2026-01-01"},
            "reasonCode": [{"text": "Fall"}], "serviceProvider": {"display": "General Hospital"}}))
        else {
            panic!()
        };
        assert_eq!(
            (encounter.kind.display.as_str(), encounter.service.as_deref()),
            ("inpatient", Some("General Hospital"))
        );
        let Body::Immunisation(read) =
            body_of(&json!({"resourceType": "Immunization", "id": "1", "status": "not-done",
            "vaccineCode": {"text": "Influenza"}, "occurrenceDateTime": "2025-10-01"}))
        else {
            panic!()
        };
        assert_eq!(
            (read.status.as_str(), read.given.unwrap().to_string().as_str()),
            ("not-done", "2025-10-01")
        );
        let bare = json!({"resourceType": "Immunization", "id": "1"});
        let set = ResourceSet::of([bare.clone()]);
        assert_eq!(import(&set, &bare, &context()), Err(NotMapped::Missing("vaccineCode")));
    }
}
