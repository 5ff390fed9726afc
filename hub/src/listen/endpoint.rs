//! The endpoint, over the system's UDP or over whatever carries datagrams in a simulation.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use quinn::udp::{UdpSockRef, UdpSocketState};
use quinn::{
    AsyncUdpSocket, ConnectionId, ConnectionIdGenerator, Endpoint, EndpointConfig, Runtime, ServerConfig,
    TokioRuntime,
};

use crate::random::Random;

/// Bytes of datagrams that the system keeps until they are read; it may grant less (`net.core.rmem_max`). A hello is two
/// datagrams, so after an outage its usual 200 KB overflow with some eighty sites, and those lost wait a second.
const RECEIVE_BYTES: usize = 4 * 1024 * 1024;

/// What carries the datagrams.
pub enum Datagrams {
    /// A UDP socket of the system, bound to this address.
    Udp(SocketAddr),
    /// Another carrier and the runtime that drives it.
    Other(Arc<dyn AsyncUdpSocket>, Arc<dyn Runtime>),
}

/// The hub's endpoint.
///
/// `secret` is the same after every start: with it a hub that has forgotten its links (it was killed, say) tells a node
/// so at the first packet, and the node does not wait for the idle timeout.
pub(super) fn bind(
    datagrams: Datagrams,
    config: ServerConfig,
    random: &Random,
    secret: &[u8; 32],
) -> io::Result<Endpoint> {
    let mut endpoint = EndpointConfig::new(Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret)));
    endpoint.rng_seed(Some(random.bytes()));
    let random = random.clone();
    endpoint.cid_generator(move || Box::new(ConnectionIds(random.clone())));
    match datagrams {
        Datagrams::Udp(address) => {
            let socket = UdpSocket::bind(address)?;
            let about = UdpSocketState::new(UdpSockRef::from(&socket))?;
            about.set_recv_buffer_size(UdpSockRef::from(&socket), RECEIVE_BYTES)?;
            Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))
        }
        Datagrams::Other(socket, runtime) => {
            Endpoint::new_with_abstract_socket(endpoint, Some(config), socket, runtime)
        }
    }
}

/// Bytes of a connection id.
const CONNECTION_ID: usize = 8;

/// Draws connection ids from the hub's own randomness, so that a simulation repeats them.
struct ConnectionIds(Random);

impl ConnectionIdGenerator for ConnectionIds {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.0.bytes::<CONNECTION_ID>())
    }

    fn cid_len(&self) -> usize {
        CONNECTION_ID
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}
