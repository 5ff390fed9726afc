//! The audit of this installation: a line for everything seen, written, printed or refused.

use hearth_protocol::audit::{Action, Chain, ChainHash, Code, Head, Outcome, What};
use hearth_protocol::id::InstallId;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::requester::Requester;
use super::{Records, row};
use crate::store::StoreError;

impl Records {
    /// Keeps what happened: a sign-in, a refusal, a print. On the disk when it returns.
    pub async fn audit(&self, what: What) -> Result<(), StoreError> {
        let (install, now) = (self.0.site.install, self.0.clock.now());
        self.0.store.write(move |tx| append(tx, install, now, what)).await
    }

    /// Keeps that somebody saw a part of a record. Call it before the page is sent.
    pub async fn audit_view(
        &self,
        requester: &Requester,
        subject: Subject,
        section: Option<Section>,
        page: &str,
    ) -> Result<(), StoreError> {
        let what = What::done(requester.who(), Action::View)
            .about(subject)
            .with_detail(Code::near(page))
            .on_device(requester.device, requester.session);
        self.audit(What { section, ..what }).await
    }

    /// Keeps that somebody was refused.
    pub async fn audit_refusal(
        &self,
        requester: &Requester,
        subject: Option<Subject>,
        section: Option<Section>,
        action: Action,
    ) -> Result<(), StoreError> {
        let what = What::done(requester.who(), action)
            .with_outcome(Outcome::Refused)
            .on_device(requester.device, requester.session);
        self.audit(What { subject, section, ..what }).await
    }
}

/// Adds a line to the chain, in the transaction of what it tells of.
pub(crate) fn append(
    connection: &Connection,
    install: InstallId,
    now: Timestamp,
    what: What,
) -> Result<(), StoreError> {
    let mut chain = Chain::from_head(install, head(connection, install)?);
    let (event, link) = chain.append(now, what);
    let sql = "INSERT INTO audit (n, bytes, hash) VALUES (?1, ?2, ?3)";
    connection.prepare_cached(sql)?.execute(params![row::int(event.n), link.bytes, link.hash.0])?;
    Ok(())
}

/// The head of the chain.
pub(crate) fn head(connection: &Connection, install: InstallId) -> Result<Head, StoreError> {
    let sql = "SELECT n, hash FROM audit ORDER BY n DESC LIMIT 1";
    let found: Option<(i64, Vec<u8>)> =
        connection.prepare_cached(sql)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((n, hash)) = found else { return Ok(Head::empty(install)) };
    let hash = ChainHash(hash.try_into().map_err(|_| row::corrupt("audit"))?);
    Ok(Head { n: row::count(n), hash })
}
