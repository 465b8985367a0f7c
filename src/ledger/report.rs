//! What a verification looked at and what it found.

/// One thing that is wrong with the stored log.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[schema(as = LedgerFault)]
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
        /// Entries of the shards before the one whose subtree it is.
        before: u64,
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
    /// The latest checkpoint of a shard does not cover the whole shard.
    Uncovered {
        /// Entries up to its end.
        size: u64,
    },
    /// The shards are not those of one log, one after the other and each of a later year.
    WrongShards,
    /// An entry that should open a shard after the one before does not, or one that should not does: a
    /// shard was cut, replaced or moved after it ended.
    WrongOpening {
        /// Its index.
        entry: u64,
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
    /// Shards they are in, each a tree of its own.
    pub shards: u64,
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
    /// The recomputed root of the last shard, lower-case hexadecimal. It is over the entry that holds
    /// the root of the shard before.
    pub root: String,
    /// Everything that is wrong; empty is good.
    pub faults: Vec<Fault>,
}
