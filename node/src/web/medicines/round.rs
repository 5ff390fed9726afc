//! The medicines round: an index of rooms, then one resident at a time under the banner.

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::clinical::format;
use hearth_protocol::id::ResidentId;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::records::Claim;
use crate::web::care::{self, Sheet};
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::record::{Saved, by_room};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::doses::Doses;
use crate::web::{Web, page};

/// A room of the index.
#[derive(Clone, Debug)]
pub struct RoomRow {
    /// Who, and their allergies.
    pub banner: Banner,
    /// Doses that wait.
    pub waiting: usize,
    /// Those that are overdue.
    pub overdue: usize,
    /// When the first that waits was due.
    pub first: Option<String>,
    /// Doses later today.
    pub later: usize,
    /// Something must not have happened.
    pub events: usize,
    /// When-required doses of which nobody has said whether they helped.
    pub effects: usize,
}

#[derive(Template)]
#[template(path = "medicines/round.html")]
struct RoundPage {
    frame: Frame,
    waiting: Vec<RoomRow>,
    done: Vec<RoomRow>,
    may_give: bool,
}

#[derive(Template)]
#[template(path = "medicines/round_resident.html")]
pub(super) struct ResidentRoundPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) doses: Doses,
    pub(super) sheet: Sheet,
    pub(super) may_give: bool,
    pub(super) next: Option<ResidentId>,
    /// Tells the forms about effects apart from those about due doses.
    pub(super) effect_time: Timestamp,
}

/// Sections that the doses are made of.
pub(super) const DOSES: [Section; 2] = [Section::Medicines, Section::Mar];

/// The index: every resident with doses, by room, none hidden.
pub(super) async fn index(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    if !requester.may_view(Section::Mar) {
        return Err(PageError::Refused("The medicines round"));
    }
    let rows = rooms(&web, &requester).await?;
    let (waiting, done) = rows.into_iter().partition(|row| row.waiting > 0);
    let frame = web.frame(Some(&requester.signed_in)).titled("Medicines round", Place::Round);
    Ok(page::html(&RoundPage { frame, waiting, done, may_give: requester.may_record(Section::Mar) }))
}

/// The doses of one resident. What waits is claimed, so that no second tablet gives it meanwhile.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(saved): Query<Saved>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Mar, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &DOSES).await?;
    let banner = Banner::of(&chart);
    let mut doses = Doses::of(&chart);
    let may_give = requester.may_record(Section::Mar);
    if may_give {
        claim(&web, &requester, &mut doses).await;
    }
    let mut frame = care::frame(&web, &requester, &banner, "Medicines round", Place::Round);
    frame.said = care::said(&chart, saved.saved.as_deref());
    let next = next_room(&web, &requester, resident).await?;
    let sheet = Sheet::new(&web, &requester);
    requester.saw(resident, "round").await?;
    Ok(page::html(&ResidentRoundPage {
        frame,
        banner,
        doses,
        sheet,
        may_give,
        next,
        effect_time: Timestamp(0),
    }))
}

/// Claims what waits, and marks what a colleague has claimed.
async fn claim(web: &Web, requester: &Requester, doses: &mut Doses) {
    let waiting = doses.now.iter().map(|card| (card.order, card.due)).collect();
    let claims = match web.records().claim(&requester.who(), waiting).await {
        Ok(claims) => claims,
        // A disk that cannot be written must not keep staff from seeing what is due.
        Err(error) => return tracing::warn!(%error, "doses could not be claimed"),
    };
    for (card, claim) in doses.now.iter_mut().zip(claims) {
        // A dose that was recorded a moment ago shows so when the page is loaded again.
        if let Claim::HeldBy(held) = claim {
            card.held_by = Some(format!("{} since {}", held.name, format::time(held.since)));
        }
    }
}

/// The residents in the order of the round: by room, then by name.
pub(super) async fn in_order(web: &Web) -> Result<Vec<ResidentId>, PageError> {
    let mut residents = web.records().residents().await?;
    residents.sort_by_cached_key(|resident| {
        let room = resident.placement.as_ref().and_then(|place| place.room.as_deref());
        (by_room(room), resident.demographics.as_ref().map(|person| format::name(&person.name)))
    });
    Ok(residents.into_iter().map(|resident| resident.id).collect())
}

pub(super) async fn rooms(web: &Web, requester: &Requester) -> Result<Vec<RoomRow>, PageError> {
    let charts = care::charts_in_list(web, requester, in_order(web).await?, &DOSES).await?;
    Ok(charts.iter().map(RoomRow::of).collect())
}

/// The next resident with doses that wait, by room after this one, then from the start. Looks no further than to the
/// first, who most often is the next.
async fn next_room(
    web: &Web,
    requester: &Requester,
    after: ResidentId,
) -> Result<Option<ResidentId>, PageError> {
    let mut order = in_order(web).await?;
    let here = order.iter().position(|resident| *resident == after).unwrap_or_default();
    order.rotate_left(here);
    for few in order.get(1..).unwrap_or_default().chunks(NEXT) {
        let charts = care::charts_in_list(web, requester, few.to_vec(), &DOSES).await?;
        if let Some(found) = charts.iter().find(|chart| Doses::of(chart).count().0 > 0) {
            return Ok(Some(found.resident));
        }
    }
    Ok(None)
}

/// How many residents are looked at together for the next one.
const NEXT: usize = 4;

impl RoomRow {
    fn of(chart: &Chart) -> Self {
        let doses = Doses::of(chart);
        let (waiting, overdue) = doses.count();
        Self {
            banner: Banner::of(chart),
            waiting,
            overdue,
            first: doses.now.first().map(|card| card.time.clone()),
            later: doses.later.len(),
            events: doses.events.len(),
            effects: doses.effects.len(),
        }
    }
}
