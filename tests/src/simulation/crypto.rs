//! Cryptography that draws from a seed: the real ciphers and signatures, with random numbers that repeat.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey, X25519};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use rustls::crypto::{
    ActiveKeyExchange, CryptoProvider, GetRandomFailed, SecureRandom, SharedSecret, SupportedKxGroup,
};
use rustls::{Error, NamedGroup};

use super::lock;
use crate::generate::dice::Dice;

/// Bytes of the names of connections, as quinn's own have them.
const ID_BYTES: usize = 8;

/// A stream of bytes that clones share.
#[derive(Clone)]
pub(super) struct Stream(Arc<Mutex<Dice>>);

impl Stream {
    pub(super) fn new(dice: Dice) -> Self {
        Self(Arc::new(Mutex::new(dice)))
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut dice = lock(&self.0);
        for chunk in bytes.chunks_mut(8) {
            let drawn = dice.bits().to_le_bytes();
            chunk.iter_mut().zip(drawn).for_each(|(to, from)| *to = from);
        }
    }

    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream")
    }
}

/// What rustls is given: it holds what it draws from for as long as the process lives, so it is made once a start.
pub(super) fn provider(stream: &Stream) -> Arc<CryptoProvider> {
    let real = rustls::crypto::aws_lc_rs::default_provider();
    Arc::new(CryptoProvider {
        kx_groups: vec![Box::leak(Box::new(Group(stream.clone())))],
        secure_random: Box::leak(Box::new(stream.clone())),
        ..real
    })
}

/// Endpoints whose connections have names and reset tokens from the stream.
pub(super) fn endpoint(stream: &Stream) -> EndpointConfig {
    let reset = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &stream.bytes::<64>());
    let mut config = EndpointConfig::new(Arc::new(reset));
    let ids = stream.clone();
    config.cid_generator(move || Box::new(Ids(ids.clone())));
    config.rng_seed(Some(stream.bytes()));
    config
}

struct Ids(Stream);

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        ConnectionId::new(&self.0.bytes::<ID_BYTES>())
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

impl SecureRandom for Stream {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        Self::fill(self, bytes);
        Ok(())
    }
}

#[derive(Debug)]
struct Group(Stream);

impl SupportedKxGroup for Group {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let failed = || Error::General("an X25519 key".to_owned());
        let key = PrivateKey::from_private_key(&X25519, &self.0.bytes::<32>()).map_err(|_| failed())?;
        let public = key.compute_public_key().map_err(|_| failed())?.as_ref().to_vec();
        Ok(Box::new(Exchange { key, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}

struct Exchange {
    key: PrivateKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let peer = UnparsedPublicKey::new(&X25519, peer);
        let failed = Error::from(rustls::PeerMisbehaved::InvalidKeyShare);
        agreement::agree(&self.key, peer, failed, |secret| Ok(SharedSecret::from(secret)))
    }

    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::X25519
    }
}
