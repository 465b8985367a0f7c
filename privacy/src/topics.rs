//! What signals and messages may be about, and what they may never be about.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::language::{LANGUAGES, Translated};

/// A topic that may be used, such as `sport.running`. Only [`Topics::check`] makes one.
///
/// ```compile_fail,E0423
/// use volens_privacy::TopicId;
/// let health = TopicId("health.conditions"); // the field is private
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicId(&'static str);

impl TopicId {
    /// The id.
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

impl fmt::Display for TopicId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Why a topic may not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum TopicRefusal {
    /// Not a topic of the list.
    #[error("unknown topic")]
    Unknown,
    /// A special category of personal data (GDPR Art. 9).
    #[error("the topic is a special category of personal data and is never used")]
    Sensitive,
}

impl TopicRefusal {
    /// The stable code shown outside.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unknown => "topic.unknown",
            Self::Sensitive => "topic.sensitive",
        }
    }
}

/// Why the topics could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TopicsError {
    /// The file is not what this version reads.
    #[error("topics.toml: {0}")]
    Unreadable(String),
    /// A topic is repeated, incomplete or without its parent.
    #[error("topics.toml: topic {id}: {problem}")]
    Invalid {
        /// Id of the topic.
        id: String,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// One topic of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    id: String,
    #[serde(default)]
    sensitive: bool,
    title: Translated,
    #[serde(default)]
    keywords: BTreeMap<String, Vec<String>>,
}

impl Topic {
    /// The id, with the parent before the dot.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether it is a special category of personal data and therefore never used.
    pub fn is_sensitive(&self) -> bool {
        self.sensitive
    }

    /// Its name in a language.
    pub fn title(&self, language: &str) -> &str {
        self.title.get(language)
    }

    /// Words and short phrases, in every language, by which text about it is recognised. Lower case.
    pub fn keywords(&self) -> impl Iterator<Item = &str> {
        self.keywords.values().flatten().map(String::as_str)
    }

    /// Those of one language, given by its code.
    pub fn keywords_in(&self, language: &str) -> impl Iterator<Item = &str> {
        self.keywords.get(language).into_iter().flatten().map(String::as_str)
    }

    /// The topic it is part of.
    pub fn parent(&self) -> Option<&str> {
        self.id.rsplit_once('.').map(|(parent, _own)| parent)
    }
}

/// The tree of topics, as written in `topics.toml`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    by_id: BTreeMap<String, Topic>,
    /// What sensitive topics are called, in every language, as plain words, by the first of them.
    sensitive: BTreeMap<String, Vec<Vec<String>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopicsFile {
    topic: Vec<Topic>,
}

impl Topics {
    /// The topics this program was built with.
    pub fn builtin() -> &'static Self {
        static BUILTIN: LazyLock<Topics> = LazyLock::new(|| {
            Topics::parse(include_str!("../topics.toml"))
                .expect("topics.toml is checked by the test `builtin_topics_are_complete`")
        });
        &BUILTIN
    }

    /// Reads topics: unique ids, parents present, titles in every language, keywords in lower
    /// case and by language, and everything under a sensitive topic sensitive too.
    pub fn parse(text: &str) -> Result<Self, TopicsError> {
        let file: TopicsFile = toml::from_str(text)
            .map_err(|error| TopicsError::Unreadable(error.message().to_owned()))?;
        let mut topics = BTreeMap::new();
        for topic in file.topic {
            let id = topic.id.clone();
            if topics.insert(id.clone(), topic).is_some() {
                return Err(TopicsError::Invalid { id, problem: "repeated" });
            }
        }
        for (id, topic) in &topics {
            check_topic(topic, &topics)
                .map_err(|problem| TopicsError::Invalid { id: id.clone(), problem })?;
        }
        let mut sensitive: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
        for keyword in topics.values().filter(|topic| topic.sensitive).flat_map(Topic::keywords) {
            let words = plain_words(keyword);
            if let Some(first) = words.first() {
                sensitive.entry(first.clone()).or_default().push(words);
            }
        }
        Ok(Self { by_id: topics, sensitive })
    }

    /// A topic that may be used, or why it may not. A topic under a sensitive one is sensitive
    /// even if the list does not know it.
    pub fn check(&'static self, id: &str) -> Result<TopicId, TopicRefusal> {
        match self.by_id.get(id) {
            Some(topic) if topic.sensitive => Err(TopicRefusal::Sensitive),
            Some(topic) => Ok(TopicId(&topic.id)),
            None if self.has_sensitive_ancestor(id) => Err(TopicRefusal::Sensitive),
            None => Err(TopicRefusal::Unknown),
        }
    }

    fn has_sensitive_ancestor(&self, id: &str) -> bool {
        id.match_indices('.')
            .filter_map(|(dot, _)| self.by_id.get(&id[..dot]))
            .any(|ancestor| ancestor.sensitive)
    }

    /// Whether a text holds a keyword of a sensitive topic in any language, in whole words; case and accents
    /// do not matter. One is enough: for names and short values, which are refused in doubt, and not for
    /// messages, in which a word can mean something else.
    pub fn name_something_sensitive(&self, text: &str) -> bool {
        let words = plain_words(text);
        (0..words.len()).any(|at| {
            let named = self.sensitive.get(&words[at]);
            named.is_some_and(|all| all.iter().any(|keyword| words[at..].starts_with(keyword)))
        })
    }

    /// One topic, sensitive or not.
    pub fn get(&self, id: &str) -> Option<&Topic> {
        self.by_id.get(id)
    }

    /// All topics, by id.
    pub fn all(&self) -> impl Iterator<Item = &Topic> {
        self.by_id.values()
    }

    /// The topics that may be used, by id.
    pub fn usable(&'static self) -> impl Iterator<Item = TopicId> {
        self.all().filter(|topic| !topic.sensitive).map(|topic| TopicId(&topic.id))
    }
}

/// The words of a text in lower case, without the accents of the five languages.
fn plain_words(text: &str) -> Vec<String> {
    let bare = |c: char| match c {
        'à'..='å' => 'a',
        'ç' => 'c',
        'è'..='ë' => 'e',
        'ì'..='ï' => 'i',
        'ñ' => 'n',
        'ò'..='ö' => 'o',
        'ù'..='ü' => 'u',
        other => other,
    };
    // Of a letter in decomposed form the accent is a character of its own.
    let letters = text.chars().filter(|c| !('\u{300}'..='\u{36f}').contains(c));
    let plain: String = letters.flat_map(char::to_lowercase).map(bare).collect();
    let words = plain.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

fn check_topic(topic: &Topic, topics: &BTreeMap<String, Topic>) -> Result<(), &'static str> {
    let is_word = |word: &str| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    if !topic.id.split('.').all(is_word) || topic.id.split('.').count() > 2 {
        return Err("an id is one or two words of a-z and '-', joined by a dot");
    }
    if topic.title.missing().is_some() {
        return Err("the title is empty in a language");
    }
    if topic.keywords.keys().any(|language| !LANGUAGES.contains(&language.as_str())) {
        return Err("keywords are of one of the five languages");
    }
    if topic.keywords().any(|word| word.trim().is_empty() || word != word.to_lowercase()) {
        return Err("keywords are lower case and not empty");
    }
    let Some(parent) = topic.parent() else { return Ok(()) };
    match topics.get(parent) {
        None => Err("its parent is missing"),
        Some(parent) if parent.sensitive && !topic.sensitive => {
            Err("it is under a sensitive topic and not marked sensitive")
        }
        Some(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests;
