//! Four eyes: nobody opens a person's record alone. One officer asks, with a reason; another one, who
//! is signed in in person, approves; then the first may look for some hours. Both steps are entries of
//! the ledger.
//!
//! An installation with fewer than two officers can be told to let its one officer look alone
//! (`audit.lone_officer`). Each such opening says so, in the ledger and in the log. With two officers
//! the setting does nothing.

use std::time::Duration;

use rand::Rng;
use serde::Serialize;
use serde_json::json;
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{KeyError, KeyRing, SubjectId, Timestamp};

use super::store;
use crate::access::{Credential, Role, directory};
use crate::accounts::{self, AccountError};
use crate::config;
use crate::db::{self, Tx};
use crate::ids::{OpeningId, UserId};
use crate::ledger::{self, LedgerError};

/// A reason is one or two sentences, in characters.
const REASON_MAX: usize = 500;
/// Requests are kept this long after they ran out; their entries stay in the ledger.
pub const KEPT: Duration = Duration::from_hours(400 * 24);
/// Requests listed at once.
const LISTED: u32 = 200;

/// Why a record is not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpeningError {
    /// No such account.
    #[error("there is no such account")]
    NoAccount,
    /// No such request.
    #[error("there is no such request")]
    NoOpening,
    /// The reason is empty or too long.
    #[error("a reason of 1 to 500 characters is needed")]
    Reason,
    /// No approved request of this officer for this record.
    #[error("this record is opened only after a second officer approved it")]
    Closed,
    /// Nobody could approve.
    #[error(
        "there is no second officer to approve; make one, or let the only officer look alone \
         with the setting audit.lone_officer"
    )]
    NoSecondOfficer,
    /// Whoever asked cannot approve.
    #[error("a second officer has to decide, not the one who asked")]
    SameOfficer,
    /// It was decided, or its time is over.
    #[error("this request is decided or has run out")]
    Over,
    /// The account's key is gone or does not open.
    #[error("the account's key does not open")]
    Key(#[from] KeyError),
    /// The account could not be read.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// Officers could not be counted.
    #[error(transparent)]
    Access(#[from] crate::access::AccessError),
    /// The ledger did not take the entry.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl OpeningError {
    /// The stable code.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoAccount | Self::NoOpening => "not_found",
            Self::Reason => "opening.reason",
            Self::Closed => "record.closed",
            Self::NoSecondOfficer => "opening.no_second_officer",
            Self::SameOfficer => "opening.same_officer",
            Self::Over => "opening.over",
            Self::Key(_) => "account.unverifiable",
            Self::Account(_) | Self::Access(_) | Self::Ledger(_) | Self::Db(_) => "internal",
        }
    }
}

/// How long things take, and whether one officer is enough where there is only one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How long a request waits for a decision.
    pub asking: Duration,
    /// How long an approved record may be looked at.
    pub opening: Duration,
    /// Whether the only officer may look alone.
    pub alone: bool,
}

impl From<&config::Audit> for Rules {
    fn from(audit: &config::Audit) -> Self {
        let hours = |hours: u32| Duration::from_hours(hours.into());
        Self {
            asking: hours(audit.asking_hours),
            opening: hours(audit.opening_hours),
            alone: audit.lone_officer == config::LoneOfficer::Recorded,
        }
    }
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OpeningState {
    /// It waits for a second officer.
    Asked,
    /// The record may be opened.
    Approved,
    /// A second officer said no.
    Declined,
    /// Its time is over.
    Over,
}

/// A request to open a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Opening {
    /// Its id.
    #[schema(value_type = String, example = "opn_00000000000000000000000000000000")]
    pub id: OpeningId,
    /// Whose record.
    #[schema(value_type = String)]
    pub subject: SubjectId,
    /// Why.
    pub reason: String,
    /// What became of it.
    pub state: OpeningState,
    /// When it was asked.
    #[schema(value_type = String, format = "date-time")]
    pub asked_at: Timestamp,
    /// Until when it can be approved or, once it is, until when the record opens.
    #[schema(value_type = String, format = "date-time")]
    pub expires_at: Timestamp,
    /// Whether the only officer of the installation opens it alone.
    pub alone: bool,
    /// Ledger index of the entry that says it was asked.
    pub asked_entry: u64,
    /// Ledger index of the entry that says what was decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_entry: Option<u64>,
    /// Who asked.
    #[serde(skip)]
    pub asked_by: [u8; 16],
}

/// What is asked.
pub struct Asking<'a> {
    /// Whose record.
    pub subject: SubjectId,
    /// Who asks.
    pub by: Credential,
    /// Why.
    pub reason: &'a str,
}

/// A request to open a record, and whether asking made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// The request.
    pub opening: Opening,
    /// Whether it is new: who asks again while the first request waits or opens the record, gets that.
    pub new: bool,
}

/// Asks to open a record. One request of an officer for a record is enough: the next one leads to it.
///
/// # Errors
/// [`OpeningError::NoSecondOfficer`] when nobody could approve and the settings do not let the only
/// officer look alone.
pub async fn ask(
    tx: &mut Tx,
    keys: &KeyRing,
    rng: &mut (dyn Rng + Send),
    rules: Rules,
    asking: Asking<'_>,
    now: Timestamp,
) -> Result<Asked, OpeningError> {
    let Asking { subject, by, reason } = asking;
    let reason = reason.trim();
    let length = reason.chars().count();
    if length == 0 || length > REASON_MAX || reason.chars().any(char::is_control) {
        return Err(OpeningError::Reason);
    }
    if accounts::find(tx, &[subject]).await?.is_empty() {
        return Err(OpeningError::NoAccount);
    }
    // Two clicks at once: the second waits here and finds the request of the first.
    ledger::hold(tx).await?;
    let alone = directory::count(tx, Role::Officer).await? < 2;
    if alone && !rules.alone {
        return Err(OpeningError::NoSecondOfficer);
    }
    if let Some(standing) = store::standing(tx, (subject, *by.id()), alone, now).await? {
        return Ok(Asked { opening: find(tx, keys, standing, now).await?, new: false });
    }
    let data_keys = accounts::data_keys(tx, keys, &[subject]).await?;
    let key = data_keys.get(&subject).ok_or(KeyError::Unopenable)?;
    let id = OpeningId::random(rng);
    let sealed = key.seal(&context(&subject, &id), reason.as_bytes(), rng);
    let leaf = leaf(keys, LeafKind::AccessAsked, (id, subject, by), json!({ "opening": id }), now);
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    let asked = store::Asked {
        subject,
        id,
        by: *by.id(),
        reason: sealed,
        at: now,
        expires_at: now.plus(rules.asking),
        entry: appended.first,
    };
    store::ask(tx, asked).await?;
    if alone {
        tracing::warn!("the only officer opens a record alone");
        conclude(tx, keys, (id, subject), (by, true, true), rules, now).await?;
    }
    Ok(Asked { opening: find(tx, keys, id, now).await?, new: true })
}

/// Decides about a request of another officer.
///
/// # Errors
/// [`OpeningError::SameOfficer`], [`OpeningError::Over`], [`OpeningError::NoOpening`].
pub async fn decide(
    tx: &mut Tx,
    keys: &KeyRing,
    rules: Rules,
    (id, by, approve): (OpeningId, UserId, bool),
    now: Timestamp,
) -> Result<Opening, OpeningError> {
    // Two decisions at once: the second waits here and finds the first.
    ledger::hold(tx).await?;
    let opening = find(tx, keys, id, now).await?;
    if opening.state != OpeningState::Asked {
        return Err(OpeningError::Over);
    }
    if opening.asked_by == *by.as_bytes() {
        return Err(OpeningError::SameOfficer);
    }
    let decision = (Credential::User(by), approve, false);
    conclude(tx, keys, (id, opening.subject), decision, rules, now).await?;
    find(tx, keys, id, now).await
}

async fn conclude(
    tx: &mut Tx,
    keys: &KeyRing,
    (id, subject): (OpeningId, SubjectId),
    (by, approved, alone): (Credential, bool, bool),
    rules: Rules,
    now: Timestamp,
) -> Result<(), OpeningError> {
    let detail = json!({ "opening": id, "approved": approved, "alone": alone });
    let leaf = leaf(keys, LeafKind::AccessDecided, (id, subject, by), detail, now);
    let appended = ledger::append(tx, &keys.log_signer(), &[leaf], now).await?;
    let decided = store::Decided {
        subject,
        id,
        by: *by.id(),
        at: now,
        approved,
        alone,
        expires_at: now.plus(rules.opening),
        entry: appended.first,
    };
    store::decide(tx, decided).await?;
    Ok(())
}

/// The approved request by which this officer may open this record now.
///
/// # Errors
/// [`OpeningError::Closed`].
pub async fn demand(
    tx: &mut Tx,
    subject: SubjectId,
    by: Credential,
    now: Timestamp,
) -> Result<OpeningId, OpeningError> {
    store::approved(tx, subject, *by.id(), now).await?.ok_or(OpeningError::Closed)
}

/// One request.
pub async fn find(
    tx: &mut Tx,
    keys: &KeyRing,
    id: OpeningId,
    now: Timestamp,
) -> Result<Opening, OpeningError> {
    let row = store::find(tx, id).await?.ok_or(OpeningError::NoOpening)?;
    Ok(read(tx, keys, vec![row], now).await?.remove(0))
}

/// Requests that wait or open something now, the newest first.
pub async fn list(
    tx: &mut Tx,
    keys: &KeyRing,
    now: Timestamp,
) -> Result<Vec<Opening>, OpeningError> {
    let rows = store::open(tx, now, LISTED).await?;
    read(tx, keys, rows, now).await
}

/// Forgets requests that ran out long ago.
pub async fn forget_old(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    store::forget(tx, now.minus(KEPT)).await
}

async fn read(
    tx: &mut Tx,
    keys: &KeyRing,
    rows: Vec<store::Stored>,
    now: Timestamp,
) -> Result<Vec<Opening>, OpeningError> {
    let subjects: Vec<SubjectId> = rows.iter().map(|row| row.subject).collect();
    let data_keys = accounts::data_keys(tx, keys, &subjects).await?;
    rows.into_iter()
        .map(|row| {
            let key = data_keys.get(&row.subject).ok_or(KeyError::Unopenable)?;
            let reason = key.open(&context(&row.subject, &row.id), &row.reason)?;
            let reason = String::from_utf8_lossy(&reason).into_owned();
            Ok(row.opening(reason, now))
        })
        .collect()
}

fn context<'a>(subject: &'a SubjectId, id: &'a OpeningId) -> [&'a [u8]; 3] {
    [b"opening", subject.as_bytes(), id.as_bytes()]
}

/// An entry that says which request, and neither about whom nor by whom: those are committed to.
fn leaf(
    keys: &KeyRing,
    kind: LeafKind,
    (id, subject, by): (OpeningId, SubjectId, Credential),
    detail: serde_json::Value,
    now: Timestamp,
) -> Leaf {
    let of = [&id.as_bytes()[..], subject.as_bytes(), by.id()].concat();
    let commitment = keys.caller_hash("audit/opening", &of);
    Leaf::new(kind, now).with_commitment(commitment).with_detail(detail)
}
