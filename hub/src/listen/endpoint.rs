//! The endpoint, over the system's UDP or over whatever carries datagrams in a simulation.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use quinn::{AsyncUdpSocket, Endpoint, EndpointConfig, Runtime, ServerConfig, TokioRuntime};

use crate::random::Random;

/// What carries the datagrams.
pub enum Datagrams {
    /// A UDP socket of the system, bound to this address.
    Udp(SocketAddr),
    /// Another carrier and the runtime that drives it.
    Other(Arc<dyn AsyncUdpSocket>, Arc<dyn Runtime>),
}

/// The hub's endpoint.
pub fn bind(datagrams: Datagrams, config: ServerConfig, random: &Random) -> io::Result<Endpoint> {
    let mut endpoint = EndpointConfig::default();
    endpoint.rng_seed(Some(random.bytes()));
    match datagrams {
        Datagrams::Udp(address) => {
            let socket = UdpSocket::bind(address)?;
            Endpoint::new(endpoint, Some(config), socket, Arc::new(TokioRuntime))
        }
        Datagrams::Other(socket, runtime) => {
            Endpoint::new_with_abstract_socket(endpoint, Some(config), socket, runtime)
        }
    }
}
