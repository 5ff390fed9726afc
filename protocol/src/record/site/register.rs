//! The controlled-drug register: pages with their lines and the balance after each (Misuse of Drugs Regulations 2001;
//! CQC). Lines are never replaced; a mistake is put right by a further line.

use std::collections::BTreeMap;

use super::RegisterLine;
use super::lease::Leases;
use crate::id::{ResidentId, StaffId};
use crate::record::medicines::{Decimal, Dose, Order, Schedule};
use crate::record::thread::threads;
use crate::record::version::Kind;
use crate::record::{Entry, Version};

/// A page: one resident's drug in one strength and form.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<'a> {
    /// Whose.
    pub resident: ResidentId,
    /// Drug, strength and form.
    pub page: &'a str,
    /// Lines in the order in which they were recorded. What was marked as entered in error stays a line and counts.
    pub lines: Vec<Line<'a>>,
}

/// A line with the balance after it.
#[derive(Clone, Debug, PartialEq)]
pub struct Line<'a> {
    /// The line.
    pub version: Version<'a, RegisterLine>,
    /// Units after it; none where they have more digits than can be held.
    pub balance: Option<Decimal>,
    /// Whether what was counted in the cupboard differs from the balance, or the balance is below zero.
    pub discrepancy: bool,
    /// Whether an installation wrote it that did not hold the register, or no longer: it counts, and is looked into.
    pub apart: bool,
}

/// Most characters of a page's name.
pub const PAGE_CHARS_MAX: usize = 200;

/// Why a line is written, by key, with its words: the keys are stored.
pub const REASONS: [(&str, &str); 6] = [
    ("received", "Received"),
    ("given", "Given"),
    ("wasted", "Wasted or destroyed"),
    ("returned", "Returned to the pharmacy"),
    ("counted", "Stock check"),
    ("corrected", "Correction of an earlier line"),
];

/// Why a line cannot be written so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// The reason is none of [`REASONS`].
    #[error("the reason is not one of the register's")]
    Reason,
    /// Units go the wrong way for the reason, or there are none.
    #[error("the units do not fit the reason")]
    Change,
    /// Nobody counted what is there after it.
    #[error("what is there was not counted")]
    Count,
    /// A correction says what it corrects.
    #[error("a correction has no words")]
    Note,
    /// The page has no name, or one that is too long.
    #[error("the page has no name or one that is too long")]
    Page,
    /// Nobody but the author signs.
    #[error("no second person signs")]
    Witness,
}

/// Whether a line may be written so by this member of staff.
pub fn check(line: &RegisterLine, author: StaffId) -> Result<(), LineFault> {
    let sign = line.change.compare(Decimal::ZERO);
    let fits = match line.reason.as_str() {
        "received" => sign.is_gt(),
        "given" | "wasted" | "returned" => sign.is_lt(),
        "counted" => sign.is_eq(),
        "corrected" => sign.is_ne(),
        _ => return Err(LineFault::Reason),
    };
    if !fits {
        return Err(LineFault::Change);
    }
    if line.counted.is_none_or(Decimal::is_negative) {
        return Err(LineFault::Count);
    }
    if line.reason == "corrected" && line.note.as_deref().is_none_or(|note| note.trim().is_empty()) {
        return Err(LineFault::Note);
    }
    if line.page.trim().is_empty() || line.page.chars().count() > PAGE_CHARS_MAX {
        return Err(LineFault::Page);
    }
    let witnessed = line.witness.as_ref().is_some_and(|witness| witness.staff != author);
    witnessed.then_some(()).ok_or(LineFault::Witness)
}

/// Whether the doses of an order are written in the register: schedule 2 is.
pub fn is_kept(order: &Order) -> bool {
    order.schedule == Some(Schedule::Two)
}

/// The page of an order: drug, strength and form, whatever the dose and the times are.
pub fn page_name(order: &Order) -> String {
    let mut name = order.medicine.display.trim().to_owned();
    for part in [&order.strength, &order.form].into_iter().flatten() {
        if !name.to_lowercase().contains(&part.trim().to_lowercase()) {
            name = format!("{name}, {}", part.trim());
        }
    }
    name.chars().take(PAGE_CHARS_MAX).collect()
}

/// Units that a dose takes out of the cupboard, where the order says so in units that can be counted.
pub fn units(order: &Order) -> Option<Decimal> {
    const WEIGHED: [&str; 12] = [
        "mg",
        "milligram",
        "milligrams",
        "microgram",
        "micrograms",
        "mcg",
        "g",
        "gram",
        "grams",
        "nanogram",
        "unit",
        "units",
    ];
    let Dose::Fixed(quantity) = &order.dose else { return None };
    let unit = quantity.unit.trim().to_lowercase();
    let units = if WEIGHED.contains(&unit.as_str()) {
        of_strength(quantity.value, &unit, order.strength.as_deref()?)
    } else {
        Some(quantity.value).filter(|_| !unit.is_empty() && !unit.contains('/'))
    };
    units.filter(|value| value.compare(Decimal::ZERO).is_gt())
}

/// How many whole units of a plain strength, such as `10mg`, make a dose.
fn of_strength(dose: Decimal, unit: &str, strength: &str) -> Option<Decimal> {
    let strength = strength.trim().to_lowercase();
    let number: Decimal = strength.strip_suffix(unit)?.trim().parse().ok()?;
    let (dose, each) = (dose.in_billionths(), number.in_billionths());
    let units = dose.checked_div(each).filter(|_| dose % each == 0)?;
    i64::try_from(units).ok().map(Decimal::whole)
}

impl Page<'_> {
    /// Units by the register now.
    pub fn balance(&self) -> Option<Decimal> {
        self.lines.last().map_or(Some(Decimal::ZERO), |line| line.balance)
    }

    /// Whether the last count, or the balance as it is, shows a discrepancy that no later right count has closed, or a
    /// line was written apart after that count.
    pub fn is_wrong(&self) -> bool {
        let since = self
            .lines
            .iter()
            .rposition(|line| line.version.body.counted.is_some() && !line.discrepancy && !line.apart);
        let open = self.lines.iter().skip(since.map_or(0, |at| at + 1));
        open.clone().any(|line| line.discrepancy || line.apart)
    }
}

/// The pages of a register, by resident and drug, from its entries in any order.
pub fn pages<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Page<'a>> {
    let mut all: Vec<&'a Entry> = threads(entries).into_iter().flat_map(|thread| thread.entries).collect();
    all.sort_by_key(|entry| (entry.recorded, entry.id));
    let leases = Leases::of(all.iter().copied());
    let mut pages: BTreeMap<(ResidentId, &str), Vec<Line<'a>>> = BTreeMap::new();
    for entry in all {
        let Some(body) = RegisterLine::of(&entry.body) else { continue };
        let lines = pages.entry((body.resident, body.page.as_str())).or_default();
        let before = lines.last().map_or(Some(Decimal::ZERO), |line| line.balance);
        lines.push(line(Version { entry, body }, before, !leases.covers(entry, body)));
    }
    pages.into_iter().map(|((resident, page), lines)| Page { resident, page, lines }).collect()
}

fn line(version: Version<'_, RegisterLine>, before: Option<Decimal>, apart: bool) -> Line<'_> {
    let balance = before.and_then(|before| before.checked_add(version.body.change));
    let differs = |counted: Decimal| balance.is_none_or(|balance| balance.compare(counted).is_ne());
    let discrepancy = version.body.counted.is_some_and(differs) || balance.is_none_or(Decimal::is_negative);
    Line { version, balance, discrepancy, apart }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, reordered, strike};

    fn line(page: &str, change: i64, counted: Option<i64>) -> Body {
        Body::RegisterLine(RegisterLine {
            resident: ResidentId(Uuid::nil()),
            page: page.into(),
            change: Decimal::whole(change),
            counted: counted.map(Decimal::whole),
            reason: "given".into(),
            witness: None,
            lease: None,
            note: None,
        })
    }

    #[test]
    fn a_line_needs_two_people_a_count_and_units_that_fit_its_reason() {
        let author = StaffId(7);
        let witness =
            crate::record::Author { staff: StaffId(8), role: crate::record::Role::Carer, name: "B".into() };
        let Body::RegisterLine(bare) = line("morphine", -1, Some(19)) else { panic!() };
        assert_eq!(check(&bare, author), Err(LineFault::Witness));
        let good = RegisterLine { witness: Some(witness), ..bare };
        assert_eq!(check(&good, author), Ok(()));
        assert_eq!(check(&good, StaffId(8)), Err(LineFault::Witness), "one person twice");
        let with = |reason: &str, change, counted: Option<i64>| RegisterLine {
            reason: reason.into(),
            change: Decimal::whole(change),
            counted: counted.map(Decimal::whole),
            ..good.clone()
        };
        for (reason, change, counted, fault) in [
            ("given", 1, Some(1), LineFault::Change),
            ("received", -1, Some(1), LineFault::Change),
            ("counted", 1, Some(1), LineFault::Change),
            ("corrected", 0, Some(1), LineFault::Change),
            ("corrected", 1, Some(1), LineFault::Note),
            ("given", -1, None, LineFault::Count),
            ("given", -1, Some(-1), LineFault::Count),
            ("lost", -1, Some(1), LineFault::Reason),
        ] {
            assert_eq!(check(&with(reason, change, counted), author), Err(fault), "{reason} {change}");
        }
        for (reason, change) in [("received", 28), ("wasted", -1), ("returned", -5), ("counted", 0)] {
            assert_eq!(check(&with(reason, change, Some(3)), author), Ok(()), "{reason}");
        }
    }

    #[test]
    fn a_discrepancy_stays_open_until_a_count_fits_again() {
        let mut entries = vec![entry(1, 0, line("m", 20, Some(20))), entry(2, 1, line("m", -2, Some(17)))];
        assert!(pages(&entries)[0].is_wrong());
        entries.push(entry(3, 2, line("m", -1, Some(16))));
        assert!(pages(&entries)[0].is_wrong());
        entries.push(entry(4, 3, line("m", -1, Some(16))));
        assert!(!pages(&entries)[0].is_wrong());
    }

    #[test]
    fn the_balance_runs_and_a_wrong_count_shows() {
        let entries = [
            entry(1, 0, line("morphine", 20, Some(20))),
            entry(2, 1, line("morphine", -2, Some(18))),
            entry(3, 2, line("morphine", -2, Some(15))),
            entry(4, 3, line("oxycodone", -1, None)),
        ];
        let pages = pages(&entries);
        assert_eq!(pages[0].balance(), Some(Decimal::whole(16)));
        let wrong: Vec<bool> = pages[0].lines.iter().map(|l| l.discrepancy).collect();
        assert_eq!(wrong, [false, false, true]);
        assert!(pages[1].lines[0].discrepancy, "a balance below zero");
    }

    #[test]
    fn a_struck_line_stays_and_counts() {
        let first = entry(1, 0, line("morphine", 20, None));
        let entries = [strike(2, 1, &first), first];
        assert_eq!(pages(&entries)[0].balance(), Some(Decimal::whole(20)));
    }

    proptest! {
        #[test]
        fn the_pages_are_the_same_for_any_order_and_hold_every_line(
            (entries, again) in history(
                ("[a-b]", -9i64..9).prop_map(|(page, change)| line(&page, change, None))
            ).prop_flat_map(reordered)
        ) {
            let found = pages(&entries);
            prop_assert_eq!(&found, &pages(&again));
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert_eq!(ids(said), ids(found.iter().flat_map(|p| &p.lines).map(|l| l.version.entry)));
        }
    }
}
