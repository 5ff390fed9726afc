//! A tablet that loses its node in the middle of a round, in a real browser with a real node that is killed and frozen:
//! what was tapped is kept, shown, and filed once.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

mod common;

use std::process::Stdio;

use common::{HOME, started};
use hearth_tests::region::Options;
use hearth_tests::setup;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

#[tokio::test(flavor = "multi_thread")]
async fn a_dose_tapped_out_of_reach_stays_marked_over_a_reload_and_is_filed_once() {
    let browser = setup::chromium().unwrap();
    let packages = setup::browser_packages().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 6, Options::default()).await;
    let nurse = &made.home_staff[1];
    let pages = format!("https://localhost:{}", region.site(HOME).unwrap().pages().port());
    let mut script = tokio::process::Command::new("node")
        .args(["offline.mjs", "--base", &pages, "--name", &nurse.name, "--pin", &nurse.pin, "--out"])
        .arg(setup::root().join("tests/output/offline"))
        .env("HEARTH_CHROMIUM", browser)
        .current_dir(packages)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut answers = script.stdin.take().unwrap();
    let mut lines = BufReader::new(script.stdout.take().unwrap()).lines();
    while let Some(line) = lines.next_line().await.unwrap() {
        let site = region.site_mut(HOME).unwrap();
        match line.as_str() {
            "cut" => site.kill().unwrap(),
            "back" => site.start().await.unwrap(),
            "stop" => site.node().unwrap().signal("STOP").unwrap(),
            "go" => site.node().unwrap().signal("CONT").unwrap(),
            said => {
                println!("{said}");
                continue;
            }
        }
        answers.write_all(b"done\n").await.unwrap();
    }
    assert!(script.wait().await.unwrap().success());
}
