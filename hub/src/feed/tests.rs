use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::compact;
use crate::sites;
use crate::store::columns;
use crate::testing::{HUB, NOW, Pen, REGION, TestHub, head_keys, resident, scope, signing_key, site};
use hearth_protocol::access::SiteKind;
use hearth_protocol::document;
use hearth_protocol::head::{Came, Run, Voucher, sift};
use hearth_protocol::id::ChangeHash;
use hearth_protocol::scope::Section;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{ChangeResult, RegionId, RevokeMode};
use proptest::prelude::*;

const HOME: &str = "VL1AB";
const OTHER: &str = "VL1AC";
const PHARMACY: &str = "FA100";

/// An installation as a node is: what is on its disk, and what belongs to one link.
#[derive(Clone)]
struct Replica {
    site: &'static str,
    install: u32,
    pen: Pen,
    disk: BTreeMap<Scope, BTreeSet<ChangeHash>>,
    runs: BTreeMap<Scope, BTreeMap<InstallId, Run>>,
    cursor: FeedNumber,
    read_to: FeedNumber,
    sent: BTreeMap<Scope, Sequence>,
}

impl Replica {
    fn new(site: &'static str, install: u32) -> Self {
        let cursor = FeedNumber(0);
        let (disk, runs, sent) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { site, install, pen: Pen::new(install), disk, runs, cursor, read_to: cursor, sent }
    }

    /// The link breaks: what is on the disk stays.
    fn cut(&mut self) {
        self.read_to = self.cursor;
        self.sent.clear();
    }

    fn query(&self, bytes_max: u64) -> FeedQuery {
        let (site, install) = (site(self.site), InstallId(self.install));
        let (sent, knows) = (self.sent.clone(), BTreeSet::new());
        FeedQuery { site, install, after: self.read_to, bytes_max, sent, oldest: None, knows }
    }

    async fn write(&mut self, hub: &TestHub, scope: Scope) {
        let changes = self.pen.write(scope);
        let hashes: Vec<ChangeHash> = changes.iter().map(|c| c.change.hash).collect();
        for (result, hash) in hub.push(self.install, changes).await.into_iter().zip(hashes) {
            if matches!(result, ChangeResult::Accepted(_) | ChangeResult::Duplicate(_)) {
                self.disk.entry(scope).or_default().insert(hash);
            }
        }
    }

    /// Reads a part of the feed, stores it, and tells the hub; returns whether there is more.
    async fn read(&mut self, hub: &TestHub, bytes_max: u64, tells: bool) -> bool {
        let query = self.query(bytes_max);
        let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
        assert!(read.read_to >= self.read_to);
        let mut confirmed = BTreeMap::new();
        for item in read.items {
            self.store(hub, item, &mut confirmed).await;
        }
        self.read_to = read.read_to;
        if tells {
            self.cursor = read.read_to;
            let (scopes, cursor) = (confirmed.into_iter().collect::<Vec<_>>(), self.cursor);
            let install = InstallId(self.install);
            let told = hub.store.write(move |t| {
                let install = sites::install(t, install)?.unwrap();
                confirm(t, install, &scopes, Some(cursor))
            });
            told.await.unwrap();
            self.sent.clear();
        } else {
            self.sent.extend(confirmed);
        }
        read.more
    }

    /// Every change that is not on the disk is proven to be its installation's by what came with it.
    fn believe(
        &mut self,
        scope: Scope,
        changes: impl Iterator<Item = document::StoredChange>,
        vouchers: &[Voucher],
    ) {
        let held = self.disk.get(&scope).cloned().unwrap_or_default();
        let new = changes.filter(|change| !held.contains(&change.hash));
        let new = new.map(|c| document::check(scope.section(), c.hash, &c.bytes).unwrap());
        let new: Vec<document::CheckedChange> = new.collect();
        let own = (1..10).map(|n| (InstallId(n), signing_key(n).verifying_key()));
        let keys = own.chain([(HUB, head_keys().key(HUB).verifying_key())]).collect();
        let came: Vec<Came<'_>> = new.iter().map(|change| Came { change, is_vouched: false }).collect();
        let runs = self.runs.entry(scope).or_default();
        let sifted = sift(RegionId(REGION), scope, runs, &came, vouchers, &keys);
        assert!(sifted.verdicts.iter().all(Result::is_ok), "{:?}", sifted.verdicts);
        runs.extend(sifted.reached.into_iter().map(|(install, (run, _))| (install, run)));
    }

    async fn store(&mut self, hub: &TestHub, item: FeedItem, confirmed: &mut BTreeMap<Scope, Sequence>) {
        match item {
            FeedItem::Grant { .. } => {}
            FeedItem::Tail { scope, changes, vouchers } => {
                self.believe(scope, changes.iter().map(|c| c.change.clone()), &vouchers);
                let held = self.disk.entry(scope).or_default();
                for change in changes {
                    assert!(confirmed.get(&scope).is_none_or(|last| *last < change.sequence));
                    let checked =
                        document::check(scope.section(), change.change.hash, &change.change.bytes).unwrap();
                    assert!(
                        checked.deps.iter().all(|dep| held.contains(dep)),
                        "a change before what it builds on"
                    );
                    held.insert(change.change.hash);
                    confirmed.insert(scope, change.sequence);
                }
            }
            FeedItem::Document { scope, sequence, snapshot, vouchers } => {
                let changes = document::changes(&document::load(&snapshot).unwrap());
                let held = (self.runs.remove(&scope), self.disk.remove(&scope));
                self.believe(scope, changes.iter().cloned(), &vouchers);
                let runs = self.runs.entry(scope).or_default();
                for (install, run) in held.0.unwrap_or_default() {
                    let known = runs.entry(install).or_default();
                    *known = if run.seq > known.seq { run } else { *known };
                }
                self.disk.insert(scope, held.1.unwrap_or_default());
                self.disk.entry(scope).or_default().extend(changes.into_iter().map(|c| c.hash));
                confirmed.insert(scope, sequence);
            }
            FeedItem::Outline { .. } => panic!("{:?} keeps all months", self.site),
            FeedItem::Revoke { resident, mode, .. } => {
                if mode == RevokeMode::Forget {
                    self.disk.retain(|scope, _| scope.resident() != Some(resident));
                    self.runs.retain(|scope, _| scope.resident() != Some(resident));
                    // It writes no more under numbers that it has used: tips are kept, as the counter of entries is.
                }
                let install = InstallId(self.install);
                let told = hub.store.write(move |t| {
                    let install = sites::install(t, install)?.unwrap();
                    grants::confirm(t, install, resident, mode, b"receipt", NOW)
                });
                told.await.unwrap();
            }
        }
    }

    async fn catch_up(&mut self, hub: &TestHub) {
        for _ in 0..1000 {
            let more = self.read(hub, 2_000, true).await;
            if !more && self.cursor == hub.head(self.site).await {
                return;
            }
        }
        panic!("the feed never ends");
    }
}

/// What the database holds for a site, by its subscriptions.
async fn expected(hub: &TestHub, code: &'static str) -> BTreeMap<Scope, BTreeSet<ChangeHash>> {
    let read = hub.store.read(move |c| {
        let sql =
            "SELECT u.scope, c.hash FROM subscription u JOIN change c ON c.scope = u.scope WHERE u.site = ?1";
        let mut select = c.prepare(sql)?;
        let rows = select.query_map([code], |row| Ok((columns::scope(row, 0)?, columns::hash(row, 1)?)))?;
        let mut all: BTreeMap<Scope, BTreeSet<ChangeHash>> = BTreeMap::new();
        for row in rows {
            let (scope, hash) = row?;
            all.entry(scope).or_default().insert(hash);
        }
        Ok(all)
    });
    read.await.unwrap()
}

async fn region() -> TestHub {
    let hub = TestHub::new().await;
    hub.add_site(HOME, SiteKind::CareHome, 1).await;
    hub.add_site(OTHER, SiteKind::CareHome, 2).await;
    hub.add_site(PHARMACY, SiteKind::Pharmacy, 3).await;
    hub
}

#[tokio::test]
async fn a_grant_comes_before_its_data_and_the_data_is_all_that_the_kind_of_site_may_hold() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let mut home = Replica::new(HOME, 1);
    for section in [Section::Safety, Section::Notes, Section::Medicines] {
        home.write(&hub, scope(1, section)).await;
    }
    hub.assign(PHARMACY, 1).await;
    let query = Replica::new(PHARMACY, 3).query(u64::MAX);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    assert!(matches!(read.items[0], FeedItem::Grant { .. }));
    let sections: Vec<Section> = read.items[1..]
        .iter()
        .map(|item| {
            let FeedItem::Tail { scope, .. } = item else { panic!("{item:?}") };
            scope.section()
        })
        .collect();
    assert_eq!(sections, [Section::Safety, Section::Medicines]);
    assert!(!read.more && read.digest.is_some());
}

/// The documents that one read of the feed has, in its order.
async fn documents(hub: &TestHub, replica: &Replica, bytes_max: u64) -> Vec<Scope> {
    let query = replica.query(bytes_max);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    let of_item = |item: &FeedItem| match item {
        FeedItem::Tail { scope, .. } | FeedItem::Document { scope, .. } | FeedItem::Outline { scope, .. } => {
            Some(*scope)
        }
        FeedItem::Grant { .. } | FeedItem::Revoke { .. } => None,
    };
    read.items.iter().filter_map(of_item).collect()
}

#[tokio::test]
async fn a_record_comes_by_the_rank_of_its_sections_and_the_newest_month_first() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let mut home = Replica::new(HOME, 1);
    let before = NOW.plus_ms(-40 * 24 * 3_600_000);
    let earlier = |section| Scope::of_resident(resident(1), section, before).unwrap();
    let now = |section| scope(1, section);
    let wanted = [
        now(Section::Safety),
        now(Section::Medicines),
        now(Section::Identity),
        now(Section::Mar),
        earlier(Section::Mar),
        now(Section::Notes),
        earlier(Section::Notes),
    ];
    assert_ne!(now(Section::Mar), earlier(Section::Mar));
    for scope in wanted.iter().rev() {
        home.write(&hub, *scope).await;
    }
    hub.assign(OTHER, 1).await;
    assert_eq!(documents(&hub, &Replica::new(OTHER, 2), u64::MAX).await, wanted);
}

#[tokio::test]
async fn what_a_dose_can_be_given_by_comes_of_everybody_before_the_rest_of_anybody() {
    let hub = region().await;
    let mut home = Replica::new(HOME, 1);
    let people = 1..=12;
    for person in people.clone() {
        hub.assign(HOME, person).await;
        for section in [Section::Notes, Section::Safety, Section::Medicines] {
            home.write(&hub, scope(person, section)).await;
        }
    }
    for person in people.clone() {
        hub.assign(OTHER, person).await;
    }
    let replica = Replica::new(OTHER, 2);
    let all = documents(&hub, &replica, u64::MAX).await;
    let (urgent, rest) = all.split_at(24);
    assert!(urgent.iter().all(|scope| scope.section().is_urgent()));
    assert_eq!(rest, people.map(|person| scope(person, Section::Notes)).collect::<Vec<_>>());
    let some = documents(&hub, &replica, 4_000).await;
    assert!(
        some.len() < 24 && some.iter().all(|scope| scope.section().is_urgent()),
        "however little is read at a time"
    );
}

#[tokio::test]
async fn what_a_new_site_has_confirmed_is_not_sent_again_however_often_its_link_breaks() {
    let hub = region().await;
    let mut home = Replica::new(HOME, 1);
    for person in 1..=12 {
        hub.assign(HOME, person).await;
        for section in [Section::Notes, Section::Safety, Section::Mar] {
            home.write(&hub, scope(person, section)).await;
            home.write(&hub, scope(person, section)).await;
        }
        hub.assign(OTHER, person).await;
    }
    let (mut replica, mut links, mut sent) = (Replica::new(OTHER, 2), 0, Vec::new());
    loop {
        let query = replica.query(1_500);
        let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
        for item in &read.items {
            let FeedItem::Tail { changes, scope, .. } = item else { continue };
            sent.extend(changes.iter().map(|change| (*scope, change.change.hash)));
        }
        if !replica.read(&hub, 1_500, true).await {
            break;
        }
        replica.cut();
        links += 1;
    }
    assert!(links > 10, "{links} links");
    assert_eq!(replica.disk, expected(&hub, OTHER).await);
    let once: BTreeSet<_> = sent.iter().collect();
    assert_eq!(
        (sent.len(), once.len()),
        (12 * 3 * 3, 12 * 3 * 3),
        "two entries a document and its first change"
    );
}

#[tokio::test]
async fn a_site_is_not_sent_what_it_wrote_itself() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let mut home = Replica::new(HOME, 1);
    home.catch_up(&hub).await;
    home.write(&hub, scope(1, Section::Notes)).await;
    home.write(&hub, scope(1, Section::Notes)).await;
    let query = home.query(u64::MAX);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    let own = InstallId(1);
    for item in read.items {
        let FeedItem::Tail { changes, scope, .. } = item else { continue };
        for change in changes {
            let checked = document::check(scope.section(), change.change.hash, &change.change.bytes).unwrap();
            assert_ne!(checked.install, own);
        }
    }
}

#[tokio::test]
async fn a_new_installation_of_a_site_gets_everything() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let mut first = Replica::new(HOME, 1);
    first.write(&hub, scope(1, Section::Notes)).await;
    first.catch_up(&hub).await;
    hub.add_install(HOME, 9).await;
    let mut second = Replica::new(HOME, 9);
    second.catch_up(&hub).await;
    assert_eq!(second.disk, expected(&hub, HOME).await);
    assert_eq!(second.disk, first.disk);
}

#[tokio::test]
async fn a_record_that_was_erased_and_comes_back_comes_back_whole_with_the_sites_own_entries() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let mut home = Replica::new(HOME, 1);
    for _ in 0..3 {
        home.write(&hub, scope(1, Section::Notes)).await;
    }
    home.catch_up(&hub).await;
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    home.catch_up(&hub).await;
    assert_eq!(home.disk, BTreeMap::new());
    hub.assign(HOME, 1).await;
    home.catch_up(&hub).await;
    assert_eq!(home.disk, expected(&hub, HOME).await);
    assert_eq!(home.disk[&scope(1, Section::Notes)].len(), 4);
}

#[tokio::test]
async fn what_others_give_back_of_a_record_that_was_erased_goes_to_the_site_that_wrote_it() {
    let hub = region().await;
    let safety = scope(1, Section::Safety);
    for code in [HOME, OTHER] {
        hub.assign(code, 1).await;
    }
    let mut home = Replica::new(HOME, 1);
    home.write(&hub, safety).await;
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    let lost = home.pen.write(safety);
    home.catch_up(&hub).await;
    hub.assign(HOME, 1).await;
    home.catch_up(&hub).await;
    let restored = |t: &rusqlite::Transaction<'_>| crate::region::start_epoch(t, InstallId(0xffff_0002), NOW);
    hub.store.write(move |t| restored(t).map(drop)).await.unwrap();
    hub.push(2, lost).await;
    home.catch_up(&hub).await;
    assert_eq!(home.disk, expected(&hub, HOME).await);
    assert_eq!(home.disk[&safety].len(), 3);
}

#[tokio::test]
async fn what_is_confirmed_after_the_record_was_taken_away_does_not_count() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let safety = scope(1, Section::Safety);
    hub.append(safety).await.unwrap();
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    let late = hub.store.write(move |t| {
        let install = sites::install(t, InstallId(1))?.unwrap();
        confirm(t, install, &[(safety, Sequence(2))], None)
    });
    late.await.unwrap();
    hub.assign(HOME, 1).await;
    let mut home = Replica::new(HOME, 1);
    home.catch_up(&hub).await;
    assert_eq!(home.disk, expected(&hub, HOME).await);
}

#[tokio::test]
async fn a_long_scope_goes_as_a_document_to_a_new_holder_and_as_a_tail_to_an_old_one() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let notes = scope(1, Section::Notes);
    let mut home = Replica::new(HOME, 1);
    for _ in 0..80 {
        home.write(&hub, notes).await;
    }
    compact::compact(&hub.store, notes).await.unwrap();
    home.write(&hub, notes).await;
    hub.assign(OTHER, 1).await;
    let mut other = Replica::new(OTHER, 2);
    let query = other.query(u64::MAX);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    assert!(matches!(read.items[1], FeedItem::Document { .. }), "{:?}", read.items[1]);
    assert!(matches!(&read.items[2], FeedItem::Tail { changes, .. } if changes.len() == 1));
    other.catch_up(&hub).await;
    assert_eq!(other.disk, expected(&hub, OTHER).await);
    home.write(&hub, notes).await;
    // What an old holder has not got stays raw, so that it is not sent the whole again.
    compact::compact(&hub.store, notes).await.unwrap();
    let query = other.query(u64::MAX);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    assert!(matches!(&read.items[..], [FeedItem::Tail { changes, .. }] if changes.len() == 1));
}

#[tokio::test]
async fn a_site_that_was_away_for_long_gets_the_document_once_the_raw_changes_have_gone() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    hub.assign(OTHER, 1).await;
    let notes = scope(1, Section::Notes);
    let (mut home, mut other) = (Replica::new(HOME, 1), Replica::new(OTHER, 2));
    home.write(&hub, notes).await;
    other.catch_up(&hub).await;
    for _ in 0..80 {
        home.write(&hub, notes).await;
    }
    compact::compact(&hub.store, notes).await.unwrap();
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 0);
    let query = other.query(u64::MAX);
    let read = hub.store.read(move |c| super::read(c, &query)).await.unwrap();
    assert!(matches!(&read.items[..], [FeedItem::Document { .. }]), "{:?}", read.items);
    other.catch_up(&hub).await;
    assert_eq!(other.disk, expected(&hub, OTHER).await);
}

#[tokio::test]
async fn a_month_that_is_not_kept_goes_as_an_outline_and_whole_once_it_is_wanted() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let april = Scope::try_new(scope(1, Section::Notes).subject(), Section::Notes, Month::new(2026, 4));
    let april = april.unwrap();
    for _ in 0..3 {
        hub.append(april).await.unwrap();
    }
    let read = async |after: FeedNumber| {
        let query = FeedQuery { oldest: Month::new(2026, 6), after, ..Replica::new(HOME, 1).query(u64::MAX) };
        hub.store.read(move |c| super::read(c, &query)).await.unwrap()
    };
    let told = async |sequence: u64, cursor: FeedNumber| {
        let told = hub.store.write(move |t| {
            let install = sites::install(t, InstallId(1))?.unwrap();
            confirm(t, install, &[(april, Sequence(sequence))], Some(cursor))
        });
        told.await.unwrap();
    };
    let first = read(FeedNumber(0)).await;
    let state = hub.store.read(move |c| scopes::get(c, april)).await.unwrap().unwrap();
    let [FeedItem::Grant { .. }, outline] = &first.items[..] else { panic!("{:?}", first.items) };
    let (tip, digest) = (state.tip, state.digest);
    let signed = hub.store.read(move |c| crate::heads::proven(c, april, Sequence(4))).await.unwrap();
    assert!(!signed.is_empty());
    assert_eq!(*outline, FeedItem::Outline { scope: april, sequence: Sequence(4), tip, digest, signed });
    told(4, first.read_to).await;
    // What is added late comes as it is.
    hub.append(april).await.unwrap();
    let late = read(first.read_to).await;
    assert!(matches!(&late.items[..], [FeedItem::Tail { changes, .. }] if changes.len() == 1));
    told(5, late.read_to).await;
    assert!(read(late.read_to).await.items.is_empty());
    // Somebody opens the month.
    compact::compact(&hub.store, april).await.unwrap();
    let wanted = hub.store.write(move |t| {
        let install = |id| sites::install(t, InstallId(id)).map(Option::unwrap);
        Ok((want(t, install(1)?, april)?, want(t, install(2)?, april)?))
    });
    assert_eq!(wanted.await, Ok((true, false)), "only who holds it is sent it");
    let whole = read(late.read_to).await;
    let [FeedItem::Document { sequence, .. }] = &whole.items[..] else { panic!("{:?}", whole.items) };
    assert_eq!(*sequence, Sequence(5));
    told(5, whole.read_to).await;
    assert!(read(whole.read_to).await.items.is_empty());
}

#[tokio::test]
async fn who_wrote_into_a_month_that_is_not_kept_gets_what_others_wrote_there_before_and_no_outline() {
    let hub = region().await;
    hub.assign(HOME, 1).await;
    let april = Scope::try_new(scope(1, Section::Notes).subject(), Section::Notes, Month::new(2026, 4));
    let april = april.unwrap();
    hub.append(april).await.unwrap();
    let entered = crate::testing::entry(
        hearth_protocol::id::EntryId { install: InstallId(1), counter: 1 },
        Timestamp::from_rfc3339("2026-04-10T10:00:00Z").unwrap(),
    );
    let results = hub.push(1, Pen::new(1).add(april, vec![entered])).await;
    assert_eq!(results, [ChangeResult::Duplicate(Sequence(1)), ChangeResult::Accepted(Sequence(3))]);
    let read = async || {
        let query = FeedQuery { oldest: Month::new(2026, 6), ..Replica::new(HOME, 1).query(u64::MAX) };
        hub.store.read(move |c| super::read(c, &query)).await.unwrap()
    };
    let first = read().await;
    let [FeedItem::Grant { .. }, FeedItem::Tail { changes, .. }] = &first.items[..] else {
        panic!("{:?}", first.items)
    };
    assert_eq!(changes.iter().map(|change| change.sequence.0).collect::<Vec<_>>(), [1, 2]);
    // What it wrote is no longer there: the outline says all that it must know.
    hub.store.write(move |t| lost(t, InstallId(1), april)).await.unwrap();
    assert!(matches!(&read().await.items[..], [FeedItem::Grant { .. }, FeedItem::Outline { .. }]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_at_once_never_make_a_reader_pass_something_unseen() {
    let hub = std::sync::Arc::new(region().await);
    for person in 1..=8 {
        hub.assign(HOME, person).await;
    }
    let writers: Vec<_> = (1..=8)
        .map(|person| {
            let hub = std::sync::Arc::clone(&hub);
            tokio::spawn(async move {
                for n in 0..40 {
                    let section = [Section::History, Section::Letters, Section::Safety][n % 3];
                    hub.append(scope(person, section)).await.unwrap();
                }
            })
        })
        .collect();
    let mut home = Replica::new(HOME, 1);
    while !writers.iter().all(tokio::task::JoinHandle::is_finished) {
        home.read(&hub, 3_000, true).await;
    }
    for writer in writers {
        writer.await.unwrap();
    }
    home.catch_up(&hub).await;
    let expected = expected(&hub, HOME).await;
    assert_eq!(expected.values().map(BTreeSet::len).sum::<usize>(), 8 * 40 + 8 * 3);
    assert_eq!(home.disk, expected);
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Append(u128, Section),
    Write(usize, u128, Section),
    Assign(usize, u128),
    Revoke(usize, u128, bool),
    Read { who: usize, bytes: u64, tells: bool },
    Cut(usize),
    Compact(u128, Section),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let section = || prop::sample::select(vec![Section::Safety, Section::Notes, Section::Medicines]);
    let person = || 1u128..4;
    prop_oneof![
        3 => (person(), section()).prop_map(|(p, s)| Step::Append(p, s)),
        6 => (0usize..3, person(), section()).prop_map(|(w, p, s)| Step::Write(w, p, s)),
        3 => (0usize..3, person()).prop_map(|(w, p)| Step::Assign(w, p)),
        2 => (0usize..3, person(), any::<bool>()).prop_map(|(w, p, f)| Step::Revoke(w, p, f)),
        6 => (0usize..3, 1u64..3000, any::<bool>()).prop_map(|(who, bytes, tells)| Step::Read { who, bytes, tells }),
        1 => (0usize..3).prop_map(Step::Cut),
        3 => (person(), section()).prop_map(|(p, s)| Step::Compact(p, s)),
        1 => Just(Step::Reopen),
    ]
}

async fn run(steps: Vec<Step>) {
    let mut hub = region().await;
    for person in 1..4 {
        hub.store.write(move |t| grants::add_resident(t, resident(person), NOW)).await.unwrap();
    }
    let mut replicas = [Replica::new(HOME, 1), Replica::new(OTHER, 2), Replica::new(PHARMACY, 3)];
    for step in steps {
        match step {
            Step::Append(person, section) => drop(hub.append(scope(person, section)).await.unwrap()),
            Step::Write(who, person, section) => replicas[who].write(&hub, scope(person, section)).await,
            Step::Assign(who, person) => hub.assign(replicas[who].site, person).await,
            Step::Revoke(who, person, forget) => {
                let mode = if forget { RevokeMode::Forget } else { RevokeMode::Freeze };
                // A site that never held the record has nothing taken away.
                hub.revoke(replicas[who].site, person, mode).await.ok();
            }
            Step::Read { who, bytes, tells } => drop(replicas[who].read(&hub, bytes, tells).await),
            Step::Cut(who) => replicas[who].cut(),
            Step::Compact(person, section) => {
                compact::compact(&hub.store, scope(person, section)).await.unwrap();
            }
            Step::Reopen => hub.reopen().await,
        }
    }
    for replica in &mut replicas {
        replica.cut();
        replica.catch_up(&hub).await;
        let mut held = replica.disk.clone();
        let expected = expected(&hub, replica.site).await;
        // A record that is frozen stays on the disk; it is not among what the site subscribes to.
        held.retain(|scope, _| expected.contains_key(scope));
        assert_eq!(held, expected, "{}", replica.site);
        for (scope, _) in replica.disk.iter().filter(|(scope, _)| !expected.contains_key(*scope)) {
            let (code, person) = (site(replica.site), scope.resident().unwrap());
            let state = hub.store.read(move |c| grants::state(c, code, person)).await.unwrap();
            assert_eq!(state, Some(GrantState::Frozen), "{scope:?} at {}", replica.site);
        }
        let level = hub
            .store
            .read({
                let code = site(replica.site);
                move |c| level(c, code)
            })
            .await
            .unwrap()
            .unwrap();
        let digests =
            held.iter().flat_map(|(scope, hashes)| hashes.iter().map(|hash| Digest::of(*scope, *hash)));
        let digest = digests.fold(Digest::default(), Digest::plus);
        assert_eq!(level.digest, digest);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_site_ends_with_exactly_the_changes_it_should(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(steps));
    }
}
