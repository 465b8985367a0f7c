//! Consent: what people decided, under which notice, and what follows at once.
//!
//! Every decision becomes one entry of the ledger (a commitment), one sealed record that only the
//! account's key opens, and a row of the `grants` projection. Projections choose candidates; the
//! one road to a [`Permit`](volens_privacy::consent::Permit) is [`consents_of`], which opens every
//! record and checks it against its entry.
//!
//! A withdrawal ends the grant in the same transaction that records it, and the database deletes
//! with it whatever rested on the grant, before the person is answered.

mod batch;
mod grants;
mod heads;
pub mod http;
mod intake;
mod lost;
mod notices;
mod objections;
mod recorder;
mod registrar;
mod stops;
mod store;
#[cfg(test)]
mod asking_tests;
#[cfg(test)]
mod chain_tests;
#[cfg(test)]
mod claims_tests;
#[cfg(test)]
mod lost_tests;
#[cfg(test)]
mod tests;
mod tokens;
mod written;

use std::collections::{BTreeMap, BTreeSet};

pub use intake::{
    AppPhones, DecisionRequest, DecisionsRequest, Intake, IntakeError, NoticeRequest, PhoneRequest,
    WithdrawRequest, about,
};
pub use lost::{Lost, counting, keep_head, look_for_loss, lost, note_lost, settle_lost};
pub use notices::{
    Asking, InForce, LiveUnder, live_under, may_ask, parties_at, publish_notices, publish_parties,
};
pub use recorder::{
    Command, Decide, Decided, Effects, ItemDecision, Objecting, Recorder, Recording, Refused,
    Replies, Withdrawal,
};
pub use registrar::{Registrar, register};
pub(crate) use store::STATEMENTS;
pub use tokens::{TokenError, Tokens};
use volens_privacy::consent::{CommittedRecord, Consents, Decision, Entry, chained};
use volens_privacy::identity::{AppId, SubjectId};
use volens_privacy::keys::{DataKey, KeyRing};
use volens_privacy::notice::Lack;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::Receipt;
use volens_privacy::{ConsentRecord, Timestamp};

use crate::accounts::{self, Account, AccountError};
use crate::db::{self, Tx};
use crate::ids::GrantId;
use crate::ledger::{self, Evidence, LedgerError};

/// Why consents could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    /// A published notice has other bytes than the file of the same version: texts never change.
    #[error("notice {id} version {version} ({language}) was published with another text")]
    NoticeChanged {
        /// Which notice.
        id: String,
        /// Its version.
        version: u32,
        /// Its language.
        language: String,
    },
    /// A notice lacks what the law demands of it, and so nobody may consent under it.
    #[error("a notice cannot be published: {0}")]
    NoticeLacks(Lack),
    /// What is on record about who answers for the data cannot be read.
    #[error("who answered for the data then cannot be read")]
    Parties,
    /// The accounts did not answer.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The ledger did not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl ConsentError {
    /// Whether what is stored is at fault, and not the database or the moment.
    pub fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::Account(AccountError::Key(_))
                | Self::Ledger(LedgerError::Damaged)
                | Self::Parties
        )
    }
}

/// One row of the projection: a consent that lives or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Whose.
    pub subject: SubjectId,
    /// Its id.
    pub id: GrantId,
    /// In which app.
    pub app: AppId,
    /// What for.
    pub purpose: PurposeKind,
    /// With which other app, for linking.
    pub peer: Option<AppId>,
    /// `Given` while it lives.
    pub state: Decision,
    /// Notice it was given under.
    pub notice: String,
    /// Version of that notice.
    pub notice_version: u32,
    /// Language of that notice.
    pub language: String,
    /// When it was given (or refused).
    pub given_at: Timestamp,
    /// When it ends by itself.
    pub expires_at: Timestamp,
    /// When it ended otherwise.
    pub ended_at: Option<Timestamp>,
    /// Ledger index of the latest decision about it.
    pub entry: u64,
}

impl Grant {
    /// Whether the projection holds it for live at `now`. Chooses candidates; permits nothing.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.state == Decision::Given && now < self.expires_at
    }
}

/// The grants of these accounts, oldest decision first.
pub async fn grants_of(tx: &mut Tx, subjects: &[SubjectId]) -> db::Result<Vec<Grant>> {
    store::grants(tx, subjects).await
}

/// What would go with this grant if it ended now.
pub async fn would_end(tx: &mut Tx, grant: &Grant) -> db::Result<Effects> {
    store::effects(tx, grant).await
}

/// Ends every live grant of an account that is being erased, so that whatever rests on them goes the
/// way it goes with a withdrawal; answers how many. The caller puts the one entry on record that
/// stands for all of them: a record of each would be sealed under a key that dies with it.
pub async fn end_all(tx: &mut Tx, subject: SubjectId, now: Timestamp) -> db::Result<u64> {
    let changed = db::changes::next(tx).await?;
    store::end_all(tx, subject, now, changed).await
}

/// Grants whose time has run out but that nobody has ended yet.
pub async fn due(tx: &mut Tx, now: Timestamp, limit: u32) -> db::Result<Vec<Grant>> {
    store::due(tx, now, i64::from(limit)).await
}

/// The verified consents of these accounts: every record opened with the account's key and compared
/// with its ledger entry.
///
/// A consent that not enough witnesses have confirmed yet is not among them, nor one from before entries
/// were lost ([`Lost`]); a refusal or withdrawal is. Fails closed: an account whose key is gone, whose records do not open or do not match their
/// entries, or whose processing is restricted is missing from the answer.
pub async fn consents_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Consents>, ConsentError> {
    let accounts = accounts::find(tx, subjects).await?;
    consents_of_accounts(tx, keys, &accounts).await
}

/// The same of accounts that were read in this transaction.
pub async fn consents_of_accounts(
    tx: &mut Tx,
    keys: &KeyRing,
    accounts: &BTreeMap<SubjectId, Account>,
) -> Result<BTreeMap<SubjectId, Consents>, ConsentError> {
    if accounts.is_empty() {
        return Ok(BTreeMap::new());
    }
    let subjects: Vec<SubjectId> = accounts.keys().copied().collect();
    let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
    let mut entries = entries_of(tx, &data_keys, &subjects).await?;
    let counting = counting(tx).await?;
    let mut verified = BTreeMap::new();
    let mut failed = 0_usize;
    for (subject, account) in accounts {
        let subject = *subject;
        let (Some(key), None) = (data_keys.get(&subject), account.frozen_at) else { continue };
        let Some(Ok(mut entries)) = entries.remove(&subject) else {
            failed += 1;
            continue;
        };
        // What gives waits for its witnesses, and for what was lost; what takes back never does.
        entries.retain(|entry| {
            counting.contains(&entry.index) || entry.record.decision != Decision::Given
        });
        match Consents::replay(subject, account.details.age_band, key, entries) {
            Ok(consents) => drop(verified.insert(subject, consents)),
            Err(_) => failed += 1,
        }
    }
    if failed > 0 {
        tracing::error!(
            failed,
            "consent records do not match the ledger; their accounts are left out"
        );
    }
    Ok(verified)
}

/// Those of these accounts that decided something in the entries from `since` on.
pub async fn decided(
    tx: &mut Tx,
    subjects: &[SubjectId],
    since: u64,
) -> db::Result<BTreeSet<SubjectId>> {
    store::decided(tx, subjects, since).await
}

/// Every decision of one account with its ledger entry, oldest first; nothing when a record does not
/// open or does not match its entry. Permits nothing: it is for reading, also about frozen accounts.
pub async fn history_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<Option<Vec<Entry>>, ConsentError> {
    Ok(histories_of(tx, keys, &[subject]).await?.remove(&subject).flatten())
}

/// The same of many accounts: nothing for one whose records do not open, do not match their entries or
/// do not follow each other as they say; an account whose key is destroyed is missing.
pub async fn histories_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Option<Vec<Entry>>>, ConsentError> {
    let data_keys = accounts::data_keys(tx, keys, subjects).await?;
    let mut entries = entries_of(tx, &data_keys, subjects).await?;
    let mut histories = BTreeMap::new();
    for (subject, key) in &data_keys {
        let age = volens_privacy::AgeBand::Unknown;
        let verified = entries
            .remove(subject)
            .and_then(Result::ok)
            .filter(|entries| chained(entries.iter().map(|entry| &entry.record)))
            .and_then(|entries| Consents::replay(*subject, age, key, entries).ok());
        histories.insert(*subject, verified.map(|consents| consents.history().to_vec()));
    }
    Ok(histories)
}

/// The ledger entries from `from` on and before `to` that a record is kept of. Every decision has one.
pub async fn recorded(tx: &mut Tx, from: u64, to: u64) -> db::Result<Vec<u64>> {
    store::recorded(tx, from, to).await
}

/// A record does not open, or its entry is not in the ledger.
struct Unreadable;

async fn entries_of(
    tx: &mut Tx,
    data_keys: &BTreeMap<SubjectId, DataKey>,
    subjects: &[SubjectId],
) -> Result<BTreeMap<SubjectId, Result<Vec<Entry>, Unreadable>>, ConsentError> {
    let records = store::records(tx, subjects).await?;
    let indices: Vec<u64> = records.iter().map(|(_, index, _)| *index).collect();
    let mut leaves = ledger::leaves(tx, &indices).await?;
    let mut entries: BTreeMap<SubjectId, Result<Vec<Entry>, Unreadable>> =
        subjects.iter().map(|subject| (*subject, Ok(Vec::new()))).collect();
    for (subject, index, sealed) in records {
        let opened = data_keys
            .get(&subject)
            .and_then(|key| open_record(key, subject, index, &sealed))
            .zip(leaves.remove(&index))
            .map(|(record, leaf)| Entry { index, leaf, record });
        let of = entries.entry(subject).or_insert_with(|| Ok(Vec::new()));
        match (of.as_mut(), opened) {
            (Ok(list), Some(entry)) => list.push(entry),
            _ => *of = Err(Unreadable),
        }
    }
    Ok(entries)
}

fn record_context(subject: SubjectId, index: u64) -> [Vec<u8>; 3] {
    [b"consent record".to_vec(), subject.as_bytes().to_vec(), index.to_be_bytes().to_vec()]
}

fn seal_record(
    key: &DataKey,
    index: u64,
    committed: &CommittedRecord,
    rng: &mut dyn rand::Rng,
) -> Vec<u8> {
    let context = record_context(committed.record().subject, index);
    let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
    key.seal(&context, committed.canonical_bytes(), rng)
}

fn open_record(
    key: &DataKey,
    subject: SubjectId,
    index: u64,
    sealed: &[u8],
) -> Option<ConsentRecord> {
    let context = record_context(subject, index);
    let context: Vec<&[u8]> = context.iter().map(Vec::as_slice).collect();
    let plain = key.open(&context, sealed).ok()?;
    serde_json::from_slice(&plain).ok()
}

/// Receipts of one account for all its decisions, oldest first: against the latest checkpoint that
/// enough witnesses confirmed, or against the latest of all for what is newer than that.
pub async fn receipts_of(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
) -> Result<Vec<(u64, Receipt)>, ConsentError> {
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    let Some(key) = data_keys.get(&subject) else { return Ok(Vec::new()) };
    let mut entries = entries_of(tx, &data_keys, &[subject]).await?;
    let Some(Ok(entries)) = entries.remove(&subject) else {
        return Err(ConsentError::Ledger(LedgerError::Damaged));
    };
    let size = ledger::size(tx).await?;
    let confirmed = ledger::confirmed(tx).await?.min(size);
    let (below, above) = entries.into_iter().partition(|entry| entry.index < confirmed);
    let mut receipts = receipts_at(tx, key, below, confirmed).await?;
    receipts.extend(receipts_at(tx, key, above, size).await?);
    Ok(receipts)
}

/// Receipts against the checkpoint of `size` entries, or the last one of the shard that ended before.
async fn receipts_at(
    tx: &mut Tx,
    key: &DataKey,
    entries: Vec<Entry>,
    size: u64,
) -> Result<Vec<(u64, Receipt)>, ConsentError> {
    if entries.is_empty() {
        return Ok(Vec::new());
    }
    let indices: Vec<u64> = entries.iter().map(|entry| entry.index).collect();
    let evidence = ledger::evidence(tx, &indices, size).await?;
    let receipt = |Entry { index, record, .. }: Entry| {
        let Evidence { hashes, checkpoint } = evidence.get(&index).ok_or(LedgerError::Damaged)?;
        Ok((index, Receipt::new(record.commit(key), index, hashes, checkpoint)))
    };
    entries.into_iter().map(receipt).collect()
}
