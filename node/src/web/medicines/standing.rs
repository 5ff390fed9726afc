//! Holding, restarting and stopping a medicine, and the decision that it may be given covertly: each with who said so
//! and why.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format::MedicineLine;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::medicines::view::{MedicinesView, OrderItem, OrderState};
use hearth_protocol::record::medicines::{CovertDecision, Order, OrderStatus};
use hearth_protocol::record::{Body, Thing};
use hearth_protocol::scope::Section;

use super::list::MEDICINES;
use super::order::{REASON_CHARS_MAX, date, received};
use crate::records::Draft;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::{Web, page};

/// Longest name of a prescriber.
const NAME_CHARS_MAX: usize = 120;

/// What is done to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Hold,
    Restart,
    Stop,
    Covert,
    EndCovert,
}

impl Step {
    const ALL: [(&'static str, Self); 5] = [
        ("hold", Self::Hold),
        ("restart", Self::Restart),
        ("stop", Self::Stop),
        ("covert", Self::Covert),
        ("covert-end", Self::EndCovert),
    ];

    fn of(path: &str) -> Result<Self, PageError> {
        let found = Self::ALL.iter().find(|(name, _)| *name == path);
        found.map(|(_, step)| *step).ok_or(PageError::NotFound)
    }

    fn title(self) -> &'static str {
        match self {
            Self::Hold => "Put on hold",
            Self::Restart => "Give again",
            Self::Stop => "Stop",
            Self::Covert => "Give covertly",
            Self::EndCovert => "End covert giving",
        }
    }

    /// Whether an order that stands like this can take the step.
    fn fits(self, state: OrderState) -> bool {
        use OrderState::{Active, HeldForReview, OnHold, ToCome};
        match self {
            Self::Hold => matches!(state, Active | ToCome | HeldForReview),
            Self::Restart => matches!(state, OnHold),
            Self::Stop | Self::Covert | Self::EndCovert => {
                matches!(state, Active | ToCome | OnHold | HeldForReview)
            }
        }
    }
}

#[derive(Template)]
#[template(path = "medicines/standing.html")]
struct StandingPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    action: String,
    title: &'static str,
    line: MedicineLine,
    /// Which fields: `order` asks who said so, `covert` the decision, `end` only why.
    asks: &'static str,
    received: Vec<(&'static str, &'static str)>,
}

struct Desk {
    resident: ResidentId,
    requester: Requester,
    chart: Chart,
    order: EntryId,
    path: String,
    step: Step,
}

impl Desk {
    async fn open(
        web: &Web,
        requester: Requester,
        (resident, order, path): (String, String, String),
    ) -> Result<Self, PageError> {
        let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
        let order: EntryId = order.parse().map_err(|_| PageError::NotFound)?;
        let step = Step::of(&path)?;
        requester.require(resident, Section::Medicines, Action::Change).await?;
        let chart = care::chart(web, &requester, resident, &MEDICINES).await?;
        let desk = Self { resident, requester, chart, order, path, step };
        desk.view().order(order).ok_or(PageError::NotFound)?;
        Ok(desk)
    }

    fn view(&self) -> MedicinesView<'_> {
        MedicinesView::of(self.chart.section(Section::Medicines), self.chart.now.date())
    }

    fn page(&self, web: &Web, sheet: Sheet) -> Result<StandingPage, PageError> {
        let view = self.view();
        let item = view.order(self.order).ok_or(PageError::NotFound)?;
        let banner = Banner::of(&self.chart);
        let title = self.step.title();
        let asks = match self.step {
            Step::Hold | Step::Restart | Step::Stop => "order",
            Step::Covert => "covert",
            Step::EndCovert => "end",
        };
        Ok(StandingPage {
            frame: sheet.frame(care::frame(web, &self.requester, &banner, title, Place::Residents)),
            banner,
            sheet,
            action: format!("/r/{}/medicines/{}/{}", self.resident, self.order, self.path),
            title,
            line: item.shown().map(|v| MedicineLine::of(v.body)).ok_or(PageError::NotFound)?,
            asks,
            received: super::order::received_choices(),
        })
    }
}

/// Asks who said so and why.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(path): Path<(String, String, String)>,
) -> Result<Response, PageError> {
    let desk = Desk::open(&web, requester, path).await?;
    let shown = desk.page(&web, Sheet::new(&web, &desk.requester))?;
    desk.requester.saw(desk.resident, "order-standing").await?;
    Ok(page::html(&shown))
}

/// Saves the step.
pub(super) async fn save(
    State(web): State<Web>,
    Path(path): Path<(String, String, String)>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let desk = Desk::open(&web, requester, path).await?;
    let mut problems = Problems::default();
    let drafts = desk.drafts(&web, &fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &desk.requester, fields, problems);
        return Ok(page::unprocessable(&desk.page(&web, sheet)?));
    }
    let added = web.records().add(&desk.requester.who(), key, drafts).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{}/medicines?saved={id}", desk.resident)))
}

impl Desk {
    fn drafts(&self, web: &Web, fields: &Fields, problems: &mut Problems) -> Vec<Draft> {
        let view = self.view();
        let Some(item) = view.order(self.order) else { return Vec::new() };
        if !self.step.fits(item.state) {
            problems.add(
                "reason",
                "This medicine has changed meanwhile. Look at the list again before you go on",
            );
        }
        match self.step {
            Step::Hold | Step::Restart | Step::Stop => {
                self.status(web, item, fields, problems).into_iter().collect()
            }
            Step::Covert => vec![self.covert(web, item, fields, problems)],
            Step::EndCovert => self.end_covert(web, item, fields, problems),
        }
    }

    fn status(
        &self,
        web: &Web,
        item: &OrderItem<'_>,
        fields: &Fields,
        problems: &mut Problems,
    ) -> Option<Draft> {
        let newest = item.thing.newest()?;
        let reason = problems.required(fields, "reason", REASON_CHARS_MAX, "why");
        let prescriber = problems.required(fields, "prescriber", NAME_CHARS_MAX, "whose instruction it is");
        let received = received(fields, problems);
        let (status, reason) = match self.step {
            Step::Hold => (OrderStatus::OnHold(reason), None),
            Step::Stop => (OrderStatus::Stopped(reason), None),
            Step::Restart | Step::Covert | Step::EndCovert => (OrderStatus::Active, Some(reason)),
        };
        let order = Order {
            status,
            reason,
            prescriber: Some(prescriber),
            received,
            overridden: None,
            ..newest.body.clone()
        };
        Some(Draft {
            thread: Some(item.thing.id()),
            replaces: item.thing.to_replace(),
            ..care::draft(self.resident, Section::Medicines, web.now(), Body::Order(order))
        })
    }

    fn covert(&self, web: &Web, item: &OrderItem<'_>, fields: &Fields, problems: &mut Problems) -> Draft {
        let method = problems.required(
            fields,
            "method",
            REASON_CHARS_MAX,
            "how it is given, as the pharmacist advised",
        );
        let decided_by = problems.required(
            fields,
            "decided_by",
            REASON_CHARS_MAX,
            "who assessed capacity and took the decision",
        );
        let review = date(fields, problems, "review");
        if review.is_none() && problems.of("review").is_none() {
            problems.add("review", "Enter the day on which the decision is to be looked at again");
        }
        if review.is_some_and(|day| day <= web.now().date()) {
            problems.add("review", "The day of the review must be to come");
        }
        let decision = CovertDecision { order: item.thing.id(), method, decided_by, review, active: true };
        let before = item.covert_decisions.iter().find(|decision| !decision.is_taken_back());
        self.decision(web, before, decision)
    }

    fn end_covert(
        &self,
        web: &Web,
        item: &OrderItem<'_>,
        fields: &Fields,
        problems: &mut Problems,
    ) -> Vec<Draft> {
        let why = problems.required(fields, "reason", REASON_CHARS_MAX, "why it ends");
        let open = item.covert_decisions.iter().filter(|d| d.standing.iter().any(|v| v.body.active));
        let drafts: Vec<Draft> = open
            .filter_map(|before| {
                let newest = before.newest()?.body.clone();
                let decided_by = format!("{}. Ended: {why}", newest.decided_by);
                Some(self.decision(web, Some(before), CovertDecision { active: false, decided_by, ..newest }))
            })
            .collect();
        if drafts.is_empty() && problems.is_empty() {
            problems.add("reason", "No decision allows covert giving now");
        }
        drafts
    }

    fn decision(
        &self,
        web: &Web,
        before: Option<&Thing<'_, CovertDecision>>,
        decision: CovertDecision,
    ) -> Draft {
        Draft {
            thread: before.map(Thing::id),
            replaces: before.map(Thing::to_replace).unwrap_or_default(),
            ..care::draft(self.resident, Section::Medicines, web.now(), Body::CovertDecision(decision))
        }
    }
}
