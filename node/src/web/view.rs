//! What pages show of a record: entries in, words out. Nothing here reads a clock, a store or a request.

pub mod banner;
pub mod chart;
pub mod doses;
pub mod item;
pub mod mar;
pub mod prn;
pub mod review;
pub mod trend;
pub mod vitals;
pub mod way;
pub mod whole;

/// What a passage of the plan is called.
pub use crate::web::plan::view::heading as plan_heading;

/// Entries for the tests of views.
#[cfg(test)]
pub(in crate::web) mod made {
    use hearth_protocol::id::{EntryId, InstallId, StaffId};
    use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
    use hearth_protocol::time::Timestamp;

    /// An entry of the site, as if typed when it happened.
    pub(in crate::web) fn entry(counter: u64, happened: Timestamp, body: Body) -> Entry {
        Entry {
            id: EntryId { install: InstallId(7), counter },
            happened,
            recorded: happened,
            author: Author { staff: StaffId(1), role: Role::Carer, name: "A. Carer".into() },
            origin: Origin::Site("VL1AB".parse().unwrap()),
            thread: None,
            replaces: Vec::new(),
            body,
        }
    }
}
