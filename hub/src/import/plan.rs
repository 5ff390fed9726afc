//! What is to be written for a set of resources, decided without writing.

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_protocol::fhir::set::key;
use hearth_protocol::fhir::{Context, Draft, NotMapped, ResourceSet, import};
use hearth_protocol::id::StaffId;
use hearth_protocol::id::{EntryId, InstallId, ResidentId};
use hearth_protocol::record::Author;
use hearth_protocol::record::Body;
use hearth_protocol::record::entry::{EnteredInError, Entry, Origin, OutsideOrigin, Role};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;
use serde_json::Value;

use super::Parked;
use super::known::{Item, Known, original, pack};
use crate::store::StoreError;

/// Which resources: doses and supplies name the entries of their orders, so they are read when those are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Record,
    WhatNamesOrders,
}

impl Stage {
    fn of(resource: &Value) -> Self {
        match resource.get("resourceType").and_then(Value::as_str) {
            Some("MedicationAdministration" | "MedicationDispense") => Self::WhatNamesOrders,
            Some(_) | None => Self::Record,
        }
    }
}

/// What is to be written.
pub(super) struct Plan {
    /// Resources looked at.
    pub(super) resources: u64,
    /// Of these, as they were kept already.
    pub(super) unchanged: u64,
    /// The rest, in an order in which what is named comes first.
    pub(super) steps: Vec<Step>,
}

/// What is to be written for one resource, together.
#[derive(Debug)]
pub(super) struct Step {
    /// Type and id.
    pub(super) resource: String,
    pub(super) kept: Kept,
    pub(super) changes: Vec<Change>,
    pub(super) parked: Option<Parked>,
}

impl Step {
    /// How many entries it writes.
    pub(super) fn entries(&self) -> u64 {
        let count: usize = self.changes.iter().map(Change::entries).sum();
        u64::try_from(count).unwrap_or(u64::MAX)
    }

    /// Whether the resource is new or changed and yet says nothing that a record does not say.
    pub(super) fn says_nothing(&self) -> bool {
        self.parked.is_none() && self.changes.is_empty()
    }

    /// About how much it writes, in bytes.
    pub(super) fn bytes(&self) -> usize {
        let files = self.changes.iter().flat_map(Change::files).map(|file| file.bytes.len());
        self.kept.zstd.len() + files.sum::<usize>()
    }
}

/// A resource as it is kept.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) version: Option<String>,
    pub(super) blake3: [u8; 32],
    pub(super) zstd: Vec<u8>,
    pub(super) length: usize,
    pub(super) state: &'static str,
    pub(super) reason: Option<&'static str>,
}

/// A change of one outside thing.
#[derive(Debug)]
pub(super) enum Change {
    /// It is said for the first time, or again elsewhere after it was taken back there.
    New { draft: Box<Draft>, scope: Scope, content: [u8; 32], moved_from: Option<Box<Item>> },
    /// It is said otherwise.
    Version { draft: Box<Draft>, item: Box<Item>, content: [u8; 32] },
    /// It is no longer said.
    TakenBack { key: String, item: Box<Item>, origin: OutsideOrigin, reason: String },
}

impl Change {
    fn entries(&self) -> usize {
        match self {
            Self::New { moved_from: Some(_), .. } => 2,
            Self::New { .. } | Self::Version { .. } | Self::TakenBack { .. } => 1,
        }
    }

    pub(super) fn files(&self) -> &[hearth_protocol::fhir::import::File] {
        match self {
            Self::New { draft, .. } | Self::Version { draft, .. } => &draft.files,
            Self::TakenBack { .. } => &[],
        }
    }
}

/// What stands in an item's content when the thing was taken back.
pub(super) const GONE: [u8; 32] = [0; 32];

/// Decides about the resources of one stage.
pub(super) fn make(
    connection: &Connection,
    system: &str,
    set: &ResourceSet,
    resident: ResidentId,
    stage: Stage,
    now: Timestamp,
    is_dry: bool,
) -> Result<Plan, StoreError> {
    let known = Known::read(connection, system, resident)?;
    // A dry run writes no orders, so those of the set stand for what would have been written.
    let in_set: BTreeSet<String> = if is_dry { set.resources().map(key).collect() } else { BTreeSet::new() };
    let would_be = EntryId { install: InstallId::GENESIS, counter: 1 };
    let thread_of =
        |key: &str| known.items.get(key).map(|item| item.thread).or(in_set.contains(key).then_some(would_be));
    let context = Context { system, read_at: now, thread_of: &thread_of };
    let planner = Planner { known: &known, set, resident, context: &context };
    let mut plan = Plan { resources: 0, unchanged: 0, steps: Vec::new() };
    let mut seen = BTreeSet::new();
    // The last of a name is the one that holds, as in a history.
    let resources: Vec<&Arc<Value>> = set.shared().iter().rev().filter(|r| seen.insert(key(r))).collect();
    for resource in resources.into_iter().rev().filter(|r| Stage::of(r) == stage) {
        plan.resources += 1;
        match planner.step(resource)? {
            Some(step) => plan.steps.push(step),
            None => plan.unchanged += 1,
        }
    }
    if stage == Stage::WhatNamesOrders {
        plan.steps.extend(waiting(connection, system, &planner, &seen)?);
    }
    Ok(plan)
}

/// Doses and supplies that were parked because their order had not come, and whose order has come since.
fn waiting(
    connection: &Connection,
    system: &str,
    planner: &Planner<'_>,
    seen: &BTreeSet<String>,
) -> Result<Vec<Step>, StoreError> {
    let parked = planner.known.originals.iter().filter(|(_, original)| original.waits_for_order);
    let mut steps = Vec::new();
    for (name, _) in parked.filter(|(name, _)| !seen.contains(*name)) {
        let Some(resource) = original(connection, system, planner.resident, name)? else { continue };
        let step = planner.step(&resource)?;
        steps.extend(step.filter(|step| step.parked.is_none()));
    }
    Ok(steps)
}

struct Planner<'a> {
    known: &'a Known,
    set: &'a ResourceSet,
    resident: ResidentId,
    context: &'a Context<'a>,
}

impl Planner<'_> {
    /// What is to be written for a resource; none where it is as it was.
    fn step(&self, resource: &Value) -> Result<Option<Step>, StoreError> {
        let (name, json) = (key(resource), resource.to_string());
        let blake3 = *blake3::hash(json.as_bytes()).as_bytes();
        let known = self.known.originals.get(&name);
        let is_same = known.is_some_and(|known| known.blake3 == blake3 && !known.is_parked);
        // A Patient is told together with related persons, which may have changed alone.
        if is_same && resource.get("resourceType").and_then(Value::as_str) != Some("Patient") {
            return Ok(None);
        }
        let version = resource.pointer("/meta/versionId").and_then(Value::as_str).map(str::to_owned);
        let (state, reason, changes, parked) = match import(self.set, resource, self.context) {
            Ok(drafts) => ("mapped", None, self.changes(&name, drafts)?, None),
            Err(reason) if has_no_place(&reason) => ("kept", Some(super::code_of(&reason)), Vec::new(), None),
            Err(reason) => {
                let parked = Parked::of(name.clone(), &reason);
                ("parked", Some(parked.code), Vec::new(), Some(parked))
            }
        };
        if is_same && changes.is_empty() {
            return Ok(None);
        }
        let kept = Kept { version, blake3, zstd: pack(&json)?, length: json.len(), state, reason };
        Ok(Some(Step { resource: name, kept, changes, parked }))
    }

    fn changes(&self, resource: &str, drafts: Vec<Draft>) -> Result<Vec<Change>, StoreError> {
        let said: BTreeSet<String> = drafts.iter().map(|draft| draft.key.clone()).collect();
        let origin = drafts.first().map(|draft| draft.origin.clone());
        let mut changes = Vec::new();
        for draft in drafts {
            changes.extend(self.change(draft)?);
        }
        let dropped = self.known.keys_of(resource).filter(|key| !said.contains(*key));
        for (key, origin) in dropped.zip(std::iter::repeat(origin)) {
            let item = self.known.items.get(key).filter(|item| item.content != GONE);
            if let Some((item, origin)) = item.zip(origin) {
                let reason = format!("No longer said by {}.", self.context.system);
                changes.push(Change::TakenBack {
                    key: key.clone(),
                    item: Box::new(item.clone()),
                    origin,
                    reason,
                });
            }
        }
        Ok(changes)
    }

    fn change(&self, draft: Draft) -> Result<Option<Change>, StoreError> {
        let item = self.known.items.get(&draft.key);
        if let Body::EnteredInError(error) = &draft.body {
            let standing = item.filter(|item| item.content != GONE);
            return Ok(standing.map(|item| Change::TakenBack {
                key: draft.key.clone(),
                item: Box::new(item.clone()),
                origin: draft.origin.clone(),
                reason: error.reason.clone(),
            }));
        }
        let scope = Scope::of_resident(self.resident, draft.section, draft.happened)
            .ok_or_else(|| StoreError::logic("a draft stands in a section of a site"))?;
        let (content, draft) = (content(&draft), Box::new(draft));
        Ok(match item.cloned().map(Box::new) {
            None => Some(Change::New { draft, scope, content, moved_from: None }),
            Some(item) if item.content == content => None,
            Some(item) if item.scope == scope => Some(Change::Version { draft, item, content }),
            Some(item) => {
                let moved_from = (item.content != GONE).then_some(item);
                Some(Change::New { draft, scope, content, moved_from })
            }
        })
    }
}

/// Whether the resource is rightly no entry, and nobody has to look at it.
fn has_no_place(reason: &NotMapped) -> bool {
    matches!(reason, NotMapped::Type(_) | NotMapped::PartOf(_) | NotMapped::Repeats(_))
}

/// A hash of what a draft says: section and body, and in a section of events when it happened. Elsewhere the moment may
/// be that of the reading.
fn content(draft: &Draft) -> [u8; 32] {
    let happened = if draft.section.is_monthly() { draft.happened } else { Timestamp(0) };
    let nobody = EntryId { install: InstallId::GENESIS, counter: 0 };
    let origin = OutsideOrigin {
        system: String::new(),
        resource: String::new(),
        version: None,
        as_of: Timestamp(0),
        asserter: draft.origin.asserter.clone(),
    };
    let entry = Entry {
        id: nobody,
        happened,
        recorded: Timestamp(0),
        author: author(""),
        origin: Origin::Outside(origin),
        thread: None,
        replaces: Vec::new(),
        body: draft.body.clone(),
    };
    *blake3::hash(&entry.to_bytes()).as_bytes()
}

/// The author of what a system says.
pub(super) fn author(system: &str) -> Author {
    Author { staff: StaffId(0), role: Role::System, name: system.to_owned() }
}

/// The body that takes entries back.
pub(super) fn taken_back(reason: String) -> Body {
    Body::EnteredInError(EnteredInError { reason })
}
