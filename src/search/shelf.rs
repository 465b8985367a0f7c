//! Which index of which bot and version is open, and how a missing one is built again.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Entry, Index, Language, SearchError};

/// Raised whenever analysis or schema change, so that older indexes are built again.
const FORMAT: u32 = 1;
/// The file that says what an index was built from.
const LABEL: &str = "volens-index.json";

/// Which index: a bot's published version and what it was built from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Volume {
    /// The bot's id in hexadecimal; the name of its folder.
    pub bot: String,
    /// The published version.
    pub version: u64,
    /// [`Volume::fingerprint_of`] of the passages in the database.
    pub fingerprint: [u8; 32],
    /// The languages the bot is published in.
    pub languages: Vec<Language>,
}

impl Volume {
    /// SHA-256 over everything an index is derived from, each part with its length before it.
    pub fn fingerprint_of(languages: &[Language], entries: &[Entry]) -> [u8; 32] {
        let mut hash = Sha256::new();
        let mut part = |bytes: &[u8]| {
            hash.update((bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        for language in languages {
            part(language.code().as_bytes());
        }
        for entry in entries {
            part(&entry.number.to_be_bytes());
            part(entry.language.code().as_bytes());
            part(entry.title.as_bytes());
            part(entry.body.as_bytes());
        }
        hash.finalize().into()
    }

    fn label(&self) -> Label {
        let fingerprint = self.fingerprint.iter().fold(String::new(), |mut text, byte| {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").expect("writing to a string cannot fail");
            text
        });
        Label { format: FORMAT, fingerprint }
    }
}

#[derive(PartialEq, Eq, Serialize, Deserialize)]
struct Label {
    format: u32,
    fingerprint: String,
}

/// The indexes of all bots, on disk under one folder, a bounded number of them open.
pub struct Shelf {
    root: PathBuf,
    open: Cache<Volume, Arc<Index>>,
    drafts: AtomicU64,
}

impl Shelf {
    /// A shelf over `root`, keeping at most `capacity` indexes open.
    pub fn new(root: PathBuf, capacity: usize) -> Self {
        Self { root, open: Cache::new(capacity), drafts: AtomicU64::new(0) }
    }

    /// Builds the index of a version that is about to be published.
    pub async fn build(&self, volume: &Volume, entries: Vec<Entry>) -> Result<(), SearchError> {
        let index = self.blocking_build(volume.clone(), entries).await?;
        self.open.insert(volume.clone(), index);
        Ok(())
    }

    /// The open index of `volume`. When the folder is missing, damaged or built from something
    /// else, `entries` is awaited and the index is built again; concurrent callers wait for one
    /// building.
    pub async fn index<E: From<SearchError>>(
        &self,
        volume: &Volume,
        entries: impl Future<Output = Result<Vec<Entry>, E>>,
    ) -> Result<Arc<Index>, E> {
        let load = async {
            if let Some(index) = self.blocking_open(volume.clone()).await? {
                return Ok(index);
            }
            let entries = entries.await?;
            Ok(self.blocking_build(volume.clone(), entries).await?)
        };
        self.open.get_or_insert_async(volume, load).await
    }

    /// Forgets and deletes the indexes of a bot with a version up to `last`.
    pub async fn discard(&self, bot: &str, last: u64) -> Result<(), SearchError> {
        self.open.retain(|volume, _| volume.bot != bot || volume.version > last);
        let folder = self.root.join(bot);
        blocking(move || {
            let Ok(versions) = fs::read_dir(&folder) else { return Ok(()) };
            for version in versions {
                let path = version?.path();
                let number =
                    path.file_name().and_then(|name| name.to_str()).and_then(|n| n.parse().ok());
                if number.is_some_and(|number: u64| number <= last) {
                    fs::remove_dir_all(path)?;
                }
            }
            Ok(())
        })
        .await
    }

    fn folder(&self, volume: &Volume) -> PathBuf {
        self.root.join(&volume.bot).join(volume.version.to_string())
    }

    async fn blocking_open(&self, volume: Volume) -> Result<Option<Arc<Index>>, SearchError> {
        let folder = self.folder(&volume);
        // Whatever is wrong with a derived folder, the remedy is the same: build it again.
        blocking(move || Ok(open(&folder, &volume).ok().map(Arc::new))).await
    }

    async fn blocking_build(
        &self,
        volume: Volume,
        entries: Vec<Entry>,
    ) -> Result<Arc<Index>, SearchError> {
        let folder = self.folder(&volume);
        let draft = self.root.join(&volume.bot).join(format!(
            "draft-{}-{}",
            std::process::id(),
            self.drafts.fetch_add(1, Ordering::Relaxed)
        ));
        blocking(move || build(&folder, &draft, &volume, &entries).map(Arc::new)).await
    }
}

fn open(folder: &Path, volume: &Volume) -> Result<Index, SearchError> {
    let label: Label =
        serde_json::from_slice(&fs::read(folder.join(LABEL))?).map_err(|_| SearchError::Stale)?;
    if label != volume.label() {
        return Err(SearchError::Stale);
    }
    Index::open(folder, &volume.languages)
}

/// Builds beside the final place and renames, so that no one ever opens half an index.
fn build(
    folder: &Path,
    draft: &Path,
    volume: &Volume,
    entries: &[Entry],
) -> Result<Index, SearchError> {
    fs::create_dir_all(draft)?;
    Index::build(draft, &volume.languages, entries)?;
    let label = serde_json::to_vec(&volume.label()).expect("a label is plain JSON");
    fs::write(draft.join(LABEL), label)?;
    if let Err(error) = replace(draft, folder) {
        fs::remove_dir_all(draft)?;
        // Another process of the same service was faster and built the same thing.
        return open(folder, volume).map_err(|_| SearchError::Folder(error));
    }
    open(folder, volume)
}

fn replace(draft: &Path, folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(draft, folder)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SearchError> + Send + 'static,
) -> Result<T, SearchError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| SearchError::Cancelled)?
}
