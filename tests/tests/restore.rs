//! A hub that comes back from a backup: what was acknowledged after it is brought back by the nodes.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::time::{Duration, Instant};

use common::{HOME, PHARMACY, equal, records, saved, sign_in, started};
use hearth_tests::region::{Options, Region};
use hearth_tests::{inspect, process};

/// Writes notes at the home and messages of the pharmacy's own at the pharmacy, and waits until the hub has them all.
async fn write(region: &Region, made: &hearth_tests::generate::region::Region, round: u32) -> Vec<String> {
    let nurse = sign_in(region, HOME, &made.home_staff[1]).await;
    let record = records(&nurse).await.remove(0);
    let mut texts = Vec::new();
    for number in 0..8 {
        let text = format!("round {round} note {number}");
        let fields = [("kind", "general"), ("text", text.as_str())];
        saved(&nurse.fill_in(&format!("{record}/notes/new"), &fields).await.unwrap());
        texts.push(text);
    }
    let pharmacist = sign_in(region, PHARMACY, &made.pharmacy_staff[0]).await;
    let record = records(&pharmacist).await.remove(0);
    let substance = format!("substance {round}");
    let fields = [("substance", substance.as_str()), ("reaction", "Rash")];
    let page = pharmacist.fill_in(&format!("{record}/allergies/new"), &fields).await.unwrap();
    saved(&page);
    equal(region).await;
    texts
}

/// Hashes of every change that the hub has.
fn changes(region: &Region) -> Vec<Vec<u8>> {
    let connection = inspect::hub(&region.hub_data()).unwrap();
    let mut select = connection.prepare("SELECT hash FROM change ORDER BY hash").unwrap();
    select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
}

fn missing(region: &Region, acknowledged: &[Vec<u8>]) -> usize {
    let here = changes(region);
    acknowledged.iter().filter(|hash| here.binary_search(hash).is_err()).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_restored_from_yesterdays_backup_misses_nothing_once_every_node_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 2, Options::default()).await;
    let mut texts = write(&region, &made, 1).await;
    let backups = folder.path().join("backups");
    let report = region.hub_command(&["backup", "--json"], &[&backups]).unwrap();
    let report: serde_json::Value = serde_json::from_str(&process::printed(&report).unwrap()).unwrap();
    let backup = report["file"].as_str().unwrap().to_owned();

    texts.extend(write(&region, &made, 2).await);
    let acknowledged = changes(&region);
    let running = region.hub_command(&["restore", "--replace", "--from", &backup], &[]).unwrap();
    assert!(!running.status.success(), "a running hub is not restored");
    region.kill_hub().unwrap();
    let untold = region.hub_command(&["restore", "--from", &backup], &[]).unwrap();
    assert!(!untold.status.success() && String::from_utf8_lossy(&untold.stderr).contains("--replace"));
    process::printed(&region.hub_command(&["restore", "--replace", "--from", &backup], &[]).unwrap())
        .unwrap();
    assert!(missing(&region, &acknowledged) >= 9, "the restored hub has lost what was written since");

    // The home alone brings back what the pharmacy wrote as well.
    region.site_mut(PHARMACY).unwrap().kill().unwrap();
    region.start_hub().await.unwrap();
    let deadline = Instant::now() + Duration::from_mins(1);
    while missing(&region, &acknowledged) > 0 {
        assert!(
            Instant::now() < deadline,
            "{} are missing of {}",
            missing(&region, &acknowledged),
            acknowledged.len()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // No scenario of the bench opens a document; this does, and it is counted.
    let metrics = region.site(HOME).unwrap().observe("/metrics").await.unwrap();
    let opened = metrics.lines().find_map(|line| line.strip_prefix("hearth_documents_opened_total "));
    assert!(
        opened.is_some_and(|opened| opened != "0"),
        "what is given back is taken out of documents: {opened:?}"
    );
    region.site_mut(PHARMACY).unwrap().start().await.unwrap();
    equal(&region).await;
    texts.extend(write(&region, &made, 3).await);
    let notes = common::notes(&region, HOME);
    assert!(texts.iter().all(|text| notes.iter().filter(|note| *note == text).count() == 1));
    let hub = inspect::hub(&region.hub_data()).unwrap();
    let aside: u64 = hub.query_row("SELECT count(*) FROM quarantine", [], |row| row.get(0)).unwrap();
    assert_eq!(aside, 0, "nothing that came back broke a rule");
}
