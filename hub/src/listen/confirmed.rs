//! What nodes say is on their disks, gathered over all links and noted together.
//!
//! A change that goes to four sites is confirmed four times, and each confirmation by itself costs the writer as much as the
//! change. What a crash loses of them costs no more than sending again what a node has already.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::message::{FeedNumber, Sequence};
use rusqlite::Transaction;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::feed;
use crate::sites::Install;
use crate::store::{Store, StoreError};

/// For how long confirmations are gathered.
const GATHERED_FOR: Duration = Duration::from_secs(1);
/// Installations whose confirmations are one job of the writer: more would hold up pushes.
const INSTALLS_PER_JOB: usize = 128;

/// Confirmations that are not in the database yet. Cheap to clone.
#[derive(Clone, Default)]
pub struct Confirmed(Arc<Inner>);

#[derive(Default)]
struct Inner {
    register: Mutex<Register>,
    /// Told when there is something to write.
    begun: Notify,
    /// Held by whoever writes.
    turn: tokio::sync::Mutex<()>,
}

type Confirmations = BTreeMap<InstallId, Confirmation>;

#[derive(Default)]
struct Register {
    waiting: Confirmations,
    /// What is being written: of use to a read that begins before its commit.
    writing: Arc<Confirmations>,
}

/// What one installation has confirmed.
struct Confirmation {
    install: Install,
    scopes: BTreeMap<Scope, Sequence>,
    cursor: Option<FeedNumber>,
}

impl Confirmed {
    /// Keeps what is on an installation's disk, to be noted soon.
    pub(super) fn add(&self, install: Install, scopes: Vec<(Scope, Sequence)>, cursor: Option<FeedNumber>) {
        let mut register = self.lock();
        if register.waiting.is_empty() {
            self.0.begun.notify_one();
        }
        let nothing = || Confirmation { install, scopes: BTreeMap::new(), cursor: None };
        let waiting = register.waiting.entry(install.id).or_insert_with(nothing);
        waiting.cursor = waiting.cursor.max(cursor);
        raise(&mut waiting.scopes, scopes);
    }

    /// Adds to `held` what an installation holds that the database may not tell yet. To be asked before the database is.
    pub(super) fn add_to(&self, held: &mut BTreeMap<Scope, Sequence>, install: InstallId) {
        let register = self.lock();
        for all in [&*register.writing, &register.waiting] {
            let scopes = all.get(&install).map(|of_install| &of_install.scopes);
            raise(held, scopes.into_iter().flatten().map(|(scope, sequence)| (*scope, *sequence)));
        }
    }

    /// Leaves nothing that an installation has confirmed to be noted later: before something is noted that takes it back.
    pub(super) async fn settle(&self, install: InstallId, store: &Store) {
        if self.has(install) {
            let turn = self.0.turn.lock().await;
            // Whoever had the turn before may have written it.
            if self.has(install) {
                self.write_in(&turn, store).await;
            }
        }
    }

    /// Writes what is gathered, until it is stopped and has written the last of it.
    pub(super) async fn run(self, store: Store, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.0.begun.notified() => tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(GATHERED_FOR) => {}
                },
            }
            self.write(&store).await;
            if stop.is_cancelled() {
                return;
            }
        }
    }

    /// Writes all that was gathered, and waits for its commit.
    pub(super) async fn write(&self, store: &Store) {
        let turn = self.0.turn.lock().await;
        self.write_in(&turn, store).await;
    }

    async fn write_in(&self, _turn: &tokio::sync::MutexGuard<'_, ()>, store: &Store) {
        let all = self.begin_to_write();
        let installs: Vec<InstallId> = all.keys().copied().collect();
        let mut commits = Vec::new();
        for part in installs.chunks(INSTALLS_PER_JOB) {
            let (all, part) = (Arc::clone(&all), part.to_vec());
            let note = move |transaction: &Transaction<'_>| {
                let mut part = part.iter().filter_map(|install| all.get(install));
                part.try_for_each(|of_install| of_install.note(transaction))
            };
            commits.push(store.submit(note).await);
        }
        for commit in commits {
            let noted = match commit {
                Ok(commit) => commit.await,
                Err(error) => Err(error),
            };
            if let Err(error) = noted {
                tracing::warn!(code = error.code(), "what nodes hold was not noted; it will be sent again");
            }
        }
        self.lock().writing = Arc::default();
    }

    fn begin_to_write(&self) -> Arc<Confirmations> {
        let mut register = self.lock();
        register.writing = Arc::new(std::mem::take(&mut register.waiting));
        Arc::clone(&register.writing)
    }

    fn has(&self, install: InstallId) -> bool {
        let register = self.lock();
        register.waiting.contains_key(&install) || register.writing.contains_key(&install)
    }

    fn lock(&self) -> MutexGuard<'_, Register> {
        self.0.register.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Confirmation {
    fn note(&self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        let scopes: Vec<_> = self.scopes.iter().map(|(scope, sequence)| (*scope, *sequence)).collect();
        feed::confirm(transaction, self.install, &scopes, self.cursor)
    }
}

fn raise(held: &mut BTreeMap<Scope, Sequence>, by: impl IntoIterator<Item = (Scope, Sequence)>) {
    for (scope, sequence) in by {
        let known = held.entry(scope).or_default();
        *known = sequence.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use hearth_protocol::access::SiteKind;
    use hearth_protocol::scope::Section;

    use super::*;
    use crate::sites;
    use crate::testing::{TestHub, scope};

    async fn hub() -> (TestHub, Install) {
        let hub = TestHub::new().await;
        hub.add_site("VL1AB", SiteKind::CareHome, 1).await;
        hub.assign("VL1AB", 1).await;
        hub.append(scope(1, Section::Safety)).await.unwrap();
        let install = hub.store.read(|c| sites::install(c, InstallId(1))).await.unwrap().unwrap();
        (hub, install)
    }

    async fn noted(hub: &TestHub) -> Option<(u64, u64)> {
        let sql = "SELECT h.confirmed_seq, i.cursor FROM holding h JOIN install i ON i.id = h.install";
        let read = move |c: &rusqlite::Connection| {
            Ok(c.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).ok())
        };
        hub.store.read(read).await.unwrap()
    }

    #[tokio::test]
    async fn what_is_confirmed_counts_as_held_until_the_database_says_so() {
        let (hub, install) = hub().await;
        let (confirmed, safety) = (Confirmed::default(), scope(1, Section::Safety));
        let held = |at: u64| {
            let mut held = BTreeMap::from([(safety, Sequence(at))]);
            confirmed.add_to(&mut held, install.id);
            held[&safety]
        };
        confirmed.add(install, vec![(safety, Sequence(2))], Some(FeedNumber(2)));
        confirmed.add(install, vec![(safety, Sequence(1))], None);
        assert_eq!((held(0), held(3)), (Sequence(2), Sequence(3)));
        assert_eq!(noted(&hub).await, None);
        drop(confirmed.begin_to_write());
        assert_eq!(held(0), Sequence(2), "a read may begin before the commit");
        confirmed.add(install, vec![(safety, Sequence(2))], Some(FeedNumber(2)));
        confirmed.write(&hub.store).await;
        assert_eq!((held(0), noted(&hub).await), (Sequence(0), Some((2, 2))));
    }

    #[tokio::test]
    async fn who_settles_waits_for_the_commit_of_what_was_confirmed_and_for_nobody_elses() {
        let (hub, install) = hub().await;
        let (confirmed, stop) = (Confirmed::default(), CancellationToken::new());
        confirmed.add(install, vec![(scope(1, Section::Safety), Sequence(2))], Some(FeedNumber(2)));
        confirmed.settle(InstallId(2), &hub.store).await;
        assert_eq!(noted(&hub).await, None);
        confirmed.settle(install.id, &hub.store).await;
        assert_eq!(noted(&hub).await, Some((2, 2)));
        let running = tokio::spawn(confirmed.clone().run(hub.store.clone(), stop.clone()));
        confirmed.add(install, Vec::new(), Some(FeedNumber(3)));
        stop.cancel();
        running.await.unwrap();
        assert_eq!(noted(&hub).await, Some((2, 3)));
        confirmed.add(install, Vec::new(), Some(FeedNumber(4)));
        confirmed.settle(install.id, &hub.store).await;
        assert_eq!(noted(&hub).await, Some((2, 4)), "the last words of a link come after that");
    }
}
