//! Recording what became of a dose: given, not given and why, when required; and the page that stops a mistake.

pub(super) mod bedside;
mod happened;
pub(in crate::web::medicines) mod prn;
pub(in crate::web) mod witness;

use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use axum::response::Response;
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::time::Timestamp;
use serde::Deserialize;

use crate::web::care::Sheet;
use crate::web::error::PageError;
use crate::web::form::Problems;
use crate::web::frame::Frame;
use crate::web::requester::{Posted, Requester};
use crate::web::stock::cupboard::{self, Controlled, Cupboard};
use crate::web::unlock::Tile;
use crate::web::view::banner::Banner;
use crate::web::view::doses::{DoseCard, NOT_GIVEN};
use crate::web::{Web, page};
use bedside::{Bedside, PostedDose};
use happened::Happened;

/// Longest reason.
pub(super) const REASON_CHARS_MAX: usize = 500;

/// Which due dose a page is about.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(super) struct Which {
    order: EntryId,
    due: i64,
    /// The newest version of the order when the page was made.
    seen: Option<EntryId>,
}

#[derive(Template)]
#[template(path = "medicines/check.html")]
pub(super) struct CheckPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) card: DoseCard,
    pub(super) sheet: Sheet,
    pub(super) warnings: Vec<String>,
    pub(super) may_go_on: bool,
    pub(super) witnesses: Vec<Tile>,
    pub(super) cupboard: Option<Cupboard>,
    /// Other ways of taking than from the hand of staff.
    pub(super) ways: [(&'static str, &'static str); 4],
}

#[derive(Template)]
#[template(path = "medicines/not_given.html")]
struct NotGivenPage {
    frame: Frame,
    banner: Banner,
    card: DoseCard,
    sheet: Sheet,
    common: Vec<(&'static str, &'static str)>,
    rest: Vec<(&'static str, &'static str)>,
    witnesses: Vec<Tile>,
    cupboard: Option<Cupboard>,
}

/// One tap: the dose was given. Whatever speaks against it, or has to be said beside it, leads to a page of its own.
pub(super) async fn given(
    State(web): State<Web>,
    Path(resident): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let posted = PostedDose::open(&web, posted, &resident).await?;
    let PostedDose { bedside, fields, .. } = &posted;
    let card = posted.card()?;
    let warnings = warnings(card, posted.seen());
    let confirmed = fields.is_ticked("confirm");
    // What was done out of reach of the node is done: it is filed with what speaks against it, never turned away.
    let is_away = fields.is_made_away();
    let is_stopped = matches!(card.kind, "held" | "later") || (!warnings.is_empty() && !confirmed);
    // What changed while the page was open is read before anything is confirmed.
    let is_stopped = !is_away && (is_stopped || has_changed(card, posted.seen()));
    if is_stopped || (card.asks() && !confirmed) {
        return Ok(posted.stop(&headers));
    }
    let mut problems = Problems::default();
    let happened = Happened::read(card, fields, &mut problems, web.now());
    let (witness, register) = if card.controlled {
        let (drug, line) = (controlled(bedside, card), ("given", happened.at));
        cupboard::signed(&web, &bedside.requester, drug, line, fields, &mut problems).await?
    } else {
        (None, None)
    };
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &bedside.requester, fields.clone(), problems);
        return Ok(page::unprocessable(&check_page(&web, bedside, card, posted.seen(), sheet).await?));
    }
    let dose = Administration {
        witness,
        amount: happened.amount,
        site: happened.site,
        overridden: Some(warnings.join(" ")).filter(|words| !words.is_empty()),
        ..administration(card, happened.outcome)
    };
    posted.record(&web, &headers, happened.at, dose, register).await
}

/// A card by itself, for a page that is open while the record changes: it says so and takes no tap.
pub(super) async fn card(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let due = Timestamp(which.due);
    let mut card = bedside.card(which.order, due)?.clone();
    if has_changed(&card, which.seen) {
        card.kind = "frozen";
        "This medicine was changed while the page was open".clone_into(&mut card.state);
    }
    bedside.requester.saw(bedside.resident, "dose").await?;
    Ok(page::html(&bedside::DosePiece::of(&web, bedside, card)))
}

/// The page that stops a mistake: what speaks against giving this dose, and whether a person may go on.
pub(super) async fn check(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.card(which.order, Timestamp(which.due))?;
    let sheet = Sheet::new(&web, &bedside.requester);
    let shown = check_page(&web, &bedside, card, which.seen, sheet).await?;
    bedside.requester.saw(bedside.resident, "dose-check").await?;
    Ok(page::html(&shown))
}

/// Asks why a dose is not given.
pub(super) async fn ask_reason(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
    Query(which): Query<Which>,
) -> Result<Response, PageError> {
    let bedside = Bedside::open(&web, requester, &resident).await?;
    let card = bedside.card(which.order, Timestamp(which.due))?;
    let shown = not_given_page(&web, &bedside, card, Sheet::new(&web, &bedside.requester)).await?;
    bedside.requester.saw(bedside.resident, "not-given").await?;
    Ok(page::html(&shown))
}

/// Saves why a dose was not given.
pub(super) async fn not_given(
    State(web): State<Web>,
    Path(resident): Path<String>,
    headers: HeaderMap,
    posted: Posted,
) -> Result<Response, PageError> {
    let posted = PostedDose::open(&web, posted, &resident).await?;
    let PostedDose { bedside, fields, .. } = &posted;
    let card = posted.card()?;
    if fields.is_made_away() && card.controlled {
        return Ok(posted.stop(&headers));
    }
    let mut problems = Problems::default();
    let chosen = NOT_GIVEN.iter().find(|(name, _, _)| *name == fields.text("outcome"));
    let reason = problems.optional(fields, "reason", REASON_CHARS_MAX);
    if chosen.is_none() {
        problems.add("outcome", "Choose why the dose was not given");
    }
    let needs_words = matches!(chosen, Some((_, Outcome::Withheld | Outcome::Other, _)));
    if needs_words && reason.is_none() {
        problems.add("reason", "Say who advised it, or what the reason was");
    }
    let at = fields.recorded_at(web.now());
    // What was prepared has left the cupboard: its line is written with it.
    let is_destroyed = card.controlled && matches!(chosen, Some((_, Outcome::RefusedDestroyed, _)));
    let (witness, register) = if is_destroyed {
        let drug = controlled(bedside, card);
        cupboard::signed(&web, &bedside.requester, drug, ("wasted", at), fields, &mut problems).await?
    } else {
        (None, None)
    };
    let Some((_, outcome, _)) = chosen.filter(|_| problems.is_empty()) else {
        let sheet = Sheet::again(&web, &bedside.requester, fields.clone(), problems);
        return Ok(page::unprocessable(&not_given_page(&web, bedside, card, sheet).await?));
    };
    let dose = Administration { reason, witness, ..administration(card, *outcome) };
    posted.record(&web, &headers, at, dose, register).await
}

/// The controlled drug of a card.
fn controlled(bedside: &Bedside, card: &DoseCard) -> Controlled {
    Controlled { resident: bedside.resident, version: card.version }
}

/// Who may witness, and the register's page, where the dose is of a controlled drug.
async fn to_sign(
    web: &Web,
    bedside: &Bedside,
    card: &DoseCard,
) -> Result<(Vec<Tile>, Option<Cupboard>), PageError> {
    if !card.controlled {
        return Ok((Vec::new(), None));
    }
    cupboard::to_sign(web, &bedside.requester, controlled(bedside, card)).await
}

fn administration(card: &DoseCard, outcome: Outcome) -> Administration {
    Administration {
        order: card.order,
        order_version: card.version.unwrap_or(card.order),
        due: Some(card.due),
        outcome,
        amount: None,
        reason: None,
        site: None,
        witness: None,
        line: card.line.as_ref().map(ToString::to_string).unwrap_or_default(),
        overridden: None,
    }
}

/// What a person has to confirm before this dose is given.
fn warnings(card: &DoseCard, seen: Option<EntryId>) -> Vec<String> {
    let changed = has_changed(card, seen).then(|| {
        let now = card.now.as_deref().or(card.line.as_ref().map(|_| "as below")).unwrap_or("not here");
        format!("This medicine was changed while the page was open. It is now: {now}")
    });
    let otherwise = card.now.as_ref().filter(|_| changed.is_none());
    let otherwise =
        otherwise.map(|now| format!("The order was changed after this dose fell due. It is now: {now}"));
    changed
        .into_iter()
        .chain(otherwise)
        .chain(card.ask.iter().cloned())
        .chain(card.allergy.iter().cloned())
        .collect()
}

/// Whether the order has another version than the page knew.
fn has_changed(card: &DoseCard, seen: Option<EntryId>) -> bool {
    seen.is_some_and(|seen| card.newest != Some(seen))
}

async fn check_page(
    web: &Web,
    bedside: &Bedside,
    card: &DoseCard,
    seen: Option<EntryId>,
    sheet: Sheet,
) -> Result<CheckPage, PageError> {
    let mut warnings = warnings(card, seen);
    match card.kind {
        "recorded" => warnings.insert(0, "This dose has been recorded already. Do not give it again.".to_owned()),
        "apart" => warnings.insert(
            0,
            "This dose was recorded more than once. Check the person, and call the nurse or the GP.".to_owned(),
        ),
        "held" => warnings.insert(
            0,
            "This medicine is held: people changed its order apart. Do not give it until the order is settled."
                .to_owned(),
        ),
        "later" => warnings.insert(0, "It is too early for this dose.".to_owned()),
        _ => {}
    }
    let (witnesses, cupboard) = to_sign(web, bedside, card).await?;
    let is_elsewhere = cupboard.as_ref().is_some_and(|cupboard| cupboard.elsewhere);
    if is_elsewhere {
        warnings.insert(0, cupboard::ELSEWHERE.to_owned());
    }
    let may_go_on = card.is_open() && !is_elsewhere;
    let frame = sheet.frame(bedside.frame(web, "Stop and check"));
    let (banner, card) = (bedside.banner.clone(), card.clone());
    Ok(CheckPage {
        frame,
        banner,
        card,
        sheet,
        warnings,
        may_go_on,
        witnesses,
        cupboard,
        ways: happened::WAYS,
    })
}

async fn not_given_page(
    web: &Web,
    bedside: &Bedside,
    card: &DoseCard,
    sheet: Sheet,
) -> Result<NotGivenPage, PageError> {
    const COMMON: usize = 5;
    let (witnesses, cupboard) = to_sign(web, bedside, card).await?;
    let frame = sheet.frame(bedside.frame(web, "Not given"));
    let choices = |from: usize, most: usize| -> Vec<(&'static str, &'static str)> {
        NOT_GIVEN.iter().skip(from).take(most).map(|(key, _, words)| (*key, *words)).collect()
    };
    Ok(NotGivenPage {
        frame,
        banner: bedside.banner.clone(),
        card: card.clone(),
        sheet,
        common: choices(0, COMMON),
        rest: choices(COMMON, NOT_GIVEN.len()),
        witnesses,
        cupboard,
    })
}
