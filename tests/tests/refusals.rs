//! Whom and what a hub refuses: revoked sites, used invites, strangers, and changes that a genuine node would never
//! make.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use common::{HOME, PHARMACY, equal, now, records, saved, sign_in, started};
use ed25519_dalek::SigningKey;
use hearth_node::install::Install;
use hearth_protocol::access::SiteKind;
use hearth_protocol::head::SignedHead;
use hearth_protocol::id::{EntryId, InstallId, StaffId};
use hearth_protocol::record::entry::EnteredInError;
use hearth_protocol::record::{Author, Body, Entry, Origin, Role};
use hearth_protocol::scope::{Scope, Section};
use hearth_protocol::wire::message::{ChangeResult, ScopedChange};
use hearth_tests::generate::region::region as make;
use hearth_tests::hostile::{self, Forger, Hostile};
use hearth_tests::inspect;
use hearth_tests::region::{Options, Region, Site};
use uuid::Uuid;

/// Within this a site that was revoked is cut off.
const CUT: Duration = Duration::from_secs(5);
/// `RefusalCode::Revoked`, with which the hub closes the link.
const REVOKED: &str = "closed with code 3";
const REFUSED_EXIT: i32 = 4;

async fn until(site: &Site, patience: Duration, holds: impl Fn(&serde_json::Value) -> bool) {
    let deadline = Instant::now() + patience;
    loop {
        let status = site.status().unwrap();
        if holds(&status) {
            return;
        }
        assert!(Instant::now() < deadline, "not in time: {status}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn connected(site: &Site) {
    until(site, Duration::from_secs(30), |status| status["connected"] == true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_site_is_cut_within_five_seconds_and_refused_when_it_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut region = Region::create(folder.path(), "Test Vale", Options::default()).await.unwrap();
    region.add_site(HOME, SiteKind::CareHome, "Rose Court", &[]).await.unwrap();
    region.add_site(PHARMACY, SiteKind::Pharmacy, "High Street", &[]).await.unwrap();
    connected(region.site(HOME).unwrap()).await;

    let revoke = ["site", "revoke", HOME, "--reason", "computer stolen", "--confirm", HOME];
    region.hearth(revoke, "").unwrap();
    let is_told = |status: &serde_json::Value, words: &str| {
        status["connected"] == false && status["refusal"].as_str().is_some_and(|said| said.contains(words))
    };
    until(region.site(HOME).unwrap(), CUT, |status| is_told(status, "has withdrawn this installation")).await;

    region.site_mut(HOME).unwrap().stop().await.unwrap();
    region.site_mut(HOME).unwrap().start().await.unwrap();
    let patience = Duration::from_secs(30);
    until(region.site(HOME).unwrap(), patience, |status| is_told(status, "has shut this node out")).await;
    region.site_mut(HOME).unwrap().stop().await.unwrap();

    let install = hostile::install(&region.site(HOME).unwrap().data()).unwrap();
    let again = Hostile::admitted(&install, install.roots(), region.hub_address()).await;
    let again = format!("{:#}", again.unwrap_err());
    assert!(again.contains(REVOKED), "a node without manners is refused as well: {again}");
    connected(region.site(PHARMACY).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invite_that_was_used_makes_no_second_node() {
    let folder = tempfile::tempdir().unwrap();
    let region = Region::create(folder.path(), "Test Vale", Options::default()).await.unwrap();
    let invite = region.invite(HOME, SiteKind::CareHome, "Rose Court").unwrap();
    region.computer("first").await.unwrap().enrol(&invite).unwrap();

    let second = region.computer("second").await.unwrap();
    let refused = second.node_command(&["enrol", "--invite-file", "-"], &invite).unwrap();
    assert_eq!(refused.status.code(), Some(REFUSED_EXIT));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("This invite was used already."), "{said}");
    assert!(hostile::install(&second.data()).is_err(), "the second computer holds no certificate");
    let sites = region.hearth_json(["site", "show", HOME], "").unwrap();
    assert_eq!(sites[0]["installs"].as_array().map(Vec::len), Some(1), "{}", sites[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_region_is_never_admitted() {
    let folder = tempfile::tempdir().unwrap();
    let (here, there) = (folder.path().join("here"), folder.path().join("there"));
    let region = Region::create(&here, "Test Vale", Options::default()).await.unwrap();
    let other = Region::create(&there, "Other Vale", Options::default()).await.unwrap();

    let mut stranger = region.computer("stranger").await.unwrap();
    stranger.enrol(&other.invite(HOME, SiteKind::CareHome, "Rose Court").unwrap()).unwrap();
    stranger.start().await.unwrap();
    tokio::time::sleep(CUT).await;
    let status = stranger.status().unwrap();
    assert_eq!((&status["connected"], status["last_contact"].is_null()), (&false.into(), true), "{status}");
    assert!(stranger.line().carried().down > 0, "the node did speak with the hub of the wrong region");
    stranger.stop().await.unwrap();

    let install = hostile::install(&stranger.data()).unwrap();
    let home = region.computer("home").await.unwrap();
    home.enrol(&region.invite("VL2AB", SiteKind::CareHome, "Rose Lodge").unwrap()).unwrap();
    let roots = hostile::install(&home.data()).unwrap().roots();
    let admitted = Hostile::admitted(&install, roots, region.hub_address()).await;
    assert!(admitted.is_err(), "nor one that trusts this hub and shows the other region's certificate");
    let own = Hostile::admitted(&install, install.roots(), other.hub_address()).await;
    assert!(own.is_ok(), "the same certificate is good in its own region");
}

/// The scope of this section that the hub has for the first resident of whom only `site` holds the record, or of any
/// resident of the site.
fn scope(region: &Region, site: &str, not_at: Option<&str>, section: Section) -> Scope {
    let mut scopes = inspect::hub_heads(&region.hub_data(), site).unwrap();
    if let Some(not_at) = not_at {
        let held = inspect::hub_heads(&region.hub_data(), not_at).unwrap();
        scopes.retain(|scope, _| !held.contains_key(scope));
    }
    scopes.into_keys().find(|scope| scope.section() == section).unwrap()
}

fn entry(install: InstallId, counter: u64) -> Entry {
    Entry {
        id: EntryId { install, counter },
        happened: now(),
        recorded: now(),
        author: Author { staff: StaffId(7), role: Role::Nurse, name: "A. Nurse".into() },
        origin: Origin::Site(HOME.parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body: Body::EnteredInError(EnteredInError { reason: "forged".into() }),
    }
}

/// Every attack on the form of changes, with the codes of which one must answer it.
fn attacks(region: &Region, own: InstallId) -> Vec<(ScopedChange, &'static [&'static str])> {
    let data = region.hub_data();
    let (node, other) = (Forger { hub_data: &data, install: own }, InstallId(own.0 ^ 1));
    let held = scope(region, HOME, None, Section::Safety);
    let withheld = scope(region, PHARMACY, Some(HOME), Section::Safety);
    let read_only = scope(region, HOME, None, Section::History);
    let as_other = Forger { install: other, ..node };
    let id = |counter: u64| entry(own, 1_000_000 + counter);
    vec![
        (node.flipped(held, id(1)).unwrap(), &["hash-mismatch", "change-malformed"]),
        (node.misnamed(held, id(2)).unwrap(), &["hash-mismatch"]),
        (node.sound(withheld, id(3)).unwrap(), &["not-granted"]),
        (node.sound(read_only, id(4)).unwrap(), &["section-not-writable"]),
        (node.foreign(held, &entry(other, 5)).unwrap(), &["foreign-entry"]),
        (as_other.sound(held, entry(other, 6)).unwrap(), &["foreign-install"]),
        (node.overwrite(held, &id(7)).unwrap(), &["not-an-addition"]),
        (node.deletion(held).unwrap(), &["not-an-addition"]),
    ]
}

/// Sound changes with heads that do not vouch for them, and the code that must answer each.
fn unsigned(region: &Region, install: &Install) -> Vec<(ScopedChange, Vec<SignedHead>, &'static str)> {
    let data = region.hub_data();
    let (own, id) = (install.site().install, install.site().region);
    let node = Forger { hub_data: &data, install: own };
    let key = install.signing_key().unwrap();
    let [held, elsewhere] = [Section::Safety, Section::Medicines].map(|s| scope(region, HOME, None, s));
    let change = |scope, counter: u64| node.sound(scope, entry(own, 2_000_000 + counter)).unwrap();
    let signed = |change: &ScopedChange| node.head(change, &key, id).unwrap();
    let stranger = SigningKey::from_bytes(&[5; 32]);
    let other = Forger { install: InstallId(own.0 ^ 1), ..node };
    let made: Vec<ScopedChange> = (1..=6).map(|counter| change(held, counter)).collect();
    let heads = [
        (Vec::new(), "unsigned"),
        (vec![node.head(&made[1], &stranger, id).unwrap()], "bad-signature"),
        (vec![other.head(&made[2], &stranger, id).unwrap()], "unsigned"),
        (vec![signed(&change(held, 90))], "bad-signature"),
        (vec![SignedHead { scope: held, ..signed(&change(elsewhere, 91)) }], "bad-signature"),
        (vec![node.head(&made[5], &key, Uuid::from_u128(1)).unwrap()], "bad-signature"),
    ];
    made.into_iter().zip(heads).map(|(change, (heads, code))| (change, heads, code)).collect()
}

/// How many changes of an installation are in the hub's quarantine, by code.
fn quarantined(hub_data: &Path, install: InstallId) -> BTreeMap<String, u64> {
    let connection = inspect::hub(hub_data).unwrap();
    let sql = "SELECT code, count(*) FROM quarantine WHERE install = ?1 AND settled_at IS NULL GROUP BY code";
    let mut select = connection.prepare(sql).unwrap();
    let rows = select.query_map([install.0], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_a_node_gone_bad_forges_is_applied_and_all_of_it_is_in_the_quarantine() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 2, Options::default()).await;
    region.import_made(&make(8, 2, 1, now()), &[PHARMACY]).unwrap();
    equal(&region).await;
    region.site_mut(HOME).unwrap().stop().await.unwrap();
    let install = hostile::install(&region.site(HOME).unwrap().data()).unwrap();
    let own = install.site().install;
    let heads = |site| inspect::hub_heads(&region.hub_data(), site).unwrap();
    let before = (heads(HOME), heads(PHARMACY));

    let mut session = Hostile::admitted(&install, install.roots(), region.hub_address()).await.unwrap();
    let mut expected: BTreeMap<String, u64> = BTreeMap::new();
    for (change, codes) in attacks(&region, own) {
        let results = session.push(vec![change], Vec::new()).await.unwrap();
        let code = match results.as_slice() {
            [ChangeResult::Rejected(code)] => code.clone(),
            _ => format!("{results:?}"),
        };
        assert!(codes.contains(&code.as_str()), "{code} instead of {codes:?}");
        *expected.entry(code).or_default() += 1;
    }
    for (change, heads, code) in unsigned(&region, &install) {
        let results = session.push(vec![change], heads).await.unwrap();
        assert_eq!(results, [ChangeResult::Rejected(code.to_owned())]);
        *expected.entry(code.to_owned()).or_default() += 1;
    }
    assert_eq!(quarantined(&region.hub_data(), own), expected);
    assert_eq!((heads(HOME), heads(PHARMACY)), before, "nothing was applied");
    drop(session);

    let pharmacist = sign_in(&region, PHARMACY, &made.pharmacy_staff[0]).await;
    let record = records(&pharmacist).await.remove(0);
    let allergy = [("substance", "Zinc plaster"), ("reaction", "Rash")];
    saved(&pharmacist.fill_in(&format!("{record}/allergies/new"), &allergy).await.unwrap());
    region.site_mut(HOME).unwrap().start().await.unwrap();
    equal(&region).await;
    assert_ne!(
        inspect::hub_heads(&region.hub_data(), PHARMACY).unwrap(),
        before.1,
        "the hub serves the others"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_somebody_puts_into_the_hubs_database_in_a_sites_name_is_believed_by_no_node() {
    let folder = tempfile::tempdir().unwrap();
    let (mut region, made) = started(folder.path(), 2, Options::default()).await;
    equal(&region).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[0]).await;
    let record = records(&nurse).await.remove(0);
    let allergy = [("substance", "Zinc plaster"), ("reaction", "Rash")];
    saved(&nurse.fill_in(&format!("{record}/allergies/new"), &allergy).await.unwrap());
    equal(&region).await;
    let home = hostile::install(&region.site(HOME).unwrap().data()).unwrap().site().install;
    let written = {
        let connection = inspect::hub(&region.hub_data()).unwrap();
        let sql = "SELECT scope FROM signed_head WHERE install = ?1";
        let mut select = connection.prepare(sql).unwrap();
        let rows = select.query_map([home.0], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        let scopes: Vec<Scope> = rows.map(|key| Scope::from_key(&key.unwrap()).unwrap()).collect();
        scopes.into_iter().find(|scope| scope.section() == Section::Safety).unwrap()
    };
    let before = inspect::hub_heads(&region.hub_data(), PHARMACY).unwrap();

    region.stop_hub().await.unwrap();
    let data = region.hub_data();
    let thief = Forger { hub_data: &data, install: home };
    let forged = thief.sound(written, entry(home, 3_000_000)).unwrap();
    thief.put_in(&forged, PHARMACY.parse().unwrap()).unwrap();
    region.start_hub().await.unwrap();
    let patience = Duration::from_secs(30);
    until(region.site(PHARMACY).unwrap(), patience, |status| status["unvouched"] == 1).await;
    until(region.site(PHARMACY).unwrap(), patience, |status| status["diverged"] == false).await;

    // Nor by an administrator who asks whose it is.
    let genuine = {
        let connection = inspect::hub(&region.hub_data()).unwrap();
        let entries = hearth_hub::records::entries(&connection, written).unwrap();
        entries.iter().map(|entry| entry.id).find(|id| id.install == home && id.counter < 3_000_000).unwrap()
    };
    let (resident, forged) = (written.resident().unwrap().to_string(), entry(home, 3_000_000).id);
    for (id, is_signed) in [(genuine, true), (forged, false)] {
        let shown = region.try_hearth(["audit", "signed", &id.to_string(), "--resident", &resident], "");
        assert_eq!(shown.as_ref().unwrap().status.success(), is_signed, "{shown:?}");
    }

    let pharmacy = region.site_mut(PHARMACY).unwrap();
    let data = pharmacy.data();
    pharmacy.stop().await.unwrap();
    let held = inspect::node_heads(&data).unwrap();
    assert_eq!(held.get(&written), before.get(&written), "the document is as its writers made it");
    assert_ne!(held.get(&written), inspect::hub_heads(&region.hub_data(), PHARMACY).unwrap().get(&written));
}
