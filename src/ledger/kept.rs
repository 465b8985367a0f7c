//! A checkpoint outside the database, and what a verification is held against.
//!
//! A log that was cut at its end, or replaced by an older copy, verifies: everything in it fits.
//! Only who remembers more can tell. So the latest checkpoint is kept beside the key ring, where a
//! restored database does not reach; witnesses are the same thing in other hands.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use volens_privacy::ledger::{LogVerifier, Quorum};

use super::{LedgerError, agrees, checkpoint};
use crate::db::Tx;

/// Why the kept checkpoint could not be read, written or continued.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The file failed.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The file is not a checkpoint that this log's key signed.
    #[error("{0} is not a checkpoint of this ledger")]
    Foreign(PathBuf),
    /// The stored log does not contain the kept one: it was cut, rolled back or rewritten.
    #[error("the ledger is not the one of the checkpoint kept in {path}, of {kept} entries")]
    Forgotten {
        /// The file. It is left as it is: it is the evidence.
        path: PathBuf,
        /// Entries it knows of.
        kept: u64,
    },
    /// The log did not answer.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The file beside the key ring.
#[derive(Clone)]
pub struct Kept {
    path: Arc<Path>,
}

impl Kept {
    /// The file of the same name as the key ring, ending in `.checkpoint`.
    pub fn beside(key_ring: &Path) -> Self {
        Self { path: key_ring.with_extension("checkpoint").into() }
    }

    /// The note that is kept, if there is one. Whoever reads it checks it.
    pub fn read(&self) -> Result<Option<String>, KeptError> {
        match fs::read(&self.path) {
            Ok(note) => Ok(Some(String::from_utf8_lossy(&note).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Keeps the log's head, if the log continues what is kept; answers how many entries that are.
    pub async fn keep(&self, tx: &mut Tx, log: &LogVerifier) -> Result<u64, KeptError> {
        let kept = match self.read()? {
            Some(note) => {
                Some(log.verify(&note).map_err(|_| KeptError::Foreign(self.path.to_path_buf()))?)
            }
            None => None,
        };
        if let Some(known) = &kept
            && !agrees(tx, log.origin(), known).await?
        {
            let (path, kept) = (self.path.to_path_buf(), known.entries());
            return Err(KeptError::Forgotten { path, kept });
        }
        let Some(head) = checkpoint(tx).await? else { return Ok(0) };
        let new = head.unverified().entries();
        if kept.is_none_or(|kept| kept.entries() < new) {
            let (path, note) = (Arc::clone(&self.path), head.as_str().to_owned());
            let written =
                tokio::task::spawn_blocking(move || replace(&path, note.as_bytes())).await;
            written.map_err(io::Error::other).flatten().map_err(|error| self.failed(error))?;
        }
        Ok(new)
    }

    fn failed(&self, error: io::Error) -> KeptError {
        KeptError::File { path: self.path.to_path_buf(), error }
    }
}

/// Either the old bytes or the new ones are there, and the new ones are on disk when this is done.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("checkpoint-next");
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    match path.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

/// What a verification holds the stored log against.
#[derive(Clone)]
pub struct Trust {
    /// The log's key.
    pub log: LogVerifier,
    /// Who cosigns, and how many are needed.
    pub quorum: Quorum,
    /// The note of a checkpoint from outside the database.
    pub kept: Option<String>,
}

impl Trust {
    /// The key alone: what fits together inside the database is believed.
    pub fn key_only(log: LogVerifier) -> Self {
        Self { log, quorum: Quorum::default(), kept: None }
    }
}
