//! The node's configuration: `node.toml`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use hearth_protocol::config::{ConfigError, Reader, Section};

use crate::lease::LeaseTerms;
use crate::records::MONTHS_KEPT;

/// Fewest months before the present one that are kept: no page and no check looks back further.
pub(crate) const MONTHS_LEAST: u16 = 2;

/// Where `hearth-node` looks for its configuration when it is not told.
pub const DEFAULT_PATH: &str = "/etc/hearth/node.toml";

/// Everything that a node is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// The folder of its database and keys; relative to the configuration's own folder. Required.
    pub data: PathBuf,
    /// The staff's pages.
    pub pages: Pages,
    /// Metrics and health, without personal data. `127.0.0.1:9465` by default.
    pub metrics: SocketAddr,
    /// Addresses of the hub as `host:port` that are tried before those that the enrolment told. None by default.
    pub hub_addresses: Vec<String>,
    /// After how many days without the hub which step is taken.
    pub lease: LeaseTerms,
    /// How many months before the present one are kept, 2 to 120; older ones are fetched when they are opened. 3 by
    /// default.
    pub months_kept: u16,
}

/// The staff's pages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Where they listen (HTTPS). `[::]:443` by default.
    pub listen: SocketAddr,
    /// Further names and private addresses by which tablets reach the node, without port.
    pub names: Vec<String>,
    /// Minutes without a touch after which a screen locks, 1 to 60. 10 by default.
    pub idle_minutes: u32,
}

impl NodeConfig {
    /// Reads the configuration file. Every fault is listed.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        use anyhow::Context as _;
        let text = std::fs::read_to_string(path).with_context(|| {
            format!("the configuration {} cannot be read; --config names another", path.display())
        })?;
        let folder = path.parent().unwrap_or(Path::new("."));
        Self::from_toml(&text, folder)
            .with_context(|| format!("the configuration {} is wrong", path.display()))
    }

    /// Reads a configuration; relative paths in it start at `folder`. Every fault is listed.
    pub fn from_toml(text: &str, folder: &Path) -> Result<Self, ConfigError> {
        let (mut reader, parsed) = Reader::parse(text)?;
        let mut root = parsed.root();
        let data: Option<PathBuf> = reader.required(&mut root, "data", "the path of a folder");
        let pages = pages(&mut reader, &mut root);
        let mut section = reader.section(&mut root, "metrics");
        let metrics = reader.optional(&mut section, "listen", ADDRESS_FORM);
        reader.close(&section);
        let mut section = reader.section(&mut root, "hub");
        let hub_addresses = reader.texts(&mut section, "addresses").unwrap_or_default();
        reader.close(&section);
        let lease = lease(&mut reader, &mut root);
        let mut section = reader.section(&mut root, "records");
        let months = reader.number(&mut section, "months", &(MONTHS_LEAST.into()..=120));
        let months_kept = months.and_then(|months| u16::try_from(months).ok()).unwrap_or(MONTHS_KEPT);
        reader.close(&section);
        reader.close(&root);
        let metrics = metrics.unwrap_or(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9465));
        let config = data.map(|data| Self {
            data: folder.join(data),
            pages,
            metrics,
            hub_addresses,
            lease,
            months_kept,
        });
        reader.finish(config)
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.data.join("node.db")
    }
}

const ADDRESS_FORM: &str = "an address with a port, such as \"127.0.0.1:9465\" or \"[::]:443\"";

fn pages(reader: &mut Reader<'_>, root: &mut Section<'_>) -> Pages {
    let mut section = reader.section(root, "pages");
    let everywhere = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 443);
    let pages = Pages {
        listen: reader.optional(&mut section, "listen", ADDRESS_FORM).unwrap_or(everywhere),
        names: reader.texts(&mut section, "names").unwrap_or_default(),
        idle_minutes: reader.number(&mut section, "idle_minutes", &(1..=60)).unwrap_or(10),
    };
    reader.close(&section);
    pages
}

fn lease(reader: &mut Reader<'_>, root: &mut Section<'_>) -> LeaseTerms {
    let default = LeaseTerms::default();
    let mut section = reader.section(root, "lease");
    let mut days = |key, default: u16| {
        let days = reader.number(&mut section, key, &(1..=365));
        days.and_then(|days| u16::try_from(days).ok()).unwrap_or(default)
    };
    let terms = LeaseTerms {
        banner_days: days("banner_days", default.banner_days),
        alert_days: days("alert_days", default.alert_days),
        countdown_days: days("countdown_days", default.countdown_days),
        lock_days: days("lock_days", default.lock_days),
        drop_days: days("drop_days", default.drop_days),
    };
    if let Some(fault) = terms.fault() {
        reader.fault(&section, "lock_days", fault);
    }
    reader.close(&section);
    terms
}

#[cfg(test)]
mod example;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_of_one_line_is_enough() {
        let config = NodeConfig::from_toml("data = \"d\"", Path::new("/etc/hearth")).unwrap();
        assert_eq!(config.data, Path::new("/etc/hearth/d"));
        assert_eq!(config.pages.listen.port(), 443);
        assert_eq!(config.lease, LeaseTerms::default());
    }

    #[test]
    fn every_fault_is_listed_at_once() {
        let text = "dta = \"d\"\n[pages]\nlisten = \"here\"\nidle_minutes = 0\n[lease]\nlock_days = 300\n[hub]\naddresses = 5\n";
        let error = NodeConfig::from_toml(text, Path::new(".")).unwrap_err();
        insta::assert_snapshot!(error.to_string());
    }
}
