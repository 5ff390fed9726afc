//! One connection to the hub: its channels, read and written by tasks of their own that end with it.

use hearth_protocol::wire::message::RefusalCode;
use hearth_protocol::wire::mux::{Closed, Gone};
use hearth_protocol::wire::stream::HEADER_BYTES;
use hearth_protocol::wire::{Channel, FrameDecoder, Message, Spoken, Transport, Version, frame};
use tokio::sync::{mpsc, watch};
use tokio_util::task::TaskTracker;

use super::CLOSE_DONE;
use super::carrier::{Carrier, Receiver, Sender};

/// Messages that have come and are not dealt with; beyond it the hub's streams wait. What has come while a transaction was
/// written goes into the next one together: too few, and a first sync encrypts the same pages over and over. The hub's
/// credit bounds their bytes.
pub(super) const EVENTS: usize = 1024;
/// Messages that wait to be written on one stream. A session has few under way, so a full queue is a dead line.
const WRITES: usize = 256;

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
    carrier: Carrier,
    control: mpsc::Sender<Message>,
    push: mpsc::Sender<Message>,
    version: watch::Sender<Version>,
    events: mpsc::Receiver<LinkEvent>,
    /// That the link is gone, which is told once all that came before it is dealt with.
    lost: Option<LinkEvent>,
    has_answered: bool,
}

/// The queue of a stream is full or its writer is gone: the line is dead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkDead;

impl Link {
    /// Begins the control and push channels of a connection and begins to read what the hub begins.
    pub(crate) async fn open(carrier: Carrier, speaks: Spoken, tasks: &TaskTracker) -> Result<Self, Gone> {
        let (events_in, events) = mpsc::channel(EVENTS);
        let (control_out, control_in) = carrier.open_control().await?;
        let push_out = carrier.open(Channel::Push).await?;
        count_bytes("sent", HEADER_BYTES);
        let (control, control_queue) = mpsc::channel(WRITES);
        let (push, push_queue) = mpsc::channel(WRITES);
        let (version, spoken) = watch::channel(speaks.oldest);
        tasks.spawn(write(control_out, control_queue, spoken.clone()));
        tasks.spawn(write(push_out, push_queue, spoken));
        let reader = Reader { carrier: carrier.clone(), speaks, events: events_in };
        tasks.spawn(reader.clone().read(control_in, Channel::Control));
        tasks.spawn(reader.accept(tasks.clone()));
        Ok(Self { carrier, control, push, version, events, lost: None, has_answered: false })
    }

    /// What carries the link.
    pub(crate) fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    /// The connection over QUIC, if it is one.
    pub(crate) fn quic(&self) -> Option<quinn::Connection> {
        if let Carrier::Quic(connection) = &self.carrier { Some(connection.clone()) } else { None }
    }

    /// Whether anything came from the hub: the line carries both ways, whatever the hub said.
    pub(crate) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// The hub has said which version is spoken from here on.
    pub(crate) fn speak(&self, version: Version) {
        self.version.send_replace(version);
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
        let event = match self.lost.take() {
            Some(lost) => lost,
            None => self.events.recv().await.unwrap_or(LinkEvent::Lost(None)),
        };
        self.has_answered |= matches!(event, LinkEvent::Message(..) | LinkEvent::Lost(Some(1..)));
        event
    }

    /// A message that has come already.
    pub(crate) fn waiting(&mut self) -> Option<LinkEvent> {
        let event = self.events.try_recv().ok()?;
        if matches!(event, LinkEvent::Lost(_)) {
            self.lost = Some(event);
            return None;
        }
        Some(event)
    }

    /// Closes the connection; its tasks end.
    pub(crate) fn close(&self, code: u32) {
        self.carrier.close(code);
    }
}

/// A link that is let go of is closed, wherever that is: its tasks would wait for it.
impl Drop for Link {
    fn drop(&mut self) {
        self.carrier.close(CLOSE_DONE);
    }
}

async fn write(mut sender: Sender, mut queue: mpsc::Receiver<Message>, version: watch::Receiver<Version>) {
    let (mut waiting, mut bytes) = (Vec::new(), Vec::new());
    while queue.recv_many(&mut waiting, WRITES).await > 0 {
        let Ok(frames) = waiting.iter().map(frame::encode_plain).collect::<Result<Vec<_>, _>>() else {
            tracing::error!("a message is longer than a frame");
            break;
        };
        frame::join(*version.borrow(), frames.iter().map(Vec::as_slice), &mut bytes);
        waiting.clear();
        if sender.send(&bytes).await.is_err() {
            break;
        }
        count_bytes("sent", bytes.len());
        bytes.clear();
    }
}

/// What the tasks that read a link share.
#[derive(Clone)]
struct Reader {
    carrier: Carrier,
    speaks: Spoken,
    events: mpsc::Sender<LinkEvent>,
}

impl Reader {
    /// Reads the channels that the hub begins, until the connection ends. One of a later version is left alone.
    async fn accept(self, tasks: TaskTracker) {
        let Closed(code) = loop {
            match self.carrier.accept().await {
                Ok(opened) => {
                    let reader = self.clone();
                    tasks.spawn(async move {
                        if let Ok(Some((channel, receiver))) = opened.named().await {
                            count_bytes("received", HEADER_BYTES);
                            reader.read(receiver, channel).await;
                        }
                    });
                }
                Err(closed) => break closed,
            }
        };
        tracing::debug!(code, transport = self.carrier.transport().name(), "the link to the hub has ended");
        // Nobody listens once the link has been given up here.
        drop(self.events.send(LinkEvent::Lost(code)).await);
    }

    /// Reads frames and hands them on; a channel that cannot be understood closes the connection.
    async fn read(self, mut receiver: Receiver, channel: Channel) {
        let mut decoder = FrameDecoder::of(self.speaks);
        while let Some(bytes) = receiver.receive().await {
            count_bytes("received", bytes.len());
            decoder.feed(&bytes);
            loop {
                let polled = decoder.poll().and_then(|found| found.map(|f| frame::decode(&f)).transpose());
                match polled {
                    Ok(None) => break,
                    // A message of a kind that this version does not know.
                    Ok(Some(None)) => {}
                    Ok(Some(Some(message))) => {
                        if self.events.send(LinkEvent::Message(channel, message)).await.is_err() {
                            return;
                        }
                    }
                    Err(fault) => {
                        tracing::warn!(code = fault.code(), ?channel, "what the hub sent cannot be read");
                        self.carrier.close(RefusalCode::Violation.close_code());
                        return;
                    }
                }
            }
        }
    }
}

/// Counts bytes of frames and channel headers: what the protocol costs, without what QUIC or TCP add.
fn count_bytes(direction: &'static str, length: usize) {
    metrics::counter!("hearth_sync_bytes_total", "direction" => direction).increment(length as u64);
}
