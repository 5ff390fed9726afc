//! The node of one site: an encrypted store, the link to the hub, and what the staff's pages read and write.
//!
//! [`records::Records`] is what pages call. [`store::Store`] is where everything is kept; [`clock::Clock`] and
//! [`random::Random`] are the only time and randomness there are.

pub mod app;
pub mod clock;
mod compact;
pub mod config;
pub mod enrol;
pub mod files;
pub mod install;
pub mod keys;
pub mod lease;
pub mod ops;
pub mod print;
pub mod random;
pub mod records;
pub mod store;
pub mod sync;
pub mod web;
