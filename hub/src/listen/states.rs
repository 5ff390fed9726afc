//! What a node is told of the way of its entries to the main care records.

use std::time::Duration;

use hearth_protocol::wire::message::Delivery;
use hearth_protocol::wire::{Channel, Message};
use rusqlite::Connection;

use super::session::{Answer, Link};
use crate::gateway::owed::{self, NewStates};
use crate::store::StoreError;

/// States in one message.
const STATES_MAX: u32 = 512;
/// A node that is heard of so long after a message was sent has it: a link that lost it would have ended by then.
const PROVEN_AFTER: Duration = Duration::from_mins(2);

/// How far a link has told its node.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Up to which number; none before the node is admitted.
    told: Option<u64>,
    is_reading: bool,
    is_more: bool,
    /// Something has changed for the site: what is new of it is read with the feed, in one go.
    is_due: bool,
    /// What was sent last and may not have arrived, and when it was sent.
    unproven: Option<(u64, Duration)>,
}

impl Link {
    /// Begins to tell: from what is known to have arrived at the node.
    pub(super) async fn begin_states(&mut self) {
        let install = self.identified.install.id;
        match self.hub.store.read(move |c| owed::told(c, install)).await {
            Ok(told) => {
                self.states.told = Some(told);
                self.read_states();
            }
            Err(error) => self.unavailable(&error),
        }
    }

    /// Something has changed for the site: states are looked for with the next read of its feed.
    pub(super) fn states_are_due(&mut self) {
        self.states.is_due = true;
    }

    /// Looks for states that are due and were not read with the feed.
    pub(super) fn read_due_states(&mut self) {
        if self.states.is_due {
            self.read_states();
        }
    }

    /// Looks for states that are new.
    fn read_states(&mut self) {
        let Some(read) = self.begin_to_read_states() else { return };
        let store = self.hub.store.clone();
        let _ = self.background.spawn(async move { Some(Answer::States(store.read(read).await)) });
    }

    /// What reads the states that are due, to be run with another read; none where there are none.
    pub(super) fn take_due_states(
        &mut self,
    ) -> Option<impl FnOnce(&Connection) -> Result<NewStates, StoreError> + Send + use<>> {
        if self.states.is_due { self.begin_to_read_states() } else { None }
    }

    /// What reads the states that are new; none where they are being read.
    fn begin_to_read_states(
        &mut self,
    ) -> Option<impl FnOnce(&Connection) -> Result<NewStates, StoreError> + Send + use<>> {
        self.states.is_due = false;
        let after = self.states.told?;
        if self.states.is_reading {
            self.states.is_more = true;
            return None;
        }
        self.states.is_reading = true;
        let install = self.identified.install.id;
        Some(move |connection: &Connection| owed::news(connection, install, after, STATES_MAX))
    }

    /// Tells what was read, and looks for more where there may be.
    pub(super) fn tell_states(&mut self, news: Result<NewStates, StoreError>) {
        self.states.is_reading = false;
        let news = match news {
            Ok(news) => news,
            Err(error) => return self.unavailable(&error),
        };
        let is_more = std::mem::take(&mut self.states.is_more);
        if !news.states.is_empty() {
            self.states.told = Some(news.upto);
            self.states.unproven = Some((news.upto, self.hub.clock.monotonic()));
            self.answer_with(Message::Delivery(Delivery { states: news.states }));
            self.read_states();
        } else if is_more {
            self.read_states();
        }
    }

    /// The node was heard of: what was sent long ago has arrived.
    pub(super) fn prove_states(&mut self) {
        let now = self.hub.clock.monotonic();
        let is_proven = |sent: &(u64, Duration)| now.saturating_sub(sent.1) >= PROVEN_AFTER;
        let Some((upto, _)) = self.states.unproven.take_if(|sent| is_proven(sent)) else { return };
        let (store, install) = (self.hub.store.clone(), self.identified.install.id);
        let _ = self.background.spawn(async move {
            if let Err(error) = store.write(move |t| owed::confirm_told(t, install, upto)).await {
                tracing::warn!(%install, code = error.code(), "what a node was told could not be noted");
            }
            None
        });
    }

    fn answer_with(&mut self, message: Message) {
        self.session.handle_answer(Channel::Control, message);
    }
}
