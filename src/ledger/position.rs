//! How far a verification came before it was interrupted.
//!
//! A position holds what the rest of the way needs: the root over the entries of the shard so far, the last
//! checkpoint on the way, and what was noticed about times and witnesses. It is written only while
//! nothing is wrong, so whatever is found is found again by whoever starts anew. What was changed
//! behind a position after it was reached is not seen by going on from it; that is why it is only for
//! interrupted runs, ends with the first whole one, and is not used when it is a week old.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;
use volens_privacy::ledger::{Frontier, LogVerifier};
use volens_privacy::{KeyRing, Timestamp};

use super::{Chain, LedgerError, Shard, agrees, frontier, store};
use crate::db::Tx;
use crate::ids::{hex, unhex};

/// An older position is not gone on from.
const LASTS: Duration = Duration::from_hours(7 * 24);
/// Separates its check value from everything else under the key ring.
const LABEL: &str = "ledger-verified";

/// A point on the way through the log up to which nothing was wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Entries verified.
    pub entries: u64,
    /// The root over those of the last shard, lower-case hexadecimal.
    pub(super) root: String,
    /// The last checkpoint on the way, as it is signed.
    pub(super) checkpoint: String,
    pub(super) nodes: u64,
    pub(super) checkpoints: u64,
    pub(super) cosignatures: u64,
    /// The latest dated entry since that checkpoint.
    pub(super) dated: Option<(Timestamp, u64)>,
    /// No later checkpoint may claim to be older.
    pub(super) earliest: Timestamp,
    /// Entries that a checkpoint with enough cosignatures covers.
    pub(super) met: Option<u64>,
}

impl Position {
    /// The log at this point and the entries of the last checkpoint, if the stored log still goes
    /// through it: the checkpoint is the log's own and the stored subtrees give its root and the root
    /// of the position.
    pub(super) async fn chain(
        &self,
        tx: &mut Tx,
        log: &LogVerifier,
        shards: &[Shard],
    ) -> Result<Option<(Chain, u64)>, LedgerError> {
        let Ok(checkpoint) = log.verify(&self.checkpoint) else { return Ok(None) };
        let last = checkpoint.entries();
        if self.entries > store::size(tx).await? || last > self.entries {
            return Ok(None);
        }
        if !agrees(tx, log.origin(), &checkpoint).await? {
            return Ok(None);
        }
        let held = shards.iter().position(|shard| shard.holds(self.entries.saturating_sub(1)));
        let Some(at) = held else { return Ok(None) };
        let size = self.entries - shards[at].before;
        let edge = store::nodes(tx, &shards[at], &Frontier::nodes_for(size)).await?;
        let Ok(tree) = frontier(size, &edge) else { return Ok(None) };
        let same = hex(tree.root().as_bytes()) == self.root;
        Ok(same.then(|| (Chain::within(log.origin(), shards.to_vec(), at, tree), last)))
    }
}

/// The position in a file beside the key ring, with a check value that needs the ring.
pub struct Bookmark {
    path: PathBuf,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    at: Timestamp,
    position: Position,
    check: String,
}

impl Bookmark {
    /// The file of the same name as the key ring, ending in `.verified`.
    pub fn beside(key_ring: &Path) -> Self {
        Self { path: key_ring.with_extension("verified") }
    }

    /// Where an interrupted verification came to. Whatever is wrong with the file, its age or its
    /// check value: nothing, and the verification starts at the beginning.
    pub fn read(&self, keys: &KeyRing, now: Timestamp) -> Option<Position> {
        let page: Page = serde_json::from_slice(&fs::read(&self.path).ok()?).ok()?;
        let expected = check(keys, page.at, &page.position);
        let given: [u8; 32] = unhex(&page.check)?;
        let fresh = page.at <= now && now.since(page.at) < LASTS;
        (fresh && bool::from(expected.ct_eq(&given))).then_some(page.position)
    }

    /// Puts a position in the place of the one before. Losing it costs time and nothing else, so
    /// nobody waits for the disk.
    pub fn write(&self, keys: &KeyRing, position: &Position, now: Timestamp) -> io::Result<()> {
        let check = hex(&check(keys, now, position));
        let page = Page { at: now, position: position.clone(), check };
        let next = self.path.with_extension("verified-next");
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let json = serde_json::to_vec(&page).expect("a position is plain data");
        options.open(&next)?.write_all(&json)?;
        fs::rename(&next, &self.path)
    }

    /// Forgets the position: the verification went through to the end, or is to start anew.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn check(keys: &KeyRing, at: Timestamp, position: &Position) -> [u8; 32] {
    let said = serde_json::to_vec(&(at, position)).expect("a position is plain data");
    keys.caller_hash(LABEL, &said)
}
