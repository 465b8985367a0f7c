//! Hashes, complete subtrees and the growing right edge of the tree (RFC 6962 §2.1).

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::encoding::{hex, text_serde, unhex};

/// A SHA-256 hash of a leaf, a node or a whole tree.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Wraps the bytes as they are stored.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = TreeError;

    fn from_str(text: &str) -> Result<Self, TreeError> {
        unhex(text).map(Self).ok_or(TreeError::NotAHash)
    }
}

text_serde!(Hash);

/// Why hashes do not describe a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// Not 64 lower-case hex digits.
    #[error("not a hash: expected 64 lower-case hex digits")]
    NotAHash,
    /// A tree of that size has another number of complete subtrees on its right edge.
    #[error("a tree of {size} leaves has {expected} nodes on its right edge, not {given}")]
    FrontierLength {
        /// Leaves of the tree.
        size: u64,
        /// Nodes its right edge has.
        expected: usize,
        /// Nodes that were given.
        given: usize,
    },
}

/// `SHA-256(0x00 ‖ leaf)`.
pub fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

/// `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// The root of the tree without leaves, `SHA-256("")`.
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// A complete subtree: the `index`-th of those with `2^level` leaves. Level 0 are the leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Logarithm of the number of leaves.
    pub level: u8,
    /// Position among the subtrees of this level, from the left.
    pub index: u64,
}

/// The complete subtrees that make up the leaves `start..end`, from left to right.
///
/// `start` must be a multiple of a power of two that is at least `end - start`, which every subtree
/// in an RFC 6962 proof satisfies.
pub(super) fn cover(start: u64, end: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = start;
    while at < end {
        let level = (end - at).ilog2();
        nodes.push(Node { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    nodes
}

/// The hash over complete subtrees given from left to right, largest first.
pub(super) fn fold(hashes: &[Hash]) -> Option<Hash> {
    let (last, rest) = hashes.split_last()?;
    Some(rest.iter().rev().fold(*last, |right, left| node_hash(left, &right)))
}

/// The right edge of the tree: all that is needed to append.
///
/// ```
/// use volens_privacy::ledger::{Frontier, leaf_hash, node_hash};
/// let mut tree = Frontier::default();
/// let (a, b) = (leaf_hash(b"a"), leaf_hash(b"b"));
/// tree.append(a);
/// tree.append(b);
/// assert_eq!(tree.root(), node_hash(&a, &b));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

impl Frontier {
    /// The nodes on the right edge of a tree of `size` leaves, from left to right: what
    /// [`Frontier::from_nodes`] expects.
    pub fn nodes_for(size: u64) -> Vec<Node> {
        cover(0, size)
    }

    /// Restores the right edge of a tree of `size` leaves from stored hashes.
    pub fn from_nodes(size: u64, hashes: Vec<Hash>) -> Result<Self, TreeError> {
        let expected = size.count_ones() as usize;
        let given = hashes.len();
        if given == expected {
            Ok(Self { size, hashes })
        } else {
            Err(TreeError::FrontierLength { size, expected, given })
        }
    }

    /// Appends a leaf and returns what must be stored: the leaf and every subtree it completes.
    pub fn append(&mut self, leaf: Hash) -> Vec<(Node, Hash)> {
        let mut stored = Vec::with_capacity(2);
        self.append_into(leaf, &mut |node, hash| stored.push((node, hash)));
        stored
    }

    /// Like [`Frontier::append`], handing over what must be stored piece by piece.
    pub fn append_into(&mut self, leaf: Hash, store: &mut dyn FnMut(Node, Hash)) {
        let mut node = Node { level: 0, index: self.size };
        let mut hash = leaf;
        store(node, hash);
        while node.index % 2 == 1 {
            let left = self.hashes.pop().expect("an odd node has a left sibling on the edge");
            hash = node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index / 2 };
            store(node, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        fold(&self.hashes).unwrap_or_else(empty_root)
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }
}

/// A whole tree in memory: every complete subtree, level by level. 64 bytes a leaf.
///
/// ```
/// use volens_privacy::ledger::{MemoryTree, leaf_hash, prove_inclusion, verify_inclusion};
/// let mut tree = MemoryTree::default();
/// for leaf in [b"a", b"b", b"c"] {
///     tree.append(leaf_hash(leaf));
/// }
/// let proof = prove_inclusion(1, tree.size(), &|node| tree.node(node)).expect("it is in there");
/// assert!(verify_inclusion(&leaf_hash(b"b"), 1, 3, &proof, &tree.root()).is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemoryTree {
    frontier: Frontier,
    levels: Vec<Vec<Hash>>,
}

impl MemoryTree {
    /// Appends a leaf.
    pub fn append(&mut self, leaf: Hash) {
        let levels = &mut self.levels;
        self.frontier.append_into(leaf, &mut |node, hash| {
            let level = usize::from(node.level);
            if level == levels.len() {
                levels.push(Vec::new());
            }
            levels[level].push(hash);
        });
    }

    /// A complete subtree, if there is one there.
    pub fn node(&self, node: Node) -> Option<Hash> {
        let index = usize::try_from(node.index).ok()?;
        self.levels.get(usize::from(node.level))?.get(index).copied()
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }
}
