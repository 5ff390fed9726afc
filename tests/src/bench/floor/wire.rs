//! What the floor's ends say: a kind, a length, a body; records go through one zstd stream a direction.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, bail};
use zstd::stream::write::{Decoder, Encoder};

use crate::bench::told::Bytes;

/// Bytes of records in one frame, before compression.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;
const LEVEL: i32 = 3;
/// Longest body that is read.
const BODY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Counts what connections carry.
#[derive(Debug, Default)]
pub(super) struct Meter {
    up: AtomicU64,
    down: AtomicU64,
}

impl Meter {
    /// What was carried so far.
    pub(super) fn bytes(&self) -> Bytes {
        Bytes { up: self.up.load(Ordering::SeqCst), down: self.down.load(Ordering::SeqCst) }
    }
}

/// A node's connection whose bytes are counted.
#[derive(Debug)]
pub(super) struct Metered {
    stream: TcpStream,
    meter: Arc<Meter>,
}

impl Metered {
    /// Counts what this connection carries.
    pub(super) fn new(stream: &TcpStream, meter: &Arc<Meter>) -> std::io::Result<Self> {
        Ok(Self { stream: stream.try_clone()?, meter: Arc::clone(meter) })
    }
}

impl Read for Metered {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.stream.read(buffer)?;
        self.meter.down.fetch_add(length as u64, Ordering::SeqCst);
        Ok(length)
    }
}

impl Write for Metered {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let length = self.stream.write(bytes)?;
        self.meter.up.fetch_add(length as u64, Ordering::SeqCst);
        Ok(length)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// A frame.
#[derive(Debug)]
pub(super) enum Frame {
    /// Node: how far it has read.
    Hello { client: u64, cursor: u64 },
    /// Hub: how far there is to read.
    Welcome { head: u64 },
    /// Records, compressed; from the hub with the number of the last one.
    Records { upto: u64, compressed: Vec<u8> },
    /// Hub: how many of the node's records it has on its disk.
    Ack { records: u64 },
}

/// Writes a number in as few bytes as it needs.
pub(super) fn number(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        let [lowest, ..] = value.to_le_bytes();
        bytes.push(lowest | 0x80);
        value >>= 7;
    }
    let [lowest, ..] = value.to_le_bytes();
    bytes.push(lowest);
}

fn read_number(from: &mut impl Read) -> anyhow::Result<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let mut byte = [0];
        from.read_exact(&mut byte)?;
        let [byte] = byte;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Ok(value);
        }
    }
    bail!("a number too long")
}

impl Frame {
    /// Writes the frame.
    pub(super) fn write(&self, to: &mut impl Write) -> anyhow::Result<()> {
        let mut bytes = Vec::new();
        match self {
            Self::Hello { client, cursor } => {
                bytes.push(0);
                number(&mut bytes, *client);
                number(&mut bytes, *cursor);
            }
            Self::Welcome { head } => {
                bytes.push(1);
                number(&mut bytes, *head);
            }
            Self::Records { upto, compressed } => {
                bytes.push(2);
                number(&mut bytes, *upto);
                number(&mut bytes, compressed.len() as u64);
                bytes.extend(compressed);
            }
            Self::Ack { records } => {
                bytes.push(3);
                number(&mut bytes, *records);
            }
        }
        Ok(to.write_all(&bytes)?)
    }

    /// Reads a frame.
    pub(super) fn read(from: &mut impl Read) -> anyhow::Result<Self> {
        let mut kind = [0];
        from.read_exact(&mut kind)?;
        Ok(match kind {
            [0] => Self::Hello { client: read_number(from)?, cursor: read_number(from)? },
            [1] => Self::Welcome { head: read_number(from)? },
            [2] => {
                let (upto, length) = (read_number(from)?, read_number(from)?);
                anyhow::ensure!(length <= BODY_BYTES_MAX, "a body too long");
                let mut compressed = vec![0; usize::try_from(length)?];
                from.read_exact(&mut compressed)?;
                Self::Records { upto, compressed }
            }
            [3] => Self::Ack { records: read_number(from)? },
            [other] => bail!("no frame {other}"),
        })
    }
}

/// Packs records of one direction.
pub(super) struct Packer(Encoder<'static, Vec<u8>>);

impl Packer {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Encoder::new(Vec::new(), LEVEL)?))
    }

    /// The records, ready to be sent.
    pub(super) fn pack(&mut self, records: &[Vec<u8>]) -> anyhow::Result<Vec<u8>> {
        let mut plain = Vec::new();
        for record in records {
            number(&mut plain, record.len() as u64);
            plain.extend(record);
        }
        self.0.write_all(&plain)?;
        self.0.flush()?;
        Ok(std::mem::take(self.0.get_mut()))
    }
}

/// Unpacks records of one direction.
pub(super) struct Unpacker(Decoder<'static, Vec<u8>>);

impl Unpacker {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Decoder::new(Vec::new())?))
    }

    /// The records of a frame.
    pub(super) fn unpack(&mut self, compressed: &[u8]) -> anyhow::Result<Vec<Vec<u8>>> {
        self.0.write_all(compressed)?;
        self.0.flush()?;
        let plain = std::mem::take(self.0.get_mut());
        let mut rest = plain.as_slice();
        let mut records = Vec::new();
        while !rest.is_empty() {
            let length = usize::try_from(read_number(&mut rest)?)?;
            let (record, after) = rest.split_at_checked(length).context("a record cut short")?;
            records.push(record.to_vec());
            rest = after;
        }
        Ok(records)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_frame_by_frame() {
        let (mut packer, mut unpacker) = (Packer::new().unwrap(), Unpacker::new().unwrap());
        let mut wire = Vec::new();
        let sent = [vec![b"a note".to_vec(), vec![7; 300]], vec![b"a note".to_vec()]];
        for (upto, records) in sent.iter().enumerate() {
            let frame = Frame::Records { upto: upto as u64, compressed: packer.pack(records).unwrap() };
            frame.write(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        for records in &sent {
            let Frame::Records { compressed, .. } = Frame::read(&mut rest).unwrap() else {
                panic!("another frame")
            };
            assert_eq!(&unpacker.unpack(&compressed).unwrap(), records);
        }
    }
}
