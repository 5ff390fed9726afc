//! What syncing costs: a home's records reach a fresh node, and the node comes back with nothing changed.

mod cost;
mod fill;
mod first_sync;
mod handshakes;
mod report;

pub use cost::Cost;
pub use fill::{Filled, Size};
pub use first_sync::{Bench, Run};
pub use handshakes::Handshakes;
pub use report::{Machine, Report};
