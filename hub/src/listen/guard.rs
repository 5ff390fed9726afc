//! Watches over the live links: pokes them when something changed, cuts them when their right ends.

use std::time::Duration;

use hearth_protocol::id::InstallId;
use hearth_protocol::wire::message::RefusalCode;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::sites::{self, InstallState};
use crate::store::StoreError;

/// How often the state of the live installations is looked up, whatever notices were missed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Watches until it is stopped.
pub(super) async fn run(hub: Hub, stop: CancellationToken) {
    let mut dirtied = hub.store.dirtied();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = looks.tick() => {}
            notice = dirtied.recv() => match notice {
                Ok(sites) => hub.links.poke(&sites),
                Err(RecvError::Lagged(_)) => hub.links.poke_all(),
                Err(RecvError::Closed) => return,
            },
        }
        if let Err(error) = cut_ended(&hub).await {
            tracing::warn!(code = error.code(), "the state of the installations could not be looked up");
        }
    }
}

/// Cuts the links of installations that may not speak with the hub any more.
async fn cut_ended(hub: &Hub) -> Result<(), StoreError> {
    let live = hub.links.installs();
    if live.is_empty() {
        return Ok(());
    }
    let states = hub.store.read(move |connection| {
        let state = |install: InstallId| Ok((install, sites::install(connection, install)?.map(|i| i.state)));
        live.into_iter().map(state).collect::<Result<Vec<_>, StoreError>>()
    });
    for (install, state) in states.await? {
        let code = match state {
            Some(InstallState::Active) => continue,
            Some(InstallState::Quarantined) => RefusalCode::Cloned,
            Some(InstallState::Revoked) | None => RefusalCode::Revoked,
        };
        if hub.links.cut(install, code) {
            tracing::info!(%install, ?code, "a link is cut");
        }
    }
    Ok(())
}
