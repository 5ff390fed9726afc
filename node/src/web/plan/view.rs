//! What the passages of a plan are called, and how what stands of them is shown.

use hearth_protocol::clinical::format;
use hearth_protocol::record::Entry;
use hearth_protocol::record::identity::Demographics;
use hearth_protocol::record::plan::Passage;
use hearth_protocol::record::plan::passages::{PassageItem, Shown, passages};
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::record::version::{Thing, Version, sorted, things};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Date;

use crate::web::view::chart::Chart;
use crate::web::view::item;

/// Headings of the care plan, by key, in order.
pub const CARE: [(&str, &str); 20] = [
    ("mobility", "Moving about"),
    ("falls", "Falls"),
    ("personal-care", "Washing and dressing"),
    ("nutrition", "Eating"),
    ("hydration", "Drinking"),
    ("oral", "Mouth and teeth"),
    ("continence", "Toilet and continence"),
    ("skin", "Skin"),
    ("sleep", "Sleep"),
    ("communication", "Communication"),
    ("cognition", "Memory and understanding"),
    ("mood", "Mood"),
    ("pain", "Pain"),
    ("breathing", "Breathing"),
    ("medicines-support", "Help with medicines"),
    ("social", "Company"),
    ("family", "Family and friends"),
    ("religion", "Faith and beliefs"),
    ("activities", "Activities"),
    ("safeguarding", "Safeguarding"),
];
/// Headings of About Me (PRSB 2.01), by key, in order.
pub const ABOUT: [(&str, &str); 8] = [
    ("about-most-important", "What is most important to me"),
    ("about-people", "People who are important to me"),
    ("about-communicate", "How I communicate and how to communicate with me"),
    ("about-wellness", "My wellness"),
    ("about-do", "Please do"),
    ("about-do-not", "Please do not"),
    ("about-support", "How and when to support me"),
    ("about-also", "Also worth knowing about me"),
];
/// The heading of wishes.
pub const WISHES: (&str, &str) = ("wishes", "What I want for my future care");

/// What a passage of the document is called.
pub fn name(key: &'static str) -> &'static str {
    heading(key)
}

/// What a passage is called; a key of other software stands as it is.
pub fn heading(key: &str) -> &str {
    let all = CARE.iter().chain(&ABOUT).chain(std::iter::once(&WISHES));
    all.into_iter().find(|(known, _)| *known == key).map_or(key, |(_, words)| words)
}

/// A passage as a page shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageShown {
    /// Its key.
    pub key: &'static str,
    /// What it is called.
    pub heading: &'static str,
    /// What it says; empty where nobody has written it, or where people wrote apart.
    pub text: String,
    /// Who wrote it and when, and with whom.
    pub by: Option<String>,
    /// When it is to be looked at again.
    pub review: Option<String>,
    /// The same as a form's field has it.
    pub review_day: Option<Date>,
    /// Whether that day is over.
    pub overdue: bool,
    /// Whether two people wrote it apart, and both changes stand in it.
    pub joined: bool,
    /// What people wrote apart and nobody has settled: who, and the text.
    pub apart: Vec<(String, String)>,
}

/// The passages of these headings, of the plan's entries and of the texts that the document alone has.
pub fn passages_shown(
    entries: &[Entry],
    texts: &[(&'static str, String)],
    headings: &[(&'static str, &'static str)],
    today: Date,
) -> Vec<PassageShown> {
    let left = passages(entries);
    let shown = |(key, heading): &(&'static str, &'static str)| {
        if let Some(item) = left.get(key) {
            return of_item(key, heading, item, today);
        }
        let text = texts.iter().find(|(known, _)| known == key);
        PassageShown { text: text.map(|(_, text)| text.clone()).unwrap_or_default(), ..empty(key, heading) }
    };
    headings.iter().map(shown).collect()
}

fn empty(key: &'static str, heading: &'static str) -> PassageShown {
    let (text, by, review, apart) = (String::new(), None, None, Vec::new());
    PassageShown { key, heading, text, by, review, review_day: None, overdue: false, joined: false, apart }
}

fn of_item(key: &'static str, heading: &'static str, item: &PassageItem<'_>, today: Date) -> PassageShown {
    let review = item.standing.iter().filter_map(|v| v.body.review).min();
    let is_apart = item.shown == Shown::Apart;
    let apart = item.standing.iter().filter(|_| is_apart).map(|v| (by(v), v.body.text.clone()));
    PassageShown {
        text: item.text().unwrap_or_default().to_owned(),
        by: (!is_apart).then(|| item.standing.iter().map(by).collect::<Vec<_>>().join("; ")),
        review: review.map(format::date),
        review_day: review,
        overdue: review.is_some_and(|day| day < today),
        joined: matches!(item.shown, Shown::Joined(_)),
        apart: apart.collect(),
        ..empty(key, heading)
    }
}

fn by(version: &Version<'_, Passage>) -> String {
    let with = version.body.with.as_ref().map(|with| format!(", with {with}")).unwrap_or_default();
    format!("{}{with}, {}", item::by(version.entry), format::date_time(version.entry.happened))
}

/// What of a plan is to be looked at again and was not: what, and since when.
pub fn overdue(chart: &Chart, passages: &[PassageShown]) -> Vec<String> {
    let today = chart.now.date();
    let mut found: Vec<(Option<Date>, String)> = Vec::new();
    let mut add = |what: String, review: Option<Date>| {
        if let Some(day) = review.filter(|day| *day < today) {
            found.push((Some(day), format!("{what}: review was due {}", format::date(day))));
        }
    };
    let view = PlanView::of(chart.section(Section::Plan));
    for goal in view.goals.iter().filter_map(Thing::newest) {
        add(format!("Goal \u{201c}{}\u{201d}", goal.body.goal), goal.body.review);
    }
    for risk in view.risks.iter().filter_map(Thing::newest) {
        add(format!("Risk: {}", risk.body.kind), risk.body.review);
    }
    let safety = SafetyView::of(chart.section(Section::Safety));
    for decision in &safety.resuscitation.standing {
        add("CPR decision".to_owned(), decision.body.review);
    }
    for limits in &safety.escalation.standing {
        add("Escalation limits".to_owned(), limits.body.review);
    }
    found.sort();
    let of_passages = passages.iter().filter(|passage| passage.overdue);
    let of_passages = of_passages.map(|passage| {
        format!("{}: review was due {}", passage.heading, passage.review.as_deref().unwrap_or_default())
    });
    found.into_iter().map(|(_, words)| words).chain(of_passages).collect()
}

/// What is known of capacity, powers of attorney and deprivation of liberty: contacts that hold one, and what alerts and
/// statements say of them. Nothing here says that there is none.
pub fn legal(chart: &Chart) -> Vec<String> {
    let mut lines = Vec::new();
    let (identity, _) = sorted(chart.section(Section::Identity), Section::Identity);
    for person in things::<Demographics>(&identity).iter().filter_map(Thing::newest) {
        for contact in &person.body.contacts {
            let Some(attorney) = &contact.attorney else { continue };
            let parts = [Some(contact.name.clone()), contact.relationship.clone(), contact.phone.clone()];
            let who = parts.into_iter().flatten().collect::<Vec<_>>().join(", ");
            lines.push(format!("Power of attorney: {who} \u{2013} {attorney}"));
        }
    }
    let safety = SafetyView::of(chart.section(Section::Safety));
    for alert in safety.alerts.iter().filter_map(Thing::newest) {
        if is_legal(&alert.body.text.display) {
            lines.push(format!("Alert: {}", alert.body.text.display));
        }
    }
    for said in PlanView::of(chart.section(Section::Plan)).statements.iter().filter_map(Thing::newest) {
        if is_legal(&said.body.heading) {
            lines.push(format!("{}: {}", said.body.heading, said.body.text));
        }
    }
    lines
}

fn is_legal(text: &str) -> bool {
    const WORDS: [&str; 8] = [
        "capacity",
        "attorney",
        "lpa",
        "dols",
        "deprivation",
        "adrt",
        "advance decision",
        "mental health act",
    ];
    let text = text.to_lowercase();
    let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric()).collect();
    WORDS.iter().any(|word| if word.contains(' ') { text.contains(word) } else { words.contains(word) })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_protocol::record::plan::HEADINGS;

    use super::*;

    #[test]
    fn every_passage_of_the_document_has_one_place_on_the_pages() {
        let shown: BTreeSet<&str> =
            CARE.iter().chain(&ABOUT).map(|(key, _)| *key).chain([WISHES.0]).collect();
        assert_eq!(shown, BTreeSet::from(HEADINGS));
        assert!(HEADINGS.iter().all(|key| heading(key) != *key));
    }

    #[test]
    fn words_of_law_are_found_as_words() {
        for found in ["Lacks capacity for money", "DoLS in place", "LPA (health)", "Advance decision (ADRT)"]
        {
            assert!(is_legal(found), "{found}");
        }
        assert!(!is_legal("Incapacity benefit") && !is_legal("Falls"));
    }
}
