//! Plain text: windows of whole paragraphs.

use std::ops::Range;

use super::{Document, Language, PASSAGE_BYTES, Passage, PassageKind, language_of, windows};

/// One passage per window; the title is the document's.
pub(super) fn read(document: &Document<'_>, languages: &[Language]) -> Vec<Passage> {
    windows(document.content, PASSAGE_BYTES)
        .into_iter()
        .map(|range| {
            let text = document.content[range.clone()].to_owned();
            Passage {
                kind: PassageKind::Section,
                title: document.title.trim().to_owned(),
                language: language_of(document, &text, languages),
                text,
                url: document.url.map(str::to_owned),
                range,
            }
        })
        .collect()
}

/// The runs of lines between empty lines, trimmed.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = Range<usize>> {
    let mut paragraphs: Vec<Range<usize>> = Vec::new();
    let mut open = false;
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim();
        if content.is_empty() {
            open = false;
        } else {
            let start = offset + (line.len() - line.trim_start().len());
            let end = start + content.len();
            match paragraphs.last_mut() {
                Some(last) if open => last.end = end,
                _ => paragraphs.push(start..end),
            }
            open = true;
        }
        offset += line.len();
    }
    paragraphs.into_iter()
}
