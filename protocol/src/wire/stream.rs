//! Which stream of a connection carries which [`Channel`].
//!
//! Over QUIC the control channel is the first bidirectional stream, opened by the node. Every other channel is a
//! stream of one direction, opened by its sender, that begins with the two bytes of [`Channel::to_header`]; frames
//! follow. Over TLS on TCP there is one stream of bytes, on which [`Mux`](super::mux::Mux) carries the channels.

use serde::{Deserialize, Serialize};

use super::message::Channel;

/// The ALPN name of a session.
pub const SESSION_ALPN: &[u8] = b"hearth/1";

/// Bytes of a channel's header.
pub const HEADER_BYTES: usize = 2;

/// What carries a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// QUIC.
    Quic,
    /// TLS on TCP, where UDP is shut.
    Tcp,
}

impl Transport {
    /// The name in statuses, metrics and logs: `quic` or `tcp`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::Tcp => "tcp",
        }
    }
}

impl Channel {
    /// The bytes that name the channel.
    pub fn to_header(self) -> [u8; HEADER_BYTES] {
        match self {
            Self::Control => [0, 0],
            Self::Push => [1, 0],
            Self::Feed => [2, 0],
            Self::Backfill(stream) => [3, stream],
            Self::Blob => [4, 0],
        }
    }

    /// The channel of these bytes; none for bytes that no channel of this version has.
    pub fn from_header(header: [u8; HEADER_BYTES]) -> Option<Self> {
        match header {
            [0, 0] => Some(Self::Control),
            [1, 0] => Some(Self::Push),
            [2, 0] => Some(Self::Feed),
            [3, stream] => Some(Self::Backfill(stream)),
            [4, 0] => Some(Self::Blob),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn two_bytes_name_one_channel_or_none(header: [u8; 2]) {
            if let Some(channel) = Channel::from_header(header) {
                prop_assert_eq!(channel.to_header(), header);
            }
        }
    }

    #[test]
    fn every_channel_reads_back() {
        let channels = [Channel::Control, Channel::Push, Channel::Feed, Channel::Backfill(3), Channel::Blob];
        for channel in channels {
            assert_eq!(Channel::from_header(channel.to_header()), Some(channel));
        }
    }
}
