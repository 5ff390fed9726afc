//! Records: how the pieces of channels and the signs between two ends stand in a stream of bytes.

use super::MuxError;
use crate::wire::limits;
use crate::wire::message::Channel;
use crate::wire::stream::HEADER_BYTES as CHANNEL_BYTES;

/// Bytes before the bytes of a piece: kind, channel, number.
pub(super) const HEADER_BYTES: usize = 1 + CHANNEL_BYTES + 4;

const PIECE: u8 = 0;
const END: u8 = 1;
const CREDIT: u8 = 2;
const ALIVE: u8 = 3;
const CLOSE: u8 = 4;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    /// Bytes of a channel.
    Piece(Channel, Vec<u8>),
    /// The channel has no more bytes.
    End(Channel),
    /// So many bytes more may be sent on a channel.
    Credit(Channel, u32),
    /// The peer is there.
    Alive,
    /// The connection is closed, with a code.
    Close(u32),
    /// Of a channel that a later version has. Passed over.
    Unknown,
}

impl Record {
    /// Appends the record to `out`.
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Piece(channel, bytes) => {
                put(PIECE, channel.to_header(), u32::try_from(bytes.len()).unwrap_or(0), out);
                out.extend_from_slice(bytes);
            }
            Self::End(channel) => put(END, channel.to_header(), 0, out),
            Self::Credit(channel, more) => put(CREDIT, channel.to_header(), *more, out),
            Self::Alive => put(ALIVE, [0, 0], 0, out),
            Self::Close(code) => put(CLOSE, [0, 0], *code, out),
            Self::Unknown => {}
        }
    }
}

fn put(kind: u8, channel: [u8; CHANNEL_BYTES], number: u32, out: &mut Vec<u8>) {
    out.push(kind);
    out.extend_from_slice(&channel);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Cuts a stream of bytes into records, however the bytes arrive.
#[derive(Debug, Default)]
pub(super) struct RecordDecoder {
    buffer: Vec<u8>,
    start: usize,
}

impl RecordDecoder {
    /// Takes in bytes as they came.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..std::mem::take(&mut self.start));
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record, if it has arrived.
    pub(super) fn poll(&mut self) -> Result<Option<Record>, MuxError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some(([kind, a, b, number @ ..], after)) = rest.split_first_chunk::<HEADER_BYTES>() else {
            return Ok(None);
        };
        let (channel, number) = (known([*a, *b]), u32::from_be_bytes(*number));
        let record = match (*kind, channel) {
            (PIECE, channel) => {
                let length = piece_length(number)?;
                let Some(bytes) = after.get(..length) else { return Ok(None) };
                let bytes = bytes.to_vec();
                self.start += length;
                channel.map_or(Record::Unknown, |channel| Record::Piece(channel, bytes))
            }
            (END, Some(channel)) => Record::End(channel),
            (CREDIT, Some(channel)) => Record::Credit(channel, number),
            (END | CREDIT, None) => Record::Unknown,
            (ALIVE, _) => Record::Alive,
            (CLOSE, _) => Record::Close(number),
            _ => return Err(MuxError::Malformed),
        };
        self.start += HEADER_BYTES;
        Ok(Some(record))
    }
}

fn piece_length(number: u32) -> Result<usize, MuxError> {
    match usize::try_from(number) {
        Ok(length) if (1..=super::PIECE_BYTES).contains(&length) => Ok(length),
        Ok(_) | Err(_) => Err(MuxError::Malformed),
    }
}

/// The channel that a record names; none for one that a later version has, which is left alone.
fn known(header: [u8; 2]) -> Option<Channel> {
    let channel = Channel::from_header(header)?;
    let is_bounded = !matches!(channel, Channel::Backfill(stream) if stream >= limits::BACKFILL_STREAMS_MAX);
    is_bounded.then_some(channel)
}
