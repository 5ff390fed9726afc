//! The audit: search, and the proof that nothing was removed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, ChainFault, Outcome, What, Who};
use hearth_protocol::id::{InstallId, SiteId, StaffId};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    AuditEvent, AuditPage, AuditQuery, AuditVerification, ChainState, ChainVerification, Fault,
    Outcome as Told, PAGE_MAX,
};
use rusqlite::Connection;

use super::call::{Bare, Seen, Write};
use super::refusal::fault;
use super::{Api, Refusal, residents, staff};
use crate::audit::{Checked, Filter, Found, PageKey};
use crate::store::StoreError;

pub(super) async fn search(
    State(api): State<Api>,
    Write(call, query): Write<AuditQuery>,
) -> Result<Response, Refusal> {
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let reference = query.resident;
    let mut filter = filter(&query)?;
    let read = move |connection: &Connection| {
        if let Some(reference) = reference {
            match residents::resolve(connection, reference)? {
                Some(resident) => filter.resident = Some(resident),
                None => return Ok((AuditPage { events: Vec::new(), next: None }, None)),
            }
        }
        let page = crate::audit::search(connection, &filter, limit)?;
        let names = names(connection, &page.events)?;
        let events = page.events.iter().map(|found| told(found, &names)).collect();
        Ok((AuditPage { events, next: page.next.map(token) }, filter.resident))
    };
    let (page, resident) = api.parts().store.read(read).await?;
    let mut what = What::done(call.admin.who(), Action::AuditSearch);
    what.subject = resident.map(Subject::Resident).or(query.site.map(Subject::Site));
    let mut response = Json(page).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

pub(super) async fn verify(State(api): State<Api>, Bare(call): Bare) -> Result<Response, Refusal> {
    let checked = api.parts().store.read(crate::audit::verify_all).await?;
    let hub = api.parts().store.read(crate::region::require).await?.hub_install;
    let chains: Vec<ChainVerification> = checked.iter().map(|chain| verification(chain, hub)).collect();
    let whole = chains.iter().all(|chain| chain.state == ChainState::Whole);
    if !whole {
        tracing::error!("the audit is not whole");
    }
    let outcome = if whole { Outcome::Done } else { Outcome::Failed };
    let what = What::done(call.admin.who(), Action::AuditVerify).with_outcome(outcome);
    let mut response = Json(AuditVerification { whole, chains }).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

fn filter(query: &AuditQuery) -> Result<Filter, Refusal> {
    let mut faults: Vec<Fault> = Vec::new();
    let action = query.action.as_deref().map(str::parse::<Action>).transpose().unwrap_or_else(|_| {
        let names: Vec<&str> = Action::ALL.iter().map(|action| action.name()).collect();
        faults.push(fault("/action", format!("An action is one of {}.", names.join(", "))));
        None
    });
    let after = query.after.as_deref().map(place).transpose().unwrap_or_else(|()| {
        faults.push(fault("/after", "Send the next of the page before, unchanged."));
        None
    });
    if !faults.is_empty() {
        return Err(Refusal::invalid(faults));
    }
    Ok(Filter {
        resident: None,
        staff: query.staff,
        site: query.site,
        action,
        since: query.since,
        until: query.until,
        after,
    })
}

fn token(key: PageKey) -> String {
    format!("{}.{}.{}", key.at.0, key.install, key.n)
}

fn place(token: &str) -> Result<PageKey, ()> {
    let mut parts = token.split('.');
    let mut next = || parts.next().ok_or(());
    let at = Timestamp(next()?.parse().map_err(|_| ())?);
    let install: InstallId = next()?.parse().map_err(|_| ())?;
    let n: u32 = next()?.parse().map_err(|_| ())?;
    Ok(PageKey { at, install, n: u64::from(n) })
}

/// The names of the staff in these events, from the rosters of their sites.
fn names(
    connection: &Connection,
    events: &[Found],
) -> Result<BTreeMap<(SiteId, StaffId), String>, StoreError> {
    let mut names = BTreeMap::new();
    let sites: std::collections::BTreeSet<SiteId> = events.iter().filter_map(|found| found.site).collect();
    for site in sites {
        for (_, member) in staff::roster(connection, site)? {
            names.insert((site, member.staff), member.name);
        }
    }
    Ok(names)
}

fn told(found: &Found, names: &BTreeMap<(SiteId, StaffId), String>) -> AuditEvent {
    let what = &found.event.what;
    let (staff, who) = match &what.who {
        Who::System => (None, "system".to_owned()),
        Who::Staff(staff, role) => {
            let name = found.site.and_then(|site| names.get(&(site, *staff)).cloned());
            let role = hearth_provisioning::roster::role_name(*role);
            (Some(*staff), name.unwrap_or_else(|| format!("{role} {staff}")))
        }
        Who::Administrator(name) | Who::Client(name) => (None, name.to_string()),
        Who::Stranger => (None, "stranger".to_owned()),
    };
    let (resident, site_subject) = match what.subject {
        Some(Subject::Resident(resident)) => (Some(resident), None),
        Some(Subject::Site(site)) => (None, Some(format!("site/{site}"))),
        None => (None, None),
    };
    let parts = [site_subject, what.section.map(|s| s.to_string()), what.entry.map(|e| e.to_string())];
    let subject: Vec<String> = parts.into_iter().flatten().collect();
    AuditEvent {
        happened: found.event.at,
        received: found.received,
        site: found.site,
        install: (!found.is_hub).then_some(found.event.install),
        sequence: found.event.n,
        staff,
        who,
        device: what.device.map(|device| device.to_string()),
        action: what.action.name().to_owned(),
        outcome: match what.outcome {
            Outcome::Done => Told::Allowed,
            Outcome::Refused => Told::Refused,
            Outcome::Failed => Told::Failed,
        },
        resident,
        subject: (!subject.is_empty()).then(|| subject.join("/")),
        reason: what.detail.as_ref().map(ToString::to_string),
    }
}

fn verification(chain: &Checked, hub: InstallId) -> ChainVerification {
    let state = match (chain.fault, chain.bad_checkpoint) {
        (None, None) => ChainState::Whole,
        (None, Some(sequence)) => ChainState::BadSignature { sequence },
        (Some(fault), _) => match fault {
            ChainFault::Gap { after, before } => ChainState::Gap { after, before },
            ChainFault::Truncated { found, known } => {
                ChainState::Gap { after: found, before: known.saturating_add(1) }
            }
            ChainFault::Unreadable { n, .. }
            | ChainFault::Foreign { n }
            | ChainFault::Altered { n }
            | ChainFault::Forked { n } => ChainState::Altered { sequence: n },
        },
    };
    ChainVerification {
        site: chain.site,
        install: (chain.install != hub).then_some(chain.install),
        entries: chain.events,
        newest: chain.newest,
        head: (chain.head.n > 0).then(|| chain.head.hash.to_string()),
        state,
    }
}
