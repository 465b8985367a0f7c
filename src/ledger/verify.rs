//! Recomputing the whole log: every leaf, every stored node, every checkpoint.

use std::ops::Range;

use volens_privacy::ledger::{Checkpoint, Frontier, Hash, Leaf, Node, leaf_hash};

use super::checkpoints::Checkpoints;
use super::{LedgerError, Position, Trust, root_at, store};
use crate::db::Tx;

/// Leaves read at a time.
const PAGE: u64 = 16_384;
/// Faults of one kind that are reported; whoever changed more has done enough. Every checkpoint after
/// a changed entry is wrong, and must not crowd out which entry that is.
const FAULTS_MAX: usize = 100;
/// Bytes of a hash.
const HASH: usize = 32;

/// One thing that is wrong with the stored log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[schema(as = LedgerFault)]
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
    /// A checkpoint is said to be older than one before it, or than a witness's word on one before
    /// it.
    TimeReversed {
        /// Entries it covers.
        size: u64,
    },
    /// An entry is dated after the checkpoint that covers it.
    Postdated {
        /// Its index.
        entry: u64,
    },
    /// The log is shorter than it is known to have been.
    Shrunk {
        /// Entries in the log.
        size: u64,
        /// Entries it had.
        known: u64,
        /// Who knows.
        known_by: String,
    },
    /// The log is not the one that is known: its first `size` entries are others.
    OtherHistory {
        /// Entries of the known checkpoint.
        size: u64,
        /// Who knows.
        known_by: String,
    },
    /// The checkpoint from outside is not one that this log's key signed.
    BadKept,
    /// A stored cosignature is not the witness's on the checkpoint of this size.
    BadCosignature {
        /// Entries of the checkpoint.
        size: u64,
        /// Who is said to have cosigned.
        witness: String,
    },
    /// The log is said to be confirmed up to here, and not enough witnesses confirm it.
    Unconfirmed {
        /// Entries that are said to be confirmed.
        size: u64,
    },
}

/// What was looked at and what was found.
#[derive(Debug, Clone, serde::Serialize, utoipa::ToSchema)]
#[schema(as = LedgerReport)]
pub struct Report {
    /// Entries recomputed.
    pub entries: u64,
    /// Of these, entries that an interrupted verification had recomputed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resumed: Option<u64>,
    /// Stored subtree hashes compared.
    pub nodes: u64,
    /// Checkpoints verified.
    pub checkpoints: u64,
    /// Cosignatures verified.
    pub cosignatures: u64,
    /// Entries that enough witnesses confirmed; absent when nobody is asked.
    pub confirmed: Option<u64>,
    /// Entries of the checkpoint kept outside that was compared; absent when none is kept.
    pub kept: Option<u64>,
    /// The recomputed root, lower-case hexadecimal.
    pub root: String,
    /// Everything that is wrong; empty is good.
    pub faults: Vec<Fault>,
}

/// Recomputes the log from its leaves and compares everything stored with it, and what is stored
/// with what is known outside. `progress` is told the number of entries done.
///
/// Memory is bounded by one page of leaves. At most 100 faults are reported.
pub async fn verify(
    tx: &mut Tx,
    trust: &Trust,
    mut progress: impl FnMut(u64, u64),
) -> Result<Report, LedgerError> {
    verify_from(tx, trust, None, |done, of, _| progress(done, of)).await
}

/// [`verify`], going on from where an interrupted one came to, if the log still goes through that
/// point. `progress` is also told where this one is, as long as nothing is wrong.
pub async fn verify_from(
    tx: &mut Tx,
    trust: &Trust,
    position: Option<&Position>,
    mut progress: impl FnMut(u64, u64, Option<Position>),
) -> Result<Report, LedgerError> {
    let size = store::size(tx).await?;
    let mut walk = Walk::new(size);
    let mut outside = Outside::new(trust, &mut walk);
    let mut checkpoints = Checkpoints::new(tx, trust).await?;
    if let Some(position) = position
        && let Some((frontier, last)) = position.frontier(tx, &trust.log).await?
    {
        checkpoints.resume(position, last);
        (walk.frontier, walk.nodes, walk.resumed) =
            (frontier, position.nodes, Some(position.entries));
        outside.resume(tx, &mut walk).await?;
    }
    let mut from = walk.frontier.size();
    while from < size {
        let to = size.min(from + PAGE);
        let page = Page::read(tx, from, to).await?;
        let mut computed = Computed::after(from);
        for (index, leaf) in (from..).zip(page.leaves()) {
            match Leaf::parse(leaf) {
                Ok(leaf) => checkpoints.date(index, leaf.at()),
                Err(_) => walk.fault(Fault::UnreadableEntry { entry: index }),
            }
            walk.frontier.append_into(leaf_hash(leaf), &mut |node, hash| computed.add(node, hash));
            outside.check(&mut walk);
            checkpoints.check(tx, &mut walk).await?;
        }
        if let Some(entry) = page.missing {
            walk.fault(Fault::MissingEntry { entry });
            return Ok(walk.report(&outside, &checkpoints));
        }
        walk.compare(tx, &computed).await?;
        from = to;
        progress(from, size, checkpoints.position(&walk));
    }
    if checkpoints.last != size {
        walk.fault(Fault::Uncovered { size });
    }
    walk.look_beyond(tx).await?;
    outside.end(&mut walk);
    checkpoints.end(tx, &mut walk).await?;
    Ok(walk.report(&outside, &checkpoints))
}

/// The checkpoint that is kept where the database does not reach.
struct Outside {
    kept: Option<Checkpoint>,
    size: Option<u64>,
}

impl Outside {
    const NAME: &str = "kept checkpoint";

    fn new(trust: &Trust, walk: &mut Walk) -> Self {
        let kept = trust.kept.as_ref().and_then(|note| {
            let read = trust.log.verify(note);
            read.inspect_err(|_| walk.fault(Fault::BadKept)).ok()
        });
        let kept = kept.filter(|kept| kept.size > 0);
        Self { size: kept.as_ref().map(|kept| kept.size), kept }
    }

    fn check(&mut self, walk: &mut Walk) {
        if let Some(kept) = self.kept.take_if(|kept| kept.size == walk.frontier.size())
            && kept.root != walk.frontier.root()
        {
            walk.fault(Fault::OtherHistory { size: kept.size, known_by: Self::NAME.to_owned() });
        }
    }

    /// For a kept checkpoint that the verification is past already.
    async fn resume(&mut self, tx: &mut Tx, walk: &mut Walk) -> Result<(), LedgerError> {
        let past = |kept: &mut Checkpoint| kept.size <= walk.frontier.size();
        let Some(Checkpoint { size, root, .. }) = self.kept.take_if(past) else { return Ok(()) };
        let same = match root_at(tx, size).await {
            Err(LedgerError::Damaged) => false,
            stored => stored? == root,
        };
        if !same {
            walk.fault(Fault::OtherHistory { size, known_by: Self::NAME.to_owned() });
        }
        Ok(())
    }

    fn end(&mut self, walk: &mut Walk) {
        if let Some(kept) = self.kept.take() {
            let (size, known_by) = (walk.size, Self::NAME.to_owned());
            walk.fault(Fault::Shrunk { size, known: kept.size, known_by });
        }
    }
}

/// Some leaves, one after the other.
struct Page {
    bytes: Vec<u8>,
    /// Where each leaf begins and ends.
    leaves: Vec<Range<usize>>,
    /// The first index without a leaf.
    missing: Option<u64>,
}

impl Page {
    async fn read(tx: &mut Tx, from: u64, to: u64) -> Result<Self, LedgerError> {
        if let Some(bytes) = store::joined_entries(tx, from, to).await? {
            let mut leaves = Vec::with_capacity(PAGE as usize);
            let mut begin = 0;
            for leaf in bytes.split(|byte| *byte == b'\n') {
                leaves.push(begin..begin + leaf.len());
                begin += leaf.len() + 1;
            }
            if leaves.len() as u64 == to - from {
                return Ok(Self { bytes, leaves, missing: None });
            }
        }
        Self::read_singly(tx, from, to).await
    }

    /// For a page from which leaves are missing, or in which one is not canonical.
    async fn read_singly(tx: &mut Tx, from: u64, to: u64) -> Result<Self, LedgerError> {
        let mut page = Self { bytes: Vec::new(), leaves: Vec::new(), missing: None };
        let mut expected = from;
        for (index, leaf) in store::entries(tx, from, to).await? {
            if index != expected {
                break;
            }
            let begin = page.bytes.len();
            page.bytes.extend(leaf);
            page.leaves.push(begin..page.bytes.len());
            expected += 1;
        }
        page.missing = (expected < to).then_some(expected);
        Ok(page)
    }

    fn leaves(&self) -> impl Iterator<Item = &[u8]> {
        self.leaves.iter().map(|leaf| &self.bytes[leaf.clone()])
    }
}

/// The subtrees that a page of leaves completes: per level a run without gaps.
struct Computed {
    /// Leaves before the page.
    from: u64,
    levels: Vec<Vec<u8>>,
}

impl Computed {
    fn after(from: u64) -> Self {
        Self { from, levels: Vec::new() }
    }

    fn add(&mut self, node: Node, hash: Hash) {
        let level = usize::from(node.level);
        if level >= self.levels.len() {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].extend_from_slice(hash.as_bytes());
    }

    /// The runs: level, index of the first subtree, hashes one after the other.
    fn runs(&self) -> impl Iterator<Item = (u8, u64, &[u8])> {
        let runs = (0_u8..).zip(&self.levels);
        runs.map(|(level, hashes)| (level, self.from >> level, hashes.as_slice()))
    }
}

/// The log as it is recomputed.
pub(super) struct Walk {
    size: u64,
    pub(super) frontier: Frontier,
    pub(super) nodes: u64,
    resumed: Option<u64>,
    pub(super) faults: Vec<Fault>,
}

impl Walk {
    fn new(size: u64) -> Self {
        Self { size, frontier: Frontier::default(), nodes: 0, resumed: None, faults: Vec::new() }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        let alike = self.faults.iter().filter(|known| std::mem::discriminant(*known) == kind);
        if alike.count() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    async fn compare(&mut self, tx: &mut Tx, computed: &Computed) -> Result<(), LedgerError> {
        for (level, first, hashes) in computed.runs() {
            let count = (hashes.len() / HASH) as u64;
            self.nodes += count;
            if store::joined_nodes(tx, level, first, first + count).await? == hashes {
                continue;
            }
            let nodes = (first..).zip(hashes.chunks_exact(HASH));
            let nodes: Vec<(Node, &[u8])> =
                nodes.map(|(index, hash)| (Node { level, index }, hash)).collect();
            let wanted: Vec<Node> = nodes.iter().map(|(node, _)| *node).collect();
            let stored = store::raw_nodes(tx, &wanted).await?;
            for (Node { level, index }, hash) in nodes {
                if stored.get(&Node { level, index }).is_none_or(|stored| stored != hash) {
                    self.fault(Fault::WrongNode { level, index });
                }
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

    fn report(self, outside: &Outside, checkpoints: &Checkpoints<'_>) -> Report {
        Report {
            entries: self.frontier.size(),
            resumed: self.resumed,
            nodes: self.nodes,
            checkpoints: checkpoints.seen,
            cosignatures: checkpoints.cosignatures_seen,
            confirmed: checkpoints.confirmed,
            kept: outside.size,
            root: crate::ids::hex(self.frontier.root().as_bytes()),
            faults: self.faults,
        }
    }
}
