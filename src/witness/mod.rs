//! The other side of a witnessed log: `volens witness` watches logs of others and cosigns what
//! extends what it has seen (C2SP `tlog-witness`).
//!
//! A witness has nothing to do with the service it watches: its own directory, its own key, no
//! database. It keeps one file per log, the latest checkpoint it cosigned, and has it on disk before
//! it answers. Checking and keeping happen under one lock, so that no two requests can make it go
//! back.

pub mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rand::Rng;
use sha2::{Digest as _, Sha256};
use volens_privacy::ledger::{
    AddCheckpoint, Checkpoint, CheckpointError, Cosigner, LogVerifier, SignedCheckpoint,
    Unwitnessed, judge, judge_years, shard_year,
};

use crate::clock::Clock;
use crate::ids::hex;

const KEY: &str = "witness.key";
const LOCK: &str = "lock";
/// What the files end in that hold what was cosigned.
const CHECKPOINT: &str = "checkpoint";

/// Why a witness does not start or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// A file or directory cannot be used.
    #[error("{path} cannot be used")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// Two processes over one directory could cosign two histories.
    #[error("{0} is in use by another witness")]
    InUse(PathBuf),
    /// The key file is damaged, or of another name.
    #[error("{0} is not the key of a witness of this name")]
    Key(PathBuf),
    /// What was kept about a log is no checkpoint of it. Starting anew would mean forgetting.
    #[error("{path} is not a checkpoint of the log that it is about")]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        error: CheckpointError,
    },
    /// The checkpoint does not deserve a cosignature.
    #[error(transparent)]
    Refused(#[from] Unwitnessed),
}

/// A witness at work.
pub struct Watch {
    cosigner: Cosigner,
    directory: PathBuf,
    keys: BTreeMap<String, LogVerifier>,
    /// By origin: the logs and their later years of which something was cosigned. Locked from the
    /// check until the answer is on disk.
    known: Mutex<BTreeMap<String, Known>>,
    clock: Arc<dyn Clock>,
    /// Held as long as the process lives.
    _lock: File,
}

/// What was cosigned last of a log or one of its later years.
struct Known {
    /// The watched log that it is of.
    log: String,
    latest: Checkpoint,
}

impl Watch {
    /// Opens the directory, makes it and the key on the first start, and reads what was cosigned.
    pub fn open(
        directory: &Path,
        name: &str,
        logs: Vec<LogVerifier>,
        clock: Arc<dyn Clock>,
        rng: &mut dyn Rng,
    ) -> Result<Self, WitnessError> {
        let failed = |error| WitnessError::File { path: directory.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
        let lock = lock(directory)?;
        let cosigner = key(directory, name, rng)?;
        let mut keys: BTreeMap<String, LogVerifier> = BTreeMap::new();
        for key in logs {
            // A log has two keys while its signing key is being replaced.
            let known = keys.remove(key.origin()).map(|known| known.or(&key, u64::MAX));
            keys.insert(key.origin().to_owned(), known.unwrap_or(key));
        }
        let known = Mutex::new(remembered(directory, &keys)?);
        let directory = directory.to_owned();
        Ok(Self { cosigner, directory, keys, known, clock, _lock: lock })
    }

    /// The verifier key, for those who trust this witness.
    pub fn vkey(&self) -> String {
        self.cosigner.verifier().vkey()
    }

    /// Checks a checkpoint, keeps it, and answers the cosignature line with its line feed. Blocks on
    /// the disk.
    pub fn add(&self, request: &AddCheckpoint) -> Result<String, WitnessError> {
        let origin = request.origin();
        let (log, key) = watched(&self.keys, &origin).ok_or(Unwitnessed::UnknownLog)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = known.get(&origin).map(|known| &known.latest);
        let new = judge(request, Some(key), latest)?;
        if latest != Some(&new) {
            let others = known.iter().filter(|(name, known)| **name != origin && known.log == *log);
            judge_years(log, &new, latest, others.map(|(_, known)| &known.latest))?;
            let path = place(&self.directory, &origin);
            replace(&path, request.checkpoint.as_str().as_bytes())
                .map_err(|error| WitnessError::File { path, error })?;
            known.insert(origin, Known { log: log.clone(), latest: new });
        }
        drop(known);
        Ok(format!("{}\n", self.cosigner.cosign(&request.checkpoint, self.clock.now())))
    }
}

/// The watched log that something of this origin is of, itself or one of its later years, and its key.
fn watched<'k>(
    keys: &'k BTreeMap<String, LogVerifier>,
    origin: &str,
) -> Option<(&'k String, &'k LogVerifier)> {
    let year_of = || keys.iter().find(|(log, _)| shard_year(log, origin).is_some());
    keys.get_key_value(origin).or_else(year_of)
}

/// The file of a log or a year.
fn place(directory: &Path, origin: &str) -> PathBuf {
    directory.join(format!("{}.{CHECKPOINT}", hex(&Sha256::digest(origin))))
}

/// What was cosigned last of every log and year. The files are checked as strictly as a request: a
/// witness that takes anything for its memory, or overlooks a part of it, can be made to forget.
fn remembered(
    directory: &Path,
    keys: &BTreeMap<String, LogVerifier>,
) -> Result<BTreeMap<String, Known>, WitnessError> {
    let failed = |path: &Path, error| WitnessError::File { path: path.to_owned(), error };
    let mut known = BTreeMap::new();
    for entry in fs::read_dir(directory).map_err(|error| failed(directory, error))? {
        let path = entry.map_err(|error| failed(directory, error))?.path();
        if path.extension().is_none_or(|extension| extension != CHECKPOINT) {
            continue;
        }
        let note = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
        let damaged = |error| WitnessError::Damaged { path: path.clone(), error };
        let origin = SignedCheckpoint::parse(&note).map_err(damaged)?.unverified().origin;
        if place(directory, &origin) != path {
            return Err(damaged(CheckpointError::OtherOrigin));
        }
        // Of a log that is not watched any more it stays, for when it is again.
        if let Some((log, key)) = watched(keys, &origin) {
            let latest = key.verify(&note).map_err(damaged)?;
            known.insert(origin, Known { log: log.clone(), latest });
        }
    }
    Ok(known)
}

fn lock(directory: &Path) -> Result<File, WitnessError> {
    let path = directory.join(LOCK);
    let failed = |error| WitnessError::File { path: path.clone(), error };
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(WitnessError::InUse(directory.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn key(directory: &Path, name: &str, rng: &mut dyn Rng) -> Result<Cosigner, WitnessError> {
    let path = directory.join(KEY);
    let failed = |error| WitnessError::File { path: path.clone(), error };
    let foreign = || WitnessError::Key(path.clone());
    let cosigner = match fs::read_to_string(&path) {
        Ok(text) => Cosigner::from_skey(&text).map_err(|_| foreign())?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut seed = zeroize::Zeroizing::new([0; 32]);
            rng.fill_bytes(&mut *seed);
            let cosigner = Cosigner::new(name, &seed).map_err(|_| foreign())?;
            replace(&path, cosigner.skey().as_bytes()).map_err(failed)?;
            cosigner
        }
        Err(error) => return Err(failed(error)),
    };
    if cosigner.verifier().name() == name { Ok(cosigner) } else { Err(foreign()) }
}

/// Puts bytes in the place of a file so that either the old or the new ones are there, and waits
/// for the disk.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&next, path)?;
    match path.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}
