use std::fs;
use std::io::Write as _;

use super::*;
use crate::api::copy_database;
use crate::store::{Store, StoreOptions};
use crate::testing::{HUB, NOW, Pen, TestHub, scope};
use hearth_protocol::access::SiteKind;
use hearth_protocol::scope::Section;
use uuid::Uuid;

const FRESH: InstallId = InstallId(77);

fn terms(replace: bool) -> Terms {
    Terms { region: RegionId(Uuid::from_u128(1)), hub_install: FRESH, now: NOW.plus_ms(1000), replace }
}

/// A hub with one change, its backup, and a further change after it.
async fn backed_up() -> (TestHub, PathBuf) {
    let hub = TestHub::new().await;
    hub.add_site("VL1AB", SiteKind::CareHome, 1).await;
    hub.assign("VL1AB", 1).await;
    let mut pen = Pen::new(1);
    hub.push(1, pen.write(scope(1, Section::Notes))).await;
    let report = copy_database(hub.store.path(), &hub.folder.path().join("backup"), NOW, 7).unwrap();
    hub.push(1, pen.write(scope(1, Section::Notes))).await;
    (hub, PathBuf::from(report.file))
}

fn put(path: &Path, bytes: &[u8]) {
    fs::File::create(path).unwrap().write_all(bytes).unwrap();
}

fn changes(database: &Path) -> u64 {
    let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    connection.query_row("SELECT count(*) FROM change", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_restored_hub_has_what_the_backup_had_and_a_new_epoch() {
    let (hub, backup) = backed_up().await;
    let to = hub.folder.path().join("elsewhere/hub.db");
    let restored = restore(&backup, &to, terms(false)).unwrap();
    assert_eq!((restored.changes, restored.replaced), (2, None));
    let store = Store::open(to, &StoreOptions::default()).unwrap();
    let now = store.read(region::require).await.unwrap();
    assert_eq!((now.epoch, now.hub_install), (restored.epoch, FRESH));
    assert!(now.epoch > 1);
    assert!(store.read(|c| region::was_hub(c, HUB)).await.unwrap());
    assert!(store.read(|c| region::is_repairing(c, NOW.plus_ms(2000))).await.unwrap());
    assert!(!hub.store.read(|c| region::is_repairing(c, NOW)).await.unwrap(), "nobody lost anything here");
}

#[tokio::test]
async fn the_same_backup_restored_twice_begins_two_epochs() {
    let (hub, backup) = backed_up().await;
    let (one, two) = (hub.folder.path().join("1/hub.db"), hub.folder.path().join("2/hub.db"));
    let first = restore(&backup, &one, terms(false)).unwrap();
    let later = Terms { now: NOW.plus_ms(60_000), ..terms(false) };
    assert_ne!(restore(&backup, &two, later).unwrap().epoch, first.epoch);
}

#[tokio::test]
async fn a_database_that_is_there_is_moved_aside_only_when_told_and_stays_whole() {
    let (hub, backup) = backed_up().await;
    let here = hub.store.path().to_owned();
    assert!(matches!(restore(&backup, &here, terms(false)), Err(RestoreError::Occupied(at)) if at == here));
    assert_eq!(changes(&here), 3);
    hub.store.close().await;
    let aside = restore(&backup, &here, terms(true)).unwrap().replaced.unwrap();
    assert_eq!((changes(&here), changes(&aside)), (2, 3));
}

#[tokio::test]
async fn what_is_no_sound_backup_of_this_region_changes_nothing() {
    let (hub, backup) = backed_up().await;
    let to = hub.folder.path().join("elsewhere/hub.db");
    let other = Terms { region: RegionId(Uuid::from_u128(2)), ..terms(false) };
    assert!(matches!(restore(&backup, &to, other), Err(RestoreError::OtherRegion(_))));

    let mut bytes = fs::read(&backup).unwrap();
    let cut = hub.folder.path().join("cut.db");
    put(&cut, &bytes[..bytes.len() / 2]);
    assert!(matches!(restore(&cut, &to, terms(false)), Err(RestoreError::Damaged)));
    // The first bytes of a page say what it is; SQLite does not go on without.
    bytes[4096] ^= 0xff;
    let flipped = hub.folder.path().join("flipped.db");
    put(&flipped, &bytes);
    assert!(matches!(restore(&flipped, &to, terms(false)), Err(RestoreError::Damaged)));
    let text = hub.folder.path().join("text.db");
    put(&text, b"no database");
    assert!(matches!(restore(&text, &to, terms(false)), Err(RestoreError::Damaged)));
    let missing = hub.folder.path().join("missing.db");
    assert!(matches!(restore(&missing, &to, terms(false)), Err(RestoreError::Unreadable(_))));
    assert!(!to.exists());
}
