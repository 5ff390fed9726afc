//! What operators look at: health, metrics and status, over plain HTTP on loopback, without personal data.

use std::sync::Arc;

use anyhow::Context as _;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::lease::LeaseStage;
use crate::records::{Line, Records};
use crate::store::StoreError;
use crate::sync::{SOFTWARE, disk_free};

/// How a node is, as `hearth-node status` shows it. Names of fields are for ever; new ones may be added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Name and version of the software.
    pub software: String,
    /// The site's ODS code.
    pub site: String,
    /// The installation.
    pub install: String,
    /// Whether the hub has admitted the node now.
    pub connected: bool,
    /// What carries the link: `quic` or `tcp`; none without a link.
    pub transport: Option<String>,
    /// What the hub said when it refused the node.
    pub refusal: Option<String>,
    /// When the hub last answered, RFC 3339.
    pub last_contact: Option<String>,
    /// Changes that wait for the hub.
    pub waiting: u64,
    /// Changes that the hub refused.
    pub refused: u64,
    /// Changes that the hub sent and that nothing vouches for; kept aside, on no screen.
    #[serde(default)]
    pub unvouched: u64,
    /// Entries on no screen, since another has their number: a copied disk gave it twice.
    #[serde(default)]
    pub hidden: u64,
    /// Whether everything that the hub had for the site has come at least once.
    pub caught_up: bool,
    /// Whether node and hub found that they do not hold the same, or have not been compared since the hub lost something.
    pub diverged: bool,
    /// The step of the lease: `good`, `banner`, `alert`, `countdown`, `locked` or `dropped`.
    pub lease: String,
    /// Until when the node's certificate holds, RFC 3339.
    pub certificate_until: Option<String>,
    /// Wall clock less hub time, in milliseconds, where it is more than five minutes.
    pub clock_off_ms: Option<i64>,
    /// Residents whose records the node holds.
    pub residents: u64,
    /// Bytes of the database file.
    #[serde(default)]
    pub database_bytes: u64,
    /// Bytes of its write-ahead log.
    #[serde(default)]
    pub log_bytes: u64,
    /// Bytes that are free on its disk.
    #[serde(default)]
    pub disk_free_bytes: u64,
}

/// Reads the status of a running node.
pub async fn status(records: &Records) -> Result<Status, StoreError> {
    let residents = records.count_residents().await?;
    let link = records.link().borrow().clone();
    let site = records.site();
    let (database_bytes, log_bytes) = records.store().disk_use();
    let text = |moment: Option<Timestamp>| moment.map(Timestamp::to_rfc3339);
    let (transport, refusal) = match &link.line {
        Line::Up { transport, .. } => (Some(transport.name().to_owned()), None),
        Line::Down { refusal, .. } => (None, refusal.clone()),
    };
    Ok(Status {
        software: SOFTWARE.to_owned(),
        site: site.id.to_string(),
        install: site.install.to_string(),
        connected: transport.is_some(),
        transport,
        refusal,
        last_contact: text(link.last_contact),
        waiting: link.waiting,
        refused: link.refused,
        unvouched: link.unvouched,
        hidden: link.hidden,
        caught_up: link.has_caught_up,
        diverged: link.may_differ(),
        lease: lease_name(link.lease).to_owned(),
        certificate_until: text(link.certificate_until),
        clock_off_ms: link.clock_off_ms,
        residents,
        database_bytes,
        log_bytes,
        disk_free_bytes: disk_free(records.store().path()),
    })
}

fn lease_name(stage: LeaseStage) -> &'static str {
    match stage {
        LeaseStage::Good => "good",
        LeaseStage::Banner { .. } => "banner",
        LeaseStage::Alert { .. } => "alert",
        LeaseStage::Countdown { .. } => "countdown",
        LeaseStage::Locked => "locked",
        LeaseStage::Dropped => "dropped",
    }
}

struct Ops {
    records: Records,
    metrics: PrometheusHandle,
}

/// Begins to count. What happens before is in no metric.
pub fn count() -> anyhow::Result<PrometheusHandle> {
    let metrics = PrometheusBuilder::new().install_recorder().context("the metrics cannot be registered")?;
    describe();
    Ok(metrics)
}

/// Serves health, metrics and status until told to stop.
pub async fn serve(
    listener: TcpListener,
    records: Records,
    metrics: PrometheusHandle,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let router = Router::new()
        .route("/health/live", get(async || StatusCode::NO_CONTENT))
        .route("/health/ready", get(ready))
        .route("/metrics", get(scrape))
        .route("/status", get(tell))
        .with_state(Arc::new(Ops { records, metrics }));
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await?;
    Ok(())
}

fn describe() {
    metrics::describe_gauge!("hearth_sync_connected", "1 while the hub has admitted the node");
    metrics::describe_gauge!("hearth_sync_tcp", "1 while the link runs on TCP, since UDP is shut");
    metrics::describe_gauge!("hearth_sync_waiting", "changes that wait for the hub");
    metrics::describe_gauge!("hearth_sync_refused", "changes that the hub refused");
    metrics::describe_gauge!("hearth_sync_unvouched", "changes from the hub that no signature vouches for");
    metrics::describe_gauge!("hearth_entries_hidden", "entries on no screen, since another has their number");
    metrics::describe_counter!("hearth_changes_held_back_total", "changes from the hub that were held back");
    metrics::describe_gauge!("hearth_sync_last_contact_seconds", "seconds since the hub last answered");
    metrics::describe_gauge!("hearth_sync_diverged", "1 when node and hub may not hold the same");
    metrics::describe_counter!("hearth_sync_bytes_total", "bytes of frames, without what QUIC or TCP add");
    metrics::describe_counter!("hearth_documents_opened_total", "documents loaded whole into memory");
    metrics::describe_gauge!("hearth_database_bytes", "bytes of the database file");
    metrics::describe_gauge!("hearth_log_bytes", "bytes of its write-ahead log; a long reader makes it grow");
    metrics::describe_gauge!("hearth_disk_free_bytes", "bytes free on the disk of the database");
    metrics::describe_gauge!("hearth_certificate_seconds", "seconds until the node's certificate ends");
    metrics::describe_gauge!("hearth_clock_off_seconds", "wall clock less hub time, where over five minutes");
}

/// Ready: the database answers.
async fn ready(State(ops): State<Arc<Ops>>) -> StatusCode {
    match ops.records.roster().await {
        Ok(_) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

async fn tell(State(ops): State<Arc<Ops>>) -> Result<Json<Status>, StatusCode> {
    status(&ops.records).await.map(Json).map_err(|_| StatusCode::SERVICE_UNAVAILABLE)
}

async fn scrape(State(ops): State<Arc<Ops>>) -> String {
    let link = ops.records.link().borrow().clone();
    let now = ops.records.clock().now();
    #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and these are seconds and counts")]
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let flag = |is: bool| if is { 1.0 } else { 0.0 };
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    let (database, log) = ops.records.store().disk_use();
    #[expect(
        clippy::cast_precision_loss,
        reason = "a gauge is a float; bytes of a disk stay far below its precision"
    )]
    let bytes = |n: u64| n as f64;
    metrics::gauge!("hearth_database_bytes").set(bytes(database));
    metrics::gauge!("hearth_log_bytes").set(bytes(log));
    metrics::gauge!("hearth_disk_free_bytes").set(bytes(disk_free(ops.records.store().path())));
    metrics::gauge!("hearth_sync_connected").set(flag(matches!(link.line, Line::Up { .. })));
    let over_tcp = matches!(link.line, Line::Up { transport: Transport::Tcp, .. });
    metrics::gauge!("hearth_sync_tcp").set(flag(over_tcp));
    metrics::gauge!("hearth_sync_waiting").set(count(link.waiting));
    metrics::gauge!("hearth_sync_refused").set(count(link.refused));
    metrics::gauge!("hearth_sync_unvouched").set(count(link.unvouched));
    metrics::gauge!("hearth_entries_hidden").set(count(link.hidden));
    metrics::gauge!("hearth_sync_diverged").set(flag(link.may_differ()));
    if let Some(contact) = link.last_contact {
        metrics::gauge!("hearth_sync_last_contact_seconds").set(seconds(now.ms_since(contact)));
    }
    if let Some(until) = link.certificate_until {
        metrics::gauge!("hearth_certificate_seconds").set(seconds(until.ms_since(now)));
    }
    metrics::gauge!("hearth_clock_off_seconds").set(seconds(link.clock_off_ms.unwrap_or(0)));
    ops.metrics.render()
}
