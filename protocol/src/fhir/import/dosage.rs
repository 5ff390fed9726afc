//! FHIR `Dosage` to how much is given, when and how.

use serde_json::Value;

use super::times::{Due, due};
use crate::fhir::concept::{coded, label, quantity, quantity_words};
use crate::fhir::view::{View, capped, cut, cut_to, digits, whole};
use crate::fhir::when;
use crate::record::coded::Coded;
use crate::record::medicines::{Dose, PrnProtocol, Quantity, Timing};
use crate::time::Date;

/// What the dosages of a medicine say together.
pub(crate) struct Directions {
    pub(crate) dose: Dose,
    pub(crate) timing: Timing,
    pub(crate) prn: Option<PrnProtocol>,
    pub(crate) route: Option<Coded>,
    pub(crate) instructions: Option<String>,
    pub(crate) start: Option<Date>,
    pub(crate) end: Option<Date>,
}

/// Reads the dosages of one medicine. Several of one dose at different times are one regime; several that differ
/// otherwise (so much in the morning, so much at night; then less) stay words, and nothing is due by itself.
pub(crate) fn read(dosages: &[Value]) -> Directions {
    let mut parts: Vec<Directions> = capped(dosages).iter().filter(|d| d.is_object()).map(single).collect();
    match parts.len() {
        0 => nothing_said(),
        1 => parts.pop().unwrap_or_else(nothing_said),
        _ => merged(parts, dosages),
    }
}

fn nothing_said() -> Directions {
    Directions {
        dose: Dose::Text("Dose not stated".to_owned()),
        timing: Timing::Text("Times not stated".to_owned()),
        prn: None,
        route: None,
        instructions: None,
        start: None,
        end: None,
    }
}

fn merged(parts: Vec<Directions>, dosages: &[Value]) -> Directions {
    let mut all = Vec::new();
    let (mut same_days, mut first_dose, mut first_days) = (true, None, None);
    for part in &parts {
        match &part.timing {
            Timing::Times { times, days } if part.start.is_none() && part.end.is_none() => {
                same_days &= *first_days.get_or_insert_with(|| days.clone()) == *days;
                same_days &= *first_dose.get_or_insert_with(|| part.dose.clone()) == part.dose;
                all.extend(times.iter().copied());
            }
            Timing::Times { .. } | Timing::WhenRequired | Timing::Text(_) => same_days = false,
        }
    }
    all.sort_unstable();
    all.dedup();
    let text = cut(&dosages.iter().filter_map(sentence).collect::<Vec<_>>().join("; then "));
    let instructions: Vec<String> = parts.iter().filter_map(|p| p.instructions.clone()).collect();
    let (start, end) =
        (parts.iter().filter_map(|p| p.start).min(), parts.iter().map(|p| p.end).max().flatten());
    let route = parts.into_iter().find_map(|p| p.route);
    let (dose, timing) = match (first_dose, first_days) {
        (Some(dose), Some(days)) if same_days => (dose, Timing::Times { times: all, days }),
        _ => (Dose::Text("See the directions".to_owned()), Timing::Text(text.clone())),
    };
    let instructions = (!instructions.is_empty()).then(|| cut(&instructions.join("\n")));
    Directions { dose, timing, prn: None, route, instructions, start, end }
}

fn single(dosage: &Value) -> Directions {
    let text = dosage.text("text");
    let empty = Value::Null;
    let timing = dosage.one("timing").unwrap_or(&empty);
    let read = due(timing, text);
    let as_needed =
        dosage.flag("asNeededBoolean") == Some(true) || dosage.at("asNeededCodeableConcept").is_some();
    let prn = as_needed.then(|| protocol(dosage, timing));
    let bounds = timing.path(&["repeat", "boundsPeriod"]);
    let bound = |key: &str| bounds.and_then(|b| b.text(key)).and_then(when::day);
    let (start, end) = (bound("start"), bound("end"));
    let instructions = instructions(dosage, timing, if as_needed { None } else { Some(&read) });
    Directions {
        dose: dose(dosage),
        timing: if as_needed { Timing::WhenRequired } else { read.timing },
        prn,
        route: dosage.one("route").and_then(coded),
        instructions,
        start,
        end,
    }
}

fn protocol(dosage: &Value, timing: &Value) -> PrnProtocol {
    let repeat = timing.one("repeat");
    let number = |key: &str| repeat.and_then(|r| r.at(key)).and_then(whole);
    let unit = repeat.and_then(|r| r.text("periodUnit"));
    let (most, least_apart) = match (unit, number("period")) {
        (Some("d"), Some(1)) => (number("frequencyMax").or_else(|| number("frequency")), None),
        (Some("h"), Some(hours)) if number("frequency").is_none_or(|f| f == 1) => {
            (None, hours.checked_mul(60))
        }
        (Some("min"), Some(minutes)) if number("frequency").is_none_or(|f| f == 1) => (None, Some(minutes)),
        _ => (None, None),
    };
    PrnProtocol {
        indication: dosage.one("asNeededCodeableConcept").and_then(label),
        interval_minutes: least_apart,
        doses_per_day: most.and_then(|m| u16::try_from(m).ok()),
        amount_per_day: most_a_day(dosage),
        ..PrnProtocol::default()
    }
}

/// The most that may be given in 24 hours, where that is how it was written.
fn most_a_day(dosage: &Value) -> Option<Quantity> {
    let ratio = dosage.one("maxDosePerPeriod")?;
    let period = ratio.one("denominator")?;
    let unit = period.text("code").or_else(|| period.text("unit"))?;
    let is_day = matches!(
        (period.at("value").and_then(whole), unit),
        (Some(1), "d" | "day") | (Some(24), "h" | "hour")
    );
    if is_day { quantity(ratio.one("numerator")?) } else { None }
}

fn dose(dosage: &Value) -> Dose {
    let given = dosage
        .list("doseAndRate")
        .iter()
        .find(|d| d.at("doseQuantity").or_else(|| d.at("doseRange")).is_some());
    // STU3 and a few partners put the dose beside the timing.
    let holder = given.unwrap_or(dosage);
    let amount = holder.one("doseQuantity").or_else(|| holder.one("doseSimpleQuantity"));
    if let Some(amount) = amount {
        let fixed = quantity(amount).filter(|_| amount.text("comparator").is_none()).map(Dose::Fixed);
        return fixed.unwrap_or_else(|| Dose::Text(in_words(amount, dosage)));
    }
    if let Some(range) = holder.one("doseRange") {
        let ends = range.one("low").and_then(quantity).zip(range.one("high").and_then(quantity));
        if let Some((low, high)) = ends {
            return Dose::Range(low, high);
        }
    }
    let rate = dosage.list("doseAndRate").iter().find_map(rate_words);
    let words = rate.or_else(|| dosage.text("text").map(cut));
    Dose::Text(words.unwrap_or_else(|| "Dose not stated".to_owned()))
}

fn in_words(amount: &Value, dosage: &Value) -> String {
    let words = quantity_words(amount).map(|w| {
        if amount.text("unit").or_else(|| amount.text("code")).is_some() {
            w
        } else {
            format!("{w} (unit not stated)")
        }
    });
    words.or_else(|| dosage.text("text").map(cut)).unwrap_or_else(|| "Dose not stated".to_owned())
}

fn rate_words(dose: &Value) -> Option<String> {
    if let Some(rate) = dose.one("rateQuantity") {
        return quantity_words(rate);
    }
    let ratio = dose.one("rateRatio")?;
    let (over, under) = (ratio.one("numerator")?, ratio.one("denominator")?);
    Some(format!("{} per {}", quantity_words(over)?, quantity_words(under)?))
}

/// Whether one of the sentences that are there says the same: partners send the prescriber's words and its parts.
fn is_said(lines: &[String], line: &str) -> bool {
    let bare = |text: &str| text.trim().trim_end_matches('.').to_lowercase();
    let sentences = lines.iter().flat_map(|said| said.split(['.', ';', '\n']).chain([said.as_str()]));
    sentences.map(bare).any(|said| said == bare(line))
}

fn instructions(dosage: &Value, timing: &Value, read: Option<&Due>) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut say = |line: Option<String>| {
        if let Some(line) = line.filter(|l| !l.is_empty() && !is_said(&lines, l)) {
            lines.push(line);
        }
    };
    say(dosage.text("text").map(cut));
    say(dosage.text("patientInstruction").map(cut));
    for extra in capped(dosage.list("additionalInstruction")) {
        say(label(extra));
    }
    say(dosage.one("site").and_then(label).map(|s| format!("Site: {s}")));
    say(dosage.one("method").and_then(label).map(|m| format!("Method: {m}")));
    say(duration(timing));
    let period_limit = dosage.one("maxDosePerPeriod").filter(|_| most_a_day(dosage).is_none());
    say(period_limit.and_then(|r| {
        Some(format!(
            "At most {} in {}",
            quantity_words(r.one("numerator")?)?,
            quantity_words(r.one("denominator")?)?
        ))
    }));
    if let Some(due) = read {
        // Where the prescriber's sentence is there, the frequency would only repeat it.
        let counted = timing.path(&["repeat", "count"]).is_some();
        say(due.words.clone().filter(|_| dosage.text("text").is_none() || counted));
        say(due.chosen.clone());
    }
    (!lines.is_empty()).then(|| cut(&lines.join("\n")))
}

/// How long a course lasts; its end is not computed, since it counts from the first dose.
fn duration(timing: &Value) -> Option<String> {
    let bounds = timing.path(&["repeat", "boundsDuration"])?;
    let unit = bounds.text("unit").or_else(|| bounds.text("code")).unwrap_or_default();
    Some(format!("For {} {unit}", digits(bounds.at("value")?)?))
}

/// A dosage as one sentence: the prescriber's, or one made of its parts.
pub(crate) fn sentence(dosage: &Value) -> Option<String> {
    if let Some(text) = dosage.text("text") {
        return Some(cut(text));
    }
    let empty = Value::Null;
    let words = due(dosage.one("timing").unwrap_or(&empty), None).words;
    let amount = dosage
        .list("doseAndRate")
        .iter()
        .find_map(|d| d.one("doseQuantity").and_then(quantity_words).or_else(|| rate_words(d)));
    let route = dosage.one("route").and_then(label);
    let needed =
        dosage.flag("asNeededBoolean") == Some(true) || dosage.at("asNeededCodeableConcept").is_some();
    let mut parts: Vec<String> = amount.into_iter().chain(words).chain(route).collect();
    if needed {
        parts.push("when required".to_owned());
    }
    (!parts.is_empty()).then(|| cut_to(&parts.join(", "), 1000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::medicines::Decimal;
    use serde_json::json;

    fn amount(value: i64, unit: &str) -> Quantity {
        Quantity { value: Decimal { mantissa: value, places: 0 }, unit: unit.to_owned() }
    }

    #[test]
    fn an_exact_dosage_is_read_in_all_its_parts() {
        let read = read(&[json!({
            "text": "500 mg twice daily", "patientInstruction": "With food",
            "timing": {"repeat": {"timeOfDay": ["08:00:00", "20:00:00"],
                "boundsPeriod": {"start": "2026-01-05", "end": "2026-01-12T00:00:00Z"}}},
            "route": {"coding": [{"system": "http://snomed.info/sct", "code": "26643006", "display": "Oral"}]},
            "doseAndRate": [{"doseQuantity": {"value": 500, "unit": "mg"}}]})]);
        assert_eq!(read.dose, Dose::Fixed(amount(500, "mg")));
        assert_eq!(read.instructions.as_deref(), Some("500 mg twice daily\nWith food"));
        assert_eq!(read.start.unwrap().to_string(), "2026-01-05");
        assert_eq!(read.end.unwrap().to_string(), "2026-01-12");
        assert_eq!(read.route.unwrap().display, "Oral");
    }

    #[test]
    fn a_sentence_that_stands_in_the_prescribers_words_is_not_said_twice() {
        let read = read(&[json!({
            "text": "1 tablet at 18:00. With or after food.", "patientInstruction": "with or after food",
            "additionalInstruction": [{"text": "With or after food"}, {"text": "Food"}]})]);
        assert_eq!(read.instructions.as_deref(), Some("1 tablet at 18:00. With or after food.\nFood"));
    }

    #[test]
    fn a_dose_without_a_unit_is_shown_and_not_guessed() {
        let read = read(&[json!({"doseAndRate": [{"doseQuantity": {"value": 1.5}}]})]);
        assert_eq!(read.dose, Dose::Text("1.5 (unit not stated)".into()));
        let range = self::read(&[json!({"doseAndRate": [{"doseRange":
            {"low": {"value": 1, "unit": "tablet"}, "high": {"value": 2, "unit": "tablet"}}}]})]);
        assert_eq!(range.dose, Dose::Range(amount(1, "tablet"), amount(2, "tablet")));
    }

    #[test]
    fn a_when_required_dosage_has_its_protocol_and_no_times() {
        let read = read(&[json!({
            "asNeededCodeableConcept": {"text": "pain"},
            "timing": {"repeat": {"frequency": 1, "period": 4, "periodMax": 6, "periodUnit": "h"}},
            "maxDosePerPeriod": {"numerator": {"value": 4, "unit": "g"}, "denominator": {"value": 24, "unit": "h"}}})]);
        assert_eq!(read.timing, Timing::WhenRequired);
        let prn = read.prn.unwrap();
        assert_eq!(prn.indication.as_deref(), Some("pain"));
        assert_eq!(prn.interval_minutes, Some(240));
        assert_eq!(prn.amount_per_day, Some(amount(4, "g")));
    }

    #[test]
    fn one_dose_at_several_times_is_one_regime_and_differing_doses_stay_words() {
        let at = |time: &str, value: i64| {
            json!({"timing": {"repeat": {"timeOfDay": [time]}},
                "doseAndRate": [{"doseQuantity": {"value": value, "unit": "tablet"}}]})
        };
        let same = read(&[at("22:00:00", 1), at("08:00:00", 1)]);
        assert_eq!(same.dose, Dose::Fixed(amount(1, "tablet")));
        assert!(matches!(same.timing, Timing::Times { times, .. } if times.len() == 2));
        let differing = read(&[at("08:00:00", 2), at("22:00:00", 1)]);
        let words = "2 tablet, at 08:00:00; then 1 tablet, at 22:00:00";
        assert_eq!(differing.timing, Timing::Text(words.into()));
    }
}
