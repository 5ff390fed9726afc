//! A weight, in kilograms.

use askama::Template;
use hearth_protocol::clinical::{Vital, plausible};
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::{Coded, System};
use hearth_protocol::record::medicines::{Decimal, Quantity};
use hearth_protocol::record::observations::Measurement;
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

#[derive(Template)]
#[template(path = "observe/weight.html")]
pub(super) struct WeightPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
}

/// Longest free text.
const TEXT_CHARS_MAX: usize = 500;

impl OneEntry for WeightPage {
    const SECTION: Section = Section::Observations;
    const TITLE: &'static str = "New weight";
    const SEEN_AS: &'static str = "weight-new";
    const SHOWN_ON: &'static str = "/obs";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::Measurement(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet }
    }
}

fn read(fields: &Fields, problems: &mut Problems) -> Measurement {
    let value = plausible::kilograms(fields.text("weight"))
        .map_err(|implausible| problems.add("weight", implausible.to_string()))
        .unwrap_or(Decimal { mantissa: 0, places: 0 });
    let code = Vital::Weight.code();
    Measurement {
        what: Coded::new(System::Snomed, code.snomed, code.display),
        value: Some(Quantity { value, unit: code.unit.to_owned() }),
        text: problems.optional(fields, "text", TEXT_CHARS_MAX),
        device: None,
        file: None,
    }
}
