//! Inclusion and consistency proofs (RFC 6962 §2.1.1–2.1.2; verification as in RFC 9162 §2.1.3–2.1.4).

use subtle::ConstantTimeEq as _;

use super::tree::{Hash, Node, cover, empty_root, fold, node_hash};

/// Why a proof could not be made or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The leaf is not in a tree of that size.
    #[error("entry {index} is not in a tree of {size}")]
    OutOfTree {
        /// The leaf.
        index: u64,
        /// Leaves of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer.
    #[error("a tree of {from} cannot have grown into one of {to}")]
    Shrunk {
        /// Leaves of the older tree.
        from: u64,
        /// Leaves of the newer tree.
        to: u64,
    },
    /// A stored node is missing.
    #[error("node {index} of level {level} is missing")]
    NodeMissing {
        /// Level of the node.
        level: u8,
        /// Index of the node.
        index: u64,
    },
    /// The proof has another length than this position and size require.
    #[error("the proof has the wrong length")]
    Length,
    /// The proof leads to another root.
    #[error("the proof does not lead to the root")]
    Root,
}

/// Subtrees of a proof, each the range of its leaves, in proof order.
type Ranges = Vec<(u64, u64)>;

/// The largest power of two below `n`, for `n > 1`.
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// `PATH(m, D[n])`: siblings from the leaf up.
fn inclusion_ranges(index: u64, size: u64) -> Ranges {
    let (mut start, mut end) = (0, size);
    let mut ranges = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    ranges.reverse();
    ranges
}

/// `SUBPROOF(m, D[n], true)` for `0 < from < to`.
fn consistency_ranges(from: u64, to: u64) -> Ranges {
    let (mut start, mut end) = (0, to);
    let mut ranges = Vec::new();
    while from != end {
        let middle = start + split(end - start);
        if from <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    ranges
}

fn nodes_of(ranges: &[(u64, u64)]) -> Vec<Node> {
    ranges.iter().flat_map(|&(start, end)| cover(start, end)).collect()
}

fn hashes_of(
    ranges: &[(u64, u64)],
    lookup: &dyn Fn(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    let stored = |node: Node| {
        lookup(node).ok_or(ProofError::NodeMissing { level: node.level, index: node.index })
    };
    ranges
        .iter()
        .map(|&(start, end)| {
            let parts = cover(start, end).into_iter().map(stored).collect::<Result<Vec<_>, _>>()?;
            Ok(fold(&parts).expect("a subtree of a proof has leaves"))
        })
        .collect()
}

fn in_tree(index: u64, size: u64) -> Result<(), ProofError> {
    if index < size { Ok(()) } else { Err(ProofError::OutOfTree { index, size }) }
}

fn grown(from: u64, to: u64) -> Result<(), ProofError> {
    if from <= to { Ok(()) } else { Err(ProofError::Shrunk { from, to }) }
}

/// The stored nodes an inclusion proof is made from; none when the leaf is not in the tree.
pub fn inclusion_nodes(index: u64, size: u64) -> Vec<Node> {
    if index < size { nodes_of(&inclusion_ranges(index, size)) } else { Vec::new() }
}

/// Proves that the leaf at `index` is in the tree of `size` leaves.
pub fn prove_inclusion(
    index: u64,
    size: u64,
    lookup: &dyn Fn(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    in_tree(index, size)?;
    hashes_of(&inclusion_ranges(index, size), lookup)
}

/// Checks that `leaf` is at `index` in the tree of `size` leaves with that `root`.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    in_tree(index, size)?;
    let mut node = index;
    let mut last = size - 1;
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node % 2 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node.is_multiple_of(2) && node != 0 {
                node /= 2;
                last /= 2;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node /= 2;
        last /= 2;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    same_root(&hash, root)
}

/// The stored nodes a consistency proof is made from.
pub fn consistency_nodes(from: u64, to: u64) -> Vec<Node> {
    if 0 < from && from < to { nodes_of(&consistency_ranges(from, to)) } else { Vec::new() }
}

/// Proves that the tree of `from` leaves is the beginning of the tree of `to` leaves. Empty when
/// the trees are the same, and when the older one has no leaves.
pub fn prove_consistency(
    from: u64,
    to: u64,
    lookup: &dyn Fn(Node) -> Option<Hash>,
) -> Result<Vec<Hash>, ProofError> {
    grown(from, to)?;
    if from == 0 || from == to {
        return Ok(Vec::new());
    }
    hashes_of(&consistency_ranges(from, to), lookup)
}

/// Checks that the tree of `from` leaves with root `from_root` is the beginning of the tree of `to`
/// leaves with root `to_root`.
pub fn verify_consistency(
    from: u64,
    to: u64,
    from_root: &Hash,
    to_root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    grown(from, to)?;
    if from == 0 || from == to {
        let before = if from == 0 { empty_root() } else { *to_root };
        return if proof.is_empty() {
            same_root(&before, from_root)
        } else {
            Err(ProofError::Length)
        };
    }
    let (first, rest) = if from.is_power_of_two() {
        (*from_root, proof)
    } else {
        let (first, rest) = proof.split_first().ok_or(ProofError::Length)?;
        (*first, rest)
    };
    // Levels at which the old tree's last leaf is a right child add nothing to the proof.
    let skipped = (from - 1).trailing_ones();
    let mut node = (from - 1) >> skipped;
    let mut last = (to - 1) >> skipped;
    let (mut old, mut new) = (first, first);
    for sibling in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if node % 2 == 1 || node == last {
            old = node_hash(sibling, &old);
            new = node_hash(sibling, &new);
            while node.is_multiple_of(2) && node != 0 {
                node /= 2;
                last /= 2;
            }
        } else {
            new = node_hash(&new, sibling);
        }
        node /= 2;
        last /= 2;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    same_root(&old, from_root)?;
    same_root(&new, to_root)
}

fn same_root(computed: &Hash, expected: &Hash) -> Result<(), ProofError> {
    let same = computed.as_bytes().ct_eq(expected.as_bytes());
    if bool::from(same) { Ok(()) } else { Err(ProofError::Root) }
}
