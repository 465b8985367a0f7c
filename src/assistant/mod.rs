//! The support bot: answers from a business's own documents with the source shown, or says that it
//! does not know and hands over to a person. Never an invented sentence.
//!
//! A business edits a draft (name, languages, persona, documents) and publishes it as a numbered
//! version; customers only ever talk to the published one. Reading order: [`corpus`] (documents to
//! passages), [`publish`], [`answer`] (candidates to a decision, pure), [`conversation`].

pub mod answer;
pub mod conversation;
pub mod corpus;
mod guard;
pub mod http;
pub mod persona;
mod phrases;
pub mod publish;
mod reply;
pub mod respond;
pub mod similarity;
mod store;
#[cfg(test)]
mod tests;
pub mod transcript;

use rand::Rng;
use sha2::{Digest, Sha256};
use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;
use volens_privacy::keys::KeyError;

use crate::db::{self, Statement, Tx};
use crate::ids::{BotId, DocumentId};
use crate::search::{Language, SearchError};
use corpus::{DocumentKind, Fault, Passage, PassageKind};
use persona::Persona;
pub use reply::{Highlight, Reply, ReplyKind, Source};

/// Every statement of the slice.
pub(crate) fn statements() -> Vec<Statement> {
    [store::bots::STATEMENTS, store::conversations::STATEMENTS].concat()
}

/// Longest name of a bot, in bytes.
const NAME_BYTES: usize = 100;
/// Most documents of a bot.
pub const DOCUMENTS: u64 = 2_000;
/// Most passages of a bot.
pub const PASSAGES: u64 = 50_000;

/// Why the assistant refused. [`AssistantError::code`] is stable.
#[derive(Debug, thiserror::Error)]
pub enum AssistantError {
    /// This business has no such bot, or no such bot is public.
    #[error("there is no such bot")]
    BotUnknown,
    /// The bot exists and has never been published.
    #[error("the bot is not published yet")]
    BotUnpublished,
    /// A part of the bot breaks its limit.
    #[error("{0} is missing, too long or not allowed")]
    BotInvalid(&'static str),
    /// The draft has no documents.
    #[error("the bot has no documents to publish")]
    BotEmpty,
    /// The draft changed while it was being published.
    #[error("the bot was changed during publication; publish again")]
    BotChanged,
    /// The bot has no such document.
    #[error("the bot has no such document")]
    DocumentUnknown,
    /// The document could not be read.
    #[error("the document could not be read")]
    DocumentUnreadable(Vec<Fault>),
    /// The bot has as many documents or passages as it may.
    #[error("the bot has no room for the document")]
    CorpusFull,
    /// No conversation belongs to this id and token.
    #[error("there is no such conversation")]
    ConversationUnknown,
    /// The conversation was closed, or is as long as it may become.
    #[error("the conversation is closed")]
    ConversationClosed,
    /// The message is empty.
    #[error("the message is empty")]
    MessageEmpty,
    /// The message is too long.
    #[error("the message is too long")]
    MessageTooLong,
    /// Too many messages within a minute.
    #[error("too many messages within a minute")]
    MessageTooFast,
    /// The conversation has no such message of the bot.
    #[error("the bot wrote no such message")]
    MessageUnknown,
    /// A conversation's key did not unwrap: another key ring, or damage.
    #[error("a conversation's key does not unwrap under the key ring")]
    Key(#[from] KeyError),
    /// The index failed.
    #[error("the search failed")]
    Search(#[from] SearchError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl AssistantError {
    /// The stable code of a refusal; `None` for a failure of ours.
    pub fn code(&self) -> Option<&'static str> {
        Some(match self {
            Self::BotUnknown => "bot.unknown",
            Self::BotUnpublished => "bot.unpublished",
            Self::BotInvalid(_) => "bot.invalid",
            Self::BotEmpty => "bot.empty",
            Self::BotChanged => "bot.changed",
            Self::DocumentUnknown => "document.unknown",
            Self::DocumentUnreadable(_) => "document.unreadable",
            Self::CorpusFull => "document.no_room",
            Self::ConversationUnknown => "conversation.unknown",
            Self::ConversationClosed => "conversation.closed",
            Self::MessageEmpty => "message.empty",
            Self::MessageTooLong => "message.too_long",
            Self::MessageTooFast => "message.too_fast",
            Self::MessageUnknown => "message.unknown",
            Self::Key(_) | Self::Search(_) | Self::Db(_) => return None,
        })
    }
}

/// What every conversation begins with: that this is a machine. Nothing can change it.
pub fn label(language: Language) -> &'static str {
    phrases::label(language)
}

/// What the slice's use cases answer.
pub type Result<T, E = AssistantError> = std::result::Result<T, E>;

/// A business's bot: the draft, and which version of it is public.
#[derive(Clone, Debug)]
pub struct Bot {
    /// Its id.
    pub id: BotId,
    /// Whose it is.
    pub business: BusinessId,
    /// Shown to customers.
    pub name: String,
    /// What it speaks; the first is the default.
    pub languages: Vec<Language>,
    /// How it speaks.
    pub persona: Persona,
    /// Raised by every change of the draft.
    pub revision: i64,
    /// The published version.
    pub version: Option<u64>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A bot as its customers meet it.
#[derive(Clone, Debug)]
pub struct Published {
    /// Its id.
    pub bot: BotId,
    /// Whose it is.
    pub business: BusinessId,
    /// The version.
    pub version: u64,
    /// Shown to customers.
    pub name: String,
    /// What it speaks; the first is the default.
    pub languages: Vec<Language>,
    /// How it speaks.
    pub persona: Persona,
    /// Of the passages; see [`crate::search::Volume::fingerprint_of`].
    pub fingerprint: [u8; 32],
}

impl Published {
    /// The default language.
    pub fn first_language(&self) -> Language {
        self.languages.first().copied().unwrap_or(Language::English)
    }
}

/// A document of the draft, without its content.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its id.
    pub id: DocumentId,
    /// Shown as a source.
    pub title: String,
    /// How it is written.
    pub kind: DocumentKind,
    /// Where the original can be read.
    pub url: Option<String>,
    /// As told by the uploader.
    pub language: Option<Language>,
    /// How many passages it makes.
    pub passages: u64,
    /// When it was uploaded.
    pub created_at: Timestamp,
}

struct Stored {
    document: Document,
    content: String,
}

/// A passage of a published version.
#[derive(Clone, Debug)]
struct StoredPassage {
    number: u64,
    kind: PassageKind,
    title: String,
    text: String,
    url: Option<String>,
    language: Language,
}

/// What a business says about its bot.
#[derive(Clone, Debug)]
pub struct BotDraft {
    /// Shown to customers.
    pub name: String,
    /// At least one; the first is the default.
    pub languages: Vec<Language>,
    /// How it speaks.
    pub persona: Persona,
}

impl BotDraft {
    fn check(&self) -> Result<()> {
        if self.name.trim().is_empty() || self.name.len() > NAME_BYTES {
            return Err(AssistantError::BotInvalid("name"));
        }
        let mut languages = self.languages.clone();
        languages.sort_unstable();
        languages.dedup();
        if languages.is_empty() || languages.len() != self.languages.len() {
            return Err(AssistantError::BotInvalid("languages"));
        }
        self.persona.check().map_err(AssistantError::BotInvalid)
    }
}

/// Makes a bot for a business.
pub async fn create(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
    business: BusinessId,
    draft: BotDraft,
) -> Result<Bot> {
    draft.check()?;
    let bot = Bot {
        id: BotId::random(rng),
        business,
        name: draft.name,
        languages: draft.languages,
        persona: draft.persona,
        revision: 0,
        version: None,
        created_at: now,
    };
    store::bots::add_bot(tx, &bot).await?;
    Ok(bot)
}

/// Replaces what a business said about its bot. Customers see it after the next publication.
pub async fn change(tx: &mut Tx, bot: Bot, draft: BotDraft) -> Result<Bot> {
    draft.check()?;
    let BotDraft { name, languages, persona } = draft;
    let changed = Bot { name, languages, persona, revision: bot.revision + 1, ..bot };
    store::bots::change_bot(tx, &changed).await?;
    Ok(changed)
}

/// The business's bot.
pub async fn bot(tx: &mut Tx, business: BusinessId, id: BotId) -> Result<Bot> {
    store::bots::find(tx, business, id).await?.ok_or(AssistantError::BotUnknown)
}

/// The business's bots in the order of their ids.
pub async fn bots(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<BotId>,
    limit: u32,
) -> Result<Vec<Bot>> {
    Ok(store::bots::bots(tx, business, after, limit).await?)
}

/// The published version of a bot, whoever asks.
pub async fn published(tx: &mut Tx, id: BotId) -> Result<Published> {
    if let Some(published) = store::bots::published(tx, id).await? {
        return Ok(published);
    }
    let known = store::bots::exists(tx, id).await?;
    Err(if known { AssistantError::BotUnpublished } else { AssistantError::BotUnknown })
}

/// A document as it was read before the transaction: reading a large one takes a while.
pub struct ReadDocument {
    stored: Stored,
    hash: [u8; 32],
}

/// Reads a document for a bot. Takes processor time in proportion to its length.
pub fn read_document(
    rng: &mut dyn Rng,
    now: Timestamp,
    languages: &[Language],
    document: &corpus::Document<'_>,
) -> Result<ReadDocument> {
    let read = corpus::read(document, languages).map_err(AssistantError::DocumentUnreadable)?;
    let mut hash = Sha256::new();
    for part in [document.kind.name(), document.title, document.content] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    let described = Document {
        id: DocumentId::random(rng),
        title: document.title.trim().to_owned(),
        kind: document.kind,
        url: document.url.map(str::to_owned),
        language: document.language,
        passages: read.len() as u64,
        created_at: now,
    };
    let stored = Stored { document: described, content: document.content.to_owned() };
    Ok(ReadDocument { stored, hash: hash.finalize().into() })
}

/// Adds a document to the draft. The same document again changes nothing and answers the first
/// one's id with `false`.
pub async fn add_document(tx: &mut Tx, bot: &Bot, read: ReadDocument) -> Result<(Document, bool)> {
    if let Some(same) = store::bots::same_document(tx, bot, read.hash).await? {
        return Ok((Document { id: same, ..read.stored.document }, false));
    }
    let (documents, passages) = store::bots::size(tx, bot).await?;
    if documents >= DOCUMENTS || passages + read.stored.document.passages > PASSAGES {
        return Err(AssistantError::CorpusFull);
    }
    store::bots::add_document(tx, bot, &read.stored, read.hash).await?;
    Ok((read.stored.document, true))
}

/// The draft's documents in the order of their ids.
pub async fn documents(
    tx: &mut Tx,
    bot: &Bot,
    after: Option<DocumentId>,
    limit: u32,
) -> Result<Vec<Document>> {
    Ok(store::bots::documents(tx, bot, after, limit).await?)
}

/// A document with the passages it makes, as the next publication would have them.
pub async fn preview(tx: &mut Tx, bot: &Bot, id: DocumentId) -> Result<(Document, Vec<Passage>)> {
    let stored = store::bots::content(tx, bot, id).await?;
    let stored = stored.ok_or(AssistantError::DocumentUnknown)?;
    let passages = stored.passages(&bot.languages)?;
    Ok((stored.document, passages))
}

/// Removes a document from the draft.
pub async fn drop_document(tx: &mut Tx, bot: &Bot, id: DocumentId) -> Result<()> {
    match store::bots::drop_document(tx, bot, id).await? {
        0 => Err(AssistantError::DocumentUnknown),
        _ => Ok(()),
    }
}

impl Stored {
    fn passages(&self, languages: &[Language]) -> Result<Vec<Passage>> {
        let document = corpus::Document {
            title: &self.document.title,
            kind: self.document.kind,
            content: &self.content,
            url: self.document.url.as_deref(),
            language: self.document.language.filter(|told| languages.contains(told)),
        };
        corpus::read(&document, languages).map_err(AssistantError::DocumentUnreadable)
    }
}
