//! What systemd is told: ready, stopping, and, while the database takes writes, alive.

use std::time::Duration;

use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;

use crate::store::Store;

/// How long the database may take before a sign of life is left out.
const PATIENCE: Duration = Duration::from_secs(10);

/// Tells that the hub serves.
pub(super) fn ready() {
    tell(NotifyState::Ready);
}

/// Tells that the hub is stopping.
pub(super) fn stopping() {
    tell(NotifyState::Stopping);
}

/// Gives signs of life for as long as the writer answers; none are given when nobody asks for them.
pub(super) async fn run(store: Store, stop: CancellationToken) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        stop.cancelled().await;
        return;
    };
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(limit / 3) => {}
        }
        match tokio::time::timeout(PATIENCE, store.write(|_| Ok(()))).await {
            Ok(Ok(())) => tell(NotifyState::Watchdog),
            Ok(Err(error)) => tracing::error!(code = error.code(), "the database takes no writes"),
            Err(_) => tracing::error!("the database does not answer"),
        }
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
