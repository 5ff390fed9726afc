//! Something drunk or passed, in millilitres.

use askama::Template;
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::Fluid;
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

#[derive(Template)]
#[template(path = "observe/fluid.html")]
pub(super) struct FluidPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
}

/// Most millilitres of one entry: more at a time is a slip of the finger.
const MILLILITRES_MAX: u32 = 5_000;
/// Longest free text.
const WHAT_CHARS_MAX: usize = 200;

impl OneEntry for FluidPage {
    const SECTION: Section = Section::Observations;
    const TITLE: &'static str = "New fluid";
    const SEEN_AS: &'static str = "fluid-new";
    const SHOWN_ON: &'static str = "/obs";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::Fluid(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet }
    }
}

fn read(fields: &Fields, problems: &mut Problems) -> Fluid {
    let intake = match fields.text("way") {
        "in" => true,
        "out" => false,
        _ => {
            problems.add("way", "Choose whether it was drunk or passed");
            true
        }
    };
    let millilitres = fields.parse::<u32>("amount").filter(|amount| (1..=MILLILITRES_MAX).contains(amount));
    if millilitres.is_none() {
        problems
            .add("amount", "Enter the amount as a whole number of millilitres from 1 to 5,000, such as 200");
    }
    Fluid {
        intake,
        millilitres: millilitres.unwrap_or_default(),
        what: problems.optional(fields, "what", WHAT_CHARS_MAX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn what_was_drunk_is_read_and_a_slip_is_told_beside_its_field() {
        let mut problems = Problems::default();
        let drunk = read(&fields(&[("way", "in"), ("amount", "200"), ("what", "tea")]), &mut problems);
        assert_eq!(drunk, Fluid { intake: true, millilitres: 200, what: Some("tea".to_owned()) });
        assert!(problems.is_empty());
        for amount in ["", "0", "5001", "-1", "2.5", "a cup"] {
            let mut problems = Problems::default();
            read(&fields(&[("way", "out"), ("amount", amount)]), &mut problems);
            assert!(problems.of("amount").is_some(), "{amount}");
        }
        read(&fields(&[("amount", "200")]), &mut problems);
        assert!(problems.of("way").is_some());
    }
}
