//! The authority against the verifier that production uses (`rustls-webpki` through `rustls`).

use std::sync::Arc;
use std::time::Duration;

use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyPair, SanType};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use uuid::Uuid;

use super::*;

const NOW: Timestamp = Timestamp(1_790_000_000_000);
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

struct Hierarchy {
    region: Region,
    root: IdentityRoot,
    issuing: IssuingAuthority,
    web: WebAuthority,
    rng: StdRng,
}

fn hierarchy(seed: u64) -> Hierarchy {
    let mut rng = StdRng::seed_from_u64(seed);
    let region = Region { id: Uuid::from_u128(seed.into()), name: format!("Region {seed}") };
    let root = IdentityRoot::create(&region, &mut rng, NOW).unwrap();
    let issuing = root.issuing_authority(&region, &mut rng, NOW).unwrap();
    let names = WebNames {
        domain: "vale.hearth.internal".to_owned(),
        hosts: vec!["hub.example.test".to_owned()],
        addresses: vec!["203.0.113.7".parse().unwrap()],
    };
    let web = WebAuthority::create(&region, &names, &mut rng, NOW).unwrap();
    Hierarchy { region, root, issuing, web, rng }
}

fn site() -> SiteId {
    "VL1AB".parse().unwrap()
}

fn identity_csr() -> Vec<u8> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
}

fn web_csr() -> Vec<u8> {
    let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    CertificateParams::default().serialize_request(&key).unwrap().der().to_vec()
}

fn node_chain(region: &mut Hierarchy, csr: &[u8]) -> Vec<CertificateDer<'static>> {
    region.issuing.node_chain(csr, site(), InstallId(0xAB), &mut region.rng, NOW).unwrap()
}

fn unix(at: Timestamp) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_millis(at.0.try_into().unwrap()))
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::aws_lc_rs::default_provider())
}

/// Whether a hub that trusts this root lets the chain in at this time.
fn client_is_let_in(root: &IdentityRoot, chain: &[CertificateDer<'static>], at: Timestamp) -> bool {
    let roots = TrustBundle::new(vec![root.certificate().clone()]).root_store().unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    verifier.verify_client_cert(&chain[0], &chain[1..], unix(at)).is_ok()
}

/// Whether a client that trusts this root takes the chain for the server of this name.
fn server_is_believed(root: &CertificateDer<'static>, chain: &[CertificateDer<'static>], name: &str) -> bool {
    let roots = TrustBundle::new(vec![root.clone()]).root_store().unwrap();
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider()).build().unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    verifier.verify_server_cert(&chain[0], &chain[1..], &name, &[], unix(NOW)).is_ok()
}

#[test]
fn a_node_is_let_in_and_read_back_as_who_it_is() {
    let mut region = hierarchy(1);
    let chain = node_chain(&mut region, &identity_csr());
    assert!(client_is_let_in(&region.root, &chain, NOW));
    let peer = PeerIdentity::from_der(&chain[0]).unwrap();
    assert_eq!((peer.region, peer.site, peer.install), (region.region.id, site(), InstallId(0xAB)));
    assert_eq!(peer.not_before, NOW.plus_ms(-BACKDATE_MS));
    assert_eq!(peer.not_after, NOW.plus_ms(NODE_DAYS * DAY_MS));
    assert_eq!(peer.check(region.region.id, NOW), Ok(()));
}

#[test]
fn a_node_of_another_region_is_refused() {
    let (mut one, other) = (hierarchy(1), hierarchy(2));
    let chain = node_chain(&mut one, &identity_csr());
    assert!(!client_is_let_in(&other.root, &chain, NOW));
    let peer = PeerIdentity::from_der(&chain[0]).unwrap();
    assert_eq!(peer.check(other.region.id, NOW), Err(PeerError::OtherRegion(one.region.id)));
}

#[test]
fn an_expired_or_early_certificate_is_refused() {
    let mut region = hierarchy(1);
    let chain = node_chain(&mut region, &identity_csr());
    let peer = PeerIdentity::from_der(&chain[0]).unwrap();
    let cases = [
        (peer.not_after.plus_ms(1000), PeerError::Expired),
        (peer.not_before.plus_ms(-1000), PeerError::NotYet),
    ];
    for (at, error) in cases {
        assert!(!client_is_let_in(&region.root, &chain, at));
        assert_eq!(peer.check(region.region.id, at), Err(error));
    }
}

#[test]
fn a_request_that_asks_for_more_gets_a_plain_certificate() {
    let mut region = hierarchy(1);
    let key = KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let mut greedy = CertificateParams::new(vec!["hub.hearth.internal".to_owned()]).unwrap();
    greedy.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    greedy.extended_key_usages =
        vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::CodeSigning];
    let other = format!("spiffe://hearth/{}/OTHER/00000001", region.region.id);
    greedy.subject_alt_names.push(SanType::URI(other.as_str().try_into().unwrap()));
    let csr = greedy.serialize_request(&key).unwrap();

    let chain = node_chain(&mut region, csr.der());
    let parsed = profile::parse(&chain[0]).unwrap();
    assert!(!parsed.is_ca());
    let names = &parsed.subject_alternative_name().unwrap().unwrap().value.general_names;
    assert_eq!(names.len(), 1);
    let usage = parsed.extended_key_usage().unwrap().unwrap().value;
    assert!(usage.client_auth && !usage.server_auth && !usage.code_signing);
    let peer = PeerIdentity::from_der(&chain[0]).unwrap();
    assert_eq!((peer.site, peer.install), (site(), InstallId(0xAB)));
    assert_eq!(&peer.public_key[..], key.public_key_raw());
}

#[test]
fn a_request_that_its_key_did_not_sign_is_refused() {
    let mut region = hierarchy(1);
    let mut csr = identity_csr();
    let last = csr.len() - 1;
    csr[last] ^= 1;
    let refused = region.issuing.node_chain(&csr, site(), InstallId(1), &mut region.rng, NOW);
    assert!(matches!(refused, Err(AuthorityError::BadRequest("its signature is wrong"))));
}

#[test]
fn a_request_for_a_key_of_another_kind_is_refused() {
    let mut region = hierarchy(1);
    let refused = region.issuing.node_chain(&web_csr(), site(), InstallId(1), &mut region.rng, NOW);
    assert!(matches!(refused, Err(AuthorityError::BadRequest("its key is of another algorithm"))));
    let refused = region.web.site_chain(&identity_csr(), site(), &[], &mut region.rng, NOW);
    assert!(matches!(refused, Err(AuthorityError::BadRequest("its key is of another algorithm"))));
}

#[test]
fn flipped_bytes_of_a_request_never_get_a_certificate_for_another_key() {
    let mut region = hierarchy(1);
    let csr = identity_csr();
    let own = PeerIdentity::from_der(&node_chain(&mut region, &csr)[0]).unwrap().public_key;
    let mut refused = 0;
    for at in 0..csr.len() {
        let mut flipped = csr.clone();
        flipped[at] ^= 0x20;
        match region.issuing.node_chain(&flipped, site(), InstallId(1), &mut region.rng, NOW) {
            Ok(chain) => assert_eq!(PeerIdentity::from_der(&chain[0]).unwrap().public_key, own, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    // The few that pass are tags of the wrapping, which the signature does not cover and nothing is taken from.
    assert!(refused > csr.len() - 4, "{refused} of {}", csr.len());
}

#[test]
fn nodes_believe_the_hub_of_their_region_alone() {
    let (mut one, other) = (hierarchy(1), hierarchy(2));
    let key = IdentityKey::generate(&mut one.rng).unwrap();
    let name = HubName { server_name: "hub.hearth.internal".to_owned() };
    let chain = one.issuing.hub_chain(&key, &name, &mut one.rng, NOW).unwrap();
    assert!(server_is_believed(one.root.certificate(), &chain, "hub.hearth.internal"));
    assert!(!server_is_believed(one.root.certificate(), &chain, "other.hearth.internal"));
    assert!(!server_is_believed(other.root.certificate(), &chain, "hub.hearth.internal"));
    assert!(!client_is_let_in(&one.root, &chain, NOW), "a hub's certificate is no node's");
    assert_eq!(PeerIdentity::from_der(&chain[0]), Err(PeerError::NotANode("not for clients")));
}

#[test]
fn a_node_cannot_pass_for_the_hub() {
    let mut region = hierarchy(1);
    let chain = node_chain(&mut region, &identity_csr());
    assert!(!server_is_believed(region.root.certificate(), &chain, "hub.hearth.internal"));
}

#[test]
fn no_certificate_outlives_its_issuer_and_an_ended_issuer_signs_nothing() {
    let mut region = hierarchy(1);
    let late = NOW.plus_ms((ISSUING_DAYS - 10) * DAY_MS);
    let chain =
        region.issuing.node_chain(&identity_csr(), site(), InstallId(1), &mut region.rng, late).unwrap();
    assert_eq!(PeerIdentity::from_der(&chain[0]).unwrap().not_after, region.issuing.not_after());
    let ended = region.issuing.not_after().plus_ms(1000);
    let refused = region.issuing.node_chain(&identity_csr(), site(), InstallId(1), &mut region.rng, ended);
    assert!(matches!(refused, Err(AuthorityError::NotValidNow)));
}

#[test]
fn two_issuing_authorities_overlap_under_one_root() {
    let mut region = hierarchy(1);
    let old = node_chain(&mut region, &identity_csr());
    region.issuing = region.root.issuing_authority(&region.region, &mut region.rng, NOW).unwrap();
    let new = node_chain(&mut region, &identity_csr());
    assert!(client_is_let_in(&region.root, &old, NOW) && client_is_let_in(&region.root, &new, NOW));
}

#[test]
fn a_sites_pages_are_believed_by_their_name_and_their_address() {
    let mut region = hierarchy(1);
    let asked =
        ["192.168.4.20".to_owned(), "198.51.100.1".to_owned(), "vl2xx.vale.hearth.internal".to_owned()];
    let chain = region.web.site_chain(&web_csr(), site(), &asked, &mut region.rng, NOW).unwrap();
    let root = region.web.certificate();
    assert!(server_is_believed(root, &chain, "vl1ab.vale.hearth.internal"));
    assert!(server_is_believed(root, &chain, "192.168.4.20"));
    assert!(!server_is_believed(root, &chain, "198.51.100.1"), "not a private address");
    assert!(!server_is_believed(root, &chain, "vl2xx.vale.hearth.internal"), "another site's name");
}

#[test]
fn the_admin_api_is_believed_by_the_hubs_names() {
    let mut region = hierarchy(1);
    let key = WebKey::generate().unwrap();
    let names = ["hub.example.test", "203.0.113.7", "localhost", "127.0.0.1", "::1"].map(str::to_owned);
    let chain = region.web.hub_chain(&key, &names, &mut region.rng, NOW).unwrap();
    for name in &names {
        assert!(server_is_believed(region.web.certificate(), &chain, name), "{name}");
    }
}

#[test]
fn a_web_authority_can_vouch_for_no_other_name() {
    let mut region = hierarchy(1);
    let key = WebKey::generate().unwrap();
    for name in ["www.example.com", "evil-vale.hearth.internal", "198.51.100.1", "2001:db8::1"] {
        let refused = region.web.hub_chain(&key, &[name.to_owned()], &mut region.rng, NOW);
        assert!(matches!(refused, Err(AuthorityError::Name(_))), "{name}");
    }
}

#[test]
fn a_stolen_web_key_is_of_no_use_for_other_names() {
    let mut region = hierarchy(1);
    let key = KeyPair::from_pem(&region.web.key_pem()).unwrap();
    let issuer = rcgen::Issuer::from_ca_cert_der(region.web.certificate(), key).unwrap();
    let leaf = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    for (name, believed) in [("www.example.com", false), ("x.vale.hearth.internal", true)] {
        let mut params =
            profile::certificate(name, profile::Validity::days(NOW, 1), &mut region.rng).unwrap();
        profile::end_entity(&mut params, ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names = vec![SanType::DnsName(name.try_into().unwrap())];
        let chain = [params.signed_by(&leaf, &issuer).unwrap().der().clone()];
        assert_eq!(server_is_believed(region.web.certificate(), &chain, name), believed, "{name}");
    }
}

#[test]
fn authorities_read_back_from_their_files_and_not_from_each_others() {
    let (one, other) = (hierarchy(1), hierarchy(2));
    let read = IssuingAuthority::from_pem(&one.issuing.certificate_pem(), &one.issuing.key_pem()).unwrap();
    assert_eq!(read.region(), one.region.id);
    let root = IdentityRoot::from_pem(&pem_of_chain(&[one.root.certificate().clone()]), &one.root.key_pem())
        .unwrap();
    assert_eq!(root.fingerprint(), one.root.fingerprint());
    assert!(WebAuthority::from_pem(&one.web.certificate_pem(), &one.web.key_pem()).is_ok());

    let mixed = IssuingAuthority::from_pem(&one.issuing.certificate_pem(), &other.issuing.key_pem());
    assert!(matches!(mixed, Err(AuthorityError::KeyMismatch)));
    let bundle = TrustBundle::new(vec![one.root.certificate().clone(), other.root.certificate().clone()]);
    assert_eq!(TrustBundle::from_pem(&bundle.to_pem()).unwrap(), bundle);
    assert!(TrustBundle::from_pem("").is_err());
}

#[test]
fn one_seed_makes_one_identity_hierarchy() {
    let (once, again) = (hierarchy(5), hierarchy(5));
    assert_eq!(once.root.certificate(), again.root.certificate());
    assert_eq!(once.issuing.certificate(), again.issuing.certificate());
}
