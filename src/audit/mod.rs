//! What a privacy officer reads: the history of one account, and lists replayed.
//!
//! Nobody opens a record alone, and whoever reads leaves a mark that cannot be removed: an
//! `officer.access` entry in the ledger, written in the transaction that reads (see
//! [`crate::readings`]).

pub mod evidence;
pub mod http;
pub mod invariants;
pub mod lessons;
pub mod records;
pub mod time_machine;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod time_machine_tests;

use rand::Rng;
use serde::Serialize;
use volens_privacy::consent::Decision;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::{AgeBand, AppId, KeyRing, SubjectId, Timestamp};

use crate::access::AccessError;
use crate::audience::{self, AudienceError, Membership};
use crate::db::{self, Tx};
use crate::ledger::LedgerError;
use crate::readings::openings::{self, OpeningError};
use crate::readings::{self, Reader, Subject};
use crate::relevance::RelevanceError;
use crate::relevance::manifest::InModel;
use crate::{accounts, consent};

/// Why a reading did not take place.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// No such account.
    #[error("there is no such account")]
    NoAccount,
    /// A breach with times that cannot be.
    #[error(transparent)]
    Period(#[from] records::PeriodFault),
    /// The account's records do not open or do not match the ledger.
    #[error("the account's records do not match the ledger")]
    Unverifiable,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
    /// The consents could not be read.
    #[error(transparent)]
    Consent(#[from] consent::ConsentError),
    /// The ledger failed.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The lists could not be read.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// The models could not be read.
    #[error(transparent)]
    Relevance(#[from] RelevanceError),
    /// Callers could not be read.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// No second officer has approved, or nobody was asked.
    #[error(transparent)]
    Opening(#[from] OpeningError),
}

/// Everything on record about one account's consents and their use.
#[derive(Debug, Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Timeline {
    /// The account.
    #[schema(value_type = String)]
    pub subject: SubjectId,
    /// Whose user it is.
    #[schema(value_type = String)]
    pub app: AppId,
    /// As the app says.
    #[schema(value_type = String)]
    pub age_band: AgeBand,
    /// Since when processing is restricted.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub frozen_at: Option<Timestamp>,
    /// Every decision, oldest first, verified against its ledger entry.
    pub decisions: Vec<DecisionMade>,
    /// Lists the account is on now.
    pub lists: Vec<Membership>,
    /// Models that learned from the account, of the newest hundred whose manifests are kept.
    pub models: Vec<InModel>,
    /// Ledger index of the entry that records this reading.
    pub access_entry: u64,
}

/// One decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct DecisionMade {
    /// Ledger index.
    pub entry: u64,
    /// What was decided.
    #[schema(value_type = String)]
    pub decision: Decision,
    /// About what.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// With which other app.
    #[schema(value_type = Option<String>)]
    pub peer: Option<AppId>,
    /// Under which notice: `id@version/language`.
    pub notice: Option<String>,
    /// When it was decided, as the app says.
    #[schema(value_type = String, format = "date-time")]
    pub decided_at: Timestamp,
    /// When it reached us.
    #[schema(value_type = String, format = "date-time")]
    pub recorded_at: Timestamp,
    /// When a consent ends by itself.
    #[schema(value_type = Option<String>, format = "date-time")]
    pub ends_at: Option<Timestamp>,
}

/// Reads the history of an account, if a second officer approved that this one does, and records
/// that it was read.
///
/// # Errors
/// [`AuditError::NoAccount`]; [`OpeningError::Closed`]; [`AuditError::Unverifiable`] when a record
/// does not open or does not match its entry, or the account's key is destroyed.
pub async fn timeline(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    (reader, subject): (Reader, SubjectId),
    now: Timestamp,
) -> Result<Timeline, AuditError> {
    let account =
        accounts::find(tx, &[subject]).await?.remove(&subject).ok_or(AuditError::NoAccount)?;
    let opening = openings::demand(tx, subject, reader.credential, now).await?;
    let entries = consent::history_of(tx, keys, subject).await?.ok_or(AuditError::Unverifiable)?;
    let decisions = entries.iter().map(|entry| {
        let record = &entry.record;
        let given = record.decision == Decision::Given;
        DecisionMade {
            entry: entry.index,
            decision: record.decision,
            purpose: record.purpose,
            peer: record.peer.clone(),
            notice: record
                .notice
                .as_ref()
                .map(|n| format!("{}@{}/{}", n.id, n.version, n.language)),
            decided_at: record.decided_at,
            recorded_at: record.recorded_at,
            ends_at: given.then(|| record.ends_at()),
        }
    });
    let decisions = decisions.collect();
    let lists = audience::memberships(tx, subject).await?;
    let models = lessons::of_account(tx, keys, subject).await?;
    let record = (Subject::Record(subject, opening), 1);
    let access_entry = readings::note(tx, keys, rng, reader, record, now).await?;
    Ok(Timeline {
        subject,
        app: account.app,
        age_band: account.details.age_band,
        frozen_at: account.frozen_at,
        decisions,
        lists,
        models,
        access_entry,
    })
}
