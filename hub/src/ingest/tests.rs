use super::*;
use crate::testing::{
    HUB, NOW, Pen, TestHub, entry, heads, resident, scope, signing_key, site, subject_site,
};
use crate::{grants, scopes};
use hearth_protocol::access::SiteKind;
use hearth_protocol::document::{StoredChange, rebuild};
use hearth_protocol::head::{HeadSignature, Run, Writer};
use hearth_protocol::record::Entry;
use hearth_protocol::scope::{Month, Scope, Section, Subject};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::{RevokeMode, ScopedChange, Sequence};

mod together;

const HOME: &str = "VL1AB";
const PHARMACY: &str = "FA100";

/// A care home (installation 1) and a pharmacy (installation 2) that share resident 1.
async fn region() -> TestHub {
    let hub = TestHub::new().await;
    hub.add_site(HOME, SiteKind::CareHome, 1).await;
    hub.add_site(PHARMACY, SiteKind::Pharmacy, 2).await;
    hub.assign(HOME, 1).await;
    hub.assign(PHARMACY, 1).await;
    hub
}

fn rejected(code: &str) -> ChangeResult {
    ChangeResult::Rejected(code.to_owned())
}

fn accepted(place: u64) -> ChangeResult {
    ChangeResult::Accepted(Sequence(place))
}

async fn stored(hub: &TestHub, scope: Scope) -> Vec<StoredChange> {
    hub.store.read(move |c| crate::records::changes(c, scope)).await.unwrap()
}

#[tokio::test]
async fn sound_changes_are_stored_in_order_and_make_the_same_document() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    let notes = scope(1, Section::Notes);
    let mut changes = Vec::new();
    for _ in 0..5 {
        changes.extend(pen.write(notes));
    }
    let results = hub.push(1, changes.clone()).await;
    assert_eq!(results, (1..=6).map(accepted).collect::<Vec<_>>());
    let kept = stored(&hub, notes).await;
    assert_eq!(kept, changes.into_iter().map(|c| c.change).collect::<Vec<_>>());
    let document = rebuild(Section::Notes, None, &kept).unwrap();
    let state = hub.store.read(move |c| scopes::get(c, notes)).await.unwrap().unwrap();
    assert_eq!(state.tip.heads, hearth_protocol::document::heads(&document));
    assert_eq!(state.digest.count(), 6);
}

#[tokio::test]
async fn what_is_sent_again_is_a_duplicate_and_stored_once() {
    let hub = region().await;
    let changes = Pen::new(1).write(scope(1, Section::Notes));
    assert_eq!(hub.push(1, changes.clone()).await, [accepted(1), accepted(2)]);
    let again = hub.push(1, changes).await;
    assert_eq!(again, [ChangeResult::Duplicate(Sequence(1)), ChangeResult::Duplicate(Sequence(2))]);
    assert_eq!(hub.count("change").await, 2);
}

#[tokio::test]
async fn everything_is_judged_alike_after_the_raw_changes_have_gone() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut original = Pen::new(1);
    let mut sent = original.write(notes);
    let mut copy = original.clone();
    sent.extend(original.write(notes));
    hub.push(1, sent.clone()).await;
    crate::compact::compact(&hub.store, notes).await.unwrap();
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 0);
    let again = (1..=3).map(|place| ChangeResult::Duplicate(Sequence(place)));
    assert_eq!(hub.push(1, sent.clone()).await, again.collect::<Vec<_>>());
    // What builds on a change without bytes is stored, what another has used the number of is a clone's.
    sent.extend(original.write(notes));
    assert_eq!(hub.push(1, sent[3..].to_vec()).await, [accepted(4)]);
    assert_eq!(stored(&hub, notes).await, sent.into_iter().map(|c| c.change).collect::<Vec<_>>());
    let mut other = entry(copy.next_id(), NOW);
    other.happened = NOW.plus_ms(-1);
    let forked = copy.add(notes, vec![other]);
    assert_eq!(hub.try_push(1, forked).await, Ok(Pushed::Refused(RefusalCode::Cloned)));
}

#[tokio::test]
async fn two_sites_that_begin_one_scope_begin_the_same_document() {
    let hub = region().await;
    let safety = scope(1, Section::Safety);
    assert_eq!(hub.push(1, Pen::new(1).write(safety)).await, [accepted(1), accepted(2)]);
    let theirs = hub.push(2, Pen::new(2).write(safety)).await;
    assert_eq!(theirs, [ChangeResult::Duplicate(Sequence(1)), accepted(3)]);
    let state = hub.store.read(move |c| scopes::get(c, safety)).await.unwrap().unwrap();
    assert_eq!(state.tip.heads.len(), 2);
}

#[tokio::test]
async fn a_change_whose_dependency_is_missing_waits_and_is_stored_when_it_comes() {
    let hub = region().await;
    let (mut home, mut pharmacy) = (Pen::new(1), Pen::new(2));
    let safety = scope(1, Section::Safety);
    let late = pharmacy.write(safety);
    home.see(&late);
    let mut changes = vec![late[0].clone()];
    changes.extend(home.write(safety));
    changes.extend(home.write(safety));
    let waiting = hub.push(1, changes).await;
    assert_eq!(waiting[0], accepted(1));
    assert_eq!(waiting[1], ChangeResult::Pending(late[1].change.hash));
    assert!(matches!(waiting[2], ChangeResult::Pending(_)));
    assert_eq!((hub.count("pending").await, hub.count("vouched").await), (2, 2));
    assert_eq!(hub.push(2, late).await, [ChangeResult::Duplicate(Sequence(1)), accepted(2)]);
    assert_eq!((hub.count("pending").await, hub.count("change").await), (0, 4));
    assert_eq!(hub.count("vouched").await, 0);
}

#[tokio::test]
async fn changes_that_come_in_the_wrong_order_within_one_push_are_all_stored() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    let notes = scope(1, Section::Notes);
    let mut changes = pen.write(notes);
    changes.extend(pen.write(notes));
    changes.reverse();
    assert_eq!(hub.push(1, changes).await, [accepted(3), accepted(2), accepted(1)]);
}

#[tokio::test]
async fn a_change_of_a_resident_that_the_site_does_not_hold_goes_to_the_quarantine() {
    let hub = region().await;
    let results = hub.push(1, Pen::new(1).write(scope(2, Section::Notes))).await;
    assert_eq!(results, [rejected("not-granted"), rejected("not-granted")]);
    assert_eq!((hub.count("quarantine").await, hub.count("scope").await), (1, 0));
}

#[tokio::test]
async fn a_section_that_the_kind_of_site_may_only_read_or_not_hold_is_not_written() {
    let hub = region().await;
    for section in [Section::Mar, Section::Notes, Section::Plan, Section::Identity] {
        let results = hub.push(2, Pen::new(2).write(scope(1, section))).await;
        assert_eq!(
            results,
            [rejected("section-not-writable"), rejected("section-not-writable")],
            "{section}"
        );
    }
}

#[tokio::test]
async fn another_sites_settings_are_not_written() {
    let hub = region().await;
    let theirs = hub.push(1, Pen::new(1).write(subject_site(PHARMACY, Section::Settings))).await;
    assert_eq!(theirs[1], rejected("not-granted"));
    let own = hub.push(1, Pen::new(1).write(subject_site(HOME, Section::Settings))).await;
    assert_eq!(own[1], accepted(2));
}

#[tokio::test]
async fn a_change_of_another_installation_is_not_taken_from_this_one() {
    let hub = region().await;
    let results = hub.push(1, Pen::new(2).write(scope(1, Section::Safety))).await;
    assert_eq!(results, [accepted(1), rejected("foreign-install")]);
}

/// The hub begins a new epoch, as it does when it comes back from a backup.
async fn lose(hub: &TestHub) {
    hub.store.write(|t| crate::region::start_epoch(t, InstallId(0xffff_0002), NOW).map(drop)).await.unwrap();
}

#[tokio::test]
async fn after_a_loss_a_site_brings_back_what_another_wrote_by_the_others_rights() {
    let hub = region().await;
    let (notes, safety, mar) = (scope(1, Section::Notes), scope(1, Section::Safety), scope(1, Section::Mar));
    let mut home = Pen::new(1);
    let (allowed, unread) = (home.write(safety), home.write(notes));
    lose(&hub).await;
    // A pharmacy may write safety, as the home may; it never holds notes, and may not write what is given.
    assert_eq!(hub.push(2, allowed).await, [accepted(1), accepted(2)]);
    assert_eq!(hub.push(2, unread).await, [rejected("section-not-writable"), rejected("not-granted")]);
    let mut pharmacy = Pen::new(2);
    let given = pharmacy.write(mar);
    assert_eq!(hub.push(1, given).await, [accepted(1), rejected("section-not-writable")]);
    assert_eq!(hub.push(1, Pen::new(99).write(safety)).await[1], rejected("foreign-install"));
    assert_eq!(hub.count("brought_back").await, 1);
    let after = NOW.plus_ms(91 * 24 * 60 * 60 * 1000);
    let push = hub.signed(home.write(safety)).await.unwrap();
    let late = hub.store.write(move |t| super::push(t, InstallId(2), push, after)).await.unwrap();
    assert_eq!(late, Pushed::Judged(vec![rejected("foreign-install")]));
}

#[tokio::test]
async fn after_a_loss_a_site_gives_back_what_it_wrote_before_the_record_was_taken_away_and_nothing_else() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut home = Pen::new(1);
    hub.push(1, home.write(notes)).await;
    let (lost, more) = (home.write(notes), home.write(notes));
    let mut late = entry(home.next_id(), NOW);
    late.recorded = NOW.plus_ms(1);
    let late = home.add(notes, vec![late]);
    hub.revoke(HOME, 1, RevokeMode::Freeze).await.unwrap();
    assert_eq!(hub.push(1, lost.clone()).await, [rejected("not-granted")], "nothing was lost");
    lose(&hub).await;
    assert_eq!(hub.push(1, lost).await, [accepted(3)]);
    assert_eq!(hub.push(1, late.clone()).await, [rejected("not-granted")]);
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    assert_eq!(hub.push(1, more).await, [accepted(4)]);
    assert_eq!(hub.push(1, late).await, [rejected("not-granted")]);
}

#[tokio::test]
async fn after_a_loss_the_hubs_own_entries_come_back_too() {
    let hub = region().await;
    let safety = scope(1, Section::Safety);
    let mut before = Pen::new(HUB.0);
    let own = before.write(safety);
    assert_eq!(hub.push(1, own.clone()).await, [accepted(1), rejected("foreign-install")]);
    lose(&hub).await;
    assert_eq!(hub.push(1, own).await[1], accepted(2));
    assert_eq!(hub.count("quarantine WHERE settled_at IS NULL").await, 0);
}

#[tokio::test]
async fn who_brings_back_two_versions_of_anothers_change_is_not_the_copy() {
    let hub = region().await;
    let safety = scope(1, Section::Safety);
    let mut home = Pen::new(1);
    let mut fork = home.clone();
    lose(&hub).await;
    hub.push(1, home.write(safety)).await;
    let mut entry = entry(fork.next_id(), NOW);
    entry.origin = hearth_protocol::record::Origin::Site(site(PHARMACY));
    let forked = fork.add(safety, vec![entry]);
    assert_eq!(hub.push(2, forked).await[1], rejected("number-used-twice"));
    let state = hub.store.read(|c| Ok(sites::install(c, InstallId(2))?.unwrap().state)).await.unwrap();
    assert_eq!(state, InstallState::Active);
}

#[tokio::test]
async fn a_change_after_the_record_was_taken_away_goes_to_the_quarantine_and_can_be_accepted_by_a_person() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    let notes = scope(1, Section::Notes);
    hub.push(1, pen.write(notes)).await;
    hub.revoke(HOME, 1, RevokeMode::Freeze).await.unwrap();
    let unsent = pen.write(notes);
    assert_eq!(hub.push(1, unsent.clone()).await, [rejected("not-granted")]);
    hub.assign(HOME, 1).await;
    let before = hub.head(HOME).await;
    let result = hub.store.write(|t| retry(t, 1, NOW)).await.unwrap();
    assert_eq!(result, Some(accepted(3)));
    assert!(hub.head(HOME).await > before, "who wrote it compares, and hears of it");
    assert_eq!(hub.push(1, unsent).await, [ChangeResult::Duplicate(Sequence(3))]);
    let settled = hub.store.write(|t| dismiss(t, 1, "late", NOW)).await;
    assert!(matches!(settled, Err(StoreError::Logic(_))));
}

async fn push_dated(scope: Scope, happened: Timestamp, recorded: Timestamp) -> ChangeResult {
    let (hub, mut pen) = (region().await, Pen::new(1));
    let mut dated = entry(pen.next_id(), happened);
    dated.recorded = recorded;
    let change = pen.add(scope, vec![dated]);
    hub.push(1, change).await.pop().unwrap()
}

#[tokio::test]
async fn what_a_wrong_clock_dated_is_taken_in_with_all_that_builds_on_it_and_noted() {
    let (hub, mut pen) = (region().await, Pen::new(1));
    let safety = scope(1, Section::Safety);
    let far = NOW.plus_ms(limits::FUTURE_MS_MAX + 1);
    let near = NOW.plus_ms(limits::FUTURE_MS_MAX);
    let stated = [(far, NOW), (NOW, far), (NOW, Timestamp(5)), (near, near)];
    let mut changes = Vec::new();
    for (happened, recorded) in stated {
        let entry = Entry { recorded, ..entry(pen.next_id(), happened) };
        changes.extend(pen.add(safety, vec![entry]));
    }
    assert_eq!(hub.push(1, changes).await, (1..=5).map(accepted).collect::<Vec<_>>());
    let noted = hub.store.read(|c| {
        let mut select = c.prepare(
            "SELECT code FROM misdated ORDER BY (SELECT seq FROM change WHERE change.hash = misdated.hash)",
        )?;
        let codes = select.query_map([], |row| row.get::<_, String>(0))?;
        Ok(codes.collect::<Result<Vec<_>, _>>()?)
    });
    let [future, early] = ["dated-in-the-future", "recorded-too-early"].map(str::to_owned);
    assert_eq!(noted.await.unwrap(), [future.clone(), future, early]);
}

#[tokio::test]
async fn what_is_dated_into_a_month_far_ahead_is_taken_in_once_that_month_is_near_and_its_writer_hears_of_it()
{
    let (hub, mut pen) = (region().await, Pen::new(1));
    let in_days = |days: i64| NOW.plus_ms(days * 24 * 3_600_000);
    let month = |days| Scope::of_resident(resident(1), Section::Notes, in_days(days)).unwrap();
    let mut write = |days| {
        let id = pen.next_id();
        pen.add(month(days), vec![entry(id, in_days(days))])
    };
    assert_eq!(hub.push(1, write(30)).await, [accepted(1), accepted(2)]);
    let far = write(90);
    assert_eq!(hub.push(1, far.clone()).await[1], rejected("month-out-of-range"));
    dates::judge_again(&hub.store, in_days(30)).await.unwrap();
    assert_eq!(hub.count("quarantine WHERE settled_at IS NULL").await, 1);
    let before = hub.head(HOME).await;
    dates::judge_again(&hub.store, in_days(60)).await.unwrap();
    assert_eq!(hub.count("quarantine WHERE settled_at IS NULL").await, 0);
    assert!(hub.head(HOME).await > before, "else the writer would not compare, and take it for refused");
    assert_eq!(hub.push(1, far).await[1], ChangeResult::Duplicate(Sequence(2)));
}

#[tokio::test]
async fn an_entry_in_another_month_than_its_scope_goes_to_the_quarantine() {
    let month =
        |n| Scope::try_new(Subject::Resident(resident(1)), Section::Notes, Month::new(2026, n)).unwrap();
    assert_eq!(push_dated(month(8), NOW, NOW).await, rejected("wrong-month"));
    assert_eq!(push_dated(month(12), NOW, NOW).await, rejected("month-out-of-range"));
    let past_midnight = Timestamp::from_rfc3339("2026-09-01T00:30:00+01:00").unwrap();
    assert_eq!(push_dated(month(8), past_midnight, NOW).await, accepted(2));
}

#[tokio::test]
async fn a_correction_stands_in_the_month_of_what_it_corrects() {
    let hub = region().await;
    let august = Scope::try_new(Subject::Resident(resident(1)), Section::Notes, Month::new(2026, 8)).unwrap();
    let mut pen = Pen::new(1);
    let first = entry(pen.next_id(), Timestamp::from_rfc3339("2026-08-10T10:00:00Z").unwrap());
    let mut correction = entry(pen.next_id(), NOW);
    (correction.thread, correction.replaces) = (Some(first.id), vec![first.id]);
    let mut changes = pen.add(august, vec![first]);
    changes.extend(pen.add(august, vec![correction]));
    assert_eq!(hub.push(1, changes).await, [accepted(1), accepted(2), accepted(3)]);
}

#[tokio::test]
async fn damaged_bytes_go_to_the_quarantine_whole() {
    let hub = region().await;
    let mut changes = Pen::new(1).write(scope(1, Section::Notes));
    let last = changes[1].change.bytes.len() - 1;
    changes[1].change.bytes[last] ^= 1;
    assert!(matches!(hub.push(1, changes.clone()).await[1], ChangeResult::Rejected(_)));
    let read = hub.store.read(|c| Ok(c.query_row("SELECT bytes FROM quarantine", [], |row| row.get(0))?));
    assert_eq!(read.await, Ok(changes.remove(1).change.bytes));
}

#[tokio::test]
async fn an_installation_that_was_copied_is_put_under_quarantine_and_refused_from_then_on() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut original = Pen::new(1);
    hub.push(1, original.write(notes)).await;
    let mut copy = original.clone();
    assert_eq!(hub.push(1, original.write(notes)).await, [accepted(3)]);
    let mut other = entry(copy.next_id(), NOW);
    other.happened = NOW.plus_ms(-1);
    let forked = copy.add(notes, vec![other]);
    assert_eq!(hub.try_push(1, forked).await, Ok(Pushed::Refused(RefusalCode::Cloned)));
    let state = hub.store.read(|c| sites::install(c, InstallId(1))).await.unwrap().unwrap().state;
    assert_eq!(state, InstallState::Quarantined);
    assert_eq!((hub.count("quarantine").await, hub.count("change").await), (1, 3));
    assert_eq!(hub.try_push(1, original.write(notes)).await, Ok(Pushed::Refused(RefusalCode::Revoked)));
}

#[tokio::test]
async fn an_installation_that_gives_an_entry_a_number_that_it_used_in_another_document_is_put_under_quarantine()
 {
    let hub = region().await;
    let mut original = Pen::new(1);
    let mut copy = original.clone();
    hub.push(1, original.write(scope(1, Section::Notes))).await;
    let again = copy.write(scope(1, Section::Safety));
    assert_eq!(hub.try_push(1, again).await, Ok(Pushed::Refused(RefusalCode::Cloned)));
    let state = hub.store.read(|c| sites::install(c, InstallId(1))).await.unwrap().unwrap().state;
    assert_eq!(state, InstallState::Quarantined);
    assert_eq!(
        (hub.count("quarantine").await, hub.count("change").await),
        (1, 3),
        "first changes say nothing"
    );
}

#[tokio::test]
async fn all_that_a_copy_sends_in_the_push_that_gives_it_away_is_kept_for_a_person() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut original = Pen::new(1);
    hub.push(1, original.write(notes)).await;
    let mut copy = original.clone();
    hub.push(1, original.write(notes)).await;
    let mut forked = entry(copy.next_id(), NOW);
    forked.happened = NOW.plus_ms(-1);
    let mut sent = copy.add(notes, vec![forked]);
    sent.extend(copy.write(notes));
    sent.extend(copy.write(scope(1, Section::Safety)));
    assert_eq!(hub.try_push(1, sent).await, Ok(Pushed::Refused(RefusalCode::Cloned)));
    assert_eq!(hub.count("quarantine WHERE code = 'cloned-install'").await, 1);
    assert_eq!(hub.count("quarantine WHERE code = 'install-held'").await, 2);
}

#[tokio::test]
async fn a_revoked_installation_writes_nothing() {
    let hub = region().await;
    let revoke =
        |t: &Transaction<'_>| sites::set_install_state(t, InstallId(1), InstallState::Revoked, "stolen");
    hub.store.write(revoke).await.unwrap();
    let pushed = hub.try_push(1, Pen::new(1).write(scope(1, Section::Notes))).await;
    assert_eq!(pushed, Ok(Pushed::Refused(RefusalCode::Revoked)));
    assert_eq!(hub.count("change").await, 0);
}

#[tokio::test]
async fn one_broken_change_of_a_group_does_not_withhold_the_others() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    let mut changes = pen.write(scope(1, Section::Mar));
    changes.extend(pen.write(scope(9, Section::Notes)));
    let results = hub.push(1, changes).await;
    assert_eq!(results[..2], [accepted(1), accepted(2)]);
    assert_eq!(results[3], rejected("not-granted"));
}

#[tokio::test]
async fn operations_that_jump_ahead_are_refused_so_that_the_numbers_never_run_out() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    hub.push(1, pen.write(notes)).await;
    let mut tip = hub.store.read(move |c| scopes::get(c, notes)).await.unwrap().unwrap().tip;
    (tip.max_op, tip.own_changes) = (1 << 20, 1);
    let entries = vec![entry(pen.next_id(), NOW)];
    let change = document::add(InstallId(1), Section::Notes, &mut tip, entries).unwrap().to_stored();
    let results = hub.push(1, vec![ScopedChange { scope: notes, change }]).await;
    assert_eq!(results, [rejected("operations-out-of-order")]);
}

#[tokio::test]
async fn the_hub_writes_in_its_own_name_and_begins_scopes_itself() {
    let hub = region().await;
    let history = scope(1, Section::History);
    assert_eq!(hub.append(history).await, Ok(Sequence(2)));
    assert_eq!(hub.append(history).await, Ok(Sequence(3)));
    let kept = stored(&hub, history).await;
    let last = document::check(Section::History, kept[2].hash, &kept[2].bytes).unwrap();
    assert_eq!((last.install, last.seq), (HUB, 2));
    assert!(rebuild(Section::History, None, &kept).is_ok());
}

#[tokio::test]
async fn a_long_import_becomes_several_changes() {
    let hub = region().await;
    let history = scope(1, Section::History);
    let appended = hub.store.write(move |t| {
        let ids = (0..40).map(|_| crate::region::next_entry(t)).collect::<Result<Vec<_>, _>>()?;
        let long = |id| {
            let mut entry = entry(id, NOW);
            entry.author.name = "x".repeat(10_000);
            entry
        };
        append(t, history, ids.into_iter().map(long).collect(), NOW)
    });
    let head = appended.await.unwrap();
    assert!(head.0 > 6, "{head:?}");
    assert!(rebuild(Section::History, None, &stored(&hub, history).await).is_ok());
}

#[tokio::test]
async fn a_resident_who_is_not_known_gets_no_scope() {
    let hub = region().await;
    assert!(matches!(hub.append(scope(77, Section::History)).await, Err(StoreError::Constraint(_))));
    assert_eq!(hub.count("scope").await, 0);
}

#[tokio::test]
async fn the_sites_that_hold_a_scope_get_a_feed_number_and_the_only_writer_does_not() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    let safety = scope(1, Section::Safety);
    hub.push(1, pen.write(safety)).await;
    let (home, pharmacy) = (hub.head(HOME).await, hub.head(PHARMACY).await);
    hub.push(1, pen.write(safety)).await;
    assert_eq!((hub.head(HOME).await, hub.head(PHARMACY).await.0), (home, pharmacy.0 + 1));
    hub.push(1, pen.write(scope(1, Section::Notes))).await;
    assert_eq!(hub.head(PHARMACY).await.0, pharmacy.0 + 1, "a pharmacy holds no notes");
    // A second installation of the home has to be sent what the first one wrote.
    hub.add_install(HOME, 3).await;
    let home = hub.head(HOME).await;
    hub.push(1, pen.write(safety)).await;
    assert_eq!(hub.head(HOME).await.0, home.0 + 1);
}

#[tokio::test]
async fn the_digest_of_a_site_is_that_of_the_scopes_it_holds() {
    let hub = region().await;
    let mut pen = Pen::new(1);
    for section in [Section::Safety, Section::Notes, Section::Mar] {
        hub.push(1, pen.write(scope(1, section))).await;
        hub.push(1, pen.write(scope(1, section))).await;
    }
    let check = |code: &'static str, scopes: u64| {
        hub.store.read(move |c| {
            let level = crate::feed::level(c, site(code))?.unwrap();
            let mut select = c.prepare(
                "SELECT s.digest FROM subscription u JOIN scope s ON s.key = u.scope WHERE u.site = ?1",
            )?;
            let digests = select.query_map([code], |row| crate::store::columns::digest(row, 0))?;
            let sum = digests.map(Result::unwrap).fold(Digest::default(), Digest::plus);
            assert_eq!((level.digest, level.scopes), (sum, scopes), "{code}");
            Ok(())
        })
    };
    check(HOME, 3).await.unwrap();
    check(PHARMACY, 2).await.unwrap();
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    check(HOME, 0).await.unwrap();
    hub.assign(HOME, 1).await;
    check(HOME, 3).await.unwrap();
    let held = hub.store.read(|c| grants::residents_of(c, site(HOME))).await;
    assert_eq!(held, Ok(vec![resident(1)]));
}

#[tokio::test]
async fn a_full_disk_refuses_the_push_and_keeps_nothing_of_it() {
    let options = crate::store::StoreOptions { pages_max: Some(110), ..Default::default() };
    let hub = TestHub::with(&options).await;
    hub.add_site(HOME, SiteKind::CareHome, 1).await;
    hub.assign(HOME, 1).await;
    let mut pen = Pen::new(1);
    let notes = scope(1, Section::Notes);
    let mut acknowledged = 0;
    let failed = loop {
        let changes = (0..50).flat_map(|_| pen.write(notes)).collect::<Vec<_>>();
        match hub.try_push(1, changes).await {
            Ok(Pushed::Judged(results)) => acknowledged += results.len() as u64,
            other => break other,
        }
        assert!(acknowledged < 100_000, "the disk never fills");
    };
    assert_eq!(failed, Err(StoreError::Full));
    assert_eq!(hub.count("change").await, acknowledged);
}

/// A change of installation 1 and the head that it signs for it.
async fn signed_push(hub: &TestHub, pen: &mut Pen, scope: Scope) -> (Vec<ScopedChange>, SignedHead) {
    let changes = pen.write(scope);
    let signed = hub.store.read(move |c| crate::heads::signed(c, scope, InstallId(1))).await.unwrap();
    let base = signed.map(|(run, _)| run).unwrap_or_default();
    let head = heads(InstallId(1), &signing_key(1), |_| base, &changes).pop().unwrap();
    (changes, head)
}

async fn judged(hub: &TestHub, changes: Vec<ScopedChange>, heads: Vec<SignedHead>) -> ChangeResult {
    let Ok(Pushed::Judged(mut results)) = hub.push_with(1, changes, heads).await else { panic!("refused") };
    results.pop().unwrap()
}

#[tokio::test]
async fn a_change_without_its_writers_signature_goes_to_the_quarantine_and_into_the_audit() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let (changes, head) = signed_push(&hub, &mut Pen::new(1), notes).await;
    let other_region =
        Writer { region: RegionId(uuid::Uuid::from_u128(2)), scope: notes, install: InstallId(1) };
    let run = Run { seq: head.seq, hash: head.hash };
    let attacks = [
        (vec![], "unsigned"),
        (vec![SignedHead { signature: HeadSignature([7; 64]), ..head.clone() }], "bad-signature"),
        (vec![SignedHead { seq: 2, ..head.clone() }], "bad-signature"),
        (
            vec![SignedHead { signature: other_region.sign(run, &signing_key(1)), ..head.clone() }],
            "bad-signature",
        ),
        (heads(InstallId(1), &signing_key(2), |_| Run::default(), &changes), "bad-signature"),
        (heads(InstallId(2), &signing_key(2), |_| Run::default(), &changes), "unsigned"),
        (vec![SignedHead { scope: scope(1, Section::Mar), ..head.clone() }], "unsigned"),
    ];
    let count = attacks.len() as u64;
    for (heads, code) in attacks {
        assert_eq!(judged(&hub, changes.clone(), heads).await, rejected(code));
        assert_eq!(hub.count("change").await, 1, "the first change of the document proves itself");
        assert_eq!(
            hub.store.write(|t| retry(t, 1, NOW)).await,
            Ok(Some(rejected("unsigned"))),
            "nor by a person"
        );
    }
    assert!(hub.count("audit_event").await >= count);
    assert_eq!(judged(&hub, changes, vec![head]).await, accepted(2));
    assert_eq!(hub.count("quarantine WHERE settled_at IS NULL").await, 0);
}

#[tokio::test]
async fn a_signature_of_one_change_is_of_no_use_for_another() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    let mut twin = pen.clone();
    let (_, head) = signed_push(&hub, &mut pen, notes).await;
    let mut entry = entry(twin.next_id(), NOW);
    entry.author.staff = hearth_protocol::id::StaffId(99);
    let forged = twin.add(notes, vec![entry]);
    assert_eq!(judged(&hub, forged.clone(), vec![head.clone()]).await, rejected("bad-signature"));
}

/// So many pushes of a change each, with a head each, and the run that they are.
fn pushes(notes: Scope, count: usize) -> (Vec<(Vec<ScopedChange>, SignedHead)>, Run) {
    let (mut pen, mut run) = (Pen::new(1), Run::default());
    let mut pushes = Vec::new();
    for _ in 0..count {
        let changes = pen.write(notes);
        let head = heads(InstallId(1), &signing_key(1), |_| run, &changes).pop().unwrap();
        run = Run { seq: head.seq, hash: head.hash };
        pushes.push((changes, head));
    }
    (pushes, run)
}

#[tokio::test]
async fn what_one_head_vouches_for_is_taken_in_while_a_later_head_waits_for_more() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let (pushes, run) = pushes(notes, 5);
    for place in [0, 2, 4, 1] {
        let (changes, head) = pushes[place].clone();
        judged(&hub, changes, vec![head]).await;
    }
    assert_eq!((hub.count("change").await, hub.count("pending").await), (4, 1));
    assert_eq!(hub.count("quarantine").await, 0);
    let (changes, head) = pushes[3].clone();
    judged(&hub, changes, vec![head]).await;
    assert_eq!((hub.count("change").await, hub.count("pending").await), (6, 0));
    assert_eq!((hub.count("head_ahead").await, hub.count("change_ahead").await), (0, 0));
    assert_eq!((hub.count("vouched").await, hub.count("quarantine").await), (0, 0));
    let signed = hub.store.read(move |c| crate::heads::signed(c, notes, InstallId(1))).await.unwrap();
    assert_eq!(signed.unwrap().0, run);
}

#[tokio::test]
async fn what_is_sent_after_something_that_was_lost_waits_for_it_with_its_head() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let (mut pushes, run) = pushes(notes, 4);
    let (first, lost): ((Vec<_>, _), (Vec<_>, _)) = (pushes.remove(0), pushes.remove(0));
    assert_eq!(judged(&hub, first.0, vec![first.1]).await, accepted(2));
    for (changes, head) in pushes {
        let missing = document::check(Section::Notes, changes[0].change.hash, &changes[0].change.bytes);
        let missing = missing.unwrap().deps[0];
        assert_eq!(judged(&hub, changes, vec![head]).await, ChangeResult::Pending(missing));
    }
    assert_eq!((hub.count("pending").await, hub.count("change_ahead").await), (2, 2));
    assert_eq!(judged(&hub, lost.0, vec![lost.1]).await, accepted(3));
    assert_eq!((hub.count("pending").await, hub.count("change").await), (0, 5));
    assert_eq!((hub.count("head_ahead").await, hub.count("change_ahead").await), (0, 0));
    assert_eq!((hub.count("vouched").await, hub.count("quarantine").await), (0, 0));
    let signed = hub.store.read(move |c| crate::heads::signed(c, notes, InstallId(1))).await.unwrap();
    assert_eq!(signed.unwrap().0, run);
}

#[tokio::test]
async fn a_head_that_waited_proves_nothing_that_its_installation_did_not_sign() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    let mut twin = pen.clone();
    let (first, first_head) = signed_push(&hub, &mut pen, notes).await;
    let run = Run { seq: first_head.seq, hash: first_head.hash };
    let second = pen.write(notes);
    let head = heads(InstallId(1), &signing_key(1), |_| run, &second).pop().unwrap();
    // A thief with the key's holder's head puts another change under it.
    twin.see(&first);
    let mut other = entry(twin.next_id(), NOW);
    other.author.staff = hearth_protocol::id::StaffId(99);
    let forged = twin.add(notes, vec![other]);
    assert!(matches!(judged(&hub, forged, vec![head]).await, ChangeResult::Pending(_)));
    assert_eq!(judged(&hub, first, vec![first_head]).await, accepted(2));
    assert_eq!((hub.count("change").await, hub.count("quarantine WHERE code = 'unsigned'").await), (2, 1));
}

#[tokio::test]
async fn what_a_copy_had_written_before_it_was_found_stays_proven() {
    let hub = region().await;
    let (notes, safety) = (scope(1, Section::Notes), scope(1, Section::Safety));
    let mut original = Pen::new(1);
    let first = original.write(safety);
    hub.push(1, first.clone()).await;
    let mut copy = original.clone();
    hub.push(1, original.write(notes)).await;
    let mut other = entry(copy.next_id(), NOW);
    other.happened = NOW.plus_ms(-1);
    let mut sent = copy.add(notes, vec![other]);
    sent.extend(copy.write(safety));
    assert_eq!(hub.try_push(1, sent).await, Ok(Pushed::Refused(RefusalCode::Cloned)));
    let sent = crate::heads::Sent::Document(Sequence(2));
    let vouchers = hub.store.read(move |c| crate::heads::vouchers(c, safety, &sent)).await.unwrap();
    let writer = Writer { region: RegionId(crate::testing::REGION), scope: safety, install: InstallId(1) };
    let run = Run::default().then(first[1].change.hash);
    assert_eq!(vouchers[0].verify(&writer, run, &signing_key(1).verifying_key()), Ok(()));
}

#[tokio::test]
async fn a_database_from_before_heads_were_signed_goes_on() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    let mut changes = pen.write(notes);
    assert_eq!(hub.push(1, changes.clone()).await.len(), 2);
    hub.store.write(|t| Ok(t.execute("DELETE FROM signed_head", [])?)).await.unwrap();
    let later = pen.write(notes);
    changes.extend(later.clone());
    let head = heads(InstallId(1), &signing_key(1), |_| Run::default(), &changes).pop().unwrap();
    assert_eq!(judged(&hub, later, vec![head]).await, accepted(3));
}

/// Installation 1 writes to a record after it was taken from its site, erases it and gets it back.
async fn written_and_erased(hub: &TestHub, pen: &mut Pen, scope: Scope) {
    hub.push(1, pen.write(scope)).await;
    let mut erased = pen.clone();
    let misplaced = entry(erased.next_id(), NOW.plus_ms(-90 * 24 * 60 * 60 * 1000));
    let refused = erased.add(scope, vec![misplaced]);
    assert_eq!(hub.push(1, refused.clone()).await, [rejected("wrong-month")]);
    let upon = erased.write(scope);
    assert_eq!(hub.push(1, upon).await, [ChangeResult::Pending(refused[0].change.hash)]);
    hub.revoke(HOME, 1, RevokeMode::Forget).await.unwrap();
    hub.assign(HOME, 1).await;
}

#[tokio::test]
async fn what_was_refused_and_erased_stands_in_the_way_of_nothing_that_is_written_once_the_record_is_back() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    written_and_erased(&hub, &mut pen, notes).await;
    let mut run = Run::default().then(stored(&hub, notes).await[1].hash);
    for place in 3..6 {
        let mut again = entry(pen.next_id(), NOW);
        again.happened = NOW.plus_ms(-1);
        let changes = pen.add(notes, vec![again]);
        let head = heads(InstallId(1), &signing_key(1), |_| run, &changes).pop().unwrap();
        run = Run { seq: head.seq, hash: head.hash };
        assert_eq!(judged(&hub, changes, vec![head]).await, accepted(place));
    }
    let signed = hub.store.read(move |c| crate::heads::signed(c, notes, InstallId(1))).await.unwrap();
    assert_eq!((signed.unwrap().0, hub.count("vouched").await), (run, 0));
    // What built on it would wait for ever: a person is told.
    assert_eq!((hub.count("pending").await, hub.count("quarantine WHERE settled_at IS NULL").await), (0, 2));
}

#[tokio::test]
async fn a_number_is_given_anew_by_its_own_installation_alone_and_only_where_the_head_goes_on_from_what_is_stored()
 {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    let mut pen = Pen::new(1);
    written_and_erased(&hub, &mut pen, notes).await;
    let run = Run::default().then(stored(&hub, notes).await[1].hash);
    let mut again = entry(pen.next_id(), NOW);
    again.happened = NOW.plus_ms(-1);
    let changes = pen.add(notes, vec![again]);
    let unbased = heads(InstallId(1), &signing_key(1), |_| Run { seq: 1, ..Run::default() }, &changes);
    assert_eq!(judged(&hub, changes.clone(), unbased).await, rejected("unsigned"));
    let foreign = heads(InstallId(1), &signing_key(2), |_| run, &changes);
    assert_eq!(judged(&hub, changes, foreign).await, rejected("bad-signature"));
    assert_eq!(hub.count("vouched").await, 2);
}

#[tokio::test]
async fn who_gets_no_changes_is_told_how_far_what_is_stored_goes_and_not_what_was_refused() {
    let hub = region().await;
    let notes = scope(1, Section::Notes);
    written_and_erased(&hub, &mut Pen::new(1), notes).await;
    let proven = hub.store.read(move |c| crate::heads::proven(c, notes, Sequence(2))).await.unwrap();
    let run = Run::default().then(stored(&hub, notes).await[1].hash);
    let key = signing_key(1).verifying_key();
    assert_eq!(proven[0].verify(RegionId(crate::testing::REGION), notes, &key), Ok(run));
    assert_eq!((proven.len(), proven[0].voucher.seq), (1, 3));
}
