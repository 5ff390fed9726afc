//! What the pages of accounts share: reading the roster, a form about an account, saving a version of it.

use hearth_protocol::access::staffing::{self, StaffingFault};
use hearth_protocol::access::{SiteKind, pin::Pin};
use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::record::site::roster::RosterView;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Section, Subject};

use crate::records::{AddError, Draft, IdempotencyKey};
use crate::web::Web;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::frame::role_words;
use crate::web::requester::Requester;

/// Writes a version of an account in the place of all that stand. Answers whose it is: a form that is sent twice names
/// the account that it made the first time.
pub(super) async fn save(
    web: &Web,
    requester: &Requester,
    key: IdempotencyKey,
    member: StaffMember,
) -> Result<StaffId, PageError> {
    let subject = Subject::Site(web.site().id);
    let entries = web.records().entries(subject, &[Section::Roster], None).await?;
    let now = web.now();
    let view = RosterView::of(&entries, now);
    let standing = view.account(member.staff).map(|item| item.standing.as_slice()).unwrap_or_default();
    let draft = Draft {
        subject,
        section: Section::Roster,
        happened: now,
        thread: standing.first().map(|version| version.entry.thread_id()),
        replaces: standing.iter().map(|version| version.entry.id).collect(),
        body: Body::StaffMember(member),
    };
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id: Option<EntryId> = added.ids.first().copied();
    let entry = match id {
        Some(id) => web.records().entry(id).await?,
        None => None,
    };
    match entry.map(|entry| entry.body) {
        Some(Body::StaffMember(member)) => Ok(member.staff),
        _ => Err(PageError::Fault("an account was saved and is not there".to_owned())),
    }
}

/// What a fault of the roster's rules says beside the form, where the person can mend it there.
pub(super) fn mendable(error: PageError, problems: &mut Problems) -> Result<(), PageError> {
    let PageError::Add(AddError::Staffing(fault)) = error else { return Err(error) };
    let field = match fault {
        StaffingFault::NotAllowed => return Err(error),
        StaffingFault::MoreThanOwn | StaffingFault::OwnRights | StaffingFault::LastManager => "role",
        StaffingFault::PassEnd => "hours",
        StaffingFault::Registration => "registration",
        StaffingFault::Words => "name",
    };
    problems.add(field, fault.sentence());
    Ok(())
}

/// A number for a new account that no other has.
pub(super) async fn new_id(web: &Web) -> Result<StaffId, PageError> {
    let taken: Vec<StaffId> = web.records().roster().await?.iter().map(|member| member.staff).collect();
    loop {
        let staff = StaffId(u64::from_be_bytes(web.random().bytes()));
        if staff.0 != 0 && !taken.contains(&staff) {
            return Ok(staff);
        }
    }
}

/// The roles of a site of this kind, with their names in forms and for people.
pub(super) fn roles(kind: SiteKind, may: impl Fn(Role) -> bool) -> Vec<(&'static str, &'static str)> {
    let roles: &[Role] = match kind {
        SiteKind::CareHome => &[Role::Carer, Role::Senior, Role::Nurse, Role::Manager],
        SiteKind::Pharmacy => &[Role::Technician, Role::Locum, Role::Pharmacist],
    };
    roles.iter().filter(|role| may(**role)).map(|role| (role_key(*role), role_words(*role))).collect()
}

/// The name of a role in a form.
pub(super) fn role_key(role: Role) -> &'static str {
    match role {
        Role::Carer => "carer",
        Role::Senior => "senior",
        Role::Nurse => "nurse",
        Role::Manager => "manager",
        Role::Pharmacist => "pharmacist",
        Role::Technician => "technician",
        Role::Locum => "locum",
        Role::Administrator => "administrator",
        Role::System => "system",
    }
}

const ROLES: [Role; 7] =
    [Role::Carer, Role::Senior, Role::Nurse, Role::Manager, Role::Pharmacist, Role::Technician, Role::Locum];

/// Name, role and registration as they were typed; a registered profession needs its number.
pub(super) fn read_person(fields: &Fields, problems: &mut Problems) -> (String, Role, Option<String>) {
    let name = problems.required(fields, "name", staffing::WORDS_CHARS_MAX, "the name as it signs entries");
    let role = ROLES.into_iter().find(|role| role_key(*role) == fields.text("role"));
    if role.is_none() {
        problems.add("role", "Choose the role");
    }
    let registration = problems.optional(fields, "registration", staffing::WORDS_CHARS_MAX);
    if role.is_some_and(staffing::is_registered) && registration.is_none() {
        problems.add("registration", "Enter the registration number, as on the register");
    }
    (name, role.unwrap_or(Role::Carer), registration)
}

/// A PIN as it was typed, if it is not too easy.
pub(super) fn read_pin(fields: &Fields, field: &'static str, problems: &mut Problems) -> Option<Pin> {
    match fields.text(field).parse::<Pin>() {
        Ok(pin) => Some(pin),
        Err(error) => {
            problems.add(field, format!("Choose another PIN: {error}"));
            None
        }
    }
}
