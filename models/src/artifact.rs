//! The model file: `VOLMODEL`, format version, length, SHA-256, then model and card as JSON.
//!
//! Numbers keep every bit (`serde_json` with `float_roundtrip`), so the same training gives the same bytes
//! and a loaded model the same scores. A file that is not exactly what was written is refused.
//!
//! Format 2 has weights in whole units of 2⁻²⁰ and directions of columns; format 1 had log odds with all
//! their digits, and is read and scored as before. Format 3 may also hold what a message changes, and its
//! SHA-256 covers the format's number, so that no file passes for one of another format. Format 4 may also hold
//! what earlier campaigns tell of lists to come. Format 5 has that twice, for how many
//! reach the goal and for how many more that is than without the message, which others may have told.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::card::ModelCard;
use crate::model::{Model, ModelError};
use crate::offpolicy::Evidence;
use crate::uplift::Increase;

/// First bytes of every model file.
const MAGIC: &[u8; 8] = b"VOLMODEL";
/// The format this program writes.
pub const VERSION: u32 = 5;
/// The oldest format it reads.
pub const OLDEST: u32 = 1;
const LENGTH_AT: usize = 12;
const HASH_AT: usize = 20;
const BODY_AT: usize = 52;

/// A model with its card.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The weights.
    pub model: Model,
    /// What they are.
    pub card: ModelCard,
    /// What a message changes, where earlier campaigns tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub increase: Option<Increase>,
    /// What earlier campaigns tell of how many of a list to come reach the goal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
    /// What they tell of how many more that is than without the message, where enough were kept aside of whom
    /// it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_of_increase: Option<Evidence>,
}

/// Why a model file is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum ArtifactError {
    /// It does not begin like a model file, or ends too early.
    #[error("this is not a model file")]
    NotAModel,
    /// Another format.
    #[error(
        "the model file has format {0}; this program reads formats {OLDEST} to {VERSION}: train the model again"
    )]
    Version(u32),
    /// The content is not what the hash in the file says.
    #[error("the model file is damaged")]
    Damaged,
    /// The content cannot be read.
    #[error("the model file cannot be read")]
    Unreadable,
    /// The content is readable but is no usable model.
    #[error("the model in the file is not usable")]
    Model(#[from] ModelError),
}

impl Artifact {
    /// The bytes of the file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let body =
            serde_json::to_vec(self).expect("a model has only finite numbers and string keys");
        let mut bytes = Vec::with_capacity(BODY_AT + body.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(body.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&digest(VERSION, &body));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads a file.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ArtifactError> {
        if bytes.len() < BODY_AT || &bytes[..MAGIC.len()] != MAGIC {
            return Err(ArtifactError::NotAModel);
        }
        let version = u32::from_le_bytes(array(&bytes[MAGIC.len()..LENGTH_AT]));
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(ArtifactError::Version(version));
        }
        let length = u64::from_le_bytes(array(&bytes[LENGTH_AT..HASH_AT]));
        let body = &bytes[BODY_AT..];
        if body.len() as u64 != length || digest(version, body) != bytes[HASH_AT..BODY_AT] {
            return Err(ArtifactError::Damaged);
        }
        let mut artifact: Self =
            serde_json::from_slice(body).map_err(|_| ArtifactError::Unreadable)?;
        artifact.model.check()?;
        artifact.increase.as_ref().map_or(Ok(()), Increase::check)?;
        // Until format 4 one told of both.
        if version <= 4 {
            artifact.evidence_of_increase.clone_from(&artifact.evidence);
        }
        let mut told = artifact.evidence.iter().chain(&artifact.evidence_of_increase);
        if !told.all(Evidence::is_sound) {
            return Err(ArtifactError::Unreadable);
        }
        Ok(artifact)
    }

    /// SHA-256 of the file: the model's name in ledger entries.
    pub fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.to_bytes()).into()
    }
}

/// The SHA-256 that stands in a file: of its body, and from format 3 on of the format's number before it.
fn digest(version: u32, body: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    if version >= 3 {
        hash.update(version.to_le_bytes());
    }
    hash.update(body);
    hash.finalize().into()
}

fn array<const N: usize>(bytes: &[u8]) -> [u8; N] {
    bytes.try_into().expect("the range has this length")
}
