//! A short word for software: what an event says beyond its fields, without any text that a person typed.

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

/// A code of 1 to 48 lower-case letters, digits, hyphens and dots, such as `wrong-pin` or `mar.round`.
///
/// The alphabet has no space and no capital, so that no name and no sentence ends up in the audit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(String);

/// The text is not a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code is 1 to {} lower-case letters, digits, hyphens or dots", Code::LENGTH_MAX)]
pub struct CodeError;

impl Code {
    /// Longest code, in bytes.
    pub const LENGTH_MAX: usize = 48;

    /// The code as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The nearest code to a text: capitals become small, what no code has becomes a hyphen, what is too long is cut.
    ///
    /// For names of program parts and configured tokens; never for what a person typed about somebody.
    pub fn near(text: &str) -> Self {
        let fold = |c: char| if sound(c) { c } else { '-' };
        let code: String =
            text.chars().map(|c| fold(c.to_ascii_lowercase())).take(Self::LENGTH_MAX).collect();
        Self(if code.is_empty() { "-".to_owned() } else { code })
    }
}

fn sound(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.'
}

impl FromStr for Code {
    type Err = CodeError;

    fn from_str(text: &str) -> Result<Self, CodeError> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len()) && text.chars().all(sound);
        fits.then(|| Self(text.to_owned())).ok_or(CodeError)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<C> Encode<C> for Code {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(&self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for Code {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        d.str()?.parse().map_err(|_| minicbor::decode::Error::message("form of a code"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_has_a_code_near_it(text in "\\PC{0,80}") {
            let code = Code::near(&text);
            prop_assert_eq!(code.as_str().parse::<Code>(), Ok(code.clone()));
        }

        #[test]
        fn a_code_is_the_nearest_to_itself(text in "[a-z0-9.-]{1,48}") {
            prop_assert_eq!(text.parse::<Code>(), Ok(Code::near(&text)));
        }
    }

    #[test]
    fn no_sentence_is_a_code() {
        for text in ["", "Rose", "left leg", "été", &"x".repeat(49)] {
            assert_eq!(text.parse::<Code>(), Err(CodeError), "{text:?}");
        }
    }
}
