//! The two rows that stay in sight on every page of a resident (CUI PAB, ADR).

use hearth_protocol::clinical::{NhsNumber, format};
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::identity::{Demographics, Gender, Placement};
use hearth_protocol::record::safety::view::{AllergyItem, AllergyState, AllergyTitle, SafetyView};
use hearth_protocol::record::safety::{CprDecision, Reaction, Severity};
use hearth_protocol::record::version::{Thing, sorted, things};
use hearth_protocol::scope::Section;

use super::chart::Chart;

/// Who it is and what harms them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Banner {
    /// Whose.
    pub resident: ResidentId,
    /// `SMITH, Margaret (Mrs)`.
    pub name: String,
    /// `M S`: for the window's title, which stays in the browser's history.
    pub initials: String,
    /// `14-Aug-1938 (88y)`.
    pub born: String,
    /// For screen readers: `14 August 1938`.
    pub born_long: String,
    /// In a word.
    pub gender: &'static str,
    /// `999 000 0018`, or words.
    pub nhs_number: String,
    /// Ten digits, for the search on the page.
    pub nhs_digits: String,
    /// What the person likes to be called.
    pub preferred: Option<String>,
    /// Room.
    pub room: Option<String>,
    /// Where the person is, when away.
    pub away: Option<String>,
    /// Day of death.
    pub died: Option<String>,
    /// Whether people changed the particulars apart.
    pub contested: bool,
    /// The second row.
    pub allergies: AllergyRow,
    /// Resuscitation.
    pub cpr: String,
}

/// The row of allergies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllergyRow {
    /// `known`, `none`, `unasked` or `unavailable`: the class.
    pub kind: &'static str,
    /// A shape that differs for each title.
    pub icon: &'static str,
    /// The exact title.
    pub title: &'static str,
    /// What is known, the most dangerous first.
    pub lines: Vec<AllergyLine>,
    /// Who found none and when, or what follows from not knowing.
    pub note: Option<String>,
}

/// One allergy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllergyLine {
    /// To what.
    pub substance: String,
    /// Past reactions: of one event joined by `+`, of different events by commas.
    pub reactions: String,
    /// Typed without a code: it triggers no check.
    pub free_text: bool,
    /// People disagree about it.
    pub for_review: bool,
}

impl Banner {
    /// The banner of a chart.
    pub fn of(chart: &Chart) -> Self {
        let (threads, _) = sorted(chart.section(Section::Identity), Section::Identity);
        let demographics = things::<Demographics>(&threads);
        let person = demographics.iter().find_map(Thing::newest).map(|version| version.body);
        let placement = things::<Placement>(&threads);
        let place = placement.iter().filter_map(Thing::newest).max_by_key(|v| v.entry.recorded);
        let place = place.map(|version| version.body);
        let contested = demographics.len() > 1 || demographics.iter().any(Thing::is_contested);
        Self {
            resident: chart.resident,
            name: person.map_or("Name not known".to_owned(), |p| format::name(&p.name)),
            initials: person.map(initials).unwrap_or_default(),
            born: birth(chart, person),
            born_long: person.and_then(|p| p.birth_date).map(format::long_date).unwrap_or_default(),
            gender: person.map_or("Not known", |p| gender_words(p.gender)),
            nhs_number: person
                .and_then(|p| p.nhs_number)
                .map_or("Not known".to_owned(), |number| number.to_string()),
            nhs_digits: person.and_then(|p| p.nhs_number).map(NhsNumber::to_plain).unwrap_or_default(),
            preferred: person.and_then(|p| p.name.preferred.clone()),
            room: place.and_then(|p| p.room.clone()),
            away: place.and_then(|p| p.away.clone()),
            died: person.and_then(|p| p.died).map(format::date),
            contested,
            allergies: allergies(chart),
            cpr: cpr(chart),
        }
    }

    /// The title of a page about this person: initials and room, never the name.
    pub fn window(&self, page: &str) -> String {
        match &self.room {
            Some(room) => format!("{page}: {}, room {room}", self.initials),
            None => format!("{page}: {}", self.initials),
        }
    }
}

/// What a decision about resuscitation is called on screen.
pub fn cpr_words(decision: CprDecision) -> &'static str {
    match decision {
        CprDecision::Attempt => "CPR: attempt",
        CprDecision::DoNotAttempt => "CPR: do not attempt (DNACPR)",
    }
}

/// Past reactions: of one event joined by `+`, of different events by commas (ADR-0027).
pub fn reactions(reactions: &[Reaction]) -> String {
    let event = |reaction: &Reaction| {
        let seen: Vec<&str> = reaction.manifestations.iter().map(|m| m.display.as_str()).collect();
        let severity = reaction.severity.map(|severity| match severity {
            Severity::Mild => " (mild)",
            Severity::Moderate => " (moderate)",
            Severity::Severe => " (severe)",
        });
        format!("{}{}", seen.join(" + "), severity.unwrap_or_default())
    };
    reactions.iter().map(event).filter(|text| !text.is_empty()).collect::<Vec<_>>().join(", ")
}

fn initials(person: &Demographics) -> String {
    let given = person.name.given.first().map(String::as_str).unwrap_or_default();
    let first = |text: &str| text.chars().next().map(|c| c.to_uppercase().to_string());
    [first(given), first(&person.name.family)].into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn birth(chart: &Chart, person: Option<&Demographics>) -> String {
    let date = person.and_then(|p| p.birth_date);
    date.map_or("Not known".to_owned(), |date| format::born(date, chart.now.date()))
}

fn gender_words(gender: Gender) -> &'static str {
    match gender {
        Gender::Female => "Female",
        Gender::Male => "Male",
        Gender::Other => "Other",
        Gender::Unknown => "Not known",
    }
}

fn allergies(chart: &Chart) -> AllergyRow {
    if !chart.has(Section::Safety) {
        return AllergyRow {
            kind: "unavailable",
            icon: "\u{d7}",
            title: "Allergies unavailable",
            lines: Vec::new(),
            note: Some("Your role does not show them. Ask before anything is given.".to_owned()),
        };
    }
    let view = SafetyView::of(chart.section(Section::Safety));
    let (kind, icon) = match view.allergy_title() {
        AllergyTitle::Known => ("known", "!"),
        AllergyTitle::NoneKnown => ("none", "\u{2713}"),
        AllergyTitle::NotRecorded => ("unasked", "?"),
    };
    let note = match view.allergy_title() {
        AllergyTitle::Known => None,
        AllergyTitle::NoneKnown => view.no_known_allergies().map(|version| {
            format!("Told by {}, {}", version.entry.author.name, format::date(version.entry.happened.date()))
        }),
        AllergyTitle::NotRecorded => Some("Risk status unknown. Ask before anything is given.".to_owned()),
    };
    let lines = view.allergies.iter().filter_map(allergy_line).collect();
    AllergyRow { kind, icon, title: view.allergy_title().words(), lines, note }
}

fn allergy_line(item: &AllergyItem<'_>) -> Option<AllergyLine> {
    let shown = item.shown()?;
    Some(AllergyLine {
        substance: shown.body.substance.display.clone(),
        reactions: reactions(&shown.body.reactions),
        free_text: item.is_free_text(),
        for_review: item.state == AllergyState::ForReview,
    })
}

fn cpr(chart: &Chart) -> String {
    if !chart.has(Section::Safety) {
        return "CPR: unavailable".to_owned();
    }
    let view = SafetyView::of(chart.section(Section::Safety));
    match view.resuscitation.standing.as_slice() {
        [] => "CPR: no decision recorded".to_owned(),
        [only] => {
            let signed = only.body.signed.map(|date| format!(", signed {}", format::date(date)));
            format!("{}{}", cpr_words(only.body.decision), signed.unwrap_or_default())
        }
        [..] => "! CPR: decisions differ. Look at the paper".to_owned(),
    }
}
