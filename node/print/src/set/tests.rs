use hearth_protocol::paper::{Block, Job, Part, Person, VERSION};
use typst::layout::{Frame, FrameItem};

use super::*;

fn person() -> Person {
    Person {
        name: "SMITH, Margaret (Mrs)".into(),
        preferred: Some("Peggy".into()),
        born: "14-Aug-1938 (88y)".into(),
        nhs_number: "999 000 0018".into(),
        room: Some("12".into()),
        allergies: "Known allergies: Penicillin: rash + wheeze (severe)".into(),
        cpr: "CPR: do not attempt (DNACPR)".into(),
    }
}

fn job(rows: usize) -> Job {
    let blocks = vec![
        Block::Facts { heading: "Reason".into(), rows: vec![("Why".into(), "Fall #1 *not* _styled_ $x$".into())] },
        Block::Text { heading: "Words".into(), paragraphs: vec!["First.".into(), "Second.".into()] },
        Block::Table {
            heading: "Medicines".into(),
            columns: vec!["Medicine".into(), "Last dose".into()],
            widths: vec![3, 1],
            rows: (0..rows).map(|n| vec![format!("Medicine {n}"), String::new()]).collect(),
            row_mm: 8,
        },
        Block::Boxes { heading: "Belongings".into(), items: vec!["Glasses".into(), "Dentures".into()] },
        Block::Code {
            heading: "Code to check this sheet".into(),
            svg: "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><path d=\"M0 0h4v4h-4z\"/></svg>"
                .into(),
            words: "Read it with the region's page.".into(),
        },
    ];
    Job {
        version: VERSION,
        title: "Hospital transfer".into(),
        site: "Rose Court".into(),
        made: "26-Nov-2025 12:12".into(),
        caution: "Old paper misleads.".into(),
        parts: vec![
            Part { heading: "Going to hospital".into(), person: Some(person()), landscape: false, blocks },
            Part { heading: "Belongings".into(), person: None, landscape: true, blocks: Vec::new() },
        ],
    }
}

fn bytes(job: &Job) -> Vec<u8> {
    serde_json::to_vec(job).unwrap()
}

fn text_of(frame: &Frame, into: &mut String) {
    for (_, item) in frame.items() {
        if let FrameItem::Group(group) = item {
            text_of(&group.frame, into);
        } else if let FrameItem::Text(text) = item {
            into.push_str(&text.text);
            into.push(' ');
        }
    }
}

/// The words of each page.
fn pages(job: &Job) -> Vec<String> {
    let document = document(bytes(job)).unwrap();
    let text = |page: &typst_layout::Page| {
        let mut text = String::new();
        text_of(&page.frame, &mut text);
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    document.pages().iter().map(text).collect()
}

fn has(pdf: &[u8], what: &str) -> bool {
    pdf.windows(what.len()).any(|at| at == what.as_bytes())
}

#[test]
fn each_page_of_a_person_says_who_it_is_when_it_was_made_and_which_page_it_is() {
    let pages = pages(&job(80));
    assert!(pages.len() > 3, "{}", pages.len());
    let (last, own) = pages.split_last().unwrap();
    for (at, page) in own.iter().enumerate() {
        for shown in ["SMITH, Margaret (Mrs)", "999 000 0018", "Penicillin", "Made 26-Nov-2025 12:12"] {
            assert!(page.contains(shown), "page {}: {shown}: {page}", at + 1);
        }
        assert!(page.contains(&format!("Page {} of {}", at + 1, pages.len())), "{page}");
    }
    assert!(!last.contains("SMITH"), "{last}");
    assert!(own.iter().filter(|page| page.contains("Last dose")).count() > 2, "the header comes again");
    for n in 0..80 {
        assert!(
            own.iter()
                .any(|page| page.contains(&format!("Medicine {n} "))
                    || page.contains(&format!("Medicine {n}")))
        );
    }
}

#[test]
fn what_somebody_typed_is_set_as_it_was_typed() {
    let page = pages(&job(1)).remove(0);
    assert!(page.contains("Fall #1 *not* _styled_ $x$"), "{page}");
}

#[test]
fn the_file_is_tagged_has_a_language_and_names_nobody_in_its_title() {
    let job = job(1);
    let pdf = pdf(bytes(&job)).unwrap();
    assert!(pdf.starts_with(b"%PDF-1.7"));
    for part in ["/StructTreeRoot", "/MarkInfo", "/Marked true", "/Lang", "pdfuaid:part", "Hospital transfer"]
    {
        assert!(has(&pdf, part), "{part}");
    }
    assert!(!has(&pdf, "SMITH"), "a name stands uncompressed: in the title or the metadata");
    assert_eq!(super::pdf(bytes(&job)).unwrap(), pdf, "the same job gives the same bytes");
}

#[test]
fn what_is_no_job_is_refused_without_its_words() {
    let mut newer = job(1);
    newer.version = VERSION + 1;
    let secret = br#"{"version": 1, "title": "SMITH"}"#.to_vec();
    for bytes in [bytes(&newer), secret, b"nonsense".to_vec(), Vec::new()] {
        let error = pdf(bytes).unwrap_err().to_string();
        assert!(
            error.contains("install node and helper of one version") && !error.contains("SMITH"),
            "{error}"
        );
    }
    assert!(matches!(pdf(vec![b' '; hearth_protocol::paper::JOB_BYTES_MAX + 1]), Err(PrintError::TooLong)));
}
