//! The one writer of decisions: whatever is queued becomes one transaction, one run of ledger
//! entries, one signed checkpoint.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use volens_privacy::Timestamp;
use volens_privacy::consent::{Decision, NoticeRef, PhoneEvidenceLabel};
use volens_privacy::identity::{AccountTag, AppId, LinkToken, SubjectId};
use volens_privacy::keys::KeyRing;
use volens_privacy::purpose::PurposeKind;
use volens_privacy::receipt::Receipt;

use super::{Grant, batch};
use crate::clock::Clock;
use crate::db::group::{Group, Grouped};
use crate::db::{self, Tx};

/// What can be asked of the recorder.
pub enum Command {
    /// Record what a person chose under one notice.
    Decide(Decide),
    /// Take a consent back.
    Withdraw(Withdrawal),
    /// End a grant whose time has run out.
    Expire(Grant),
    /// Stop direct marketing for good (GDPR Art. 21(2), (3)). Never refused.
    Object(Objecting),
    /// End the consents that the account is known to be too young for.
    Outgrow(SubjectId),
}

/// Choices of one person under one notice, already checked by [`super::intake`].
pub struct Decide {
    /// The app that asked.
    pub app: AppId,
    /// Whose choices.
    pub account: AccountTag,
    /// What was shown.
    pub notice: NoticeRef,
    /// When the app asked, if the person did not come on their own.
    pub requested_at: Option<Timestamp>,
    /// When the person chose.
    pub decided_at: Timestamp,
    /// Whether the app told that time; without it, the time of the report counts.
    pub time_told: bool,
    /// Whether this is evidence of what happened before, brought in later. What is reported as it
    /// happens ends a consent whatever the app's clock says; evidence ends none that was given since.
    pub from_evidence: bool,
    /// Whether the app's controller is a gatekeeper (Digital Markets Act): a no then counts for a year.
    pub gatekeeper: bool,
    /// What the app adds as proof.
    pub evidence: Option<serde_json::Value>,
    /// How a phone number was presented, if one was.
    pub phone: Option<PhoneEvidenceLabel>,
    /// The choices.
    pub items: Vec<ItemDecision>,
}

/// One choice.
pub struct ItemDecision {
    /// About what.
    pub purpose: PurposeKind,
    /// With which other app, for linking.
    pub peer: Option<AppId>,
    /// `Given` or `Refused`.
    pub decision: Decision,
    /// The token that exists while this linking grant lives.
    pub token: Option<PepperedToken>,
}

/// A link token, and which `pepper` of the key ring went into it.
#[derive(Clone)]
pub struct PepperedToken {
    /// The token.
    pub token: LinkToken,
    /// Version of the root.
    pub pepper: u32,
}

/// A consent taken back.
pub struct Withdrawal {
    /// The app that reports it.
    pub app: AppId,
    /// Whose.
    pub account: AccountTag,
    /// Which purpose.
    pub purpose: PurposeKind,
    /// Which other app, for linking.
    pub peer: Option<AppId>,
    /// When the person said so.
    pub decided_at: Timestamp,
    /// Whether this is evidence of what happened before, brought in later (see [`Decide`]).
    pub from_evidence: bool,
    /// How it was said, where not by the person's own hand.
    pub evidence: Option<serde_json::Value>,
}

/// An objection to direct marketing.
pub struct Objecting {
    /// The app that reports it.
    pub app: AppId,
    /// Whose. The objection counts whether or not there is such an account.
    pub account: AccountTag,
    /// When the person said so.
    pub decided_at: Timestamp,
}

/// Why a command was refused without anything being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The app has no such account.
    #[error("the app has no such account")]
    AccountUnknown,
    /// The account is known to be of somebody too young to consent to this.
    #[error("the account is of somebody too young to consent to this")]
    Underage,
    /// No impact assessment is attached for this purpose (GDPR Art. 35).
    #[error("nobody can consent to this before its impact assessment is attached")]
    Unassessed,
    /// The person took this consent back after the decision that is reported now.
    #[error("a later withdrawal or refusal is on record")]
    Superseded,
    /// The person objected to direct marketing, and this is no later, explicit consent to messages.
    #[error("an objection to direct marketing stands")]
    Objected,
    /// Processing of the account is restricted (GDPR Art. 18).
    #[error("processing of the account is restricted")]
    Restricted,
    /// The app asked although the person had said no, and not long enough ago.
    #[error("the person said no, and may not be asked again yet")]
    AskedTooEarly,
}

impl Refused {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::AccountUnknown => "account.unknown",
            Self::Underage => "account.underage",
            Self::Unassessed => "purpose.unassessed",
            Self::Superseded => "consent.superseded",
            Self::Objected => "consent.objected",
            Self::Restricted => "account.restricted",
            Self::AskedTooEarly => "consent.asked_too_early",
        }
    }
}

/// What became of one choice.
pub struct Decided {
    /// About what.
    pub purpose: PurposeKind,
    /// With which other app.
    pub peer: Option<AppId>,
    /// What is on record now.
    pub decision: Decision,
    /// Ledger index of the entry that says so.
    pub entry: u64,
    /// The receipt, for an entry made by this command; `None` when the same choice was on record.
    pub receipt: Option<Receipt>,
}

/// What a withdrawal took with it.
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
pub struct Effects {
    /// Links that no longer exist.
    pub links: u64,
    /// Scores deleted.
    pub scores: u64,
    /// Rows of sealed lists deleted.
    pub list_rows: u64,
    /// Pending follow-ups cancelled.
    pub followups: u64,
}

/// What the recorder answers.
#[expect(clippy::large_enum_variant, reason = "made once per call and taken apart at once")]
pub enum Replies {
    /// To [`Command::Decide`], one per choice.
    Decided(Vec<Decided>),
    /// To [`Command::Withdraw`] and [`Command::Expire`].
    Ended(Decided, Effects),
    /// To [`Command::Object`] and [`Command::Outgrow`]: everything that ended, with what went with it
    /// in all, and the ledger index of the objection.
    Stopped {
        /// The consents that are at an end.
        ended: Vec<Decided>,
        /// What went with them.
        effects: Effects,
        /// The entry that says that somebody objected.
        entry: Option<u64>,
    },
}

impl Effects {
    /// What goes with this and with something else of the same account: scores and rows that rest on
    /// both go once.
    #[must_use]
    pub(super) fn together_with(self, other: Self) -> Self {
        Self {
            links: self.links + other.links,
            scores: self.scores.max(other.scores),
            list_rows: self.list_rows.max(other.list_rows),
            followups: self.followups + other.followups,
        }
    }
}

/// The work behind a [`Recorder`].
pub struct Recording {
    keys: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    rng: Mutex<StdRng>,
}

/// The queue to the one writer of decisions.
pub type Recorder = Group<Recording>;

impl Recording {
    /// Signs with `keys`, stamps with `clock`, draws ids and nonces from `rng`.
    pub fn new(keys: Arc<KeyRing>, clock: Arc<dyn Clock>, rng: StdRng) -> Self {
        Self { keys, clock, rng: Mutex::new(rng) }
    }
}

impl Grouped for Recording {
    type Item = Command;
    type Reply = Result<Replies, Refused>;

    async fn apply(&self, tx: &mut Tx, items: &[Command]) -> db::Result<Vec<Self::Reply>> {
        let seed = self.rng.lock().unwrap_or_else(PoisonError::into_inner).random();
        let mut rng = StdRng::from_seed(seed);
        // Asked for anew each time: the key may have been rotated since the last.
        let signer = self.keys.log_signer();
        batch::record(tx, &self.keys, &signer, &mut rng, self.clock.now(), items).await
    }
}
