//! The standings of all accounts, in columns: one entry per row each, words as codes.
//!
//! What most accounts have little of (topics, businesses, traits) is a short list per row, in the order
//! in which the slow path goes through it, so that sums are the same to the bit.

use std::collections::BTreeMap;

use volens_models::features::{Value, family};

use super::standing::Standing;

/// The columns. A row without a standing has zeros and empty lists.
#[derive(Default)]
pub(super) struct Standings {
    pub(super) topics: Topics,
    pub(super) languages: Words,
    pub(super) businesses: Words,
    pub(super) traits: Words,
    /// What traits say.
    pub(super) words: Words,
    /// What the account's app says.
    pub(super) own_language: Vec<Option<u32>>,
    /// What its signals said.
    pub(super) language: Vec<Option<u32>>,
    pub(super) last_hour: Vec<Option<i64>>,
    pub(super) engagement: Vec<[f64; 3]>,
    pub(super) received: Vec<[f64; 3]>,
    pub(super) rejected: Vec<[f64; 3]>,
    pub(super) interests: Vec<Counters>,
    pub(super) denied: Vec<Box<[u32]>>,
    pub(super) dealings: Vec<Counters>,
    pub(super) told: Vec<Box<[(u32, Cell)]>>,
}

/// Counters at three half-lives by the code of what they count.
pub(super) type Counters = Box<[(u32, [f64; 3])]>;

/// What a trait says.
#[derive(Clone, Copy)]
pub(super) enum Cell {
    Number(f64),
    Word(u32),
}

/// Each distinct text once.
#[derive(Default)]
pub(super) struct Words {
    codes: BTreeMap<String, u32>,
    texts: Vec<String>,
}

impl Words {
    fn add(&mut self, text: &str) -> u32 {
        if let Some(code) = self.codes.get(text) {
            return *code;
        }
        let code = self.texts.len() as u32;
        self.texts.push(text.to_owned());
        self.codes.insert(text.to_owned(), code);
        code
    }

    /// The code of a text that somebody has.
    pub(super) fn code(&self, text: &str) -> Option<u32> {
        self.codes.get(text).copied()
    }

    /// All of them, in the order of their codes.
    pub(super) fn texts(&self) -> &[String] {
        &self.texts
    }

    fn text(&self, code: u32) -> &str {
        &self.texts[code as usize]
    }
}

/// Topics, each with the topic that it is under.
#[derive(Default)]
pub(super) struct Topics {
    words: Words,
    families: Vec<u32>,
}

impl Topics {
    fn add(&mut self, topic: &str) -> u32 {
        let code = self.words.add(topic);
        while let Some(text) = self.words.texts.get(self.families.len()) {
            let text = family(text).to_owned();
            let of = self.words.add(&text);
            self.families.push(of);
        }
        code
    }

    /// The code of a topic that somebody has to do with.
    pub(super) fn code(&self, topic: &str) -> Option<u32> {
        self.words.code(topic)
    }

    /// The code of the topic that each is under, or its own.
    pub(super) fn families(&self) -> &[u32] {
        &self.families
    }
}

impl Standings {
    /// Adds a row.
    pub(super) fn grow(&mut self) {
        self.own_language.push(None);
        self.language.push(None);
        self.last_hour.push(None);
        self.engagement.push([0.0; 3]);
        self.received.push([0.0; 3]);
        self.rejected.push([0.0; 3]);
        self.interests.push(Box::default());
        self.denied.push(Box::default());
        self.dealings.push(Box::default());
        self.told.push(Box::default());
    }

    /// Replaces what the account's app says about its language.
    pub(super) fn put_language(&mut self, row: usize, language: Option<&str>) {
        self.own_language[row] = language.map(|language| self.languages.add(language));
    }

    /// Replaces the standing of a row.
    pub(super) fn put(&mut self, row: usize, standing: &Standing) {
        let topics = standing.topics.iter();
        self.interests[row] =
            topics.map(|(topic, counts)| (self.topics.add(topic), *counts)).collect();
        self.denied[row] = standing.denied.iter().map(|topic| self.topics.add(topic)).collect();
        let businesses = standing.businesses.iter();
        self.dealings[row] =
            businesses.map(|(of, counts)| (self.businesses.add(of), *counts)).collect();
        let told = standing.traits.iter().map(|(name, value)| {
            let cell = match value {
                Value::Number(number) => Cell::Number(*number),
                Value::Category(word) => Cell::Word(self.words.add(word)),
            };
            (self.traits.add(name), cell)
        });
        self.told[row] = told.collect();
        self.language[row] = standing.language.as_deref().map(|code| self.languages.add(code));
        self.last_hour[row] = standing.last_hour;
        self.engagement[row] = standing.engagement;
        self.received[row] = standing.received;
        self.rejected[row] = standing.rejected;
    }

    /// The standing of a row, put together again.
    pub(super) fn standing(&self, row: usize) -> Standing {
        let named = |words: &Words, held: &[(u32, [f64; 3])]| {
            held.iter().map(|(code, counts)| (words.text(*code).to_owned(), *counts)).collect()
        };
        let value = |cell: &Cell| match cell {
            Cell::Number(number) => Value::Number(*number),
            Cell::Word(code) => Value::Category(self.words.text(*code).to_owned()),
        };
        let topics = &self.topics.words;
        Standing {
            topics: named(topics, &self.interests[row]),
            denied: self.denied[row].iter().map(|code| topics.text(*code).to_owned()).collect(),
            businesses: named(&self.businesses, &self.dealings[row]),
            engagement: self.engagement[row],
            received: self.received[row],
            rejected: self.rejected[row],
            last_hour: self.last_hour[row],
            language: self.language[row].map(|code| self.languages.text(code).to_owned()),
            traits: self.told[row]
                .iter()
                .map(|(code, cell)| (self.traits.text(*code).to_owned(), value(cell)))
                .collect(),
        }
    }

    /// The language of the account in a row as its app says it.
    pub(super) fn own_language(&self, row: usize) -> Option<&str> {
        let code = self.own_language.get(row).copied().flatten()?;
        Some(self.languages.text(code))
    }
}
