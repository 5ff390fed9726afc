//! How the person is cared for and what they want.

pub mod view;
