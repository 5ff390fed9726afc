//! `DocumentReference`, attachments and `Binary`, and `Composition`s that are no discharge summary.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;

use super::{Draft, File, NotMapped, Reading, discharge};
use crate::fhir::concept::{coded, label};
use crate::fhir::set::kind;
use crate::fhir::view::{View, capped, cut_to, plain};
use crate::fhir::when;
use crate::id::BlobId;
use crate::record::coded::BlobRef;
use crate::record::discharge::Passage;
use crate::record::entry::Body;
use crate::record::letters::Letter;
use crate::scope::Section;
use crate::wire::limits;

/// Base64 as partners send it: with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The URLs of a document's attachments that are not inside it. The gateway fetches those that it may, adds what it
/// got to the set as `Binary` under that URL, and reads the document again.
pub fn attachment_urls(resource: &Value) -> impl Iterator<Item = &str> {
    let contents = resource.list("content").iter().filter_map(|c| c.one("attachment"));
    let attachments = contents.chain(resource.list("presentedForm"));
    attachments.filter(|a| a.text("data").is_none()).filter_map(|a| a.text("url"))
}

pub(super) fn read(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let document = reading.resource;
    let is_discharge = discharge::is_discharge(document);
    let section = if is_discharge { Section::Discharge } else { Section::Letters };
    if [document.text("status"), document.text("docStatus")].contains(&Some("entered-in-error")) {
        return Ok(reading.taken_back(section));
    }
    let contents = capped(document.list("content"));
    let attachments: Vec<&Value> = contents.iter().filter_map(|c| c.one("attachment")).collect();
    let title = title(document, &attachments).ok_or(NotMapped::Missing("type"))?;
    let files = files(reading, attachments.into_iter());
    let date = document.text("date").or_else(|| document.path_text(&["context", "period", "start"]));
    let status = cut_to(document.text("status").unwrap_or("unknown"), 40);
    let from = from(reading);
    let references = files.iter().map(|f| f.reference.clone()).collect();
    let body = if is_discharge {
        Body::DischargeSummary(discharge::of_document(reading, from, references, status))
    } else {
        let kind = document.one("type").and_then(coded);
        Body::Letter(Letter { title, kind, dated: date.and_then(when::day), from, files: references, status })
    };
    let mut draft = reading.draft(section, date, body);
    draft.files = files;
    Ok(draft)
}

fn title(document: &Value, attachments: &[&Value]) -> Option<String> {
    let said = document.text("description").map(|d| cut_to(d, 500));
    let of_file = || attachments.iter().find_map(|a| a.text("title")).map(|t| cut_to(t, 500));
    said.or_else(of_file).or_else(|| document.one("type").and_then(label))
}

/// Who wrote a document, and from where.
pub(super) fn from(reading: Reading<'_>) -> Option<String> {
    let document = reading.resource;
    let author = document.list("author").iter().find_map(|a| reading.name_of(a));
    let place = document.one("custodian").and_then(|c| reading.name_of(c));
    match (author, place) {
        (Some(author), Some(place)) if author != place => Some(format!("{author}, {place}")),
        (author, place) => author.or(place),
    }
}

/// The files of attachments, inline or held in the set; one that is too large or cannot be decoded is left to the
/// original.
pub(super) fn files<'a>(reading: Reading<'a>, attachments: impl Iterator<Item = &'a Value>) -> Vec<File> {
    let all = attachments.take(limits::FHIR_LIST_MAX).filter_map(|a| file(reading, a));
    all.collect()
}

fn file(reading: Reading<'_>, attachment: &Value) -> Option<File> {
    let binary = || {
        let url = attachment.text("url")?;
        let local = url.strip_prefix('#');
        let contained =
            reading.resource.list("contained").iter().find(|c| local.is_some() && c.text("id") == local);
        contained.or_else(|| reading.set.get(url)).filter(|r| kind(r) == "Binary")
    };
    let binary = if attachment.text("data").is_none() { binary() } else { None };
    let data = attachment.text("data").or_else(|| binary?.text("data"))?;
    let bytes = decode(data)?;
    let media = attachment.text("contentType").or_else(|| binary?.text("contentType"));
    Some(File {
        reference: BlobRef {
            id: BlobId::of(&bytes),
            size: u64::try_from(bytes.len()).ok()?,
            media_type: cut_to(media.unwrap_or("application/octet-stream"), 100),
            title: attachment.text("title").map(|t| cut_to(t, 300)),
        },
        bytes,
    })
}

fn decode(data: &str) -> Option<Vec<u8>> {
    if data.len() / 4 * 3 > limits::BLOB_BYTES_MAX {
        return None;
    }
    let packed: Vec<u8> = data.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    BASE64.decode(packed).ok().filter(|bytes| !bytes.is_empty())
}

/// A text as a file.
pub(super) fn text_file(text: &str, title: &str) -> File {
    let bytes = text.as_bytes().to_vec();
    let reference = BlobRef {
        id: BlobId::of(&bytes),
        size: u64::try_from(bytes.len()).unwrap_or(u64::MAX),
        media_type: "text/plain; charset=utf-8".to_owned(),
        title: Some(cut_to(title, 300)),
    };
    File { reference, bytes }
}

/// A `Composition` that is no discharge summary: a letter whose file is the text of its sections.
pub(super) fn read_composition(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let composition = reading.resource;
    if composition.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Letters));
    }
    let kind = composition.one("type").and_then(coded);
    let title = composition
        .text("title")
        .map(|t| cut_to(t, 500))
        .or_else(|| kind.as_ref().map(|k| k.display.clone()));
    let title = title.ok_or(NotMapped::Missing("title"))?;
    let passages = passages(composition);
    let text: Vec<String> = passages.iter().map(|p| format!("{}\n{}\n", p.heading, p.text)).collect();
    let file = (!text.is_empty()).then(|| text_file(&text.join("\n"), &title));
    let date = composition.text("date");
    let body = Body::Letter(Letter {
        title,
        kind,
        dated: date.and_then(when::day),
        from: from(reading),
        files: file.iter().map(|f| f.reference.clone()).collect(),
        status: cut_to(composition.text("status").unwrap_or("unknown"), 40),
    });
    let mut draft = reading.draft(Section::Letters, date, body);
    draft.files.extend(file);
    Ok(draft)
}

/// The sections of a composition that have words, in order, inner ones after the outer.
pub(super) fn passages(composition: &Value) -> Vec<Passage> {
    let mut passages = Vec::new();
    gather(composition.list("section"), "", 0, &mut passages);
    passages
}

fn gather(sections: &[Value], above: &str, depth: usize, passages: &mut Vec<Passage>) {
    if depth > limits::FHIR_DEPTH_MAX {
        return;
    }
    for section in capped(sections) {
        if passages.len() >= limits::FHIR_LIST_MAX {
            return;
        }
        let title =
            section.text("title").map(|t| cut_to(t, 200)).or_else(|| section.one("code").and_then(label));
        let title = title.unwrap_or_default();
        let heading = if above.is_empty() { title } else { format!("{above}: {title}") };
        let heading = cut_to(&heading, 300);
        let text = section.path_text(&["text", "div"]).map(plain).filter(|t| !t.is_empty());
        let empty = || section.one("emptyReason").and_then(label);
        if let Some(text) = text.or_else(empty) {
            let heading = if heading.is_empty() { "Text".to_owned() } else { heading.clone() };
            passages.push(Passage { heading, text });
        }
        gather(section.list("section"), &heading, depth + 1, passages);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::ResourceSet;
    use crate::fhir::import::import;
    use crate::fhir::import::tests::{context, import_one};
    use serde_json::json;

    #[test]
    fn a_letter_comes_with_its_inline_file() {
        let draft = import_one(&json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
            "type": {"text": "Clinic letter"}, "date": "2026-02-03T10:00:00Z", "author": [{"display": "Dr D"}],
            "custodian": {"display": "General Hospital"},
            "content": [{"attachment": {"contentType": "application/pdf", "title": "Letter.pdf", "data": "JVBE\nRi0x"}}]}));
        let Body::Letter(letter) = &draft.body else { panic!("a letter") };
        assert_eq!(
            (letter.title.as_str(), letter.from.as_deref()),
            ("Letter.pdf", Some("Dr D, General Hospital"))
        );
        assert_eq!(draft.files[0].bytes, b"%PDF-1");
        assert_eq!(letter.files[0].id, BlobId::of(b"%PDF-1"));
        assert_eq!((letter.files[0].size, letter.files[0].media_type.as_str()), (6, "application/pdf"));
    }

    #[test]
    fn a_file_that_lies_elsewhere_is_named_and_read_once_it_is_fetched() {
        let document = json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
            "type": {"text": "Letter"}, "content": [{"attachment": {"url": "Binary/b"}}]});
        assert_eq!(attachment_urls(&document).collect::<Vec<_>>(), ["Binary/b"]);
        assert!(import_one(&document).files.is_empty());
        let binary =
            json!({"resourceType": "Binary", "id": "b", "contentType": "text/plain", "data": "aGk="});
        let set = ResourceSet::of([document.clone(), binary]);
        let drafts = import(&set, &document, &context()).unwrap();
        assert_eq!(drafts[0].files[0].bytes, b"hi");
        assert_eq!(drafts[0].files[0].reference.media_type, "text/plain");
    }

    #[test]
    fn a_file_that_cannot_be_decoded_does_not_lose_the_letter() {
        let draft = import_one(&json!({"resourceType": "DocumentReference", "id": "d", "status": "current",
            "type": {"text": "Letter"}, "content": [{"attachment": {"data": "*not base64*"}}]}));
        assert!(draft.files.is_empty());
    }

    #[test]
    fn a_document_of_sections_is_a_letter_with_their_text() {
        let draft = import_one(&json!({"resourceType": "Composition", "id": "c", "status": "final",
            "title": "Patient summary", "date": "2026-01-01", "section": [
                {"title": "Problems", "text": {"div": "<div>Gout</div>"}, "section": [
                    {"title": "Past", "text": {"div": "<div>Measles &amp; mumps</div>"}}]},
                {"title": "Allergies", "emptyReason": {"text": "Not asked"}}]}));
        let text = String::from_utf8(draft.files[0].bytes.clone()).unwrap();
        assert_eq!(text, "Problems\nGout\n\nProblems: Past\nMeasles & mumps\n\nAllergies\nNot asked\n");
    }
}
