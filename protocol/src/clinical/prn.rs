//! Whether a when-required medicine may be given now, by its own protocol (CQC: *When required medicines in adult
//! social care*: dose, minimum interval, maximum in 24 hours).
//!
//! Only doses of the same order are counted. Another order for the same medicine is found by
//! [`duplicates`](super::allergy_check::duplicates).

use std::fmt;

use super::format::age::length;
use super::format::date::date_time;
use super::format::quantity::clinical_unit;
use crate::record::medicines::{Dose, Order, OrderStatus, PrnProtocol, Quantity};
use crate::time::{Date, Timestamp};

const DAY_MS: i64 = 24 * 60 * 60_000;

/// A dose that the person has, or may have, in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakenDose<'a> {
    /// When it was taken.
    pub at: Timestamp,
    /// How much, where it was written down; otherwise the order's dose counts, the higher one of a range.
    pub amount: Option<&'a Quantity>,
}

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PrnCheck {
    /// Why it may not be given now; empty where nothing speaks against it.
    pub refused: Vec<Refusal>,
    /// What could not be checked, to be read before giving.
    pub cautions: Vec<Caution>,
}

/// Why a dose may not be given now; its text is a sentence for the person who would give it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The order is on hold or stopped, its first day is to come or its last is over.
    NotActive,
    /// Too soon after the last dose.
    Interval {
        /// Least minutes between doses.
        minutes: u32,
        /// The last dose.
        last: Timestamp,
        /// When the interval is over.
        next: Timestamp,
    },
    /// As many doses as are allowed in 24 hours.
    Doses {
        /// Most in 24 hours.
        most: u16,
        /// When one of them is 24 hours old.
        next: Option<Timestamp>,
    },
    /// The dose would go over the amount that is allowed in 24 hours.
    Amount {
        /// Most in 24 hours.
        most: Quantity,
        /// When enough of it is 24 hours old; none where the dose alone is more than is allowed.
        next: Option<Timestamp>,
    },
}

/// What could not be checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caution {
    /// The order has no protocol, or one without interval and maximum.
    NoLimits,
    /// Doses and maximum are in units that cannot be added up.
    AmountNotComparable,
}

impl PrnCheck {
    /// Whether nothing speaks against giving it now.
    pub fn may_give(&self) -> bool {
        self.refused.is_empty()
    }

    /// When it may be given at the earliest; none where it may be given now, or where no wait helps.
    pub fn next(&self) -> Option<Timestamp> {
        let moments: Option<Vec<Timestamp>> = self.refused.iter().map(Refusal::next).collect();
        moments.and_then(|moments| moments.into_iter().max())
    }
}

impl Refusal {
    /// When this reason ends by itself; none where it does not.
    pub fn next(&self) -> Option<Timestamp> {
        match self {
            Self::NotActive => None,
            Self::Interval { next, .. } => Some(*next),
            Self::Doses { next, .. } | Self::Amount { next, .. } => *next,
        }
    }
}

/// Checks a when-required order at `now` against the doses of it that were taken; `amount` is what is about to be
/// given, where it is not the order's dose.
pub fn check(order: &Order, taken: &[TakenDose<'_>], amount: Option<&Quantity>, now: Timestamp) -> PrnCheck {
    let mut check = PrnCheck::default();
    if !is_active(order, now.date()) {
        check.refused.push(Refusal::NotActive);
    }
    let Some(protocol) = order.prn.as_ref().filter(|p| has_limits(p)) else {
        check.cautions.push(Caution::NoLimits);
        return check;
    };
    // A dose ahead of this clock was still taken: it counts.
    let recent: Vec<TakenDose<'_>> =
        taken.iter().filter(|dose| now.ms_since(dose.at) < DAY_MS).copied().collect();
    check.refused.extend(interval(protocol, taken, now));
    check.refused.extend(doses(protocol, &recent));
    match amount_per_day(order, protocol, &recent, amount) {
        Ok(refusal) => check.refused.extend(refusal),
        Err(caution) => check.cautions.push(caution),
    }
    check
}

fn is_active(order: &Order, today: Date) -> bool {
    order.status == OrderStatus::Active
        && order.start.is_none_or(|start| start <= today)
        && order.end.is_none_or(|end| today <= end)
}

fn has_limits(protocol: &PrnProtocol) -> bool {
    protocol.interval_minutes.is_some()
        || protocol.doses_per_day.is_some()
        || protocol.amount_per_day.is_some()
}

fn interval(protocol: &PrnProtocol, taken: &[TakenDose<'_>], now: Timestamp) -> Option<Refusal> {
    let minutes = protocol.interval_minutes?;
    let last = taken.iter().map(|dose| dose.at).max()?;
    let next = last.plus_ms(i64::from(minutes) * 60_000);
    (now < next).then_some(Refusal::Interval { minutes, last, next })
}

fn doses(protocol: &PrnProtocol, recent: &[TakenDose<'_>]) -> Option<Refusal> {
    let most = protocol.doses_per_day?;
    let mut moments: Vec<Timestamp> = recent.iter().map(|dose| dose.at).collect();
    moments.sort_unstable();
    let over = moments.len().checked_sub(usize::from(most))?;
    Some(Refusal::Doses { most, next: moments.get(over).map(|at| at.plus_ms(DAY_MS)) })
}

fn amount_per_day(
    order: &Order,
    protocol: &PrnProtocol,
    recent: &[TakenDose<'_>],
    amount: Option<&Quantity>,
) -> Result<Option<Refusal>, Caution> {
    let Some(most) = &protocol.amount_per_day else { return Ok(None) };
    let usual = usual_amount(&order.dose);
    let unit = base(most);
    let in_unit = |quantity: Option<&Quantity>| {
        let (name, value) = base(quantity.ok_or(Caution::AmountNotComparable)?);
        if name == unit.0 { Ok(value) } else { Err(Caution::AmountNotComparable) }
    };
    let wanted = in_unit(amount.or(usual))?;
    let mut given: Vec<(Timestamp, i128)> =
        recent.iter().map(|d| Ok((d.at, in_unit(d.amount.or(usual))?))).collect::<Result<_, Caution>>()?;
    given.sort_unstable();
    let mut sum: i128 = given.iter().map(|(_, value)| value).sum();
    if sum + wanted <= unit.1 {
        return Ok(None);
    }
    // Doses leave the 24 hours oldest first: the first that makes room says when.
    let next = given.iter().find_map(|(at, value)| {
        sum -= value;
        (sum + wanted <= unit.1).then(|| at.plus_ms(DAY_MS))
    });
    Ok(Some(Refusal::Amount { most: most.clone(), next }))
}

fn usual_amount(dose: &Dose) -> Option<&Quantity> {
    match dose {
        Dose::Fixed(quantity) | Dose::Range(_, quantity) => Some(quantity),
        Dose::Text(_) => None,
    }
}

/// An amount in the smallest unit of its kind, so that 1 g and 500 mg can be added.
fn base(quantity: &Quantity) -> (String, i128) {
    let value = quantity.value.in_billionths();
    match clinical_unit(quantity.unit.trim()) {
        "g" => ("micrograms".to_owned(), value * 1_000_000),
        "mg" => ("micrograms".to_owned(), value * 1_000),
        "micrograms" => ("micrograms".to_owned(), value),
        "L" => ("mL".to_owned(), value * 1_000),
        other => (other.to_lowercase().trim_end_matches('s').to_owned(), value),
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotActive => {
                f.write_str("This medicine is on hold, stopped or outside its dates. Do not give it.")?;
            }
            Self::Interval { minutes, last, .. } => {
                let wait = length(i64::from(*minutes));
                write!(f, "Doses must be at least {wait} apart. The last was at {}.", date_time(*last))?;
            }
            Self::Doses { most, .. } => {
                let doses = if *most == 1 { "dose" } else { "doses" };
                write!(f, "At most {most} {doses} may be given in 24 hours, and that many were given.")?;
            }
            Self::Amount { most, next: None } => {
                write!(f, "This dose is more than the {most} allowed in 24 hours. Call the prescriber.")?;
            }
            Self::Amount { most, .. } => {
                write!(f, "At most {most} may be given in 24 hours, and this dose would go over it.")?;
            }
        }
        match self.next() {
            Some(next) => write!(f, " The next dose may be given from {}.", date_time(next)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Caution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoLimits => {
                "This medicine has no interval or daily maximum on record. Read the label and ask before giving it \
                 again."
            }
            Self::AmountNotComparable => {
                "The amount in 24 hours could not be added up, because doses and maximum have different units. Add \
                 it up yourself before giving."
            }
        })
    }
}

#[cfg(test)]
mod tests;
