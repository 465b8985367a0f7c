//! Canaries: accounts of nobody that live for a moment every night, are erased like anybody's, and
//! are looked for afterwards in everything that is kept.
//!
//! What a canary is called follows from its day and the keys, so that nothing has to be kept to look
//! for it by: that would be the trace that is looked for.

mod life;

use std::path::PathBuf;
use std::time::Duration;

use rand::Rng;
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;

use self::life::Canary;
use super::traces::{self, Remembered};
use super::{Journal, RightsError, requests, store};
use crate::consent::{Recorder, Tokens};
use crate::db::{self, Db, Tx};
use crate::needles::Trace;

/// The kind of job that lets one go and looks for the others.
pub const CANARY_JOB: &str = "rights.canary";
/// Canaries of so many days are looked for.
const DAYS: Duration = Duration::from_hours(30 * 24);
/// The mark that tables in memory need; a purge forgets it.
const MARK: &str = "removed_accounts.subject";
/// So many bytes of indexes, exports and logs are read in one night.
const NIGHT: u64 = 64 << 30;

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When.
    pub at: Timestamp,
    /// How many canaries were looked for.
    pub canaries: u64,
    /// How many of them were erased before the last purge, and looked for in the database's files too.
    pub in_files: u64,
    /// Files of the database that could be read: none where PostgreSQL's are out of reach, and then
    /// nobody was looked for in them.
    pub files: u64,
    /// Indexes, exports and logs that could not be read, or not to their end.
    pub unread: u64,
    /// Places where something of one was found.
    pub found: u64,
}

/// Who lets canaries go.
pub struct Keeper<'a> {
    /// The database.
    pub db: &'a Db,
    /// The keys.
    pub keys: &'a KeyRing,
    /// The journal of erasures.
    pub journal: &'a Journal,
    /// The writer of decisions.
    pub consents: &'a Recorder,
    /// What makes link tokens.
    pub tokens: &'a Tokens,
    /// What may hold something of people besides the database: indexes, exports, logs.
    pub also: Vec<PathBuf>,
}

/// Makes the canary of today, gives it what people have, erases it, and looks for it and those of the
/// last weeks: in every table and in what is kept besides, and for those from before the last purge in
/// every file of the database.
pub async fn fly(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Look, RightsError> {
    let today = now.day();
    if !store::has_canary(&mut keeper.db.read().await?, today).await? {
        release(keeper, rng, now).await?;
    }
    let look = look(keeper, rng, now).await?;
    let mut tx = keeper.db.begin().await?;
    store::note_look(&mut tx, today, &look).await?;
    store::forget_canaries(&mut tx, today.minus(DAYS)).await?;
    tx.commit().await?;
    Ok(look)
}

/// Takes up where an attempt of the same day broke off: what is erased never comes back, a canary
/// neither.
async fn release(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<(), RightsError> {
    let canary = Canary::of(keeper.keys, now);
    if !canary.is_erased_in_part(keeper).await? {
        canary.live(keeper, rng, now).await?;
    }
    canary.end(keeper, rng, now).await?;
    let erased_at = canary.erased_at(keeper).await?.unwrap_or(now);
    let mut tx = keeper.db.begin().await?;
    requests::store::forget_of(&mut tx, &canary.own.app).await?;
    store::add_canary(&mut tx, now.day(), erased_at).await?;
    Ok(tx.commit().await?)
}

async fn look(
    keeper: &Keeper<'_>,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> Result<Look, RightsError> {
    let Keeper { db, keys, .. } = keeper;
    let mut tx = db.read().await?;
    let purged = store::purged_at(&mut tx).await?;
    let all = store::canaries(&mut tx, now.minus(DAYS)).await?;
    drop(tx);
    let files = db.files().await?.len() as u64;
    let (mut old, mut young) = (Remembered::default(), Remembered::default());
    let (canaries, mut in_files) = (all.len() as u64, 0);
    for (day, erased_at) in all {
        let canary = Canary::of(keys, day);
        let mut known = canary.remembered(keys);
        if let Some(token) = canary.token(keeper, rng, now).await? {
            known = known.and_token(&token);
        }
        if erased_at < purged {
            old.extend(known);
            in_files += u64::from(files > 0);
        } else {
            young.extend(known);
        }
    }
    let mut found: Vec<Trace> = traces::search(db, &old).await?;
    let of_young = traces::search_tables(db, &young).await?;
    found.extend(of_young.into_iter().filter(|trace| trace.place != MARK));
    old.extend(young);
    let beside = traces::search_beside(&old, keeper.also.clone(), NIGHT).await?;
    found.extend(beside.traces);
    let unread = beside.unread.len() as u64;
    // A place names a table's column or a file, and nobody.
    for Trace { place, what, times } in &found {
        tracing::error!(place, what, times, "an erased canary left a trace");
    }
    Ok(Look { at: now, canaries, in_files, files, unread, found: found.len() as u64 })
}

/// What the last look found, if there was one.
pub async fn last(tx: &mut Tx) -> db::Result<Option<Look>> {
    store::last_look(tx).await
}

/// When the last purge began that was complete, if there was one, and since when the oldest canary waits
/// for one.
pub async fn purges(tx: &mut Tx) -> db::Result<(Option<Timestamp>, Option<Timestamp>)> {
    let purged = store::purged_at(tx).await?;
    let waiting = store::waiting_since(tx).await?;
    Ok(((purged.micros() > 0).then_some(purged), waiting))
}

#[cfg(test)]
mod tests;
