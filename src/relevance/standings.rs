//! The standings of all accounts, in columns: one entry per row each, words as codes.
//!
//! What most accounts have little of (topics, businesses) is a short list per row, in the order in which
//! the slow path goes through it, so that sums are the same to the bit. Beside it a bitmap for each topic
//! and business says whose list it is in: who has nothing to do with a message is never looked at.

use std::collections::BTreeMap;

use roaring::RoaringBitmap;
use volens_models::features::{Value, family};

use super::standing::Standing;
use super::told::{Cell, Told};

/// The hour of who did nothing.
const NEVER: i64 = i64::MIN;

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
    last_hour: Vec<i64>,
    pub(super) engagement: Counts,
    pub(super) received: Counts,
    pub(super) rejected: Counts,
    pub(super) interests: Vec<Counters>,
    pub(super) denied: Vec<Box<[u32]>>,
    pub(super) dealings: Vec<Counters>,
    /// Who has an entry in `interests`, by topic.
    pub(super) holders: Rows,
    /// Who has an entry in `denied`, by topic.
    pub(super) deniers: Rows,
    /// Who has an entry in `dealings`, by business.
    pub(super) dealers: Rows,
    pub(super) told: Told,
    /// Who has which entries in `told`.
    traits_of: Vec<Box<[u32]>>,
}

/// Counters at three half-lives by the code of what they count.
pub(super) type Counters = Box<[(u32, [f64; 3])]>;

/// A counter of each row: a column for each half-life, the shortest first.
#[derive(Default)]
pub(super) struct Counts(pub(super) [Vec<f64>; 3]);

impl Counts {
    fn grow(&mut self) {
        self.0.iter_mut().for_each(|column| column.push(0.0));
    }

    fn put(&mut self, row: usize, counts: [f64; 3]) {
        self.0.iter_mut().zip(counts).for_each(|(column, count)| column[row] = count);
    }

    fn of(&self, row: usize) -> [f64; 3] {
        self.0.each_ref().map(|column| column[row])
    }
}

/// Rows by a code that they have an entry of.
#[derive(Default)]
pub(super) struct Rows(Vec<RoaringBitmap>);

impl Rows {
    /// The rows with a code.
    pub(super) fn of(&self, code: u32) -> Option<&RoaringBitmap> {
        self.0.get(code as usize)
    }

    fn insert(&mut self, code: u32, row: u32) {
        let least = code as usize + 1;
        if self.0.len() < least {
            self.0.resize_with(least, RoaringBitmap::new);
        }
        self.0[code as usize].insert(row);
    }

    fn remove(&mut self, code: u32, row: u32) {
        self.0[code as usize].remove(row);
    }
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
        self.last_hour.push(NEVER);
        for counts in [&mut self.engagement, &mut self.received, &mut self.rejected] {
            counts.grow();
        }
        self.interests.push(Box::default());
        self.denied.push(Box::default());
        self.dealings.push(Box::default());
        self.traits_of.push(Box::default());
    }

    /// Replaces what the account's app says about its language.
    pub(super) fn put_language(&mut self, row: usize, language: Option<&str>) {
        self.own_language[row] = language.map(|language| self.languages.add(language));
    }

    /// Replaces the standing of a row.
    pub(super) fn put(&mut self, row: usize, standing: &Standing) {
        self.take_back(row);
        let number = row as u32;
        let topics = standing.topics.iter();
        self.interests[row] =
            topics.map(|(topic, counts)| (self.topics.add(topic), *counts)).collect();
        self.denied[row] = standing.denied.iter().map(|topic| self.topics.add(topic)).collect();
        let businesses = standing.businesses.iter();
        self.dealings[row] =
            businesses.map(|(of, counts)| (self.businesses.add(of), *counts)).collect();
        self.interests[row].iter().for_each(|(topic, _)| self.holders.insert(*topic, number));
        self.denied[row].iter().for_each(|topic| self.deniers.insert(*topic, number));
        self.dealings[row].iter().for_each(|(of, _)| self.dealers.insert(*of, number));
        let traits = standing.traits.iter().map(|(name, value)| {
            let cell = match value {
                Value::Number(number) => Cell::Number(*number),
                Value::Category(word) => Cell::Word(self.words.add(word)),
            };
            let name = self.traits.add(name);
            self.told.insert(name, number, cell);
            name
        });
        self.traits_of[row] = traits.collect();
        self.language[row] = standing.language.as_deref().map(|code| self.languages.add(code));
        self.last_hour[row] = standing.last_hour.unwrap_or(NEVER);
        self.engagement.put(row, standing.engagement);
        self.received.put(row, standing.received);
        self.rejected.put(row, standing.rejected);
    }

    /// Takes a row out of whatever is kept by topic, business or trait.
    fn take_back(&mut self, row: usize) {
        let number = row as u32;
        self.interests[row].iter().for_each(|(topic, _)| self.holders.remove(*topic, number));
        self.denied[row].iter().for_each(|topic| self.deniers.remove(*topic, number));
        self.dealings[row].iter().for_each(|(of, _)| self.dealers.remove(*of, number));
        self.traits_of[row].iter().for_each(|name| self.told.remove(*name, number));
    }

    /// The standing of a row, put together again.
    pub(super) fn standing(&self, row: usize) -> Standing {
        let named = |words: &Words, held: &[(u32, [f64; 3])]| {
            held.iter().map(|(code, counts)| (words.text(*code).to_owned(), *counts)).collect()
        };
        let value = |cell: Cell| match cell {
            Cell::Number(number) => Value::Number(number),
            Cell::Word(code) => Value::Category(self.words.text(code).to_owned()),
        };
        let told = |name: &u32| {
            let cell = self.told.get(*name, row as u32)?;
            Some((self.traits.text(*name).to_owned(), value(cell)))
        };
        let topics = &self.topics.words;
        Standing {
            topics: named(topics, &self.interests[row]),
            denied: self.denied[row].iter().map(|code| topics.text(*code).to_owned()).collect(),
            businesses: named(&self.businesses, &self.dealings[row]),
            engagement: self.engagement.of(row),
            received: self.received.of(row),
            rejected: self.rejected.of(row),
            last_hour: self.last_hour(row),
            language: self.language[row].map(|code| self.languages.text(code).to_owned()),
            traits: self.traits_of[row].iter().filter_map(told).collect(),
        }
    }

    /// The hour of the last act of a row, when there was any.
    pub(super) fn last_hour(&self, row: usize) -> Option<i64> {
        Some(self.last_hour[row]).filter(|hour| *hour != NEVER)
    }

    /// The language of the account in a row as its app says it.
    pub(super) fn own_language(&self, row: usize) -> Option<&str> {
        let code = self.own_language.get(row).copied().flatten()?;
        Some(self.languages.text(code))
    }
}
