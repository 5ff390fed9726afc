//! When a medicine is given, in words.

use super::age::length;
use super::date::weekday;
use super::listed;
use crate::record::medicines::{Days, Order, PrnProtocol, Timing};

/// `at 08:00 and 20:00`, `every 3 days at 09:00`, `on Monday and Thursday at 08:00`, `when required`. Words that came
/// as words stay as they are.
pub fn frequency(timing: &Timing) -> String {
    match timing {
        Timing::Times { times, days } => {
            let mut sorted = times.clone();
            sorted.sort_unstable();
            sorted.dedup();
            let times: Vec<String> = sorted.iter().map(ToString::to_string).collect();
            let words = [days_in_words(days), if times.is_empty() { String::new() } else { "at ".into() }];
            format!("{}{}", words.concat(), listed(&times)).trim_end().to_owned()
        }
        Timing::WhenRequired => "when required".to_owned(),
        Timing::Text(words) => words.trim().to_owned(),
    }
}

/// The frequency of an order; for one given when required with the limits of its protocol: `when required, at least
/// 4 h apart, at most 4 doses in 24 h, at most 4 g in 24 h`.
pub fn frequency_of(order: &Order) -> String {
    let mut words = vec![frequency(&order.timing)];
    if let (Timing::WhenRequired, Some(protocol)) = (&order.timing, &order.prn) {
        words.extend(limits_in_words(protocol));
    }
    words.join(", ")
}

fn limits_in_words(protocol: &PrnProtocol) -> Vec<String> {
    let interval = protocol.interval_minutes.map(|m| format!("at least {} apart", length(i64::from(m))));
    let doses = protocol.doses_per_day.map(|n| match n {
        1 => "at most 1 dose in 24 h".to_owned(),
        n => format!("at most {n} doses in 24 h"),
    });
    let amount = protocol.amount_per_day.as_ref().map(|q| format!("at most {q} in 24 h"));
    [interval, doses, amount].into_iter().flatten().collect()
}

fn days_in_words(days: &Days) -> String {
    match days {
        Days::Daily | Days::EveryDays(0 | 1) => String::new(),
        Days::EveryDays(2) => "every other day ".to_owned(),
        Days::EveryDays(step) => format!("every {step} days "),
        Days::Weekly(on) => {
            let names: Vec<String> = sorted(on)
                .into_iter()
                .filter_map(|day| i8::try_from(day).ok().map(weekday))
                .filter(|name| !name.is_empty())
                .map(str::to_owned)
                .collect();
            format!("on {} ", listed(&names))
        }
        Days::Monthly(on) => {
            let days = sorted(on);
            let noun = if days.len() == 1 { "day" } else { "days" };
            let days: Vec<String> = days.iter().map(ToString::to_string).collect();
            format!("on {noun} {} of the month ", listed(&days))
        }
    }
}

fn sorted(days: &[u8]) -> Vec<u8> {
    let mut days = days.to_vec();
    days.sort_unstable();
    days.dedup();
    days
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(times: &[&str], days: Days) -> Timing {
        Timing::Times { times: times.iter().map(|t| t.parse().unwrap()).collect(), days }
    }

    #[test]
    fn frequencies_are_plain_words() {
        for (timing, words) in [
            (times(&["20:00", "08:00"], Days::Daily), "at 08:00 and 20:00"),
            (times(&["08:00", "12:00", "18:00"], Days::Daily), "at 08:00, 12:00 and 18:00"),
            (times(&["09:00"], Days::EveryDays(3)), "every 3 days at 09:00"),
            (times(&["09:00"], Days::EveryDays(2)), "every other day at 09:00"),
            (times(&["08:00"], Days::Weekly(vec![4, 1])), "on Monday and Thursday at 08:00"),
            (times(&["08:00"], Days::Monthly(vec![1])), "on day 1 of the month at 08:00"),
            (times(&["08:00"], Days::Monthly(vec![15, 1])), "on days 1 and 15 of the month at 08:00"),
            (times(&[], Days::EveryDays(3)), "every 3 days"),
            (Timing::WhenRequired, "when required"),
            (Timing::Text("at bedtime ".into()), "at bedtime"),
        ] {
            assert_eq!(frequency(&timing), words);
        }
    }
}
