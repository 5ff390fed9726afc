//! What administrators see of the quarantine: which change, whose, when, and what its code means. Never what it says.

use hearth_protocol::document::CheckedChange;
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    PAGE_MAX, Quarantine, QuarantineQuery, QuarantinedChange, QuarantinedDetail, QuarantinedEntry,
};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::ingest::Item;
use crate::store::{StoreError, columns};

const COLUMNS: &str = "q.id, q.code, q.install, i.site, q.scope, q.received_at, q.settlement
    FROM quarantine q LEFT JOIN install i ON i.id = q.install";

/// One page of it, oldest first.
pub(crate) fn list(connection: &Connection, query: &QuarantineQuery) -> Result<Quarantine, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE q.id > ?1 AND (?2 IS NULL OR i.site = ?2) AND (?3 IS NULL OR q.code = ?3)
         AND (?4 OR q.settled_at IS NULL) ORDER BY q.id LIMIT ?5"
    );
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let after = i64::try_from(query.after.unwrap_or(0)).unwrap_or(i64::MAX);
    let site = query.site.map(|site| site.as_str().to_owned());
    let mut select = connection.prepare_cached(&sql)?;
    let rows = select.query_map(params![after, site, query.code, query.all, limit + 1], change)?;
    let mut changes = rows.collect::<Result<Vec<_>, _>>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = changes.len() > limit;
    changes.truncate(limit);
    let next = changes.last().filter(|_| has_more).map(|last| last.change);
    Ok(Quarantine { changes, next })
}

/// One change with the names and times of its entries; none when there is no such change.
pub(crate) fn show(connection: &Connection, id: i64) -> Result<Option<QuarantinedDetail>, StoreError> {
    let sql = format!("SELECT {COLUMNS} WHERE q.id = ?1");
    let Some(change) = connection.prepare_cached(&sql)?.query_row([id], change).optional()? else {
        return Ok(None);
    };
    let sql = "SELECT scope, hash, bytes FROM quarantine WHERE id = ?1";
    let item = connection.prepare_cached(sql)?.query_row([id], |row| {
        Ok(Item::check(columns::scope(row, 0)?, columns::hash(row, 1)?, row.get(2)?))
    })?;
    let checked = item.checked.as_ref().ok();
    let meaning = meaning(&change.code).to_owned();
    let entries = checked.map(entries).unwrap_or_default();
    Ok(Some(QuarantinedDetail { change, author: checked.map(|made| made.install), entries, meaning }))
}

fn entries(change: &CheckedChange) -> Vec<QuarantinedEntry> {
    let shown = |entry: &hearth_protocol::record::Entry| QuarantinedEntry {
        entry: entry.id,
        happened: entry.happened,
        recorded: entry.recorded,
    };
    change.entries.iter().map(shown).collect()
}

fn change(row: &Row<'_>) -> rusqlite::Result<QuarantinedChange> {
    let scope = columns::scope(row, 4)?;
    let resident = match scope.subject() {
        Subject::Resident(resident) => Some(resident),
        Subject::Site(_) => None,
    };
    Ok(QuarantinedChange {
        change: row.get(0)?,
        code: row.get(1)?,
        install: columns::install(row, 2)?,
        site: row.get::<_, Option<String>>(3)?.and_then(|site| site.parse().ok()),
        resident,
        section: scope.section().name().to_owned(),
        received: Timestamp(row.get(5)?),
        settlement: row.get(6)?,
    })
}

/// What a code means, and what a release would do.
pub(crate) fn meaning(code: &str) -> &'static str {
    match code {
        "not-granted" => {
            "The site wrote to a record that it did not hold. Assign the resident to the site, then release: the \
             entries then become part of the record."
        }
        "section-not-writable" => {
            "A site of this kind may not write to this section. A release changes nothing: discard it."
        }
        "dated-in-the-future" | "recorded-too-early" => {
            "The node's clock was wrong. The hub takes the entries in as they are dated, within ten minutes."
        }
        "month-out-of-range" => {
            "The node's clock was wrong, so the entries stand in a month that lies too far off. Once a month to come is \
             near, the hub takes them in as they are dated. Have the site write them again, so that they are seen; \
             discard them only where they stand in a year long past."
        }
        "wrong-month" => {
            "The entries stand in another month than they say. A release changes nothing: have the site write them \
             again, then discard this."
        }
        "foreign-install" | "install-not-active" | "unsigned" | "bad-signature" | "unknown-signer"
        | "on-unvouched" => {
            "Nobody who is trusted now vouches for who wrote this. A release takes it in only where that has changed: \
             after a restore, the writer's own node brings it."
        }
        "number-skipped" | "gap-before" | "no-dependencies" | "too-much-pending" => {
            "Changes before this one are missing. Once they have come, a release takes it in."
        }
        "cloned-install" | "install-held" | "number-used-twice" => {
            "The site's node was copied, or came back from a backup, and used numbers twice. A release changes \
             nothing: enrol the node anew (`hearth-node enrol --anew`), which sends what it holds under new numbers, \
             then discard this."
        }
        "scope-full" => "This part of the record is as long as it may be. A release changes nothing.",
        "operations-out-of-order"
        | "change-malformed"
        | "hash-mismatch"
        | "change-too-long"
        | "not-an-addition"
        | "foreign-entry"
        | "bad-entry"
        | "wrong-section" => {
            "The node sent what no sound software sends. Call support before you discard it. A release changes \
             nothing."
        }
        _ => "This hub does not know the code. A release judges the change by today's rules.",
    }
}
