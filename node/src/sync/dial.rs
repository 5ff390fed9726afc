//! Opening a connection to one of the region's hubs.

use std::net::SocketAddr;
use std::time::Duration;

use quinn::{ClientConfig, Connection, Endpoint};

/// How long one address may take before the next is tried.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why no hub was reached.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// No address of the hub could be looked up.
    #[error("none of the hub's addresses can be looked up")]
    NoAddress,
    /// The address takes no connection now.
    #[error("the hub cannot be connected to")]
    Connect(#[from] quinn::ConnectError),
    /// The connection failed.
    #[error("the connection to the hub failed")]
    Connection(#[from] quinn::ConnectionError),
    /// No answer in time.
    #[error("the hub does not answer")]
    Silent,
}

/// Tries the addresses (`host:port`) one after the other; the last error is told.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    config: &ClientConfig,
    addresses: &[String],
    server_name: &str,
) -> Result<Connection, DialError> {
    let mut last = DialError::NoAddress;
    for address in addresses {
        for address in look_up(endpoint, address).await {
            match connect(endpoint, config, address, server_name).await {
                Ok(connection) => return Ok(connection),
                Err(error) => last = error,
            }
        }
    }
    Err(last)
}

/// The socket addresses of a name that the endpoint's own socket can reach.
async fn look_up(endpoint: &Endpoint, address: &str) -> Vec<SocketAddr> {
    let is_v4 = endpoint.local_addr().is_ok_and(|local| local.is_ipv4());
    let Ok(found) = tokio::net::lookup_host(address).await else { return Vec::new() };
    found.filter(|address| address.is_ipv4() || !is_v4).collect()
}

async fn connect(
    endpoint: &Endpoint,
    config: &ClientConfig,
    address: SocketAddr,
    server_name: &str,
) -> Result<Connection, DialError> {
    let connecting = endpoint.connect_with(config.clone(), address, server_name)?;
    let connected = tokio::time::timeout(PATIENCE, connecting).await;
    Ok(connected.map_err(|_| DialError::Silent)??)
}
