//! `hearth audit signed`: whose an entry is, proven here and not by the hub's word.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use hearth_protocol::head::{HeadSignature, Run, RunHash, Signer, SignerKey, Voucher, Writer};
use hearth_protocol::id::{ChangeHash, EntryId, ResidentId, SiteId};
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::message::{CertificateBytes, RegionId};
use hearth_provisioning::api::{HeadProof, Path, ResidentRef, SignedEntry, SignedQuery};
use hearth_provisioning::authority::TrustBundle;
use hearth_provisioning::file;
use reqwest::Method;
use serde::Serialize;

use super::{Session, context};
use crate::failure::{Exit, Failure};
use crate::{input, output};

#[derive(clap::Args)]
#[command(group = clap::ArgGroup::new("record").required(true))]
pub(crate) struct Signed {
    /// The entry, as `hearth audit search --json` names it at the end of its subject
    entry: EntryId,
    /// In the record of the resident with this identifier
    #[arg(long, value_name = "ID", group = "record")]
    resident: Option<ResidentId>,
    /// In the record of the resident with the NHS number in this file; - is stdin
    #[arg(long, value_name = "FILE", group = "record")]
    nhs: Option<PathBuf>,
    /// Among the site's own documents, such as its tasks
    #[arg(long, value_name = "ODS", group = "record")]
    site: Option<SiteId>,
    /// The region's identity roots; by default those in the region's folder, beside the context's roots
    #[arg(long, value_name = "FILE")]
    roots: Option<PathBuf>,
}

/// What was found, with the answer of the hub from which it follows.
#[derive(Serialize)]
struct Shown {
    /// Whether the installation's signature vouches for the entry's change.
    signed: bool,
    /// Why it does not.
    fault: Option<String>,
    /// The site of the installation; null for the hub's own entries.
    signed_by_site: Option<SiteId>,
    /// The key that its certificate says is its own.
    key: Option<String>,
    /// What the hub answered.
    #[serde(flatten)]
    entry: SignedEntry,
}

pub(crate) async fn run(session: &Session, command: &Signed) -> Result<(), Failure> {
    let roots = roots(session, command)?;
    let query = SignedQuery { entry: command.entry, resident: resident(command)?, site: command.site };
    let path = Path::plain(Path::AUDIT_SIGNED);
    let entry: SignedEntry = session.client()?.send(Method::POST, &path, &query).await?;
    let proven = if entry.entry == command.entry && entry.install == command.entry.install {
        prove(&entry, &roots)
    } else {
        Err("the answer is about another entry".to_owned())
    };
    let known = proven.as_ref().ok().copied();
    let shown = Shown {
        signed: proven.is_ok(),
        fault: proven.err(),
        signed_by_site: known.and_then(|known| known.site),
        key: known.map(|known| HEXLOWER.encode(known.key.as_bytes())),
        entry,
    };
    session.output.data(&shown, text)?;
    match shown.fault {
        None => output::words("The installation has signed for this change."),
        Some(fault) => {
            Err(Failure::new(Exit::Failed, format!("Nothing proves whose the entry is: {fault}.")).hint(
                "Nodes show no such entry. Compare it with the site, and look into the hub's quarantine.",
            ))
        }
    }
}

fn resident(command: &Signed) -> Result<Option<ResidentRef>, Failure> {
    match &command.nhs {
        None => Ok(command.resident.map(ResidentRef::Id)),
        Some(file) => match input::nhs_numbers(file)?.as_slice() {
            [number] => Ok(Some(ResidentRef::NhsNumber(*number))),
            _ => Err(Failure::new(Exit::Usage, "An entry is looked for under one NHS number at a time.")),
        },
    }
}

fn roots(session: &Session, command: &Signed) -> Result<TrustBundle, Failure> {
    let file = command.roots.clone().map_or_else(|| roots_of_region(session), Ok)?;
    let hint = "Give --roots FILE: the hub's identity/roots.pem, got by a way that you trust.";
    let text = file::read_text(&file);
    let text = text.map_err(|error| {
        Failure::from(error)
            .exit(Exit::NotFound)
            .context("There are no identity roots to check by.")
            .hint(hint)
    })?;
    Ok(TrustBundle::from_pem(&text)?)
}

/// The roots as `hearth init` puts them beside the web roots of the context.
fn roots_of_region(session: &Session) -> Result<PathBuf, Failure> {
    let web = context::load(&session.globals)?.1.roots;
    let folder = web.parent().and_then(std::path::Path::parent).map(std::path::Path::to_owned);
    Ok(folder.unwrap_or_default().join("identity/roots.pem"))
}

/// The installation's name and key, when its signature vouches for the change.
fn prove(entry: &SignedEntry, roots: &TrustBundle) -> Result<SignerKey, String> {
    let proof = entry.proof.as_ref().ok_or("no signed head reaches its change")?;
    let chain = proof.chain.iter().map(|der| Ok(CertificateBytes(bytes(der)?)));
    let signer = Signer { install: entry.install, chain: chain.collect::<Result<_, String>>()? };
    let known = signer.key(entry.region, roots.roots()).map_err(|error| error.to_string())?;
    let scope = Scope::from_key(&bytes(&entry.document_key)?).map_err(|error| error.to_string())?;
    let writer = Writer { region: RegionId(entry.region), scope, install: entry.install };
    let (voucher, run) = voucher(entry, proof)?;
    voucher.verify(&writer, run, &known.key).map_err(|fault| fault.to_string())?;
    Ok(known)
}

fn voucher(entry: &SignedEntry, proof: &HeadProof) -> Result<(Voucher, Run), String> {
    let before = Run { seq: entry.number.saturating_sub(1), hash: RunHash(fixed(&proof.before)?) };
    let after = proof.after.iter().map(|hash| Ok(ChangeHash(fixed(hash)?)));
    let after: Vec<ChangeHash> = after.collect::<Result<_, String>>()?;
    let later = u64::try_from(after.len()).unwrap_or(u64::MAX);
    let (install, seq) = (entry.install, entry.number.saturating_add(later));
    let signature = HeadSignature(fixed(&proof.signature)?);
    Ok((Voucher { install, seq, signature, after }, before.then(ChangeHash(fixed(&entry.change)?))))
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    HEXLOWER.decode(text.as_bytes()).map_err(|_| "the answer is not well formed".to_owned())
}

fn fixed<const N: usize>(text: &str) -> Result<[u8; N], String> {
    bytes(text)?.try_into().map_err(|_| "the answer is not well formed".to_owned())
}

fn text(shown: &Shown) -> String {
    let entry = &shown.entry;
    let signer = match (shown.signed, shown.signed_by_site) {
        (false, _) => "nobody".to_owned(),
        (true, Some(site)) => format!("installation {} of {site}", entry.install),
        (true, None) => format!("installation {} of the hub", entry.install),
    };
    let newest = entry.proof.as_ref().map(|proof| entry.number + proof.after.len() as u64);
    output::fields(&[
        ("entry", entry.entry.to_string()),
        ("document", entry.document.clone()),
        ("change", entry.change.clone()),
        ("number", entry.number.to_string()),
        ("received", output::moment(entry.received)),
        ("signed up to", output::dash(newest)),
        ("signed by", signer),
        ("key", output::dash(shown.key.clone())),
    ])
}
