//! What the database has lost: it is older than the checkpoint that is kept beside the key ring.
//!
//! Whoever took a consent back or objected in the time that is missing is not on record as having done
//! so. So no consent from before the loss permits anything until somebody who knows has settled it.
//! What is given after it counts, and so does all that takes back, whenever it was recorded.

use std::ops::Range;

use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{Leaf, LeafKind, LogVerifier};

use super::store;
use crate::db::{self, Db, Tx};
use crate::ledger::{self, Kept, KeptError, LedgerError};

/// A loss that nobody has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lost {
    /// Entries that the checkpoint outside the database knows of.
    pub known: u64,
    /// Entries there were when it was found: consents from before permit nothing.
    pub since: u64,
}

/// The loss that nobody has settled, if there is one.
pub async fn lost(tx: &mut Tx) -> db::Result<Option<Lost>> {
    store::lost(tx).await
}

/// The ledger indexes whose consents count: none from before a loss, none that waits for witnesses.
pub async fn counting(tx: &mut Tx) -> Result<Range<u64>, LedgerError> {
    let since = lost(tx).await?.map_or(0, |lost| lost.since);
    Ok(since..ledger::confirmed(tx).await?)
}

/// Notes that entries are missing of the `known` that there were, and holds back every consent that is
/// on record now. Noted before, it is left as it is.
pub async fn note_lost(tx: &mut Tx, known: u64) -> Result<(), LedgerError> {
    // A consent that is being recorded is held back too, or comes after.
    ledger::hold(tx).await?;
    if store::lost(tx).await?.is_some_and(|lost| lost.known == known) {
        return Ok(());
    }
    let since = ledger::size(tx).await?;
    store::note_lost(tx, Lost { known, since }).await?;
    Ok(())
}

/// Somebody has seen to it that what was taken back in the missing time is on record again: consents
/// from before count from now on. The entry says so; nothing when nothing is held back.
pub async fn settle_lost(
    tx: &mut Tx,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<Option<(Lost, u64)>, LedgerError> {
    ledger::hold(tx).await?;
    let Some(lost) = store::lost(tx).await? else { return Ok(None) };
    store::forget_lost(tx).await?;
    let detail = serde_json::json!({ "known": lost.known, "since": lost.since });
    let leaf = Leaf::new(LeafKind::LossSettled, now).with_detail(detail);
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    Ok(Some((lost, appended.first)))
}

/// Keeps the ledger's head outside the database, and holds consents back when the ledger is not the one
/// that was kept.
///
/// # Errors
/// [`KeptError::Forgotten`] then, each time: it is for somebody to look at.
pub async fn keep_head(db: &Db, kept: &Kept, log: &LogVerifier) -> Result<u64, KeptError> {
    let done = kept.keep(&mut db.read().await.map_err(LedgerError::from)?, log).await;
    if let Err(KeptError::Forgotten { kept: known, .. }) = &done {
        let mut tx = db.begin().await.map_err(LedgerError::from)?;
        note_lost(&mut tx, *known).await?;
        tx.commit().await.map_err(LedgerError::from)?;
    }
    done
}

/// Looks whether the database is older than what is kept outside, before anybody is served from it. One
/// that is not is left to [`keep_head`], which one process does at a time.
pub async fn look_for_loss(db: &Db, kept: &Kept, log: &LogVerifier) -> Result<(), KeptError> {
    let Some(note) = kept.read()? else { return Ok(()) };
    let size = ledger::size(&mut db.read().await.map_err(LedgerError::from)?).await?;
    match log.verify(&note) {
        Ok(known) if known.entries() > size => keep_head(db, kept, log).await.map(drop),
        // What is no checkpoint of this log is said by the sweep.
        _ => Ok(()),
    }
}
