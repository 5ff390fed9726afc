//! Sites: add, list, show, invite again, revoke.

use axum::Json;
use axum::extract::{Path as Segments, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::enrol::{Invite, TokenId};
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    AddSite, INVITE_HOURS, INVITE_HOURS_DEFAULT, Install, InstallState, InviteAgain, IssuedInvite,
    ProblemKind, RevokeSite, Site, SiteDetail, SiteInvited, SiteList, SiteRevoked,
};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::call::{Admin, Answer, Audited, Bare, Call, Done, Seen, Write};
use super::refusal::fault;
use super::{Api, Refusal, staff};
use crate::store::{StoreError, columns, dirty};
use crate::{enrol, sites};

/// Longest name of a site, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Longest reason, in characters.
const REASON_CHARS_MAX: usize = 500;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
/// How long invites stay in a site's details.
const INVITES_SHOWN_MS: i64 = 30 * DAY_MS;

const SITE: &str = "SELECT s.ods, s.kind, s.name, s.created_at, r.revoked_at, \
    (SELECT id FROM install i WHERE i.site = s.ods AND i.state = 'active' ORDER BY enrolled_at DESC LIMIT 1), \
    (SELECT count(*) FROM grant_ g WHERE g.site = s.ods AND g.state = 'active') \
    FROM site s LEFT JOIN site_revocation r ON r.site = s.ods";

pub(super) async fn list(State(api): State<Api>) -> Result<Json<SiteList>, Refusal> {
    let read = |connection: &Connection| {
        let mut select = connection.prepare_cached(&format!("{SITE} ORDER BY s.ods"))?;
        let rows = select.query_map([], site_row)?;
        Ok(SiteList { sites: rows.collect::<Result<_, _>>()? })
    };
    Ok(Json(api.parts().store.read(read).await?))
}

pub(super) async fn show(
    State(api): State<Api>,
    admin: Admin,
    Segments(site): Segments<String>,
) -> Result<Response, Refusal> {
    let site = known_form(&site)?;
    let now = api.now();
    let read = move |connection: &Connection| detail(connection, site, now);
    let found = api.parts().store.read(read).await?.ok_or_else(|| no_site(site))?;
    let what = What::done(admin.who(), Action::View).about(Subject::Site(site));
    let mut response = Json(found).into_response();
    response.extensions_mut().insert(Seen(vec![what.with_detail(Code::near("site"))]));
    Ok(response)
}

pub(super) async fn add(
    State(api): State<Api>,
    Write(call, request): Write<AddSite>,
) -> Result<Answer<SiteInvited>, Audited> {
    let (certifier, mut rng) = (api.parts().certifier.clone(), StdRng::from_seed(api.parts().random.bytes()));
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let name = request.name.trim();
        let mut faults = Vec::new();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            faults.push(fault("/name", format!("A name has 1 to {NAME_CHARS_MAX} characters.")));
        }
        let hours = hours(request.invite_hours, "/invite_hours", &mut faults);
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        if find(t, request.ods)?.is_some() {
            let detail = format!("Site {} is there already. Show it, or invite it again.", request.ods);
            return Err(Refusal::conflict(detail));
        }
        sites::add(t, request.ods, request.kind, name, now)?;
        let invite = enrol::issue(t, &certifier, request.ods, hours, &mut rng, now)?;
        let about = Subject::Site(request.ods);
        let audit = vec![
            What::done(who.clone(), Action::SiteAdd).about(about),
            What::done(who, Action::SiteInvite).about(about),
        ];
        Ok(Done::created(invited(t, request.ods, &invite)?, audit).with_secret())
    };
    api.commit(call, Action::SiteAdd, work).await
}

pub(super) async fn invite(
    State(api): State<Api>,
    Segments(site): Segments<String>,
    Write(call, request): Write<InviteAgain>,
) -> Result<Answer<SiteInvited>, Audited> {
    let (certifier, mut rng) = (api.parts().certifier.clone(), StdRng::from_seed(api.parts().random.bytes()));
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let site = known_form(&site)?;
        let mut faults = Vec::new();
        let hours = hours(request.hours, "/hours", &mut faults);
        if !faults.is_empty() {
            return Err(Refusal::invalid(faults));
        }
        require_open(t, site)?;
        let invite = enrol::issue(t, &certifier, site, hours, &mut rng, now)?;
        let audit = vec![What::done(who, Action::SiteInvite).about(Subject::Site(site))];
        Ok(Done::created(invited(t, site, &invite)?, audit).with_secret())
    };
    api.commit(call, Action::SiteInvite, work).await
}

pub(super) async fn revoke_invite(
    State(api): State<Api>,
    Segments((site, token)): Segments<(String, String)>,
    Bare(call): Bare,
) -> Result<Answer<()>, Audited> {
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let site = known_form(&site)?;
        let token: TokenId =
            token.parse().map_err(|_| Refusal::not_found("No invite has this form of name."))?;
        if !enrol::revoke_invite(t, site, token, now)? {
            let detail =
                format!("Site {site} has no such invite that is open: it may be used or taken back already.");
            return Err(Refusal::not_found(detail));
        }
        let audit = vec![What::done(who, Action::InviteRevoke).about(Subject::Site(site))];
        Ok(Done { status: StatusCode::NO_CONTENT, ..Done::ok((), audit) })
    };
    api.commit(call, Action::InviteRevoke, work).await
}

pub(super) async fn revoke(
    State(api): State<Api>,
    Segments(site): Segments<String>,
    Write(call, request): Write<RevokeSite>,
) -> Result<Answer<SiteRevoked>, Audited> {
    let answer = commit_revocation(&api, call, site, request).await?;
    Ok(match answer {
        Answer::Fresh(status, revoked) => {
            // After the commit: a link that is opened between the two is refused by what is stored.
            let cut = revoked.installs.iter().filter(|install| api.parts().links.cut(**install)).count();
            let connections_cut = u64::try_from(cut).unwrap_or(u64::MAX);
            Answer::Fresh(status, SiteRevoked { connections_cut, ..revoked })
        }
        again @ Answer::Again(..) => again,
    })
}

async fn commit_revocation(
    api: &Api,
    call: Call,
    site: String,
    request: RevokeSite,
) -> Result<Answer<SiteRevoked>, Audited> {
    let who = call.admin.who();
    let work = move |t: &Transaction<'_>, now: Timestamp| {
        let site = known_form(&site)?;
        if request.confirm != site {
            let detail = format!("To revoke site {site}, send its code again in confirm.");
            return Err(Refusal::new(ProblemKind::ConfirmationNeeded, detail));
        }
        let reason = request.reason.trim();
        if reason.is_empty() || reason.chars().count() > REASON_CHARS_MAX {
            let detail = format!("A reason has 1 to {REASON_CHARS_MAX} characters.");
            return Err(Refusal::invalid(vec![fault("/reason", detail)]));
        }
        find(t, site)?.ok_or_else(|| no_site(site))?;
        let (installs, invites_revoked) = match request.install {
            Some(install) => (vec![revoke_install(t, site, install, reason)?], 0),
            None => revoke_all(t, site, reason, now)?,
        };
        let one = |install: &InstallId| {
            let what = What::done(who.clone(), Action::SiteRevoke).about(Subject::Site(site));
            what.with_detail(Code::near(&install.to_string()))
        };
        let mut audit: Vec<What> = installs.iter().map(one).collect();
        if request.install.is_none() {
            audit.push(What::done(who.clone(), Action::SiteRevoke).about(Subject::Site(site)));
        }
        Ok(Done::ok(SiteRevoked { ods: site, installs, connections_cut: 0, invites_revoked }, audit))
    };
    api.commit(call, Action::SiteRevoke, work).await
}

fn revoke_install(
    t: &Transaction<'_>,
    site: SiteId,
    install: InstallId,
    reason: &str,
) -> Result<InstallId, Refusal> {
    let known = sites::install(t, install)?.filter(|found| found.site == site);
    let known = known
        .ok_or_else(|| Refusal::not_found(format!("Site {site} has no installation {install}; show it.")))?;
    if known.state == sites::InstallState::Revoked {
        return Err(Refusal::conflict(format!("Installation {install} was revoked already.")));
    }
    sites::set_install_state(t, install, sites::InstallState::Revoked, reason)?;
    Ok(install)
}

fn revoke_all(
    t: &Transaction<'_>,
    site: SiteId,
    reason: &str,
    now: Timestamp,
) -> Result<(Vec<InstallId>, u64), StoreError> {
    let sql = "INSERT INTO site_revocation (site, revoked_at) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    t.prepare_cached(sql)?.execute(params![site.as_str(), now.0])?;
    t.prepare_cached("UPDATE site SET state = 'closed' WHERE ods = ?1")?.execute([site.as_str()])?;
    let sql = "UPDATE install SET state = 'revoked', reason = ?2 WHERE site = ?1 AND state <> 'revoked' \
               RETURNING id";
    let mut update = t.prepare_cached(sql)?;
    let rows = update.query_map(params![site.as_str(), reason], |row| columns::install(row, 0))?;
    let installs: Vec<InstallId> = rows.collect::<Result<_, _>>()?;
    let sql = "UPDATE invite SET revoked_at = ?2 WHERE site = ?1 AND revoked_at IS NULL AND used_by IS NULL";
    let invites = t.prepare_cached(sql)?.execute(params![site.as_str(), now.0])?;
    dirty::mark(t, site)?;
    Ok((installs, u64::try_from(invites).unwrap_or(u64::MAX)))
}

/// The site of this text; a text that is no site's code is not found.
pub(super) fn known_form(text: &str) -> Result<SiteId, Refusal> {
    text.parse().map_err(|_| Refusal::not_found("No site has a code of this form: it is like VL1AB."))
}

pub(super) fn no_site(site: SiteId) -> Refusal {
    Refusal::not_found(format!("There is no site {site}. List the sites, or add it."))
}

/// The site, if it may take part.
pub(super) fn require_open(connection: &Connection, site: SiteId) -> Result<Site, Refusal> {
    let found = find(connection, site)?.ok_or_else(|| no_site(site))?;
    if found.revoked.is_some() {
        return Err(Refusal::conflict(format!("Site {site} was revoked and takes no part any more.")));
    }
    Ok(found)
}

pub(super) fn find(connection: &Connection, site: SiteId) -> Result<Option<Site>, StoreError> {
    let mut select = connection.prepare_cached(&format!("{SITE} WHERE s.ods = ?1"))?;
    Ok(select.query_row([site.as_str()], site_row).optional()?)
}

fn site_row(row: &Row<'_>) -> rusqlite::Result<Site> {
    Ok(Site {
        ods: columns::site(row, 0)?,
        kind: columns::site_kind(row, 1)?,
        name: row.get(2)?,
        added: Timestamp(row.get(3)?),
        revoked: row.get::<_, Option<i64>>(4)?.map(Timestamp),
        install: row.get::<_, Option<u32>>(5)?.map(InstallId),
        residents: row.get(6)?,
    })
}

fn detail(connection: &Connection, site: SiteId, now: Timestamp) -> Result<Option<SiteDetail>, StoreError> {
    let Some(found) = find(connection, site)? else {
        return Ok(None);
    };
    let invites = enrol::invites_of_site(connection, site, now.plus_ms(-INVITES_SHOWN_MS))?;
    let staff = staff::roster(connection, site)?;
    let active = staff.iter().filter(|(_, member)| member.active).count();
    Ok(Some(SiteDetail {
        site: found,
        installs: installs(connection, site)?,
        invites: invites.iter().map(|invite| invite.summary(now)).collect(),
        staff: u64::try_from(active).unwrap_or(u64::MAX),
    }))
}

fn installs(connection: &Connection, site: SiteId) -> Result<Vec<Install>, StoreError> {
    let sql = "SELECT i.id, i.state, i.reason, i.enrolled_at, i.software, i.last_seen, \
               c.not_after, c.fingerprint FROM install i \
               LEFT JOIN certificate c ON c.install = i.id AND c.not_after = \
               (SELECT max(not_after) FROM certificate WHERE install = i.id) \
               WHERE i.site = ?1 GROUP BY i.id ORDER BY i.enrolled_at DESC, i.id";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([site.as_str()], |row| {
        let (state, reason): (String, Option<String>) = (row.get(1)?, row.get(2)?);
        let fingerprint: Option<[u8; 32]> = row.get(7)?;
        Ok(Install {
            install: columns::install(row, 0)?,
            state: match (state.as_str(), reason.as_deref()) {
                ("active", _) => InstallState::Active,
                ("quarantined", _) => InstallState::Quarantined,
                (_, Some("replaced")) => InstallState::Replaced,
                _ => InstallState::Revoked,
            },
            enrolled: Timestamp(row.get(3)?),
            certificate_ends: Timestamp(row.get::<_, Option<i64>>(6)?.unwrap_or(0)),
            certificate_fingerprint: fingerprint.map(hex::encode).unwrap_or_default(),
            software: row.get(4)?,
            last_contact: row.get::<_, Option<i64>>(5)?.map(Timestamp),
            reason,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn hours(asked: Option<u32>, pointer: &str, faults: &mut Vec<hearth_provisioning::api::Fault>) -> u32 {
    let hours = asked.unwrap_or(INVITE_HOURS_DEFAULT);
    if !INVITE_HOURS.contains(&hours) {
        let (least, most) = (INVITE_HOURS.start(), INVITE_HOURS.end());
        faults.push(fault(pointer, format!("An invite lives {least} to {most} hours.")));
    }
    hours
}

fn invited(t: &Transaction<'_>, site: SiteId, invite: &Invite) -> Result<SiteInvited, Refusal> {
    let site = find(t, site)?.ok_or_else(|| no_site(site))?;
    let issued = IssuedInvite { token: invite.token, text: invite.to_string(), not_after: invite.not_after };
    Ok(SiteInvited { site, invite: issued })
}
