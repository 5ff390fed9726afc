//! Which right an entry needs of its author.

use hearth_protocol::access::{self, Action, SiteKind, SiteRight};
use hearth_protocol::audit;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::Section;

use super::AddError;

/// How an entry stands to those that it replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It replaces nothing.
    New,
    /// It replaces one entry of the same author.
    Own,
    /// It replaces one entry of somebody else.
    Anothers,
    /// It replaces several, and so settles a disagreement.
    Several,
}

/// What is done by writing this.
pub(super) fn action_of(section: Section, body: &Body, standing: Standing) -> Action {
    match standing {
        // To take back a version of an account brings back the one before it.
        _ if section == Section::Roster => Action::Change,
        _ if matches!(body, Body::Settlement(_)) => Action::Settle,
        Standing::Several => Action::Settle,
        // Tasks, the pharmacy's stages and marks on the body map are moved on by whoever does the next step.
        Standing::Anothers if is_shared_work(section, body) => Action::Record,
        Standing::Anothers => Action::Change,
        Standing::New | Standing::Own if guides_care(body) => Action::Change,
        Standing::New | Standing::Own => Action::Record,
    }
}

/// The same for the audit.
pub(super) fn audited(body: &Body, standing: Standing) -> audit::Action {
    match standing {
        Standing::New if matches!(body, Body::StaffMember(_)) => audit::Action::StaffAdd,
        _ if matches!(body, Body::StaffMember(_)) => audit::Action::StaffChange,
        _ if is_taken_back(body) => audit::Action::TakeBack,
        _ if matches!(body, Body::Settlement(_)) => audit::Action::Settle,
        Standing::New => audit::Action::Add,
        Standing::Own | Standing::Anothers => audit::Action::Change,
        Standing::Several => audit::Action::Settle,
    }
}

fn is_taken_back(body: &Body) -> bool {
    matches!(body, Body::EnteredInError(_))
}

fn is_shared_work(section: Section, body: &Body) -> bool {
    let is_moved_on =
        matches!(section, Section::Tasks | Section::Pharmacy) || matches!(body, Body::BodyMark(_));
    is_moved_on && !is_taken_back(body)
}

/// Whether others act on it: who may only record may not write it.
fn guides_care(body: &Body) -> bool {
    matches!(
        body,
        Body::Demographics(_)
            | Body::Placement(_)
            | Body::Resuscitation(_)
            | Body::EscalationLimits(_)
            | Body::Order(_)
            | Body::CovertDecision(_)
            | Body::CareGoal(_)
            | Body::Statement(_)
            | Body::Baseline(_)
            | Body::OxygenScale(_)
            | Body::Risk(_)
            | Body::Passage(_)
            | Body::HandoverLine(_)
            | Body::Setting(_)
    )
}

/// Refuses what the kind of site or the role may not write.
pub(super) fn check(kind: SiteKind, role: Role, section: Section, action: Action) -> Result<(), AddError> {
    check_site(kind, section)?;
    if !access::role_may(role, section, action) {
        return Err(AddError::NotAllowed(section));
    }
    Ok(())
}

/// Refuses what the kind of site may not write.
pub(super) fn check_site(kind: SiteKind, section: Section) -> Result<(), AddError> {
    let may = access::site_right(kind, section) == SiteRight::Write;
    may.then_some(()).ok_or(AddError::NotThisSite(section))
}
