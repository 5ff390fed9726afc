//! Two ends over real TLS on a pipe in memory.

use hearth_protocol::wire::Channel;
use hearth_protocol::wire::mux::{Closed, Gone, MuxReceiver, QUEUE_BYTES, WINDOW_BYTES};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;

const NAME: &str = "hub.hearth.internal";
const SOON: Duration = Duration::from_secs(20);
/// Bytes that lie in the pipe.
const PIPE_BYTES: usize = 16 * 1024;

type Client = tokio_rustls::client::TlsStream<Box<dyn Duplex>>;

fn configs() -> (Arc<ClientConfig>, Arc<ServerConfig>) {
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap().self_signed(&key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let versions = &[&rustls::version::TLS13];
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::clone(&provider));
    let client = client.with_protocol_versions(versions).unwrap().with_root_certificates(roots);
    let server = ServerConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let server = server.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (Arc::new(client.with_no_client_auth()), Arc::new(server))
}

async fn secured() -> (Client, Secured) {
    let (client, server) = configs();
    let (near, far) = tokio::io::duplex(PIPE_BYTES);
    let (near, far): (Box<dyn Duplex>, Box<dyn Duplex>) = (Box::new(near), Box::new(far));
    let name = ServerName::try_from(NAME).unwrap();
    let (near, far) = tokio::join!(TlsConnector::from(client).connect(name, near), accept(far, server));
    (near.unwrap(), far.unwrap())
}

/// A node's end and the hub's.
async fn ends() -> (MuxLink, MuxLink) {
    let (near, far) = secured().await;
    (start(near, &TaskTracker::new()), start(far, &TaskTracker::new()))
}

async fn read(receiver: &mut MuxReceiver, length: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < length {
        all.extend(tokio::time::timeout(SOON, receiver.receive()).await.unwrap().expect("not ended"));
    }
    all
}

#[tokio::test]
async fn channels_go_both_ways_and_are_told_apart() {
    let (node, hub) = ends().await;
    let (mut control, mut answers) = node.control();
    let mut push = node.sender(Channel::Push);
    push.send(b"changes").await.unwrap();
    control.send(b"hello").await.unwrap();
    let (mut hub_control, mut greetings) = hub.accept_control().await.unwrap();
    assert_eq!(read(&mut greetings, 5).await, b"hello");
    hub_control.send(b"welcome").await.unwrap();
    assert_eq!(read(&mut answers, 7).await, b"welcome");
    let (channel, mut changes) = hub.accept().await.unwrap();
    assert_eq!((channel, read(&mut changes, 7).await), (Channel::Push, b"changes".to_vec()));
}

#[tokio::test]
async fn a_channel_that_nobody_reads_holds_up_its_writer_and_nothing_else() {
    let (node, hub) = ends().await;
    let (mut control, mut answers) = node.control();
    control.send(b"hello").await.unwrap();
    let (mut hub_control, _greetings) = hub.accept_control().await.unwrap();
    let mut feed = hub.sender(Channel::Feed);
    let whole = vec![7; 3 * WINDOW_BYTES];
    assert!(whole.len() > WINDOW_BYTES + QUEUE_BYTES);
    let sent = whole.clone();
    let writing = tokio::spawn(async move { feed.send(&sent).await });
    let (_, mut feed) = node.accept().await.unwrap();
    for _ in 0..20 {
        hub_control.send(b"still here").await.unwrap();
        assert_eq!(read(&mut answers, 10).await, b"still here");
    }
    assert!(!writing.is_finished(), "more went than window and queue allow");
    assert_eq!(read(&mut feed, whole.len()).await, whole);
    writing.await.unwrap().unwrap();
}

#[tokio::test]
async fn last_words_come_before_the_end_and_the_end_has_its_code() {
    let (node, hub) = ends().await;
    let (mut control, mut answers) = node.control();
    control.send(b"hello").await.unwrap();
    let (mut hub_control, _greetings) = hub.accept_control().await.unwrap();
    hub_control.send(b"refused").await.unwrap();
    hub_control.finish().await;
    hub.close(3);
    let accepting = tokio::spawn({
        let node = node.clone();
        async move { node.accept().await.map(drop) }
    });
    assert_eq!(read(&mut answers, 7).await, b"refused");
    assert_eq!(answers.receive().await, None);
    tokio::task::yield_now().await;
    assert!(!accepting.is_finished(), "the end is not told while something may not have been dealt with");
    drop(answers);
    let ended = tokio::time::timeout(SOON, accepting).await.unwrap().unwrap();
    assert_eq!(ended, Err(Closed(Some(3))));
    assert_eq!(control.send(b"more").await, Err(Gone));
}

#[tokio::test]
async fn a_line_that_breaks_ends_everything_without_a_code() {
    let (near, far) = secured().await;
    let tasks = TaskTracker::new();
    let hub = start(far, &tasks);
    drop(near);
    assert!(tokio::time::timeout(SOON, hub.accept_control()).await.unwrap().is_err());
    assert_eq!(hub.accept().await.map(drop), Err(Closed(None)));
    tasks.close();
    tokio::time::timeout(SOON, tasks.wait()).await.expect("the task has ended");
}

#[tokio::test]
async fn what_is_no_record_closes_the_connection_as_a_violation() {
    let (mut near, far) = secured().await;
    let hub = start(far, &TaskTracker::new());
    // Seven bytes of a kind that there is not.
    near.write_all(&[9; 7]).await.unwrap();
    let mut answer = [0; 7];
    tokio::time::timeout(SOON, near.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, [4, 0, 0, 0, 0, 0, 5], "a close with the code of a violation");
    assert!(hub.accept().await.is_err());
}
