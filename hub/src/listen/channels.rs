//! The streams of a link: bytes in to messages, messages out to bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use hearth_protocol::wire::frame::{self, FrameDecoder};
use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, Message};
use quinn::{Connection, RecvStream, SendStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Frames that wait for one stream. Their bytes are bounded by the credit that the node gives.
const FRAMES_WAITING: usize = 256;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;
/// How long the end of a link waits for what was said last to arrive.
const FLUSH_TIME: Duration = Duration::from_secs(2);

/// What came in.
pub(super) enum Came {
    /// A message on a stream.
    Message(Channel, Message),
    /// The peer sent what no peer may send, or opened a stream that it may not.
    Broken(&'static str),
    /// A stream that must live has ended: the link is over.
    Ended,
}

/// Reads one stream to its end. Messages of types that this software does not know are passed over.
pub(super) async fn read(mut stream: RecvStream, channel: Channel, to: mpsc::Sender<Came>) {
    let mut decoder = FrameDecoder::default();
    let ended = loop {
        match decoder.poll() {
            Ok(Some(found)) => match frame::decode(&found) {
                Ok(Some(message)) => {
                    if to.send(Came::Message(channel, message)).await.is_err() {
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
        match stream.read_chunk(READ_BYTES, true).await {
            Ok(Some(chunk)) => {
                count_bytes("received", chunk.bytes.len());
                decoder.feed(&chunk.bytes);
            }
            Ok(None) | Err(_) => break Came::Ended,
        }
    };
    // Nobody listens any more when the session has ended before its streams.
    drop(to.send(ended).await);
}

/// Accepts the streams of one direction that a node opens: the push stream alone.
pub(super) async fn accept(connection: Connection, to: mpsc::Sender<Came>) {
    while let Ok(mut stream) = connection.accept_uni().await {
        let mut header = [0; HEADER_BYTES];
        let read_header = stream.read_exact(&mut header).await;
        count_bytes("received", header.len());
        let came = match (read_header, Channel::from_header(header)) {
            (Ok(()), Some(Channel::Push)) => {
                read(stream, Channel::Push, to.clone()).await;
                continue;
            }
            (Ok(()), _) => Came::Broken("a stream that a node may not open"),
            (Err(_), _) => Came::Ended,
        };
        drop(to.send(came).await);
        return;
    }
}

/// The streams out, each with a queue and a task of its own, so that a full one does not hold up the others.
pub(super) struct Outlets {
    connection: Connection,
    queues: BTreeMap<Channel, mpsc::Sender<Bytes>>,
    tasks: JoinSet<()>,
}

/// The link is gone, or the message does not fit a frame.
#[derive(Debug, thiserror::Error)]
#[error("a message could not be sent")]
pub(super) struct NotSent;

impl Outlets {
    /// The outlets of a link whose control stream is this.
    pub(super) fn new(connection: Connection, control: SendStream) -> Self {
        let mut outlets = Self { connection, queues: BTreeMap::new(), tasks: JoinSet::new() };
        outlets.add(Channel::Control, control);
        outlets
    }

    /// Queues a message on its stream, opening the stream when it is the first.
    pub(super) async fn send(&mut self, channel: Channel, message: &Message) -> Result<(), NotSent> {
        let queue = self.queue(channel).await?;
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).map_err(|_| NotSent)?;
        queue.send(bytes.into()).await.map_err(|_| NotSent)
    }

    /// The queue of a stream, for a task that fills it by itself.
    pub(super) async fn queue(&mut self, channel: Channel) -> Result<mpsc::Sender<Bytes>, NotSent> {
        if let Some(queue) = self.queues.get(&channel) {
            return Ok(queue.clone());
        }
        let mut stream = self.connection.open_uni().await.map_err(|_| NotSent)?;
        let header = channel.to_header();
        stream.write_all(&header).await.map_err(|_| NotSent)?;
        count_bytes("sent", header.len());
        Ok(self.add(channel, stream))
    }

    fn add(&mut self, channel: Channel, stream: SendStream) -> mpsc::Sender<Bytes> {
        let (queue, frames) = mpsc::channel(FRAMES_WAITING);
        self.tasks.spawn(write(stream, frames));
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

async fn write(mut stream: SendStream, mut frames: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = frames.recv().await {
        if stream.write_all(&bytes).await.is_err() {
            return;
        }
        count_bytes("sent", bytes.len());
    }
    if stream.finish().is_ok() {
        drop(stream.stopped().await);
    }
}

/// Counts bytes of frames and stream headers: what the protocol costs, without what QUIC adds.
fn count_bytes(direction: &'static str, length: usize) {
    metrics::counter!("hearth_sync_bytes_total", "direction" => direction).increment(length as u64);
}
