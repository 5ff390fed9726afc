//! Forms: what was typed, what is wrong with it, and the key by which one form saves once.

use std::fmt;
use std::str::FromStr;

use hearth_protocol::time::Timestamp;
use uuid::Uuid;

use crate::random::Random;

/// The fields of a form as they were sent, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(pub Vec<(String, String)>);

/// A fault in what was typed, told at the top of the page and beside the field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field's id.
    pub field: &'static str,
    /// A sentence that says what to do.
    pub sentence: String,
}

/// All that is wrong with a form, in the order of its fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

/// A field that no form has: it marks one that was filled in out of reach of the node and came later.
const AWAY: &str = "away";
/// How long such a form may have been on its way, in milliseconds: as long as the months are kept that it may go into.
pub const AWAY_MS_MAX: i64 = 30 * 86_400_000;

impl Fields {
    /// The same fields as of a form that this very request brings.
    #[must_use]
    pub fn sent_now(mut self) -> Self {
        self.0.retain(|(field, _)| field != AWAY);
        self
    }

    /// The same fields as of a form that was filled in then, out of reach of the node.
    #[must_use]
    pub fn made_away(self, at: Timestamp) -> Self {
        let mut fields = self.sent_now();
        fields.0.retain(|(field, _)| field != "recorded_at");
        fields.0.push(("recorded_at".to_owned(), at.0.to_string()));
        fields.0.push((AWAY.to_owned(), "yes".to_owned()));
        fields
    }

    /// Whether the form was filled in out of reach of the node: what it says has happened already.
    pub fn is_made_away(&self) -> bool {
        self.is_ticked(AWAY)
    }

    /// What was typed in a field, without white space at its ends.
    pub fn text(&self, name: &str) -> &str {
        self.0.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value.trim())
    }

    /// The same where something was typed.
    pub fn some(&self, name: &str) -> Option<String> {
        Some(self.text(name)).filter(|text| !text.is_empty()).map(str::to_owned)
    }

    /// Whether a box with this name was ticked.
    pub fn is_ticked(&self, name: &str) -> bool {
        !self.text(name).is_empty()
    }

    /// The value of a field, if it can be read as one.
    pub fn parse<T: FromStr>(&self, name: &str) -> Option<T> {
        self.text(name).parse().ok()
    }

    /// When the form was filled in. A moment of the page's own making; one that lies ahead of `now` or more than a
    /// day behind it is not believed; one of a form that was made out of reach may lie further back.
    pub fn recorded_at(&self, now: Timestamp) -> Timestamp {
        const DAY_MS: i64 = 86_400_000;
        let stated = self.parse::<i64>("recorded_at").map(Timestamp);
        let most = if self.is_made_away() { AWAY_MS_MAX } else { DAY_MS };
        stated.filter(|at| (0..most).contains(&now.ms_since(*at))).unwrap_or(now)
    }
}

impl Problems {
    /// Adds a fault.
    pub fn add(&mut self, field: &'static str, sentence: impl Into<String>) {
        self.0.push(Problem { field, sentence: sentence.into() });
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first fault of a field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.iter().find(|problem| problem.field == field).map(|problem| problem.sentence.as_str())
    }

    /// What was typed, if it is there and short enough; else a fault is added and the text is empty.
    pub fn required(&mut self, fields: &Fields, field: &'static str, chars_max: usize, what: &str) -> String {
        let text = fields.text(field);
        if text.is_empty() {
            self.add(field, format!("Enter {what}"));
        }
        self.within(field, text, chars_max);
        text.to_owned()
    }

    /// What was typed, if anything; a fault is added where it is too long.
    pub fn optional(&mut self, fields: &Fields, field: &'static str, chars_max: usize) -> Option<String> {
        let text = fields.some(field)?;
        self.within(field, &text, chars_max);
        Some(text)
    }

    fn within(&mut self, field: &'static str, text: &str, chars_max: usize) {
        let chars = text.chars().count();
        if chars > chars_max {
            self.add(field, format!("Use {chars_max} characters or fewer: this has {chars}"));
        }
    }
}

/// The key of a form: a form that is sent twice is saved once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormKey(Uuid);

impl FormKey {
    /// A new key.
    pub fn new(now: Timestamp, random: &Random) -> Self {
        let ms = u64::try_from(now.0).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(ms, &random.bytes::<10>()).into_uuid())
    }
}

impl fmt::Display for FormKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_key_is_of_version_7_and_one_that_records_take() {
        let key = FormKey::new(Timestamp(1_764_158_400_000), &Random::seeded(1));
        assert!(key.to_string().parse::<crate::records::IdempotencyKey>().is_ok());
        assert_eq!(key.0.get_version_num(), 7);
    }

    #[test]
    fn the_time_of_filling_in_is_believed_only_for_a_day() {
        let now = Timestamp(1_764_158_400_000);
        let at = |ms: i64| fields(&[("recorded_at", &now.plus_ms(ms).0.to_string())]).recorded_at(now);
        assert_eq!(at(-60_000), now.plus_ms(-60_000));
        assert_eq!(at(60_000), now);
        assert_eq!(at(-90_000_000), now);
        assert_eq!(fields(&[("recorded_at", "soon")]).recorded_at(now), now);
    }

    #[test]
    fn a_missing_and_an_overlong_text_are_told_by_field() {
        let mut problems = Problems::default();
        problems.required(&fields(&[("text", "  ")]), "text", 10, "the note");
        problems.optional(&fields(&[("place", "a far too long place")]), "place", 10);
        assert_eq!(problems.of("text"), Some("Enter the note"));
        assert_eq!(problems.of("place"), Some("Use 10 characters or fewer: this has 20"));
    }
}
