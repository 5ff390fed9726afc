//! FHIR `Timing` to the times at which a dose is due.
//!
//! A prescriber rarely writes clock times. Where only a number of doses a day, an interval or a part of the day is
//! given, the times are the usual rounds below, and the order's instructions say that they were chosen so: staff or
//! the pharmacy correct them. What the tables do not cover stays words, and nothing is due by itself.

use serde_json::Value;

use crate::fhir::concept::{has_code, label};
use crate::fhir::view::{View, capped, cut_to, digits, whole};
use crate::fhir::when;
use crate::record::medicines::{Days, Timing};
use crate::time::TimeOfDay;

/// When a medicine is due, and what a person must know about how that was read.
pub(crate) struct Due {
    pub(crate) timing: Timing,
    /// Said when the times were chosen and not written.
    pub(crate) chosen: Option<String>,
    /// The frequency in words.
    pub(crate) words: Option<String>,
}

/// Rounds for so many doses a day. Four leave at least four hours between doses of paracetamol.
fn rounds(doses: u32) -> Option<&'static [&'static str]> {
    Some(match doses {
        1 => &["08:00"],
        2 => &["08:00", "20:00"],
        3 => &["08:00", "14:00", "20:00"],
        4 => &["08:00", "12:00", "17:00", "22:00"],
        5 => &["06:00", "10:00", "14:00", "18:00", "22:00"],
        _ => return None,
    })
}

/// Rounds for a dose every so many hours.
fn every_hours(hours: u32) -> Option<&'static [&'static str]> {
    Some(match hours {
        24 => &["08:00"],
        12 => &["08:00", "20:00"],
        8 => &["06:00", "14:00", "22:00"],
        6 => &["00:00", "06:00", "12:00", "18:00"],
        4 => &["02:00", "06:00", "10:00", "14:00", "18:00", "22:00"],
        _ => return None,
    })
}

/// The usual time of FHIR's `event-timing` codes.
fn part_of_day(code: &str) -> Option<&'static str> {
    Some(match code {
        "MORN" | "CM" | "MORN.early" | "WAKE" => "08:00",
        "ACM" => "07:30",
        "PCM" => "08:30",
        "MORN.late" => "11:00",
        "NOON" | "CD" => "12:30",
        "ACD" => "12:00",
        "PCD" => "13:00",
        "AFT" | "AFT.early" | "AFT.late" => "15:00",
        "CV" | "EVE" | "EVE.early" => "18:00",
        "ACV" => "17:30",
        "PCV" => "18:30",
        "EVE.late" => "20:00",
        "NIGHT" | "HS" => "22:00",
        _ => return None,
    })
}

/// How `Timing.code` is written with the elements of `repeat`.
fn abbreviation(timing: &Value) -> Option<(u32, u32, &'static str)> {
    let code = timing.one("code")?;
    let known = [
        ("QD", (1, 1, "d")),
        ("BID", (2, 1, "d")),
        ("TID", (3, 1, "d")),
        ("QID", (4, 1, "d")),
        ("QOD", (1, 2, "d")),
        ("Q4H", (1, 4, "h")),
        ("Q6H", (1, 6, "h")),
        ("Q8H", (1, 8, "h")),
        ("Q12H", (1, 12, "h")),
        ("WK", (1, 1, "wk")),
    ];
    known.iter().find(|(name, _)| has_code(code, name)).map(|(_, meaning)| *meaning)
}

/// Reads a `Timing`; `text` is what the prescriber wrote of the whole dosage.
pub(crate) fn due(timing: &Value, text: Option<&str>) -> Due {
    let words = describe(timing);
    if let Some(timing) = exact(timing) {
        return Due { timing, chosen: None, words };
    }
    let said = words.clone().or_else(|| text.map(|t| cut_to(t, 300)));
    let Some((times, days)) = usual(timing) else {
        let said = said.unwrap_or_else(|| "Times not stated".to_owned());
        return Due { timing: Timing::Text(said), chosen: None, words };
    };
    let list = times.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let chosen = format!("Times {list} chosen by Hearth for: {}. Check them.", said.unwrap_or_default());
    Due { timing: Timing::Times { times, days }, chosen: Some(chosen), words }
}

/// Times that were written as times of the day.
fn exact(timing: &Value) -> Option<Timing> {
    let repeat = timing.one("repeat")?;
    let written = repeat.list("timeOfDay");
    if written.is_empty() || written.len() > 24 {
        return None;
    }
    let times: Option<Vec<TimeOfDay>> =
        written.iter().map(|t| t.as_str().and_then(when::time_of_day)).collect();
    Some(Timing::Times { times: in_order(times?), days: days(repeat)? })
}

fn in_order(mut times: Vec<TimeOfDay>) -> Vec<TimeOfDay> {
    times.sort_unstable();
    times.dedup();
    times
}

/// Times that are usual for what was written.
fn usual(timing: &Value) -> Option<(Vec<TimeOfDay>, Days)> {
    let empty = Value::Null;
    let repeat = timing.one("repeat").unwrap_or(&empty);
    let open = ["frequencyMax", "periodMax", "duration", "offset", "countMax"];
    if open.iter().any(|key| repeat.at(key).is_some()) || repeat.at("count").and_then(whole) == Some(1) {
        return None;
    }
    if !repeat.list("when").is_empty() {
        let codes = repeat.list("when").iter().map(|c| part_of_day(c.as_str()?));
        let times: Option<Vec<&str>> = codes.collect();
        return Some((clock(&times?), days(repeat)?));
    }
    let (frequency, period, unit) = rate(timing, repeat)?;
    if unit == "h" {
        let hourly = (frequency == 1).then_some(period)?;
        if let Some(times) = every_hours(hourly) {
            return Some((clock(times), Days::Daily));
        }
        let whole_days = (hourly % 24 == 0).then_some(hourly / 24)?;
        return Some((clock(rounds(1)?), Days::EveryDays(u16::try_from(whole_days).ok()?)));
    }
    if !repeat.list("dayOfWeek").is_empty() {
        let a_day = if unit == "wk" { 1 } else { frequency };
        return Some((clock(rounds(a_day)?), days(repeat)?));
    }
    let apart = match unit {
        "d" => period,
        "wk" => period.checked_mul(7)?,
        _ => return None,
    };
    match (frequency, apart) {
        (_, 1) => Some((clock(rounds(frequency)?), Days::Daily)),
        (1, 2..) => Some((clock(rounds(1)?), Days::EveryDays(u16::try_from(apart).ok()?))),
        _ => None,
    }
}

fn rate<'a>(timing: &Value, repeat: &'a Value) -> Option<(u32, u32, &'a str)> {
    let Some(unit) = repeat.text("periodUnit") else {
        let weekly = !repeat.list("dayOfWeek").is_empty();
        return abbreviation(timing).or(weekly.then_some((1, 1, "d")));
    };
    let period = repeat.at("period").and_then(whole).filter(|p| *p > 0)?;
    let frequency = repeat.at("frequency").map_or(Some(1), whole).filter(|f| *f > 0)?;
    let unit = if unit == "week" { "wk" } else { unit };
    Some((frequency, period, unit))
}

fn clock(times: &[&str]) -> Vec<TimeOfDay> {
    in_order(times.iter().filter_map(|t| t.parse().ok()).collect())
}

/// The days of a repetition whose times are known. None where they cannot be said exactly.
fn days(repeat: &Value) -> Option<Days> {
    let names = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let written = repeat.list("dayOfWeek");
    if !written.is_empty() {
        let numbers = written.iter().map(|day| {
            let place = names.iter().position(|name| day.as_str() == Some(name))?;
            u8::try_from(place + 1).ok()
        });
        let mut numbers = numbers.collect::<Option<Vec<u8>>>()?;
        numbers.sort_unstable();
        numbers.dedup();
        return Some(Days::Weekly(numbers));
    }
    let period = repeat.at("period").map_or(Some(1), whole)?;
    let apart = match repeat.text("periodUnit").unwrap_or("d") {
        "d" => period,
        "wk" => period.checked_mul(7)?,
        "h" if period == 24 => 1,
        _ => return None,
    };
    match u16::try_from(apart).ok()? {
        0 => None,
        1 => Some(Days::Daily),
        apart => Some(Days::EveryDays(apart)),
    }
}

/// The frequency in words, such as `3 times every 1 d`.
fn describe(timing: &Value) -> Option<String> {
    let coded = timing.one("code").and_then(label);
    let repeat = timing.one("repeat");
    let mut parts: Vec<String> = coded.into_iter().collect();
    if let Some(repeat) = repeat {
        parts.extend(frequency_words(repeat));
        let listed = |key: &str| {
            let items: Vec<&str> = capped(repeat.list(key)).iter().filter_map(Value::as_str).collect();
            (!items.is_empty()).then(|| items.join(", "))
        };
        parts.extend(listed("when").map(|w| format!("at {w}")));
        parts.extend(listed("timeOfDay").map(|t| format!("at {t}")));
        parts.extend(listed("dayOfWeek").map(|d| format!("on {d}")));
        parts.extend(repeat.at("count").and_then(digits).map(|c| format!("{c} doses in all")));
        let unit = repeat.text("durationUnit").unwrap_or_default();
        parts.extend(repeat.at("duration").and_then(digits).map(|d| format!("over {d} {unit}")));
    }
    (!parts.is_empty()).then(|| cut_to(&parts.join(" "), 300))
}

fn frequency_words(repeat: &Value) -> Option<String> {
    let number = |key: &str| repeat.at(key).and_then(digits);
    let range = |low: Option<String>, high: Option<String>| match (low, high) {
        (Some(low), Some(high)) => Some(format!("{low} to {high}")),
        (low, high) => low.or(high),
    };
    let times = range(number("frequency"), number("frequencyMax"));
    let period = range(number("period"), number("periodMax"));
    let unit = match repeat.text("periodUnit") {
        Some("s") => "seconds",
        Some("min") => "minutes",
        Some("h") => "hours",
        Some("d") => "days",
        Some("wk" | "week") => "weeks",
        Some("mo") => "months",
        Some("a") => "years",
        _ => "",
    };
    let single = period.as_deref().is_none_or(|p| p == "1" || p == "1.0");
    let every = match (&period, single) {
        (_, true) if unit.is_empty() => String::new(),
        (_, true) => format!(" a {}", unit.trim_end_matches('s')),
        (Some(period), false) => format!(" every {period} {unit}"),
        (None, false) => String::new(),
    };
    let times = match times.as_deref() {
        Some("1") => "once".to_owned(),
        Some(times) => format!("{times} times"),
        None if every.is_empty() => return None,
        None => "once".to_owned(),
    };
    Some(format!("{times}{every}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(timing: &Timing) -> String {
        let Timing::Times { times, days } = timing else { return format!("{timing:?}") };
        let times = times.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        format!("{times} {days:?}")
    }

    #[test]
    fn written_times_are_taken_as_they_are() {
        let read = due(&json!({"repeat": {"timeOfDay": ["20:00:00", "08:00:00"]}}), None);
        assert_eq!(shown(&read.timing), "08:00 20:00 Daily");
        assert_eq!(read.chosen, None);
        let weekly = json!({"repeat": {"timeOfDay": ["08:00:00"], "dayOfWeek": ["fri", "mon"]}});
        assert_eq!(shown(&due(&weekly, None).timing), "08:00 Weekly([1, 5])");
    }

    #[test]
    fn usual_rounds_are_chosen_and_say_so() {
        for (timing, expected) in [
            (json!({"repeat": {"frequency": 3, "period": 1, "periodUnit": "d"}}), "08:00 14:00 20:00 Daily"),
            (json!({"repeat": {"frequency": 1, "period": 12, "periodUnit": "h"}}), "08:00 20:00 Daily"),
            (json!({"repeat": {"frequency": 1, "period": 72, "periodUnit": "h"}}), "08:00 EveryDays(3)"),
            (json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk"}}), "08:00 EveryDays(7)"),
            (json!({"repeat": {"period": 2, "periodUnit": "d"}}), "08:00 EveryDays(2)"),
            (json!({"repeat": {"when": ["MORN", "HS"]}}), "08:00 22:00 Daily"),
            (
                json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": ["sun"]}}),
                "08:00 Weekly([7])",
            ),
            (json!({"code": {"coding": [{"code": "BID"}]}}), "08:00 20:00 Daily"),
        ] {
            let read = due(&timing, None);
            assert_eq!(shown(&read.timing), expected, "{timing}");
            assert!(read.chosen.unwrap().starts_with("Times "), "{timing}");
        }
    }

    #[test]
    fn what_has_no_usual_time_stays_words() {
        for (timing, expected) in [
            (
                json!({"repeat": {"frequency": 1, "frequencyMax": 2, "period": 1, "periodUnit": "d"}}),
                "1 to 2 times a day",
            ),
            (json!({"repeat": {"frequency": 3, "period": 1, "periodUnit": "wk"}}), "3 times a week"),
            (json!({"repeat": {"frequency": 1, "period": 5, "periodUnit": "h"}}), "once every 5 hours"),
            (json!({"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}}), "once a month"),
            (json!({"repeat": {"duration": 33.5, "durationUnit": "h"}}), "over 33.5 h"),
            (json!({"repeat": {"frequency": 3, "periodUnit": "d"}}), "3 times a day"),
            (json!({}), "Times not stated"),
        ] {
            assert_eq!(due(&timing, None).timing, Timing::Text(expected.to_owned()), "{timing}");
        }
        assert_eq!(due(&json!({}), Some("as directed")).timing, Timing::Text("as directed".to_owned()));
    }
}
