//! A node's database as the first version of the software left it: one record, and an entry that the hub has not got.

use hearth_protocol::document::{self, Tip};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Entry;
use hearth_protocol::record::entry::Origin;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OpenFlags, params};

use super::host::Shared;
use super::lock;
use super::model::Deed;
use super::node::NodeHost;
use super::strike::draft;

/// The schema of the first version. It was released, so it never changes.
const FIRST_SCHEMA: &str = include_str!("../../../node/src/store/schema/0001_start.sql");
/// Counter of its one entry.
pub(super) const COUNTER: u64 = 1;

/// What staff of a site wrote with the first version.
#[derive(Clone, Debug)]
pub(super) struct Older {
    pub(super) deed: Deed,
    pub(super) number: u64,
    pub(super) at: Timestamp,
}

/// Writes the database at the first start of a host that had the first version.
pub(super) fn prepare(node: &NodeHost, shared: &Shared) -> anyhow::Result<()> {
    let Some(older) = lock(&node.older).take() else { return Ok(()) };
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
    let connection = Connection::open_with_flags_and_vfs(node.host.database(), flags, shared.vfs.as_str())?;
    connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE;")?;
    connection.execute_batch(&format!("PRAGMA key = \"x'{}'\";", *node.key.to_hex()))?;
    connection.execute_batch("PRAGMA synchronous = FULL;")?;
    write(&connection, node, &older)?;
    shared.coverage.count("program", "database of an older form brought up to date");
    Ok(())
}

fn write(connection: &Connection, node: &NodeHost, older: &Older) -> anyhow::Result<()> {
    connection.execute_batch(FIRST_SCHEMA)?;
    connection.pragma_update(None, "user_version", 1)?;
    let (deed, install) = (&older.deed, node.install().site().install);
    let Some(scope) = Scope::of_resident(deed.resident, deed.section, older.at) else { return Ok(()) };
    let draft = draft(deed, older.number, older.at);
    let entry = Entry {
        id: EntryId { install, counter: COUNTER },
        happened: draft.happened,
        recorded: older.at,
        author: deed.author.clone(),
        origin: Origin::Site(deed.site),
        thread: None,
        replaces: Vec::new(),
        body: draft.body,
    };
    let mut tip = Tip::default();
    let first = document::genesis(deed.section);
    tip.advance(install, &first);
    let second = document::add(install, deed.section, &mut tip, vec![entry.clone()])?;
    let person = deed.resident.0.as_bytes();
    connection.execute("INSERT INTO resident VALUES (?1, 'granted', 0)", [person])?;
    let subject: Vec<u8> = [&[1], person.as_slice()].concat();
    let heads: Vec<u8> = tip.heads.iter().flat_map(|head| head.0).collect();
    let (section, month) = (i64::from(deed.section.code()), scope.month().map(|month| month.to_string()));
    let values =
        params![scope.to_key(), subject, section, month, heads, tip.max_op, Digest::default().to_bytes()];
    connection.execute("INSERT INTO scope VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, 1, 2, 0, ?7)", values)?;
    for (id, change) in [(1, &first), (2, &second)] {
        let values = params![id, change.hash.0, change.bytes];
        connection.execute("INSERT INTO change VALUES (?1, 1, ?2, NULL, ?3)", values)?;
        connection.execute("INSERT INTO outbox VALUES (?1, 1, NULL)", [id])?;
    }
    let (id, kind, bytes) = (entry.id, entry.body.kind(), entry.to_bytes());
    let key: Vec<u8> = [id.install.0.to_be_bytes().as_slice(), &id.counter.to_be_bytes()].concat();
    connection.execute(
        "INSERT INTO entry VALUES (?1, 1, ?2, ?3, ?4, ?1, ?5, ?6, 2, ?7)",
        params![key, subject, section, kind, entry.happened.0, entry.recorded.0, bytes],
    )?;
    for key in ["entry-counter", "outbox-group"] {
        connection.execute("INSERT INTO meta VALUES (?1, ?2)", params![key, minicbor::to_vec(COUNTER)?])?;
    }
    Ok(())
}
