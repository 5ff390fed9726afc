//! FHIR resources of an outside system become entries, and the resources are kept whole.
//!
//! The same core serves files that an administrator sends and the gateway that reads a main care record. A resource
//! that cannot be used is parked with its reason and never stops the rest; what came before unchanged does nothing,
//! so the same input may be imported any number of times.

pub(crate) mod identifiers;
mod known;
mod people;
mod plan;
mod write;

use std::sync::Arc;

use hearth_protocol::audit::{Action, Code, What, Who};
use hearth_protocol::fhir::split::Splitter;
use hearth_protocol::fhir::{NotMapped, ResourceSet, Split};
use hearth_protocol::id::{ResidentId, SiteId};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use tokio::sync::Mutex;

pub use known::original;
pub(crate) use people::may_be;
pub use people::person_of;
pub(crate) use write::park;

use crate::audit;
use crate::clock::Clock;
use crate::random::Random;
use crate::store::{Store, StoreError};
use people::Person;
use plan::{Plan, Stage};

/// Most parked resources that a report lists; the rest is counted.
pub const PARKED_SHOWN_MAX: usize = 100;

/// Where resources come from and what is to be done with them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The outside system, by the name that its configuration gives it. Its resource ids are its own: two systems
    /// never share one.
    pub system: String,
    /// Assign every resident found to this site.
    pub site: Option<SiteId>,
    /// Read and report, change nothing.
    pub dry_run: bool,
    /// In whose name the audit says that it was done.
    pub who: Who,
}

/// What an import found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Resources read.
    pub resources: u64,
    /// The residents, in the order of the input.
    pub residents: Vec<ResidentId>,
    /// How many of them are new in the region.
    pub created: u64,
    /// How many were known and changed.
    pub updated: u64,
    /// Entries written.
    pub entries: u64,
    /// Resources that said nothing new, or have no place in a record.
    pub unchanged: u64,
    /// Resources that were kept aside; at most [`PARKED_SHOWN_MAX`].
    pub parked: Vec<Parked>,
    /// How many were kept aside in all.
    pub parked_total: u64,
}

/// A resource that was kept aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parked {
    /// Type and id; the place in the input where it has none.
    pub resource: String,
    /// Why, for software.
    pub code: &'static str,
    /// Why, in a sentence without personal data.
    pub reason: String,
}

impl Parked {
    /// The code of a person who is not the resident whom their number points to.
    pub(crate) const MISMATCH: &str = "identity-mismatch";

    pub(crate) fn identity_mismatch(reference: &str) -> Self {
        let reason = "The person's number, name or birth date is not that of the resident whom it points to. \
                      Compare the two, correct the wrong one, and import again.";
        Self::new(reference, Self::MISMATCH, reason)
    }

    fn new(resource: impl Into<String>, code: &'static str, reason: impl Into<String>) -> Self {
        Self { resource: resource.into(), code, reason: reason.into() }
    }

    fn of(resource: impl Into<String>, reason: &NotMapped) -> Self {
        Self::new(resource, code_of(reason), sentence(&reason.to_string()))
    }
}

impl Report {
    fn park(&mut self, parked: Parked) {
        self.parked_total += 1;
        if self.parked.len() < PARKED_SHOWN_MAX {
            self.parked.push(parked);
        }
    }
}

/// Imports, one at a time: what one import finds to be new, no other writes meanwhile.
#[derive(Clone)]
pub struct Importer {
    store: Store,
    clock: Clock,
    random: Random,
    one: Arc<Mutex<()>>,
}

impl Importer {
    /// An importer into this database. All that write to one database are clones of one.
    pub fn new(store: Store, clock: Clock, random: Random) -> Self {
        Self { store, clock, random, one: Arc::new(Mutex::new(())) }
    }

    /// Imports one JSON document: a Bundle or a resource.
    pub async fn json(&self, options: Options, text: String) -> Result<Report, StoreError> {
        self.text(options, text, Splitter::add_text).await
    }

    /// Imports lines of which each is a resource.
    pub async fn ndjson(&self, options: Options, text: String) -> Result<Report, StoreError> {
        let add = |splitter: &mut Splitter, text: &str| {
            for line in text.lines().filter(|line| !line.trim().is_empty()) {
                splitter.add_text(line);
            }
        };
        self.text(options, text, add).await
    }

    async fn text(
        &self,
        options: Options,
        text: String,
        add: fn(&mut Splitter, &str),
    ) -> Result<Report, StoreError> {
        let sort = move || {
            let mut splitter = Splitter::default();
            add(&mut splitter, &text);
            splitter.finish()
        };
        let split = tokio::task::spawn_blocking(sort).await;
        let split = split.map_err(|_| StoreError::logic("the resources could not be sorted"))?;
        self.split(options, split).await
    }

    /// Imports resources that are sorted by person already.
    pub async fn split(&self, options: Options, split: Split) -> Result<Report, StoreError> {
        let _alone = self.one.lock().await;
        let options = Arc::new(options);
        let mut report = Report::default();
        for problem in &split.problems {
            report.resources += 1;
            let parked = Parked::of(format!("#{}", problem.position), &problem.reason);
            self.park(&options, &parked).await?;
            report.park(parked);
        }
        for set in split.patients {
            self.person(&options, Arc::new(set), &mut report).await?;
        }
        for gone in split.deleted {
            report.resources += 1;
            self.deleted(&options, gone, &mut report).await?;
        }
        Ok(report)
    }

    async fn person(
        &self,
        options: &Arc<Options>,
        set: Arc<ResourceSet>,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let fresh = ResidentId(self.random.uuid());
        let (system, people) = (options.system.clone(), Arc::clone(&set));
        let found = self.store.read(move |c| people::find(c, &system, &people, now)).await?;
        let person = match found {
            Ok(person) => person.unwrap_or_new(fresh),
            Err(parked) => {
                report.resources += u64::try_from(set.shared().len()).unwrap_or(u64::MAX);
                self.park(options, &parked).await?;
                report.park(parked);
                return Ok(());
            }
        };
        report.residents.push(person.resident);
        report.created += u64::from(person.is_new);
        let before = report.entries;
        if !options.dry_run {
            self.begin(options, &set, &person, now).await?;
        }
        for stage in [Stage::Record, Stage::WhatNamesOrders] {
            self.stage(options, &set, &person, stage, report).await?;
        }
        report.updated += u64::from(!person.is_new && report.entries > before);
        Ok(())
    }

    /// Makes the resident known under every name that the set gives, before anything is written about them.
    async fn begin(
        &self,
        options: &Arc<Options>,
        set: &ResourceSet,
        person: &Person,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (options, person) = (Arc::clone(options), person.clone());
        let reference = set.patient_reference().map(str::to_owned);
        let begun = self.store.write(move |t| {
            people::make_known(t, &options, &person, reference.as_deref(), now)?;
            let what = What::done(options.who.clone(), Action::ResidentImport);
            let what = what.about(Subject::Resident(person.resident));
            audit::append(t, now, what.with_detail(Code::near(&options.system))).map(drop)
        });
        begun.await
    }

    async fn stage(
        &self,
        options: &Arc<Options>,
        set: &Arc<ResourceSet>,
        person: &Person,
        stage: Stage,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (resident, system, set) = (person.resident, options.system.clone(), Arc::clone(set));
        let is_dry = options.dry_run;
        let read = move |c: &rusqlite::Connection| plan::make(c, &system, &set, resident, stage, now, is_dry);
        let Plan { resources, unchanged, steps } = self.store.read(read).await?;
        report.resources += resources;
        report.unchanged += unchanged;
        for batch in write::batches(steps) {
            for step in &batch {
                if let Some(parked) = &step.parked {
                    report.park(parked.clone());
                }
                report.unchanged += u64::from(step.says_nothing());
            }
            if options.dry_run {
                report.entries += batch.iter().map(plan::Step::entries).sum::<u64>();
                continue;
            }
            let done = self.write(options, person.resident, batch, now).await?;
            report.entries += done.entries;
            done.refused.into_iter().for_each(|parked| report.park(parked));
        }
        Ok(())
    }

    /// Writes a batch; one that breaks a rule is written resource by resource, so that only the culprit is parked.
    async fn write(
        &self,
        options: &Arc<Options>,
        resident: ResidentId,
        batch: Vec<plan::Step>,
        now: Timestamp,
    ) -> Result<write::Done, StoreError> {
        let batch = Arc::new(batch);
        match self.write_once(options, resident, &batch, 0..batch.len(), now).await {
            Ok(entries) => return Ok(write::Done { entries, refused: Vec::new() }),
            Err(error) if error.is_of_database() => return Err(error),
            Err(error) => tracing::warn!(%resident, %error, "a batch of an import is written one by one"),
        }
        let mut done = write::Done::default();
        for (index, step) in batch.iter().enumerate() {
            match self.write_once(options, resident, &batch, index..index + 1, now).await {
                Ok(entries) => done.entries += entries,
                Err(error) if error.is_of_database() => return Err(error),
                Err(_) => {
                    let reason = "The hub refused to store what the resource says.";
                    let parked = Parked::new(step.resource.clone(), "refused", reason);
                    self.park(options, &parked).await?;
                    done.refused.push(parked);
                }
            }
        }
        Ok(done)
    }

    async fn write_once(
        &self,
        options: &Arc<Options>,
        resident: ResidentId,
        batch: &Arc<Vec<plan::Step>>,
        range: std::ops::Range<usize>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let (options, batch) = (Arc::clone(options), Arc::clone(batch));
        let write = move |t: &rusqlite::Transaction<'_>| {
            write::steps(t, &options.system, resident, batch.get(range).unwrap_or_default(), now)
        };
        self.store.write(write).await
    }

    async fn deleted(
        &self,
        options: &Arc<Options>,
        resource: String,
        report: &mut Report,
    ) -> Result<(), StoreError> {
        if options.dry_run {
            return Ok(());
        }
        let (system, now) = (options.system.clone(), self.clock.now());
        let done = self.store.write(move |t| write::deleted(t, &system, &resource, now)).await?;
        report.entries += done;
        report.unchanged += u64::from(done == 0);
        Ok(())
    }

    async fn park(&self, options: &Arc<Options>, parked: &Parked) -> Result<(), StoreError> {
        if options.dry_run {
            return Ok(());
        }
        let (system, parked, now) = (options.system.clone(), parked.clone(), self.clock.now());
        self.store.write(move |t| write::park(t, &system, &parked, now)).await
    }
}

/// The reason as software tells it apart.
fn code_of(reason: &NotMapped) -> &'static str {
    match reason {
        NotMapped::NotJson => "not-json",
        NotMapped::NotAResource => "not-a-resource",
        NotMapped::Type(_) => "type",
        NotMapped::PartOf(_) => "part-of",
        NotMapped::Missing(_) => "missing",
        NotMapped::Repeats(_) => "repeats",
        NotMapped::OrderUnknown(_) => "order-unknown",
        NotMapped::NoPatient => "no-patient",
        NotMapped::OtherPatient => "other-patient",
        NotMapped::TooLarge => "too-large",
    }
}

fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests;
