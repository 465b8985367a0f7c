//! I-6: the ledger, the records that its entries commit to and the grants say the same.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use volens_privacy::SubjectId;
use volens_privacy::consent::{Decision, Entry};
use volens_privacy::ledger::{Leaf, LeafKind};

use super::{EXAMPLES, Everybody, Finding, Look};
use crate::audit::AuditError;
use crate::consent::{self, Grant};
use crate::ledger;

/// Entries looked at together.
const ENTRIES: u64 = 2048;
/// Accounts whose records are opened together.
const ACCOUNTS: u32 = 256;

/// Both directions: from entries to records, and from accounts to entries.
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let size = ledger::size(look.tx).await?;
    let mut missing = Missing::default();
    let mut from = 0;
    while from < size {
        let to = size.min(from + ENTRIES);
        entries(look, &mut missing, from, to).await?;
        look.progress(to, size);
        from = to;
    }
    missing.judge(look);
    let mut everybody = Everybody::by(ACCOUNTS);
    while let Some(page) = everybody.next(look.tx).await? {
        of_accounts(look, &page).await?;
    }
    Ok(())
}

/// Entries about consent that have no record. Only the records of erased accounts may be missing, and
/// exactly as many as their entries say (GDPR Art. 17).
#[derive(Default)]
struct Missing {
    entries: u64,
    erased: u64,
    examples: Vec<u64>,
}

impl Missing {
    fn note(&mut self, entry: u64) {
        self.entries += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(entry);
        }
    }

    fn erase(&mut self, leaf: &Leaf) {
        let detail = leaf.detail().filter(|_| leaf.kind() == LeafKind::AccountErased);
        let records = detail.and_then(|detail| detail.get("records"));
        self.erased += records.and_then(serde_json::Value::as_u64).unwrap_or_default();
    }

    /// Which of the missing ones are too many cannot be told when some may be missing.
    fn judge(&self, look: &mut Look<'_>) {
        let surplus = self.entries.saturating_sub(self.erased);
        if self.erased == 0 {
            for entry in &self.examples {
                look.found(Finding::new("entry.record_missing").entry(*entry));
            }
            look.more(surplus - self.examples.len() as u64);
        } else if surplus > 0 {
            look.found(Finding::new("entry.record_missing"));
            look.more(surplus - 1);
        }
        if self.erased > self.entries {
            look.found(Finding::new("erasure.records_remain"));
            look.more(self.erased - self.entries - 1);
        }
    }
}

fn is_decision(kind: LeafKind) -> bool {
    Decision::ALL.into_iter().any(|decision| decision.leaf_kind() == kind)
}

/// Every entry about a consent has one record, unless it went with its account, and no other entry has
/// any. Without this a record could be deleted and with it a withdrawal.
async fn entries(
    look: &mut Look<'_>,
    missing: &mut Missing,
    from: u64,
    to: u64,
) -> Result<(), AuditError> {
    let mut recorded: BTreeMap<u64, u64> = BTreeMap::new();
    for entry in consent::recorded(look.tx, from, to).await? {
        *recorded.entry(entry).or_default() += 1;
    }
    for (index, bytes) in ledger::entries(look.tx, from, to).await? {
        let records = recorded.remove(&index).unwrap_or_default();
        let Ok(leaf) = Leaf::parse(&bytes) else { continue };
        let decision = is_decision(leaf.kind());
        look.looked(u64::from(decision));
        missing.erase(&leaf);
        match records.cmp(&u64::from(decision)) {
            Ordering::Less => missing.note(index),
            Ordering::Equal => {}
            Ordering::Greater => look.found(Finding::new("entry.record_surplus").entry(index)),
        }
    }
    for (index, records) in recorded {
        look.found(Finding::new("record.entry_missing").entry(index));
        look.more(records - 1);
    }
    Ok(())
}

/// Opens the records of these accounts and compares them with their entries, and the live grants with
/// the last decision about the same thing.
async fn of_accounts(look: &mut Look<'_>, page: &[SubjectId]) -> Result<(), AuditError> {
    let grants = consent::grants_of(look.tx, page).await?;
    let histories = histories(look, page).await?;
    for subject in page {
        if histories.get(subject).is_some_and(Option::is_none) {
            look.found(Finding::new("account.unverifiable").of(*subject));
        }
    }
    for grant in grants.iter().filter(|grant| grant.state == Decision::Given) {
        look.looked(1);
        let verified = match histories.get(&grant.subject) {
            // Said above.
            Some(None) => continue,
            Some(Some(history)) => rests_on_its_entry(grant, history),
            None => false,
        };
        if !verified {
            let finding = Finding::new("grant.not_on_record").of(grant.subject);
            look.found(finding.entry(grant.entry));
        }
    }
    Ok(())
}

/// The decisions of these accounts; nothing for one whose records do not open or do not match. An
/// account whose key is gone is missing: nobody can open its records, and it has no live grants.
pub(super) async fn histories(
    look: &mut Look<'_>,
    page: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Option<Vec<Entry>>>, AuditError> {
    match consent::histories_of(look.tx, look.keys, page).await {
        Ok(histories) => return Ok(histories),
        Err(error) if error.is_damage() => {}
        Err(error) => return Err(error.into()),
    }
    // One key of the page does not unwrap: find out whose.
    let mut histories = BTreeMap::new();
    for subject in page {
        match consent::histories_of(look.tx, look.keys, &[*subject]).await {
            Ok(one) => histories.extend(one),
            Err(error) if error.is_damage() => drop(histories.insert(*subject, None)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(histories)
}

/// Whether the last decision about what the grant is about was to give it, in the entry it names.
fn rests_on_its_entry(grant: &Grant, history: &[Entry]) -> bool {
    let about =
        |entry: &&Entry| entry.record.purpose == grant.purpose && entry.record.peer == grant.peer;
    history.iter().rev().find(about).is_some_and(|entry| {
        entry.index == grant.entry
            && entry.record.decision == Decision::Given
            && entry.record.app == grant.app
    })
}
