//! The `hearth` command, run as people and scripts run it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod help;
mod signed;
mod support;
mod with_a_server;
mod without_a_hub;
