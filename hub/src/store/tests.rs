use super::*;
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
