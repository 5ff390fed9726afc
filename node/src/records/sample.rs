//! A small site for tests: records in a fresh encrypted store, at a time that stands still.

use std::sync::Arc;

use ed25519_dalek::SigningKey;
use hearth_protocol::access::SiteKind;
use hearth_protocol::head::SignerKey;
use hearth_protocol::id::{EntryId, InstallId, ResidentId, StaffId};
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::{Draft, IdempotencyKey, Records, Requester, Site};
use crate::clock::{Clock, ManualTime};
use crate::keys::DataKey;
use crate::random::Random;
use crate::store::{Store, StoreError};

/// Noon on 1 December 2026.
pub(crate) const NOON: Timestamp = Timestamp(1_796_126_400_000);

pub(crate) struct Sample {
    pub(crate) records: Records,
    pub(crate) time: Arc<ManualTime>,
    pub(crate) resident: ResidentId,
    pub(crate) directory: TempDir,
}

pub(crate) fn site() -> Site {
    Site {
        install: InstallId(7),
        id: "VL1AB".parse().unwrap(),
        kind: SiteKind::CareHome,
        name: "Rose Court".to_owned(),
        region: Uuid::from_u128(5),
        region_name: "North Vale".to_owned(),
    }
}

impl Sample {
    /// A care home that holds one resident's record.
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let time = ManualTime::at(NOON);
        let clock = Clock::from_source(time.clone());
        let key = DataKey::generate(&Random::seeded(1));
        let store = Store::open(&directory.path().join("node.db"), &key, &clock).unwrap();
        Self::with(directory, time, Records::new(store, clock, site())).await
    }

    /// The same in a file that is not encrypted, to see what is left in it.
    pub(crate) async fn unencrypted() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let time = ManualTime::at(NOON);
        let clock = Clock::from_source(time.clone());
        let store = Store::open_unencrypted(&directory.path().join("node.db"), &clock).unwrap();
        Self::with(directory, time, Records::new(store, clock, site())).await
    }

    /// Another home that holds the same resident's record.
    pub(crate) async fn of_install(install: u32) -> Self {
        Self::new().await.enrolled_anew(install)
    }

    /// The next installation of the site, over the same disk.
    pub(crate) fn enrolled_anew(self, install: u32) -> Self {
        let site = Site { install: InstallId(install), ..self.records.site().clone() };
        let (store, clock) = (self.records.store().clone(), self.records.clock().clone());
        Self { records: Records::new(store, clock, site), ..self }
    }

    async fn with(directory: TempDir, time: Arc<ManualTime>, records: Records) -> Self {
        let resident = ResidentId(Uuid::from_u128(1));
        let sample = Self { records, time, resident, directory };
        sample.grant(resident).await;
        let signers = [7, 8].map(InstallId).map(|install| {
            let (site, key) = (Some(site().id), signing_key(install).verifying_key());
            SignerKey { install, site, key }
        });
        sample.records.keep_signers(signers.to_vec()).await.unwrap();
        sample
    }

    /// Lets the site hold a resident's record.
    pub(crate) async fn grant(&self, resident: ResidentId) {
        let granted = self.records.store().write(move |tx| {
            let sql = "INSERT INTO resident (id, state, since) VALUES (?1, 'granted', ?2)
                       ON CONFLICT (id) DO UPDATE SET state = excluded.state, since = excluded.since";
            tx.execute(sql, rusqlite::params![resident.0.as_bytes(), NOON.0])?;
            Ok::<_, StoreError>(())
        });
        granted.await.unwrap();
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::Resident(self.resident)
    }

    pub(crate) fn note(&self, text: &str) -> Draft {
        let note = Note { category: "general".to_owned(), text: text.to_owned(), important: false };
        self.draft(Section::Notes, Body::Note(note))
    }

    pub(crate) fn dose(&self, order: u64, due: Timestamp, outcome: Outcome) -> Draft {
        let order = EntryId { install: InstallId(7), counter: order };
        let line = "Paracetamol 500 mg tablets".to_owned();
        let dose = Administration {
            order,
            order_version: order,
            due: Some(due),
            outcome,
            amount: None,
            reason: None,
            site: None,
            witness: None,
            line,
            overridden: None,
        };
        self.draft(Section::Mar, Body::Administration(dose))
    }

    pub(crate) fn draft(&self, section: Section, body: Body) -> Draft {
        let subject = self.subject();
        Draft { subject, section, happened: NOON, thread: None, replaces: Vec::new(), body }
    }
}

/// The key of an installation that is no real one.
pub(crate) fn signing_key(install: InstallId) -> SigningKey {
    let mut seed = [3; 32];
    seed[..4].copy_from_slice(&install.0.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

pub(crate) fn requester(role: Role, staff: u64) -> Requester {
    Requester { staff: StaffId(staff), role, name: format!("Sam Carer-{staff}"), device: staff, session: 1 }
}

pub(crate) fn key(n: u64) -> IdempotencyKey {
    format!("action-{n:08}").parse().unwrap()
}

/// Every row of the read model and of what it rests on, for comparing.
pub(crate) async fn dump(records: &Records, table: &'static str) -> Vec<String> {
    let rows = records.store().read(move |connection| {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells: Result<Vec<String>, rusqlite::Error> =
                (0..columns).map(|at| row.get_ref(at).map(|value| format!("{value:?}"))).collect();
            Ok(cells?.join(" "))
        })?;
        let rows: Result<Vec<String>, rusqlite::Error> = rows.collect();
        Ok::<_, StoreError>(rows?)
    });
    rows.await.unwrap()
}
