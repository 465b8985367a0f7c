//! Documents into passages: pure, so that a preview and a publication agree.
//!
//! A [`Document`] is Markdown (sections by heading), plain text (windows of paragraphs) or a CSV of
//! questions and answers. Every passage keeps the byte range of the document it was made from, and
//! no text of a document is lost on the way.

mod faq;
mod markdown;
#[cfg(test)]
mod tests;
mod text;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use crate::search::Language;

/// Largest document, in bytes of UTF-8.
pub const DOCUMENT_BYTES: usize = 2 << 20;
/// Most passages of one document.
pub const DOCUMENT_PASSAGES: usize = 5_000;
/// Longest title and question, in bytes.
pub const TITLE_BYTES: usize = 500;
/// Longest answer of a question, in bytes.
pub const ANSWER_BYTES: usize = 8_000;
/// Longest passage of running text, in bytes: about two screens of a telephone.
pub const PASSAGE_BYTES: usize = 1_200;
/// Longest address, in bytes.
pub const URL_BYTES: usize = 2_000;
/// Most row errors that are reported of one document.
pub const ROW_ERRORS: usize = 100;

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum DocumentKind {
    /// CommonMark with tables.
    Markdown,
    /// Plain text; paragraphs are separated by empty lines.
    Text,
    /// CSV with a header: `question`, `answer`, and optionally `url` and `language`.
    FaqCsv,
}

impl DocumentKind {
    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Markdown => "markdown",
            Self::Text => "text",
            Self::FaqCsv => "faq_csv",
        }
    }

    /// Reads [`DocumentKind::name`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Markdown, Self::Text, Self::FaqCsv].into_iter().find(|kind| kind.name() == name)
    }
}

/// What a passage is, and therefore how it may be answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PassageKind {
    /// A question with its answer, which is given word for word.
    Answer,
    /// A piece of running text, which is cited.
    Section,
}

impl PassageKind {
    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Section => "section",
        }
    }

    /// Reads [`PassageKind::name`].
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Answer, Self::Section].into_iter().find(|kind| kind.name() == name)
    }
}

/// A document as it was uploaded.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// Shown as the source of an answer.
    pub title: &'a str,
    /// How `content` is written.
    pub kind: DocumentKind,
    /// The whole text.
    pub content: &'a str,
    /// Where the original can be read.
    pub url: Option<&'a str>,
    /// The language, when the uploader said it; otherwise it is detected per passage.
    pub language: Option<Language>,
}

/// A piece of a document that can be an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// Question of a pair, or cited text.
    pub kind: PassageKind,
    /// The question, or the path of titles: `Returns › Abroad`.
    pub title: String,
    /// The answer, or the text without markup.
    pub text: String,
    /// Where the original can be read.
    pub url: Option<String>,
    /// The language it is analysed in.
    pub language: Language,
    /// The bytes of the document it was made from.
    pub range: Range<usize>,
}

impl Passage {
    /// SHA-256 of title and text: two passages that are equal to a reader have the same.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update((self.title.len() as u64).to_be_bytes());
        hash.update(self.title.as_bytes());
        hash.update(self.text.as_bytes());
        hash.finalize().into()
    }
}

/// One thing that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Fault {
    /// The row of a CSV, the header being row 1; absent when the whole document is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// A stable code such as `document.empty` or `row.answer_empty`.
    pub code: &'static str,
    /// One sentence for a person.
    pub message: String,
}

impl Fault {
    fn document(code: &'static str, message: impl Into<String>) -> Self {
        Self { row: None, code, message: message.into() }
    }

    fn row(row: u64, code: &'static str, message: impl Into<String>) -> Self {
        Self { row: Some(row), code, message: message.into() }
    }
}

/// Reads a document. `languages` are those of the bot.
///
/// # Errors
/// Every fault that was found, at most [`ROW_ERRORS`] of them. A document with a fault is refused
/// whole: half an upload would be noticed only by the customer who asks for the other half.
pub fn read(document: &Document<'_>, languages: &[Language]) -> Result<Vec<Passage>, Vec<Fault>> {
    check(document)?;
    let passages = match document.kind {
        DocumentKind::Markdown => markdown::read(document, languages),
        DocumentKind::Text => text::read(document, languages),
        DocumentKind::FaqCsv => faq::read(document, languages)?,
    };
    if passages.is_empty() {
        return Err(vec![Fault::document("document.empty", "the document holds no text")]);
    }
    if passages.len() > DOCUMENT_PASSAGES {
        let message = format!("the document makes more than {DOCUMENT_PASSAGES} passages");
        return Err(vec![Fault::document("document.too_large", message)]);
    }
    Ok(passages)
}

fn check(document: &Document<'_>) -> Result<(), Vec<Fault>> {
    let mut faults = Vec::new();
    if document.title.trim().is_empty() || document.title.len() > TITLE_BYTES {
        let message = format!("the title must have 1 to {TITLE_BYTES} bytes");
        faults.push(Fault::document("document.title", message));
    }
    if document.content.len() > DOCUMENT_BYTES {
        let message = format!("the content must have at most {DOCUMENT_BYTES} bytes");
        faults.push(Fault::document("document.too_large", message));
    }
    if document.content.contains('\0') {
        faults.push(Fault::document("document.unreadable", "the content is not text"));
    }
    if let Some(url) = document.url
        && !is_web_address(url)
    {
        let message = "the address must begin with https:// or http://";
        faults.push(Fault::document("document.url", message));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults) }
}

/// Addresses are shown as links, so only web addresses pass: `javascript:` and the like do not.
fn is_web_address(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let plain = !url.chars().any(|letter| letter.is_whitespace() || letter.is_control());
    plain && url.len() <= URL_BYTES && rest.is_some_and(|rest| !rest.is_empty())
}

/// The language of a passage: as told, or detected among the bot's.
fn language_of(document: &Document<'_>, text: &str, languages: &[Language]) -> Language {
    document.language.or_else(|| Language::detect(text, languages)).unwrap_or(Language::English)
}

/// Cuts the trimmed `text` into pieces of at most `limit` bytes: at empty lines, else at the ends
/// of sentences, else between words, else between letters. Returns byte ranges that cover
/// everything but white space.
fn windows(text: &str, limit: usize) -> Vec<Range<usize>> {
    let mut windows: Vec<Range<usize>> = Vec::new();
    for piece in text::paragraphs(text).flat_map(|paragraph| fit(text, paragraph, limit)) {
        match windows.last_mut() {
            Some(last) if piece.end - last.start <= limit => last.end = piece.end,
            _ => windows.push(piece),
        }
    }
    windows
}

fn fit(text: &str, range: Range<usize>, limit: usize) -> Vec<Range<usize>> {
    let mut pieces = Vec::new();
    let mut start = range.start;
    while range.end - start > limit {
        let mut reach = start + limit;
        while !text.is_char_boundary(reach) {
            reach -= 1;
        }
        let cut = start + best_cut(&text[start..reach]);
        push_trimmed(text, start..cut, &mut pieces);
        start = cut;
    }
    push_trimmed(text, start..range.end, &mut pieces);
    pieces
}

/// The end of the last sentence in the second half of `text`, else of its last word, else its end.
fn best_cut(text: &str) -> usize {
    let ends = text.char_indices().zip(text.chars().skip(1)).filter_map(|((at, letter), next)| {
        let sentence = matches!(letter, '.' | '!' | '?' | '…' | '\n') && next.is_whitespace();
        sentence.then_some(at + letter.len_utf8())
    });
    let sentence = ends.last().filter(|&end| end * 2 >= text.len());
    let word = || text.rfind(char::is_whitespace).filter(|&end| end > 0);
    sentence.or_else(word).unwrap_or(text.len())
}

fn push_trimmed(text: &str, range: Range<usize>, pieces: &mut Vec<Range<usize>>) {
    let piece = &text[range.clone()];
    let start = range.start + (piece.len() - piece.trim_start().len());
    let end = range.end - (piece.len() - piece.trim_end().len());
    if start < end {
        pieces.push(start..end);
    }
}
