//! What to say on the telephone about somebody who is unwell, made from the record.

use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::clinical::{Vital, soft_signs};
use hearth_protocol::record::identity::{Demographics, Practice};
use hearth_protocol::record::medicines::view::{MedicinesView, OrderState};
use hearth_protocol::record::observations::view::{ObservationsView, ScoredSet, value};
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::record::version::{Thing, sorted, things};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::web::view::banner::{Banner, cpr_words};
use crate::web::view::chart::Chart;
use crate::web::view::item;
use crate::web::view::vitals::{self, Vitals};

/// Soft signs of so many hours are told.
const SIGNS_HOURS: i64 = 48;
/// Medicines that changed within so many days are told as changed.
const CHANGED_DAYS: i64 = 14;
/// How many sets are told.
const SETS: usize = 3;
const HOUR_MS: i64 = 3_600_000;

/// Who calls, and from where.
pub(super) struct Caller<'a> {
    pub(super) name: &'a str,
    pub(super) role: &'a str,
    pub(super) site: &'a str,
}

/// The sheet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct CallSheet {
    /// Resuscitation, escalation limits, where the papers are.
    pub(super) limits: Vec<String>,
    /// Whom to call, with the number where it is known: words and what is dialled.
    pub(super) numbers: Vec<(String, Option<String>)>,
    /// Who calls about whom.
    pub(super) opening: String,
    /// What is happening.
    pub(super) situation: Vec<String>,
    /// What is behind it.
    pub(super) problems: Vec<String>,
    /// Why there are no problems to tell.
    pub(super) problems_note: Option<&'static str>,
    /// Medicines that changed lately, with when.
    pub(super) changed: Vec<String>,
    /// Every medicine.
    pub(super) medicines: Vec<MedicineLine>,
    /// Allergies.
    pub(super) allergies: Vec<String>,
    /// The last sets, newest first.
    pub(super) sets: Vec<ToldSet>,
    /// What has changed between the last two sets, in words.
    pub(super) trends: Vec<String>,
    /// What the score asks for, in the college's words.
    pub(super) responses: Vec<&'static str>,
}

/// A set as it is read out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ToldSet {
    /// When, and how long ago.
    pub(super) at: String,
    /// The score, or that there is none.
    pub(super) score: String,
    /// Names and values.
    pub(super) values: String,
}

impl CallSheet {
    /// The sheet of a chart.
    pub(super) fn of(chart: &Chart, banner: &Banner, caller: &Caller<'_>) -> Self {
        let view = vitals::observed(chart);
        let latest = view.latest_scored(chart.now).and_then(|(set, _)| Vitals::of(chart, set));
        let score = latest.as_ref().and_then(Vitals::scored);
        Self {
            limits: limits(chart),
            numbers: numbers(chart),
            opening: format!(
                "I am {}, {} at {}. I am calling about {}, born {}, NHS number {}.",
                caller.name,
                caller.role.to_lowercase(),
                caller.site,
                banner.name,
                banner.born,
                banner.nhs_number
            ),
            situation: situation(chart, &view, latest.as_ref()),
            problems: problems(chart),
            problems_note: (!chart.has(Section::History))
                .then_some("Your role does not show problems. A senior or a nurse can tell them."),
            changed: changed(chart),
            medicines: medicines(chart),
            allergies: allergies(banner),
            sets: view.taken(chart.now).take(SETS).filter_map(|set| told(chart, set)).collect(),
            trends: trends(&view, chart.now),
            responses: score.map(|score| score.responses.to_vec()).unwrap_or_default(),
        }
    }

    /// What is kept of what was told: what is happening, and the last set.
    pub(super) fn told(&self) -> Vec<String> {
        let set = self.sets.first().map(|set| format!("{}: {}. {}", set.at, set.score, set.values));
        self.situation.iter().cloned().chain(set).chain(self.limits.iter().cloned()).collect()
    }
}

fn limits(chart: &Chart) -> Vec<String> {
    if !chart.has(Section::Safety) {
        return vec![
            "! CPR and escalation limits: your role does not show them. Ask the senior or nurse".to_owned(),
        ];
    }
    let view = SafetyView::of(chart.section(Section::Safety));
    let mut lines = Vec::new();
    let differ = |what: &str| format!("! {what} differ. Look at the paper and read out what it says");
    if view.resuscitation.contested {
        lines.push(differ("Decisions about CPR"));
    }
    for decision in &view.resuscitation.standing {
        let paper = paper(decision.body.paper.as_deref());
        let signed = signed(decision.body.signed, decision.body.clinician.as_deref());
        lines.push(format!("{}{signed}. {paper}", cpr_words(decision.body.decision)));
    }
    if view.resuscitation.standing.is_empty() {
        lines.push("CPR: no decision recorded".to_owned());
    }
    if view.escalation.contested {
        lines.push(differ("Escalation limits"));
    }
    for limit in &view.escalation.standing {
        let signed = signed(limit.body.signed, limit.body.clinician.as_deref());
        lines.push(format!(
            "Escalation limits: {}{signed}. {}",
            limit.body.text,
            paper(limit.body.paper.as_deref())
        ));
    }
    if view.escalation.standing.is_empty() {
        lines.push("Escalation limits: none recorded".to_owned());
    }
    lines
}

fn paper(place: Option<&str>) -> String {
    place.map_or("Where the paper is, is not recorded".to_owned(), |place| format!("The paper is: {place}"))
}

fn signed(on: Option<hearth_protocol::time::Date>, by: Option<&str>) -> String {
    let on = on.map(|on| format!(", signed {}", format::date(on))).unwrap_or_default();
    let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
    format!("{on}{by}")
}

fn numbers(chart: &Chart) -> Vec<(String, Option<String>)> {
    let (threads, _) = sorted(chart.section(Section::Identity), Section::Identity);
    let people = things::<Demographics>(&threads);
    let practice = people.iter().find_map(Thing::newest).and_then(|v| v.body.practice.as_ref());
    let mut numbers = vec![
        ("999: life in danger".to_owned(), Some("999".to_owned())),
        ("NHS 111: urgent, not life in danger".to_owned(), Some("111".to_owned())),
    ];
    numbers.extend(practice.map(practice_line));
    numbers
}

fn practice_line(practice: &Practice) -> (String, Option<String>) {
    let doctor = practice.doctor.as_ref().map(|doctor| format!(", {doctor}")).unwrap_or_default();
    let phone =
        practice.phone.as_ref().map_or(" (number not recorded)".to_owned(), |phone| format!(": {phone}"));
    // What is dialled has digits and a leading plus only, so that no address is made of free text.
    let dialled: Option<String> = practice
        .phone
        .as_ref()
        .map(|phone| phone.chars().filter(|c| c.is_ascii_digit() || *c == '+').collect());
    (format!("GP: {}{doctor}{phone}", practice.name), dialled.filter(|digits| !digits.is_empty()))
}

fn situation(chart: &Chart, view: &ObservationsView<'_>, latest: Option<&Vitals>) -> Vec<String> {
    let since = chart.now.plus_ms(-SIGNS_HOURS * HOUR_MS);
    let mut lines = Vec::new();
    for seen in view.soft_signs.iter().filter_map(Thing::newest).filter(|v| since < v.entry.happened) {
        let prompts = soft_signs::prompts(seen.body.signs.iter().map(String::as_str)).join("; ");
        let words = [Some(prompts).filter(|p| !p.is_empty()), seen.body.text.clone()];
        let words = words.into_iter().flatten().collect::<Vec<_>>().join(". ");
        lines.push(format!("Noticed at {}: {words}", format::date_time(seen.entry.happened)));
    }
    match latest.and_then(|latest| Some((latest, latest.scored()?))) {
        Some((latest, score)) => {
            let three = if score.single_three { ". One measurement alone scores 3" } else { "" };
            lines.push(format!(
                "NEWS2 is {}, {} clinical risk, {} ({}){three}",
                score.total,
                score.risk.to_lowercase(),
                score.against_usual,
                latest.age
            ));
        }
        None => lines.push("There is no full set of observations of the last 31 days".to_owned()),
    }
    lines
}

fn problems(chart: &Chart) -> Vec<String> {
    let is_active = |body: &Body| matches!(body, Body::Problem(problem) if problem.active);
    let items = item::items(chart, Section::History, is_active, 30);
    items.into_iter().map(|item| item.head).collect()
}

/// Orders with an entry of the last days, with what was done.
fn changed(chart: &Chart) -> Vec<String> {
    let since = chart.now.plus_ms(-CHANGED_DAYS * 24 * HOUR_MS);
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let lately = |entry: &&Entry| since < entry.recorded;
    let changed = view.orders.iter().filter_map(|order| {
        let last =
            order.thing.thread.entries.iter().copied().filter(lately).max_by_key(|e| (e.recorded, e.id))?;
        let name = order.thing.versions().last().map(|v| MedicineLine::of(v.body).to_string())?;
        let is_first = last.thread.is_none();
        let what = match order.state {
            OrderState::Stopped | OrderState::Ended => "stopped",
            OrderState::TakenBack => "taken back as entered in error",
            OrderState::OnHold => "put on hold",
            OrderState::HeldForReview => "changed apart, not yet settled",
            OrderState::Active | OrderState::ToCome if is_first => "new",
            OrderState::Active | OrderState::ToCome => "changed",
        };
        Some(format!("{name}: {what} on {}", format::date(last.recorded.date())))
    });
    changed.collect()
}

fn medicines(chart: &Chart) -> Vec<MedicineLine> {
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let is_given = |state: OrderState| {
        matches!(state, OrderState::Active | OrderState::OnHold | OrderState::HeldForReview)
    };
    let given = view.orders.iter().filter(|order| is_given(order.state));
    given.filter_map(|order| Some(MedicineLine::of(order.shown()?.body))).collect()
}

fn allergies(banner: &Banner) -> Vec<String> {
    let line = |line: &crate::web::view::banner::AllergyLine| match line.reactions.as_str() {
        "" => line.substance.clone(),
        reactions => format!("{}: {reactions}", line.substance),
    };
    let known: Vec<String> = banner.allergies.lines.iter().map(line).collect();
    if known.is_empty() { vec![banner.allergies.title.to_owned()] } else { known }
}

fn told(chart: &Chart, set: &ScoredSet<'_>) -> Option<ToldSet> {
    let vitals = Vitals::of(chart, set)?;
    let score = match &vitals.score {
        Ok(score) => format!("NEWS2 {}, {}", score.total, score.against_usual),
        Err(_) => "Not a full set, no score".to_owned(),
    };
    let values = vitals.values.iter().map(|(name, value)| format!("{name} {value}"));
    Some(ToldSet {
        at: format!("{} ({})", format::date_time(set.taken), vitals.age),
        score,
        values: values.collect::<Vec<_>>().join(", "),
    })
}

/// What went up or down from the measurement before to the last one of each sign.
fn trends(view: &ObservationsView<'_>, now: Timestamp) -> Vec<String> {
    let mut lines = Vec::new();
    let totals: Vec<(Timestamp, u16)> = view
        .taken(now)
        .filter_map(|set| Some((set.taken, u16::from(set.score.as_ref().ok()?.total))))
        .take(2)
        .collect();
    lines.extend(moved("NEWS2", &totals, |total| total.to_string()));
    let vitals =
        [Vital::RespiratoryRate, Vital::OxygenSaturation, Vital::Systolic, Vital::Pulse, Vital::Temperature];
    for vital in vitals {
        let values: Vec<(Timestamp, u16)> = view
            .taken(now)
            .filter_map(|set| Some((set.taken, value(set.thing.newest()?.body, vital)?)))
            .take(2)
            .collect();
        let words = |value: u16| {
            let unit = vital.code().unit;
            if vital == Vital::Temperature {
                format::measured(format_args!("{}.{}", value / 10, value % 10), unit)
            } else {
                format::measured(value, unit)
            }
        };
        lines.extend(moved(vital.label(), &values, words));
    }
    lines
}

fn moved(name: &str, values: &[(Timestamp, u16)], words: impl Fn(u16) -> String) -> Option<String> {
    let &[(_, last), (since, before)] = values else { return None };
    let way = match last.cmp(&before) {
        std::cmp::Ordering::Greater => "up",
        std::cmp::Ordering::Less => "down",
        std::cmp::Ordering::Equal => return None,
    };
    Some(format!("{name} {way} from {} at {} to {}", words(before), format::date_time(since), words(last)))
}
