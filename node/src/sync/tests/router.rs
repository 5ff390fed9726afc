//! A router between node and hub that forgets a quiet flow, as home routers do: what the hub sends then is lost, and what
//! the node sends next comes from another port.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use quinn::Connection;
use tokio::net::UdpSocket;
use tokio_util::task::AbortOnDropHandle;

use super::*;

const SOON: Duration = Duration::from_secs(25);

/// A router with one node behind it.
struct Router {
    address: SocketAddr,
    /// Ports at which the hub has seen the node.
    ports: Arc<AtomicUsize>,
    _task: AbortOnDropHandle<()>,
}

impl Router {
    /// Forgets a flow in which the node has sent nothing for so long.
    async fn open(hub: SocketAddr, forgets_after: Duration) -> Self {
        let inside = socket().await;
        let (address, ports) = (inside.local_addr().unwrap(), Arc::new(AtomicUsize::new(1)));
        let task = AbortOnDropHandle::new(tokio::spawn({
            let ports = Arc::clone(&ports);
            async move {
                let (mut outside, mut last_sent, mut node) = (socket().await, Instant::now(), None);
                let (mut up, mut down) = (vec![0; 65_535], vec![0; 65_535]);
                loop {
                    tokio::select! {
                        Ok((length, from)) = inside.recv_from(&mut up) => {
                            if last_sent.elapsed() > forgets_after {
                                outside = socket().await;
                                ports.fetch_add(1, Ordering::SeqCst);
                            }
                            (last_sent, node) = (Instant::now(), Some(from));
                            outside.send_to(&up[..length], hub).await.unwrap();
                        }
                        Ok((length, _)) = outside.recv_from(&mut down) => {
                            if let (Some(node), true) = (node, last_sent.elapsed() <= forgets_after) {
                                inside.send_to(&down[..length], node).await.unwrap();
                            }
                        }
                    }
                }
            }
        }));
        Self { address, ports, _task: task }
    }

    fn ports(&self) -> usize {
        self.ports.load(Ordering::SeqCst)
    }
}

async fn socket() -> UdpSocket {
    UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap()
}

/// A node that is on the line through a router, and the hub's end of the link.
async fn connected(hub: &Hub, router: &Router, keep_alive: Duration) -> (Running, Talk, Connection) {
    let install = hub.install().with_addresses(vec![router.address.to_string()]);
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let running = start_as(install, endpoint, |sync| sync.keep_alive = keep_alive).await;
    let mut talk = hub.accept().await;
    talk.greet().await;
    running.until(|link| matches!(link.line, Line::Up { .. })).await;
    let Carrier::Quic(connection) = talk.carrier.clone() else { panic!("not over QUIC") };
    (running, talk, connection)
}

/// Sends news to the node and waits until it has stored them.
async fn tell_news(talk: &mut Talk) {
    let mut feed = talk.carrier.open(Channel::Feed).await.unwrap();
    let newcomer = ResidentId(Uuid::from_u128(77));
    send(&mut feed, Message::Grant(Grant { item: 1, feed: FeedNumber(4), resident: newcomer })).await;
    send(&mut feed, Message::CaughtUp(CaughtUp { cursor: FeedNumber(5), items: 1, digest: None })).await;
    let told = |message| matches!(message, Message::Stored(_)).then_some(());
    tokio::time::timeout(SOON, talk.find(told)).await.expect("the news arrive");
}

async fn is_dialled_again(hub: &Hub) -> bool {
    tokio::time::timeout(Duration::from_millis(100), hub.endpoint.accept()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_link_stays_known_to_a_router_that_forgets_and_news_come_through() {
    let hub = Hub::new();
    let forgets_after = Duration::from_millis(2500);
    let router = Router::open(hub.endpoint.local_addr().unwrap(), forgets_after).await;
    let (running, mut talk, connection) = connected(&hub, &router, forgets_after / 5).await;
    let (before, ports) = (connection.remote_address(), router.ports());

    tokio::time::sleep(2 * forgets_after).await;
    tell_news(&mut talk).await;
    assert_eq!((connection.remote_address(), router.ports()), (before, ports));
    assert!(!is_dialled_again(&hub).await);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_forgets_sooner_delays_news_until_the_next_sign_of_life_and_costs_no_handshake() {
    let hub = Hub::new();
    let forgets_after = Duration::from_millis(300);
    let router = Router::open(hub.endpoint.local_addr().unwrap(), forgets_after).await;
    let (running, mut talk, connection) = connected(&hub, &router, 5 * forgets_after).await;
    let (before, ports) = (connection.remote_address(), router.ports());

    // News that are sent now find no way in.
    tokio::time::sleep(2 * forgets_after).await;
    tell_news(&mut talk).await;
    assert!(router.ports() > ports);
    assert_ne!(connection.remote_address(), before, "the hub sends where the node is now");
    assert!(connection.close_reason().is_none() && !is_dialled_again(&hub).await);
    running.end().await;
}
