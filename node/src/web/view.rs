//! What pages show of a record: entries in, words out. Nothing here reads a clock, a store or a request.

pub mod banner;
pub mod chart;
pub mod doses;
pub mod item;
pub mod vitals;
pub mod way;
