//! Who asks: the session of a request, the member of staff behind it, and what they may do.

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use hearth_protocol::access::{self, Action, SiteRight};
use hearth_protocol::audit;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::site::StaffMember;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::access::tablet::{TabletId, first_bytes};
use super::error::{self, PageError};
use super::form::Fields;
use super::session::{Session, csrf_fits};
use super::{Web, cookie};
use crate::records::{self, IdempotencyKey};

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
    let tablet = cookie::read(request.headers(), cookie::TABLET);
    let signed_in = match cookie.zip(tablet) {
        // A session is good on its own tablet only: its cookie alone, copied elsewhere, opens nothing.
        Some((cookie, tablet)) => {
            let found = web.signed_in(&cookie, slides).await;
            found.map(|found| found.filter(|found| found.session.tablet == TabletId::of(&tablet)))
        }
        None => Ok(None),
    };
    match signed_in {
        Ok(signed_in) => {
            request.extensions_mut().insert(MaybeSession(signed_in));
            next.run(request).await
        }
        Err(error) => error::error_page(&web, None, &error),
    }
}

/// What is open to somebody who has not chosen a PIN of their own yet.
const WITH_STARTING_PIN: [&str; 4] = [super::access::me::NEW_PIN, "/lock", "/alive", super::events::PATH];

impl FromRequestParts<Web> for Requester {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, web: &Web) -> Result<Self, PageError> {
        let session = parts.extensions.get::<MaybeSession>().cloned().unwrap_or_default();
        let signed_in = session.0.ok_or(PageError::SignedOut)?;
        if signed_in.staff.new_pin && !WITH_STARTING_PIN.contains(&parts.uri.path()) {
            return Err(PageError::NewPin);
        }
        Ok(Self { web: web.clone(), signed_in })
    }
}

impl Requester {
    /// The person as the records know them.
    pub fn who(&self) -> records::Requester {
        self.signed_in.who()
    }

    /// Whether the person may do this here: by the lease, by the kind of site, then by the role.
    pub fn may(&self, section: Section, action: Action) -> bool {
        let right = access::site_right(self.web.site().kind, section);
        let is_held = match action {
            Action::View | Action::Export => right >= SiteRight::Read,
            Action::Record | Action::Change | Action::Settle => right == SiteRight::Write,
        };
        let is_open = self.web.is_open() || (action == Action::View && EMERGENCY.contains(&section));
        is_open && is_held && access::role_may(self.signed_in.staff.role, section, action)
    }

    /// Whether the person may see this section here.
    pub fn may_view(&self, section: Section) -> bool {
        self.may(section, Action::View)
    }

    /// Whether the person may add to this section here.
    pub fn may_record(&self, section: Section) -> bool {
        self.may(section, Action::Record)
    }

    /// Refuses, and writes down that it was tried, where the person may not do this.
    pub async fn require(
        &self,
        resident: ResidentId,
        section: Section,
        action: Action,
    ) -> Result<(), PageError> {
        if self.may(section, action) {
            return Ok(());
        }
        let tried = match action {
            Action::View => audit::Action::View,
            Action::Export => audit::Action::Export,
            Action::Record | Action::Change | Action::Settle => audit::Action::Add,
        };
        let subject = Some(Subject::Resident(resident));
        self.web.records().audit_refusal(&self.who(), subject, Some(section), tried).await?;
        if !self.web.is_open() {
            return Err(PageError::Locked);
        }
        Err(PageError::Refused(section_words(section)))
    }

    /// The same for what is the site's and no resident's.
    pub async fn require_of_site(&self, section: Section, action: Action) -> Result<(), PageError> {
        if self.may(section, action) {
            return Ok(());
        }
        let tried = match action {
            Action::View => audit::Action::View,
            Action::Export => audit::Action::Export,
            Action::Record | Action::Change | Action::Settle => audit::Action::Change,
        };
        let subject = Some(Subject::Site(self.web.site().id));
        self.web.records().audit_refusal(&self.who(), subject, Some(section), tried).await?;
        if !self.web.is_open() {
            return Err(PageError::Locked);
        }
        Err(PageError::Refused(section_words(section)))
    }

    /// Writes down that a page of the site was seen. Called before the page is sent.
    pub async fn saw_of_site(&self, page: &str) -> Result<(), PageError> {
        let subject = Subject::Site(self.web.site().id);
        Ok(self.web.records().audit_view(&self.who(), subject, None, page).await?)
    }

    /// Writes down that a page of a resident was seen. Called before the page is sent.
    pub async fn saw(&self, resident: ResidentId, page: &str) -> Result<(), PageError> {
        let subject = Subject::Resident(resident);
        Ok(self.web.records().audit_view(&self.who(), subject, None, page).await?)
    }
}

impl SignedIn {
    /// The person as the records know them.
    pub fn who(&self) -> records::Requester {
        records::Requester {
            staff: self.staff.staff,
            role: self.staff.role,
            name: self.staff.name.clone(),
            device: self.session.tablet.number(),
            session: first_bytes(&self.session.hash),
        }
    }
}

/// What stays readable when the lease has run out: who it is, what harms them, and what they take.
const EMERGENCY: [Section; 4] = [Section::Identity, Section::Safety, Section::Medicines, Section::Mar];

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

/// The request brings a form that was filled in then, out of reach of the node. Put there by nobody but the node, which
/// proved who filled it in.
#[derive(Clone, Copy, Debug)]
pub(super) struct MadeAway(pub(super) Timestamp);

/// A form by somebody who is signed in, whose token fits the session.
#[derive(Debug)]
pub struct Posted {
    /// Who sent it.
    pub requester: Requester,
    /// The fields.
    pub fields: Fields,
    /// The form's key.
    pub key: IdempotencyKey,
}

impl FromRequest<Web> for Posted {
    type Rejection = PageError;

    async fn from_request(request: Request, web: &Web) -> Result<Self, PageError> {
        let (mut parts, body) = request.into_parts();
        let requester = Requester::from_request_parts(&mut parts, web).await?;
        let away = parts.extensions.get::<MadeAway>().copied();
        let fields = read_fields(Request::from_parts(parts, body)).await?;
        let fields = match away {
            Some(MadeAway(at)) => fields.made_away(at),
            None => fields.sent_now(),
        };
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
