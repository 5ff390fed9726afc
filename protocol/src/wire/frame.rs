//! Frames: how a message stands in a stream of bytes.

use super::compress::{self, Means};
use super::limits;
use super::message::Message;
use super::version::{Spoken, Version};

/// Bodies shorter than this go as they are: zstd makes them no smaller.
const COMPRESS_FROM_BYTES: usize = 160;
/// With the dictionary shorter ones gain already.
const COMPRESS_SHORT_FROM_BYTES: usize = 64;
/// Packs longer than this repeat themselves what the dictionary has, and zstd looks further by itself.
const SHORT_BYTES_MAX: usize = 2 * 1024;
/// Type of a frame that holds others, compressed together.
const PACK: u8 = 0;
const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// zstd with the dictionary of short frames. Packs alone are compressed so.
const ZSTD_SHORT: u8 = 2;
/// A length of up to [`limits::FRAME_BYTES_MAX`] needs four bytes of seven bits.
const LENGTH_BYTES_MAX: usize = 4;

/// One frame as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Type of the message.
    pub kind: u8,
    /// Compression byte and body.
    pub body: Vec<u8>,
}

/// What is wrong with a frame. The link is closed: a peer that sends this cannot be understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// Longer than [`limits::FRAME_BYTES_MAX`], on the wire or unpacked.
    #[error("a frame is longer than the limit")]
    TooLong,
    /// The length or the body does not parse.
    #[error("a frame does not parse")]
    Malformed,
}

impl FrameError {
    /// The code, for the close of the connection and for logs.
    pub fn code(self) -> &'static str {
        match self {
            Self::TooLong => "frame-too-long",
            Self::Malformed => "frame-malformed",
        }
    }
}

/// Appends the frame of a message to `out`.
pub fn encode(message: &Message, out: &mut Vec<u8>) -> Result<(), FrameError> {
    let plain = plain(message)?;
    match compressed(&plain) {
        Some(packed) => put(message.kind(), ZSTD, &packed, out),
        None => put(message.kind(), PLAIN, &plain, out),
    }
    Ok(())
}

/// The frame of a message as it is, for [`join`].
pub fn encode_plain(message: &Message) -> Result<Vec<u8>, FrameError> {
    let (plain, mut frame) = (plain(message)?, Vec::new());
    put(message.kind(), PLAIN, &plain, &mut frame);
    Ok(frame)
}

/// Appends frames that wait for one stream to `out`. As few packs, where the version has them: what the frames have in
/// common is said once.
pub fn join<'a>(version: Version, frames: impl IntoIterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    if !version.has_packs() {
        return frames.into_iter().for_each(|frame| put_alone(frame, out));
    }
    let mut together = Vec::new();
    for frame in frames {
        if !together.is_empty() && together.len() + frame.len() > limits::PACK_BYTES {
            put_pack(&together, out);
            together.clear();
        }
        together.extend_from_slice(frame);
    }
    put_pack(&together, out);
}

/// Appends one frame, compressed by itself where that makes it shorter.
fn put_alone(frame: &[u8], out: &mut Vec<u8>) {
    let mut whole = Cutter { buffer: frame.to_vec(), start: 0 };
    let found = whole.poll().ok().flatten();
    let body = found.as_ref().and_then(|frame| Some((frame.kind, frame.body.strip_prefix(&[PLAIN])?)));
    match body.and_then(|(kind, plain)| Some((kind, compressed(plain)?))) {
        Some((kind, packed)) => put(kind, ZSTD, &packed, out),
        None => out.extend_from_slice(frame),
    }
}

fn put_pack(frames: &[u8], out: &mut Vec<u8>) {
    let packed = if frames.len() <= SHORT_BYTES_MAX {
        packed(Means::Dictionary, COMPRESS_SHORT_FROM_BYTES, frames).map(|packed| (ZSTD_SHORT, packed))
    } else {
        compressed(frames).map(|packed| (ZSTD, packed))
    };
    match packed {
        Some((compression, packed)) => put(PACK, compression, &packed, out),
        None => out.extend_from_slice(frames),
    }
}

fn plain(message: &Message) -> Result<Vec<u8>, FrameError> {
    let plain = message.to_cbor();
    // With its head it has to fit a pack.
    let fits = plain.len() + 2 + LENGTH_BYTES_MAX <= limits::FRAME_BYTES_MAX;
    fits.then_some(plain).ok_or(FrameError::TooLong)
}

fn compressed(plain: &[u8]) -> Option<Vec<u8>> {
    packed(Means::Alone, COMPRESS_FROM_BYTES, plain)
}

/// These bytes compressed, if that makes them shorter.
fn packed(means: Means, from_bytes: usize, plain: &[u8]) -> Option<Vec<u8>> {
    let packed = (plain.len() >= from_bytes).then(|| compress::compress(means, plain).ok());
    packed.flatten().filter(|packed| packed.len() < plain.len())
}

fn put(kind: u8, compression: u8, body: &[u8], out: &mut Vec<u8>) {
    out.reserve(body.len() + LENGTH_BYTES_MAX + 2);
    out.push(kind);
    put_length(body.len() + 1, out);
    out.push(compression);
    out.extend_from_slice(body);
}

/// The message of a frame; `None` for a type that this software does not know, which a newer peer may send.
pub fn decode(frame: &Frame) -> Result<Option<Message>, FrameError> {
    let (compression, body) = frame.body.split_first().ok_or(FrameError::Malformed)?;
    match *compression {
        PLAIN => Message::from_cbor(frame.kind, body),
        ZSTD => Message::from_cbor(frame.kind, &decompressed(Means::Alone, body)?),
        _ => Err(FrameError::Malformed),
    }
}

/// Appends a number as seven bits a byte, the lowest first.
pub(super) fn put_length(length: usize, out: &mut Vec<u8>) {
    let mut rest = length;
    loop {
        let low = u8::try_from(rest & 0x7f).unwrap_or(0);
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Cuts a stream of bytes into frames, however the bytes arrive, and takes them out of packs.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    speaks: Spoken,
    stream: Cutter,
    pack: Option<Cutter>,
}

impl FrameDecoder {
    /// The decoder of a program that speaks these versions: what none of them has does not parse.
    pub fn of(speaks: Spoken) -> Self {
        Self { speaks, ..Self::default() }
    }

    /// Takes in bytes as they came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.stream.feed(bytes);
    }

    /// The next whole frame, if it has arrived.
    pub fn poll(&mut self) -> Result<Option<Frame>, FrameError> {
        loop {
            if let Some(pack) = &mut self.pack {
                match pack.poll()? {
                    Some(frame) if frame.kind == PACK => return Err(FrameError::Malformed),
                    Some(frame) => return Ok(Some(frame)),
                    None if pack.is_inside_frame() => return Err(FrameError::Malformed),
                    None => self.pack = None,
                }
            }
            match self.stream.poll()? {
                Some(frame) if frame.kind == PACK => {
                    if !self.speaks.newest.has_packs() {
                        return Err(FrameError::Malformed);
                    }
                    self.pack = Some(Cutter { buffer: unpack(&frame)?, start: 0 });
                }
                other => return Ok(other),
            }
        }
    }

    /// Whether bytes of an unfinished frame are held: a stream that ends now was cut.
    pub fn is_inside_frame(&self) -> bool {
        self.pack.is_some() || self.stream.is_inside_frame()
    }
}

/// The frames of a pack.
fn unpack(frame: &Frame) -> Result<Vec<u8>, FrameError> {
    match frame.body.split_first() {
        Some((&ZSTD, packed)) => decompressed(Means::Alone, packed),
        Some((&ZSTD_SHORT, packed)) => decompressed(Means::Dictionary, packed),
        Some(_) | None => Err(FrameError::Malformed),
    }
}

/// The bound is on what comes out, so a small frame cannot fill the memory.
fn decompressed(means: Means, packed: &[u8]) -> Result<Vec<u8>, FrameError> {
    compress::decompress(means, packed, limits::FRAME_BYTES_MAX).map_err(|_| FrameError::Malformed)
}

/// Cuts bytes into frames.
#[derive(Debug, Default)]
struct Cutter {
    buffer: Vec<u8>,
    start: usize,
}

impl Cutter {
    fn feed(&mut self, bytes: &[u8]) {
        if self.start > 0 && self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
        } else if self.start > limits::FRAME_BYTES_MAX / 4 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    fn poll(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let Some((kind, after)) = rest.split_first() else { return Ok(None) };
        let Some((length, length_bytes)) = read_length(after)? else { return Ok(None) };
        let Some(body) = after.get(length_bytes..length_bytes + length) else { return Ok(None) };
        let frame = Frame { kind: *kind, body: body.to_vec() };
        self.start += 1 + length_bytes + length;
        Ok(Some(frame))
    }

    fn is_inside_frame(&self) -> bool {
        self.start < self.buffer.len()
    }
}

fn read_length(bytes: &[u8]) -> Result<Option<(usize, usize)>, FrameError> {
    let mut length = 0;
    for (place, byte) in bytes.iter().take(LENGTH_BYTES_MAX).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            return match length {
                0 => Err(FrameError::Malformed),
                1..=limits::FRAME_BYTES_MAX => Ok(Some((length, place + 1))),
                _ => Err(FrameError::TooLong),
            };
        }
    }
    if bytes.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(FrameError::TooLong) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{InstallId, SiteId};
    use crate::sync::digest::Digest;
    use crate::wire::message::{FeedNumber, Hello};

    /// Greetings, of which every second is long enough to be compressed.
    fn messages() -> Vec<Message> {
        let site: SiteId = "VL1AB".parse().unwrap();
        let greeting = |place: u32| Hello {
            versions: vec![2, 1],
            site,
            install: InstallId(place),
            epoch: None,
            cursor: FeedNumber(0),
            scopes: 0,
            digest: Digest::default(),
            shard: 0,
            software: "s".repeat(if place.is_multiple_of(2) { 400 } else { 4 }),
            months_kept: None,
            signers: Vec::new(),
        };
        (1..9).map(|place| Message::Hello(greeting(place))).collect()
    }

    fn joined(version: Version) -> Vec<u8> {
        let frames: Vec<_> = messages().iter().map(|message| encode_plain(message).unwrap()).collect();
        let mut bytes = Vec::new();
        join(version, frames.iter().map(Vec::as_slice), &mut bytes);
        bytes
    }

    fn read(speaks: Spoken, bytes: &[u8]) -> Result<Vec<Message>, FrameError> {
        let (mut decoder, mut messages) = (FrameDecoder::of(speaks), Vec::new());
        decoder.feed(bytes);
        while let Some(frame) = decoder.poll()? {
            messages.extend(decode(&frame)?);
        }
        assert!(!decoder.is_inside_frame());
        Ok(messages)
    }

    #[test]
    fn each_version_is_read_by_those_that_speak_it() {
        let (old, new) = (joined(Version::FRAMES), joined(Version::PACKS));
        let first = Spoken::only(Version::FRAMES);
        assert_eq!(read(first, &old), Ok(messages()));
        assert_eq!(read(Spoken::default(), &old), Ok(messages()));
        assert_eq!(read(Spoken::default(), &new), Ok(messages()));
        assert_eq!(read(first, &new), Err(FrameError::Malformed));
    }

    #[test]
    fn frames_are_compressed_in_each_version_and_most_in_packs() {
        let plain: usize = messages().iter().map(|message| encode_plain(message).unwrap().len()).sum();
        let (old, new) = (joined(Version::FRAMES).len(), joined(Version::PACKS).len());
        assert!(new < old && old < plain, "{new}, {old}, {plain} bytes");
    }
}
