//! `hearth-hub run`.

use std::process::ExitCode;

use anyhow::Context;
use hearth_hub::app::{self, Seams};
use hearth_provisioning::region::RegionFolder;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serves the region until SIGTERM or SIGINT.
pub(super) fn run(folder: &RegionFolder) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.context("cannot start the runtime")?;
    runtime.block_on(async {
        let stop = CancellationToken::new();
        let (mut terminate, mut interrupt) =
            (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let asked = stop.clone();
        let waiter = tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::info!("asked to stop");
            asked.cancel();
        });
        let outcome = app::run(folder, Seams::default(), stop).await;
        waiter.abort();
        outcome.map(|()| ExitCode::SUCCESS)
    })
}
