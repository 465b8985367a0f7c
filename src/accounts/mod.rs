//! Accounts of people: one user of one app, known as a random id.
//!
//! The app names its user by a reference of its own; what is stored is a keyed tag of it, so that
//! the database without the keys finds nobody. Nothing here comes from a phone number, and nothing
//! here is shared between apps.

pub mod http;
mod store;
pub mod suppression;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rand::Rng;
pub(crate) use store::STATEMENTS;
use volens_privacy::identity::{AccountTag, AppId, SubjectId, SuppressionTag};
use volens_privacy::keys::{DataKey, KeyError, KeyRing};
use volens_privacy::{AgeBand, Timestamp};

use crate::db::{self, Tx};

/// Why an account could not be used.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The app has no account under this reference.
    #[error("the app has no such account")]
    Unknown,
    /// A data key did not unwrap: another key ring, or damage.
    #[error("an account's data key does not unwrap under the key ring")]
    Key(#[from] KeyError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What an app may tell about its user. Every field may be unknown; no field identifies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Details {
    /// Two-letter language code, or empty.
    pub language: String,
    /// ISO 3166-1 alpha-2 country, or empty.
    pub country: String,
    /// IANA time zone, or empty.
    pub time_zone: String,
    /// A band, never a birth date.
    pub age_band: AgeBand,
}

impl Details {
    /// What is known after this was told over what was known before: the unknown changes nothing.
    fn over(self, before: Option<&Self>) -> Self {
        let Some(before) = before else { return self };
        let told = |now: String, before: &String| if now.is_empty() { before.clone() } else { now };
        Self {
            language: told(self.language, &before.language),
            country: told(self.country, &before.country),
            time_zone: told(self.time_zone, &before.time_zone),
            age_band: match self.age_band {
                AgeBand::Unknown => before.age_band,
                known => known,
            },
        }
    }
}

/// One account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its random id.
    pub subject: SubjectId,
    /// Whose user it is.
    pub app: AppId,
    /// What the app told.
    pub details: Details,
    /// When it became known, cut to the hour.
    pub created_at: Timestamp,
    /// Since when processing is restricted (GDPR Art. 18), if it is.
    pub frozen_at: Option<Timestamp>,
    /// Since when its person objects to direct marketing (GDPR Art. 21), if they do. Follows from
    /// what [`suppression`] keeps, which decides.
    pub objected_at: Option<Timestamp>,
}

/// A request to know an account, with the random parts drawn beforehand.
pub struct Registration {
    app: AppId,
    tag: AccountTag,
    suppression: SuppressionTag,
    candidate: SubjectId,
    wrapped_key: Vec<u8>,
    details: Details,
}

impl Registration {
    /// Prepares to create or update the account that `app` calls `reference`.
    pub fn new(
        keys: &KeyRing,
        rng: &mut dyn Rng,
        app: &AppId,
        reference: &str,
        details: Details,
    ) -> Self {
        let candidate = SubjectId::random(rng);
        Self::with_id(keys, rng, app, reference, details, candidate)
    }

    /// As [`Registration::new`], with an id that was drawn elsewhere.
    pub fn with_id(
        keys: &KeyRing,
        rng: &mut dyn Rng,
        app: &AppId,
        reference: &str,
        details: Details,
        candidate: SubjectId,
    ) -> Self {
        let wrapped_key = keys.wrap(candidate.as_bytes(), &DataKey::generate(rng));
        let tag = keys.account_tag(app, reference);
        let suppression = keys.suppression_tag_of(app, reference);
        Self { app: app.clone(), tag, suppression, candidate, wrapped_key, details }
    }

    /// Whether it says that the account is a minor's.
    pub fn tells_of_a_minor(&self) -> bool {
        !self.details.age_band.profiling_allowed()
    }
}

/// What became of a [`Registration`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// The account is new.
    Created(SubjectId),
    /// It was known; its details are now as told.
    Known(SubjectId),
}

impl Registered {
    /// The account.
    pub fn subject(self) -> SubjectId {
        match self {
            Self::Created(subject) | Self::Known(subject) => subject,
        }
    }
}

/// Creates or updates many accounts, in order. An account that turns out to be a minor's may have
/// consents that end with that: `consent::register` sees to it, and is what callers want.
pub async fn register(
    tx: &mut Tx,
    items: &[Registration],
    now: Timestamp,
) -> db::Result<Vec<Registered>> {
    let mut known = BTreeMap::new();
    let apps: BTreeSet<&AppId> = items.iter().map(|item| &item.app).collect();
    for app in apps {
        let tags = items.iter().filter(|item| item.app == *app).map(|item| item.tag);
        let found = store::subjects(tx, app, tags).await?;
        known.extend(found.into_iter().map(|(tag, subject)| ((app, tag), subject)));
    }
    let subjects: Vec<SubjectId> = known.values().copied().collect();
    let mut details: BTreeMap<SubjectId, Details> = store::accounts(tx, &subjects)
        .await?
        .into_iter()
        .map(|(subject, account)| (subject, account.details))
        .collect();
    let mut created = Vec::new();
    let mut updates = BTreeMap::new();
    let mut replies = Vec::with_capacity(items.len());
    for item in items {
        if let Some(subject) = known.get(&(&item.app, item.tag)) {
            let before = details.get(subject);
            let told = item.details.clone().over(before);
            if before != Some(&told) {
                details.insert(*subject, told.clone());
                updates.insert(*subject, told);
            }
            replies.push(Registered::Known(*subject));
        } else {
            known.insert((&item.app, item.tag), item.candidate);
            details.insert(item.candidate, item.details.clone());
            created.push(item);
            replies.push(Registered::Created(item.candidate));
        }
    }
    // Accounts before the counter of changes, as everybody who locks both.
    store::lock(tx, updates.keys().copied()).await?;
    let changed = db::changes::next(tx).await?;
    let objected = objected(tx, &created).await?;
    store::add(tx, &created, &objected, now, changed).await?;
    for (subject, details) in updates {
        store::update(tx, subject, &details, changed).await?;
    }
    Ok(replies)
}

/// Since when those of the new accounts object that came back.
async fn objected(
    tx: &mut Tx,
    created: &[&Registration],
) -> db::Result<BTreeMap<SubjectId, Timestamp>> {
    let apps: BTreeSet<&AppId> = created.iter().map(|item| &item.app).collect();
    let mut objected = BTreeMap::new();
    for app in apps {
        let of_app: BTreeMap<SuppressionTag, SubjectId> = created
            .iter()
            .filter(|item| item.app == *app)
            .map(|item| (item.suppression, item.candidate))
            .collect();
        let found = store::suppressions(tx, app, of_app.keys().copied()).await?;
        objected.extend(found.into_iter().filter_map(|(tag, o)| Some((*of_app.get(&tag)?, o.at))));
    }
    Ok(objected)
}

/// The account that `app` calls `reference`, if there is one.
pub async fn subject_of(
    tx: &mut Tx,
    keys: &KeyRing,
    app: &AppId,
    reference: &str,
) -> Result<Option<SubjectId>, AccountError> {
    let tag = keys.account_tag(app, reference);
    Ok(store::subjects(tx, app, [tag]).await?.get(&tag).copied())
}

/// The accounts that `app` calls by these tags; unknown ones are missing from the answer.
pub async fn subjects_of(
    tx: &mut Tx,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> db::Result<BTreeMap<AccountTag, SubjectId>> {
    store::subjects(tx, app, tags).await
}

/// Accounts by id; unknown ones are missing from the answer.
pub async fn find(tx: &mut Tx, subjects: &[SubjectId]) -> db::Result<BTreeMap<SubjectId, Account>> {
    store::accounts(tx, subjects).await
}

/// The data keys of these accounts. An account whose key was destroyed is missing from the answer;
/// one that does not unwrap fails the whole call.
pub async fn data_keys(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, DataKey>, AccountError> {
    let wrapped = store::wrapped_keys(tx, subjects).await?;
    wrapped
        .into_iter()
        .map(|(subject, wrapped)| Ok((subject, keys.unwrap(subject.as_bytes(), &wrapped)?)))
        .collect()
}

/// What a decision needs to know of its account.
pub struct Opened {
    /// Whose.
    pub subject: SubjectId,
    /// How old, as far as the app told.
    pub age_band: AgeBand,
    /// Whether processing is restricted (GDPR Art. 18).
    pub frozen: bool,
    /// What its records are sealed with.
    pub key: DataKey,
}

/// The accounts that `app` calls by these tags, with their keys, in one look; unknown ones and those
/// whose key was destroyed are missing from the answer. One key that does not unwrap fails the call.
pub async fn open(
    tx: &mut Tx,
    keys: &KeyRing,
    app: &AppId,
    tags: impl IntoIterator<Item = AccountTag>,
) -> Result<BTreeMap<AccountTag, Opened>, AccountError> {
    let found = store::opened(tx, app, tags).await?;
    found
        .into_iter()
        .map(|store::Opened { tag, subject, age_band, frozen, wrapped }| {
            let key = keys.unwrap(subject.as_bytes(), &wrapped)?;
            Ok((tag, Opened { subject, age_band, frozen, key }))
        })
        .collect()
}

/// Accounts of an app.
pub async fn count(tx: &mut Tx, app: &AppId) -> db::Result<u64> {
    store::count(tx, app).await
}

/// Notes since when the person of an account objects to direct marketing; nothing when not any more.
/// The caller holds the account and has drawn `changed`.
pub async fn note_objection(
    tx: &mut Tx,
    subject: SubjectId,
    at: Option<Timestamp>,
    changed: i64,
) -> db::Result<()> {
    store::note_objection(tx, subject, at, changed).await
}

/// Marks an account as changed, so that what is derived from it is derived anew. The caller holds it
/// and has drawn `changed`.
pub async fn touch(tx: &mut Tx, subject: SubjectId, changed: i64) -> db::Result<()> {
    store::touch(tx, subject, changed).await
}

/// Keeps an account from being changed by others until the transaction ends. Whoever changes what
/// hangs on it, too, holds it before the counter of changes.
pub async fn hold(tx: &mut Tx, subject: SubjectId) -> db::Result<()> {
    store::lock(tx, [subject]).await
}

/// Deletes an account with its reference, its data key and every row that hangs on it; answers
/// whether it was there. Whoever calls it puts the erasure on record.
pub async fn remove(tx: &mut Tx, subject: SubjectId) -> db::Result<bool> {
    store::remove(tx, subject).await
}

/// The next accounts of all apps in the order of their ids.
pub async fn after(tx: &mut Tx, last: Option<SubjectId>, limit: u32) -> db::Result<Vec<SubjectId>> {
    store::after(tx, last, i64::from(limit)).await
}
