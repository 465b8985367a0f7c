//! From the draft to a numbered version with its index, and back to the index of a version.

use std::collections::BTreeSet;
use std::sync::Arc;

use volens_privacy::Timestamp;
use volens_privacy::identity::BusinessId;

use super::{AssistantError, Bot, Published, Result, Stored, StoredPassage, bot, store};
use crate::db::Db;
use crate::ids::{BotId, DocumentId, hex};
use crate::search::{Entry, Index, SearchError, Shelf, Volume};

/// How many versions of a bot are kept, the published one included.
const KEPT_VERSIONS: u64 = 10;

/// What was published.
#[derive(Clone, Debug)]
pub struct Publication {
    /// The version customers now talk to.
    pub version: u64,
    /// How many passages it answers from.
    pub passages: u64,
    /// Passages that another document already had, word for word.
    pub duplicates: u64,
    /// When.
    pub published_at: Timestamp,
}

/// Publishes the draft: passages, index and switch. The switch is one transaction; a crash before
/// it leaves nothing but a folder that the next publication replaces.
///
/// # Errors
/// [`AssistantError::BotChanged`] when the draft changed meanwhile.
pub async fn publish(
    db: &Db,
    shelf: &Shelf,
    now: Timestamp,
    business: BusinessId,
    id: BotId,
) -> Result<Publication> {
    let mut tx = db.read().await?;
    let draft = bot(&mut tx, business, id).await?;
    let documents = store::bots::contents(&mut tx, &draft).await?;
    let version = store::bots::last_version(&mut tx, &draft).await? + 1;
    drop(tx);
    let languages = draft.languages.clone();
    let (passages, duplicates) = tokio::task::spawn_blocking(move || cut(&documents, &languages))
        .await
        .map_err(|_| SearchError::Cancelled)??;
    if passages.is_empty() {
        return Err(AssistantError::BotEmpty);
    }
    let entries: Vec<Entry> = passages.iter().map(|(_, passage)| entry(passage)).collect();
    let published = Published {
        bot: draft.id,
        business,
        version,
        name: draft.name.clone(),
        languages: draft.languages.clone(),
        persona: draft.persona.clone(),
        fingerprint: Volume::fingerprint_of(&draft.languages, &entries),
    };
    shelf.build(&volume(&published), entries).await?;
    switch(db, &draft, &published, &passages, now).await?;
    let outdated = version.saturating_sub(KEPT_VERSIONS);
    shelf.discard(&hex(id.as_bytes()), outdated).await?;
    Ok(Publication { version, passages: passages.len() as u64, duplicates, published_at: now })
}

async fn switch(
    db: &Db,
    draft: &Bot,
    published: &Published,
    passages: &[(DocumentId, StoredPassage)],
    now: Timestamp,
) -> Result<()> {
    let mut tx = db.begin().await?;
    if store::bots::last_version(&mut tx, draft).await? + 1 != published.version {
        return Err(AssistantError::BotChanged);
    }
    store::bots::add_version(&mut tx, published, passages, now).await?;
    if !store::bots::switch(&mut tx, draft, published.version).await? {
        return Err(AssistantError::BotChanged);
    }
    let outdated = published.version.saturating_sub(KEPT_VERSIONS);
    store::bots::drop_versions(&mut tx, draft, outdated).await?;
    tx.commit().await?;
    Ok(())
}

/// All passages of the documents, numbered, each once.
fn cut(
    documents: &[Stored],
    languages: &[crate::search::Language],
) -> Result<(Vec<(DocumentId, StoredPassage)>, u64)> {
    let mut seen = BTreeSet::new();
    let mut passages = Vec::new();
    let mut duplicates = 0;
    for stored in documents {
        for passage in stored.passages(languages)? {
            if !seen.insert(passage.hash()) {
                duplicates += 1;
                continue;
            }
            let numbered = StoredPassage {
                number: passages.len() as u64,
                kind: passage.kind,
                title: passage.title,
                text: passage.text,
                url: passage.url,
                language: passage.language,
            };
            passages.push((stored.document.id, numbered));
        }
    }
    Ok((passages, duplicates))
}

/// The index of a published version, built again from the database if it is not on disk.
pub(super) async fn index(db: &Db, shelf: &Shelf, published: &Published) -> Result<Arc<Index>> {
    let entries = async {
        let mut tx = db.read().await?;
        let passages = store::bots::passages(&mut tx, published).await?;
        Ok::<_, AssistantError>(passages.iter().map(entry).collect())
    };
    shelf.index(&volume(published), entries).await
}

/// The versions of a bot that are kept: `(version, passages, published at)`, newest first.
pub async fn versions(db: &Db, bot: &Bot) -> Result<Vec<(u64, u64, Timestamp)>> {
    let mut tx = db.read().await?;
    Ok(store::bots::versions(&mut tx, bot).await?)
}

fn volume(published: &Published) -> Volume {
    Volume {
        bot: hex(published.bot.as_bytes()),
        version: published.version,
        fingerprint: published.fingerprint,
        languages: published.languages.clone(),
    }
}

fn entry(passage: &StoredPassage) -> Entry {
    Entry {
        number: passage.number,
        language: passage.language,
        title: passage.title.clone(),
        body: passage.text.clone(),
    }
}
