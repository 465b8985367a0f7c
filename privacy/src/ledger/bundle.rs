//! An inclusion proof with its checkpoint as one text: C2SP `tlog-proof@v1`.

use super::checkpoint::{LogVerifier, SignedCheckpoint, decimal};
use super::proof::{ProofError, verify_inclusion};
use super::tree::{Hash, leaf_hash};
use super::{Checkpoint, CheckpointError};
use crate::encoding::{base64, unbase64_exact};

const HEADER: &str = "c2sp.org/tlog-proof@v1\n";
/// A tree of 2^64 leaves has no longer proof.
const LONGEST_PROOF: usize = 64;

/// Why a proof text was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TlogProofError {
    /// Not the format.
    #[error("not a c2sp.org/tlog-proof@v1 text")]
    Malformed,
    /// The checkpoint inside was refused.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The proof does not hold.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// A proof as read from text; nothing in it has been checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    /// Index of the entry in the tree of the checkpoint.
    pub index: u64,
    /// Inclusion proof from the leaf's sibling up.
    pub hashes: Vec<Hash>,
    /// The signed head of the tree it leads to.
    pub checkpoint: SignedCheckpoint,
}

impl TlogProof {
    /// Number of the entry in the whole log, whatever its shard. Only as good as the checkpoint.
    pub fn entry(&self) -> u64 {
        self.index.saturating_add(self.checkpoint.before())
    }

    /// Checks the checkpoint's signature and that `leaf` is in its tree at [`TlogProof::index`].
    pub fn verify(&self, leaf: &[u8], log: &LogVerifier) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = log.verify(self.checkpoint.as_str())?;
        let hash = leaf_hash(leaf);
        verify_inclusion(&hash, self.index, checkpoint.size, &self.hashes, &checkpoint.root)?;
        Ok(checkpoint)
    }
}

/// Writes the proof of an entry by its number in the whole log, in the shard of the checkpoint.
pub fn tlog_proof(entry: u64, hashes: &[Hash], checkpoint: &SignedCheckpoint) -> String {
    // Of an entry that is not in the shard there are no hashes that lead to its root.
    let index = entry.saturating_sub(checkpoint.before());
    let mut text = format!("{HEADER}index {index}\n");
    for hash in hashes {
        text.push_str(&base64(hash.as_bytes()));
        text.push('\n');
    }
    text.push('\n');
    text.push_str(checkpoint.as_str());
    text
}

/// Reads a proof. The optional `extra` line is accepted and, being unauthenticated, ignored.
pub fn parse_tlog_proof(text: &str) -> Result<TlogProof, TlogProofError> {
    let (head, note) = text.split_once("\n\n").ok_or(TlogProofError::Malformed)?;
    let (index, hashes) = read_head(head).ok_or(TlogProofError::Malformed)?;
    Ok(TlogProof { index, hashes, checkpoint: SignedCheckpoint::parse(note)? })
}

fn read_head(head: &str) -> Option<(u64, Vec<Hash>)> {
    let mut lines = head.strip_prefix(HEADER)?.split('\n').peekable();
    let _extra = lines.next_if(|line| line.starts_with("extra "));
    let index = decimal(lines.next()?.strip_prefix("index ")?)?;
    let read_hash = |line: &str| unbase64_exact(line).map(Hash::from_bytes);
    let hashes = lines.map(read_hash).collect::<Option<Vec<_>>>()?;
    (hashes.len() <= LONGEST_PROOF).then_some((index, hashes))
}
