//! Becoming an installation of a region, by an invite.

mod exchange;
mod pending;
mod pinned;

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::enrol::{EnrolMessageError, EnrolReply, EnrolRequest, Granted, Invite, SigningRequests};
use hearth_protocol::id::SiteId;
use hearth_protocol::wire::{Transport, limits};

use self::exchange::Exchange;
use crate::clock::Clock;
use crate::install::{Install, InstallError};
use crate::keys::{DataKey, KeyError, KeyFile};
use crate::random::Random;
use crate::sync::dial::Target;
use crate::sync::{DialError, Keeper, SOFTWARE, TlsError, Ways, dial, tls};

pub use pending::PENDING_FILE;

/// How long the hub may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Why the node was not enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The invite's time is over, by this machine's clock.
    #[error(
        "the invite is void: its time is over; ask the hub for a new one, and look at this machine's clock"
    )]
    Over,
    /// The node is enrolled already.
    #[error("this node is enrolled already; --anew makes it a new installation and keeps what is here")]
    Already,
    /// The records here are of another site than the invite.
    #[error("the records in this data directory are of site {0}, and the invite is for another")]
    OtherSite(SiteId),
    /// No hub was reached, or it was not the one that the invite names.
    #[error("the hub of the invite was not reached")]
    Dial(#[from] DialError),
    /// TLS could not be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The connection broke.
    #[error("the connection to the hub broke; try again with the same invite")]
    Broken,
    /// The hub's answer cannot be read.
    #[error("the hub's answer cannot be read")]
    Answer(#[from] EnrolMessageError),
    /// The hub refused, in its words.
    #[error("{0}")]
    Refused(String),
    /// What the hub granted is not what was asked for.
    #[error("the hub granted another site or key than was asked for")]
    Mismatch,
    /// Keys or files.
    #[error(transparent)]
    Install(#[from] InstallError),
    /// The key file.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// Enrols this machine. Its keys are on the disk before the hub is asked, and the installation's file is written last,
/// by one rename: whoever is killed in between is not enrolled, asks again with the same invite, and the hub knows it.
///
/// `anew` puts a new installation of the same site in the place of the one that is here; at its first start it takes
/// over what that one had not sent.
pub async fn enrol(
    invite: &Invite,
    web_names: &[String],
    ways: &Ways,
    keeper: &Keeper,
    anew: bool,
    clock: &Clock,
    random: &Random,
) -> Result<Install, EnrolError> {
    let Keeper { data, platform } = keeper;
    let before = Install::load(data, platform)?.map(|install| install.site());
    match &before {
        Some(_) if !anew => {
            pending::forget(data);
            return Err(EnrolError::Already);
        }
        Some(site) if site.id != invite.site => return Err(EnrolError::OtherSite(site.id)),
        Some(_) | None => {}
    }
    if invite.is_over(clock.now()) {
        return Err(EnrolError::Over);
    }
    let keys = pending::keys(invite.token, data, platform, random)?;
    let requests = keys.requests(web_names)?;
    let granted = ask(invite, requests, ways, clock).await?;
    let install = Install::new(keys, granted);
    let is_same_region = before.is_none_or(|before| before.region == install.site().region);
    if install.site().id != invite.site || !is_same_region || !install.is_own(&install.identity_ders()) {
        return Err(EnrolError::Mismatch);
    }
    if KeyFile::load(data)?.is_none() {
        let mut file = KeyFile::default();
        file.set_platform(platform, &DataKey::generate(random), random)?;
        file.save(data)?;
    }
    install.save(data, platform, random)?;
    pending::forget(data);
    Ok(install)
}

async fn ask(
    invite: &Invite,
    requests: SigningRequests,
    ways: &Ways,
    clock: &Clock,
) -> Result<Granted, EnrolError> {
    let verifier = Arc::new(pinned::PinnedRoot::new(invite.root_fingerprint));
    let target = Target {
        tls: tls::enrolment(verifier, clock)?,
        addresses: invite.addresses.clone(),
        server_name: invite.server_name.clone(),
    };
    let dialed = dial::dial(ways, &target, Transport::Quic).await?;
    let exchange = Exchange::begin(dialed).await?;
    let proof = invite.secret.prove(invite.token, exchange.exporter(), &requests);
    let request = EnrolRequest { token: invite.token, proof, requests, software: SOFTWARE.to_owned() };
    let question = request.to_bytes();
    let asking = exchange.ask(&question, limits::ENROL_REPLY_BYTES_MAX);
    let answered = tokio::time::timeout(PATIENCE, asking).await;
    let bytes = answered.map_err(|_| EnrolError::Broken)??;
    match EnrolReply::from_bytes(&bytes)? {
        EnrolReply::Granted(granted) => Ok(*granted),
        EnrolReply::Refused(refused) => Err(EnrolError::Refused(refused.message)),
    }
}

#[cfg(test)]
mod tests;
