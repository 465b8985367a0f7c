//! The ledger: an append-only Merkle tree over commitments, and what can be proved about it.
//!
//! Pure arithmetic on hashes; who stores the nodes is not known here. Hashing and proofs follow
//! RFC 6962 (and its successor RFC 9162 for the verification algorithms), checkpoints are C2SP
//! signed notes, proofs travel as C2SP `tlog-proof` text.
//!
//! * [`tree`]: hashes, complete subtrees, the right edge that grows
//! * [`proof`]: inclusion and consistency
//! * [`checkpoint`]: the signed head of the tree
//! * [`cosignature`]: what a witness says about it
//! * [`tile`]: the pieces in which others read the log
//! * [`witness`]: what a witness is asked, and how it decides
//! * [`bundle`]: an inclusion proof together with its checkpoint, as text
//! * [`leaf`]: what an entry says publicly
//! * [`shard`]: how the log goes on in another tree every year

pub mod bundle;
pub mod checkpoint;
pub mod cosignature;
pub mod document;
pub mod leaf;
pub mod proof;
pub mod shard;
pub mod tile;
pub mod tree;
pub mod witness;

pub(crate) use checkpoint::is_log_name;

pub use bundle::{TlogProof, parse_tlog_proof, tlog_proof};
pub use checkpoint::{Checkpoint, CheckpointError, LogSigner, LogVerifier, SignedCheckpoint};
pub use cosignature::{Cosignature, Cosigner, Quorum, QuorumError, Witness};
pub use document::DocumentError;
pub use leaf::{Leaf, LeafError, LeafKind, LeafNotice};
pub use proof::{
    ProofError, consistency_nodes, inclusion_nodes, prove_consistency, prove_inclusion,
    verify_consistency, verify_inclusion,
};
pub use shard::{Ended, Opening, shard_origin, shard_year};
pub use tile::{Cut, TILE_WIDTH, Tile};
pub use tree::{Frontier, Hash, MemoryTree, Node, TreeError, empty_root, leaf_hash, node_hash};
pub use witness::{AddCheckpoint, Unwitnessed, judge, judge_years};

#[cfg(test)]
mod known_answers;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod witness_tests;
