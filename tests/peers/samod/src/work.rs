//! The work, one JSON object a line, in the documents of residents.

use anyhow::{Context as _, bail};
use automerge::transaction::Transactable;
use automerge::{Automerge, ObjId, ObjType, ROOT, ReadDoc, ScalarValue};
use serde_json::{Map, Value};

/// Whom a line is about.
pub(crate) fn resident(line: &Value) -> anyhow::Result<&str> {
    line["r"].as_str().context("a line about nobody")
}

/// Writes a base record, an entry, or a change made elsewhere into a resident's document, as one change.
pub(crate) fn apply(document: &mut Automerge, line: &Value) -> anyhow::Result<()> {
    let mut writing = document.transaction();
    match line["k"].as_str() {
        Some("resident") => begin(&mut writing, line)?,
        Some("med") => {
            let medicines = object(&writing, &ROOT, "medicines")?;
            let index = usize::try_from(line["i"].as_u64().context("no medicine")?)?;
            let (_, medicine) = writing.get(&medicines, index)?.context("no such medicine")?;
            for field in ["dose", "instructions"] {
                writing.put(&medicine, field, scalar(&line[field])?)?;
            }
        }
        Some("cp") => {
            let plan = object(&writing, &ROOT, "careplan")?;
            let text = object(&writing, &plan, line["f"].as_str().context("no field")?)?;
            let length = writing.length(&text);
            let place = |name: &str| line[name].as_u64().and_then(|n| usize::try_from(n).ok()).context("no place");
            let at = place("pos")?.min(length);
            let deleted = isize::try_from(place("del")?.min(length - at))?;
            writing.splice_text(&text, at, deleted, line["ins"].as_str().unwrap_or_default())?;
        }
        _ => {
            let entries = object(&writing, &ROOT, "entries")?;
            let id = line["id"].as_str().context("an entry without an id")?;
            let entry = writing.put_object(&entries, id, ObjType::Map)?;
            fill(&mut writing, &entry, line.as_object().context("no object")?)?;
        }
    }
    writing.commit();
    Ok(())
}

/// The entry with which a document begins; its plan is text that people edit together.
fn begin(writing: &mut impl Transactable, line: &Value) -> anyhow::Result<()> {
    writing.put(ROOT, "r", scalar(&line["r"])?)?;
    for part in ["demographics", "allergies", "medicines"] {
        put(writing, &ROOT, part, &line[part])?;
    }
    let plan = writing.put_object(ROOT, "careplan", ObjType::Map)?;
    for (field, text) in line["careplan"].as_object().context("no plan")? {
        let passage = writing.put_object(&plan, field.as_str(), ObjType::Text)?;
        writing.splice_text(&passage, 0, 0, text.as_str().context("no text")?)?;
    }
    writing.put_object(ROOT, "entries", ObjType::Map)?;
    Ok(())
}

fn fill(writing: &mut impl Transactable, object: &ObjId, fields: &Map<String, Value>) -> anyhow::Result<()> {
    fields.iter().try_for_each(|(name, value)| put(writing, object, name, value))
}

fn put(writing: &mut impl Transactable, object: &ObjId, name: &str, value: &Value) -> anyhow::Result<()> {
    match value {
        Value::Object(fields) => {
            let map = writing.put_object(object, name, ObjType::Map)?;
            fill(writing, &map, fields)
        }
        Value::Array(items) => {
            let list = writing.put_object(object, name, ObjType::List)?;
            for (place, item) in items.iter().enumerate() {
                if let Value::Object(fields) = item {
                    let map = writing.insert_object(&list, place, ObjType::Map)?;
                    fill(writing, &map, fields)?;
                } else {
                    writing.insert(&list, place, scalar(item)?)?;
                }
            }
            Ok(())
        }
        _ => Ok(writing.put(object, name, scalar(value)?)?),
    }
}

fn object(document: &impl ReadDoc, of: &ObjId, name: &str) -> anyhow::Result<ObjId> {
    Ok(document.get(of, name)?.with_context(|| format!("no {name}"))?.1)
}

/// A string that nobody edits letter by letter is a scalar, as is a number.
fn scalar(value: &Value) -> anyhow::Result<ScalarValue> {
    Ok(match value {
        Value::String(text) => ScalarValue::Str(text.as_str().into()),
        Value::Number(number) => match number.as_i64() {
            Some(whole) => ScalarValue::Int(whole),
            None => ScalarValue::F64(number.as_f64().context("no number")?),
        },
        Value::Bool(truth) => ScalarValue::Boolean(*truth),
        Value::Null => ScalarValue::Null,
        Value::Array(_) | Value::Object(_) => bail!("a field within a field"),
    })
}
