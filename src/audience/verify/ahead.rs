//! Verifying before the transaction that writes: opening records takes most of the time, and need not be
//! done while everybody else waits for the writer, nor again for whoever was verified to be scored.

use std::collections::BTreeMap;

use volens_privacy::{KeyRing, SubjectId, Timestamp};

use super::Verified;
use crate::accounts::{self, suppression};
use crate::audience::Result;
use crate::consent;
use crate::db::{Db, Tx};
use crate::ledger;

/// Verified consents that a transaction is to rest on which was not begun yet.
pub struct Ahead {
    verified: Verified,
    /// Entries that the ledger had, at least.
    size: u64,
    /// Where the entries began whose consents counted; nothing when that was not the same for all.
    counting: Option<u64>,
}

impl Ahead {
    /// Reads and verifies, as [`Verified::read`] does.
    pub async fn read(
        tx: &mut Tx,
        keys: &KeyRing,
        asked: impl IntoIterator<Item = SubjectId>,
        now: Timestamp,
    ) -> Result<Self> {
        let size = ledger::size(tx).await?;
        let counting = Some(consent::counting(tx).await?.start);
        let verified = Verified::read(tx, keys, asked, now).await?;
        Ok(Self { verified, size, counting })
    }

    /// What was verified, as of then.
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// Of how many people consents are kept.
    pub fn kept(&self) -> usize {
        self.verified.consents.len()
    }

    /// Takes in what has to be kept of another snapshot: from then on all is taken to be as old as the older.
    pub fn join(&mut self, other: Self) {
        self.verified.consents.extend(other.verified.consents);
        self.verified.links.extend(other.verified.links);
        self.size = self.size.min(other.size);
        self.counting = self.counting.filter(|_| self.counting == other.counting);
    }

    /// Verifies those of these people of whom nothing is kept.
    pub async fn complete(
        &mut self,
        db: &Db,
        keys: &KeyRing,
        asked: &[SubjectId],
        now: Timestamp,
    ) -> Result<()> {
        let is_missing = |of: &SubjectId| !self.verified.consents.contains_key(of);
        let missing: Vec<SubjectId> = asked.iter().copied().filter(is_missing).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let mut tx = db.read().await?;
        let read = Self::read(&mut tx, keys, missing, now).await?;
        self.join(read);
        Ok(())
    }

    /// What is true of these in this transaction; their consents are given away with it. Whoever was not
    /// verified or decided anything since, and whoever is linked with somebody, is verified anew in it; of
    /// the others everything but the entries is read again.
    pub async fn settle(
        &mut self,
        tx: &mut Tx,
        keys: &KeyRing,
        asked: Vec<SubjectId>,
        now: Timestamp,
    ) -> Result<Verified> {
        let Self { verified, size, counting } = self;
        // A loss that was noted since holds consents back about which nobody decided.
        if Some(consent::counting(tx).await?.start) != *counting {
            return Verified::read(tx, keys, asked, now).await;
        }
        let decided = consent::decided(tx, &asked, *size).await?;
        let consents = &mut verified.consents;
        let mut kept: BTreeMap<_, _> =
            asked.iter().filter_map(|of| consents.remove_entry(of)).collect();
        kept.retain(|of, _| !decided.contains(of) && !verified.links.contains_key(of));
        let (kept_of, anew): (Vec<SubjectId>, Vec<SubjectId>) =
            asked.into_iter().partition(|of| kept.contains_key(of));
        let mut settled = Verified::read(tx, keys, anew, now).await?;
        settled.accounts.extend(accounts::find(tx, &kept_of).await?);
        settled.objecting.extend(suppression::objecting(tx, keys, &kept_of).await?);
        settled.consents.extend(kept);
        Ok(settled)
    }
}
