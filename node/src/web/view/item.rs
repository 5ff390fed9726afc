//! One thing of a record as a list shows it: what it says, who said it, from where, and how far it has come.

use hearth_protocol::clinical::{format, soft_signs};
use hearth_protocol::record::coded::Coded;
use hearth_protocol::record::discharge::{DischargeMedicine, DischargeSummary, MedicineChange};
use hearth_protocol::record::history::{Appointment, ResultPart, ResultValue, TestResult};
use hearth_protocol::record::plan::SpO2Scale;
use hearth_protocol::record::thread::{Thread, threads};
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Date;

use super::chart::Chart;
use super::way::{is_fault, words as words_of};
use crate::web::frame::role_words;
use crate::web::notes::view as notes;

/// One thing of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// In a few words.
    pub head: String,
    /// The rest, with line breaks.
    pub text: String,
    /// Who and when.
    pub by: String,
    /// From where and how old, for what came from outside or from another site.
    pub origin: Option<String>,
    /// How far it has come, for what was written at a site.
    pub way: Option<ItemWay>,
    /// The versions that people wrote apart, when they did: the item is then only their heading.
    pub apart: Vec<Item>,
    /// Its own page, with its history and the way to strike it out.
    pub href: String,
}

/// The way of an item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ItemWay {
    /// A shape and words.
    pub words: String,
    /// Whether a person has to look.
    pub fault: bool,
}

/// The things of a section whose bodies a page wants, newest first, at most so many.
pub fn items(chart: &Chart, section: Section, wanted: fn(&Body) -> bool, most: usize) -> Vec<Item> {
    dated(chart, section, &wanted, most).into_iter().map(|(_, item)| item).collect()
}

/// The same, each with the day on which it happened.
pub fn dated(
    chart: &Chart,
    section: Section,
    wanted: &dyn Fn(&Body) -> bool,
    most: usize,
) -> Vec<(Date, Item)> {
    let mut found: Vec<Thread<'_>> = threads(chart.section(section))
        .into_iter()
        .filter(|thread| thread.newest.iter().any(|entry| wanted(&entry.body)))
        .collect();
    found.sort_by_key(|thread| {
        std::cmp::Reverse(thread.newest.first().map(|entry| (entry.happened, entry.recorded, entry.id)))
    });
    let item =
        |thread: &Thread<'_>| Some((thread.newest.first()?.happened.date(), of_thread(chart, thread)?));
    found.iter().take(most).filter_map(item).collect()
}

/// The item of one entry.
pub fn of_entry(chart: &Chart, entry: &Entry) -> Item {
    let (head, text) = words(&entry.body);
    let age = format::age(entry.happened, chart.now);
    let origin = match &entry.origin {
        Origin::Outside(outside) => Some(format!(
            "From {}, as of {} ({})",
            outside.asserter.as_deref().unwrap_or(&outside.system),
            format::date_time(outside.as_of),
            format::age(outside.as_of, chart.now)
        )),
        Origin::Site(site) if *site != chart.site => Some(format!("Written at {site}")),
        Origin::Site(_) => None,
    };
    let by = match &entry.origin {
        Origin::Outside(_) => format::date(entry.happened.date()),
        Origin::Site(_) => format!("{}, {} ({age})", by(entry), format::date_time(entry.happened)),
    };
    let href = format!("/r/{}/entries/{}", chart.resident, entry.id);
    Item { head, text, by, origin, way: way(chart, entry), apart: Vec::new(), href }
}

/// Who wrote an entry: name and role.
pub fn by(entry: &Entry) -> String {
    format!("{} ({})", entry.author.name, role_words(entry.author.role))
}

/// The way of an entry that was written at a site.
pub fn way(chart: &Chart, entry: &Entry) -> Option<ItemWay> {
    let state = chart.state(entry.id).filter(|_| matches!(entry.origin, Origin::Site(_)))?;
    Some(ItemWay { words: words_of(state), fault: is_fault(state) })
}

fn of_thread(chart: &Chart, thread: &Thread<'_>) -> Option<Item> {
    if thread.is_locked() {
        return of_locked(chart, thread);
    }
    let newest = of_entry(chart, thread.newest.first()?);
    if !thread.is_contested() {
        return Some(newest);
    }
    let apart = thread.newest.iter().map(|entry| of_entry(chart, entry)).collect();
    Some(Item { apart, ..newest })
}

/// The first report, and under it what was added, oldest first.
fn of_locked(chart: &Chart, thread: &Thread<'_>) -> Option<Item> {
    let (first, added) = thread.entries.split_first()?;
    let item = of_entry(chart, first);
    let added = added.iter().filter(|entry| entry.body.is_locked()).map(|entry| {
        let (_, text) = words(&entry.body);
        format!("Added by {}, {}: {text}", by(entry), format::date_time(entry.happened))
    });
    let text = std::iter::once(item.text.clone()).chain(added).collect::<Vec<_>>().join("\n");
    Some(Item { text, ..item })
}

#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "kinds with a page of their own, and those to come, share one line"
)]
pub(super) fn words(body: &Body) -> (String, String) {
    match body {
        Body::Note(note) => (note_head(&note.category, note.important), note.text.clone()),
        Body::Incident(incident) => {
            let kind = notes::words(&notes::INCIDENT_KINDS, &incident.kind);
            (format!("Incident: {kind}"), notes::incident_lines(incident).join("\n"))
        }
        Body::Visit(visit) => {
            let outcome = visit.outcome.as_ref().map(|outcome| format!("Outcome: {outcome}"));
            (notes::visit_words(visit), lines([visit.text.clone(), outcome]))
        }
        Body::BodyMark(mark) => {
            (format!("Body map: {}", notes::mark_words(mark)), mark.text.clone().unwrap_or_default())
        }
        Body::Passage(passage) => {
            let with = passage.with.as_ref().map(|with| format!("Written with {with}"));
            (super::plan_heading(&passage.heading).to_owned(), lines([Some(passage.text.clone()), with]))
        }
        Body::Problem(problem) => {
            let since = problem.onset.map(|date| format!("since {}", format::date(date))).unwrap_or_default();
            let ended = if problem.active { "" } else { " (not active)" };
            (format!("{}{ended}", problem.problem.display), lines([Some(since), problem.note.clone()]))
        }
        Body::Appointment(appointment) => appointment_words(appointment),
        Body::TestResult(result) => result_words(result),
        Body::Immunisation(given) => {
            (given.vaccine.display.clone(), given.given.map(format::date).unwrap_or_default())
        }
        Body::Letter(letter) => {
            let dated = letter.dated.map(|date| format!("Dated {}", format::date(date)));
            (letter.title.clone(), lines([dated, letter.from.clone()]))
        }
        Body::DischargeSummary(summary) => discharge_words(summary),
        Body::Alert(alert) => (alert.text.display.clone(), alert.ended_reason.clone().unwrap_or_default()),
        Body::Resuscitation(decision) => {
            let signed = decision.signed.map(|date| format!("Signed {}", format::date(date)));
            let clinician = decision.clinician.clone();
            let paper = decision.paper.as_ref().map(|place| format!("The paper is: {place}"));
            (super::banner::cpr_words(decision.decision).to_owned(), lines([signed, clinician, paper]))
        }
        Body::EscalationLimits(limits) => ("Escalation limits".to_owned(), limits.text.clone()),
        Body::CareGoal(goal) => {
            (format!("{}: {}", goal.heading, goal.goal), goal.actions.clone().unwrap_or_default())
        }
        Body::Statement(statement) => (statement.heading.clone(), statement.text.clone()),
        Body::Risk(risk) => (
            format!("Risk: {} \u{2014} {}", risk.kind, risk.level),
            risk.management.clone().unwrap_or_default(),
        ),
        Body::Allergy(allergy) => {
            (allergy.substance.display.clone(), super::banner::reactions(&allergy.reactions))
        }
        Body::Order(order) => (format::MedicineLine::of(order).to_string(), String::new()),
        Body::Measurement(found) => {
            let value = found.value.as_ref().map(ToString::to_string);
            let device = found.device.as_ref().map(|device| format!("Measured by {device}"));
            (found.what.display.clone(), lines([value, device, found.text.clone()]))
        }
        Body::Intervention(raised) => {
            (format!("Intervention: {}", raised.issue), raised.outcome.clone().unwrap_or_default())
        }
        Body::Message(message) => ("Message".to_owned(), message.text.clone()),
        Body::Administration(dose) => (
            format!("{}: {}", super::doses::outcome_words(dose.outcome), dose.line),
            lines([dose.reason.clone(), dose.overridden.clone()]),
        ),
        Body::SoftSigns(seen) => {
            let prompts = soft_signs::prompts(seen.signs.iter().map(String::as_str)).join("\n");
            ("Soft signs".to_owned(), lines([Some(prompts), seen.text.clone()]))
        }
        Body::Fluid(fluid) => {
            let way = if fluid.intake { "Drank" } else { "Passed" };
            (format!("{way} {} mL", fluid.millilitres), fluid.what.clone().unwrap_or_default())
        }
        Body::VitalSigns(signs) => {
            let values =
                super::vitals::values(signs).into_iter().map(|(name, value)| format!("{name} {value}"));
            let values = values.collect::<Vec<_>>().join(", ");
            ("Observations".to_owned(), lines([Some(values), signs.note.clone()]))
        }
        Body::Baseline(agreed) => {
            let by = agreed.agreed_by.as_ref().map(|by| format!("Agreed by {by}"));
            let on = agreed.agreed.map(|on| format!("On {}", format::date(on)));
            let review = agreed.review.map(|on| format!("To be reviewed on {}", format::date(on)));
            let hours = agreed.check_hours.map(|hours| format!("While so, measured every {hours} hours"));
            (format!("Usual NEWS2 {}", agreed.news2), lines([by, on, hours, review]))
        }
        Body::OxygenScale(set) => {
            let name = if set.scale == SpO2Scale::Two { "SpO2 scale 2" } else { "SpO2 scale 1" };
            let on = set.decided.map(|on| format!("Decided on {}", format::date(on)));
            (format!("{name}, set by {}", super::vitals::set_by(set)), lines([on, set.reason.clone()]))
        }
        Body::EnteredInError(wrong) => ("Taken back as entered in error".to_owned(), wrong.reason.clone()),
        Body::Unknown(_) => (
            "Written by newer software".to_owned(),
            "This node cannot show it. It is kept, and nothing of it is lost.".to_owned(),
        ),
        _ => ("Entry".to_owned(), "This entry is shown on another page.".to_owned()),
    }
}

/// The kinds of notes, by key, as tiles and headings name them.
pub const NOTE_KINDS: [(&str, &str); 9] = [
    ("general", "General"),
    ("food", "Food"),
    ("drink", "Drink"),
    ("wash", "Washing and dressing"),
    ("mood", "Mood"),
    ("sleep", "Sleep"),
    ("activity", "Activity"),
    ("family", "Family"),
    ("handover", "Handover"),
];

fn note_head(category: &str, important: bool) -> String {
    let own = (crate::web::observe::sbard::CATEGORY, "Call for help (SBARD)");
    let name =
        NOTE_KINDS.iter().chain([&own]).find(|(key, _)| *key == category).map_or("Note", |(_, name)| *name);
    if important { format!("! Read first \u{2014} {name}") } else { name.to_owned() }
}

fn appointment_words(appointment: &Appointment) -> (String, String) {
    let head = format!("{} \u{2014} {}", format::date_time(appointment.start), appointment.what);
    let with = appointment.with.as_ref().map(|with| format!("With {with}"));
    (head, lines([with, appointment.location.clone(), Some(appointment.status.clone())]))
}

fn result_words(result: &TestResult) -> (String, String) {
    let head = match result.value.as_ref() {
        Some(value) => format!("{}: {}", result.test.display, value_words(value)),
        None => result.test.display.clone(),
    };
    let part = |part: &ResultPart| format!("{}: {}", part.what.display, value_words(&part.value));
    let parts = result.parts.iter().map(part).collect::<Vec<_>>().join("\n");
    let reference = result.reference.as_ref().map(|range| format!("Reference range {range}"));
    (head, lines([Some(parts), result.interpretation.clone(), reference, result.note.clone()]))
}

fn value_words(value: &ResultValue) -> String {
    match value {
        ResultValue::Quantity { value, unit, comparator } => {
            let number = format!("{}{value}", comparator.as_deref().unwrap_or_default());
            unit.as_ref().map_or(number.clone(), |unit| format!("{number} {unit}"))
        }
        ResultValue::Concept(concept) => concept.display.clone(),
        ResultValue::Text(text) => text.clone(),
        ResultValue::Absent(why) => format!("no value ({why})"),
    }
}

fn discharge_words(summary: &DischargeSummary) -> (String, String) {
    let hospital = summary.hospital.as_deref().unwrap_or("Hospital not named");
    let day = |date: Option<Date>| date.map_or("day not known".to_owned(), format::date);
    let head = format!("{hospital}: {} to {}", day(summary.admitted), day(summary.discharged));
    let diagnoses: Vec<&str> = summary.diagnoses.iter().map(|d: &Coded| d.display.as_str()).collect();
    let medicines = summary.medicines.iter().map(discharge_medicine).collect::<Vec<_>>().join("\n");
    let passages =
        summary.passages.iter().map(|p| format!("{}: {}", p.heading, p.text)).collect::<Vec<_>>().join("\n");
    (head, lines([Some(diagnoses.join(", ")), Some(medicines), Some(passages), summary.contact.clone()]))
}

fn discharge_medicine(line: &DischargeMedicine) -> String {
    let change = match line.change {
        MedicineChange::Continued => "continued",
        MedicineChange::Started => "STARTED",
        MedicineChange::Changed => "CHANGED",
        MedicineChange::Stopped => "STOPPED",
        MedicineChange::Unstated => "not said what changed",
    };
    let why = line.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
    format!("{} \u{2014} {} \u{2014} {change}{why}", line.medicine.display, line.directions)
}

fn lines<const N: usize>(parts: [Option<String>; N]) -> String {
    parts.into_iter().flatten().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n")
}
