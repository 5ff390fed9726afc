//! The controlled-drug register: written by the installation that holds it, by two people, with what is counted.

use hearth_protocol::access::{self, Action};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::medicines::Decimal;
use hearth_protocol::record::site::lease::Leases;
use hearth_protocol::record::site::register;
use hearth_protocol::record::site::{LeaseHow, RegisterLease, RegisterLine, Task};
use hearth_protocol::record::version::Kind as _;
use hearth_protocol::record::{Body, Entry, Role};
use hearth_protocol::scope::{Scope, Section, Subject};
use rusqlite::Connection;

use super::draft::{AddError, Draft};
use super::requester::Requester;
use super::{Site, read, row};

/// Checks what an action writes in the register and says under which lease it stands. The first line of a register
/// opens it; a line whose count differs from the balance asks the manager to look into it. Both are further drafts.
pub(super) fn prepare(
    tx: &Connection,
    site: &Site,
    requester: &Requester,
    drafts: &mut Vec<Draft>,
) -> Result<(), AddError> {
    let writes = |draft: &Draft| matches!(draft.body, Body::RegisterLine(_) | Body::RegisterLease(_));
    if !drafts.iter().any(writes) {
        return Ok(());
    }
    if drafts.iter().any(|draft| writes(draft) && !(draft.replaces.is_empty() && draft.thread.is_none())) {
        return Err(AddError::Locked);
    }
    let scope = Scope::of_site(site.id, Section::CdRegister).ok_or(AddError::Misplaced)?;
    let entries = read::entries_of(tx, scope)?;
    let leases = Leases::of(&entries);
    let mut more = Vec::new();
    let lease = match leases.current() {
        Some(current) if current.body.holder == site.install => current.entry.id,
        Some(current) if drafts.iter().any(|d| matches!(d.body, Body::RegisterLine(_))) => {
            return Err(AddError::RegisterElsewhere(current.body.holder));
        }
        Some(current) => current.entry.id,
        None => {
            let opened = RegisterLease {
                holder: site.install,
                how: LeaseHow::Opened,
                after: Vec::new(),
                reason: None,
                witness: None,
            };
            more.push(of_site(site, drafts, Section::CdRegister, Body::RegisterLease(opened)));
            next_id(tx, site, drafts.len())?
        }
    };
    for draft in drafts.iter_mut() {
        if let Body::RegisterLine(line) = &mut draft.body {
            register::check(line, requester.staff).map_err(AddError::RegisterLine)?;
            check_count(&leases, &entries, line)?;
            line.lease = Some(lease);
        } else if let Body::RegisterLease(change) = &mut draft.body {
            check_lease(&leases, site, requester, change)?;
            change.after = leases.to_end();
        }
    }
    let alarms = drafts.iter().filter_map(|draft| alarm(&entries, draft));
    let alarms: Vec<Task> = alarms.collect();
    more.extend(alarms.into_iter().map(|task| of_site(site, drafts, Section::Tasks, Body::Task(task))));
    drafts.append(&mut more);
    Ok(())
}

/// The id of the entry that the draft after so many others becomes.
fn next_id(tx: &Connection, site: &Site, before: usize) -> Result<EntryId, AddError> {
    let last: u64 = row::meta(tx, "entry-counter")?.unwrap_or(0);
    Ok(EntryId { install: site.install, counter: last.saturating_add(before as u64).saturating_add(1) })
}

fn of_site(site: &Site, drafts: &[Draft], section: Section, body: Body) -> Draft {
    let happened = drafts.iter().map(|draft| draft.happened).max().unwrap_or_default();
    let subject = Subject::Site(site.id);
    Draft { subject, section, happened, thread: None, replaces: Vec::new(), body }
}

/// The lines of the page on which this one stands.
fn of_page<'a>(
    entries: &'a [Entry],
    line: &'a RegisterLine,
) -> impl Iterator<Item = (&'a Entry, &'a RegisterLine)> {
    let lines = entries.iter().filter_map(|entry| RegisterLine::of(&entry.body).map(|body| (entry, body)));
    lines.filter(|(_, known)| known.resident == line.resident && known.page == line.page)
}

fn check_count(leases: &Leases<'_>, entries: &[Entry], line: &RegisterLine) -> Result<(), AddError> {
    let has_stock = of_page(entries, line).next().is_some();
    if line.reason != "counted" && has_stock && leases.awaits_count(of_page(entries, line)) {
        return Err(AddError::CountFirst);
    }
    Ok(())
}

fn check_lease(
    leases: &Leases<'_>,
    site: &Site,
    requester: &Requester,
    change: &RegisterLease,
) -> Result<(), AddError> {
    let holds = leases.current().is_some_and(|lease| lease.body.holder == site.install);
    let witnessed = change.witness.as_ref().is_some_and(|witness| witness.staff != requester.staff);
    let has_reason = change.reason.as_deref().is_some_and(|reason| !reason.trim().is_empty());
    let may = match change.how {
        LeaseHow::Opened => false,
        LeaseHow::HandedOver => holds && change.holder != site.install && witnessed,
        // While two hold it apart, whoever settles that takes it over again, and counts.
        LeaseHow::TakenOver => {
            let is_lost = !holds || leases.is_contested();
            let is_manager = requester.role == Role::Manager
                && access::role_may(requester.role, Section::CdRegister, Action::Settle);
            leases.current().is_some()
                && is_lost
                && is_manager
                && change.holder == site.install
                && has_reason
                && witnessed
        }
    };
    may.then_some(()).ok_or(AddError::Lease)
}

/// What the manager is asked to look into.
fn alarm(entries: &[Entry], draft: &Draft) -> Option<Task> {
    let task = |resident, text: &str| Task {
        resident,
        text: text.to_owned(),
        due: Some(draft.happened),
        role: Some(Role::Manager),
        ..Task::default()
    };
    if let Body::RegisterLine(line) = &draft.body {
        let before = of_page(entries, line).try_fold(Decimal::ZERO, |sum, (_, l)| sum.checked_add(l.change));
        let balance = before.and_then(|before| before.checked_add(line.change));
        let counted = balance.zip(line.counted);
        let fits = counted.is_some_and(|(balance, counted)| balance.compare(counted).is_eq());
        let words =
            "Controlled-drug register: what was counted differs from the balance. Look into it today.";
        return (!fits).then(|| task(Some(line.resident), words));
    }
    let is_taken = matches!(&draft.body, Body::RegisterLease(change) if change.how == LeaseHow::TakenOver);
    let words = "The controlled-drug register was taken over from another node. Count every page, and look into what the \
                 other node wrote.";
    is_taken.then(|| task(None, words))
}

#[cfg(test)]
mod tests;
