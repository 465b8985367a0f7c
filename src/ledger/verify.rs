//! Recomputing the whole log: every leaf, every stored node, every checkpoint.

use std::ops::Range;

use volens_privacy::ledger::{Checkpoint, Hash, Leaf, Node};

use super::checkpoints::Checkpoints;
use super::report::{Fault, Report};
use super::{Chain, Head, LedgerError, Position, Shard, Trust, agrees, shards, store};
use crate::db::Tx;

/// Leaves read at a time.
const PAGE: u64 = 16_384;
/// Faults of one kind that are reported; whoever changed more has done enough. Every checkpoint after
/// a changed entry is wrong, and must not crowd out which entry that is.
const FAULTS_MAX: usize = 100;
/// Bytes of a hash.
const HASH: usize = 32;

/// Recomputes the log from its leaves and compares everything stored with it, and what is stored
/// with what is known outside. `progress` is told the number of entries done.
///
/// Memory is bounded by one page of leaves. At most 100 faults of each kind are reported.
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
    let head = store::read_head(tx).await?;
    let (size, shards) = (head.size(), shards(tx).await?);
    let mut walk = Walk::new(size, Chain::new(trust.log.origin(), shards.clone()));
    let mut outside = Outside::new(trust, &mut walk);
    let mut checkpoints = Checkpoints::new(tx, trust).await?;
    if !head.is_last_of(&shards) {
        walk.fault(Fault::WrongShards);
        return Ok(walk.report(&outside, &checkpoints));
    }
    if let Some(position) = position
        && let Some((chain, last)) = position.chain(tx, &trust.log, &shards).await?
    {
        checkpoints.resume(position, last);
        (walk.chain, walk.nodes, walk.resumed) = (chain, position.nodes, Some(position.entries));
        outside.resume(tx, trust, &mut walk).await?;
    }
    let mut from = walk.chain.entries();
    while from < size {
        if walk.chain.has_ended() && checkpoints.last != from {
            walk.fault(Fault::Uncovered { size: from });
        }
        let shard = walk.chain.next_shard();
        let to = size.min(from + PAGE).min(shard.end.unwrap_or(u64::MAX));
        let page = Page::read(tx, from, to).await?;
        let mut computed = Computed::after(shard, from);
        for (index, bytes) in (from..).zip(page.leaves()) {
            walk.append(index, bytes, &mut computed, &mut checkpoints);
            outside.check(&mut walk);
            checkpoints.check(tx, &mut walk).await?;
        }
        if let Some(entry) = page.missing {
            walk.fault(Fault::MissingEntry { entry });
            return Ok(walk.report(&outside, &checkpoints));
        }
        walk.compare(tx, &computed).await?;
        from = to;
        if from == size || shard.end == Some(from) {
            walk.look_beyond(tx).await?;
        }
        progress(from, size, checkpoints.position(&walk));
    }
    if checkpoints.last != size {
        walk.fault(Fault::Uncovered { size });
    }
    if size == 0 {
        walk.look_beyond(tx).await?;
    }
    outside.end(&mut walk);
    checkpoints.end(tx, &mut walk).await?;
    Ok(walk.report(&outside, &checkpoints))
}

impl Head {
    /// Whether these are the shards of one log that ends in this head.
    fn is_last_of(&self, shards: &[Shard]) -> bool {
        let begins = shards.first().is_some_and(|first| first.before == 0);
        let later = |pair: &[Shard]| pair[0].before < pair[1].before && pair[0].year < pair[1].year;
        let open = Shard { end: None, ..self.shard };
        let ends = shards.last() == Some(&open) && (open.before == 0 || open.before < self.size);
        begins && shards.windows(2).all(later) && ends
    }
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
        Self { size: kept.as_ref().map(Checkpoint::entries), kept }
    }

    fn check(&mut self, walk: &mut Walk) {
        let size = walk.chain.entries();
        if let Some(kept) = self.kept.take_if(|kept| kept.entries() == size)
            && kept != walk.chain.checkpoint()
        {
            walk.fault(Fault::OtherHistory { size, known_by: Self::NAME.to_owned() });
        }
    }

    /// For a kept checkpoint that the verification is past already.
    async fn resume(
        &mut self,
        tx: &mut Tx,
        trust: &Trust,
        walk: &mut Walk,
    ) -> Result<(), LedgerError> {
        let past = |kept: &mut Checkpoint| kept.entries() <= walk.chain.entries();
        let Some(kept) = self.kept.take_if(past) else { return Ok(()) };
        if !agrees(tx, trust.log.origin(), &kept).await? {
            let (size, known_by) = (kept.entries(), Self::NAME.to_owned());
            walk.fault(Fault::OtherHistory { size, known_by });
        }
        Ok(())
    }

    fn end(&mut self, walk: &mut Walk) {
        if let Some(kept) = self.kept.take() {
            let (size, known_by) = (walk.size, Self::NAME.to_owned());
            walk.fault(Fault::Shrunk { size, known: kept.entries(), known_by });
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
    shard: Shard,
    /// Leaves of the shard before the page.
    from: u64,
    levels: Vec<Vec<u8>>,
}

impl Computed {
    fn after(shard: Shard, from: u64) -> Self {
        Self { shard, from: from - shard.before, levels: Vec::new() }
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
    pub(super) chain: Chain,
    pub(super) nodes: u64,
    resumed: Option<u64>,
    pub(super) faults: Vec<Fault>,
}

impl Walk {
    fn new(size: u64, chain: Chain) -> Self {
        Self { size, chain, nodes: 0, resumed: None, faults: Vec::new() }
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        let kind = std::mem::discriminant(&fault);
        let alike = self.faults.iter().filter(|known| std::mem::discriminant(*known) == kind);
        if alike.count() < FAULTS_MAX {
            self.faults.push(fault);
        }
    }

    fn append(
        &mut self,
        index: u64,
        bytes: &[u8],
        computed: &mut Computed,
        checkpoints: &mut Checkpoints<'_>,
    ) {
        let leaf = Leaf::parse(bytes).ok();
        match &leaf {
            Some(leaf) => checkpoints.date(index, leaf.at()),
            None => self.fault(Fault::UnreadableEntry { entry: index }),
        }
        let mut store = |node, hash| computed.add(node, hash);
        if !self.chain.append_into(bytes, leaf.as_ref(), &mut store) {
            self.fault(Fault::WrongOpening { entry: index });
        }
    }

    async fn compare(&mut self, tx: &mut Tx, computed: &Computed) -> Result<(), LedgerError> {
        let shard = &computed.shard;
        for (level, first, hashes) in computed.runs() {
            let count = (hashes.len() / HASH) as u64;
            self.nodes += count;
            if store::joined_nodes(tx, shard, level, first, first + count).await? == hashes {
                continue;
            }
            let nodes = (first..).zip(hashes.chunks_exact(HASH));
            let nodes: Vec<(Node, &[u8])> =
                nodes.map(|(index, hash)| (Node { level, index }, hash)).collect();
            let wanted: Vec<Node> = nodes.iter().map(|(node, _)| *node).collect();
            let stored = store::raw_nodes(tx, shard, &wanted).await?;
            for (Node { level, index }, hash) in nodes {
                if stored.get(&Node { level, index }).is_none_or(|stored| stored != hash) {
                    self.fault(Fault::WrongNode { before: shard.before, level, index });
                }
            }
        }
        Ok(())
    }

    /// Nodes behind the end of the shard that was just walked, and leaves behind that of the log.
    async fn look_beyond(&mut self, tx: &mut Tx) -> Result<(), LedgerError> {
        let (end, shard) = (self.chain.entries(), self.chain.shard());
        let mut beyond =
            end == self.size && !store::entries(tx, self.size, self.size + 1).await?.is_empty();
        let mut level = 0;
        while !beyond && level < 48 {
            let first_absent = Node { level, index: (end - shard.before) >> level };
            let next = store::all_nodes(tx, &shard, first_absent, 1).await?;
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
            entries: self.chain.entries(),
            shards: self.chain.number(),
            resumed: self.resumed,
            nodes: self.nodes,
            checkpoints: checkpoints.seen,
            cosignatures: checkpoints.cosignatures_seen,
            confirmed: checkpoints.confirmed,
            kept: outside.size,
            root: crate::ids::hex(self.chain.root().as_bytes()),
            faults: self.faults,
        }
    }
}
