//! Contact with one main care record: its client, what it can do, and what is noted of it.

use std::time::Duration;

use hearth_protocol::time::Timestamp;
use hearth_provisioning::region::MainRecordConfig;
use rusqlite::{OptionalExtension, Transaction, params};
use serde_json::Value;
use tokio::sync::{Mutex, OnceCell};
use uuid::Uuid;

use super::client::{Answer, Capability, Client, Failure, Write};
use super::plan::{Addressee, Patch};
use crate::clock::Clock;
use crate::import::identifiers;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// The first wait after a failure; each further one is twice as long.
const WAIT_FIRST: Duration = Duration::from_secs(1);
/// The longest wait that the hub itself chooses.
const WAIT_MAX: Duration = Duration::from_mins(5);
/// A wait where the server does not let the hub in: somebody has to change a token.
const WAIT_UNAUTHORISED: Duration = Duration::from_mins(1);

/// Contact with one main care record.
pub(super) struct Contact {
    pub(super) config: MainRecordConfig,
    pub(super) client: Client,
    pub(super) store: Store,
    pub(super) clock: Clock,
    pub(super) random: Random,
    /// The name space of the region's identifiers.
    pub(super) region: Uuid,
    pub(super) capability: OnceCell<Capability>,
    /// Held while something there is changed and not yet noted as ours, and while its changes are read.
    pub(super) writing: Mutex<()>,
}

impl Contact {
    /// The record's name.
    pub(super) fn system(&self) -> &str {
        &self.config.name
    }

    /// What the record says it can do, asked for once.
    pub(super) async fn capability(&self) -> Result<&Capability, Failure> {
        self.capability.get_or_try_init(|| self.client.capability()).await
    }

    /// How long to leave the record alone after a failure, in milliseconds.
    pub(super) fn wait(&self, attempts: u32, failure: &Failure) -> i64 {
        let asked = match failure {
            Failure::Retry { after: Some(after), .. } => Some(*after),
            Failure::Unauthorised => Some(WAIT_UNAUTHORISED),
            Failure::Retry { .. } | Failure::Absent | Failure::Conflict | Failure::Rejected { .. } => None,
        };
        let own = WAIT_FIRST.saturating_mul(1 << attempts.min(12)).min(WAIT_MAX);
        let wait = u64::try_from(asked.unwrap_or(own).as_millis()).unwrap_or(u64::MAX);
        // Up to a half more, so that what failed together does not come back together.
        let more = u64::from(self.random.u32()) * (wait / 2) / u64::from(u32::MAX);
        i64::try_from(wait.saturating_add(more)).unwrap_or(i64::MAX)
    }

    /// The name of a request, the same whenever it is made again.
    pub(super) fn request_id(
        &self,
        identifier: Uuid,
        entry: hearth_protocol::id::EntryId,
        what: &str,
    ) -> Uuid {
        Uuid::new_v5(&identifier, format!("{} {entry} {what}", self.system()).as_bytes())
    }

    /// Creates a resource unless a search finds it; a server that cannot do both at once is asked first.
    pub(super) async fn create_once(
        &self,
        request: Uuid,
        resource: &Value,
        unless: &str,
    ) -> Result<Answer, Failure> {
        let kind = resource.get("resourceType").and_then(Value::as_str).unwrap_or_default();
        if !self.capability().await?.creates_once(kind) {
            let query: Vec<(&str, &str)> =
                unless.split('&').filter_map(|part| part.split_once('=')).collect();
            let found = self.client.search(kind, &query).await?;
            let found = found.into_iter().find_map(|mut entry| entry.get_mut("resource").map(Value::take));
            if let Some(found) = found {
                return Ok(Answer::found(found));
            }
        }
        self.client.write(request, resource, Write::Create { unless }).await
    }
}

/// Makes the configured main care records those that entries are owed to, and binds the residents whom it is asked for
/// by another identifier than before.
pub(super) fn configure(
    transaction: &Transaction<'_>,
    records: &[(String, String)],
) -> Result<(), StoreError> {
    transaction.execute("UPDATE main_record SET configured = 0", [])?;
    for (system, asked_by) in records {
        let sql = "SELECT identifier_system FROM main_record WHERE system = ?1";
        let before: Option<Option<String>> =
            transaction.query_row(sql, [system], |row| row.get(0)).optional()?;
        if before.flatten().as_ref() != Some(asked_by) {
            identifiers::bind_kept(transaction, asked_by)?;
        }
        let sql = "INSERT INTO main_record (system, configured, identifier_system) VALUES (?1, 1, ?2)
                   ON CONFLICT (system) DO UPDATE SET configured = 1, identifier_system = ?2";
        transaction.execute(sql, (system, asked_by))?;
    }
    Ok(())
}

/// Notes that the record answered, and what it says it is.
pub(super) fn note_contact(
    transaction: &Transaction<'_>,
    system: &str,
    software: Option<&str>,
) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 1, software = coalesce(?2, software) WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, software])?;
    Ok(())
}

/// Notes that the record did not answer as it should.
pub(super) fn note_failure(transaction: &Transaction<'_>, system: &str, why: &str) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 0, last_error = ?2 WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, why])?;
    Ok(())
}

/// Notes that the record took a write.
pub(super) fn note_written_at(
    transaction: &Transaction<'_>,
    system: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE main_record SET reachable = 1, last_written = ?2 WHERE system = ?1";
    transaction.prepare_cached(sql)?.execute(params![system, now.0])?;
    Ok(())
}

/// Notes what stands in the main care record after a change of its original, so that it is not read as somebody
/// else's: the thread that the original became now continues with the entry.
pub(super) async fn note_patched(
    contact: &Contact,
    to: &Addressee,
    patch: &Patch,
    answer: &Answer,
) -> Result<(), StoreError> {
    let (system, remote, version) = (to.system.clone(), patch.remote.clone(), answer.version.clone());
    let newest = patch.entry.id.to_string();
    let noted = contact.store.write(move |t| {
        let sql = "UPDATE original SET version = ?3 WHERE system = ?1 AND resource = ?2";
        t.prepare_cached(sql)?.execute(params![system, remote, version])?;
        let sql = "UPDATE outside_item SET newest = ?3 WHERE system = ?1 AND resource = ?2";
        t.prepare_cached(sql)?.execute(params![system, remote, newest])?;
        Ok(())
    });
    noted.await
}
