//! Wire types of bots.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_privacy::Timestamp;

use crate::assistant::conversation::{Started, State, Waiting};
use crate::assistant::corpus::{self, DocumentKind, Passage, PassageKind};
use crate::assistant::persona::Persona;
use crate::assistant::publish::Publication;
use crate::assistant::transcript::Said;
use crate::assistant::{Bot, BotDraft, Document};
use crate::ids::{BotId, ConversationId, DocumentId};
use crate::search::Language;
use crate::web::problem::{ApiResult, Problem};

/// Most documents of one call.
const DOCUMENTS: usize = 100;

/// A bot to be made or changed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BotIn {
    /// Shown to customers.
    #[schema(max_length = 100)]
    name: String,
    /// What it speaks; the first is the default.
    #[schema(min_items = 1)]
    languages: Vec<Language>,
    /// How it speaks.
    #[serde(default)]
    persona: Persona,
}

impl From<BotIn> for BotDraft {
    fn from(body: BotIn) -> Self {
        Self { name: body.name, languages: body.languages, persona: body.persona }
    }
}

/// A bot.
#[derive(Serialize, ToSchema)]
pub(super) struct BotOut {
    #[schema(value_type = String)]
    id: BotId,
    name: String,
    languages: Vec<Language>,
    persona: Persona,
    /// The version customers talk to; absent before the first publication.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<Bot> for BotOut {
    fn from(bot: Bot) -> Self {
        Self {
            id: bot.id,
            name: bot.name,
            languages: bot.languages,
            persona: bot.persona,
            version: bot.version,
            created_at: bot.created_at,
        }
    }
}

/// A document to be added.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentIn {
    title: String,
    kind: DocumentKind,
    content: String,
    url: Option<String>,
    language: Option<Language>,
}

impl DocumentIn {
    pub(super) fn as_document(&self) -> corpus::Document<'_> {
        corpus::Document {
            title: &self.title,
            kind: self.kind,
            content: &self.content,
            url: self.url.as_deref(),
            language: self.language,
        }
    }
}

/// One document with its fields on top, or several under `documents`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DocumentsIn {
    /// Several documents, and then none of the other fields.
    documents: Option<Vec<DocumentIn>>,
    /// Shown as the source.
    title: Option<String>,
    /// How it is written.
    kind: Option<DocumentKind>,
    /// The whole text.
    content: Option<String>,
    /// Where the original can be read.
    url: Option<String>,
    /// Its language, when it should not be detected.
    language: Option<Language>,
}

impl DocumentsIn {
    pub(super) fn is_single(&self) -> bool {
        self.documents.is_none()
    }

    pub(super) fn documents(self) -> ApiResult<Vec<DocumentIn>> {
        let (url, language) = (self.url, self.language);
        match (self.documents, self.title, self.kind, self.content) {
            (Some(documents), None, None, None) if url.is_none() && language.is_none() => {
                match documents.len() {
                    1..=DOCUMENTS => Ok(documents),
                    _ => Err(invalid("/documents", "1 to 100 documents")),
                }
            }
            (None, Some(title), Some(kind), Some(content)) => {
                Ok(vec![DocumentIn { title, kind, content, url, language }])
            }
            (None, ..) => Err(invalid("", "`title`, `kind` and `content`, or `documents`")),
            (Some(_), ..) => Err(invalid("/documents", "either `documents` or one document")),
        }
    }
}

fn invalid(pointer: &str, expected: &str) -> Problem {
    Problem::bad_request("body.invalid", "the body does not have the expected shape").field(
        pointer,
        "field.value",
        format!("expected {expected}"),
    )
}

/// A document of the draft.
#[derive(Serialize, ToSchema)]
pub(super) struct DocumentOut {
    #[schema(value_type = String)]
    id: DocumentId,
    title: String,
    kind: DocumentKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    language: Option<Language>,
    /// How many passages it makes.
    passages: u64,
    /// Whether the bot had it already, word for word.
    duplicate: bool,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl DocumentOut {
    pub(super) fn new(document: Document, duplicate: bool) -> Self {
        Self {
            id: document.id,
            title: document.title,
            kind: document.kind,
            url: document.url,
            language: document.language,
            passages: document.passages,
            duplicate,
            created_at: document.created_at,
        }
    }
}

/// What was added: the document itself, or several under `data`, as they were sent.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum DocumentsOut {
    /// The one that was sent.
    One(Box<DocumentOut>),
    /// In the order they were sent.
    Several {
        /// The documents.
        data: Vec<DocumentOut>,
    },
}

impl DocumentsOut {
    pub(super) fn new(single: bool, mut added: Vec<DocumentOut>) -> Self {
        match added.pop() {
            Some(only) if single => Self::One(Box::new(only)),
            last => {
                added.extend(last);
                Self::Several { data: added }
            }
        }
    }
}

/// A passage of a document.
#[derive(Serialize, ToSchema)]
pub(super) struct PassageOut {
    kind: PassageKind,
    /// The question, or the path of titles.
    title: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
    language: Language,
}

impl From<Passage> for PassageOut {
    fn from(passage: Passage) -> Self {
        let Passage { kind, title, text, url, language, range: _ } = passage;
        Self { kind, title, text, url, language }
    }
}

/// A document with its passages.
#[derive(Serialize, ToSchema)]
pub(super) struct PreviewOut {
    document: DocumentOut,
    passages: Vec<PassageOut>,
}

impl PreviewOut {
    pub(super) fn new(document: Document, passages: Vec<Passage>) -> Self {
        let passages = passages.into_iter().map(PassageOut::from).collect();
        Self { document: DocumentOut::new(document, false), passages }
    }
}

/// What was published.
#[derive(Serialize, ToSchema)]
pub(super) struct PublicationOut {
    version: u64,
    /// How many passages it answers from.
    passages: u64,
    /// Passages left out because another is the same word for word.
    duplicates: u64,
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
}

impl From<Publication> for PublicationOut {
    fn from(published: Publication) -> Self {
        let Publication { version, passages, duplicates, published_at } = published;
        Self { version, passages, duplicates, published_at }
    }
}

/// A version.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionOut {
    version: u64,
    passages: u64,
    /// Whether customers talk to it.
    published: bool,
    #[schema(value_type = String, format = DateTime)]
    published_at: Timestamp,
}

/// The versions of a bot.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionsOut {
    data: Vec<VersionOut>,
}

impl VersionsOut {
    pub(super) fn new(current: Option<u64>, versions: Vec<(u64, u64, Timestamp)>) -> Self {
        let version = |(version, passages, published_at)| VersionOut {
            version,
            passages,
            published: current == Some(version),
            published_at,
        };
        Self { data: versions.into_iter().map(version).collect() }
    }
}

/// How a conversation begins.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ConversationIn {
    /// A language tag; without one, `Accept-Language` decides, then the bot's first language.
    pub(super) language: Option<String>,
}

/// A conversation that has begun.
#[derive(Serialize, ToSchema)]
pub(super) struct ConversationOut {
    #[schema(value_type = String)]
    id: ConversationId,
    /// To be sent as `Authorization: Bearer` with every message; shown once.
    token: String,
    language: Language,
    /// Always true: a machine answers.
    ai: bool,
    /// Shown before anything else.
    label: &'static str,
    /// Shown after the label.
    greeting: String,
}

impl From<Started> for ConversationOut {
    fn from(started: Started) -> Self {
        Self {
            id: started.conversation.id(),
            token: started.token.reveal().to_string(),
            language: started.conversation.language(),
            ai: true,
            label: started.label,
            greeting: started.greeting,
        }
    }
}

/// What a customer writes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageIn {
    /// At most 4,000 bytes.
    pub(super) text: String,
}

/// What a customer thinks of a reply.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct FeedbackIn {
    /// The number of the bot's reply.
    pub(super) message: u64,
    /// Whether it helped.
    pub(super) helpful: bool,
}

/// A conversation with its messages.
#[derive(Serialize, ToSchema)]
pub(super) struct TranscriptOut {
    /// Who speaks for the business.
    pub(super) state: State,
    /// In order.
    pub(super) data: Vec<Said>,
    /// Whether more follow.
    pub(super) has_more: bool,
}

/// A conversation that waits for a person.
#[derive(Serialize, ToSchema)]
pub(super) struct WaitingOut {
    #[schema(value_type = String)]
    conversation: ConversationId,
    #[schema(value_type = String)]
    bot: BotId,
    bot_name: String,
    language: Language,
    #[schema(value_type = String, format = DateTime)]
    waiting_since: Timestamp,
    messages: u64,
}

impl From<Waiting> for WaitingOut {
    fn from(waiting: Waiting) -> Self {
        Self {
            conversation: waiting.conversation,
            bot: waiting.bot,
            bot_name: waiting.bot_name,
            language: waiting.language,
            waiting_since: waiting.waiting_since,
            messages: waiting.messages,
        }
    }
}
