//! What of QUIC's settings the hub relies on: bounded windows, and virtual network cards that refuse segmentation.

use std::fmt;
use std::io::{self, IoSliceMut};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use quinn::udp::{RecvMeta, Transmit};
use quinn::{AsyncUdpSocket, EndpointConfig, Runtime as _, TokioRuntime, TransportConfig, UdpPoller};
use rustls::client::{ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::{NamedGroup, pki_types::ServerName};

use super::*;

/// The TLS of a client that is enrolled.
async fn enrolled(running: &Running) -> rustls::ClientConfig {
    let identity = running.certificate(HOME, 1, true).await;
    let mut tls = rustls::ClientConfig::builder_with_details(
        Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
        Arc::new(running.hub.clock.clone()),
    )
    .with_protocol_versions(&[&rustls::version::TLS13])
    .unwrap()
    .with_root_certificates(running.hub.certifier.keys().identity_roots.root_store().unwrap())
    .with_client_auth_cert(identity.chain.clone(), identity.key.clone_key())
    .unwrap();
    tls.alpn_protocols = vec![SESSION_ALPN.to_vec()];
    tls
}

/// What a client keeps to resume a session with, counted.
#[derive(Debug, Default)]
struct Tickets(AtomicUsize);

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, _: Tls13ClientSessionValue) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        None
    }
}

#[tokio::test]
async fn a_client_over_quic_that_would_resume_its_session_is_given_nothing_to_do_it_with() {
    let running = Running::start().await;
    let (mut tls, tickets) = (enrolled(&running).await, Arc::new(Tickets::default()));
    let store: Arc<dyn ClientSessionStore> = Arc::clone(&tickets) as Arc<dyn ClientSessionStore>;
    tls.resumption = Resumption::store(store);
    tls.enable_early_data = true;
    let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let client = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    for _ in 0..2 {
        let connecting =
            client.connect_with(config.clone(), running.address, HubConfig::SERVER_NAME).unwrap();
        let connecting = connecting.into_0rtt().err().expect("nothing is sent before the handshake");
        let mut node = Node::greet(connecting.await.unwrap(), HOME, 1).await;
        // What would be resumed comes after the handshake, so it has come before the welcome.
        node.welcome().await;
        assert_eq!(tickets.0.load(Ordering::SeqCst), 0);
    }
    running.end().await;
}

/// A client whose own sending is bounded only by what the hub's windows allow.
async fn flood(running: &Running) -> u64 {
    let tls = enrolled(running).await;
    let mut config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let mut transport = TransportConfig::default();
    // Small, so that what the client still holds itself does not count as taken by the hub.
    transport.send_window(64 * 1024);
    config.transport_config(Arc::new(transport));
    let client = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let connection =
        client.connect_with(config, running.address, HubConfig::SERVER_NAME).unwrap().await.unwrap();
    // The control stream is not opened, so the hub reads nothing.
    let mut push = connection.open_uni().await.unwrap();
    let mut sent = 0;
    while let Ok(Ok(count)) = tokio::time::timeout(Duration::from_secs(1), push.write(&[7; 16 * 1024])).await
    {
        sent += count as u64;
    }
    sent
}

#[tokio::test]
async fn a_node_that_floods_an_unread_stream_is_held_to_the_window() {
    let running = Running::start().await;
    let sent = flood(&running).await;
    let window = u64::from(tls::STREAM_WINDOW);
    assert!(
        (window..=window + 128 * 1024).contains(&sent),
        "{sent} bytes were taken, of a window of {window}"
    );
    running.end().await;
}

/// A socket on a network card that says that it can cut long datagrams, and then cannot.
struct Refusing {
    inner: Arc<dyn AsyncUdpSocket>,
    refused: AtomicUsize,
}

impl fmt::Debug for Refusing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Refusing")
    }
}

impl AsyncUdpSocket for Refusing {
    fn create_io_poller(self: Arc<Self>) -> Pin<Box<dyn UdpPoller>> {
        Arc::clone(&self.inner).create_io_poller()
    }

    fn try_send(&self, transmit: &Transmit<'_>) -> io::Result<()> {
        if transmit.segment_size.is_some_and(|size| transmit.contents.len() > size) {
            // As the system's socket does: what was handed over is lost, and no more such is asked for.
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        self.inner.try_send(transmit)
    }

    fn poll_recv(
        &self,
        context: &mut Context<'_>,
        buffers: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(context, buffers, meta)
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn max_transmit_segments(&self) -> usize {
        if self.refused.load(Ordering::SeqCst) > 0 { 1 } else { self.inner.max_transmit_segments().max(8) }
    }

    fn max_receive_segments(&self) -> usize {
        self.inner.max_receive_segments()
    }
}

#[tokio::test]
async fn a_network_card_that_refuses_segmentation_costs_a_few_datagrams_and_nothing_else() {
    let running = Running::start().await;
    let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let inner = TokioRuntime.wrap_udp_socket(socket).unwrap();
    let refusing = Arc::new(Refusing { inner, refused: AtomicUsize::new(0) });
    let identity = running.certificate(HOME, 1, true).await;
    let mut client = Endpoint::new_with_abstract_socket(
        EndpointConfig::default(),
        None,
        Arc::clone(&refusing) as Arc<dyn AsyncUdpSocket>,
        Arc::new(TokioRuntime),
    )
    .unwrap();
    client.set_default_client_config(running.client_config(Some(&identity)));
    let connection = client.connect(running.address, HubConfig::SERVER_NAME).unwrap().await.unwrap();
    let mut home = Node::greet(connection, HOME, 1).await;
    home.welcome().await;
    let mut pen = Pen::new(1);
    let changes: Vec<ScopedChange> = (0..200).flat_map(|_| pen.write(scope(1, Section::Notes))).collect();
    let count = changes.len();
    home.push(1, changes).await;
    let Some(Message::Ack(ack)) = home.next(Channel::Control).await else { panic!("no answer") };
    assert_eq!(ack.results.len(), count);
    assert!(refusing.refused.load(Ordering::SeqCst) > 0, "the card was asked to cut long datagrams");
    running.end().await;
}

#[tokio::test]
async fn more_handshakes_at_once_than_there_is_room_for_wait_and_none_is_refused() {
    let running = Running::start().await;
    let client = running.client(None);
    let dial = || client.connect(running.address, HubConfig::SERVER_NAME).unwrap();
    let dialled: Vec<_> = std::iter::repeat_with(dial).take(600).collect();
    for handshake in futures_util::future::join_all(dialled).await {
        assert!(handshake.is_ok(), "{handshake:?}");
    }
    running.end().await;
}
