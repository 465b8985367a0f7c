//! A batch that is on record: what each command is answered.

use volens_privacy::consent::CommittedRecord;
use volens_privacy::receipt::Receipt;

use super::batch::{Choice, Outcome, driver};
use super::recorder::{Decided, Refused, Replies};
use crate::{db, ledger};

/// The batch after its entries were numbered.
pub(super) struct Written {
    pub(super) pending: Vec<CommittedRecord>,
    pub(super) appended: ledger::Appended,
}

impl Written {
    pub(super) fn replies(
        self,
        outcomes: Vec<Outcome>,
    ) -> db::Result<Vec<Result<Replies, Refused>>> {
        let first = self.appended.first;
        let notes = first + self.pending.len() as u64;
        let mut receipts = Vec::with_capacity(self.pending.len());
        for (committed, index) in self.pending.into_iter().zip(first..) {
            let proof = self.appended.proof(index).map_err(driver)?;
            let checkpoint = &self.appended.checkpoint;
            receipts.push(Some(Receipt::new(committed, index, &proof, checkpoint)));
        }
        let mut decided = |choice: Choice| {
            let (entry, receipt) = match choice.entry {
                Ok(position) => (first + position as u64, receipts[position].take()),
                Err(known) => (known, None),
            };
            let (purpose, peer) = choice.about;
            Decided { purpose, peer, decision: choice.decision, entry, receipt }
        };
        Ok(outcomes
            .into_iter()
            .map(|outcome| match outcome {
                Outcome::Refused(refused) => Err(refused),
                Outcome::Decided(choices) => {
                    Ok(Replies::Decided(choices.into_iter().map(&mut decided).collect()))
                }
                Outcome::Ended(choice, effects) => Ok(Replies::Ended(decided(choice), effects)),
                Outcome::Stopped(choices, effects, entry) => {
                    let entry = entry.map(|entry| match entry {
                        Ok(position) => notes + position as u64,
                        Err(known) => known,
                    });
                    let ended = choices.into_iter().map(&mut decided).collect();
                    Ok(Replies::Stopped { ended, effects, entry })
                }
            })
            .collect())
    }
}
