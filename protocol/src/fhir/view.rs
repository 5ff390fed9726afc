//! Narrow views of a resource: one element at a time, each of which may be absent or of a wrong shape.

use serde_json::{Map, Value};

use crate::wire::limits;

/// Reads elements of a JSON value without ever failing: what has another shape counts as absent.
pub(crate) trait View {
    /// The element of this name, unless it is absent or null.
    fn at(&self, key: &str) -> Option<&Value>;

    /// The text of an element. Real partners also send numbers and booleans as texts and back: see [`View::flag`].
    fn text(&self, key: &str) -> Option<&str>;

    /// The items of an element. One that should be a list and is a single value counts as a list of one.
    fn list(&self, key: &str) -> &[Value];

    /// An element that should be a single value; of a list, its first.
    fn one(&self, key: &str) -> Option<&Value>;

    /// A true or false, also when sent as a text.
    fn flag(&self, key: &str) -> Option<bool>;

    /// The element below several names.
    fn path(&self, keys: &[&str]) -> Option<&Value>;

    /// The text below several names.
    fn path_text(&self, keys: &[&str]) -> Option<&str> {
        let (last, above) = keys.split_last()?;
        self.path(above)?.text(last)
    }

    /// The extension with this URL.
    fn extension(&self, url: &str) -> Option<&Value> {
        self.list("extension").iter().find(|e| e.text("url") == Some(url))
    }
}

impl View for Value {
    fn at(&self, key: &str) -> Option<&Value> {
        self.as_object()?.get(key).filter(|v| !v.is_null())
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.at(key)?.as_str().map(str::trim).filter(|t| !t.is_empty())
    }

    fn list(&self, key: &str) -> &[Value] {
        match self.at(key) {
            Some(Value::Array(items)) => items,
            Some(one) => std::slice::from_ref(one),
            None => &[],
        }
    }

    fn one(&self, key: &str) -> Option<&Value> {
        self.list(key).first().filter(|v| !v.is_null())
    }

    fn flag(&self, key: &str) -> Option<bool> {
        match self.at(key)? {
            Value::Bool(flag) => Some(*flag),
            Value::String(text) => text.parse().ok(),
            Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => None,
        }
    }

    fn path(&self, keys: &[&str]) -> Option<&Value> {
        keys.iter().try_fold(self, |value, key| value.one(key))
    }
}

/// The items of a list that an entry takes.
pub(crate) fn capped(items: &[Value]) -> &[Value] {
    items.get(..limits::FHIR_LIST_MAX).unwrap_or(items)
}

/// A text no longer than an entry takes, at a character's border; one that was cut says so.
pub(crate) fn cut(text: &str) -> String {
    cut_to(text, limits::FHIR_TEXT_BYTES_MAX)
}

/// A text of at most so many bytes, not counting the mark of a cut.
pub(crate) fn cut_to(text: &str, max: usize) -> String {
    let text = text.trim();
    if text.len() <= max {
        return text.to_owned();
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{} [cut: read the original]", text.get(..end).unwrap_or_default())
}

/// A number as it was sent, with its trailing zeros.
pub(crate) fn digits(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => Some(number.to_string()),
        Value::String(text) => {
            let text = text.trim();
            text.parse::<f64>().ok().filter(|n| n.is_finite()).map(|_| text.to_owned())
        }
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A whole number, also when it was sent as `1.0`.
pub(crate) fn whole(value: &Value) -> Option<u32> {
    let text = digits(value)?;
    let whole = match text.split_once('.') {
        Some((whole, rest)) if rest.bytes().all(|b| b == b'0') => whole,
        Some(_) => return None,
        None => &text,
    };
    whole.parse().ok()
}

/// Annotations (`note`) as one text.
pub(crate) fn notes(resource: &Value) -> Option<String> {
    let texts: Vec<&str> = capped(resource.list("note")).iter().filter_map(|n| n.text("text")).collect();
    (!texts.is_empty()).then(|| cut(&texts.join("\n")))
}

/// The words of a narrative without its markup; lines end where blocks, rows and items end.
pub(crate) fn plain(xhtml: &str) -> String {
    let mut out = String::new();
    let mut rest = xhtml;
    while let Some(start) = rest.find('<') {
        let (before, tag) = rest.split_at(start);
        out.push_str(&unescape(before));
        let Some(end) = tag.find('>') else {
            rest = "";
            break;
        };
        out.push_str(separator(tag.get(1..end).unwrap_or_default()));
        rest = tag.get(end + 1..).unwrap_or_default();
    }
    out.push_str(&unescape(rest));
    let lines = out.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|l| !l.is_empty()).collect::<Vec<_>>().join("\n")
}

fn separator(tag: &str) -> &'static str {
    let name: String = tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).collect();
    match name.to_ascii_lowercase().as_str() {
        "p" | "div" | "br" | "li" | "tr" | "table" | "ul" | "ol" | "h1" | "h2" | "h3" | "h4" | "h5"
        | "h6" => "\n",
        "td" | "th" => " ",
        _ => "",
    }
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, from) = rest.split_at(start);
        out.push_str(before);
        let entity = from.find(';').filter(|end| *end < 12).and_then(|end| Some((from.get(1..end)?, end)));
        let decoded = entity.and_then(|(name, end)| Some((character(name)?, end)));
        if let Some((character, end)) = decoded {
            out.push(character);
            rest = from.get(end + 1..).unwrap_or_default();
        } else {
            out.push('&');
            rest = from.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn character(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        "nbsp" => Some(' '),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

/// A text as it stands inside XHTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(character),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// Builds a JSON object without its absent elements.
pub(crate) struct Builder(Map<String, Value>);

impl Builder {
    /// An empty object.
    pub(crate) fn new() -> Self {
        Self(Map::new())
    }

    /// A resource of a type.
    pub(crate) fn resource(kind: &str) -> Self {
        Self::new().with("resourceType", kind)
    }

    /// With an element.
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0.insert(key.to_owned(), value.into());
        self
    }

    /// With an element if there is one. Empty texts, lists and objects are left out: FHIR allows none of them.
    pub(crate) fn maybe(self, key: &str, value: Option<impl Into<Value>>) -> Self {
        match value.map(Into::into) {
            None | Some(Value::Null) => self,
            Some(Value::Array(items)) if items.is_empty() => self,
            Some(Value::Object(items)) if items.is_empty() => self,
            Some(Value::String(text)) if text.trim().is_empty() => self,
            Some(value) => self.with(key, value),
        }
    }

    /// With one more item of a list, which is made where it is absent.
    pub(crate) fn maybe_more(mut self, key: &str, item: Option<Value>) -> Self {
        if let Some(item) = item {
            match self.0.get_mut(key) {
                Some(Value::Array(items)) => items.push(item),
                _ => {
                    self.0.insert(key.to_owned(), Value::Array(vec![item]));
                }
            }
        }
        self
    }

    /// The object.
    pub(crate) fn build(self) -> Value {
        Value::Object(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_narrative_reads_as_lines_of_plain_words() {
        let html = "<div xmlns=\"http://www.w3.org/1999/xhtml\"><p>Tea &amp; toast</p><ul><li>one</li>\
                    <li>t&#119;o &lt;3</li></ul></div>";
        assert_eq!(plain(html), "Tea & toast\none\ntwo <3");
    }

    #[test]
    fn a_list_sent_as_one_value_is_read_as_a_list_of_one() {
        let value = json!({"a": {"b": "x"}, "c": [{"b": "y"}], "t": "true"});
        assert_eq!(value.list("a").len(), 1);
        assert_eq!(value.path_text(&["c", "b"]), Some("y"));
        assert_eq!(value.flag("t"), Some(true));
    }

    #[test]
    fn a_whole_number_is_read_however_it_is_written() {
        assert_eq!(whole(&json!(3)), Some(3));
        assert_eq!(whole(&serde_json::from_str("1.0").unwrap()), Some(1));
        assert_eq!(whole(&serde_json::from_str("1.5").unwrap()), None);
        assert_eq!(whole(&json!(-1)), None);
    }

    proptest! {
        #[test]
        fn an_escaped_text_holds_no_markup_and_reads_back(text in "[ -~\u{e9}\u{20ac}]{0,60}") {
            let escaped = escape(&text);
            prop_assert!(!escaped.contains('<') && !escaped.contains('>'));
            let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
            prop_assert_eq!(plain(&escaped), words);
        }

        #[test]
        fn any_text_has_a_plain_form(text: String) {
            let _ = plain(&text);
        }

        #[test]
        fn a_cut_never_splits_a_character(text: String, max in 0usize..40) {
            prop_assert!(cut_to(&text, max).len() <= max.max(text.len()) + 32);
        }
    }
}
