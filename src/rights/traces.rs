//! Making an erasure physical, and looking whether anything is left.

use volens_privacy::SubjectId;
use volens_privacy::identity::AppId;
use volens_privacy::keys::KeyRing;

use super::RightsError;
use crate::db::{Db, Needle, Trace};
use crate::ids::hex;
use crate::relevance;

/// Every table that holds something of an account, or of an answer about one. A test compares it with
/// the schema.
pub(crate) const TABLES: &[&str] = &[
    "account_keys",
    "account_references",
    "accounts",
    "consent_records",
    "corrections",
    "exposures",
    "grants",
    "idempotency_keys",
    "link_tokens",
    "list_loans",
    "list_rows",
    "list_stops",
    "model_members",
    "openings",
    "outcomes",
    "privacy_links",
    "profiles",
    "removed_accounts",
    "restrictions",
    "scores",
    "signal_tags",
    "subject_request_accounts",
];

/// What somebody who was erased could still be known by.
pub struct Remembered {
    needles: Vec<Needle>,
}

impl Remembered {
    /// By the app's reference: its keyed tag, and the reference itself, which is never stored.
    pub fn reference(keys: &KeyRing, app: &AppId, reference: &str) -> Self {
        let tag = keys.account_tag(app, reference).as_bytes().to_vec();
        let needles = vec![
            Needle { what: "reference", bytes: reference.as_bytes().to_vec() },
            Needle { what: "reference tag", bytes: tag },
        ];
        Self { needles }
    }

    /// And by the account's random id, for whoever noted it before the erasure.
    #[must_use]
    pub fn and_subject(mut self, subject: SubjectId) -> Self {
        let bytes = subject.as_bytes().to_vec();
        self.needles.push(Needle { what: "account id in text", bytes: hex(&bytes).into_bytes() });
        self.needles.push(Needle { what: "account id", bytes });
        self
    }

    /// And by its wrapped data key, for tests that looked at it before the erasure.
    #[cfg(test)]
    pub(super) fn and_key(mut self, wrapped: Vec<u8>) -> Self {
        self.needles.push(Needle { what: "wrapped data key", bytes: wrapped });
        self
    }
}

/// Looks for what is remembered in every table and, on SQLite, in every byte of the files.
pub async fn search(db: &Db, remembered: &Remembered) -> Result<Vec<Trace>, RightsError> {
    Ok(db.search(&remembered.needles).await?)
}

/// Rewrites the database so that what was deleted is not in its files any more, and forgets the marks
/// of removed accounts. Answers whether it is complete; a reader in the way makes it incomplete.
pub async fn purge(db: &Db) -> Result<bool, RightsError> {
    let mut tx = db.begin().await?;
    relevance::forget_removed(&mut tx).await?;
    tx.commit().await?;
    Ok(db.purge(TABLES).await?)
}
