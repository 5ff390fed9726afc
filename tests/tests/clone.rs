//! A copied disk: two nodes under one name are found, told so, and nothing that was written at either is lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{HOME, equal, records, saved, started};
use hearth_tests::generate::region::Staff;
use hearth_tests::inspect;
use hearth_tests::region::{Options, Region, Site};

/// Copies a data directory as somebody with a disk image does.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

async fn write(region: &Region, site: &Site, nurse: &Staff, text: &str) {
    let nurse = site.sign_in(&region.web_roots(), &nurse.name, &nurse.pin).await.unwrap();
    let record = records(&nurse).await.remove(0);
    let fields = [("kind", "general"), ("text", text)];
    saved(&nurse.fill_in(&format!("{record}/notes/new"), &fields).await.unwrap());
}

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(3);
    while !is_so().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn count(region: &Region, sql: &str) -> u64 {
    inspect::hub(&region.hub_data()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copied_node_is_found_and_told_and_nothing_written_at_either_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 1, Options::default()).await;
    let nurse = &made.home_staff[1];
    region.site_mut(HOME).unwrap().kill().unwrap();
    let mut twin = region.computer("twin").await.unwrap();
    copy(&region.site(HOME).unwrap().data(), &twin.data());
    region.site_mut(HOME).unwrap().start().await.unwrap();
    write(&region, region.site(HOME).unwrap(), nurse, "at the original").await;
    equal(&region).await;

    // Written with the line down, so that what it wrote is the first that the hub hears of it.
    twin.line().cut();
    twin.start().await.unwrap();
    write(&region, &twin, nurse, "at the copy").await;
    twin.line().heal();
    let held = "SELECT count(*) FROM install WHERE state = 'quarantined' AND reason = 'cloned'";
    until("the installation is held", async || count(&region, held) == 1).await;
    assert!(count(&region, "SELECT count(*) FROM quarantine WHERE code = 'cloned-install'") > 0);
    for site in [&twin, region.site(HOME).unwrap()] {
        let person = site.sign_in(&region.web_roots(), &nurse.name, &nurse.pin).await.unwrap();
        until("staff are told", async || {
            let status = person.open("/status").await.unwrap().text();
            status.contains("seen twice") || status.contains("seen this node twice")
        })
        .await;
    }
    write(&region, region.site(HOME).unwrap(), nurse, "at the original, when it was held").await;

    twin.kill().unwrap();
    twin.enrol_anew(&region.invite_again(HOME).unwrap()).unwrap();
    twin.start().await.unwrap();
    until("the copy's entries are at the hub", async || {
        let hub = inspect::hub_heads(&region.hub_data(), HOME).unwrap();
        hub == inspect::node_heads(&twin.data()).unwrap()
    })
    .await;
    twin.kill().unwrap();

    region.site_mut(HOME).unwrap().kill().unwrap();
    let invite = region.invite_again(HOME).unwrap();
    region.site(HOME).unwrap().enrol_anew(&invite).unwrap();
    region.site_mut(HOME).unwrap().start().await.unwrap();
    equal(&region).await;
    let mut notes = common::notes(&region, HOME);
    notes.retain(|note| note.starts_with("at the "));
    notes.sort();
    assert_eq!(notes, ["at the copy", "at the original", "at the original, when it was held"]);
}
