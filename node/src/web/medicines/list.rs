//! A resident's medicines on one page: what is given, what may be given, what is held and what has ended, each with
//! where it came from and every version there was.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Version;
use hearth_protocol::record::mar::Administration;
use hearth_protocol::record::mar::board::last_taken;
use hearth_protocol::record::medicines::view::{Covert, MedicinesView, OrderItem, OrderState};
use hearth_protocol::record::medicines::{Order, OrderStatus, Schedule, Timing};
use hearth_protocol::scope::{Month, Section};
use hearth_protocol::time::Date;

use crate::web::care;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::record::Saved;
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::doses::outcome_words;
use crate::web::view::item::{self, Item};
use crate::web::view::prn::protocol_facts;
use crate::web::{Web, page};

/// Sections that the list is made of.
pub(super) const MEDICINES: [Section; 2] = [Section::Medicines, Section::Mar];

/// Medicines that stand alike.
#[derive(Clone, Debug)]
pub struct Group {
    /// Heading.
    pub heading: &'static str,
    /// Its id.
    pub id: &'static str,
    /// What to say when there is none.
    pub none: &'static str,
    /// The medicines, by name.
    pub rows: Vec<Row>,
}

/// One medicine.
#[derive(Clone, Debug)]
pub struct Row {
    /// Thread of the order.
    pub order: EntryId,
    /// The line.
    pub line: MedicineLine,
    /// Where it stands, in words, with the class of its tag.
    pub tags: Vec<(&'static str, String)>,
    /// What else is known of it: label and text.
    pub facts: Vec<(&'static str, String)>,
    /// The versions that stand, when people changed it apart.
    pub apart: Vec<Item>,
    /// Every version, newest first.
    pub versions: Vec<Item>,
    /// What may be done to it: the end of the address and the words.
    pub steps: Vec<(&'static str, &'static str)>,
}

impl Row {
    /// The name of the medicine, for what a screen reader says of a link.
    pub fn name(&self) -> &str {
        self.line.parts.first().map_or("", |part| part.text.as_str())
    }
}

#[derive(Template)]
#[template(path = "medicines/list.html")]
pub(super) struct ListPage {
    frame: Frame,
    banner: Banner,
    groups: Vec<Group>,
    may_change: bool,
    may_give: bool,
    sees_doses: bool,
    month: Month,
    unread: usize,
}

/// The page.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Medicines, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &MEDICINES).await?;
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Medicines", Place::Residents);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let shown = ListPage {
        frame,
        banner,
        groups: groups(&chart),
        may_change: requester.may(Section::Medicines, Action::Change),
        may_give: requester.may_record(Section::Mar),
        sees_doses: requester.may_view(Section::Mar),
        month: Month::of(chart.now),
        unread: MedicinesView::of(chart.section(Section::Medicines), chart.now.date()).unread.len(),
    };
    requester.saw(resident, "medicines").await?;
    Ok(page::html(&shown))
}

/// The medicines of a chart. An order of which nothing stands is left out: it is in the history of the record.
fn groups(chart: &Chart) -> Vec<Group> {
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let last = last_taken(chart.section(Section::Mar));
    let rows = |wanted: &dyn Fn(&OrderItem<'_>) -> bool| -> Vec<Row> {
        view.orders
            .iter()
            .filter(|o| wanted(o))
            .filter_map(|o| row(chart, o, last.get(&o.thing.id())))
            .collect()
    };
    let is_now = |o: &OrderItem<'_>| matches!(o.state, OrderState::Active | OrderState::HeldForReview);
    let group = |heading, id, none, rows| Group { heading, id, none, rows };
    vec![
        group("Current", "current", "No medicine is given at set times.", rows(&|o| is_now(o) && !is_prn(o))),
        group(
            "When required",
            "when-required",
            "No medicine is given when required.",
            rows(&|o| is_now(o) && is_prn(o)),
        ),
        group("To start", "to-come", "", rows(&|o| o.state == OrderState::ToCome)),
        group("On hold", "on-hold", "No medicine is on hold.", rows(&|o| o.state == OrderState::OnHold)),
        group(
            "Stopped and ended",
            "stopped",
            "No medicine was stopped.",
            rows(&|o| matches!(o.state, OrderState::Stopped | OrderState::Ended)),
        ),
    ]
}

fn is_prn(order: &OrderItem<'_>) -> bool {
    order.shown().is_some_and(|v| v.body.timing == Timing::WhenRequired)
}

fn row(chart: &Chart, order: &OrderItem<'_>, last: Option<&Version<'_, Administration>>) -> Option<Row> {
    let shown = order.shown()?;
    let apart = order.thing.standing.iter().filter(|_| order.thing.is_contested());
    let mut versions: Vec<Item> =
        order.thing.versions().map(|version| version_item(chart, version)).collect();
    versions.reverse();
    Some(Row {
        order: order.thing.id(),
        line: MedicineLine::of(shown.body),
        tags: tags(order, shown.body, chart.now.date()),
        facts: facts(chart, order, shown, last),
        apart: apart.map(|version| version_item(chart, *version)).collect(),
        versions,
        steps: steps(order),
    })
}

fn steps(order: &OrderItem<'_>) -> Vec<(&'static str, &'static str)> {
    let covert = if order.covert == Covert::No {
        ("covert", "Covert…")
    } else {
        ("covert-end", "End covert giving")
    };
    match order.state {
        OrderState::Active | OrderState::ToCome => {
            vec![("change", "Change"), ("hold", "Hold"), ("stop", "Stop"), covert]
        }
        OrderState::HeldForReview => vec![("change", "Settle"), ("stop", "Stop")],
        OrderState::OnHold => vec![("restart", "Give again"), ("change", "Change"), ("stop", "Stop")],
        OrderState::Ended | OrderState::Stopped | OrderState::TakenBack => Vec::new(),
    }
}

fn tags(order: &OrderItem<'_>, body: &Order, today: Date) -> Vec<(&'static str, String)> {
    let mut tags = Vec::new();
    match (&order.state, &body.status) {
        (OrderState::HeldForReview, _) => {
            tags.push(("nhsuk-tag--yellow", "Held: people changed this order apart".to_owned()));
        }
        (OrderState::OnHold, _) => tags.push(("nhsuk-tag--yellow", "On hold: do not give".to_owned())),
        (OrderState::Stopped, _) => tags.push(("nhsuk-tag--grey", "Stopped".to_owned())),
        (OrderState::Ended, _) => tags.push(("nhsuk-tag--grey", "Ended".to_owned())),
        (OrderState::ToCome | OrderState::Active | OrderState::TakenBack, _) => {}
    }
    if let Some(minutes) = body.time_critical_minutes {
        tags.push(("nhsuk-tag--purple", format!("Time-critical: within {minutes} min")));
    }
    if let Some(schedule) = body.schedule {
        tags.push(("nhsuk-tag--purple", schedule_words(schedule).to_owned()));
    }
    if body.homely {
        tags.push(("nhsuk-tag--blue", "Homely remedy".to_owned()));
    }
    match order.covert {
        Covert::Allowed => tags.push(("nhsuk-tag--purple", "May be given covertly".to_owned())),
        Covert::ForReview => {
            tags.push((
                "nhsuk-tag--yellow",
                "Covert decision changed apart: do not give covertly".to_owned(),
            ));
        }
        Covert::No => {}
    }
    if matches!(body.timing, Timing::Text(_)) {
        tags.push(("nhsuk-tag--yellow", "No times: change the order and give them".to_owned()));
    }
    if body.review.is_some_and(|day| day < today) {
        tags.push(("nhsuk-tag--red", "Review overdue".to_owned()));
    }
    tags
}

/// What a schedule is called.
pub(super) fn schedule_words(schedule: Schedule) -> &'static str {
    match schedule {
        Schedule::Two => "Controlled drug, schedule 2",
        Schedule::Three => "Controlled drug, schedule 3",
        Schedule::Four => "Controlled drug, schedule 4",
        Schedule::Five => "Controlled drug, schedule 5",
    }
}

fn facts(
    chart: &Chart,
    order: &OrderItem<'_>,
    shown: Version<'_, Order>,
    last: Option<&Version<'_, Administration>>,
) -> Vec<(&'static str, String)> {
    let body = shown.body;
    let day = |date: Option<Date>| date.map(format::date);
    let status = match &body.status {
        OrderStatus::OnHold(why) => Some(("Held because", why.clone())),
        OrderStatus::Stopped(why) => Some(("Stopped because", why.clone())),
        OrderStatus::Active => None,
    };
    let mut facts: Vec<(&'static str, String)> = status.into_iter().collect();
    let mut put = |label, text: Option<String>| {
        if let Some(text) = text.filter(|text| !text.trim().is_empty()) {
            facts.push((label, text));
        }
    };
    let has_protocol = body.prn.as_ref().is_some_and(|protocol| protocol.indication.is_some());
    put("For", body.indication.clone().filter(|_| !has_protocol));
    for (label, text) in body.prn.as_ref().map(protocol_facts).unwrap_or_default() {
        put(label, Some(text));
    }
    put("How", body.instructions.clone());
    put("Where", body.sites.as_ref().map(|sites| sites.join(", ")));
    put("First day", day(body.start));
    put("Last day", day(body.end));
    put("Review", day(body.review));
    if let Some(version) = order.covert_decisions.iter().find_map(|d| d.newest().filter(|v| v.body.active)) {
        put("Covert", Some(version.body.method.clone()));
        put("Decided by", Some(version.body.decided_by.clone()));
        put("Covert review", day(version.body.review));
    }
    put("Prescriber", body.prescriber.clone());
    put("Instruction", received_words(body));
    put("Warned, and went on", body.overridden.clone());
    if chart.has(Section::Mar) {
        put("Last dose", Some(last_words(last)));
    }
    let written = item::of_entry(chart, shown.entry);
    put("Came from", written.origin);
    put("Written", Some(written.by));
    facts
}

/// How the instruction came, and who heard it.
pub(super) fn received_words(order: &Order) -> Option<String> {
    let received = order.received.as_ref()?;
    let second = received.second.as_ref().map(|name| format!(", also heard by {name}")).unwrap_or_default();
    Some(format!("{}{second}", received.how))
}

fn last_words(last: Option<&Version<'_, Administration>>) -> String {
    last.map_or("None in the last 8 days".to_owned(), |version| {
        format!("{}, {}", format::date_time(version.entry.happened), outcome_words(version.body.outcome))
    })
}

/// One version of an order in its history: where it stood, and who said so.
fn version_item(chart: &Chart, version: Version<'_, Order>) -> Item {
    let status = match &version.body.status {
        OrderStatus::Active => None,
        OrderStatus::OnHold(why) => Some(format!("On hold: {why}")),
        OrderStatus::Stopped(why) => Some(format!("Stopped: {why}")),
    };
    let of = |label: &str, text: Option<String>| text.map(|text| format!("{label}: {text}"));
    let lines = [
        status,
        of("Why", version.body.reason.clone()),
        of("Prescriber", version.body.prescriber.clone()),
        of("Instruction", received_words(version.body)),
        of("How", version.body.instructions.clone()),
        of("Warned, and went on", version.body.overridden.clone()),
    ];
    let text = lines.into_iter().flatten().collect::<Vec<_>>().join("\n");
    Item { text, ..item::of_entry(chart, version.entry) }
}
