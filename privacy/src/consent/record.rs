//! One decision of one account, and its commitment in the ledger.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Chain, ConsentError, Previous};
use crate::encoding::{hex_bytes, optional_hex_bytes, text_serde};
use crate::identity::{AppId, SubjectId};
use crate::keys::{DataKey, EntryKey};
use crate::ledger::{Leaf, LeafKind};
use crate::phone::PhoneEncoding;
use crate::purpose::PurposeKind;
use crate::redact::hide_debug;
use crate::time::Timestamp;

/// The impact assessment that a consent was admitted under (GDPR Art. 35).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssessmentRef {
    /// Ledger index of the entry that says that it was attached.
    pub entry: u64,
    /// The operator's name for the document.
    pub name: String,
    /// SHA-256 of the document, which stays with the operator.
    #[serde(with = "hex_bytes")]
    pub sha256: [u8; 32],
}

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Decision {
    /// The person consented.
    Given,
    /// The person was asked and said no.
    Refused,
    /// The person took the consent back.
    Withdrawn,
    /// The consent reached its end.
    Expired,
}

impl Decision {
    /// All decisions.
    pub const ALL: [Self; 4] = [Self::Given, Self::Refused, Self::Withdrawn, Self::Expired];

    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::Refused => "refused",
            Self::Withdrawn => "withdrawn",
            Self::Expired => "expired",
        }
    }

    /// The kind of ledger entry it becomes.
    pub const fn leaf_kind(self) -> LeafKind {
        match self {
            Self::Given => LeafKind::ConsentGiven,
            Self::Refused => LeafKind::ConsentRefused,
            Self::Withdrawn => LeafKind::ConsentWithdrawn,
            Self::Expired => LeafKind::ConsentExpired,
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Decision {
    type Err = DecisionError;

    fn from_str(text: &str) -> Result<Self, DecisionError> {
        Self::ALL.into_iter().find(|decision| decision.as_str() == text).ok_or(DecisionError)
    }
}

/// A text is not a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unknown decision: expected given, refused, withdrawn or expired")]
pub struct DecisionError;

text_serde!(Decision);

/// Exactly which text a person was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeRef {
    /// SHA-256 of the notice's text.
    #[serde(with = "hex_bytes")]
    pub content_sha256: [u8; 32],
    /// Id of the notice.
    pub id: String,
    /// Language it was shown in.
    pub language: String,
    /// Its publication, in records that tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// SHA-256 of what was rendered, as the app reports it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_hex_bytes")]
    pub rendered_sha256: Option<[u8; 32]>,
    /// Version of the notice.
    pub version: u32,
}

/// That a text was published, so that people could decide under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Published {
    /// When.
    pub at: Timestamp,
    /// Ledger index of the entry that says so.
    pub entry: u64,
}

/// That a phone number was presented with the decision, and how; never the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PhoneEvidenceLabel {
    /// Plain, or already hashed by the app (weaker: we cannot check what was hashed).
    pub encoding: PhoneEncoding,
    /// When the app last verified that the number is the person's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_at: Option<Timestamp>,
}

/// One decision of one account about one purpose.
///
/// Kept sealed under the account's key. The ledger holds a commitment to its RFC 8785 canonical
/// bytes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentRecord {
    // In the order of RFC 8785, as in what it holds: what serde writes is canonical already.
    /// In which app.
    pub app: AppId,
    /// Under which impact assessment, for a consent that needs one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assessment: Option<AssessmentRef>,
    /// What it follows, in records that tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Chain>,
    /// When it was decided, as the app reports it.
    pub decided_at: Timestamp,
    /// What was decided.
    pub decision: Decision,
    /// What the app adds as proof, for instance a detached signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<serde_json::Value>,
    /// When a consent ends, if earlier than the purpose's own limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// Random id of the record.
    #[serde(with = "hex_bytes")]
    pub id: [u8; 16],
    /// Under which notice; needed for a consent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeRef>,
    /// With which other app, for linking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<AppId>,
    /// Whether a phone number was presented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneEvidenceLabel>,
    /// About which purpose.
    pub purpose: PurposeKind,
    /// When it reached us.
    pub recorded_at: Timestamp,
    /// When the app asked for it, if the person did not come on their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requested_at: Option<Timestamp>,
    /// Whose decision.
    pub subject: SubjectId,
}

hide_debug!(ConsentRecord);

impl ConsentRecord {
    /// The bytes that are committed to: RFC 8785 canonical JSON.
    pub fn canonical_bytes(&self) -> Vec<u8> {
        match self.evidence {
            // An app's own members come in any order.
            Some(_) => serde_jcs::to_vec(self),
            None => serde_json::to_vec(self),
        }
        .expect("a record is strings, numbers and JSON values")
    }

    /// The ledger entry of this decision: its public facts and a commitment,
    /// `HMAC-SHA256(HKDF(account key, "entry" ‖ record id), canonical bytes)`.
    pub fn leaf(&self, key: &DataKey) -> Leaf {
        self.leaf_under(&key.entry_key(&self.id), &self.canonical_bytes())
    }

    /// Commits to this decision under the account's key.
    pub fn commit(self, key: &DataKey) -> CommittedRecord {
        let (key, canonical) = (key.entry_key(&self.id), self.canonical_bytes());
        CommittedRecord { leaf: self.leaf_under(&key, &canonical), record: self, canonical, key }
    }

    pub(crate) fn leaf_under(&self, key: &EntryKey, canonical: &[u8]) -> Leaf {
        let mut leaf = Leaf::new(self.decision.leaf_kind(), self.recorded_at)
            .with_app(self.app.clone())
            .with_purpose(self.purpose)
            .with_commitment(key.commit(canonical));
        if let Some(peer) = &self.peer {
            leaf = leaf.with_peer(peer.clone());
        }
        if let Some(notice) = &self.notice {
            leaf = leaf.with_notice(&notice.id, notice.version);
        }
        leaf
    }

    /// Whether the record is complete: linking names another app and nothing else does, and a
    /// consent names its notice.
    pub fn check(&self) -> Result<(), ConsentError> {
        let needs_peer = self.purpose.definition().needs_peer();
        if needs_peer != self.peer.is_some() || self.peer.as_ref() == Some(&self.app) {
            return Err(ConsentError::Peer);
        }
        if self.decision == Decision::Given && self.notice.is_none() {
            return Err(ConsentError::NoticeMissing);
        }
        Ok(())
    }

    /// When the decision counts from: when it was taken, but never after it was recorded, so that
    /// a wrong clock in an app cannot place a decision in the future.
    pub fn effective_at(&self) -> Timestamp {
        self.decided_at.min(self.recorded_at)
    }

    /// When a consent ends: at the purpose's limit, or earlier if the record says so.
    pub fn ends_at(&self) -> Timestamp {
        let limit = self.effective_at().plus(self.purpose.definition().lasts());
        self.expires_at.map_or(limit, |expires_at| expires_at.min(limit))
    }
}

/// A record with everything that is made from it once: its canonical form, its ledger entry and the
/// key that opens the entry.
pub struct CommittedRecord {
    pub(crate) record: ConsentRecord,
    pub(crate) canonical: Vec<u8>,
    pub(crate) key: EntryKey,
    pub(crate) leaf: Leaf,
}

hide_debug!(CommittedRecord);

impl CommittedRecord {
    /// The decision.
    pub fn record(&self) -> &ConsentRecord {
        &self.record
    }

    /// The bytes that are committed to (RFC 8785).
    pub fn canonical_bytes(&self) -> &[u8] {
        &self.canonical
    }

    /// How the next record about the same names this one.
    pub fn as_previous(&self) -> Previous {
        Previous::canonical(&self.record, &self.canonical)
    }

    /// The ledger entry.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }
}
