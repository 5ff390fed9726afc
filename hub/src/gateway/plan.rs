//! What an entry means for a main care record: resources to write, an original to change, or nothing.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::clinical::NhsNumber;
use hearth_protocol::fhir::export::{OrderLink, Outgoing, take_back};
use hearth_protocol::fhir::{NotExported, Target, export};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::medicines::Order;
use hearth_protocol::record::plan::SpO2Scale;
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;
use uuid::Uuid;

use super::owed::{self, Owed, Refused};
use crate::records;
use crate::store::StoreError;

/// Who and where the entries of one resident are written for.
#[derive(Clone, Debug)]
pub(super) struct Addressee {
    /// Name of the main care record.
    pub(super) system: String,
    /// The name space of the region's identifiers.
    pub(super) region: Uuid,
    /// How the main care record refers to the person.
    pub(super) patient: String,
    /// The person's NHS number.
    pub(super) nhs_number: Option<NhsNumber>,
}

/// What is to be done about an entry.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plan {
    /// Nothing: the record has no place for it.
    Nothing(&'static str),
    /// It cannot be written as it stands.
    Refuse(Refused),
    /// Write these under their identifiers.
    Write(Vec<Outgoing>),
    /// Change what the main care record said.
    Patch(Box<Patch>),
}

/// A change of an original.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Patch {
    /// Type and id of the original.
    pub(super) remote: String,
    /// The versions that the entry's author had seen.
    pub(super) seen: BTreeSet<String>,
    /// The entry.
    pub(super) entry: Entry,
    /// What else the export needs, beside the addressee.
    pub(super) beside: Beside,
}

/// What an export needs to know beside the entry and its addressee.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Beside {
    synced: Timestamp,
    order: Option<(Order, Option<String>)>,
    scale: SpO2Scale,
    about: Option<String>,
}

impl Beside {
    /// The target of an export.
    pub(super) fn target<'a>(&'a self, to: &'a Addressee) -> Target<'a> {
        let link = |(order, reference): &'a (Order, Option<String>)| OrderLink {
            order,
            reference: reference.as_deref(),
        };
        Target {
            region: to.region,
            patient: &to.patient,
            nhs_number: to.nhs_number,
            synced: self.synced,
            order: self.order.as_ref().map(link),
            scale: self.scale,
            about: self.about.as_deref(),
        }
    }
}

/// The name under which a change of an original is noted as written.
pub(super) fn patched(to: &Addressee, remote: &str) -> Uuid {
    Uuid::new_v5(&to.region, format!("patched {} {remote}", to.system).as_bytes())
}

/// Says what is to be done about an entry.
pub(super) fn plan(connection: &Connection, to: &Addressee, owed: &Owed) -> Result<Plan, StoreError> {
    let entries = records::entries(connection, owed.scope)?;
    let planner = Planner { connection, to, by_id: entries.iter().map(|entry| (entry.id, entry)).collect() };
    match planner.by_id.get(&owed.entry) {
        Some(entry) => planner.plan(entry, owed),
        None => Ok(Plan::Nothing("entry-gone")),
    }
}

struct Planner<'a> {
    connection: &'a Connection,
    to: &'a Addressee,
    by_id: BTreeMap<EntryId, &'a Entry>,
}

impl Planner<'_> {
    fn plan(&self, entry: &Entry, owed: &Owed) -> Result<Plan, StoreError> {
        let beside = self.beside(entry, owed)?;
        let earlier = self.earlier(entry);
        let outside = earlier.iter().find_map(|entry| match &entry.origin {
            Origin::Outside(origin) => Some(origin),
            Origin::Site(_) => None,
        });
        if let Some(origin) = outside {
            if origin.system != self.to.system {
                return Ok(Plan::Nothing("of-another-record"));
            }
            return self.change(entry, &earlier, &origin.resource, beside);
        }
        if let Body::EnteredInError(_) = &entry.body {
            return self.take_back(entry, owed);
        }
        Ok(match export(entry, &beside.target(self.to)) {
            Ok(outgoing) => Plan::Write(outgoing),
            Err(NotExported::OrderNeeded) => Plan::Refuse(Refused::new(
                "order-unknown",
                "The order that this dose belongs to is not in the record.",
            )),
            Err(NotExported::StaysHere(_) | NotExported::FromOutside) => Plan::Nothing("stays-here"),
            Err(NotExported::TakesBack | NotExported::DoesNotFit) => Plan::Nothing("does-not-fit"),
        })
    }

    fn change(
        &self,
        entry: &Entry,
        earlier: &[&Entry],
        remote: &str,
        beside: Beside,
    ) -> Result<Plan, StoreError> {
        let replaces_own = entry.replaces.iter().filter_map(|id| self.by_id.get(id));
        let mut replaces_own = replaces_own.filter(|entry| matches!(entry.origin, Origin::Site(_)));
        if matches!(entry.body, Body::EnteredInError(_)) && replaces_own.next().is_some() {
            return Ok(Plan::Refuse(Refused::new(
                "undo-there",
                "This took back a change of what the main care record had said. Have it undone there.",
            )));
        }
        let mut seen: BTreeSet<String> = earlier.iter().filter_map(|entry| version(entry)).collect();
        let ids: BTreeSet<EntryId> = earlier.iter().map(|entry| entry.id).collect();
        let own = owed::written(self.connection, &self.to.system, patched(self.to, remote))?;
        seen.extend(own.filter(|own| ids.contains(&own.entry)).and_then(|own| own.version));
        let patch = Patch { remote: remote.to_owned(), seen, entry: entry.clone(), beside };
        Ok(Plan::Patch(Box::new(patch)))
    }

    /// The resources of what an entry takes back, as far as they were written.
    fn take_back(&self, by: &Entry, owed: &Owed) -> Result<Plan, StoreError> {
        let mut all = Vec::new();
        for entry in by.replaces.iter().filter_map(|id| self.by_id.get(id)) {
            let beside = self.beside(entry, owed)?;
            for outgoing in take_back(entry, by, &beside.target(self.to)).unwrap_or_default() {
                let written = owed::written(self.connection, &self.to.system, outgoing.identifier)?;
                if written.is_some() {
                    all.push(outgoing);
                }
            }
        }
        Ok(if all.is_empty() { Plan::Nothing("nothing-to-take-back") } else { Plan::Write(all) })
    }

    /// Every entry that this one replaces, and those that they replaced; the nearest first.
    fn earlier(&self, entry: &Entry) -> Vec<&Entry> {
        let mut found: Vec<&Entry> = Vec::new();
        let mut next: Vec<EntryId> = entry.replaces.clone();
        while let Some(id) = next.pop() {
            let Some(entry) = self.by_id.get(&id).filter(|e| !found.iter().any(|f| f.id == e.id)) else {
                continue;
            };
            next.extend(&entry.replaces);
            found.push(entry);
        }
        found
    }

    fn beside(&self, entry: &Entry, owed: &Owed) -> Result<Beside, StoreError> {
        let mut beside = Beside { synced: owed.received_at, ..Beside::default() };
        #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds stand by themselves")]
        match &entry.body {
            Body::Administration(dose) => {
                beside.order = self.order(owed, dose.order, dose.order_version)?;
            }
            Body::Effect(effect) => beside.about = self.reference(effect.administration)?,
            Body::VitalSigns(_) => beside.scale = self.scale(owed, entry.happened)?,
            _ => {}
        }
        Ok(beside)
    }

    /// The order of a dose, and how the main care record refers to it.
    fn order(
        &self,
        owed: &Owed,
        thread: EntryId,
        version: EntryId,
    ) -> Result<Option<(Order, Option<String>)>, StoreError> {
        let entries = self.beside_entries(owed, Section::Medicines, owed.received_at)?;
        let of_thread = |entry: &&Entry| entry.thread_id() == thread;
        let shown = entries.iter().find(|entry| entry.id == version);
        let Some(shown) = shown.or_else(|| entries.iter().rev().find(of_thread)) else { return Ok(None) };
        let Body::Order(order) = &shown.body else { return Ok(None) };
        let outside = entries.iter().filter(of_thread).find_map(|entry| match &entry.origin {
            Origin::Outside(origin) if origin.system == self.to.system => Some(origin.resource.clone()),
            Origin::Outside(_) | Origin::Site(_) => None,
        });
        let outside = outside.filter(|remote| remote.starts_with("MedicationRequest/"));
        let reference = outside.map_or_else(|| self.reference(thread), |remote| Ok(Some(remote)))?;
        Ok(Some((order.clone(), reference)))
    }

    fn scale(&self, owed: &Owed, at: Timestamp) -> Result<SpO2Scale, StoreError> {
        Ok(PlanView::of(&self.beside_entries(owed, Section::Plan, at)?).scale_at(at))
    }

    fn beside_entries(&self, owed: &Owed, section: Section, at: Timestamp) -> Result<Vec<Entry>, StoreError> {
        let Subject::Resident(resident) = owed.scope.subject() else { return Ok(Vec::new()) };
        let scope = Scope::of_resident(resident, section, at);
        scope.map_or_else(|| Ok(Vec::new()), |scope| records::entries(self.connection, scope))
    }

    /// How the main care record refers to what was written for an entry.
    fn reference(&self, entry: EntryId) -> Result<Option<String>, StoreError> {
        let written = owed::written(self.connection, &self.to.system, entry.to_uuid(self.to.region))?;
        Ok(written.and_then(|written| written.remote))
    }
}

fn version(entry: &Entry) -> Option<String> {
    match &entry.origin {
        Origin::Outside(origin) => origin.version.clone(),
        Origin::Site(_) => None,
    }
}
