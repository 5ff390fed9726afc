//! The same promises over TLS on TCP as over QUIC.

use hearth_protocol::wire::mux::{MuxLink, MuxReceiver, MuxSender};
use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls_pki_types::ServerName;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::*;

type Stream = TlsStream<TcpStream>;

impl Running {
    /// What a client may use that keeps every session that it can resume, by its own clock.
    fn client_tls(&self, identity: Option<&Identity>, clock: &Clock) -> Arc<rustls::ClientConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let roots = self.hub.certifier.keys().identity_roots.root_store().unwrap();
        let tls = rustls::ClientConfig::builder_with_details(provider, Arc::new(clock.clone()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut tls = match identity {
            Some(one) => tls.with_client_auth_cert(one.chain.clone(), one.key.clone_key()).unwrap(),
            None => tls.with_no_client_auth(),
        };
        tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
        tls.enable_early_data = true;
        Arc::new(tls)
    }

    async fn tcp(&self, tls: &Arc<rustls::ClientConfig>) -> Stream {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let name = ServerName::try_from(HubConfig::SERVER_NAME).unwrap();
        TlsConnector::from(Arc::clone(tls)).connect(name, stream).await.unwrap()
    }

    /// A node that is connected over TCP and has greeted.
    async fn fallback(&self, code: &'static str, install: u32, identity: &Identity) -> Fallback {
        let tls = self.client_tls(Some(identity), &self.hub.clock);
        let mut node = Fallback::over(self.tcp(&tls).await);
        node.send(&Message::Hello(hello(code, install))).await;
        node
    }
}

struct Fallback {
    link: MuxLink,
    control: (MuxSender, MuxReceiver, FrameDecoder),
}

impl Fallback {
    fn over(stream: Stream) -> Self {
        let link = tcp::start(stream, &TaskTracker::new());
        let (send, receive) = link.control();
        Self { link, control: (send, receive, FrameDecoder::default()) }
    }

    async fn send(&mut self, message: &Message) {
        let mut bytes = Vec::new();
        frame::encode(message, &mut bytes).unwrap();
        self.control.0.send(&bytes).await.unwrap();
    }

    /// The next message on the control channel; none at its end.
    async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(found) = self.control.2.poll().unwrap() {
                return frame::decode(&found).unwrap();
            }
            let bytes = tokio::time::timeout(SOON, self.control.1.receive()).await.unwrap()?;
            self.control.2.feed(&bytes);
        }
    }

    async fn welcome(&mut self) {
        let came = self.next().await;
        assert!(matches!(came, Some(Message::Welcome(_))), "{came:?}");
    }

    /// The code with which the hub closes the link.
    async fn closed(&self) -> u32 {
        tokio::time::timeout(SOON, self.link.over()).await.unwrap();
        self.link.closed_by_peer().expect("a code")
    }
}

#[tokio::test]
async fn a_change_goes_over_tcp_to_the_hub_and_live_over_quic_to_the_other_site() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.fallback(HOME, 1, &identity).await;
    let mut pharmacy = running.node(PHARMACY, 2).await;
    home.welcome().await;
    pharmacy.welcome().await;
    assert_eq!(running.hub.links.transport(InstallId(1)), Some(Transport::Tcp));
    assert!(matches!(pharmacy.next(Channel::Feed).await, Some(Message::Grant(_))));
    assert!(matches!(pharmacy.next(Channel::Feed).await, Some(Message::CaughtUp(_))));
    let changes = Pen::new(1).write(scope(1, Section::Safety));
    let mut bytes = Vec::new();
    let groups = vec![ChangeGroup { changes: changes.clone() }];
    let heads = testing::heads(InstallId(1), &signing_key(1), |_| Run::default(), &changes);
    frame::encode(&Message::Changes(Changes { batch: 1, groups, heads }), &mut bytes).unwrap();
    let mut push = home.link.sender(Channel::Push);
    push.send(&bytes).await.unwrap();
    let results = vec![ChangeResult::Accepted(Sequence(1)), ChangeResult::Accepted(Sequence(2))];
    assert_eq!(home.next().await, Some(Message::Ack(Ack { batch: 1, results })));
    let Some(Message::Feed(feed)) = pharmacy.next(Channel::Feed).await else { panic!("no feed") };
    assert_eq!(feed.changes.len(), changes.len());
    running.end().await;
}

#[tokio::test]
async fn nobody_without_a_certificate_that_the_hub_knows_is_let_in_over_tcp() {
    let running = Running::start().await;
    let tls = running.client_tls(None, &running.hub.clock);
    assert_eq!(Fallback::over(running.tcp(&tls).await).closed().await, 2, "none");
    let unknown = running.certificate(HOME, 1, false).await;
    let tls = running.client_tls(Some(&unknown), &running.hub.clock);
    assert_eq!(Fallback::over(running.tcp(&tls).await).closed().await, 2, "one without a row");
    running.end().await;
}

#[tokio::test]
async fn an_expired_certificate_is_refused_over_tcp_even_by_a_client_that_was_in_before() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    // The client's clock stands still, so that it minds neither certificate.
    let tls = running.client_tls(Some(&identity), &Clock::new(ManualTime::at(NOW)));
    let mut first = Fallback::over(running.tcp(&tls).await);
    first.send(&Message::Hello(hello(HOME, 1))).await;
    first.welcome().await;
    let left = identity.not_after.ms_since(NOW);
    running.time.advance(Duration::from_millis(u64::try_from(left).unwrap()) + Duration::from_secs(5));
    assert_eq!(first.closed().await, 2, "the live link is cut");
    let mut again = running.tcp(&tls).await;
    let refused = again.read(&mut [0; 1]).await;
    assert!(refused.unwrap_err().to_string().contains("CertificateExpired"), "a TLS alert");
    running.end().await;
}

#[tokio::test]
async fn every_handshake_over_tcp_is_a_full_one() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let tls = running.client_tls(Some(&identity), &running.hub.clock);
    for _ in 0..3 {
        let mut node = Fallback::over(running.tcp(&tls).await);
        node.send(&Message::Hello(hello(HOME, 1))).await;
        // What would be resumed comes after the handshake, so it has come before the welcome.
        node.welcome().await;
        let next = running.tcp(&tls).await;
        let about = next.get_ref().1;
        assert_eq!(about.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert!(!about.is_early_data_accepted());
    }
    running.end().await;
}

#[tokio::test]
async fn a_live_link_over_tcp_is_cut_by_a_revocation_after_it_was_told_why_and_stays_out() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.fallback(HOME, 1, &identity).await;
    home.welcome().await;
    let revoked = |t: &rusqlite::Transaction<'_>| {
        sites::set_install_state(t, InstallId(1), InstallState::Revoked, "stolen")
    };
    running.hub.store.write(revoked).await.unwrap();
    let Some(Message::Refused(refused)) = home.next().await else { panic!("not told") };
    assert_eq!(refused.code, RefusalCode::Revoked);
    assert_eq!(home.closed().await, 3);
    let tls = running.client_tls(Some(&identity), &running.hub.clock);
    assert_eq!(Fallback::over(running.tcp(&tls).await).closed().await, 3);
    running.end().await;
}

#[tokio::test]
async fn a_connection_that_says_nothing_takes_no_place_and_one_that_greets_does() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.fallback(HOME, 1, &identity).await;
    home.welcome().await;
    // The other one that a node dials beside it, and lets go of.
    let silent = running.connect(Some(&identity)).await.unwrap();
    silent.close(0u32.into(), b"");
    silent.closed().await;
    home.send(&Message::BlobWant(BlobWant { blob: BlobId([0; 32]), offset: 0 })).await;
    let (channel, _) = tokio::time::timeout(SOON, home.link.accept()).await.unwrap().unwrap();
    assert!(matches!(channel, Channel::Blob | Channel::Feed), "the link goes on: {channel:?}");
    let mut moved = running.node_with(HOME, 1, &identity).await;
    moved.welcome().await;
    assert_eq!(home.closed().await, 7);
    assert_eq!(running.hub.links.transport(InstallId(1)), Some(Transport::Quic));
    running.end().await;
}

#[tokio::test]
async fn a_hub_that_stops_says_so_over_tcp() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let mut home = running.fallback(HOME, 1, &identity).await;
    home.welcome().await;
    running.stop.cancel();
    assert_eq!(home.closed().await, 8);
    tokio::time::timeout(SOON, running.task).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_key_is_agreed_with_a_post_quantum_part_over_both() {
    let running = Running::start().await;
    let identity = running.certificate(HOME, 1, true).await;
    let client = running.client_tls(Some(&identity), &running.hub.clock);
    let stream = running.tcp(&client).await;
    let agreed = stream.get_ref().1.negotiated_key_exchange_group().map(SupportedKxGroup::name);
    assert_eq!(agreed, Some(NamedGroup::X25519MLKEM768));
    drop(stream);
    let server = tls_config(&running.hub.certifier, &running.hub.clock, &running.hub.random).unwrap();
    assert_eq!(agreed_over_quic(client, server), Some(NamedGroup::X25519MLKEM768));
    running.end().await;
}

/// What the two halves of QUIC's handshake agree on, without the datagrams between them.
fn agreed_over_quic(
    client: Arc<rustls::ClientConfig>,
    server: Arc<rustls::ServerConfig>,
) -> Option<NamedGroup> {
    use rustls::quic::{ClientConnection, ServerConnection, Version};
    let name = ServerName::try_from(HubConfig::SERVER_NAME).unwrap();
    let mut client = ClientConnection::new(client, Version::V1, name, Vec::new()).unwrap();
    let mut server = ServerConnection::new(server, Version::V1, Vec::new()).unwrap();
    let mut bytes = Vec::new();
    while client.write_hs(&mut bytes).is_some() {}
    server.read_hs(&bytes).unwrap();
    // Level by level, as the packets would carry it.
    loop {
        bytes.clear();
        let is_last = server.write_hs(&mut bytes).is_none();
        client.read_hs(&bytes).unwrap();
        if is_last {
            break;
        }
    }
    client.negotiated_key_exchange_group().map(SupportedKxGroup::name)
}
