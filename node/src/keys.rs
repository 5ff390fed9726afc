//! The key of the database, and the slots that hold it wrapped.
//!
//! The key is 32 random bytes that never change and are never stored bare. Each slot of the key file holds it wrapped
//! by another key: the platform's, so that a power cut at night does not take the medicines away, and the manager's
//! passphrase, for the day on which the platform's key is gone.

use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use minicbor::bytes::ByteVec;
use minicbor::{Decode, Encode};
use zeroize::Zeroizing;

use crate::files;
use crate::random::Random;

/// Name of the credential that systemd hands over (`LoadCredentialEncrypted=hearth-node-key`).
pub const CREDENTIAL: &str = "hearth-node-key";
/// Name of the file that holds the slots, in the data directory.
pub const KEY_FILE: &str = "keys.cbor";
/// Name of the platform's key where there is no credential, in the data directory.
pub const PLATFORM_FILE: &str = "platform.key";

/// Shortest platform key: 256 bits.
const PLATFORM_BYTES_MIN: usize = 32;
/// Argon2id for the manager's passphrase: 64 MiB, three passes, about half a second on a small box.
const ARGON_KIB: u32 = 64 * 1024;
const ARGON_PASSES: u32 = 3;
/// Separates what a slot wraps from everything else that a key seals.
const SLOT_CONTEXT: &[u8] = b"hearth-node slot 1";

/// The key of the database.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// A new key.
    pub fn generate(random: &Random) -> Self {
        Self(Zeroizing::new(random.bytes()))
    }

    /// The key as 64 hexadecimal digits, wiped when dropped.
    pub fn to_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(data_encoding::HEXLOWER.encode(&*self.0))
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(..)")
    }
}

/// Why the key of the database is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A file could not be read or written.
    #[error("{path} cannot be read or written")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The key file is not one, or was damaged.
    #[error("the key file is damaged")]
    Damaged,
    /// No slot of this kind.
    #[error("the key file has no such slot")]
    NoSlot,
    /// The platform's key or the passphrase does not open its slot.
    #[error("the key or passphrase does not open its slot")]
    Wrong,
    /// The platform's key is too short to guard records.
    #[error("the platform's key is shorter than {PLATFORM_BYTES_MIN} bytes")]
    TooShort,
    /// Others than the node's user may read the platform's key.
    #[error("{0} may be read by other users")]
    Exposed(PathBuf),
}

/// The key that the machine itself offers at every start.
#[derive(Clone)]
pub struct PlatformKey {
    key: Zeroizing<[u8; 32]>,
    origin: PlatformOrigin,
}

/// Where the platform's key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformOrigin {
    /// systemd decrypted it (with the TPM where there is one).
    Credential,
    /// A file beside the database: whoever copies the disk has both. Fit for trials, not for a site.
    File,
}

impl PlatformKey {
    /// The key from systemd's credentials directory, if it is given and holds one, else from the file in the data
    /// directory, which is made where there is none.
    pub fn load(credentials: Option<&Path>, data: &Path, random: &Random) -> Result<Self, KeyError> {
        if let Some(path) = credentials.map(|directory| directory.join(CREDENTIAL)).filter(|p| p.exists()) {
            return Self::from_file(&path, PlatformOrigin::Credential);
        }
        let path = data.join(PLATFORM_FILE);
        if !path.exists() {
            let key = Zeroizing::new(random.bytes::<32>());
            files::replace(&path, &*key).map_err(|source| KeyError::Io { path: path.clone(), source })?;
        }
        match files::is_open_to_others(&path) {
            Ok(false) => Self::from_file(&path, PlatformOrigin::File),
            Ok(true) => Err(KeyError::Exposed(path)),
            Err(source) => Err(KeyError::Io { path, source }),
        }
    }

    /// The key of the machine that this runs on: systemd says in `CREDENTIALS_DIRECTORY` where its credentials are.
    pub fn of_machine(data: &Path, random: &Random) -> Result<Self, KeyError> {
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        Self::load(credentials.as_deref().map(Path::new), data, random)
    }

    fn from_file(path: &Path, origin: PlatformOrigin) -> Result<Self, KeyError> {
        let bytes = std::fs::read(path).map_err(|source| KeyError::Io { path: path.to_owned(), source })?;
        let bytes = Zeroizing::new(bytes);
        if bytes.len() < PLATFORM_BYTES_MIN {
            return Err(KeyError::TooShort);
        }
        let key = Zeroizing::new(blake3::derive_key("hearth-node 2026-11 platform key", &bytes));
        Ok(Self { key, origin })
    }

    /// Where it came from.
    pub fn origin(&self) -> PlatformOrigin {
        self.origin
    }

    /// Seals bytes that only this machine is to read, under a context that opening must name too.
    pub fn seal(&self, context: &[u8], plain: &[u8], random: &Random) -> Result<Vec<u8>, KeyError> {
        seal(&self.key, context, plain, random)
    }

    /// The bytes that were sealed under this context.
    pub fn unseal(&self, context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        unseal(&self.key, context, sealed)
    }
}

impl std::fmt::Debug for PlatformKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PlatformKey").field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// The key file: the database's key, wrapped once a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct KeyFile {
    #[n(0)]
    platform: Option<ByteVec>,
    #[n(1)]
    manager: Option<ManagerSlot>,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct ManagerSlot {
    #[cbor(n(0), with = "minicbor::bytes")]
    salt: [u8; 16],
    #[n(1)]
    kib: u32,
    #[n(2)]
    passes: u32,
    #[n(3)]
    wrapped: ByteVec,
}

impl KeyFile {
    /// The file in this data directory; none before the node is enrolled.
    pub fn load(data: &Path) -> Result<Option<Self>, KeyError> {
        let path = data.join(KEY_FILE);
        match std::fs::read(&path) {
            Ok(bytes) => minicbor::decode(&bytes).map(Some).map_err(|_| KeyError::Damaged),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(KeyError::Io { path, source }),
        }
    }

    /// Writes the file, whole or not at all.
    pub fn save(&self, data: &Path) -> Result<(), KeyError> {
        let path = data.join(KEY_FILE);
        let bytes = minicbor::to_vec(self).map_err(|_| KeyError::Damaged)?;
        files::replace(&path, &bytes).map_err(|source| KeyError::Io { path, source })
    }

    /// Whether a manager has set a passphrase.
    pub fn has_manager(&self) -> bool {
        self.manager.is_some()
    }

    /// Wraps the key for this machine.
    pub fn set_platform(
        &mut self,
        platform: &PlatformKey,
        key: &DataKey,
        random: &Random,
    ) -> Result<(), KeyError> {
        self.platform = Some(platform.seal(SLOT_CONTEXT, &*key.0, random)?.into());
        Ok(())
    }

    /// The key, by this machine's slot.
    pub fn open_platform(&self, platform: &PlatformKey) -> Result<DataKey, KeyError> {
        let wrapped = self.platform.as_ref().ok_or(KeyError::NoSlot)?;
        data_key(&platform.unseal(SLOT_CONTEXT, wrapped)?)
    }

    /// Wraps the key for whoever knows this passphrase.
    pub fn set_manager(&mut self, passphrase: &str, key: &DataKey, random: &Random) -> Result<(), KeyError> {
        let salt = random.bytes();
        let slot = ManagerSlot { salt, kib: ARGON_KIB, passes: ARGON_PASSES, wrapped: Vec::new().into() };
        let wrapped = seal(&*slot.key_of(passphrase)?, SLOT_CONTEXT, &*key.0, random)?.into();
        self.manager = Some(ManagerSlot { wrapped, ..slot });
        Ok(())
    }

    /// The key, by the manager's passphrase. Takes about half a second, on purpose.
    pub fn open_manager(&self, passphrase: &str) -> Result<DataKey, KeyError> {
        let slot = self.manager.as_ref().ok_or(KeyError::NoSlot)?;
        data_key(&unseal(&*slot.key_of(passphrase)?, SLOT_CONTEXT, &slot.wrapped)?)
    }
}

impl ManagerSlot {
    fn key_of(&self, passphrase: &str) -> Result<Zeroizing<[u8; 32]>, KeyError> {
        let params = Params::new(self.kib, self.passes, 1, None).map_err(|_| KeyError::Damaged)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut key = Zeroizing::new([0; 32]);
        argon
            .hash_password_into(passphrase.as_bytes(), &self.salt, &mut *key)
            .map_err(|_| KeyError::Damaged)?;
        Ok(key)
    }
}

fn data_key(bytes: &[u8]) -> Result<DataKey, KeyError> {
    bytes.try_into().map(|key| DataKey(Zeroizing::new(key))).map_err(|_| KeyError::Damaged)
}

fn cipher(key: &[u8; 32]) -> Result<LessSafeKey, KeyError> {
    UnboundKey::new(&AES_256_GCM, key).map(LessSafeKey::new).map_err(|_| KeyError::Damaged)
}

/// Nonce, then cipher text and tag. A key seals a handful of times, so a random nonce never repeats.
fn seal(key: &[u8; 32], context: &[u8], plain: &[u8], random: &Random) -> Result<Vec<u8>, KeyError> {
    let nonce = random.bytes::<NONCE_LEN>();
    let mut sealed = plain.to_vec();
    cipher(key)?
        .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(context), &mut sealed)
        .map_err(|_| KeyError::Damaged)?;
    let mut bytes = nonce.to_vec();
    bytes.append(&mut sealed);
    Ok(bytes)
}

fn unseal(key: &[u8; 32], context: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_LEN>().ok_or(KeyError::Damaged)?;
    let mut bytes = Zeroizing::new(sealed.to_vec());
    let length = cipher(key)?
        .open_in_place(Nonce::assume_unique_for_key(*nonce), Aad::from(context), &mut bytes)
        .map_err(|_| KeyError::Wrong)?
        .len();
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn platform(directory: &Path) -> PlatformKey {
        PlatformKey::load(None, directory, &Random::seeded(1)).unwrap()
    }

    #[test]
    fn each_slot_opens_with_its_own_key_and_no_other() {
        let (directory, random) = (tempfile::tempdir().unwrap(), Random::seeded(2));
        let (platform, key) = (platform(directory.path()), DataKey::generate(&random));
        let mut file = KeyFile::default();
        file.set_platform(&platform, &key, &random).unwrap();
        file.set_manager("four quiet words here", &key, &random).unwrap();
        file.save(directory.path()).unwrap();

        let file = KeyFile::load(directory.path()).unwrap().unwrap();
        assert_eq!(*file.open_platform(&platform).unwrap().0, *key.0);
        assert_eq!(*file.open_manager("four quiet words here").unwrap().0, *key.0);
        assert!(matches!(file.open_manager("four quiet words hers"), Err(KeyError::Wrong)));

        let other = tempfile::tempdir().unwrap();
        let stranger = PlatformKey::load(None, other.path(), &Random::seeded(9)).unwrap();
        assert!(matches!(file.open_platform(&stranger), Err(KeyError::Wrong)));
    }

    #[test]
    fn a_credential_goes_before_the_file() {
        let (data, credentials) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        files::replace(&credentials.path().join(CREDENTIAL), &[7; 32]).unwrap();
        let key = PlatformKey::load(Some(credentials.path()), data.path(), &Random::seeded(1)).unwrap();
        assert_eq!(key.origin(), PlatformOrigin::Credential);
        assert!(!data.path().join(PLATFORM_FILE).exists());
    }

    #[test]
    fn a_platform_key_that_others_may_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        drop(platform(directory.path()));
        let path = directory.path().join(PLATFORM_FILE);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let again = PlatformKey::load(None, directory.path(), &Random::seeded(1));
        assert!(matches!(again, Err(KeyError::Exposed(_))));
    }

    #[test]
    fn a_flipped_bit_in_what_was_sealed_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let (platform, random) = (platform(directory.path()), Random::seeded(3));
        let sealed = platform.seal(b"test", b"secret", &random).unwrap();
        assert_eq!(**platform.unseal(b"test", &sealed).unwrap(), *b"secret");
        assert!(matches!(platform.unseal(b"other", &sealed), Err(KeyError::Wrong)));
        for at in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1;
            assert!(matches!(platform.unseal(b"test", &flipped), Err(KeyError::Wrong)), "byte {at}");
        }
    }
}
