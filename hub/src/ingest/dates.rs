//! What entries say of when they were: a node's clock may be wrong, and nothing is kept out of the record for that.
//!
//! A change that is put aside takes with it all that its site writes upon it, doses of the next days among it. So what
//! a wrong clock dated is taken in as it is dated, noted beside the time at which it came, told to the administrators,
//! and not written to a main care record. Only a month that has not come is no document yet: what was dated into one
//! waits in the quarantine and is judged again once it has.

use std::time::Duration;

use hearth_protocol::audit::{Action, Code, What, Who};
use hearth_protocol::document::CheckedChange;
use hearth_protocol::record::Entry;
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use rusqlite::{Connection, Transaction};
use tokio_util::sync::CancellationToken;

use crate::audit;
use crate::clock::Clock;
use crate::store::{Store, StoreError, columns};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// 2020-01-01T00:00:00Z. No entry was recorded before the software was: a clock that lost its battery says 1970.
const RECORDED_MIN: Timestamp = Timestamp(1_577_836_800_000);
/// How far back a month may lie that is still written to.
const MONTHS_BACK_MAX: i16 = 120;
/// How far ahead one may lie: a clock that is days ahead begins the next month early.
const MONTHS_AHEAD_MAX: i16 = 1;
/// How often what was dated into a month that had not come is looked at.
const LOOK_EVERY: Duration = Duration::from_mins(10);
/// Code of an entry that is dated too far ahead.
const AHEAD: &str = "dated-in-the-future";
/// Code of an entry that was recorded before there was anything to record it.
const TOO_EARLY: &str = "recorded-too-early";
/// Code of a change of a month that lies too far off.
const OUT_OF_RANGE: &str = "month-out-of-range";

/// The code of the first rule on months that these entries break.
pub(super) fn broken(scope: Scope, entries: &[Entry], now: Timestamp) -> Option<&'static str> {
    let month = scope.month()?;
    if !is_in_range(month, now) {
        return Some(OUT_OF_RANGE);
    }
    entries.iter().any(|entry| !fits(month, entry)).then_some("wrong-month")
}

fn is_in_range(month: Month, now: Timestamp) -> bool {
    let this = Month::of(now);
    (this.plus(-MONTHS_BACK_MAX)..=this.plus(MONTHS_AHEAD_MAX)).contains(&month)
}

/// Whether an entry may stand in this month: a day beyond either end is allowed, for what goes on past midnight.
/// A later version stands beside the one that it replaces, whenever that was.
fn fits(month: Month, entry: &Entry) -> bool {
    let is_first_version = entry.thread.is_none() && entry.replaces.is_empty();
    let around = Month::of(entry.happened.plus_ms(-DAY_MS))..=Month::of(entry.happened.plus_ms(DAY_MS));
    !is_first_version || around.contains(&month)
}

/// What is wrong with the times of an entry that comes now; none when nothing is.
pub(crate) fn fault(entry: &Entry, now: Timestamp) -> Option<&'static str> {
    let latest = now.plus_ms(limits::FUTURE_MS_MAX);
    if entry.recorded > latest || entry.happened > latest {
        Some(AHEAD)
    } else if entry.recorded < RECORDED_MIN {
        Some(TOO_EARLY)
    } else {
        None
    }
}

/// Notes a change that a wrong clock dated, in the audit too.
pub(super) fn note(
    transaction: &Transaction<'_>,
    scope: Scope,
    change: &CheckedChange,
    now: Timestamp,
) -> Result<(), StoreError> {
    let faulty = change.entries.iter().find_map(|entry| Some((entry.id, fault(entry, now)?)));
    let Some((entry, code)) = faulty else { return Ok(()) };
    let sql = "INSERT INTO misdated (scope, hash, install, code, received_at) VALUES (?1, ?2, ?3, ?4, ?5)";
    let row = (scope.to_key(), change.hash.0, change.install.0, code, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    metrics::counter!("hearth_hub_misdated_total", "code" => code).increment(1);
    tracing::warn!(install = %change.install, code, "a change was dated by a wrong clock");
    let what = What::done(Who::System, Action::Misdated).about(scope.subject()).in_section(scope.section());
    let what = what.of_entry(entry).with_detail(Code::near(&format!("{code}.{}", change.install)));
    audit::append(transaction, now, what)?;
    Ok(())
}

/// Judges what was put aside for its time again once there is nothing against it, for as long as it is not cancelled.
pub async fn run(store: Store, clock: Clock, cancelled: CancellationToken) {
    loop {
        let now = clock.now();
        if let Err(error) = judge_again(&store, now).await {
            tracing::warn!(%error, "what was dated by a wrong clock could not be judged again");
        }
        tokio::select! {
            biased;
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

pub(super) async fn judge_again(store: &Store, now: Timestamp) -> Result<(), StoreError> {
    for id in store.read(move |connection| due(connection, now)).await? {
        let result = store.write(move |transaction| super::retry(transaction, id, now)).await?;
        tracing::info!(change = id, ?result, "a change that a wrong clock had dated was judged again");
    }
    Ok(())
}

/// Open rows of the quarantine that were put there for their time alone, and have nothing against them by now.
fn due(connection: &Connection, now: Timestamp) -> Result<Vec<i64>, StoreError> {
    let sql = "SELECT q.id, q.scope FROM quarantine q JOIN install i ON i.id = q.install
               WHERE q.settled_at IS NULL AND i.state = 'active'
               AND q.code IN (?1, ?2, ?3) ORDER BY q.id";
    let mut select = connection.prepare_cached(sql)?;
    let codes = [AHEAD, TOO_EARLY, OUT_OF_RANGE];
    let rows = select.query_map(codes, |row| Ok((row.get::<_, i64>(0)?, columns::scope(row, 1)?)))?;
    let rows: Vec<(i64, Scope)> = rows.collect::<Result<_, _>>()?;
    let is_due = |scope: &Scope| scope.month().is_none_or(|month| is_in_range(month, now));
    Ok(rows.into_iter().filter(|(_, scope)| is_due(scope)).map(|(id, _)| id).collect())
}
