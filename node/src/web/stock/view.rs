//! The controlled-drug register as its pages and its print show it: pure, from the register's entries.

use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, InstallId, ResidentId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::medicines::Decimal;
use hearth_protocol::record::site::lease::Leases;
use hearth_protocol::record::site::register::{Line, Page, REASONS, pages};

/// A page of the register with its lines, oldest first, as it is read and printed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterPage {
    /// Its address: the id of its first line. Any of its lines leads to it.
    pub id: EntryId,
    /// Whose.
    pub resident: ResidentId,
    /// Drug, strength and form.
    pub page: String,
    /// Units there by the register.
    pub balance: String,
    /// Whether a count or balance does not fit, or a line was written apart, since the last count that did.
    pub wrong: bool,
    /// Its lines.
    pub lines: Vec<LineRow>,
}

/// A line of the register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LineRow {
    /// When it happened.
    pub when: String,
    /// What was done.
    pub reason: String,
    /// Units in.
    pub received: String,
    /// Units out.
    pub taken: String,
    /// Units by the register after it.
    pub balance: String,
    /// Units counted after it.
    pub counted: String,
    /// Who signed: author and witness.
    pub signed: String,
    /// From or to whom, why.
    pub note: Option<String>,
    /// What is wrong with it, in words.
    pub faults: Vec<&'static str>,
}

/// Who writes the register, as a page at one installation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// Whether this installation does: also where nobody has written yet.
    pub here: bool,
    /// Whether nobody has.
    pub unopened: bool,
    /// Which installation does.
    pub install: Option<InstallId>,
    /// Since when, and by whom it was given.
    pub since: String,
    /// Whether two came to hold it apart.
    pub contested: bool,
}

/// The pages of a register.
pub fn register(entries: &[Entry]) -> Vec<RegisterPage> {
    pages(entries).iter().filter_map(register_page).collect()
}

/// Who writes it.
pub fn holder(entries: &[Entry], own: InstallId) -> Holder {
    let leases = Leases::of(entries);
    let current = leases.current();
    Holder {
        here: current.is_none_or(|lease| lease.body.holder == own),
        unopened: current.is_none(),
        install: current.map(|lease| lease.body.holder),
        since: current.map_or_else(String::new, |lease| {
            format!("{} by {}", format::date_time(lease.entry.recorded), lease.entry.author.name)
        }),
        contested: leases.is_contested(),
    }
}

fn register_page(page: &Page<'_>) -> Option<RegisterPage> {
    Some(RegisterPage {
        id: page.lines.first()?.version.entry.id,
        resident: page.resident,
        page: page.page.to_owned(),
        balance: number(page.balance()),
        wrong: page.is_wrong(),
        lines: page.lines.iter().map(row).collect(),
    })
}

fn row(line: &Line<'_>) -> LineRow {
    let (entry, body) = (line.version.entry, line.version.body);
    let reason = REASONS.iter().find(|(key, _)| *key == body.reason);
    let faults = [
        (line.discrepancy && body.counted.is_some(), "The count differs from the balance"),
        (line.balance.is_none_or(Decimal::is_negative), "The balance is below zero"),
        (line.apart, "Written at a node that did not hold the register"),
    ];
    let witness = body.witness.as_ref().map_or("no witness", |witness| witness.name.as_str());
    LineRow {
        when: format::date_time(entry.happened),
        reason: reason.map_or_else(|| body.reason.clone(), |(_, words)| (*words).to_owned()),
        received: if body.change.compare(Decimal::ZERO).is_gt() {
            number(Some(body.change))
        } else {
            String::new()
        },
        taken: if body.change.is_negative() {
            number(Decimal::ZERO.checked_sub(body.change))
        } else {
            String::new()
        },
        balance: number(line.balance),
        counted: body.counted.map(|counted| number(Some(counted))).unwrap_or_default(),
        signed: format!("{}, witness {witness}", entry.author.name),
        note: body.note.clone(),
        faults: faults.into_iter().filter(|(is, _)| *is).map(|(_, words)| words).collect(),
    }
}

fn number(value: Option<Decimal>) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| value.normal().to_string())
}
