//! What a message is about: topics of the tree, recognised in its words.
//!
//! A linear model whose weights are the taxonomy: every keyword of [`Topics`] that a text meets adds to its
//! topics, fully by its stem, a little less by its letters. Evidence for several topics of a
//! family backs the family, and a word for the family backs those of its topics that have evidence of their
//! own. What was recognised in a business's earlier messages, and named otherwise by it, is the rest of the
//! model ([`lessons`]). No topic is proposed below an even chance, and none that is sensitive ever.

mod keywords;
pub mod lessons;

use std::collections::BTreeMap;

use volens_privacy::Topics;

use self::keywords::Keywords;
use self::lessons::{Lesson, Lessons};
use crate::math::sigmoid;

/// One word of a text, as an analyser of its language reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// Lower case, without accents and ending.
    pub stem: String,
    /// The stem it has when it is typed without accents, where that differs.
    pub bare: Option<String>,
    /// Lower case, without accents.
    pub plain: String,
    /// Whether it only carries grammar.
    pub common: bool,
    /// As it is shown.
    pub shown: String,
}

/// Weights of the logistic formula over what speaks for a topic, fitted on the tuned half of
/// `tests/topics`; the decision record on topics says how well.
const BIAS: f64 = -4.8;
const BY_SUM: f64 = 2.9;
const BY_SHARE: f64 = 2.0;
/// What the other topics of a family, and the family's own words, pass on.
const WITHIN_FAMILY: f64 = 0.5;
/// Topics proposed at most.
const MOST: usize = 3;
/// Words told for a topic at most.
const MOST_WORDS: usize = 5;

/// What speaks for one topic.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The topic.
    pub topic: &'static str,
    /// Probability that the message is about it.
    pub probability: f64,
    /// The words of the message that led to it, strongest first.
    pub words: Vec<String>,
}

/// What a message is about.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// Topics that may be used, likeliest first; none when nothing is near.
    Topics(Vec<Found>),
    /// It reads as if it were about special categories of personal data: nothing is proposed.
    Sensitive(Vec<Found>),
}

/// Evidence for a topic, in keywords met.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Evidence {
    sum: f64,
    words: Vec<(f64, String)>,
}

/// The model: the keywords of one language.
pub struct Recogniser {
    topics: &'static Topics,
    keywords: Keywords,
}

impl Recogniser {
    /// A model of the topics' keywords in one language. `read` splits a keyword into words as texts
    /// are split; `compounds` says whether the language writes them as one word.
    pub fn new(
        topics: &'static Topics,
        language: &str,
        compounds: bool,
        read: impl Fn(&str) -> Vec<Word>,
    ) -> Self {
        Self { topics, keywords: Keywords::new(topics, language, compounds, read) }
    }

    /// What a message is about. `lessons` are the business's own messages, newest first; they say nothing
    /// about what is sensitive.
    pub fn read(&self, words: &[Word], lessons: &[Lesson]) -> Reading {
        let (mut usable, sensitive) = self.odds(words);
        let sensitive = likely(sensitive);
        if !sensitive.is_empty() {
            return Reading::Sensitive(sensitive);
        }
        Lessons::new(lessons).correct(words, &mut usable, |lesson| self.odds(lesson).0);
        Reading::Topics(proposed(likely(usable)))
    }

    /// Log odds of every topic that a text has evidence for, before any lesson: of those that may be used,
    /// and of the sensitive.
    fn odds(&self, words: &[Word]) -> (ByTopic, ByTopic) {
        let own = self.keywords.evidence(words);
        let total: f64 = own.values().map(|evidence| evidence.sum).sum();
        let mut families: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for (topic, evidence) in &own {
            if let Some(head) = parent(topic) {
                let (sum, most) = families.entry(head).or_default();
                *sum += evidence.sum;
                *most = most.max(evidence.sum);
            }
        }
        let head_of = |topic: &str| parent(topic).and_then(|head| own.get(head));
        let (mut usable, mut sensitive) = (ByTopic::new(), ByTopic::new());
        for (topic, evidence) in &own {
            let (sum, most) = families.get(topic).copied().unwrap_or_default();
            let head = head_of(topic).map_or(0.0, |head| head.sum);
            let sum = evidence.sum + WITHIN_FAMILY * (sum - most + head);
            let odds = Odds::of(sum, sum / total, evidence.words.clone());
            match self.topics.check(topic) {
                Ok(_) => usable.insert(topic, odds),
                Err(_) => sensitive.insert(topic, odds),
            };
        }
        (usable, sensitive)
    }
}

type ByTopic = BTreeMap<&'static str, Odds>;

/// Log odds of a topic, and the words behind them with how much each adds.
#[derive(Clone, Debug)]
pub(crate) struct Odds {
    pub(crate) log: f64,
    pub(crate) words: Vec<(f64, String)>,
}

impl Odds {
    /// Of a topic that nothing speaks for.
    pub(crate) const NONE: Self = Self { log: BIAS, words: Vec::new() };

    fn of(sum: f64, share: f64, words: Vec<(f64, String)>) -> Self {
        Self { log: BIAS + BY_SUM * sum + BY_SHARE * share.min(1.0), words }
    }
}

/// The topics with at least an even chance, likeliest first.
fn likely(odds: ByTopic) -> Vec<Found> {
    let even = odds.into_iter().filter(|(_, odds)| odds.log >= 0.0);
    let mut found: Vec<Found> = even
        .map(|(topic, odds)| Found {
            topic,
            probability: sigmoid(odds.log),
            words: strongest(odds.words),
        })
        .collect();
    found.sort_by(|a, b| b.probability.total_cmp(&a.probability).then(a.topic.cmp(b.topic)));
    found
}

/// The likeliest, and of a family no head that is less likely than one of its members.
fn proposed(found: Vec<Found>) -> Vec<Found> {
    let mut proposed: Vec<Found> = Vec::new();
    for one in found {
        if !proposed.iter().any(|likelier| parent(likelier.topic) == Some(one.topic)) {
            proposed.push(one);
        }
    }
    proposed.truncate(MOST);
    proposed
}

fn parent(topic: &str) -> Option<&str> {
    topic.rsplit_once('.').map(|(head, _)| head)
}

fn strongest(mut words: Vec<(f64, String)>) -> Vec<String> {
    words.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut told: Vec<String> = Vec::new();
    for (_, word) in words {
        if told.len() < MOST_WORDS && !told.contains(&word) {
            told.push(word);
        }
    }
    told
}
