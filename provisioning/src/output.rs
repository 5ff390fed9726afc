//! Data on stdout, words on stderr.

use std::io::{IsTerminal, Write};

use comfy_table::{Table, presets};
use hearth_protocol::time::Timestamp;
use serde::Serialize;

use crate::failure::Failure;

/// How the command speaks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
}

impl Output {
    /// Speaks JSON, or as people read.
    pub(crate) fn new(json: bool) -> Self {
        Self { json }
    }

    /// Whether data goes out as JSON.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person sees what goes to stderr as it comes.
    pub(crate) fn is_watched(self) -> bool {
        !self.json && std::io::stderr().is_terminal()
    }

    /// Puts out data: as one line of JSON, or as `text` makes it.
    pub(crate) fn data<T: Serialize>(self, data: &T, text: impl FnOnce(&T) -> String) -> Result<(), Failure> {
        if self.json {
            return line(&serde_json::to_string(data)?);
        }
        line(text(data).trim_end())
    }
}

/// Puts out a text as it is.
pub(crate) fn line(text: &str) -> Result<(), Failure> {
    let mut stdout = anstream::stdout().lock();
    writeln!(stdout, "{text}")?;
    stdout.flush()?;
    Ok(())
}

/// Says something to the person; data that is piped stays clean.
pub(crate) fn words(text: impl AsRef<str>) -> Result<(), Failure> {
    writeln!(anstream::stderr().lock(), "{}", text.as_ref())?;
    Ok(())
}

/// A table without lines: columns that a person reads and `awk` cuts.
pub(crate) fn table(header: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header.iter().map(|name| name.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.join("\n")
}

/// Names and values below each other.
pub(crate) fn fields(pairs: &[(&str, String)]) -> String {
    let width = pairs.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = pairs.iter().map(|(name, value)| format!("{name:width$}  {value}").trim_end().to_owned());
    lines.collect::<Vec<String>>().join("\n")
}

/// A moment as people of the region read it, to the minute.
pub(crate) fn moment(at: Timestamp) -> String {
    at.in_zone().strftime("%Y-%m-%d %H:%M").to_string()
}

/// A moment that may be absent.
pub(crate) fn maybe(at: Option<Timestamp>) -> String {
    at.map_or_else(|| "never".to_owned(), moment)
}

/// A value that may be absent, as `-`.
pub(crate) fn dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// How long ago a moment is, in the largest unit that fits.
pub(crate) fn ago(at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(at) = at else { return "never".to_owned() };
    let seconds = now.ms_since(at).max(0) / 1000;
    match seconds {
        0..90 => format!("{seconds} s"),
        90..5400 => format!("{} min", seconds / 60),
        5400..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A number of bytes as people read it.
pub(crate) fn size(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
