//! Recomputing the whole log: every leaf, every stored node, every checkpoint.

use volens_privacy::ledger::{Frontier, Hash, Leaf, LogVerifier, Node, leaf_hash};

use super::{LedgerError, store};
use crate::db::Tx;

/// Leaves read at a time.
const PAGE: u64 = 4096;

/// One thing that is wrong with the stored log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// An index below the head's size has no leaf.
    MissingEntry {
        /// Its index.
        entry: u64,
    },
    /// A leaf is not canonical or of no known kind.
    UnreadableEntry {
        /// Its index.
        entry: u64,
    },
    /// A stored subtree hash is absent or is not the hash of its leaves.
    WrongNode {
        /// Height: the subtree has 2^level leaves.
        level: u8,
        /// Position within the level.
        index: u64,
    },
    /// Nodes or leaves beyond the head.
    Beyond,
    /// A checkpoint's signature or form is bad.
    BadCheckpoint {
        /// Entries it claims to cover.
        size: u64,
    },
    /// A checkpoint's root is not the root of its entries: the history was changed after it.
    WrongRoot {
        /// Entries it covers.
        size: u64,
    },
    /// The latest checkpoint does not cover the whole log.
    Uncovered {
        /// Entries in the log.
        size: u64,
    },
}

/// What was looked at and what was found.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// Entries recomputed.
    pub entries: u64,
    /// Stored subtree hashes compared.
    pub nodes: u64,
    /// Checkpoints verified.
    pub checkpoints: u64,
    /// The recomputed root, lower-case hexadecimal.
    pub root: String,
    /// Everything that is wrong; empty is good.
    pub faults: Vec<Fault>,
}

/// Recomputes the log from its leaves and compares everything stored with it. `progress` is told
/// the number of entries done.
///
/// Memory is bounded by one page of leaves. At most 100 faults are reported.
pub async fn verify(
    tx: &mut Tx,
    verifier: &LogVerifier,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, LedgerError> {
    let size = store::size(tx).await?;
    let mut walk = Walk::new(size);
    let mut checkpoints = Checkpoints::new(verifier);
    let mut from = 0;
    while from < size {
        let to = size.min(from + PAGE);
        let leaves = store::entries(tx, from, to).await?;
        let mut computed = Vec::with_capacity(leaves.len() * 2);
        let mut expected = from;
        for (index, leaf) in &leaves {
            if *index != expected {
                walk.fault(Fault::MissingEntry { entry: expected });
                return Ok(walk.report(checkpoints.seen));
            }
            expected += 1;
            if Leaf::parse(leaf).is_err() {
                walk.fault(Fault::UnreadableEntry { entry: *index });
            }
            computed.extend(walk.frontier.append(leaf_hash(leaf)));
            checkpoints.check(tx, &mut walk).await?;
        }
        if expected != to {
            walk.fault(Fault::MissingEntry { entry: expected });
            return Ok(walk.report(checkpoints.seen));
        }
        walk.compare(tx, &computed).await?;
        from = to;
        progress(from, size);
    }
    if checkpoints.last != size {
        walk.fault(Fault::Uncovered { size });
    }
    walk.look_beyond(tx).await?;
    Ok(walk.report(checkpoints.seen))
}

struct Walk {
    size: u64,
    frontier: Frontier,
    nodes: u64,
    faults: Vec<Fault>,
}

impl Walk {
    fn new(size: u64) -> Self {
        let frontier = Frontier::from_nodes(0, Vec::new()).expect("the empty tree has no nodes");
        Self { size, frontier, nodes: 0, faults: Vec::new() }
    }

    fn fault(&mut self, fault: Fault) {
        if self.faults.len() < 100 {
            self.faults.push(fault);
        }
    }

    async fn compare(&mut self, tx: &mut Tx, computed: &[(Node, Hash)]) -> Result<(), LedgerError> {
        let wanted: Vec<Node> = computed.iter().map(|(node, _)| *node).collect();
        let stored = store::nodes(tx, &wanted).await?;
        for (node, hash) in computed {
            self.nodes += 1;
            if stored.get(node) != Some(hash) {
                self.fault(Fault::WrongNode { level: node.level, index: node.index });
            }
        }
        Ok(())
    }

    async fn look_beyond(&mut self, tx: &mut Tx) -> Result<(), LedgerError> {
        let entries = store::entries(tx, self.size, self.size + 1).await?;
        let mut beyond = !entries.is_empty();
        let mut level = 0;
        while !beyond && level < 48 {
            let first_absent = Node { level, index: self.size >> level };
            let next = store::all_nodes(tx, first_absent, 1).await?;
            beyond = next.first().is_some_and(|(node, _)| node.level == level);
            level += 1;
        }
        if beyond {
            self.fault(Fault::Beyond);
        }
        Ok(())
    }

    fn report(self, checkpoints: u64) -> Report {
        let root = crate::ids::hex(self.frontier.root().as_bytes());
        let entries = self.frontier.size();
        Report { entries, nodes: self.nodes, checkpoints, root, faults: self.faults }
    }
}

/// Walks the stored checkpoints in step with the leaves.
struct Checkpoints<'v> {
    verifier: &'v LogVerifier,
    pending: std::collections::VecDeque<(u64, String)>,
    read_to: u64,
    exhausted: bool,
    last: u64,
    seen: u64,
}

impl<'v> Checkpoints<'v> {
    fn new(verifier: &'v LogVerifier) -> Self {
        let pending = std::collections::VecDeque::new();
        Self { verifier, pending, read_to: 0, exhausted: false, last: 0, seen: 0 }
    }

    async fn check(&mut self, tx: &mut Tx, walk: &mut Walk) -> Result<(), LedgerError> {
        if self.pending.is_empty() && !self.exhausted {
            self.pending = store::checkpoints_after(tx, self.read_to, 1000).await?.into();
            self.exhausted = self.pending.is_empty();
        }
        let size = walk.frontier.size();
        while self.pending.front().is_some_and(|(at, _)| *at <= size) {
            let Some((at, note)) = self.pending.pop_front() else { break };
            self.read_to = at;
            self.seen += 1;
            self.last = at;
            match self.verifier.verify(&note) {
                Ok(checkpoint) if checkpoint.size != at => {
                    walk.fault(Fault::BadCheckpoint { size: at });
                }
                Ok(checkpoint) if checkpoint.root != walk.frontier.root() => {
                    walk.fault(Fault::WrongRoot { size: at });
                }
                Ok(_) => {}
                Err(_) => walk.fault(Fault::BadCheckpoint { size: at }),
            }
        }
        Ok(())
    }
}
