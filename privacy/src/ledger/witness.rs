//! What a witness is asked and how it decides: C2SP `tlog-witness`, `add-checkpoint`.
//!
//! Pure: the caller keeps the latest checkpoint per log, and must not let anything happen between
//! asking [`judge`] and having the new one on disk.

use super::checkpoint::{CheckpointError, LogVerifier, SignedCheckpoint, decimal};
use super::proof::verify_consistency;
use super::shard::shard_year;
use super::tree::{Hash, empty_root};
use super::{Checkpoint, ProofError};
use crate::encoding::{base64, unbase64_exact};

/// Proof lines of a request at most (C2SP `tlog-witness`).
const PROOF_MAX: usize = 63;

/// A checkpoint that a log wants cosigned, and the proof that it extends the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Entries of the checkpoint that the witness cosigned last, as far as the log knows.
    pub old: u64,
    /// Consistency proof from there (RFC 6962 §2.1.2).
    pub proof: Vec<Hash>,
    /// The new checkpoint.
    pub checkpoint: SignedCheckpoint,
}

impl AddCheckpoint {
    /// The body of the request.
    pub fn to_body(&self) -> String {
        let mut body = format!("old {}\n", self.old);
        for hash in &self.proof {
            body.push_str(&base64(hash.as_bytes()));
            body.push('\n');
        }
        body.push('\n');
        body.push_str(self.checkpoint.as_str());
        body
    }

    /// Reads the body of a request. Nothing in it has been checked yet.
    pub fn parse(body: &str) -> Option<Self> {
        let (head, note) = body.split_once("\n\n")?;
        let mut lines = head.split('\n');
        let old = decimal(lines.next()?.strip_prefix("old ")?)?;
        let read_hash = |line: &str| unbase64_exact(line).map(Hash::from_bytes);
        let proof = lines.map(read_hash).collect::<Option<Vec<_>>>()?;
        let checkpoint = SignedCheckpoint::parse(note).ok()?;
        (proof.len() <= PROOF_MAX).then_some(Self { old, proof, checkpoint })
    }

    /// The log that the checkpoint says it is of.
    pub fn origin(&self) -> String {
        self.checkpoint.unverified().origin
    }
}

/// Why a witness does not cosign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unwitnessed {
    /// Not a log it watches: 404.
    #[error("not a log that is watched here")]
    UnknownLog,
    /// The log's key did not sign it: 403.
    #[error("not signed by the log's key: {0}")]
    Unsigned(CheckpointError),
    /// The old size is above the new one: 400.
    #[error("the old size is above the size of the checkpoint")]
    OldAboveNew,
    /// The old size is not that of the latest cosigned checkpoint, or the same size has another
    /// root: 409 with the size.
    #[error("the latest cosigned checkpoint has {size} entries and is another")]
    Conflict {
        /// Entries of the latest cosigned checkpoint.
        size: u64,
    },
    /// The tree does not extend the one that was cosigned: 422.
    #[error("the checkpoint does not extend the one that was cosigned: {0}")]
    Inconsistent(ProofError),
    /// The year says that it has entries which another year of the log has: 422. One of the two was cut.
    #[error("the checkpoint does not fit what was cosigned of other years of the log")]
    OtherYears,
}

/// Whether a witness may cosign: what the checkpoint states, or why not. `log` is the key of the
/// log named in the request, if it is watched; `latest` what was cosigned last for it.
pub fn judge(
    request: &AddCheckpoint,
    log: Option<&LogVerifier>,
    latest: Option<&Checkpoint>,
) -> Result<Checkpoint, Unwitnessed> {
    let log = log.ok_or(Unwitnessed::UnknownLog)?;
    let new = log.verify(request.checkpoint.as_str()).map_err(Unwitnessed::Unsigned)?;
    if request.old > new.size {
        return Err(Unwitnessed::OldAboveNew);
    }
    let (size, root) = latest.map_or((0, empty_root()), |latest| (latest.size, latest.root));
    if request.old != size || (size == new.size && size > 0 && root != new.root) {
        return Err(Unwitnessed::Conflict { size });
    }
    if new.size == 0 && new.root != empty_root() {
        return Err(Unwitnessed::Inconsistent(ProofError::Root));
    }
    verify_consistency(size, new.size, &root, &new.root, &request.proof)
        .map_err(Unwitnessed::Inconsistent)?;
    Ok(new)
}

/// Whether a checkpoint of one year of the log fits what was cosigned last of that year and of the
/// `others`: a year keeps its place, and none begins before the end of one that is earlier. Otherwise
/// the end of a year could be cut off by opening the next one before it.
pub fn judge_years<'a>(
    log: &str,
    new: &Checkpoint,
    latest: Option<&Checkpoint>,
    others: impl IntoIterator<Item = &'a Checkpoint>,
) -> Result<(), Unwitnessed> {
    let year = |of: &Checkpoint| shard_year(log, &of.origin);
    let overlaps = |other: &Checkpoint| {
        let (earlier, later) = if year(other) < year(new) { (other, new) } else { (new, other) };
        earlier.entries() > later.before
    };
    let moved = latest.is_some_and(|latest| latest.before != new.before);
    if moved || others.into_iter().any(overlaps) { Err(Unwitnessed::OtherYears) } else { Ok(()) }
}
