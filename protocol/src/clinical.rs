//! Clinical rules and formats, each a pure function with its source.

pub mod nhs_number;

pub use nhs_number::{NhsNumber, NhsNumberError};
