//! The main care records: what they say becomes entries, and what sites write is written to them.
//!
//! Each configured record has two loops that know nothing of each other: one sends what is owed, one reads what is
//! new. Both go on from what the database says, so either may be killed at any moment.

pub mod client;
mod export;
mod link;
pub mod owed;
mod person;
mod plan;
mod read;

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::time::Timestamp;
use hearth_provisioning::region::MainRecordConfig;
use tokio::sync::{Mutex, Notify, OnceCell, broadcast};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use client::{ClientError, ClientOptions};
pub use owed::Owing;

use crate::clock::Clock;
use crate::import::Importer;
use crate::random::Random;
use crate::store::{Store, StoreError};
use client::{Client, Failure};
use export::Stop;
use link::Contact;

/// How long what is told together is waited for before it is looked at.
const SETTLE: Duration = Duration::from_millis(200);
/// How often the hub looks at what is owed when nothing wakes it.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Why a gateway cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A client of a main care record cannot be made.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a gateway works with.
#[derive(Clone)]
pub struct Parts {
    /// The database.
    pub store: Store,
    /// The clock.
    pub clock: Clock,
    /// The randomness.
    pub random: Random,
    /// What turns resources into entries; a clone of the hub's one.
    pub importer: Importer,
    /// The region's id: the name space of its identifiers.
    pub region: Uuid,
}

/// What one pass over all main care records did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// Entries that reached their end there: accepted, refused or without a place.
    pub sent: u64,
    /// Residents read whole for the first time.
    pub residents: u64,
    /// Resources read that said something new, or were not held yet.
    pub resources: u64,
    /// Entries that they became.
    pub entries: u64,
    /// Resources that were kept aside.
    pub parked: u64,
    /// Main care records that could not be read or written to the end.
    pub failures: u64,
}

/// The gateway to every configured main care record, cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    contacts: Arc<Vec<Arc<Contact>>>,
    importer: Importer,
    wake: Arc<Notify>,
}

impl Gateway {
    /// Makes the gateway and notes which main care records entries are owed to. Makes no contact yet.
    ///
    /// Call it before any installation is admitted, so that nothing is taken in that is owed to nobody.
    pub async fn new(
        configs: &[MainRecordConfig],
        options: &ClientOptions,
        parts: Parts,
    ) -> Result<Self, GatewayError> {
        let mut contacts = Vec::with_capacity(configs.len());
        for config in configs {
            contacts.push(Arc::new(Contact {
                client: Client::new(config, options, parts.random.clone())?,
                config: config.clone(),
                store: parts.store.clone(),
                clock: parts.clock.clone(),
                random: parts.random.clone(),
                region: parts.region,
                capability: OnceCell::new(),
                writing: Mutex::new(()),
            }));
        }
        let asked_by = |config: &MainRecordConfig| (config.name.clone(), config.identifier_system.clone());
        let records: Vec<(String, String)> = configs.iter().map(asked_by).collect();
        parts.store.write(move |t| link::configure(t, &records)).await?;
        Ok(Self { contacts: Arc::new(contacts), importer: parts.importer, wake: Arc::new(Notify::new()) })
    }

    /// The main care records, in the order of the configuration.
    pub fn records(&self) -> impl Iterator<Item = &MainRecordConfig> {
        self.contacts.iter().map(|contact| &contact.config)
    }

    /// Looks at once at what is owed and what is new, as after a retry.
    pub fn wake(&self) {
        self.wake.notify_waiters();
    }

    /// Serves every main care record for as long as it is not cancelled.
    pub async fn run(&self, cancelled: CancellationToken) {
        let loops = self.contacts.iter().map(|contact| async {
            let work = async {
                // What was on its way when the hub was killed is noted first, so that it is not read as somebody
                // else's.
                self.send_now(contact).await;
                tokio::join!(self.sending(contact), self.reading(contact));
            };
            tokio::select! {
                () = work => {}
                () = cancelled.cancelled() => {}
            }
        });
        futures_util::future::join_all(loops).await;
        cancelled.cancelled().await;
    }

    /// Sends everything that is due, and reads once.
    pub async fn pass(&self) -> Result<Pass, StoreError> {
        let mut pass = Pass::default();
        for contact in self.contacts.iter() {
            loop {
                let sent = export::send_due(contact).await?;
                pass.sent += u64::from(sent.settled);
                pass.failures += u64::from(sent.is_down);
                if sent.settled == 0 || sent.is_down {
                    break;
                }
            }
            match read::read(contact, &self.importer).await {
                Ok(found) => {
                    pass.residents += found.residents;
                    pass.resources += found.resources;
                    pass.entries += found.entries;
                    pass.parked += found.parked;
                }
                Err(Stop::Store(error)) => return Err(error),
                Err(stop) => {
                    note(contact, &stop).await?;
                    pass.failures += 1;
                }
            }
        }
        Ok(pass)
    }

    async fn send_now(&self, contact: &Contact) -> Option<bool> {
        loop {
            match export::send_due(contact).await {
                Ok(sent) if sent.is_down => return Some(true),
                Ok(sent) if sent.settled == 0 => return Some(false),
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(system = contact.system(), %error, "what is owed could not be looked at");
                    return None;
                }
            }
        }
    }

    async fn sending(&self, contact: &Contact) {
        let mut dirtied = contact.store.dirtied();
        let mut failures = 0;
        loop {
            let is_well = self.send_now(contact).await == Some(false);
            failures = if is_well { 0 } else { failures + 1 };
            let wait = if is_well { until_due(contact).await } else { rest(contact, failures) };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = told(&mut dirtied), if is_well => {}
            }
        }
    }

    async fn reading(&self, contact: &Contact) {
        let mut dirtied = contact.store.dirtied();
        let poll = Duration::from_secs(u64::from(contact.config.poll_seconds));
        let mut failures = 0;
        loop {
            let wait = match read::read(contact, &self.importer).await {
                Ok(found) => {
                    failures = 0;
                    if found.resources > 0 {
                        let (system, resources) = (contact.system(), found.resources);
                        let (entries, parked) = (found.entries, found.parked);
                        tracing::info!(system, resources, entries, parked, "main care record read");
                    }
                    poll
                }
                Err(stop) => {
                    failures += 1;
                    if let Err(error) = note(contact, &stop).await {
                        tracing::error!(system = contact.system(), %error, "a failure could not be noted");
                    }
                    rest(contact, failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = self.wake.notified() => {}
                () = assigned(contact, &mut dirtied), if failures == 0 => {}
            }
        }
    }
}

/// Waits until something was written for some site.
async fn told(
    dirtied: &mut broadcast::Receiver<Arc<std::collections::BTreeSet<hearth_protocol::id::SiteId>>>,
) {
    if let Err(broadcast::error::RecvError::Closed) = dirtied.recv().await {
        std::future::pending::<()>().await;
    }
    tokio::time::sleep(SETTLE).await;
}

/// Waits until a resident was assigned who was never looked for.
async fn assigned(
    contact: &Contact,
    dirtied: &mut broadcast::Receiver<Arc<std::collections::BTreeSet<hearth_protocol::id::SiteId>>>,
) {
    loop {
        told(dirtied).await;
        let system = contact.system().to_owned();
        if contact.store.read(move |c| read::has_new(c, &system)).await.unwrap_or(false) {
            return;
        }
    }
}

async fn until_due(contact: &Contact) -> Duration {
    let (system, now) = (contact.system().to_owned(), contact.clock.now());
    let next = contact.store.read(move |c| owed::next_due(c, &system)).await.ok().flatten();
    let ms = next.map_or(i64::MAX, |Timestamp(at)| at.saturating_sub(now.0));
    Duration::from_millis(u64::try_from(ms).unwrap_or(0)).clamp(SETTLE, LOOK_EVERY)
}

fn rest(contact: &Contact, failures: u32) -> Duration {
    let wait = contact.wait(failures, &Failure::retry("down"));
    Duration::from_millis(u64::try_from(wait).unwrap_or(0))
}

/// Notes why a main care record could not be read.
async fn note(contact: &Contact, stop: &Stop) -> Result<(), StoreError> {
    let why = match stop {
        Stop::Failed(failure) => failure.to_string(),
        Stop::Refused(refused) => refused.code.clone(),
        Stop::Store(error) => return Err(error.clone()),
    };
    let system = contact.system().to_owned();
    tracing::warn!(system, why, "main care record could not be read");
    contact.store.write(move |t| link::note_failure(t, &system, &why)).await
}
