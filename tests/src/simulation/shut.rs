//! TCP that is shut everywhere: the fallback has tests of its own, and sessions are the same on both.

use std::io;
use std::net::SocketAddr;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Opens nothing, and nothing comes in.
pub(super) struct Shut;

impl hearth_node::sync::Connect for Shut {
    fn connect(&self, _: SocketAddr) -> BoxFuture<'_, io::Result<Box<dyn hearth_node::sync::Duplex>>> {
        std::future::ready(Err(io::ErrorKind::ConnectionRefused.into())).boxed()
    }
}

impl hearth_hub::listen::Accept for Shut {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<Box<dyn hearth_hub::listen::Duplex>>> {
        std::future::pending().boxed()
    }
}
