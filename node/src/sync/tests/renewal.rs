//! A certificate that is renewed while a link is up.

use std::sync::atomic::{AtomicBool, Ordering};

use hearth_protocol::wire::message::Renewed;
use rcgen::CertificateSigningRequestParams;
use rustls::pki_types::CertificateSigningRequestDer;

use super::*;

const SOON: Duration = Duration::from_secs(25);
/// The welcome of a node whose certificate holds for so many days.
fn valid_for(days: i64) -> Welcome {
    Welcome {
        certificate_until: NOON.plus_ms(days * 86_400_000),
        time: NOON.plus_ms(86_400_000),
        ..welcome()
    }
}

const DAY: Duration = Duration::from_hours(24);

impl Hub {
    /// Answers the node's request for a new certificate, and says which it got.
    async fn renew(&self, talk: &mut Talk) -> Vec<u8> {
        let asked = |message| if let Message::Renew(renew) = message { Some(renew.request) } else { None };
        let request = tokio::time::timeout(SOON, talk.find(asked)).await.expect("a renewal is asked for");
        let request = CertificateSigningRequestDer::from(request);
        let mut request = CertificateSigningRequestParams::from_der(&request).unwrap();
        request.params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let certificate = request.signed_by(&self.issuer).unwrap().der().to_vec();
        let chain = vec![CertificateBytes(certificate.clone())];
        send(&mut talk.control, Message::Renewed(Renewed { chain, web_chain: Vec::new() })).await;
        certificate
    }
}

fn connection_of(talk: &Talk) -> &quinn::Connection {
    let Carrier::Quic(connection) = &talk.carrier else { panic!("not over QUIC") };
    connection
}

fn certificate_of(talk: &Talk) -> Vec<u8> {
    let identity =
        connection_of(talk).peer_identity().unwrap().downcast::<Vec<CertificateDer<'static>>>().unwrap();
    identity[0].to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_certificate_ends_soon_is_left_for_one_under_the_renewed_certificate_and_pages_notice_nothing()
 {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    running.sample.time.pass(DAY);
    let mut talk = hub.accept().await;
    talk.greet_with(valid_for(7)).await;
    running.until(|link| matches!(link.line, Line::Up { .. })).await;
    let was_down = Arc::new(AtomicBool::new(false));
    let watching = tokio::spawn({
        let (mut link, was_down) = (running.sample.records.link(), Arc::clone(&was_down));
        async move {
            while link.changed().await.is_ok() {
                was_down.fetch_or(matches!(link.borrow().line, Line::Down { .. }), Ordering::SeqCst);
            }
        }
    });
    let renewed = hub.renew(&mut talk).await;

    let mut moved = tokio::time::timeout(SOON, hub.accept()).await.expect("another link");
    assert_eq!(certificate_of(&moved), renewed);
    moved.greet_with(valid_for(46)).await;
    running.until(|link| link.certificate_until == Some(valid_for(46).certificate_until)).await;
    tokio::time::timeout(SOON, connection_of(&talk).closed()).await.expect("the older link is closed");
    assert!(!was_down.load(Ordering::SeqCst));
    watching.abort();
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_whose_certificate_holds_for_long_stays_when_it_is_renewed() {
    let hub = Hub::new();
    let running = start(hub.install()).await;
    running.sample.time.pass(DAY);
    let mut talk = hub.accept().await;
    talk.greet_with(valid_for(40)).await;
    hub.renew(&mut talk).await;
    let again = tokio::time::timeout(Duration::from_secs(2), hub.endpoint.accept()).await;
    assert!(again.is_err(), "a handshake for nothing");
    running.end().await;
}
