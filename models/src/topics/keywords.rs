//! Keywords of one language, and how words of a text meet them: by stem, as a phrase, or by letters.

use std::collections::{BTreeMap, BTreeSet};

use volens_privacy::Topics;

use super::{Evidence, Word};
use crate::vector::letters;

/// Words and keywords that are shorter, in letters, meet by their stems alone.
const SHORTEST: usize = 5;
/// How alike a word and a keyword have to be in their letters, 0 to 1.
const ALIKE_FROM: f64 = 0.6;
/// What another form of a keyword counts against the keyword itself, and what a word of like letters counts
/// for the share of the keyword that it holds.
const OTHER_FORM: f64 = 0.7;
/// Shorter stems say too little to know a word by: only the keyword itself counts.
const SHORTEST_STEM: usize = 4;
/// Share of the keyword in the likeness, against that of the word: a compound holds a keyword whole and
/// more besides.
const KEYWORD_SHARE: f64 = 0.5;
const KEYWORD_SHARE_IN_COMPOUNDS: f64 = 0.7;

type TopicSet = BTreeSet<&'static str>;

/// Keywords of the same stems: one word, or several that follow one another.
struct Keyword {
    /// The stems after the first.
    rest: Vec<String>,
    /// The topics of all of them.
    topics: TopicSet,
    /// Those of each single word, in lower case and without accents: other words may share its stem.
    plain: BTreeMap<String, TopicSet>,
}

impl Keyword {
    /// What a word, or several, that have these stems speak for, and how much.
    fn met(&self, word: &Word) -> Option<(f64, &TopicSet)> {
        match self.plain.get(&word.plain) {
            Some(topics) => Some((1.0, topics)),
            None if !self.rest.is_empty() => Some((1.0, &self.topics)),
            None if word.stem.chars().count() < SHORTEST_STEM => None,
            None => Some((OTHER_FORM, &self.topics)),
        }
    }
}

/// The keywords of all topics in one language.
pub(super) struct Keywords {
    /// By their first stem.
    by_stem: BTreeMap<String, Vec<Keyword>>,
    letters: Letters,
}

impl Keywords {
    pub(super) fn new(
        topics: &'static Topics,
        language: &str,
        compounds: bool,
        read: impl Fn(&str) -> Vec<Word>,
    ) -> Self {
        let mut phrases: BTreeMap<Vec<String>, (TopicSet, BTreeMap<String, TopicSet>)> =
            BTreeMap::new();
        let mut single: BTreeMap<String, TopicSet> = BTreeMap::new();
        for topic in topics.all() {
            let title = topic.title(language).to_lowercase();
            for keyword in topic.keywords_in(language).chain([title.as_str()]) {
                let words = read(keyword);
                let stems = |bare: bool| {
                    let stem = |word: &Word| match &word.bare {
                        Some(stem) if bare => stem.clone(),
                        _ => word.stem.clone(),
                    };
                    words.iter().map(stem).collect()
                };
                for stems in [stems(false), stems(true)] {
                    let (topics, plain) = phrases.entry(stems).or_default();
                    topics.insert(topic.id());
                    if let [word] = &words[..] {
                        plain.entry(word.plain.clone()).or_default().insert(topic.id());
                        single.entry(word.plain.clone()).or_default().insert(topic.id());
                    }
                }
            }
        }
        let mut by_stem: BTreeMap<String, Vec<Keyword>> = BTreeMap::new();
        for (stems, (topics, plain)) in phrases {
            let mut stems = stems.into_iter();
            if let Some(first) = stems.next() {
                let keyword = Keyword { rest: stems.collect(), topics, plain };
                by_stem.entry(first).or_default().push(keyword);
            }
        }
        let share = if compounds { KEYWORD_SHARE_IN_COMPOUNDS } else { KEYWORD_SHARE };
        Self { by_stem, letters: Letters::new(single, share) }
    }

    /// What the words of a text speak for. A word that is repeated counts once.
    pub(super) fn evidence(&self, words: &[Word]) -> BTreeMap<&'static str, Evidence> {
        let mut found: BTreeMap<&'static str, Evidence> = BTreeMap::new();
        let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
        let mut at = 0;
        while at < words.len() {
            let word = &words[at];
            let keyword = self.phrase(&words[at..]);
            let length = keyword.map_or(1, |keyword| 1 + keyword.rest.len());
            let found_by = match keyword {
                Some(keyword) => keyword.met(word),
                None if word.common => None,
                None => self.letters.nearest(&word.plain),
            };
            let met = &words[at..at + length];
            let stems = || met.iter().map(|word| word.stem.as_str()).collect();
            if let Some((strength, topics)) = found_by.filter(|_| seen.insert(stems())) {
                let strength = strength / topics.len() as f64;
                let shown: Vec<&str> = met.iter().map(|word| word.shown.as_str()).collect();
                for topic in topics {
                    let evidence = found.entry(topic).or_default();
                    evidence.sum += strength;
                    evidence.words.push((strength, shown.join(" ")));
                }
            }
            at += length;
        }
        found
    }

    /// The keyword of most words that a text begins with. A single word that only carries grammar is none.
    fn phrase(&self, words: &[Word]) -> Option<&Keyword> {
        let is = |word: &Word, stem: &str| word.stem == stem || word.bare.as_deref() == Some(stem);
        let first = words.first()?;
        let stems = [Some(first.stem.as_str()), first.bare.as_deref()];
        let begun = stems.into_iter().flatten().filter_map(|stem| self.by_stem.get(stem)).flatten();
        begun
            .filter(|keyword| {
                let rest = words.get(1..=keyword.rest.len()).unwrap_or_default();
                rest.len() == keyword.rest.len()
                    && rest.iter().zip(&keyword.rest).all(|(word, stem)| is(word, stem))
                    && !(keyword.rest.is_empty() && first.common)
            })
            .max_by_key(|keyword| keyword.rest.len())
    }
}

/// Single keywords by their letter sequences, each weighted by its rarity.
struct Letters {
    keywords: Vec<(f64, TopicSet)>,
    by_gram: BTreeMap<u64, (f64, Vec<u32>)>,
    /// Weight of a sequence of no keyword.
    rarest: f64,
    keyword_share: f64,
}

impl Letters {
    fn new(plain: BTreeMap<String, TopicSet>, keyword_share: f64) -> Self {
        let mut by_gram: BTreeMap<u64, (f64, Vec<u32>)> = BTreeMap::new();
        let mut keywords = Vec::new();
        for (word, topics) in plain {
            if word.chars().count() >= SHORTEST {
                for gram in distinct(&word) {
                    by_gram.entry(gram).or_default().1.push(keywords.len() as u32);
                }
                keywords.push((0.0, topics));
            }
        }
        let all = keywords.len() as f64;
        for (weight, holders) in by_gram.values_mut() {
            *weight = (1.0 + all / holders.len() as f64).ln();
            for holder in holders {
                keywords[*holder as usize].0 += *weight;
            }
        }
        Self { keywords, by_gram, rarest: (1.0 + all).ln(), keyword_share }
    }

    /// What the keyword whose letters are most like a word's speaks for, and how much; nothing when none is
    /// near.
    fn nearest(&self, word: &str) -> Option<(f64, &TopicSet)> {
        if word.chars().count() < SHORTEST || word.bytes().any(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let (mut whole, mut shared) = (0.0, BTreeMap::<u32, f64>::new());
        for gram in distinct(word) {
            match self.by_gram.get(&gram) {
                None => whole += self.rarest,
                Some((weight, holders)) => {
                    whole += weight;
                    for holder in holders {
                        *shared.entry(*holder).or_default() += weight;
                    }
                }
            }
        }
        let alike = |(keyword, shared): (u32, f64)| {
            let (own, topics) = &self.keywords[keyword as usize];
            let held = shared / own;
            let alike =
                held.powf(self.keyword_share) * (shared / whole).powf(1.0 - self.keyword_share);
            (alike, held, topics)
        };
        let (alike, held, topics) =
            shared.into_iter().map(alike).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (alike >= ALIKE_FROM).then_some((OTHER_FORM * held, topics))
    }
}

fn distinct(word: &str) -> BTreeSet<u64> {
    letters(word).into_iter().collect()
}
