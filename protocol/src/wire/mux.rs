//! The channels of a session on one ordered stream of bytes, for TLS on TCP where UDP is shut. Without IO.
//!
//! QUIC gives each channel a stream of its own with its own credit; on TCP [`Mux`] does. A record is seven bytes, kind,
//! channel and a number, and behind a piece of a channel its bytes. A sender has at most [`WINDOW_BYTES`] of a channel on
//! the way that the other end has not read, so an end that reads one channel slowly holds up that channel alone, and
//! holds a bounded number of bytes of a peer, whatever it sends. Pieces are short and channels take turns, so an answer
//! on the control channel never waits behind the rest of a document.

mod link;
mod record;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::message::Channel;
pub use link::{Closed, Gone, MuxLink, MuxReceiver, MuxSender};
use record::{Record, RecordDecoder};

/// Bytes of a channel that are on the way or wait to be read. At 200 ms it carries 5 MB/s a channel.
/// Too small slows long lines; too large lets a peer fill the memory, eight channels at most.
pub const WINDOW_BYTES: usize = 1024 * 1024;

/// Bytes of a channel that wait to be sent, beyond which its writer waits.
pub const QUEUE_BYTES: usize = 128 * 1024;

/// Longest piece of a channel: one record of TLS.
const PIECE_BYTES: usize = 16 * 1024 - record::HEADER_BYTES;

/// What is read before its sender gets new credit.
const CREDIT_STEP_BYTES: usize = WINDOW_BYTES / 2;

/// How often either end calls [`Mux::handle_tick`]: below the half minute after which many routers forget a quiet line.
pub const TICK: Duration = Duration::from_secs(20);

/// Ticks of [`Mux::handle_tick`] without a byte after which the line counts as lost.
const SILENT_TICKS_MAX: u32 = 4;

/// What is wrong with what came. The connection is closed: a peer that sends this cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MuxError {
    /// A record that does not parse.
    #[error("a record does not parse")]
    Malformed,
    /// More than the credit allows.
    #[error("more came on a channel than its credit allows")]
    Flood,
    /// Something on a channel that had ended.
    #[error("a channel goes on after its end")]
    Ended,
}

/// What there is to read on a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read {
    /// These bytes.
    Bytes(Vec<u8>),
    /// Nothing yet.
    Nothing,
    /// Nothing ever again: the peer has finished the channel or closed the connection.
    Ended,
}

/// One end of a connection with many channels.
#[derive(Debug, Default)]
pub struct Mux {
    decoder: RecordDecoder,
    incoming: BTreeMap<Channel, Incoming>,
    /// Channels on which the peer has begun to send, not yet told.
    opened: VecDeque<Channel>,
    outgoing: BTreeMap<Channel, Outgoing>,
    /// The channel after which the next piece is looked for.
    turn: Option<Channel>,
    credit_due: VecDeque<(Channel, u32)>,
    is_alive_due: bool,
    silent_ticks: u32,
    closing: Closing,
    closed_by_peer: Option<u32>,
}

#[derive(Debug, Default)]
struct Incoming {
    pieces: VecDeque<Vec<u8>>,
    /// Bytes that came or were read and for which the sender has no new credit.
    charged: usize,
    read: usize,
    has_ended: bool,
}

#[derive(Debug)]
struct Outgoing {
    bytes: VecDeque<u8>,
    credit: usize,
    end: End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Open,
    Due,
    Sent,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Closing {
    #[default]
    Open,
    Due(u32),
    Sent,
}

impl Mux {
    /// Takes in bytes as they came, however they are cut.
    pub fn handle_bytes(&mut self, bytes: &[u8]) -> Result<(), MuxError> {
        self.silent_ticks = 0;
        self.decoder.feed(bytes);
        while let Some(record) = self.decoder.poll()? {
            self.handle_record(record)?;
        }
        Ok(())
    }

    fn handle_record(&mut self, record: Record) -> Result<(), MuxError> {
        match record {
            Record::Piece(channel, bytes) => self.take_in(channel, bytes),
            Record::End(channel) => {
                self.open_incoming(channel)?.has_ended = true;
                Ok(())
            }
            Record::Credit(channel, more) => {
                let credit = &mut self.outgoing(channel).credit;
                *credit = credit.saturating_add(more as usize);
                Ok(())
            }
            Record::Alive | Record::Unknown => Ok(()),
            Record::Close(code) => {
                self.closed_by_peer = self.closed_by_peer.or(Some(code));
                Ok(())
            }
        }
    }

    fn take_in(&mut self, channel: Channel, bytes: Vec<u8>) -> Result<(), MuxError> {
        let incoming = self.open_incoming(channel)?;
        incoming.charged += bytes.len();
        if incoming.charged > WINDOW_BYTES {
            return Err(MuxError::Flood);
        }
        incoming.pieces.push_back(bytes);
        Ok(())
    }

    fn open_incoming(&mut self, channel: Channel) -> Result<&mut Incoming, MuxError> {
        if !self.incoming.contains_key(&channel) {
            self.opened.push_back(channel);
        }
        let incoming = self.incoming.entry(channel).or_default();
        if incoming.has_ended { Err(MuxError::Ended) } else { Ok(incoming) }
    }

    fn outgoing(&mut self, channel: Channel) -> &mut Outgoing {
        let fresh = || Outgoing { bytes: VecDeque::new(), credit: WINDOW_BYTES, end: End::Open };
        self.outgoing.entry(channel).or_insert_with(fresh)
    }

    /// A channel on which the peer has begun to send, each once.
    pub fn poll_opened(&mut self) -> Option<Channel> {
        self.opened.pop_front()
    }

    /// Whether the peer has begun to send on a channel.
    pub fn has_opened(&self, channel: Channel) -> bool {
        self.incoming.contains_key(&channel)
    }

    /// What is next on a channel. Reading gives the sender new credit.
    pub fn read(&mut self, channel: Channel) -> Read {
        let is_over = self.is_over();
        let Some(incoming) = self.incoming.get_mut(&channel) else {
            return if is_over { Read::Ended } else { Read::Nothing };
        };
        let Some(bytes) = incoming.pieces.pop_front() else {
            return if is_over || incoming.has_ended { Read::Ended } else { Read::Nothing };
        };
        incoming.read += bytes.len();
        if incoming.read >= CREDIT_STEP_BYTES && !incoming.has_ended {
            incoming.charged -= incoming.read;
            let more = u32::try_from(std::mem::take(&mut incoming.read)).unwrap_or(0);
            self.credit_due.push_back((channel, more));
        }
        Read::Bytes(bytes)
    }

    /// Queues as many of these bytes as there is room for; how many that were. None after the end of the channel or of
    /// the connection.
    pub fn write(&mut self, channel: Channel, bytes: &[u8]) -> Option<usize> {
        if self.is_over() {
            return None;
        }
        let outgoing = self.outgoing(channel);
        if outgoing.end != End::Open {
            return None;
        }
        let count = bytes.len().min(QUEUE_BYTES.saturating_sub(outgoing.bytes.len()));
        outgoing.bytes.extend(bytes.iter().take(count));
        Some(count)
    }

    /// Ends a channel behind what is queued on it.
    pub fn finish(&mut self, channel: Channel) {
        let outgoing = self.outgoing(channel);
        if outgoing.end == End::Open {
            outgoing.end = End::Due;
        }
    }

    /// Whether a finished channel has been sent to its end.
    pub fn is_finished(&self, channel: Channel) -> bool {
        self.outgoing.get(&channel).is_some_and(|outgoing| outgoing.end == End::Sent)
    }

    /// Closes the connection with a code. What is queued and not sent is dropped.
    pub fn close(&mut self, code: u32) {
        if self.closing == Closing::Open {
            self.closing = Closing::Due(code);
            self.outgoing.clear();
        }
    }

    /// Whether this end has closed, or the peer has.
    pub fn is_over(&self) -> bool {
        self.closing != Closing::Open || self.closed_by_peer.is_some()
    }

    /// The code with which the peer has closed.
    pub fn closed_by_peer(&self) -> Option<u32> {
        self.closed_by_peer
    }

    /// To be called at even intervals: sends a sign of life. False when the peer has been silent for four intervals: the
    /// line is lost.
    pub fn handle_tick(&mut self) -> bool {
        self.is_alive_due = true;
        self.silent_ticks += 1;
        self.silent_ticks <= SILENT_TICKS_MAX
    }

    /// Appends to `out` what is to be sent next, about `bytes_max` bytes; nothing when nothing is due.
    pub fn poll_transmit(&mut self, bytes_max: usize, out: &mut Vec<u8>) {
        let begin = out.len();
        if let Closing::Due(code) = self.closing {
            self.closing = Closing::Sent;
            Record::Close(code).encode(out);
        }
        if !self.is_over() {
            self.transmit_signs(out);
            while out.len() - begin < bytes_max && self.transmit_piece(out) {}
        }
    }

    fn transmit_signs(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(&mut self.is_alive_due) {
            Record::Alive.encode(out);
        }
        for (channel, more) in self.credit_due.drain(..) {
            Record::Credit(channel, more).encode(out);
        }
    }

    /// Sends the next piece: of the control channel where there is one, else of the channels in turn.
    fn transmit_piece(&mut self, out: &mut Vec<u8>) -> bool {
        let due = |(channel, outgoing): (&Channel, &Outgoing)| outgoing.is_due().then_some(*channel);
        let mut channels = self.outgoing.iter().filter_map(due);
        let turn = self.turn;
        let first = channels.clone().next();
        let next = match first {
            Some(Channel::Control) => first,
            _ => channels.find(|channel| Some(*channel) > turn).or(first),
        };
        let Some(channel) = next else { return false };
        if channel != Channel::Control {
            self.turn = Some(channel);
        }
        let outgoing = self.outgoing(channel);
        let count = outgoing.bytes.len().min(outgoing.credit).min(PIECE_BYTES);
        if count > 0 {
            outgoing.credit -= count;
            let piece = outgoing.bytes.drain(..count).collect();
            Record::Piece(channel, piece).encode(out);
        }
        if outgoing.bytes.is_empty() && outgoing.end == End::Due {
            outgoing.end = End::Sent;
            Record::End(channel).encode(out);
        }
        true
    }
}

impl Outgoing {
    fn is_due(&self) -> bool {
        (!self.bytes.is_empty() && self.credit > 0) || (self.bytes.is_empty() && self.end == End::Due)
    }
}

#[cfg(test)]
mod tests;
