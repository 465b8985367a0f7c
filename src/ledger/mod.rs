//! The persisted Merkle log: every decision about consent and every use of it, append-only.
//!
//! The tree itself is [`volens_privacy::ledger`] (RFC 6962); this slice keeps its leaves and the
//! hashes of complete subtrees, signs a checkpoint in the same transaction as the entries it
//! covers, and answers proofs from the stored nodes. An entry is acknowledged only after the
//! commit that holds both.

mod checkpoints;
pub mod http;
mod kept;
mod position;
mod store;
#[cfg(test)]
mod tests;
mod tiles;
mod verify;
pub mod witnesses;

use std::collections::{BTreeMap, BTreeSet};

pub use kept::{Kept, KeptError, Trust};
pub use position::{Bookmark, Position};
pub(crate) use store::STATEMENTS;
pub use tiles::{bundle, tile};
pub use verify::{Fault, Report, verify, verify_from};
use volens_privacy::Timestamp;
use volens_privacy::ledger::{
    Checkpoint, Frontier, Hash, Leaf, LogSigner, Node, SignedCheckpoint, consistency_nodes,
    inclusion_nodes, leaf_hash, prove_consistency, prove_inclusion,
};

use crate::db::{self, Tx};

/// Why the log did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The entry or size asked for is not in the log.
    #[error("the ledger has no such entry or size")]
    OutOfRange,
    /// The stored tree contradicts itself; `volens ledger verify` tells where.
    #[error("the stored ledger is damaged")]
    Damaged,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] db::Error),
}

/// What an append made.
#[derive(Debug)]
pub struct Appended {
    /// Index of the first new entry; the others follow without gaps.
    pub first: u64,
    /// Entries in the log now.
    pub size: u64,
    /// The signed head that covers them.
    pub checkpoint: SignedCheckpoint,
    /// The right edge of the tree before, and what the append completed.
    nodes: BTreeMap<Node, Hash>,
}

impl Appended {
    /// Inclusion proof of a new entry in the tree as it is now. Everything on its way to the root is
    /// new or was on the right edge, so nothing is read.
    pub fn proof(&self, index: u64) -> Result<Vec<Hash>, LedgerError> {
        if index < self.first || index >= self.size {
            return Err(LedgerError::OutOfRange);
        }
        let lookup = |node| self.nodes.get(&node).copied();
        prove_inclusion(index, self.size, &lookup).map_err(|_| LedgerError::Damaged)
    }
}

/// The head of the log, held until the transaction ends.
#[derive(Debug)]
pub struct Head {
    size: u64,
}

/// Locks the head until the transaction ends: whoever decides by what is on record and then appends
/// holds it from before the reading, so that decisions have one order on every node.
pub async fn hold(tx: &mut Tx) -> Result<Head, LedgerError> {
    Ok(Head { size: store::lock_head(tx).await? })
}

/// Appends leaves in the caller's transaction, with their tree nodes and one signed checkpoint.
///
/// The head stays locked until the transaction ends. Call it once per transaction, with everything
/// that the transaction has to say.
pub async fn append(
    tx: &mut Tx,
    signer: &LogSigner,
    leaves: &[Leaf],
    now: Timestamp,
) -> Result<Appended, LedgerError> {
    hold(tx).await?.append(tx, signer, leaves, now).await
}

impl Head {
    /// Entries in the log now: the index of the next one.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// What [`append`] does, with the head that was held for the reading before it.
    pub async fn append(
        self,
        tx: &mut Tx,
        signer: &LogSigner,
        leaves: &[Leaf],
        now: Timestamp,
    ) -> Result<Appended, LedgerError> {
        let first = self.size;
        let edge = store::nodes(tx, &Frontier::nodes_for(first)).await?;
        let mut frontier = frontier(first, &edge)?;
        let bytes: Vec<Vec<u8>> = leaves.iter().map(Leaf::bytes).collect();
        let mut grown = Vec::with_capacity(leaves.len() * 2);
        for leaf in &bytes {
            grown.extend(frontier.append(leaf_hash(leaf)));
        }
        let size = frontier.size();
        let origin = signer.origin().to_owned();
        let checkpoint = signer.sign(&Checkpoint { origin, size, root: frontier.root() });
        store::add_entries(tx, first, &bytes).await?;
        store::add_nodes(tx, &grown).await?;
        if size > first {
            store::add_checkpoint(tx, size, &checkpoint, now).await?;
        }
        store::grow(tx, size).await?;
        let nodes = edge.into_iter().chain(grown).collect();
        Ok(Appended { first, size, checkpoint, nodes })
    }
}

fn frontier(size: u64, edge: &BTreeMap<Node, Hash>) -> Result<Frontier, LedgerError> {
    let wanted = Frontier::nodes_for(size);
    let hashes: Option<Vec<Hash>> = wanted.iter().map(|node| edge.get(node).copied()).collect();
    let hashes = hashes.ok_or(LedgerError::Damaged)?;
    Frontier::from_nodes(size, hashes).map_err(|_| LedgerError::Damaged)
}

/// Entries in the log.
pub async fn size(tx: &mut Tx) -> Result<u64, LedgerError> {
    Ok(store::size(tx).await?)
}

/// The latest signed checkpoint, with the cosignatures it has; none while the log is empty.
pub async fn checkpoint(tx: &mut Tx) -> Result<Option<SignedCheckpoint>, LedgerError> {
    match store::latest_checkpoint(tx).await? {
        Some((size, note)) => cosigned(tx, size, &note).await.map(Some),
        None => Ok(None),
    }
}

/// The signed checkpoint of exactly `size` entries, with the cosignatures it has.
pub async fn checkpoint_at(
    tx: &mut Tx,
    size: u64,
) -> Result<Option<SignedCheckpoint>, LedgerError> {
    match store::checkpoint_at(tx, size).await? {
        Some(note) => cosigned(tx, size, &note).await.map(Some),
        None => Ok(None),
    }
}

async fn cosigned(tx: &mut Tx, size: u64, note: &str) -> Result<SignedCheckpoint, LedgerError> {
    let damaged = |_| LedgerError::Damaged;
    let note = SignedCheckpoint::parse(note).map_err(damaged)?;
    let Some(before) = size.checked_sub(1) else { return Ok(note) };
    let cosignatures = store::cosignatures(tx, before, size).await?;
    note.with(cosignatures.iter().map(|stored| stored.line.as_str())).map_err(damaged)
}

/// How many entries enough witnesses have confirmed; all there can be when nobody is asked.
pub async fn confirmed(tx: &mut Tx) -> Result<u64, LedgerError> {
    Ok(store::confirmed(tx).await?.unwrap_or(u64::MAX))
}

/// The root over the first `size` entries, from stored nodes.
pub async fn root_at(tx: &mut Tx, size: u64) -> Result<Hash, LedgerError> {
    if size > store::size(tx).await? {
        return Err(LedgerError::OutOfRange);
    }
    let edge = store::nodes(tx, &Frontier::nodes_for(size)).await?;
    Ok(frontier(size, &edge)?.root())
}

/// Inclusion proofs of several entries in the tree of `size` entries, in the order asked
/// (RFC 6962 §2.1.1). Shared nodes are read once.
pub async fn proofs(
    tx: &mut Tx,
    indices: &[u64],
    size: u64,
) -> Result<Vec<Vec<Hash>>, LedgerError> {
    if size > store::size(tx).await? || indices.iter().any(|index| *index >= size) {
        return Err(LedgerError::OutOfRange);
    }
    let wanted: BTreeSet<Node> =
        indices.iter().flat_map(|index| inclusion_nodes(*index, size)).collect();
    let found = found(tx, wanted).await?;
    let prove = |index: &u64| prove_inclusion(*index, size, &|node| found.get(&node).copied());
    indices.iter().map(|index| prove(index).map_err(|_| LedgerError::Damaged)).collect()
}

/// The proof that the tree of `to` entries extends the tree of `from` (RFC 6962 §2.1.2).
pub async fn consistency(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<Hash>, LedgerError> {
    if from > to || to > store::size(tx).await? {
        return Err(LedgerError::OutOfRange);
    }
    let found = found(tx, consistency_nodes(from, to).into_iter().collect()).await?;
    prove_consistency(from, to, &|node| found.get(&node).copied()).map_err(|_| LedgerError::Damaged)
}

async fn found(tx: &mut Tx, wanted: BTreeSet<Node>) -> Result<BTreeMap<Node, Hash>, LedgerError> {
    let wanted: Vec<Node> = wanted.into_iter().collect();
    Ok(store::nodes(tx, &wanted).await?)
}

/// Leaves `from..to` with their indices.
pub async fn entries(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
    Ok(store::entries(tx, from, to).await?)
}

/// The leaves at these indices; absent ones are missing from the answer.
pub async fn leaves(tx: &mut Tx, indices: &[u64]) -> Result<BTreeMap<u64, Vec<u8>>, LedgerError> {
    Ok(store::some_entries(tx, indices).await?)
}
