//! The messages of a conversation: numbered, and sealed to their place in it.

use rand::Rng;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use volens_privacy::Timestamp;
use volens_privacy::keys::{DataKey, KeyRing};
use zeroize::Zeroizing;

use super::conversation::Conversation;
use super::{Reply, Result, Source, phrases, store};
use crate::db::{self, Tx};
use crate::ids::{BotId, ConversationId};

/// Who wrote a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Author {
    /// The person who asks.
    Customer,
    /// The machine.
    Bot,
    /// A person of the business.
    Agent,
}

impl Author {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Customer => "customer",
            Self::Bot => "bot",
            Self::Agent => "agent",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Customer, Self::Bot, Self::Agent].into_iter().find(|author| author.name() == name)
    }
}

/// A message as it is stored.
pub(super) struct Message {
    pub(super) number: u64,
    pub(super) author: Author,
    pub(super) kind: String,
    pub(super) sealed: Vec<u8>,
    pub(super) created_at: Timestamp,
}

/// What is sealed of a message.
#[derive(Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) text: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) sources: Vec<Source>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confidence: Option<f32>,
}

/// A message of a conversation, opened for the customer.
#[derive(Serialize, ToSchema)]
pub struct Said {
    /// Its number.
    pub number: u64,
    /// Who wrote it.
    pub author: Author,
    /// `label`, `greeting`, `message`, or the kind of a reply.
    pub kind: String,
    /// The words.
    pub text: String,
    /// Where an answer comes from.
    pub sources: Vec<Source>,
    /// Whether a machine wrote it.
    pub ai: bool,
    /// When, RFC 3339.
    #[schema(value_type = String)]
    pub created_at: Timestamp,
}

/// The messages from number `from` on, opened.
pub async fn read(
    tx: &mut Tx,
    keys: &KeyRing,
    conversation: &Conversation,
    from: u64,
    limit: u32,
) -> Result<Vec<Said>> {
    let key = conversation.key(keys)?;
    let messages = store::conversations::messages(tx, conversation, from, limit).await?;
    let said = |message: Message| {
        let content = conversation.opened(&key, &message)?;
        Ok(Said {
            number: message.number,
            author: message.author,
            kind: message.kind,
            text: content.text,
            sources: content.sources,
            ai: message.author == Author::Bot,
            created_at: message.created_at,
        })
    };
    messages.into_iter().map(said).collect()
}

/// How a conversation began.
pub struct Beginning {
    /// The bot it is held with.
    pub bot: BotId,
    /// The conversation.
    pub conversation: ConversationId,
    /// Whether its first message says, in the language it is held in, that this is a machine.
    pub labelled: bool,
}

/// How up to `limit` conversations behind `after` began, each first message opened. One that does not
/// open is not labelled.
pub async fn beginnings(
    tx: &mut Tx,
    keys: &KeyRing,
    after: Option<(BotId, ConversationId)>,
    limit: u32,
) -> db::Result<Vec<Beginning>> {
    let page = store::conversations::after(tx, after, limit).await?;
    let mut beginnings = Vec::with_capacity(page.len());
    for conversation in page {
        let first = store::conversations::messages(tx, &conversation, 0, 1).await?.pop();
        let said = first.filter(|first| first.author == Author::Bot && first.kind == "label");
        let opened = said.and_then(|first| {
            let key = conversation.key(keys).ok()?;
            conversation.opened(&key, &first).ok()
        });
        let label = phrases::label(conversation.language);
        beginnings.push(Beginning {
            bot: conversation.bot,
            conversation: conversation.id,
            labelled: opened.is_some_and(|content| content.text == label),
        });
    }
    Ok(beginnings)
}

impl Conversation {
    /// The parts a sealed message is bound to: it cannot be moved to another place.
    pub(super) fn opened(&self, key: &DataKey, message: &Message) -> Result<Content> {
        let number = message.number.to_be_bytes();
        let plain = key.open(&context(self, &number), &message.sealed)?;
        let content = serde_json::from_slice(&plain).ok();
        Ok(store::bots::decode(content, "sealed")?)
    }
}

fn context<'a>(conversation: &'a Conversation, number: &'a [u8; 8]) -> [&'a [u8]; 4] {
    [b"message", conversation.bot.as_bytes(), conversation.id.as_bytes(), number]
}

/// A conversation being written to.
pub(super) struct Transcript<'a> {
    pub(super) conversation: &'a mut Conversation,
    pub(super) key: &'a DataKey,
    pub(super) now: Timestamp,
}

impl Transcript<'_> {
    pub(super) fn message(
        &mut self,
        rng: &mut dyn Rng,
        author: Author,
        kind: &str,
        content: &Content,
    ) -> Message {
        let number = self.conversation.messages;
        self.conversation.messages += 1;
        let plain = serde_json::to_vec(content).expect("a message is plain JSON");
        let plain = Zeroizing::new(plain);
        let sealed = self.key.seal(&context(self.conversation, &number.to_be_bytes()), &plain, rng);
        Message { number, author, kind: kind.to_owned(), sealed, created_at: self.now }
    }

    pub(super) fn reply(&mut self, rng: &mut dyn Rng, reply: &mut Reply) -> Message {
        let content = Content {
            text: reply.text.clone(),
            sources: reply.sources.clone(),
            confidence: Some(reply.confidence),
        };
        let message = self.message(rng, Author::Bot, reply.kind.name(), &content);
        reply.message = Some(message.number);
        message
    }
}

impl Content {
    pub(super) fn of(text: &str) -> Self {
        Self { text: text.to_owned(), sources: Vec::new(), confidence: None }
    }
}
