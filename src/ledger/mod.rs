//! The persisted Merkle log: every decision about consent and every use of it, append-only.
//!
//! The tree itself is [`volens_privacy::ledger`] (RFC 6962); this slice keeps its leaves and the
//! hashes of complete subtrees, signs a checkpoint in the same transaction as the entries it
//! covers, and answers proofs from the stored nodes. An entry is acknowledged only after the
//! commit that holds both. Every calendar year has a tree of its own ([`Shard`]).

mod checkpoints;
pub mod http;
mod kept;
mod position;
mod proofs;
mod report;
mod shards;
mod store;
#[cfg(test)]
mod tests;
mod tiles;
mod verify;
pub mod witnesses;

use std::collections::BTreeMap;
use std::time::Duration;

pub use kept::{Kept, KeptError, Trust};
pub use position::{Bookmark, Position};
pub use proofs::{Evidence, consistency, evidence, proofs};
pub use report::{Fault, Report};
pub use shards::{Chain, Shard, agrees, shards};
use shards::{end_of, shard_of};
pub(crate) use store::STATEMENTS;
pub use tiles::{YearEnd, bundle, shard_checkpoint, tile};
pub use verify::{verify, verify_from};
use volens_privacy::Timestamp;
use volens_privacy::ledger::{
    Checkpoint, Frontier, Hash, Leaf, LogSigner, Node, Opening, SignedCheckpoint, leaf_hash,
    prove_inclusion,
};

use crate::db::{self, Tx};

/// How long a clock that is years ahead of the log is not believed.
const DOUBTED: Duration = Duration::from_hours(24);

/// Why the log did not answer.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The entry or size asked for is not in the log.
    #[error("the ledger has no such entry or size")]
    OutOfRange,
    /// What was asked about lies in two shards, which no one proof spans.
    #[error("the ledger goes on in another tree in between")]
    OtherShard,
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
    /// Entries of the shards before the one that was appended to.
    before: u64,
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
        let (index, size) = (index - self.before, self.size - self.before);
        prove_inclusion(index, size, &lookup).map_err(|_| LedgerError::Damaged)
    }
}

/// The head of the log, held until the transaction ends.
#[derive(Debug)]
pub struct Head {
    size: u64,
    /// The shard that is open.
    shard: Shard,
    /// Since when the clock has been further than the next year, by that clock; none while it is not.
    ahead: Option<Timestamp>,
}

/// Locks the head until the transaction ends: whoever decides by what is on record and then appends
/// holds it from before the reading, so that decisions have one order on every node.
pub async fn hold(tx: &mut Tx) -> Result<Head, LedgerError> {
    Ok(store::lock_head(tx).await?)
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
    /// Entries in the log now: the index of the next one, once the head was [turned](Head::turn).
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Goes on in another shard when `now` is in a later year than the open one takes entries in: that
    /// one ends with the checkpoint that it has, and the first entry of the next commits to it. A clock
    /// that goes back over New Year changes nothing.
    ///
    /// A clock that is further than the next year is wrong more often than a ledger was silent for so
    /// long. So it opens nothing before it has said so for a day; the open shard takes the entries
    /// meanwhile, for nothing that has to be recorded may be turned away.
    pub async fn turn(
        self,
        tx: &mut Tx,
        signer: &LogSigner,
        now: Timestamp,
    ) -> Result<Self, LedgerError> {
        let year = now.year();
        if year <= self.shard.year {
            return Ok(Self { ahead: None, ..self });
        }
        let ahead = self.doubts(now);
        if ahead.is_some() {
            if self.ahead != ahead {
                let open = self.shard.year;
                tracing::error!(open, year, "the clock is years ahead of the ledger: is it right?");
            }
            return Ok(Self { ahead, ..self });
        }
        let shard = Shard { before: self.size, year, end: None };
        let next = Self { size: self.size, shard, ahead: None };
        store::turn(tx, &shard).await?;
        if self.size == 0 {
            return Ok(next);
        }
        let (log, size) = (signer.origin(), self.size - self.shard.before);
        let root = root_of(tx, &self.shard, size).await?;
        let (origin, before) = (self.shard.origin(log), self.shard.before);
        let last = Checkpoint { origin, before, size, root };
        let opening = Opening::after(&last, shard.origin(log));
        let opened = next.write(tx, signer, &[opening.leaf(now)], now).await?;
        Ok(Self { size: opened.size, shard, ahead: None })
    }

    /// Since when a clock that is past the open shard's year has not been believed; none when it is.
    fn doubts(&self, now: Timestamp) -> Option<Timestamp> {
        let follows = |year: u16| now.year() <= year.saturating_add(1);
        if self.size == 0 || follows(self.shard.year) {
            return None;
        }
        match self.ahead {
            // Neither back nor another leap since.
            Some(since) if since <= now && follows(since.year()) => {
                (now.since(since) < DOUBTED).then_some(since)
            }
            _ => Some(now),
        }
    }

    /// What [`append`] does, with the head that was held for the reading before it.
    pub async fn append(
        self,
        tx: &mut Tx,
        signer: &LogSigner,
        leaves: &[Leaf],
        now: Timestamp,
    ) -> Result<Appended, LedgerError> {
        let head = if leaves.is_empty() { self } else { self.turn(tx, signer, now).await? };
        head.write(tx, signer, leaves, now).await
    }

    async fn write(
        self,
        tx: &mut Tx,
        signer: &LogSigner,
        leaves: &[Leaf],
        now: Timestamp,
    ) -> Result<Appended, LedgerError> {
        let Self { size: first, shard, ahead } = self;
        let before = shard.before;
        let edge = store::nodes(tx, &shard, &Frontier::nodes_for(first - before)).await?;
        let mut frontier = frontier(first - before, &edge)?;
        let bytes: Vec<Vec<u8>> = leaves.iter().map(Leaf::bytes).collect();
        let mut grown = Vec::with_capacity(leaves.len() * 2);
        for leaf in &bytes {
            grown.extend(frontier.append(leaf_hash(leaf)));
        }
        let (origin, root) = (shard.origin(signer.origin()), frontier.root());
        let head = Checkpoint { origin, before, size: frontier.size(), root };
        let (size, checkpoint) = (head.entries(), signer.sign(&head));
        store::add_entries(tx, first, &bytes).await?;
        store::add_nodes(tx, &shard, &grown).await?;
        if size > first {
            store::add_checkpoint(tx, size, &checkpoint, now).await?;
        }
        store::grow(tx, size, ahead).await?;
        let nodes = edge.into_iter().chain(grown).collect();
        Ok(Appended { first, size, checkpoint, before, nodes })
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

/// The latest signed checkpoint of the shard that is open, with the cosignatures it has; none while
/// the log is empty.
pub async fn checkpoint(tx: &mut Tx) -> Result<Option<SignedCheckpoint>, LedgerError> {
    match store::latest_checkpoint(tx).await? {
        Some((size, note)) => cosigned(tx, size, &note).await.map(Some),
        None => Ok(None),
    }
}

/// The signed checkpoint of exactly `size` entries of all shards up to its own, with the cosignatures it has.
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

/// The root over the first `size` entries of a shard, from stored nodes.
async fn root_of(tx: &mut Tx, shard: &Shard, size: u64) -> Result<Hash, LedgerError> {
    let edge = store::nodes(tx, shard, &Frontier::nodes_for(size)).await?;
    Ok(frontier(size, &edge)?.root())
}

/// Leaves `from..to` with their indices.
pub async fn entries(tx: &mut Tx, from: u64, to: u64) -> Result<Vec<(u64, Vec<u8>)>, LedgerError> {
    Ok(store::entries(tx, from, to).await?)
}

/// The leaves at these indices; absent ones are missing from the answer.
pub async fn leaves(tx: &mut Tx, indices: &[u64]) -> Result<BTreeMap<u64, Vec<u8>>, LedgerError> {
    Ok(store::some_entries(tx, indices).await?)
}
