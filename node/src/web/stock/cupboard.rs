//! What a controlled dose takes out of the cupboard: asked with the dose, written with it in one transaction.

use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::medicines::{Decimal, Order};
use hearth_protocol::record::site::RegisterLine;
use hearth_protocol::record::site::register;
use hearth_protocol::record::version::Kind as _;
use hearth_protocol::record::{Author, Body};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use super::view;
use crate::records::Draft;
use crate::web::Web;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::medicines::dose::witness::{witness, witnesses};
use crate::web::requester::Requester;
use crate::web::unlock::Tile;

/// Most units of one line.
const UNITS_MAX: i64 = 100_000;

/// The page of the register on which a dose is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cupboard {
    /// Drug, strength and form.
    pub page: String,
    /// What one dose takes, where the order says it in units.
    pub units: String,
    /// Whether another node holds the register, so that the dose is recorded there.
    pub elsewhere: bool,
}

/// Where the doses of an order stand in the register; none for an order whose doses do not, or that is not here.
async fn cupboard(
    web: &Web,
    resident: ResidentId,
    version: Option<EntryId>,
) -> Result<Option<Cupboard>, PageError> {
    let subject = Subject::Resident(resident);
    let orders = web.records().entries(subject, &[Section::Medicines], None).await?;
    let found =
        orders.iter().find(|entry| Some(entry.id) == version).and_then(|entry| Order::of(&entry.body));
    let Some(order) = found.filter(|order| register::is_kept(order)) else { return Ok(None) };
    let site = Subject::Site(web.site().id);
    let entries = web.records().entries(site, &[Section::CdRegister], None).await?;
    Ok(Some(Cupboard {
        page: register::page_name(order),
        units: register::units(order).map(|units| units.normal().to_string()).unwrap_or_default(),
        elsewhere: !view::holder(&entries, web.site().install).here,
    }))
}

impl Cupboard {
    /// The line of a dose that was given or destroyed, as the form has it.
    fn line(
        &self,
        web: &Web,
        resident: ResidentId,
        (reason, at): (&str, Timestamp),
        witness: Option<Author>,
        fields: &Fields,
        problems: &mut Problems,
    ) -> Option<Draft> {
        let taken = amount(fields, problems, "taken", "how many units were taken out of the cupboard");
        let counted = amount(fields, problems, "counted", "how many are left in the cupboard: count them");
        let change = Decimal::ZERO.checked_sub(taken?)?;
        if !change.is_negative() {
            problems.add("taken", "Enter how many units were taken out of the cupboard: more than none");
        }
        let line = RegisterLine {
            resident,
            page: self.page.clone(),
            change,
            counted: Some(counted?),
            reason: reason.to_owned(),
            witness,
            lease: None,
            note: None,
        };
        Some(draft(web, at, line))
    }
}

/// The controlled drug that a dose is of.
#[derive(Clone, Copy, Debug)]
pub(in crate::web) struct Controlled {
    /// Who takes it.
    pub resident: ResidentId,
    /// The version of its order.
    pub version: Option<EntryId>,
}

/// The second person of a controlled drug, and the line of the register that is written with the dose.
pub(in crate::web) async fn signed(
    web: &Web,
    requester: &Requester,
    drug: Controlled,
    (reason, at): (&str, Timestamp),
    fields: &Fields,
    problems: &mut Problems,
) -> Result<(Option<Author>, Option<Draft>), PageError> {
    let witness = witness(web, requester, fields, problems).await?;
    let Some(cupboard) = cupboard(web, drug.resident, drug.version).await? else {
        return Ok((witness, None));
    };
    let line = cupboard.line(web, drug.resident, (reason, at), witness.clone(), fields, problems);
    Ok((witness, line))
}

/// Who may witness, and the register's page.
pub(in crate::web) async fn to_sign(
    web: &Web,
    requester: &Requester,
    drug: Controlled,
) -> Result<(Vec<Tile>, Option<Cupboard>), PageError> {
    Ok((witnesses(web, requester).await?, cupboard(web, drug.resident, drug.version).await?))
}

/// Said where a controlled drug cannot be recorded at this node.
pub(in crate::web) const ELSEWHERE: &str = "Another node of this home holds the controlled-drug register. Record this dose there, or have the register handed \
     over first.";

/// A draft of a line.
pub(super) fn draft(web: &Web, happened: Timestamp, line: RegisterLine) -> Draft {
    Draft {
        subject: Subject::Site(web.site().id),
        section: Section::CdRegister,
        happened,
        thread: None,
        replaces: Vec::new(),
        body: Body::RegisterLine(line),
    }
}

/// A number of units that was typed: none or more.
pub(super) fn amount(
    fields: &Fields,
    problems: &mut Problems,
    field: &'static str,
    what: &str,
) -> Option<Decimal> {
    let typed: Option<Decimal> = fields.parse(field);
    let sound = typed.filter(|n| !n.is_negative() && n.compare(Decimal::whole(UNITS_MAX)).is_le());
    if sound.is_none() {
        problems.add(field, format!("Enter {what}, as a number such as 27 or 2.5"));
    }
    sound
}
