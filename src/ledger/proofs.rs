//! Proofs from the stored nodes. Entries and sizes are numbers of the whole log; a proof is of one
//! shard.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use volens_privacy::ledger::{
    Hash, Node, SignedCheckpoint, consistency_nodes, inclusion_nodes, prove_consistency,
    prove_inclusion, tlog_proof,
};

use super::shards::{shard_of, shard_with};
use super::{LedgerError, Shard, checkpoint_at, shards, store};
use crate::db::Tx;

/// That an entry is in the log.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Inclusion proof (RFC 6962 §2.1.1).
    pub hashes: Vec<Hash>,
    /// The signed head that it leads to, with the cosignatures it has.
    pub checkpoint: Arc<SignedCheckpoint>,
}

impl Evidence {
    /// Both as `c2sp.org/tlog-proof@v1`; `entry` is the number in the whole log.
    pub fn text(&self, entry: u64) -> String {
        tlog_proof(entry, &self.hashes, &self.checkpoint)
    }
}

/// Evidence for entries below `size`, by entry: against the checkpoint of `size` entries, or the last
/// one of the shard where that ended before.
pub async fn evidence(
    tx: &mut Tx,
    entries: &[u64],
    size: u64,
) -> Result<BTreeMap<u64, Evidence>, LedgerError> {
    let mut found = BTreeMap::new();
    if entries.is_empty() {
        return Ok(found);
    }
    for shard in shards(tx).await? {
        let own: Vec<u64> = entries.iter().copied().filter(|entry| shard.holds(*entry)).collect();
        if own.is_empty() {
            continue;
        }
        let upto = shard.end.map_or(size, |end| end.min(size));
        let checkpoint = checkpoint_at(tx, upto).await?.ok_or(LedgerError::OutOfRange)?;
        let checkpoint = Arc::new(checkpoint);
        for (entry, hashes) in own.iter().zip(prove(tx, &shard, &own, upto).await?) {
            found.insert(*entry, Evidence { hashes, checkpoint: Arc::clone(&checkpoint) });
        }
    }
    if entries.iter().all(|entry| found.contains_key(entry)) {
        Ok(found)
    } else {
        Err(LedgerError::OutOfRange)
    }
}

/// Inclusion proofs of several entries in the tree of the shard that `size` entries end in, in the
/// order asked (RFC 6962 §2.1.1). Shared nodes are read once.
pub async fn proofs(
    tx: &mut Tx,
    entries: &[u64],
    size: u64,
) -> Result<Vec<Vec<Hash>>, LedgerError> {
    if size > store::size(tx).await? || entries.iter().any(|entry| *entry >= size) {
        return Err(LedgerError::OutOfRange);
    }
    let shard = shard_of(tx, size).await?;
    if entries.iter().any(|entry| *entry < shard.before) {
        return Err(LedgerError::OtherShard);
    }
    prove(tx, &shard, entries, size).await
}

/// Proofs of entries of one shard in its tree where the log had `size` entries.
async fn prove(
    tx: &mut Tx,
    shard: &Shard,
    entries: &[u64],
    size: u64,
) -> Result<Vec<Vec<Hash>>, LedgerError> {
    let size = size.checked_sub(shard.before).ok_or(LedgerError::OutOfRange)?;
    let indices: Vec<u64> = entries.iter().map(|entry| entry - shard.before).collect();
    if indices.iter().any(|index| *index >= size) {
        return Err(LedgerError::OutOfRange);
    }
    let wanted = indices.iter().flat_map(|index| inclusion_nodes(*index, size)).collect();
    let found = found(tx, shard, wanted).await?;
    let prove = |index: &u64| prove_inclusion(*index, size, &|node| found.get(&node).copied());
    indices.iter().map(|index| prove(index).map_err(|_| LedgerError::Damaged)).collect()
}

/// The proof that the tree where the log had `to` entries extends the one where it had `from`
/// (RFC 6962 §2.1.2). Both have to be of one shard: from one to the next it is the entry that opens it
/// which proves that nothing was lost.
pub async fn consistency(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<Hash>, LedgerError> {
    if from > to || to > store::size(tx).await? {
        return Err(LedgerError::OutOfRange);
    }
    let shards = shards(tx).await?;
    let shard = shard_with(&shards, to.saturating_sub(1))?;
    if !shard.holds(from.saturating_sub(1)) {
        return Err(LedgerError::OtherShard);
    }
    extension(tx, &shard, from - shard.before, to - shard.before).await
}

/// The same within one shard, by sizes of its own tree.
pub(super) async fn extension(
    tx: &mut Tx,
    shard: &Shard,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, LedgerError> {
    let found = found(tx, shard, consistency_nodes(from, to).into_iter().collect()).await?;
    prove_consistency(from, to, &|node| found.get(&node).copied()).map_err(|_| LedgerError::Damaged)
}

async fn found(
    tx: &mut Tx,
    shard: &Shard,
    wanted: BTreeSet<Node>,
) -> Result<BTreeMap<Node, Hash>, LedgerError> {
    let wanted: Vec<Node> = wanted.into_iter().collect();
    Ok(store::nodes(tx, shard, &wanted).await?)
}
