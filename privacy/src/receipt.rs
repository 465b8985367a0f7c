//! What a person or a business can check without us.

mod chain;
mod document;
mod facts;
mod iso;
mod once;
mod read;
mod signature;
mod terms;

use std::fmt;

pub use chain::contradiction;
pub use document::Issuer;
pub(crate) use read::{once, verify_signed};
use serde::{Deserialize, Serialize};
pub use signature::ReceiptSigner;

use crate::consent::{CommittedRecord, ConsentError, ConsentRecord, Decision, Previous};
use crate::encoding::{base64, hex, unbase64_exact};
use crate::keys::EntryKey;
use crate::ledger::bundle::TlogProofError;
use crate::ledger::{
    Checkpoint, Hash, Leaf, LeafError, LeafKind, LogVerifier, SignedCheckpoint, parse_tlog_proof,
    tlog_proof,
};
use crate::redact::hide_debug;

const RECEIPT_TYPE: &str = "volens/consent-receipt/1";
const OPENING_ALG: &str = "HMAC-SHA256";

/// Proof of one decision, for the person who made it.
///
/// Holds the record, the key that opens the ledger's commitment to it, the leaf and the proof that
/// the leaf is in the ledger. Whoever has a receipt can read it; it is given to the person alone, as
/// the signed JSON-LD document that [`Issuer::document`] makes of it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    #[serde(rename = "type")]
    kind: String,
    record: ConsentRecord,
    opening: Opening,
    leaf: Leaf,
    proof: String,
    /// Where it was read from a signed document.
    #[serde(skip)]
    signed: Option<Box<read::Signed>>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Opening {
    alg: String,
    key: String,
}

hide_debug!(Receipt);

/// Why a receipt or a row's proof was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// Not the JSON of a receipt of a known version.
    #[error("not a consent receipt of a known version")]
    Malformed,
    /// The record is not one that could have been accepted.
    #[error("the record is incomplete: {0}")]
    Record(#[from] ConsentError),
    /// The leaf is not in a known, canonical form.
    #[error("the ledger entry is malformed: {0}")]
    Leaf(#[from] LeafError),
    /// The commitment in the leaf does not open to the record.
    #[error("the ledger entry does not open to this record with this key")]
    Commitment,
    /// The public facts of the leaf are not those of the record.
    #[error("the ledger entry states other facts than the record")]
    Facts,
    /// The proof does not hold.
    #[error("the proof does not hold: {0}")]
    Proof(#[from] TlogProofError),
    /// The proof is of another entry.
    #[error("the proof is of another entry")]
    Index,
    /// The entry is not a consent.
    #[error("the entry is not a consent")]
    NotAGrant,
    /// It and another receipt cannot both be of one history.
    #[error("it contradicts another receipt about what was decided before")]
    Chain,
    /// The document is not signed by a key that the log vouches for.
    #[error("the document was altered, or is not signed by a key that the ledger vouches for")]
    Signature,
}

impl ReceiptError {
    /// The stable code shown outside.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed => "receipt.malformed",
            Self::Record(_) => "receipt.record",
            Self::Leaf(_) => "receipt.leaf",
            Self::Commitment => "receipt.commitment",
            Self::Facts => "receipt.facts",
            Self::Proof(_) => "receipt.proof",
            Self::Index => "receipt.index",
            Self::NotAGrant => "receipt.not_a_grant",
            Self::Chain => "receipt.chain",
            Self::Signature => "receipt.signature",
        }
    }
}

impl Receipt {
    /// Makes the receipt of a record that is entry `index` of the ledger.
    pub fn new(
        committed: CommittedRecord,
        index: u64,
        proof: &[Hash],
        checkpoint: &SignedCheckpoint,
    ) -> Self {
        let CommittedRecord { record, key, leaf, .. } = committed;
        Self {
            kind: RECEIPT_TYPE.to_owned(),
            leaf,
            opening: Opening { alg: OPENING_ALG.to_owned(), key: base64(key.as_bytes()) },
            record,
            proof: tlog_proof(index, proof, checkpoint),
            signed: None,
        }
    }

    /// Reads a receipt in the form of today or the one before; unknown versions and repeated members
    /// are refused.
    pub fn from_json(json: &[u8]) -> Result<Self, ReceiptError> {
        read::read(json)
    }

    /// The form before JSON-LD, which receipts handed out earlier have.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("a receipt is strings, numbers and JSON values")
    }

    /// The decision it proves.
    pub fn record(&self) -> &ConsentRecord {
        &self.record
    }

    /// The proof, in C2SP `tlog-proof@v1`.
    pub fn proof(&self) -> &str {
        &self.proof
    }

    /// Checks everything offline: that the leaf is a commitment to exactly this record, that its
    /// public facts are the record's, that it is in the tree of the checkpoint, and that `log`
    /// signed the checkpoint; of a JSON-LD document also its signature, and that it states what the
    /// record states.
    pub fn verify(&self, log: &LogVerifier) -> Result<ReceiptReport, ReceiptError> {
        if self.kind != RECEIPT_TYPE || self.opening.alg != OPENING_ALG {
            return Err(ReceiptError::Malformed);
        }
        self.record.check()?;
        let bytes = self.leaf.bytes();
        let leaf = Leaf::parse(&bytes)?;
        let key =
            EntryKey::from_bytes(unbase64_exact(&self.opening.key).ok_or(ReceiptError::Malformed)?);
        let commitment = leaf.commitment().ok_or(ReceiptError::Commitment)?;
        let canonical = self.record.canonical_bytes();
        if !key.opens(&canonical, commitment) {
            return Err(ReceiptError::Commitment);
        }
        if leaf != self.record.leaf_under(&key, &canonical) {
            return Err(ReceiptError::Facts);
        }
        let proof = parse_tlog_proof(&self.proof)?;
        let checkpoint = proof.verify(&bytes, log)?;
        if let Some(signed) = &self.signed {
            signed.verify(self, log)?;
        }
        let index = checkpoint.entry(proof.index);
        Ok(ReceiptReport { record: self.record.clone(), index, checkpoint })
    }
}

/// What a receipt was found to prove.
#[derive(Clone, PartialEq, Eq)]
pub struct ReceiptReport {
    record: ConsentRecord,
    index: u64,
    checkpoint: Checkpoint,
}

hide_debug!(ReceiptReport);

impl ReceiptReport {
    /// The decision.
    pub fn record(&self) -> &ConsentRecord {
        &self.record
    }

    /// Index of the ledger entry.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The signed head of the ledger that covers it.
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// What was found, one fact per sentence, in English.
    pub fn facts(&self) -> Vec<String> {
        let ConsentRecord { app, purpose, peer, decision, notice, .. } = &self.record;
        let title = purpose.definition().title("en");
        let with = peer.as_ref().map(|peer| format!(" with {peer}")).unwrap_or_default();
        let mut facts = vec![format!(
            "consent was {decision} in {app} for “{title}”{with} at {}",
            self.record.decided_at
        )];
        if let Some(notice) = notice {
            facts.push(format!(
                "under notice {} version {} in language {}",
                notice.id, notice.version, notice.language
            ));
        }
        if *decision == Decision::Given {
            facts.push(format!(
                "the consent ends at {} unless taken back before",
                self.record.ends_at()
            ));
        }
        if let Some(chain) = &self.record.chain {
            facts.push(match &chain.previous {
                None => "it is the first decision about that in this account".to_owned(),
                Some(Previous { decision, sha256, .. }) => format!(
                    "it follows the one before, {decision}, whose record has the SHA-256 {}",
                    hex(sha256)
                ),
            });
        }
        facts.push(
            "the key in the receipt opens the ledger's commitment to exactly this record"
                .to_owned(),
        );
        let Checkpoint { origin, before, size, root } = &self.checkpoint;
        facts.push(format!("it is entry {} of the ledger {origin}", self.index));
        let earlier = match before {
            0 => String::new(),
            before => format!(" after {before} of earlier years"),
        };
        facts.push(format!(
            "which had {size} entries{earlier} and root {root} and is signed by the expected key"
        ));
        facts
    }
}

impl fmt::Display for ReceiptReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.facts().join("\n"))
    }
}

/// Proof of consent for one row of a business's list: that somebody consented in that app, for that
/// purpose, under that notice, in that minute. It does not say who.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowProof {
    leaf: Leaf,
    index: u64,
    proof: String,
}

impl RowProof {
    /// Makes the proof of the entry at `index` with these leaf bytes.
    pub fn new(
        leaf: &[u8],
        index: u64,
        proof: &[Hash],
        checkpoint: &SignedCheckpoint,
    ) -> Result<Self, LeafError> {
        Ok(Self { leaf: Leaf::parse(leaf)?, index, proof: tlog_proof(index, proof, checkpoint) })
    }

    /// The public entry the row rests on.
    pub fn leaf(&self) -> &Leaf {
        &self.leaf
    }

    /// Its index in the ledger.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The proof, in C2SP `tlog-proof@v1`.
    pub fn proof(&self) -> &str {
        &self.proof
    }

    /// Checks offline that the entry is a consent and in the ledger that `log` signed. Whether it
    /// still holds is another question: ask the service.
    pub fn verify(&self, log: &LogVerifier) -> Result<Checkpoint, ReceiptError> {
        let bytes = self.leaf.bytes();
        if Leaf::parse(&bytes)?.kind() != LeafKind::ConsentGiven {
            return Err(ReceiptError::NotAGrant);
        }
        let proof = parse_tlog_proof(&self.proof)?;
        if proof.entry() != self.index {
            return Err(ReceiptError::Index);
        }
        Ok(proof.verify(&bytes, log)?)
    }
}

#[cfg(test)]
pub(crate) mod sample {
    pub(crate) use super::tests::{World, world};
}
#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod form_tests;
#[cfg(test)]
mod tests;
