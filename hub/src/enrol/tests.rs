use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hearth_protocol::access::SiteKind;
use hearth_protocol::enrol::{
    ENROL_ALPN, EXPORTER_LABEL, EnrolReply, EnrolRequest, Granted, Invite, RefusalCode, SigningRequests,
};
use hearth_protocol::id::InstallId;
use hearth_protocol::wire::limits;
use hearth_provisioning::authority::{HubName, IdentityKey, PeerIdentity};
use hearth_provisioning::region::HubConfig;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, ServerConfig};
use rand::SeedableRng;
use rand::rngs::StdRng;
use rustls_pki_types::CertificateDer;

use super::*;
use crate::clock::{Clock, ManualTime};
use crate::random::Random;
use crate::sites;
use crate::store::Store;
use crate::testing::{NOW, TestHub, certifier, site};

const HOME: &str = "VL1AB";
const HOUR: Duration = Duration::from_hours(1);

struct Hub {
    _test: TestHub,
    store: Store,
    certifier: Arc<Certifier>,
    time: Arc<ManualTime>,
    clock: Clock,
    replaced: Arc<Mutex<Vec<InstallId>>>,
    client: Endpoint,
    address: SocketAddr,
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// A hub's endpoint that takes enrolling connections alone, and a client that pins its root.
fn endpoints(certifier: &Certifier, clock: &Clock, rng: &mut StdRng) -> (Endpoint, Endpoint) {
    let key = IdentityKey::generate(rng).unwrap();
    let name = HubName { server_name: HubConfig::SERVER_NAME.into() };
    let chain = certifier.keys().issuing.hub_chain(&key, &name, rng, NOW).unwrap();
    let mut server = rustls::ServerConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key.to_der())
        .unwrap();
    server.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap()));
    let roots = certifier.keys().identity_roots.root_store().unwrap();
    let mut client = rustls::ClientConfig::builder_with_details(provider(), Arc::new(clock.clone()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    client.alpn_protocols = vec![ENROL_ALPN.to_vec()];
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let mut endpoint = Endpoint::client(here).unwrap();
    let crypto = QuicClientConfig::try_from(client).unwrap();
    endpoint.set_default_client_config(ClientConfig::new(Arc::new(crypto)));
    (Endpoint::server(server, here).unwrap(), endpoint)
}

impl Hub {
    async fn start() -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let test = TestHub::new().await;
        let store = test.store.clone();
        let add =
            |t: &rusqlite::Transaction<'_>| sites::add(t, site(HOME), SiteKind::CareHome, "Rose Court", NOW);
        store.write(add).await.unwrap();
        let certifier = Arc::new(certifier(&mut rng));
        let time = ManualTime::at(NOW);
        let clock = Clock::new(Arc::clone(&time) as Arc<dyn crate::clock::TimeSource>);
        let (server, client) = endpoints(&certifier, &clock, &mut rng);
        let replaced = Arc::new(Mutex::new(Vec::new()));
        let cut = Arc::clone(&replaced);
        let enrolment = Enrolment::new(
            store.clone(),
            Arc::clone(&certifier),
            clock.clone(),
            Random::seeded(2),
            Arc::new(move |install| cut.lock().unwrap().push(install)),
        );
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            while let Some(incoming) = server.accept().await {
                let enrolment = enrolment.clone();
                tokio::spawn(async move {
                    let Ok(connection) = incoming.await else { return };
                    if let Some(exchange) = Exchange::over_quic(connection).await {
                        enrolment.serve(exchange).await;
                    }
                });
            }
        });
        Self { _test: test, store, certifier, time, clock, replaced, client, address }
    }

    async fn invite(&self, seed: u64) -> Invite {
        let (certifier, now) = (Arc::clone(&self.certifier), self.clock.now());
        let issue = move |t: &rusqlite::Transaction<'_>| {
            issue(t, &certifier, site(HOME), 24, &mut StdRng::seed_from_u64(seed), now)
        };
        self.store.write(issue).await.unwrap()
    }

    async fn send(&self, bytes: impl FnOnce(&[u8; 32]) -> Vec<u8>) -> EnrolReply {
        self.try_send(bytes).await.unwrap()
    }

    /// The answer, unless the line or the hub had no room for one more.
    async fn try_send(&self, bytes: impl FnOnce(&[u8; 32]) -> Vec<u8>) -> Option<EnrolReply> {
        let connecting = self.client.connect(self.address, HubConfig::SERVER_NAME).unwrap();
        let connection = connecting.await.ok()?;
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").unwrap();
        let (mut send, mut receive) = connection.open_bi().await.ok()?;
        // A request that is over the limit is answered before all of it was taken.
        drop(send.write_all(&bytes(&exporter)).await);
        drop(send.finish());
        let reply = receive.read_to_end(limits::ENROL_REPLY_BYTES_MAX).await.ok()?;
        Some(EnrolReply::from_bytes(&reply).unwrap())
    }

    async fn enrol(&self, invite: &Invite, requests: SigningRequests) -> EnrolReply {
        self.send(|exporter| asked(invite, requests, exporter)).await
    }

    async fn count(&self, sql: &'static str) -> u64 {
        self.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }
}

fn asked(invite: &Invite, requests: SigningRequests, exporter: &[u8; 32]) -> Vec<u8> {
    let proof = invite.secret.prove(invite.token, exporter, &requests);
    let software = "hearth-node 0.1.0".to_owned();
    EnrolRequest { token: invite.token, proof, requests, software }.to_bytes()
}

fn requests(seed: u64) -> SigningRequests {
    let key = IdentityKey::generate(&mut StdRng::seed_from_u64(seed)).unwrap();
    let key = rcgen::KeyPair::try_from(key.to_der().secret_der()).unwrap();
    let web = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    let csr = |key| rcgen::CertificateParams::default().serialize_request(key).unwrap().der().to_vec();
    SigningRequests { csr: csr(&key), web_csr: csr(&web), web_names: vec!["10.0.0.9".to_owned()] }
}

fn granted(reply: EnrolReply) -> Granted {
    match reply {
        EnrolReply::Granted(granted) => *granted,
        EnrolReply::Refused(refused) => panic!("{refused:?}"),
    }
}

fn code(reply: EnrolReply) -> RefusalCode {
    match reply {
        EnrolReply::Granted(granted) => panic!("{granted:?}"),
        EnrolReply::Refused(refused) => {
            assert!(refused.message.ends_with('.'), "a sentence: {}", refused.message);
            refused.code
        }
    }
}

#[tokio::test]
async fn an_invite_makes_one_installation_with_its_certificates() {
    let hub = Hub::start().await;
    let invite = hub.invite(1).await;
    let granted = granted(hub.enrol(&invite, requests(7)).await);
    let leaf = CertificateDer::from(granted.certificates.identity_chain[0].to_vec());
    let peer = PeerIdentity::from_der(&leaf).unwrap();
    assert_eq!((peer.site, peer.install, peer.region), (site(HOME), granted.install, granted.region));
    assert_eq!(granted.certificates.web_chain.len(), 1);
    let (install, fingerprint) = (granted.install, peer.fingerprint);
    let stored: u32 = hub
        .store
        .read(move |c| {
            let sql = "SELECT install FROM certificate WHERE fingerprint = ?1";
            Ok(c.query_row(sql, [fingerprint], |row| row.get(0))?)
        })
        .await
        .unwrap();
    assert_eq!(stored, install.0);
    assert_eq!(code(hub.enrol(&invite, requests(8)).await), RefusalCode::Used);
    assert_eq!(hub.count("SELECT count(*) FROM install").await, 1);
}

#[tokio::test]
async fn a_request_whose_answer_was_lost_is_answered_again_with_the_same_installation() {
    let hub = Hub::start().await;
    let (invite, asked) = (hub.invite(1).await, requests(7));
    let first = granted(hub.enrol(&invite, asked.clone()).await);
    hub.time.advance(HOUR);
    let again = granted(hub.enrol(&invite, asked.clone()).await);
    assert_eq!((again.install, again.site), (first.install, first.site));
    let leaf = CertificateDer::from(again.certificates.identity_chain[0].to_vec());
    assert_eq!(PeerIdentity::from_der(&leaf).unwrap().install, first.install);
    assert_eq!(hub.count("SELECT count(*) FROM install WHERE state = 'active'").await, 1);
    assert_eq!(hub.count("SELECT count(*) FROM install").await, 1);
    assert!(hub.replaced.lock().unwrap().is_empty(), "nobody is cut off by a repeat");

    let stranger = SigningRequests { web_names: vec!["10.0.0.66".to_owned()], ..requests(8) };
    assert_eq!(code(hub.enrol(&invite, stranger).await), RefusalCode::Used);
    assert_eq!(hub.count("SELECT count(*) FROM web_name WHERE name = '10.0.0.66'").await, 0);
    granted(hub.enrol(&hub.invite(2).await, requests(9)).await);
    assert_eq!(code(hub.enrol(&invite, asked).await), RefusalCode::Used, "another has its place");
}

#[tokio::test]
async fn a_request_comes_again_within_the_life_of_its_invite_and_not_after() {
    let hub = Hub::start().await;
    let (invite, asked) = (hub.invite(1).await, requests(7));
    granted(hub.enrol(&invite, asked.clone()).await);
    hub.time.advance(HOUR * 25);
    assert_eq!(code(hub.enrol(&invite, asked).await), RefusalCode::Used);
    assert_eq!(hub.count("SELECT count(*) FROM certificate").await, 1);
}

/// Whether one of many computers is enrolled; it tries until the hub has time for it.
async fn is_enrolled(hub: &Hub, invite: &Invite, seed: u64) -> bool {
    let requests = requests(seed);
    loop {
        match hub.try_send(|exporter| asked(invite, requests.clone(), exporter)).await {
            Some(EnrolReply::Granted(_)) => return true,
            Some(EnrolReply::Refused(refused)) if refused.code == RefusalCode::Used => return false,
            Some(EnrolReply::Refused(refused)) => assert_eq!(refused.code, RefusalCode::Busy),
            None => {}
        }
        tokio::time::sleep(Duration::from_millis(50 + seed % 50)).await;
    }
}

/// How many of so many computers that use one invite at once are enrolled.
async fn enrolled_of(computers: u64) -> usize {
    let hub = Hub::start().await;
    let invite = hub.invite(1).await;
    let tries = (0..computers).map(|seed| is_enrolled(&hub, &invite, seed));
    let outcomes = futures_util::future::join_all(tries).await;
    assert_eq!(hub.count("SELECT count(*) FROM install").await, 1);
    outcomes.into_iter().filter(|enrolled| *enrolled).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_with_one_invite_give_one_installation() {
    assert_eq!(enrolled_of(100).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "the long form: cargo test -p hearth-hub -- --ignored a_thousand"]
async fn a_thousand_at_once_with_one_invite_give_one_installation() {
    assert_eq!(enrolled_of(1_000).await, 1);
}

#[tokio::test]
async fn five_wrong_proofs_burn_an_invite_and_are_audited() {
    let hub = Hub::start().await;
    let invite = hub.invite(1).await;
    let other = hub.invite(2).await;
    let wrong = Invite { secret: other.secret.clone(), ..invite.clone() };
    for _ in 0..5 {
        assert_eq!(code(hub.enrol(&wrong, requests(7)).await), RefusalCode::UnknownInvite);
    }
    assert_eq!(code(hub.enrol(&invite, requests(7)).await), RefusalCode::Revoked);
    assert_eq!(hub.count("SELECT count(*) FROM install").await, 0);
    assert_eq!(hub.count("SELECT count(*) FROM audit_event").await, 6);
    let checked = hub.store.read(crate::audit::verify_all).await.unwrap();
    assert!(checked.iter().all(|chain| chain.fault.is_none()), "{checked:?}");
}

#[tokio::test]
async fn invites_that_are_over_unknown_taken_back_or_of_a_closed_site_are_refused() {
    let hub = Hub::start().await;
    let (over, unknown, revoked, closed) =
        (hub.invite(1).await, hub.invite(2).await, hub.invite(3).await, hub.invite(4).await);
    let token = revoked.token;
    assert!(hub.store.write(move |t| revoke_invite(t, site(HOME), token, NOW)).await.unwrap());
    assert!(!hub.store.write(move |t| revoke_invite(t, site(HOME), token, NOW)).await.unwrap());
    assert_eq!(code(hub.enrol(&revoked, requests(7)).await), RefusalCode::Revoked);

    let stranger = Invite { token: hearth_protocol::enrol::TokenId([0; 16]), ..unknown };
    assert_eq!(code(hub.enrol(&stranger, requests(7)).await), RefusalCode::UnknownInvite);

    hub.store.write(|t| Ok(t.execute("UPDATE site SET state = 'closed'", [])?)).await.unwrap();
    assert_eq!(code(hub.enrol(&closed, requests(7)).await), RefusalCode::Revoked);

    hub.time.advance(HOUR * 25);
    assert_eq!(code(hub.enrol(&over, requests(7)).await), RefusalCode::Over);
    assert_eq!(hub.count("SELECT count(*) FROM install").await, 0);
}

#[tokio::test]
async fn a_request_that_cannot_be_read_or_signed_leaves_the_invite_usable() {
    let hub = Hub::start().await;
    let invite = hub.invite(1).await;
    assert_eq!(code(hub.send(|_| vec![0xff; 40]).await), RefusalCode::BadRequest);
    let long = limits::ENROL_REQUEST_BYTES_MAX + 1;
    assert_eq!(code(hub.send(|_| vec![0; long]).await), RefusalCode::BadRequest);
    let unsound = SigningRequests { csr: vec![1, 2, 3], ..requests(7) };
    assert_eq!(code(hub.enrol(&invite, unsound).await), RefusalCode::BadRequest);
    granted(hub.enrol(&invite, requests(7)).await);
}

#[tokio::test]
async fn a_new_installation_takes_the_place_of_the_old_one() {
    let hub = Hub::start().await;
    let first = granted(hub.enrol(&hub.invite(1).await, requests(7)).await);
    let second = granted(hub.enrol(&hub.invite(2).await, requests(8)).await);
    assert_ne!(first.install, second.install);
    assert_eq!(*hub.replaced.lock().unwrap(), [first.install]);
    assert_eq!(hub.count("SELECT count(*) FROM install WHERE state = 'active'").await, 1);
}

#[tokio::test]
async fn a_renewal_keeps_key_and_names_and_is_refused_to_who_was_revoked() {
    let hub = Hub::start().await;
    let first = requests(7);
    let install = granted(hub.enrol(&hub.invite(1).await, first.clone()).await).install;
    hub.time.advance(HOUR * 24 * 30);
    let renew_with = |requests: SigningRequests| {
        let (certifier, now) = (Arc::clone(&hub.certifier), hub.clock.now());
        hub.store.write(move |t| renew(t, &certifier, install, &requests, &mut StdRng::seed_from_u64(9), now))
    };
    let renewed = renew_with(SigningRequests { web_names: vec![], ..first.clone() }).await.unwrap().unwrap();
    let peer = PeerIdentity::from_der(&CertificateDer::from(renewed.identity_chain[0].to_vec())).unwrap();
    assert!(peer.check(hub.certifier.region().id, NOW.plus_ms(70 * 24 * 3_600_000)).is_ok());
    let web = x509_parser::parse_x509_certificate(&renewed.web_chain[0]).unwrap().1;
    let names = format!("{:?}", web.subject_alternative_name().unwrap().unwrap().value.general_names);
    assert!(names.contains("[10, 0, 0, 9]"), "{names}");
    assert_eq!(hub.count("SELECT count(*) FROM certificate").await, 2);

    let other_key = renew_with(requests(8)).await.unwrap().unwrap_err();
    assert!(other_key.is_request(), "{other_key}");
    hub.store.write(|t| Ok(t.execute("UPDATE install SET state = 'revoked'", [])?)).await.unwrap();
    assert!(renew_with(first).await.is_err());
}
