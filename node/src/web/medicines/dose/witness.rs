//! The second person of a controlled drug.

use hearth_protocol::record::Author;

use crate::web::Web;
use crate::web::error::PageError;
use crate::web::form::{Fields, Problems};
use crate::web::pin::{self, Attempt};
use crate::web::requester::Requester;
use crate::web::unlock::{self, Tile};

/// Staff who may witness: anybody but the person who gives.
pub(in crate::web) async fn witnesses(web: &Web, requester: &Requester) -> Result<Vec<Tile>, PageError> {
    let now = web.now();
    let own = requester.signed_in.staff.staff;
    let roster = web.records().roster().await?;
    let may = roster.into_iter().filter(|member| {
        member.staff != own
            && member.active
            && member.pin.is_some()
            // A starting PIN is known to who chose it, so it proves nobody.
            && !member.new_pin
            && member.until.is_none_or(|until| now < until)
    });
    Ok(may.map(|member| unlock::tile(&member)).collect())
}

/// The second person of a controlled drug, who proves by their own PIN that they are there.
pub(in crate::web) async fn witness(
    web: &Web,
    requester: &Requester,
    fields: &Fields,
    problems: &mut Problems,
) -> Result<Option<Author>, PageError> {
    let chosen = match fields.parse("witness") {
        Some(staff) if staff != requester.signed_in.staff.staff => web.account(staff).await?,
        _ => None,
    };
    let chosen = chosen.filter(|member| !member.new_pin);
    let Some((member, verifier)) = chosen.and_then(|m| m.pin.clone().map(|verifier| (m, verifier))) else {
        problems.add("witness", "Choose the colleague who witnesses this");
        return Ok(None);
    };
    let typed = fields.text("witness_pin");
    if !pin::has_form(typed) {
        problems.add("witness_pin", "The witness enters their own PIN");
        return Ok(None);
    }
    if !web.throttle.admit(requester.signed_in.session.tablet) {
        return Err(PageError::TooMany);
    }
    match web.pins.attempt(member.staff, &verifier, typed.to_owned()).await? {
        Attempt::Right => Ok(Some(Author { staff: member.staff, role: member.role, name: member.name })),
        Attempt::Wrong { .. } => {
            problems.add("witness_pin", "The witness's PIN is wrong");
            Ok(None)
        }
        Attempt::Wait(_) | Attempt::Shut => {
            problems.add("witness_pin", "The witness's PIN is shut for now. Choose another witness");
            Ok(None)
        }
    }
}
