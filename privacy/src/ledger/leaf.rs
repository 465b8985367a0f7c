//! What an entry of the ledger says publicly: canonical JSON without personal data.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::tree::{Hash, leaf_hash};
use crate::encoding::{optional_hex_bytes, text_serde};
use crate::identity::AppId;
use crate::purpose::PurposeKind;
use crate::time::Timestamp;

const VERSION: u32 = 1;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LeafKind {
    /// Somebody consented.
    ConsentGiven,
    /// Somebody said no when asked.
    ConsentRefused,
    /// Somebody took a consent back.
    ConsentWithdrawn,
    /// A consent reached its end.
    ConsentExpired,
    /// A notice came into use.
    NoticePublished,
    /// A list of recipients was sealed.
    ListSealed,
    /// A model was trained.
    ModelTrained,
    /// A root key changed.
    KeyRotated,
    /// An officer read personal data.
    OfficerAccess,
    /// The invariants were checked.
    AuditRun,
    /// An account was erased (GDPR Art. 17).
    AccountErased,
    /// Somebody objected to direct marketing (GDPR Art. 21(2)).
    ObjectionMade,
    /// A later, explicit consent ended an objection.
    ObjectionLifted,
    /// Processing of an account was restricted (GDPR Art. 18).
    ProcessingRestricted,
    /// A restriction ended.
    ProcessingResumed,
    /// Somebody asked for what the law gives them (GDPR Art. 12).
    RequestReceived,
    /// Such a request was answered.
    RequestClosed,
    /// An officer asked to open a person's record.
    AccessAsked,
    /// A second officer decided about that.
    AccessDecided,
    /// An impact assessment was attached (GDPR Art. 35).
    ImpactAssessed,
    /// A breach of personal data became known, or its authority was told (GDPR Art. 33).
    IncidentNoted,
    /// An officer looked at what a model could stand for, and let it be used.
    ModelCleared,
    /// Consents from before entries were lost count again.
    LossSettled,
    /// The log goes on in another tree.
    LogOpened,
}

impl LeafKind {
    /// All kinds.
    pub const ALL: [Self; 24] = [
        Self::ConsentGiven,
        Self::ConsentRefused,
        Self::ConsentWithdrawn,
        Self::ConsentExpired,
        Self::NoticePublished,
        Self::ListSealed,
        Self::ModelTrained,
        Self::KeyRotated,
        Self::OfficerAccess,
        Self::AuditRun,
        Self::AccountErased,
        Self::ObjectionMade,
        Self::ObjectionLifted,
        Self::ProcessingRestricted,
        Self::ProcessingResumed,
        Self::RequestReceived,
        Self::RequestClosed,
        Self::AccessAsked,
        Self::AccessDecided,
        Self::ImpactAssessed,
        Self::IncidentNoted,
        Self::ModelCleared,
        Self::LossSettled,
        Self::LogOpened,
    ];

    /// The name in the leaf.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ConsentGiven => "consent.given",
            Self::ConsentRefused => "consent.refused",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::ConsentExpired => "consent.expired",
            Self::NoticePublished => "notice.published",
            Self::ListSealed => "list.sealed",
            Self::ModelTrained => "model.trained",
            Self::KeyRotated => "key.rotated",
            Self::OfficerAccess => "officer.access",
            Self::AuditRun => "audit.run",
            Self::AccountErased => "account.erased",
            Self::ObjectionMade => "objection.made",
            Self::ObjectionLifted => "objection.lifted",
            Self::ProcessingRestricted => "processing.restricted",
            Self::ProcessingResumed => "processing.resumed",
            Self::RequestReceived => "request.received",
            Self::RequestClosed => "request.closed",
            Self::AccessAsked => "access.asked",
            Self::AccessDecided => "access.decided",
            Self::ImpactAssessed => "impact.assessed",
            Self::IncidentNoted => "incident.noted",
            Self::ModelCleared => "model.cleared",
            Self::LossSettled => "loss.settled",
            Self::LogOpened => "log.opened",
        }
    }
}

impl fmt::Display for LeafKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for LeafKind {
    type Err = LeafError;

    fn from_str(text: &str) -> Result<Self, LeafError> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(LeafError::KindUnknown)
    }
}

text_serde!(LeafKind);

/// Why bytes are not a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LeafError {
    /// No such kind of event.
    #[error("unknown kind of ledger entry")]
    KindUnknown,
    /// Not a leaf of a version this program reads.
    #[error("not a ledger entry of a known version")]
    Malformed,
    /// A leaf, but not in its canonical bytes.
    #[error("the ledger entry is not in canonical form")]
    NotCanonical,
}

/// Which notice, without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafNotice {
    /// Id of the notice.
    pub id: String,
    /// Version of the notice.
    pub version: u32,
}

/// One entry of the ledger.
///
/// Says what happened, in which app, for which purpose, in which minute; not to whom. The
/// commitment can be opened only with the key of that entry, and nobody can open it once the
/// account's key is destroyed.
///
/// Its bytes are RFC 8785 canonical JSON, so that one entry has one hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    // In the order of RFC 8785, so that what serde writes is canonical already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    app: Option<AppId>,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "optional_hex_bytes")]
    commitment: Option<[u8; 32]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<serde_json::Value>,
    kind: LeafKind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    notice: Option<LeafNotice>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peer: Option<AppId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    purpose: Option<PurposeKind>,
    v: u32,
}

impl Leaf {
    /// An entry about something at a time, which is cut to the minute.
    pub fn new(kind: LeafKind, at: Timestamp) -> Self {
        Self {
            v: VERSION,
            kind,
            at: at.minute(),
            app: None,
            purpose: None,
            peer: None,
            notice: None,
            commitment: None,
            detail: None,
        }
    }

    /// With the app it happened in.
    pub fn with_app(mut self, app: AppId) -> Self {
        self.app = Some(app);
        self
    }

    /// With the purpose it is about.
    pub fn with_purpose(mut self, purpose: PurposeKind) -> Self {
        self.purpose = Some(purpose);
        self
    }

    /// With the other app of a link.
    pub fn with_peer(mut self, peer: AppId) -> Self {
        self.peer = Some(peer);
        self
    }

    /// With the notice that was shown.
    pub fn with_notice(mut self, id: &str, version: u32) -> Self {
        self.notice = Some(LeafNotice { id: id.to_owned(), version });
        self
    }

    /// With a commitment to a record that is kept elsewhere.
    pub fn with_commitment(mut self, commitment: [u8; 32]) -> Self {
        self.commitment = Some(commitment);
        self
    }

    /// With further facts. They are public: ids, counts and hashes, never personal data.
    pub fn with_detail(mut self, detail: serde_json::Value) -> Self {
        self.detail = Some(detail);
        self
    }

    /// What happened.
    pub fn kind(&self) -> LeafKind {
        self.kind
    }

    /// In which minute.
    pub fn at(&self) -> Timestamp {
        self.at
    }

    /// In which app.
    pub fn app(&self) -> Option<&AppId> {
        self.app.as_ref()
    }

    /// For which purpose.
    pub fn purpose(&self) -> Option<PurposeKind> {
        self.purpose
    }

    /// With which other app.
    pub fn peer(&self) -> Option<&AppId> {
        self.peer.as_ref()
    }

    /// Under which notice.
    pub fn notice(&self) -> Option<&LeafNotice> {
        self.notice.as_ref()
    }

    /// The commitment to the record.
    pub fn commitment(&self) -> Option<&[u8; 32]> {
        self.commitment.as_ref()
    }

    /// Further facts.
    pub fn detail(&self) -> Option<&serde_json::Value> {
        self.detail.as_ref()
    }

    /// The bytes that are hashed into the tree: RFC 8785 canonical JSON.
    pub fn bytes(&self) -> Vec<u8> {
        // Numbers and names within the detail are anybody's; without it there is nothing to order.
        let bytes = match self.detail {
            Some(_) => serde_jcs::to_vec(self),
            None => serde_json::to_vec(self),
        };
        bytes.expect("a leaf is strings, numbers and JSON values")
    }

    /// Its hash in the tree.
    pub fn hash(&self) -> Hash {
        leaf_hash(&self.bytes())
    }

    /// Reads the bytes of an entry; any other spelling of the same JSON is refused.
    pub fn parse(bytes: &[u8]) -> Result<Self, LeafError> {
        let leaf: Self = serde_json::from_slice(bytes).map_err(|_error| LeafError::Malformed)?;
        if leaf.v != VERSION {
            return Err(LeafError::Malformed);
        }
        if leaf.bytes() == bytes { Ok(leaf) } else { Err(LeafError::NotCanonical) }
    }
}
