//! The end of a round: who still has doses without an entry, and leaving them as missed. Nothing is left unexplained:
//! what nobody records becomes *missed*, written by the system, and the manager follows it up.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::scope::Section;

use super::dose::bedside::{Bedside, round_path};
use super::round::{self, RoomRow};
use crate::records::{AddError, IdempotencyKey, missed};
use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::{Posted, Requester};
use crate::web::view::banner::Banner;
use crate::web::view::doses::DoseCard;
use crate::web::{Web, page};

#[derive(Template)]
#[template(path = "medicines/finish.html")]
struct FinishPage {
    frame: Frame,
    rows: Vec<RoomRow>,
}

#[derive(Template)]
#[template(path = "medicines/gaps.html")]
struct GapsPage {
    frame: Frame,
    banner: Banner,
    sheet: Sheet,
    /// Doses without an entry that are overdue or held.
    cards: Vec<DoseCard>,
    /// Their names in the form.
    names: Vec<String>,
}

/// Who still has doses without an entry.
pub(super) async fn finish(State(web): State<Web>, requester: Requester) -> Result<Response, PageError> {
    if !requester.may_record(Section::Mar) {
        return Err(PageError::Refused("The medicines round"));
    }
    let rows = round::rooms(&web, &requester).await?;
    let rows = rows.into_iter().filter(|row| row.waiting > 0 || row.effects > 0).collect();
    let frame = web.frame(Some(&requester.signed_in)).titled("Finish the round", Place::Round);
    Ok(page::html(&FinishPage { frame, rows }))
}

/// The gaps of one resident.
pub(super) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let shown = GapsPage {
        frame: bedside.frame(&web, "Finish the round"),
        banner: bedside.banner.clone(),
        sheet: Sheet::new(&web, &bedside.requester),
        cards: gaps(&bedside).cloned().collect(),
        names: gaps(&bedside).map(gap).collect(),
    };
    bedside.requester.saw(bedside.resident, "gaps").await?;
    Ok(page::html(&shown))
}

/// Leaves what stood on the page as missed. A dose that somebody has recorded meanwhile stays as it is.
pub(super) async fn leave(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let Posted { requester, fields, key } = posted;
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let listed: Vec<&str> =
        fields.0.iter().filter(|(name, _)| name == "gap").map(|(_, value)| value.as_str()).collect();
    let who = bedside.requester.who();
    let reason = format!("Left as missed by {} at the end of the round", who.name);
    for card in gaps(&bedside).filter(|card| listed.contains(&gap(card).as_str())) {
        let dose = Administration {
            order: card.order,
            order_version: card.version.unwrap_or(card.order),
            due: Some(card.due),
            outcome: Outcome::Missed,
            amount: None,
            reason: Some(reason.clone()),
            site: None,
            witness: None,
            line: card.line.as_ref().map(ToString::to_string).unwrap_or_default(),
            overridden: None,
        };
        let draft = bedside.draft(web.now(), dose);
        let key: IdempotencyKey = missed::key(card.order, card.due).ok_or(PageError::Form)?;
        match web.records().add(&missed::system(), key, vec![draft]).await {
            Ok(_) | Err(AddError::AlreadyRecorded { .. } | AddError::HeldByAnother(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    drop(key);
    bedside.requester.saw(bedside.resident, "gaps-left").await?;
    Ok(page::see(&round_path(bedside.resident, None)))
}

/// A dose that may still be given in time is not left.
fn gaps(bedside: &Bedside) -> impl Iterator<Item = &DoseCard> {
    bedside.doses.now.iter().filter(|card| matches!(card.kind, "overdue" | "held"))
}

/// Names a gap in the form.
fn gap(card: &DoseCard) -> String {
    format!("{}-{:x}", card.order, card.due.0)
}

impl GapsPage {
    fn resident(&self) -> ResidentId {
        self.banner.resident
    }
}
