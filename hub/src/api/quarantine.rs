//! The quarantine: what is in it, and what a person decides about it. Never what a change says.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path as Segments, Query, State};
use axum::response::{IntoResponse as _, Response};
use hearth_protocol::audit::{Action, Code, What, Who};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::ChangeResult;
use hearth_provisioning::api::{
    PAGE_MAX, QuarantineAction, QuarantineDecision, QuarantineOutcome, QuarantineQuery, QuarantinedDetail,
};
use rusqlite::Transaction;

use super::call::{Admin, Answer, Audited, Done, Seen, Write};
use super::refusal::fault;
use super::{Api, Refusal};
use crate::ingest::{self, shown};

/// Longest reason to discard a change, in characters.
const REASON_CHARS_MAX: usize = 200;

pub(super) async fn list(
    State(api): State<Api>,
    admin: Admin,
    query: Result<Query<QuarantineQuery>, QueryRejection>,
) -> Result<Response, Refusal> {
    let Ok(Query(query)) = query else {
        let detail = format!("The query may have site, code, all, after, and limit up to {PAGE_MAX}.");
        return Err(Refusal::invalid(vec![fault("", detail)]));
    };
    let found = api.parts().store.read(move |c| shown::list(c, &query)).await?;
    let seen = Seen(vec![What::done(admin.who(), Action::Quarantine).with_detail(Code::near("list"))]);
    Ok(audited(Json(found).into_response(), seen))
}

pub(super) async fn show(
    State(api): State<Api>,
    admin: Admin,
    number: Result<Segments<u64>, PathRejection>,
) -> Result<Response, Refusal> {
    let id = number_of(number)?;
    let found = api.parts().store.read(move |c| shown::show(c, id)).await?.ok_or_else(absent)?;
    let seen = Seen(vec![about(admin.who(), &found, "show")]);
    Ok(audited(Json(found).into_response(), seen))
}

pub(super) async fn decide(
    State(api): State<Api>,
    number: Result<Segments<u64>, PathRejection>,
    Write(call, action): Write<QuarantineAction>,
) -> Result<Answer<QuarantineDecision>, Audited> {
    let (who, number) = (call.admin.who(), number_of(number));
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let id = number?;
        let found = shown::show(t, id)?.ok_or_else(absent)?;
        if found.change.settlement.is_some() {
            return Err(Refusal::conflict("Somebody has decided about this change already."));
        }
        let outcome = match &action {
            QuarantineAction::Release => release(t, id, now)?,
            QuarantineAction::Discard { reason } => discard(t, id, reason, now)?,
        };
        let detail = match outcome {
            QuarantineOutcome::Accepted => "accepted",
            QuarantineOutcome::Waiting => "waiting",
            QuarantineOutcome::Discarded => "discarded",
        };
        let what = about(who, &found, detail);
        Ok(Done::ok(QuarantineDecision { change: found.change.change, outcome }, vec![what]))
    };
    api.commit(call, Action::Quarantine, work).await
}

fn release(t: &Transaction<'_>, id: i64, now: Timestamp) -> Result<QuarantineOutcome, Refusal> {
    match ingest::retry(t, id, now)? {
        Some(ChangeResult::Accepted(_) | ChangeResult::Duplicate(_)) => Ok(QuarantineOutcome::Accepted),
        Some(ChangeResult::Pending(_)) => Ok(QuarantineOutcome::Waiting),
        Some(ChangeResult::Rejected(code)) => Err(Refusal::conflict(format!(
            "It still breaks a rule ({code}), so it stays where it is. {}",
            shown::meaning(&code)
        ))),
        None => Err(Refusal::conflict(format!(
            "The installation that sent it is held, so it stays where it is. {}",
            shown::meaning("install-held")
        ))),
    }
}

fn discard(t: &Transaction<'_>, id: i64, reason: &str, now: Timestamp) -> Result<QuarantineOutcome, Refusal> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        let detail = format!("A reason has 1 to {REASON_CHARS_MAX} characters.");
        return Err(Refusal::invalid(vec![fault("/reason", detail)]));
    }
    ingest::dismiss(t, id, reason, now)?;
    Ok(QuarantineOutcome::Discarded)
}

fn about(who: Who, detail: &QuarantinedDetail, what: &str) -> What {
    let done = What::done(who, Action::Quarantine).with_detail(Code::near(what));
    let done = detail.change.section.parse().map_or(done.clone(), |section| done.in_section(section));
    let done = match detail.change.resident {
        Some(resident) => done.about(Subject::Resident(resident)),
        None => done,
    };
    match detail.entries.first() {
        Some(first) => done.of_entry(first.entry),
        None => done,
    }
}

fn audited(mut response: Response, seen: Seen) -> Response {
    response.extensions_mut().insert(seen);
    response
}

fn number_of(number: Result<Segments<u64>, PathRejection>) -> Result<i64, Refusal> {
    let number = number.ok().and_then(|Segments(number)| i64::try_from(number).ok());
    number.ok_or_else(absent)
}

fn absent() -> Refusal {
    Refusal::not_found("The quarantine has no change of this number. List it.")
}
