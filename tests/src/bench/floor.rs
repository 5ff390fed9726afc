//! The floor: the least that carries the same work. Compact records, zstd, SQLite with a write-ahead log and every
//! commit synced, TCP. It merges nothing, checks nothing, encrypts nothing: what it costs is what moving and keeping
//! the bytes costs, and every figure of an engine can be read as a multiple of it.

mod homes;
mod hub;
mod lay_out;
mod node;
mod record;
mod store;
mod wire;

pub use homes::HomesRole;
pub use hub::HubRole;
pub(super) use lay_out::{lay_out, lay_out_homes};
pub use node::{NodeRole, Work};
