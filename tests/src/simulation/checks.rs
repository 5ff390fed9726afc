//! What must hold at every moment, and what must hold once everything is well again.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::id::{EntryId, SiteId};
use hearth_protocol::scope::{Scope, Subject};

use super::model::{self, Model, Told};
use super::views::{Deliveries, Document, HubView, NodeState, NodeView};

/// Compares what a node holds, in the midst of a run, with what staff did and were told.
pub(super) fn node(model: &Model, site: SiteId, view: &NodeView) -> Result<(), String> {
    // Nobody forges here, so signed heads must vouch for all that comes. What was put back from a copy lacks what the hub
    // takes for held there; and so does for a while a site that gives back what a restored hub lost of a record and is told
    // to erase it and to hold it again meanwhile.
    if view.unvouched > 0 && !model.doubtful.contains_key(&site) && !model.may_lack_for_a_while(site) {
        return Err(format!("{site} keeps {} changes aside that nothing vouches for", view.unvouched));
    }
    if !view.is_summed {
        return Err(format!("the sum that {site} keeps over all documents is not theirs"));
    }
    for (scope, document) in &view.documents {
        let Subject::Resident(resident) = scope.subject() else { continue };
        if !model.ever_granted.contains(&(site, resident)) {
            return Err(format!("{site} holds {scope}, which it was never granted"));
        }
        for entry in document.entries.values() {
            model.check(scope.section(), resident, entry).map_err(|wrong| format!("at {site}: {wrong}"))?;
        }
    }
    let is_let_go = |resident, section| {
        view.evicted
            .iter()
            .any(|scope| scope.subject() == Subject::Resident(resident) && scope.section() == section)
    };
    for (id, number) in &model.saved {
        let Some(deed) = model.deeds.get(number).filter(|deed| deed.site == site) else { continue };
        let may_be_gone = model.forgotten.contains_key(&(site, deed.resident));
        // A month is let go of when the hub has all of it; whether that is so is looked at there.
        if !may_be_gone && !is_let_go(deed.resident, deed.section) && !holds(model, *id, &view.documents) {
            return Err(format!("{site} lost {id}, which was told to be saved"));
        }
    }
    Ok(())
}

/// Whether an entry is there, also if the site was enrolled anew since and wrote it anew.
fn holds(model: &Model, id: EntryId, documents: &BTreeMap<Scope, Document>) -> bool {
    let is_there = |document: &Document| document.entries.contains_key(&id);
    documents.values().any(is_there)
        || documents.values().flat_map(|d| d.entries.values()).any(|entry| model.stands_for(entry, id))
}

/// Compares what the hub holds with what staff did.
pub(super) fn hub(model: &Model, view: &HubView) -> Result<(), String> {
    for (scope, document) in &view.documents {
        let Subject::Resident(resident) = scope.subject() else { continue };
        for entry in document.entries.values() {
            model.check(scope.section(), resident, entry).map_err(|wrong| format!("at the hub: {wrong}"))?;
        }
    }
    Ok(())
}

/// Compares a node with the hub, in the midst of a run.
pub(super) fn between(model: &Model, site: SiteId, node: &NodeView, hub: &HubView) -> Result<(), String> {
    if let Some(head) = hub.heads.get(&site).filter(|_| node.epoch == Some(hub.epoch)) {
        is_no_further(site, node.cursor, *head)?;
    }
    // What a restored hub has lost, and what a node put back from a copy has, is found when both are compared.
    if model.is_hub_restored() || model.doubtful.contains_key(&site) {
        return Ok(());
    }
    for id in &node.at_hub {
        let is_there = hub.documents.values().any(|document| document.entries.contains_key(id));
        if !is_there && !hub.aside.contains(id) {
            return Err(format!("the hub lost {id}, of which {site} knows that it had it"));
        }
    }
    for (scope, feed) in hub.subscriptions.get(&site).into_iter().flatten() {
        // What a site forgot and was given back is sent again once its receipt has come.
        let is_given_back =
            matches!(scope.subject(), Subject::Resident(r) if model.forgotten.contains_key(&(site, r)));
        // Of a month that is not kept the outline has come; where some of it is here, its page says that not all is.
        let is_let_go = node.evicted.contains(scope) || node.in_part.contains(scope);
        // A feed leaves out what its site wrote. What an earlier installation had sent without hearing of it, and the
        // present one has therefore written anew, comes when both are compared.
        let is_taken_over = model.taken_over.contains(&site);
        if *feed > node.cursor || node.epoch.is_none() || is_given_back || is_let_go || is_taken_over {
            continue;
        }
        let missing = missing(scope, &node.documents, &hub.documents);
        if let Some(id) = missing {
            return Err(format!(
                "the cursor of {site} is at {}, and {id} of {scope}, which stands at {feed}, is not there",
                node.cursor
            ));
        }
    }
    Ok(())
}

/// Compares a node, and the hub's epoch and the head of the site's feed, with what staff were told just now.
pub(super) fn answered(
    model: &Model,
    site: SiteId,
    id: EntryId,
    node: NodeState,
    hub: Option<(u64, u64)>,
) -> Result<(), String> {
    let deed = model.saved.get(&id).and_then(|number| model.deeds.get(number));
    let may_be_gone = deed.is_none_or(|deed| model.forgotten.contains_key(&(site, deed.resident)));
    if !node.has_entry && !may_be_gone {
        return Err(format!("{site} told that {id} is saved, and does not have it"));
    }
    match hub {
        Some((epoch, head)) if node.epoch == Some(epoch) => is_no_further(site, node.cursor, head),
        Some(_) | None => Ok(()),
    }
}

fn is_no_further(site: SiteId, cursor: u64, head: u64) -> Result<(), String> {
    let is_further = cursor > head;
    (!is_further)
        .then_some(())
        .ok_or_else(|| format!("the cursor of {site} is at {cursor}, its feed at {head}"))
}

fn missing(
    scope: &Scope,
    node: &BTreeMap<Scope, Document>,
    hub: &BTreeMap<Scope, Document>,
) -> Option<hearth_protocol::id::EntryId> {
    let (held, whole) = (node.get(scope), hub.get(scope)?);
    whole.entries.keys().find(|id| held.is_none_or(|held| !held.entries.contains_key(id))).copied()
}

/// What is not yet as it must be in the end between a node and the hub; none when all is well.
pub(super) fn unsettled(model: &Model, site: SiteId, node: &NodeView, hub: &HubView) -> Option<String> {
    if node.epoch.is_some_and(|epoch| epoch != hub.epoch) {
        return Some(format!("{site} has not heard of the hub's new epoch"));
    }
    if node.may_differ {
        return Some(format!("{site} says that it and the hub may not hold the same"));
    }
    if node.unvouched > 0 && !model.doubtful.contains_key(&site) {
        return Some(format!("{site} keeps {} changes aside that nothing vouches for", node.unvouched));
    }
    if node.waiting > 0 {
        return Some(format!("{} changes of {site} wait for the hub", node.waiting));
    }
    // What builds on a change that a restored hub has not got back waits for a person.
    if node.pending > 0 && !model.is_hub_restored() {
        return Some(format!("{} changes of {site} wait at the hub for others", node.pending));
    }
    let nothing = BTreeMap::new();
    let subscribed = hub.subscriptions.get(&site).unwrap_or(&nothing);
    for scope in subscribed.keys() {
        let (here, there) = (node.documents.get(scope), hub.documents.get(scope));
        if let Some(wrong) = differs(here, there, node, node.evicted.contains(scope)) {
            return Some(format!("{scope} at {site}: {wrong}"));
        }
    }
    for scope in node.documents.keys().filter(|scope| !subscribed.contains_key(scope)) {
        let Subject::Resident(resident) = scope.subject() else { continue };
        let is_frozen = node.residents.get(&resident).is_some_and(|state| state == "frozen");
        // A document in which nothing was taken by the hub: all that is in it was refused there.
        let is_all_refused = !node.evicted.contains(scope)
            && node
                .documents
                .get(scope)
                .is_some_and(|d| d.entries.keys().all(|id| !node.at_hub.contains(id)));
        if !is_frozen && !is_all_refused {
            return Some(format!("{site} still holds {scope}, which it is not to hold"));
        }
    }
    if hub.unconfirmed.iter().any(|(of, _)| *of == site) {
        return Some(format!("an order to {site} is not confirmed"));
    }
    if hub.digests.get(&site).is_some_and(|digest| *digest != node.digest) {
        return Some(format!("the digests of {site} and the hub differ"));
    }
    None
}

/// Compares what a node was told of its entries at the main care record with what the hub knows; gives how many it were.
///
/// A record that was erased there takes what was told of it along, and the hub does not tell it again.
pub(super) fn deliveries(
    model: &Model,
    site: SiteId,
    node: &NodeView,
    (told, known): (&Deliveries, &Deliveries),
) -> Result<u64, String> {
    let is_kept = |(scope, _): &(&Scope, &Document)| {
        scope.resident().is_some_and(|resident| !model.forgotten.contains_key(&(site, resident)))
    };
    let held: BTreeSet<EntryId> = node
        .documents
        .iter()
        .filter(is_kept)
        .flat_map(|(_, document)| document.entries.keys())
        .copied()
        .collect();
    let mut compared = 0;
    for (id, state) in known.iter().filter(|(id, _)| held.contains(id)) {
        if told.get(id) != Some(state) {
            return Err(format!("{site} was told {:?} of {id}, which is {state:?}", told.get(id)));
        }
        compared += 1;
    }
    Ok(compared)
}

/// How a document at a node differs from the hub's; what the hub refused may be at the node alone.
/// Of a month that was let go of the node holds the heads, and the entries that it wrote since.
fn differs(
    here: Option<&Document>,
    there: Option<&Document>,
    node: &NodeView,
    is_let_go: bool,
) -> Option<String> {
    let nothing = Document::default();
    let (here, there) = (here.unwrap_or(&nothing), there.unwrap_or(&nothing));
    let missing = there.entries.keys().find(|id| !here.entries.contains_key(id));
    if let Some(id) = missing.filter(|_| !is_let_go) {
        return Some(format!("{id} has not come"));
    }
    let mut is_refused_there = false;
    for (id, entry) in &here.entries {
        match there.entries.get(id) {
            Some(other) if other == entry => {}
            Some(_) => return Some(format!("{id} differs")),
            None if node.refused.is_empty() && node.pending == 0 => {
                return Some(format!("{id} is not at the hub"));
            }
            None => is_refused_there = true,
        }
    }
    (!is_refused_there && here.heads != there.heads).then(|| "the heads differ".to_owned())
}

/// How what staff were told to be saved fared.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fared {
    pub(super) told: u64,
    pub(super) at_hub: u64,
    pub(super) aside: u64,
    /// Nobody has it: erased by order, and lost by a hub that was restored later.
    pub(super) erased: u64,
    /// Nobody has it: lost by a hub that was restored, and its node's disk was put back or lost.
    pub(super) copied: u64,
    /// What counts for nothing: the hub was not known to have it when its node's disk was put back or lost.
    pub(super) doubtful: u64,
    /// Twice at the hub, since a site was enrolled anew after the hub had it and before it knew.
    pub(super) twice: u64,
}

/// What staff were told to be saved is in the hub's order, or put aside there for a person, when all is well.
///
/// What nobody has any more cannot be brought back to a hub that was restored to before it came.
pub(super) fn kept(model: &Model, nodes: &[NodeView], hub: &HubView) -> Result<Fared, String> {
    let at_hub = numbers(&hub.documents);
    let elsewhere: BTreeSet<u64> =
        nodes.iter().flat_map(|node| numbers(&node.documents).into_keys()).collect();
    let mut fared = Fared::default();
    for (number, deed) in &model.deeds {
        let was_at_hub = model.doubtful_at_hub.contains(number);
        if deed.is_doubtful && !was_at_hub {
            let is_told = matches!(deed.told, Told::Saved(_)) || model.told_in_doubt.contains(number);
            fared.doubtful += u64::from(is_told);
            continue;
        }
        let Told::Saved(id) = deed.told else { continue };
        fared.told += 1;
        let found = at_hub.get(number).copied().unwrap_or(0);
        if found > 1 && !deed.is_renamed {
            return Err(format!("action {number} is {found} times at the hub"));
        }
        fared.twice += u64::from(found > 1);
        let is_nowhere = !elsewhere.contains(number) && model.may_hub_have_lost(deed, id);
        if found > 0 {
            fared.at_hub += 1;
        } else if hub.aside.contains(&id) || deed.is_renamed && hub.aside_numbers.contains(number) {
            fared.aside += 1;
        } else if is_nowhere && model.is_forgotten_before_a_restore(deed) {
            fared.erased += 1;
        } else if is_nowhere && was_at_hub {
            fared.copied += 1;
        } else {
            let is_held = if elsewhere.contains(number) { "some site has it" } else { "nobody has it" };
            let site = deed.site;
            return Err(format!("{id}, which {site} was told to be saved, is not at the hub: {is_held}"));
        }
    }
    Ok(fared)
}

/// How often each action is in these documents.
fn numbers(documents: &BTreeMap<Scope, Document>) -> BTreeMap<u64, u64> {
    let mut numbers = BTreeMap::new();
    for number in documents.values().flat_map(|d| d.entries.values()).filter_map(model::number_in) {
        *numbers.entry(number).or_default() += 1;
    }
    numbers
}

/// Whether a month that was let go of has come back whole.
pub(super) fn came_back(scope: &Scope, node: &NodeView, hub: &HubView) -> bool {
    let (here, there) = (node.documents.get(scope), hub.documents.get(scope));
    !node.evicted.contains(scope) && differs(here, there, node, false).is_none()
}
