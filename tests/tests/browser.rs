//! The main path in a real browser: sign in, residents, record, observation, note, allergy, dose and strip, at phone
//! and tablet width, without an accessibility fault. Screenshots are kept in `tests/output/screenshots`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::process::Command;

use common::{HOME, started};
use hearth_tests::region::Options;
use hearth_tests::setup;

#[tokio::test(flavor = "multi_thread")]
async fn the_main_path_works_on_phone_and_tablet_without_an_accessibility_fault() {
    let browser = setup::chromium().unwrap();
    let packages = setup::browser_packages().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (region, made) = started(folder.path(), 6, Options::default()).await;
    let nurse = &made.home_staff[1];
    let pages = format!("https://localhost:{}", region.site(HOME).unwrap().pages().port());
    let output = setup::root().join("tests/output/screenshots");
    std::fs::create_dir_all(&output).unwrap();
    let walk = Command::new("node")
        .args([
            "walk.mjs",
            "--expect-doses",
            "--base",
            &pages,
            "--name",
            &nurse.name,
            "--pin",
            &nurse.pin,
            "--out",
        ])
        .arg(&output)
        .env("HEARTH_CHROMIUM", browser)
        .current_dir(packages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&walk.stdout).into_owned() + &String::from_utf8_lossy(&walk.stderr);
    assert!(walk.status.success(), "{said}");
    assert!(output.read_dir().unwrap().count() >= 8, "screenshots of every page are kept");
}
