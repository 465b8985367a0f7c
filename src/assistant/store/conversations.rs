//! Conversations in SQL. A conversation is found with its bot, which its token names; agents find
//! those of their business that wait for a person.

use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;

use super::super::conversation::{Conversation, State, Waiting};
use super::super::transcript::{Author, Message};
use super::bots::{decode, language};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::{BotId, ConversationId};

statements! {
    ADD = "insert into conversations
           (bot, conversation, business, language, token_hash, wrapped_key, state, messages,
            window_start, window_count, created_at)
           values ($1, $2, $3, $4, $5, $6, 'open', 0, 0, 0, $7)";
    FIND = "select bot, conversation, business, language, token_hash, wrapped_key, state, messages,
                   window_start, window_count
            from conversations where bot = $1 and conversation = $2";
    LOCK = "select bot, conversation, business, language, token_hash, wrapped_key, state, messages,
                   window_start, window_count
            from conversations where bot = $1 and conversation = $2"
        | postgres
           "select bot, conversation, business, language, token_hash, wrapped_key, state, messages,
                   window_start, window_count
            from conversations where bot = $1 and conversation = $2 for update";
    AFTER = "select bot, conversation, business, language, token_hash, wrapped_key, state, messages,
                    window_start, window_count
             from conversations where bot > $1 or (bot = $1 and conversation > $2)
             order by bot, conversation limit $3";
    CHANGE = "update conversations set state = $3, messages = $4, window_start = $5,
              window_count = $6, waiting_since = coalesce($7, waiting_since)
              where bot = $1 and conversation = $2";
    ADD_MESSAGES = "insert into conversation_messages
                    (bot, conversation, number, author, kind, sealed, version, created_at)
                    values {rows}";
    MESSAGES = "select number, author, kind, sealed, created_at from conversation_messages
                where bot = $1 and conversation = $2 and number >= $3 order by number limit $4";
    LAST_OF_BOT = "select number, author, kind, sealed, created_at from conversation_messages
                   where bot = $1 and conversation = $2 and author = 'bot'
                   order by number desc limit 1";
    RATE = "insert into conversation_feedback (bot, conversation, number, helpful, created_at)
            select bot, conversation, number, $4, $5 from conversation_messages
            where bot = $1 and conversation = $2 and number = $3 and author = 'bot'
            on conflict (bot, conversation, number)
            do update set helpful = excluded.helpful, created_at = excluded.created_at";
    FORGET_OLD = "delete from conversations where window_start < $1 and created_at < $1";
    WAITING = "select c.conversation, c.bot, b.name, c.language, c.waiting_since, c.messages
               from conversations c join bots b on b.bot = c.bot
               where c.business = $1 and c.state = 'waiting'
                 and (c.waiting_since > $2 or (c.waiting_since = $2 and c.conversation > $3))
               order by c.waiting_since, c.conversation limit $4";
}

/// Deletes conversations in which nobody wrote since `before`, with their messages.
pub(in crate::assistant) async fn forget_old(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET_OLD, values![before]).await
}

fn conversation(row: &Row) -> db::Result<Conversation> {
    Ok(Conversation {
        bot: row.get("bot")?,
        id: row.get("conversation")?,
        business: row.get("business")?,
        language: language(row)?,
        token_hash: row.get("token_hash")?,
        wrapped_key: row.get("wrapped_key")?,
        state: decode(State::parse(&row.get::<String>("state")?), "state")?,
        messages: row.get("messages")?,
        window_start: row.get("window_start")?,
        window_count: row.get("window_count")?,
    })
}

pub(in crate::assistant) async fn add(
    tx: &mut Tx,
    conversation: &Conversation,
    at: Timestamp,
) -> db::Result<()> {
    let values = values![
        conversation.bot,
        conversation.id,
        conversation.business,
        conversation.language.code(),
        conversation.token_hash,
        &conversation.wrapped_key,
        at,
    ];
    tx.execute(ADD, values).await.map(drop)
}

pub(in crate::assistant) async fn find(
    tx: &mut Tx,
    bot: BotId,
    id: ConversationId,
) -> db::Result<Option<Conversation>> {
    tx.fetch_optional(FIND, values![bot, id]).await?.as_ref().map(conversation).transpose()
}

/// Up to `limit` conversations of all bots behind `last`, in the order of their ids.
pub(in crate::assistant) async fn after(
    tx: &mut Tx,
    last: Option<(BotId, ConversationId)>,
    limit: u32,
) -> db::Result<Vec<Conversation>> {
    // No id is below the empty string of bytes.
    let ids =
        |(bot, id): (BotId, ConversationId)| (bot.as_bytes().to_vec(), id.as_bytes().to_vec());
    let (bot, id) = last.map(ids).unwrap_or_default();
    tx.fetch(AFTER, values![bot, id, limit]).await?.iter().map(conversation).collect()
}

/// Like [`find`], and nobody else changes it before this transaction ends.
pub(in crate::assistant) async fn lock(
    tx: &mut Tx,
    bot: BotId,
    id: ConversationId,
) -> db::Result<Option<Conversation>> {
    tx.fetch_optional(LOCK, values![bot, id]).await?.as_ref().map(conversation).transpose()
}

pub(in crate::assistant) async fn change(
    tx: &mut Tx,
    changed: &Conversation,
    waiting_since: Option<Timestamp>,
) -> db::Result<()> {
    let values = values![
        changed.bot,
        changed.id,
        changed.state.name(),
        Value::count(changed.messages)?,
        changed.window_start,
        Value::count(changed.window_count)?,
        waiting_since,
    ];
    tx.execute(CHANGE, values).await.map(drop)
}

pub(in crate::assistant) async fn add_messages(
    tx: &mut Tx,
    conversation: &Conversation,
    messages: Vec<Message>,
    version: u64,
) -> db::Result<()> {
    let rows = messages.into_iter().map(|message| {
        Ok(values![
            conversation.bot,
            conversation.id,
            Value::count(message.number)?,
            message.author.name(),
            message.kind,
            message.sealed,
            Value::count(version)?,
            message.created_at,
        ])
    });
    tx.execute_rows(ADD_MESSAGES, rows.collect::<db::Result<_>>()?).await.map(drop)
}

fn message(row: &Row) -> db::Result<Message> {
    Ok(Message {
        number: row.get("number")?,
        author: decode(Author::parse(&row.get::<String>("author")?), "author")?,
        kind: row.get("kind")?,
        sealed: row.get("sealed")?,
        created_at: row.get("created_at")?,
    })
}

pub(in crate::assistant) async fn messages(
    tx: &mut Tx,
    conversation: &Conversation,
    from: u64,
    limit: u32,
) -> db::Result<Vec<Message>> {
    let values = values![conversation.bot, conversation.id, Value::count(from)?, limit];
    tx.fetch(MESSAGES, values).await?.iter().map(message).collect()
}

pub(in crate::assistant) async fn last_of_bot(
    tx: &mut Tx,
    conversation: &Conversation,
) -> db::Result<Option<Message>> {
    let row = tx.fetch_optional(LAST_OF_BOT, values![conversation.bot, conversation.id]).await?;
    row.as_ref().map(message).transpose()
}

/// Whether the message exists and is the bot's.
pub(in crate::assistant) async fn rate(
    tx: &mut Tx,
    conversation: &Conversation,
    number: u64,
    helpful: bool,
    at: Timestamp,
) -> db::Result<bool> {
    let number = Value::count(number)?;
    let mut values = values![conversation.bot, conversation.id];
    values.extend([number, Value::from(i64::from(helpful)), Value::from(at)]);
    Ok(tx.execute(RATE, values).await? > 0)
}

pub(in crate::assistant) async fn waiting(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<(Timestamp, ConversationId)>,
    limit: u32,
) -> db::Result<Vec<Waiting>> {
    let since = after.map_or(-1, |(since, _)| since.micros());
    let id = after.map_or(Vec::new(), |(_, id)| id.as_bytes().to_vec());
    let rows = tx.fetch(WAITING, values![business, since, id, limit]).await?;
    let waiting = |row: &Row| {
        Ok(Waiting {
            conversation: row.get("conversation")?,
            bot: row.get("bot")?,
            bot_name: row.get("name")?,
            language: language(row)?,
            waiting_since: row.get("waiting_since")?,
            messages: row.get("messages")?,
        })
    };
    rows.iter().map(waiting).collect()
}
