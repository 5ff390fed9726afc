//! The link against a hub that plays a script over real QUIC and TLS.

mod carriers;
mod renewal;
mod router;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::DecodePrivateKey as _;
use hearth_protocol::document::{self, Tip};
use hearth_protocol::enrol::Certificates;
use hearth_protocol::head::{Run, Signer, SignerName, Voucher, Writer};
use hearth_protocol::id::{EntryId, InstallId, ResidentId, StaffId};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
use hearth_protocol::scope::{Month, Scope, Section, Subject};
use hearth_protocol::wire::message::{
    Ack, CaughtUp, CertificateBytes, ChangeResult, Feed, FeedNumber, Grant, Hello, Outline, Refused,
    RegionId, Sequence, SequencedChange, Stored, Welcome,
};
use hearth_protocol::wire::{Channel, FrameDecoder, Message, frame};
use quinn::{Endpoint, ServerConfig};
use rcgen::{
    BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, PKCS_ED25519,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use uuid::Uuid;

use super::carrier::{Carrier, Receiver, Sender};
use super::*;
use crate::install::InstallKeys;
use crate::records::sample::{NOON, Sample, key, requester};
use crate::records::{EntryState, LinkState};

const SERVER_NAME: &str = "hub.hearth.internal";

/// A region's authority with one hub listening.
struct Hub {
    endpoint: Endpoint,
    tls: Arc<rustls::ServerConfig>,
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Hub {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let issuer = Issuer::new(params, key);
        let root = certificate.der().clone();
        let (chain, key) = leaf(&issuer, ExtendedKeyUsagePurpose::ServerAuth);
        let tls = server(&root, chain, key);
        let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::server(quic(&tls), here).unwrap();
        Self { endpoint, tls, root, issuer }
    }

    /// An installation of this region.
    fn install(&self) -> Install {
        let keys = InstallKeys::generate().unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = keys.identity_pair();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let certificates = Certificates {
            identity_chain: vec![certificate.der().to_vec().into()],
            identity_roots: vec![self.root.to_vec().into()],
            web_chain: Vec::new(),
            web_roots: Vec::new(),
        };
        let addresses = vec![self.endpoint.local_addr().unwrap().to_string()];
        let granted = hearth_protocol::enrol::Granted {
            certificates,
            addresses,
            server_name: SERVER_NAME.to_owned(),
            time: NOON,
            ..crate::install::tests::granted()
        };
        Install::new(keys, granted)
    }

    /// A writer's key and the certificate that names it so.
    fn signer(&self, name: &str) -> (Vec<CertificateBytes>, SigningKey) {
        let pair = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let key = SigningKey::from_pkcs8_der(&pair.serialize_der()).unwrap();
        let mut params = CertificateParams::default();
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.subject_alt_names = vec![rcgen::SanType::URI(name.try_into().unwrap())];
        let certificate = params.signed_by(&pair, &self.issuer).unwrap();
        (vec![CertificateBytes(certificate.der().to_vec())], key)
    }

    async fn accept(&self) -> Talk {
        self.accept_at(&self.endpoint).await
    }

    async fn accept_at(&self, endpoint: &Endpoint) -> Talk {
        let connection = endpoint.accept().await.unwrap().await.unwrap();
        let (send, receive) = connection.accept_bi().await.unwrap();
        let halves = (Sender::Quic(send), Receiver::Quic(receive));
        Talk::new(Carrier::Quic(connection), halves)
    }
}

fn leaf(
    issuer: &Issuer<'static, KeyPair>,
    usage: ExtendedKeyUsagePurpose,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let mut params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
    params.extended_key_usages = vec![usage];
    let certificate = params.signed_by(&key, issuer).unwrap();
    (vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
}

fn server(
    root: &CertificateDer<'static>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Arc<rustls::ServerConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), tls::provider()).build().unwrap();
    let builder = rustls::ServerConfig::builder_with_provider(tls::provider());
    let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
    let mut config = builder.with_client_cert_verifier(verifier).with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![hearth_protocol::wire::stream::SESSION_ALPN.to_vec()];
    Arc::new(config)
}

fn quic(tls: &Arc<rustls::ServerConfig>) -> ServerConfig {
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(Arc::clone(tls)).unwrap();
    ServerConfig::with_crypto(Arc::new(crypto))
}

/// The hub's end of one link.
struct Talk {
    carrier: Carrier,
    control: Sender,
    from_control: Reader,
}

impl Talk {
    fn new(carrier: Carrier, (control, receiver): (Sender, Receiver)) -> Self {
        Self { carrier, control, from_control: Reader::new(receiver) }
    }

    async fn greet(&mut self) -> Hello {
        self.greet_as(true).await
    }

    async fn greet_as(&mut self, is_level: bool) -> Hello {
        self.greet_with(Welcome { digest_ok: Some(is_level), ..welcome() }).await
    }

    async fn greet_with(&mut self, welcome: Welcome) -> Hello {
        let Message::Hello(hello) = self.from_control.next().await else { panic!("no greeting") };
        send(&mut self.control, Message::Welcome(welcome)).await;
        hello
    }

    /// The next message of a kind on the control stream; others are passed over.
    async fn find<T>(&mut self, mut of_kind: impl FnMut(Message) -> Option<T>) -> T {
        loop {
            if let Some(found) = of_kind(self.from_control.next().await) {
                return found;
            }
        }
    }
}

fn welcome() -> Welcome {
    Welcome {
        version: 1,
        region: RegionId(Uuid::nil()),
        epoch: 1,
        feed_head: FeedNumber(0),
        digest_ok: Some(true),
        time: NOON,
        reconnect_spread_ms: 10,
        certificate_until: NOON.plus_ms(86_400_000),
    }
}

struct Reader {
    stream: Receiver,
    decoder: FrameDecoder,
}

impl Reader {
    fn new(stream: Receiver) -> Self {
        Self { stream, decoder: FrameDecoder::default() }
    }

    async fn next(&mut self) -> Message {
        loop {
            if let Some(found) = self.decoder.poll().unwrap() {
                return frame::decode(&found).unwrap().unwrap();
            }
            let bytes = self.stream.receive().await.expect("not ended");
            self.decoder.feed(&bytes);
        }
    }
}

async fn send(stream: &mut Sender, message: Message) {
    let mut bytes = Vec::new();
    frame::encode(&message, &mut bytes).unwrap();
    stream.send(&bytes).await.unwrap();
}

struct Running {
    sample: Sample,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
}

async fn start(install: Install) -> Running {
    start_from(install, Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap()).await
}

async fn start_from(install: Install, endpoint: Endpoint) -> Running {
    start_as(install, endpoint, |_| {}).await
}

/// Starts a node that is another than usual in this.
async fn start_as(install: Install, endpoint: Endpoint, otherwise: impl FnOnce(&mut Sync)) -> Running {
    let sample = Sample::new().await;
    let (install, _) = watch::channel(install);
    let random = Random::seeded(3);
    let platform = PlatformKey::load(None, sample.directory.path(), &random).unwrap();
    let keeper = Keeper { data: sample.directory.path().to_owned(), platform };
    let mut sync =
        Sync::new(sample.records.clone(), install, keeper, Ways::new(endpoint), Vec::new(), random);
    otherwise(&mut sync);
    let stop = CancellationToken::new();
    let task = tokio::spawn(sync.run(stop.clone()));
    let (time, ended) = (Arc::clone(&sample.time), stop.clone());
    std::thread::spawn(move || {
        while !ended.is_cancelled() {
            std::thread::sleep(Duration::from_millis(10));
            time.pass(Duration::from_millis(10));
        }
    });
    Running { sample, stop, task }
}

impl Running {
    async fn until(&self, holds: impl FnMut(&LinkState) -> bool) -> LinkState {
        let mut link = self.sample.records.link();
        let waited = tokio::time::timeout(Duration::from_secs(20), link.wait_for(holds));
        waited.await.expect("in time").unwrap().clone()
    }

    async fn end(self) {
        self.stop.cancel();
        tokio::time::timeout(Duration::from_secs(10), self.task).await.unwrap().unwrap();
    }
}

/// A note by another installation of the region, as a change of its own document, with what proves whose it is.
fn note_of(hub: &Hub, resident: ResidentId) -> (Scope, Vec<SequencedChange>, Voucher, Signer) {
    let install = InstallId(99);
    let entry = Entry {
        id: EntryId { install, counter: 1 },
        happened: NOON,
        recorded: NOON,
        author: Author { staff: StaffId(5), role: Role::Nurse, name: "N. Other".to_owned() },
        origin: Origin::Site("OTHER".parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body: Body::Note(Note { category: "general".into(), text: "Seen.".into(), important: false }),
    };
    let scope = Scope::of_resident(resident, Section::Notes, NOON).unwrap();
    let mut tip = Tip::default();
    let genesis = document::genesis(Section::Notes);
    tip.advance(install, &genesis);
    let change = document::add(install, Section::Notes, &mut tip, vec![entry]).unwrap();
    let (region, run) = (crate::records::sample::site().region, Run::default().then(change.hash));
    let name = SignerName { region, site: Some("OTHER".parse().unwrap()), install };
    let (chain, key) = hub.signer(&name.to_string());
    let signature = Writer { region: RegionId(region), scope, install }.sign(run, &key);
    let voucher = Voucher { install, seq: 1, signature, after: Vec::new() };
    let changes = [genesis, change].into_iter().zip(1..).map(|(change, sequence)| SequencedChange {
        sequence: Sequence(sequence),
        change: change.to_stored(),
    });
    (scope, changes.collect(), voucher, Signer { install, chain })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_reaches_the_hub_and_what_comes_is_stored_before_it_is_told() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    let nurse = requester(Role::Nurse, 1);
    let written = running.sample.records.add(&nurse, key(1), vec![running.sample.note("a")]).await.unwrap();

    let mut talk = hub.accept().await;
    let hello = talk.greet().await;
    assert_eq!((hello.install, hello.cursor, hello.epoch), (InstallId(7), FeedNumber(0), None));
    running.until(|link| matches!(link.line, Line::Up { .. })).await;

    let (channel, push) = talk.carrier.accept().await.unwrap().named().await.unwrap().unwrap();
    assert_eq!(channel, Channel::Push);
    let Message::Changes(changes) = Reader::new(push).next().await else { panic!("no changes") };
    assert_eq!(changes.groups.len(), 1);
    let results = vec![ChangeResult::Accepted(Sequence(1)), ChangeResult::Accepted(Sequence(2))];
    send(&mut talk.control, Message::Ack(Ack { batch: changes.batch, results })).await;
    running.until(|link| link.waiting == 0).await;
    let states = running.sample.records.entry_states(&written.ids).await.unwrap();
    assert_eq!(states[&written.ids[0]], EntryState::AtHub);

    let newcomer = ResidentId(Uuid::from_u128(77));
    let (scope, changes, voucher, signer) = note_of(&hub, newcomer);
    let mut feed = talk.carrier.open(Channel::Feed).await.unwrap();
    send(&mut feed, Message::Grant(Grant { item: 1, feed: FeedNumber(4), resident: newcomer })).await;
    let (vouchers, signers) = (vec![voucher], vec![signer]);
    send(&mut feed, Message::Feed(Feed { item: 2, scope, changes, vouchers, signers })).await;
    send(&mut feed, Message::CaughtUp(CaughtUp { cursor: FeedNumber(5), items: 2, digest: None })).await;
    let told = |message| {
        let Message::Stored(Stored { cursor, items }) = message else { return None };
        cursor.map(|cursor| (items, cursor))
    };
    assert_eq!(talk.find(told).await, (2, FeedNumber(5)));
    let subject = Subject::Resident(newcomer);
    let notes = running.sample.records.entries(subject, &[Section::Notes], None).await.unwrap();
    assert_eq!(notes.len(), 1);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_month_that_somebody_opens_is_asked_for_at_once() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    let mut talk = hub.accept().await;
    assert_eq!(talk.greet().await.months_kept, Some(3));
    running.until(|link| matches!(link.line, Line::Up { .. })).await;
    let february = Month::new(2026, 2);
    let scope = Scope::try_new(running.sample.subject(), Section::Notes, february).unwrap();
    let digest = hearth_protocol::sync::digest::Digest::default();
    let outline = Outline {
        item: 1,
        scope,
        sequence: Sequence(2),
        heads: Vec::new(),
        max_op: 2,
        own_changes: 0,
        digest,
        signed: Vec::new(),
        signers: Vec::new(),
    };
    let mut feed = talk.carrier.open(Channel::Feed).await.unwrap();
    send(&mut feed, Message::Outline(outline)).await;
    talk.find(|message| matches!(message, Message::Stored(_)).then_some(())).await;
    running.sample.records.want_month(scope);
    let wanted = |message| if let Message::MonthWant(want) = message { Some(want.scope) } else { None };
    assert_eq!(talk.find(wanted).await, scope);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_comes_back_with_its_cursor_and_sends_again_what_was_not_answered() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    let nurse = requester(Role::Nurse, 1);
    running.sample.records.add(&nurse, key(1), vec![running.sample.note("a")]).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let mut talk = hub.accept().await;
        talk.greet().await;
        let (_, push) = talk.carrier.accept().await.unwrap().named().await.unwrap().unwrap();
        let Message::Changes(changes) = Reader::new(push).next().await else { panic!("no changes") };
        seen.push(changes.groups);
        talk.carrier.close(8);
    }
    assert_eq!(seen[0], seen[1]);
    running.until(|link| matches!(&link.line, Line::Down { refusal: Some(told), .. } if told.contains("restarting"))).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_differed_and_is_greeted_as_level_says_so() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    let mut talk = hub.accept().await;
    talk.greet_as(false).await;
    running.until(LinkState::may_differ).await;
    talk.carrier.close(8);
    let mut talk = hub.accept().await;
    talk.greet().await;
    running.until(|link| matches!(link.line, Line::Up { .. }) && !link.may_differ()).await;
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_shown_in_the_hubs_words_and_waited_out() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    let mut talk = hub.accept().await;
    let Message::Hello(_) = talk.from_control.next().await else { panic!("no greeting") };
    let message = "This node was shut out. Call the hub on 01234.".to_owned();
    let refused = Refused { code: RefusalCode::Revoked, message: message.clone(), retry_after_ms: 60_000 };
    send(&mut talk.control, Message::Refused(refused)).await;
    let down = running.until(|link| matches!(&link.line, Line::Down { refusal: Some(_), .. })).await;
    let Line::Down { refusal, .. } = down.line else { panic!("up") };
    assert_eq!(refusal, Some(message));
    let again = tokio::time::timeout(Duration::from_millis(1500), hub.endpoint.accept()).await;
    assert!(again.is_err(), "the node came back at once");
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_of_another_region_learns_nothing() {
    let (hub, other) = (Hub::new(), Hub::new());
    let mut install = other.install();
    install = install.with_addresses(vec![hub.endpoint.local_addr().unwrap().to_string()]);
    let running = start(install).await;
    let connecting = hub.endpoint.accept().await.unwrap();
    assert!(connecting.await.is_err(), "the node took a certificate of another region");
    running.end().await;
}
