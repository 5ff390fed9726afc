//! Clinical rules and formats, each a pure function with its source.

pub mod allergy_check;
pub mod body_map;
pub mod codes;
pub mod dose_times;
pub mod format;
pub mod news2;
pub mod nhs_number;
pub mod plausible;
pub mod prn;
pub mod soft_signs;

pub use codes::{Parameter, Vital};
pub use news2::{Band, News2};
pub use nhs_number::{NhsNumber, NhsNumberError};
