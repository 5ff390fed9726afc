//! Letters as PDF, with text that can be searched and copied.

use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str, TextStr};

/// Letters of a line, and lines of a page, that fit on A4 at [`SIZE`] points.
const COLUMNS: usize = 84;
const ROWS: usize = 50;
const SIZE: f32 = 11.0;
const LEADING: f32 = 14.5;

/// A letter: a title, and paragraphs that are broken into lines. An empty paragraph is an empty line.
///
/// The font is Helvetica, which every reader has, in Windows' encoding; a character that it lacks becomes `?`.
pub(super) fn letter(title: &str, paragraphs: &[String]) -> Vec<u8> {
    let lines: Vec<String> = paragraphs.iter().flat_map(|p| broken(p)).collect();
    let pages: Vec<&[String]> = if lines.is_empty() { vec![&[]] } else { lines.chunks(ROWS).collect() };
    let mut pdf = Pdf::new();
    let mut refs = (1..).map(Ref::new);
    let mut next = || refs.next().unwrap_or(Ref::new(1));
    let (catalog, tree, font, info) = (next(), next(), next(), next());
    pdf.catalog(catalog).pages(tree).lang(TextStr("en-GB"));
    pdf.document_info(info).title(TextStr(title));
    let ids: Vec<(Ref, Ref)> = pages.iter().map(|_| (next(), next())).collect();
    let count = i32::try_from(pages.len()).unwrap_or(1);
    pdf.pages(tree).kids(ids.iter().map(|(page, _)| *page)).count(count);
    for ((page, content), lines) in ids.iter().zip(&pages) {
        write_page(&mut pdf, (*page, tree, font, *content), title, lines);
    }
    pdf.type1_font(font).base_font(Name(b"Helvetica")).encoding_predefined(Name(b"WinAnsiEncoding"));
    pdf.finish()
}

fn write_page(
    pdf: &mut Pdf,
    (page, tree, font, content): (Ref, Ref, Ref, Ref),
    title: &str,
    lines: &[String],
) {
    let name = Name(b"F1");
    let mut writer = pdf.page(page);
    writer.media_box(Rect::new(0.0, 0.0, 595.0, 842.0)).parent(tree).contents(content);
    writer.resources().fonts().pair(name, font);
    writer.finish();
    let mut text = Content::new();
    text.begin_text().set_font(name, 14.0).next_line(62.0, 785.0).show(Str(&encoded(title)));
    text.set_font(name, SIZE).set_leading(LEADING).next_line(0.0, -26.0);
    for line in lines {
        text.show(Str(&encoded(line))).next_line(0.0, -LEADING);
    }
    text.end_text();
    pdf.stream(content, &text.finish());
}

/// Broken between words; a word longer than a line stands on a line of its own.
fn broken(paragraph: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in paragraph.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

fn encoded(text: &str) -> Vec<u8> {
    text.chars().map(windows).collect()
}

/// Windows-1252, of which Latin-1's letters keep their numbers.
fn windows(character: char) -> u8 {
    match character {
        '\u{2018}' => 0x91,
        '\u{2019}' => 0x92,
        '\u{2013}' => 0x96,
        '€' => 0x80,
        ' '..='~' | '\u{a0}'..='ÿ' => u8::try_from(u32::from(character)).unwrap_or(b'?'),
        _ => b'?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_letter_goes_on_to_further_pages() {
        let pdf = letter("Long", &vec!["A line of a letter.".to_owned(); 120]);
        let text = String::from_utf8_lossy(&pdf).into_owned();
        assert!(text.starts_with("%PDF-1.") && text.trim_end().ends_with("%%EOF"));
        assert!(text.contains("/Count 3"));
        assert_eq!(text.matches("(A line of a letter.)").count(), 120);
    }

    #[test]
    fn lines_are_broken_between_words() {
        let lines = broken(&"word ".repeat(60));
        assert!(lines.len() > 2 && lines.iter().all(|l| l.len() <= COLUMNS && !l.ends_with(' ')));
    }

    #[test]
    fn letters_of_welsh_irish_and_french_names_are_kept() {
        assert_eq!(encoded("é\u{2019}Œ"), [0xe9, 0x92, b'?']);
    }
}
