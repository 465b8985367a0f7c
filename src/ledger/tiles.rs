//! The stored nodes and entries, cut as C2SP `tlog-tiles` names them.

use volens_privacy::ledger::{Cut, SignedCheckpoint, Tile};

use super::{LedgerError, Shard, checkpoint_at, shards, store};
use crate::db::Tx;

/// Bytes of a hash.
const HASH: u64 = 32;

/// The checkpoint of a year and its place among the years.
#[derive(Debug)]
pub struct YearEnd {
    /// The latest of the year, with the cosignatures it has.
    pub note: SignedCheckpoint,
    /// The year that the log goes on in, once this one has ended.
    pub next: Option<u16>,
    /// The year before.
    pub previous: Option<u16>,
}

/// The shard of a year, with how many entries it has.
async fn shard(tx: &mut Tx, year: u16) -> Result<(Shard, u64), LedgerError> {
    let shard = shards(tx).await?.into_iter().find(|shard| shard.year == year);
    let shard = shard.ok_or(LedgerError::OutOfRange)?;
    let end = match shard.end {
        Some(end) => end,
        None => store::size(tx).await?,
    };
    Ok((shard, end - shard.before))
}

/// The latest checkpoint of the shard of a year; [`LedgerError::OutOfRange`] when there is no such
/// year.
pub async fn shard_checkpoint(tx: &mut Tx, year: u16) -> Result<YearEnd, LedgerError> {
    let (shard, size) = shard(tx, year).await?;
    let note = checkpoint_at(tx, shard.before + size).await?.ok_or(LedgerError::OutOfRange)?;
    let (mut next, mut previous) = (None, None);
    for other in shards(tx).await? {
        if other.before < shard.before {
            previous = Some(other.year);
        } else if other.before > shard.before && next.is_none() {
            next = Some(other.year);
        }
    }
    Ok(YearEnd { note, next, previous })
}

/// The hashes of a tile of a shard, one after the other; [`LedgerError::OutOfRange`] unless all are
/// there.
pub async fn tile(tx: &mut Tx, year: u16, tile: Tile) -> Result<Vec<u8>, LedgerError> {
    let (first, end) = tile.nodes().ok_or(LedgerError::OutOfRange)?;
    let (shard, size) = shard(tx, year).await?;
    if end > size >> first.level {
        return Err(LedgerError::OutOfRange);
    }
    let hashes = store::joined_nodes(tx, &shard, first.level, first.index, end).await?;
    if hashes.len() as u64 == (end - first.index) * HASH {
        Ok(hashes)
    } else {
        Err(LedgerError::Damaged)
    }
}

/// The entries of a bundle of a shard, each after its length as two bytes;
/// [`LedgerError::OutOfRange`] unless all are there.
pub async fn bundle(tx: &mut Tx, year: u16, cut: Cut) -> Result<Vec<u8>, LedgerError> {
    let (from, to) = cut.range().ok_or(LedgerError::OutOfRange)?;
    let (shard, size) = shard(tx, year).await?;
    if to > size {
        return Err(LedgerError::OutOfRange);
    }
    let entries = store::entries(tx, shard.before + from, shard.before + to).await?;
    if entries.len() as u64 != to - from {
        return Err(LedgerError::Damaged);
    }
    let mut bytes = Vec::new();
    for (_, leaf) in entries {
        let length = u16::try_from(leaf.len()).map_err(|_| LedgerError::Damaged)?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(leaf);
    }
    Ok(bytes)
}
