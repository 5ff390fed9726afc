//! Of what the programs that were measured are made.

use std::collections::BTreeMap;
use std::process::Command;

use serde::Deserialize;

use super::run::System;

/// What cargo resolved when this program was built.
const LOCK: &str = include_str!("../../../Cargo.lock");
/// The packages on which the figures rest.
const PACKAGES: [&str; 7] = ["automerge", "quinn", "rusqlite", "rustls", "tokio", "zstd", "ed25519-dalek"];
/// What is no part of the programs, and may differ from what was committed.
const REPORTS: &str = ":!tests/reports";

#[derive(Deserialize)]
struct Lock {
    package: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
}

/// The versions of the compiler, the packages, the commit, and the other engines that were measured.
pub(super) fn of(systems: impl Iterator<Item = System>) -> BTreeMap<String, String> {
    let mut versions = packages(LOCK);
    let mut say = |name: &str, said: Option<String>| {
        if let Some(version) = said {
            versions.insert(name.to_owned(), version);
        }
    };
    say("rustc", said("rustc", &["--version"]).and_then(|text| Some(text.split(' ').nth(1)?.to_owned())));
    say("commit", commit());
    for system in systems.filter(|system| system.is_peer()) {
        if let Some((name, version)) = system.title().split_once(' ') {
            say(name, Some(version.to_owned()));
        }
        say("node", said("node", &["--version"]));
    }
    versions
}

fn packages(lock: &str) -> BTreeMap<String, String> {
    let lock: Lock = toml::from_str(lock).unwrap_or(Lock { package: Vec::new() });
    let named = lock.package.into_iter().filter(|package| PACKAGES.contains(&package.name.as_str()));
    named.map(|package| (package.name, package.version)).collect()
}

/// The commit that is checked out, and whether something differs from it.
fn commit() -> Option<String> {
    let head = said("git", &["rev-parse", "--short=12", "HEAD"])?;
    let is_clean = said("git", &["status", "--porcelain", "--", ".", REPORTS])?.is_empty();
    Some(if is_clean { head } else { format!("{head} and more") })
}

/// What a command prints, if it is there and succeeds.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).current_dir(crate::setup::root()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_versions_of_what_was_built_and_of_the_engines_that_were_measured_are_told() {
        let told = of([System::Floor, System::Hearth, System::Samod].into_iter());
        for package in PACKAGES {
            assert!(told[package].split('.').count() >= 3, "{package}");
        }
        assert_eq!(told["samod"], "0.16.0");
        assert!(!told.contains_key("Hearth") && !told.contains_key("pouchdb"));
        assert!(told["rustc"].starts_with("1."));
    }
}
