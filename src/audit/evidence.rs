//! One file that proves what an account decided, for courts and authorities: made here, checked
//! anywhere.

use std::collections::BTreeMap;

use rand::Rng;
use volens_privacy::evidence::{Shown, evidence};
use volens_privacy::identity::SubjectId;
use volens_privacy::notice::{Notice, Notices};
use volens_privacy::parties::Parties;
use volens_privacy::receipt::{Issuer, Receipt};
use volens_privacy::{KeyRing, Timestamp};

use super::AuditError;
use crate::db::Tx;
use crate::readings::{self, Reader, Subject, openings};
use crate::{accounts, consent};

/// The evidence file of an account, if a second officer approved that this one looks: all its decisions,
/// or the one that is ledger entry `only`. Records that it was made, in the same transaction.
///
/// # Errors
/// [`AuditError::NoAccount`] also when the account has no such entry;
/// [`OpeningError::Closed`](crate::readings::openings::OpeningError::Closed);
/// [`AuditError::Unverifiable`] when its records do not match the ledger.
pub async fn of_account(
    tx: &mut Tx,
    (keys, issuer): (&KeyRing, &Issuer),
    rng: &mut (dyn Rng + Send),
    (reader, subject, only): (Reader, SubjectId, Option<u64>),
    now: Timestamp,
) -> Result<String, AuditError> {
    accounts::find(tx, &[subject]).await?.remove(&subject).ok_or(AuditError::NoAccount)?;
    let opening = openings::demand(tx, subject, reader.credential, now).await?;
    consent::history_of(tx, keys, subject).await?.ok_or(AuditError::Unverifiable)?;
    let receipts = consent::receipts_of(tx, keys, subject).await?;
    let wanted = |(entry, _): &(u64, Receipt)| only.is_none_or(|only| only == *entry);
    let receipts: Vec<Receipt> =
        receipts.into_iter().filter(wanted).map(|(_, receipt)| receipt).collect();
    if receipts.is_empty() {
        return Err(AuditError::NoAccount);
    }
    let texts = texts(tx, &receipts).await?;
    let shown: Vec<Shown<'_>> =
        texts.iter().map(|(notice, parties)| Shown { notice, parties }).collect();
    let file = evidence(issuer, &keys.log_verifier(), (&receipts, &shown), now);
    readings::note(tx, keys, rng, reader, (Subject::Record(subject, opening), 1), now).await?;
    Ok(file)
}

/// Every text that was shown, once for each registry of who answered for the data then.
async fn texts(
    tx: &mut Tx,
    receipts: &[Receipt],
) -> Result<Vec<(&'static Notice, Parties)>, AuditError> {
    let mut texts: BTreeMap<([u8; 32], u32), (&'static Notice, Parties)> = BTreeMap::new();
    for receipt in receipts {
        let Some(shown) = &receipt.record().notice else { continue };
        let notice = Notices::builtin()
            .get(&shown.id, shown.version, &shown.language)
            .filter(|notice| notice.sha256 == shown.content_sha256);
        let Some(notice) = notice else { continue };
        let found = consent::parties_at(tx, receipt.record().effective_at()).await?;
        let (version, parties) = match found {
            Some(found) => (found.version, found.parties),
            None => (0, Parties::example().clone()),
        };
        texts.entry((notice.sha256, version)).or_insert((notice, parties));
    }
    Ok(texts.into_values().collect())
}
