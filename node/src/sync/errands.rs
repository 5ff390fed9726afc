//! What is done over the link beside the changes: audit, receipts, files, health, certificates.

use hearth_protocol::audit::Checkpoint;
use hearth_protocol::id::BlobId;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{
    AuditAck, AuditBatch, BlobPart, BlobWant, Health, Message, MonthWant, Receipt, Renew, Renewed,
};

use super::{RECOUNT, SOFTWARE, Sync};
use crate::records::AuditShipment;
use crate::store::StoreError;

/// A certificate is renewed when it is older than this, in milliseconds.
const RENEW_MS: i64 = 24 * 3_600_000;
/// Files that are fetched at a time.
const BLOBS: usize = 2;

impl Sync {
    /// Does what is due. What the store fails is told and tried again the next time, and the rest is done: a damaged
    /// document must not keep the certificate from being renewed.
    pub(super) async fn run_errands(&mut self) {
        tell(self.records.refresh_lease().await);
        tell(self.records.compact().await.map(drop));
        tell(self.recount().await);
        if self.session.is_live() {
            tell(self.note_alive().await);
            tell(self.ship_audit().await);
            tell(self.want_blobs().await);
            // Only with the line up, so that what is let go of can be fetched again.
            tell(self.records.evict().await.map(drop));
            tell(self.want_months().await);
            self.send_health();
            self.ask_renewal();
        }
    }

    /// Proves from time to time the sum over all documents that greetings tell. Where it was wrong, node and hub may have
    /// agreed on what neither holds.
    async fn recount(&mut self) -> Result<(), StoreError> {
        let now = self.clock.boot();
        if now.saturating_sub(self.recounted) < RECOUNT {
            return Ok(());
        }
        self.recounted = now;
        if self.records.recount().await? {
            self.diverged();
        }
        Ok(())
    }

    /// Deals with a message that is the shell's.
    pub(super) async fn delivered(&mut self, message: Message) -> Result<(), StoreError> {
        match message {
            Message::AuditAck(ack) => {
                if self.audit_taken(ack).await? {
                    self.ship_audit().await?;
                }
            }
            Message::Delivery(delivery) => {
                let upto = delivery.upto;
                self.records.deliver(delivery).await?;
                self.errands.told = upto;
            }
            Message::BlobPart(part) => self.blob_part(part).await?,
            Message::Renewed(renewed) => self.renewed(renewed),
            Message::Hello(_)
            | Message::Welcome(_)
            | Message::Refused(_)
            | Message::Changes(_)
            | Message::Ack(_)
            | Message::Grant(_)
            | Message::Feed(_)
            | Message::Snapshot(_)
            | Message::Outline(_)
            | Message::MonthWant(_)
            | Message::CaughtUp(_)
            | Message::Revoke(_)
            | Message::Stored(_)
            | Message::Compare(_)
            | Message::Held(_)
            | Message::Lacks(_)
            | Message::Receipt(_)
            | Message::BlobWant(_)
            | Message::Audit(_)
            | Message::Health(_)
            | Message::Renew(_) => {
                tracing::warn!(message = message.name(), "the session delivered what is its own");
            }
        }
        Ok(())
    }

    /// Tells the hub which records were frozen or erased. Told again at every link for a while: there is no answer.
    pub(super) async fn send_receipts(&mut self) -> Result<(), StoreError> {
        let receipts = self.records.receipts(self.errands.receipts).await?;
        if receipts.is_empty() {
            return Ok(());
        }
        let Some(key) = &self.key else { return Ok(()) };
        let install = self.records.site().install;
        for done in receipts {
            let receipt = Receipt::sign(install, done.resident, done.mode, done.at, key);
            if self.session.send(Message::Receipt(receipt)) {
                self.errands.receipts = done.place;
            }
        }
        Ok(())
    }

    /// Notes what of the audit is on the hub's disk. Answers whether that is news.
    async fn audit_taken(&mut self, ack: AuditAck) -> Result<bool, StoreError> {
        let Some(of) = ack.of else {
            self.errands.is_auditing = false;
            return self.records.audit_shipped(ack.upto).await;
        };
        let is_news = self.records.audit_before_shipped(of, ack.upto).await?;
        self.errands.is_auditing_before = !is_news;
        Ok(is_news)
    }

    async fn ship_audit(&mut self) -> Result<(), StoreError> {
        if !self.errands.is_auditing
            && let Some(shipment) = self.records.audit_to_ship().await?
        {
            self.errands.is_auditing = self.send_audit(shipment);
        }
        if !self.errands.is_auditing_before
            && let Some(shipment) = self.records.audit_before().await?
        {
            self.errands.is_auditing_before = self.send_audit(shipment);
        }
        Ok(())
    }

    fn send_audit(&mut self, shipment: AuditShipment) -> bool {
        let (install, at) = (self.records.site().install, self.clock.now());
        let checkpoint = shipment
            .head
            .zip(self.key.as_ref())
            .map(|(head, key)| Checkpoint { install, head, at }.sign(key));
        let AuditShipment { of, first, events, .. } = shipment;
        self.session.send(Message::Audit(AuditBatch { first, events, checkpoint, of }))
    }

    async fn want_blobs(&mut self) -> Result<(), StoreError> {
        let most = u32::try_from(BLOBS + self.errands.missing.len()).unwrap_or(u32::MAX);
        for blob in self.records.wanted_blobs(most).await? {
            let is_known = self.errands.missing.contains(&blob) || self.errands.blobs.contains_key(&blob);
            if !is_known && self.errands.blobs.len() < BLOBS {
                self.errands.blobs.insert(blob, Vec::new());
                self.session.send(Message::BlobWant(BlobWant { blob, offset: 0 }));
            }
        }
        Ok(())
    }

    /// Asks for the months that somebody has opened. A failing store is told and tried again at the next look.
    pub(super) async fn ask_for_months(&mut self) {
        if let Err(error) = self.want_months().await {
            tracing::error!(%error, "the store failed");
        }
    }

    async fn want_months(&mut self) -> Result<(), StoreError> {
        for scope in self.records.wanted_months().await? {
            // Without a link it is asked for again at the next look.
            self.session.send(Message::MonthWant(MonthWant { scope }));
        }
        Ok(())
    }

    async fn blob_part(&mut self, part: BlobPart) -> Result<(), StoreError> {
        let Some(held) = self.errands.blobs.get_mut(&part.blob) else { return Ok(()) };
        let is_next = part.offset == held.len() as u64;
        if part.length == 0 || part.length > limits::BLOB_BYTES_MAX as u64 || !is_next {
            return self.blob_failed(part.blob, part.length == 0).await;
        }
        held.extend_from_slice(&part.bytes);
        if (held.len() as u64) < part.length {
            return Ok(());
        }
        let bytes = self.errands.blobs.remove(&part.blob).unwrap_or_default();
        if self.records.keep_blob(part.blob, bytes).await? {
            return self.want_blobs().await;
        }
        self.blob_failed(part.blob, false).await
    }

    async fn blob_failed(&mut self, blob: BlobId, is_missing: bool) -> Result<(), StoreError> {
        if !is_missing {
            tracing::warn!(%blob, "a file came damaged");
        }
        self.errands.blobs.remove(&blob);
        self.errands.missing.push(blob);
        self.want_blobs().await
    }

    fn send_health(&mut self) {
        let waiting = self.records.link().borrow().waiting;
        let health = Health {
            waiting,
            disk_free: disk_free(self.records.store().path()),
            clock_offset_ms: self.clock.offset_ms().unwrap_or(0),
            software: SOFTWARE.to_owned(),
            told: self.errands.told,
            ..Health::default()
        };
        self.session.send(Message::Health(health));
    }

    fn ask_renewal(&mut self) {
        let install = self.install.borrow().clone();
        let is_due = self.clock.now().ms_since(install.certified()) >= RENEW_MS;
        if !is_due || self.errands.is_renewing {
            return;
        }
        match install.requests() {
            Ok(requests) => {
                let renew = Renew { request: requests.csr, web_request: requests.web_csr };
                self.errands.is_renewing = self.session.send(Message::Renew(renew));
            }
            Err(error) => tracing::error!(%error, "no renewal can be asked for"),
        }
    }

    /// Keeps new certificates; the next link and the pages use them.
    fn renewed(&mut self, renewed: Renewed) {
        self.errands.is_renewing = false;
        let ders =
            |chain: Vec<_>| chain.into_iter().map(|c: hearth_protocol::wire::message::CertificateBytes| c.0);
        let (chain, web): (Vec<Vec<u8>>, Vec<Vec<u8>>) =
            (ders(renewed.chain).collect(), ders(renewed.web_chain).collect());
        let install = self.install.borrow().clone();
        if !install.is_own(&chain) {
            tracing::error!("the hub sent a certificate that is not of this node's key");
            return;
        }
        let fresh = install.renewed(chain, web, self.clock.now());
        match fresh.save(&self.keeper.data, &self.keeper.platform, &self.random) {
            Ok(()) => {
                tracing::info!("the certificates were renewed");
                self.install.send_replace(fresh);
                self.probe = self.seek_after_renewal();
            }
            Err(error) => tracing::error!(%error, "renewed certificates could not be kept"),
        }
    }
}

fn tell(done: Result<(), StoreError>) {
    if let Err(error) = done {
        tracing::error!(%error, "the store failed");
    }
}

/// Bytes free where this file is; 0 when the system does not say.
pub(crate) fn disk_free(path: &std::path::Path) -> u64 {
    rustix::fs::statvfs(path).map_or(0, |stat| stat.f_bavail.saturating_mul(stat.f_frsize))
}
