//! The id of a request, and its signed receipt.

use std::fmt;
use std::str::FromStr;

use rand::Rng;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use volens_privacy::Timestamp;
use volens_privacy::keys::KeyRing;
use volens_privacy::rights::{Jurisdiction, RequestKind};

use super::{Request, State};
use crate::ids::unhex;
use crate::rights::RightsError;

/// The kind of document a receipt is, signed with it.
pub const RECEIPT_KIND: &str = "volens/request-receipt/1";

/// A UUID, chosen by whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A new one (RFC 9562, version 4), for requests that are entered by an officer.
    pub fn random(rng: &mut (dyn Rng + Send)) -> Self {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        bytes[6] = bytes[6] & 0x0f | 0x40;
        bytes[8] = bytes[8] & 0x3f | 0x80;
        Self(bytes)
    }

    /// From the bytes that are stored.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, byte) in self.0.iter().enumerate() {
            if matches!(n, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A text is no UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a lower-case UUID")]
pub struct NotAnId;

impl FromStr for RequestId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let id = unhex::<16>(&text.replace('-', "")).map(Self).ok_or(NotAnId)?;
        if id.to_string() == text { Ok(id) } else { Err(NotAnId) }
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(de::Error::custom)
    }
}

/// How a request stands, in the words of OpenDSR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waiting for an answer.
    Pending,
    /// Met.
    Completed,
    /// Refused, or taken back.
    Cancelled,
}

/// What whoever asked can show: that it was received when, is due when, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// `volens/request-receipt/1`.
    pub kind: String,
    /// Which request.
    #[schema(value_type = String, format = "uuid")]
    pub subject_request_id: RequestId,
    /// What for.
    #[schema(value_type = String, example = "access")]
    pub subject_request_type: RequestKind,
    /// Whose clock: `gdpr` or `lgpd`.
    #[schema(value_type = String)]
    pub regulation: Jurisdiction,
    /// How it stands.
    pub request_status: Status,
    /// How it ended, a code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// When it was received.
    #[schema(value_type = String, format = "date-time")]
    pub received_time: Timestamp,
    /// By when it must be answered.
    #[schema(value_type = String, format = "date-time")]
    pub expected_completion_time: Timestamp,
    /// When it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = "date-time")]
    pub closed_time: Option<Timestamp>,
    /// Ledger index of the entry that says that it was received.
    pub received_entry: u64,
    /// Ledger index of the entry that says that it was closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_entry: Option<u64>,
}

/// A receipt with the signature of the log's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignedReceipt {
    /// What is signed.
    pub receipt: Receipt,
    /// A C2SP signed note over the kind and the SHA-256 of the canonical JSON of `receipt`.
    pub signature: String,
}

impl SignedReceipt {
    /// The receipt of a request as it stands.
    ///
    /// # Errors
    /// Never for a request of this program: everything in a receipt has a canonical form.
    pub fn of(request: &Request, keys: &KeyRing) -> Result<Self, RightsError> {
        let receipt = Receipt {
            kind: RECEIPT_KIND.to_owned(),
            subject_request_id: request.id,
            subject_request_type: request.kind,
            regulation: request.law,
            request_status: match request.state {
                State::Open => Status::Pending,
                State::Completed => Status::Completed,
                State::Refused | State::Cancelled => Status::Cancelled,
            },
            outcome: request.outcome.clone(),
            received_time: request.received_at,
            expected_completion_time: request.due_at,
            closed_time: request.closed_at,
            received_entry: request.received_entry,
            closed_entry: request.closed_entry,
        };
        let signature = keys.log_signer().sign_document(RECEIPT_KIND, &receipt)?;
        Ok(Self { receipt, signature })
    }
}
