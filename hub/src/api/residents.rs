//! Residents: list, find, assign, move. Who they are is read from their identity section, nothing clinical.

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::id::{ResidentId, SiteId};
use hearth_protocol::record::identity::Security;
use hearth_protocol::record::identity::view::IdentityView;
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RevokeMode;
use hearth_provisioning::api::{
    Assign, AssignReport, BATCH_MAX, FindResident, Move, MoveReport, PAGE_MAX, Resident, ResidentList,
    ResidentQuery, ResidentRef,
};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::call::{Admin, Answer, Audited, Done, Seen, Write};
use super::refusal::fault;
use super::sites::require_open;
use super::{Api, Refusal};
use crate::grants::{self, GrantState};
use crate::records;
use crate::scopes;
use crate::store::{StoreError, columns};

const PAGE: &str = "SELECT id FROM resident r WHERE id > ?1 \
    AND (?2 IS NULL OR EXISTS (SELECT 1 FROM grant_ g WHERE g.resident = r.id AND g.site = ?2 \
         AND g.state = 'active')) \
    AND (NOT ?3 OR NOT EXISTS (SELECT 1 FROM grant_ g WHERE g.resident = r.id AND g.state = 'active')) \
    ORDER BY id LIMIT ?4";

pub(super) async fn list(
    State(api): State<Api>,
    admin: Admin,
    query: Result<Query<ResidentQuery>, axum::extract::rejection::QueryRejection>,
) -> Result<Response, Refusal> {
    let Ok(Query(query)) = query else {
        let detail = "The query has a part that the API's description does not know.";
        return Err(Refusal::invalid(vec![fault("", detail)]));
    };
    let found = api.parts().store.read(move |connection| page(connection, &query)).await?;
    let about = |resident: &Resident| {
        What::done(admin.who(), Action::View)
            .about(Subject::Resident(resident.id))
            .in_section(Section::Identity)
            .with_detail(Code::near("residents"))
    };
    let mut whats: Vec<What> = found.residents.iter().map(about).collect();
    if whats.is_empty() {
        whats.push(What::done(admin.who(), Action::View).with_detail(Code::near("residents")));
    }
    let mut response = Json(found).into_response();
    response.extensions_mut().insert(Seen(whats));
    Ok(response)
}

pub(super) async fn find(
    State(api): State<Api>,
    Write(call, request): Write<FindResident>,
) -> Result<Response, Refusal> {
    let read = move |connection: &Connection| {
        let found = resolve(connection, ResidentRef::NhsNumber(request.nhs_number))?;
        found.map(|resident| particulars(connection, resident)).transpose()
    };
    let found = api.parts().store.read(read).await?;
    let what = What::done(call.admin.who(), Action::Search);
    let what = match &found {
        Some(resident) => what.about(Subject::Resident(resident.id)),
        None => what.with_detail(Code::near("nobody")),
    };
    let mut response =
        Json(ResidentList { residents: found.into_iter().collect(), next: None }).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

pub(super) async fn assign(
    State(api): State<Api>,
    Write(call, request): Write<Assign>,
) -> Result<Answer<AssignReport>, Audited> {
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let residents = resolve_all(t, &request.residents)?;
        let site = require_open(t, request.site)?.ods;
        let mut report = AssignReport { site, assigned: Vec::new(), already: Vec::new() };
        for resident in residents {
            if grants::state(t, site, resident)? == Some(GrantState::Active) {
                report.already.push(resident);
            } else {
                grants::assign(t, site, resident, now)?;
                report.assigned.push(resident);
            }
        }
        let about = |resident: &ResidentId| {
            let what = What::done(who.clone(), Action::ResidentAssign).about(Subject::Resident(*resident));
            what.with_detail(Code::near(site.as_str()))
        };
        let audit = report.assigned.iter().map(about).collect();
        Ok(Done::ok(report, audit))
    };
    api.commit(call, Action::ResidentAssign, work).await
}

pub(super) async fn transfer(
    State(api): State<Api>,
    Write(call, request): Write<Move>,
) -> Result<Answer<MoveReport>, Audited> {
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let residents = resolve_all(t, &request.residents)?;
        let (from, to) = (request.from, request.to);
        if from == to {
            return Err(Refusal::invalid(vec![fault("/to", "A move goes to another site.")]));
        }
        super::sites::find(t, from)?.ok_or_else(|| super::sites::no_site(from))?;
        require_open(t, to)?;
        let mut faults = Vec::new();
        for (index, resident) in residents.iter().enumerate() {
            if grants::state(t, from, *resident)? != Some(GrantState::Active) {
                let detail = format!("Site {from} does not hold this resident.");
                faults.push(fault(format!("/residents/{index}"), detail));
            }
        }
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        for resident in &residents {
            grants::transfer(t, *resident, from, to, RevokeMode::Freeze, now)?;
        }
        let about = |resident: &ResidentId| {
            let what = What::done(who.clone(), Action::ResidentMove).about(Subject::Resident(*resident));
            what.with_detail(Code::near(&format!("{from}.{to}")))
        };
        let audit = residents.iter().map(about).collect();
        Ok(Done::ok(MoveReport { from, to, moved: residents }, audit))
    };
    api.commit(call, Action::ResidentMove, work).await
}

/// The resident of a reference, if the region knows one.
pub(super) fn resolve(
    connection: &Connection,
    reference: ResidentRef,
) -> Result<Option<ResidentId>, StoreError> {
    let found = match reference {
        ResidentRef::Id(id) => {
            let mut select = connection.prepare_cached("SELECT id FROM resident WHERE id = ?1")?;
            select.query_row([id.0.as_bytes()], |row| columns::resident(row, 0)).optional()?
        }
        ResidentRef::NhsNumber(number) => {
            let mut select =
                connection.prepare_cached("SELECT resident FROM nhs_number WHERE number = ?1")?;
            select.query_row([number.to_plain()], |row| columns::resident(row, 0)).optional()?
        }
    };
    Ok(found)
}

/// All of them, each once, or the places of those that are not known.
fn resolve_all(connection: &Connection, references: &[ResidentRef]) -> Result<Vec<ResidentId>, Refusal> {
    if references.is_empty() || references.len() > BATCH_MAX {
        let detail = format!("Send 1 to {BATCH_MAX} residents at a time.");
        return Err(Refusal::invalid(vec![fault("/residents", detail)]));
    }
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for (index, reference) in references.iter().enumerate() {
        match resolve(connection, *reference)? {
            Some(resident) if found.contains(&resident) => {}
            Some(resident) => found.push(resident),
            None => {
                let detail = "The region knows no such resident: import them first.";
                faults.push(fault(format!("/residents/{index}"), detail));
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Refusal::invalid(faults)) }
}

fn page(connection: &Connection, query: &ResidentQuery) -> Result<ResidentList, StoreError> {
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let after = query.after.map_or_else(Vec::new, |after| after.0.as_bytes().to_vec());
    let mut select = connection.prepare_cached(PAGE)?;
    let site = query.site.map(|site| site.to_string());
    let rows = select.query_map(params![after, site, query.unassigned, limit.saturating_add(1)], |row| {
        columns::resident(row, 0)
    })?;
    let mut ids: Vec<ResidentId> = rows.collect::<Result<_, _>>()?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_more = ids.len() > limit;
    ids.truncate(limit);
    let next = ids.last().copied().filter(|_| has_more);
    let residents = ids.into_iter().map(|id| particulars(connection, id)).collect::<Result<_, _>>()?;
    Ok(ResidentList { residents, next })
}

fn particulars(connection: &Connection, id: ResidentId) -> Result<Resident, StoreError> {
    let identity = Scope::try_new(Subject::Resident(id), Section::Identity, None)
        .ok_or_else(|| StoreError::logic("the identity section is a resident's"))?;
    let identity = records::entries(connection, identity)?;
    let view = IdentityView::of(&identity);
    let known = view.current();
    let name = known.map(|d| {
        let given = d.name.given.first().map(|given| format!("{given} ")).unwrap_or_default();
        format!("{given}{}", d.name.family)
    });
    let mut entries = 0;
    for scope in scopes::of_subject(connection, Subject::Resident(id))? {
        let is_identity = scope.section() == Section::Identity;
        let count = if is_identity { identity.len() } else { records::count(connection, scope)? };
        entries += u64::try_from(count).unwrap_or(u64::MAX);
    }
    // Where a restricted person lives is shown to nobody: a care home is an address.
    let is_open = view.security() == Security::Unrestricted;
    Ok(Resident {
        id,
        name,
        birth_date: known.and_then(|d| d.birth_date),
        nhs_number: known.and_then(|d| d.nhs_number),
        sites: if is_open { holders(connection, id)? } else { Vec::new() },
        entries,
    })
}

fn holders(connection: &Connection, resident: ResidentId) -> Result<Vec<SiteId>, StoreError> {
    let sql = "SELECT site FROM grant_ WHERE resident = ?1 AND state = 'active' ORDER BY site";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([resident.0.as_bytes()], |row| columns::site(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
