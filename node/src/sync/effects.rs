//! What the session asks for, done one after the other.

use hearth_protocol::head::SignedHead;
use hearth_protocol::sync::node::{Intake, NodeEffect};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{Refused, Welcome};
use hearth_protocol::wire::{Channel, Message, Transport, Version};

use super::link::Link;
use super::{CLOSE_DONE, Sync, moment};
use crate::records::{IntakeError, Line, Outbox};
use crate::store::StoreError;

/// A wall clock that is further from the hub's is worth a warning, in milliseconds.
const CLOCK_OFF_MS: i64 = 5 * 60 * 1000;

/// How often contact is written down, in milliseconds.
const CONTACT_MS: i64 = 30_000;

impl Sync {
    /// Does all that the session asks for now.
    pub(super) async fn do_effects(&mut self) {
        while let Some(effect) = self.session.poll_effect() {
            if let Err(error) = self.do_effect(effect).await {
                tracing::error!(%error, "the link is given up: the store failed");
                self.tell_down(Some(error.sentence().to_owned()));
                self.give_up(CLOSE_DONE);
            }
        }
    }

    async fn do_effect(&mut self, effect: NodeEffect) -> Result<(), StoreError> {
        match effect {
            NodeEffect::Dial => self.dial(),
            NodeEffect::ReadHeld => {
                let held = self.records.held().await?;
                self.session.handle_held(&held, moment(&self.clock));
            }
            NodeEffect::Send(channel, message) => self.send(channel, message),
            NodeEffect::Welcomed(welcome) => self.welcomed(&welcome).await?,
            NodeEffect::Store(intake) => self.store(intake).await?,
            NodeEffect::ReadOutbox { after, bytes_max } => {
                if after == 0 {
                    self.order = self.records.outbox_order().await?;
                }
                let outbox = self.records.outbox(&self.order, after, bytes_max).await?;
                let heads = self.sign(&outbox);
                self.session.handle_outbox(outbox.groups, heads);
            }
            NodeEffect::Settle(settled) => {
                self.records.settle(settled).await?;
                self.send_receipts().await?;
            }
            NodeEffect::ReadDigests => {
                let digests = self.records.digests().await?;
                let frozen = self.records.frozen().await?;
                self.session.handle_digests(digests, frozen);
            }
            NodeEffect::ReadHashes(scopes) => {
                let held = self.records.hashes(scopes).await?;
                self.session.handle_hashes(held);
            }
            NodeEffect::Lacked(lacks) => self.records.push_back(lacks).await?,
            NodeEffect::Compared => {
                self.records.compared().await?;
                self.send_receipts().await?;
            }
            NodeEffect::Agreed => self.records.update_link(|link| {
                link.is_diverged = false;
                link.has_caught_up = true;
            }),
            NodeEffect::Deliver(message) => self.delivered(message).await?,
            NodeEffect::Refused(refused) => self.refused(&refused),
            NodeEffect::Hangup => self.give_up(CLOSE_DONE),
        }
        Ok(())
    }

    fn send(&mut self, channel: Channel, message: Message) {
        let sent = self.link.as_ref().map(|link| link.send(channel, message));
        if matches!(sent, Some(Err(_))) {
            tracing::warn!(?channel, "the line takes nothing any more; the link is given up");
            self.give_up(CLOSE_DONE);
        }
    }

    async fn welcomed(&mut self, welcome: &Welcome) -> Result<(), StoreError> {
        self.clock.told_by_hub(welcome.time);
        let now = self.clock.now();
        self.records.note_contact(now).await?;
        let offset = self.clock.offset_ms().filter(|offset| offset.abs() > CLOCK_OFF_MS);
        let transport = self.link.as_ref().map_or(Transport::Quic, Link::transport);
        if let Some(link) = &self.link {
            link.speak(Version(welcome.version));
        }
        // Before the line is shown as up: pages would say that all has arrived at a hub that has lost it.
        let has_lost = self.records.note_epoch(welcome.epoch).await?;
        self.records.update_link(|link| {
            link.line = Line::Up { since: now, transport };
            link.clock_off_ms = offset;
            link.certificate_until = Some(welcome.certificate_until);
            // The feed sends nothing to a node that has everything, so nothing later would say it.
            if welcome.digest_ok == Some(true) {
                (link.has_caught_up, link.is_diverged) = (true, false);
            }
        });
        let (version, epoch, digest_ok) = (welcome.version, welcome.epoch, welcome.digest_ok);
        tracing::info!(version, epoch, digest_ok, transport = transport.name(), "admitted by the hub");
        if has_lost {
            tracing::warn!(epoch = welcome.epoch, "the hub has lost something: what it lacks is sent again");
            self.session.handle_mismatch(moment(&self.clock));
        }
        if welcome.digest_ok == Some(false) {
            self.diverged();
        }
        self.send_receipts().await?;
        self.run_errands().await;
        Ok(())
    }

    /// Node and hub do not hold the same: they are compared, and each gets what it lacks.
    pub(super) fn diverged(&mut self) {
        tracing::info!("node and hub do not hold the same: they are compared");
        self.records.update_link(|link| link.is_diverged = true);
        self.session.handle_mismatch(moment(&self.clock));
    }

    /// Signs how far the own changes go in each document of what is sent. Without a key nothing is signed, and the hub
    /// refuses what comes: the changes stay here.
    fn sign(&self, outbox: &Outbox) -> Vec<SignedHead> {
        self.key.as_ref().map(|key| outbox.signed(self.records.site(), key)).unwrap_or_default()
    }

    /// Keeps the keys of those who sign what came. A chain that proves nothing is not kept, and what it was to prove is
    /// held back with the changes.
    async fn keep_signers(&self, intake: &Intake) -> Result<(), StoreError> {
        let (region, roots) = (self.records.site().region, self.install.borrow().roots());
        let mut keys = Vec::new();
        for signer in &intake.signers {
            match signer.key(region, &roots) {
                Ok(key) => keys.push(key),
                Err(reason) => {
                    tracing::error!(install = %signer.install, %reason, "a writer's certificate is not believed");
                }
            }
        }
        if keys.is_empty() { Ok(()) } else { self.records.keep_signers(keys).await }
    }

    async fn store(&mut self, intake: Intake) -> Result<(), StoreError> {
        self.keep_signers(&intake).await?;
        match self.records.take_in(intake).await {
            Ok(agrees) => {
                self.session.handle_stored();
                self.note_alive().await?;
                match agrees {
                    Some(false) => self.diverged(),
                    Some(true) => self.records.update_link(|link| link.is_diverged = false),
                    None => {}
                }
                self.send_receipts().await
            }
            Err(IntakeError::Store(error)) => {
                self.session.handle_store_failed();
                Err(error)
            }
            Err(error @ IntakeError::Refused { .. }) => {
                tracing::error!(%error, "what the hub sent is not taken in");
                self.session.handle_store_failed();
                Ok(())
            }
        }
    }

    /// The hub is there: what came over an admitted link says so as well as the welcome did.
    pub(super) async fn note_alive(&self) -> Result<(), StoreError> {
        let now: Timestamp = self.clock.now();
        let known = self.records.link().borrow().last_contact;
        // One more write for every batch would buy nothing: the lease is counted in days.
        if known.is_some_and(|known| (0..CONTACT_MS).contains(&now.ms_since(known))) {
            return Ok(());
        }
        self.records.note_contact(now).await
    }

    fn refused(&self, refused: &Refused) {
        tracing::warn!(code = ?refused.code, retry_after_ms = refused.retry_after_ms, "the hub refused the node");
        let told = Some(refused.message.clone()).filter(|message| !message.is_empty());
        self.tell_down(told.or_else(|| Some(super::sentence(refused.code).to_owned())));
    }
}
