//! What the bot says, with where it has it from.

use std::ops::Range;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::StoredPassage;
use crate::search::Language;

/// What a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// An answer with its source.
    Answer,
    /// Two or three candidates to choose from.
    Clarify,
    /// A person will reply; the bot is silent from now on.
    Handoff,
    /// A topic the bot does not talk about; a person will reply.
    Refusal,
}

impl ReplyKind {
    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Answer => "answer",
            Self::Clarify => "clarify",
            Self::Handoff => "handoff",
            Self::Refusal => "refusal",
        }
    }
}

/// The sentence that met the question best.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Highlight {
    /// Characters (Unicode scalar values) of the passage before it.
    pub start: u64,
    /// Characters of the passage before its end.
    pub end: u64,
    /// The sentence.
    pub text: String,
}

/// Where an answer comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Source {
    /// The question, or the path of titles.
    pub title: String,
    /// Where the original can be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub url: Option<String>,
    /// The passage, word for word.
    pub passage: String,
    /// The sentence that met the question best.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub highlight: Option<Highlight>,
}

impl Source {
    pub(super) fn of(passage: &StoredPassage, highlight: Option<Range<usize>>) -> Self {
        let text = &passage.text;
        let characters = |end: usize| text.get(..end).map_or(0, |part| part.chars().count() as u64);
        let highlight = highlight.filter(|range| !range.is_empty()).and_then(|range| {
            Some(Highlight {
                start: characters(range.start),
                end: characters(range.end),
                text: text.get(range)?.to_owned(),
            })
        });
        Self {
            title: passage.title.clone(),
            url: passage.url.clone(),
            passage: text.clone(),
            highlight,
        }
    }
}

/// A reply to a customer's message.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct Reply {
    /// What it is.
    pub kind: ReplyKind,
    /// What is said.
    pub text: String,
    /// Where it comes from; empty when nothing is claimed.
    pub sources: Vec<Source>,
    /// The probability that this is the right answer, 0 to 1.
    pub confidence: f32,
    /// Always true: a machine wrote this.
    pub ai: bool,
    /// The language of the conversation.
    pub language: Language,
    /// The reply's number in the conversation, for feedback; absent when the bot is silent and only
    /// the customer's message was kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<u64>,
}

impl Reply {
    pub(super) fn new(language: Language, kind: ReplyKind, text: String, confidence: f32) -> Self {
        Self { kind, text, sources: Vec::new(), confidence, ai: true, language, message: None }
    }

    pub(super) fn with(self, sources: Vec<Source>) -> Self {
        Self { sources, ..self }
    }

    /// Whether a person takes over after this reply.
    pub fn hands_over(&self) -> bool {
        matches!(self.kind, ReplyKind::Handoff | ReplyKind::Refusal)
    }
}
