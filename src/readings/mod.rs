//! Whoever reads about people leaves a mark that cannot be removed: one entry `officer.access` of the
//! ledger per reading, and a row here that explains it.
//!
//! Neither says about whom: both hold a keyed commitment, which only somebody with the key ring and
//! the account's random id can compare. The two are counted against each other by the invariant I-20.

pub mod http;
pub mod openings;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::BTreeMap;

use rand::{Rng, RngExt as _};
use serde_json::json;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{KeyRing, SubjectId, Timestamp};

use crate::access::{Credential, Role};
use crate::db::{self, Tx};
use crate::ids::{KeyId, ListId, OpeningId};
use crate::ledger::{self, LedgerError};

pub(crate) use store::STATEMENTS;

/// What is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The record of one account, behind an approved opening.
    Record(SubjectId, OpeningId),
    /// Whether a model learned from one account, at the machine itself, where nobody approves.
    Lesson(SubjectId),
    /// Rows of a list, as a page.
    Rows(ListId),
    /// A list as a file.
    Export(ListId),
    /// Conversations that wait for a person to answer.
    Inbox,
    /// Requests of people that officers work on.
    Requests,
    /// Who could be reached at a moment.
    Reachability,
}

impl Subject {
    /// The word in the ledger.
    pub const fn what(&self) -> &'static str {
        match self {
            Self::Record(..) => "record",
            Self::Lesson(_) => "lesson",
            Self::Rows(_) => "list_rows",
            Self::Export(_) => "list_export",
            Self::Inbox => "inbox",
            Self::Requests => "requests",
            Self::Reachability => "reachability",
        }
    }

    /// The bytes that are committed to.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Record(subject, _) | Self::Lesson(subject) => subject.as_bytes().to_vec(),
            Self::Rows(list) | Self::Export(list) => list.as_bytes().to_vec(),
            Self::Inbox | Self::Requests | Self::Reachability => Vec::new(),
        }
    }
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader {
    /// By which credential.
    pub credential: Credential,
    /// In which role.
    pub role: Role,
}

impl Reader {
    /// Whoever sits at the machine: the program there has no credential, only the key ring.
    pub const AT_THE_MACHINE: Self =
        Self { credential: Credential::Key(KeyId::from_bytes([0; 16])), role: Role::Operator };
}

/// One reading, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// When.
    pub at: Timestamp,
    /// What was read; see [`Subject::what`].
    pub what: String,
    /// In which role.
    pub role: String,
    /// How many people were shown.
    pub people: u64,
    /// To what was read.
    pub commitment: [u8; 32],
    /// Ledger index of the entry.
    pub entry: u64,
}

/// Records a reading: the entry, and the row that explains it. To be called before anything is shown,
/// in the transaction that reads where that writes anyway. Answers the entry's index.
///
/// # Errors
/// When the ledger does not take the entry; then nothing may be shown.
pub async fn note(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    reader: Reader,
    (subject, people): (Subject, u64),
    now: Timestamp,
) -> Result<u64, LedgerError> {
    let id: [u8; 16] = rng.random();
    let commitment = commitment(keys, &id, &subject);
    let mut detail = json!({
        "what": subject.what(),
        "role": reader.role.as_str(),
        "people": people,
    });
    if let Subject::Record(_, opening) = subject {
        detail["opening"] = json!(opening);
    }
    let leaf =
        Leaf::new(LeafKind::OfficerAccess, now).with_commitment(commitment).with_detail(detail);
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    let reading = Reading {
        at: now,
        what: subject.what().to_owned(),
        role: reader.role.as_str().to_owned(),
        people,
        commitment,
        entry: appended.first,
    };
    store::add(tx, id, *reader.credential.id(), &reading).await?;
    Ok(appended.first)
}

/// Opens only with the key ring, and only for whoever knows what was read.
fn commitment(keys: &KeyRing, id: &[u8; 16], subject: &Subject) -> [u8; 32] {
    let mut of = id.to_vec();
    of.extend(subject.what().bytes());
    of.extend(subject.bytes());
    keys.caller_hash("audit/access", &of)
}

/// Readings by their entries, of entries `from` to `to` (not included).
pub async fn between(tx: &mut Tx, from: u64, to: u64) -> db::Result<BTreeMap<u64, Vec<Reading>>> {
    store::between(tx, from, to).await
}

/// Readings are kept since the ledger had this size; entries before it have none.
pub async fn since(tx: &mut Tx) -> db::Result<u64> {
    store::since(tx).await
}

/// How many readings there are.
pub async fn count(tx: &mut Tx) -> db::Result<u64> {
    store::count(tx).await
}

/// Requests to open a record that one officer both made and approved, though there was a second one:
/// how many, and some of the accounts; and how many requests there are.
pub async fn one_pair_of_eyes(tx: &mut Tx) -> db::Result<(u64, Vec<SubjectId>, u64)> {
    let (all, some) = store::one_pair_of_eyes(tx).await?;
    Ok((all, some, store::count_openings(tx).await?))
}
