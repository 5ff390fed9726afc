//! The main care records: how contact with each stands, what waits or is kept aside, and what is to be done about it.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path as Segments, Query, State};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    ItemAction, ItemChange, MainRecordItems, MainRecordItemsQuery, MainRecordState, MainRecords, PAGE_MAX,
};
use rusqlite::{Connection, Transaction};

use super::call::{Admin, Answer, Audited, Done, Write};
use super::refusal::fault;
use super::{Api, Refusal};
use crate::gateway::owed;
use crate::store::StoreError;

/// Longest reason for a release, in characters.
const REASON_CHARS_MAX: usize = 200;

pub(super) async fn list(State(api): State<Api>, _: Admin) -> Result<Json<MainRecords>, Refusal> {
    Ok(Json(MainRecords { main_records: states(&api).await? }))
}

/// The state of every configured main care record.
pub(super) async fn states(api: &Api) -> Result<Vec<MainRecordState>, StoreError> {
    let records = api.parts().gateway.records();
    let known: Vec<(String, String)> =
        records.map(|record| (record.name.clone(), record.base_url.clone())).collect();
    let read = move |c: &Connection| {
        known.iter().map(|(name, base_url)| owed::states(c, name, base_url)).collect::<Result<Vec<_>, _>>()
    };
    api.parts().store.read(read).await
}

pub(super) async fn items(
    State(api): State<Api>,
    _: Admin,
    Segments(record): Segments<String>,
    query: Result<Query<MainRecordItemsQuery>, QueryRejection>,
) -> Result<Json<MainRecordItems>, Refusal> {
    require(&api, &record)?;
    let Ok(Query(query)) = query else {
        let detail = format!("The query may have state, after, and limit up to {PAGE_MAX}.");
        return Err(Refusal::invalid(vec![fault("", detail)]));
    };
    Ok(Json(api.parts().store.read(move |c| owed::items(c, &record, &query)).await?))
}

pub(super) async fn act(
    State(api): State<Api>,
    Segments(record): Segments<String>,
    Write(call, action): Write<ItemAction>,
) -> Result<Answer<ItemChange>, Audited> {
    let (who, known) = (call.admin.who(), require(&api, &record));
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
    api.parts().gateway.wake();
    Ok(answer)
}

/// Refuses a name that no configured main care record has.
pub(super) fn require(api: &Api, record: &str) -> Result<(), Refusal> {
    if api.parts().gateway.records().any(|known| known.name == record) {
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
