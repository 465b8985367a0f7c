//! The shards of the log: a tree for every calendar year, and one history.
//!
//! An entry has one number in the whole log, and everything outside this slice names it by that. A
//! checkpoint is known by the entries that it and all shards before it cover, which is one number too:
//! a shard has at least the entry that opens it.

use volens_privacy::ledger::{
    Checkpoint, Frontier, Hash, Leaf, LeafKind, Node, Opening, leaf_hash, shard_origin,
};

use super::{LedgerError, root_of, store};
use crate::db::Tx;

/// A part of the log with a tree of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Entries of all shards before it: the number of its own first entry.
    pub before: u64,
    /// The last calendar year (UTC) that it takes entries in; 0 while nothing is in the log.
    pub year: u16,
    /// Entries up to its end; none while it is open.
    pub end: Option<u64>,
}

impl Shard {
    /// Its name, in a log of that name: the first shard's is the log's.
    pub fn origin(&self, log: &str) -> String {
        match self.before {
            0 => log.to_owned(),
            _ => shard_origin(log, self.year),
        }
    }

    /// Whether an entry of that number is, or would be, one of its own.
    pub fn holds(&self, entry: u64) -> bool {
        entry >= self.before && self.end.is_none_or(|end| entry < end)
    }
}

/// All shards, the first one first; never none.
pub async fn shards(tx: &mut Tx) -> Result<Vec<Shard>, LedgerError> {
    let mut shards = store::shards(tx).await?;
    if shards.is_empty() {
        shards.push(Shard { before: 0, year: 0, end: None });
    }
    Ok(shards)
}

/// The shard that a checkpoint over `size` entries of the whole log is of.
pub(super) async fn shard_of(tx: &mut Tx, size: u64) -> Result<Shard, LedgerError> {
    shard_with(&shards(tx).await?, size.saturating_sub(1))
}

/// The shard of an entry.
pub(super) fn shard_with(shards: &[Shard], entry: u64) -> Result<Shard, LedgerError> {
    shards.iter().find(|shard| shard.holds(entry)).copied().ok_or(LedgerError::Damaged)
}

/// Entries of the log where the shard of an entry ended, or as many as there are.
pub(super) async fn end_of(tx: &mut Tx, entry: u64) -> Result<u64, LedgerError> {
    let shard = shard_with(&shards(tx).await?, entry)?;
    match shard.end {
        Some(end) => Ok(end),
        None => Ok(store::size(tx).await?),
    }
}

/// Whether the stored log goes through a checkpoint of this log: the same shard, with that root over
/// that many entries.
pub async fn agrees(tx: &mut Tx, log: &str, known: &Checkpoint) -> Result<bool, LedgerError> {
    if store::size(tx).await? < known.entries() {
        return Ok(false);
    }
    let shard = match shard_of(tx, known.entries()).await {
        Err(LedgerError::Damaged) => return Ok(false),
        found => found?,
    };
    if shard.before != known.before || shard.origin(log) != known.origin {
        return Ok(false);
    }
    match root_of(tx, &shard, known.size).await {
        Err(LedgerError::Damaged) => Ok(false),
        root => Ok(root? == known.root),
    }
}

/// The log as somebody recomputes it from its entries, shard after shard.
#[derive(Debug, Clone)]
pub struct Chain {
    log: String,
    shards: Vec<Shard>,
    at: usize,
    tree: Frontier,
}

impl Chain {
    /// At the beginning of a log of that name.
    pub fn new(log: &str, shards: Vec<Shard>) -> Self {
        Self { log: log.to_owned(), shards, at: 0, tree: Frontier::default() }
    }

    /// In the middle: after the entries that `tree` is over, of the shard at place `at`.
    pub(super) fn within(log: &str, shards: Vec<Shard>, at: usize, tree: Frontier) -> Self {
        Self { log: log.to_owned(), shards, at, tree }
    }

    /// Entries so far, of all shards.
    pub fn entries(&self) -> u64 {
        self.shard().before + self.tree.size()
    }

    /// Which shard the latest entry is in, from 1.
    pub(super) const fn number(&self) -> u64 {
        self.at as u64 + 1
    }

    /// The shard of the latest entry.
    pub fn shard(&self) -> Shard {
        self.shards[self.at]
    }

    /// The shard of the next entry.
    pub fn next_shard(&self) -> Shard {
        if self.has_ended() { self.shards[self.at + 1] } else { self.shard() }
    }

    /// Whether the shard of the latest entry is complete and another one follows.
    pub fn has_ended(&self) -> bool {
        self.shard().end == Some(self.entries()) && self.at + 1 < self.shards.len()
    }

    /// The root over the shard of the latest entry, as far as it is known.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// What a checkpoint says that is signed here.
    pub fn checkpoint(&self) -> Checkpoint {
        let (shard, root) = (self.shard(), self.root());
        let origin = shard.origin(&self.log);
        Checkpoint { origin, before: shard.before, size: self.tree.size(), root }
    }

    /// Takes in the next entry; answers whether it may stand there. The first of a later shard opens it
    /// after exactly the shard that ended, and no other opens one.
    pub fn append(&mut self, leaf: &[u8]) -> bool {
        self.append_into(leaf, Leaf::parse(leaf).ok().as_ref(), &mut |_, _| ())
    }

    /// [`Chain::append`] of an entry that was read already, handing over the hashes it completes.
    pub(super) fn append_into(
        &mut self,
        bytes: &[u8],
        leaf: Option<&Leaf>,
        store: &mut dyn FnMut(Node, Hash),
    ) -> bool {
        let fits = if self.has_ended() {
            let ended = self.checkpoint();
            self.at += 1;
            self.tree = Frontier::default();
            let opening = Opening::after(&ended, self.shard().origin(&self.log));
            leaf.and_then(Opening::of) == Some(opening)
        } else {
            leaf.is_none_or(|leaf| leaf.kind() != LeafKind::LogOpened)
        };
        self.tree.append_into(leaf_hash(bytes), store);
        fits
    }
}
