//! What crosses the line between node and hub: frames, messages and their limits.

pub mod limits;
