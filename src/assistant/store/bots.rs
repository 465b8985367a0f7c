//! Bots and conversations in SQL. A bot is found by its business, or published by its id; everything
//! below it is reached through the value that one of these two finders returned.

use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;

use super::super::corpus::{DocumentKind, PassageKind};
use super::super::{Bot, Document, Published, Stored, StoredPassage};
use crate::db::{self, Row, Tx, Value, statements, values};
use crate::ids::{BotId, DocumentId};
use crate::search::Language;

statements! {
    ADD_BOT = "insert into bots (bot, business, name, languages, persona, revision, created_at)
               values ($1, $2, $3, $4, $5, 0, $6)";
    BOT = "select bot, business, name, languages, persona, revision, version, created_at
           from bots where business = $1 and bot = $2";
    BOTS = "select bot, business, name, languages, persona, revision, version, created_at
            from bots where business = $1 and bot > $2 order by bot limit $3";
    CHANGE_BOT = "update bots set name = $3, languages = $4, persona = $5, revision = revision + 1
                  where business = $1 and bot = $2";
    TOUCH_BOT = "update bots set revision = revision + 1 where business = $1 and bot = $2";
    PUBLISHED = "select b.bot, b.business, v.version, v.name, v.languages, v.persona, v.fingerprint
                 from bots b join bot_versions v on v.bot = b.bot and v.version = b.version
                 where b.bot = $1";
    ANY_BOT = "select bot from bots where bot = $1";
    ADD_DOCUMENT = "insert into bot_documents
                    (bot, document, title, kind, url, language, content, hash, passages, created_at)
                    values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
    SAME_DOCUMENT = "select document from bot_documents where bot = $1 and hash = $2";
    DOCUMENTS = "select document, title, kind, url, language, passages, created_at
                 from bot_documents where bot = $1 and document > $2 order by document limit $3";
    DOCUMENT = "select document, title, kind, url, language, passages, created_at, content
                from bot_documents where bot = $1 and document = $2";
    CONTENTS = "select document, title, kind, url, language, passages, created_at, content
                from bot_documents where bot = $1 order by created_at, document";
    SIZE = "select count(*) as documents, cast(coalesce(sum(passages), 0) as bigint) as passages
            from bot_documents where bot = $1";
    DROP_DOCUMENT = "delete from bot_documents where bot = $1 and document = $2";
    LAST_VERSION = "select max(version) as version from bot_versions where bot = $1";
    ADD_VERSION = "insert into bot_versions
                   (bot, version, name, languages, persona, fingerprint, passages, published_at)
                   values ($1, $2, $3, $4, $5, $6, $7, $8)";
    ADD_PASSAGES = "insert into bot_passages
                    (bot, version, number, document, kind, title, body, url, language)
                    values {rows}";
    SWITCH = "update bots set version = $4 where business = $1 and bot = $2 and revision = $3";
    DROP_VERSIONS = "delete from bot_versions where bot = $1 and version <= $2";
    VERSIONS = "select version, passages, published_at from bot_versions
                where bot = $1 order by version desc";
    PASSAGES = "select number, kind, title, body, url, language from bot_passages
                where bot = $1 and version = $2 order by number";
    SOME_PASSAGES = "select number, kind, title, body, url, language from bot_passages
                     where bot = $1 and version = $2 and number in ({list})";
}

pub(in crate::assistant) fn decode<T>(value: Option<T>, column: &str) -> db::Result<T> {
    value.ok_or_else(|| db::Error::Decode(column.to_owned()))
}

pub(in crate::assistant) fn language(row: &Row) -> db::Result<Language> {
    decode(Language::parse(&row.get::<String>("language")?), "language")
}

fn json<T: serde::de::DeserializeOwned>(row: &Row, column: &str) -> db::Result<T> {
    decode(serde_json::from_str(&row.get::<String>(column)?).ok(), column)
}

fn to_json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("languages and personas are plain JSON")
}

fn bot(row: &Row) -> db::Result<Bot> {
    Ok(Bot {
        id: row.get("bot")?,
        business: row.get("business")?,
        name: row.get("name")?,
        languages: json(row, "languages")?,
        persona: json(row, "persona")?,
        revision: row.get("revision")?,
        version: row.get("version")?,
        created_at: row.get("created_at")?,
    })
}

pub(in crate::assistant) async fn add_bot(tx: &mut Tx, bot: &Bot) -> db::Result<()> {
    let (languages, persona) = (to_json(&bot.languages), to_json(&bot.persona));
    let values = values![bot.id, bot.business, &bot.name, languages, persona, bot.created_at];
    tx.execute(ADD_BOT, values).await.map(drop)
}

pub(in crate::assistant) async fn change_bot(tx: &mut Tx, bot: &Bot) -> db::Result<u64> {
    let (languages, persona) = (to_json(&bot.languages), to_json(&bot.persona));
    tx.execute(CHANGE_BOT, values![bot.business, bot.id, &bot.name, languages, persona]).await
}

pub(in crate::assistant) async fn find(
    tx: &mut Tx,
    business: BusinessId,
    id: BotId,
) -> db::Result<Option<Bot>> {
    tx.fetch_optional(BOT, values![business, id]).await?.as_ref().map(bot).transpose()
}

pub(in crate::assistant) async fn bots(
    tx: &mut Tx,
    business: BusinessId,
    after: Option<BotId>,
    limit: u32,
) -> db::Result<Vec<Bot>> {
    let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let rows = tx.fetch(BOTS, values![business, after, limit]).await?;
    rows.iter().map(bot).collect()
}

/// The published version of a bot, whoever asks: bots are public once published.
pub(in crate::assistant) async fn published(
    tx: &mut Tx,
    id: BotId,
) -> db::Result<Option<Published>> {
    let row = tx.fetch_optional(PUBLISHED, values![id]).await?;
    let published = |row: Row| {
        Ok(Published {
            bot: row.get("bot")?,
            business: row.get("business")?,
            version: row.get("version")?,
            name: row.get("name")?,
            languages: json(&row, "languages")?,
            persona: json(&row, "persona")?,
            fingerprint: row.get("fingerprint")?,
        })
    };
    row.map(published).transpose()
}

pub(in crate::assistant) async fn exists(tx: &mut Tx, id: BotId) -> db::Result<bool> {
    Ok(tx.fetch_optional(ANY_BOT, values![id]).await?.is_some())
}

fn document(row: &Row) -> db::Result<Document> {
    let kind: String = row.get("kind")?;
    let language: Option<String> = row.get("language")?;
    Ok(Document {
        id: row.get("document")?,
        title: row.get("title")?,
        kind: decode(DocumentKind::parse(&kind), "kind")?,
        url: row.get("url")?,
        language: language.as_deref().and_then(Language::parse),
        passages: row.get("passages")?,
        created_at: row.get("created_at")?,
    })
}

fn stored(row: &Row) -> db::Result<Stored> {
    Ok(Stored { document: document(row)?, content: row.get("content")? })
}

pub(in crate::assistant) async fn add_document(
    tx: &mut Tx,
    bot: &Bot,
    stored: &Stored,
    hash: [u8; 32],
) -> db::Result<()> {
    let document = &stored.document;
    let values = values![
        bot.id,
        document.id,
        &document.title,
        document.kind.name(),
        document.url.clone(),
        document.language.map(Language::code),
        &stored.content,
        hash,
        Value::count(document.passages)?,
        document.created_at,
    ];
    tx.execute(ADD_DOCUMENT, values).await?;
    touch(tx, bot).await
}

async fn touch(tx: &mut Tx, bot: &Bot) -> db::Result<()> {
    tx.execute(TOUCH_BOT, values![bot.business, bot.id]).await.map(drop)
}

pub(in crate::assistant) async fn same_document(
    tx: &mut Tx,
    bot: &Bot,
    hash: [u8; 32],
) -> db::Result<Option<DocumentId>> {
    let row = tx.fetch_optional(SAME_DOCUMENT, values![bot.id, hash]).await?;
    row.map(|row| row.get("document")).transpose()
}

pub(in crate::assistant) async fn documents(
    tx: &mut Tx,
    bot: &Bot,
    after: Option<DocumentId>,
    limit: u32,
) -> db::Result<Vec<Document>> {
    let after = after.map_or(Vec::new(), |id| id.as_bytes().to_vec());
    let rows = tx.fetch(DOCUMENTS, values![bot.id, after, limit]).await?;
    rows.iter().map(document).collect()
}

pub(in crate::assistant) async fn content(
    tx: &mut Tx,
    bot: &Bot,
    id: DocumentId,
) -> db::Result<Option<Stored>> {
    let row = tx.fetch_optional(DOCUMENT, values![bot.id, id]).await?;
    row.as_ref().map(stored).transpose()
}

pub(in crate::assistant) async fn contents(tx: &mut Tx, bot: &Bot) -> db::Result<Vec<Stored>> {
    let rows = tx.fetch(CONTENTS, values![bot.id]).await?;
    rows.iter().map(stored).collect()
}

/// How many documents and passages the draft has.
pub(in crate::assistant) async fn size(tx: &mut Tx, bot: &Bot) -> db::Result<(u64, u64)> {
    let row = tx.fetch_one(SIZE, values![bot.id]).await?;
    Ok((row.get("documents")?, row.get("passages")?))
}

pub(in crate::assistant) async fn drop_document(
    tx: &mut Tx,
    bot: &Bot,
    id: DocumentId,
) -> db::Result<u64> {
    let dropped = tx.execute(DROP_DOCUMENT, values![bot.id, id]).await?;
    touch(tx, bot).await?;
    Ok(dropped)
}

pub(in crate::assistant) async fn last_version(tx: &mut Tx, bot: &Bot) -> db::Result<u64> {
    let row = tx.fetch_one(LAST_VERSION, values![bot.id]).await?;
    Ok(row.get::<Option<u64>>("version")?.unwrap_or(0))
}

pub(in crate::assistant) async fn add_version(
    tx: &mut Tx,
    published: &Published,
    passages: &[(DocumentId, StoredPassage)],
    at: Timestamp,
) -> db::Result<()> {
    let (languages, persona) = (to_json(&published.languages), to_json(&published.persona));
    let (bot, version) = (published.bot, Value::count(published.version)?);
    let count = Value::count(passages.len() as u64)?;
    let values = values![bot, version.clone(), &published.name, languages, persona];
    let rest = values![published.fingerprint, count, at];
    tx.execute(ADD_VERSION, [values, rest].concat()).await?;
    let rows = passages.iter().map(|(document, passage)| {
        Ok(values![
            bot,
            version.clone(),
            Value::count(passage.number)?,
            *document,
            passage.kind.name(),
            &passage.title,
            &passage.text,
            passage.url.clone(),
            passage.language.code(),
        ])
    });
    tx.execute_rows(ADD_PASSAGES, rows.collect::<db::Result<_>>()?).await.map(drop)
}

/// Makes a version the published one, if the draft is still at `revision`.
pub(in crate::assistant) async fn switch(tx: &mut Tx, bot: &Bot, version: u64) -> db::Result<bool> {
    let values = values![bot.business, bot.id, bot.revision, Value::count(version)?];
    Ok(tx.execute(SWITCH, values).await? == 1)
}

pub(in crate::assistant) async fn drop_versions(
    tx: &mut Tx,
    bot: &Bot,
    last: u64,
) -> db::Result<u64> {
    tx.execute(DROP_VERSIONS, values![bot.id, Value::count(last)?]).await
}

/// `(version, passages, published at)`, newest first.
pub(in crate::assistant) async fn versions(
    tx: &mut Tx,
    bot: &Bot,
) -> db::Result<Vec<(u64, u64, Timestamp)>> {
    let rows = tx.fetch(VERSIONS, values![bot.id]).await?;
    let version =
        |row: &Row| Ok((row.get("version")?, row.get("passages")?, row.get("published_at")?));
    rows.iter().map(version).collect()
}

fn passage(row: &Row) -> db::Result<StoredPassage> {
    Ok(StoredPassage {
        number: row.get("number")?,
        kind: decode(PassageKind::parse(&row.get::<String>("kind")?), "kind")?,
        title: row.get("title")?,
        text: row.get("body")?,
        url: row.get("url")?,
        language: language(row)?,
    })
}

pub(in crate::assistant) async fn passages(
    tx: &mut Tx,
    published: &Published,
) -> db::Result<Vec<StoredPassage>> {
    let values = values![published.bot, Value::count(published.version)?];
    let rows = tx.fetch(PASSAGES, values).await?;
    rows.iter().map(passage).collect()
}

pub(in crate::assistant) async fn some_passages(
    tx: &mut Tx,
    published: &Published,
    numbers: &[u64],
) -> db::Result<Vec<StoredPassage>> {
    let fixed = values![published.bot, Value::count(published.version)?];
    let list = numbers.iter().map(|number| Value::count(*number)).collect::<db::Result<_>>()?;
    let rows = tx.fetch_list(SOME_PASSAGES, fixed, list).await?;
    rows.iter().map(passage).collect()
}
