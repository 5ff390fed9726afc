//! The audit at the hub: the hub's own chain, and the chains that the nodes send.
//!
//! An event is stored in the transaction of what it tells of, so neither is there without the other.

mod chains;
mod search;
mod verify;

pub use chains::{Taken, append, take};
pub use search::{Filter, Found, Page, PageKey, search};
pub use verify::{Checked, verify_all};

#[cfg(test)]
mod tests;
