//! The key ring in service: its file, the processes that use it, and the rotation of every root.
//!
//! | root | rotates | what becomes of the old version |
//! |---|---|---|
//! | `kek` | while the service runs | destroyed at once: a backup's wrapped keys open for nobody. The [`sheet`] has those of the living |
//! | `wrap` | with the service stopped | kept for `keys.restore_days`, for older backups; then destroyed |
//! | `pepper` | while the service runs, lazily | accepted for `keys.pepper_days`; then destroyed with the tokens made of it |
//! | `sign` | while the service runs | destroyed at once; its public half vouches for what it signed |
//! | `prf` | never | nothing that it was computed from is kept |
//!
//! A rotation can break off anywhere and is finished by the same command: the ring in the file and
//! the rows themselves say how far it came. See decision 11.

pub mod file;
mod nodes;
mod restore;
mod rotate;
pub mod sheet;
mod store;
mod tend;
#[cfg(test)]
mod tests;
mod wrap;

use std::io;
use std::path::PathBuf;

pub use nodes::{Node, watch};
pub use restore::{Restored, restore};
pub use rotate::{Rotated, kek, pepper, sign};
pub(crate) use store::STATEMENTS;
pub use tend::{TEND_JOB, Tended, order, tend};
pub use wrap::wrap;

use volens_privacy::keys::{KeyDomain, KeyError, KeyRing};

use crate::access::key_ring::KeyRingError;
use crate::clock::Clock;
use crate::db::{self, Db, Tx};
use crate::ledger::LedgerError;
use crate::rights::RightsError;
use file::RingFile;

/// Why keys could not be rotated or used.
#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    /// A file beside or of the key ring.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The key ring refused, or is not one.
    #[error("the key ring")]
    Ring(#[from] KeyError),
    /// The key ring and the database do not belong together.
    #[error(transparent)]
    Binding(#[from] KeyRingError),
    /// Another process rotates keys.
    #[error("another rotation is running on this machine")]
    Locked,
    /// Processes that serve have not taken the new version in.
    #[error(
        "{0} process(es) that were seen lately have not taken in the key ring: copy it to their \
         machines and run this again; if they are gone, say so with --not-running"
    )]
    Waiting(usize),
    /// It can only be done while nobody serves.
    #[error(
        "{0} process(es) that were seen lately serve with these keys: stop them and run this again; \
         if they are gone, say so with --not-running"
    )]
    Running(usize),
    /// The outer layer is between two versions.
    #[error("the rotation of `wrap` has not been finished: run `volens keys rotate wrap`")]
    Unfinished,
    /// A row opens under no version of the ring.
    #[error("some `{0}` open under no version of the key ring")]
    Unopenable(&'static str),
    /// The sheet of wrapped keys is missing, damaged or of another time.
    #[error("the sheet of wrapped keys cannot be used: {0}")]
    Sheet(&'static str),
    /// A restored database needs a version that has been destroyed.
    #[error("the database needs {0} version {1} of the key ring, which has been destroyed")]
    TooOld(String, u32),
    /// Accounts that the sheet does not know and no erasure explains.
    #[error(
        "{0} account(s) have no key that opens and were not erased by this installation: is this \
         the latest sheet? `--forget` removes them"
    )]
    Lost(usize),
    /// The entry about it could not be written.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The journal of erasures could not be read.
    #[error(transparent)]
    Rights(#[from] RightsError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl RotationError {
    /// The stable code shown outside.
    pub fn code(&self) -> &'static str {
        match self {
            Self::File { .. } => "keys.file",
            Self::Ring(error) => error.code(),
            Self::Binding(_) => "keys.binding",
            Self::Locked => "keys.locked",
            Self::Waiting(_) => "keys.waiting",
            Self::Running(_) => "keys.running",
            Self::Unfinished => "keys.rotation_unfinished",
            Self::Unopenable(_) => "keys.unopenable",
            Self::Sheet(_) => "keys.sheet",
            Self::TooOld(..) => "keys.too_old",
            Self::Lost(_) => "keys.lost",
            Self::Ledger(_) | Self::Rights(_) | Self::Db(_) => "keys.database",
        }
    }

    /// Whether something else has to happen first, and the same command can be run again.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Locked | Self::Waiting(_) | Self::Running(_) | Self::Unfinished)
    }
}

/// What is being done, how much of it is, and of how much.
pub type Progress<'a> = &'a (dyn Fn(&'static str, u64, u64) + Sync);

/// Who rotates: the database, the ring in memory, its file.
pub struct Keeper<'a> {
    /// The database.
    pub db: &'a Db,
    /// The ring that this process uses; it takes in every step.
    pub keys: &'a KeyRing,
    /// The ring on disk.
    pub file: &'a RingFile,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// Whether processes that were seen lately are to be waited for.
    pub heed_nodes: bool,
}

/// Whether everything with an outer layer is of one version, the ring's.
///
/// # Errors
/// [`RotationError::Unfinished`] when it is not: nothing would be found.
pub async fn check_finished(tx: &mut Tx, keys: &KeyRing) -> Result<(), RotationError> {
    let fence = store::fence(tx, KeyDomain::Wrap).await?;
    if fence.pending.is_some() || fence.version != keys.active_version(KeyDomain::Wrap) {
        return Err(RotationError::Unfinished);
    }
    Ok(())
}
