//! The node's configuration file, `node.toml`.

use std::net::SocketAddr;
use std::path::PathBuf;

use hearth_protocol::config::{ConfigError, Reader, Section};

use crate::lease::LeaseTerms;

/// What `node.toml` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where the node keeps everything.
    pub data: PathBuf,
    /// Where the hubs listen, as `host:port`, if not where the enrolment said.
    pub hubs: Vec<String>,
    /// Where the pages are served.
    pub web: SocketAddr,
    /// Names and addresses by which tablets reach the node.
    pub names: Vec<String>,
    /// The steps of the lease.
    pub lease: LeaseTerms,
}

impl Config {
    /// The configuration of this text, or everything that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let (mut reader, parsed) = Reader::parse(text)?;
        let mut root = parsed.root();
        let data =
            reader.required::<PathBuf>(&mut root, "data", "a directory, such as \"/var/lib/hearth-node\"");
        let mut hub = reader.section(&mut root, "hub");
        let hubs = reader.texts(&mut hub, "addresses").unwrap_or_default();
        reader.close(&hub);
        let mut web = reader.section(&mut root, "web");
        let listen = reader.optional(&mut web, "listen", "an address and port, such as \"0.0.0.0:443\"");
        let names = reader.texts(&mut web, "names").unwrap_or_default();
        reader.close(&web);
        let mut section = reader.section(&mut root, "lease");
        let lease = lease(&mut reader, &mut section);
        reader.close(&section);
        reader.close(&root);
        let web = listen.unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], 443)));
        reader.finish(data.map(|data| Self { data, hubs, web, names, lease }))
    }
}

fn lease(reader: &mut Reader<'_>, section: &mut Section<'_>) -> LeaseTerms {
    let default = LeaseTerms::default();
    let mut days = |key, default| {
        let days = reader.number(section, key, &(1..=180)).and_then(|days| u16::try_from(days).ok());
        days.unwrap_or(default)
    };
    let terms = LeaseTerms {
        banner_days: days("banner_days", default.banner_days),
        alert_days: days("alert_days", default.alert_days),
        countdown_days: days("countdown_days", default.countdown_days),
        lock_days: days("lock_days", default.lock_days),
        drop_days: days("drop_days", default.drop_days),
    };
    if let Some(fault) = terms.fault() {
        reader.fault(section, "lock_days", fault);
    }
    terms
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_file_is_enough() {
        let config = Config::parse("data = \"/var/lib/hearth-node\"").unwrap();
        assert_eq!((config.web.port(), config.lease), (443, LeaseTerms::default()));
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let error = Config::parse("[web]\nlisten = \"here\"\n[lease]\nlock_days = 1\ncolour = \"red\"\n");
        let faults = error.unwrap_err().to_string();
        for part in ["data is missing", "web.listen", "lease.lock_days", "colour"] {
            assert!(faults.contains(part), "{part}: {faults}");
        }
    }
}
