//! Who signed for an entry. The answer carries the proof, so that whoever asks need not believe the hub.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use hearth_protocol::audit::{Action, What};
use hearth_protocol::id::EntryId;
use hearth_protocol::scope::Subject;
use hearth_protocol::wire::message::RegionId;
use hearth_provisioning::api::{HeadProof, SignedEntry, SignedQuery};
use rusqlite::Connection;

use super::call::{Seen, Write};
use super::refusal::fault;
use super::{Api, Refusal, residents};
use crate::heads::{self, Carrier, Proof};
use crate::region;
use crate::store::StoreError;

pub(super) async fn signed(
    State(api): State<Api>,
    Write(call, query): Write<SignedQuery>,
) -> Result<Response, Refusal> {
    if query.resident.is_some() == query.site.is_some() {
        let detail = "Say in whose record the entry stands: a resident's, or a site's own.";
        return Err(Refusal::invalid(vec![fault("/resident", detail)]));
    }
    let found = api.parts().store.read(move |connection| find(connection, query)).await?;
    let Some((subject, region, carrier)) = found else {
        return Err(Refusal::not_found(format!("There is no entry {} in this record.", query.entry)));
    };
    let what = What::done(call.admin.who(), Action::AuditVerify).about(subject);
    let what = what.in_section(carrier.scope.section()).of_entry(query.entry);
    let mut response = Json(told(query.entry, region, carrier)).into_response();
    response.extensions_mut().insert(Seen(vec![what]));
    Ok(response)
}

fn find(
    connection: &Connection,
    query: SignedQuery,
) -> Result<Option<(Subject, RegionId, Carrier)>, StoreError> {
    let resident = match query.resident {
        Some(reference) => residents::resolve(connection, reference)?,
        None => None,
    };
    let subject = resident.map(Subject::Resident).or(query.site.map(Subject::Site));
    let Some(subject) = subject else { return Ok(None) };
    let carrier = heads::carrier(connection, subject, query.entry)?;
    let region = region::require(connection)?.id;
    Ok(carrier.map(|carrier| (subject, region, carrier)))
}

fn told(entry: EntryId, region: RegionId, carrier: Carrier) -> SignedEntry {
    let Carrier { scope, number, hash, received, proof } = carrier;
    SignedEntry {
        entry,
        region: region.0,
        document: scope.to_string(),
        document_key: hex::encode(scope.to_key()),
        install: entry.install,
        number,
        change: hex::encode(hash.0),
        received,
        proof: proof.as_ref().map(proof_of),
    }
}

fn proof_of(proof: &Proof) -> HeadProof {
    HeadProof {
        before: hex::encode(proof.before.0),
        after: proof.voucher.after.iter().map(|hash| hex::encode(hash.0)).collect(),
        signature: hex::encode(proof.voucher.signature.0),
        chain: proof.chain.iter().map(|certificate| hex::encode(&certificate.0)).collect(),
    }
}
