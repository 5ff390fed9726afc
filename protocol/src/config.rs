//! Reads a configuration (TOML) key by key and lists every fault with its line, instead of stopping at the first.

use std::fmt;
use std::str::FromStr;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Table, Value};

/// One thing wrong in a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// The line, from 1; none for what is missing altogether.
    pub line: Option<usize>,
    /// The key, such as `listen.quic`; empty where the text is no TOML.
    pub key: String,
    /// What is wrong and what would be right.
    pub problem: String,
}

impl fmt::Display for ConfigFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if self.key.is_empty() {
            f.write_str(&self.problem)
        } else {
            write!(f, "{} {}", self.key, self.problem)
        }
    }
}

/// Everything wrong in a configuration, in the order of its lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// The faults, at least one.
    pub faults: Vec<ConfigFault>,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let faults: Vec<String> = self.faults.iter().map(ConfigFault::to_string).collect();
        f.write_str(&faults.join("\n"))
    }
}

impl std::error::Error for ConfigError {}

/// Reads one text and collects its faults.
pub struct Reader<'t> {
    text: &'t str,
    faults: Vec<ConfigFault>,
}

/// A table of the text, with the keys that were asked for.
pub struct Section<'a> {
    path: String,
    line: Option<usize>,
    values: Option<&'a Table>,
    spans: Option<&'a DeTable<'a>>,
    known: Vec<&'static str>,
}

/// A text as values and as places.
pub struct Parsed<'t> {
    values: Table,
    spans: Spanned<DeTable<'t>>,
}

impl<'t> Reader<'t> {
    /// Parses a text. One that is no TOML has the faults of its form alone.
    pub fn parse(text: &'t str) -> Result<(Self, Parsed<'t>), ConfigError> {
        let not_toml = |error: &toml::de::Error| {
            let line = error.span().map(|span| line_of(text, span.start));
            let fault = ConfigFault { line, key: String::new(), problem: error.message().to_owned() };
            ConfigError { faults: vec![fault] }
        };
        let spans = DeTable::parse(text).map_err(|error| not_toml(&error))?;
        let values = toml::from_str(text).map_err(|error| not_toml(&error))?;
        Ok((Self { text, faults: Vec::new() }, Parsed { values, spans }))
    }

    /// Adds a fault about a key of a section.
    pub fn fault(&mut self, section: &Section<'_>, key: &str, problem: impl Into<String>) {
        let line = section.line_of(self.text, key).or(section.line);
        self.faults.push(ConfigFault { line, key: section.path_of(key), problem: problem.into() });
    }

    /// The section under a key; an absent one reads as empty.
    pub fn section<'a>(&mut self, parent: &mut Section<'a>, key: &'static str) -> Section<'a> {
        let (value, span) = parent.take(key);
        if value.is_some_and(|value| !value.is_table()) {
            self.fault(parent, key, format!("is to be a section: write [{}]", parent.path_of(key)));
        }
        Section {
            path: parent.path_of(key),
            line: span.map(|span| line_of(self.text, span.span().start)),
            values: value.and_then(Value::as_table),
            spans: span.and_then(|span| span.get_ref().as_table()),
            known: Vec::new(),
        }
    }

    /// The sections of a list, such as every `[[main_record]]`.
    pub fn sections<'a>(&mut self, parent: &mut Section<'a>, key: &'static str) -> Vec<Section<'a>> {
        let (value, span) = parent.take(key);
        let Some(value) = value else { return Vec::new() };
        let items = value.as_array().filter(|items| items.iter().all(Value::is_table));
        let Some(items) = items else {
            self.fault(
                parent,
                key,
                format!("is to be a list of sections: write [[{}]]", parent.path_of(key)),
            );
            return Vec::new();
        };
        let spans = span.and_then(|span| span.get_ref().as_array());
        let section = |(index, item): (usize, &'a Value)| {
            let span = spans.and_then(|spans| spans.get(index));
            Section {
                path: format!("{}[{}]", parent.path_of(key), index + 1),
                line: span.map(|span| line_of(self.text, span.span().start)),
                values: item.as_table(),
                spans: span.and_then(|span| span.get_ref().as_table()),
                known: Vec::new(),
            }
        };
        items.iter().enumerate().map(section).collect()
    }

    /// A text that parses as `T`, if the key is there; `form` says what is expected.
    pub fn optional<T: FromStr>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        form: &str,
    ) -> Option<T> {
        let value = section.take(key).0?;
        let parsed = value.as_str().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            self.fault(section, key, format!("is to be {form}"));
        }
        parsed
    }

    /// A text that parses as `T`, which has to be there.
    pub fn required<T: FromStr>(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        form: &str,
    ) -> Option<T> {
        if !section.has(key) {
            section.known.push(key);
            self.fault(section, key, format!("is missing: it is to be {form}"));
            return None;
        }
        self.optional(section, key, form)
    }

    /// A whole number within a range, if the key is there.
    pub fn number(
        &mut self,
        section: &mut Section<'_>,
        key: &'static str,
        range: &std::ops::RangeInclusive<u32>,
    ) -> Option<u32> {
        let value = section.take(key).0?;
        let number = value.as_integer().and_then(|number| u32::try_from(number).ok());
        let number = number.filter(|number| range.contains(number));
        if number.is_none() {
            self.fault(section, key, format!("is to be a number from {} to {}", range.start(), range.end()));
        }
        number
    }

    /// A list of texts, if the key is there.
    pub fn texts(&mut self, section: &mut Section<'_>, key: &'static str) -> Option<Vec<String>> {
        let value = section.take(key).0?;
        let texts = value.as_array().and_then(|items| {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        if texts.is_none() {
            self.fault(section, key, "is to be a list of texts, such as [\"one\", \"two\"]");
        }
        texts
    }

    /// Reports the keys of a section that nothing asked for.
    pub fn close(&mut self, section: &Section<'_>) {
        let keys =
            section.values.map(|table| table.keys().cloned().collect::<Vec<String>>()).unwrap_or_default();
        for key in keys {
            if !section.known.contains(&key.as_str()) {
                let known = section.known.join(", ");
                self.fault(section, &key, format!("is not known here; what is known is {known}"));
            }
        }
    }

    /// The value, if nothing was wrong.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, ConfigError> {
        self.faults.sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        match value {
            Some(value) if self.faults.is_empty() => Ok(value),
            Some(_) | None => Err(ConfigError { faults: self.faults }),
        }
    }
}

impl Parsed<'_> {
    /// The whole text as a section without a name.
    pub fn root(&self) -> Section<'_> {
        Section {
            path: String::new(),
            line: None,
            values: Some(&self.values),
            spans: Some(self.spans.get_ref()),
            known: Vec::new(),
        }
    }
}

impl<'a> Section<'a> {
    fn has(&self, key: &str) -> bool {
        self.values.is_some_and(|table| table.contains_key(key))
    }

    fn take(&mut self, key: &'static str) -> (Option<&'a Value>, Option<&'a Spanned<DeValue<'a>>>) {
        self.known.push(key);
        (self.values.and_then(|table| table.get(key)), self.spans.and_then(|table| table.get(key)))
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn line_of(&self, text: &str, key: &str) -> Option<usize> {
        let (name, _) = self.spans?.get_key_value(key)?;
        Some(line_of(text, name.span().start))
    }
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}
