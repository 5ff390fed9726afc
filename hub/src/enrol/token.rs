//! Invites and installations in the database.

use std::collections::BTreeSet;

use hearth_protocol::access::SiteKind;
use hearth_protocol::audit::{Action, Code, Outcome, What, Who};
use hearth_protocol::enrol::{
    Certificates, EnrolRequest, Granted, Invite, InviteSecret, InviteVerifier, RefusalCode, SigningRequests,
    TokenId,
};
use hearth_protocol::head::Signer;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::scope::Subject;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::CertificateBytes;
use hearth_provisioning::authority::PeerIdentity;
use hearth_provisioning::invite::{InviteRecord, mint};
use rand::CryptoRng;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::certifier::{Certifier, CertifyError};
use crate::store::StoreError;
use crate::{audit, heads};

/// Makes and stores an invite for a site; the text of it is to be shown once.
pub fn issue(
    transaction: &Transaction<'_>,
    certifier: &Certifier,
    site: SiteId,
    hours: u32,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<Invite, StoreError> {
    let (invite, record) = mint(certifier.terms(), site, hours, rng, now);
    let sql = "INSERT INTO invite (token, site, verifier, made_at, not_after) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![
        record.token.0,
        record.site.as_str(),
        record.verifier.0,
        record.made.0,
        record.not_after.0
    ])?;
    Ok(invite)
}

/// Takes an invite back. False when the site has no such invite, or it was used or taken back before.
pub fn revoke_invite(
    transaction: &Transaction<'_>,
    site: SiteId,
    token: TokenId,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let sql = "UPDATE invite SET revoked_at = ?3 \
               WHERE token = ?1 AND site = ?2 AND revoked_at IS NULL AND used_by IS NULL";
    Ok(transaction.prepare_cached(sql)?.execute(params![token.0, site.as_str(), now.0])? > 0)
}

/// The invites of a site made since a moment, newest first.
pub fn invites_of_site(
    connection: &Connection,
    site: SiteId,
    since: Timestamp,
) -> Result<Vec<InviteRecord>, StoreError> {
    let sql = "SELECT token, site, verifier, made_at, not_after, failed, used_by, revoked_at FROM invite \
               WHERE site = ?1 AND made_at >= ?2 ORDER BY made_at DESC, token";
    let mut statement = connection.prepare_cached(sql)?;
    let rows = statement.query_map(params![site.as_str(), since.0], |row| Ok(record(row)))?;
    rows.map(|row| row?).collect()
}

fn find(connection: &Connection, token: TokenId) -> Result<Option<InviteRecord>, StoreError> {
    let sql = "SELECT token, site, verifier, made_at, not_after, failed, used_by, revoked_at FROM invite \
               WHERE token = ?1";
    let found = connection.prepare_cached(sql)?.query_row([token.0], |row| Ok(record(row))).optional()?;
    found.transpose()
}

fn record(row: &Row<'_>) -> Result<InviteRecord, StoreError> {
    let site: String = row.get(1)?;
    Ok(InviteRecord {
        token: TokenId(row.get(0)?),
        site: site.parse().map_err(|_| StoreError::logic("an invite names no site"))?,
        verifier: InviteVerifier(row.get(2)?),
        made: Timestamp(row.get(3)?),
        not_after: Timestamp(row.get(4)?),
        failed: row.get(5)?,
        used_by: row.get::<_, Option<u32>>(6)?.map(InstallId),
        revoked: row.get::<_, Option<i64>>(7)?.map(Timestamp),
    })
}

/// What became of a request to enrol.
pub(super) enum Decision {
    /// An installation was made; these took part before and no longer do.
    Granted(Box<Granted>, Vec<InstallId>),
    /// Nothing was made.
    Refused(RefusalCode),
}

/// Decides a request to enrol, and stores what it decided, in one transaction: an invite makes one installation, and
/// a wrong proof is counted before the answer leaves.
pub(super) fn decide(
    transaction: &Transaction<'_>,
    certifier: &Certifier,
    request: &EnrolRequest,
    exporter: &[u8; 32],
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let Some(invite) = find(transaction, request.token)? else {
        // The same work as for an invite that is there, so that the time of the answer does not tell.
        let nobodys = InviteSecret::from_bytes([0; 32]).verifier();
        let _judged = nobodys.verify(&request.proof, request.token, exporter, &request.requests);
        return refuse(transaction, None, RefusalCode::UnknownInvite, now);
    };
    let checked = invite.check(request, exporter, now);
    if let Err(code) = checked
        && code != RefusalCode::Used
    {
        if code == RefusalCode::UnknownInvite {
            let sql = "UPDATE invite SET failed = failed + 1 WHERE token = ?1";
            transaction.prepare_cached(sql)?.execute([request.token.0])?;
        }
        return refuse(transaction, Some(invite.site), code, now);
    }
    let Some(site) = open_site(transaction, invite.site)? else {
        return refuse(transaction, Some(invite.site), RefusalCode::Revoked, now);
    };
    if checked.is_err() {
        return repeat(transaction, certifier, &invite, site, request, rng, now);
    }
    let install = fresh_install(transaction, rng)?;
    let issued = certifier.certify(&request.requests, invite.site, install, rng, now);
    let (certificates, peer) = match issued {
        Ok(issued) => issued,
        Err(error) => {
            let code = if error.is_request() { RefusalCode::BadRequest } else { RefusalCode::Busy };
            tracing::warn!(site = %invite.site, %error, "no certificate was made for an enrolment");
            return refuse(transaction, Some(invite.site), code, now);
        }
    };
    let replaced = replace(transaction, invite.site)?;
    let sql = "INSERT INTO install (id, site, public_key, enrolled_at, software) VALUES (?1, ?2, ?3, ?4, ?5)";
    transaction.prepare_cached(sql)?.execute(params![
        install.0,
        invite.site.as_str(),
        peer.public_key,
        now.0,
        request.software
    ])?;
    keep_certificate(transaction, &peer, &certificates, now)?;
    keep_names(transaction, install, &request.requests.web_names)?;
    let sql = "UPDATE invite SET used_by = ?2 WHERE token = ?1";
    transaction.prepare_cached(sql)?.execute(params![invite.token.0, install.0])?;
    let what = What::done(Who::System, Action::Enrol).about(Subject::Site(invite.site));
    audit::append(transaction, now, what.with_detail(Code::near(&install.to_string())))?;
    let granted = granted(certifier, invite.site, site, install, certificates, now);
    Ok(Decision::Granted(Box::new(granted), replaced))
}

/// Answers a request whose invite is used. To the installation that used it, which has lost the answer, it is granted
/// again: it comes with the same key within the invite's life. Anybody else is refused.
fn repeat(
    transaction: &Transaction<'_>,
    certifier: &Certifier,
    invite: &InviteRecord,
    site: (SiteKind, String),
    request: &EnrolRequest,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let used = || refuse(transaction, Some(invite.site), RefusalCode::Used, now);
    let Some(install) = invite.used_by.filter(|_| now <= invite.not_after) else { return used() };
    if active(transaction, install)?.is_none() {
        return used();
    }
    match renew(transaction, certifier, install, &request.requests, rng, now)? {
        Ok(certificates) => {
            let granted = granted(certifier, invite.site, site, install, certificates, now);
            Ok(Decision::Granted(Box::new(granted), Vec::new()))
        }
        Err(error) if error.is_request() => used(),
        Err(error) => {
            tracing::warn!(site = %invite.site, %error, "no certificate was made for an enrolment that came again");
            refuse(transaction, Some(invite.site), RefusalCode::Busy, now)
        }
    }
}

/// The site and the public key of an installation, if it may take part.
fn active(connection: &Connection, install: InstallId) -> Result<Option<(SiteId, Vec<u8>)>, StoreError> {
    let sql = "SELECT site, public_key FROM install WHERE id = ?1 AND state = 'active'";
    let found: Option<(String, Vec<u8>)> = connection
        .prepare_cached(sql)?
        .query_row([install.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((site, key)) = found else { return Ok(None) };
    let site = site.parse().map_err(|_| StoreError::logic("an installation has no site"))?;
    Ok(Some((site, key)))
}

fn granted(
    certifier: &Certifier,
    site: SiteId,
    (kind, site_name): (SiteKind, String),
    install: InstallId,
    certificates: Certificates,
    now: Timestamp,
) -> Granted {
    let (region, terms) = (certifier.region(), certifier.terms());
    Granted {
        install,
        site,
        kind,
        site_name,
        region: region.id,
        region_name: region.name.clone(),
        addresses: terms.addresses.clone(),
        server_name: terms.server_name.clone(),
        certificates,
        time: now,
    }
}

fn refuse(
    transaction: &Transaction<'_>,
    site: Option<SiteId>,
    code: RefusalCode,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    let detail = match code {
        RefusalCode::UnknownInvite if site.is_some() => "wrong-proof",
        RefusalCode::UnknownInvite => "unknown-invite",
        RefusalCode::Used => "used",
        RefusalCode::Over => "over",
        RefusalCode::Revoked => "revoked",
        RefusalCode::BadRequest => "bad-request",
        RefusalCode::Busy => "busy",
    };
    // Invites that nobody made are a stranger's noise: counted, and not written to the disk at a stranger's pace.
    metrics::counter!("hearth_hub_enrol_refused_total", "code" => detail).increment(1);
    if let Some(site) = site {
        let what = What::done(Who::Stranger, Action::Enrol).with_outcome(Outcome::Refused);
        audit::append(transaction, now, what.about(Subject::Site(site)).with_detail(Code::near(detail)))?;
    }
    Ok(Decision::Refused(code))
}

fn open_site(connection: &Connection, site: SiteId) -> Result<Option<(SiteKind, String)>, StoreError> {
    let sql = "SELECT kind, name FROM site WHERE ods = ?1 AND state = 'active'";
    let found: Option<(String, String)> = connection
        .prepare_cached(sql)?
        .query_row([site.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let kind = |text: String| text.parse().map_err(|_| StoreError::logic("a site is of no known kind"));
    found.map(|(text, name)| Ok((kind(text)?, name))).transpose()
}

/// A number that no installation has had, nor the hub.
fn fresh_install(connection: &Connection, rng: &mut impl CryptoRng) -> Result<InstallId, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM install WHERE id = ?1 UNION ALL \
               SELECT 1 FROM region WHERE hub_install = ?1 UNION ALL \
               SELECT 1 FROM signer WHERE install = ?1 UNION ALL \
               SELECT 1 FROM change WHERE install = ?1 LIMIT 1)";
    let mut taken = connection.prepare_cached(sql)?;
    for _ in 0..64 {
        let number = rng.next_u32();
        if number != InstallId::GENESIS.0 && !taken.query_row([number], |row| row.get(0))? {
            return Ok(InstallId(number));
        }
    }
    Err(StoreError::logic("no number is free for an installation"))
}

/// Ends the part of a site's earlier installations: one site has one at a time.
fn replace(transaction: &Transaction<'_>, site: SiteId) -> Result<Vec<InstallId>, StoreError> {
    let sql = "UPDATE install SET state = 'revoked', reason = 'replaced' \
               WHERE site = ?1 AND state = 'active' RETURNING id";
    let mut statement = transaction.prepare_cached(sql)?;
    let rows = statement.query_map([site.as_str()], |row| row.get(0).map(InstallId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn keep_certificate(
    transaction: &Transaction<'_>,
    peer: &PeerIdentity,
    certificates: &Certificates,
    now: Timestamp,
) -> Result<(), StoreError> {
    let chain = certificates.identity_chain.iter().map(|der| CertificateBytes(der.to_vec())).collect();
    heads::note_signer(transaction, &Signer { install: peer.install, chain })?;
    let sql = "INSERT INTO certificate (fingerprint, install, issued_at, not_after) VALUES (?1, ?2, ?3, ?4)";
    transaction.prepare_cached(sql)?.execute(params![
        peer.fingerprint,
        peer.install.0,
        now.0,
        peer.not_after.0
    ])?;
    Ok(())
}

fn keep_names(transaction: &Transaction<'_>, install: InstallId, names: &[String]) -> Result<(), StoreError> {
    let sql = "INSERT INTO web_name (install, name) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    let mut insert = transaction.prepare_cached(sql)?;
    names.iter().try_for_each(|name| insert.execute(params![install.0, name]).map(drop).map_err(Into::into))
}

/// The names that an installation asked for and asks for now, at most as many as one request may have.
fn names_with(
    connection: &Connection,
    install: InstallId,
    asked: &[String],
) -> Result<Vec<String>, StoreError> {
    let mut select = connection.prepare_cached("SELECT name FROM web_name WHERE install = ?1")?;
    let rows = select.query_map([install.0], |row| row.get(0))?;
    let mut names: BTreeSet<String> = rows.collect::<Result<_, _>>()?;
    names.extend(asked.iter().cloned());
    Ok(names.into_iter().take(limits::WEB_NAMES_MAX).collect())
}

/// Signs new certificates for the key of an installation that is on the line.
///
/// The names of its pages are those it ever asked for. The old certificate holds until it ends, in case the answer is
/// lost. An error of the request's is the inner one.
pub fn renew(
    transaction: &Transaction<'_>,
    certifier: &Certifier,
    install: InstallId,
    requests: &SigningRequests,
    rng: &mut impl CryptoRng,
    now: Timestamp,
) -> Result<Result<Certificates, CertifyError>, StoreError> {
    let Some((site, key)) = active(transaction, install)? else {
        return Err(StoreError::logic(format!("installation {install} may not renew")));
    };
    let web_names = names_with(transaction, install, &requests.web_names)?;
    let requests = SigningRequests { web_names, ..requests.clone() };
    let (certificates, peer) = match certifier.certify(&requests, site, install, rng, now) {
        Ok(issued) => issued,
        Err(error) => return Ok(Err(error)),
    };
    if peer.public_key != key.as_slice() {
        // Its audit and its heads were signed with the key that it has: another key is another installation.
        let changed = hearth_provisioning::authority::AuthorityError::BadRequest(
            "a renewal keeps the installation's key",
        );
        return Ok(Err(changed.into()));
    }
    keep_certificate(transaction, &peer, &certificates, now)?;
    keep_names(transaction, install, &requests.web_names)?;
    let what = What::done(Who::System, Action::Renew).about(Subject::Site(site));
    audit::append(transaction, now, what.with_detail(Code::near(&install.to_string())))?;
    Ok(Ok(certificates))
}
