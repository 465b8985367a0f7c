//! A corpus made in memory, asked the way the service asks its own.

use std::collections::BTreeMap;

use anyhow::{Result, anyhow};
use volens::assistant::answer::{
    CANDIDATES, Candidate, Decision, FEATURES, decide, features, likely, weigh,
};
use volens::assistant::corpus::{Document, DocumentKind, PassageKind, read};
use volens::search::{Entry, Index, Language};

/// A passage with the label of what it answers.
pub(crate) struct Item {
    pub(crate) label: String,
    pub(crate) kind: PassageKind,
    pub(crate) title: String,
    pub(crate) text: String,
}

/// A question; without a label nothing answers it.
pub(crate) struct Query {
    pub(crate) label: Option<String>,
    pub(crate) text: String,
}

pub(crate) struct World {
    items: Vec<Item>,
    language: Language,
    index: Index,
    _folder: tempfile::TempDir,
}

/// What the service sees of one question.
pub(crate) struct Seen {
    /// Different labels in the order of the candidates.
    pub(crate) labels: Vec<String>,
    /// Different labels in the order of BM25.
    pub bm25_labels: Vec<String>,
    pub(crate) decision: Decision,
    /// Of the best candidate.
    pub(crate) probability: f32,
    /// Features of the best candidates with different labels, and their labels.
    pub(crate) rows: Vec<([f32; FEATURES], String)>,
    places: Vec<String>,
}

impl Seen {
    pub(crate) fn label_at(&self, place: usize) -> &str {
        &self.places[place]
    }
}

impl World {
    pub(crate) fn new(items: Vec<Item>, language: Language) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let entries: Vec<Entry> = items
            .iter()
            .zip(0..)
            .map(|(item, number)| Entry {
                number,
                language,
                title: item.title.clone(),
                body: item.text.clone(),
            })
            .collect();
        Index::build(folder.path(), &[language], &entries)?;
        let index = Index::open(folder.path(), &[language])?;
        Ok(Self { items, language, index, _folder: folder })
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn ask(&self, text: &str) -> Result<Seen> {
        let found = self.index.find(text, CANDIDATES)?;
        let candidates: Vec<Candidate<'_>> = found
            .hits
            .iter()
            .map(|hit| {
                let item = &self.items[hit.number as usize];
                Candidate {
                    number: hit.number,
                    kind: item.kind,
                    language: self.language,
                    title: &item.title,
                    text: &item.text,
                    score: hit.score,
                }
            })
            .collect();
        let label = |place: usize| &self.items[candidates[place].number as usize].label;
        let ranked = weigh(&found, &candidates, &self.index);
        let mut rows: BTreeMap<&str, usize> = BTreeMap::new();
        let mut labels: Vec<String> = Vec::new();
        for (rank, evidence) in ranked.iter().enumerate() {
            let name = label(evidence.place);
            if !labels.contains(name) {
                labels.push(name.clone());
                rows.insert(name, rank);
            }
        }
        let rows: Vec<([f32; FEATURES], String)> = labels
            .iter()
            .take(3)
            .map(|name| (features(rows[name.as_str()], &ranked, &candidates, &found), name.clone()))
            .collect();
        let mut bm25_labels: Vec<String> = Vec::new();
        for place in 0..candidates.len() {
            if !bm25_labels.contains(label(place)) {
                bm25_labels.push(label(place).clone());
            }
        }
        let probability =
            likely(&ranked, &candidates, &found).first().map_or(0.0, |(_, chance)| *chance);
        Ok(Seen {
            decision: decide(&found, &candidates, &self.index),
            bm25_labels,
            probability,
            rows,
            places: (0..candidates.len()).map(|place| label(place).clone()).collect(),
            labels,
        })
    }
}

/// A document the way it would be uploaded: a titled one as question and answer, others as text.
pub(crate) fn cut(id: &str, title: &str, text: &str, language: Language) -> Result<Vec<Item>> {
    if !title.is_empty() {
        let (title, text) = (title.to_owned(), text.to_owned());
        return Ok(vec![Item { label: id.to_owned(), kind: PassageKind::Answer, title, text }]);
    }
    let document = Document {
        title: id,
        kind: DocumentKind::Text,
        content: text,
        url: None,
        language: Some(language),
    };
    let passages = read(&document, &[language])
        .map_err(|faults| anyhow!("{}", faults.first().map_or("", |fault| fault.code)))?;
    Ok(passages
        .into_iter()
        .map(|passage| Item {
            label: id.to_owned(),
            kind: passage.kind,
            title: passage.title,
            text: passage.text,
        })
        .collect())
}
