//! Who signed for an entry, as the API tells it.

use hearth_protocol::head::{HeadSignature, Run, RunHash, Signer, Voucher, Writer};
use hearth_protocol::id::{ChangeHash, EntryId};
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::wire::message::{CertificateBytes, RegionId};
use hearth_provisioning::api::SignedEntry;

use super::*;
use crate::heads;
use crate::testing::{Pen, REGION, resident, scope, signing_key};

fn bytes<const N: usize>(text: &str) -> [u8; N] {
    hex::decode(text).unwrap().try_into().unwrap()
}

/// A home that has written three notes, of which the hub keeps only the document.
async fn written() -> (Hub, Scope, ResidentId) {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let site = "VL1AB".parse().unwrap();
    let (install, of) = (InstallId(1), resident(1));
    let key = signing_key(1).verifying_key();
    let signer = Signer { install, chain: vec![CertificateBytes(vec![1, 2])] };
    let begin = move |t: &rusqlite::Transaction<'_>| {
        sites::add_install(t, install, site, key.as_bytes(), NOW)?;
        grants::add_resident(t, of, NOW)?;
        grants::assign(t, site, of, NOW)?;
        heads::note_signer(t, &signer)
    };
    hub.store.write(begin).await.unwrap();
    let test = TestHub { folder: tempfile::tempdir().unwrap(), store: hub.store.clone() };
    let (notes, mut pen) = (scope(1, Section::Notes), Pen::new(1));
    for _ in 0..3 {
        test.push(1, pen.write(notes)).await;
    }
    crate::compact::compact(&hub.store, notes).await.unwrap();
    (hub, notes, of)
}

#[tokio::test]
async fn the_answer_proves_whose_an_entry_is_also_when_its_change_has_gone_into_a_snapshot() {
    let (hub, notes, of) = written().await;
    let entry = EntryId { install: InstallId(1), counter: 2 };
    let asked = json!({"entry": entry, "resident": {"id": of}});
    let answer: Value = hub.post(Path::AUDIT_SIGNED, asked).await.is(StatusCode::OK);
    fits(&openapi_document()["components"]["schemas"], "SignedEntry", &answer);
    let signed: SignedEntry = serde_json::from_value(answer).unwrap();
    assert_eq!((signed.number, signed.install), (2, InstallId(1)));
    assert_eq!(Scope::from_key(&bytes::<20>(&signed.document_key)), Ok(notes));
    let proof = signed.proof.unwrap();
    assert_eq!(proof.chain, ["0102"]);
    let before = Run { seq: signed.number - 1, hash: RunHash(bytes(&proof.before)) };
    let after: Vec<ChangeHash> = proof.after.iter().map(|hash| ChangeHash(bytes(hash))).collect();
    let (install, seq) = (signed.install, signed.number + 1);
    let voucher = Voucher { install, seq, signature: HeadSignature(bytes(&proof.signature)), after };
    let writer = Writer { region: RegionId(REGION), scope: notes, install };
    let key = signing_key(1).verifying_key();
    let run = before.then(ChangeHash(bytes(&signed.change)));
    assert_eq!(voucher.verify(&writer, run, &key), Ok(()));
    let other = before.then(ChangeHash([7; 32]));
    assert!(voucher.verify(&writer, other, &key).is_err());
    assert_eq!(hub.audited().await[0], ("audit-verify".to_owned(), "allowed".to_owned()));
}

#[tokio::test]
async fn an_entry_that_no_head_reaches_has_no_proof_and_one_that_is_not_there_is_not_found() {
    let (hub, _, of) = written().await;
    hub.store.write(|t| Ok(t.execute("DELETE FROM signed_head", [])?)).await.unwrap();
    let entry = EntryId { install: InstallId(1), counter: 2 };
    let asked = json!({"entry": entry, "resident": {"id": of}});
    let signed: SignedEntry = hub.post(Path::AUDIT_SIGNED, asked).await.is(StatusCode::OK);
    assert_eq!(signed.proof, None);
    let asked = json!({"entry": "00000001-63", "resident": {"id": of}});
    assert_eq!(hub.post(Path::AUDIT_SIGNED, asked).await.problem(), ProblemKind::NotFound);
    let asked = json!({"entry": entry, "site": "VL1AB"});
    assert_eq!(hub.post(Path::AUDIT_SIGNED, asked).await.problem(), ProblemKind::NotFound);
    let asked = json!({"entry": entry});
    assert_eq!(hub.post(Path::AUDIT_SIGNED, asked).await.problem(), ProblemKind::Invalid);
}
