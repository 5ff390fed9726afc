//! The main job with real processes on loopback: import, assign, enrol, first sync, cut, edits on both sites, heal,
//! and the same documents at home, pharmacy and hub.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod common;

use common::{HOME, PHARMACY, equal, records, saved, sign_in, started};
use hearth_tests::region::Options;

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
