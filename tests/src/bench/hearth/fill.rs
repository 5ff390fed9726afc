//! A hub's database filled with the fixed work, one change an entry, as staff would have written it one by one.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use hearth_hub::heads::HeadKeys;
use hearth_hub::store::{Store, StoreError, StoreOptions};
use hearth_hub::{compact, grants, ingest, region, scopes};
use hearth_protocol::id::{EntryId, ResidentId, SiteId, StaffId};
use hearth_protocol::record::entry::{Entry, Origin};
use hearth_protocol::record::{Author, Body, Role};
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::region::RegionFolder;
use rusqlite::Transaction;
use serde::{Deserialize, Serialize};

use crate::bench::START_MS;
use crate::bench::homes::HomesPlan;
use crate::bench::size::Size;
use crate::generate::workload::{
    BaseResident, MEDICINES, PLAN_FIELDS, RESIDENTS, SEED, Workload, WorkloadEntry,
};

/// Midnight of day 0.
pub(super) const START: Timestamp = Timestamp(START_MS);

/// The entries that order each resident's medicines.
pub(super) type Orders = BTreeMap<u16, Vec<EntryId>>;

/// What a hub was filled with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Filled {
    /// Entries of the days.
    pub entries: u64,
    /// Entries of the base records.
    pub base_entries: u64,
    /// Documents.
    pub documents: u64,
}

/// Puts the base records into the database of a hub that does not run, and lets these sites hold them.
pub(super) async fn fill_base(
    hub_data: &Path,
    sites: &[&str],
    size: Size,
) -> anyhow::Result<(Filled, Orders)> {
    let store = open(hub_data)?;
    let sites: Vec<SiteId> = sites.iter().map(|site| site.parse()).collect::<Result<_, _>>()?;
    let origin = Origin::Site(*sites.first().context("a home without a site")?);
    let work = Workload::new(SEED, START);
    let (mut filled, mut orders) = (Filled::default(), Orders::new());
    let known = work.base().into_iter().take(usize::from(size.residents));
    for base in known.chain(others(&work, size)) {
        let (origin, index, sites) = (origin.clone(), base.index, sites.clone());
        let write = move |t: &Transaction<'_>| {
            // The plan's passages are texts that people edit together: the home writes them itself.
            let bodies = base.bodies().into_iter().filter(|body| !is_passage_of_plan(body));
            let written = write_base(t, index, base.orders().into_iter().chain(bodies), &origin)?;
            sites.iter().try_for_each(|site| grants::assign(t, *site, resident_id(index), START))?;
            Ok(written)
        };
        let written = store.write(write).await?;
        filled.base_entries += written.entries;
        orders.insert(index, written.orders);
    }
    store.close().await;
    Ok((filled, orders))
}

/// Puts the base records of homes into the database of a hub that does not run, each for its own home. Here the plan's
/// passages are statements.
pub(super) async fn fill_homes(hub_data: &Path, sites: &[String], plan: HomesPlan) -> anyhow::Result<Orders> {
    let (store, mut orders) = (open(hub_data)?, Orders::new());
    for base in plan.base(&Workload::new(SEED, START)) {
        let site: SiteId = sites.get(plan.home_of(base.index)).context("no such home")?.parse()?;
        let index = base.index;
        let write = move |t: &Transaction<'_>| {
            let bodies = base.orders().into_iter().chain(base.bodies());
            let written = write_base(t, index, bodies, &Origin::Site(site))?;
            grants::assign(t, site, resident_id(index), START)?;
            Ok(written)
        };
        orders.insert(index, store.write(write).await?.orders);
    }
    store.close().await;
    Ok(orders)
}

/// Residents of whom only the base record is known, numbered behind the others.
fn others(work: &Workload, size: Size) -> Vec<BaseResident> {
    let mut others = if size.others == 0 { Vec::new() } else { work.fan() };
    others.truncate(usize::from(size.others));
    for other in &mut others {
        other.index += RESIDENTS;
    }
    others
}

/// Puts the days into the database of a hub that does not run, each entry a change of its own, and saves every document
/// whole, as the hub itself would have in the time.
pub(super) async fn fill_days(
    hub_data: &Path,
    home: &str,
    size: Size,
    orders: &Orders,
    filled: &mut Filled,
) -> anyhow::Result<()> {
    let store = open(hub_data)?;
    let origin = Origin::Site(home.parse()?);
    let work = Workload::new(SEED, START);
    for day in 0..size.days {
        let of_day: Vec<(Author, WorkloadEntry)> =
            size.of(work.days(day..day + 1)).map(|entry| (work.author(&entry), entry)).collect();
        filled.entries += of_day.len() as u64;
        let (orders, origin) = (orders.clone(), origin.clone());
        store.write(move |t| write_day(t, of_day, &orders, &origin)).await?;
    }
    let others = RESIDENTS..RESIDENTS + size.others;
    for resident in (0..size.residents).chain(others).map(resident_id) {
        for scope in store.read(move |c| scopes::of_subject(c, Subject::Resident(resident))).await? {
            compact::compact(&store, scope).await?;
            filled.documents += 1;
        }
    }
    store.close().await;
    Ok(())
}

/// Keeps the entries that order medicines for processes that need them.
pub(super) fn write_orders(path: &Path, orders: &Orders) -> anyhow::Result<()> {
    let named = orders.iter().map(|(resident, ids)| (resident, ids.iter().map(EntryId::to_string).collect()));
    let named: BTreeMap<_, Vec<String>> = named.collect();
    crate::setup::write(path, &serde_json::to_string(&named)?)
}

/// Reads what [`write_orders`] kept.
pub(super) fn read_orders(path: &Path) -> anyhow::Result<Orders> {
    let named: BTreeMap<u16, Vec<String>> = serde_json::from_str(&std::fs::read_to_string(path)?)?;
    let read = |ids: Vec<String>| ids.iter().map(|id| id.parse()).collect::<Result<_, _>>();
    Ok(named
        .into_iter()
        .map(|(resident, ids)| Ok((resident, read(ids)?)))
        .collect::<Result<_, hearth_protocol::id::IdError>>()?)
}

fn open(hub_data: &Path) -> anyhow::Result<Store> {
    let folder = RegionFolder::new(hub_data.parent().context("a folder of data without a region")?);
    let keys = folder.keys(&folder.config()?)?;
    let options = StoreOptions { head_keys: Some(HeadKeys::of(&keys.issuing)), ..StoreOptions::default() };
    Ok(Store::open(hub_data.join("hub.db"), &options)?)
}

/// The resident of this number, with an id as random as a real one.
pub(super) fn resident_id(index: u16) -> ResidentId {
    let hash = blake3::hash(&index.to_be_bytes());
    let bytes = hash.as_bytes().first_chunk().copied().unwrap_or_default();
    ResidentId(uuid::Builder::from_random_bytes(bytes).into_uuid())
}

/// What a base record became.
struct WrittenBase {
    entries: u64,
    orders: Vec<EntryId>,
}

/// Writes what is known of a resident, the orders first.
fn write_base(
    t: &Transaction<'_>,
    index: u16,
    bodies: impl Iterator<Item = Body>,
    origin: &Origin,
) -> Result<WrittenBase, StoreError> {
    let resident = resident_id(index);
    grants::add_resident(t, resident, START)?;
    let author = Author { staff: StaffId(1), role: Role::Manager, name: "A Manager".into() };
    let mut scopes: BTreeMap<Scope, Vec<Entry>> = BTreeMap::new();
    let mut written = WrittenBase { entries: 0, orders: Vec::new() };
    for body in bodies {
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

fn is_passage_of_plan(body: &Body) -> bool {
    matches!(body, Body::Statement(statement) if PLAN_FIELDS.contains(&statement.heading.as_str()))
}

fn write_day(
    t: &Transaction<'_>,
    of_day: Vec<(Author, WorkloadEntry)>,
    orders: &Orders,
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
