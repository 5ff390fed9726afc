//! How names, dates, amounts and medicines are written on a clinical screen.
//!
//! The rules are those of the Common User Interface (CUI, ISB 1500 to 1508, Open Government Licence), by their ids.
//! Every format ignores the settings of the device (D+Ta-0006).

pub mod age;
pub mod date;
pub mod frequency;
pub mod medicine_line;
pub mod name;
pub mod quantity;
pub mod reactions;

pub use age::age;
pub use date::{born, date, date_time, day, died, long_date, long_date_time, month, time};
pub use frequency::frequency;
pub use medicine_line::{MedicineLine, Part, PartKind};
pub use name::name;
pub use quantity::measured;
pub use reactions::reactions;

/// Words in a row, as in `Monday, Tuesday and Friday`.
pub(crate) fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod golden;
