//! Orders: a new one, and a version that takes the place of those that stand. Before one is saved, recorded allergies
//! and medicines that are ordered already stand on a page of their own.

mod read;

pub(in crate::web::medicines) use read::{date, received};

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::allergy_check::{self, AllergyCheck};
use hearth_protocol::clinical::format::MedicineLine;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::record::medicines::view::{MedicinesView, OrderState};
use hearth_protocol::record::medicines::{Order, OrderStatus, Timing};
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::scope::Section;

use super::list::MEDICINES;
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::{Web, page};

/// Longest reason.
pub(super) const REASON_CHARS_MAX: usize = 500;

#[derive(Template)]
#[template(path = "medicines/order.html")]
struct OrderPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    /// Where the form goes.
    action: String,
    /// The order as it stands, when it is changed.
    before: Option<MedicineLine>,
    /// Words of the prescription that could not be read as times.
    untimed: Option<String>,
    received: Vec<(&'static str, &'static str)>,
    week: Vec<(&'static str, &'static str)>,
}

#[derive(Template)]
#[template(path = "medicines/possible_mistake.html")]
struct MistakePage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    action: String,
    line: MedicineLine,
    warnings: Vec<String>,
    limits: Vec<String>,
    /// Everything that was typed, carried along.
    carried: Vec<(String, String)>,
    warned: String,
}

/// A resident's orders as a form finds them.
struct Desk {
    resident: ResidentId,
    requester: Requester,
    chart: Chart,
    /// The order that is changed.
    order: Option<EntryId>,
}

impl Desk {
    async fn open(
        web: &Web,
        requester: Requester,
        resident: &str,
        order: Option<&str>,
    ) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        requester.require(resident, Section::Medicines, Action::Change).await?;
        let chart = care::chart(web, &requester, resident, &MEDICINES).await?;
        let order = order.map(|id| id.parse().map_err(|_| PageError::NotFound)).transpose()?;
        let desk = Self { resident, requester, chart, order };
        if desk.order.is_some() && desk.before().is_none() {
            return Err(PageError::NotFound);
        }
        Ok(desk)
    }

    fn view(&self) -> MedicinesView<'_> {
        MedicinesView::of(self.chart.section(Section::Medicines), self.chart.now.date())
    }

    /// The newest version of the order that is changed.
    fn before(&self) -> Option<&Order> {
        let order = self.order?;
        self.view().order(order)?.shown().map(|version| version.body)
    }

    fn action(&self) -> String {
        match self.order {
            Some(order) => format!("/r/{}/medicines/{order}/change", self.resident),
            None => format!("/r/{}/medicines/new", self.resident),
        }
    }

    fn page(&self, web: &Web, sheet: Sheet) -> OrderPage {
        let banner = Banner::of(&self.chart);
        let before = self.before();
        let untimed = before.and_then(|order| match &order.timing {
            Timing::Text(words) => Some(words.clone()),
            Timing::Times { .. } | Timing::WhenRequired => None,
        });
        let title = if before.is_some() { "Change a medicine" } else { "New medicine" };
        OrderPage {
            frame: sheet.frame(care::frame(web, &self.requester, &banner, title, Place::Residents)),
            banner,
            action: self.action(),
            before: before.map(MedicineLine::of),
            untimed,
            received: received_choices(),
            week: read::WEEK.to_vec(),
            sheet,
        }
    }
}

/// What a new version of an order meets in the record: sentences, and what the check cannot know.
pub(super) fn possible_mistakes(
    chart: &Chart,
    order: &Order,
    own: Option<EntryId>,
) -> (Vec<String>, Vec<String>) {
    let found = allergies(chart, order);
    let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
    let is_other = |state: OrderState| {
        matches!(
            state,
            OrderState::Active | OrderState::HeldForReview | OrderState::OnHold | OrderState::ToCome
        )
    };
    let others = view.orders.iter().filter(|o| Some(o.thing.id()) != own && is_other(o.state));
    // Every version that stands counts: of an order that people changed apart, either may hold.
    let others = others.flat_map(|o| o.thing.standing.iter().map(|v| (o.thing.id(), v.body)));
    let mut warnings: Vec<String> = found
        .matches
        .iter()
        .map(|m| format!("Recorded allergy: {}. This medicine may hold it.", m.substance))
        .collect();
    for duplicate in allergy_check::duplicates(order, others) {
        let sentence = duplicate.to_string();
        if !warnings.contains(&sentence) {
            warnings.push(sentence);
        }
    }
    (warnings, found.limits())
}

fn allergies(chart: &Chart, order: &Order) -> AllergyCheck {
    let view = SafetyView::of(chart.section(Section::Safety));
    let known = view.allergies.iter().filter_map(|item| item.shown().map(|v| (item.thing.id(), v.body)));
    allergy_check::check(&order.medicine, order.brand.as_deref(), known)
}

/// The form of a new order.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let desk = Desk::open(&web, requester, &resident, None).await?;
    let shown = desk.page(&web, Sheet::new(&web, &desk.requester));
    desk.requester.saw(desk.resident, "order-new").await?;
    Ok(page::html(&shown))
}

/// The form of a new version.
pub(super) async fn ask_change(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, order)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let desk = Desk::open(&web, requester, &resident, Some(&order)).await?;
    let fields = desk.before().map(read::fields).unwrap_or_default();
    let shown = desk.page(&web, Sheet { fields, ..Sheet::new(&web, &desk.requester) });
    desk.requester.saw(desk.resident, "order-change").await?;
    Ok(page::html(&shown))
}

/// Saves a new order.
pub(super) async fn add(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    save(&web, posted, &resident, None).await
}

/// Saves a new version, which takes the place of all that stand.
pub(super) async fn change(
    State(web): State<Web>,
    Path((resident, order)): Path<(String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    save(&web, posted, &resident, Some(&order)).await
}

async fn save(web: &Web, posted: Posted, resident: &str, order: Option<&str>) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let desk = Desk::open(web, requester, resident, order).await?;
    let mut problems = Problems::default();
    let mut order = read::order(&fields, &mut problems);
    if let Some(before) = desk.before() {
        order.homely = before.homely;
        order.reason = Some(problems.required(&fields, "reason", REASON_CHARS_MAX, "what changed and why"));
        if matches!(before.status, OrderStatus::Stopped(_)) {
            problems.add("name", "This medicine is stopped. Order it as a new one");
        }
    }
    if !problems.is_empty() {
        let sheet = Sheet::again(web, &desk.requester, fields, problems);
        return Ok(page::unprocessable(&desk.page(web, sheet)));
    }
    let (warnings, limits) = possible_mistakes(&desk.chart, &order, desk.order);
    let warned = warnings.join(" ");
    if !warnings.is_empty() {
        // What stood on the screen when the person went on must be what is known now.
        let has_read = fields.is_ticked("confirm") && fields.text("warned") == warned;
        let mut problems = Problems::default();
        let why = if has_read {
            problems.required(&fields, "go_on", REASON_CHARS_MAX, "why it is right to go on")
        } else {
            String::new()
        };
        if !has_read || !problems.is_empty() {
            let shown = mistake_page(web, &desk, &order, fields, problems, (warnings, limits));
            return Ok(page::unprocessable(&shown));
        }
        order.overridden = Some(format!("{warned} Going on because: {why}"));
    }
    let draft = draft(&desk, order, web.now());
    let added = web.records().add(&desk.requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{}/medicines?saved={id}", desk.resident)))
}

fn mistake_page(
    web: &Web,
    desk: &Desk,
    order: &Order,
    fields: Fields,
    problems: Problems,
    (warnings, limits): (Vec<String>, Vec<String>),
) -> MistakePage {
    const OWN: [&str; 6] = ["csrf", "key", "recorded_at", "confirm", "warned", "go_on"];
    let banner = Banner::of(&desk.chart);
    let carried = fields.0.iter().filter(|(name, _)| !OWN.contains(&name.as_str())).cloned().collect();
    let sheet = Sheet::again(web, &desk.requester, fields, problems);
    MistakePage {
        frame: sheet.frame(care::frame(web, &desk.requester, &banner, "Possible mistake", Place::Residents)),
        banner,
        sheet,
        action: desk.action(),
        line: MedicineLine::of(order),
        warned: warnings.join(" "),
        warnings,
        limits,
        carried,
    }
}

fn draft(desk: &Desk, order: Order, now: hearth_protocol::time::Timestamp) -> Draft {
    let view = desk.view();
    let thing = desk.order.and_then(|id| view.order(id)).map(|item| &item.thing);
    Draft {
        thread: thing.map(hearth_protocol::record::Thing::id),
        replaces: thing.map(hearth_protocol::record::Thing::to_replace).unwrap_or_default(),
        ..care::draft(desk.resident, Section::Medicines, now, Body::Order(order))
    }
}

/// How an instruction may have come, for a form.
pub(super) fn received_choices() -> Vec<(&'static str, &'static str)> {
    read::RECEIVED.iter().map(|(key, words, _)| (*key, *words)).collect()
}
