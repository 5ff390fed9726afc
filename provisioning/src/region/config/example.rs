//! `deploy/config/hub.example.toml` says what this reader reads: no key more, no key less, and the true defaults.

use super::*;

const EXAMPLE: &str = include_str!("../../../../deploy/config/hub.example.toml");

fn example() -> HubConfig {
    HubConfig::from_toml(EXAMPLE, Path::new("")).unwrap()
}

/// What the reader knows in each section: asked by a key that it does not know.
fn known_keys() -> Vec<(String, Vec<String>)> {
    let lines = EXAMPLE.lines().flat_map(|line| {
        let header = line.starts_with('[');
        [line, if header { "unheard_of = 1" } else { "" }]
    });
    let text = std::iter::once("unheard_of = 1").chain(lines).collect::<Vec<_>>().join("\n");
    let error = HubConfig::from_toml(&text, Path::new("")).unwrap_err();
    let keys = error.faults.iter().map(|fault| {
        let known = fault.problem.rsplit_once("what is known is ").unwrap().1;
        let section = fault.key.strip_suffix("unheard_of").unwrap().trim_end_matches('.');
        (section.to_owned(), known.split(", ").map(str::to_owned).collect())
    });
    keys.collect()
}

fn section<'t>(example: &'t toml::Table, path: &str) -> &'t toml::Table {
    match path.split_once('[') {
        None if path.is_empty() => example,
        None => example[path].as_table().unwrap(),
        Some((list, _)) => example[list][0].as_table().unwrap(),
    }
}

#[test]
fn the_example_names_every_key_that_the_hub_knows() {
    let table: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let known = known_keys();
    let sections: Vec<&str> = known.iter().map(|(path, _)| path.as_str()).collect();
    let expected = ["", "region", "listen", "advertise", "storage", "administrator[1]", "main_record[1]"];
    assert_eq!(sections, expected);
    for (path, keys) in &known {
        for key in keys {
            assert!(section(&table, path).contains_key(key), "{path}.{key} is not in the example");
        }
    }
}

#[test]
fn the_example_shows_the_true_defaults() {
    let config = example();
    assert_eq!(config.listen, Listen::default());
    assert_eq!(config.advertised.server_name, HubConfig::SERVER_NAME);
    let least: String = ["[region]", "[advertise]", "[[administrator]]"].map(block).concat();
    let least = HubConfig::from_toml(&least, Path::new("")).unwrap();
    assert_eq!((config.data, config.backup), (least.data, least.backup));
    let record = &config.main_records[0];
    assert_eq!((record.identifier_system.as_str(), record.poll_seconds), (NHS_NUMBER_SYSTEM, 60));
}

/// One section of the example.
fn block(header: &str) -> String {
    let start = EXAMPLE.find(&format!("\n{header}\n")).unwrap() + 1;
    let body = &EXAMPLE[start + header.len()..];
    let end = body.find("\n[").unwrap_or(body.len());
    format!("{header}{}\n", &body[..end])
}
