//! The stored checkpoints and cosignatures, checked in step with the leaves.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use volens_privacy::Timestamp;
use volens_privacy::ledger::{Checkpoint, SignedCheckpoint};

use super::report::Fault;
use super::store::{StoredCheckpoint, StoredCosignature};
use super::verify::Walk;
use super::{LedgerError, Position, Trust, store};
use crate::db::Tx;
use crate::ids::hex;

/// Checkpoints read at a time.
const BATCH: i64 = 1000;
/// Clocks of nodes and witnesses may differ by so much.
const SKEW: Duration = Duration::from_mins(10);

/// Walks the stored checkpoints in step with the leaves.
pub(super) struct Checkpoints<'t> {
    trust: &'t Trust,
    pending: VecDeque<StoredCheckpoint>,
    cosignatures: BTreeMap<u64, Vec<StoredCosignature>>,
    read_to: u64,
    exhausted: bool,
    /// The latest dated entry since the last checkpoint.
    dated: Option<(Timestamp, u64)>,
    /// No later checkpoint may claim to be older.
    earliest: Timestamp,
    /// Entries that a checkpoint with enough cosignatures covers.
    met: Option<u64>,
    /// Entries that the head says are confirmed.
    pub(super) confirmed: Option<u64>,
    /// Entries from before anybody was asked.
    confirmed_from: Option<u64>,
    /// Entries of the last checkpoint.
    pub(super) last: u64,
    /// It, as it is signed; nothing before one was checked here.
    last_note: Option<String>,
    /// Checkpoints checked.
    pub(super) seen: u64,
    /// Cosignatures checked.
    pub(super) cosignatures_seen: u64,
}

impl<'t> Checkpoints<'t> {
    pub(super) async fn new(tx: &mut Tx, trust: &'t Trust) -> Result<Self, LedgerError> {
        Ok(Self {
            trust,
            pending: VecDeque::new(),
            cosignatures: BTreeMap::new(),
            read_to: 0,
            exhausted: false,
            dated: None,
            earliest: Timestamp::from_micros(i64::MIN),
            met: None,
            confirmed: store::confirmed(tx).await?,
            confirmed_from: store::confirmed_from(tx).await?,
            last: 0,
            last_note: None,
            seen: 0,
            cosignatures_seen: 0,
        })
    }

    /// Goes on after the checkpoint of `last` entries.
    pub(super) fn resume(&mut self, position: &Position, last: u64) {
        (self.read_to, self.last) = (last, last);
        (self.dated, self.earliest, self.met) = (position.dated, position.earliest, position.met);
        (self.seen, self.cosignatures_seen) = (position.checkpoints, position.cosignatures);
        self.last_note = Some(position.checkpoint.clone());
    }

    /// Where the walk is; nothing before the first checkpoint, when something is wrong, or while a
    /// cosignature belongs to no checkpoint.
    pub(super) fn position(&self, walk: &Walk) -> Option<Position> {
        let orphans = self.cosignatures.range(..=self.last).next().is_some();
        if orphans || !walk.faults.is_empty() {
            return None;
        }
        Some(Position {
            entries: walk.chain.entries(),
            root: hex(walk.chain.root().as_bytes()),
            checkpoint: self.last_note.clone()?,
            nodes: walk.nodes,
            checkpoints: self.seen,
            cosignatures: self.cosignatures_seen,
            dated: self.dated,
            earliest: self.earliest,
            met: self.met,
        })
    }

    /// Notes when an entry is said to have happened.
    pub(super) fn date(&mut self, index: u64, at: Timestamp) {
        if self.dated.is_none_or(|(latest, _)| latest < at) {
            self.dated = Some((at, index));
        }
    }

    /// Checks those that cover the leaves so far.
    pub(super) async fn check(&mut self, tx: &mut Tx, walk: &mut Walk) -> Result<(), LedgerError> {
        if self.pending.is_empty() && !self.exhausted {
            self.read(tx).await?;
        }
        let size = walk.chain.entries();
        while let Some(next) = self.pending.pop_front_if(|next| next.size <= size) {
            self.seen += 1;
            self.last = next.size;
            let expected = walk.chain.checkpoint();
            match self.trust.log.verify(&next.note) {
                Ok(stated) if stated == expected && next.size == size => {}
                // Of this shard and this size, and of another history.
                Ok(stated)
                    if next.size == size
                        && Checkpoint { root: expected.root, ..stated.clone() } == expected =>
                {
                    walk.fault(Fault::WrongRoot { size });
                }
                Ok(_) | Err(_) => walk.fault(Fault::BadCheckpoint { size: next.size }),
            }
            self.times(&next, walk);
            self.witnesses(&next, walk);
            self.last_note = Some(next.note);
        }
        Ok(())
    }

    async fn read(&mut self, tx: &mut Tx) -> Result<(), LedgerError> {
        self.pending = store::checkpoints_after(tx, self.read_to, BATCH).await?.into();
        let Some(last) = self.pending.back() else {
            self.exhausted = true;
            return Ok(());
        };
        let upto = last.size;
        for stored in store::cosignatures(tx, self.read_to, upto).await? {
            self.cosignatures.entry(stored.size).or_default().push(stored);
        }
        self.read_to = upto;
        Ok(())
    }

    fn times(&mut self, next: &StoredCheckpoint, walk: &mut Walk) {
        let latest_allowed = next.created_at.plus(SKEW);
        if latest_allowed < self.earliest {
            walk.fault(Fault::TimeReversed { size: next.size });
        }
        if let Some((at, entry)) = self.dated.take()
            && latest_allowed < at
        {
            walk.fault(Fault::Postdated { entry });
        }
        self.earliest = self.earliest.max(next.created_at);
    }

    fn witnesses(&mut self, next: &StoredCheckpoint, walk: &mut Walk) {
        let size = next.size;
        let stored = self.cosignatures.remove(&size).unwrap_or_default();
        let Ok(note) = SignedCheckpoint::parse(&next.note) else { return };
        let quorum = &self.trust.quorum;
        let mut cosigned = 0;
        for StoredCosignature { witness, line, cosigned_at, .. } in stored {
            // Of witnesses that are not asked any more nobody has the key.
            let known = quorum.witnesses().iter().find(|known| known.name() == witness);
            let Some(known) = known else { continue };
            self.cosignatures_seen += 1;
            match known.line_in(&note, &line) {
                Some((_, found)) if found.at == cosigned_at => {
                    cosigned += 1;
                    // What comes after the witness's word is not older than it.
                    self.earliest = self.earliest.max(found.at);
                }
                _ => walk.fault(Fault::BadCosignature { size, witness }),
            }
        }
        // A witness's word is about one shard: it confirms nothing where it did not see the end of the
        // one before.
        let before = walk.chain.shard().before;
        let reached =
            before == 0 || self.met.max(self.confirmed_from).is_some_and(|met| met >= before);
        if quorum.needed() > 0 && cosigned >= quorum.needed() && reached {
            self.met = Some(size);
        }
    }

    /// What can only be said at the end: cosignatures on nothing, and a confirmation by nobody.
    pub(super) async fn end(&mut self, tx: &mut Tx, walk: &mut Walk) -> Result<(), LedgerError> {
        let size = walk.chain.entries();
        for stored in store::cosignatures(tx, self.last, i64::MAX as u64).await? {
            self.cosignatures.entry(stored.size).or_default().push(stored);
        }
        for StoredCosignature { size, witness, .. } in
            std::mem::take(&mut self.cosignatures).into_values().flatten()
        {
            walk.fault(Fault::BadCosignature { size, witness });
        }
        let from = self.confirmed_from;
        if self.trust.quorum.needed() > 0
            && let Some(confirmed) = self.confirmed
            && (confirmed > size || (self.confirmed > from && self.met < self.confirmed))
        {
            walk.fault(Fault::Unconfirmed { size: confirmed });
        }
        Ok(())
    }
}
