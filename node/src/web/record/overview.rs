//! One resident's record on one page, section by section as the person's role allows.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format::MedicineLine;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::medicines::view::{MedicinesView, OrderItem, OrderState};
use hearth_protocol::scope::{Month, Section};

use super::Saved;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::doses::Doses;
use crate::web::view::item::{self, Item};
use crate::web::view::vitals::Vitals;
use crate::web::{Web, care, page};

/// A list under a heading.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Heading.
    pub heading: &'static str,
    /// The id of the heading.
    pub id: &'static str,
    /// What to say when there is none.
    pub none: &'static str,
    /// The things.
    pub items: Vec<Item>,
}

/// A medicine of the list.
#[derive(Clone, Debug)]
pub struct MedicineRow {
    /// The line.
    pub line: MedicineLine,
    /// Where the order stands, where that is not simply active.
    pub state: Option<&'static str>,
    /// What it is for, and the instructions.
    pub about: Vec<String>,
    /// The versions, when people changed it apart.
    pub apart: Vec<Item>,
    /// From where, for what came from outside.
    pub origin: Option<String>,
}

#[derive(Template)]
#[template(path = "record/overview.html")]
pub(super) struct RecordPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) can: Can,
    pub(super) alerts: Vec<Item>,
    pub(super) doses: Option<Doses>,
    pub(super) vitals: Option<Vitals>,
    pub(super) sees_vitals: bool,
    pub(super) medicines: Option<Vec<MedicineRow>>,
    pub(super) lists: Vec<Listed>,
    /// The present month, from which older ones are reached.
    pub(super) month: Month,
    /// How much of the record newer software wrote.
    pub(super) unread: usize,
}

/// What the person may do from this page.
#[expect(clippy::struct_excessive_bools, reason = "five buttons, each there or not")]
#[derive(Clone, Copy, Debug)]
pub struct Can {
    /// Record doses.
    pub give: bool,
    /// Record observations.
    pub observe: bool,
    /// Write notes.
    pub note: bool,
    /// Add allergies.
    pub add_allergy: bool,
    /// Send to hospital with a pack.
    pub transfer: bool,
}

const SHOWN: [Section; 10] = [
    Section::Medicines,
    Section::Mar,
    Section::Plan,
    Section::Observations,
    Section::Notes,
    Section::History,
    Section::Letters,
    Section::Discharge,
    Section::Pharmacy,
    Section::Safety,
];

/// The page.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Identity, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &SHOWN).await?;
    let banner = Banner::of(&chart);
    let mut frame = care::frame(&web, &requester, &banner, "Record", Place::Residents);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let can = Can {
        give: requester.may_record(Section::Mar),
        observe: requester.may_record(Section::Observations),
        note: requester.may_record(Section::Notes),
        add_allergy: requester.may_record(Section::Safety),
        transfer: requester.may_record(Section::Identity)
            && requester.may(Section::Medicines, Action::Export),
    };
    let unread = web.records().unread(resident).await?;
    let shown = RecordPage { unread, ..RecordPage::of(&chart, frame, banner, can) };
    requester.saw(resident, "record").await?;
    Ok(page::html(&shown))
}

impl RecordPage {
    /// The page of a chart.
    pub(super) fn of(chart: &Chart, frame: Frame, banner: Banner, can: Can) -> Self {
        Self {
            alerts: item::items(chart, Section::Safety, is_alert, 20),
            doses: chart.has(Section::Mar).then(|| Doses::of(chart)),
            vitals: Vitals::latest(chart),
            sees_vitals: chart.has(Section::Observations),
            medicines: chart.has(Section::Medicines).then(|| medicines(chart)),
            lists: lists(chart),
            month: Month::of(chart.now),
            unread: 0,
            frame,
            banner,
            can,
        }
    }
}

fn is_alert(body: &Body) -> bool {
    if let Body::Alert(alert) = body {
        return alert.active;
    }
    matches!(body, Body::EscalationLimits(_) | Body::Resuscitation(_))
}

fn medicines(chart: &Chart) -> Vec<MedicineRow> {
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let is_shown = |item: &&OrderItem<'_>| {
        !matches!(item.state, OrderState::TakenBack | OrderState::Ended | OrderState::Stopped)
    };
    view.orders.iter().filter(is_shown).filter_map(|item| medicine(chart, item)).collect()
}

fn medicine(chart: &Chart, order: &OrderItem<'_>) -> Option<MedicineRow> {
    let shown = order.shown()?;
    let state = match order.state {
        OrderState::HeldForReview => Some("Held: people changed this order apart"),
        OrderState::OnHold => Some("On hold"),
        OrderState::ToCome => Some("Starts later"),
        OrderState::Active | OrderState::Ended | OrderState::Stopped | OrderState::TakenBack => None,
    };
    let about = [
        shown.body.indication.as_ref().map(|what| format!("For: {what}")),
        shown.body.instructions.clone(),
        shown.body.prescriber.as_ref().map(|who| format!("Prescribed by {who}")),
    ];
    let standing = &order.thing.standing;
    let apart = standing.iter().filter(|_| order.thing.is_contested());
    Some(MedicineRow {
        line: MedicineLine::of(shown.body),
        state,
        about: about.into_iter().flatten().collect(),
        apart: apart.map(|version| item::of_entry(chart, version.entry)).collect(),
        origin: item::of_entry(chart, shown.entry).origin,
    })
}

fn lists(chart: &Chart) -> Vec<Listed> {
    let list = |section, heading, id, none, wanted: fn(&Body) -> bool| {
        chart.has(section).then(|| Listed {
            heading,
            id,
            none,
            items: item::items(chart, section, wanted, MOST),
        })
    };
    [
        list(Section::Notes, "Notes of the last 7 days", "notes", "No notes in the last 7 days.", |_| true),
        list(Section::Plan, "Care plan and wishes", "plan", "Nothing recorded.", |body| {
            matches!(body, Body::CareGoal(_) | Body::Statement(_) | Body::Risk(_))
        }),
        list(Section::History, "Problems", "problems", "No problems are known here.", |body| {
            matches!(body, Body::Problem(_))
        }),
        list(Section::History, "Appointments", "appointments", "No appointments are known here.", |body| {
            matches!(body, Body::Appointment(_))
        }),
        list(Section::History, "Test results", "results", "No results are known here.", |body| {
            matches!(body, Body::TestResult(_))
        }),
        list(Section::Letters, "Letters", "letters", "No letters are known here.", |_| true),
        list(
            Section::Discharge,
            "Discharge summaries",
            "discharge",
            "No discharge summaries are known here.",
            |_| true,
        ),
        list(Section::Pharmacy, "Pharmacy", "pharmacy", "Nothing from the pharmacy.", |body| {
            matches!(body, Body::Message(_) | Body::Intervention(_))
        }),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Most things of one list on this page; more are on pages of their own.
const MOST: usize = 12;
