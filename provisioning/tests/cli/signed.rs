//! `hearth audit signed`: what a hub answers is believed only as far as the region's root and the installation's own
//! signature go.

use std::collections::VecDeque;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use hearth_protocol::head::{Run, Writer};
use hearth_protocol::id::{ChangeHash, EntryId, InstallId, ResidentId};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::wire::message::RegionId;
use hearth_provisioning::api::{HeadProof, SignedEntry};
use hearth_provisioning::authority::IdentityKey;
use hearth_provisioning::region::RegionFolder;
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::Told;
use crate::with_a_server::{Answer, JSON, Scripted, now};

const INSTALL: InstallId = InstallId(0xab);
const RESIDENT: &str = "00000000-0000-0000-0000-000000000007";
const ENTRY: &str = "000000ab-5";

fn notes() -> Scope {
    let resident = ResidentId(Uuid::from_u128(7));
    Scope::try_new(Subject::Resident(resident), Section::Safety, None).unwrap()
}

/// What an honest hub answers of the second of three changes of a site's installation.
fn honest(region: &RegionFolder) -> SignedEntry {
    let config = region.config().unwrap();
    let issuing = region.keys(&config).unwrap().issuing;
    let key = SigningKey::from_bytes(&[3; 32]);
    let identity = IdentityKey::from_pem(&key.to_pkcs8_pem(LineEnding::LF).unwrap()).unwrap();
    let pair = rcgen::KeyPair::try_from(identity.to_der().secret_der()).unwrap();
    let csr = rcgen::CertificateParams::default().serialize_request(&pair).unwrap();
    let chain = issuing.node_chain(csr.der(), "VL1AB".parse().unwrap(), INSTALL, &mut rand::rng(), now());
    let [first, second, third] = [1, 2, 3].map(|n| ChangeHash([n; 32]));
    let writer = Writer { region: RegionId(issuing.region()), scope: notes(), install: INSTALL };
    let before = Run::default().then(first);
    let signature = writer.sign(before.then(second).then(third), &key);
    let hex = |bytes: &[u8]| HEXLOWER.encode(bytes);
    SignedEntry {
        entry: EntryId { install: INSTALL, counter: 5 },
        region: issuing.region(),
        document: notes().to_string(),
        document_key: hex(&notes().to_key()),
        install: INSTALL,
        number: 2,
        change: hex(&second.0),
        received: hearth_protocol::time::Timestamp(1_790_000_000_000),
        proof: Some(HeadProof {
            before: hex(&before.hash.0),
            after: vec![hex(&third.0)],
            signature: hex(&signature.0),
            chain: chain.unwrap().iter().map(|der| hex(der)).collect(),
        }),
    }
}

/// What the command makes of an answer that was tampered with in this way.
fn asked(tamper: impl FnOnce(&mut SignedEntry), words: &[&str]) -> Told {
    let server = Scripted::of_region(|region| {
        let mut entry = honest(region);
        tamper(&mut entry);
        VecDeque::from([Answer::Http(200, JSON, serde_json::to_string(&entry).unwrap())])
    });
    let all: Vec<&str> =
        ["audit", "signed", ENTRY, "--resident", RESIDENT].iter().chain(words).copied().collect();
    server.hearth(&all)
}

#[test]
fn an_entry_that_its_installation_signed_is_shown_with_whose_it_is() {
    let told = asked(|_| {}, &[]);
    assert_eq!(told.code, 0, "{told:?}");
    insta::assert_snapshot!(told.stdout);
    let told = asked(|_| {}, &["--json"]);
    let shown: serde_json::Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!((&shown["signed"], &shown["signed_by_site"]), (&true.into(), &"VL1AB".into()));
}

#[test]
fn a_hub_that_says_something_else_than_was_signed_is_not_believed() {
    type Tamper = fn(&mut SignedEntry);
    let lies: [(Tamper, &str); 8] = [
        (|e| e.proof = None, "no signed head reaches its change"),
        (|e| e.change = "07".repeat(32), "the signature of the head does not hold"),
        (|e| e.number = 1, "the signature of the head does not hold"),
        (|e| e.document_key.replace_range(2..4, "01"), "the signature of the head does not hold"),
        (|e| e.proof.as_mut().unwrap().after.clear(), "the signature of the head does not hold"),
        (|e| e.region = Uuid::from_u128(1), "the certificate is of another installation"),
        (|e| e.proof.as_mut().unwrap().chain.clear(), "no certificate"),
        (|e| e.entry.counter = 6, "the answer is about another entry"),
    ];
    for (tamper, fault) in lies {
        let told = asked(tamper, &[]);
        assert_eq!(told.code, 1, "{told:?}");
        assert!(told.stderr.contains(fault), "{told:?}");
        assert!(told.stdout.contains("signed by     nobody"), "{told:?}");
    }
}

#[test]
fn a_certificate_of_another_regions_root_proves_nothing() {
    let other = Scripted::of_region(|_| VecDeque::new());
    let roots = other.home.path().join("region/identity/roots.pem");
    let told = asked(|_| {}, &["--roots", roots.to_str().unwrap()]);
    assert_eq!(told.code, 1, "{told:?}");
    assert!(told.stderr.contains("no root of the region vouches for the certificate"), "{told:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]
    #[test]
    fn whatever_a_hub_answers_is_told_without_a_panic(text in "[0-9a-f]{0,80}", place in 0..5) {
        let told = asked(|entry| {
            let proof = entry.proof.as_mut().unwrap();
            match place {
                0 => entry.change = text,
                1 => entry.document_key = text,
                2 => proof.before = text,
                3 => proof.signature = text,
                _ => proof.chain = vec![text],
            }
        }, &[]);
        prop_assert_eq!(told.code, 1);
    }
}
