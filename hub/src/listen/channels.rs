//! The channels of a link: bytes in to messages, messages out to bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_protocol::wire::frame::{self, FrameDecoder};
use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, Message, Spoken, Version};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::carrier::{Carrier, Receiver, Sender};

/// Frames that wait for one stream. Their bytes are bounded by the credit that the node gives.
const FRAMES_WAITING: usize = 256;
/// How long the end of a link waits for what was said last to arrive.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// What came in.
pub(super) enum Came {
    /// A message on a stream; on the heap, since a queue keeps room for 32 at every link.
    Message(Channel, Box<Message>),
    /// The peer sent what no peer may send, or opened a stream that it may not.
    Broken(&'static str),
    /// A stream that must live has ended: the link is over.
    Ended,
}

/// Reads one stream to its end. Messages of types that this software does not know are passed over.
pub(super) async fn read(mut stream: Receiver, channel: Channel, speaks: Spoken, to: mpsc::Sender<Came>) {
    let mut decoder = FrameDecoder::of(speaks);
    let ended = loop {
        match decoder.poll() {
            Ok(Some(found)) => match frame::decode(&found) {
                Ok(Some(message)) => {
                    if to.send(Came::Message(channel, Box::new(message))).await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(None) => continue,
                Err(error) => break Came::Broken(error.code()),
            },
            Ok(None) => {}
            Err(error) => break Came::Broken(error.code()),
        }
        let Some(bytes) = stream.receive().await else { break Came::Ended };
        count_bytes("received", bytes.len());
        decoder.feed(&bytes);
    };
    // Nobody listens any more when the session has ended before its streams.
    drop(to.send(ended).await);
}

/// Accepts the channels of one direction that a node begins: the push channel alone.
pub(super) async fn accept(carrier: Carrier, speaks: Spoken, to: mpsc::Sender<Came>) {
    while let Ok(opened) = carrier.accept().await {
        let named = opened.named().await;
        count_bytes("received", HEADER_BYTES);
        let came = match named {
            Ok(Some((Channel::Push, receiver))) => {
                read(receiver, Channel::Push, speaks, to.clone()).await;
                continue;
            }
            Ok(_) => Came::Broken("a channel that a node may not begin"),
            Err(_) => Came::Ended,
        };
        drop(to.send(came).await);
        return;
    }
}

/// The streams out, each with a queue and a task of its own, so that a full one does not hold up the others.
pub(super) struct Outlets {
    carrier: Carrier,
    queues: BTreeMap<Channel, mpsc::Sender<Bytes>>,
    version: watch::Sender<Version>,
    tasks: JoinSet<()>,
}

/// The link is gone, or the message does not fit a frame.
#[derive(Debug, thiserror::Error)]
#[error("a message could not be sent")]
pub(super) struct NotSent;

impl Outlets {
    /// The outlets of a link whose control stream is this, and on which this version is spoken first.
    pub(super) fn new(carrier: Carrier, control: Sender, version: Version) -> Self {
        let version = watch::Sender::new(version);
        let mut outlets = Self { carrier, queues: BTreeMap::new(), version, tasks: JoinSet::new() };
        outlets.add(Channel::Control, control);
        outlets
    }

    /// This version is spoken from here on.
    pub(super) fn speak(&self, version: Version) {
        self.version.send_replace(version);
    }

    /// Queues a message on its stream, opening the stream when it is the first.
    pub(super) async fn send(&mut self, channel: Channel, message: &Message) -> Result<(), NotSent> {
        let queue = self.queue(channel).await?;
        let bytes = frame::encode_plain(message).map_err(|_| NotSent)?;
        queue.send(bytes.into()).await.map_err(|_| NotSent)
    }

    /// The queue of a stream, for a task that fills it by itself.
    pub(super) async fn queue(&mut self, channel: Channel) -> Result<mpsc::Sender<Bytes>, NotSent> {
        if let Some(queue) = self.queues.get(&channel) {
            return Ok(queue.clone());
        }
        let sender = self.carrier.open(channel).await.map_err(|_| NotSent)?;
        count_bytes("sent", HEADER_BYTES);
        Ok(self.add(channel, sender))
    }

    fn add(&mut self, channel: Channel, sender: Sender) -> mpsc::Sender<Bytes> {
        let (queue, frames) = mpsc::channel(FRAMES_WAITING);
        self.tasks.spawn(write(sender, frames, self.version.subscribe()));
        self.queues.insert(channel, queue.clone());
        queue
    }

    /// Waits a little until what was queued has arrived.
    pub(super) async fn flush(mut self) {
        self.queues.clear();
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // A peer that takes nothing any more is not waited for.
        drop(tokio::time::timeout(FLUSH_TIME, all).await);
    }
}

async fn write(mut sender: Sender, mut frames: mpsc::Receiver<Bytes>, version: watch::Receiver<Version>) {
    let (mut waiting, mut bytes) = (Vec::new(), Vec::new());
    while frames.recv_many(&mut waiting, FRAMES_WAITING).await > 0 {
        frame::join(*version.borrow(), waiting.iter().map(AsRef::as_ref), &mut bytes);
        waiting.clear();
        if sender.send(&bytes).await.is_err() {
            return;
        }
        count_bytes("sent", bytes.len());
        bytes.clear();
    }
    sender.finish().await;
}

/// Counts bytes of frames and channel headers: what the protocol costs, without what QUIC or TCP add.
fn count_bytes(direction: &'static str, length: usize) {
    metrics::counter!("hearth_sync_bytes_total", "direction" => direction).increment(length as u64);
}
