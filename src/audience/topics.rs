//! What a message is about, read from its text.
//!
//! The model is [`volens_models::topics`], built from the taxonomy. Campaigns whose topics the business named
//! itself are its lessons, and nobody else's: there is nothing else to keep, since their texts are kept.

use std::sync::OnceLock;

use serde::{Deserialize, Serialize};
use volens_models::topics::lessons::Lesson;
use volens_models::topics::{Found, Reading, Recogniser, Word};
use volens_privacy::BusinessId;
use volens_privacy::topics::Topics;

use super::build::aside;
use super::campaigns::{self, Campaign, Message, Text};
use super::{AudienceError, Result, filter, store};
use crate::db::Tx;
use crate::search::{Analyzer, Language};

/// A business's proposals learn from so many of its latest campaigns in a language.
const LESSONS: u32 = 100;

/// A topic that was recognised in a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recognised {
    /// The topic.
    #[schema(example = "sport.running")]
    pub topic: String,
    /// Probability that the text is about it, 0.5 to 1.
    pub probability: f64,
    /// The words of the text that led to it, strongest first.
    #[schema(example = json!(["half marathon", "pace"]))]
    pub words: Vec<String>,
}

impl From<Found> for Recognised {
    fn from(found: Found) -> Self {
        Self {
            topic: found.topic.to_owned(),
            probability: (found.probability * 1000.0).round() / 1000.0,
            words: found.words,
        }
    }
}

/// What a text is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Proposal {
    /// Topics for it, likeliest first; none when nothing is near.
    pub topics: Vec<Recognised>,
    /// Special categories of personal data that it reads as if it were about. Then no topic is proposed.
    pub sensitive: Vec<Recognised>,
}

impl From<Reading> for Proposal {
    fn from(reading: Reading) -> Self {
        match reading {
            Reading::Topics(found) => {
                let topics = found.into_iter().map(Recognised::from).collect();
                Self { topics, ..Self::default() }
            }
            Reading::Sensitive(found) => {
                let sensitive = found.into_iter().map(Recognised::from).collect();
                Self { sensitive, ..Self::default() }
            }
        }
    }
}

/// Proposes topics for a text of this business.
///
/// # Errors
/// `request.invalid` naming the field.
pub async fn propose(tx: &mut Tx, business: BusinessId, text: Text) -> Result<Proposal> {
    let text = campaigns::check_text(text)?;
    let earlier = store::named(tx, business, &text.language, LESSONS).await?;
    aside(move || read(&text, &earlier)).await
}

/// The topics of a message whose business named none.
///
/// # Errors
/// `topic.unclear` when nothing is near, `topic.sensitive` when it reads as if it were about a special
/// category of personal data.
pub(super) async fn recognise(
    tx: &mut Tx,
    business: BusinessId,
    text: &Text,
) -> Result<Vec<Recognised>> {
    let Proposal { topics, sensitive } = propose(tx, business, text.clone()).await?;
    match sensitive.into_iter().next() {
        Some(found) => Err(AudienceError::SensitiveText(found.topic)),
        None if topics.is_empty() => Err(AudienceError::UnclearText),
        None => Ok(topics),
    }
}

/// Special categories that a text reads as if it were about.
pub(super) fn sensitive(text: &Text) -> Vec<Recognised> {
    read(text, &[]).sensitive
}

/// Special categories that any of a campaign's texts reads as if it were about, whatever topics it names.
pub fn sensitive_of(campaign: &Campaign) -> Vec<Recognised> {
    let mut found: Vec<Recognised> = Vec::new();
    for (_, text) in campaign.texts() {
        for one in sensitive(&text) {
            if !found.iter().any(|known| known.topic == one.topic) {
                found.push(one);
            }
        }
    }
    found
}

/// What a text is about, by what is known to everybody and by these messages of its business.
pub(super) fn read(text: &Text, earlier: &[Message]) -> Proposal {
    let reader = Reader::of(text);
    let lessons: Vec<Lesson> =
        earlier.iter().filter_map(|message| reader.lesson(message)).collect();
    reader.recogniser.read(&reader.words(&text.title, &text.text), &lessons).into()
}

/// The model of one language.
struct Reader {
    analyzer: Analyzer,
    recogniser: Recogniser,
}

impl Reader {
    /// The model of the text's language; of the one that it is most like when we do not know its own.
    fn of(text: &Text) -> &'static Self {
        static READERS: [OnceLock<Reader>; Language::ALL.len()] =
            [const { OnceLock::new() }; Language::ALL.len()];
        let language = Language::parse(&text.language)
            .or_else(|| Language::detect(&joined(&text.title, &text.text), &Language::ALL))
            .unwrap_or(Language::English);
        let place = Language::ALL.iter().position(|known| *known == language).unwrap_or_default();
        READERS[place].get_or_init(|| Self::new(language))
    }

    fn new(language: Language) -> Self {
        let analyzer = Analyzer::new(language);
        let recogniser = Recogniser::new(
            Topics::builtin(),
            language.code(),
            language == Language::German,
            |keyword| words(&analyzer, keyword),
        );
        Self { analyzer, recogniser }
    }

    fn words(&self, title: &str, text: &str) -> Vec<Word> {
        words(&self.analyzer, &joined(title, text))
    }

    /// A message whose topics are still in the registry.
    fn lesson(&self, message: &Message) -> Option<Lesson> {
        let topics = filter::check_topics(&message.topics).ok()?;
        Some(Lesson { words: self.words(&message.title, &message.text), topics })
    }
}

fn joined(title: &str, text: &str) -> String {
    format!("{title}\n{text}")
}

fn words(analyzer: &Analyzer, text: &str) -> Vec<Word> {
    let word = |word: crate::search::Word| Word {
        shown: text[word.start..word.end].to_lowercase(),
        stem: word.stem,
        bare: word.bare,
        plain: word.plain,
        common: word.common,
    };
    analyzer.words(text).into_iter().map(word).collect()
}
