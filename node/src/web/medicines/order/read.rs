//! The form of an order: what was typed becomes an order, and an order becomes what the form shows.

use hearth_protocol::record::coded::{Coded, System};
use hearth_protocol::record::medicines::{
    Days, Decimal, Dose, Order, OrderStatus, PrnProtocol, Quantity, Received, Schedule, Timing,
};
use hearth_protocol::time::{Date, TimeOfDay};

use crate::web::form::{Fields, Problems};

/// Longest name, strength, form, route and the like.
const WORDS_CHARS_MAX: usize = 120;
/// Longest instructions, signs and the like.
const TEXT_CHARS_MAX: usize = 500;
/// Most times of a day, and most places on the body.
const LIST_MAX: usize = 12;

/// How an instruction may have come: key, words, and whether a second person must have heard it read back (NICE SC1:
/// instructions by telephone are repeated back and confirmed in writing).
pub(super) const RECEIVED: [(&str, &str, bool); 5] = [
    ("prescription", "Signed prescription", false),
    ("letter", "Letter or discharge summary", false),
    ("mail", "Secure e-mail or message from the prescriber", false),
    ("told", "Told in person, read back by two people", true),
    ("phone", "By telephone, read back by two people", true),
];

/// The days of the week as the form offers them.
pub(super) const WEEK: [(&str, &str); 7] = [
    ("1", "Monday"),
    ("2", "Tuesday"),
    ("3", "Wednesday"),
    ("4", "Thursday"),
    ("5", "Friday"),
    ("6", "Saturday"),
    ("7", "Sunday"),
];

/// Reads an active order. What is wrong is told in the order of the form.
pub(super) fn order(fields: &Fields, problems: &mut Problems) -> Order {
    let medicine = medicine(fields, problems);
    let mut words = |field: &'static str| problems.optional(fields, field, WORDS_CHARS_MAX);
    let (brand, strength, form) = (words("brand"), words("strength"), words("form"));
    let dose = dose(fields, problems);
    let route = problems.optional(fields, "route", WORDS_CHARS_MAX).map(Coded::text);
    let timing = timing(fields, problems);
    let prn = matches!(timing, Timing::WhenRequired).then(|| protocol(fields, problems));
    let (start, end) = (date(fields, problems, "start"), date(fields, problems, "end"));
    if start.zip(end).is_some_and(|(start, end)| end < start) {
        problems.add("end", "The last day cannot be before the first");
    }
    let indication = problems.optional(fields, "indication", TEXT_CHARS_MAX);
    let instructions = problems.optional(fields, "instructions", TEXT_CHARS_MAX);
    let time_critical_minutes = number(fields, problems, "critical", 1..=240, "minutes, from 1 to 240")
        .and_then(|n| u16::try_from(n).ok());
    let review = date(fields, problems, "review");
    let sites = sites(fields, problems);
    let prescriber = problems.required(fields, "prescriber", WORDS_CHARS_MAX, "whose instruction it is");
    Order {
        brand,
        strength,
        form,
        route,
        prn,
        start,
        end,
        status: OrderStatus::Active,
        prescriber: Some(prescriber),
        indication,
        instructions,
        time_critical_minutes,
        schedule: schedule(fields),
        review,
        received: received(fields, problems),
        sites,
        ..Order::new(medicine, dose, timing)
    }
}

/// How the instruction came, and who heard it.
pub(in crate::web::medicines) fn received(fields: &Fields, problems: &mut Problems) -> Option<Received> {
    let Some((_, how, needs_second)) = RECEIVED.iter().find(|(key, ..)| *key == fields.text("received"))
    else {
        problems.add("received", "Choose how the instruction came");
        return None;
    };
    let second = problems.optional(fields, "second", WORDS_CHARS_MAX);
    if *needs_second && second.is_none() {
        problems.add("second", "Enter who else heard the instruction read back");
    }
    Some(Received { how: (*how).to_owned(), second: second.filter(|_| *needs_second) })
}

fn medicine(fields: &Fields, problems: &mut Problems) -> Coded {
    let name = problems.required(fields, "name", WORDS_CHARS_MAX, "the name of the medicine");
    match fields.some("code") {
        None => Coded::text(name),
        Some(code) => {
            // A dm+d identifier is a SNOMED CT identifier: 6 to 18 digits.
            if !(6..=18).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
                problems.add("code", "A dm+d code has 6 to 18 digits. Leave it empty if unsure");
            }
            Coded::new(System::Dmd, code, name)
        }
    }
}

fn dose(fields: &Fields, problems: &mut Problems) -> Dose {
    let words = problems.optional(fields, "dose_text", WORDS_CHARS_MAX);
    let (low, high) = (amount(fields, problems, "dose"), amount(fields, problems, "dose_most"));
    let unit = problems.optional(fields, "dose_unit", 40);
    match (low, high, unit, words) {
        (Some(low), high, Some(unit), None) => {
            let quantity = |value| Quantity { value, unit: unit.clone() };
            match high {
                None => Dose::Fixed(quantity(low)),
                Some(high) if high.compare(low).is_gt() => Dose::Range(quantity(low), quantity(high)),
                Some(_) => {
                    problems.add("dose_most", "The most must be more than the least");
                    Dose::Fixed(quantity(low))
                }
            }
        }
        (None, None, None, Some(words)) => Dose::Text(words),
        (Some(_), _, None, None) => {
            problems.add("dose_unit", "Enter the unit, such as mg, mL or tablet");
            Dose::Text(String::new())
        }
        (Some(_), _, _, Some(_)) => {
            problems.add("dose_text", "Give the dose as an amount or in words, not both");
            Dose::Text(String::new())
        }
        (None, ..) => {
            problems.add("dose", "Enter the dose: an amount with its unit, or words");
            Dose::Text(String::new())
        }
    }
}

/// An amount above zero, if one was typed.
pub(super) fn amount(fields: &Fields, problems: &mut Problems, field: &'static str) -> Option<Decimal> {
    let typed = fields.some(field)?;
    match typed.parse::<Decimal>() {
        Ok(value) if value.compare(Decimal::ZERO).is_gt() => Some(value),
        Ok(_) | Err(_) => {
            problems.add(field, "Enter a number above 0, such as 2 or 0.5");
            None
        }
    }
}

fn timing(fields: &Fields, problems: &mut Problems) -> Timing {
    match fields.text("timing") {
        "prn" => Timing::WhenRequired,
        "times" => {
            let times = times(fields, problems);
            Timing::Times { times, days: days(fields, problems) }
        }
        _ => {
            problems.add("timing", "Choose whether it is given at set times or when required");
            Timing::Text(String::new())
        }
    }
}

fn times(fields: &Fields, problems: &mut Problems) -> Vec<TimeOfDay> {
    let typed = fields.text("times").split([',', ' ', ';', '\n']).map(str::trim).filter(|t| !t.is_empty());
    let times: Result<Vec<TimeOfDay>, _> = typed.take(LIST_MAX + 1).map(str::parse).collect();
    match times {
        Ok(mut times) if !times.is_empty() && times.len() <= LIST_MAX => {
            times.sort_unstable();
            times.dedup();
            times
        }
        Ok(_) | Err(_) => {
            problems.add("times", "Enter 1 to 12 times on the 24-hour clock, such as 08:00, 20:00");
            Vec::new()
        }
    }
}

fn days(fields: &Fields, problems: &mut Problems) -> Days {
    let several = |name: &str, most: u8| -> Vec<u8> {
        let chosen = fields.0.iter().filter(|(field, _)| field == name);
        let typed = chosen.flat_map(|(_, value)| value.split([',', ' '])).filter(|t| !t.trim().is_empty());
        let mut days: Vec<u8> = typed
            .map(|t| t.trim().parse::<u8>().ok().filter(|d| (1..=most).contains(d)).unwrap_or(0))
            .collect();
        days.sort_unstable();
        days.dedup();
        days
    };
    match fields.text("days") {
        "every" => {
            let step = fields.parse::<u16>("every").filter(|n| (2..=366).contains(n));
            if step.is_none() {
                problems.add("every", "Enter every how many days, from 2 to 366");
            }
            step.map_or(Days::Daily, Days::EveryDays)
        }
        "week" => {
            let days = several("weekday", 7);
            if days.is_empty() || days.contains(&0) {
                problems.add("weekday", "Choose at least one day of the week");
            }
            Days::Weekly(days)
        }
        "month" => {
            let days = several("monthday", 31);
            if days.is_empty() || days.contains(&0) {
                problems.add("monthday", "Enter days of the month from 1 to 31, such as 1, 15");
            }
            Days::Monthly(days)
        }
        _ => Days::Daily,
    }
}

fn protocol(fields: &Fields, problems: &mut Problems) -> PrnProtocol {
    let indication = problems.required(fields, "prn_for", TEXT_CHARS_MAX, "what it is given for");
    let interval = number(
        fields,
        problems,
        "interval",
        1..=168 * 60,
        "the least minutes between two doses, up to a week",
    );
    let doses = number(fields, problems, "doses_per_day", 1..=48, "the most doses in 24 hours, from 1 to 48");
    let amount_per_day = amount(fields, problems, "amount_per_day").map(|value| Quantity {
        value,
        unit: fields.some("amount_unit").or_else(|| fields.some("dose_unit")).unwrap_or_default(),
    });
    if interval.is_none() && problems.of("interval").is_none() {
        problems.add(
            "interval",
            "Enter the least minutes between two doses. Ask the prescriber if it is not said",
        );
    }
    if doses.is_none() && amount_per_day.is_none() && problems.of("doses_per_day").is_none() {
        problems
            .add("doses_per_day", "Enter the most in 24 hours, in doses or as an amount. Ask the prescriber");
    }
    PrnProtocol {
        indication: Some(indication),
        interval_minutes: interval,
        doses_per_day: doses.and_then(|n| u16::try_from(n).ok()),
        amount_per_day,
        signs: problems.optional(fields, "signs", TEXT_CHARS_MAX),
        escalate: problems.optional(fields, "escalate", TEXT_CHARS_MAX),
        effect_minutes: number(fields, problems, "effect", 5..=24 * 60, "minutes, from 5 to 1,440"),
    }
}

/// A whole number within limits, if one was typed.
pub(super) fn number(
    fields: &Fields,
    problems: &mut Problems,
    field: &'static str,
    within: std::ops::RangeInclusive<u32>,
    what: &str,
) -> Option<u32> {
    let typed = fields.some(field)?;
    let value = typed.parse::<u32>().ok().filter(|value| within.contains(value));
    if value.is_none() {
        problems.add(field, format!("Enter {what}"));
    }
    value
}

/// A date of three fields, if one was typed.
pub(in crate::web::medicines) fn date(
    fields: &Fields,
    problems: &mut Problems,
    field: &'static str,
) -> Option<Date> {
    let part = |part: &str| fields.text(&format!("{field}_{part}")).to_owned();
    let (day, month, year) = (part("day"), part("month"), part("year"));
    if day.is_empty() && month.is_empty() && year.is_empty() {
        return None;
    }
    let date = format!("{year:0>4}-{month:0>2}-{day:0>2}").parse::<Date>().ok();
    let date = date.filter(|_| (2000..=2200).contains(&year.parse::<u16>().unwrap_or_default()));
    if date.is_none() {
        problems.add(field, "Enter a real date with day, month and year, such as 5 1 2026");
    }
    date
}

fn sites(fields: &Fields, problems: &mut Problems) -> Option<Vec<String>> {
    let text = problems.optional(fields, "sites", TEXT_CHARS_MAX)?;
    let lines = text.split(['\n', ',']).map(str::trim).filter(|line| !line.is_empty());
    let sites: Vec<String> = lines.map(str::to_owned).collect();
    if sites.len() > LIST_MAX {
        problems.add("sites", "Name at most 12 places");
    }
    Some(sites).filter(|sites| !sites.is_empty())
}

fn schedule(fields: &Fields) -> Option<Schedule> {
    match fields.text("schedule") {
        "2" => Some(Schedule::Two),
        "3" => Some(Schedule::Three),
        "4" => Some(Schedule::Four),
        "5" => Some(Schedule::Five),
        _ => None,
    }
}

/// What the form shows of an order that is about to be changed. How the instruction came is asked anew each time.
pub(super) fn fields(order: &Order) -> Fields {
    let mut typed: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            typed.push((name.to_owned(), value));
        }
    };
    put("name", Some(order.medicine.display.clone()));
    put("code", order.medicine.code.as_ref().filter(|c| c.system == System::Dmd).map(|c| c.code.clone()));
    put("brand", order.brand.clone());
    put("strength", order.strength.clone());
    put("form", order.form.clone());
    put("route", order.route.as_ref().map(|route| route.display.clone()));
    match &order.dose {
        Dose::Fixed(one) => {
            put("dose", Some(plain(one.value)));
            put("dose_unit", Some(one.unit.clone()));
        }
        Dose::Range(low, high) => {
            put("dose", Some(plain(low.value)));
            put("dose_most", Some(plain(high.value)));
            put("dose_unit", Some(high.unit.clone()));
        }
        Dose::Text(words) => put("dose_text", Some(words.clone())),
    }
    timing_fields(order, &mut put);
    if let Some(protocol) = &order.prn {
        put("prn_for", protocol.indication.clone());
        put("interval", protocol.interval_minutes.map(|n| n.to_string()));
        put("doses_per_day", protocol.doses_per_day.map(|n| n.to_string()));
        put("amount_per_day", protocol.amount_per_day.as_ref().map(|q| plain(q.value)));
        put("amount_unit", protocol.amount_per_day.as_ref().map(|q| q.unit.clone()));
        put("signs", protocol.signs.clone());
        put("escalate", protocol.escalate.clone());
        put("effect", protocol.effect_minutes.map(|n| n.to_string()));
    }
    for (name, date) in [("start", order.start), ("end", order.end), ("review", order.review)] {
        let Some(date) = date else { continue };
        put(&format!("{name}_day"), Some(date.0.day().to_string()));
        put(&format!("{name}_month"), Some(date.0.month().to_string()));
        put(&format!("{name}_year"), Some(date.0.year().to_string()));
    }
    put("indication", order.indication.clone());
    put("instructions", order.instructions.clone());
    put("critical", order.time_critical_minutes.map(|n| n.to_string()));
    put("prescriber", order.prescriber.clone());
    put("sites", order.sites.as_ref().map(|sites| sites.join("\n")));
    let schedule = order.schedule.map(|schedule| match schedule {
        Schedule::Two => "2",
        Schedule::Three => "3",
        Schedule::Four => "4",
        Schedule::Five => "5",
    });
    put("schedule", schedule.map(str::to_owned));
    Fields(typed)
}

fn timing_fields(order: &Order, put: &mut impl FnMut(&str, Option<String>)) {
    match &order.timing {
        Timing::WhenRequired => put("timing", Some("prn".to_owned())),
        // Words that could not be read as times are shown beside the form; the times are for a person to give.
        Timing::Text(_) => put("timing", Some("times".to_owned())),
        Timing::Times { times, days } => {
            put("timing", Some("times".to_owned()));
            put("times", Some(times.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")));
            match days {
                Days::Daily => put("days", Some("daily".to_owned())),
                Days::EveryDays(step) => {
                    put("days", Some("every".to_owned()));
                    put("every", Some(step.to_string()));
                }
                Days::Weekly(on) => {
                    put("days", Some("week".to_owned()));
                    for day in on {
                        put("weekday", Some(day.to_string()));
                    }
                }
                Days::Monthly(on) => {
                    put("days", Some("month".to_owned()));
                    let on: Vec<String> = on.iter().map(ToString::to_string).collect();
                    put("monthday", Some(on.join(", ")));
                }
            }
        }
    }
}

/// A number as it is typed: without the comma of thousands.
fn plain(value: Decimal) -> String {
    value.to_string().replace(',', "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn typed(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn faults(pairs: &[(&str, &str)]) -> Vec<&'static str> {
        let mut problems = Problems::default();
        order(&typed(pairs), &mut problems);
        problems.0.iter().map(|problem| problem.field).collect()
    }

    const SOUND: [(&str, &str); 8] = [
        ("name", "Amoxicillin"),
        ("dose", "500"),
        ("dose_unit", "mg"),
        ("timing", "times"),
        ("times", "08:00 20:00"),
        ("days", "daily"),
        ("prescriber", "Dr Patel"),
        ("received", "prescription"),
    ];

    #[test]
    fn an_empty_form_says_all_that_is_missing_in_the_order_of_the_form() {
        assert_eq!(faults(&[]), ["name", "dose", "timing", "prescriber", "received"]);
        assert_eq!(faults(&SOUND), [""; 0]);
    }

    #[test]
    fn a_spoken_instruction_needs_a_second_person() {
        let mut spoken = SOUND.to_vec();
        spoken[7] = ("received", "phone");
        assert_eq!(faults(&spoken), ["second"]);
        spoken.push(("second", "Ann Carer"));
        assert_eq!(faults(&spoken), [""; 0]);
    }

    #[test]
    fn a_when_required_order_needs_what_for_an_interval_and_a_maximum() {
        let mut prn = SOUND.to_vec();
        prn[3] = ("timing", "prn");
        assert_eq!(faults(&prn), ["prn_for", "interval", "doses_per_day"]);
        prn.extend([("prn_for", "Pain"), ("interval", "240"), ("amount_per_day", "4"), ("amount_unit", "g")]);
        assert_eq!(faults(&prn), [""; 0]);
    }

    #[test]
    fn nonsense_is_told_and_not_guessed() {
        for (field, value, wrong) in [
            ("dose", "-2", "dose"),
            ("dose", "two", "dose"),
            ("dose_most", "1", "dose_most"),
            ("times", "25:00", "times"),
            ("critical", "0", "critical"),
            ("end_day", "31", "end"),
            ("code", "12ab", "code"),
        ] {
            let mut form: Vec<(&str, &str)> = vec![(field, value)];
            form.extend(SOUND.iter().filter(|(name, _)| *name != field));
            assert!(faults(&form).contains(&wrong), "{field}={value}: {:?}", faults(&form));
        }
    }

    fn orders() -> impl Strategy<Value = Order> {
        let days = prop_oneof![
            Just(Days::Daily),
            (2u16..90).prop_map(Days::EveryDays),
            prop::collection::btree_set(1u8..=7, 1..4).prop_map(|d| Days::Weekly(d.into_iter().collect())),
            prop::collection::btree_set(1u8..=31, 1..4).prop_map(|d| Days::Monthly(d.into_iter().collect())),
        ];
        let times = prop::collection::btree_set((0u8..24, 0u8..60), 1..5).prop_map(|times| {
            times.into_iter().filter_map(|(h, m)| TimeOfDay::new(h, m)).collect::<Vec<_>>()
        });
        let dose = (1i64..5_000, 1i64..5_000, any::<bool>()).prop_map(|(low, more, range)| {
            let quantity = |n| Quantity { value: Decimal::whole(n), unit: "mg".into() };
            if range { Dose::Range(quantity(low), quantity(low + more)) } else { Dose::Fixed(quantity(low)) }
        });
        (times, days, dose, prop::option::of(1u16..240)).prop_map(|(times, days, dose, critical)| Order {
            prescriber: Some("Dr Patel".into()),
            start: Some("2026-11-01".parse().unwrap()),
            time_critical_minutes: critical,
            schedule: Some(Schedule::Three),
            sites: Some(vec!["left arm".into(), "right arm".into()]),
            received: Some(Received { how: "Signed prescription".into(), second: None }),
            ..Order::new(Coded::text("Buprenorphine"), dose, Timing::Times { times, days })
        })
    }

    proptest! {
        #[test]
        fn a_form_that_is_opened_and_saved_unchanged_keeps_the_order(order in orders()) {
            let mut typed = fields(&order);
            typed.0.push(("received".into(), "prescription".into()));
            let mut problems = Problems::default();
            let again = super::order(&typed, &mut problems);
            prop_assert!(problems.is_empty(), "{:?}", problems);
            prop_assert_eq!(again, order);
        }

        #[test]
        fn nothing_that_is_typed_breaks_the_form(text in ".{0,40}", field in 0usize..12) {
            let names = ["name", "code", "dose", "dose_most", "dose_unit", "times", "every", "interval", "critical",
                "start_year", "monthday", "amount_per_day"];
            let mut form = SOUND.to_vec();
            form.insert(0, (names[field], &text));
            form.insert(0, ("days", "month"));
            faults(&form);
        }
    }
}
