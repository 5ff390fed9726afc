//! What Hearth wrote into a main care record, told apart when it comes back.

use std::collections::BTreeSet;

use hearth_protocol::fhir::export::own_identifiers;
use rusqlite::{Connection, Transaction};
use serde_json::Value;

use crate::gateway::client::own_name;
use crate::gateway::link::Contact;
use crate::gateway::owed;
use crate::store::StoreError;

/// What Hearth wrote into the main care record, among some resources.
pub(super) struct Own {
    names: BTreeSet<String>,
}

impl Own {
    pub(super) fn is_own(&self, resource: &Value) -> bool {
        own_name(resource).is_some_and(|name| self.names.contains(&name))
    }
}

/// By what a resource may be known as Hearth's own.
struct Signs {
    name: String,
    identifiers: Vec<uuid::Uuid>,
    targets: Vec<String>,
    version: Option<String>,
}

impl Signs {
    fn of(resource: &Value) -> Option<Self> {
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str).map(str::to_owned);
        let identifiers = own_identifiers(resource).collect();
        Some(Self { name: own_name(resource)?, identifiers, targets: targets(resource), version })
    }

    fn are_own(&self, transaction: &Transaction<'_>, system: &str) -> Result<bool, StoreError> {
        for target in &self.targets {
            if is_written(transaction, system, target)? {
                return Ok(true);
            }
        }
        for identifier in &self.identifiers {
            let Some(written) = owed::written(transaction, system, *identifier)? else { continue };
            let version = self.version.as_deref();
            if !is_edited(&written, version)
                || owed::adopt(transaction, system, *identifier, &self.name, version)? == owed::Adopted::No
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Which of these resources are Hearth's own.
pub(super) async fn own(contact: &Contact, resources: &[Value]) -> Result<Own, StoreError> {
    let system = contact.system().to_owned();
    let signs: Vec<Signs> = resources.iter().filter_map(Signs::of).collect();
    let work = move |t: &Transaction<'_>| {
        let mut names = BTreeSet::new();
        for signs in signs {
            if signs.are_own(t, &system)? {
                names.insert(signs.name);
            }
        }
        Ok(Own { names })
    };
    contact.store.write(work).await
}

/// Whether somebody changed there what Hearth had written.
fn is_edited(written: &owed::Written, version: Option<&str>) -> bool {
    written.remote.is_some() && written.version.is_some() && written.version.as_deref() != version
}

/// What a Provenance is about.
fn targets(resource: &Value) -> Vec<String> {
    if resource.get("resourceType").and_then(Value::as_str) != Some("Provenance") {
        return Vec::new();
    }
    let targets = resource.get("target").and_then(Value::as_array).into_iter().flatten();
    targets.filter_map(|target| target.get("reference")?.as_str()).map(str::to_owned).collect()
}

fn is_written(connection: &Connection, system: &str, remote: &str) -> Result<bool, StoreError> {
    let sql = "SELECT count(*) > 0 FROM written WHERE system = ?1 AND remote = ?2";
    Ok(connection.prepare_cached(sql)?.query_row((system, remote), |row| row.get(0))?)
}
