//! Letters and discharge summaries, and the files that belong to them, from the node's own disk.

use askama::Template;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use hearth_protocol::access::Action;
use hearth_protocol::audit::{self, What};
use hearth_protocol::id::{BlobId, ResidentId};
use hearth_protocol::record::coded::BlobRef;
use hearth_protocol::record::thread::threads;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};

use crate::web::care;
use crate::web::error::PageError;
use crate::web::frame::{Frame, Place};
use crate::web::requester::Requester;
use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::item::{self, Item};
use crate::web::{Web, page};

/// Sections with letters.
const SECTIONS: [Section; 2] = [Section::Discharge, Section::Letters];

/// A file of a letter.
#[derive(Clone, Debug)]
pub struct FileRow {
    /// Kind and size.
    pub words: String,
    /// Where it is opened; none while it has not come from the hub.
    pub href: Option<String>,
}

/// A letter with its files.
#[derive(Clone, Debug)]
pub struct LetterRow {
    /// What, from where and how old.
    pub item: Item,
    /// Its files.
    pub files: Vec<FileRow>,
}

#[derive(Template)]
#[template(path = "record/letters.html")]
struct LettersPage {
    frame: Frame,
    banner: Banner,
    discharge: Option<Vec<LetterRow>>,
    letters: Option<Vec<LetterRow>>,
}

/// The page.
pub(in crate::web) async fn show(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    requester.require(resident, Section::Discharge, Action::View).await?;
    let chart = care::chart(&web, &requester, resident, &SECTIONS).await?;
    let named = chart.entries().flat_map(|entry| files_of(&entry.body)).map(|file| file.id).collect();
    let here = web.records().blobs_here(named).await?;
    let rows = |section| chart.has(section).then(|| rows(&chart, section, |id| here.contains(&id)));
    let banner = Banner::of(&chart);
    let shown = LettersPage {
        discharge: rows(Section::Discharge),
        letters: rows(Section::Letters),
        frame: care::frame(&web, &requester, &banner, "Letters", Place::Residents),
        banner,
    };
    requester.saw(resident, "letters").await?;
    Ok(page::html(&shown))
}

/// The files that a letter or summary names.
#[expect(clippy::wildcard_enum_match_arm, reason = "two of many kinds have files that are read here")]
fn files_of(body: &Body) -> &[BlobRef] {
    match body {
        Body::Letter(letter) => &letter.files,
        Body::DischargeSummary(summary) => &summary.files,
        _ => &[],
    }
}

fn rows(chart: &Chart, section: Section, is_here: impl Fn(BlobId) -> bool) -> Vec<LetterRow> {
    let mut newest: Vec<&Entry> =
        threads(chart.section(section)).iter().flat_map(|t| t.newest.clone()).collect();
    newest.sort_by_key(|entry| std::cmp::Reverse((entry.happened, entry.id)));
    let file = |file: &BlobRef| FileRow {
        words: file_words(file),
        href: is_here(file.id).then(|| format!("/r/{}/files/{}", chart.resident, file.id)),
    };
    let row = |entry: &&Entry| LetterRow {
        item: item::of_entry(chart, entry),
        files: files_of(&entry.body).iter().map(file).collect(),
    };
    newest.iter().map(row).collect()
}

fn file_words(file: &BlobRef) -> String {
    let kind = match file.media_type.as_str() {
        "application/pdf" => "PDF",
        "image/jpeg" | "image/png" => "picture",
        "text/plain" => "text",
        _ => "file",
    };
    format!("{kind}, {} kB", file.size.div_ceil(1_000))
}

/// A file as it is served: by what its bytes are, never by what somebody called it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Served {
    media_type: &'static str,
    name: &'static str,
    /// What the browser may do with it. A PDF is shown by the browser's own viewer, which a sandbox would keep from it.
    policy: &'static str,
}

const SANDBOX: &str = "default-src 'none'; sandbox";

impl Served {
    fn of(bytes: &[u8]) -> Self {
        match bytes {
            [b'%', b'P', b'D', b'F', b'-', ..] => Self {
                media_type: "application/pdf",
                name: "inline; filename=\"document.pdf\"",
                policy: "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
            },
            [0xff, 0xd8, 0xff, ..] => {
                Self { media_type: "image/jpeg", name: "inline; filename=\"picture.jpg\"", policy: SANDBOX }
            }
            [0x89, b'P', b'N', b'G', ..] => {
                Self { media_type: "image/png", name: "inline; filename=\"picture.png\"", policy: SANDBOX }
            }
            _ => Self {
                media_type: "application/octet-stream",
                name: "attachment; filename=\"document\"",
                policy: SANDBOX,
            },
        }
    }
}

/// A file of this resident. Who may not see the entries that name it may not open it.
pub(in crate::web) async fn file(
    State(web): State<Web>,
    requester: Requester,
    Path((resident, blob)): Path<(String, String)>,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let blob: BlobId = blob.parse().map_err(|_| PageError::NotFound)?;
    let sections = web.records().sections_naming(Subject::Resident(resident), blob).await?;
    let first = sections.first().copied().ok_or(PageError::NotFound)?;
    let section = sections.iter().copied().find(|section| requester.may_view(*section)).unwrap_or(first);
    requester.require(resident, section, Action::View).await?;
    let bytes = web.records().blob(blob).await?.ok_or(PageError::NotFound)?;
    let who = requester.who();
    let what = What::done(who.who(), audit::Action::OpenFile)
        .about(Subject::Resident(resident))
        .in_section(section)
        .on_device(who.device, who.session);
    web.records().audit(what).await?;
    let served = Served::of(&bytes);
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(served.media_type)),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static(served.name)),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(served.policy)),
    ];
    Ok((headers, bytes).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_served_by_what_its_bytes_are() {
        assert_eq!(Served::of(b"%PDF-1.7 ...").media_type, "application/pdf");
        for bytes in [&b"<html><script>"[..], b"", b"%PDF", b"<svg"] {
            let served = Served::of(bytes);
            assert_eq!((served.media_type, served.policy), ("application/octet-stream", SANDBOX));
            assert!(served.name.starts_with("attachment"));
        }
    }
}
