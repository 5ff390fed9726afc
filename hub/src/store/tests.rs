use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::testing::{Pen, TestHub, scope};
use hearth_protocol::document::{self, Tip};
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Section;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::{ChangeResult, ScopedChange, Sequence};
use rusqlite::OptionalExtension;

fn open(options: &StoreOptions) -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("hub.db"), options).unwrap();
    (folder, store)
}

fn add_site(transaction: &Transaction<'_>, ods: &str) -> Result<(), StoreError> {
    transaction.execute("INSERT INTO site VALUES (?1, 'care-home', 'Home', 'active', 0)", [ods])?;
    Ok(())
}

fn count_sites(connection: &Connection) -> Result<u64, StoreError> {
    Ok(connection.query_row("SELECT count(*) FROM site", [], |row| row.get(0))?)
}

#[tokio::test]
async fn what_was_written_is_read_after_reopening() {
    let (folder, store) = open(&StoreOptions::default());
    store.write(|t| add_site(t, "VL1AB")).await.unwrap();
    assert_eq!(store.read(count_sites).await, Ok(1));
    store.close().await;
    assert_eq!(store.write(|t| add_site(t, "VL1AC")).await, Err(StoreError::Closed));
    assert_eq!(store.read(count_sites).await, Err(StoreError::Closed));
    let store = Store::open(folder.path().join("hub.db"), &StoreOptions::default()).unwrap();
    assert_eq!(store.read(count_sites).await, Ok(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_is_done_at_once_where_nobody_else_reads_and_given_back_where_somebody_does() {
    let (_folder, store) = open(&StoreOptions { readers: 2, ..StoreOptions::default() });
    store.write(|t| add_site(t, "VL1AB")).await.unwrap();
    let at_once = || store.read_at_once(count_sites).ok();
    // The threads say that they have nothing to do once they run.
    while at_once().is_none() {
        tokio::task::yield_now().await;
    }
    store.write(|t| add_site(t, "VL1AC")).await.unwrap();
    assert_eq!(at_once(), Some(Ok(2)), "every commit from before is seen");
    let failing = |_: &Connection| Err::<u64, _>(StoreError::logic("test"));
    assert_eq!(store.read_at_once(failing).ok(), Some(Err(StoreError::logic("test"))));
    assert_eq!(at_once(), Some(Ok(2)), "the next one begins afresh");

    let (begun, is_begun) = oneshot::channel();
    let (end, is_ended) = std::sync::mpsc::channel::<()>();
    let reading = tokio::spawn({
        let store = store.clone();
        async move {
            let read = move |connection: &Connection| {
                begun.send(()).ok();
                is_ended.recv().ok();
                count_sites(connection)
            };
            store.read(read).await
        }
    });
    is_begun.await.unwrap();
    assert_eq!(at_once(), None);
    end.send(()).unwrap();
    assert_eq!(reading.await.unwrap(), Ok(2));
    store.close().await;
    assert_eq!(at_once(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_sees_every_commit_from_before_it_was_asked_for_however_many_share_its_transaction() {
    let (_folder, store) = open(&StoreOptions { readers: 2, ..StoreOptions::default() });
    let committed = Arc::new(AtomicU64::new(0));
    let writing = tokio::spawn({
        let (store, committed) = (store.clone(), Arc::clone(&committed));
        async move {
            for n in 0..100 {
                store.write(move |t| add_site(t, &format!("VL{n:03}"))).await.unwrap();
                committed.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    let reading = (0..32).map(|_| {
        let (store, committed) = (store.clone(), Arc::clone(&committed));
        tokio::spawn(async move {
            while committed.load(Ordering::SeqCst) < 100 {
                let before = committed.load(Ordering::SeqCst);
                assert!(store.read(count_sites).await.unwrap() >= before);
            }
        })
    });
    for task in reading.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    writing.await.unwrap();
}

/// One who has much to read and does not come to an end before this is told; what it began with.
async fn held_up(store: &Store) -> (std::sync::mpsc::Sender<()>, tokio::task::JoinHandle<()>) {
    let (begun, is_begun) = oneshot::channel();
    let (end, is_ended) = std::sync::mpsc::channel::<()>();
    let store = store.clone();
    let reading = tokio::spawn(async move {
        let read = move |_: &Connection| {
            begun.send(()).ok();
            is_ended.recv().ok();
            Ok(())
        };
        store.read_in_turn(read).await.unwrap();
    });
    is_begun.await.unwrap();
    (end, reading)
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_have_much_to_read_one_reader_is_left_to_everybody_else() {
    let (_folder, store) = open(&StoreOptions { readers: 2, ..StoreOptions::default() });
    let (end, reading) = held_up(&store).await;
    let mut waiting = std::pin::pin!(store.read_in_turn(count_sites));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    let others = tokio::time::timeout(Duration::from_secs(30), store.read(count_sites)).await;
    assert_eq!(others, Ok(Ok(0)));
    assert!(futures_util::poll!(&mut waiting).is_pending(), "its turn has not come");
    end.send(()).unwrap();
    assert_eq!(waiting.await, Ok(0));
    reading.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_have_much_to_read_take_turns_and_none_waits_for_all_that_another_reads() {
    let (_folder, store) = open(&StoreOptions { readers: 2, ..StoreOptions::default() });
    let (end, reading) = held_up(&store).await;
    let order = Mutex::new(Vec::new());
    let reads = async |site: char| {
        for _ in 0..3 {
            store.read_in_turn(count_sites).await.unwrap();
            order.lock().unwrap().push(site);
        }
    };
    tokio::join!(reads('a'), reads('b'), reads('c'), async { end.send(()).unwrap() });
    assert_eq!(order.into_inner().unwrap().iter().collect::<String>(), "abcabcabc");
    reading.await.unwrap();
}

#[tokio::test]
async fn a_job_that_fails_or_panics_takes_nothing_else_with_it() {
    let (_folder, store) = open(&StoreOptions::default());
    let good = store.write(|t| add_site(t, "VL1AB"));
    let bad = store.write(|t| {
        add_site(t, "VL1AC")?;
        Err::<(), _>(StoreError::logic("changed its mind"))
    });
    let panics = store.write(|t| -> Result<(), StoreError> {
        add_site(t, "VL1AD")?;
        panic!("on purpose")
    });
    let twice = store.write(|t| add_site(t, "VL1AB"));
    let also_good = store.write(|t| add_site(t, "VL1AE"));
    let (good, bad, panics, twice, also_good) = tokio::join!(good, bad, panics, twice, also_good);
    assert_eq!((good, also_good), (Ok(()), Ok(())));
    assert_eq!(bad, Err(StoreError::logic("changed its mind")));
    assert!(matches!(panics, Err(StoreError::Logic(_))));
    assert!(matches!(twice, Err(StoreError::Constraint(_))));
    assert_eq!(store.read(count_sites).await, Ok(2));
}

#[tokio::test]
async fn a_full_disk_fails_the_write_and_stores_nothing() {
    let small = StoreOptions { pages_max: Some(120), ..StoreOptions::default() };
    let (_folder, store) = open(&small);
    let big = |id: u8| {
        move |t: &Transaction<'_>| {
            t.execute("INSERT INTO blob VALUES (?1, zeroblob(60000), 0)", [[id; 32]])?;
            Ok(())
        }
    };
    let outcomes = futures_util::future::join_all((0..20).map(|id| store.write(big(id)))).await;
    assert!(outcomes.contains(&Err(StoreError::Full)), "{outcomes:?}");
    let told: u64 = outcomes.iter().filter(|o| o.is_ok()).count().try_into().unwrap();
    let kept = store.read(|c| Ok(c.query_row("SELECT count(*) FROM blob", [], |row| row.get(0))?)).await;
    assert_eq!(kept, Ok(told));
    // The store goes on: what fits is taken.
    store.write(|t| add_site(t, "VL1AB")).await.unwrap();
}

#[tokio::test]
async fn a_newer_database_is_refused_in_words() {
    let (folder, store) = open(&StoreOptions::default());
    store.close().await;
    let path = folder.path().join("hub.db");
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 9999).unwrap();
    let Err(refused) = Store::open(&path, &StoreOptions::default()) else { panic!("it was opened") };
    assert_eq!(refused, StoreError::TooNew { found: 9999, known: migrations::newest() });
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_folder, store) = open(&StoreOptions::default());
    let tried = store.read(|c| Ok(c.execute("DELETE FROM site", [])?)).await;
    assert_eq!(tried, Err(StoreError::ReadOnly));
}

#[tokio::test]
async fn only_sites_of_committed_work_are_told_as_dirty() {
    let (_folder, store) = open(&StoreOptions::default());
    let mut dirtied = store.dirtied();
    let site: SiteId = "VL1AB".parse().unwrap();
    let other: SiteId = "VL1AC".parse().unwrap();
    let fails = store.write(move |t| {
        dirty::mark(t, other)?;
        Err::<(), _>(StoreError::logic("no"))
    });
    let (_, kept) = tokio::join!(fails, store.write(move |t| dirty::mark(t, site)));
    kept.unwrap();
    assert_eq!(*dirtied.recv().await.unwrap(), BTreeSet::from([site]));
    let left =
        store.write(|t| Ok(t.query_row("SELECT site FROM temp.dirtied", [], |_| Ok(())).optional()?)).await;
    assert_eq!(left, Ok(None));
}

#[test]
fn a_write_is_on_disk_when_it_is_answered_even_if_the_process_dies_then() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let copy = folder.path().join("copy.db");
    runtime.block_on(async {
        let store = Store::open(&path, &StoreOptions::default()).unwrap();
        for n in 0..20 {
            store.write(move |t| add_site(t, &format!("VL{n}"))).await.unwrap();
            // What a killed process leaves behind: the files as they are, without a close.
            std::fs::copy(&path, &copy).unwrap();
            std::fs::copy(path.with_extension("db-wal"), copy.with_extension("db-wal")).unwrap();
            let left = Connection::open(&copy).unwrap();
            assert_eq!(count_sites(&left), Ok(n + 1));
            drop(left);
            std::fs::remove_file(&copy).unwrap();
        }
    });
}

#[tokio::test]
async fn a_log_that_grew_under_a_long_reader_shrinks_once_the_reader_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let options = StoreOptions { log_bytes_kept: 100_000, ..StoreOptions::default() };
    let store = Store::open(folder.path().join("hub.db"), &options).unwrap();
    let fill = || {
        store.write(|t| Ok(t.execute("INSERT INTO blob VALUES (randomblob(32), zeroblob(50000), 0)", [])?))
    };
    let (reading, begun) = std::sync::mpsc::channel();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let read = store.read(move |c| {
                let count: u64 = c.query_row("SELECT count(*) FROM blob", [], |row| row.get(0))?;
                reading.send(()).unwrap();
                end.recv().unwrap();
                Ok((count, c.query_row("SELECT count(*) FROM blob", [], |row| row.get::<_, u64>(0))?))
            });
            read.await.unwrap()
        }
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
    for _ in 0..200 {
        fill().await.unwrap();
    }
    assert!(store.disk_use().log_bytes > 9_000_000, "{:?}", store.disk_use());
    done.send(()).unwrap();
    assert_eq!(reader.await.unwrap(), (0, 0), "a reader sees one moment");
    // The first write after the reader moves the log into the database, the next begins it anew.
    fill().await.unwrap();
    fill().await.unwrap();
    assert!(store.disk_use().log_bytes <= 100_000, "{:?}", store.disk_use());
    assert!(store.disk_use().database_bytes > 9_000_000, "{:?}", store.disk_use());
}

/// A database as the first version of the schema left it: one home, one resident, a document of three changes.
fn first_version(path: &std::path::Path, written: &[ScopedChange]) -> Result<(), rusqlite::Error> {
    let old = Connection::open(path)?;
    old.execute_batch(include_str!("schema/0001_core.sql"))?;
    old.pragma_update(None, "user_version", 1)?;
    old.execute_batch(
        "INSERT INTO region (one, id, epoch, hub_install, hub_entries) VALUES (1, zeroblob(16), 3, 4294901761, 7);
         INSERT INTO site VALUES ('VL1AB', 'care-home', 'Home', 'active', 0);
         INSERT INTO install (id, site, public_key, enrolled_at) VALUES (1, 'VL1AB', zeroblob(32), 0);
         INSERT INTO blob VALUES (zeroblob(32), x'0102', 0);
         INSERT INTO audit_event VALUES (1, 1, x'03', zeroblob(32), 0);",
    )?;
    let scope = written[0].scope;
    let (key, person) = (scope.to_key(), *scope.resident().unwrap().0.as_bytes());
    old.execute("INSERT INTO resident VALUES (?1, 0)", [person])?;
    old.execute("INSERT INTO grant_ VALUES ('VL1AB', ?1, 'active', 1, 0, NULL, NULL)", [person])?;
    let (mut tip, mut digest) = (Tip::default(), Digest::default());
    old.execute(
        "INSERT INTO scope (key, resident, section, digest) VALUES (?1, ?2, ?3, zeroblob(40))",
        (key, person, scope.section().code()),
    )?;
    for (change, seq) in written.iter().map(|one| &one.change).zip(1_u64..) {
        let checked = document::check(scope.section(), change.hash, &change.bytes).unwrap();
        let row = (key, seq, change.hash.0, checked.install.0, checked.seq, checked.max_op, &change.bytes);
        old.execute("INSERT INTO change VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)", row)?;
        tip.advance(InstallId(1), &checked);
        digest = digest.plus(Digest::of(scope, change.hash));
    }
    let (head, heads) = (written.len(), columns::hashes_to_bytes(&tip.heads));
    old.execute(
        "UPDATE scope SET head_seq = ?2, heads = ?3, max_op = ?4, digest = ?5 WHERE key = ?1",
        (key, head, heads, tip.max_op, digest.to_bytes()),
    )?;
    old.execute("INSERT INTO subscription VALUES (?1, 'VL1AB', 2)", [key])?;
    old.execute("INSERT INTO holding VALUES (1, ?1, ?2, 0)", (key, head))?;
    old.execute("UPDATE site_feed SET head = 2, digest = ?1, scopes = 1", [digest.to_bytes()])?;
    old.execute(
        "INSERT INTO quarantine (scope, hash, install, code, bytes, received_at)
         VALUES (?1, zeroblob(32), 1, 'wrong-month', x'04', 0)",
        [key],
    )?;
    Ok(())
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    let (mut pen, notes) = (Pen::new(1), scope(1, Section::Notes));
    let mut written = pen.write(notes);
    written.extend(pen.write(notes));
    first_version(&path, &written).unwrap();
    let store = Store::open(&path, &StoreOptions::default()).unwrap();
    let hub = TestHub { folder, store };
    let whole = hub.store.read(|c| {
        let verdict: String = c.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        Ok((migrations::version(c)?, verdict, c.prepare("PRAGMA foreign_key_check")?.exists([])?))
    });
    assert_eq!(whole.await, Ok((migrations::newest(), "ok".to_owned(), false)));
    let again = hub.push(1, written.clone()).await;
    assert_eq!(again, (1..=3).map(|n| ChangeResult::Duplicate(Sequence(n))).collect::<Vec<_>>());
    let next = pen.write(notes);
    assert_eq!(hub.push(1, next.clone()).await, [ChangeResult::Accepted(Sequence(4))]);
    crate::compact::compact(&hub.store, notes).await.unwrap();
    written.extend(next);
    let kept = hub.store.read(move |c| crate::records::changes(c, notes)).await.unwrap();
    assert_eq!(kept, written.into_iter().map(|one| one.change).collect::<Vec<_>>());
    for (table, rows) in [("quarantine", 1), ("blob", 1), ("audit_event", 1), ("grant_", 1), ("holding", 1)] {
        assert_eq!(hub.count(table).await, rows, "{table}");
    }
    let epoch = hub.store.read(|c| Ok(crate::region::require(c)?.epoch)).await;
    assert_eq!(epoch, Ok(3));
}
