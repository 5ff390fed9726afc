//! The help of every command, word for word: it is what administrators learn the command from.

use crate::support::hearth;

/// Every command, as it is typed.
const COMMANDS: [&str; 39] = [
    "",
    "init",
    "site",
    "site add",
    "site list",
    "site show",
    "site invite",
    "site revoke",
    "resident",
    "resident import",
    "resident list",
    "resident assign",
    "resident move",
    "staff",
    "staff add",
    "staff import",
    "staff list",
    "staff end",
    "status",
    "audit",
    "audit verify",
    "audit search",
    "audit signed",
    "main-record",
    "main-record status",
    "main-record retry",
    "main-record release",
    "quarantine",
    "quarantine list",
    "quarantine show",
    "quarantine release",
    "quarantine discard",
    "backup",
    "doctor",
    "context",
    "context show",
    "context use",
    "completions",
    "man",
];

#[test]
fn every_command_explains_itself() {
    for command in COMMANDS {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let told = hearth(&words);
        assert_eq!(told.code, 0, "{command}");
        let name = format!(
            "help-{}",
            if command.is_empty() { "hearth".to_owned() } else { command.replace(' ', "-") }
        );
        insta::assert_snapshot!(name, told.stdout);
    }
}

#[test]
fn every_command_that_does_something_has_an_example() {
    let groups = ["site", "resident", "staff", "audit", "main-record", "quarantine", "context"];
    for command in COMMANDS.into_iter().filter(|command| !groups.contains(command)) {
        let words: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let told = hearth(&words).stdout;
        let plain = ["site show", "staff list"].contains(&command);
        assert!(plain || told.contains("Examples:\n  "), "{command}: {told}");
    }
}

#[test]
fn every_command_has_a_man_page_and_no_page_is_without_its_command() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(hearth(&["man", folder.path().to_str().unwrap()]).code, 0);
    let mut pages: Vec<String> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    pages.sort();
    let mut expected: Vec<String> = COMMANDS
        .map(|command| format!("{}.1", format!("hearth {command}").trim().replace(' ', "-")))
        .to_vec();
    expected.sort();
    assert_eq!(pages, expected);
}

#[test]
fn shells_get_their_completions() {
    for shell in ["bash", "zsh", "fish"] {
        let told = hearth(&["completions", shell]);
        assert_eq!(told.code, 0);
        assert!(told.stdout.contains("main-record"), "{shell}");
    }
}
