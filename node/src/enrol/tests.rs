//! Enrolment against a hub that plays its part over real QUIC and TLS.

use std::net::{Ipv4Addr, SocketAddr};

use hearth_protocol::enrol::{ENROL_ALPN, EXPORTER_LABEL, InviteSecret, RefusalCode, Refused, TokenId};
use hearth_protocol::time::Timestamp;
use quinn::{Endpoint, ServerConfig};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, IsCa, Issuer, KeyPair, PKCS_ED25519,
};
use rustls::pki_types::{CertificateDer, CertificateSigningRequestDer, PrivateKeyDer};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use std::path::Path;

use super::*;
use crate::install::INSTALL_FILE;
use crate::keys::PlatformKey;
use crate::keys::{KEY_FILE, PLATFORM_FILE};

struct Hub {
    endpoint: Endpoint,
    root: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

const SERVER_NAME: &str = "hub.hearth.internal";

impl Hub {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).unwrap().der().clone();
        let issuer = Issuer::new(params, key);
        let leaf_key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
        let params = CertificateParams::new(vec![SERVER_NAME.to_owned()]).unwrap();
        let leaf = params.signed_by(&leaf_key, &issuer).unwrap().der().clone();
        let builder = rustls::ServerConfig::builder_with_provider(tls::provider());
        let builder = builder.with_protocol_versions(&[&rustls::version::TLS13]).unwrap();
        let key = PrivateKeyDer::Pkcs8(leaf_key.serialize_der().into());
        let mut config =
            builder.with_no_client_auth().with_single_cert(vec![leaf, root.clone()], key).unwrap();
        config.alpn_protocols = vec![ENROL_ALPN.to_vec()];
        let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(config).unwrap();
        let config = ServerConfig::with_crypto(Arc::new(crypto));
        let endpoint = Endpoint::server(config, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        Self { endpoint, root, issuer }
    }

    fn invite(&self) -> Invite {
        Invite {
            addresses: vec![self.endpoint.local_addr().unwrap().to_string()],
            server_name: SERVER_NAME.to_owned(),
            region_name: "North Vale".to_owned(),
            root_fingerprint: Sha256::digest(&self.root).into(),
            token: TokenId([3; 16]),
            secret: InviteSecret::from_bytes([4; 32]),
            site: "VL1AB".parse().unwrap(),
            not_after: Timestamp(i64::MAX),
        }
    }

    fn sign(&self, csr: &[u8]) -> Vec<u8> {
        let request = CertificateSigningRequestDer::from(csr.to_vec());
        let request = CertificateSigningRequestParams::from_der(&request).unwrap();
        request.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    /// Answers one request, whose proof must hold; `reply` makes the answer from the certificate.
    async fn answer(&self, reply: impl FnOnce(Vec<u8>) -> EnrolReply) {
        let connection = self.endpoint.accept().await.unwrap().await.unwrap();
        let (mut send, mut receive) = connection.accept_bi().await.unwrap();
        let bytes = receive.read_to_end(limits::ENROL_REQUEST_BYTES_MAX).await.unwrap();
        let request = EnrolRequest::from_bytes(&bytes).unwrap();
        let mut exporter = [0; 32];
        connection.export_keying_material(&mut exporter, EXPORTER_LABEL, b"").unwrap();
        let verifier = InviteSecret::from_bytes([4; 32]).verifier();
        verifier.verify(&request.proof, request.token, &exporter, &request.requests).unwrap();
        let certificate = self.sign(&request.requests.csr);
        send.write_all(&reply(certificate).to_bytes()).await.unwrap();
        send.finish().unwrap();
        send.stopped().await.ok();
    }
}

async fn try_enrol_anew(invite: &Invite, data: &TempDir, anew: bool) -> Result<Install, EnrolError> {
    let random = Random::seeded(1);
    let platform = PlatformKey::load(None, data.path(), &random).unwrap();
    let endpoint = Endpoint::client(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
    let keeper = Keeper { data: data.path().to_owned(), platform };
    enrol(invite, &[], &Ways::new(endpoint), &keeper, anew, &Clock::system(), &random).await
}

async fn try_enrol(invite: &Invite, data: &TempDir) -> Result<Install, EnrolError> {
    try_enrol_anew(invite, data, false).await
}

fn granted(certificate: Vec<u8>) -> EnrolReply {
    let mut granted = crate::install::tests::granted();
    granted.certificates.identity_chain = vec![certificate.into()];
    EnrolReply::Granted(Box::new(granted))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_the_invite_is_enrolled_once() {
    let (hub, data) = (Hub::new(), tempfile::tempdir().unwrap());
    let invite = hub.invite();
    let (enrolled, ()) = tokio::join!(try_enrol(&invite, &data), hub.answer(granted));
    assert_eq!(enrolled.unwrap().site().id, invite.site);
    assert!(KeyFile::load(data.path()).unwrap().is_some());
    assert!(matches!(try_enrol(&invite, &data).await, Err(EnrolError::Already)));
}

/// Copies the files of a data directory, those that are there, as if the power had failed at that moment.
fn copy(from: &Path, to: &Path, names: &[&str]) {
    for name in names {
        let path = from.join(name);
        if path.exists() {
            std::fs::copy(path, to.join(name)).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_power_at_any_step_asks_again_with_the_same_key_until_it_is_enrolled() {
    let (hub, data, asked) = (Hub::new(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let invite = hub.invite();
    let at_the_hub = |certificate| {
        copy(data.path(), asked.path(), &[PLATFORM_FILE, PENDING_FILE, KEY_FILE, INSTALL_FILE]);
        granted(certificate)
    };
    let (enrolled, ()) = tokio::join!(try_enrol(&invite, &data), hub.answer(at_the_hub));
    let key = enrolled.unwrap().signing_key().unwrap();
    assert!(asked.path().join(PENDING_FILE).exists(), "the keys are on the disk before the hub has them");
    assert!(!asked.path().join(INSTALL_FILE).exists());
    assert!(!data.path().join(PENDING_FILE).exists());

    for written in [&[][..], &[KEY_FILE][..]] {
        let again = tempfile::tempdir().unwrap();
        copy(asked.path(), again.path(), &[PLATFORM_FILE, PENDING_FILE]);
        copy(data.path(), again.path(), written);
        std::fs::copy(asked.path().join(PENDING_FILE), again.path().join("install.sealed.new")).unwrap();
        let (enrolled, ()) = tokio::join!(try_enrol(&invite, &again), hub.answer(granted));
        assert_eq!(enrolled.unwrap().signing_key().unwrap(), key);
        let files = std::fs::read_dir(again.path()).unwrap().count();
        assert_eq!(files, 3, "platform key, key file, installation");
    }
    copy(asked.path(), data.path(), &[PENDING_FILE]);
    assert!(matches!(try_enrol(&invite, &data).await, Err(EnrolError::Already)));
    assert!(!data.path().join(PENDING_FILE).exists());
}

#[test]
fn another_invite_is_tried_with_another_key() {
    let data = tempfile::tempdir().unwrap();
    let (random, first, second) = (Random::seeded(1), TokenId([1; 16]), TokenId([2; 16]));
    let platform = PlatformKey::load(None, data.path(), &random).unwrap();
    let keys = |token| pending::keys(token, data.path(), &platform, &random).unwrap();
    let der = |token| keys(token).identity_pair().serialize_der();
    let one = der(first);
    assert_eq!(der(first), one);
    assert_ne!(der(second), one);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_with_another_root_is_told_nothing() {
    let (hub, data) = (Hub::new(), tempfile::tempdir().unwrap());
    let invite = Invite { root_fingerprint: [9; 32], ..hub.invite() };
    let accepting = async { hub.endpoint.accept().await.unwrap().await.is_err() };
    let (enrolled, refused) = tokio::join!(try_enrol(&invite, &data), accepting);
    assert!(refused);
    assert!(matches!(enrolled, Err(EnrolError::Dial(_))));
    assert!(!data.path().join(INSTALL_FILE).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_or_a_certificate_of_another_key_leaves_the_node_as_it_was() {
    let (hub, data) = (Hub::new(), tempfile::tempdir().unwrap());
    let invite = hub.invite();
    let refusal = |_| {
        EnrolReply::Refused(Refused { code: RefusalCode::Used, message: "Ask for a new invite.".to_owned() })
    };
    let (enrolled, ()) = tokio::join!(try_enrol(&invite, &data), hub.answer(refusal));
    assert!(matches!(enrolled, Err(EnrolError::Refused(told)) if told == "Ask for a new invite."));
    let root = hub.root.to_vec();
    let (enrolled, ()) = tokio::join!(try_enrol(&invite, &data), hub.answer(|_| granted(root)));
    assert!(matches!(enrolled, Err(EnrolError::Mismatch)));
    assert!(!data.path().join(INSTALL_FILE).exists());
}
