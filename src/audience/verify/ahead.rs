//! Verifying before the transaction that writes: opening records takes most of the time, and need not be
//! done while everybody else waits for the writer.

use std::ops::Range;

use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::Verified;
use crate::accounts::{self, suppression};
use crate::audience::Result;
use crate::consent;
use crate::db::Tx;
use crate::ledger;

/// Verified consents that a transaction is to rest on which was not begun yet.
pub struct Ahead {
    asked: Vec<SubjectId>,
    verified: Verified,
    /// Entries that the ledger had.
    size: u64,
    /// Those of them whose consents counted.
    counting: Range<u64>,
}

impl Ahead {
    /// Reads and verifies, as [`Verified::read`] does.
    pub async fn read(
        tx: &mut Tx,
        keys: &KeyRing,
        asked: Vec<SubjectId>,
        now: Timestamp,
    ) -> Result<Self> {
        let size = ledger::size(tx).await?;
        let counting = consent::counting(tx).await?;
        let verified = Verified::read(tx, keys, asked.iter().copied(), now).await?;
        Ok(Self { asked, verified, size, counting })
    }

    /// What is true in this transaction. Whoever decided anything since, and whoever is linked with
    /// somebody, is verified anew in it; of the others everything but the entries is read again.
    pub async fn settle(self, tx: &mut Tx, keys: &KeyRing, now: Timestamp) -> Result<Verified> {
        let Self { asked, mut verified, size, counting } = self;
        // A loss that was noted since holds consents back about which nobody decided.
        if consent::counting(tx).await?.start != counting.start {
            return Verified::read(tx, keys, asked, now).await;
        }
        let decided = consent::decided(tx, &asked, size).await?;
        let changed = |of: &SubjectId| decided.contains(of) || verified.links.contains_key(of);
        let (anew, kept): (Vec<SubjectId>, Vec<SubjectId>) = asked.into_iter().partition(changed);
        let mut settled = Verified::read(tx, keys, anew, now).await?;
        settled.accounts.extend(accounts::find(tx, &kept).await?);
        settled.objecting.extend(suppression::objecting(tx, keys, &kept).await?);
        for of in kept {
            if let Some(consents) = verified.consents.remove(&of) {
                settled.consents.insert(of, consents);
            }
        }
        Ok(settled)
    }
}
