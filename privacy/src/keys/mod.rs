//! Keys: the ring of root secrets, the key of one account, and everything derived from them.
//!
//! The ring lives outside the database. Its roots are never used directly: every use has its own
//! sub-key, `HKDF-SHA256(root, salt = "volens/v1/root", info = version as 32 bits ‖ label)`.
//!
//! | root | is for | labels |
//! |---|---|---|
//! | `prf` | tags that cannot be computed without us | `prf/app/<app>`, `prf/message/<app>`, `prf/signal/<app>`, `prf/recipient/<business>`, `prf/caller/<label>`, `prf/erasure`, `prf/suppress/<app>` |
//! | `pepper` | what a phone number is hashed with | `prf/pair/cross_app_linking/<a>/<b>`, `argon2-secret/link`, `argon2-salt/link` |
//! | `wrap` | the outer layer of tags, rotated without phone numbers | `wrap/app/<app>`, `wrap/pair/cross_app_linking/<a>/<b>` |
//! | `kek` | wrapping the keys of accounts | `kek/data-key` |
//! | `sign` | the ledger's checkpoints, and receipts | `sign/log`, `sign/receipt` |
//!
//! A part of `pepper` may be held by a process of its own: see [`KeyRing::blind`].
//!
//! Separate roots, so that destroying an old version of one never endangers the others. `prf` alone
//! has one version for good: nothing that it was computed from is kept.

mod data_key;
mod derive;
mod file;
mod oprf;
mod pepper;
mod ring;
mod rotation;
mod tags;

pub(crate) use data_key::EntryKey;
pub use data_key::{DataKey, LessonKey};
pub use file::{KeyDomain, KeyState};
pub use oprf::{Blinding, Evaluation, OprfError, PepperPublic, PepperSecret};
pub use pepper::{Blinded, Hardened};
pub use ring::{KeyCheck, KeyRing};
pub use rotation::KeyStatus;
pub use tags::{CallerHasher, Recipients, StretchCost, Stretched};

#[cfg(test)]
mod tests;

/// Why a key was refused. No variant carries key material.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The key ring is not the JSON document this version writes.
    #[error("key ring unreadable: {0}")]
    Unreadable(String),
    /// The key ring has a format version this program does not know.
    #[error("key ring version {0} is not supported")]
    VersionUnsupported(u32),
    /// A domain has no active root, or more than one.
    #[error("key ring needs exactly one active root of domain {0}")]
    NotOneActive(String),
    /// Two roots have the same domain and version, or a version is zero.
    #[error("key ring repeats or misnumbers a root of domain {0}")]
    Misnumbered(String),
    /// The log origin cannot name a signer.
    #[error("key ring origin is not a valid log name")]
    Origin,
    /// A check value differs: this is not the ring the database was written with.
    #[error("key check of {domain} version {version} does not match")]
    CheckMismatch {
        /// `prf`, `wrap`, `kek`, `sign` or `pepper`.
        domain: String,
        /// Version of the root.
        version: u32,
    },
    /// A root that data was written with is not in the ring.
    #[error("key ring lacks {domain} version {version}")]
    VersionMissing {
        /// `prf`, `wrap`, `kek`, `sign` or `pepper`.
        domain: String,
        /// Version of the root.
        version: u32,
    },
    /// A ring that should replace this one is of another installation, or lost what this one uses.
    #[error("the key ring was replaced by an older or another one")]
    NotNewer,
    /// A root was asked to change in a way that its state does not allow.
    #[error("{domain} version {version} cannot be changed so")]
    State {
        /// `prf`, `wrap`, `kek`, `sign` or `pepper`.
        domain: String,
        /// Version of the root.
        version: u32,
    },
    /// A part of the pepper is held by a process, without which no token can be made.
    #[error("a part of the pepper is held by a process of its own, and it was not asked")]
    PepperElsewhere,
    /// Sealed bytes were altered, moved to another owner or context, or made with another key.
    #[error("sealed bytes do not open")]
    Unopenable,
}

impl KeyError {
    /// The stable code shown outside.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "keys.unreadable",
            Self::VersionUnsupported(_) => "keys.version_unsupported",
            Self::NotOneActive(_) => "keys.not_one_active",
            Self::Misnumbered(_) => "keys.misnumbered",
            Self::Origin => "keys.origin",
            Self::CheckMismatch { .. } => "keys.check_mismatch",
            Self::VersionMissing { .. } => "keys.version_missing",
            Self::NotNewer => "keys.not_newer",
            Self::State { .. } => "keys.state",
            Self::PepperElsewhere => "keys.pepper_elsewhere",
            Self::Unopenable => "keys.unopenable",
        }
    }
}
