//! The NHS number: ten digits of which the last checks the rest (NHS Data Dictionary, NHS NUMBER).

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A number whose check digit is right. That is no proof that it belongs to anybody: see
/// [`NhsNumberStatus`](crate::record::identity::NhsNumberStatus).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NhsNumber(u64);

/// Why a text is not an NHS number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NhsNumberError {
    /// Not ten digits.
    #[error("an NHS number has 10 digits, such as 999 000 0018")]
    Length,
    /// Something that is neither a digit, a space nor a hyphen.
    #[error("an NHS number has only digits and spaces")]
    Character,
    /// The check digit does not fit: a digit is wrong or two are swapped.
    #[error("this NHS number has a wrong digit: check it against the letter or card")]
    CheckDigit,
    /// Ten equal digits pass the sum and are nobody's.
    #[error("an NHS number is not one digit ten times")]
    AllEqual,
}

impl NhsNumber {
    /// The ten digits, first to last.
    pub fn digits(self) -> [u8; 10] {
        let mut rest = self.0;
        let mut digits = [0; 10];
        for digit in digits.iter_mut().rev() {
            *digit = u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        digits
    }

    /// Ten digits without spaces, as FHIR carries them.
    pub fn to_plain(self) -> String {
        format!("{:010}", self.0)
    }

    /// The number that these nine digits begin, unless no check digit fits them.
    pub fn with_check_digit(nine: u64) -> Option<Self> {
        let nine = nine % 1_000_000_000;
        (0..10).find_map(|check| Self::checked(nine * 10 + check).ok())
    }

    fn checked(number: u64) -> Result<Self, NhsNumberError> {
        let candidate = Self(number);
        let digits = candidate.digits();
        if digits.iter().all(|d| Some(d) == digits.first()) {
            return Err(NhsNumberError::AllEqual);
        }
        let sum: u32 = digits.iter().zip((2..=10).rev()).map(|(d, weight)| u32::from(*d) * weight).sum();
        let check = match 11 - sum % 11 {
            11 => 0,
            other => other,
        };
        match digits.last() {
            Some(last) if u32::from(*last) == check => Ok(candidate),
            _ => Err(NhsNumberError::CheckDigit),
        }
    }
}

impl FromStr for NhsNumber {
    type Err = NhsNumberError;

    /// Reads ten digits; spaces and hyphens among them are let through, as people write them.
    fn from_str(text: &str) -> Result<Self, NhsNumberError> {
        let mut number: u64 = 0;
        let mut count = 0;
        for character in text.trim().chars() {
            match character {
                '0'..='9' => {
                    count += 1;
                    number = number.saturating_mul(10).saturating_add(u64::from(character) - u64::from('0'));
                }
                ' ' | '-' | '\u{a0}' => {}
                _ => return Err(NhsNumberError::Character),
            }
        }
        if count != 10 {
            return Err(NhsNumberError::Length);
        }
        Self::checked(number)
    }
}

/// Three, three and four digits with single spaces (CUI NUM-0001, NUM-0002).
impl fmt::Display for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03} {:03} {:04}", self.0 / 10_000_000, self.0 / 10_000 % 1_000, self.0 % 10_000)
    }
}

/// Never the number itself: what is printed for debugging may reach a log.
impl fmt::Debug for NhsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NhsNumber(..)")
    }
}

impl<C> Encode<C> for NhsNumber {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.u64(self.0)?;
        Ok(())
    }
}

impl<'b, C> Decode<'b, C> for NhsNumber {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        let number = d.u64()?;
        let sound = (number < 10_000_000_000).then(|| Self::checked(number).ok()).flatten();
        sound.ok_or_else(|| minicbor::decode::Error::message("form of an NHS number"))
    }
}

impl Serialize for NhsNumber {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_plain())
    }
}

impl<'de> Deserialize<'de> for NhsNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_numbers_are_told_apart() {
        for good in ["9434765919", "9000000009", "9990000018", " 999 000 0018 ", "999-000-0018"] {
            assert!(good.parse::<NhsNumber>().is_ok(), "{good}");
        }
        for (bad, why) in [
            ("9434765918", NhsNumberError::CheckDigit),
            ("1234567890", NhsNumberError::CheckDigit),
            ("1111111111", NhsNumberError::AllEqual),
            ("0000000000", NhsNumberError::AllEqual),
            ("943476591", NhsNumberError::Length),
            ("94347659190", NhsNumberError::Length),
            ("", NhsNumberError::Length),
            ("943476591x", NhsNumberError::Character),
        ] {
            assert_eq!(bad.parse::<NhsNumber>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn it_is_shown_three_three_four() {
        let number: NhsNumber = "9990000018".parse().unwrap();
        assert_eq!(number.to_string(), "999 000 0018");
        assert_eq!(number.to_plain(), "9990000018");
        assert_eq!(format!("{number:?}"), "NhsNumber(..)");
    }

    proptest! {
        #[test]
        fn one_wrong_digit_is_always_found(nine in 0u64..1_000_000_000, place in 0usize..10, other in 1u8..10) {
            if let Some(number) = NhsNumber::with_check_digit(nine) {
                let mut digits = number.digits();
                digits[place] = (digits[place] + other) % 10;
                let text: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
                prop_assert!(text.parse::<NhsNumber>().is_err());
            }
        }

        #[test]
        fn two_neighbours_swapped_are_always_found(nine in 0u64..1_000_000_000, place in 0usize..9) {
            if let Some(number) = NhsNumber::with_check_digit(nine) {
                let mut digits = number.digits();
                prop_assume!(digits[place] != digits[place + 1]);
                digits.swap(place, place + 1);
                let text: String = digits.iter().map(|d| char::from(b'0' + d)).collect();
                prop_assert!(text.parse::<NhsNumber>().is_err());
            }
        }

        #[test]
        fn any_text_is_a_number_or_a_reason(text in ".{0,24}") {
            if let Ok(number) = text.parse::<NhsNumber>() {
                prop_assert_eq!(number.to_plain().parse::<NhsNumber>(), Ok(number));
                let bytes = minicbor::to_vec(number).unwrap();
                prop_assert_eq!(minicbor::decode::<NhsNumber>(&bytes).unwrap(), number);
            }
        }
    }
}
