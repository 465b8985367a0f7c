//! The rows of a list in replay: each against the entries that it names, then and now.

use std::collections::BTreeMap;

use volens_privacy::consent::Decision;
use volens_privacy::purpose::{BusinessMessages, CrossAppLinking, Purpose, Relevance};
use volens_privacy::{
    AgeBand, AppId, Consents, DataKey, Entry, KeyRing, Refusal, SubjectId, Timestamp,
};

use super::{PAGE, Progress, Replay};
use crate::audience::Result;
use crate::audience::request::{List, Sealing};
use crate::audience::seal::{RowsTree, six_decimals};
use crate::audience::store::{self, StoredRow};
use crate::audience::variants::{self, Draw};
use crate::db::Tx;
use crate::{accounts, consent};

/// The rows of one list in replay.
pub(super) struct Rows<'a> {
    pub(super) keys: &'a KeyRing,
    pub(super) list: &'a List,
    pub(super) sealing: &'a Sealing,
    pub(super) app: &'a AppId,
    pub(super) tree: RowsTree,
    /// What variants can have been drawn from: nothing where the campaign has one text.
    pub(super) draws: Vec<Draw>,
    pub(super) now: Timestamp,
}

/// The consents of a batch, as they were when the list was sealed and as they are.
struct Then {
    past: BTreeMap<SubjectId, Consents>,
    present: BTreeMap<SubjectId, Consents>,
}

impl Rows<'_> {
    /// Replays all rows that are there; answers how many.
    pub(super) async fn replay(
        &self,
        tx: &mut Tx,
        found: &mut Replay,
        progress: Progress<'_>,
    ) -> Result<u64> {
        let of = (self.list.business, self.list.id);
        let (mut after, mut present, mut before) = (0, 0, f64::INFINITY);
        loop {
            let rows = store::page(tx, of, after, PAGE).await?;
            let Some(last) = rows.last() else { return Ok(present) };
            after = last.rank;
            present += rows.len() as u64;
            let then = self.consents(tx, &rows).await?;
            for row in &rows {
                let place = self.sealing.by().place(row.score, row.uplift, row.risk);
                if place > before {
                    found.deny(Some(row.rank), "row.out_of_order");
                }
                before = place;
                match self.check(row, &then) {
                    Ok(lapsed) => {
                        found.rows_confirmed += 1;
                        found.rows_lapsed += u64::from(lapsed);
                    }
                    Err(code) => found.deny(Some(row.rank), code),
                }
            }
            progress(found.ledger_size_now + present, found.ledger_size_now + self.sealing.rows);
        }
    }

    async fn consents(&self, tx: &mut Tx, rows: &[StoredRow]) -> Result<Then> {
        let subjects = rows.iter().flat_map(|row| {
            std::iter::once(row.subject).chain(row.loans.iter().map(|loan| loan.lender))
        });
        let subjects: Vec<SubjectId> = subjects.collect();
        let present = consent::consents_of(tx, self.keys, &subjects).await?;
        let data_keys = accounts::data_keys(tx, self.keys, &subjects).await?;
        let past = present.iter().filter_map(|(subject, consents)| {
            Some((*subject, self.as_sealed(consents, data_keys.get(subject)?)?))
        });
        Ok(Then { past: past.collect(), present })
    }

    /// What the entries up to the list's checkpoint say.
    fn as_sealed(&self, consents: &Consents, key: &DataKey) -> Option<Consents> {
        let size = self.sealing.checkpoint_size;
        let entries = consents.history().iter().filter(|entry| entry.index < size).cloned();
        // Age is no part of the ledger; the present age is checked with the present consents.
        Consents::replay(consents.subject(), AgeBand::Unknown, key, entries.collect()).ok()
    }

    /// Whether the row holds; and if so, whether a consent has run out since.
    fn check(&self, row: &StoredRow, then: &Then) -> Result<bool, &'static str> {
        if self.keys.recipient(self.list.business, row.subject) != row.recipient {
            return Err("row.recipient");
        }
        let drawn = six_decimals(self.list.propensity());
        if row.propensity.is_some_and(|said| said.total_cmp(&drawn).is_ne()) {
            return Err("row.not_drawn_so");
        }
        if !self.is_assigned_so(row) {
            return Err("row.not_assigned_so");
        }
        if self.tree.leaf(row.rank) != Some(row.sealed_leaf(self.list.id)) {
            return Err("row.not_sealed_so");
        }
        self.check_then(row, then)?;
        match self.check_now(row, then) {
            Ok(()) => Ok(false),
            Err(Refusal::Expired) => Ok(true),
            Err(_) => Err("row.outlived_consent"),
        }
    }

    /// Whether the coin gives this person this variant, in this list or in an earlier one of the campaign.
    fn is_assigned_so(&self, row: &StoredRow) -> bool {
        let Some(said) = row.variant else { return self.sealing.variants.is_none() };
        let campaign = self.list.campaign;
        let coin = variants::coins(self.keys, campaign).of(row.subject);
        let coin = |draw: &Draw| draw.assign(coin);
        self.draws.iter().any(|draw| coin(draw) == Some(said))
    }

    /// Every entry the row names was the one that permitted it.
    fn check_then(&self, row: &StoredRow, then: &Then) -> Result<(), &'static str> {
        let built = (self.list.created_at, self.sealing.at);
        let of = |subject| then.past.get(&subject).ok_or("account.unverifiable");
        let own = of(row.subject)?;
        permitted::<BusinessMessages>(own, (), row.messages_entry, built)?;
        permitted::<Relevance>(own, (), row.relevance_entry, built)?;
        for loan in &row.loans {
            let lender = of(loan.lender)?;
            permitted::<CrossAppLinking>(own, loan.peer.clone(), loan.own_entry, built)?;
            permitted::<CrossAppLinking>(lender, self.app.clone(), loan.lender_entry, built)?;
            permitted::<Relevance>(lender, (), loan.relevance_entry, built)?;
        }
        Ok(())
    }

    /// The row is still there, so nothing it rests on may have been taken back.
    fn check_now(&self, row: &StoredRow, then: &Then) -> Result<(), Refusal> {
        let of = |subject| then.present.get(&subject).ok_or(Refusal::Absent);
        let own = of(row.subject)?;
        own.permit::<BusinessMessages>((), self.now).map(drop)?;
        own.permit::<Relevance>((), self.now).map(drop)?;
        for loan in &row.loans {
            let lender = of(loan.lender)?;
            own.permit::<CrossAppLinking>(loan.peer.clone(), self.now).map(drop)?;
            lender.permit::<CrossAppLinking>(self.app.clone(), self.now).map(drop)?;
            lender.permit::<Relevance>((), self.now).map(drop)?;
        }
        Ok(())
    }
}

/// The entry that a row names permitted it when it was written, and nothing has ended the consent until
/// the list was sealed.
///
/// A list is written row by row and sealed at the end. Whoever renewed a consent in between is on it by
/// the entry before: one that only renewals followed, the first of them while the list was being built.
fn permitted<P: Purpose>(
    of: &Consents,
    scope: P::Scope,
    named: u64,
    (started, sealed): (Timestamp, Timestamp),
) -> Result<(), &'static str> {
    let permit = of.permit::<P>(scope, sealed).map_err(Refusal::code)?;
    if permit.entry() == named {
        return Ok(());
    }
    let about = |entry: &&Entry| {
        entry.record.purpose == P::KIND && entry.record.peer.as_ref() == permit.peer()
    };
    let given = |entry: &Entry| entry.record.decision == Decision::Given;
    let mut since = of.history().iter().filter(about).skip_while(|entry| entry.index != named);
    let lasted = |first: &Entry| given(first) && first.record.ends_at() > started;
    let renewed = |next: &Entry| given(next) && next.record.recorded_at >= started;
    let holds =
        since.next().is_some_and(lasted) && since.next().is_some_and(renewed) && since.all(given);
    if holds { Ok(()) } else { Err("row.entry") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use volens_privacy::PurposeKind;

    use super::*;
    use crate::clock::Clock as _;
    use crate::db::testing::FreshSqlite;
    use crate::testing::World;

    #[tokio::test]
    async fn only_what_was_renewed_while_the_list_was_built_is_named_by_the_entry_before() {
        let world = World::new(FreshSqlite::create().open().await).await;
        let anna = world.account("messenger", "anna").await;
        let purpose = PurposeKind::BusinessMessages;
        let hour = Duration::from_hours(1);
        let mut entries = Vec::new();
        let mut times = Vec::new();
        for _ in 0..3 {
            entries.push(world.give("messenger", "anna", purpose).await);
            times.push(world.clock.now());
            world.clock.advance(hour);
        }
        let sealed = world.clock.now();
        let consents = world.consents_of(anna).await.expect("verified");
        let holds = |named: usize, started: Timestamp| {
            permitted::<BusinessMessages>(&consents, (), entries[named], (started, sealed)).is_ok()
        };
        assert!(holds(2, times[2]), "the consent that stands");
        assert!(holds(0, times[1]) && holds(1, times[1]), "both were renewed meanwhile");
        let after = times[1].plus(Duration::from_mins(1));
        assert!(!holds(0, after), "it was renewed before the list was asked for");
        assert!(holds(1, after));

        world.withdraw("messenger", "anna", purpose, None).await.expect("ends");
        world.clock.advance(hour);
        world.give("messenger", "anna", purpose).await;
        let consents = world.consents_of(anna).await.expect("verified");
        let built = (times[2], world.clock.now());
        let ended = permitted::<BusinessMessages>(&consents, (), entries[2], built);
        assert_eq!(ended, Err("row.entry"), "it was taken back in between");
    }
}
