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

/// Which decisions of an account are wanted; by default all.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted {
    /// Only the one that is this ledger entry.
    pub only: Option<u64>,
    /// Only those that were recorded by then. The file says so.
    pub until: Option<Timestamp>,
}

impl Wanted {
    fn has(&self, entry: u64, receipt: &Receipt) -> bool {
        self.only.is_none_or(|only| only == entry)
            && self.until.is_none_or(|until| receipt.record().recorded_at <= until)
    }
}

/// The evidence file of an account, if a second officer approved that this one looks: all its decisions,
/// or those that are wanted. Records that it was made, in the same transaction.
///
/// # Errors
/// [`AuditError::NoAccount`] also when the account has no such decision;
/// [`OpeningError::Closed`](crate::readings::openings::OpeningError::Closed);
/// [`AuditError::Unverifiable`] when its records do not match the ledger.
pub async fn of_account(
    tx: &mut Tx,
    (keys, issuer): (&KeyRing, &Issuer),
    rng: &mut (dyn Rng + Send),
    ((reader, subject), wanted): ((Reader, SubjectId), Wanted),
    now: Timestamp,
) -> Result<String, AuditError> {
    accounts::find(tx, &[subject]).await?.remove(&subject).ok_or(AuditError::NoAccount)?;
    let opening = openings::demand(tx, subject, reader.credential, now).await?;
    consent::history_of(tx, keys, subject).await?.ok_or(AuditError::Unverifiable)?;
    let receipts = consent::receipts_of(tx, keys, subject).await?;
    let receipts = receipts.into_iter().filter(|(entry, receipt)| wanted.has(*entry, receipt));
    let receipts: Vec<Receipt> = receipts.map(|(_, receipt)| receipt).collect();
    if receipts.is_empty() {
        return Err(AuditError::NoAccount);
    }
    let texts = texts(tx, &receipts).await?;
    let shown: Vec<Shown<'_>> =
        texts.iter().map(|(notice, parties)| Shown { notice, parties }).collect();
    let of = (receipts.as_slice(), shown.as_slice(), wanted.until);
    let file = evidence(issuer, &keys.log_verifier(), of, now);
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
