//! What a business's own messages teach: texts like one whose topics it named are read as it named them.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::TopicId;

use super::{ByTopic, Odds, Word};
use crate::math::sigmoid;
use crate::vector::Vector;

/// Log odds that a message of the same words adds to what it was named, at most.
const STRENGTH: f64 = 10.0;
/// Two messages that are less alike in their words have nothing to do with each other.
const ALIKE_FROM: f64 = 0.15;

/// A message whose topics the business named itself.
#[derive(Clone, Debug)]
pub struct Lesson {
    /// Its words.
    pub words: Vec<Word>,
    /// What the business says it is about.
    pub topics: BTreeSet<TopicId>,
}

/// The lessons of a business, newest first.
pub(super) struct Lessons<'a> {
    lessons: &'a [Lesson],
    /// In how many lessons a stem stands.
    holders: BTreeMap<&'a str, usize>,
}

impl<'a> Lessons<'a> {
    pub(super) fn new(lessons: &'a [Lesson]) -> Self {
        let mut holders: BTreeMap<&str, usize> = BTreeMap::new();
        for lesson in lessons {
            for stem in stems(&lesson.words) {
                *holders.entry(stem).or_default() += 1;
            }
        }
        Self { lessons, holders }
    }

    /// Moves the odds of a text by what was misread of texts like it, as far as they are alike. What a newer
    /// lesson said of the same words an older one does not say again.
    pub(super) fn correct(
        &self,
        words: &[Word],
        odds: &mut ByTopic,
        read: impl Fn(&[Word]) -> ByTopic,
    ) {
        let asked = self.vector(words);
        let mut heard: Vec<Vector> = Vec::new();
        for lesson in self.lessons {
            let vector = self.vector(&lesson.words);
            let alike = f64::from(asked.cosine(&vector));
            if alike < ALIKE_FROM {
                continue;
            }
            let new: f64 = heard
                .iter()
                .map(|newer| (1.0 - f64::from(newer.cosine(&vector))).max(0.0))
                .product();
            heard.push(vector);
            let before = read(&lesson.words);
            let named = lesson.topics.iter().map(|topic| topic.as_str());
            let topics: BTreeSet<&'static str> = before.keys().copied().chain(named).collect();
            for topic in topics {
                let told = lesson.topics.iter().any(|named| named.as_str() == topic);
                let held = sigmoid(before.get(topic).map_or(Odds::NONE.log, |odds| odds.log));
                let amount = STRENGTH * new * alike * (f64::from(u8::from(told)) - held);
                let odds = odds.entry(topic).or_insert(Odds::NONE);
                odds.log += amount;
                if told {
                    odds.words.extend(shared(words, lesson).map(|word| (amount, word)));
                }
            }
        }
    }

    /// Stems by their rarity among the lessons.
    fn vector(&self, words: &[Word]) -> Vector {
        let all = self.lessons.len() as f32;
        let weight = |stem: &str| {
            let holders = self.holders.get(stem).copied().unwrap_or(0).max(1) as f32;
            (1.0 + all / holders).ln()
        };
        Vector::of_words(stems(words).into_iter().map(|stem| (stem, weight(stem))))
    }
}

/// The distinct stems that carry meaning.
fn stems(words: &[Word]) -> BTreeSet<&str> {
    words.iter().filter(|word| carries(word)).map(|word| word.stem.as_str()).collect()
}

fn carries(word: &Word) -> bool {
    !word.common
        && word.plain.chars().count() >= 3
        && !word.plain.bytes().all(|b| b.is_ascii_digit())
}

/// Words of a text that a lesson has, too.
fn shared(words: &[Word], lesson: &Lesson) -> impl Iterator<Item = String> {
    let theirs = stems(&lesson.words);
    let mut told = BTreeSet::new();
    words
        .iter()
        .filter(|word| carries(word) && theirs.contains(word.stem.as_str()))
        .filter(|word| told.insert(word.stem.as_str()))
        .map(|word| word.shown.clone())
        .collect::<Vec<_>>()
        .into_iter()
}
