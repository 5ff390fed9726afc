//! The messages of a session that are not sync: receipts, files, audit, health, certificates.

use hearth_protocol::enrol::{Certificates, SigningRequests};
use hearth_protocol::id::{BlobId, SiteId};
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::frame;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{
    AuditAck, AuditBatch, BlobPart, BlobWant, CertificateBytes, Health, Receipt, Renew, Renewed,
};
use hearth_protocol::wire::{Channel, Message};
use minicbor::bytes::ByteVec;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rusqlite::{Connection, OptionalExtension};

use super::session::{Answer, Link};
use crate::audit::{self, Taken};
use crate::enrol;
use crate::gateway::owed;
use crate::grants;
use crate::scopes;
use crate::sites;
use crate::store::{Store, StoreError};
use crate::{compact, feed};

/// Does what a message asks for and answers it where it has an answer.
pub(super) async fn deliver(link: &mut Link, message: Message) {
    let done = match message {
        Message::Receipt(receipt) => take_receipt(link, receipt).await,
        Message::Audit(batch) => take_audit(link, batch).await,
        Message::Health(health) => take_health(link, health).await,
        Message::Renew(renew) => renew_certificate(link, renew).await,
        Message::MonthWant(want) => send_month(link, want.scope).await,
        Message::BlobWant(want) => {
            send_blob(link, want).await;
            Ok(())
        }
        Message::Hello(_)
        | Message::Welcome(_)
        | Message::Refused(_)
        | Message::Changes(_)
        | Message::Ack(_)
        | Message::Grant(_)
        | Message::Feed(_)
        | Message::Snapshot(_)
        | Message::Outline(_)
        | Message::CaughtUp(_)
        | Message::Revoke(_)
        | Message::Stored(_)
        | Message::Compare(_)
        | Message::Held(_)
        | Message::Lacks(_)
        | Message::BlobPart(_)
        | Message::AuditAck(_)
        | Message::Renewed(_)
        | Message::Delivery(_) => Ok(()),
    };
    if let Err(error) = done {
        link.unavailable(&error);
    }
}

fn answer(link: &mut Link, message: Message) {
    let _ = link.background.spawn(async move { Some(Answer::Message(Channel::Control, message)) });
}

/// Puts a month that somebody opened into the feed, whole: the document is made first where there is none.
async fn send_month(link: &Link, scope: Scope) -> Result<(), StoreError> {
    let install = link.identified.install;
    let (store, now) = (&link.hub.store, link.hub.clock.now());
    if !scope.is_closed(now) {
        return Ok(());
    }
    if !store.read(move |connection| scopes::is_subscribed(connection, scope, install.site)).await? {
        tracing::warn!(install = %install.id, %scope, "a month was wanted that the site does not hold");
        return Ok(());
    }
    compact::compact(store, scope).await?;
    link.hub.confirmed.settle(install.id, &link.hub.store).await;
    store.write(move |transaction| feed::want(transaction, install, scope)).await.map(drop)
}

async fn take_receipt(link: &Link, receipt: Receipt) -> Result<(), StoreError> {
    let (install, now) = (link.identified.install, link.hub.clock.now());
    let bytes = minicbor::to_vec(&receipt).unwrap_or_default();
    link.hub.confirmed.settle(install.id, &link.hub.store).await;
    let noted = link.hub.store.write(move |transaction| {
        let key = sites::key_of(transaction, install.id)?;
        if !key.is_some_and(|key| receipt.is_signed_by(install.id, &key)) {
            return Ok(false);
        }
        grants::confirm(transaction, install, receipt.resident, receipt.mode, &bytes, now)?;
        Ok(true)
    });
    if !noted.await? {
        // The order stays unconfirmed, and the node is told it again. Nobody but this installation holds its key.
        metrics::counter!("hearth_hub_receipts_refused_total").increment(1);
        tracing::error!(install = %install.id, "a receipt is not signed by the installation that it came from");
    }
    Ok(())
}

async fn take_audit(link: &mut Link, batch: AuditBatch) -> Result<(), StoreError> {
    let (sender, of, now) = (link.identified.install, batch.of, link.hub.clock.now());
    let install = of.unwrap_or(sender.id);
    let taken = link.hub.store.write(move |transaction| audit::take(transaction, sender, batch, now)).await?;
    match taken {
        Taken::Upto(upto) | Taken::Lost { after: upto } => {
            answer(link, Message::AuditAck(AuditAck { upto, of }));
        }
        // The fault is noted for the administrators; the node keeps its events until a person has looked.
        Taken::Fault(_) | Taken::BadCheckpoint | Taken::NotEarlier => {
            tracing::error!(%install, "a node's audit does not continue its chain");
        }
    }
    Ok(())
}

async fn take_health(link: &Link, health: Health) -> Result<(), StoreError> {
    let (install, now) = (link.identified.install.id, link.hub.clock.now());
    let told = link.confirmed_states(health.told);
    let noted = link.hub.store.write(move |transaction| {
        if let Some(upto) = told {
            owed::confirm_told(transaction, install, upto)?;
        }
        let bytes = minicbor::to_vec(&health).unwrap_or_default();
        let sql =
            "UPDATE install SET health = ?2, health_at = ?3, last_seen = ?3, software = ?4 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute((install.0, bytes, now.0, health.software))?;
        Ok(())
    });
    noted.await
}

async fn renew_certificate(link: &mut Link, renew: Renew) -> Result<(), StoreError> {
    let requests = SigningRequests { csr: renew.request, web_csr: renew.web_request, web_names: Vec::new() };
    let (install, now) = (link.identified.install.id, link.hub.clock.now());
    let certifier = std::sync::Arc::clone(&link.hub.certifier);
    let mut rng = StdRng::from_seed(link.hub.random.bytes());
    let signed = link
        .hub
        .store
        .write(move |transaction| enrol::renew(transaction, &certifier, install, &requests, &mut rng, now));
    match signed.await? {
        Ok(certificates) => answer(link, Message::Renewed(renewed(&certificates))),
        Err(error) => tracing::warn!(%install, %error, "a certificate was not renewed"),
    }
    Ok(())
}

fn renewed(certificates: &Certificates) -> Renewed {
    let bytes = |chain: &[ByteVec]| chain.iter().map(|der| CertificateBytes(der.to_vec())).collect();
    Renewed { chain: bytes(&certificates.identity_chain), web_chain: bytes(&certificates.web_chain) }
}

/// Sends a file part by part, as fast as the node takes it. A file that the site may not have is answered as absent.
async fn send_blob(link: &mut Link, want: BlobWant) {
    let (store, site) = (link.hub.store.clone(), link.identified.install.site);
    let Ok(queue) = link.outlets.queue(Channel::Blob).await else { return };
    let _ = link.background.spawn(async move {
        let mut offset = want.offset;
        loop {
            let part = match read_part(&store, site, want.blob, offset).await {
                Ok(part) => part,
                Err(error) => {
                    tracing::warn!(code = error.code(), "a file could not be read");
                    return None;
                }
            };
            offset += u64::try_from(part.bytes.len()).unwrap_or(u64::MAX);
            let is_last = part.bytes.is_empty() || offset >= part.length;
            let mut bytes = Vec::new();
            frame::encode(&Message::BlobPart(part), &mut bytes).ok()?;
            queue.send(bytes.into()).await.ok()?;
            if is_last {
                return None;
            }
        }
    });
}

async fn read_part(store: &Store, site: SiteId, blob: BlobId, offset: u64) -> Result<BlobPart, StoreError> {
    let read = store.read(move |connection| part_of(connection, site, blob, offset));
    let found = read.await?;
    Ok(found.unwrap_or(BlobPart { blob, length: 0, offset: 0, bytes: Vec::new() }))
}

fn part_of(
    connection: &Connection,
    site: SiteId,
    blob: BlobId,
    offset: u64,
) -> Result<Option<BlobPart>, StoreError> {
    let sql = "SELECT length(b.bytes), substr(b.bytes, ?3 + 1, ?4) FROM blob b WHERE b.id = ?1 AND EXISTS (
                   SELECT 1 FROM blob_ref r JOIN subscription u ON u.scope = r.scope
                   WHERE r.blob = b.id AND u.site = ?2)";
    let mut select = connection.prepare_cached(sql)?;
    let offset_kept = offset.min(u64::try_from(limits::BLOB_BYTES_MAX).unwrap_or(u64::MAX));
    let row = (blob.0, site.as_str(), offset_kept, limits::SNAPSHOT_PART_BYTES);
    let found = select.query_row(row, |row| {
        Ok(BlobPart { blob, length: row.get(0)?, offset: offset_kept, bytes: row.get(1)? })
    });
    Ok(found.optional()?)
}
