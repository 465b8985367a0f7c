//! What a person can demand (GDPR Art. 15 to 21): one file per right.
//!
//! An erasure is one transaction: every live consent ends, with everything that rests on it; the
//! account goes, and by foreign keys every row that hangs on it, its data key among them; one entry
//! of the ledger says that it happened, and not to whom.
//!
//! A copy of the database from before would bring the person back. So the keyed tag of the account's
//! random id is also written to a [`Journal`] beside the key ring, before the transaction, and
//! [`replay_erasures`] erases again whatever the journal knows and the database still holds.

pub mod access;
pub mod canary;
pub mod files;
pub mod http;
pub mod interests;
mod journal;
pub mod objection;
pub mod requests;
pub mod restriction;
mod store;
pub mod traces;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;

pub use journal::{Journal, JournalError};
pub use restriction::{AskedBy, Restriction, RestrictionReason, restrict, resume};
use volens_privacy::consent::Decision;
use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{SubjectId, Timestamp};

use crate::accounts::{self, AccountError};
use crate::audience::outcomes;
use crate::consent::{self, ConsentError};
use crate::db::group::GroupError;
use crate::db::{self, Db, Tx};
use crate::ledger::{self, LedgerError};
use crate::relevance::RelevanceError;
use crate::signals::SignalError;

/// Accounts looked at in one go when erasures are replayed.
const PAGE: u32 = 4096;
/// Attempts at an erasure that met conflicting work: it is not turned away for that.
const ATTEMPTS: usize = 5;

/// Every statement of the slice.
pub(crate) fn statements() -> Vec<db::Statement> {
    [store::STATEMENTS, access::STATEMENTS, requests::store::STATEMENTS].concat()
}

/// Why a demand was not met.
#[derive(Debug, thiserror::Error)]
pub enum RightsError {
    /// There is no such account, or not any more.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The ledger did not take the entry.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The journal beside the key ring cannot be read or written.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The marks of removed accounts could not be forgotten.
    #[error(transparent)]
    Relevance(#[from] RelevanceError),
    /// There is no restriction to end.
    #[error("processing of the account is not restricted")]
    NotRestricted,
    /// The recorder did not take the objection.
    #[error(transparent)]
    Recorder(#[from] GroupError),
    /// Profile or corrections could not be read or written.
    #[error(transparent)]
    Signals(#[from] SignalError),
    /// The consents could not be read.
    #[error(transparent)]
    Consent(#[from] ConsentError),
    /// The app has no such request.
    #[error("the app has no request with this id")]
    NoRequest,
    /// The id is taken by another kind of request.
    #[error("there is a request of another kind with this id")]
    RequestDiffers,
    /// The request has been answered.
    #[error("the request has been answered")]
    RequestClosed,
    /// No more time: the law knows no extension, or it was used, or it comes too late.
    #[error("the request cannot be extended")]
    NotExtendable,
    /// More was said with a request than is kept.
    #[error("at most 2000 characters can be said with a request")]
    SaidTooMuch,
    /// A correction was asked for, and not of what.
    #[error("say in words what is wrong, or name an interest")]
    SaidNothing,
    /// A request that was seen to by hand is closed with words for whoever asked.
    #[error("say in words, to whoever asked, what was done")]
    AnswerNeeded,
    /// Nothing outweighs an objection to direct marketing.
    #[error("an objection to direct marketing cannot be refused")]
    NotRefusable,
    /// An export does not hold.
    #[error("the export does not verify: {0}")]
    Export(&'static str),
    /// A file that should be looked into cannot be read.
    #[error("{path} cannot be read")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A canary could not be made.
    #[error("a canary could not be made")]
    Canary,
    /// The search was cancelled because the process is stopping.
    #[error("the search was cancelled")]
    Cancelled,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What an erasure removed, by count.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    serde::Serialize,
    serde::Deserialize,
    utoipa::ToSchema,
)]
#[serde(deny_unknown_fields)]
pub struct Removed {
    /// Consents that lived and have ended.
    pub consents: u64,
    /// Sealed records of decisions.
    pub records: u64,
    /// Links to accounts of other apps.
    pub links: u64,
    /// Interest profiles.
    pub profiles: u64,
    /// Scores, of the account and of those it lent to.
    pub scores: u64,
    /// Rows of sealed lists.
    pub list_rows: u64,
    /// Messages that were remembered to learn from.
    pub exposures: u64,
}

/// An erasure that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Erased {
    /// Ledger index of the entry that says so.
    pub entry: u64,
    /// When.
    pub at: Timestamp,
    /// What went.
    pub removed: Removed,
}

/// Erases an account in the caller's transaction (GDPR Art. 17(1)).
///
/// Callers that answer a person use [`erase_for_good`], which also holds against a restored backup.
///
/// # Errors
/// [`AccountError::Unknown`] when there is no such account.
pub async fn erase(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Erased, RightsError> {
    // Decisions have one order: none is recorded between the counting and the end.
    ledger::hold(tx).await?;
    accounts::hold(tx, subject).await?;
    let account = accounts::find(tx, &[subject]).await?.remove(&subject);
    let account = account.ok_or(AccountError::Unknown)?;
    let mut removed = store::holdings(tx, subject).await?;
    removed.consents = consent::end_all(tx, subject, now).await?;
    outcomes::forget_stops(tx, keys, subject).await?;
    accounts::remove(tx, subject).await?;
    // The counts explain to an auditor why records and rows are missing.
    let detail = serde_json::json!({
        "records": removed.records,
        "list_rows": removed.list_rows,
    });
    let leaf = Leaf::new(LeafKind::AccountErased, now).with_app(account.app).with_detail(detail);
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    store::note(tx, keys.erasure_tag(subject), Some(appended.first), now).await?;
    Ok(Erased { entry: appended.first, at: now, removed })
}

/// Erases an account so that no backup brings it back: first a line in the journal, then the
/// transaction. An erasure that breaks off between the two is finished by [`replay_erasures`].
///
/// # Errors
/// [`AccountError::Unknown`] when there is no such account; then nothing is written.
pub async fn erase_for_good(
    db: &Db,
    keys: &KeyRing,
    journal: &Journal,
    subject: SubjectId,
    now: Timestamp,
) -> Result<Erased, RightsError> {
    let mut tx = db.read().await?;
    if accounts::find(&mut tx, &[subject]).await?.is_empty() {
        return Err(AccountError::Unknown.into());
    }
    let mut held = store::holdings(&mut tx, subject).await?;
    let grants = consent::grants_of(&mut tx, &[subject]).await?;
    held.consents = grants.iter().filter(|grant| grant.state == Decision::Given).count() as u64;
    drop(tx);
    journal.add([keys.erasure_tag(subject)]).await?;
    carry_out(db, keys, (subject, held), now).await
}

/// The transaction of an erasure that is in the journal. A sweep, or the same demand made twice, may
/// have been faster: then the erasure is the one on record, of what was `held` when it was announced.
async fn carry_out(
    db: &Db,
    keys: &KeyRing,
    (subject, held): (SubjectId, Removed),
    now: Timestamp,
) -> Result<Erased, RightsError> {
    let mut tries = 0;
    loop {
        tries += 1;
        let mut tx = db.begin().await?;
        match erase(&mut tx, keys, subject, now).await {
            Ok(erased) => {
                tx.commit().await?;
                return Ok(erased);
            }
            Err(RightsError::Account(AccountError::Unknown)) => {
                let done = store::erasure(&mut tx, keys.erasure_tag(subject)).await?;
                tx.rollback().await;
                let Some((Some(entry), at)) = done else {
                    return Err(AccountError::Unknown.into());
                };
                return Ok(Erased { entry, at, removed: held });
            }
            Err(error) => {
                tx.rollback().await;
                let conflict = matches!(
                    error,
                    RightsError::Db(db::Error::Conflict(_))
                        | RightsError::Ledger(LedgerError::Db(db::Error::Conflict(_)))
                        | RightsError::Account(AccountError::Db(db::Error::Conflict(_)))
                );
                if !conflict || tries == ATTEMPTS {
                    return Err(error);
                }
            }
        }
    }
}

/// The tags of every account that the database says is erased.
pub async fn erased(tx: &mut Tx) -> db::Result<std::collections::BTreeSet<[u8; 16]>> {
    store::noted(tx).await
}

/// Brings database and journal together; answers how many accounts were erased again.
///
/// What the database knows and the journal does not was erased by another node, or before the
/// journal was moved here: it is written down. What the journal knows and the database does not
/// means that the database is an older copy, or that an erasure broke off: it is erased now. Runs on
/// every start, before anybody is served, and with every sweep.
pub async fn replay_erasures(
    db: &Db,
    keys: &KeyRing,
    journal: &Journal,
    now: Timestamp,
) -> Result<usize, RightsError> {
    let in_journal = journal.read().await?;
    let mut tx = db.read().await?;
    let in_database = store::noted(&mut tx).await?;
    drop(tx);
    journal.add(in_database.difference(&in_journal).copied()).await?;
    let mut missing: Vec<_> = in_journal.difference(&in_database).copied().collect();
    if missing.is_empty() {
        return Ok(0);
    }
    let (mut last, mut erased) = (None, 0);
    let mut tx = db.begin().await?;
    loop {
        let page = accounts::after(&mut tx, last, PAGE).await?;
        let Some(end) = page.last() else { break };
        last = Some(*end);
        for subject in page {
            let tag = keys.erasure_tag(subject);
            if let Ok(at) = missing.binary_search(&tag) {
                missing.remove(at);
                erase(&mut tx, keys, subject, now).await?;
                erased += 1;
            }
        }
    }
    for tag in missing {
        store::note(&mut tx, tag, None, now).await?;
    }
    tx.commit().await?;
    if erased > 0 {
        tracing::warn!(erased, "the database held accounts that had been erased");
    }
    Ok(erased)
}
