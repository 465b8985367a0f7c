//! Signals: what accounts did, taken in under consent and kept only as a fading, sealed profile.
//!
//! The door understands the Segment spec ([`segment`]) and `CloudEvents` ([`cloudevents`]). Every
//! item is decided on its own: without a live consent for relevance nothing of it is stored, not
//! even the tag that would recognise a repeat. What is stored is one profile per account
//! ([`Profile`]): faded counters per topic and kind of act, and, under a notice that says so, counts by
//! day of the last weeks ([`recent`]), sealed under the account's own key, gone in the same statement
//! that ends the consent. No address, no device, no time finer than an hour. Beside it, where it is awaited,
//! that a purchase followed a message ([`awaited`]).

use std::collections::BTreeMap;

use rand::Rng;
use volens_privacy::{AppId, KeyError, KeyRing, SubjectId, Timestamp};

pub mod awaited;
pub mod cloudevents;
mod codec;
pub mod corrections;
pub mod decay;
pub mod http;
mod ingest;
mod item;
mod kinds;
mod profile;
mod reason;
pub mod recent;
pub mod segment;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod writer;

pub use codec::Malformed;
pub use corrections::Correction;
pub use ingest::{Batch, Outcome, Taken, take_in};
pub use item::{
    Content, Description, Item, MAX_ITEM, Parsed, act, is_sensitive_trait, one_trait,
    primary_language,
};
pub use kinds::{Kind, kind_of};
pub use profile::{Acts, Observation, Profile, Trait};
pub use reason::Reason;
pub use recent::{About, DayCounts, RecentDays};
pub(crate) use store::STATEMENTS;
pub use writer::{Signals, Writer};

use crate::db::{self, Db, Tx};
use crate::{accounts, consent};

/// The most bytes of a batch, unpacked (Segment: 500 KB).
pub const MAX_BATCH: usize = 500 * 1024;

/// Signals older than this many days are refused, and profiles forget them.
pub const MAX_AGE_DAYS: u64 = 400;

/// Profiles whose old days are forgotten in one transaction.
const DAYS_PAGE: u32 = 256;

/// Why signals could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// A consent could not be verified.
    #[error("the consents of an account could not be verified")]
    Consent(#[from] consent::ConsentError),
    /// An account's data key could not be read.
    #[error("an account's data key could not be read")]
    Account(#[from] accounts::AccountError),
    /// A sealed profile did not open.
    #[error("a sealed profile did not open")]
    Key(#[from] KeyError),
    /// A profile that was opened could not be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
}

/// The profiles of these accounts, opened, with what the person denies. Accounts without either are
/// left out, and those whose processing is restricted. Whoever uses a profile for a person needs that
/// person's permit for it besides.
pub async fn profiles(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Profile>, SignalError> {
    let sealed = store::profiles(tx, &subjects.iter().copied().collect()).await?;
    let mut opened = open_profiles(tx, keys, sealed).await?;
    for (subject, said) in corrections::corrections(tx, keys, subjects).await? {
        if let Some(profile) = opened.get_mut(&subject) {
            profile.deny(said.into_iter().map(|correction| correction.topic));
        }
    }
    Ok(opened)
}

/// The profile of one account as it is kept, also when processing is restricted: for the person, and
/// for nobody else.
pub async fn kept_profile(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<Option<Profile>, SignalError> {
    let sealed = store::kept_profile(tx, subject).await?;
    let sealed = sealed.into_iter().map(|sealed| (subject, sealed)).collect();
    Ok(open_profiles(tx, keys, sealed).await?.remove(&subject))
}

async fn open_profiles(
    tx: &mut Tx,
    keys: &KeyRing,
    sealed: Vec<(SubjectId, Vec<u8>)>,
) -> Result<BTreeMap<SubjectId, Profile>, SignalError> {
    let held: Vec<SubjectId> = sealed.iter().map(|(subject, _)| *subject).collect();
    let data_keys = accounts::data_keys(tx, keys, &held).await?;
    let mut opened = BTreeMap::new();
    for (subject, sealed) in sealed {
        // Without its key the profile is as good as erased.
        let Some(key) = data_keys.get(&subject) else { continue };
        let plain = key.open(&context(&subject), &sealed)?;
        opened.insert(subject, Profile::from_bytes(&plain)?);
    }
    Ok(opened)
}

/// What binds a sealed profile to its account and use.
fn context(subject: &SubjectId) -> [&[u8]; 2] {
    [b"volens/profile", subject.as_bytes()]
}

/// What was refused or left out for one app since the beginning of the day `days` days ago, by code.
pub async fn refusals(
    tx: &mut Tx,
    app: &AppId,
    days: u32,
    now: Timestamp,
) -> Result<BTreeMap<String, u64>, SignalError> {
    let since = now.minus(days_long(u64::from(days))).day();
    let counted = store::refusals(tx, app, since).await?;
    Ok(counted.into_iter().map(|(code, times)| (code, times.unsigned_abs())).collect())
}

/// Forgets the tags and counts of signals so old that a repeat would be refused anyway.
/// Answers how many rows went.
pub async fn forget_old(tx: &mut Tx, now: Timestamp) -> Result<u64, SignalError> {
    let before = now.minus(days_long(MAX_AGE_DAYS + 1));
    let tags = store::forget_tags(tx, before).await?;
    Ok(tags + store::forget_refusals(tx, before.day()).await?)
}

/// Forgets the days of every profile that ended too long ago, also of accounts that did nothing since,
/// in short transactions. Answers how many profiles had any.
///
/// # Errors
/// When the database fails, or a profile that is there does not open.
pub async fn forget_days(
    db: &Db,
    keys: &KeyRing,
    now: Timestamp,
    rng: &mut (dyn Rng + Send),
) -> Result<usize, SignalError> {
    let (mut after, mut forgot) = (Vec::new(), 0);
    loop {
        let mut tx = db.begin().await?;
        let page = store::profiled(&mut tx, &after, DAYS_PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(forgot) };
        after = last.as_bytes().to_vec();
        let apps: BTreeMap<SubjectId, AppId> = page.into_iter().collect();
        let all = apps.keys().copied().collect();
        // Nobody adds to a profile while it is written without its old days.
        store::lock_accounts(&mut tx, &all).await?;
        let sealed = store::kept_profiles(&mut tx, &all).await?;
        let mut opened = open_profiles(&mut tx, keys, sealed).await?;
        opened.retain(|_, profile| profile.forget_days(now));
        if !opened.is_empty() {
            let list: Vec<SubjectId> = opened.keys().copied().collect();
            let data_keys = accounts::data_keys(&mut tx, keys, &list).await?;
            let mut rows = Vec::new();
            for (subject, profile) in &opened {
                let (Some(key), Some(app)) = (data_keys.get(subject), apps.get(subject)) else {
                    continue;
                };
                let bytes = key.seal(&context(subject), &profile.to_bytes(), rng);
                rows.push(store::Sealed { subject: *subject, app, bytes });
            }
            forgot += rows.len();
            let changed = db::changes::next(&mut tx).await?;
            store::put_profiles(&mut tx, rows, changed).await?;
        }
        tx.commit().await?;
    }
}

fn days_long(days: u64) -> std::time::Duration {
    std::time::Duration::from_hours(days * 24)
}
