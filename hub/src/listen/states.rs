//! What a node is told of the way of its entries to the main care records.

use hearth_protocol::wire::message::Delivery;
use hearth_protocol::wire::{Channel, Message};
use rusqlite::Connection;

use super::session::{Answer, Link};
use crate::gateway::owed::{self, NewStates};
use crate::store::StoreError;

/// States in one message.
const STATES_MAX: u32 = 512;

/// How far a link has told its node.
#[derive(Debug, Default)]
pub(super) struct States {
    /// Up to which number; none before the node is admitted.
    told: Option<u64>,
    is_reading: bool,
    is_more: bool,
    /// Something has changed for the site: what is new of it is read with the feed, in one go.
    is_due: bool,
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
        let site = self.identified.install.site;
        Some(move |connection: &Connection| owed::news(connection, site, after, STATES_MAX))
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
            let upto = Some(news.upto);
            self.answer_with(Message::Delivery(Delivery { states: news.states, upto }));
            self.read_states();
        } else if is_more {
            self.read_states();
        }
    }

    /// Up to which number the node has what was told on this link on its disk, by its own word: that is not told again on the
    /// next link. A number beyond what was told says nothing.
    pub(super) fn confirmed_states(&self, told: Option<u64>) -> Option<u64> {
        told.filter(|upto| self.states.told.is_some_and(|told| *upto <= told))
    }

    fn answer_with(&mut self, message: Message) {
        self.session.handle_answer(Channel::Control, message);
    }
}
