use std::io::Write as _;
use std::time::Duration;

use super::*;
use crate::random::Random;
use hearth_protocol::id::ResidentId;
use rusqlite::params;
use uuid::Uuid;

fn key() -> DataKey {
    DataKey::generate(&Random::seeded(1))
}

fn open(directory: &Path) -> Store {
    Store::open(&directory.join("node.db"), &key(), &Clock::system()).unwrap()
}

async fn put(store: &Store, name: &'static str) -> Result<(), StoreError> {
    store
        .write(move |tx| {
            tx.execute("INSERT INTO meta (key, value) VALUES (?1, x'01')", [name])?;
            Ok(())
        })
        .await
}

async fn names(store: &Store) -> Vec<String> {
    let read = store.read(|connection| {
        let mut statement = connection.prepare("SELECT key FROM meta ORDER BY key")?;
        let names: Result<Vec<String>, rusqlite::Error> =
            statement.query_map([], |row| row.get(0))?.collect();
        Ok::<_, StoreError>(names?)
    });
    read.await.unwrap()
}

#[tokio::test]
async fn what_was_written_is_there_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    put(&store, "a").await.unwrap();
    drop(store);
    assert_eq!(names(&open(directory.path())).await, ["a"]);
}

#[tokio::test]
async fn the_database_is_closed_once_the_last_handle_is_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    put(&store, "a").await.unwrap();
    names(&store).await;
    let log = directory.path().join("node.db-wal");
    drop(store.clone());
    assert!(log.exists());
    drop(store);
    assert!(!log.exists(), "whoever closes the database last takes its log away");
}

#[tokio::test]
async fn the_settings_on_which_durability_rests_hold() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let settings = store.write(|tx| {
        let number = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, i64>(0));
        let text = |sql: &str| tx.query_row(sql, [], |row| row.get::<_, String>(0));
        let mode = text("PRAGMA journal_mode")?;
        let cipher = (text("PRAGMA cipher_version")?, text("PRAGMA cipher_hmac_algorithm")?);
        let numbers =
            (number("PRAGMA synchronous")?, number("PRAGMA secure_delete")?, number("PRAGMA temp_store")?);
        Ok::<_, StoreError>((mode, cipher, numbers))
    });
    let (mode, cipher, numbers) = settings.await.unwrap();
    assert_eq!((mode.as_str(), numbers), ("wal", (2, 1, 2)));
    assert!(cipher.0.starts_with('4') && cipher.1 == "HMAC_SHA256", "{cipher:?}");
}

#[tokio::test]
async fn another_key_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    put(&open(directory.path()), "a").await.unwrap();
    let other = DataKey::generate(&Random::seeded(2));
    let opened = Store::open(&directory.path().join("node.db"), &other, &Clock::system());
    assert_eq!(opened.err(), Some(StoreError::WrongKey));
}

#[tokio::test]
async fn a_database_of_earlier_software_is_opened_as_it_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("node.db");
    let old = Connection::open(&path).unwrap();
    old.execute_batch(&format!("PRAGMA key = \"x'{}'\"; CREATE TABLE kept (value TEXT);", *key().to_hex()))
        .unwrap();
    old.close().unwrap();
    for name in ["a", "b"] {
        let store = open(directory.path());
        put(&store, name).await.unwrap();
        let pages_by = |c: &Connection| {
            Ok::<_, StoreError>(c.query_row("PRAGMA cipher_hmac_algorithm", [], |row| row.get(0))?)
        };
        let by: String = store.read(pages_by).await.unwrap();
        assert_eq!(by, "HMAC_SHA512");
    }
    assert_eq!(names(&open(directory.path())).await, ["a", "b"]);
}

#[tokio::test]
async fn what_is_to_follow_a_commit_follows_it_in_order_and_before_the_answer_and_not_where_nothing_is_kept()
{
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let done: Arc<Mutex<Vec<u8>>> = Arc::default();
    let act = |n: u8, keep: bool| {
        let done = Arc::clone(&done);
        store.write(move |tx| {
            tx.after_commit(move || done.lock().unwrap().push(n));
            if keep { Ok(()) } else { Err(StoreError::Statement("test".to_owned())) }
        })
    };
    let (first, second, third) = tokio::join!(act(1, true), act(2, false), act(3, true));
    assert_eq!((first, second.is_err(), third), (Ok(()), true, Ok(())));
    assert_eq!(*done.lock().unwrap(), [1, 3]);
}

#[tokio::test]
async fn an_action_that_fails_leaves_nothing_and_its_neighbours_stay() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let failing = store.write(|tx| {
        tx.execute("INSERT INTO meta (key, value) VALUES ('half', x'01')", [])?;
        Err::<(), StoreError>(StoreError::Statement("test".to_owned()))
    });
    let (first, second, third) = tokio::join!(put(&store, "a"), failing, put(&store, "b"));
    assert_eq!((first, second.is_err(), third), (Ok(()), true, Ok(())));
    assert_eq!(names(&store).await, ["a", "b"]);
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_is_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let pages: i64 = store
        .write(|tx| {
            let pages: i64 = tx.query_row("PRAGMA page_count", [], |row| row.get(0))?;
            tx.query_row(&format!("PRAGMA max_page_count = {}", pages + 2), [], |row| row.get(0))
                .map_err(StoreError::from)
        })
        .await
        .unwrap();
    let mut told = Vec::new();
    for n in 0..20_i64 {
        let written = store
            .write(move |tx| {
                tx.execute(
                    "INSERT INTO meta (key, value) VALUES (?1, zeroblob(3000))",
                    params![format!("{n}")],
                )?;
                Ok::<_, StoreError>(n)
            })
            .await;
        told.push(written);
    }
    assert_eq!(told.last(), Some(&Err(StoreError::Full)), "after {pages} pages");
    let acknowledged = told.iter().filter(|written| written.is_ok()).count();
    assert_eq!(names(&store).await.len(), acknowledged);
    assert!(StoreError::Full.sentence().contains("disk is full"));
}

#[tokio::test]
async fn a_database_that_may_not_be_written_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    assert_eq!(store.takes_writes().await, Ok(()));
    store.write(|tx| Ok::<_, StoreError>(tx.execute_batch("PRAGMA query_only = ON")?)).await.unwrap();
    assert_eq!(put(&store, "a").await, Err(StoreError::ReadOnly));
    assert_eq!(store.takes_writes().await, Err(StoreError::ReadOnly));
    assert_eq!(store.answers().await, Ok(()), "it answers, and starting anew would mend nothing");
    assert!(names(&store).await.is_empty());
}

#[tokio::test]
async fn screens_are_told_after_the_commit_and_not_of_what_failed() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let mut told = store.changes();
    let changed = |n| Changed { subject: Subject::Resident(ResidentId(Uuid::from_u128(n))), section: None };
    let failed = store.write(move |tx| {
        tx.changed.push(changed(1));
        Err::<(), StoreError>(StoreError::Closed)
    });
    failed.await.unwrap_err();
    store
        .write(move |tx| {
            tx.changed.push(changed(2));
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap();
    assert_eq!(told.recv().await, Ok(changed(2)));
}

#[tokio::test]
async fn no_planted_name_is_readable_in_the_files() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    put(&store, "Florence Nightingale-Planted").await.unwrap();
    for file in std::fs::read_dir(directory.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(8).any(|window| window == b"Florence"));
    }
}

#[tokio::test]
async fn a_newer_file_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write(|tx| Ok::<_, StoreError>(tx.pragma_update(None, "user_version", 99)?)).await.unwrap();
    drop(store);
    tokio::time::sleep(Duration::from_millis(50)).await;
    let opened = Store::open(&directory.path().join("node.db"), &key(), &Clock::system());
    assert!(matches!(opened.err(), Some(StoreError::TooNew { found: 99, .. })));
}

#[tokio::test]
async fn a_log_that_grew_under_a_long_reader_shrinks_once_the_reader_is_done() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let fill = |n: i64| {
        store.write(move |tx| {
            let sql = "INSERT INTO meta (key, value) VALUES (?1, zeroblob(200000))";
            tx.execute(sql, [n.to_string()])?;
            Ok::<_, StoreError>(())
        })
    };
    let (reading, begun) = std::sync::mpsc::channel();
    let (done, end) = std::sync::mpsc::channel::<()>();
    let reader = tokio::spawn({
        let store = store.clone();
        async move {
            let read = store.read(move |connection| {
                let count: i64 = connection.query_row("SELECT count(*) FROM meta", [], |row| row.get(0))?;
                reading.send(()).unwrap();
                end.recv().unwrap();
                Ok::<_, StoreError>(count)
            });
            read.await.unwrap()
        }
    });
    tokio::task::spawn_blocking(move || begun.recv().unwrap()).await.unwrap();
    for n in 0..100 {
        fill(n).await.unwrap();
    }
    assert!(store.disk_use().1 > 18_000_000, "{:?}", store.disk_use());
    done.send(()).unwrap();
    assert_eq!(reader.await.unwrap(), 0);
    fill(100).await.unwrap();
    fill(101).await.unwrap();
    assert!(store.disk_use().1 <= 16 * 1024 * 1024, "{:?}", store.disk_use());
}

/// A database of several pages that nobody has read since it was opened.
async fn unread(directory: &Path) -> (Store, std::path::PathBuf) {
    let store = open(directory);
    let sql = "INSERT INTO meta (key, value) VALUES ('long', zeroblob(400000))";
    store.write(|tx| Ok::<_, StoreError>(tx.execute(sql, []).map(drop)?)).await.unwrap();
    store.truncate_log().await.unwrap();
    drop(store);
    (open(directory), directory.join("node.db"))
}

/// Turns every byte of the file from there on, or turns them back.
fn turn(file: &Path, from: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    for byte in bytes.iter_mut().skip(from) {
        *byte ^= 0xff;
    }
    std::fs::File::create(file).and_then(|mut opened| opened.write_all(&bytes)).unwrap();
}

fn long(connection: &Connection) -> Result<usize, StoreError> {
    let sql = "SELECT value FROM meta WHERE key = 'long'";
    Ok(connection.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0))?.len())
}

#[tokio::test]
async fn pages_that_could_not_be_read_once_do_not_stop_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = unread(directory.path()).await;
    turn(&file, 200_000);
    assert!(store.write(|tx| long(tx)).await.is_err());
    turn(&file, 200_000);
    assert_eq!(store.write(|tx| long(tx)).await, Ok(400_000));
    put(&store, "a").await.unwrap();
    drop(store);
    assert_eq!(names(&open(directory.path())).await, ["a", "long"]);
}

#[tokio::test]
async fn pages_that_could_not_be_read_once_do_not_stop_a_reader() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = unread(directory.path()).await;
    turn(&file, 200_000);
    for _ in 0..READERS {
        assert!(store.read(long).await.is_err());
    }
    turn(&file, 200_000);
    for _ in 0..READERS {
        assert_eq!(store.read(long).await, Ok(400_000));
    }
}

#[tokio::test]
async fn while_the_database_does_not_open_again_every_write_is_told_so_and_no_other_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let (store, file) = unread(directory.path()).await;
    turn(&file, 0);
    assert!(store.write(|tx| long(tx)).await.is_err());
    assert_eq!(put(&store, "a").await, Err(StoreError::WrongKey));
    assert!(store.answers().await.is_err());
    let away = directory.path().join("away");
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(put(&store, "b").await, Err(StoreError::ReadOnly));
    assert!(!file.exists());
    std::fs::File::create(&file).unwrap();
    assert!(put(&store, "b").await.is_err());
    std::fs::rename(&away, &file).unwrap();
    turn(&file, 0);
    put(&store, "c").await.unwrap();
    store.answers().await.unwrap();
    assert_eq!(names(&store).await, ["c", "long"]);
}

#[tokio::test]
async fn an_action_that_has_no_transaction_does_not_run() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write(|tx| Ok::<_, StoreError>(tx.execute_batch("PRAGMA busy_timeout = 0")?)).await.unwrap();
    let other = open::writer_again(&Work::Threads, &directory.path().join("node.db"), &key()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (ran, has_run) = std::sync::mpsc::channel();
    let written = store.write(move |_| {
        ran.send(()).unwrap();
        Ok::<_, StoreError>(())
    });
    assert!(matches!(written.await, Err(StoreError::Statement(_))));
    assert!(has_run.try_recv().is_err());
    other.execute_batch("ROLLBACK").unwrap();
    put(&store, "a").await.unwrap();
}
