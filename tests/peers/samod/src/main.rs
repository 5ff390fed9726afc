//! samod as a hub and as a node: one document a resident, one change an entry, its own storage in files, plain TCP.
//!
//! Its storage offers no sync to the disk: what it has "saved" is with the kernel.

mod homes;
mod meter;
mod node;
mod storage;
mod work;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use automerge::Automerge;
use clap::{Parser, Subcommand};
use samod::{DocHandle, Repo, ShareConfig, Transport};
use serde_json::Value;
use storage::Noted;

/// samod as a hub and as a node, for the benches.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(subcommand)]
    role: Role,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Serves what is in a folder
    Hub {
        #[arg(long)]
        data: PathBuf,
        #[arg(long)]
        port: u16,
    },
    /// Makes documents of base records and entries
    Seed(Lines),
    /// Writes entries with the line down
    Write(Lines),
    /// Becomes level with a hub, tells, and writes or watches
    Sync(node::Sync),
    /// Many homes that become level with a hub, tell, and write
    Homes(homes::Homes),
}

#[derive(Debug, clap::Args)]
struct Lines {
    #[arg(long)]
    data: PathBuf,
    #[arg(long, value_delimiter = ',')]
    lines: Vec<PathBuf>,
    /// File of the documents' addresses
    #[arg(long)]
    urls: PathBuf,
}

/// The documents' addresses, by resident.
type Urls = BTreeMap<String, String>;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    match Arguments::parse().role {
        Role::Hub { data, port } => hub(&data, port).await,
        Role::Seed(lines) => seed(&lines).await,
        Role::Write(lines) => write(&lines).await,
        Role::Sync(sync) => sync.run().await,
        Role::Homes(homes) => homes.run().await,
    }
}

/// What is kept in a folder. A hub announces nothing by itself, as automerge-repo's sync server does.
async fn open(data: &Path, announces: bool) -> (Repo, Noted) {
    let storage = Noted::new(data);
    let policy = ShareConfig::read_write().with_announce(announces);
    let repo = Repo::build_tokio().with_storage(storage.clone()).with_share_policy(policy).load().await;
    (repo, storage)
}

async fn hub(data: &Path, port: u16) -> anyhow::Result<()> {
    let (repo, _) = open(data, false).await;
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let listener = tokio::net::TcpListener::bind(address).await?;
    let acceptor = repo.make_acceptor(format!("tcp://{address}").parse()?)?;
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        acceptor.accept(Transport::from_tokio_io(stream))?;
    }
}

async fn seed(asked: &Lines) -> anyhow::Result<()> {
    let (repo, _) = open(&asked.data, false).await;
    let mut documents: BTreeMap<String, Automerge> = BTreeMap::new();
    for line in read_lines(&asked.lines)? {
        let document = documents.entry(work::resident(&line)?.to_owned()).or_default();
        work::apply(document, &line)?;
    }
    let mut urls = Urls::new();
    for (resident, document) in documents {
        urls.insert(resident, repo.create(document).await?.document_id().to_string());
    }
    repo.stop().await;
    Ok(std::fs::write(&asked.urls, serde_json::to_string(&urls)?)?)
}

async fn write(asked: &Lines) -> anyhow::Result<()> {
    let (repo, _) = open(&asked.data, false).await;
    let handles = find_all(&repo, read_urls(&asked.urls)?).await?;
    for line in read_lines(&asked.lines)? {
        let handle = handles.get(work::resident(&line)?).context("no such resident")?;
        handle.with_document(|document| work::apply(document, &line))?;
    }
    repo.stop().await;
    Ok(())
}

/// Every document, from the folder or from the hub.
async fn find_all(repo: &Repo, urls: Urls) -> anyhow::Result<BTreeMap<String, DocHandle>> {
    let mut finding = Vec::new();
    for (resident, id) in urls {
        finding.push((resident, repo.find(id.parse()?)));
    }
    let mut handles = BTreeMap::new();
    for (resident, found) in finding {
        let handle = found.await?.with_context(|| format!("no document of {resident}"))?;
        handles.insert(resident, handle);
    }
    Ok(handles)
}

fn read_urls(file: &Path) -> anyhow::Result<Urls> {
    Ok(serde_json::from_slice(&std::fs::read(file)?)?)
}

fn read_lines(files: &[PathBuf]) -> anyhow::Result<Vec<Value>> {
    let mut lines = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)?;
        for line in text.lines().filter(|line| !line.is_empty()) {
            lines.push(serde_json::from_str(line)?);
        }
    }
    Ok(lines)
}
