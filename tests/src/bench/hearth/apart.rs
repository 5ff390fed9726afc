//! What people write at sites that are cut off, through the node's own library, as its pages do.

use std::path::Path;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _};
use hearth_node::app;
use hearth_node::clock::Clock;
use hearth_node::config::NodeConfig;
use hearth_node::random::Random;
use hearth_node::records::{Draft, IdempotencyKey, Records, Requester};
use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::medicines::{Decimal, Dose, Quantity};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::plan::HEADINGS;
use hearth_protocol::record::{Author, Body, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::fill::{Orders, START, resident_id};
use crate::bench::size::Size;
use crate::generate::workload::{BaseResident, Change, GpChange, PLAN_FIELDS, SEED, Workload, WorkloadEntry};

/// Actions that are handed to a node at a time.
const AT_A_TIME: usize = 64;

/// A node that does not run: its records, opened in this process.
pub(super) struct Closed {
    records: Records,
    size: Size,
    work: Workload,
}

impl Closed {
    /// Opens the records of a node that does not run.
    pub(super) async fn open(config: &Path, size: Size) -> anyhow::Result<Self> {
        let config = NodeConfig::load(config)?;
        let (clock, random) = (Clock::system(), Random::system()?);
        let opened = app::open(&config, &clock, &random)?;
        let records = Records::new(opened.store, clock, opened.install.site());
        records.resume(config.lease).await?;
        Ok(Self { records, size, work: Workload::new(SEED, START) })
    }

    /// The passages of every resident's plan.
    pub(super) async fn write_plans(&self) -> anyhow::Result<()> {
        for base in self.work.base().iter().take(usize::from(self.size.residents)) {
            for (heading, text) in HEADINGS.iter().zip(&base.plan) {
                self.edit(base.index, heading, String::new(), text.clone()).await?;
            }
        }
        Ok(())
    }

    /// What the home writes in the week.
    pub(super) async fn write_week(&self, orders: &Orders) -> anyhow::Result<()> {
        let drafts: Vec<_> = self
            .size
            .of(self.work.week())
            .map(|entry| (requester(self.work.author(&entry)), draft(&entry, orders)))
            .collect();
        let adding = drafts.into_iter().map(|(who, draft)| self.add(who, draft));
        let added: Vec<EntryId> =
            futures_util::stream::iter(adding).buffered(AT_A_TIME).try_collect().await?;
        anyhow::ensure!(!added.is_empty(), "a week in which nothing was written");
        Ok(())
    }

    /// What is changed elsewhere in the week.
    pub(super) async fn write_changes(&self, orders: &Orders) -> anyhow::Result<()> {
        let base = self.work.base();
        let mut newest: std::collections::BTreeMap<(u16, u8), EntryId> = std::collections::BTreeMap::new();
        for change in self.size.changes(self.work.gp()) {
            match &change.change {
                Change::Medicine { medicine, dose, instructions } => {
                    let first = order(orders, change.resident, *medicine);
                    let latest = newest.entry((change.resident, *medicine)).or_insert(first);
                    let body = changed_order(&base, &change, *medicine, dose, instructions)?;
                    let mut draft = new_draft(change.resident, change.at, Section::Medicines, body);
                    (draft.thread, draft.replaces) = (Some(first), vec![*latest]);
                    *latest = self.add(practice("A Practice"), draft).await?;
                }
                Change::Plan { field, position, deleted, inserted } => {
                    self.splice(&change, field, *position, *deleted, inserted).await?;
                }
                Change::Note { author, text, .. } => {
                    let note = Note { category: "gp".into(), text: text.clone(), important: false };
                    let draft = new_draft(change.resident, change.at, Section::Notes, Body::Note(note));
                    self.add(practice(author), draft).await?;
                }
            }
        }
        Ok(())
    }

    async fn splice(
        &self,
        change: &GpChange,
        field: &str,
        position: u16,
        deleted: u16,
        inserted: &str,
    ) -> anyhow::Result<()> {
        let place = PLAN_FIELDS.iter().position(|name| *name == field);
        let heading = place.and_then(|place| HEADINGS.get(place)).context("a passage without a heading")?;
        let before = self.records.plan_text(resident_id(change.resident), heading).await?;
        // The words are ASCII, so a place among letters is a place among bytes.
        let begin = usize::from(position).min(before.len());
        let end = (begin + usize::from(deleted)).min(before.len());
        let mut after = before.clone();
        after.replace_range(begin..end, inserted);
        self.edit(change.resident, heading, before, after).await
    }

    async fn edit(
        &self,
        resident: u16,
        heading: &'static str,
        before: String,
        after: String,
    ) -> anyhow::Result<()> {
        let who = practice("A Manager");
        Ok(self.records.edit_plan_text(&who, resident_id(resident), heading, before, after).await?)
    }

    async fn add(&self, who: Requester, draft: Draft) -> anyhow::Result<EntryId> {
        add(&self.records, &who, draft).await
    }
}

/// Writes one entry as a page does; on the disk when it returns.
pub(super) async fn add(records: &Records, who: &Requester, draft: Draft) -> anyhow::Result<EntryId> {
    let key: IdempotencyKey = uuid::Uuid::now_v7().to_string().parse()?;
    let added = records.add(who, key, vec![draft]).await?;
    added.ids.first().copied().context("nothing was added")
}

/// An entry of the work as what a page asks to have written.
pub(super) fn draft(entry: &WorkloadEntry, orders: &Orders) -> Draft {
    let body = entry.body(|resident, medicine| order(orders, resident, medicine));
    let section = body.section().unwrap_or(Section::Notes);
    new_draft(entry.resident, entry.at, section, body)
}

/// Whoever writes, as somebody who is signed in.
pub(super) fn requester(author: Author) -> Requester {
    Requester { staff: author.staff, role: author.role, name: author.name, device: 1, session: 1 }
}

fn practice(name: &str) -> Requester {
    requester(Author { staff: StaffId(1), role: Role::Manager, name: name.to_owned() })
}

fn new_draft(resident: u16, happened: Timestamp, section: Section, body: Body) -> Draft {
    let subject = Subject::Resident(resident_id(resident));
    Draft { subject, section, happened, thread: None, replaces: Vec::new(), body }
}

fn order(orders: &Orders, resident: u16, medicine: u8) -> EntryId {
    let of_resident = orders.get(&resident).and_then(|orders| orders.get(usize::from(medicine)));
    of_resident.copied().unwrap_or(EntryId { install: hearth_protocol::id::InstallId::GENESIS, counter: 0 })
}

fn changed_order(
    base: &[BaseResident],
    change: &GpChange,
    medicine: u8,
    dose: &str,
    instructions: &str,
) -> anyhow::Result<Body> {
    let of_resident = base.get(usize::from(change.resident)).context("no such resident")?.orders();
    let Some(Body::Order(mut order)) = of_resident.into_iter().nth(usize::from(medicine)) else {
        anyhow::bail!("no such medicine")
    };
    let number = dose.split(' ').next().unwrap_or_default().parse()?;
    order.dose = Dose::Fixed(Quantity { value: Decimal { mantissa: number, places: 0 }, unit: "mg".into() });
    order.instructions = Some(instructions.to_owned());
    Ok(Body::Order(order))
}
