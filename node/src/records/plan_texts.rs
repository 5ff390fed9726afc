//! The passages of a plan that people edit together.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ReadDoc as _};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::document;
use hearth_protocol::id::{ChangeHash, ResidentId};
use hearth_protocol::record::plan::HEADINGS;
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;

use super::draft::AddError;
use super::requester::Requester;
use super::{Records, Site, add, documents, read, rights, row, trail};
use crate::store::{Changed, StoreError, Tx};

impl Records {
    /// The passages of a resident's plan, by heading, in the order of the headings; empty ones are left out.
    pub async fn plan_texts(&self, resident: ResidentId) -> Result<Vec<(&'static str, String)>, StoreError> {
        self.0
            .store
            .read(move |connection| {
                let Some(scope) = plan_of(resident) else { return Ok(Vec::new()) };
                if !read::is_shown(connection, Subject::Resident(resident))? {
                    return Ok(Vec::new());
                }
                let Some(row) = documents::find(connection, scope)? else { return Ok(Vec::new()) };
                let document = documents::load(connection, &row)?;
                let texts = HEADINGS.iter().map(|heading| (*heading, text_of(&document, heading)));
                Ok(texts.filter(|(_, text)| !text.is_empty()).collect())
            })
            .await
    }

    /// One passage of a resident's plan; empty when nobody has written it.
    pub async fn plan_text(&self, resident: ResidentId, heading: &'static str) -> Result<String, StoreError> {
        let texts = self.plan_texts(resident).await?;
        Ok(texts.into_iter().find(|(h, _)| *h == heading).map(|(_, text)| text).unwrap_or_default())
    }

    /// Puts a passage of a resident's plan in the place of the text that the person began with; what others wrote into
    /// other parts of it meanwhile stays. Refused where the text on the node is no longer the one begun with.
    pub async fn edit_plan_text(
        &self,
        requester: &Requester,
        resident: ResidentId,
        heading: &'static str,
        begun_with: String,
        text: String,
    ) -> Result<(), AddError> {
        let edit = Edit {
            site: self.0.site.clone(),
            requester: requester.clone(),
            now: self.0.clock.now(),
            resident,
            heading,
            begun_with,
            text,
        };
        let result = self.0.store.write(move |tx| edit.run(tx)).await;
        if result.is_ok() {
            self.written().await;
        }
        result
    }
}

fn plan_of(resident: ResidentId) -> Option<Scope> {
    Scope::try_new(Subject::Resident(resident), Section::Plan, None)
}

fn text_of(document: &Automerge, heading: &str) -> String {
    let object = document.get(automerge::ROOT, heading).ok().flatten();
    object.and_then(|(_, id)| document.text(&id).ok()).unwrap_or_default()
}

/// Every passage of a loaded plan, by heading.
pub(super) fn passages(document: &Automerge) -> Vec<(&'static str, String)> {
    HEADINGS.iter().map(|heading| (*heading, text_of(document, heading))).collect()
}

/// Writes passages of a plan in the name of this installation, as the smallest splices.
pub(super) fn write_anew(
    tx: &mut Tx<'_>,
    site: &Site,
    scope: Scope,
    passages: &[(&'static str, String)],
) -> Result<(), StoreError> {
    let mut row = documents::find_or_make(tx, scope)?;
    let group = row::count_up(tx, "outbox-group", 1)?;
    for (heading, text) in passages {
        let mut document = documents::load(tx, &row)?;
        if let Some((hash, bytes)) =
            edited(site, &mut document, heading, text).map_err(|_| row::corrupt("plan"))?
        {
            let change = document::check(Section::Plan, hash, &bytes).map_err(|_| row::corrupt("plan"))?;
            add::keep_own(tx, site, group, &mut row, &change)?;
        }
    }
    documents::save(tx, &row)
}

struct Edit {
    site: Site,
    requester: Requester,
    now: Timestamp,
    resident: ResidentId,
    heading: &'static str,
    begun_with: String,
    text: String,
}

impl Edit {
    fn run(self, tx: &mut Tx<'_>) -> Result<(), AddError> {
        let scope = plan_of(self.resident).ok_or(AddError::Misplaced)?;
        rights::check(
            self.site.kind,
            self.requester.role,
            Section::Plan,
            hearth_protocol::access::Action::Change,
        )?;
        if !read::is_shown(tx, scope.subject())? {
            return Err(AddError::NotHeld);
        }
        add::check_arrived(tx, scope.subject())?;
        add::check_numbers(tx, scope, self.now)?;
        let mut row = documents::find_or_make(tx, scope)?;
        let group = row::count_up(tx, "outbox-group", 1)?;
        if row.changes == 0 {
            add::keep_own(tx, &self.site, group, &mut row, &document::genesis(Section::Plan))?;
        }
        let mut document = documents::load(tx, &row)?;
        if text_of(&document, self.heading) != self.begun_with {
            return Err(AddError::TextChanged);
        }
        if let Some((hash, bytes)) = edited(&self.site, &mut document, self.heading, &self.text)? {
            let change = document::check(Section::Plan, hash, &bytes).map_err(add::refusal)?;
            add::keep_own(tx, &self.site, group, &mut row, &change)?;
        }
        documents::save(tx, &row)?;
        tx.changed.push(Changed { subject: scope.subject(), section: Some(Section::Plan) });
        let what = What::done(self.requester.who(), Action::Change)
            .about(scope.subject())
            .in_section(Section::Plan)
            .with_detail(Code::near(self.heading))
            .on_device(self.requester.device, self.requester.session);
        trail::append(tx, self.site.install, self.now, what)?;
        Ok(())
    }
}

/// The change that makes an edit, written as the smallest splices; none when the text is the same.
fn edited(
    site: &Site,
    document: &mut Automerge,
    heading: &str,
    text: &str,
) -> Result<Option<(ChangeHash, Vec<u8>)>, AddError> {
    document.set_actor(document::actor_of(site.install));
    let object = document.get(automerge::ROOT, heading).ok().flatten();
    let (_, id) = object.ok_or(AddError::Misplaced)?;
    let mut transaction = document.transaction();
    transaction.update_text(&id, text).map_err(|_| AddError::TooLong)?;
    let (hash, _) = transaction.commit_with(CommitOptions::default().with_time(0));
    let Some(hash) = hash else { return Ok(None) };
    let change = document.get_change_by_hash(&hash).ok_or(AddError::Misplaced)?;
    Ok(Some((ChangeHash(hash.0), change.raw_bytes().to_vec())))
}
