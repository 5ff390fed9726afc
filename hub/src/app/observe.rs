//! Metrics and health over HTTP on an address of its own. Only ids and numbers, nothing of anybody.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rusqlite::Connection;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::listen::Hub;
use crate::store::StoreError;

/// How long the database may take to answer a question about its health.
const PATIENCE: Duration = Duration::from_secs(2);

/// The recorder of this process: there can be but one.
static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Takes the address and starts to count.
pub(super) async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    if RECORDER.get().is_none() {
        let handle = PrometheusBuilder::new().install_recorder()?;
        RECORDER.get_or_init(|| handle);
        describe();
    }
    Ok(TcpListener::bind(address).await?)
}

fn describe() {
    metrics::describe_counter!("hearth_sync_bytes_total", "bytes of frames, without what QUIC or TCP add");
    metrics::describe_counter!(
        "hearth_hub_handshakes_total",
        "handshakes of sites that succeeded, by transport"
    );
    metrics::describe_gauge!("hearth_hub_links_tcp", "links over TCP, of sites whose network shuts UDP");
    metrics::describe_gauge!(
        "hearth_hub_feed_stuck_seconds",
        "how long a connected site has not moved in its feed though there is more to read"
    );
    metrics::describe_counter!("hearth_documents_opened_total", "documents loaded whole into memory");
    metrics::describe_gauge!("hearth_hub_database_bytes", "bytes of the database file");
    metrics::describe_gauge!(
        "hearth_hub_log_bytes",
        "bytes of its write-ahead log; a long reader makes it grow"
    );
}

/// Serves until it is stopped.
pub(super) async fn run(hub: Hub, listener: TcpListener, stop: CancellationToken) {
    let routes = Router::new()
        .route("/metrics", get(render))
        .route("/health/live", get(async || "live\n"))
        .route("/health/ready", get(ready))
        .with_state(Arc::new(hub));
    let served = axum::serve(listener, routes).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(%error, "metrics and health are served no more");
    }
}

/// Ready when the database takes writes: a hub that cannot write can serve nobody.
async fn ready(State(hub): State<Arc<Hub>>) -> Response {
    match tokio::time::timeout(PATIENCE, hub.store.write(|_| Ok(()))).await {
        Ok(Ok(())) => "ready\n".into_response(),
        Ok(Err(error)) => (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", error.code())).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "slow\n").into_response(),
    }
}

async fn render(State(hub): State<Arc<Hub>>) -> Response {
    if let Err(error) = hub.store.read(measure).await {
        tracing::warn!(code = error.code(), "the database could not be measured");
    }
    let used = hub.store.disk_use();
    metrics::gauge!("hearth_hub_database_bytes").set(to_f64(used.database_bytes));
    metrics::gauge!("hearth_hub_log_bytes").set(to_f64(used.log_bytes));
    RECORDER.get().map(PrometheusHandle::render).unwrap_or_default().into_response()
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a gauge is a float; bytes of a disk stay far below its precision"
)]
fn to_f64(bytes: u64) -> f64 {
    bytes as f64
}

/// Sets the gauges that are read from the database. A site that is behind and stays behind is the alarm for a feed
/// that is stuck without an error.
fn measure(connection: &Connection) -> Result<(), StoreError> {
    let sql = "SELECT i.site, max(f.head - i.cursor) FROM install i JOIN site_feed f ON f.site = i.site
               WHERE i.state = 'active' GROUP BY i.site";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let (site, behind): (String, u32) = (row.get(0)?, row.get(1).unwrap_or(u32::MAX));
        metrics::gauge!("hearth_hub_feed_behind", "site" => site).set(f64::from(behind));
    }
    for (name, sql) in [
        ("hearth_hub_pending", "SELECT count(*) FROM pending"),
        ("hearth_hub_quarantine_open", "SELECT count(*) FROM quarantine WHERE settled_at IS NULL"),
        (
            "hearth_hub_orders_unconfirmed",
            "SELECT count(*) FROM grant_ WHERE state <> 'active' AND confirmed_at IS NULL",
        ),
    ] {
        let count: u32 = connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?;
        metrics::gauge!(name).set(f64::from(count));
    }
    Ok(())
}
