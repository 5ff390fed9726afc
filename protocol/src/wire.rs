//! What crosses the line between node and hub: frames, messages and their limits.
//!
//! A [`Message`] becomes a [`Frame`]: one byte of type, the length of the body as a varint, the body. The body is one
//! byte that names the compression, then CBOR with numbered fields, so that a newer peer may add fields. The same
//! frames run over QUIC streams and over TLS on TCP.

mod compress;
pub mod frame;
pub mod limits;
pub mod message;
pub mod mux;
mod packed;
mod receipt;
pub mod stream;
pub mod version;

pub use frame::{Frame, FrameDecoder, FrameError};
pub use message::{Channel, Message};
pub use stream::Transport;
pub use version::{Spoken, Version};
