//! The safety section as it is shown: allergies as a union, decisions about resuscitation never merged.

use std::cmp::Reverse;

use super::{Alert, Allergy, AllergyStatus, Criticality, EscalationLimits, NoKnownAllergies, Resuscitation};
use crate::record::Entry;
use crate::record::version::{Kind, Thing, Version, newest_first, sorted, things};
use crate::scope::Section;
use crate::time::Date;

/// What must be in view.
#[derive(Clone, Debug, PartialEq)]
pub struct SafetyView<'a> {
    /// Allergies that hold or await review, the most dangerous first.
    pub allergies: Vec<AllergyItem<'a>>,
    /// Allergies that are resolved, refuted or taken back.
    pub past_allergies: Vec<AllergyItem<'a>>,
    /// Statements that there are none, newest first; overruled while [`Self::allergies`] has any.
    pub no_known_allergies: Vec<Thing<'a, NoKnownAllergies>>,
    /// Resuscitation.
    pub resuscitation: Decisions<'a, Resuscitation>,
    /// Escalation limits.
    pub escalation: Decisions<'a, EscalationLimits>,
    /// Warnings that hold, newest first; one that was ended and changed apart holds until somebody settles it.
    pub alerts: Vec<Thing<'a, Alert>>,
    /// Warnings that have ended or were taken back.
    pub past_alerts: Vec<Thing<'a, Alert>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// An allergy with where it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct AllergyItem<'a> {
    /// The allergy.
    pub thing: Thing<'a, Allergy>,
    /// Where it stands.
    pub state: AllergyState,
    /// The highest risk that any standing version states.
    pub criticality: Option<Criticality>,
}

/// Where an allergy stands once all copies are together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllergyState {
    /// It holds.
    Active,
    /// Somebody ended, refuted or took it back while somebody else changed it: it holds until a person settles it.
    ForReview,
    /// No longer active.
    Resolved,
    /// Found not to be so.
    Refuted,
    /// Entered in error.
    TakenBack,
}

/// The title over the allergies (CUI PAB-0064 to 0072). `Allergies unavailable` is for a screen that has no view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllergyTitle {
    /// Some are known.
    Known,
    /// Somebody asked and found none.
    NoneKnown,
    /// Nobody recorded anything.
    NotRecorded,
}

impl AllergyTitle {
    /// The title's exact words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Known => "Known allergies",
            Self::NoneKnown => "No known allergies",
            Self::NotRecorded => "Allergies not recorded",
        }
    }
}

/// Signed decisions of one kind. They are never merged: what was decided apart is shown side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Decisions<'a, T> {
    /// Decisions that stand and are not withdrawn, the newest signed paper first, unsigned ones last.
    pub standing: Vec<Version<'a, T>>,
    /// Whether more than one stands, so that a person has to decide which paper holds.
    pub contested: bool,
    /// The date of the newest signed paper among those that stand.
    pub newest_signed: Option<Date>,
    /// Every thing of this kind, with its history: withdrawn and taken back ones too.
    pub all: Vec<Thing<'a, T>>,
}

/// A decision on paper.
pub trait Signed: Kind {
    /// The date on the paper.
    fn signed(&self) -> Option<Date>;
    /// Whether it was withdrawn.
    fn is_withdrawn(&self) -> bool;
}

impl Signed for Resuscitation {
    fn signed(&self) -> Option<Date> {
        self.signed
    }

    fn is_withdrawn(&self) -> bool {
        self.withdrawn.is_some()
    }
}

impl Signed for EscalationLimits {
    fn signed(&self) -> Option<Date> {
        self.signed
    }

    fn is_withdrawn(&self) -> bool {
        self.withdrawn.is_some()
    }
}

impl<'a> SafetyView<'a> {
    /// The view of all entries of a resident's safety section, whatever order they come in.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Safety);
        let (mut allergies, mut past_allergies): (Vec<_>, Vec<_>) =
            things(&threads).into_iter().map(allergy_item).partition(AllergyItem::is_current);
        allergies.sort_by_cached_key(sort_key);
        past_allergies.sort_by_cached_key(sort_key);
        let mut no_known_allergies = things(&threads);
        newest_first(&mut no_known_allergies);
        let mut alerts: Vec<Thing<'a, Alert>> = things(&threads);
        newest_first(&mut alerts);
        let holds = |thing: &Thing<'a, Alert>| thing.standing.iter().any(|v| v.body.active);
        let (alerts, past_alerts) = alerts.into_iter().partition(holds);
        let (resuscitation, escalation) = (decisions(things(&threads)), decisions(things(&threads)));
        Self {
            allergies,
            past_allergies,
            no_known_allergies,
            resuscitation,
            escalation,
            alerts,
            past_alerts,
            unread,
        }
    }

    /// The title over the allergies. Any allergy that holds overrules a statement that there are none.
    pub fn allergy_title(&self) -> AllergyTitle {
        match (self.allergies.is_empty(), self.no_known_allergies()) {
            (false, _) => AllergyTitle::Known,
            (true, Some(_)) => AllergyTitle::NoneKnown,
            (true, None) => AllergyTitle::NotRecorded,
        }
    }

    /// The newest standing statement that there are none, to show who asked and when; none while an allergy holds.
    pub fn no_known_allergies(&self) -> Option<Version<'a, NoKnownAllergies>> {
        let newest = || self.no_known_allergies.iter().find_map(Thing::newest);
        self.allergies.is_empty().then(newest).flatten()
    }

    /// Whether a person has to settle something here.
    pub fn is_contested(&self) -> bool {
        self.resuscitation.contested
            || self.escalation.contested
            || self.allergies.iter().any(|a| a.thing.is_contested())
            || self.alerts.iter().any(Thing::is_contested)
    }
}

impl<'a> AllergyItem<'a> {
    /// The version to show first: of an allergy under review the newest that says it holds.
    pub fn shown(&self) -> Option<Version<'a, Allergy>> {
        let active = self.thing.standing.iter().find(|v| is_active(&v.body.status)).copied();
        active.or_else(|| self.thing.newest()).or_else(|| self.thing.versions().last())
    }

    /// Whether it is to be heeded.
    pub fn is_current(&self) -> bool {
        matches!(self.state, AllergyState::Active | AllergyState::ForReview)
    }

    /// Whether the substance has no code, so that the screen says beside it that it triggers no check (CUI ADR-0055).
    pub fn is_free_text(&self) -> bool {
        self.shown().is_some_and(|v| v.body.substance.code.is_none())
    }
}

fn is_active(status: &AllergyStatus) -> bool {
    matches!(status, AllergyStatus::Confirmed | AllergyStatus::Unconfirmed)
}

fn allergy_item(thing: Thing<'_, Allergy>) -> AllergyItem<'_> {
    let criticality = thing.standing.iter().filter_map(|v| v.body.criticality).max();
    let state = allergy_state(&thing);
    AllergyItem { thing, state, criticality }
}

fn allergy_state(thing: &Thing<'_, Allergy>) -> AllergyState {
    let active = thing.standing.iter().filter(|v| is_active(&v.body.status)).count();
    let is_refuted = thing.standing.iter().any(|v| matches!(v.body.status, AllergyStatus::Refuted(_)));
    match (active, thing.standing.len()) {
        (_, 0) => AllergyState::TakenBack,
        // An allergy that somebody struck out while somebody else changed it must not vanish by itself.
        (_, _) if thing.struck_apart => AllergyState::ForReview,
        (0, _) if is_refuted => AllergyState::Refuted,
        (0, _) => AllergyState::Resolved,
        (active, standing) if active < standing => AllergyState::ForReview,
        (_, _) => AllergyState::Active,
    }
}

/// Strongest first; a risk that is not stated counts as one that could not be assessed.
fn sort_key(item: &AllergyItem<'_>) -> (Reverse<Criticality>, String, crate::id::EntryId) {
    let risk = item.criticality.unwrap_or(Criticality::UnableToAssess);
    let substance = item.shown().map(|v| v.body.substance.display.to_lowercase()).unwrap_or_default();
    (Reverse(risk), substance, item.thing.id())
}

fn decisions<T: Signed>(things: Vec<Thing<'_, T>>) -> Decisions<'_, T> {
    // Where one person withdrew and another changed the same decision, both are shown.
    let holds = |thing: &&Thing<'_, T>| thing.standing.iter().any(|v| !v.body.is_withdrawn());
    let mut standing: Vec<Version<'_, T>> =
        things.iter().filter(holds).flat_map(|thing| thing.standing.iter().copied()).collect();
    standing.sort_by_key(|v| Reverse((v.body.signed(), v.entry.happened, v.entry.recorded, v.entry.id)));
    let contested = standing.len() > 1 || things.iter().filter(holds).any(Thing::is_contested);
    let newest_signed = standing.iter().filter_map(|v| v.body.signed()).max();
    Decisions { standing, contested, newest_signed, all: things }
}

#[cfg(test)]
mod tests;
