//! A node that has gone bad: it holds a genuine certificate, speaks the protocol, and sends what no node would.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use automerge::legacy::{Key, ObjectId, Op, OpType, SortedVec};
use automerge::{Change, ExpandedChange, ScalarValue};
use ed25519_dalek::SigningKey;
use hearth_node::install::Install;
use hearth_node::keys::PlatformKey;
use hearth_node::random::Random;
use hearth_protocol::document::{self, StoredChange, Tip, actor_of};
use hearth_protocol::head::{Run, RunHash, SignedHead, Writer};
use hearth_protocol::id::{ChangeHash, EntryId, InstallId, SiteId};
use hearth_protocol::record::Entry;
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::message::{
    ChangeGroup, ChangeResult, Changes, FeedNumber, Hello, RegionId, ScopedChange,
};
use hearth_protocol::wire::stream::SESSION_ALPN;
use hearth_protocol::wire::{Channel, FrameDecoder, Message, frame};
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{Connection, Endpoint, RecvStream, SendStream};
use rusqlite::OptionalExtension as _;
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::inspect;

/// How long the hub may take to answer: a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(20);
const READ_BYTES: usize = 64 * 1024;

/// The installation in a node's folder of data, opened with the machine's own key as the node opens it.
pub fn install(data: &Path) -> anyhow::Result<Install> {
    let platform = PlatformKey::load(None, data, &Random::system()?)?;
    Install::load(data, &platform)?.context("the node is not enrolled")
}

/// A session of a hostile node.
#[derive(Debug)]
pub struct Hostile {
    control: (SendStream, RecvStream, FrameDecoder),
    push: SendStream,
    batch: u64,
    _link: (Endpoint, Connection),
    _drain: AbortOnDropHandle<()>,
}

impl Hostile {
    /// Is admitted by the hub as this installation; `roots` vouch for the hub. An error when the hub refuses it.
    pub async fn admitted(
        install: &Install,
        roots: Vec<CertificateDer<'static>>,
        hub: SocketAddr,
    ) -> anyhow::Result<Self> {
        let mut endpoint = Endpoint::client((Ipv4Addr::LOCALHOST, 0).into())?;
        endpoint.set_default_client_config(config(install, roots)?);
        let connecting = endpoint.connect(hub, install.server_name())?;
        let connection = tokio::time::timeout(PATIENCE, connecting).await.context("the hub is silent")??;
        Self::begin(install, endpoint, connection.clone()).await.map_err(|error| {
            match connection.close_reason() {
                Some(quinn::ConnectionError::ApplicationClosed(close)) => {
                    anyhow::anyhow!("closed with code {}", close.error_code)
                }
                Some(reason) => anyhow::Error::new(reason).context("the connection ended"),
                None => error,
            }
        })
    }

    async fn begin(install: &Install, endpoint: Endpoint, connection: Connection) -> anyhow::Result<Self> {
        let (send, receive) = connection.open_bi().await?;
        let mut push = connection.open_uni().await?;
        push.write_all(&Channel::Push.to_header()).await?;
        let drain = AbortOnDropHandle::new(tokio::task::spawn(drain(connection.clone())));
        let control = (send, receive, FrameDecoder::default());
        let link = (endpoint, connection);
        let mut session = Self { control, push, batch: 0, _link: link, _drain: drain };
        session.greet(install).await?;
        Ok(session)
    }

    async fn greet(&mut self, install: &Install) -> anyhow::Result<()> {
        let site = install.site();
        let hello = Message::Hello(Hello {
            versions: vec![1],
            site: site.id,
            install: site.install,
            epoch: None,
            cursor: FeedNumber(0),
            scopes: 0,
            digest: Digest::default(),
            shard: 0,
            software: "hostile 1".to_owned(),
            months_kept: None,
            signers: Vec::new(),
        });
        self.control.0.write_all(&encoded(&hello)?).await?;
        let answer = self.next().await?;
        ensure!(matches!(answer, Message::Welcome(_)), "greeted with {}", answer.name());
        Ok(())
    }

    /// Pushes changes with these signed heads and returns what became of each.
    pub async fn push(
        &mut self,
        changes: Vec<ScopedChange>,
        heads: Vec<SignedHead>,
    ) -> anyhow::Result<Vec<ChangeResult>> {
        self.batch += 1;
        let batch = self.batch;
        let message = Message::Changes(Changes { batch, groups: vec![ChangeGroup { changes }], heads });
        self.push.write_all(&encoded(&message)?).await?;
        loop {
            let answer = self.next().await?;
            if let Message::Ack(ack) = answer
                && ack.batch == batch
            {
                return Ok(ack.results);
            }
        }
    }

    async fn next(&mut self) -> anyhow::Result<Message> {
        tokio::time::timeout(PATIENCE, read(&mut self.control.1, &mut self.control.2)).await?
    }
}

fn config(install: &Install, roots: Vec<CertificateDer<'static>>) -> anyhow::Result<quinn::ClientConfig> {
    let mut store = RootCertStore::empty();
    for root in roots {
        store.add(root)?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(store);
    let (chain, key) = install.identity();
    let mut tls = builder.with_client_auth_cert(chain, key)?;
    tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
    Ok(quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}

fn encoded(message: &Message) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    frame::encode(message, &mut bytes)?;
    Ok(bytes)
}

async fn read(stream: &mut RecvStream, decoder: &mut FrameDecoder) -> anyhow::Result<Message> {
    let mut buffer = vec![0; READ_BYTES];
    loop {
        while let Some(frame) = decoder.poll()? {
            if let Some(message) = frame::decode(&frame)? {
                return Ok(message);
            }
        }
        let length = stream.read(&mut buffer).await?.context("the hub ended the stream")?;
        decoder.feed(buffer.get(..length).unwrap_or_default());
    }
}

/// Takes in and forgets what the hub sends on streams of its own, so that it never waits for this peer.
async fn drain(connection: Connection) {
    while let Ok(mut stream) = connection.accept_uni().await {
        tokio::task::spawn(async move {
            let mut buffer = vec![0; READ_BYTES];
            while let Ok(Some(_)) = stream.read(&mut buffer).await {}
        });
    }
}

/// Forges changes on top of what the hub holds.
#[derive(Clone, Copy, Debug)]
pub struct Forger<'d> {
    /// The hub's folder of data.
    pub hub_data: &'d Path,
    /// In whose name changes are made.
    pub install: InstallId,
}

impl Forger<'_> {
    /// A change in due form that adds this entry.
    pub fn sound(self, scope: Scope, entry: Entry) -> anyhow::Result<ScopedChange> {
        let mut tip = self.tip(scope)?;
        let change = document::add(self.install, scope.section(), &mut tip, vec![entry])?;
        Ok(ScopedChange { scope, change: change.to_stored() })
    }

    /// The head that vouches for a change made by [`Self::sound`], signed with this key for this region.
    pub fn head(self, made: &ScopedChange, key: &SigningKey, region: Uuid) -> anyhow::Result<SignedHead> {
        let (scope, install) = (made.scope, self.install);
        let connection = inspect::hub(self.hub_data)?;
        let sql = "SELECT seq, hash FROM signed_head WHERE scope = ?1 AND install = ?2";
        let signed = connection.query_row(sql, (scope.to_key(), install.0), |row| {
            Ok(Run { seq: row.get(0)?, hash: RunHash(row.get(1)?) })
        });
        let run = signed.optional()?.unwrap_or_default().then(made.change.hash);
        Ok(Writer { region: RegionId(region), scope, install }.head(run, key))
    }

    /// Puts a change into the database of a hub that does not run, as the next of its scope, and into the feed of a site:
    /// what somebody could do who has the hub's disk.
    pub fn put_in(self, made: &ScopedChange, site: SiteId) -> anyhow::Result<()> {
        let checked = document::check(made.scope.section(), made.change.hash, &made.change.bytes)?;
        let mut connection = rusqlite::Connection::open(self.hub_data.join("hub.db"))?;
        let transaction = connection.transaction()?;
        let key = made.scope.to_key();
        let sql = "UPDATE scope SET head_seq = head_seq + 1, heads = ?2, max_op = ?3 WHERE key = ?1 RETURNING head_seq";
        let row = (key, made.change.hash.0, checked.max_op);
        let seq: u64 = transaction.query_row(sql, row, |row| row.get(0))?;
        let sql = "INSERT INTO change (scope, seq, hash, install, actor_seq, max_op, bytes, received_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)";
        let (install, bytes) = (checked.install.0, &made.change.bytes);
        transaction
            .execute(sql, (key, seq, made.change.hash.0, install, checked.seq, checked.max_op, bytes))?;
        let added = Digest::of(made.scope, made.change.hash);
        let code = site.as_str();
        let of_scope =
            ["SELECT digest FROM scope WHERE key = ?1", "UPDATE scope SET digest = ?2 WHERE key = ?1"];
        add_to_digest(&transaction, of_scope, key, added)?;
        let of_site = [
            "SELECT digest FROM site_feed WHERE site = ?1",
            "UPDATE site_feed SET digest = ?2 WHERE site = ?1",
        ];
        add_to_digest(&transaction, of_site, code, added)?;
        let sql = "UPDATE site_feed SET head = head + 1 WHERE site = ?1 RETURNING head";
        let feed: u64 = transaction.query_row(sql, [code], |row| row.get(0))?;
        let sql = "UPDATE subscription SET feed_no = ?3 WHERE scope = ?1 AND site = ?2";
        transaction.execute(sql, (key, code, feed))?;
        transaction.commit()?;
        Ok(())
    }

    /// The same with one bit of its last byte turned over, under the hash that it had before.
    pub fn flipped(self, scope: Scope, entry: Entry) -> anyhow::Result<ScopedChange> {
        let mut forged = self.sound(scope, entry)?;
        let last = forged.change.bytes.last_mut().context("a change without bytes")?;
        *last ^= 1;
        Ok(forged)
    }

    /// A sound change under the hash of another.
    pub fn misnamed(self, scope: Scope, entry: Entry) -> anyhow::Result<ScopedChange> {
        let mut forged = self.sound(scope, entry)?;
        forged.change.hash.0.reverse();
        Ok(forged)
    }

    /// A change of this installation that adds an entry under another's id.
    pub fn foreign(self, scope: Scope, entry: &Entry) -> anyhow::Result<ScopedChange> {
        let put = OpType::Put(ScalarValue::Bytes(entry.to_bytes()));
        self.forge(scope, put, &entry.id.to_string(), SortedVec::new())
    }

    /// A change that puts this entry in the place of the newest one of the document.
    pub fn overwrite(self, scope: Scope, entry: &Entry) -> anyhow::Result<ScopedChange> {
        let put = OpType::Put(ScalarValue::Bytes(entry.to_bytes()));
        self.over_newest(scope, put)
    }

    /// A change that deletes the newest entry of the document.
    pub fn deletion(self, scope: Scope) -> anyhow::Result<ScopedChange> {
        self.over_newest(scope, OpType::Delete)
    }

    fn over_newest(self, scope: Scope, action: OpType) -> anyhow::Result<ScopedChange> {
        let (key, operation) = self.newest(scope)?;
        self.forge(scope, action, &key.to_string(), vec![operation].into())
    }

    fn forge(
        self,
        scope: Scope,
        action: OpType,
        key: &str,
        pred: SortedVec<automerge::legacy::OpId>,
    ) -> anyhow::Result<ScopedChange> {
        let tip = self.tip(scope)?;
        let change = Change::from(ExpandedChange {
            operations: vec![Op {
                action,
                obj: ObjectId::Root,
                key: Key::Map(key.into()),
                pred,
                insert: false,
            }],
            actor_id: actor_of(self.install),
            hash: None,
            seq: tip.own_changes + 1,
            start_op: std::num::NonZeroU64::MIN.saturating_add(tip.max_op),
            time: 0,
            message: None,
            deps: tip.heads.iter().map(|head| automerge::ChangeHash(head.0)).collect(),
            extra_bytes: Vec::new(),
            author: None,
        });
        let hash = ChangeHash(change.hash().0);
        Ok(ScopedChange { scope, change: StoredChange { hash, bytes: change.raw_bytes().to_vec() } })
    }

    /// What the hub's document ends with.
    fn tip(self, scope: Scope) -> anyhow::Result<Tip> {
        let mut tip = Tip::default();
        for stored in self.stored(scope)? {
            let checked = document::check(scope.section(), stored.hash, &stored.bytes)?;
            tip.advance(self.install, &checked);
        }
        ensure!(!tip.heads.is_empty(), "the hub has no such document");
        Ok(tip)
    }

    fn newest(self, scope: Scope) -> anyhow::Result<(EntryId, automerge::legacy::OpId)> {
        let stored = self.stored(scope)?.pop().context("an empty document")?;
        let change = Change::from_bytes(stored.bytes)?;
        let checked = document::check(scope.section(), stored.hash, change.raw_bytes())?;
        let entry = checked.entries.last().context("a change without entries")?;
        Ok((entry.id, automerge::legacy::OpId::new(checked.max_op, change.actor_id())))
    }

    fn stored(self, scope: Scope) -> anyhow::Result<Vec<StoredChange>> {
        let connection = inspect::hub(self.hub_data)?;
        Ok(hearth_hub::records::changes(&connection, scope)?)
    }
}

fn add_to_digest(
    transaction: &rusqlite::Transaction<'_>,
    [select, update]: [&str; 2],
    key: impl rusqlite::ToSql + Copy,
    added: Digest,
) -> anyhow::Result<()> {
    let before: Vec<u8> = transaction.query_row(select, [key], |row| row.get(0))?;
    let before = Digest::from_bytes(&before).context("a digest of another length")?;
    transaction.execute(update, rusqlite::params![key, before.plus(added).to_bytes()])?;
    Ok(())
}
