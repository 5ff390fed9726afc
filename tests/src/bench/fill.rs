//! A hub's database filled with the fixed work, one change an entry, as staff would have written it one by one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use hearth_hub::store::{Store, StoreError, StoreOptions};
use hearth_hub::{compact, grants, ingest, region, scopes};
use hearth_protocol::id::{EntryId, ResidentId, SiteId, StaffId};
use hearth_protocol::record::entry::{Entry, Origin};
use hearth_protocol::record::{Author, Body, Role};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::Transaction;
use serde::Serialize;

use crate::generate::workload::{BaseResident, MEDICINES, SEED, Workload, WorkloadEntry};

/// Midnight of day 0: 2026-01-01, so that thirty days lie in one month.
const START: Timestamp = Timestamp(1_767_225_600_000);

/// How much work there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Size {
    /// Residents, 1 to 60.
    pub residents: u16,
    /// Days of 19 entries a resident.
    pub days: u16,
}

/// What a hub was filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Default)]
pub struct Filled {
    /// Entries of the days.
    pub entries: u64,
    /// Entries of the base records.
    pub base_entries: u64,
    /// Documents.
    pub documents: u64,
}

/// Fills the database of a hub that does not run, and lets these sites hold everything.
pub(super) async fn fill(hub_data: &Path, sites: &[&str], size: Size) -> anyhow::Result<Filled> {
    let store = Store::open(hub_data.join("hub.db"), &StoreOptions::default())?;
    let sites: Vec<SiteId> = sites.iter().map(|site| site.parse()).collect::<Result<_, _>>()?;
    let origin = Origin::Site(*sites.first().context("a home without a site")?);
    let work = Workload::new(SEED, START);
    let mut filled = Filled::default();
    let mut orders = Vec::new();
    for base in work.base().into_iter().take(usize::from(size.residents)) {
        let (origin, index) = (origin.clone(), base.index);
        let written = store.write(move |t| write_base(t, &base, &origin)).await?;
        filled.base_entries += written.entries;
        orders.push((index, written.orders));
    }
    let orders: BTreeMap<u16, Vec<EntryId>> = orders.into_iter().collect();
    for day in 0..size.days {
        let of_day: Vec<(Author, WorkloadEntry)> = work
            .days(day..day + 1)
            .filter(|entry| entry.resident < size.residents)
            .map(|entry| (work.author(&entry), entry))
            .collect();
        filled.entries += of_day.len() as u64;
        let (orders, origin) = (orders.clone(), origin.clone());
        store.write(move |t| write_day(t, of_day, &orders, &origin)).await?;
    }
    for resident in (0..size.residents).map(resident_id) {
        for scope in store.read(move |c| scopes::of_subject(c, Subject::Resident(resident))).await? {
            compact::compact(&store, scope).await?;
            filled.documents += 1;
        }
        let sites = sites.clone();
        let assign = move |t: &Transaction<'_>| {
            sites.iter().try_for_each(|site| grants::assign(t, *site, resident, START))
        };
        store.write(assign).await?;
    }
    store.close().await;
    Ok(filled)
}

/// The resident of this number, with an id as random as a real one.
fn resident_id(index: u16) -> ResidentId {
    let hash = blake3::hash(&index.to_be_bytes());
    let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    ResidentId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// What a base record became.
struct WrittenBase {
    entries: u64,
    orders: Vec<EntryId>,
}

fn write_base(t: &Transaction<'_>, base: &BaseResident, origin: &Origin) -> Result<WrittenBase, StoreError> {
    let resident = resident_id(base.index);
    grants::add_resident(t, resident, START)?;
    let author = Author { staff: StaffId(1), role: Role::Manager, name: "A Manager".into() };
    let mut scopes: BTreeMap<Scope, Vec<Entry>> = BTreeMap::new();
    let mut written = WrittenBase { entries: 0, orders: Vec::new() };
    for body in base.orders().into_iter().chain(base.bodies()) {
        let entry = made(t, &author, origin, START, body)?;
        if written.orders.len() < usize::from(MEDICINES) {
            written.orders.push(entry.id);
        }
        written.entries += 1;
        scopes.entry(scope_of(resident, &entry)?).or_default().push(entry);
    }
    for (scope, entries) in scopes {
        ingest::append(t, scope, entries, START)?;
    }
    Ok(written)
}

fn write_day(
    t: &Transaction<'_>,
    of_day: Vec<(Author, WorkloadEntry)>,
    orders: &BTreeMap<u16, Vec<EntryId>>,
    origin: &Origin,
) -> Result<(), StoreError> {
    for (author, work) in of_day {
        let of_resident = orders.get(&work.resident).map(Vec::as_slice).unwrap_or_default();
        let none =
            of_resident.first().copied().ok_or_else(|| StoreError::logic("a resident without orders"))?;
        let body = work.body(|_, medicine| of_resident.get(usize::from(medicine)).copied().unwrap_or(none));
        let entry = made(t, &author, origin, work.at, body)?;
        let scope = scope_of(resident_id(work.resident), &entry)?;
        ingest::append(t, scope, vec![entry], work.at)?;
    }
    Ok(())
}

fn made(
    t: &Transaction<'_>,
    author: &Author,
    origin: &Origin,
    at: Timestamp,
    body: Body,
) -> Result<Entry, StoreError> {
    Ok(Entry {
        id: region::next_entry(t)?,
        happened: at,
        recorded: at,
        author: author.clone(),
        origin: origin.clone(),
        thread: None,
        replaces: Vec::new(),
        body,
    })
}

fn scope_of(resident: ResidentId, entry: &Entry) -> Result<Scope, StoreError> {
    let section = entry.body.section();
    let scope = section.and_then(|section| Scope::of_resident(resident, section, entry.happened));
    scope.ok_or_else(|| StoreError::logic("an entry without a section"))
}
