//! What a node is told of the way of its entries to the main care records.

use std::time::Duration;

use hearth_protocol::wire::message::Delivery;
use hearth_protocol::wire::{Channel, Message};

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

    /// Looks for states that are new.
    pub(super) fn read_states(&mut self) {
        let Some(after) = self.states.told else { return };
        if self.states.is_reading {
            self.states.is_more = true;
            return;
        }
        self.states.is_reading = true;
        let (store, install) = (self.hub.store.clone(), self.identified.install.id);
        let _ = self.background.spawn(async move {
            Some(Answer::States(store.read(move |c| owed::news(c, install, after, STATES_MAX)).await))
        });
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
