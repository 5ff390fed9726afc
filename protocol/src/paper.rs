//! A sheet of paper as its maker describes it: what stands on it, not where. The helper that sets it knows no record.

use serde::{Deserialize, Serialize};

/// Version of the description. A helper refuses another: node and helper are installed together.
pub const VERSION: u16 = 1;
/// Longest description that is set, in bytes: a home of 200 with all its charts is far below it.
pub const JOB_BYTES_MAX: usize = 16 * 1024 * 1024;

/// What is to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// [`VERSION`].
    pub version: u16,
    /// Title of the file: the kind of sheet, never a name.
    pub title: String,
    /// The site's name.
    pub site: String,
    /// When it was made, as it stands on each page.
    pub made: String,
    /// Until when it may be relied upon, or how, on each page.
    pub caution: String,
    /// The parts, each of which begins a page.
    pub parts: Vec<Part>,
}

/// Pages about one person, or about none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What these pages are.
    pub heading: String,
    /// Whose they are; stands at the head of each.
    pub person: Option<Person>,
    /// Whether the page lies on its long side.
    pub landscape: bool,
    /// What stands on them.
    pub blocks: Vec<Block>,
}

/// Who it is, as at the head of each page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// `SMITH, Margaret (Mrs)`.
    pub name: String,
    /// What the person likes to be called.
    pub preferred: Option<String>,
    /// `14-Aug-1938 (88y)`.
    pub born: String,
    /// `999 000 0018`.
    pub nhs_number: String,
    /// Room.
    pub room: Option<String>,
    /// The title of the allergies and what is known.
    pub allergies: String,
    /// The decision about resuscitation.
    pub cpr: String,
}

/// Something that stands on a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Block {
    /// Names and what they are.
    Facts {
        /// Heading.
        heading: String,
        /// Name and text.
        rows: Vec<(String, String)>,
    },
    /// Sentences.
    Text {
        /// Heading.
        heading: String,
        /// One a paragraph.
        paragraphs: Vec<String>,
    },
    /// A table whose header comes again on each page.
    Table {
        /// Heading.
        heading: String,
        /// Names of the columns.
        columns: Vec<String>,
        /// Their shares of the width.
        widths: Vec<u16>,
        /// As many cells as columns. An empty one is a box to write in.
        rows: Vec<Vec<String>>,
        /// Least height of a row in millimetres, so that there is room to write.
        row_mm: u16,
    },
    /// Things to tick.
    Boxes {
        /// Heading.
        heading: String,
        /// What each is for.
        items: Vec<String>,
    },
    /// A code to be read by a camera.
    Code {
        /// Heading.
        heading: String,
        /// The code as SVG.
        svg: String,
        /// What it is for.
        words: String,
    },
}
