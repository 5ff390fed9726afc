//! One connection to the hub: its streams, read and written by tasks of their own that end with it.

use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, FrameDecoder, Message, frame};
use quinn::{Connection, RecvStream, SendStream, VarInt};
use tokio::sync::mpsc;
use tokio_util::task::TaskTracker;

/// Messages that have come and are not dealt with; beyond it the hub's streams wait.
const EVENTS: usize = 64;
/// Messages that wait to be written on one stream. A session has few under way, so a full queue is a dead line.
const WRITES: usize = 256;
/// Bytes read at a time.
const READ_BYTES: usize = 64 * 1024;

/// What comes from a link.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// A message.
    Message(Channel, Message),
    /// The link is gone. With the code of its close, if the hub closed it.
    Lost(Option<u64>),
}

/// An open link.
#[derive(Debug)]
pub(crate) struct Link {
    connection: Connection,
    control: mpsc::Sender<Message>,
    push: mpsc::Sender<Message>,
    events: mpsc::Receiver<LinkEvent>,
}

/// The queue of a stream is full or its writer is gone: the line is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkDead;

impl Link {
    /// Opens the control and push streams of a connection and begins to read what the hub opens.
    pub(crate) async fn open(
        connection: Connection,
        tasks: &TaskTracker,
    ) -> Result<Self, quinn::ConnectionError> {
        let (events_in, events) = mpsc::channel(EVENTS);
        let (control_out, control_in) = connection.open_bi().await?;
        let push_out = connection.open_uni().await?;
        let (control, control_queue) = mpsc::channel(WRITES);
        let (push, push_queue) = mpsc::channel(WRITES);
        tasks.spawn(write(control_out, None, control_queue));
        tasks.spawn(write(push_out, Some(Channel::Push), push_queue));
        let told = (events_in.clone(), connection.clone());
        tasks.spawn(async move { read(told.1, control_in, Channel::Control, told.0).await });
        tasks.spawn(accept(connection.clone(), events_in, tasks.clone()));
        Ok(Self { connection, control, push, events })
    }

    /// Queues a message.
    pub(crate) fn send(&self, channel: Channel, message: Message) -> Result<(), LinkDead> {
        let queue = match channel {
            Channel::Push => &self.push,
            Channel::Control | Channel::Feed | Channel::Backfill(_) | Channel::Blob => &self.control,
        };
        queue.try_send(message).map_err(|_| LinkDead)
    }

    /// What came next. Cancel safe.
    pub(crate) async fn event(&mut self) -> LinkEvent {
        self.events.recv().await.unwrap_or(LinkEvent::Lost(None))
    }

    /// Closes the connection; its tasks end.
    pub(crate) fn close(&self, code: u32) {
        self.connection.close(VarInt::from_u32(code), b"");
    }
}

async fn write(mut stream: SendStream, header: Option<Channel>, mut queue: mpsc::Receiver<Message>) {
    let mut bytes = header.map(|channel| channel.to_header().to_vec()).unwrap_or_default();
    while let Some(message) = queue.recv().await {
        if frame::encode(&message, &mut bytes).is_err() {
            tracing::error!(message = message.name(), "a message is longer than a frame");
            break;
        }
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
        count_bytes("sent", bytes.len());
        bytes.clear();
    }
}

/// Reads the streams that the hub opens, until the connection ends.
async fn accept(connection: Connection, events: mpsc::Sender<LinkEvent>, tasks: TaskTracker) {
    let lost = loop {
        match connection.accept_uni().await {
            Ok(stream) => {
                let (connection, events) = (connection.clone(), events.clone());
                tasks.spawn(async move {
                    if let Some((channel, stream)) = named(stream).await {
                        read(connection, stream, channel, events).await;
                    }
                });
            }
            Err(error) => break error,
        }
    };
    tracing::debug!(error = %lost, "the link to the hub has ended");
    // Nobody listens once the link has been given up here.
    drop(events.send(LinkEvent::Lost(close_code(&lost))).await);
}

fn close_code(error: &quinn::ConnectionError) -> Option<u64> {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => Some(close.error_code.into_inner()),
        quinn::ConnectionError::VersionMismatch
        | quinn::ConnectionError::TransportError(_)
        | quinn::ConnectionError::ConnectionClosed(_)
        | quinn::ConnectionError::Reset
        | quinn::ConnectionError::TimedOut
        | quinn::ConnectionError::LocallyClosed
        | quinn::ConnectionError::CidsExhausted => None,
    }
}

/// The channel that a stream names; none for a channel that a newer hub may open, which is left alone.
async fn named(mut stream: RecvStream) -> Option<(Channel, RecvStream)> {
    let mut header = [0; HEADER_BYTES];
    stream.read_exact(&mut header).await.ok()?;
    count_bytes("received", header.len());
    let channel = Channel::from_header(header)?;
    Some((channel, stream))
}

/// Reads frames and hands them on; a stream that cannot be understood closes the connection.
async fn read(
    connection: Connection,
    mut stream: RecvStream,
    channel: Channel,
    events: mpsc::Sender<LinkEvent>,
) {
    let mut decoder = FrameDecoder::default();
    let mut buffer = vec![0; READ_BYTES];
    while let Ok(Some(length)) = stream.read(&mut buffer).await {
        count_bytes("received", length);
        decoder.feed(buffer.get(..length).unwrap_or_default());
        loop {
            let polled = decoder.poll().and_then(|found| found.map(|f| frame::decode(&f)).transpose());
            match polled {
                Ok(None) => break,
                // A message of a kind that this version does not know.
                Ok(Some(None)) => {}
                Ok(Some(Some(message))) => {
                    if events.send(LinkEvent::Message(channel, message)).await.is_err() {
                        return;
                    }
                }
                Err(fault) => {
                    tracing::warn!(code = fault.code(), ?channel, "what the hub sent cannot be read");
                    connection.close(VarInt::from_u32(VIOLATION), fault.code().as_bytes());
                    return;
                }
            }
        }
    }
}

/// Counts bytes of frames and stream headers: what the protocol costs, without what QUIC adds.
fn count_bytes(direction: &'static str, length: usize) {
    metrics::counter!("hearth_sync_bytes_total", "direction" => direction).increment(length as u64);
}

/// The close code of a connection whose peer broke the protocol (`RefusalCode::Violation`).
pub(crate) const VIOLATION: u32 = 5;
