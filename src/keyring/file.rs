//! The key ring's file: read, made, replaced as a whole, and locked while somebody changes it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use volens_privacy::keys::KeyRing;
use zeroize::Zeroizing;

use super::RotationError;

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RingFile {
    path: Arc<Path>,
}

/// What changes when a file is replaced: its inode, length and time of change in nanoseconds.
pub type Stamp = (u64, u64, i64, i64);

/// Held while the ring is changed; other processes of this machine are kept out.
pub struct Held {
    _lock: File,
}

impl RingFile {
    /// The ring at `path`, whether it is there or not.
    pub fn new(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file of the same name with another ending.
    pub fn beside(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }

    /// Reads the ring.
    pub fn read(&self) -> Result<KeyRing, RotationError> {
        let json = fs::read(&self.path).map(Zeroizing::new).map_err(|error| self.failed(error))?;
        Ok(KeyRing::from_json(&json)?)
    }

    /// Writes a new ring, and never over another one.
    pub fn create(&self, ring: &KeyRing) -> Result<(), RotationError> {
        let made = private().create_new(true).open(&self.path).and_then(|mut file| {
            file.write_all(&ring.to_json())?;
            file.sync_all()?;
            sync_parent(&self.path)
        });
        made.map_err(|error| self.failed(error))
    }

    /// Replaces the ring: after a crash the file holds the old one or the new one, whole. What the
    /// old one held is overwritten afterwards, unless another name keeps it.
    pub fn replace(&self, ring: &KeyRing) -> Result<(), RotationError> {
        let replaced = (|| {
            let mut old = File::options().read(true).write(true).open(&self.path)?;
            let new = self.beside("json.new");
            let mut file = private().create(true).truncate(true).open(&new)?;
            file.write_all(&ring.to_json())?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            sync_parent(&self.path)?;
            let metadata = old.metadata()?;
            if metadata.nlink() == 0 {
                old.rewind()?;
                old.write_all(&vec![0; metadata.len() as usize])?;
                old.sync_all()?;
            }
            Ok(())
        })();
        replaced.map_err(|error| self.failed(error))
    }

    /// Keeps other processes from changing the ring until the answer is dropped.
    pub fn hold(&self) -> Result<Held, RotationError> {
        let path = self.beside("lock");
        let open = private().create(true).truncate(false).open(&path);
        let lock = open.map_err(|error| RotationError::File { path: path.clone(), error })?;
        match lock.try_lock() {
            Ok(()) => Ok(Held { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(RotationError::Locked),
            Err(TryLockError::Error(error)) => Err(RotationError::File { path, error }),
        }
    }

    /// Tells one version of the file from another without reading it.
    pub fn stamp(&self) -> Result<Stamp, RotationError> {
        let metadata = fs::metadata(&self.path).map_err(|error| self.failed(error))?;
        Ok((metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
    }

    fn failed(&self, error: io::Error) -> RotationError {
        RotationError::File { path: self.path.to_path_buf(), error }
    }
}

/// Options of a file that only its owner reads.
pub(super) fn private() -> fs::OpenOptions {
    let mut options = File::options();
    options.write(true).mode(0o600);
    options
}

/// Makes a name in a directory as durable as what it names.
pub(super) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(directory) if directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}
