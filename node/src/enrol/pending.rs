//! The keys of an enrolment that is on its way. They are on the disk before the hub hears of them, so that a node that
//! was killed before it had the answer asks again as the same node.

use std::path::Path;

use hearth_protocol::enrol::TokenId;
use minicbor::{Decode, Encode};

use crate::install::{InstallError, InstallKeys, read_sealed, write_sealed};
use crate::keys::PlatformKey;
use crate::random::Random;

/// Name of the file, in the data directory. It goes when the node is enrolled.
pub const PENDING_FILE: &str = "enrolling.sealed";
/// Separates what the file seals from everything else that the platform's key seals.
const CONTEXT: &[u8] = b"hearth-node enrolling 1";

#[derive(Encode, Decode)]
struct Pending {
    /// The invite that they are for: with another, the node would be another.
    #[n(0)]
    token: TokenId,
    #[n(1)]
    keys: InstallKeys,
}

/// The keys with which this invite was tried before, or fresh ones that are on the disk now.
pub(super) fn keys(
    token: TokenId,
    data: &Path,
    platform: &PlatformKey,
    random: &Random,
) -> Result<InstallKeys, InstallError> {
    let path = data.join(PENDING_FILE);
    let found: Option<Pending> = read_sealed(&path, CONTEXT, platform)?;
    if let Some(pending) = found.filter(|pending| pending.token == token) {
        return Ok(pending.keys);
    }
    let pending = Pending { token, keys: InstallKeys::generate()? };
    write_sealed(&path, CONTEXT, &pending, platform, random)?;
    Ok(pending.keys)
}

/// Removes the file of a node that is enrolled.
pub(super) fn forget(data: &Path) {
    // A file that stays is sealed and says nothing that the installation's own file does not.
    drop(std::fs::remove_file(data.join(PENDING_FILE)));
}
