//! I-13: who said no is left alone for as long as the law says.

use std::collections::BTreeMap;

use volens_privacy::PurposeKind;
use volens_privacy::consent::{Decision, Entry};
use volens_privacy::identity::AppId;
use volens_privacy::parties::Parties;

use super::{Everybody, Finding, Look, records};
use crate::audit::AuditError;
use crate::consent;

/// Accounts whose records are opened together.
const ACCOUNTS: u32 = 256;

/// Every request for consent that an app reported, against the decisions before it. Records that do not
/// open are another invariant's matter (I-6).
pub(super) async fn check(look: &mut Look<'_>) -> Result<(), AuditError> {
    let parties = consent::parties_at(look.tx, look.now).await?.map(|found| found.parties);
    let mut everybody = Everybody::by(ACCOUNTS);
    while let Some(page) = everybody.next(look.tx).await? {
        let histories = records::histories(look, &page).await?;
        for (subject, history) in histories {
            let Some(history) = history else { continue };
            look.looked(history.iter().filter(|entry| asked(entry).is_some()).count() as u64);
            for entry in too_early(&history, parties.as_ref()) {
                look.found(Finding::new("consent.asked_too_early").of(subject).entry(entry));
            }
        }
    }
    Ok(())
}

fn asked(entry: &Entry) -> Option<volens_privacy::Timestamp> {
    entry.record.requested_at
}

/// Entries whose request came within the time that a no before it gives.
fn too_early(history: &[Entry], parties: Option<&Parties>) -> Vec<u64> {
    let mut noes: BTreeMap<(PurposeKind, Option<&AppId>), volens_privacy::Timestamp> =
        BTreeMap::new();
    let mut found = Vec::new();
    for entry in history {
        let record = &entry.record;
        let about = (record.purpose, record.peer.as_ref());
        let gatekeeper = parties.is_some_and(|parties| parties.is_gatekeeper(&record.app));
        let again = record.purpose.definition().ask_again_after(gatekeeper);
        let early = asked(entry)
            .zip(noes.get(&about))
            .is_some_and(|(asked, no)| *no <= asked && asked < no.plus(again));
        if early {
            found.push(entry.index);
        }
        if matches!(record.decision, Decision::Refused | Decision::Withdrawn) {
            let no = noes.entry(about).or_insert_with(|| record.effective_at());
            *no = (*no).max(record.effective_at());
        }
    }
    found
}
