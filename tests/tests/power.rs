//! Power cuts: hub and nodes are killed where they are, twenty times, and nothing that was acknowledged is lost.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::time::Duration;

use common::{HOME, PHARMACY, equal, records, saved, sign_in, started};
use hearth_tests::region::{Options, Person, Region};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

const ROUNDS: u32 = 20;

/// Kills one of the three at a random moment while somebody writes, and starts it again.
async fn cut_power(region: &mut Region, random: &mut SmallRng) {
    tokio::time::sleep(Duration::from_millis(random.random_range(0..300))).await;
    match random.random_range(0..3) {
        0 => {
            region.kill_hub().unwrap();
            region.start_hub().await.unwrap();
        }
        victim => {
            let site = region.site_mut(if victim == 1 { HOME } else { PHARMACY }).unwrap();
            site.kill().unwrap();
            site.start().await.unwrap();
        }
    }
}

/// Writes notes until the node is gone or told to stop; those of which the page said that they are saved.
async fn write(nurse: Person, record: String, round: u32) -> Vec<String> {
    let mut acknowledged = Vec::new();
    for number in 0..6 {
        let text = format!("round {round} note {number}");
        let fields = [("kind", "general"), ("text", text.as_str())];
        match nurse.fill_in(&format!("{record}/notes/new"), &fields).await {
            Ok(page) => {
                saved(&page);
                acknowledged.push(text);
            }
            Err(_) => break,
        }
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_entry_is_lost_in_twenty_power_cuts() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 2, Options::default()).await;
    let mut random = SmallRng::seed_from_u64(1);
    let mut acknowledged = Vec::new();
    let mut record = None;
    for round in 0..ROUNDS {
        let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
        let path = match &record {
            Some(path) => String::clone(path),
            None => record.insert(records(&nurse).await.remove(0)).clone(),
        };
        let writing = tokio::task::spawn(write(nurse, path, round));
        cut_power(&mut region, &mut random).await;
        acknowledged.extend(writing.await.unwrap());
    }
    equal(&region).await;
    let texts = common::notes(&region, HOME);
    let lost: Vec<&String> = acknowledged.iter().filter(|text| !texts.contains(text)).collect();
    assert!(lost.is_empty(), "{} of {} acknowledged notes are lost", lost.len(), acknowledged.len());
    assert!(acknowledged.len() > 20, "the test wrote enough to mean something: {}", acknowledged.len());
    let twice = acknowledged.iter().filter(|text| texts.iter().filter(|t| t == text).count() > 1).count();
    assert_eq!(twice, 0, "no note is there twice");
}

/// A link on which nothing is said counts as lost after a minute and a half; this takes less than `equal` waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_notices_at_its_next_word_that_the_hub_was_killed_and_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 1, Options::default()).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let record = records(&nurse).await.remove(0);
    region.kill_hub().unwrap();
    region.start_hub().await.unwrap();
    assert_eq!(write(nurse, record, 1).await.len(), 6);
    // The home's first word comes with the notes; the pharmacy's with its next sign of life.
    equal(&region).await;
    assert_eq!(common::notes(&region, HOME).len(), 6);
}
