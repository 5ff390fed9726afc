//! Soft signs: what somebody who knows the person noticed, by prompts and in own words.

use askama::Template;
use hearth_protocol::clinical::soft_signs::{SOFT_SIGNS, SOURCE, SoftSign};
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::SoftSigns;
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

#[derive(Template)]
#[template(path = "observe/soft_signs.html")]
pub(super) struct SoftSignsPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
    pub(super) signs: [SoftSign; 10],
    pub(super) source: &'static str,
}

/// Longest free text.
const TEXT_CHARS_MAX: usize = 2_000;

impl OneEntry for SoftSignsPage {
    const SECTION: Section = Section::Observations;
    const TITLE: &'static str = "Soft signs";
    const SEEN_AS: &'static str = "soft-signs-new";
    const SHOWN_ON: &'static str = "/obs";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::SoftSigns(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet, signs: SOFT_SIGNS, source: SOURCE }
    }
}

fn read(fields: &Fields, problems: &mut Problems) -> SoftSigns {
    let signs: Vec<String> =
        SOFT_SIGNS.iter().filter(|sign| fields.is_ticked(sign.key)).map(|sign| sign.key.to_owned()).collect();
    let text = problems.optional(fields, "text", TEXT_CHARS_MAX);
    if signs.is_empty() && text.is_none() {
        problems.add("breathing", "Tick what you noticed, or say it in your own words");
    }
    SoftSigns { signs, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn what_was_ticked_and_said_is_read_and_nothing_at_all_is_refused() {
        let mut problems = Problems::default();
        let seen =
            read(&fields(&[("mind", "yes"), ("unknown", "yes"), ("text", "Not herself.")]), &mut problems);
        assert_eq!(seen, SoftSigns { signs: vec!["mind".to_owned()], text: Some("Not herself.".to_owned()) });
        assert!(problems.is_empty());
        read(&fields(&[("text", "  ")]), &mut problems);
        assert!(problems.of("breathing").is_some());
    }
}
