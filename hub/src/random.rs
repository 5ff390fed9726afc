//! The hub's randomness: one object that is handed to everything that draws.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rustls::crypto::CryptoProvider;
use uuid::Uuid;

/// Random numbers, cheap to copy: the system's, or one seeded stream that a simulation repeats.
#[derive(Clone)]
pub struct Random {
    source: Source,
    crypto: Arc<CryptoProvider>,
}

#[derive(Clone)]
enum Source {
    System,
    Seeded(Arc<Mutex<StdRng>>),
}

impl Random {
    /// The system's randomness, fit for keys.
    pub fn system() -> Self {
        Self::of(Source::System)
    }

    /// The stream of this seed, the same every time. Never for keys that guard anything.
    pub fn seeded(seed: u64) -> Self {
        Self::of(Source::Seeded(Arc::new(Mutex::new(StdRng::seed_from_u64(seed)))))
    }

    fn of(source: Source) -> Self {
        Self { source, crypto: Arc::new(rustls::crypto::aws_lc_rs::default_provider()) }
    }

    /// The same numbers with another cryptography for TLS: one that draws from a seed too, in a simulation.
    #[must_use]
    pub fn with_crypto(self, crypto: Arc<CryptoProvider>) -> Self {
        Self { crypto, ..self }
    }

    /// The cryptography of TLS, which draws random numbers of its own.
    pub fn crypto(&self) -> Arc<CryptoProvider> {
        Arc::clone(&self.crypto)
    }

    /// Fills the bytes.
    pub fn fill(&self, bytes: &mut [u8]) {
        match &self.source {
            Source::System => rand::rng().fill_bytes(bytes),
            Source::Seeded(stream) => {
                stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
            }
        }
    }

    /// That many random bytes.
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number of 32 bits.
    pub fn u32(&self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }

    /// A random number of 64 bits.
    pub fn u64(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A random (version 4) UUID.
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.source {
            Source::System => "Random(system)",
            Source::Seeded(_) => "Random(seeded)",
        })
    }
}
