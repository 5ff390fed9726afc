//! The main job with real processes on loopback: import, assign, enrol, first sync, cut, edits on both sites, heal,
//! and the same documents at home, pharmacy and hub.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

use std::time::{Duration, Instant};

use hearth_protocol::access::SiteKind;
use hearth_protocol::time::Timestamp;
use hearth_tests::generate::region::{self as made, region as make};
use hearth_tests::inspect;
use hearth_tests::region::{Options, Page, Person, Region};

const HOME: &str = "VL1AB";
const PHARMACY: &str = "FQ123";

fn now() -> Timestamp {
    hearth_node::clock::Clock::system().now()
}

/// A region with a home and a pharmacy that hold the same residents.
async fn started(folder: &std::path::Path, residents: usize, options: Options) -> (Region, made::Region) {
    let made = make(7, 1, residents, now());
    let mut region = Region::create(folder, "Test Vale", options).await.unwrap();
    region.add_site(HOME, SiteKind::CareHome, "Rose Court", &made.home_staff).await.unwrap();
    region.add_site(PHARMACY, SiteKind::Pharmacy, "High Street", &made.pharmacy_staff).await.unwrap();
    region.import_made(&made, &[HOME, PHARMACY]).unwrap();
    equal(&region).await;
    (region, made)
}

async fn are_equal(region: &Region) -> bool {
    for site in [HOME, PHARMACY] {
        let hub = inspect::hub_heads(&region.hub_data(), site).unwrap();
        let node = inspect::node_heads(&region.site(site).unwrap().data()).await.unwrap();
        if hub.is_empty() || hub != node {
            return false;
        }
    }
    true
}

/// Waits until both sites hold what the hub has for them.
async fn equal(region: &Region) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !are_equal(region).await {
        assert!(Instant::now() < deadline, "the sites and the hub do not become equal");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn sign_in(region: &Region, site: &str, staff: &made::Staff) -> Person {
    let site = region.site(site).unwrap();
    site.sign_in(&region.web_roots(), &staff.name, &staff.pin).await.unwrap()
}

fn saved(page: &Page) {
    assert!(page.status.is_success() && !page.text().contains("There is a problem"), "{}", page.text());
}

/// The paths of the residents' records, as the list links them.
async fn records(person: &Person) -> Vec<String> {
    let mut records = person.open("/residents").await.unwrap().links("/r/");
    records.sort();
    records.dedup();
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn what_both_sites_wrote_apart_is_at_all_three_after_the_line_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (region, made) = started(folder.path(), 4, Options::default()).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let pharmacist = sign_in(&region, PHARMACY, &made.pharmacy_staff[0]).await;
    let record = records(&nurse).await.remove(0);

    for site in region.sites() {
        site.line().cut();
    }
    saved(
        &nurse
            .fill_in(
                &format!("{record}/notes/new"),
                &[("kind", "general"), ("text", "A quiet night by the window")],
            )
            .await
            .unwrap(),
    );
    let vitals = [
        ("respiratory_rate", "22"),
        ("oxygen_saturation", "93"),
        ("breathing", "air"),
        ("systolic", "104"),
        ("diastolic", "70"),
        ("pulse", "112"),
        ("consciousness", "alert"),
        ("temperature", "38.4"),
    ];
    saved(&nurse.fill_in(&format!("{record}/obs/new"), &vitals).await.unwrap());
    saved(
        &pharmacist
            .fill_in(
                &format!("{record}/allergies/new"),
                &[("substance", "Zinc plaster"), ("reaction", "Rash")],
            )
            .await
            .unwrap(),
    );
    assert!(nurse.open(&record).await.unwrap().text().contains("A quiet night by the window"));
    assert!(!nurse.open(&record).await.unwrap().text().contains("Zinc plaster"));

    for site in region.sites() {
        site.line().heal();
    }
    equal(&region).await;
    let at_home = nurse.open(&record).await.unwrap().text();
    assert!(at_home.contains("Zinc plaster"), "the pharmacist's allergy is at the home");
    let at_pharmacy = pharmacist.open(&record).await.unwrap().text();
    assert!(!at_pharmacy.contains("A quiet night"), "a home's note never reaches a pharmacy");
}
