//! Alerts, escalation limits and decisions about resuscitation, as `Flag`s: what a reader sees when the record opens.
//!
//! A `Consent` would fit a decision about resuscitation as well, but UK Core's profile of it is about sharing records.

use serde_json::{Value, json};

use super::{Part, Writing};
use crate::fhir::concept::{SNOMED, concept};
use crate::fhir::import::flag::{FOR_CPR, NOT_FOR_CPR};
use crate::fhir::view::{Builder, escape};
use crate::record::safety::{Alert, CprDecision, EscalationLimits, Resuscitation};
use crate::time::Date;

pub(super) fn write_alert(writing: Writing<'_>, alert: &Alert) -> Vec<Part> {
    let lines = alert.ended_reason.iter().map(|r| format!("No longer holds: {r}")).collect();
    let period = json!({"start": writing.happened()});
    flag(writing, concept(&alert.text), alert.active, Some(period), writing.author(), lines)
}

pub(super) fn write_limits(writing: Writing<'_>, limits: &EscalationLimits) -> Vec<Part> {
    let text = if limits.text.trim().is_empty() { "Escalation limits" } else { limits.text.trim() };
    let signed = limits.signed.map(|d| json!({"start": d.to_string()}));
    let lines = paper_lines(None, limits.paper.as_ref(), limits.review, limits.withdrawn.as_ref());
    let author = clinician(writing, limits.clinician.as_ref());
    flag(writing, json!({"text": text}), limits.withdrawn.is_none(), signed, author, lines)
}

pub(super) fn write_resuscitation(writing: Writing<'_>, decision: &Resuscitation) -> Vec<Part> {
    let (code, display) = match decision.decision {
        CprDecision::Attempt => (FOR_CPR, "For attempted cardiopulmonary resuscitation"),
        CprDecision::DoNotAttempt => (NOT_FOR_CPR, "Not for attempted cardiopulmonary resuscitation"),
    };
    let (form, paper) = (decision.form.as_ref(), decision.paper.as_ref());
    let lines = paper_lines(form, paper, decision.review, decision.withdrawn.as_ref());
    let concept = json!({"coding": [{"system": SNOMED, "code": code, "display": display}], "text": display});
    let signed = decision.signed.map(|d| json!({"start": d.to_string()}));
    let author = clinician(writing, decision.clinician.as_ref());
    flag(writing, concept, decision.withdrawn.is_none(), signed, author, lines)
}

/// What is to be known of the signed paper, in words.
fn paper_lines(
    form: Option<&String>,
    paper: Option<&String>,
    review: Option<Date>,
    withdrawn: Option<&String>,
) -> Vec<String> {
    let review = review.map(|d| d.to_string());
    let lines = [
        ("Form", form),
        ("The signed paper is here", paper),
        ("To be reviewed on", review.as_ref()),
        ("Withdrawn", withdrawn),
    ];
    lines.iter().filter_map(|(label, text)| Some(format!("{label}: {}", (*text)?))).collect()
}

fn clinician(writing: Writing<'_>, name: Option<&String>) -> Value {
    let named = name.filter(|n| !n.trim().is_empty()).map(|n| json!({"type": "Practitioner", "display": n}));
    named.unwrap_or_else(|| writing.author())
}

fn flag(
    writing: Writing<'_>,
    code: Value,
    active: bool,
    period: Option<Value>,
    author: Value,
    lines: Vec<String>,
) -> Vec<Part> {
    let shown = code.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let lines: Vec<String> = std::iter::once(shown).chain(lines).map(|line| escape(&line)).collect();
    let items = lines.join("</p><p>");
    let div = format!("<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{items}</p></div>");
    let resource: Builder = Writing::profiled("Flag", "Flag")
        .with("text", json!({"status": "generated", "div": div}))
        .with("status", if active { "active" } else { "inactive" })
        .with("code", code)
        .with("subject", writing.patient())
        .maybe("period", period)
        .with("author", author);
    Part::whole("Flag", resource)
}
