//! Exact arithmetic and text of [`Decimal`]: doses and stock never pass through a floating-point number.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use super::Decimal;

/// Most digits after the point.
pub const PLACES_MAX: u8 = 9;

/// The text is not a decimal number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecimalError {
    /// Something other than digits, one point and a sign.
    #[error("a number is written as 2.5 or 1,000")]
    Malformed,
    /// More digits than are kept.
    #[error("a number has at most 9 decimals and 18 digits")]
    TooLong,
}

impl Decimal {
    /// Zero.
    pub const ZERO: Self = Self { mantissa: 0, places: 0 };

    /// A whole number.
    pub const fn whole(number: i64) -> Self {
        Self { mantissa: number, places: 0 }
    }

    /// The same number without trailing zeros, so that equal numbers are equal. Digits beyond [`PLACES_MAX`], which no
    /// sound writer makes, are cut off.
    #[must_use]
    pub fn normal(self) -> Self {
        let (mut mantissa, mut places) = (self.mantissa, self.places);
        while places > PLACES_MAX || (places > 0 && mantissa % 10 == 0) {
            mantissa /= 10;
            places -= 1;
        }
        Self { mantissa, places }
    }

    /// The order of the two numbers: 2.50 and 2.5 are equal here, though not as fields.
    pub fn compare(self, other: Self) -> Ordering {
        self.in_billionths().cmp(&other.in_billionths())
    }

    /// Whether the number is below zero.
    pub fn is_negative(self) -> bool {
        self.mantissa < 0
    }

    /// The sum; none where it has more digits than can be held.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        Self::from_billionths(self.in_billionths().checked_add(other.in_billionths())?)
    }

    /// The difference; none where it has more digits than can be held.
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        Self::from_billionths(self.in_billionths().checked_sub(other.in_billionths())?)
    }

    /// In units of 10^-9, where any two numbers can be compared and added without loss: an `i64` mantissa at the
    /// most, times 10^9, fits an `i128` many times over.
    pub(crate) fn in_billionths(self) -> i128 {
        let Self { mantissa, places } = self.normal();
        i128::from(mantissa) * 10_i128.pow(u32::from(PLACES_MAX.saturating_sub(places)))
    }

    pub(crate) fn from_billionths(billionths: i128) -> Option<Self> {
        let (mut value, mut places) = (billionths, PLACES_MAX);
        while places > 0 && value % 10 == 0 {
            value /= 10;
            places -= 1;
        }
        i64::try_from(value).ok().map(|mantissa| Self { mantissa, places })
    }
}

impl FromStr for Decimal {
    type Err = DecimalError;

    /// Reads `0.5`, `.5`, `-2`, `1,000.25`. A comma stands before three digits of the whole part or is refused: `2,5`
    /// may mean 2.5 or 25.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let text = text.trim();
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if digits.ends_with('.') || (whole.is_empty() && fraction.is_empty()) {
            return Err(DecimalError::Malformed);
        }
        let whole = without_commas(whole)?;
        let is_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !is_digits(&whole) || !is_digits(fraction) {
            return Err(DecimalError::Malformed);
        }
        let places = u8::try_from(fraction.len()).map_err(|_| DecimalError::TooLong)?;
        if places > PLACES_MAX || whole.len() + fraction.len() > 18 {
            return Err(DecimalError::TooLong);
        }
        let mantissa: i64 = format!("{whole}{fraction}").parse().map_err(|_| DecimalError::TooLong)?;
        Ok(Self { mantissa: if is_negative { -mantissa } else { mantissa }, places })
    }
}

fn without_commas(whole: &str) -> Result<String, DecimalError> {
    let mut groups = whole.split(',');
    let first = groups.next().unwrap_or_default();
    let rest: Vec<&str> = groups.collect();
    let is_grouped = rest.iter().all(|g| g.len() == 3) && (rest.is_empty() || (1..=3).contains(&first.len()));
    is_grouped.then(|| format!("{first}{}", rest.concat())).ok_or(DecimalError::Malformed)
}

/// Without trailing zeros, with a leading zero, with commas from 1,000 (CUI MEDi-014 to 017, 042 to 044).
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mantissa, places } = self.normal();
        let digits = format!("{:0>width$}", mantissa.unsigned_abs(), width = usize::from(places) + 1);
        let (whole, fraction) = digits.split_at(digits.len() - usize::from(places));
        if mantissa < 0 {
            f.write_str("-")?;
        }
        for (place, digit) in whole.chars().enumerate() {
            if place > 0 && (whole.len() - place) % 3 == 0 {
                f.write_str(",")?;
            }
            write!(f, "{digit}")?;
        }
        if fraction.is_empty() { Ok(()) } else { write!(f, ".{fraction}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_shown_as_clinicians_read_them() {
        for (mantissa, places, text) in [
            (5, 1, "0.5"),
            (250, 2, "2.5"),
            (20, 1, "2"),
            (1000, 0, "1,000"),
            (123_456_705, 2, "1,234,567.05"),
            (999, 0, "999"),
            (0, 3, "0"),
            (-15, 1, "-1.5"),
            (1, 9, "0.000000001"),
        ] {
            assert_eq!(Decimal { mantissa, places }.to_string(), text);
        }
    }

    #[test]
    fn what_is_no_number_is_refused() {
        for text in ["", ".", "-", "1.", "1.2.3", "2,5", "1,00", "1000,000", "0x1", "1e3", "+1", "１", ",100"]
        {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::Malformed), "{text:?}");
        }
        for text in ["0.0000000001", "1234567890123456789", "123456789012345678.9"] {
            assert_eq!(text.parse::<Decimal>(), Err(DecimalError::TooLong), "{text:?}");
        }
    }

    #[test]
    fn equal_numbers_compare_equal_whatever_their_places() {
        let (short, long): (Decimal, Decimal) = ("2.5".parse().unwrap(), "2.500".parse().unwrap());
        assert_eq!(short.compare(long), Ordering::Equal);
        assert_eq!(short, long.normal());
    }

    proptest! {
        #[test]
        fn a_number_reads_back_from_its_text(mantissa in -999_999_999_999_999_999i64..1_000_000_000_000_000_000, places in 0u8..=9) {
            let number = Decimal { mantissa, places };
            prop_assert_eq!(number.to_string().parse::<Decimal>().map(Decimal::normal), Ok(number.normal()));
        }

        #[test]
        fn no_stored_number_breaks_the_arithmetic(a: i64, b: i64, p: u8, q: u8) {
            let (a, b) = (Decimal { mantissa: a, places: p }, Decimal { mantissa: b, places: q });
            let _ = (a.to_string(), a.compare(b), a.normal());
            if let Some(sum) = a.checked_add(b) {
                prop_assert_eq!(sum.checked_sub(b), Some(a.normal()));
            }
        }

        #[test]
        fn any_text_is_a_number_or_a_reason(text in ".{0,24}") {
            if let Ok(number) = text.parse::<Decimal>() {
                prop_assert_eq!(number.to_string().parse::<Decimal>().map(Decimal::normal), Ok(number.normal()));
            }
        }
    }
}
