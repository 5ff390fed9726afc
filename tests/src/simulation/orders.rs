//! What the administrators do at the hub: one order after the other, each repeated until the hub has said that it is done.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_hub::store::StoreError;
use rusqlite::Transaction;

use super::hub::HubHost;
use super::lock;

/// An order; carrying it out twice changes nothing.
pub(super) type Order = Arc<dyn Fn(&Transaction<'_>) -> Result<(), StoreError> + Send + Sync>;

/// What the hub answered, once it has.
type Answer = Arc<Mutex<Option<Result<(), StoreError>>>>;

/// How long an order that was not answered waits before it is given again.
const AGAIN_AFTER: Duration = Duration::from_secs(3);

/// The orders of a run, in the order in which they are carried out.
#[derive(Default)]
pub(super) struct Orders {
    all: Vec<Order>,
    done: usize,
    given: Option<(Duration, Answer)>,
}

impl Orders {
    /// Adds an order.
    pub(super) fn add(
        &mut self,
        order: impl Fn(&Transaction<'_>) -> Result<(), StoreError> + Send + Sync + 'static,
    ) {
        self.all.push(Arc::new(order));
    }

    /// Whether all are carried out.
    pub(super) fn are_done(&self) -> bool {
        self.done == self.all.len()
    }

    /// How many are carried out.
    pub(super) fn done(&self) -> usize {
        self.done
    }

    /// What was carried out after the first `done` is to be done again: the hub has forgotten it.
    pub(super) fn repeat_after(&mut self, done: usize) {
        (self.done, self.given) = (done.min(self.done), None);
    }

    /// Goes on with the orders; an error when one cannot be carried out at all.
    pub(super) fn go_on(&mut self, hub: &HubHost, now: Duration) -> Result<(), String> {
        let answer = self.given.as_ref().and_then(|(_, answer)| lock(answer).take());
        match answer {
            Some(Ok(())) => {
                self.done += 1;
                self.given = None;
            }
            Some(Err(StoreError::Logic(wrong) | StoreError::Constraint(wrong))) => {
                return Err(format!("an order of the administrators failed: {wrong}"));
            }
            // The disk failed: once more, later.
            Some(Err(_)) | None => {}
        }
        let is_due = self.given.as_ref().is_none_or(|(at, _)| now.saturating_sub(*at) >= AGAIN_AFTER);
        let (Some(order), true, true) = (self.all.get(self.done), is_due, hub.program().is_some()) else {
            return Ok(());
        };
        let (order, told) = (Arc::clone(order), Arc::new(Mutex::new(None)));
        self.given = Some((now, Arc::clone(&told)));
        hub.bring(Box::new(move |store| {
            Box::pin(async move {
                let done = store.write(move |transaction| order(transaction)).await;
                *lock(&told) = Some(done);
            })
        }));
        Ok(())
    }
}
