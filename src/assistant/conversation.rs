//! A customer's conversation: begun with the label that this is a machine, answered from the
//! published version, handed over to a person, kept sealed.
//!
//! The customer holds a token; the database holds its keyed hash. Messages are sealed under a key of
//! the conversation, which is itself wrapped by the key ring, so the database alone tells nobody
//! what was said.

use std::time::Duration;

use rand::Rng;
use serde::Serialize;
use subtle::ConstantTimeEq as _;
use utoipa::ToSchema;
use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;
use volens_privacy::keys::{DataKey, KeyRing};
use zeroize::Zeroizing;

use super::transcript::{Author, Content, Transcript};
use super::{AssistantError, Published, Reply, Result, phrases, store};
use crate::db::Tx;
use crate::ids::{BotId, ConversationId, hex, unhex};
use crate::search::Language;

/// Longest message, in bytes.
pub const MESSAGE_BYTES: usize = 4_000;
/// Most messages of a customer within a minute.
pub const MESSAGES_PER_MINUTE: u64 = 20;
/// Most messages of a conversation, both sides together.
pub const MESSAGES: u64 = 1_000;
/// What the keyed hash of a token is labelled with.
const TOKEN_LABEL: &str = "conversation";
/// Before every token.
const TOKEN_PREFIX: &str = "vct_";

/// Who speaks for the business.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The bot answers.
    Open,
    /// A person was asked for; the bot is silent.
    Waiting,
    /// Nobody answers any more.
    Closed,
}

impl State {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Waiting => "waiting",
            Self::Closed => "closed",
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::Open, Self::Waiting, Self::Closed].into_iter().find(|state| state.name() == name)
    }
}

/// What a customer shows to continue a conversation: the bot and a secret. Never printed.
pub struct Token {
    bot: BotId,
    secret: Zeroizing<[u8; 32]>,
}

impl Token {
    fn random(bot: BotId, rng: &mut dyn Rng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(secret.as_mut_slice());
        Self { bot, secret }
    }

    /// Reads `vct_<bot>_<secret>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (bot, secret) = text.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
        Some(Self { bot: BotId::from_bytes(unhex(bot)?), secret: Zeroizing::new(unhex(secret)?) })
    }

    /// The text to hand to the customer, once.
    pub fn reveal(&self) -> Zeroizing<String> {
        let secret = Zeroizing::new(hex(self.secret.as_slice()));
        Zeroizing::new(format!("{TOKEN_PREFIX}{}_{}", hex(self.bot.as_bytes()), *secret))
    }

    fn hash(&self, keys: &KeyRing) -> [u8; 32] {
        keys.caller_hash(TOKEN_LABEL, self.secret.as_slice())
    }
}

/// A conversation as it is stored, without its messages.
#[derive(Clone)]
pub struct Conversation {
    pub(super) bot: BotId,
    pub(super) id: ConversationId,
    pub(super) business: BusinessId,
    pub(super) language: Language,
    pub(super) token_hash: [u8; 32],
    pub(super) wrapped_key: Vec<u8>,
    pub(super) state: State,
    pub(super) messages: u64,
    pub(super) window_start: Timestamp,
    pub(super) window_count: u64,
}

impl Conversation {
    /// Its id.
    pub fn id(&self) -> ConversationId {
        self.id
    }

    /// The language it is held in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Who speaks for the business.
    pub fn state(&self) -> State {
        self.state
    }

    pub(super) fn key(&self, keys: &KeyRing) -> Result<DataKey> {
        Ok(keys.unwrap(self.id.as_bytes(), &self.wrapped_key)?)
    }

    /// Counts one more message of the customer, or refuses it.
    fn count(&mut self, now: Timestamp) -> Result<()> {
        if self.state == State::Closed || self.messages + 2 > MESSAGES {
            return Err(AssistantError::ConversationClosed);
        }
        if self.window_start != now.minute() {
            (self.window_start, self.window_count) = (now.minute(), 0);
        }
        if self.window_count >= MESSAGES_PER_MINUTE {
            return Err(AssistantError::MessageTooFast);
        }
        self.window_count += 1;
        Ok(())
    }
}

/// A conversation that has just begun.
pub struct Started {
    /// The conversation.
    pub conversation: Conversation,
    /// To be shown to the customer once.
    pub token: Token,
    /// That this is a machine. Always the first message.
    pub label: &'static str,
    /// The second message.
    pub greeting: String,
}

/// Begins a conversation with a published bot, in `wanted` if the bot speaks it.
pub async fn start(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
    published: &Published,
    wanted: Option<Language>,
) -> Result<Started> {
    let first = published.first_language();
    let language = wanted.filter(|wanted| published.languages.contains(wanted)).unwrap_or(first);
    let token = Token::random(published.bot, rng);
    let key = DataKey::generate(rng);
    let id = ConversationId::random(rng);
    let mut conversation = Conversation {
        bot: published.bot,
        id,
        business: published.business,
        language,
        token_hash: token.hash(keys),
        wrapped_key: keys.wrap(id.as_bytes(), &key),
        state: State::Open,
        messages: 0,
        window_start: now.minute(),
        window_count: 0,
    };
    store::conversations::add(tx, &conversation, now).await?;
    let label = phrases::label(language);
    let greeting = phrases::greeting(&published.persona, language, first);
    let mut transcript = Transcript { conversation: &mut conversation, key: &key, now };
    let messages = vec![
        transcript.message(rng, Author::Bot, "label", &Content::of(label)),
        transcript.message(rng, Author::Bot, "greeting", &Content::of(&greeting)),
    ];
    store::conversations::add_messages(tx, &conversation, messages, published.version).await?;
    store::conversations::change(tx, &conversation, None).await?;
    Ok(Started { conversation, token, label, greeting })
}

/// How long a conversation is kept after the customer's last message, as the notice about the assistant
/// promises.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// Deletes conversations that were kept long enough, with their keys and messages.
pub async fn forget_old(tx: &mut Tx, now: Timestamp) -> Result<u64> {
    Ok(store::conversations::forget_old(tx, now.minus(KEPT)).await?)
}

/// The conversation with this id, for whoever holds its token.
pub async fn open(
    tx: &mut Tx,
    keys: &KeyRing,
    token: &Token,
    id: ConversationId,
) -> Result<Conversation> {
    let found = store::conversations::find(tx, token.bot, id).await?;
    checked(found, keys, token)
}

fn checked(found: Option<Conversation>, keys: &KeyRing, token: &Token) -> Result<Conversation> {
    let hash = token.hash(keys);
    found
        .filter(|found| bool::from(found.token_hash.ct_eq(&hash)))
        .ok_or(AssistantError::ConversationUnknown)
}

/// Whether a message may be taken, before the work of answering it; [`record`] decides.
pub fn admits(conversation: &Conversation, text: &str, now: Timestamp) -> Result<()> {
    if text.trim().is_empty() {
        return Err(AssistantError::MessageEmpty);
    }
    if text.len() > MESSAGE_BYTES {
        return Err(AssistantError::MessageTooLong);
    }
    conversation.clone().count(now)
}

/// One message of a customer, as it is about to be kept.
pub struct Turn<'a> {
    /// Opens the conversation's key.
    pub keys: &'a KeyRing,
    /// When it came.
    pub now: Timestamp,
    /// The published version that answers.
    pub version: u64,
    /// What the customer wrote.
    pub text: &'a str,
}

/// Keeps a customer's message and the bot's reply to it in the caller's transaction, and says what
/// the customer is told: the reply, or that the bot has been silent since a person was asked for.
pub async fn record(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    turn: &Turn<'_>,
    opened: &Conversation,
    mut reply: Reply,
) -> Result<Reply> {
    let locked = store::conversations::lock(tx, opened.bot, opened.id).await?;
    let mut conversation = locked.ok_or(AssistantError::ConversationUnknown)?;
    conversation.count(turn.now)?;
    let key = conversation.key(turn.keys)?;
    let silent = conversation.state == State::Waiting;
    let mut transcript = Transcript { conversation: &mut conversation, key: &key, now: turn.now };
    let question = Content::of(turn.text);
    let mut messages = vec![transcript.message(rng, Author::Customer, "message", &question)];
    if silent {
        reply = super::respond::silent(opened.language);
    } else {
        messages.push(transcript.reply(rng, &mut reply));
    }
    store::conversations::add_messages(tx, &conversation, messages, turn.version).await?;
    let waits_now = !silent && reply.hands_over();
    if waits_now {
        conversation.state = State::Waiting;
    }
    store::conversations::change(tx, &conversation, waits_now.then_some(turn.now)).await?;
    Ok(reply)
}

/// The customer asks for a person without writing a message. Asking twice changes nothing.
pub async fn hand_over(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    turn: &Turn<'_>,
    opened: &Conversation,
    mut reply: Reply,
) -> Result<Reply> {
    let locked = store::conversations::lock(tx, opened.bot, opened.id).await?;
    let mut conversation = locked.ok_or(AssistantError::ConversationUnknown)?;
    match conversation.state {
        State::Closed => return Err(AssistantError::ConversationClosed),
        State::Waiting => return Ok(super::respond::silent(conversation.language)),
        State::Open => conversation.state = State::Waiting,
    }
    let key = conversation.key(turn.keys)?;
    let mut transcript = Transcript { conversation: &mut conversation, key: &key, now: turn.now };
    let messages = vec![transcript.reply(rng, &mut reply)];
    store::conversations::add_messages(tx, &conversation, messages, turn.version).await?;
    store::conversations::change(tx, &conversation, Some(turn.now)).await?;
    Ok(reply)
}

/// Keeps whether a reply of the bot helped; the last word counts.
pub async fn rate(
    tx: &mut Tx,
    conversation: &Conversation,
    number: u64,
    helpful: bool,
    now: Timestamp,
) -> Result<()> {
    let kept = store::conversations::rate(tx, conversation, number, helpful, now).await?;
    if kept { Ok(()) } else { Err(AssistantError::MessageUnknown) }
}

/// The choices of the bot's last message, if it asked back.
pub(super) async fn choices(
    tx: &mut Tx,
    keys: &KeyRing,
    conversation: &Conversation,
) -> Result<Option<Content>> {
    let last = store::conversations::last_of_bot(tx, conversation).await?;
    let Some(last) = last.filter(|last| last.kind == super::ReplyKind::Clarify.name()) else {
        return Ok(None);
    };
    Ok(Some(conversation.opened(&conversation.key(keys)?, &last)?))
}

/// A conversation in which a person is waited for.
pub struct Waiting {
    /// Its id.
    pub conversation: ConversationId,
    /// The bot it began with.
    pub bot: BotId,
    /// The bot's name.
    pub bot_name: String,
    /// The language it is held in.
    pub language: Language,
    /// Since when.
    pub waiting_since: Timestamp,
    /// How many messages it has.
    pub messages: u64,
}

/// The business's conversations that wait for a person, the longest waiting first.
pub async fn waiting(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<(Timestamp, ConversationId)>,
    limit: u32,
) -> Result<Vec<Waiting>> {
    Ok(store::conversations::waiting(tx, business, after, limit).await?)
}
