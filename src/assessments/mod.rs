//! Impact assessments (GDPR Art. 35): linking accounts by phone number is matching and profiling on a
//! large scale, so nobody can consent to it before an assessment is attached.
//!
//! What is attached is the operator's own name for the document and its SHA-256; the document stays
//! with the operator. [`template()`] fills in what the purpose registry knows.

pub mod http;
mod store;
mod template;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::json;
use volens_privacy::consent::AssessmentRef;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{KeyRing, PurposeKind, Timestamp};

use crate::db::{self, Tx};
use crate::ids::hex;
use crate::ledger::{self, LedgerError};

pub(crate) use store::STATEMENTS;
pub use template::{UNWRITTEN, template};

/// Purposes that need an assessment before anybody can consent to them (GDPR Art. 35(3)(a): systematic
/// evaluation by profiling; Guidelines WP 248: matching of data sets, on a large scale).
pub const NEEDED: [PurposeKind; 1] = [PurposeKind::CrossAppLinking];
/// Longest name of a document, in bytes.
const NAME_MAX: usize = 100;

/// Why an assessment is not attached.
#[derive(Debug, thiserror::Error)]
pub enum AssessmentError {
    /// The purpose needs none.
    #[error("this purpose needs no impact assessment")]
    NotNeeded,
    /// The name cannot be one.
    #[error("a name of 1 to 100 letters, digits, dots, slashes and dashes is needed")]
    Name,
    /// The ledger did not take the entry.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// An attached assessment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Assessment {
    /// Which purpose it assesses.
    #[schema(value_type = String)]
    pub purpose: PurposeKind,
    /// The operator's name for the document.
    pub id: String,
    /// SHA-256 of the document, lower-case hexadecimal.
    pub sha256: String,
    /// When it was attached.
    #[schema(value_type = String, format = "date-time")]
    pub attached_at: Timestamp,
    /// Ledger index of the entry that says so.
    pub entry: u64,
}

/// Attaches an assessment: a row, and an entry `impact.assessed` of the ledger. From then on people
/// can consent to the purpose.
pub async fn attach(
    tx: &mut Tx,
    keys: &KeyRing,
    purpose: PurposeKind,
    (id, sha256): (&str, [u8; 32]),
    now: Timestamp,
) -> Result<Assessment, AssessmentError> {
    if !NEEDED.contains(&purpose) {
        return Err(AssessmentError::NotNeeded);
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-/".contains(c);
    if id.is_empty() || id.len() > NAME_MAX || !id.chars().all(plain) {
        return Err(AssessmentError::Name);
    }
    let leaf = Leaf::new(LeafKind::ImpactAssessed, now)
        .with_purpose(purpose)
        .with_detail(json!({ "assessment": id, "sha256": hex(&sha256) }));
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    let assessment = Assessment {
        purpose,
        id: id.to_owned(),
        sha256: hex(&sha256),
        attached_at: now,
        entry: appended.first,
    };
    store::add(tx, &assessment, sha256).await?;
    Ok(assessment)
}

/// Every assessment that was attached, the newest first.
pub async fn all(tx: &mut Tx) -> db::Result<Vec<Assessment>> {
    store::all(tx).await
}

/// The newest assessment of each purpose that has one.
pub async fn in_force(tx: &mut Tx) -> db::Result<BTreeMap<PurposeKind, AssessmentRef>> {
    store::in_force(tx).await
}

/// Purposes that an assessment is still missing for.
pub async fn missing(tx: &mut Tx) -> db::Result<BTreeSet<PurposeKind>> {
    let attached = store::purposes(tx).await?;
    Ok(NEEDED.into_iter().filter(|purpose| !attached.contains(purpose)).collect())
}
