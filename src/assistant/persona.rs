//! What a business may choose about its bot: how it greets, speaks and signs, and what it will not
//! talk about. Never what it knows, and never whether it says that it is a machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::search::Language;

/// Longest greeting and sign-off, in bytes.
const WORDING_BYTES: usize = 600;
/// Most topics that are refused, and the longest of them in bytes.
const TOPICS: usize = 50;
const TOPIC_BYTES: usize = 100;

/// How the bot speaks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    /// Polite address.
    #[default]
    Formal,
    /// Familiar address.
    Friendly,
}

/// A text for one language, or one per language.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Wording {
    /// In the bot's first language.
    One(String),
    /// By language code.
    Each(BTreeMap<Language, String>),
}

impl Wording {
    /// The text for `language`; `first` is the bot's first language.
    pub fn get(&self, language: Language, first: Language) -> Option<&str> {
        match self {
            Self::One(text) => (language == first).then_some(text.as_str()),
            Self::Each(texts) => texts.get(&language).map(String::as_str),
        }
        .filter(|text| !text.trim().is_empty())
    }

    fn fits(&self) -> bool {
        match self {
            Self::One(text) => text.len() <= WORDING_BYTES,
            Self::Each(texts) => texts.values().all(|text| text.len() <= WORDING_BYTES),
        }
    }
}

/// The character of a bot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Persona {
    /// Said after the label that this is a machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub greeting: Option<Wording>,
    /// How it addresses people.
    pub tone: Tone,
    /// Below its own words; never below an answer, which is given word for word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sign_off: Option<Wording>,
    /// Words and phrases it does not talk about; such a question goes to a person.
    pub refused_topics: Vec<String>,
}

impl Persona {
    /// Whether every part keeps its limit; otherwise the name of the part that does not.
    pub fn check(&self) -> Result<(), &'static str> {
        if !self.greeting.as_ref().is_none_or(Wording::fits) {
            return Err("persona.greeting");
        }
        if !self.sign_off.as_ref().is_none_or(Wording::fits) {
            return Err("persona.sign_off");
        }
        let fits = |topic: &String| !topic.trim().is_empty() && topic.len() <= TOPIC_BYTES;
        if self.refused_topics.len() > TOPICS || !self.refused_topics.iter().all(fits) {
            return Err("persona.refused_topics");
        }
        Ok(())
    }
}
