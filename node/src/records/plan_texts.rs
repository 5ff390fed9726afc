//! The passages of a plan that people edit together.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{Automerge, ReadDoc as _};
use hearth_protocol::audit::{Action, Code, What};
use hearth_protocol::document;
use hearth_protocol::id::{ChangeHash, EntryId, ResidentId};
use hearth_protocol::record::plan::merge::{Merged, merge};
use hearth_protocol::record::plan::passages::{PassageItem, passages as passages_of};
use hearth_protocol::record::plan::{HEADINGS, Passage};
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::{Date, Timestamp};

use super::draft::{AddError, Added};
use super::requester::{IdempotencyKey, Requester};
use super::{Records, Site, add, documents, read, rights, row, trail};
use crate::store::{StoreError, Tx};

/// A passage as somebody leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageEdit {
    /// One of [`HEADINGS`].
    pub heading: &'static str,
    /// The versions that stood when the person began; none where the page did not know.
    pub begun: Option<Vec<EntryId>>,
    /// The text that they began with.
    pub begun_with: String,
    /// The text that they leave.
    pub text: String,
    /// Who it was written with.
    pub with: Option<String>,
    /// When it is to be looked at again.
    pub review: Option<Date>,
}

/// What became of an edit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassageSaved {
    /// The entry that says who left the passage so.
    pub entry: EntryId,
    /// Whether a colleague had changed other words meanwhile, which stand in it too.
    pub joined: bool,
}

impl Records {
    /// The passages of a resident's plan, by heading, in the order of the headings; empty ones are left out. Where
    /// people wrote a passage apart, all that they wrote.
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
                let entries = read::entries_of(connection, scope)?;
                let left = passages_of(&entries);
                let text = |heading: &'static str| match left.get(heading) {
                    Some(item) => item.in_full(),
                    None => text_of(&document, heading),
                };
                let texts = HEADINGS.iter().map(|heading| (*heading, text(heading)));
                Ok(texts.filter(|(_, text)| !text.is_empty()).collect())
            })
            .await
    }

    /// One passage of a resident's plan; empty when nobody has written it.
    pub async fn plan_text(&self, resident: ResidentId, heading: &'static str) -> Result<String, StoreError> {
        let texts = self.plan_texts(resident).await?;
        Ok(texts.into_iter().find(|(h, _)| *h == heading).map(|(_, text)| text).unwrap_or_default())
    }

    /// Puts a passage of a resident's plan in the place of the text that the person began with. Refused where the text
    /// on the node is another by now, and both changed the same words of it.
    pub async fn edit_plan_text(
        &self,
        requester: &Requester,
        resident: ResidentId,
        heading: &'static str,
        begun_with: String,
        text: String,
    ) -> Result<(), AddError> {
        let edit = PassageEdit { heading, begun: None, begun_with, text, with: None, review: None };
        self.edit_passage(requester, None, resident, edit).await.map(|_| ())
    }

    /// The same, saved once under its key, with what is known beside the text. What a colleague changed in other words
    /// meanwhile stays; where both changed the same ones nothing is written ([`AddError::TextChanged`]).
    pub async fn edit_passage(
        &self,
        requester: &Requester,
        key: Option<IdempotencyKey>,
        resident: ResidentId,
        edit: PassageEdit,
    ) -> Result<PassageSaved, AddError> {
        let edit = Edit {
            site: self.0.site.clone(),
            requester: requester.clone(),
            now: self.0.clock.now(),
            key,
            resident,
            passage: edit,
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
    key: Option<IdempotencyKey>,
    resident: ResidentId,
    passage: PassageEdit,
}

impl Edit {
    fn run(self, tx: &mut Tx<'_>) -> Result<PassageSaved, AddError> {
        if let Some(entry) = self.saved_before(tx)? {
            return Ok(PassageSaved { entry, joined: false });
        }
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
        let heading = self.passage.heading;
        let entries = read::entries_of(tx, scope)?;
        let left = passages_of(&entries);
        let item = left.get(heading);
        let (text, joined) = self.text(item, &document)?;
        if let Some((hash, bytes)) = edited(&self.site, &mut document, heading, &text)? {
            let change = document::check(Section::Plan, hash, &bytes).map_err(add::refusal)?;
            add::keep_own(tx, &self.site, group, &mut row, &change)?;
        }
        documents::save(tx, &row)?;
        let entry = self.entry(tx, item, text)?;
        let id = entry.id;
        add::write_change(tx, &self.site, group, scope, vec![entry])?;
        if let Some(key) = &self.key {
            add::remember(tx, key, self.requester.staff, &Added { ids: vec![id] }, self.now)?;
        }
        let what = What::done(self.requester.who(), Action::Change)
            .about(scope.subject())
            .in_section(Section::Plan)
            .of_entry(id)
            .with_detail(Code::near(heading))
            .on_device(self.requester.device, self.requester.session);
        trail::append(tx, self.site.install, self.now, what)?;
        Ok(PassageSaved { entry: id, joined })
    }

    fn saved_before(&self, tx: &Tx<'_>) -> Result<Option<EntryId>, AddError> {
        let Some(key) = &self.key else { return Ok(None) };
        let seen = add::seen(tx, key, self.requester.staff)?;
        Ok(seen.and_then(|added| added.ids.first().copied()))
    }

    /// The text to write, and whether a colleague's words were joined into it.
    fn text(&self, item: Option<&PassageItem<'_>>, document: &Automerge) -> Result<(String, bool), AddError> {
        let edit = &self.passage;
        let standing = item.map(PassageItem::to_replace).unwrap_or_default();
        if edit.begun.as_ref().is_some_and(|begun| !begun.is_empty() && *begun == standing) {
            return Ok((edit.text.clone(), false));
        }
        let now = match item {
            Some(item) => item.text().ok_or(AddError::TextChanged)?.to_owned(),
            None => text_of(document, edit.heading),
        };
        if now == edit.begun_with {
            return Ok((edit.text.clone(), false));
        }
        match merge(&edit.begun_with, &now, &edit.text) {
            Merged::Joined(text) => Ok((text, true)),
            Merged::Apart => Err(AddError::TextChanged),
        }
    }

    fn entry(&self, tx: &Tx<'_>, item: Option<&PassageItem<'_>>, text: String) -> Result<Entry, StoreError> {
        let PassageEdit { heading, with, review, .. } = &self.passage;
        let counter = row::count_up(tx, "entry-counter", 1)?;
        Ok(Entry {
            id: EntryId { install: self.site.install, counter },
            happened: self.now,
            recorded: self.now,
            author: self.requester.author(),
            origin: Origin::Site(self.site.id),
            thread: item.and_then(|item| item.standing.first()).map(|version| version.entry.thread_id()),
            replaces: item.map(PassageItem::to_replace).unwrap_or_default(),
            body: Body::Passage(Passage {
                heading: (*heading).to_owned(),
                text,
                with: with.clone(),
                review: *review,
            }),
        })
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
