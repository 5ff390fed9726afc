//! Full disks: whoever writes is told that nothing was saved, nothing is acknowledged that is not on the disk, and
//! once there is room the same form saves, once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::time::{Duration, Instant};

use common::{HOME, equal, notes, records, saved, sign_in, started};
use hearth_tests::inspect;
use hearth_tests::region::{Options, Page, Person, Region};
use hearth_tests::small_disk::SmallDisk;

/// Notes after which a disk without room must have refused one: the log of the database may have some left.
const NOTES_MAX: usize = 150;
/// Longest that a change takes to the hub while nothing is wrong, on a busy machine.
const DELIVERED: Duration = Duration::from_secs(8);

/// Whether the test can run; says so when it cannot.
#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn can_run() -> bool {
    let can = SmallDisk::is_possible();
    if !can {
        eprintln!(
            "SKIPPED: a small disk can only be mounted by root, outside of a container without that right"
        );
    }
    can
}

/// A note that is long, so that a disk fills quickly, and of which there is only one.
fn text(number: usize) -> String {
    format!("note {number} {}", "of a long night ".repeat(300)).trim().to_owned()
}

async fn send(nurse: &Person, form: &Page, path: &str, number: usize) -> Page {
    nurse.send(form, path, &[("kind", "general"), ("text", &text(number))]).await.unwrap()
}

fn count(region: &Region, number: usize) -> usize {
    notes(region, HOME).iter().filter(|held| **held == text(number)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_whose_disk_is_full_says_that_nothing_was_saved_and_saves_the_same_form_once_there_is_room() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 1, Options::default()).await;
    let site = region.site_mut(HOME).unwrap();
    site.stop().await.unwrap();
    let disk = SmallDisk::under(&site.data()).unwrap();
    site.start().await.unwrap();

    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let path = format!("{}/notes/new", records(&nurse).await.remove(0));
    let mut forms = Vec::new();
    for _ in 0..NOTES_MAX {
        forms.push(nurse.open(&path).await.unwrap());
    }
    disk.fill().unwrap();
    let mut acknowledged = 0;
    let refused = loop {
        let page = send(&nurse, &forms[acknowledged], &path, acknowledged).await;
        if !page.status.is_success() {
            break page;
        }
        saved(&page);
        acknowledged += 1;
        assert!(acknowledged < NOTES_MAX, "the disk never refuses");
    };
    assert_eq!(refused.status.as_u16(), 507, "{}", refused.text());
    assert!(refused.text().contains("Nothing was saved: the node's disk is full."), "{}", refused.text());
    for number in 0..acknowledged {
        assert_eq!(count(&region, number), 1, "what was acknowledged is there");
    }
    assert_eq!(count(&region, acknowledged), 0, "what was refused is not");

    disk.free().unwrap();
    for _ in 0..2 {
        saved(&send(&nurse, &forms[acknowledged], &path, acknowledged).await);
    }
    assert_eq!(count(&region, acknowledged), 1, "the same form saves once, however often it is sent");
    equal(&region).await;
}

/// Waits until the hub has admitted the home's node again.
async fn connected(region: &Region) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while region.site(HOME).unwrap().status().unwrap()["connected"] != true {
        assert!(Instant::now() < deadline, "the node does not come back");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Whether everything that the home wrote is at the hub, within the time that this takes while nothing is wrong.
async fn is_delivered(region: &Region) -> bool {
    let deadline = Instant::now() + DELIVERED;
    while Instant::now() < deadline {
        if region.site(HOME).unwrap().status().unwrap()["waiting"] == 0 {
            return true;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    false
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_whose_disk_is_full_acknowledges_nothing_and_takes_everything_in_once_there_is_room() {
    if !can_run() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 1, Options::default()).await;
    region.stop_hub().await.unwrap();
    let disk = SmallDisk::under(&region.hub_data()).unwrap();
    region.start_hub().await.unwrap();
    connected(&region).await;

    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let path = format!("{}/notes/new", records(&nurse).await.remove(0));
    disk.fill().unwrap();
    let mut written = 0;
    loop {
        let form = nurse.open(&path).await.unwrap();
        saved(&send(&nurse, &form, &path, written).await);
        written += 1;
        if !is_delivered(&region).await {
            break;
        }
        assert!(written < NOTES_MAX, "the disk never refuses");
    }
    let node = inspect::node_heads(&region.site(HOME).unwrap().data()).unwrap();
    assert_ne!(inspect::hub_heads(&region.hub_data(), HOME).unwrap(), node, "the hub lacks what waits");
    let status = region.site(HOME).unwrap().status().unwrap();
    assert_eq!(status["refused"], 0, "no change was judged: {status}");
    let refusal = status["refusal"].as_str().unwrap_or_default();
    assert!(refusal.contains("cannot store anything now"), "{status}");

    disk.free().unwrap();
    equal(&region).await;
    assert!(is_delivered(&region).await, "nothing waits any more");
    for number in 0..written {
        assert_eq!(count(&region, number), 1);
    }
}
