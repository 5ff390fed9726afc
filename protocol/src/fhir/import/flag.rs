//! `Flag` and those `Consent`s that are a decision about resuscitation.

use serde_json::Value;

use super::{Draft, NotMapped, Reading};
use crate::fhir::concept::{coded, has_code, label};
use crate::fhir::view::{View, cut_to};
use crate::fhir::when;
use crate::record::entry::Body;
use crate::record::safety::{Alert, CprDecision, Resuscitation};
use crate::scope::Section;

/// SNOMED CT, for attempted cardiopulmonary resuscitation.
pub(crate) const FOR_CPR: &str = "450475007";
/// SNOMED CT, not for attempted cardiopulmonary resuscitation.
pub(crate) const NOT_FOR_CPR: &str = "450476008";

pub(super) fn read(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let flag = reading.resource;
    if flag.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Safety));
    }
    let code = flag.one("code").ok_or(NotMapped::Missing("code"))?;
    let start = flag.path_text(&["period", "start"]);
    let ended = flag.path_text(&["period", "end"]).and_then(when::moment);
    let over = ended.is_some_and(|end| end < reading.context.read_at);
    let active = flag.text("status") != Some("inactive") && !over;
    let body = match decision(code) {
        Some(decision) => Body::Resuscitation(Resuscitation {
            decision,
            signed: start.and_then(when::day),
            clinician: flag.one("author").and_then(|a| reading.name_of(a)),
            form: None,
            paper: None,
            review: None,
            withdrawn: (!active).then(|| "No longer active at its source.".to_owned()),
            paper_seen: None,
        }),
        None => Body::Alert(Alert {
            text: coded(code).ok_or(NotMapped::Missing("code"))?,
            active,
            ended_reason: over.then(|| "Its period has ended.".to_owned()),
        }),
    };
    Ok(reading.draft(Section::Safety, start, body))
}

/// A consent is read only where it names a decision about resuscitation: others say who may see what, and a gateway
/// that guessed at them could show too much.
pub(super) fn read_consent(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let consent = reading.resource;
    if consent.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Safety));
    }
    let provision = consent.one("provision");
    let codes = consent.list("category").iter().chain(consent.one("policyRule"));
    let codes = codes.chain(provision.map(|p| p.list("code")).unwrap_or_default());
    let decision = codes.clone().find_map(decision).ok_or(NotMapped::Type("Consent".to_owned()))?;
    let withdrawn = match consent.text("status") {
        Some("active") => None,
        Some("inactive" | "rejected") => Some("No longer active at its source.".to_owned()),
        _ => return Err(NotMapped::Missing("status")),
    };
    let body = Body::Resuscitation(Resuscitation {
        decision,
        signed: consent.text("dateTime").and_then(when::day),
        clinician: consent.one("performer").and_then(|p| reading.name_of(p)),
        form: consent.one("policyRule").and_then(label),
        paper: consent.path_text(&["sourceAttachment", "title"]).map(|t| cut_to(t, 300)),
        review: None,
        withdrawn,
        paper_seen: None,
    });
    Ok(reading.draft(Section::Safety, consent.text("dateTime"), body))
}

/// The decision that a concept names. One that names both is read as neither.
fn decision(concept: &Value) -> Option<CprDecision> {
    match (has_code(concept, FOR_CPR), has_code(concept, NOT_FOR_CPR)) {
        (true, false) => Some(CprDecision::Attempt),
        (false, true) => Some(CprDecision::DoNotAttempt),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::{body_of, context};
    use crate::fhir::{ResourceSet, import};
    use serde_json::json;

    fn flag(code: &str, status: &str) -> Value {
        json!({"resourceType": "Flag", "id": "1", "status": status, "author": {"display": "Dr B Example"},
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code}], "text": "As on the form"},
            "period": {"start": "2025-11-02"}})
    }

    #[test]
    fn a_flag_with_a_resuscitation_code_is_a_decision_and_others_are_alerts() {
        let Body::Resuscitation(read) = body_of(&flag(NOT_FOR_CPR, "active")) else { panic!("a decision") };
        assert_eq!(read.decision, CprDecision::DoNotAttempt);
        assert_eq!(read.signed.unwrap().to_string(), "2025-11-02");
        assert_eq!(read.clinician.as_deref(), Some("Dr B Example"));
        assert_eq!(read.withdrawn, None);
        let Body::Resuscitation(ended) = body_of(&flag(FOR_CPR, "inactive")) else { panic!("a decision") };
        assert!(ended.withdrawn.is_some());
        let Body::Alert(alert) = body_of(&flag("226201008", "active")) else { panic!("an alert") };
        assert!(alert.active);
        assert_eq!(alert.text.display, "As on the form");
    }

    #[test]
    fn a_consent_about_anything_else_is_not_guessed_at() {
        let mut consent = json!({"resourceType": "Consent", "id": "1", "status": "active", "dateTime": "2025-11-02",
            "policyRule": {"text": "ReSPECT"}, "provision": {"code": [{"coding": [{"code": NOT_FOR_CPR}]}]}});
        let Body::Resuscitation(read) = body_of(&consent) else { panic!("a decision") };
        assert_eq!(read.form.as_deref(), Some("ReSPECT"));
        consent["provision"] = json!({});
        let set = ResourceSet::of([consent.clone()]);
        assert_eq!(import(&set, &consent, &context()), Err(NotMapped::Type("Consent".into())));
    }
}
