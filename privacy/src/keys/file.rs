//! The key ring as a JSON document. Read strictly: whatever is not understood is refused.

use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::oprf::PepperPublic;
use crate::time::Timestamp;

/// What is written. Version 1 had no root of its own for `pepper`: there it was the one of `prf`.
/// Version 2 knew no pepper process.
pub(super) const FILE_VERSION: u32 = 3;
/// The oldest that is read.
pub(super) const OLDEST_VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RingFile {
    pub(super) version: u32,
    pub(super) created: Timestamp,
    pub(super) origin: String,
    pub(super) roots: Vec<RootFile>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired_signers: Vec<RetiredSignerFile>,
}

/// A key that signed the ledger once. Its secret is gone; what it signed can still be checked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RetiredSignerFile {
    pub(super) version: u32,
    pub(super) vkey: String,
    /// Entries of the ledger when it was retired: it vouches for no larger tree.
    pub(super) until_size: u64,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RootFile {
    pub(super) domain: KeyDomain,
    pub(super) version: u32,
    pub(super) state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) created: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) retired: Option<Timestamp>,
    /// For `pepper`: the key of the process that holds a part of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<PepperPublic>,
    pub(super) secret: SecretText,
}

/// The base64 of a root secret; overwritten when dropped.
#[derive(Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
pub(super) struct SecretText(pub(super) String);

/// What a root is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyDomain {
    /// Tags that cannot be computed without us. It has one version: references and callers'
    /// secrets are not stored, so nothing could be computed anew.
    Prf,
    /// The outer layer of account tags and link tokens.
    Wrap,
    /// Wraps the keys of accounts and conversations.
    Kek,
    /// Signs the ledger's checkpoints.
    Sign,
    /// Stretching and inner layer of link tokens.
    Pepper,
}

impl KeyDomain {
    /// All, in the order in which a ring lists them.
    pub const ALL: [Self; 5] = [Self::Prf, Self::Wrap, Self::Kek, Self::Sign, Self::Pepper];

    /// The name in the key ring and in check values.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Prf => "prf",
            Self::Wrap => "wrap",
            Self::Kek => "kek",
            Self::Sign => "sign",
            Self::Pepper => "pepper",
        }
    }
}

/// Whether a root makes new values or only reads old ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Makes new values; one per domain.
    Active,
    /// Reads what other versions made: the next one, which every node learns before the first
    /// writes with it, or one from before the last rotation.
    Accept,
}
