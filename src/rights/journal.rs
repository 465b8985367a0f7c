//! The list of erasures beside the key ring, which a restored database does not take back.
//!
//! One keyed tag a line, only ever added to and flushed to disk before the erasure it announces. A
//! backup plan copies it with the key ring: always the latest, whatever the age of the database.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ids::hex;

/// Characters of a tag in hexadecimal.
const LINE: usize = 32;

/// Why the journal cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("the journal of erasures {path} cannot be used")]
    File {
        /// Where it is.
        path: PathBuf,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// A line is no tag. Going on could bring somebody back, so the service does not.
    #[error("line {line} of the journal of erasures {path} is damaged: restore the file")]
    Damaged {
        /// Where it is.
        path: PathBuf,
        /// Which line.
        line: usize,
    },
}

/// The file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Journal {
    path: Arc<Path>,
}

impl Journal {
    /// The journal that belongs to a key ring: the same name, ending in `.erasures`.
    pub fn beside(key_file: &Path) -> Self {
        Self { path: key_file.with_extension("erasures").into() }
    }

    /// Every tag in it; none while there is no file.
    pub async fn read(&self) -> Result<BTreeSet<[u8; 16]>, JournalError> {
        let text = match tokio::fs::read_to_string(&self.path).await {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            Err(error) => return Err(self.failed(error)),
        };
        let mut tags = BTreeSet::new();
        for (number, line) in text.lines().enumerate() {
            let digits = line.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
            if !digits || line.len() > LINE {
                return Err(JournalError::Damaged {
                    path: self.path.to_path_buf(),
                    line: number + 1,
                });
            }
            // A shorter line was torn by a crash before anybody was answered.
            if line.len() == LINE {
                tags.extend(tag(line));
            }
        }
        Ok(tags)
    }

    /// Adds tags and waits until they are on disk.
    pub async fn add(&self, tags: impl IntoIterator<Item = [u8; 16]>) -> Result<(), JournalError> {
        // Each line brings its own beginning, so that a torn one before it stays apart.
        let mut lines = String::new();
        for tag in tags {
            lines.extend(["\n", &hex(&tag), "\n"]);
        }
        if lines.is_empty() {
            return Ok(());
        }
        let path = Arc::clone(&self.path);
        let written = tokio::task::spawn_blocking(move || append(&path, lines.as_bytes())).await;
        written.map_err(io::Error::other).flatten().map_err(|error| self.failed(error))
    }

    fn failed(&self, error: io::Error) -> JournalError {
        JournalError::File { path: self.path.to_path_buf(), error }
    }
}

fn append(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.append(true).create(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let new = !fs::exists(path)?;
    let mut file = options.open(path)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    match path.parent() {
        Some(directory) if new && directory != Path::new("") => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

fn tag(line: &str) -> Option<[u8; 16]> {
    u128::from_str_radix(line, 16).ok().map(u128::to_be_bytes)
}
