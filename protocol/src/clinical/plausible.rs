//! What a vital sign can be at all: a value from outside is a typing mistake and is refused at the edge.
//!
//! The limits are wider than anything that is seen in a living person, so they hold no clinical judgement.

use std::fmt;

use super::codes::Vital;
use super::format;
use crate::record::medicines::Decimal;
use crate::record::observations::VitalSigns;

/// Lowest and highest value of a vital sign that is taken; temperature in tenths of a degree. None for a panel or a
/// scale, and for a weight, which is held as a decimal.
pub fn limits(vital: Vital) -> Option<(u16, u16)> {
    match vital {
        Vital::RespiratoryRate => Some((0, 99)),
        Vital::OxygenSaturation => Some((40, 100)),
        Vital::Systolic => Some((30, 300)),
        Vital::Diastolic => Some((10, 200)),
        Vital::Pulse => Some((10, 300)),
        Vital::Temperature => Some((250, 450)),
        Vital::Weight => Some((10, 400)),
        Vital::BloodPressure | Vital::Consciousness => None,
    }
}

/// A value that is no measurement; its text is a sentence for the person who typed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Implausible {
    /// Outside of what is possible.
    Outside(Vital),
    /// The diastolic pressure is not below the systolic.
    Pressures,
    /// The text is not a number of degrees.
    NotDegrees,
    /// The text is not a number of kilograms.
    NotKilograms,
}

impl Implausible {
    /// The field that is to be looked at.
    pub fn vital(self) -> Vital {
        match self {
            Self::Outside(vital) => vital,
            Self::Pressures => Vital::Diastolic,
            Self::NotDegrees => Vital::Temperature,
            Self::NotKilograms => Vital::Weight,
        }
    }
}

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Outside(Vital::Temperature) => {
                f.write_str("Temperature must be between 25.0 and 45.0 °C. Check what you typed.")
            }
            Self::Outside(vital) => {
                let (low, high) = limits(*vital).unwrap_or_default();
                let unit = vital.code().unit;
                let range = format::measured(format_args!("{low} and {high}"), unit);
                write!(f, "{} must be between {range}. Check what you typed.", vital.label())
            }
            Self::Pressures => f.write_str(
                "The lower (diastolic) pressure must be below the upper (systolic) one. Check what you typed.",
            ),
            Self::NotDegrees => f.write_str("Type the temperature in degrees with one decimal, such as 37.2."),
            Self::NotKilograms => f.write_str("Type the weight in kilograms with one decimal, such as 61.5."),
        }
    }
}

/// Everything in the set that cannot be a measurement, in the order of the form.
pub fn check(signs: &VitalSigns) -> Vec<Implausible> {
    let values = [
        (Vital::RespiratoryRate, signs.respiratory_rate),
        (Vital::OxygenSaturation, signs.oxygen_saturation),
        (Vital::Systolic, signs.systolic),
        (Vital::Diastolic, signs.diastolic),
        (Vital::Pulse, signs.pulse),
        (Vital::Temperature, signs.temperature_tenths),
    ];
    let is_outside = |(vital, value): &(Vital, Option<u16>)| {
        value.zip(limits(*vital)).is_some_and(|(v, (low, high))| v < low || v > high)
    };
    let mut found: Vec<Implausible> =
        values.into_iter().filter(is_outside).map(|(vital, _)| Implausible::Outside(vital)).collect();
    if signs.systolic.zip(signs.diastolic).is_some_and(|(upper, lower)| lower >= upper) {
        found.push(Implausible::Pressures);
    }
    found
}

/// Tenths of a degree from what was typed, such as `37.2`, `37,2` or `37`.
pub fn temperature_tenths(text: &str) -> Result<u16, Implausible> {
    let degrees = text.trim().replace(',', ".");
    let value: Decimal = degrees.parse().map_err(|_| Implausible::NotDegrees)?;
    let tenths = match value.normal() {
        Decimal { mantissa, places: 0 } => mantissa.checked_mul(10),
        Decimal { mantissa, places: 1 } => Some(mantissa),
        Decimal { .. } => return Err(Implausible::NotDegrees),
    };
    let tenths =
        tenths.and_then(|t| u16::try_from(t).ok()).ok_or(Implausible::Outside(Vital::Temperature))?;
    match limits(Vital::Temperature) {
        Some((low, high)) if tenths < low || tenths > high => Err(Implausible::Outside(Vital::Temperature)),
        _ => Ok(tenths),
    }
}

/// Kilograms from what was typed, such as `61.5`, `61,5` or `61`: one decimal at most.
pub fn kilograms(text: &str) -> Result<Decimal, Implausible> {
    let typed = text.trim().replace(',', ".");
    let value: Decimal = typed.parse().map_err(|_| Implausible::NotKilograms)?;
    let value = value.normal();
    if value.places > 1 {
        return Err(Implausible::NotKilograms);
    }
    let (low, high) = limits(Vital::Weight).unwrap_or_default();
    let whole = |number: u16| Decimal { mantissa: i64::from(number), places: 0 };
    let is_within = value.compare(whole(low)).is_ge() && value.compare(whole(high)).is_le();
    is_within.then_some(value).ok_or(Implausible::Outside(Vital::Weight))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_themselves_are_taken_and_their_neighbours_refused() {
        type Set = fn(&mut VitalSigns, u16);
        let rows: [(Vital, Set); 6] = [
            (Vital::RespiratoryRate, |s, v| s.respiratory_rate = Some(v)),
            (Vital::OxygenSaturation, |s, v| s.oxygen_saturation = Some(v)),
            (Vital::Systolic, |s, v| s.systolic = Some(v)),
            (Vital::Diastolic, |s, v| s.diastolic = Some(v)),
            (Vital::Pulse, |s, v| s.pulse = Some(v)),
            (Vital::Temperature, |s, v| s.temperature_tenths = Some(v)),
        ];
        for (vital, set) in rows {
            let (low, high) = limits(vital).unwrap();
            let found = |value: u16| {
                let mut signs = VitalSigns::default();
                set(&mut signs, value);
                check(&signs)
            };
            assert_eq!((found(low), found(high)), (vec![], vec![]), "{vital:?}");
            assert_eq!(found(high + 1), vec![Implausible::Outside(vital)]);
            if low > 0 {
                assert_eq!(found(low - 1), vec![Implausible::Outside(vital)]);
            }
        }
    }

    #[test]
    fn swapped_pressures_are_refused() {
        let signs = VitalSigns { systolic: Some(70), diastolic: Some(120), ..VitalSigns::default() };
        assert_eq!(check(&signs), vec![Implausible::Pressures]);
    }

    #[test]
    fn a_temperature_is_read_as_people_write_it() {
        for (text, tenths) in [("37.2", 372), (" 37,2 ", 372), ("38", 380), ("36.0", 360), ("36.50", 365)] {
            assert_eq!(temperature_tenths(text), Ok(tenths), "{text:?}");
        }
        for text in ["", "warm", "37.25", "37.2.1"] {
            assert_eq!(temperature_tenths(text), Err(Implausible::NotDegrees), "{text:?}");
        }
        for text in ["3.7", "372", "45.1", "24.9", "-37", "99999999999"] {
            assert_eq!(temperature_tenths(text), Err(Implausible::Outside(Vital::Temperature)), "{text:?}");
        }
    }

    #[test]
    fn a_weight_is_read_as_people_write_it() {
        for (text, mantissa, places) in
            [("61.5", 615, 1), (" 61,5 ", 615, 1), ("80", 80, 0), ("72.0", 72, 0), ("10", 10, 0)]
        {
            assert_eq!(kilograms(text), Ok(Decimal { mantissa, places }), "{text:?}");
        }
        for text in ["", "ten stone", "61.55", "6.1.5"] {
            assert_eq!(kilograms(text), Err(Implausible::NotKilograms), "{text:?}");
        }
        for text in ["9.9", "400.1", "615", "-61"] {
            assert_eq!(kilograms(text), Err(Implausible::Outside(Vital::Weight)), "{text:?}");
        }
    }

    #[test]
    fn the_message_says_what_is_possible() {
        assert_eq!(
            Implausible::Outside(Vital::OxygenSaturation).to_string(),
            "Oxygen saturation must be between 40 and 100%. Check what you typed."
        );
        assert_eq!(
            Implausible::Outside(Vital::Pulse).to_string(),
            "Pulse must be between 10 and 300 beats/min. Check what you typed."
        );
    }
}
