//! How alike a question and a passage are: pure functions over analysed words.

use std::ops::Range;

use crate::search::{Language, Question, QuestionWord, Word};

/// What is known about the words of a corpus.
pub trait Vocabulary {
    /// The words of `text` in a language.
    fn words(&self, language: Language, text: &str) -> Vec<Word>;
    /// How much a word tells under one of its stems: its rarity.
    fn weight(&self, language: Language, word: &Word, stem: &str) -> f32;
}

impl Vocabulary for crate::search::Index {
    fn words(&self, language: Language, text: &str) -> Vec<Word> {
        self.analyzer(language).map(|analyzer| analyzer.words(text)).unwrap_or_default()
    }

    fn weight(&self, language: Language, word: &Word, stem: &str) -> f32 {
        Self::weight(self, language, word, stem)
    }
}

/// How much a corrected spelling counts against the word itself.
const CORRECTED: f32 = 0.7;

/// How well a word of the question is met by a word of a passage: 1 the word itself,
/// [`CORRECTED`] another spelling of it, 0 not at all.
fn meets(question: &QuestionWord, word: &Word) -> f32 {
    if word.is(&question.stem) {
        1.0
    } else if question.corrections.iter().any(|correction| word.is(correction)) {
        CORRECTED
    } else {
        0.0
    }
}

/// The share of the question that these words meet, by weight.
pub fn matched<'a>(question: &Question, words: &(impl Iterator<Item = &'a Word> + Clone)) -> f32 {
    share(question, |asked| words.clone().map(|word| meets(asked, word)).fold(0.0, f32::max))
}

/// Whether these words meet any word of the question that carries meaning, not only grammar.
pub fn meets_meaning<'a>(
    question: &Question,
    words: &(impl Iterator<Item = &'a Word> + Clone),
) -> bool {
    let meaningful = question.words.iter().filter(|asked| !asked.common);
    meaningful.into_iter().any(|asked| words.clone().any(|word| meets(asked, word) > 0.0))
}

fn share(question: &Question, part: impl Fn(&QuestionWord) -> f32) -> f32 {
    let total: f32 = question.words.iter().map(|word| word.weight).sum();
    let met: f32 = question.words.iter().map(|word| word.weight * part(word)).sum();
    if total > 0.0 { met / total } else { 0.0 }
}

/// The sentence of a passage that meets most of the question.
#[derive(Clone, Debug, PartialEq)]
pub struct Sentence {
    /// The share of the question it meets, 0 to 1.
    pub share: f32,
    /// Its bytes in the passage's text.
    pub range: Range<usize>,
}

/// Finds the sentence to highlight; the first of equally good ones.
pub fn best_sentence(question: &Question, text: &str, words: &[Word]) -> Sentence {
    let mut best = Sentence { share: 0.0, range: 0..0 };
    for range in sentences(text) {
        let inside = words.iter().filter(|word| range.contains(&word.start));
        let share = matched(question, &inside);
        if share > best.share || best.range.is_empty() {
            best = Sentence { share, range };
        }
    }
    best
}

/// Sentences and lines, trimmed.
pub fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut sentences = Vec::new();
    let mut start = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|&(_, next)| next);
        let ends = letter == '\n'
            || matches!(letter, '.' | '!' | '?' | '…') && next.is_none_or(char::is_whitespace);
        if ends || next.is_none() {
            let end = at + letter.len_utf8();
            let piece = &text[start..end];
            let trimmed = start + (piece.len() - piece.trim_start().len());
            let length = piece.trim().len();
            if length > 0 {
                sentences.push(trimmed..trimmed + length);
            }
            start = end;
        }
    }
    sentences
}
