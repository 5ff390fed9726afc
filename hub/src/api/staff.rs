//! Staff of a site: entries of the site's roster, so that the site has them offline.

use axum::Json;
use axum::extract::{Path as Segments, State};
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::id::{SiteId, StaffId};
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    AddStaff, BATCH_MAX, Fault, NewStaff, StaffAdded, StaffList, StaffSummary, StaffUpdate,
};
use hearth_provisioning::roster::{STAFF_ROLES, check_verifier, member};
use rusqlite::{Connection, Transaction};

use super::call::{Admin, Answer, Audited, Done, Seen, Write};
use super::refusal::fault;
use super::sites::{find, known_form, no_site, require_open};
use super::{Api, Refusal};
use crate::random::Random;
use crate::store::StoreError;
use crate::{ingest, records, region};

/// Longest name or registration, in characters.
const NAME_CHARS_MAX: usize = 100;

pub(super) async fn list(
    State(api): State<Api>,
    admin: Admin,
    Segments(site): Segments<String>,
) -> Result<Response, Refusal> {
    let site = known_form(&site)?;
    let read = move |connection: &Connection| {
        let is_known = find(connection, site)?.is_some();
        Ok(is_known.then_some(roster(connection, site)?))
    };
    let found = api.parts().store.read(read).await?.ok_or_else(|| no_site(site))?;
    let mut staff: Vec<StaffSummary> = found.iter().map(|(_, member)| summary(member)).collect();
    staff.sort_by(|a, b| (&a.name, a.staff).cmp(&(&b.name, b.staff)));
    let what = What::done(admin.who(), Action::View).about(Subject::Site(site)).in_section(Section::Roster);
    let mut response = Json(StaffList { staff }).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

pub(super) async fn add(
    State(api): State<Api>,
    Segments(site): Segments<String>,
    Write(call, request): Write<AddStaff>,
) -> Result<Answer<StaffAdded>, Audited> {
    let (admin, random) = (call.admin.clone(), api.parts().random.clone());
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let site = known_form(&site)?;
        check_all(&request.staff, now)?;
        require_open(t, site)?;
        let taken = roster(t, site)?.into_iter().map(|(_, member)| member.staff).collect();
        let members = accounts(&request.staff, &random, taken);
        let added: Vec<StaffSummary> = members.iter().map(summary).collect();
        let audit = added.iter().map(|member| told(&admin, Action::StaffAdd, site, member.staff)).collect();
        let versions = members.into_iter().map(|member| (member, Vec::new())).collect();
        write(t, site, &admin, versions, now)?;
        Ok(Done::created(StaffAdded { staff: added }, audit))
    };
    api.commit(call, Action::StaffAdd, work).await
}

pub(super) async fn update(
    State(api): State<Api>,
    Segments((site, staff)): Segments<(String, String)>,
    Write(call, request): Write<StaffUpdate>,
) -> Result<Answer<StaffSummary>, Audited> {
    let admin = call.admin.clone();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let site = known_form(&site)?;
        let staff: StaffId =
            staff.parse().map_err(|_| Refusal::not_found("No member of staff has this form of id."))?;
        require_open(t, site)?;
        let versions: Vec<(Entry, StaffMember)> =
            roster(t, site)?.into_iter().filter(|(_, member)| member.staff == staff).collect();
        let Some((_, newest)) = versions.first() else {
            return Err(Refusal::not_found(format!("Site {site} has no member of staff {staff}.")));
        };
        let changed = changed(newest.clone(), request, now)?;
        let shown = summary(&changed);
        let replaced = versions.into_iter().map(|(entry, _)| entry).collect();
        write(t, site, &admin, vec![(changed, replaced)], now)?;
        Ok(Done::ok(shown, vec![told(&admin, Action::StaffChange, site, staff)]))
    };
    api.commit(call, Action::StaffChange, work).await
}

/// The accounts of a site's roster with the entries that say so; the newest entry of an account first.
pub(super) fn roster(connection: &Connection, site: SiteId) -> Result<Vec<(Entry, StaffMember)>, StoreError> {
    let entries = records::newest(connection, scope(site)?)?;
    let member = |entry: Entry| {
        let Body::StaffMember(member) = &entry.body else { return None };
        let member = member.clone();
        Some((entry, member))
    };
    let mut members: Vec<(Entry, StaffMember)> = entries.into_iter().filter_map(member).collect();
    members.sort_by_key(|(entry, member)| (member.staff, std::cmp::Reverse((entry.recorded, entry.id))));
    Ok(members)
}

fn scope(site: SiteId) -> Result<Scope, StoreError> {
    Scope::of_site(site, Section::Roster).ok_or_else(|| StoreError::logic("a roster is a site's"))
}

fn told(admin: &Admin, action: Action, site: SiteId, staff: StaffId) -> What {
    let what = What::done(admin.who(), action).about(Subject::Site(site)).in_section(Section::Roster);
    what.with_detail(Code::near(&staff.to_string()))
}

/// Adds a version of each account to the roster, in place of these entries of it.
fn write(
    t: &Transaction<'_>,
    site: SiteId,
    admin: &Admin,
    versions: Vec<(StaffMember, Vec<Entry>)>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let entry = |(member, replaced): (StaffMember, Vec<Entry>)| {
        Ok(Entry {
            id: region::next_entry(t)?,
            happened: now,
            recorded: now,
            author: Author { staff: StaffId(0), role: Role::Administrator, name: admin.name.clone() },
            origin: Origin::Site(site),
            thread: replaced.first().map(Entry::thread_id),
            replaces: replaced.iter().map(|entry| entry.id).collect(),
            body: Body::StaffMember(member),
        })
    };
    let entries = versions.into_iter().map(entry).collect::<Result<Vec<Entry>, StoreError>>()?;
    ingest::append(t, scope(site)?, entries, now).map(drop)
}

fn accounts(new: &[NewStaff], random: &Random, mut taken: Vec<StaffId>) -> Vec<StaffMember> {
    let mut members = Vec::with_capacity(new.len());
    for person in new {
        let staff = loop {
            let staff = StaffId(random.u64());
            if staff.0 != 0 && !taken.contains(&staff) {
                break staff;
            }
        };
        taken.push(staff);
        members.push(member(staff, person));
    }
    members
}

fn check_all(staff: &[NewStaff], now: Timestamp) -> Result<(), Refusal> {
    let mut faults = Vec::new();
    if staff.is_empty() || staff.len() > BATCH_MAX {
        faults.push(fault("/staff", format!("Send 1 to {BATCH_MAX} members of staff at a time.")));
    }
    for (index, person) in staff.iter().enumerate().take(BATCH_MAX) {
        check(person, index, now, &mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(Refusal::invalid(faults)) }
}

fn check(person: &NewStaff, index: usize, now: Timestamp, faults: &mut Vec<Fault>) {
    let at = |part: &str| format!("/staff/{index}/{part}");
    if !is_name(&person.name) {
        faults.push(fault(at("name"), format!("A name has 1 to {NAME_CHARS_MAX} characters.")));
    }
    if person.registration.as_deref().is_some_and(|text| !is_name(text)) {
        faults
            .push(fault(at("registration"), format!("A registration has 1 to {NAME_CHARS_MAX} characters.")));
    }
    check_parts(
        (Some(person.role), person.until, person.pin_verifier.as_deref()),
        &format!("/staff/{index}"),
        now,
        faults,
    );
}

fn check_parts(
    (role, until, verifier): (Option<Role>, Option<Timestamp>, Option<&str>),
    at: &str,
    now: Timestamp,
    faults: &mut Vec<Fault>,
) {
    if role.is_some_and(|role| !STAFF_ROLES.contains(&role)) {
        faults.push(fault(format!("{at}/role"), "This role is not one of a site's staff."));
    }
    if until.is_some_and(|until| until <= now) {
        faults.push(fault(format!("{at}/until"), "The account would have ended already."));
    }
    if let Some(Err(error)) = verifier.map(check_verifier) {
        faults.push(fault(format!("{at}/pin_verifier"), format!("Not accepted: {error}.")));
    }
}

fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= NAME_CHARS_MAX && !text.chars().any(char::is_control)
}

fn changed(mut member: StaffMember, update: StaffUpdate, now: Timestamp) -> Result<StaffMember, Refusal> {
    let mut faults = Vec::new();
    check_parts((update.role, update.until, update.pin_verifier.as_deref()), "", now, &mut faults);
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    member.active = update.active.unwrap_or(member.active);
    member.role = update.role.unwrap_or(member.role);
    member.until = update.until.or(member.until);
    member.pin = update.pin_verifier.or(member.pin);
    Ok(member)
}

fn summary(member: &StaffMember) -> StaffSummary {
    StaffSummary {
        staff: member.staff,
        name: member.name.clone(),
        role: member.role,
        active: member.active,
        has_pin: member.pin.is_some(),
        until: member.until,
        registration: member.registration.clone(),
    }
}
