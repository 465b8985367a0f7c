//! A customer's message in, a reply out: guard words, search, decision, words, transcript.

use std::sync::Arc;

use rand::Rng;
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;

use super::answer::{CANDIDATES, Candidate, Decision, decide};
use super::conversation::{self, Conversation, State, Token, Turn};
use super::guard::{self, Notice};
use super::persona::Tone;
use super::phrases::{self, Phrase};
use super::{
    Published, Reply, ReplyKind, Result, Source, StoredPassage, publish, published, store,
};
use crate::db::Db;
use crate::ids::ConversationId;
use crate::search::{Found, Index, Language, SearchError, Shelf};

/// What answering needs besides the message.
pub struct Desk<'a> {
    /// The database.
    pub db: &'a Db,
    /// The indexes.
    pub shelf: &'a Shelf,
    /// Opens conversations.
    pub keys: &'a KeyRing,
    /// The time of the request.
    pub now: Timestamp,
}

/// Replies to a customer's message and keeps both. The message is admitted, answered outside any
/// transaction, and kept in one.
pub async fn respond(
    desk: &Desk<'_>,
    rng: &mut (dyn Rng + Send),
    token: &Token,
    id: ConversationId,
    text: &str,
) -> Result<Reply> {
    let mut tx = desk.db.read().await?;
    let opened = conversation::open(&mut tx, desk.keys, token, id).await?;
    conversation::admits(&opened, text, desk.now)?;
    let published = published(&mut tx, opened.bot).await?;
    let chosen = chosen(&mut tx, desk.keys, &opened, text).await?;
    drop(tx);
    let reply = match chosen {
        _ if opened.state == State::Waiting => silent(opened.language),
        Some(reply) => reply,
        None => speak(desk, &published, &opened, text).await?,
    };
    let mut tx = desk.db.begin().await?;
    let turn = Turn { keys: desk.keys, now: desk.now, version: published.version, text };
    let reply = conversation::record(&mut tx, rng, &turn, &opened, reply).await?;
    tx.commit().await?;
    Ok(reply)
}

/// Hands a conversation over because the customer asked for it.
pub async fn hand_over(
    desk: &Desk<'_>,
    rng: &mut (dyn Rng + Send),
    token: &Token,
    id: ConversationId,
) -> Result<Reply> {
    let mut tx = desk.db.begin().await?;
    let opened = conversation::open(&mut tx, desk.keys, token, id).await?;
    let published = published(&mut tx, opened.bot).await?;
    let reply = own_words(&published, &opened, Phrase::Handoff, ReplyKind::Handoff, 1.0);
    let turn = Turn { keys: desk.keys, now: desk.now, version: published.version, text: "" };
    let reply = conversation::hand_over(&mut tx, rng, &turn, &opened, reply).await?;
    tx.commit().await?;
    Ok(reply)
}

/// What is said while a person is waited for. The bot says nothing of its own.
pub(super) fn silent(language: Language) -> Reply {
    let words = phrases::text(Phrase::Waiting, language, Tone::Formal);
    Reply::new(language, ReplyKind::Handoff, words.to_owned(), 1.0)
}

/// The bot asked back and the customer answered with the number of a choice.
async fn chosen(
    tx: &mut crate::db::Tx,
    keys: &KeyRing,
    opened: &Conversation,
    text: &str,
) -> Result<Option<Reply>> {
    let number = text.trim().trim_end_matches('.').parse::<usize>().ok();
    let Some(place) = number.and_then(|number| number.checked_sub(1)) else { return Ok(None) };
    let Some(asked) = conversation::choices(tx, keys, opened).await? else { return Ok(None) };
    let confidence = asked.confidence.unwrap_or_default();
    Ok(asked.sources.into_iter().nth(place).map(|source| {
        let reply =
            Reply::new(opened.language, ReplyKind::Answer, source.passage.clone(), confidence);
        reply.with(vec![source])
    }))
}

async fn speak(
    desk: &Desk<'_>,
    published: &Published,
    opened: &Conversation,
    text: &str,
) -> Result<Reply> {
    let say = |phrase, kind| own_words(published, opened, phrase, kind, 1.0);
    match guard::look(text, opened.language, &published.persona.refused_topics) {
        Some(Notice::Crisis) => return Ok(say(Phrase::Crisis, ReplyKind::Refusal)),
        Some(Notice::Person) => return Ok(say(Phrase::Handoff, ReplyKind::Handoff)),
        Some(Notice::Refused) => return Ok(say(Phrase::Refusal, ReplyKind::Refusal)),
        None => {}
    }
    let index = publish::index(desk.db, desk.shelf, published).await?;
    let found = find(Arc::clone(&index), text.to_owned()).await?;
    let numbers: Vec<u64> = found.hits.iter().map(|hit| hit.number).collect();
    let mut tx = desk.db.read().await?;
    let passages = store::bots::some_passages(&mut tx, published, &numbers).await?;
    drop(tx);
    let (decision, passages) = weigh(index, found, passages).await?;
    Ok(in_words(published, opened, &decision, &passages))
}

async fn find(index: Arc<Index>, text: String) -> Result<Found> {
    let work = move || index.find(&text, CANDIDATES);
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| SearchError::Cancelled)??)
}

/// Decides on a blocking thread; the candidates come in the order of the hits.
async fn weigh(
    index: Arc<Index>,
    found: Found,
    passages: Vec<StoredPassage>,
) -> Result<(Decision, Vec<StoredPassage>)> {
    let work = move || {
        let mut ordered = Vec::with_capacity(passages.len());
        let mut scores = Vec::with_capacity(passages.len());
        for hit in &found.hits {
            if let Some(passage) = passages.iter().find(|passage| passage.number == hit.number) {
                ordered.push(passage.clone());
                scores.push(hit.score);
            }
        }
        let candidates: Vec<Candidate<'_>> =
            ordered.iter().zip(scores).map(|(passage, score)| passage.candidate(score)).collect();
        let decision = decide(&found, &candidates, index.as_ref());
        drop(candidates);
        (decision, ordered)
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(|_| SearchError::Cancelled)?)
}

impl StoredPassage {
    fn candidate(&self, score: f32) -> Candidate<'_> {
        Candidate {
            number: self.number,
            kind: self.kind,
            language: self.language,
            title: &self.title,
            text: &self.text,
            score,
        }
    }
}

/// An answer is the passage itself, word for word; everything else is the bot's own phrases.
fn in_words(
    published: &Published,
    opened: &Conversation,
    decision: &Decision,
    passages: &[StoredPassage],
) -> Reply {
    match decision {
        Decision::Answer { place, confidence, highlight } => {
            let passage = &passages[*place];
            let source = Source::of(passage, Some(highlight.clone()));
            Reply::new(opened.language, ReplyKind::Answer, passage.text.clone(), *confidence)
                .with(vec![source])
        }
        Decision::Clarify { places, confidence } => {
            let words =
                phrases::text(Phrase::Clarify, opened.language, published.persona.tone).to_owned();
            let list = places
                .iter()
                .zip(1..)
                .map(|(place, n)| format!("\n{n}. {}", passages[*place].title));
            let text = list.fold(words, |text, line| text + &line);
            let sources = places.iter().map(|place| Source::of(&passages[*place], None)).collect();
            Reply::new(opened.language, ReplyKind::Clarify, text, *confidence).with(sources)
        }
        Decision::Unknown { confidence } => {
            own_words(published, opened, Phrase::Unknown, ReplyKind::Handoff, *confidence)
        }
    }
}

fn own_words(
    published: &Published,
    opened: &Conversation,
    phrase: Phrase,
    kind: ReplyKind,
    confidence: f32,
) -> Reply {
    let first = published.first_language();
    let words = phrases::signed(&published.persona, phrase, opened.language, first);
    Reply::new(opened.language, kind, words, confidence)
}
