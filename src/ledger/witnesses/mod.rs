//! Having checkpoints cosigned, and knowing how far the log is confirmed.
//!
//! A checkpoint is offered to the witnesses after the commit that holds it, never before: a witness
//! that has seen a tree which then was not committed would refuse every later one. What enough of
//! them confirmed is a number in the log's head: entries below it are confirmed. A grant permits
//! nothing before that ([`super::confirmed`]); whatever ends one never waits.

mod client;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use client::Said;
pub use client::Silence;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use volens_privacy::ledger::{
    AddCheckpoint, Checkpoint, Cosignature, Quorum, SignedCheckpoint, Witness,
};

use super::proofs::extension;
use super::shards::shard_of;
use super::{LedgerError, store};
use crate::clock::Clock;
use crate::db::{self, Db, Tx};

/// How often the log's head is offered when no grant waits for it.
const EVERY: Duration = Duration::from_secs(5);
/// Requests to one witness for one checkpoint: a first one, and what a 409 asks for.
const ATTEMPTS: usize = 3;

/// A witness and where it answers.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Who.
    pub witness: Witness,
    /// The submission prefix, `http://host:port/path`.
    pub url: String,
}

/// Enough witnesses did not confirm in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not enough witnesses confirmed in time")]
pub struct Unconfirmed;

/// The witnesses of this service. Cheap to clone.
#[derive(Clone)]
pub struct Witnesses(Arc<Parts>);

struct Parts {
    endpoints: Vec<Endpoint>,
    quorum: Quorum,
    patience: Duration,
    wake: Notify,
    confirmed: watch::Sender<u64>,
    reachable: AtomicBool,
}

/// What one witness said about one checkpoint.
struct Answer {
    endpoint: usize,
    size: u64,
    cosigned: Result<(String, Cosignature), Trouble>,
}

/// Why a witness did not cosign.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Silent(#[from] Silence),
    /// Another node was faster; the next round offers a newer head.
    #[error("it has cosigned a newer checkpoint")]
    Overtaken,
    /// What it cosigned is not what is stored here: the log was rolled back, or forked.
    #[error("it has cosigned another history, of {size} entries")]
    OtherHistory { size: u64 },
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    #[error(transparent)]
    Db(#[from] db::Error),
}

impl Witnesses {
    /// Asks these witnesses and waits for each at most so long.
    pub fn new(endpoints: Vec<Endpoint>, quorum: Quorum, patience: Duration) -> Self {
        let confirmed = watch::Sender::new(0);
        let (wake, reachable) = (Notify::new(), AtomicBool::new(true));
        Self(Arc::new(Parts { endpoints, quorum, patience, wake, confirmed, reachable }))
    }

    /// Who is asked, and how many are enough.
    pub fn quorum(&self) -> &Quorum {
        &self.0.quorum
    }

    /// Whether grants wait for witnesses.
    pub fn are_needed(&self) -> bool {
        self.0.quorum.needed() > 0
    }

    /// Whether the last attempt was confirmed by enough. While not, nothing new should be begun
    /// that would have to wait.
    pub fn are_reachable(&self) -> bool {
        self.0.reachable.load(Ordering::Relaxed)
    }

    /// How many of how many listen where they should.
    pub async fn listening(&self) -> (usize, usize) {
        let mut listening = 0;
        for endpoint in &self.0.endpoints {
            let listens = tokio::time::timeout(self.0.patience, client::listens(&endpoint.url));
            listening += usize::from(listens.await.unwrap_or(false));
        }
        (listening, self.0.endpoints.len())
    }

    /// Waits until the first `size` entries are confirmed.
    pub async fn confirm(&self, size: u64) -> Result<(), Unconfirmed> {
        if !self.are_needed() {
            return Ok(());
        }
        let mut confirmed = self.0.confirmed.subscribe();
        self.0.wake.notify_one();
        // Each witness may use its whole time, and the round before it too.
        let patience = self.0.patience * 2;
        let waited = tokio::time::timeout(patience, confirmed.wait_for(|upto| *upto >= size)).await;
        waited.map_err(|_| Unconfirmed)?.map(drop).map_err(|_| Unconfirmed)
    }

    /// Offers the head to the witnesses, whenever somebody waits and regularly, until `stop`.
    pub async fn run(&self, db: &Db, clock: &dyn Clock, stop: impl Future<Output = ()>) {
        if !self.are_needed() {
            return stop.await;
        }
        let mut rounds = Rounds { of: self, asking: JoinSet::new(), busy: BTreeSet::new() };
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return,
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(EVERY) => {}
            }
            if let Err(error) = rounds.round(db, clock).await {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "the ledger's head was not offered to the witnesses");
            }
        }
    }
}

struct Rounds<'a> {
    of: &'a Witnesses,
    asking: JoinSet<Answer>,
    /// Witnesses that have not answered yet, from this round or an earlier one.
    busy: BTreeSet<usize>,
}

impl Rounds<'_> {
    /// Offers the present head; before it the last checkpoint of every shard that ended since, for a
    /// witness's word on a shard says nothing about the one before.
    async fn round(&mut self, db: &Db, clock: &dyn Clock) -> Result<(), LedgerError> {
        let (parts, mut offered) = (&*self.of.0, 0);
        loop {
            let mut tx = db.read().await?;
            let upto = store::confirmed(&mut tx).await?.unwrap_or_default();
            let size = super::size(&mut tx).await?;
            let ends = super::shards(&mut tx).await?.into_iter().filter_map(|shard| shard.end);
            let next = ends.filter(|end| *end > upto).min().unwrap_or(size);
            let head = super::checkpoint_at(&mut tx, next).await?;
            drop(tx);
            parts.confirmed.send_replace(upto);
            let Some(head) = head else { return Ok(()) };
            if next <= upto && self.of.are_reachable() {
                return Ok(());
            }
            // Where a node that asks nobody has ended the confirming, what is met is not kept.
            if next <= offered {
                return Ok(());
            }
            let met = self.offer(db, clock, &head, next).await?;
            parts.reachable.store(met, Ordering::Relaxed);
            if !met || next == size {
                return Ok(());
            }
            offered = next;
        }
    }

    /// Offers a checkpoint to every witness that is not busy, and goes on as soon as enough of them
    /// confirmed it; the others answer into a later round. Answers whether enough did.
    async fn offer(
        &mut self,
        db: &Db,
        clock: &dyn Clock,
        head: &SignedCheckpoint,
        size: u64,
    ) -> Result<bool, LedgerError> {
        let parts = &*self.of.0;
        for (index, endpoint) in parts.endpoints.iter().enumerate() {
            if self.busy.insert(index) {
                let (db, endpoint, head) = (db.clone(), endpoint.clone(), head.clone());
                let patience = parts.patience;
                self.asking.spawn(async move {
                    let cosigned = ask(&db, &endpoint, &head, patience).await;
                    Answer { endpoint: index, size, cosigned }
                });
            }
        }
        let mut met = false;
        while !met && let Some(answer) = self.asking.join_next().await {
            // A task that panicked leaves its witness busy; the others are enough or not.
            let Ok(answer) = answer else { continue };
            self.busy.remove(&answer.endpoint);
            met = self.take(db, clock, &answer).await? && answer.size >= size;
        }
        Ok(met)
    }

    /// Keeps an answer; answers whether its checkpoint is confirmed now.
    async fn take(&self, db: &Db, clock: &dyn Clock, answer: &Answer) -> Result<bool, LedgerError> {
        let parts = &*self.of.0;
        let witness = parts.endpoints[answer.endpoint].witness.name();
        let (line, cosignature) = match &answer.cosigned {
            Ok(cosigned) => cosigned,
            Err(Trouble::OtherHistory { size }) => {
                tracing::error!(
                    witness,
                    size,
                    "a witness has cosigned another history of the ledger"
                );
                return Ok(false);
            }
            Err(trouble) => {
                tracing::warn!(witness, %trouble, "a witness did not cosign");
                return Ok(false);
            }
        };
        let mut tx = db.begin().await?;
        store::add_cosignature(&mut tx, answer.size, line, cosignature, clock.now()).await?;
        let note = super::checkpoint_at(&mut tx, answer.size).await?;
        let met = note.is_some_and(|note| parts.quorum.is_met(&note));
        if met {
            store::confirm(&mut tx, answer.size).await?;
        }
        tx.commit().await?;
        if met {
            parts.confirmed.send_if_modified(|upto| {
                let grew = *upto < answer.size;
                *upto = (*upto).max(answer.size);
                grew
            });
        }
        Ok(met)
    }
}

/// Asks one witness to cosign `head`, from where it says it is.
async fn ask(
    db: &Db,
    endpoint: &Endpoint,
    head: &SignedCheckpoint,
    patience: Duration,
) -> Result<(String, Cosignature), Trouble> {
    let Checkpoint { size, before, .. } = head.unverified();
    let mut tx = db.read().await?;
    let shard = shard_of(&mut tx, before + size).await?;
    let known = store::last_cosigned(&mut tx, endpoint.witness.name(), before).await?;
    let mut old = known.saturating_sub(before).min(shard.end.map_or(u64::MAX, |end| end - before));
    drop(tx);
    for _ in 0..ATTEMPTS {
        let mut tx = db.read().await?;
        if old > size {
            let known = match shard.end {
                Some(end) => end,
                None => store::size(&mut tx).await?,
            };
            let newer = Trouble::OtherHistory { size: before + old };
            return Err(if before + old > known { newer } else { Trouble::Overtaken });
        }
        let proof = extension(&mut tx, &shard, old, size).await?;
        drop(tx);
        let body = AddCheckpoint { old, proof, checkpoint: head.clone() }.to_body();
        match client::add_checkpoint(&endpoint.url, body, patience).await? {
            Said::Lines(lines) => {
                let found = endpoint.witness.line_in(head, &lines);
                return found.ok_or(Trouble::Silent(Silence::Invalid));
            }
            Said::Conflict(latest) if latest != old => old = latest,
            Said::Conflict(_) | Said::Inconsistent => {
                return Err(Trouble::OtherHistory { size: before + old });
            }
        }
    }
    Err(Trouble::Overtaken)
}

/// Asks witnesses from now on, when there are any to ask. What was acknowledged before stays confirmed.
///
/// Nobody who names none ends the asking by that: a command may have been started without the service's
/// settings. [`ask_no_longer`] does.
pub async fn adopt(tx: &mut Tx, quorum: &Quorum) -> Result<(), LedgerError> {
    if quorum.needed() > 0 && !are_asked(tx).await? {
        store::begin_confirming(tx).await?;
    }
    Ok(())
}

/// Whether grants wait for witnesses.
pub async fn are_asked(tx: &mut Tx) -> Result<bool, LedgerError> {
    Ok(store::confirmed(tx).await?.is_some())
}

/// Ends it: every entry counts as confirmed, what waits included.
pub async fn ask_no_longer(tx: &mut Tx) -> Result<(), LedgerError> {
    tracing::warn!("grants no longer wait for witnesses");
    Ok(store::end_confirming(tx).await?)
}
