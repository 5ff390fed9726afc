//! When the hub was last there, and how far the lease has run.
//!
//! Time without the hub is measured on the time since boot, so that setting the wall clock neither extends nor
//! shortens the lease. Only what passed while the machine was off is taken from the wall clock, and never backwards.

use std::time::Duration;

use hearth_protocol::time::Timestamp;
use minicbor::{Decode, Encode};

use super::{Records, model, repair, row};
use crate::lease::LeaseTerms;
use crate::store::StoreError;

/// Key of the measure in `meta`.
const AWAY: &str = "away";

/// How long the hub has been away, as it stood when it was last written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
pub(super) struct Away {
    /// When the hub was last there.
    #[n(0)]
    contact: Option<Timestamp>,
    /// Milliseconds without it.
    #[n(1)]
    ms: u64,
    /// The wall clock, with its floor, when this was written.
    #[n(2)]
    noted: Timestamp,
    /// Milliseconds since boot when this was written.
    #[n(3)]
    boot_ms: u64,
}

impl Away {
    /// The measure now. A smaller time since boot than noted says that the machine was off in between.
    fn at(self, now: Timestamp, boot_ms: u64) -> Self {
        let off = now.ms_since(self.noted).max(0).unsigned_abs();
        let passed = boot_ms.checked_sub(self.boot_ms).unwrap_or(off);
        Self { ms: self.ms.saturating_add(passed), noted: now, boot_ms, ..self }
    }
}

impl Records {
    /// Reads what is kept of clock and contact. Call it once, at the start, before anything asks for the time.
    pub async fn resume(&self, terms: LeaseTerms) -> Result<(), StoreError> {
        match self.0.store.write(|tx| model::read_again(tx, env!("CARGO_PKG_VERSION"))).await {
            Ok(0) => {}
            Ok(documents) => tracing::info!(documents, "read again what older software could not"),
            // A full disk, say. The next start tries again; the rest of the records is worth having until then.
            Err(error) => {
                tracing::error!(%error, "what older software left unread could not be read");
            }
        }
        let away = self.0.store.read(|connection| row::meta::<Away>(connection, AWAY)).await?;
        if let Some(away) = away {
            self.0.clock.not_before(away.noted);
        }
        let is_comparison_owed = self.0.store.read(repair::is_comparison_owed).await?;
        self.update_link(|link| (link.terms, link.is_comparison_owed) = (terms, is_comparison_owed));
        if let Err(error) = self.refresh_lease().await {
            // A full disk: what can still be read is worth more than a lease that is written down.
            tracing::error!(%error, "how long the hub has been away could not be written down");
            let (now, boot_ms) = (self.0.clock.now(), self.boot_ms());
            self.tell_away(away.unwrap_or_default().at(now, boot_ms));
        }
        Ok(())
    }

    /// Notes that the hub is there now.
    pub(crate) async fn note_contact(&self, now: Timestamp) -> Result<(), StoreError> {
        let away = Away { contact: Some(now), ms: 0, noted: now, boot_ms: self.boot_ms() };
        self.0.store.write(move |tx| row::set_meta(tx, AWAY, away)).await?;
        self.tell_away(away);
        Ok(())
    }

    /// Writes down how long the hub has been away and tells pages how far the lease has run, and whether anything can be
    /// saved at all.
    pub(crate) async fn refresh_lease(&self) -> Result<(), StoreError> {
        let (now, boot_ms) = (self.0.clock.now(), self.boot_ms());
        let noted = self.0.store.write(move |tx| {
            let start = Away { noted: now, boot_ms, ..Away::default() };
            let away = row::meta::<Away>(tx, AWAY)?.unwrap_or(start).at(now, boot_ms);
            row::set_meta(tx, AWAY, away)?;
            Ok::<_, StoreError>(away)
        });
        let noted = noted.await;
        let unsaved = noted.as_ref().err().and_then(StoreError::standing);
        self.update_link(|link| link.unsaved = unsaved);
        self.tell_away(noted?);
        Ok(())
    }

    fn tell_away(&self, away: Away) {
        self.update_link(|link| {
            link.last_contact = away.contact;
            link.lease = link.terms.stage(Duration::from_millis(away.ms));
        });
    }

    fn boot_ms(&self) -> u64 {
        u64::try_from(self.0.clock.boot().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample::{NOON, Sample};
    use super::*;
    use crate::lease::LeaseStage;

    const DAY: Duration = Duration::from_hours(24);

    async fn stage(sample: &Sample) -> LeaseStage {
        sample.records.refresh_lease().await.unwrap();
        sample.records.link().borrow().lease
    }

    #[tokio::test]
    async fn the_lease_runs_on_the_time_since_boot_whatever_the_wall_clock_says() {
        let sample = Sample::new().await;
        sample.records.note_contact(NOON).await.unwrap();
        sample.time.set_wall(NOON.plus_ms(365 * 86_400_000));
        assert_eq!(stage(&sample).await, LeaseStage::Good);
        sample.time.set_wall(NOON.plus_ms(-365 * 86_400_000));
        sample.time.pass(DAY * 30);
        assert_eq!(stage(&sample).await, LeaseStage::Locked);
        sample.records.note_contact(NOON).await.unwrap();
        assert_eq!(stage(&sample).await, LeaseStage::Good);
    }

    #[tokio::test]
    async fn that_nothing_can_be_saved_is_told_before_somebody_tries_and_taken_back_when_it_can() {
        let sample = Sample::new().await;
        sample.records.update_link(|link| link.unsaved = Some("Written on paper."));
        sample.records.refresh_lease().await.unwrap();
        assert_eq!(sample.records.link().borrow().unsaved, None);
        let shut = sample
            .records
            .store()
            .write(|tx| Ok::<_, StoreError>(tx.execute_batch("PRAGMA query_only = ON")?));
        shut.await.unwrap();
        assert_eq!(sample.records.refresh_lease().await, Err(StoreError::ReadOnly));
        assert!(sample.records.link().borrow().unsaved.unwrap().contains("cannot write"));
    }

    #[test]
    fn what_passed_while_the_machine_was_off_counts_and_a_clock_set_back_does_not() {
        let before = Away { contact: Some(NOON), ms: 5, noted: NOON, boot_ms: 1000 };
        assert_eq!(before.at(NOON.plus_ms(70), 10).ms, 75);
        assert_eq!(before.at(NOON.plus_ms(-70), 10).ms, 5);
        assert_eq!(before.at(NOON.plus_ms(-70), 1010).ms, 15);
    }
}
