use proptest::prelude::*;

use super::*;
use crate::record::coded::Coded;
use crate::record::fixture::{entry, history, ids, reordered, strike, version};
use crate::record::safety::CprDecision;
use crate::record::{Body, EntryError};

fn allergy(to: &str, criticality: Option<Criticality>, status: AllergyStatus) -> Body {
    Body::Allergy(Allergy {
        substance: Coded::text(to),
        category: None,
        criticality,
        status,
        reactions: Vec::new(),
        intolerance: false,
        note: None,
    })
}

fn cpr(decision: CprDecision, signed: &str, withdrawn: bool) -> Body {
    Body::Resuscitation(Resuscitation {
        decision,
        signed: Some(signed.parse().unwrap()),
        clinician: None,
        form: Some("ReSPECT".into()),
        paper: None,
        review: None,
        withdrawn: withdrawn.then(|| "no longer wanted".into()),
        paper_seen: None,
    })
}

fn none_known() -> Body {
    Body::NoKnownAllergies(NoKnownAllergies { source: None })
}

fn refuted() -> AllergyStatus {
    AllergyStatus::Refuted("tolerated since".into())
}

#[test]
fn the_title_is_one_of_three() {
    let none = entry(1, 0, none_known());
    let some = entry(2, 1, allergy("Penicillin", None, AllergyStatus::Confirmed));
    assert_eq!(SafetyView::of([]).allergy_title().words(), "Allergies not recorded");
    assert_eq!(SafetyView::of([&none]).allergy_title().words(), "No known allergies");
    assert_eq!(SafetyView::of([&none, &some]).allergy_title().words(), "Known allergies");
}

#[test]
fn any_allergy_overrules_a_later_statement_that_there_are_none() {
    let some = entry(1, 0, allergy("Penicillin", None, AllergyStatus::Unconfirmed));
    let none = entry(2, 60, none_known());
    let entries = [some, none];
    let view = SafetyView::of(&entries);
    assert_eq!(view.allergy_title(), AllergyTitle::Known);
    assert_eq!(view.no_known_allergies(), None);
}

#[test]
fn a_refuted_allergy_that_somebody_changed_apart_comes_back_for_review() {
    let first = entry(1, 0, allergy("Penicillin", None, AllergyStatus::Unconfirmed));
    let gone = version(2, 10, &first, &[&first], allergy("Penicillin", None, refuted()));
    let edit = version(
        3,
        5,
        &first,
        &[&first],
        allergy("Penicillin", Some(Criticality::High), AllergyStatus::Confirmed),
    );
    let view = SafetyView::of([&first, &gone]);
    assert_eq!(view.past_allergies[0].state, AllergyState::Refuted);
    let entries = [first, gone, edit];
    let view = SafetyView::of(&entries);
    assert_eq!(view.allergies[0].state, AllergyState::ForReview);
    assert_eq!(view.allergies[0].shown().unwrap().entry.id, entries[2].id);
    assert_eq!(view.allergy_title(), AllergyTitle::Known);
}

#[test]
fn an_allergy_struck_out_while_it_was_changed_comes_back_for_review() {
    let first = entry(1, 0, allergy("Latex", None, AllergyStatus::Confirmed));
    let edit = version(2, 5, &first, &[&first], allergy("Latex gloves", None, AllergyStatus::Confirmed));
    let entries = [strike(3, 6, &first), first, edit];
    assert_eq!(SafetyView::of(&entries).allergies[0].state, AllergyState::ForReview);
}

#[test]
fn settling_ends_the_review() {
    let first = entry(1, 0, allergy("Penicillin", None, AllergyStatus::Confirmed));
    let gone = version(2, 10, &first, &[&first], allergy("Penicillin", None, refuted()));
    let edit = version(3, 11, &first, &[&first], allergy("Penicillin V", None, AllergyStatus::Confirmed));
    let settled =
        version(4, 20, &first, &[&gone, &edit], allergy("Penicillin", None, AllergyStatus::Confirmed));
    let entries = [first, gone, edit, settled];
    let view = SafetyView::of(&entries);
    assert_eq!(view.allergies[0].state, AllergyState::Active);
    assert!(!view.is_contested());
}

#[test]
fn the_most_dangerous_allergy_stands_first() {
    let entries = [
        entry(1, 0, allergy("Nuts", Some(Criticality::Low), AllergyStatus::Confirmed)),
        entry(2, 0, allergy("Wasps", None, AllergyStatus::Confirmed)),
        entry(3, 0, allergy("Penicillin", Some(Criticality::High), AllergyStatus::Unconfirmed)),
        entry(4, 0, allergy("Eggs", Some(Criticality::High), AllergyStatus::Confirmed)),
    ];
    let view = SafetyView::of(&entries);
    let shown: Vec<&str> =
        view.allergies.iter().map(|a| a.shown().unwrap().body.substance.display.as_str()).collect();
    assert_eq!(shown, ["Eggs", "Penicillin", "Wasps", "Nuts"]);
    assert!(view.allergies[0].is_free_text());
}

#[test]
fn two_decisions_about_resuscitation_are_both_shown_and_the_newest_paper_is_named() {
    let home = entry(1, 0, cpr(CprDecision::DoNotAttempt, "2025-03-01", false));
    let gp = entry(2, 60, cpr(CprDecision::Attempt, "2026-01-02", false));
    let view = SafetyView::of([&home, &gp]);
    assert!(view.resuscitation.contested);
    assert_eq!(view.resuscitation.standing.len(), 2);
    assert_eq!(view.resuscitation.newest_signed, Some("2026-01-02".parse().unwrap()));
    assert_eq!(view.resuscitation.standing[0].entry.id, gp.id);
}

#[test]
fn a_withdrawn_decision_no_longer_stands_unless_somebody_changed_it_apart() {
    let first = entry(1, 0, cpr(CprDecision::DoNotAttempt, "2025-03-01", false));
    let withdrawn = version(2, 9, &first, &[&first], cpr(CprDecision::DoNotAttempt, "2025-03-01", true));
    let view = SafetyView::of([&first, &withdrawn]);
    assert_eq!((view.resuscitation.standing.len(), view.resuscitation.contested), (0, false));
    let renewed = version(3, 8, &first, &[&first], cpr(CprDecision::DoNotAttempt, "2026-01-01", false));
    let entries = [first, withdrawn, renewed];
    let view = SafetyView::of(&entries);
    assert_eq!((view.resuscitation.standing.len(), view.resuscitation.contested), (2, true));
}

#[test]
fn an_entry_of_a_kind_to_come_is_counted() -> Result<(), EntryError> {
    let unknown = crate::record::entry::UnknownBody { kind: 999, body: vec![0xf6] };
    let stored = entry(1, 0, Body::Unknown(unknown));
    let read = Entry::from_bytes(stored.id, &stored.to_bytes())?;
    assert_eq!(SafetyView::of([&read]).unread, vec![&read]);
    Ok(())
}

fn any_body() -> impl Strategy<Value = Body> {
    let status = prop_oneof![
        Just(AllergyStatus::Confirmed),
        Just(AllergyStatus::Unconfirmed),
        Just(AllergyStatus::Resolved),
        Just(refuted()),
    ];
    let risk = prop::option::of(prop_oneof![Just(Criticality::Low), Just(Criticality::High)]);
    let alert = any::<bool>()
        .prop_map(|active| Body::Alert(Alert { text: Coded::text("Falls"), active, ended_reason: None }));
    prop_oneof![
        4 => ("[A-C]", risk, status).prop_map(|(to, risk, status)| allergy(&to, risk, status)),
        1 => Just(none_known()),
        1 => alert,
        1 => (1u8..9, any::<bool>()).prop_map(|(day, withdrawn)| {
            cpr(CprDecision::DoNotAttempt, &format!("2026-01-0{day}"), withdrawn)
        }),
    ]
}

fn all_of<'a>(view: &SafetyView<'a>) -> Vec<&'a Entry> {
    let allergies = view.allergies.iter().chain(&view.past_allergies).flat_map(|a| &a.thing.thread.entries);
    let none = view.no_known_allergies.iter().flat_map(|t| &t.thread.entries);
    let alerts = view.alerts.iter().chain(&view.past_alerts).flat_map(|t| &t.thread.entries);
    let cpr = view.resuscitation.all.iter().flat_map(|t| &t.thread.entries);
    allergies.chain(none).chain(alerts).chain(cpr).copied().collect()
}

proptest! {
    #[test]
    fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
        (entries, again) in history(any_body()).prop_flat_map(reordered)
    ) {
        let view = SafetyView::of(&entries);
        prop_assert_eq!(&view, &SafetyView::of(&again));
        // A strike whose thread has nothing else is the only entry without a thing of its own.
        let shown = ids(all_of(&view));
        let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
        prop_assert!(ids(said).iter().all(|id| shown.contains(id)));
    }

    #[test]
    fn no_merge_of_two_copies_loses_an_allergy_that_either_still_holds(
        (entries, _) in history(any_body()).prop_flat_map(reordered), mask: u16,
    ) {
        // Each copy is closed over what its entries name: an entry never arrives before those that it replaces.
        let here: Vec<&Entry> = entries.iter().take(usize::from(mask) % (entries.len() + 1)).collect();
        let merged = SafetyView::of(&entries);
        for item in &SafetyView::of(here.iter().copied()).allergies {
            let id = item.thing.id();
            let is_there = merged.allergies.iter().chain(&merged.past_allergies).any(|a| a.thing.id() == id);
            prop_assert!(is_there);
        }
    }
}
