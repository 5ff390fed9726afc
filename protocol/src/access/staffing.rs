//! What may be written of an account: the rules of a roster beyond role x section x action.

use super::{Action, role_may};
use crate::id::StaffId;
use crate::record::Role;
use crate::record::site::StaffMember;
use crate::scope::Section;
use crate::time::Timestamp;

/// Longest agency pass: a long day with the handovers at both ends.
pub const PASS_MS_MAX: i64 = 16 * 3_600_000;
/// Longest name, registration or agency, in characters.
pub const WORDS_CHARS_MAX: usize = 100;

/// Why an account may not be written so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StaffingFault {
    /// The role makes no accounts, or not this change.
    #[error("the role may not change accounts")]
    NotAllowed,
    /// It would give a role that may do more than that of the person who gives it, or one that no member of staff has.
    #[error("nobody gives a role that may do more than their own")]
    MoreThanOwn,
    /// The person's own role, end, or being a member of staff at all.
    #[error("nobody changes their own rights")]
    OwnRights,
    /// Nobody would be left who can run the roster.
    #[error("somebody must be left who can change the staff list")]
    LastManager,
    /// A pass without an end, or with one that is past or after the shift.
    #[error("a pass ends within {} hours", PASS_MS_MAX / 3_600_000)]
    PassEnd,
    /// A registered profession without its registration number.
    #[error("a pass for a registered profession needs the registration number")]
    Registration,
    /// A name, registration or agency that is empty, too long, or no text.
    #[error("names have 1 to {WORDS_CHARS_MAX} characters")]
    Words,
}

impl StaffingFault {
    /// What the person who typed is told, and what they can do.
    pub fn sentence(self) -> &'static str {
        match self {
            Self::NotAllowed => "Your role may not change this account. Ask the manager.",
            Self::MoreThanOwn => {
                "Nothing was saved: you cannot give a role that may do more than your own. Ask the manager."
            }
            Self::OwnRights => {
                "Nothing was saved: nobody changes their own role or closes their own account. Ask another manager or \
                 the hub."
            }
            Self::LastManager => {
                "Nothing was saved: nobody would be left who can change the staff list. Give a colleague that role first."
            }
            Self::PassEnd => {
                "Nothing was saved: an agency pass ends with the shift, at most 16 hours from now."
            }
            Self::Registration => "Nothing was saved: enter the registration number.",
            Self::Words => "Nothing was saved: a name has 1 to 100 characters.",
        }
    }
}

/// Whether a role may run the whole roster: add, change and retire accounts.
pub fn runs_roster(role: Role) -> bool {
    role_may(role, Section::Roster, Action::Change)
}

/// Whether a role may do nothing that another may not.
pub fn gives_no_more(own: Role, given: Role) -> bool {
    let is_of_staff = |role| !matches!(role, Role::Administrator | Role::System);
    is_of_staff(own)
        && is_of_staff(given)
        && Section::ALL.into_iter().all(|section| {
            Action::ALL.into_iter().all(|a| role_may(own, section, a) || !role_may(given, section, a))
        })
}

/// The roles of an agency pass that somebody of this role may make.
pub fn pass_roles(own: Role) -> impl Iterator<Item = Role> {
    let may = role_may(own, Section::Roster, Action::Record);
    [Role::Carer, Role::Nurse, Role::Technician, Role::Locum]
        .into_iter()
        .filter(move |given| may && gives_no_more(own, *given))
}

/// Whether people of this role are on a professional register.
pub fn is_registered(role: Role) -> bool {
    matches!(role, Role::Nurse | Role::Pharmacist | Role::Technician | Role::Locum)
}

/// Refuses what this person may not write of an account, given the roster as it is.
///
/// Who runs the roster may give any role up to their own and change all but their own rights. Who is in charge of a
/// shift may make a pass for it and end one. Anybody may change their own PIN. Whoever holds a pass makes none.
pub fn check(
    (staff, role): (StaffId, Role),
    roster: &[StaffMember],
    after: &StaffMember,
    now: Timestamp,
) -> Result<(), StaffingFault> {
    let account = |staff: StaffId| roster.iter().find(|member| member.staff == staff);
    let before = account(after.staff);
    if before.is_some_and(|before| staff == after.staff && is_other_pin_only(before, after)) {
        return Ok(());
    }
    let holds_pass = account(staff).is_some_and(|own| own.agency.is_some());
    if holds_pass || !role_may(role, Section::Roster, Action::Record) {
        return Err(StaffingFault::NotAllowed);
    }
    if before.is_some_and(|before| is_end_of_pass(before, after)) {
        return Ok(());
    }
    if !runs_roster(role) && (before.is_some() || after.agency.is_none()) {
        return Err(StaffingFault::NotAllowed);
    }
    if before.is_some_and(|before| staff == after.staff && rights(before) != rights(after)) {
        return Err(StaffingFault::OwnRights);
    }
    if before.is_none_or(|before| before.role != after.role) && !gives_no_more(role, after.role) {
        return Err(StaffingFault::MoreThanOwn);
    }
    check_words(after)?;
    if before.is_none() && after.agency.is_some() {
        check_pass(role, after, now)?;
    }
    check_not_last(roster, after)
}

/// What of an account decides what its holder may do, and for how long.
fn rights(member: &StaffMember) -> (Role, bool, Option<Timestamp>, bool) {
    (member.role, member.active, member.until, member.agency.is_some())
}

fn is_other_pin_only(before: &StaffMember, after: &StaffMember) -> bool {
    let same = StaffMember { pin: before.pin.clone(), new_pin: before.new_pin, ..after.clone() };
    same == *before && after.pin.is_some()
}

fn is_end_of_pass(before: &StaffMember, after: &StaffMember) -> bool {
    before.agency.is_some() && *after == StaffMember { active: false, ..before.clone() }
}

fn check_words(member: &StaffMember) -> Result<(), StaffingFault> {
    let is_sound = |text: &str| {
        !text.trim().is_empty()
            && text.chars().count() <= WORDS_CHARS_MAX
            && !text.chars().any(char::is_control)
    };
    let mut words = [Some(&member.name), member.registration.as_ref(), member.agency.as_ref()].into_iter();
    words.all(|text| text.is_none_or(|text| is_sound(text))).then_some(()).ok_or(StaffingFault::Words)
}

fn check_pass(by: Role, pass: &StaffMember, now: Timestamp) -> Result<(), StaffingFault> {
    if !pass_roles(by).any(|role| role == pass.role) {
        return Err(StaffingFault::MoreThanOwn);
    }
    let ends_with_shift = pass.until.is_some_and(|until| until > now && until.ms_since(now) <= PASS_MS_MAX);
    if !ends_with_shift {
        return Err(StaffingFault::PassEnd);
    }
    if is_registered(pass.role) && pass.registration.is_none() {
        return Err(StaffingFault::Registration);
    }
    Ok(())
}

/// Refuses to leave a site without anybody who can run its roster for good.
fn check_not_last(roster: &[StaffMember], after: &StaffMember) -> Result<(), StaffingFault> {
    let runs = |m: &StaffMember| m.active && m.until.is_none() && m.pin.is_some() && runs_roster(m.role);
    let had = roster.iter().any(runs);
    let has = roster.iter().filter(|m| m.staff != after.staff).any(runs) || runs(after);
    if had && !has { Err(StaffingFault::LastManager) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_764_158_400_000);
    const ROLES: [Role; 9] = [
        Role::Carer,
        Role::Senior,
        Role::Nurse,
        Role::Manager,
        Role::Pharmacist,
        Role::Technician,
        Role::Locum,
        Role::Administrator,
        Role::System,
    ];

    fn member(staff: u64, role: Role) -> StaffMember {
        StaffMember {
            staff: StaffId(staff),
            name: "A".into(),
            role,
            active: true,
            pin: Some("x".into()),
            until: None,
            registration: Some("99A1234E".into()),
            new_pin: false,
            agency: None,
        }
    }

    fn pass(staff: u64, role: Role, hours: i64) -> StaffMember {
        let until = Some(NOW.plus_ms(hours * 3_600_000));
        StaffMember { until, agency: Some("Agency".into()), ..member(staff, role) }
    }

    fn checked(by: &StaffMember, roster: &[StaffMember], after: &StaffMember) -> Result<(), StaffingFault> {
        check((by.staff, by.role), roster, after, NOW)
    }

    #[test]
    fn which_roles_give_which_pass_and_which_account() {
        let mut text = String::new();
        for own in ROLES {
            let passes: Vec<_> = pass_roles(own).collect();
            let by = member(1, own);
            let roster = [by.clone(), member(9, Role::Manager)];
            let given = ROLES.into_iter().filter(|role| checked(&by, &roster, &member(2, *role)).is_ok());
            let given: Vec<_> = given.collect();
            writeln!(text, "{own:?}: passes {passes:?}, accounts {given:?}").unwrap();
        }
        insta::assert_snapshot!(text, @r"
        Carer: passes [], accounts []
        Senior: passes [Carer, Technician], accounts []
        Nurse: passes [Carer, Nurse, Technician, Locum], accounts []
        Manager: passes [Carer, Nurse, Technician, Locum], accounts [Carer, Senior, Nurse, Manager, Pharmacist, Technician, Locum]
        Pharmacist: passes [Technician, Locum], accounts [Pharmacist, Technician, Locum]
        Technician: passes [], accounts []
        Locum: passes [], accounts []
        Administrator: passes [], accounts []
        System: passes [], accounts []
        ");
    }

    #[test]
    fn a_manager_retires_a_colleague_but_not_herself_and_nobody_the_last_manager() {
        let (mo, may) = (member(1, Role::Manager), member(2, Role::Manager));
        let closed = |m: &StaffMember| StaffMember { active: false, ..m.clone() };
        let both = [mo.clone(), may.clone()];
        assert_eq!(checked(&mo, &both, &closed(&may)), Ok(()));
        assert_eq!(checked(&mo, &both, &closed(&mo)), Err(StaffingFault::OwnRights));
        let hub_closed = [mo.clone(), closed(&may)];
        let demoted = StaffMember { role: Role::Carer, ..mo.clone() };
        assert_eq!(checked(&may, &hub_closed, &demoted), Err(StaffingFault::LastManager));
        assert_eq!(checked(&may, &hub_closed, &closed(&mo)), Err(StaffingFault::LastManager));
    }

    #[test]
    fn a_pass_has_an_end_within_the_shift_and_a_nurse_her_number() {
        let nurse = member(1, Role::Nurse);
        let roster = [nurse.clone()];
        for (hours, result) in [(0, false), (-1, false), (1, true), (16, true), (17, false)] {
            assert_eq!(checked(&nurse, &roster, &pass(2, Role::Carer, hours)).is_ok(), result, "{hours}");
        }
        let endless = StaffMember { until: None, ..pass(2, Role::Carer, 1) };
        assert_eq!(checked(&nurse, &roster, &endless), Err(StaffingFault::PassEnd));
        let unnamed = StaffMember { registration: None, ..pass(2, Role::Nurse, 8) };
        assert_eq!(checked(&nurse, &roster, &unnamed), Err(StaffingFault::Registration));
        let unnamed = StaffMember { registration: None, ..pass(2, Role::Carer, 8) };
        assert_eq!(checked(&nurse, &roster, &unnamed), Ok(()));
    }

    #[test]
    fn who_is_in_charge_ends_a_pass_and_changes_nothing_else_of_it() {
        let (senior, held) = (member(1, Role::Senior), pass(2, Role::Nurse, 8));
        let roster = [senior.clone(), held.clone(), member(3, Role::Carer)];
        let ended = StaffMember { active: false, ..held.clone() };
        assert_eq!(checked(&senior, &roster, &ended), Ok(()));
        let longer = StaffMember { until: pass(2, Role::Nurse, 12).until, ..held.clone() };
        assert_eq!(checked(&senior, &roster, &longer), Err(StaffingFault::NotAllowed));
        let carer = StaffMember { active: false, ..member(3, Role::Carer) };
        assert_eq!(checked(&senior, &roster, &carer), Err(StaffingFault::NotAllowed));
        // Whoever holds a pass makes none.
        assert_eq!(checked(&held, &roster, &pass(4, Role::Carer, 8)), Err(StaffingFault::NotAllowed));
    }

    #[test]
    fn everybody_changes_their_own_pin_and_nobody_elses() {
        let carer = member(1, Role::Carer);
        let roster = [carer.clone(), member(2, Role::Carer)];
        let own = StaffMember { pin: Some("y".into()), new_pin: true, ..carer.clone() };
        assert_eq!(checked(&carer, &roster, &own), Ok(()));
        let renamed = StaffMember { name: "B".into(), ..own };
        assert_eq!(checked(&carer, &roster, &renamed), Err(StaffingFault::NotAllowed));
        let other = StaffMember { pin: Some("y".into()), ..member(2, Role::Carer) };
        assert_eq!(checked(&carer, &roster, &other), Err(StaffingFault::NotAllowed));
        let none = StaffMember { pin: None, ..carer.clone() };
        assert_eq!(checked(&carer, &roster, &none), Err(StaffingFault::NotAllowed));
    }

    fn any_member() -> impl Strategy<Value = StaffMember> {
        let parts = (1u64..5, prop::sample::select(ROLES.to_vec()), any::<[bool; 3]>(), -2i64..20);
        parts.prop_map(|(staff, role, [active, is_pass, new_pin], hours)| {
            let made = if is_pass { pass(staff, role, hours) } else { member(staff, role) };
            StaffMember { active, new_pin, ..made }
        })
    }

    proptest! {
        /// Whatever staff write one after the other: nobody comes to a role by their own hand, no role appears that may
        /// do more than the writer's, and a site that can run its roster can go on to.
        #[test]
        fn no_run_of_changes_raises_anybody_above_the_writer(
            writes in prop::collection::vec((0usize..6, any_member()), 1..12)
        ) {
            let mut roster = vec![member(1, Role::Manager), member(2, Role::Senior), member(3, Role::Nurse)];
            for (by, after) in writes {
                let Some(by) = roster.get(by).cloned().filter(|by| by.active) else { continue };
                if checked(&by, &roster, &after).is_err() {
                    continue;
                }
                let before = roster.iter().find(|m| m.staff == after.staff).map(|m| m.role);
                if before != Some(after.role) {
                    prop_assert!(by.staff != after.staff && gives_no_more(by.role, after.role));
                }
                roster.retain(|m| m.staff != after.staff);
                roster.push(after);
                prop_assert!(roster.iter().any(|m| m.active && runs_roster(m.role)));
            }
        }
    }
}
