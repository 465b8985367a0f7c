//! The key ring as a JSON document. Read strictly: whatever is not understood is refused.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::time::Timestamp;

pub(super) const FILE_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    pub(super) version: u32,
    pub(super) created: Timestamp,
    pub(super) origin: String,
    pub(super) roots: Vec<RootFile>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootFile {
    pub(super) domain: Domain,
    pub(super) version: u32,
    pub(super) state: KeyState,
    pub(super) secret: SecretText,
}

/// The base64 of a root secret; overwritten when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(super) struct SecretText(pub(super) String);

/// What a root is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Domain {
    Prf,
    Wrap,
    Kek,
    Sign,
}

impl Domain {
    pub(super) const ALL: [Self; 4] = [Self::Prf, Self::Wrap, Self::Kek, Self::Sign];

    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Prf => "prf",
            Self::Wrap => "wrap",
            Self::Kek => "kek",
            Self::Sign => "sign",
        }
    }
}

/// Whether a root makes new values or only reads old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Makes new values; one per domain.
    Active,
    /// Reads values made before the last rotation.
    Accept,
}
