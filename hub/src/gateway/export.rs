//! Writing what a main care record is owed: each entry once, in order, however often either side is killed.
//!
//! Before a resource is sent, the identifier that it carries is noted. A create carries that identifier as its
//! condition and an update the version that it replaces, so whatever is sent again after a break is found done.

use futures_util::StreamExt;
use hearth_protocol::fhir::export::{Outgoing, relink};
use hearth_protocol::fhir::{Context, patch_original};
use hearth_protocol::id::EntryId;
use hearth_protocol::time::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::client::{Answer, Failure, Write};
use super::link::{self, Contact};
use super::owed::{self, Owed, Refused, Written};
use super::person;
use super::plan::{self, Addressee, Patch, Plan};
use crate::store::StoreError;

/// Entries that are taken in hand at once.
const BATCH: u32 = 64;
/// Residents whose entries are on their way at the same time.
const AT_ONCE: usize = 4;

/// What came of a look at what is owed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent {
    /// Entries that reached their end: accepted, refused or without a place.
    pub(super) settled: u32,
    /// Whether the server failed in a way that may pass: leave it alone for a while.
    pub(super) is_down: bool,
}

/// Why an entry is not done.
pub(super) enum Stop {
    /// For good, until a person says otherwise.
    Refused(Refused),
    /// The server failed in a way that may pass.
    Failed(Failure),
    /// The database failed.
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected { code, reason } => Self::Refused(Refused::new(code, reason)),
            Failure::Absent => Self::Refused(Refused::new(
                "deleted-there",
                "The main care record has deleted what this entry changes.",
            )),
            Failure::Conflict => Self::Refused(changed_there()),
            failure @ (Failure::Retry { .. } | Failure::Unauthorised) => Self::Failed(failure),
        }
    }
}

fn changed_there() -> Refused {
    Refused::new(
        "changed-there",
        "The main care record was changed meanwhile. Look at both versions and settle which one holds.",
    )
}

/// Sends what is due, the first entry of each resident.
pub(super) async fn send_due(contact: &Contact) -> Result<Sent, StoreError> {
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let due = contact.store.read(move |c| owed::due(c, &system, now, BATCH)).await?;
    let mut results = futures_util::stream::iter(due)
        .map(|owed| async move { send(contact, &owed).await.map(|done| (owed, done)) })
        .buffer_unordered(AT_ONCE);
    let mut sent = Sent::default();
    while let Some(result) = results.next().await {
        let (_, is_settled) = result?;
        if is_settled {
            sent.settled += 1;
        } else {
            sent.is_down = true;
            break;
        }
    }
    Ok(sent)
}

/// Brings one entry as far as it goes; false when it has to be tried again.
async fn send(contact: &Contact, owed: &Owed) -> Result<bool, StoreError> {
    let outcome = deliver(contact, owed).await;
    let (now, row) = (contact.clock.now(), owed.clone());
    match outcome {
        Ok(Delivered::Written(remote)) => {
            let system = contact.system().to_owned();
            let done = contact.store.write(move |t| {
                link::note_written_at(t, &system, now)?;
                owed::accept(t, &row, remote.as_deref(), now)
            });
            done.await?;
        }
        Ok(Delivered::Nowhere(code)) => {
            contact.store.write(move |t| owed::not_supported(t, &row, code, now)).await?;
        }
        Err(Stop::Refused(refused)) => {
            tracing::info!(system = contact.system(), entry = %owed.entry, code = refused.code, "entry refused");
            contact.store.write(move |t| owed::reject(t, &row, &refused, now)).await?;
        }
        Err(Stop::Failed(failure)) => {
            let wait = contact.wait(owed.attempts, &failure);
            let (system, code) = (contact.system().to_owned(), failure.to_string());
            tracing::warn!(system, entry = %owed.entry, %failure, "entry has to wait");
            let done = contact.store.write(move |t| {
                link::note_failure(t, &system, &code)?;
                owed::postpone(t, &row, now.plus_ms(wait), &code)
            });
            done.await?;
            return Ok(false);
        }
        Err(Stop::Store(error)) => return Err(error),
    }
    Ok(true)
}

enum Delivered {
    /// As this resource.
    Written(Option<String>),
    /// The record has no place for it, by this code.
    Nowhere(&'static str),
}

async fn deliver(contact: &Contact, owed: &Owed) -> Result<Delivered, Stop> {
    let to = match person::addressee(contact, owed.resident).await? {
        Ok(to) => to,
        Err(refused) => return Err(Stop::Refused(refused)),
    };
    let (row, known) = (owed.clone(), to.clone());
    match contact.store.read(move |c| plan::plan(c, &known, &row)).await? {
        Plan::Nothing(code) => Ok(Delivered::Nowhere(code)),
        Plan::Refuse(refused) => Err(Stop::Refused(refused)),
        Plan::Patch(patch) => patch_there(contact, &to, &patch).await.map(Delivered::Written),
        Plan::Write(outgoing) => {
            let capability = contact.capability().await?;
            if let Some(foreign) = outgoing.iter().find(|o| !capability.takes(o.resource_type)) {
                tracing::debug!(system = contact.system(), kind = foreign.resource_type, "kind not taken");
                return Ok(Delivered::Nowhere("type-not-taken"));
            }
            write_all(contact, owed.entry, outgoing).await.map(Delivered::Written)
        }
    }
}

/// Writes the resources of one entry, those first that the others refer to, each with its Provenance.
async fn write_all(
    contact: &Contact,
    entry: EntryId,
    mut outgoing: Vec<Outgoing>,
) -> Result<Option<String>, Stop> {
    note_intents(contact, entry, &outgoing).await?;
    let mut first = None;
    while !outgoing.is_empty() {
        let mut next = outgoing.remove(position_of_next(&outgoing));
        let remote = write_one(contact, entry, &next).await?;
        let url = next.full_url();
        relink(&mut next.provenance, &url, &remote);
        write_provenance(contact, &next.provenance, &remote).await?;
        for other in &mut outgoing {
            relink(&mut other.resource, &url, &remote);
        }
        first.get_or_insert(remote);
    }
    Ok(first)
}

/// The first that refers to none of the others; the first of all where they refer to each other in a ring.
fn position_of_next(outgoing: &[Outgoing]) -> usize {
    let urls: Vec<String> = outgoing.iter().map(Outgoing::full_url).collect();
    let refers = |value: &Value, url: &str| {
        let mut copy = value.clone();
        relink(&mut copy, url, "");
        copy != *value
    };
    let is_free = |(index, one): (usize, &Outgoing)| {
        urls.iter().enumerate().all(|(other, url)| other == index || !refers(&one.resource, url))
    };
    outgoing.iter().enumerate().position(is_free).unwrap_or(0)
}

/// Notes which identifiers are about to be sent: they are known when they come back, even if the answer is lost.
async fn note_intents(contact: &Contact, entry: EntryId, outgoing: &[Outgoing]) -> Result<(), StoreError> {
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let identifiers: Vec<Uuid> = outgoing.iter().map(|one| one.identifier).collect();
    let noted = contact.store.write(move |t| {
        identifiers.into_iter().try_for_each(|one| owed::note_intent(t, &system, one, entry, now))
    });
    noted.await
}

async fn write_one(contact: &Contact, entry: EntryId, outgoing: &Outgoing) -> Result<String, Stop> {
    let (system, identifier) = (contact.system().to_owned(), outgoing.identifier);
    let known = contact.store.read(move |c| owed::written(c, &system, identifier)).await?;
    let known = known.and_then(|known| Some((known.remote.clone()?, known)));
    match known {
        Some((remote, known)) if known.entry == entry => Ok(remote),
        Some((remote, known)) => {
            let _writing = contact.writing.lock().await;
            let answer = update(contact, outgoing, &remote, known.version.as_deref()).await?;
            noted(contact, outgoing, entry, &answer).await
        }
        None => {
            let answer = create(contact, entry, outgoing).await?;
            noted(contact, outgoing, entry, &answer).await
        }
    }
}

async fn noted(
    contact: &Contact,
    outgoing: &Outgoing,
    entry: EntryId,
    answer: &Answer,
) -> Result<String, Stop> {
    let remote = answer.remote.clone().ok_or_else(|| Failure::retry("a write without an id"))?;
    note(contact, outgoing.identifier, entry, answer).await?;
    Ok(remote)
}

/// Creates the resource, unless it is there from an attempt whose answer was lost.
async fn create(contact: &Contact, entry: EntryId, outgoing: &Outgoing) -> Result<Answer, Stop> {
    let request = contact.request_id(outgoing.identifier, entry, "create");
    let unless = outgoing.if_none_exist();
    let answer = contact.create_once(request, &outgoing.resource, &unless).await?;
    if answer.status == 201 || same(&answer.body, &outgoing.resource) {
        return Ok(answer);
    }
    // It is there with another content: an earlier version of the thing, of which the hub lost the answer.
    let Some(remote) = answer.remote else { return Err(Failure::retry("a match without an id").into()) };
    update(contact, outgoing, &remote, answer.version.as_deref()).await
}

async fn update(
    contact: &Contact,
    outgoing: &Outgoing,
    remote: &str,
    version: Option<&str>,
) -> Result<Answer, Stop> {
    replace(contact, &outgoing.resource, remote, version, outgoing.identifier).await
}

/// Replaces one version. Where another stands there by now, it is looked at: it may be this one, its answer lost.
async fn replace(
    contact: &Contact,
    resource: &Value,
    remote: &str,
    version: Option<&str>,
    identifier: Uuid,
) -> Result<Answer, Stop> {
    let mut resource = resource.clone();
    if let (Some(map), Some((_, id))) = (resource.as_object_mut(), remote.split_once('/')) {
        map.insert("id".to_owned(), id.into());
    }
    let request = contact.random.uuid();
    tracing::debug!(system = contact.system(), %request, %identifier, "replacing a version");
    match contact.client.write(request, &resource, Write::Update { remote, version }).await {
        Err(Failure::Conflict) => {
            let there = contact.client.read(remote).await?;
            if same(&there.body, &resource) { Ok(there) } else { Err(Stop::Refused(changed_there())) }
        }
        answered => Ok(answered?),
    }
}

/// Changes an original, if nobody has changed it since the entry's author saw it.
async fn patch_there(contact: &Contact, to: &Addressee, patch: &Patch) -> Result<Option<String>, Stop> {
    let _writing = contact.writing.lock().await;
    let there = contact.client.read(&patch.remote).await?;
    let patched = patched(to, patch, &there.body, contact.clock.now())?;
    let identifier = plan::patched(to, &patch.remote);
    let answer = if same(&there.body, &patched) {
        there
    } else if there.version.as_ref().is_none_or(|version| patch.seen.contains(version)) {
        note_intent_of_patch(contact, identifier, patch.entry.id).await?;
        replace(contact, &patched, &patch.remote, there.version.as_deref(), identifier).await?
    } else {
        return Err(Stop::Refused(changed_there()));
    };
    let provenance = patch_provenance(to, patch);
    write_provenance(contact, &provenance, &patch.remote).await?;
    note(contact, identifier, patch.entry.id, &answer).await?;
    link::note_patched(contact, to, patch, &answer).await?;
    Ok(Some(patch.remote.clone()))
}

/// The original as the entry wants it.
fn patched(to: &Addressee, patch: &Patch, original: &Value, read_at: Timestamp) -> Result<Value, Stop> {
    let context = Context { system: &to.system, read_at, thread_of: &|_| None };
    let patched = patch_original(original, &patch.entry, &patch.beside.target(to), &context);
    patched.map_err(|_| {
        let reason = "The main care record's version has another form than this entry.";
        Stop::Refused(Refused::new("does-not-fit", reason))
    })
}

/// Who stands behind a change of an original.
fn patch_provenance(to: &Addressee, patch: &Patch) -> Value {
    hearth_protocol::fhir::export::provenance_of(&patch.entry, &patch.beside.target(to), &patch.remote)
}

async fn note_intent_of_patch(contact: &Contact, identifier: Uuid, entry: EntryId) -> Result<(), StoreError> {
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    contact.store.write(move |t| owed::note_intent(t, &system, identifier, entry, now)).await
}

async fn note(
    contact: &Contact,
    identifier: Uuid,
    entry: EntryId,
    answer: &Answer,
) -> Result<(), StoreError> {
    let written = Written { remote: answer.remote.clone(), version: answer.version.clone(), entry };
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    contact.store.write(move |t| owed::note_written(t, &system, identifier, &written, now)).await
}

/// Writes who stands behind a resource. A server that takes no Provenance keeps the resource all the same.
async fn write_provenance(contact: &Contact, provenance: &Value, remote: &str) -> Result<(), Stop> {
    if !contact.capability().await?.takes("Provenance") {
        return Ok(());
    }
    let recorded = provenance.get("recorded").and_then(Value::as_str).unwrap_or_default();
    let unless = format!("target={remote}&recorded={recorded}");
    let request = Uuid::new_v5(&contact.region, unless.as_bytes());
    match contact.create_once(request, provenance, &unless).await {
        Err(Failure::Rejected { code, .. }) => {
            tracing::warn!(system = contact.system(), remote, code, "a Provenance was refused");
            Ok(())
        }
        // Two that match are more than enough.
        Err(Failure::Conflict) | Ok(_) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Whether two resources say the same, whatever id and version they have.
fn same(there: &Value, here: &Value) -> bool {
    let bare = |value: &Value| {
        let mut value = value.clone();
        if let Some(map) = value.as_object_mut() {
            map.shift_remove("id");
            map.shift_remove("meta");
        }
        value
    };
    bare(there) == bare(here)
}
