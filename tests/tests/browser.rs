//! The pages in a real browser: the main path step by step, and every page that a link leads to, at the width of a
//! phone, a tablet and a PC, without an accessibility fault. Screenshots are kept in `tests/output`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::process::Command;

use common::{HOME, started};
use hearth_tests::region::Options;
use hearth_tests::setup;

/// Runs a script of `tests/browser` as a nurse of a home; its pictures go into a folder of this name.
async fn walks(script: &str, pictures: &str, arguments: &[&str]) {
    let browser = setup::chromium().unwrap();
    let packages = setup::browser_packages().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (region, made) = started(folder.path(), 6, Options::default()).await;
    let nurse = &made.home_staff[1];
    let pages = format!("https://localhost:{}", region.site(HOME).unwrap().pages().port());
    let output = setup::root().join("tests/output").join(pictures);
    std::fs::create_dir_all(&output).unwrap();
    let walk = Command::new("node")
        .args([script, "--base", &pages, "--name", &nurse.name, "--pin", &nurse.pin])
        .args(arguments)
        .arg("--out")
        .arg(&output)
        .env("HEARTH_CHROMIUM", browser)
        .current_dir(packages)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&walk.stdout).into_owned() + &String::from_utf8_lossy(&walk.stderr);
    assert!(walk.status.success(), "{said}");
    assert!(output.read_dir().unwrap().count() > 0, "pictures are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_path_works_on_phone_and_tablet_without_an_accessibility_fault() {
    walks("walk.mjs", "screenshots", &["--expect-doses"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_is_without_a_fault_at_every_width_at_four_times_its_size_and_without_a_script() {
    walks("crawl.mjs", "pages", &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_path_is_walked_by_keyboard_alone() {
    walks("keyboard.mjs", "keyboard", &[]).await;
}
