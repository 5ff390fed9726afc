//! The hazard log names tests; each of them has to exist, or a control would be proven by a name alone.

#![allow(clippy::unwrap_used, reason = "a test may fail where it stands")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Fewest tests that the log names: a change of its form must not empty the search.
const NAMED_LEAST: usize = 40;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_control_in_the_hazard_log_names_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let log = fs::read_to_string(root.join("HAZARDS.md")).unwrap();
    let rows: Vec<Vec<&str>> = log
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| hazard |"))
        .map(|line| line.trim_matches('|').split(" | ").collect())
        .collect();
    let mut named = BTreeSet::new();
    for row in &rows {
        let [hazard, control, tests] = row[..] else { panic!("not three columns: {row:?}") };
        assert!(!hazard.trim().is_empty() && !control.trim().is_empty(), "{row:?}");
        let tests: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty(), "no test proves: {hazard}");
        named.extend(tests);
    }
    assert!(named.len() >= NAMED_LEAST, "{}", named.len());

    let mut files = Vec::new();
    for part in ["protocol", "node", "hub", "provisioning", "tests"] {
        for folder in ["src", "tests"].map(|folder| root.join(part).join(folder)) {
            if folder.is_dir() {
                sources(&folder, &mut files);
            }
        }
    }
    let mut missing = named.clone();
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        missing.retain(|name| !text.contains(&format!("fn {name}(")));
    }
    assert!(missing.is_empty(), "HAZARDS.md names tests that do not exist: {missing:?}");
}
