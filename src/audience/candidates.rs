//! Who could be on a list, as the bitmaps see it. Proposals only: everybody proposed is verified from
//! ledger entries before a row is written.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::thread;

use roaring::{MultiOps as _, RoaringBitmap};
use volens_privacy::keys::KeyRing;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AppId, BusinessId, RecipientId, SubjectId, Timestamp};

use super::filter::{Asked, Filter, Past};
use super::holdout::Coins;
use super::store;
use super::waterfall::{Exclusion, Waterfall};
use crate::db::{self, Tx};
use crate::ids::CampaignId;
use crate::relevance::Table;

/// Fewer rows are not worth a thread.
const PART_MIN: usize = 4096;

/// Who is left, and where the others went.
pub struct Narrowed {
    /// Rows of the table that may be proposed for the list.
    pub candidates: RoaringBitmap,
    /// Rows kept aside at random.
    pub kept_aside: RoaringBitmap,
    /// The counts so far.
    pub waterfall: Waterfall,
}

/// What narrows.
pub struct Narrowing {
    /// For which campaign: the coin of the holdout is its own.
    pub campaign: CampaignId,
    /// The app the message is delivered in.
    pub app: AppId,
    /// What the business asked for.
    pub wanted: Wanted,
    /// Who said stop to the business.
    pub stops: Stops,
    /// Share kept aside.
    pub holdout: f64,
}

impl Narrowing {
    /// Set algebra over the table, each exclusion counted.
    pub fn apply(&self, table: &Table, keys: &KeyRing) -> Narrowed {
        let accounts = table.of_app(&self.app);
        let mut left = Left { rows: accounts.clone(), waterfall: Waterfall::of(accounts.len()) };
        left.remove(table.objecting(), Exclusion::Objected);
        left.keep(table.live(PurposeKind::BusinessMessages), Exclusion::NoMessagesConsent);
        left.keep(table.live(PurposeKind::Relevance), Exclusion::NoRelevanceConsent);
        left.keep(&table.old_enough(), Exclusion::Underage);
        left.remove(table.frozen(), Exclusion::Frozen);
        if let Some(wanted) = self.wanted.rows(table, &left.rows) {
            left.keep(&wanted, Exclusion::Filtered);
        }
        left.remove(&self.stops.among(&left.rows, table, keys), Exclusion::Stopped);
        let coins = Coins::of_holdout(keys, self.campaign);
        let falls = |row| table.subject(row).is_some_and(|of| coins.of(of) < self.holdout);
        let kept_aside = those(&left.rows, falls);
        left.remove(&kept_aside, Exclusion::HeldOut);
        Narrowed { candidates: left.rows, kept_aside, waterfall: left.waterfall }
    }
}

/// Whom a business asked for, with what that is held against.
pub struct Wanted {
    filter: Filter,
    business: BusinessId,
    past: Past,
    now: Timestamp,
}

impl Wanted {
    /// Reads who was part of the campaigns that the filter asks about.
    pub async fn read(
        tx: &mut Tx,
        business: BusinessId,
        filter: Filter,
        now: Timestamp,
    ) -> db::Result<Self> {
        let mut past = Past::new();
        for (part, of) in filter.campaigns() {
            let people = store::part_of(tx, business, part, &of).await?;
            past.insert((part, of), people);
        }
        Ok(Self { filter, business, past, now })
    }

    /// Those of `within` that were asked for; nothing where that is everybody.
    fn rows(&self, table: &Table, within: &RoaringBitmap) -> Option<RoaringBitmap> {
        let asked = Asked { business: self.business, past: &self.past, now: self.now };
        (!self.filter.is_empty()).then(|| self.filter.rows(table, &asked, within))
    }
}

struct Left {
    rows: RoaringBitmap,
    waterfall: Waterfall,
}

impl Left {
    fn keep(&mut self, rows: &RoaringBitmap, reason: Exclusion) {
        let before = self.rows.len();
        self.rows &= rows;
        self.waterfall.exclude(reason, before - self.rows.len());
    }

    fn remove(&mut self, rows: &RoaringBitmap, reason: Exclusion) {
        let before = self.rows.len();
        self.rows -= rows;
        self.waterfall.exclude(reason, before - self.rows.len());
    }
}

/// Who said stop to a business.
pub struct Stops {
    business: BusinessId,
    accounts: Vec<SubjectId>,
    /// Said when the row was gone that would have told which account it was.
    recipients: BTreeSet<RecipientId>,
}

impl Stops {
    /// All of them.
    pub async fn read(tx: &mut Tx, business: BusinessId) -> db::Result<Self> {
        let accounts = store::stops(tx, business).await?;
        let recipients = store::stopped_recipients(tx, business).await?;
        Ok(Self { business, accounts, recipients })
    }

    fn among(&self, rows: &RoaringBitmap, table: &Table, keys: &KeyRing) -> RoaringBitmap {
        let mut stopped: RoaringBitmap =
            self.accounts.iter().filter_map(|subject| table.row(*subject)).collect();
        if !self.recipients.is_empty() {
            let recipients = keys.recipients(self.business);
            let recipient = |row| Some(recipients.id(table.subject(row)?));
            let said = |row| recipient(row).is_some_and(|of| self.recipients.contains(&of));
            stopped |= those(rows, said);
        }
        stopped
    }
}

/// Those of `rows` that a test holds for. The test is a keyed hash of each of a million rows, so all
/// processors take part; the answer is the same for any number of them.
fn those(rows: &RoaringBitmap, holds: impl Fn(u32) -> bool + Sync) -> RoaringBitmap {
    let rows: Vec<u32> = rows.iter().collect();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let part = rows.len().div_ceil(threads).max(PART_MIN);
    let test = |rows: &[u32]| rows.iter().copied().filter(|row| holds(*row)).collect();
    thread::scope(|scope| {
        let parts: Vec<_> = rows.chunks(part).map(|rows| scope.spawn(move || test(rows))).collect();
        let found = parts.into_iter().map(|part| -> RoaringBitmap {
            part.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        });
        found.union()
    })
}

/// How many are proposed for `wanted` places: some fail the verification, and exact scores, with
/// what other apps lend, differ from those of the scan.
pub fn depth(wanted: usize) -> usize {
    wanted + wanted / 4 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts that are not full, that end where a container of the bitmap does, and none at all.
    #[test]
    fn what_all_processors_find_is_what_one_finds() {
        for count in [0, 1, PART_MIN, 2 * PART_MIN + 1, 65_536, 200_001_usize] {
            let rows: RoaringBitmap = (0..3 * count as u32).step_by(3).collect();
            let holds = |row: u32| row.wrapping_mul(2_654_435_761) >> 31 == 0;
            let alone: RoaringBitmap = rows.iter().filter(|row| holds(*row)).collect();
            assert_eq!(those(&rows, holds), alone, "of {count}");
        }
    }
}
