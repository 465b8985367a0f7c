//! Who could be on a list, as the bitmaps see it. Proposals only: everybody proposed is verified from
//! ledger entries before a row is written.

use std::collections::BTreeSet;

use roaring::RoaringBitmap;
use volens_privacy::keys::KeyRing;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AppId, BusinessId, RecipientId, SubjectId};

use super::filter::Filter;
use super::waterfall::{Exclusion, Waterfall};
use super::{holdout, store};
use crate::db::{self, Tx};
use crate::ids::CampaignId;
use crate::relevance::Table;

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
    pub filter: Filter,
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
        for wanted in self.wanted(table) {
            left.keep(&wanted, Exclusion::Filtered);
        }
        left.remove(&self.stops.among(&left.rows, table, keys), Exclusion::Stopped);
        let kept_aside: RoaringBitmap = left
            .rows
            .iter()
            .filter(|row| {
                let subject = table.subject(*row);
                subject.is_some_and(|of| holdout::kept_aside(keys, self.campaign, of, self.holdout))
            })
            .collect();
        left.remove(&kept_aside, Exclusion::HeldOut);
        Narrowed { candidates: left.rows, kept_aside, waterfall: left.waterfall }
    }

    /// One bitmap per field that narrows: the union of its values.
    fn wanted(&self, table: &Table) -> Vec<RoaringBitmap> {
        let filter = &self.filter;
        let fields: [Vec<&RoaringBitmap>; 4] = [
            filter.languages.iter().map(|code| table.speaking(code)).collect(),
            filter.countries.iter().map(|code| table.in_country(code)).collect(),
            filter.age_bands.iter().map(|band| table.aged(*band)).collect(),
            filter.topics.iter().map(|topic| table.interested_in(topic.as_str())).collect(),
        ];
        let narrowing = fields.into_iter().filter(|values| !values.is_empty());
        narrowing
            .map(|values| values.into_iter().fold(RoaringBitmap::new(), |all, rows| all | rows))
            .collect()
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
            let recipient = |row| Some(keys.recipient(self.business, table.subject(row)?));
            let said = |row: &u32| recipient(*row).is_some_and(|of| self.recipients.contains(&of));
            stopped.extend(rows.iter().filter(said));
        }
        stopped
    }
}

/// How many are proposed for `wanted` places: some fail the verification, and exact scores, with
/// what other apps lend, differ from those of the scan.
pub fn depth(wanted: usize) -> usize {
    wanted + wanted / 4 + 64
}
