//! What stands on the sheets, made from a chart and from nothing else.

use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::clinical::soft_signs::SOFT_SIGNS;
use hearth_protocol::paper::{Block, Job, Part, Person, VERSION};
use hearth_protocol::record::history::Problem;
use hearth_protocol::record::identity::Contact;
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::record::mar::board::last_taken;
use hearth_protocol::record::medicines::view::{MedicinesView, OrderState};
use hearth_protocol::record::observations::SoftSigns;
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::safety::Resuscitation;
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::record::version::{Thing, sorted, things};
use hearth_protocol::scope::Section;

use super::super::plan::view::ABOUT;
use super::super::view::banner::{Banner, cpr_words};
use super::super::view::chart::Chart;
use super::super::view::vitals::Vitals;

/// What the hospital gives back or keeps for the person (Red Bag).
const BELONGINGS: [&str; 14] = [
    "This pack and the medicines chart",
    "ReSPECT, DNACPR or advance decision: the signed paper",
    "About Me",
    "Medicines of the person's own",
    "Inhalers and spacer",
    "Insulin",
    "Dressings, catheter or stoma supplies",
    "Glasses",
    "Hearing aids and batteries",
    "Dentures",
    "Walking aid",
    "Clothes and shoes for coming home",
    "Toiletries",
    "Telephone and charger",
];

/// The sections that a pack shows.
pub(super) const SHOWN: [Section; 7] = [
    Section::Identity,
    Section::Safety,
    Section::Medicines,
    Section::Mar,
    Section::Plan,
    Section::Observations,
    Section::History,
];

/// A job with what all sheets say of themselves.
pub(super) fn job(
    site: &str,
    chart_time: hearth_protocol::time::Timestamp,
    title: &str,
    parts: Vec<Part>,
) -> Job {
    Job {
        version: VERSION,
        title: title.to_owned(),
        site: site.to_owned(),
        made: format::date_time(chart_time),
        caution: "True when made: ask the home for what came since.".to_owned(),
        parts,
    }
}

/// Who it is, for the head of each page.
pub(super) fn person(banner: &Banner) -> Person {
    let row = &banner.allergies;
    let line = |line: &super::super::view::banner::AllergyLine| {
        let reactions = Some(&line.reactions).filter(|text| !text.is_empty());
        let reactions = reactions.map(|text| format!(": {text}")).unwrap_or_default();
        format!("{}{reactions}", line.substance)
    };
    let known: Vec<String> = row.lines.iter().map(line).collect();
    let said = [Some(known.join("; ")).filter(|text| !text.is_empty()), row.note.clone()];
    let said: Vec<String> = said.into_iter().flatten().collect();
    let allergies =
        if said.is_empty() { row.title.to_owned() } else { format!("{}. {}", row.title, said.join(". ")) };
    Person {
        name: banner.name.clone(),
        preferred: banner.preferred.clone(),
        born: banner.born.clone(),
        nhs_number: banner.nhs_number.clone(),
        room: banner.room.clone(),
        allergies: format!("{} {allergies}", row.icon),
        cpr: banner.cpr.clone(),
    }
}

/// The pack that goes with a person to hospital. `about` are the passages of About Me, by key.
pub(super) fn transfer(chart: &Chart, banner: &Banner, about: &[(&'static str, String)]) -> Vec<Part> {
    let vitals = Vitals::latest(chart);
    let mut first = vec![going(banner), sbard(chart, vitals.as_ref()), decisions(chart)];
    first.push(medicines(chart));
    let second = vec![
        needs(chart),
        about_me(about),
        contacts(chart),
        Block::Boxes {
            heading: "Goes with the person, and comes back".to_owned(),
            items: BELONGINGS.map(str::to_owned).to_vec(),
        },
        Block::Facts {
            heading: "Who to call".to_owned(),
            rows: vec![
                (
                    "The home's number".to_owned(),
                    "................................................".to_owned(),
                ),
                ("Ask for".to_owned(), "................................................".to_owned()),
                (
                    "Handed to (name, time)".to_owned(),
                    "................................................".to_owned(),
                ),
            ],
        },
    ];
    let part = |heading: &str, blocks| Part {
        heading: format!("{heading}: {}", banner.name),
        person: Some(person(banner)),
        landscape: false,
        blocks,
    };
    vec![part("Going to hospital", first), part("About the person", second)]
}

/// The emergency summary: what an ambulance crew asks first.
pub(super) fn emergency(chart: &Chart, banner: &Banner) -> Part {
    Part {
        heading: format!("Emergency summary: {}", banner.name),
        person: Some(person(banner)),
        landscape: false,
        blocks: vec![decisions(chart), medicines(chart), needs(chart), contacts(chart)],
    }
}

fn going(banner: &Banner) -> Block {
    let why = banner.away.clone().unwrap_or_else(|| "Not recorded as gone".to_owned());
    Block::Facts { heading: "Why and when".to_owned(), rows: vec![("Reason".to_owned(), why)] }
}

fn sbard(chart: &Chart, vitals: Option<&Vitals>) -> Block {
    let observed = match vitals {
        None => "No observations in the last 31 days".to_owned(),
        Some(vitals) => {
            let values: Vec<String> =
                vitals.values.iter().map(|(name, value)| format!("{name} {value}")).collect();
            format!("{} {} ({}, {})", vitals.words(), values.join(", "), vitals.by, vitals.age)
        }
    };
    let problems =
        if chart.has(Section::History) { problems(chart) } else { "Your role does not show them".to_owned() };
    let blank =
        || "................................................................................".to_owned();
    Block::Facts {
        heading: "SBARD".to_owned(),
        rows: vec![
            ("Situation".to_owned(), blank()),
            ("Background".to_owned(), problems),
            ("Assessment: NEWS2".to_owned(), observed),
            ("Assessment: soft signs".to_owned(), soft_signs(chart)),
            ("Recommendation".to_owned(), blank()),
            ("Decision".to_owned(), blank()),
        ],
    }
}

fn problems(chart: &Chart) -> String {
    let (threads, _) = sorted(chart.section(Section::History), Section::History);
    let all = things::<Problem>(&threads);
    let names = all
        .iter()
        .filter_map(Thing::newest)
        .filter(|v| v.body.active)
        .map(|v| v.body.problem.display.clone());
    or_none(names.collect::<Vec<_>>().join("; "), "No problems are known here")
}

fn soft_signs(chart: &Chart) -> String {
    let (threads, _) = sorted(chart.section(Section::Observations), Section::Observations);
    let all = things::<SoftSigns>(&threads);
    let Some(newest) = all.iter().filter_map(Thing::newest).max_by_key(|v| (v.entry.happened, v.entry.id))
    else {
        return "None recorded in the last 31 days".to_owned();
    };
    let prompts = SOFT_SIGNS.iter().filter(|sign| newest.body.signs.iter().any(|key| key == sign.key));
    let mut words: Vec<String> = prompts.map(|sign| sign.prompt.to_owned()).collect();
    words.extend(newest.body.text.clone());
    let (by, when) = (&newest.entry.author.name, format::date_time(newest.entry.happened));
    format!("{} ({by}, {when})", words.join("; "))
}

/// What was decided, and where the signed paper is. Decisions that differ stand side by side.
fn decisions(chart: &Chart) -> Block {
    let view = SafetyView::of(chart.section(Section::Safety));
    let paper = |body: &Resuscitation| {
        let signed = body.signed.map(|date| format!("signed {}", format::date(date)));
        let by = body.clinician.as_ref().map(|who| format!("by {who}"));
        let place = body.paper.as_deref().unwrap_or("not recorded: look for it");
        let said: Vec<String> = [Some(cpr_words(body.decision).to_owned()), body.form.clone(), signed, by]
            .into_iter()
            .flatten()
            .collect();
        format!("{}. The signed paper is: {place}", said.join(", "))
    };
    let mut rows: Vec<(String, String)> =
        view.resuscitation.standing.iter().map(|v| ("CPR".to_owned(), paper(v.body))).collect();
    if rows.is_empty() {
        rows.push(("CPR".to_owned(), "No decision recorded".to_owned()));
    }
    if view.resuscitation.contested {
        rows.push(("CPR".to_owned(), "! Decisions differ. Look at the paper".to_owned()));
    }
    rows.extend(
        view.escalation.standing.iter().map(|v| ("How far treatment goes".to_owned(), v.body.text.clone())),
    );
    let alerts = view.alerts.iter().filter_map(Thing::newest).map(|v| v.body.text.display.clone());
    rows.extend(alerts.map(|text| ("Alert".to_owned(), text)));
    Block::Facts { heading: "Decisions and alerts. The signed paper holds, not this sheet".to_owned(), rows }
}

/// Every order that stands, with when it was last taken. One that people changed apart says so.
fn medicines(chart: &Chart) -> Block {
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let taken = last_taken(chart.section(Section::Mar));
    let shown = view.orders.iter().filter(|order| {
        matches!(
            order.state,
            OrderState::Active | OrderState::HeldForReview | OrderState::OnHold | OrderState::ToCome
        )
    });
    let row = |order: &hearth_protocol::record::medicines::view::OrderItem<'_>| {
        let version = order.shown()?;
        let state = match order.state {
            OrderState::HeldForReview => " ! People changed this order apart: ask before giving",
            OrderState::OnHold => " (on hold)",
            OrderState::ToCome => " (starts later)",
            OrderState::Active | OrderState::Ended | OrderState::Stopped | OrderState::TakenBack => "",
        };
        let last = taken.get(&order.thing.id()).map_or("None in the last 8 days".to_owned(), |dose| {
            format!("{}, {}", format::date_time(dose.entry.happened), dose.entry.author.name)
        });
        Some(vec![format!("{}{state}", MedicineLine::of(version.body)), last])
    };
    let mut rows: Vec<Vec<String>> = shown.filter_map(row).collect();
    if rows.is_empty() {
        rows.push(vec!["No medicines are ordered.".to_owned(), String::new()]);
    }
    Block::Table {
        heading: "Medicines, with the last dose taken".to_owned(),
        columns: vec!["Medicine".to_owned(), "Last dose".to_owned()],
        widths: vec![3, 1],
        rows,
        row_mm: 5,
    }
}

fn needs(chart: &Chart) -> Block {
    let identity = IdentityView::of(chart.section(Section::Identity));
    let said = identity.current().and_then(|person| person.communication.clone());
    let mut rows = vec![("Communication".to_owned(), or_none(said.unwrap_or_default(), "Nothing recorded"))];
    let plan = PlanView::of(chart.section(Section::Plan));
    let risks = plan.risks.iter().filter(|risk| !risk.is_taken_back()).filter_map(Thing::newest);
    let before = rows.len();
    rows.extend(risks.map(|risk| {
        let managed = risk.body.management.as_ref().map(|text| format!(". {text}")).unwrap_or_default();
        (format!("Risk: {}", risk.body.kind), format!("{}{managed}", risk.body.level))
    }));
    if rows.len() == before {
        rows.push((
            "Risks".to_owned(),
            "None recorded here: falls, skin, swallow, infection. Ask the home".to_owned(),
        ));
    }
    Block::Facts { heading: "Communication and risks".to_owned(), rows }
}

fn about_me(about: &[(&'static str, String)]) -> Block {
    let passage = |(key, heading): &(&str, &str)| {
        let text = about.iter().find(|(of, _)| of == key).map(|(_, text)| text.clone())?;
        Some(((*heading).to_owned(), text))
    };
    let mut rows: Vec<(String, String)> = ABOUT.iter().filter_map(passage).collect();
    if rows.is_empty() {
        rows.push(("About Me".to_owned(), "Nobody has written it yet".to_owned()));
    }
    Block::Facts { heading: "About Me".to_owned(), rows }
}

fn contacts(chart: &Chart) -> Block {
    let identity = IdentityView::of(chart.section(Section::Identity));
    let person = identity.current();
    let call = |contact: &Contact| {
        let kin = contact.next_of_kin.then(|| "next of kin".to_owned());
        let attorney = contact.attorney.as_ref().map(|what| format!("power of attorney: {what}"));
        let said: Vec<String> = [contact.phone.clone(), kin, attorney].into_iter().flatten().collect();
        let relationship = contact.relationship.as_deref().map(|r| format!(" ({r})")).unwrap_or_default();
        (format!("{}{relationship}", contact.name), or_none(said.join(", "), "No telephone number recorded"))
    };
    let mut rows: Vec<(String, String)> =
        person.map(|p| p.contacts.iter().map(call).collect()).unwrap_or_default();
    if let Some(practice) = person.and_then(|p| p.practice.as_ref()) {
        let said: Vec<String> =
            [practice.doctor.clone(), practice.phone.clone()].into_iter().flatten().collect();
        rows.push((
            format!("GP: {}", practice.name),
            or_none(said.join(", "), "No telephone number recorded"),
        ));
    }
    if rows.is_empty() {
        rows.push(("Contacts".to_owned(), "None recorded".to_owned()));
    }
    Block::Facts { heading: "Family, attorney, GP".to_owned(), rows }
}

fn or_none(text: String, none: &str) -> String {
    if text.is_empty() { none.to_owned() } else { text }
}
