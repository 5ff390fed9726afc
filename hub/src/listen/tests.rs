//! A client by hand against the hub's own doors, over real QUIC and TLS on the loopback.

mod backfill;
mod fallback;
mod transport;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use hearth_protocol::access::SiteKind;
use hearth_protocol::head::Run;
use hearth_protocol::id::{BlobId, InstallId};
use hearth_protocol::scope::{Month, Scope, Section, Subject};
use hearth_protocol::wire::frame::{self, FrameDecoder};
use hearth_protocol::wire::message::{
    Ack, BlobWant, ChangeGroup, ChangeResult, Changes, DeliveryState, FeedNumber, Health, Hello, MonthWant,
    Receipt, RevokeMode, ScopedChange, Sequence, Stored,
};
use hearth_protocol::wire::stream::SESSION_ALPN;
use hearth_protocol::wire::{Channel, Message, Spoken, Transport};
use hearth_provisioning::authority::{IdentityKey, PeerIdentity};
use hearth_provisioning::region::HubConfig;
use quinn::crypto::rustls::QuicClientConfig;
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, RecvStream, SendStream};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

use super::*;
use crate::clock::{ManualTime, TimeSource};
use crate::gateway::owed;
use crate::sites::{self, InstallState};
use crate::testing::{self, NOW, Pen, REGION, TestHub, certifier, resident, scope, signing_key, site};

const HOME: &str = "VL1AB";
const PHARMACY: &str = "FA100";
const SOON: Duration = Duration::from_secs(20);

struct Running {
    test: TestHub,
    hub: Hub,
    time: Arc<ManualTime>,
    address: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

/// Doors on a port that is free for UDP and, a moment later, for TCP too.
fn doors(hub: &Hub, tls: &Arc<rustls::ServerConfig>) -> Doors {
    for _ in 0..64 {
        let here = Datagrams::Udp(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let tls = Arc::clone(tls);
        match Doors::open(here, Streams::Tcp(None), tls, &hub.clock, &hub.random, &[7; 32]) {
            Ok(doors) => return doors,
            Err(DoorError::Streams(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    panic!("no port is free for both");
}

impl Running {
    /// A care home (installation 1) and a pharmacy (installation 2) that share resident 1.
    async fn start() -> Self {
        let test = TestHub::new().await;
        test.add_site(HOME, SiteKind::CareHome, 1).await;
        test.add_site(PHARMACY, SiteKind::Pharmacy, 2).await;
        test.assign(HOME, 1).await;
        test.assign(PHARMACY, 1).await;
        let time = ManualTime::at(NOW);
        let clock = Clock::new(Arc::clone(&time) as Arc<dyn TimeSource>);
        let random = Random::seeded(3);
        let certifier = Arc::new(certifier(&mut StdRng::seed_from_u64(1)));
        let (store, links) = (test.store.clone(), Links::default());
        let region = RegionId(REGION);
        let (confirmed, speaks) = (Confirmed::default(), Spoken::default());
        let hub = Hub { store, clock, random, region, certifier, links, confirmed, speaks };
        let tls = tls_config(&hub.certifier, &hub.clock, &hub.random).unwrap();
        let doors = doors(&hub, &tls);
        let address = doors.address().unwrap();
        let enrolment = Enrolment::new(
            hub.store.clone(),
            Arc::clone(&hub.certifier),
            hub.clock.clone(),
            hub.random.clone(),
            Arc::new(|_| {}),
        );
        let stop = CancellationToken::new();
        let task = tokio::spawn(run(hub.clone(), doors, enrolment, stop.clone()));
        Self { test, hub, time, address, stop, task }
    }

    /// A certificate for an installation, known to the database or not.
    async fn certificate(&self, code: &str, install: u32, known: bool) -> Identity {
        self.certificate_of(code, install, known, signing_key(install)).await
    }

    async fn certificate_of(&self, code: &str, install: u32, known: bool, signing: SigningKey) -> Identity {
        let mut rng = StdRng::seed_from_u64(u64::from(install));
        let key = IdentityKey::from_pem(&signing.to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap();
        let pair = rcgen::KeyPair::try_from(key.to_der().secret_der()).unwrap();
        let csr = rcgen::CertificateParams::default().serialize_request(&pair).unwrap();
        let issuing = &self.hub.certifier.keys().issuing;
        let chain = issuing
            .node_chain(csr.der(), site(code), InstallId(install), &mut rng, self.hub.clock.now())
            .unwrap();
        let peer = PeerIdentity::from_der(&chain[0]).unwrap();
        if known {
            let add = move |t: &rusqlite::Transaction<'_>| {
                sites::add_certificate(t, InstallId(install), peer.fingerprint, NOW, peer.not_after)
            };
            self.hub.store.write(add).await.unwrap();
        }
        Identity { chain, key: key.to_der(), not_after: peer.not_after }
    }

    fn client_config(&self, identity: Option<&Identity>) -> ClientConfig {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = self.hub.certifier.keys().identity_roots.root_store().unwrap();
        let tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(self.hub.clock.clone()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = match identity {
            Some(identity) => {
                tls.with_client_auth_cert(identity.chain.clone(), identity.key.clone_key()).unwrap()
            }
            None => tls.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
        ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()))
    }

    fn client(&self, identity: Option<&Identity>) -> Endpoint {
        let mut endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        endpoint.set_default_client_config(self.client_config(identity));
        endpoint
    }

    async fn connect(&self, identity: Option<&Identity>) -> Result<Connection, ConnectionError> {
        self.client(identity).connect(self.address, HubConfig::SERVER_NAME).unwrap().await
    }

    /// A node that is connected and has greeted.
    async fn node(&self, code: &'static str, install: u32) -> Node {
        let identity = self.certificate(code, install, true).await;
        self.node_with(code, install, &identity).await
    }

    async fn node_with(&self, code: &'static str, install: u32, identity: &Identity) -> Node {
        Node::greet(self.connect(Some(identity)).await.unwrap(), code, install).await
    }

    async fn counted(&self, sql: &'static str) -> u64 {
        self.hub.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }

    /// Waits until this counts one.
    async fn eventually(&self, sql: &'static str) {
        let counted = async {
            while self.counted(sql).await != 1 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(SOON, counted).await.unwrap();
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON, self.task).await.unwrap().unwrap();
    }
}

fn hello(code: &str, install: u32) -> Hello {
    Hello {
        versions: Spoken::default().offer(),
        site: site(code),
        install: InstallId(install),
        epoch: None,
        cursor: FeedNumber(0),
        scopes: 0,
        digest: hearth_protocol::sync::digest::Digest::default(),
        shard: 0,
        software: "hearth-node 0.1.0".into(),
        months_kept: Some(3),
        signers: Vec::new(),
    }
}

struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    not_after: hearth_protocol::time::Timestamp,
}

struct Reader {
    stream: RecvStream,
    decoder: FrameDecoder,
}

impl Reader {
    fn new(stream: RecvStream) -> Self {
        Self { stream, decoder: FrameDecoder::default() }
    }

    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(found) = self.decoder.poll().unwrap() {
                return frame::decode(&found).unwrap();
            }
            let chunk = self.stream.read_chunk(65536, true).await.ok()??;
            self.decoder.feed(&chunk.bytes);
        }
    }
}

struct Node {
    connection: Connection,
    control: SendStream,
    signer: (InstallId, SigningKey),
    runs: BTreeMap<Scope, Run>,
    push: Option<SendStream>,
    readers: BTreeMap<Channel, Reader>,
}

impl Node {
    /// Greets on a connection.
    async fn greet(connection: Connection, code: &str, install: u32) -> Self {
        let (control, receive) = connection.open_bi().await.unwrap();
        let readers = BTreeMap::from([(Channel::Control, Reader::new(receive))]);
        let (signer, runs) = ((InstallId(install), signing_key(install)), BTreeMap::new());
        let mut node = Self { connection, control, signer, runs, push: None, readers };
        node.send(&Message::Hello(hello(code, install))).await;
        node
    }

    async fn send(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).unwrap();
        self.control.write_all(&bytes).await.unwrap();
    }

    async fn push(&mut self, batch: u64, changes: Vec<ScopedChange>) {
        if self.push.is_none() {
            let mut stream = self.connection.open_uni().await.unwrap();
            stream.write_all(&Channel::Push.to_header()).await.unwrap();
            self.push = Some(stream);
        }
        let mut bytes = Vec::new();
        let signed = |scope| self.runs.get(&scope).copied().unwrap_or_default();
        let heads = testing::heads(self.signer.0, &self.signer.1, signed, &changes);
        self.runs.extend(heads.iter().map(|head| (head.scope, Run { seq: head.seq, hash: head.hash })));
        let groups = vec![ChangeGroup { changes }];
        frame::encode(&Message::Changes(Changes { batch, groups, heads }), &mut bytes).unwrap();
        self.push.as_mut().unwrap().write_all(&bytes).await.unwrap();
    }

    async fn next(&mut self, channel: Channel) -> Option<Message> {
        while !self.readers.contains_key(&channel) {
            let opened = tokio::time::timeout(SOON, self.connection.accept_uni()).await.unwrap();
            let mut stream = opened.ok()?;
            let mut header = [0; 2];
            stream.read_exact(&mut header).await.unwrap();
            self.readers.insert(Channel::from_header(header).unwrap(), Reader::new(stream));
        }
        let reader = self.readers.get_mut(&channel).unwrap();
        tokio::time::timeout(SOON, reader.next()).await.unwrap()
    }

    async fn welcome(&mut self) {
        let came = self.next(Channel::Control).await;
        assert!(matches!(came, Some(Message::Welcome(_))), "{came:?}");
    }

    /// The code with which the hub closes the link.
    async fn closed(&self) -> u64 {
        close_code_of(self.connection.clone()).await
    }
}

async fn close_code_of(connection: Connection) -> u64 {
    code_of(&tokio::time::timeout(SOON, connection.closed()).await.unwrap())
}

fn code_of(error: &ConnectionError) -> u64 {
    let ConnectionError::ApplicationClosed(close) = error else { panic!("{error}") };
    close.error_code.into_inner()
}

#[tokio::test]
async fn a_change_goes_from_one_site_to_the_hub_and_live_to_the_other() {
    let running = Running::start().await;
    let mut home = running.node(HOME, 1).await;
    let mut pharmacy = running.node(PHARMACY, 2).await;
    home.welcome().await;
    pharmacy.welcome().await;
    assert!(matches!(pharmacy.next(Channel::Feed).await, Some(Message::Grant(_))));
    assert!(matches!(pharmacy.next(Channel::Feed).await, Some(Message::CaughtUp(_))));
    let changes = Pen::new(1).write(scope(1, Section::Safety));
    home.push(1, changes.clone()).await;
    let results = vec![ChangeResult::Accepted(Sequence(1)), ChangeResult::Accepted(Sequence(2))];
    assert_eq!(home.next(Channel::Control).await, Some(Message::Ack(Ack { batch: 1, results })));
    let Some(Message::Feed(feed)) = pharmacy.next(Channel::Feed).await else { panic!("no feed") };
    let got: Vec<_> = feed.changes.into_iter().map(|change| change.change).collect();
    assert_eq!(got, changes.into_iter().map(|change| change.change).collect::<Vec<_>>());
    let Some(Message::CaughtUp(caught_up)) = pharmacy.next(Channel::Feed).await else { panic!("no cursor") };
    let stored = Stored { items: feed.item, cursor: Some(caught_up.cursor) };
    pharmacy.send(&Message::Stored(stored)).await;
    running.end().await;
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_no_further_than_the_handshake() {
    let running = Running::start().await;
    let code = match running.connect(None).await {
        Ok(connection) => close_code_of(connection).await,
        Err(error) => code_of(&error),
    };
    assert_eq!(code, 2);
    running.end().await;
}

#[tokio::test]
async fn a_certificate_that_the_hub_has_no_row_of_is_refused() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, false).await;
    let connection = running.connect(Some(&identity)).await.unwrap();
    assert_eq!(close_code_of(connection).await, 2);
    running.end().await;
}

#[tokio::test]
async fn after_a_loss_an_installation_that_the_hub_forgot_is_let_in_by_its_certificate_and_key() {
    let running = Running::start().await;
    let forgotten = running.certificate(HOME, 5, false).await;
    let of_another_key = running.certificate_of(HOME, 1, false, signing_key(77)).await;
    let before = running.connect(Some(&forgotten)).await.unwrap();
    assert_eq!(close_code_of(before).await, 2);
    let lose = |t: &rusqlite::Transaction<'_>| crate::region::start_epoch(t, InstallId(9), NOW).map(drop);
    running.hub.store.write(lose).await.unwrap();
    running.node_with(HOME, 5, &forgotten).await.welcome().await;
    let stranger = running.connect(Some(&of_another_key)).await.unwrap();
    assert_eq!(close_code_of(stranger).await, 2);
    running.end().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_even_by_a_client_that_was_in_before() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let client = running.client(Some(&identity));
    let first = client.connect(running.address, HubConfig::SERVER_NAME).unwrap().await.unwrap();
    first.close(0u32.into(), b"");
    let left = identity.not_after.ms_since(NOW);
    running.time.advance(Duration::from_millis(u64::try_from(left).unwrap()) + Duration::from_secs(5));
    // The hub's own certificate has ended too by then; a client that does not mind that is refused all the same.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = running.hub.certifier.keys().identity_roots.root_store().unwrap();
    let past = Clock::new(ManualTime::at(NOW));
    let mut tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(past))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
        .unwrap();
    tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let again = client.connect_with(config, running.address, HubConfig::SERVER_NAME).unwrap().await;
    let refused = match again {
        Ok(connection) => tokio::time::timeout(SOON, connection.closed()).await.unwrap(),
        Err(error) => error,
    };
    assert!(matches!(refused, ConnectionError::ConnectionClosed(_)), "a TLS alert: {refused}");
    running.end().await;
}

#[tokio::test]
async fn a_live_link_is_cut_within_five_seconds_of_its_revocation_and_stays_out() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.node_with(HOME, 1, &identity).await;
    home.welcome().await;
    let revoked = |t: &rusqlite::Transaction<'_>| {
        sites::set_install_state(t, InstallId(1), InstallState::Revoked, "stolen")
    };
    running.hub.store.write(revoked).await.unwrap();
    let code = tokio::time::timeout(Duration::from_secs(5), home.closed()).await.unwrap();
    assert_eq!(code, 3);
    let connection = running.connect(Some(&identity)).await.unwrap();
    assert_eq!(close_code_of(connection).await, 3);
    running.end().await;
}

#[tokio::test]
async fn a_live_link_does_not_outlive_its_certificate() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.node_with(HOME, 1, &identity).await;
    home.welcome().await;
    let left = u64::try_from(identity.not_after.ms_since(NOW)).unwrap();
    running.time.advance(Duration::from_millis(left + 1000));
    assert_eq!(home.closed().await, 2);
    running.end().await;
}

#[tokio::test]
async fn a_newer_link_of_an_installation_takes_over_from_the_older() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut older = running.node_with(HOME, 1, &identity).await;
    older.welcome().await;
    let mut newer = running.node_with(HOME, 1, &identity).await;
    newer.welcome().await;
    assert_eq!(older.closed().await, 7);
    assert_eq!(running.hub.links.transport(InstallId(1)), Some(Transport::Quic));
    running.end().await;
}

#[tokio::test]
async fn a_greeting_in_another_sites_name_breaks_the_link() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let node = running.node_with(PHARMACY, 2, &identity).await;
    assert_eq!(node.closed().await, 5);
    running.end().await;
}

#[tokio::test]
async fn bytes_that_are_no_frame_break_the_link() {
    let running = Running::start().await;
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    home.control.write_all(&[2, 0xff, 0xff, 0xff, 0xff, 1]).await.unwrap();
    assert_eq!(home.closed().await, 5);
    running.end().await;
}

#[tokio::test]
async fn a_copied_installation_is_told_so_and_cut() {
    let running = Running::start().await;
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    let mut first = pen.write(notes);
    let mut copy = pen.clone();
    first.extend(pen.write(notes));
    home.push(1, first).await;
    assert!(matches!(home.next(Channel::Control).await, Some(Message::Ack(_))));
    copy.next_id();
    home.push(2, copy.write(notes)).await;
    let Some(Message::Refused(refused)) = home.next(Channel::Control).await else { panic!("not refused") };
    assert_eq!(refused.code, RefusalCode::Cloned);
    assert_eq!(home.closed().await, 4);
    running.end().await;
}

#[tokio::test]
async fn an_order_to_forget_reaches_the_site_and_its_signed_receipt_alone_is_kept() {
    let running = Running::start().await;
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    assert!(matches!(home.next(Channel::Feed).await, Some(Message::Grant(_))));
    let Some(Message::CaughtUp(caught_up)) = home.next(Channel::Feed).await else { panic!("no cursor") };
    home.send(&Message::Stored(Stored { items: 1, cursor: Some(caught_up.cursor) })).await;
    running.test.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    let Some(Message::Revoke(revoke)) = home.next(Channel::Feed).await else { panic!("no order") };
    assert_eq!((revoke.resident, revoke.mode), (resident(1), RevokeMode::Forget));

    let sign = |install, key| {
        Receipt::sign(InstallId(install), resident(1), RevokeMode::Forget, NOW, &signing_key(key))
    };
    let good = sign(1, 1);
    let unsigned = Receipt { signature: vec![0; 64], ..good.clone() };
    let later = Receipt { at: NOW.plus_ms(1), ..good.clone() };
    for bad in [unsigned, later, sign(1, 2), sign(2, 1)] {
        home.send(&Message::Receipt(bad)).await;
    }
    // Messages are taken in their order, so what came before the report has been judged when that is there.
    home.send(&Message::Health(Health::default())).await;
    running.eventually("SELECT count(*) FROM install WHERE health_at IS NOT NULL").await;
    let confirmed = "SELECT count(*) FROM grant_ WHERE site = 'VL1AB' AND confirmed_at IS NOT NULL";
    assert_eq!(running.counted(confirmed).await, 0);
    home.send(&Message::Receipt(good)).await;
    running.eventually(confirmed).await;
    running.end().await;
}

#[tokio::test]
async fn a_month_that_is_not_kept_comes_as_an_outline_and_whole_once_it_is_wanted() {
    let running = Running::start().await;
    let april = Scope::try_new(Subject::Resident(resident(1)), Section::Notes, Month::new(2026, 4)).unwrap();
    running.test.append(april).await.unwrap();
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    assert!(matches!(home.next(Channel::Feed).await, Some(Message::Grant(_))));
    let Some(Message::Outline(outline)) = home.next(Channel::Feed).await else { panic!("no outline") };
    assert_eq!((outline.scope, outline.sequence, outline.own_changes), (april, Sequence(2), 0));
    let Some(Message::CaughtUp(caught_up)) = home.next(Channel::Feed).await else { panic!("no cursor") };
    home.send(&Message::Stored(Stored { items: 2, cursor: Some(caught_up.cursor) })).await;
    let another = Scope::try_new(Subject::Resident(resident(2)), Section::Notes, april.month()).unwrap();
    for scope in [another, april] {
        home.send(&Message::MonthWant(MonthWant { scope })).await;
    }
    let Some(Message::Snapshot(part)) = home.next(Channel::Backfill(0)).await else { panic!("no document") };
    assert_eq!((part.scope, part.sequence, part.heads), (april, Sequence(2), outline.heads));
    running.end().await;
}

#[tokio::test]
async fn a_file_is_sent_to_a_site_that_holds_a_scope_that_names_it_and_to_no_other() {
    let running = Running::start().await;
    running.test.append(scope(1, Section::Letters)).await.unwrap();
    let bytes = vec![7; 1_500_000];
    let blob = BlobId::of(&bytes);
    let kept = bytes.clone();
    let add = move |t: &rusqlite::Transaction<'_>| {
        t.execute("INSERT INTO blob VALUES (?1, ?2, 0)", (blob.0, kept))?;
        let key = scope(1, Section::Letters).to_key();
        Ok(t.execute("INSERT INTO blob_ref VALUES (?1, ?2)", (blob.0, key))?)
    };
    running.hub.store.write(add).await.unwrap();
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    home.send(&Message::BlobWant(BlobWant { blob, offset: 0 })).await;
    let mut got = Vec::new();
    while got.len() < bytes.len() {
        let Some(Message::BlobPart(part)) = home.next(Channel::Blob).await else { panic!("no part") };
        assert_eq!((part.length, part.offset), (1_500_000, got.len() as u64));
        got.extend(part.bytes);
    }
    assert_eq!(got, bytes);
    let mut pharmacy = running.node(PHARMACY, 2).await;
    pharmacy.welcome().await;
    pharmacy.send(&Message::BlobWant(BlobWant { blob, offset: 0 })).await;
    let Some(Message::BlobPart(part)) = pharmacy.next(Channel::Blob).await else { panic!("no answer") };
    assert_eq!((part.length, part.bytes.len()), (0, 0));
    running.end().await;
}

#[tokio::test]
async fn a_hub_that_stops_says_so_to_every_node() {
    let running = Running::start().await;
    let mut home = running.node(HOME, 1).await;
    home.welcome().await;
    running.stop.cancel();
    assert_eq!(home.closed().await, 8);
    tokio::time::timeout(SOON, running.task).await.unwrap().unwrap();
}

/// The states of the next delivery; other messages are passed over.
async fn delivery(node: &mut Node) -> Vec<DeliveryState> {
    loop {
        match node.next(Channel::Control).await {
            Some(Message::Delivery(delivery)) => {
                return delivery.states.into_iter().map(|state| state.state).collect();
            }
            Some(_) => {}
            None => panic!("the link ended"),
        }
    }
}

/// A home whose entry a main care record is owed, and which was told so.
async fn owed_home(running: &Running) -> (Identity, Node) {
    let configure = "INSERT INTO main_record (system, configured) VALUES ('main', 1)";
    running.hub.store.write(move |t| Ok(t.execute(configure, [])?)).await.unwrap();
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.node_with(HOME, 1, &identity).await;
    home.welcome().await;
    home.push(1, Pen::new(1).write(scope(1, Section::Safety))).await;
    assert_eq!(delivery(&mut home).await, vec![DeliveryState::Queued]);
    (identity, home)
}

#[tokio::test]
async fn a_node_is_told_the_way_of_its_entries_live_and_again_on_the_next_link() {
    let running = Running::start().await;
    let (identity, mut home) = owed_home(&running).await;
    let accept = |t: &rusqlite::Transaction<'_>| {
        let due = owed::due(t, "main", NOW, 10)?;
        due.iter().try_for_each(|one| owed::accept(t, one, Some("Flag/1"), NOW))
    };
    running.hub.store.write(accept).await.unwrap();
    assert_eq!(delivery(&mut home).await, vec![DeliveryState::Accepted]);
    // That it was sent is no proof that it arrived.
    let mut again = running.node_with(HOME, 1, &identity).await;
    again.welcome().await;
    assert_eq!(delivery(&mut again).await, vec![DeliveryState::Accepted]);
    // Nor is it a proof that the node is heard of long after, or that it names what it was never told: only its word that it
    // has stored what it was told.
    let install = InstallId(1);
    let known = async || running.hub.store.read(move |c| owed::told(c, install)).await.unwrap();
    running.time.advance(Duration::from_mins(3));
    for (told, proven) in [(None, 0), (Some(2000), 0), (Some(2), 2)] {
        again.send(&Message::Health(Health { told, ..Health::default() })).await;
        running.eventually("SELECT count(*) FROM install WHERE id = 1 AND health IS NOT NULL").await;
        assert_eq!(known().await, proven);
        let forget = "UPDATE install SET health = NULL";
        running.hub.store.write(move |t| Ok(t.execute(forget, [])?)).await.unwrap();
    }
    running.end().await;
}

#[tokio::test]
async fn a_site_that_is_enrolled_anew_is_told_how_its_earlier_entries_fared() {
    let running = Running::start().await;
    let _ = owed_home(&running).await;
    let code = site(HOME);
    let add = move |t: &rusqlite::Transaction<'_>| {
        let key = signing_key(3).verifying_key().to_bytes();
        sites::add_install(t, InstallId(3), code, &key, NOW)
    };
    running.hub.store.write(add).await.unwrap();
    let anew = running.certificate(HOME, 3, true).await;
    let mut anew = running.node_with(HOME, 3, &anew).await;
    anew.welcome().await;
    assert_eq!(delivery(&mut anew).await, vec![DeliveryState::Queued]);
    running.end().await;
}
