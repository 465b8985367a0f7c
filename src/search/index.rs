//! One index: passages in, hits with their evidence out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tantivy::collector::TopDocs;
use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, BoostQuery, FuzzyTermQuery, Occur, Query, TermQuery,
};
use tantivy::schema::{
    FAST, Field, IndexRecordOption, NumericOptions, Schema, TextFieldIndexing, TextOptions,
};
use tantivy::tokenizer::{PreTokenizedString, Token};
use tantivy::{IndexReader, ReloadPolicy, Searcher, TantivyDocument, Term};

use super::{Analyzer, Language, SearchError, Word};

/// How much a word in the question or title counts against one in the body.
const TITLE_WEIGHT: f32 = 2.0;
/// How much a corrected spelling counts against the word itself.
const CORRECTED_WEIGHT: f32 = 0.6;
/// Shortest word that is corrected, in letters: shorter ones have too many neighbours.
const CORRECTED_LETTERS: usize = 5;
/// Most spellings one unknown word is corrected to.
const CORRECTIONS: usize = 4;
/// Most different words of a question that are sought.
const QUESTION_WORDS: usize = 48;
/// Memory of the writer, in bytes: small corpora, one segment, no threads.
const WRITER_BYTES: usize = 64 << 20;
/// How much a word that only carries grammar counts against one that means something.
const COMMON_WEIGHT: f32 = 0.3;
/// tantivy's fixed BM25 parameters (`query/bm25.rs`).
const K1: f32 = 1.2;
const B: f32 = 0.75;

/// What is indexed of one passage.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The passage's number within the version.
    pub number: u64,
    /// The language it is analysed in.
    pub language: Language,
    /// Question, or path of titles.
    pub title: String,
    /// Answer, or text.
    pub body: String,
}

/// A passage that shares words with the question.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hit {
    /// The passage's number within the version.
    pub number: u64,
    /// BM25 over both fields. Comparable only within one answer: see [`Question::ideal`].
    pub score: f32,
}

/// A word of the question, with what the index knows of it.
#[derive(Clone, Debug)]
pub struct QuestionWord {
    /// The stem it was sought with.
    pub stem: String,
    /// The word in lower case without accents.
    pub plain: String,
    /// Inverse document frequency; that of a word in no document when it is unknown, and less for
    /// one that only carries grammar.
    pub weight: f32,
    /// Whether it only carries grammar.
    pub common: bool,
    /// Whether any passage has it.
    pub known: bool,
    /// Stems one edit away, when it is unknown and long enough.
    pub corrections: Vec<String>,
}

/// The question as one language's analysis sees it.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Its different words, in order.
    pub words: Vec<QuestionWord>,
    /// BM25 of an imagined passage that is exactly this question, or whose body of average length
    /// has each of its words: the yardstick that makes scores of different bots comparable.
    pub ideal: f32,
}

/// The result of [`Index::find`].
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Best first.
    pub hits: Vec<Hit>,
    /// The question in each language of the index.
    pub questions: BTreeMap<Language, Question>,
}

/// An open index. Cheap to ask from several threads.
pub struct Index {
    reader: IndexReader,
    languages: BTreeMap<Language, LanguageFields>,
}

struct LanguageFields {
    analyzer: Analyzer,
    title: Field,
    body: Field,
}

impl Index {
    /// Writes an index of `entries` into the empty folder `folder`. Blocks.
    pub fn build(
        folder: &Path,
        languages: &[Language],
        entries: &[Entry],
    ) -> Result<(), SearchError> {
        let (schema, number, fields) = schema(languages);
        let directory =
            tantivy::directory::MmapDirectory::open(folder).map_err(tantivy::TantivyError::from)?;
        let builder = tantivy::Index::builder().schema(schema);
        let mut writer = builder.single_segment_index_writer(directory, WRITER_BYTES)?;
        for entry in entries {
            let mut document = TantivyDocument::new();
            document.add_u64(number, entry.number);
            if let Some(language) = fields.get(&entry.language) {
                let words = |text: &str| pre_tokenized(&language.analyzer.words(text));
                document.add_pre_tokenized_text(language.title, words(&entry.title));
                document.add_pre_tokenized_text(language.body, words(&entry.body));
            }
            writer.add_document(document)?;
        }
        writer.finalize()?;
        Ok(())
    }

    /// Opens the index in `folder`. Blocks.
    pub fn open(folder: &Path, languages: &[Language]) -> Result<Self, SearchError> {
        let (schema, _, languages) = schema(languages);
        let index = tantivy::Index::open_in_dir(folder)?;
        if index.schema() != schema {
            return Err(SearchError::Stale);
        }
        let reader = index.reader_builder().reload_policy(ReloadPolicy::Manual).try_into()?;
        Ok(Self { reader, languages })
    }

    /// How many passages it holds.
    pub fn len(&self) -> u64 {
        self.reader.searcher().num_docs()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The analysis of a language of this index.
    pub fn analyzer(&self, language: Language) -> Option<&Analyzer> {
        self.languages.get(&language).map(|fields| &fields.analyzer)
    }

    /// The best `limit` passages for a question in whichever of the index's languages. Blocks for
    /// well under a millisecond on ten thousand passages.
    pub fn find(&self, text: &str, limit: usize) -> Result<Found, SearchError> {
        let searcher = self.reader.searcher();
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut questions = BTreeMap::new();
        for (&language, fields) in &self.languages {
            let question = read_question(&searcher, fields, text)?;
            for word in &question.words {
                add_clauses(&mut clauses, fields, word);
            }
            questions.insert(language, question);
        }
        if clauses.is_empty() || limit == 0 {
            return Ok(Found { hits: Vec::new(), questions });
        }
        let query = BooleanQuery::new(clauses);
        let top = searcher.search(&query, &TopDocs::with_limit(limit).order_by_score())?;
        let mut hits = Vec::with_capacity(top.len());
        for (score, address) in top {
            let segment = searcher.segment_reader(address.segment_ord);
            let numbers = segment.fast_fields().u64("number")?;
            if let Some(number) = numbers.first(address.doc_id) {
                hits.push(Hit { number, score });
            }
        }
        Ok(Found { hits, questions })
    }

    /// The inverse document frequency of a word under one of its stems,
    /// `ln(1 + (N − n + ½) / (n + ½))`, and less when it only carries grammar; for a stem no passage
    /// has, that of n = 0.
    pub fn weight(&self, language: Language, word: &Word, stem: &str) -> f32 {
        let searcher = self.reader.searcher();
        let count = self
            .languages
            .get(&language)
            .map_or(0, |fields| frequency(&searcher, fields, stem).unwrap_or(0));
        idf(count, searcher.num_docs()) * share(word.common)
    }
}

fn schema(languages: &[Language]) -> (Schema, Field, BTreeMap<Language, LanguageFields>) {
    let mut builder = Schema::builder();
    let number = builder.add_u64_field("number", NumericOptions::from(FAST));
    // Frequencies, no positions and no stored text: the words alone decide, the text is in SQL.
    let words = TextOptions::default().set_indexing_options(
        TextFieldIndexing::default().set_index_option(IndexRecordOption::WithFreqs),
    );
    let languages: BTreeSet<Language> = languages.iter().copied().collect();
    let fields = languages
        .into_iter()
        .map(|language| {
            let title = builder.add_text_field(&format!("title_{language}"), words.clone());
            let body = builder.add_text_field(&format!("body_{language}"), words.clone());
            (language, LanguageFields { analyzer: Analyzer::new(language), title, body })
        })
        .collect();
    (builder.build(), number, fields)
}

/// Both stems of each word; the text itself stays out.
fn pre_tokenized(words: &[Word]) -> PreTokenizedString {
    let mut tokens = Vec::with_capacity(words.len());
    for (position, word) in words.iter().enumerate() {
        for stem in std::iter::once(&word.stem).chain(word.bare.as_ref()) {
            tokens.push(Token {
                offset_from: word.start,
                offset_to: word.end,
                position,
                text: stem.clone(),
                position_length: 1,
            });
        }
    }
    PreTokenizedString { text: String::new(), tokens }
}

fn read_question(
    searcher: &Searcher,
    fields: &LanguageFields,
    text: &str,
) -> Result<Question, SearchError> {
    let total = searcher.num_docs();
    let mut words: Vec<QuestionWord> = Vec::new();
    for word in fields.analyzer.words(text) {
        if words.len() == QUESTION_WORDS {
            break;
        }
        if words.iter().any(|known| word.is(&known.stem)) {
            continue;
        }
        words.push(read_word(searcher, fields, word, total)?);
    }
    let ideal = ideal(searcher, fields, &words)?;
    Ok(Question { words, ideal })
}

fn read_word(
    searcher: &Searcher,
    fields: &LanguageFields,
    word: Word,
    total: u64,
) -> Result<QuestionWord, SearchError> {
    let mut stem = word.stem;
    let mut count = frequency(searcher, fields, &stem)?;
    if count == 0
        && let Some(bare) = word.bare
    {
        count = frequency(searcher, fields, &bare)?;
        stem = if count > 0 { bare } else { stem };
    }
    let corrections = if count == 0 && !word.common && stem.chars().count() >= CORRECTED_LETTERS {
        corrections(searcher, fields, &stem)?
    } else {
        Vec::new()
    };
    Ok(QuestionWord {
        stem,
        plain: word.plain,
        weight: idf(count, total) * share(word.common),
        common: word.common,
        known: count > 0,
        corrections,
    })
}

/// In how many passages a stem occurs, counted in the field that has it more often.
fn frequency(searcher: &Searcher, fields: &LanguageFields, stem: &str) -> Result<u64, SearchError> {
    let title = searcher.doc_freq(&Term::from_field_text(fields.title, stem))?;
    let body = searcher.doc_freq(&Term::from_field_text(fields.body, stem))?;
    Ok(title.max(body))
}

/// Stems of the vocabulary one edit away (Damerau: swapped letters are one edit), most frequent
/// first.
fn corrections(
    searcher: &Searcher,
    fields: &LanguageFields,
    stem: &str,
) -> Result<Vec<String>, SearchError> {
    let mut near: BTreeMap<String, u64> = BTreeMap::new();
    for field in [fields.title, fields.body] {
        let term = Term::from_field_text(field, stem);
        let automaton = FuzzyTermQuery::new(term, 1, true).automaton()?;
        for segment in searcher.segment_readers() {
            let inverted = segment.inverted_index(field)?;
            let mut stream = inverted.terms().search(&automaton).into_stream()?;
            while stream.advance() {
                if let Ok(found) = std::str::from_utf8(stream.key()) {
                    let count = near.entry(found.to_owned()).or_default();
                    *count += u64::from(stream.value().doc_freq);
                }
            }
        }
    }
    let mut near: Vec<(String, u64)> = near.into_iter().collect();
    near.sort_by(|left, right| right.1.cmp(&left.1).then_with(|| left.0.cmp(&right.0)));
    near.truncate(CORRECTIONS);
    Ok(near.into_iter().map(|(found, _)| found).collect())
}

fn add_clauses(
    clauses: &mut Vec<(Occur, Box<dyn Query>)>,
    fields: &LanguageFields,
    word: &QuestionWord,
) {
    let mut add = |stem: &str, weight: f32| {
        for (field, boost) in [(fields.title, TITLE_WEIGHT), (fields.body, 1.0)] {
            let term = Term::from_field_text(field, stem);
            let query = TermQuery::new(term, IndexRecordOption::WithFreqs);
            clauses
                .push((Occur::Should, Box::new(BoostQuery::new(Box::new(query), boost * weight))));
        }
    };
    if word.known {
        add(&word.stem, share(word.common));
    }
    for correction in &word.corrections {
        add(correction, CORRECTED_WEIGHT);
    }
}

fn ideal(
    searcher: &Searcher,
    fields: &LanguageFields,
    words: &[QuestionWord],
) -> Result<f32, SearchError> {
    let total = searcher.num_docs().max(1) as f32;
    let average = Bm25StatisticsProvider::total_num_tokens(searcher, fields.title)? as f32 / total;
    let weights: f32 = words.iter().map(|word| word.weight).sum();
    let title = if average > 0.0 {
        let norm = K1 * (1.0 - B + B * words.len() as f32 / average);
        TITLE_WEIGHT * weights * (1.0 + K1) / (1.0 + norm)
    } else {
        0.0
    };
    Ok(title.max(weights))
}

fn share(common: bool) -> f32 {
    if common { COMMON_WEIGHT } else { 1.0 }
}

fn idf(count: u64, total: u64) -> f32 {
    let (count, total) = (count as f32, total as f32);
    (1.0 + ((total - count).max(0.0) + 0.5) / (count + 0.5)).ln()
}
