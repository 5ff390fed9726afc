//! What a form says of a dose that was taken: in which way, how much, where and when.

use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::medicines::{Decimal, Quantity};
use hearth_protocol::time::{TimeOfDay, Timestamp};

use crate::web::form::{Fields, Problems};
use crate::web::view::doses::DoseCard;

/// Longest place on the body.
pub(super) const SITE_CHARS_MAX: usize = 120;
/// How long after it a dose may still be written down as given earlier, in milliseconds: a shift.
const EARLIER_MS_MAX: i64 = 12 * 60 * 60_000;
/// How long before it is due a dose may have been given, in milliseconds.
const EARLY_MS_MAX: i64 = 60 * 60_000;

/// The ways in which a dose is taken, by key.
pub(super) const WAYS: [(&str, &str); 4] = [
    ("given", "Given by staff"),
    ("self", "Taken by the person"),
    ("prompted", "Taken after a prompt"),
    ("available", "Made available"),
];

/// A dose that was taken.
pub(super) struct Happened {
    pub(super) outcome: Outcome,
    pub(super) amount: Option<Quantity>,
    pub(super) site: Option<String>,
    pub(super) at: Timestamp,
}

impl Happened {
    /// Reads it; what is wrong is told by field.
    pub(super) fn read(card: &DoseCard, fields: &Fields, problems: &mut Problems, now: Timestamp) -> Self {
        let outcome = match fields.text("way") {
            "self" => Outcome::SelfAdministered,
            "prompted" => Outcome::Prompted,
            "available" => Outcome::MadeAvailable,
            _ => Outcome::Given,
        };
        let amount = amount(card, fields, problems);
        let at = at(card, fields, problems, now);
        let chosen = fields.some("place").filter(|place| card.sites.contains(place));
        let typed = problems.optional(fields, "site", SITE_CHARS_MAX);
        let site = typed.or(chosen);
        if site.is_none() && !card.sites.is_empty() {
            problems.add("place", "Choose where on the body it was put");
        }
        Self { outcome, amount, site, at }
    }
}

/// How much was given, where the order leaves that open.
fn amount(card: &DoseCard, fields: &Fields, problems: &mut Problems) -> Option<Quantity> {
    let (low, high) = card.range.as_ref()?;
    let typed = fields.text("amount").parse::<Decimal>().ok();
    let fits = |value: &Decimal| value.compare(low.value).is_ge() && value.compare(high.value).is_le();
    // Ends in two units are told apart by hand: the amount is of the higher one's unit.
    let is_one_unit = low.unit == high.unit;
    let value = typed.filter(|value| value.compare(Decimal::ZERO).is_gt() && (!is_one_unit || fits(value)));
    if value.is_none() {
        problems.add("amount", format!("Enter how much was given, from {low} to {high}"));
    }
    value.map(|value| Quantity { value, unit: high.unit.clone() })
}

/// When it was taken: as the form was filled in, or at a time of the last 12 hours that the person gives.
fn at(card: &DoseCard, fields: &Fields, problems: &mut Problems, now: Timestamp) -> Timestamp {
    let at = fields.recorded_at(now);
    if fields.text("earlier").is_empty() {
        return at;
    }
    let Some(time) = fields.parse::<TimeOfDay>("earlier") else {
        problems.add("earlier", "Enter the time on the 24-hour clock, such as 08:05");
        return at;
    };
    let Some(given) = last_at(time, now) else {
        problems
            .add("earlier", "A dose can be written down up to 12 hours after it was given. Tell the manager");
        return at;
    };
    if card.due.ms_since(given) > EARLY_MS_MAX {
        problems.add("earlier", "That is more than an hour before the dose was due. Check the time");
    }
    given
}

/// The last moment at which clocks showed this time, if it is not too long ago.
fn last_at(time: TimeOfDay, now: Timestamp) -> Option<Timestamp> {
    let zoned = now.in_zone();
    let (hour, minute) = (i8::try_from(time.hour()).ok()?, i8::try_from(time.minute()).ok()?);
    let on = |date: jiff::civil::Date| {
        let moment = date.at(hour, minute, 0, 0).to_zoned(zoned.time_zone().clone()).ok()?;
        Some(Timestamp(moment.timestamp().as_millisecond()))
    };
    let today = zoned.date();
    let moments = [on(today), today.yesterday().ok().and_then(on)];
    let is_recent = |at: &Timestamp| (0..EARLIER_MS_MAX).contains(&now.ms_since(*at));
    moments.into_iter().flatten().find(is_recent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_time_is_the_last_one_that_clocks_showed_and_never_ahead() {
        let now = at("2026-12-01T01:10:00Z");
        assert_eq!(last_at("01:05".parse().unwrap(), now), Some(at("2026-12-01T01:05:00Z")));
        assert_eq!(last_at("23:50".parse().unwrap(), now), Some(at("2026-11-30T23:50:00Z")));
        assert_eq!(last_at("01:30".parse().unwrap(), now), None, "it is neither ahead nor a day old");
        assert_eq!(last_at("12:00".parse().unwrap(), now), None);
    }

    #[test]
    fn a_time_of_last_night_is_found_across_the_end_of_summer_time() {
        // 00:45 BST was three hours before 02:45 GMT.
        assert_eq!(
            last_at("00:45".parse().unwrap(), at("2026-10-25T02:45:00Z")),
            Some(at("2026-10-24T23:45:00Z"))
        );
    }
}
