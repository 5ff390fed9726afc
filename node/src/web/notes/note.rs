//! A daily note.

use askama::Template;
use hearth_protocol::record::Body;
use hearth_protocol::record::notes::Note;
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;
use crate::web::view::item::NOTE_KINDS;

#[derive(Template)]
#[template(path = "notes/note.html")]
pub(in crate::web) struct NotePage {
    pub(in crate::web) frame: Frame,
    pub(in crate::web) banner: Banner,
    pub(in crate::web) sheet: Sheet,
    pub(in crate::web) kinds: [(&'static str, &'static str); 9],
}

/// Longest note.
const NOTE_CHARS_MAX: usize = 8_000;

impl OneEntry for NotePage {
    const SECTION: Section = Section::Notes;
    const TITLE: &'static str = "New note";
    const SEEN_AS: &'static str = "note-new";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::Note(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet, kinds: NOTE_KINDS }
    }
}

fn read(fields: &Fields, problems: &mut Problems) -> Note {
    let category = fields.text("kind");
    let is_known = NOTE_KINDS.iter().any(|(key, _)| *key == category);
    if !is_known {
        problems.add("kind", "Choose what the note is about");
    }
    Note {
        category: category.to_owned(),
        text: problems.required(fields, "text", NOTE_CHARS_MAX, "the note"),
        important: fields.is_ticked("important"),
    }
}
