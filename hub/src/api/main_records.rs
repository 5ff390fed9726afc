//! The main care records: how contact with each stands, what waits or is kept aside, and what is to be done about it.

use axum::extract::rejection::QueryRejection;
use axum::extract::{Extension, Path as Segments, Query, State};
use axum::routing::get;
use axum::{Json, Router};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    ItemAction, ItemChange, MainRecordItems, MainRecordItemsQuery, MainRecords, PAGE_MAX, Path,
};
use rusqlite::Transaction;

use super::call::{Admin, Answer, Audited, Done, Write};
use super::refusal::fault;
use super::{Api, Refusal};
use crate::gateway::{Gateway, owed};

/// Longest reason for a release, in characters.
const REASON_CHARS_MAX: usize = 200;

/// The routes of the main care records, for [`super::guarded`].
pub fn main_record_routes(gateway: Gateway) -> Router<Api> {
    Router::new()
        .route(Path::MAIN_RECORDS, get(list))
        .route(Path::MAIN_RECORD_ITEMS, get(items).post(act))
        .layer(Extension(gateway))
}

async fn list(
    State(api): State<Api>,
    _: Admin,
    Extension(gateway): Extension<Gateway>,
) -> Result<Json<MainRecords>, Refusal> {
    let known: Vec<(String, String)> =
        gateway.records().map(|record| (record.name.clone(), record.base_url.clone())).collect();
    let read = api.parts().store.read(move |c| {
        known.iter().map(|(name, base_url)| owed::states(c, name, base_url)).collect::<Result<Vec<_>, _>>()
    });
    Ok(Json(MainRecords { main_records: read.await? }))
}

async fn items(
    State(api): State<Api>,
    _: Admin,
    Extension(gateway): Extension<Gateway>,
    Segments(record): Segments<String>,
    query: Result<Query<MainRecordItemsQuery>, QueryRejection>,
) -> Result<Json<MainRecordItems>, Refusal> {
    require(&gateway, &record)?;
    let Ok(Query(query)) = query else {
        let detail = format!("The query may have state, after, and limit up to {PAGE_MAX}.");
        return Err(Refusal::invalid(vec![fault("", detail)]));
    };
    Ok(Json(api.parts().store.read(move |c| owed::items(c, &record, &query)).await?))
}

async fn act(
    State(api): State<Api>,
    Extension(gateway): Extension<Gateway>,
    Segments(record): Segments<String>,
    Write(call, action): Write<ItemAction>,
) -> Result<Answer<ItemChange>, Audited> {
    let (who, known) = (call.admin.who(), require(&gateway, &record));
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        known?;
        check(&action)?;
        let changed = owed::act(t, &record, &action, now)?;
        let name = match action {
            ItemAction::Retry { .. } => "retry",
            ItemAction::Release { .. } => "release",
        };
        let what = What::done(who, Action::MainRecord).with_detail(Code::near(name));
        Ok(Done::ok(ItemChange { changed }, vec![what]))
    };
    let answer = api.commit(call, Action::MainRecord, work).await?;
    gateway.wake();
    Ok(answer)
}

fn require(gateway: &Gateway, record: &str) -> Result<(), Refusal> {
    if gateway.records().any(|known| known.name == record) {
        return Ok(());
    }
    Err(Refusal::not_found("The configuration names no main care record like this. List them."))
}

fn check(action: &ItemAction) -> Result<(), Refusal> {
    let ItemAction::Release { items, reason } = action else { return Ok(()) };
    let mut faults = Vec::new();
    if items.is_empty() {
        faults.push(fault("/items", "Name the items that are given up."));
    }
    if reason.trim().is_empty() || reason.chars().count() > REASON_CHARS_MAX {
        faults.push(fault("/reason", format!("A reason has 1 to {REASON_CHARS_MAX} characters.")));
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::invalid(faults)) }
}
