//! Changing in an original only what an entry changed.
//!
//! The original is read into the body that it had as an entry, and both bodies are written as resources; what differs
//! between the two is applied to the original. So an element that records do not know, or that the entry left alone,
//! stays as its author wrote it, to the last digit.

use serde_json::{Value, json};

use super::export::{NotExported, Target, export};
use super::import::{Context, import};
use super::set::{ResourceSet, kind};
use crate::record::entry::{Body, Entry, Origin};
use crate::wire::limits;

/// The original with the changes of an entry that replaces what the original said, ready for an update with
/// `If-Match`.
///
/// `original` is the newest version of the resource; where it changed since the entry was written, the hub asks a
/// person first. An entry that takes the original back marks it as entered in error.
pub fn patch_original(
    original: &Value,
    entry: &Entry,
    target: &Target<'_>,
    context: &Context<'_>,
) -> Result<Value, NotExported> {
    let mut patched = original.clone();
    if matches!(entry.body, Body::EnteredInError(_)) {
        mark_as_error(&mut patched);
        return Ok(patched);
    }
    let before = was(original, entry, context)?;
    let (old, new) = (written(&before, target)?, written(entry, target)?);
    if kind(original) != kind(&new) {
        return Err(NotExported::DoesNotFit);
    }
    change(&mut patched, &old, &new, 0);
    Ok(patched)
}

/// The entry as the original has it.
fn was(original: &Value, entry: &Entry, context: &Context<'_>) -> Result<Entry, NotExported> {
    let set = ResourceSet::of([original.clone()]);
    let drafts = import(&set, original, context).map_err(|_| NotExported::DoesNotFit)?;
    let same = drafts.into_iter().find(|d| d.section == entry.body.section().unwrap_or(d.section));
    let draft = same.ok_or(NotExported::DoesNotFit)?;
    Ok(Entry { body: draft.body, ..entry.clone() })
}

fn written(entry: &Entry, target: &Target<'_>) -> Result<Value, NotExported> {
    if matches!(entry.origin, Origin::Outside(_)) {
        return Err(NotExported::FromOutside);
    }
    let mut all = export(entry, target)?;
    if all.len() != 1 {
        return Err(NotExported::DoesNotFit);
    }
    all.pop().map(|o| o.resource).ok_or(NotExported::DoesNotFit)
}

/// Applies to `value` what differs between `old` and `new`.
fn change(value: &mut Value, old: &Value, new: &Value, depth: usize) {
    if old == new {
        return;
    }
    match (&mut *value, old, new) {
        (Value::Object(map), Value::Object(old), Value::Object(new)) if depth < limits::FHIR_DEPTH_MAX => {
            for key in old.keys().filter(|key| !new.contains_key(*key)) {
                map.shift_remove(key);
            }
            for (key, new) in new {
                match (map.get_mut(key), old.get(key)) {
                    (Some(held), Some(old)) => change(held, old, new, depth + 1),
                    (_, Some(old)) if old == new => {}
                    _ => {
                        map.insert(key.clone(), new.clone());
                    }
                }
            }
        }
        (Value::Array(items), Value::Array(old), Value::Array(new))
            if items.len() == old.len() && old.len() == new.len() && depth < limits::FHIR_DEPTH_MAX =>
        {
            for (held, (old, new)) in items.iter_mut().zip(old.iter().zip(new)) {
                change(held, old, new, depth + 1);
            }
        }
        _ => *value = new.clone(),
    }
}

/// Marks a resource as entered in error, in the element that its type has for it.
pub(crate) fn mark_as_error(resource: &mut Value) {
    let code = "entered-in-error";
    let Value::Object(map) = resource else { return };
    match map.get("resourceType").and_then(Value::as_str) {
        Some("AllergyIntolerance") => {
            map.shift_remove("clinicalStatus");
            let system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";
            map.insert(
                "verificationStatus".to_owned(),
                json!({"coding": [{"system": system, "code": code}]}),
            );
        }
        Some("Condition") => {
            map.shift_remove("clinicalStatus");
            let system = "http://terminology.hl7.org/CodeSystem/condition-ver-status";
            map.insert(
                "verificationStatus".to_owned(),
                json!({"coding": [{"system": system, "code": code}]}),
            );
        }
        _ => {
            map.insert("status".to_owned(), json!(code));
        }
    }
}
