//! Wire types of recipients and outcomes.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use volens_privacy::Timestamp;

use crate::audience::Campaign;
use crate::audience::export::Format;
use crate::audience::outcomes::{OutcomeIn, Refused};
use crate::audience::rows::Row;
use crate::audience::topics::{self, Recognised};

/// In which format.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ExportQuery {
    /// `csv`, `jsonl` or `parquet`.
    pub(super) format: Format,
}

/// A campaign that was made.
#[derive(Serialize, ToSchema)]
pub(super) struct CampaignMade {
    #[serde(flatten)]
    campaign: Campaign,
    /// Special categories of personal data that the text reads as if it were about, whatever it was named:
    /// a reason to look twice.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sensitive: Vec<Recognised>,
}

impl From<Campaign> for CampaignMade {
    fn from(campaign: Campaign) -> Self {
        Self { sensitive: topics::sensitive_of(&campaign), campaign }
    }
}

/// A page of recipients.
#[derive(Serialize, ToSchema)]
pub(super) struct RecipientsOut {
    /// The rows, best first.
    pub(super) data: Vec<Row>,
    /// Whether more follow.
    pub(super) has_more: bool,
    /// What to send as `after` for the next page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next_cursor: Option<String>,
    /// Rows of this page that are not permitted any more and were left out.
    pub(super) dropped: u64,
    /// When these rows were verified.
    pub(super) verified: ReadSince,
}

/// When rows were verified, and against which ledger their proofs are.
#[derive(Serialize, ToSchema)]
pub(super) struct ReadSince {
    /// When.
    #[schema(value_type = String, format = "date-time")]
    pub(super) at: Timestamp,
    /// Entries of the ledger that the proofs lead to, those of an earlier year to its end.
    pub(super) ledger_size: u64,
}

/// A batch of outcomes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OutcomesIn {
    /// At most 1000.
    pub(super) outcomes: Vec<OutcomeIn>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct OutcomesOut {
    /// How many were kept.
    pub(super) accepted: u64,
    /// How many were not.
    pub(super) refused: u64,
    /// One per outcome, in order.
    pub(super) results: Vec<TakenOut>,
}

/// What became of one outcome.
#[derive(Serialize, ToSchema)]
pub(super) struct TakenOut {
    /// `accepted` or `refused`.
    status: &'static str,
    /// Stable code, when it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) code: Option<&'static str>,
}

impl From<Result<(), Refused>> for TakenOut {
    fn from(taken: Result<(), Refused>) -> Self {
        match taken {
            Ok(()) => Self { status: "accepted", code: None },
            Err(refused) => Self { status: "refused", code: Some(refused.code()) },
        }
    }
}
