//! Text to words: case, accents, stems and the words that carry no meaning, per language.

use tantivy::tokenizer::{
    AsciiFoldingFilter, Language as StemmerLanguage, Stemmer, TextAnalyzer, TokenStream,
    WhitespaceTokenizer,
};

use super::Language;
use super::common::is_common;

/// Longest word that is kept whole, in bytes; the rest of a longer one is cut off.
const LONGEST_WORD: usize = 64;

/// One word of a text as the index knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Lower case, stemmed, then without accents: `Rückgaben` is `ruckgab`.
    pub stem: String,
    /// The stem that the same word has when it is typed without accents, where that differs:
    /// `devolución` is `devolu`, but `devolucion` is `devolucion`.
    pub bare: Option<String>,
    /// The word in lower case and without accents, not stemmed.
    pub plain: String,
    /// Whether it only carries grammar, such as "the".
    pub common: bool,
    /// Byte offset of the first letter in the text.
    pub start: usize,
    /// Byte offset after the last letter.
    pub end: usize,
}

impl Word {
    /// Whether a word of a question, given by the stem it was sought with, means this word.
    pub fn is(&self, stem: &str) -> bool {
        self.stem == stem || self.bare.as_deref() == Some(stem)
    }
}

/// Turns text of one language into words.
///
/// A document is indexed under both stems of a word, so a question finds it with or without
/// accents, and stemming still sees the accents its rules need.
#[derive(Clone)]
pub struct Analyzer {
    language: Language,
    stemmed: TextAnalyzer,
    bare: TextAnalyzer,
    folded: TextAnalyzer,
}

impl Analyzer {
    /// The analysis of `language`.
    pub fn new(language: Language) -> Self {
        let stemmer = Stemmer::new(match language {
            Language::English => StemmerLanguage::English,
            Language::French => StemmerLanguage::French,
            Language::German => StemmerLanguage::German,
            Language::Spanish => StemmerLanguage::Spanish,
            Language::Portuguese => StemmerLanguage::Portuguese,
        });
        Self {
            language,
            stemmed: TextAnalyzer::builder(WhitespaceTokenizer::default())
                .filter(stemmer.clone())
                .filter(AsciiFoldingFilter)
                .build(),
            bare: TextAnalyzer::builder(WhitespaceTokenizer::default())
                .filter(AsciiFoldingFilter)
                .filter(stemmer)
                .build(),
            folded: TextAnalyzer::builder(WhitespaceTokenizer::default())
                .filter(AsciiFoldingFilter)
                .build(),
        }
    }

    /// The language whose stemmer is used.
    pub fn language(&self) -> Language {
        self.language
    }

    /// The words of `text` in order, with their places in it.
    pub fn words(&self, text: &str) -> Vec<Word> {
        let spans = spans(text);
        let line = spans.iter().map(|span| span.lower.as_str()).collect::<Vec<_>>().join(" ");
        let stems = run(&self.stemmed, &line);
        let bares = run(&self.bare, &line);
        let plains = run(&self.folded, &line);
        spans
            .into_iter()
            .zip(stems.into_iter().zip(bares).zip(plains))
            .map(|(span, ((stem, bare), plain))| Word {
                bare: (bare != stem).then_some(bare),
                stem,
                common: is_common(self.language, &plain),
                plain,
                start: span.start,
                end: span.end,
            })
            .collect()
    }
}

struct Span {
    lower: String,
    start: usize,
    end: usize,
}

/// Runs of letters and digits. Combining marks belong to the letter before them and are dropped,
/// so text in decomposed form reads like the same text without accents.
fn spans(text: &str) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut open = false;
    for (offset, letter) in text.char_indices() {
        let mark = is_mark(letter);
        let inside = letter.is_alphanumeric() || open && mark;
        if !inside {
            open = false;
            continue;
        }
        if !open {
            spans.push(Span { lower: String::new(), start: offset, end: offset });
            open = true;
        }
        if let Some(span) = spans.last_mut() {
            span.end = offset + letter.len_utf8();
            if !mark && span.lower.len() < LONGEST_WORD {
                span.lower.extend(letter.to_lowercase().filter(|letter| !is_mark(*letter)));
            }
        }
    }
    spans.retain(|span| !span.lower.is_empty());
    spans
}

/// Combining diacritical marks, U+0300 to U+036F.
fn is_mark(letter: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&letter)
}

fn run(analyzer: &TextAnalyzer, line: &str) -> Vec<String> {
    let mut analyzer = analyzer.clone();
    let mut stream = analyzer.token_stream(line);
    let mut words = Vec::new();
    while stream.advance() {
        words.push(stream.token().text.clone());
    }
    words
}
