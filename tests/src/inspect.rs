//! Looks into the databases of hub and node, to compare what they hold. Only tests do this.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use hearth_node::keys::{KeyFile, PlatformKey};
use hearth_node::random::Random;
use hearth_node::store;
use hearth_protocol::id::SiteId;
use hearth_protocol::scope::Scope;
use rusqlite::{Connection, OpenFlags};

/// Every scope that somebody holds, with the heads of its document.
pub type Heads = BTreeMap<Scope, Vec<u8>>;

/// What the hub holds of the scopes that a site is to hold.
pub fn hub_heads(hub_data: &Path, site: &str) -> anyhow::Result<Heads> {
    let site: SiteId = site.parse()?;
    let connection = hub(hub_data)?;
    let mut statement = connection.prepare(
        "SELECT scope.key, scope.heads FROM scope JOIN subscription ON subscription.scope = scope.key
         WHERE subscription.site = ?1",
    )?;
    let rows = statement.query_map([site.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    heads(rows.collect::<Result<_, _>>()?)
}

/// A connection to the hub's database that only reads.
pub fn hub(hub_data: &Path) -> anyhow::Result<Connection> {
    let path = hub_data.join("hub.db");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    Connection::open_with_flags(&path, flags).with_context(|| format!("cannot open {}", path.display()))
}

/// A connection to a node's database that only reads, opened with the machine's own key.
pub fn node(data: &Path) -> anyhow::Result<Connection> {
    let random = Random::system()?;
    let platform = PlatformKey::load(None, data, &random)?;
    let key = KeyFile::load(data)?.context("the node has no key file")?.open_platform(&platform)?;
    Ok(store::reader(&data.join("node.db"), &key)?)
}

/// What a node holds.
pub fn node_heads(data: &Path) -> anyhow::Result<Heads> {
    let connection = node(data)?;
    let mut statement = connection.prepare("SELECT key, heads FROM scope WHERE changes > 0")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    heads(rows.collect::<Result<_, _>>()?)
}

fn heads(rows: Vec<(Vec<u8>, Vec<u8>)>) -> anyhow::Result<Heads> {
    rows.into_iter().map(|(key, heads)| Ok((Scope::from_key(&key)?, heads))).collect()
}
