//! Restriction of processing (GDPR Art. 18): everything about an account stays stored, and nothing
//! of it is used.
//!
//! Links, scores and places in lists go at once; the profile, the records and the grants stay, and
//! nothing reads them but the person, the officer and the end of the restriction. Withdrawals,
//! objections and erasures take effect all the same (Art. 18(2): with the person's will).

use volens_privacy::keys::KeyRing;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{SubjectId, Timestamp};

use super::{Removed, RightsError, store};
use crate::accounts::{self, AccountError};
use crate::db::Tx;
use crate::{db, ledger};

/// Why processing is restricted: the four cases of Art. 18(1).
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RestrictionReason {
    /// (a) The person contests that the data is accurate, until that is verified.
    AccuracyContested,
    /// (b) The processing is unlawful and the person wants restriction rather than erasure.
    ProcessingUnlawful,
    /// (c) We need the data no longer, the person does for a legal claim.
    LegalClaims,
    /// (d) The person objected, until it is verified whose grounds prevail.
    ObjectionPending,
}

impl RestrictionReason {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::AccuracyContested,
        Self::ProcessingUnlawful,
        Self::LegalClaims,
        Self::ObjectionPending,
    ];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AccuracyContested => "accuracy_contested",
            Self::ProcessingUnlawful => "processing_unlawful",
            Self::LegalClaims => "legal_claims",
            Self::ObjectionPending => "objection_pending",
        }
    }

    /// Reads the name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

/// Who asked for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AskedBy {
    /// The person, on their own page.
    Person,
    /// The app, on behalf of its user.
    App,
    /// A privacy officer.
    Officer,
}

impl AskedBy {
    /// The name in the database and in the ledger.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::App => "app",
            Self::Officer => "officer",
        }
    }

    pub(super) fn parse(text: &str) -> db::Result<Self> {
        [Self::Person, Self::App, Self::Officer]
            .into_iter()
            .find(|who| who.as_str() == text)
            .ok_or_else(|| db::Error::Decode("asked_by".to_owned()))
    }
}

/// A restriction that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restriction {
    /// Since when.
    pub since: Timestamp,
    /// Why.
    pub reason: RestrictionReason,
    /// Who asked for it.
    pub asked_by: AskedBy,
    /// Ledger index of the entry that says that an account was restricted.
    pub entry: u64,
    /// What went, by this call; nothing when it stood already.
    pub removed: Removed,
}

/// Restricts processing in the caller's transaction. Doing it twice is the same as once.
///
/// # Errors
/// [`AccountError::Unknown`] when there is no such account.
pub async fn restrict(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    (reason, asked_by): (RestrictionReason, AskedBy),
    now: Timestamp,
) -> Result<Restriction, RightsError> {
    ledger::hold(tx).await?;
    accounts::hold(tx, subject).await?;
    let account = accounts::find(tx, &[subject]).await?.remove(&subject);
    let account = account.ok_or(AccountError::Unknown)?;
    if let Some(standing) = restriction_of(tx, &account).await? {
        return Ok(standing);
    }
    let held = store::holdings(tx, subject).await?;
    // What stays is not removed, whatever of it there is.
    let removed = Removed {
        links: held.links,
        scores: held.scores,
        list_rows: held.list_rows,
        ..Removed::default()
    };
    let changed = db::changes::next(tx).await?;
    store::freeze(tx, subject, Some(now), changed).await?;
    let detail = serde_json::json!({
        "asked_by": asked_by.as_str(),
        "list_rows": removed.list_rows,
        "reason": reason.as_str(),
    });
    let leaf =
        Leaf::new(LeafKind::ProcessingRestricted, now).with_app(account.app).with_detail(detail);
    let entry = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?.first;
    store::note_restriction(tx, subject, (reason, asked_by), entry).await?;
    Ok(Restriction { since: now, reason, asked_by, entry, removed })
}

/// Ends a restriction in the caller's transaction; answers the ledger index of the entry that says
/// so. The person must have been told before (Art. 18(3)). Links stay cut until somebody consents to
/// them anew.
///
/// # Errors
/// [`RightsError::NotRestricted`] when there is nothing to end.
pub async fn resume(
    tx: &mut Tx,
    keys: &KeyRing,
    subject: SubjectId,
    asked_by: AskedBy,
    now: Timestamp,
) -> Result<u64, RightsError> {
    ledger::hold(tx).await?;
    accounts::hold(tx, subject).await?;
    let account = accounts::find(tx, &[subject]).await?.remove(&subject);
    let account = account.ok_or(AccountError::Unknown)?;
    if account.frozen_at.is_none() {
        return Err(RightsError::NotRestricted);
    }
    let changed = db::changes::next(tx).await?;
    store::freeze(tx, subject, None, changed).await?;
    store::forget_restriction(tx, subject).await?;
    let detail = serde_json::json!({ "asked_by": asked_by.as_str() });
    let leaf =
        Leaf::new(LeafKind::ProcessingResumed, now).with_app(account.app).with_detail(detail);
    Ok(ledger::append(tx, &keys.log_signer(), &[leaf], now).await?.first)
}

/// The restriction of an account, if it stands.
pub async fn restriction_of(
    tx: &mut Tx,
    account: &accounts::Account,
) -> Result<Option<Restriction>, RightsError> {
    let Some(since) = account.frozen_at else { return Ok(None) };
    let Some((reason, asked_by, entry)) = store::restriction(tx, account.subject).await? else {
        return Ok(None);
    };
    Ok(Some(Restriction { since, reason, asked_by, entry, removed: Removed::default() }))
}
