//! Watches over the live links: pokes them when something changed, cuts them when their right ends.

use std::time::Duration;

use hearth_protocol::wire::message::{FeedNumber, RefusalCode};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::sites::{self, InstallState};
use crate::store::{StoreError, columns};

/// How often the state of the live installations is looked up, whatever notices were missed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// How often it is looked up where the live installations stand in their feeds.
const PLACES_EVERY: Duration = Duration::from_secs(30);

/// Watches until it is stopped.
pub(super) async fn run(hub: Hub, stop: CancellationToken) {
    let mut dirtied = hub.store.dirtied();
    let mut looks = tokio::time::interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut places = tokio::time::interval(PLACES_EVERY);
    places.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            // Not after each notice: a busy region has hundreds a second, and every look is at every link.
            _ = looks.tick() => {
                hub.links.cut_outlived(hub.clock.now());
                if let Err(error) = cut_ended(&hub).await {
                    tracing::warn!(code = error.code(), "the state of the installations could not be looked up");
                }
            }
            _ = places.tick() => if let Err(error) = note_places(&hub).await {
                tracing::warn!(code = error.code(), "the places in the feeds could not be looked up");
            },
            notice = dirtied.recv() => match notice {
                Ok(sites) => hub.links.poke(&sites),
                Err(RecvError::Lagged(_)) => hub.links.poke_all(),
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Notes who is behind and does not move: a feed that is stuck tells no error.
async fn note_places(hub: &Hub) -> Result<(), StoreError> {
    let places = hub.store.read(|connection| {
        let sql = "SELECT i.id, i.site, coalesce(i.cursor, 0), f.head FROM install i
                   JOIN site_feed f ON f.site = i.site WHERE i.state = 'active'";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map([], |row| {
            let (cursor, head) = (FeedNumber(row.get(2)?), FeedNumber(row.get(3)?));
            Ok((columns::install(row, 0)?, row.get::<_, String>(1)?, (cursor < head).then_some(cursor)))
        })?;
        Ok(rows.collect::<Result<Vec<_>, _>>()?)
    });
    let now = hub.clock.now();
    for (install, site, behind) in places.await? {
        let seconds = u32::try_from(hub.links.note_place(install, behind, now) / 1000).unwrap_or(0);
        metrics::gauge!("hearth_hub_feed_stuck_seconds", "site" => site).set(f64::from(seconds));
    }
    Ok(())
}

/// Cuts the links of installations that may not speak with the hub any more.
async fn cut_ended(hub: &Hub) -> Result<(), StoreError> {
    let live = hub.links.installs();
    if live.is_empty() {
        return Ok(());
    }
    let read = hub.store.read(sites::install_states);
    let states = read.await?;
    for install in live {
        let code = match states.get(&install) {
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
