//! A row of a list as it leaves the house, with everything a third party needs to check it.

use serde::{Deserialize, Serialize};
use volens_privacy::ledger::{Hash, Leaf};
use volens_privacy::{AppId, RecipientId};

use super::seal::{BorrowedEntries, Entries, Reason, SealedRow};
use crate::ids::ListId;
use crate::relevance::Assigned;

/// One recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Row {
    /// Opaque, and different for every business. The ledger entries of the row are not.
    #[schema(value_type = String, example = "rcp_00000000000000000000000000000000")]
    pub recipient: RecipientId,
    /// From 1.
    pub rank: u32,
    /// Probability that the goal is reached, to six decimals.
    pub score: f64,
    /// Expected increase of that probability through the message, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uplift: Option<f64>,
    /// Probability of a complaint or a stop, where the list is ranked by increase and it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub risk: Option<f64>,
    /// How probable it was that this person would be written to rather than kept aside, drawn before anybody
    /// was ranked: what an estimate from what happened has to be weighed by. Absent on lists of before it was
    /// written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propensity: Option<f64>,
    /// Which variant of the message this person is written, where the campaign has several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Assigned>,
    /// Why, the strongest first.
    pub reasons: Vec<Reason>,
    /// What it rests on.
    pub consent: RowConsent,
    /// That it is a row of the list that was sealed.
    pub seal: RowSeal,
}

/// The consents a row rests on. `entry`, `notice`, `leaf` and `proof` are those of the consent to
/// business messages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RowConsent {
    /// Consent to business messages.
    #[serde(flatten)]
    pub messages: Ground,
    /// Consent to being ranked.
    pub relevance: Ground,
    /// Consents to signals that other apps lent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub borrowed: Vec<Borrowed>,
}

/// One consent: where it stands in the ledger and the proof that it stands there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Ground {
    /// Index in the ledger.
    pub entry: u64,
    /// What was agreed to.
    pub notice: NoticeName,
    /// The entry itself; it says nothing about whom. What is hashed is its RFC 8785 canonical JSON.
    #[schema(value_type = Object)]
    pub leaf: Leaf,
    /// Inclusion proof with the signed checkpoint: `c2sp.org/tlog-proof@v1`.
    pub proof: String,
}

/// Which notice, and in which language it was shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NoticeName {
    /// Its id.
    pub id: String,
    /// Its version.
    pub version: u32,
    /// ISO 639-1.
    pub language: String,
}

/// The consents that let another app's account lend its signals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Borrowed {
    /// The lending app.
    #[schema(value_type = String)]
    pub app: AppId,
    /// The recipient's consent to the link.
    pub own: Ground,
    /// The lending account's consent to the link.
    pub lender: Ground,
    /// The lending account's consent to being ranked.
    pub relevance: Ground,
}

/// What opens a row's leaf and leads to the list's root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RowSeal {
    /// Random, in hexadecimal.
    pub salt: String,
    /// From the leaf to the root in the `list.sealed` entry.
    #[schema(value_type = Vec<String>)]
    pub path: Vec<Hash>,
}

impl Row {
    /// The entries it names.
    pub fn entries(&self) -> Entries {
        let borrowed = self.consent.borrowed.iter().map(|lent| BorrowedEntries {
            app: lent.app.to_string(),
            own: lent.own.entry,
            lender: lent.lender.entry,
            relevance: lent.relevance.entry,
        });
        Entries {
            messages: self.consent.messages.entry,
            relevance: self.consent.relevance.entry,
            borrowed: borrowed.collect(),
        }
    }

    /// Whether it is, unchanged, a row of the list that was sealed.
    pub fn is_sealed(&self, list: ListId, leaves: u64, root: &Hash) -> bool {
        let entries = self.entries();
        let sealed = SealedRow {
            list,
            recipient: self.recipient,
            rank: self.rank,
            score: self.score,
            uplift: self.uplift,
            risk: self.risk,
            propensity: self.propensity,
            variant: self.variant,
            reasons: &self.reasons,
            entries: &entries,
            salt: &self.seal.salt,
        };
        sealed.is_in(&self.seal.path, leaves, root)
    }
}
