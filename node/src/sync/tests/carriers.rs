//! What carries the link: TCP where UDP is shut, QUIC again when it can, and QUIC from another address.

use std::sync::atomic::{AtomicBool, Ordering};

use rustls::NamedGroup;
use rustls::crypto::SupportedKxGroup;
use rustls::pki_types::ServerName;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const SOON: Duration = Duration::from_secs(30);

impl Hub {
    async fn accept_tcp(&self, listener: &TcpListener) -> Talk {
        let (stream, _) = listener.accept().await.unwrap();
        let stream = TlsAcceptor::from(Arc::clone(&self.tls)).accept(stream).await.unwrap();
        let link = tcp::start(stream, &TaskTracker::new());
        let (send, receive) = link.accept_control().await.unwrap();
        Talk::new(Carrier::Tcp(link), (Sender::Tcp(send), Receiver::Tcp(receive)))
    }
}

impl Talk {
    /// The groups of the next push, which is not answered.
    async fn pushed(&self) -> Vec<hearth_protocol::wire::message::ChangeGroup> {
        let (channel, push) = self.carrier.accept().await.unwrap().named().await.unwrap().unwrap();
        assert_eq!(channel, Channel::Push);
        let Message::Changes(changes) = Reader::new(push).next().await else { panic!("no changes") };
        changes.groups
    }
}

fn up(link: &LinkState) -> Option<Transport> {
    match link.line {
        Line::Up { transport, .. } => Some(transport),
        Line::Down { .. } => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn where_udp_is_shut_the_session_runs_over_tcp_and_moves_to_quic_when_it_is_back() {
    let hub = Hub::new();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let at = listener.local_addr().unwrap();
    let running = start(hub.install().with_addresses(vec![at.to_string()])).await;
    let nurse = requester(Role::Nurse, 1);
    running.sample.records.add(&nurse, key(1), vec![running.sample.note("a")]).await.unwrap();
    let mut talk = tokio::time::timeout(SOON, hub.accept_tcp(&listener)).await.unwrap();
    talk.greet().await;
    running.until(|link| up(link) == Some(Transport::Tcp)).await;
    let was_down = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn({
        let (mut link, was_down) = (running.sample.records.link(), Arc::clone(&was_down));
        async move {
            while link.changed().await.is_ok() {
                was_down.fetch_or(up(&link.borrow()).is_none(), Ordering::SeqCst);
            }
        }
    });
    let sent = talk.pushed().await;

    let endpoint = Endpoint::server(quic(&hub.tls), at).unwrap();
    let mut moved = tokio::time::timeout(SOON, hub.accept_at(&endpoint)).await.unwrap();
    moved.greet().await;
    running.until(|link| up(link) == Some(Transport::Quic)).await;
    assert_eq!(moved.pushed().await, sent, "what was not answered is sent again");
    drop((talk.control, talk.from_control));
    let older = tokio::time::timeout(SOON, talk.carrier.accept()).await.unwrap();
    assert!(older.is_err(), "the older link is closed");
    assert!(!was_down.load(Ordering::SeqCst), "nobody was told that the line is down");
    watching.abort();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn quic_that_is_through_and_then_carries_nothing_does_not_keep_a_site_off_the_line() {
    let hub = Hub::new();
    let at = hub.endpoint.local_addr().unwrap();
    let listener = TcpListener::bind(at).await.unwrap();
    let running = start(hub.install()).await;
    hub.accept().await.carrier.close(CLOSE_DONE);
    let quic_again = async { drop(hub.endpoint.accept().await) };
    let over_tcp = async {
        hub.accept_tcp(&listener).await.greet().await;
        running.until(|link| up(link) == Some(Transport::Tcp)).await;
    };
    tokio::select! {
        () = over_tcp => {}
        () = quic_again => panic!("QUIC had the head start again"),
        () = tokio::time::sleep(SOON) => panic!("not on the line"),
    }
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_changes_its_address_goes_on_without_a_handshake() {
    let hub = Hub::new();
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let running = start_from(hub.install(), endpoint.clone()).await;
    let mut talk = hub.accept().await;
    talk.greet().await;
    running.until(|link| up(link).is_some()).await;
    let Carrier::Quic(connection) = talk.carrier.clone() else { panic!("not over QUIC") };
    let before = connection.remote_address();

    let elsewhere = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let after = elsewhere.local_addr().unwrap();
    endpoint.rebind(elsewhere).unwrap();
    let nurse = requester(Role::Nurse, 1);
    running.sample.records.add(&nurse, key(1), vec![running.sample.note("a")]).await.unwrap();
    tokio::time::timeout(SOON, talk.pushed()).await.unwrap();
    let newcomer = ResidentId(Uuid::from_u128(77));
    let mut feed = talk.carrier.open(Channel::Feed).await.unwrap();
    send(&mut feed, Message::Grant(Grant { item: 1, feed: FeedNumber(4), resident: newcomer })).await;
    send(&mut feed, Message::CaughtUp(CaughtUp { cursor: FeedNumber(5), items: 1, digest: None })).await;
    let told = |message| matches!(message, Message::Stored(_)).then_some(());
    tokio::time::timeout(SOON, talk.find(told)).await.unwrap();
    assert_ne!(before, after);
    assert_eq!(connection.remote_address(), after, "the hub sends where the node is now");
    assert!(connection.close_reason().is_none());
    tokio::select! {
        biased;
        _ = hub.endpoint.accept() => panic!("the node shook hands again"),
        () = std::future::ready(()) => {}
    }
    running.end().await;
}

#[tokio::test]
async fn the_key_is_agreed_with_a_post_quantum_part_and_nothing_is_resumed() {
    use rustls::quic::{ClientConnection, ServerConnection, Version};
    let hub = Hub::new();
    let install = hub.install();
    let tls = tls::session(
        install.roots(),
        install.identity(),
        Sample::new().await.records.clock(),
        &Random::seeded(3),
        tls::KEEP_ALIVE,
    )
    .unwrap();
    assert!(!tls.tcp.enable_early_data);
    let name = ServerName::try_from(SERVER_NAME).unwrap();
    let mut client = ClientConnection::new(tls.tcp, Version::V1, name, Vec::new()).unwrap();
    let mut server = ServerConnection::new(Arc::clone(&hub.tls), Version::V1, Vec::new()).unwrap();
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
    let agreed = client.negotiated_key_exchange_group().map(SupportedKxGroup::name);
    assert_eq!(agreed, Some(NamedGroup::X25519MLKEM768));
}
