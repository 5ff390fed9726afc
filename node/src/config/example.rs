//! `deploy/config/node.example.toml` says what this reader reads: no key more, no key less, and the true defaults.

use super::*;

const EXAMPLE: &str = include_str!("../../../deploy/config/node.example.toml");

/// What the reader knows in each section: asked by a key that it does not know.
fn known_keys() -> Vec<(String, Vec<String>)> {
    let lines = EXAMPLE.lines().flat_map(|line| {
        let header = line.starts_with('[');
        [line, if header { "unheard_of = 1" } else { "" }]
    });
    let text = std::iter::once("unheard_of = 1").chain(lines).collect::<Vec<_>>().join("\n");
    let error = NodeConfig::from_toml(&text, Path::new("")).unwrap_err();
    let keys = error.faults.iter().map(|fault| {
        let known = fault.problem.rsplit_once("what is known is ").unwrap().1;
        let section = fault.key.strip_suffix("unheard_of").unwrap().trim_end_matches('.');
        (section.to_owned(), known.split(", ").map(str::to_owned).collect())
    });
    keys.collect()
}

#[test]
fn the_example_names_every_key_that_the_node_knows() {
    let table: toml::Table = toml::from_str(EXAMPLE).unwrap();
    let known = known_keys();
    let sections: Vec<&str> = known.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(sections, ["", "pages", "metrics", "hub", "lease", "records"]);
    for (path, keys) in &known {
        let section = if path.is_empty() { &table } else { table[path].as_table().unwrap() };
        for key in keys {
            assert!(section.contains_key(key), "{path}.{key} is not in the example");
        }
    }
}

#[test]
fn the_example_shows_the_true_defaults() {
    let example = NodeConfig::from_toml(EXAMPLE, Path::new("")).unwrap();
    let least = NodeConfig::from_toml("data = \"/var/lib/hearth-node\"", Path::new("")).unwrap();
    let pages = Pages { names: Vec::new(), ..example.pages };
    assert_eq!(NodeConfig { pages, hub_addresses: Vec::new(), ..example }, least);
}
