//! Who asks: the session of a request, the member of staff behind it, and what they may do.

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use hearth_protocol::access::{self, SiteRight};
use hearth_protocol::audit;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Author;
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::scope::{Section, Subject};

use super::error::PageError;
use super::form::{Fields, FormKey};
use super::session::{Session, csrf_fits};
use super::{Web, cookie};

/// The session of a request, if there is one that holds.
#[derive(Clone, Debug, Default)]
pub struct MaybeSession(pub Option<SignedIn>);

/// A session and the account behind it.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// The session.
    pub session: Session,
    /// The account, as the roster has it now.
    pub staff: StaffMember,
}

/// A request by somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Requester {
    web: Web,
    /// Who.
    pub signed_in: SignedIn,
}

/// Finds the session of every request to a page. The live stream looks its session up itself, so that an open page
/// does not keep it alive.
pub async fn find_session(State(web): State<Web>, mut request: Request, next: Next) -> Response {
    let cookie = cookie::read(request.headers(), cookie::SESSION);
    let slides = request.uri().path() != super::events::PATH;
    let signed_in = match cookie {
        Some(cookie) => web.signed_in(&cookie, slides).await,
        None => None,
    };
    request.extensions_mut().insert(MaybeSession(signed_in));
    next.run(request).await
}

impl FromRequestParts<Web> for Requester {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let session = parts.extensions.get::<MaybeSession>().cloned().unwrap_or_default();
        let signed_in = session.0.ok_or(PageError::SignedOut)?;
        Ok(Self { web: web.clone(), signed_in })
    }
}

impl Requester {
    /// The person as they sign entries.
    pub fn author(&self) -> Author {
        let staff = &self.signed_in.staff;
        Author { staff: staff.staff, role: staff.role, name: staff.name.clone() }
    }

    /// Whether the person may do this here: by the kind of site, then by the role.
    pub fn may(&self, section: Section, action: access::Action) -> bool {
        let right = access::site_right(self.web.site.kind, section);
        let is_held = match action {
            access::Action::View | access::Action::Export => right >= SiteRight::Read,
            access::Action::Record | access::Action::Change | access::Action::Settle => right == SiteRight::Write,
        };
        is_held && access::role_may(self.signed_in.staff.role, section, action)
    }

    /// Whether the person may see this section here.
    pub fn may_view(&self, section: Section) -> bool {
        self.may(section, access::Action::View)
    }

    /// Whether the person may add to this section here.
    pub fn may_record(&self, section: Section) -> bool {
        self.may(section, access::Action::Record)
    }

    /// Refuses, and writes down that it was tried, where the person may not do this.
    pub async fn require(
        &self,
        resident: ResidentId,
        section: Section,
        action: access::Action,
    ) -> Result<(), PageError> {
        if self.may(section, action) {
            return Ok(());
        }
        let (tried, what) = match action {
            access::Action::View => (audit::Action::View, section_words(section)),
            access::Action::Export => (audit::Action::Export, section_words(section)),
            access::Action::Record | access::Action::Change | access::Action::Settle => {
                (audit::Action::Add, section_words(section))
            }
        };
        let event = self.what(tried).about(Subject::Resident(resident)).in_section(section);
        self.web.audit(event.with_outcome(audit::Outcome::Refused)).await?;
        Err(PageError::Refused(what))
    }

    /// Writes down that a page of a resident was seen.
    pub async fn saw(&self, resident: ResidentId, page: &str) -> Result<(), PageError> {
        let event = self.what(audit::Action::View).about(Subject::Resident(resident));
        self.web.audit(event.with_detail(audit::Code::near(page))).await
    }

    /// An audit event by this person on this tablet.
    pub fn what(&self, action: audit::Action) -> audit::What {
        let session = &self.signed_in.session;
        let staff = &self.signed_in.staff;
        audit::What::done(audit::Who::Staff(staff.staff, staff.role), action)
            .on_device(device_number(&session.tablet), number(&session.hash))
    }

    /// The tablet, by the number under which it stands in the audit.
    pub fn device(&self) -> u64 {
        device_number(&self.signed_in.session.tablet)
    }
}

/// The number of a tablet in the audit; its cookie is never written down.
pub fn device_number(tablet: &str) -> u64 {
    number(&blake3::derive_key("hearth node 2026 tablet", tablet.as_bytes()))
}

fn number(hash: &[u8; 32]) -> u64 {
    hash.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte))
}

/// What staff call a section.
pub fn section_words(section: Section) -> &'static str {
    match section {
        Section::Identity => "Personal details",
        Section::Safety => "Allergies and alerts",
        Section::Medicines => "Medicines",
        Section::Plan => "The care plan",
        Section::History => "Problems, appointments and results",
        Section::Letters => "Letters",
        Section::Discharge => "Discharge summaries",
        Section::Mar => "The medicines round",
        Section::Observations => "Observations",
        Section::Notes => "Notes",
        Section::Pharmacy => "Pharmacy work",
        Section::Roster => "The staff list",
        Section::Settings => "Settings",
        Section::Tasks => "Tasks",
        Section::CdRegister => "The controlled-drug register",
    }
}

/// Longest form that is read, in bytes: a long note and its fields.
pub const FORM_BYTES_MAX: usize = 64 * 1024;

/// A form by somebody who is signed in, whose token fits the session.
#[derive(Debug)]
pub struct Posted {
    /// Who sent it.
    pub requester: Requester,
    /// The fields.
    pub fields: Fields,
    /// The form's key.
    pub key: FormKey,
}

impl FromRequest<Web> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let requester = Requester::from_request_parts(&mut parts, web).await?;
        let fields = read_fields(Request::from_parts(parts, body)).await?;
        if !csrf_fits(&requester.signed_in.session.csrf, fields.text("csrf")) {
            return Err(PageError::Form);
        }
        let key = fields.parse("key").ok_or(PageError::Form)?;
        Ok(Self { requester, fields, key })
    }
}

/// The fields of a form, not yet believed.
pub async fn read_fields(request: Request) -> Result<Fields, PageError> {
    let form = axum::Form::<Vec<(String, String)>>::from_request(request, &()).await;
    form.map(|form| Fields(form.0)).map_err(|_| PageError::Form)
}
