//! Keeps the [`Table`] in step with the database: whatever changed since the last look is read
//! again, never everybody.
//!
//! Filling an empty table is the same as refreshing it from the beginning, so a table that was
//! refreshed and one that was built from scratch cannot differ by construction but for the deltas;
//! a property test looks for the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use tokio::sync::Mutex;
use volens_privacy::{KeyRing, PurposeKind, SubjectId};

use super::standing::Standing;
use super::store::{self, Delta};
use super::table::{Known, Table};
use super::{RelevanceError, Result};
use crate::accounts;
use crate::db::{self, Db, Tx};
use crate::signals::{self, DayCounts};

/// Accounts read again at a time.
const PAGE: usize = 4096;

/// The shared table of all accounts. Cheap to clone.
#[derive(Clone, Default)]
pub struct Columns {
    table: Arc<RwLock<Table>>,
    /// The change up to which the table is complete. Held while refreshing: one at a time.
    seen: Arc<Mutex<i64>>,
}

impl Columns {
    /// The table as of the last refresh. Hold the guard only for one scan: it delays the next
    /// refresh.
    pub fn read(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what was committed since the last refresh. Answers how many accounts were read.
    pub async fn refresh(&self, db: &Db, keys: &KeyRing) -> Result<usize> {
        let mut seen = self.seen.lock().await;
        let mut tx = db.read().await?;
        let latest = db::changes::latest(&mut tx).await?;
        let mut changed = BTreeSet::new();
        if *seen < store::forgotten(&mut tx).await? && *seen > 0 {
            // Somebody is gone whose mark is gone, too: nothing in the table is certain.
            *self.table.write().unwrap_or_else(PoisonError::into_inner) = Table::default();
            *seen = 0;
        }
        if latest > *seen {
            for delta in Delta::ALL {
                changed.extend(store::changed(&mut tx, delta, *seen, latest).await?);
            }
        }
        let changed: Vec<SubjectId> = changed.into_iter().collect();
        for page in changed.chunks(PAGE) {
            let known = known(&mut tx, keys, page).await?;
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            for subject in page {
                table.set(*subject, known.get(subject));
            }
        }
        *seen = latest;
        Ok(changed.len())
    }
}

/// Forgets the marks that removed accounts left for [`Columns`]: the last place with their random ids.
/// Tables that have not seen them all are built anew at their next refresh.
pub async fn forget_removed(tx: &mut Tx) -> Result<u64> {
    let latest = db::changes::latest(tx).await?;
    store::forget_removed(tx, latest).await
}

/// Forgets in which order profiles changed: all get the same number, in short transactions. Whose
/// profiles change in the same hours of the day, in two apps, may be one person; a copy of the database
/// tells that for the hours since the last night only. Every table reads all profiles again at its next
/// refresh.
pub async fn forget_order(db: &Db) -> Result<()> {
    let mut tx = db.begin().await?;
    let latest = db::changes::next(&mut tx).await?;
    tx.commit().await?;
    loop {
        let mut tx = db.begin().await?;
        let leveled = store::level(&mut tx, latest).await?;
        tx.commit().await?;
        if leveled == 0 {
            return Ok(());
        }
    }
}

/// What is known about these accounts now; those that are gone are left out. This is the slow path:
/// what it says is what the table must say.
pub async fn known(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Known>, RelevanceError> {
    let some = |text: String| (!text.is_empty()).then_some(text);
    let mut known: BTreeMap<SubjectId, Known> = BTreeMap::new();
    for (subject, account) in accounts::find(tx, subjects).await? {
        let details = account.details;
        known.insert(
            subject,
            Known {
                app: account.app,
                language: some(details.language),
                country: some(details.country),
                age_band: details.age_band,
                frozen: account.frozen_at.is_some(),
                objects: account.objected_at.is_some(),
                live: Vec::new(),
                standing: None,
                counted: false,
                recent: DayCounts::default(),
            },
        );
    }
    for (subject, purpose, by_day) in store::live(tx, subjects).await? {
        if let Some(known) = known.get_mut(&subject) {
            known.live.push(purpose);
            known.counted |= by_day && purpose == PurposeKind::Relevance;
        }
    }
    for held in known.values_mut() {
        held.live.sort_unstable();
        held.live.dedup();
    }
    for (subject, profile) in signals::profiles(tx, keys, subjects).await? {
        if let Some(known) = known.get_mut(&subject) {
            known.standing = Some(Standing::of(&profile));
            let recent = profile.recent().counts().clone();
            known.recent = recent.without(|topic| profile.denies(topic));
        }
    }
    Ok(known)
}
