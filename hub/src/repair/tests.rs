use std::collections::BTreeMap;

use super::*;
use crate::feed::FeedQuery;
use crate::testing::{Pen, TestHub, resident, scope, site};
use hearth_protocol::access::SiteKind;
use hearth_protocol::scope::Section;
use hearth_protocol::sync::hub::FeedItem;
use hearth_protocol::sync::repair::ScopeRange;
use hearth_protocol::wire::message::{ChangeResult, FeedNumber, RevokeMode, ScopedChange};
use proptest::prelude::*;

const HOME: &str = "VL1AB";
const OTHER: &str = "VL1AC";

/// Two homes that hold the same record; the second's installation is the one that is repaired.
async fn hub() -> TestHub {
    let hub = TestHub::new().await;
    hub.add_site(HOME, SiteKind::CareHome, 1).await;
    hub.add_site(OTHER, SiteKind::CareHome, 2).await;
    for code in [HOME, OTHER] {
        hub.assign(code, 1).await;
    }
    hub
}

async fn reconcile(hub: &TestHub, install: u32, held: HeldScopes) -> Lacks {
    try_reconcile(hub, install, held, BTreeSet::new()).await.expect("the installation is no copy")
}

async fn try_reconcile(
    hub: &TestHub,
    install: u32,
    held: HeldScopes,
    written: BTreeSet<Scope>,
) -> Option<Lacks> {
    let reconciled = hub.store.write(move |t| {
        let install = crate::sites::install(t, InstallId(install))?.unwrap();
        super::reconcile(t, install, &held, &written)
    });
    reconciled.await.unwrap()
}

/// The hashes that the feed of an installation has after a number, and the residents whose grants it has.
async fn feed(
    hub: &TestHub,
    code: &str,
    install: u32,
    after: FeedNumber,
) -> (Vec<ChangeHash>, Vec<ResidentId>) {
    let query = FeedQuery {
        site: site(code),
        install: InstallId(install),
        after,
        bytes_max: u64::MAX,
        sent: BTreeMap::new(),
        oldest: None,
        knows: BTreeSet::new(),
    };
    let read = hub.store.read(move |c| crate::feed::read(c, &query)).await.unwrap();
    let (mut hashes, mut grants) = (Vec::new(), Vec::new());
    for item in read.items {
        match item {
            FeedItem::Outline { .. } => panic!("all months are kept"),
            FeedItem::Grant { resident, .. } => grants.push(resident),
            FeedItem::Tail { changes, .. } => hashes.extend(changes.iter().map(|c| c.change.hash)),
            FeedItem::Revoke { .. } | FeedItem::Document { .. } => panic!("neither is in this test"),
        }
    }
    (hashes, grants)
}

fn held(scope: Scope, hashes: Vec<ChangeHash>) -> HeldScopes {
    let scopes = vec![ScopeChanges { scope, hashes }];
    HeldScopes { ranges: vec![ScopeRange::ALL], scopes, ..HeldScopes::default() }
}

fn hashes(changes: &[ScopedChange]) -> Vec<ChangeHash> {
    changes.iter().map(|change| change.change.hash).collect()
}

async fn each_side_gets_what_it_lacks(lost_there: Vec<bool>, never_sent: usize) {
    let hub = hub().await;
    let notes = scope(1, Section::Notes);
    let (mut own, mut other) = (Pen::new(2), Pen::new(1));
    let mut at_hub = Vec::new();
    let first = own.write(notes);
    hub.push(2, first.clone()).await;
    for _ in 0..lost_there.len() {
        let changes = other.write(notes);
        hub.push(1, changes.clone()).await;
        let new = hashes(&changes).into_iter().filter(|hash| !hashes(&first).contains(hash));
        at_hub.extend(new);
    }
    let unknown: Vec<ChangeHash> = (0..never_sent).flat_map(|_| hashes(&own.write(notes))).collect();
    let before = hub.head(OTHER).await;
    let all = at_hub.iter().zip(lost_there.iter().chain(std::iter::repeat(&false)));
    let (missing, kept): (Vec<_>, Vec<_>) = all.partition(|(_, is_lost)| **is_lost);
    let kept = kept.into_iter().map(|(hash, _)| *hash).chain(hashes(&first));
    let kept: Vec<ChangeHash> = kept.chain(unknown.clone()).collect();

    let lacks = reconcile(&hub, 2, held(notes, kept)).await;
    let found: Vec<ChangeHash> = lacks.scopes.into_iter().flat_map(|of_scope| of_scope.hashes).collect();
    assert_eq!(found, unknown);
    assert_eq!(lacks.sent_again, u64::from(!missing.is_empty()));
    let (sent, _) = feed(&hub, OTHER, 2, before).await;
    assert!(missing.iter().all(|(hash, _)| sent.contains(hash)), "what is missing comes in the feed");
    let after = hub.head(OTHER).await;
    at_hub.extend(hashes(&first));
    assert_eq!(reconcile(&hub, 2, held(notes, at_hub)).await, Lacks::default());
    assert_eq!(hub.head(OTHER).await, after, "nothing is sent to who lacks nothing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_was_lost_on_either_side_is_found(
        lost_there in prop::collection::vec(any::<bool>(), 1..12), never_sent in 0usize..4,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(each_side_gets_what_it_lacks(lost_there, never_sent));
    }
}

#[tokio::test]
async fn a_scope_of_which_a_node_has_nothing_comes_again_behind_its_grant() {
    let hub = hub().await;
    let written = Pen::new(1).write(scope(1, Section::Notes));
    hub.push(1, written.clone()).await;
    let before = hub.head(OTHER).await;
    let nothing = HeldScopes { ranges: vec![ScopeRange::ALL], ..HeldScopes::default() };
    assert_eq!(reconcile(&hub, 2, nothing).await, Lacks { sent_again: 1, ..Lacks::default() });
    assert_eq!(feed(&hub, OTHER, 2, before).await, (hashes(&written), vec![resident(1)]));
    let elsewhere = ScopeRange::ALL.parts().find(|part| !part.contains(scope(1, Section::Notes))).unwrap();
    let nothing = HeldScopes { ranges: vec![elsewhere], ..HeldScopes::default() };
    assert_eq!(reconcile(&hub, 2, nothing).await, Lacks::default());
}

#[tokio::test]
async fn a_document_that_the_hub_has_never_seen_is_asked_for_if_the_site_may_hold_it() {
    let hub = hub().await;
    let (known, stranger) = (scope(1, Section::Notes), scope(9, Section::Notes));
    let hash = ChangeHash([7; 32]);
    let lacks = reconcile(&hub, 2, held(known, vec![hash])).await;
    assert_eq!(lacks.scopes, [ScopeChanges { scope: known, hashes: vec![hash] }]);
    let lacks = reconcile(&hub, 2, held(stranger, vec![hash])).await;
    assert_eq!(lacks, Lacks { not_granted: vec![stranger], ..Lacks::default() });
}

#[tokio::test]
async fn a_month_that_a_node_knows_by_its_outline_alone_is_told_to_be_lost_while_the_hub_holds_nothing_of_it()
{
    let hub = hub().await;
    let month = scope(1, Section::Notes);
    let outline = |hashes| HeldScopes { outlines: vec![month], ..held(month, hashes) };
    let nothing_else = Lacks { lost: vec![month], ..Lacks::default() };
    assert_eq!(reconcile(&hub, 2, outline(Vec::new())).await, nothing_else);
    let late = ChangeHash([7; 32]);
    let lacks = reconcile(&hub, 2, outline(vec![late])).await;
    assert_eq!((lacks.lost, lacks.scopes.len()), (vec![month], 1));
    assert_eq!(reconcile(&hub, 2, held(month, vec![late])).await.lost, []);
    hub.push(1, Pen::new(1).write(month)).await;
    assert_eq!(reconcile(&hub, 2, outline(Vec::new())).await, Lacks { sent_again: 1, ..Lacks::default() });
}

#[tokio::test]
async fn an_installation_that_lacks_what_it_wrote_itself_is_held_unless_it_was_told_to_erase_it() {
    let hub = hub().await;
    let (notes, safety) = (scope(1, Section::Notes), scope(1, Section::Safety));
    let mut own = Pen::new(2);
    let (first, second) = (own.write(notes), own.write(notes));
    hub.push(2, [first.clone(), second].concat()).await;
    hub.push(2, own.write(safety)).await;
    let outline = HeldScopes { outlines: vec![notes], ..held(notes, Vec::new()) };
    let outline = HeldScopes { ranges: Vec::new(), ..outline };
    assert_eq!(reconcile(&hub, 2, outline).await.sent_again, 1);
    let erased = hub.store.write(move |t| feed::lost(t, InstallId(2), safety));
    erased.await.unwrap();
    let nothing = HeldScopes { ranges: Vec::new(), ..held(safety, Vec::new()) };
    assert_eq!(reconcile(&hub, 2, nothing).await.sent_again, 1);

    let another = scope(1, Section::Mar);
    let written = own.write(another);
    hub.push(2, [written.clone(), own.write(another)].concat()).await;
    let older = HeldScopes { ranges: Vec::new(), ..held(another, hashes(&written)) };
    assert_eq!(try_reconcile(&hub, 2, older, BTreeSet::new()).await, None);
    let install = hub.store.read(|c| sites::install(c, InstallId(2))).await.unwrap().unwrap();
    assert_eq!(install.state, InstallState::Quarantined);
}

#[tokio::test]
async fn an_installation_that_is_held_in_the_midst_of_a_comparison_stands_in_nobodys_way() {
    let hub = hub().await;
    let (notes, safety) = (scope(1, Section::Notes), scope(1, Section::Safety));
    let (mut theirs, mut own) = (Pen::new(1), Pen::new(2));
    hub.push(1, theirs.write(notes)).await;
    let written = own.write(safety);
    hub.push(2, [written.clone(), own.write(safety)].concat()).await;
    let lacking = |scope, hashes| ScopeChanges { scope, hashes };
    let scopes = vec![lacking(notes, Vec::new()), lacking(safety, hashes(&written))];
    let older = HeldScopes { scopes, ranges: Vec::new(), ..held(notes, Vec::new()) };
    assert_eq!(try_reconcile(&hub, 2, older, BTreeSet::new()).await, None);
    let results = hub.push(1, theirs.write(notes)).await;
    assert!(results.iter().all(|result| matches!(result, ChangeResult::Accepted(_))), "{results:?}");
}

#[tokio::test]
async fn what_a_node_wrote_after_it_made_its_list_is_no_loss() {
    let hub = hub().await;
    let notes = scope(1, Section::Notes);
    let mut own = Pen::new(2);
    let first = own.write(notes);
    hub.push(2, [first.clone(), own.write(notes)].concat()).await;
    let before = hub.head(OTHER).await;
    let list = HeldScopes { ranges: Vec::new(), ..held(notes, hashes(&first)) };
    let lacks = try_reconcile(&hub, 2, list, BTreeSet::from([notes])).await;
    assert_eq!(lacks, Some(Lacks::default()));
    assert_eq!(hub.head(OTHER).await, before, "nothing is sent again");
}

#[tokio::test]
async fn what_a_node_wrote_and_was_told_to_erase_on_the_same_link_is_sent_again() {
    let hub = hub().await;
    let notes = scope(1, Section::Notes);
    let mut own = Pen::new(2);
    let written = own.write(notes);
    hub.push(2, written.clone()).await;
    hub.store.write(move |t| feed::lost(t, InstallId(2), notes)).await.unwrap();
    let before = hub.head(OTHER).await;
    let (others, own) = hashes(&written).split_first().map(|(first, own)| (*first, own.to_vec())).unwrap();
    let lacks = try_reconcile(&hub, 2, held(notes, vec![others]), BTreeSet::from([notes])).await;
    assert_eq!(lacks, Some(Lacks { sent_again: 1, ..Lacks::default() }));
    assert_eq!(feed(&hub, OTHER, 2, before).await.0, own);
}

#[tokio::test]
async fn a_record_that_is_taken_away_gives_back_what_the_hub_lost_and_gets_nothing() {
    for mode in [RevokeMode::Freeze, RevokeMode::Forget] {
        gives_back_when_taken_away(mode).await;
    }
}

async fn gives_back_when_taken_away(mode: RevokeMode) {
    let hub = hub().await;
    let notes = scope(1, Section::Notes);
    let (mut own, mut other) = (Pen::new(2), Pen::new(1));
    hub.push(2, own.write(notes)).await;
    let lost = own.write(notes);
    hub.revoke(OTHER, 1, mode).await.unwrap();
    hub.push(1, other.write(notes)).await;
    let before = hub.head(OTHER).await;
    let frozen = HeldScopes { ranges: Vec::new(), frozen: vec![notes], ..held(notes, hashes(&lost)) };
    let lacks = reconcile(&hub, 2, frozen).await;
    assert_eq!(lacks.scopes, [ScopeChanges { scope: notes, hashes: hashes(&lost) }]);
    assert_eq!((lacks.sent_again, lacks.not_granted.len()), (0, 0));
    assert_eq!(hub.head(OTHER).await, before);
}

#[tokio::test]
async fn a_node_that_was_told_to_freeze_a_record_by_an_order_that_the_hub_lost_is_no_copy() {
    let hub = hub().await;
    let notes = scope(1, Section::Notes);
    let mut own = Pen::new(2);
    hub.push(2, own.write(notes)).await;
    let before = hub.head(OTHER).await;
    let nothing = HeldScopes { ranges: vec![ScopeRange::ALL], frozen: vec![notes], ..HeldScopes::default() };
    assert_eq!(reconcile(&hub, 2, nothing).await, Lacks { sent_again: 1, ..Lacks::default() });
    assert_eq!(feed(&hub, OTHER, 2, before).await.1, [resident(1)], "the grant is told again");
}
