//! Opening a resident's notes: the right, the entries of the wanted kinds, and how far each has come.

use hearth_protocol::access::Action;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::Body;
use hearth_protocol::scope::{Section, Subject};

use crate::web::error::PageError;
use crate::web::requester::Requester;
use crate::web::view::chart::Chart;
use crate::web::{Web, care};

/// The chart of a resident with every note of these kinds that the node holds, however old.
pub(super) async fn chart_of(
    web: &Web,
    requester: &Requester,
    resident: &str,
    action: Action,
    wanted: fn(&Body) -> bool,
) -> Result<(ResidentId, Chart), PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Notes, action).await?;
    let mut chart = care::chart(web, requester, resident, &[]).await?;
    let subject = Subject::Resident(resident);
    let mut entries = web.records().entries(subject, &[Section::Notes], None).await?;
    entries.retain(|entry| wanted(&entry.body));
    let ids: Vec<EntryId> = entries.iter().map(|entry| entry.id).collect();
    chart.put(Section::Notes, entries);
    chart.put_states(web.records().entry_states(&ids).await?);
    Ok((resident, chart))
}
