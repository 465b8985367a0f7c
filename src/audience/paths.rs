//! Paths of a few rows of a long list, from the leaves around them and few nodes above.
//!
//! Every fourth level of a sealed list's tree is kept: a fifteenth of the nodes. What lies between two
//! of them is hashed from at most sixteen nodes of the lower one, so that a path costs as many reads as
//! the list has digits, and not as many as it has rows.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use volens_privacy::BusinessId;
use volens_privacy::ledger::{Hash, Node, node_hash, prove_inclusion};

use super::seal::RowsTree;
use super::store;
use super::{AudienceError, Result};
use crate::db::Tx;
use crate::ids::ListId;

/// Levels between two that are kept.
pub(super) const STEP: u8 = 4;
/// Nodes of a kept level under one node of the next.
const BLOCK: u64 = 1 << STEP;

/// The part of a list's tree that some of its rows need.
pub(super) struct Paths {
    rows: u64,
    nodes: BTreeMap<Node, Hash>,
}

impl Paths {
    /// Reads what the paths of these ranks (from 1) need, of a list of `rows` rows.
    pub(super) async fn read(
        tx: &mut Tx,
        of: (BusinessId, ListId),
        rows: u64,
        ranks: &[u32],
    ) -> Result<Self> {
        let leaves: Vec<u64> =
            ranks.iter().filter_map(|rank| u64::from(*rank).checked_sub(1)).collect();
        let mut paths = Self { rows, nodes: BTreeMap::new() };
        for level in (0..u8::MAX).step_by(STEP.into()).take_while(|level| rows >> level > 0) {
            for range in needed(&leaves, level, rows >> level) {
                let hashes = store::nodes(tx, of, level, &range).await?;
                if hashes.len() as u64 != range.end - range.start {
                    // Sealed before nodes were kept: from the leaves, all of them.
                    return Self::of_all(tx, of).await;
                }
                paths.add(level, range.start, hashes);
            }
        }
        Ok(paths)
    }

    async fn of_all(tx: &mut Tx, (business, list): (BusinessId, ListId)) -> Result<Self> {
        let leaves = store::leaves(tx, business, list).await?;
        let tree = RowsTree::over(leaves);
        Ok(Self { rows: tree.len(), nodes: tree.nodes().collect() })
    }

    /// Takes in nodes of a kept level, from the beginning of a block on, and hashes them up to the next
    /// kept level.
    fn add(&mut self, kept: u8, mut first: u64, mut hashes: Vec<Hash>) {
        for level in kept..kept + STEP {
            let nodes = hashes.iter().zip(first..);
            self.nodes.extend(nodes.map(|(hash, index)| (Node { level, index }, *hash)));
            let pairs = hashes.chunks_exact(2);
            hashes = pairs.map(|pair| node_hash(&pair[0], &pair[1])).collect();
            first /= 2;
        }
    }

    /// The path from the leaf of `rank` (from 1) to the root.
    pub(super) fn path(&self, rank: u32) -> Result<Vec<Hash>> {
        let unreadable = AudienceError::Unreadable("rank");
        let Some(index) = u64::from(rank).checked_sub(1) else { return Err(unreadable) };
        prove_inclusion(index, self.rows, &|node| self.nodes.get(&node).copied())
            .map_err(|_| unreadable)
    }
}

/// Which of the `count` nodes of a kept level the paths of these leaves need: whole blocks, neighbours
/// as one range. The last block is always among them, for the subtree on the right that is not complete.
fn needed(leaves: &[u64], level: u8, count: u64) -> Vec<Range<u64>> {
    let above = u32::from(level) + u32::from(STEP);
    let blocks = leaves.iter().map(|leaf| leaf.checked_shr(above).unwrap_or(0));
    let blocks: BTreeSet<u64> = blocks.chain([count / BLOCK]).collect();
    let mut ranges: Vec<Range<u64>> = Vec::new();
    for block in blocks {
        let (start, end) = (block * BLOCK, (block * BLOCK + BLOCK).min(count));
        match ranges.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ if start < end => ranges.push(start..end),
            _ => {}
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use volens_privacy::ledger::leaf_hash;

    use super::*;

    proptest! {
        #[test]
        fn few_nodes_give_the_paths_that_all_leaves_give(
            rows in 1u64..5000, at in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
        ) {
            let leaves: Vec<Hash> = (0..rows).map(|n| leaf_hash(&n.to_be_bytes())).collect();
            let tree = RowsTree::over(leaves);
            let all: BTreeMap<Node, Hash> = tree.nodes().collect();
            let wanted: Vec<u64> = at.iter().map(|at| at.index(rows as usize) as u64).collect();
            let mut paths = Paths { rows, nodes: BTreeMap::new() };
            let mut read = 0;
            for level in (0..u8::MAX).step_by(STEP.into()).take_while(|level| rows >> level > 0) {
                for range in needed(&wanted, level, rows >> level) {
                    let hashes: Vec<Hash> =
                        range.clone().map(|index| all[&Node { level, index }]).collect();
                    read += hashes.len();
                    paths.add(level, range.start, hashes);
                }
            }
            for index in &wanted {
                let rank = u32::try_from(index + 1).expect("few rows");
                prop_assert_eq!(paths.path(rank).expect("a path"), tree.path(rank).expect("a path"));
            }
            let blocks = (wanted.len() + 1) * BLOCK as usize;
            prop_assert!(read <= 4 * blocks, "{} read", read);
        }
    }
}
