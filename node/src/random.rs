//! The one source of randomness of the node: the system's, or one seed for a simulation.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng as _, RngExt as _, SeedableRng as _};
use rustls::crypto::CryptoProvider;

/// A source of random numbers fit for keys. Clones draw from the same stream.
#[derive(Clone)]
pub struct Random {
    stream: Arc<Mutex<StdRng>>,
    crypto: Arc<CryptoProvider>,
}

impl Random {
    /// A stream seeded by the operating system.
    pub fn system() -> std::io::Result<Self> {
        let rng = StdRng::try_from_rng(&mut rand::rngs::SysRng).map_err(std::io::Error::other)?;
        Ok(Self::of(rng))
    }

    /// The stream of a seed: for simulations, never for keys that guard anything.
    pub fn seeded(seed: u64) -> Self {
        Self::of(StdRng::seed_from_u64(seed))
    }

    fn of(rng: StdRng) -> Self {
        let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        Self { stream: Arc::new(Mutex::new(rng)), crypto }
    }

    /// The same stream with another cryptography for TLS: one that draws from a seed too, in a simulation.
    #[must_use]
    pub fn with_crypto(self, crypto: Arc<CryptoProvider>) -> Self {
        Self { crypto, ..self }
    }

    /// The cryptography of TLS, which draws random numbers of its own.
    pub fn crypto(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.crypto)
    }

    /// So many random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.with(|rng| rng.fill_bytes(&mut bytes));
        bytes
    }

    /// A number from 0 up to and including `max`, all equally likely.
    pub fn up_to(&self, max: u64) -> u64 {
        self.with(|rng| rng.random_range(0..=max))
    }

    fn with<T>(&self, draw: impl FnOnce(&mut StdRng) -> T) -> T {
        draw(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_the_system_does_not() {
        assert_eq!(Random::seeded(7).bytes::<32>(), Random::seeded(7).bytes::<32>());
        assert_ne!(Random::system().unwrap().bytes::<32>(), Random::system().unwrap().bytes::<32>());
    }
}
