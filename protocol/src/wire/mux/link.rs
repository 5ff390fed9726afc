//! A [`Mux`] that the tasks of a session share: one moves its bytes, the others send and receive on its channels.
//!
//! It waits by wakers alone, so it needs no runtime, and whoever moves the bytes owns the socket and the time.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use super::{Mux, MuxError, Read};
use crate::wire::message::Channel;

/// The connection, or this channel of it, is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection is gone")]
pub struct Gone;

/// The connection has ended; with the code with which the peer closed it, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub Option<u64>);

/// One end of a connection with many channels. Cheap to clone.
#[derive(Clone, Default)]
pub struct MuxLink(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    mux: Mux,
    waiting: Vec<Waker>,
    /// Receivers that have not been dropped: they may hold what has not been dealt with.
    receivers: usize,
}

impl MuxLink {
    /// Takes in bytes that came. A peer that cannot be understood is to be closed.
    pub fn handle_bytes(&self, bytes: &[u8]) -> Result<(), MuxError> {
        self.change(|state| state.mux.handle_bytes(bytes))
    }

    /// See [`Mux::handle_tick`].
    pub fn handle_tick(&self) -> bool {
        self.change(|state| state.mux.handle_tick())
    }

    /// Waits until something is to be sent and appends about `bytes_max` bytes of it to `out`. Nothing is appended when
    /// the connection is over and all has been said.
    pub async fn transmit(&self, bytes_max: usize, out: &mut Vec<u8>) {
        let next = |state: &mut State| {
            state.mux.poll_transmit(bytes_max, out);
            (!out.is_empty() || state.mux.is_over()).then_some(())
        };
        self.wait_for(next).await;
        // What was sent made room.
        self.change(|_| ());
    }

    /// Closes the connection with a code. What was not sent is dropped.
    pub fn close(&self, code: u32) {
        self.change(|state| state.mux.close(code));
    }

    /// Waits until either end has closed.
    pub async fn over(&self) {
        self.wait_for(|state| state.mux.is_over().then_some(())).await;
    }

    /// The code with which the peer has closed.
    pub fn closed_by_peer(&self) -> Option<u32> {
        self.change(|state| state.mux.closed_by_peer())
    }

    /// The half of a channel that sends.
    pub fn sender(&self, channel: Channel) -> MuxSender {
        MuxSender { link: self.clone(), channel }
    }

    /// The halves of the control channel.
    pub fn control(&self) -> (MuxSender, MuxReceiver) {
        (self.sender(Channel::Control), self.receiver(Channel::Control))
    }

    /// Waits until the peer has begun the control channel.
    pub async fn accept_control(&self) -> Result<(MuxSender, MuxReceiver), Gone> {
        let begun = |state: &mut State| {
            let has_begun = state.mux.has_opened(Channel::Control);
            if has_begun { Some(Ok(())) } else { state.mux.is_over().then_some(Err(Gone)) }
        };
        self.wait_for(begun).await?;
        Ok(self.control())
    }

    /// The next channel but the control channel that the peer begins. The end is told when every receiver has been
    /// dropped: what came before it has been dealt with.
    pub async fn accept(&self) -> Result<(Channel, MuxReceiver), Closed> {
        let next = |state: &mut State| {
            let mux = &mut state.mux;
            let opened =
                std::iter::from_fn(|| mux.poll_opened()).find(|channel| *channel != Channel::Control);
            let has_ended = state.receivers == 0 && mux.is_over();
            let ended = || has_ended.then(|| Err(Closed(mux.closed_by_peer().map(u64::from))));
            opened.map(Ok).or_else(ended)
        };
        let channel = self.wait_for(next).await?;
        Ok((channel, self.receiver(channel)))
    }

    fn receiver(&self, channel: Channel) -> MuxReceiver {
        self.change(|state| state.receivers += 1);
        MuxReceiver { link: self.clone(), channel }
    }

    /// Does something that others may wait for.
    fn change<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let (done, waiting) = {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            (work(&mut state), std::mem::take(&mut state.waiting))
        };
        waiting.into_iter().for_each(Waker::wake);
        done
    }

    /// Asks again after every change until there is an answer.
    async fn wait_for<T>(&self, mut ask: impl FnMut(&mut State) -> Option<T>) -> T {
        poll_fn(|context| {
            let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(answer) = ask(&mut state) else {
                if !state.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
                    state.waiting.push(context.waker().clone());
                }
                return Poll::Pending;
            };
            Poll::Ready(answer)
        })
        .await
    }
}

impl fmt::Debug for MuxLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MuxLink").finish_non_exhaustive()
    }
}

/// The half of a channel that sends. A channel whose sender is dropped has ended.
#[derive(Debug)]
pub struct MuxSender {
    link: MuxLink,
    channel: Channel,
}

impl MuxSender {
    /// Queues bytes; waits while there is no room, because the peer has given no credit.
    pub async fn send(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        while !bytes.is_empty() {
            let write = |state: &mut State| match state.mux.write(self.channel, bytes) {
                Some(0) => None,
                Some(count) => Some(Ok(count)),
                None => Some(Err(Gone)),
            };
            let count = self.link.wait_for(write).await?;
            self.link.change(|_| ());
            bytes = bytes.get(count..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the channel and waits until what was queued is on its way.
    pub async fn finish(self) {
        self.link.change(|state| state.mux.finish(self.channel));
        let finished =
            |state: &mut State| (state.mux.is_over() || state.mux.is_finished(self.channel)).then_some(());
        self.link.wait_for(finished).await;
    }
}

impl Drop for MuxSender {
    fn drop(&mut self) {
        self.link.change(|state| state.mux.finish(self.channel));
    }
}

/// The half of a channel that receives.
#[derive(Debug)]
pub struct MuxReceiver {
    link: MuxLink,
    channel: Channel,
}

impl MuxReceiver {
    /// The next bytes; none at the end of the channel or of the connection.
    pub async fn receive(&mut self) -> Option<Vec<u8>> {
        let read = |state: &mut State| match state.mux.read(self.channel) {
            Read::Bytes(bytes) => Some(Some(bytes)),
            Read::Ended => Some(None),
            Read::Nothing => None,
        };
        let bytes = self.link.wait_for(read).await?;
        // Reading may have given the peer new credit.
        self.link.change(|_| ());
        Some(bytes)
    }
}

impl Drop for MuxReceiver {
    fn drop(&mut self) {
        self.link.change(|state| state.receivers = state.receivers.saturating_sub(1));
    }
}
