//! The stored nodes and entries, cut as C2SP `tlog-tiles` names them.

use volens_privacy::ledger::{Cut, Tile};

use super::{LedgerError, store};
use crate::db::Tx;

/// Bytes of a hash.
const HASH: u64 = 32;

/// The hashes of a tile, one after the other; [`LedgerError::OutOfRange`] unless all are there.
pub async fn tile(tx: &mut Tx, tile: Tile) -> Result<Vec<u8>, LedgerError> {
    let (first, end) = tile.nodes().ok_or(LedgerError::OutOfRange)?;
    let size = store::size(tx).await?;
    if end > size >> first.level {
        return Err(LedgerError::OutOfRange);
    }
    let hashes = store::joined_nodes(tx, first.level, first.index, end).await?;
    if hashes.len() as u64 == (end - first.index) * HASH {
        Ok(hashes)
    } else {
        Err(LedgerError::Damaged)
    }
}

/// The entries of a bundle, each after its length as two bytes; [`LedgerError::OutOfRange`] unless
/// all are there.
pub async fn bundle(tx: &mut Tx, cut: Cut) -> Result<Vec<u8>, LedgerError> {
    let (from, to) = cut.range().ok_or(LedgerError::OutOfRange)?;
    if to > store::size(tx).await? {
        return Err(LedgerError::OutOfRange);
    }
    let entries = store::entries(tx, from, to).await?;
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
