//! What staff wrote, as a `DocumentReference` with the text inside.
//!
//! A document holds words without claiming more: an `Observation` would claim one finding, a `Communication` that it
//! was sent to somebody. UK Core readers list documents with author and date, and one can be marked as entered in
//! error.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::{Part, Writing};
use crate::fhir::view::escape;
use crate::record::notes::{Incident, Note, Visit};

pub(super) fn write_note(writing: Writing<'_>, note: &Note) -> Vec<Part> {
    let title = format!("Care home note: {}", note.category);
    let important = if note.important { "Important for the next shift.\n\n" } else { "" };
    document(writing, &title, &format!("{important}{}", note.text))
}

pub(super) fn write_incident(writing: Writing<'_>, incident: &Incident) -> Vec<Part> {
    let said = |answer: Option<bool>| answer.map(|yes| if yes { "Yes" } else { "No" }.to_owned());
    let (witnessed, head) = (said(incident.witnessed), said(incident.head_injury));
    let (kin, gp) = (said(incident.kin_told), said(incident.gp_told));
    let lines = [
        ("Where", &incident.place),
        ("Injury", &incident.injury),
        ("Head hit, or may have been", &head),
        ("Seen by somebody", &witnessed),
        ("Found by", &incident.found_by),
        ("What was done", &incident.actions),
        ("Seen afterwards", &incident.observed),
        ("Next of kin told", &kin),
        ("GP told", &gp),
    ];
    let rest = lines.iter().filter_map(|(label, text)| Some(format!("\n{label}: {}", text.as_ref()?)));
    let text: String = std::iter::once(incident.text.clone()).chain(rest).collect();
    document(writing, &format!("Care home incident: {}", incident.kind), &text)
}

pub(super) fn write_visit(writing: Writing<'_>, visit: &Visit) -> Vec<Part> {
    let text = visit.text.as_deref().unwrap_or("No words were written about the visit.");
    let outcome = visit.outcome.as_ref().map(|outcome| format!("\nOutcome: {outcome}")).unwrap_or_default();
    document(writing, &format!("Visit to the care home: {}", visit.who), &format!("{text}{outcome}"))
}

fn document(writing: Writing<'_>, title: &str, text: &str) -> Vec<Part> {
    let title = if title.trim().is_empty() { "Care home note" } else { title.trim() };
    let narrative = escape(text).replace('\n', "<br/>");
    let div = format!(
        "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>{}</p><p>{narrative}</p></div>",
        escape(title)
    );
    let resource = Writing::profiled("DocumentReference", "DocumentReference")
        .with("text", json!({"status": "generated", "div": div}))
        .with("status", "current")
        .with("docStatus", "final")
        .with("type", json!({"text": title}))
        .with("subject", writing.patient())
        .with("date", writing.entry.recorded.to_rfc3339())
        .with("author", json!([writing.author()]))
        .with("description", title)
        .with(
            "content",
            json!([{"attachment": {"contentType": "text/plain; charset=utf-8", "language": "en-GB",
                "data": STANDARD.encode(text), "title": title, "creation": writing.happened()}}]),
        )
        .with("context", json!({"period": {"start": writing.happened()}}));
    Part::whole("DocumentReference", resource)
}
