//! A node: becomes level with the hub, tells, and then writes or watches.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use automerge::{ChangeHash, PatchAction};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use samod::{BackoffConfig, DialError, Dialer, DocHandle, Transport};
use serde::Serialize;
use tokio::sync::mpsc;

use crate::meter::{Bytes, Meter, metered};
use crate::storage::Noted;
use crate::{find_all, open, read_lines, read_urls, work};

const GAP: Duration = Duration::from_millis(50);

/// What a node is asked to do.
#[derive(Debug, clap::Args)]
pub(crate) struct Sync {
    #[arg(long)]
    data: PathBuf,
    #[arg(long)]
    hub: SocketAddr,
    #[arg(long)]
    urls: PathBuf,
    /// File in which it tells what it did
    #[arg(long)]
    told: PathBuf,
    /// Entries to write once it is level
    #[arg(long)]
    write: Option<PathBuf>,
    #[arg(long, default_value_t = 0)]
    count: usize,
    /// Entries of others to wait for
    #[arg(long, default_value_t = 0)]
    watch: usize,
}

#[derive(Default, Serialize)]
pub(crate) struct Told {
    pub(crate) level_ns: u64,
    pub(crate) written: Vec<Written>,
    pub(crate) seen: Vec<Seen>,
    pub(crate) bytes: Bytes,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) spell: Option<Spell>,
}

/// When homes wrote.
#[derive(Serialize)]
pub(crate) struct Spell {
    pub(crate) begun_ns: u64,
    pub(crate) last_ns: u64,
    pub(crate) done_ns: u64,
}

#[derive(Serialize)]
pub(crate) struct Written {
    id: String,
    started_ns: u64,
    saved_ns: u64,
}

#[derive(Serialize)]
pub(crate) struct Seen {
    id: String,
    at_ns: u64,
}

impl Told {
    /// Whoever reads what is told sees all of it or nothing.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let part = path.with_extension("part");
        std::fs::write(&part, serde_json::to_string(self)?)?;
        Ok(std::fs::rename(part, path)?)
    }
}

/// TCP without delay, whose bytes are counted; samod's own dialer leaves the delay on.
pub(crate) struct Line {
    pub(crate) hub: SocketAddr,
    pub(crate) meter: Arc<Meter>,
}

impl Dialer for Line {
    type Error = std::convert::Infallible;

    fn url(&self) -> url::Url {
        let text = format!("tcp://{}", self.hub);
        text.parse().unwrap_or_else(|_| unreachable!("an address is a part of an address"))
    }

    fn connect(&self) -> BoxFuture<'static, Result<Transport, DialError<Self::Error>>> {
        let (address, meter) = (self.hub, Arc::clone(&self.meter));
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await.map_err(DialError::transient)?;
            stream.set_nodelay(true).map_err(DialError::transient)?;
            Ok(Transport::from_tokio_io(metered(stream, meter)))
        })
    }
}

impl Sync {
    /// Works, tells, and stays connected until it is killed.
    pub(crate) async fn run(&self) -> anyhow::Result<()> {
        let (repo, storage) = open(&self.data, true).await;
        let meter = Arc::new(Meter::default());
        let line = Line { hub: self.hub, meter: Arc::clone(&meter) };
        let dialer = repo.dial(BackoffConfig::default(), Arc::new(line))?;
        dialer.established().await?;
        let connection = dialer.connection_id().context("no connection")?;
        let handles = find_all(&repo, read_urls(&self.urls)?).await?;
        for handle in handles.values() {
            handle.they_have_our_changes(connection).await;
            handle.we_have_their_changes(connection).await;
        }
        let mut told = Told { level_ns: now_ns(), bytes: meter.bytes(), ..Told::default() };
        let (tell, mut arrivals) = mpsc::unbounded_channel();
        if self.watch > 0 {
            for handle in handles.values() {
                tokio::spawn(watch(handle.clone(), tell.clone()));
            }
        }
        told.write(&self.told)?;
        if let Some(lines) = &self.write {
            for line in read_lines(std::slice::from_ref(lines))?.iter().take(self.count) {
                told.written.push(write(&handles, &storage, line).await?);
            }
        }
        while told.seen.len() < self.watch {
            told.seen.push(arrivals.recv().await.context("nobody watches")?);
        }
        told.bytes = meter.bytes();
        told.write(&self.told)?;
        std::future::pending().await
    }
}

/// Writes an entry and waits until samod has written the change to its file.
async fn write(
    handles: &BTreeMap<String, DocHandle>,
    storage: &Noted,
    line: &serde_json::Value,
) -> anyhow::Result<Written> {
    tokio::time::sleep(GAP).await;
    let handle = handles.get(work::resident(line)?).context("no such resident")?;
    let mut puts = storage.puts(&handle.document_id().to_string());
    let id = line["id"].as_str().context("an entry without an id")?.to_owned();
    let started_ns = now_ns();
    handle.with_document(|document| work::apply(document, line))?;
    puts.changed().await?;
    Ok(Written { id, started_ns, saved_ns: now_ns() })
}

/// Tells of every entry that arrives in a document.
async fn watch(handle: DocHandle, tell: mpsc::UnboundedSender<Seen>) {
    let mut changes = Box::pin(handle.changes());
    let mut heads: Vec<ChangeHash> = handle.with_document(|document| document.get_heads());
    while changes.next().await.is_some() {
        let at_ns = now_ns();
        let (now, patches) = handle.with_document(|document| {
            let now = document.get_heads();
            let patches = document.diff(&heads, &now);
            (now, patches)
        });
        heads = now;
        for patch in patches {
            // Directly in the map of the entries, which lies directly in the document.
            if let (1, PatchAction::PutMap { key, .. }) = (patch.path.len(), patch.action) {
                drop(tell.send(Seen { id: key, at_ns }));
            }
        }
    }
}

/// The clock since boot, in nanoseconds, as all processes of a machine see it.
pub(crate) fn now_ns() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
}
