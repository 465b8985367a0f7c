//! I-3 and I-7: every use of a consent that is on record names the person's own consent for just that,
//! and none that had been taken back before.

use volens_privacy::consent::{Decision, Entry};
use volens_privacy::{ConsentRecord, PurposeKind, SubjectId};

use super::{Everybody, Finding, Look, records, store};
use crate::audit::AuditError;

/// Accounts whose records are opened together.
const ACCOUNTS: u32 = 256;

/// A consent that a score, a row of a list or a loan over a link names.
pub(super) struct Use {
    /// Whose consent.
    pub(super) owner: SubjectId,
    /// What it has to be for.
    pub(super) purpose: PurposeKind,
    /// With which other app; empty but for linking.
    pub(super) peer: String,
    /// The ledger entry that is named.
    pub(super) entry: u64,
    /// The entry by which the list was sealed, if it is.
    pub(super) sealed: Option<u64>,
}

impl Use {
    fn is_about(&self, record: &ConsentRecord) -> bool {
        let peer = record.peer.as_ref().map(ToString::to_string).unwrap_or_default();
        record.purpose == self.purpose && peer == self.peer
    }
}

/// By the order of the ledger, whatever the tables say now: a consent that was taken back before a list
/// was sealed is no reason to be on it, also when the person has agreed anew since.
pub(super) async fn before_its_end(look: &mut Look<'_>) -> Result<(), AuditError> {
    walk(look, |used, history| {
        let until = used.sealed.unwrap_or(u64::MAX);
        let ended = history.iter().any(|entry| {
            (used.entry..until).contains(&entry.index)
                && entry.record.decision != Decision::Given
                && used.is_about(&entry.record)
        });
        ended.then_some("use.after_its_end")
    })
    .await
}

/// The entry named is a consent, of this person, for this purpose and with this app.
pub(super) async fn for_its_purpose(look: &mut Look<'_>) -> Result<(), AuditError> {
    walk(look, |used, history| {
        let own = history.iter().any(|entry| {
            entry.index == used.entry
                && entry.record.decision == Decision::Given
                && used.is_about(&entry.record)
        });
        (!own).then_some("use.not_consented")
    })
    .await
}

/// Holds every use against the records of whose consent it is. Records that do not open are another
/// invariant's matter (I-6).
async fn walk(
    look: &mut Look<'_>,
    judge: fn(&Use, &[Entry]) -> Option<&'static str>,
) -> Result<(), AuditError> {
    let mut everybody = Everybody::by(ACCOUNTS);
    while let Some(page) = everybody.next(look.tx).await? {
        let uses = store::uses(look.tx, &page).await?;
        let mut owners: Vec<SubjectId> = uses.iter().map(|used| used.owner).collect();
        owners.sort_unstable();
        owners.dedup();
        let histories = records::histories(look, &owners).await?;
        for used in &uses {
            let Some(Some(history)) = histories.get(&used.owner) else { continue };
            look.looked(1);
            if let Some(code) = judge(used, history) {
                look.found(Finding::new(code).of(used.owner).entry(used.entry));
            }
        }
    }
    Ok(())
}
