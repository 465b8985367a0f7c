//! Building a list: propose, rank, write, seal.
//!
//! Everybody is verified to be scored. Rows are written in batches, each in one transaction that settles
//! what was verified, so that nobody waits long for the writer. Until it is sealed a list cannot be read; a
//! build that was interrupted starts over.

use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rand::Rng;
use roaring::RoaringBitmap;
use tokio::task::JoinSet;
use volens_models::offpolicy::Target;
use volens_privacy::ledger::{Hash, Leaf, LeafKind};
use volens_privacy::{KeyRing, PurposeKind, SubjectId, Timestamp};

use super::campaigns::{self, Campaign};
use super::candidates::{Narrowed, Narrowing, Stops, Wanted, depth};
use super::filter::Filter;
use super::forecast::Forecast;
use super::ranking::{Judge, Ranked, sort};
use super::request::{self, List, Order, Rules, Sealing};
use super::seal::{RowsTree, SealedList, sealed_as};
use super::store::{self, Arm, Run};
use super::variants::{self, Drawing};
use super::verify::Ahead;
use super::waterfall::{Exclusion, Waterfall};
use super::write::Batch;
use super::{AudienceError, Result};
use crate::clock::Clock;
use crate::db::{Db, Tx};
use crate::ledger;
use crate::metrics::Metrics;
use crate::relevance::{self, Columns, RelevanceError, Table};

/// Accounts scored, and rows written, at a time.
const BATCH: usize = 512;

/// People whose consents are kept from scoring to writing, at most and a batch: some kilobytes each.
const KEPT: usize = 32_768;

/// What a build works with.
pub struct Workshop<'a> {
    /// The database.
    pub db: &'a Db,
    /// The key ring.
    pub keys: &'a Arc<KeyRing>,
    /// The accounts in memory.
    pub columns: &'a Columns,
    /// What time it is.
    pub clock: &'a dyn Clock,
    /// Policy.
    pub rules: Rules,
    /// How long the steps of a build take is told here.
    pub metrics: &'a Metrics,
}

impl Workshop<'_> {
    /// Does a step of a build and tells how long it took.
    async fn timed<T>(&self, step: &'static str, work: impl Future<Output = T>) -> T {
        let started = tokio::time::Instant::now();
        let done = work.await;
        let took = started.elapsed();
        self.metrics.time("volens_list_build_seconds", &[("step", step)], took);
        done
    }
}

/// Told how many of how many candidates were looked at.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Send + Sync);

/// Proposals in the order of their own scores.
struct Proposals {
    narrowed: Narrowed,
    /// For the list.
    listed: Vec<SubjectId>,
    /// Of those kept aside.
    kept_aside: Vec<SubjectId>,
    as_of: Timestamp,
}

/// Builds the list that was asked for.
///
/// What policy refuses (`audience.too_small`, `model.absent`, a topic that became sensitive) ends the
/// list as refused and is no error here; an error leaves it for another attempt.
pub async fn build(
    workshop: &Workshop<'_>,
    order: Order,
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<List> {
    let mut tx = workshop.db.begin().await?;
    let list = request::find(&mut tx, order.business, order.list).await?;
    let Some(run) = store::begin(&mut tx, (order.business, order.list)).await? else {
        return Ok(list);
    };
    clear(&mut tx, order).await?;
    tx.commit().await?;
    let built = Box::pin(build_begun(workshop, (&list, run), rng, progress)).await;
    let ended = match built {
        Ok(()) => None,
        Err(error) if error.is_refusal() => Some(error),
        Err(error) => return Err(error),
    };
    let mut tx = workshop.db.begin().await?;
    if let Some(error) = ended {
        if !store::refuse(&mut tx, run, error.code()).await? {
            return Err(AudienceError::Overtaken);
        }
        clear(&mut tx, order).await?;
    }
    let list = request::find(&mut tx, order.business, order.list).await?;
    tx.commit().await?;
    Ok(list)
}

/// Ends a list that could not be built; a run that is still at it writes no more.
pub async fn give_up(db: &Db, order: Order, code: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    end_unfinished(&mut tx, order, code).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a list as failed and clears it, unless it has ended: what somebody else has sealed in the
/// meantime stays.
pub(super) async fn end_unfinished(tx: &mut Tx, order: Order, code: &str) -> Result<()> {
    if store::give_up(tx, (order.business, order.list), code).await? {
        clear(tx, order).await?;
    }
    Ok(())
}

impl AudienceError {
    /// Whether the list is refused for good rather than hindered this time.
    fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::TooSmall(_)
                | Self::NoModel
                | Self::StaleModel
                | Self::Topic { .. }
                | Self::Filter(_)
                | Self::Underage
                | Self::Invalid { .. }
        )
    }
}

async fn build_begun(
    workshop: &Workshop<'_>,
    (list, run): (&List, Run),
    rng: &mut (dyn Rng + Send),
    progress: Progress<'_>,
) -> Result<()> {
    let mut tx = workshop.db.read().await?;
    let campaign = campaigns::find(&mut tx, list.business, list.campaign).await?;
    let filter = Filter::check(&list.filter)?;
    let now = workshop.clock.now();
    let active = relevance::active(&mut tx, list.business, campaign.goal, now).await;
    let active = active.map_err(|error| match error {
        RelevanceError::Stale => AudienceError::StaleModel,
        error => error.into(),
    })?;
    let active = active.ok_or(AudienceError::NoModel)?;
    let judge = Arc::new(Judge::new(active, &campaign)?);
    let stops = Stops::read(&mut tx, list.business).await?;
    let wanted = Wanted::read(&mut tx, list.business, filter, now).await?;
    let drawing = variants::draw(&mut tx, &campaign, workshop.rules.k, rng).await?;
    tx.rollback().await;
    let narrowing = Narrowing {
        campaign: campaign.id,
        app: campaign.delivery_app.clone(),
        wanted,
        stops,
        holdout: list.holdout,
    };
    let proposals = workshop.timed("propose", propose(workshop, list, &judge, narrowing)).await?;
    let mut waterfall = proposals.narrowed.waterfall.clone();
    if waterfall.listed < workshop.rules.k {
        return Err(AudienceError::TooSmall(workshop.rules.k));
    }
    let (campaign, judge) = (&campaign, &judge);
    let mut making = Making { workshop, list, run, campaign, judge, drawing, progress };
    making.make(&proposals, &mut waterfall, rng).await
}

async fn propose(
    workshop: &Workshop<'_>,
    list: &List,
    judge: &Arc<Judge>,
    narrowing: Narrowing,
) -> Result<Proposals> {
    let as_of = workshop.clock.now();
    workshop.columns.refresh(workshop.db, workshop.keys).await?;
    let (columns, keys) = (workshop.columns.clone(), Arc::clone(workshop.keys));
    let judge = Arc::clone(judge);
    let wanted = list.size as usize;
    let of_control = (list.holdout / (1.0 - list.holdout) * f64::from(list.size)).ceil() as usize;
    // Set when nobody waits for the proposals any more.
    let stop = StopOnDrop(Arc::default());
    let stopped = Arc::clone(&stop.0);
    let proposed = aside(move || {
        let table = columns.read();
        let narrowed = narrowing.apply(&table, &keys);
        let best = |rows, count| best(&judge, &table, rows, depth(count), as_of, &stopped);
        let listed = best(&narrowed.candidates, wanted)?;
        let kept_aside = best(&narrowed.kept_aside, of_control)?;
        Some(Proposals { narrowed, listed, kept_aside, as_of })
    })
    .await?;
    proposed.ok_or(AudienceError::Interrupted)
}

/// Ends a scan whose build was given up: a thread that computes does not notice by itself.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The best of these rows. What is lent can lift somebody over the cut, so linked accounts are
/// proposed once more among themselves.
fn best(
    judge: &Judge,
    table: &Table,
    rows: &RoaringBitmap,
    count: usize,
    now: Timestamp,
    stop: &AtomicBool,
) -> Option<Vec<SubjectId>> {
    let mut found = judge.propose(table, rows, count, now, stop)?;
    if judge.borrows() {
        let linked = rows & table.live(PurposeKind::CrossAppLinking);
        found.extend(judge.propose(table, &linked, count, now, stop)?);
        found.sort_unstable();
        found.dedup();
    }
    Some(found.into_iter().filter_map(|row| table.subject(row)).collect())
}

/// Runs what takes a processor for a while beside the async threads.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(|_| AudienceError::Interrupted)
}

/// One list in the making.
struct Making<'a> {
    workshop: &'a Workshop<'a>,
    list: &'a List,
    run: Run,
    campaign: &'a Campaign,
    judge: &'a Arc<Judge>,
    /// What the variants of rows are drawn from, where the campaign has several.
    drawing: Option<Drawing>,
    progress: Progress<'a>,
}

impl Making<'_> {
    async fn make(
        &mut self,
        proposals: &Proposals,
        waterfall: &mut Waterfall,
        rng: &mut (dyn Rng + Send),
    ) -> Result<()> {
        let total = (proposals.listed.len() + proposals.kept_aside.len()) as u64;
        let by = self.judge.ranking().by;
        let workshop = self.workshop;
        let mut written = Written { rows: Vec::new(), denied: 0, cut: f64::INFINITY };
        let (mut unranked, mut put_off, mut looked_at) = (0, 0, 0);
        for proposed in self.portions(&proposals.listed) {
            if written.rows.len() == self.list.size as usize {
                break;
            }
            let ranking = self.rank(proposed, looked_at as u64, total);
            let mut scored = workshop.timed("rank", ranking).await?;
            looked_at += proposed.len();
            unranked += proposed.len() - scored.ranked.len();
            let count = scored.ranked.len();
            scored.ranked.retain(|one| !one.is_put_off(by));
            put_off += count - scored.ranked.len();
            workshop.timed("write", self.write(scored, &mut written, rng)).await?;
        }
        let listed = written.rows.len() as u64;
        waterfall.exclude(Exclusion::Unverified, (unranked + written.denied) as u64);
        waterfall.exclude(Exclusion::PutOff, put_off as u64);
        waterfall.exclude(Exclusion::BelowCut, waterfall.listed - listed);
        if listed < self.workshop.rules.k {
            return Err(AudienceError::TooSmall(self.workshop.rules.k));
        }
        let before = proposals.listed.len() as u64;
        let ranking = self.rank(&proposals.kept_aside, before, total);
        let mut control = workshop.timed("rank", ranking).await?;
        control.ranked.retain(|kept| kept.place(by) >= written.cut && !kept.is_put_off(by));
        workshop.timed("write", self.write_control(control, listed, rng)).await?;
        let forecast = self.judge.forecast(&written.rows, workshop.rules.k);
        workshop.timed("seal", self.seal(waterfall, proposals.as_of, forecast)).await
    }

    /// As many as there are places, and then those that stand in for who fails. All at once where what is
    /// lent can lift somebody over the cut: proposals are not in the order of the list then.
    fn portions<'p>(
        &self,
        proposed: &'p [SubjectId],
    ) -> impl Iterator<Item = &'p [SubjectId]> + use<'p> {
        let places = (self.list.size as usize).next_multiple_of(BATCH);
        let first = if self.judge.borrows() { proposed.len() } else { places };
        let (first, others) = proposed.split_at(first.min(proposed.len()));
        std::iter::once(first).chain(others.chunks(BATCH))
    }

    /// Scores exactly, best first. Batches go side by side, since most of it is opening what is sealed; in
    /// which order they end makes no difference.
    async fn rank(&self, subjects: &[SubjectId], before: u64, total: u64) -> Result<Scored> {
        let at_once = thread::available_parallelism().map_or(1, NonZero::get);
        let (mut left, mut running) = (subjects.chunks(BATCH), JoinSet::new());
        let mut scored = Scored { ranked: Vec::with_capacity(subjects.len()), ahead: None };
        let mut done = before;
        loop {
            for batch in left.by_ref().take(at_once - running.len()) {
                running.spawn(self.rank_batch(batch.to_vec()));
            }
            let Some(batch) = running.join_next().await else { break };
            let (looked_at, batch) = batch.map_err(|_| AudienceError::Interrupted)??;
            scored.join(batch);
            done += looked_at as u64;
            (self.progress)(done, total);
        }
        sort(&mut scored.ranked, self.judge.ranking().by);
        Ok(scored)
    }

    fn rank_batch(
        &self,
        batch: Vec<SubjectId>,
    ) -> impl Future<Output = Result<(usize, Scored)>> + Send + use<> {
        let (db, keys) = (self.workshop.db.clone(), Arc::clone(self.workshop.keys));
        let (judge, now) = (Arc::clone(self.judge), self.workshop.clock.now());
        let app = self.campaign.delivery_app.clone();
        async move {
            let mut tx = db.read().await?;
            let ahead = Ahead::read(&mut tx, &keys, batch.iter().copied(), now).await?;
            let of = (ahead.verified(), &app);
            let ranked = judge.rank(&mut tx, &keys, of, &batch, now).await?;
            Ok((batch.len(), Scored { ranked, ahead: Some(ahead) }))
        }
    }

    /// Writes the best until the list is full; who fails gives the place to the next.
    async fn write(
        &self,
        Scored { ranked, ahead }: Scored,
        written: &mut Written,
        rng: &mut (dyn Rng + Send),
    ) -> Result<()> {
        let Some(mut ahead) = ahead else { return Ok(()) };
        let (size, mut left) = (self.list.size as usize, &ranked[..]);
        while !left.is_empty() && written.rows.len() < size {
            let count = written.rows.len();
            let (batch, rest) = left.split_at(left.len().min(BATCH).min(size - count));
            left = rest;
            self.verify(&mut ahead, batch).await?;
            let mut tx = self.workshop.db.begin().await?;
            store::hold_run(&mut tx, self.run, count as u64).await?;
            let of = (batch, &mut ahead);
            let first = count as u32 + 1;
            let done = self.batch(Arm::Listed).write(&mut tx, of, first, rng).await?;
            store::hold_run(&mut tx, self.run, (count + done.rows.len()) as u64).await?;
            tx.commit().await?;
            written.denied += batch.len() - done.rows.len();
            written.rows.extend(done.rows);
            written.cut = done.lowest.unwrap_or(written.cut);
        }
        Ok(())
    }

    async fn write_control(
        &self,
        Scored { ranked, ahead }: Scored,
        listed: u64,
        rng: &mut (dyn Rng + Send),
    ) -> Result<()> {
        let Some(mut ahead) = ahead else { return Ok(()) };
        for batch in ranked.chunks(BATCH) {
            self.verify(&mut ahead, batch).await?;
            let mut tx = self.workshop.db.begin().await?;
            store::hold_run(&mut tx, self.run, listed).await?;
            self.batch(Arm::Holdout).write(&mut tx, (batch, &mut ahead), 0, rng).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn verify(&self, ahead: &mut Ahead, batch: &[Ranked]) -> Result<()> {
        let Workshop { db, keys, clock, .. } = self.workshop;
        let subjects: Vec<SubjectId> = batch.iter().map(|one| one.subject).collect();
        ahead.complete(db, keys, &subjects, clock.now()).await
    }

    fn batch(&self, arm: Arm) -> Batch<'_> {
        Batch {
            keys: self.workshop.keys,
            list: self.list,
            campaign: self.campaign,
            judge: self.judge,
            draw: self.drawing.as_ref().map(|drawing| &drawing.draw),
            arm,
            now: self.workshop.clock.now(),
        }
    }

    /// Commits the list to the ledger and opens it for reading.
    async fn seal(
        &self,
        waterfall: &Waterfall,
        as_of: Timestamp,
        forecast: Forecast,
    ) -> Result<()> {
        let Self { workshop, list, campaign, judge, .. } = self;
        let now = workshop.clock.now();
        let mut tx = workshop.db.begin().await?;
        store::hold_run(&mut tx, self.run, waterfall.listed).await?;
        if self.drawing.is_some() && store::variants::is_crossed(&mut tx, campaign, list.id).await?
        {
            return Err(AudienceError::Crossed);
        }
        let leaves: Vec<Hash> = store::leaves(&mut tx, list.business, list.id).await?;
        if leaves.len() as u64 != waterfall.listed {
            return Err(AudienceError::Unreadable("list_leaves"));
        }
        let tree = RowsTree::over(leaves);
        let sealed = SealedList {
            list: list.id,
            campaign: list.campaign,
            model: judge.model(),
            rows: tree.len(),
            rows_root: tree.root(),
            ranking: sealed_as(judge.ranking().by),
            variants: self.drawing.as_ref().map(|drawing| drawing.draw.hash()),
        };
        let leaf = sealed_leaf(&sealed, campaign, now);
        let signer = workshop.keys.log_signer();
        let appended = ledger::append(&mut tx, &signer, &[leaf], now).await?;
        let sealing = Sealing {
            model: sealed.model,
            rows: sealed.rows,
            rows_root: sealed.rows_root,
            entry: appended.first,
            checkpoint_size: appended.size,
            at: now,
            ranking: Some(judge.ranking()),
            forecast: Some(forecast),
            variants: self.drawing.clone(),
        };
        if !store::seal(&mut tx, self.run, waterfall, as_of, &sealing).await? {
            return Err(AudienceError::Overtaken);
        }
        store::add_nodes(&mut tx, (list.business, list.id), &tree).await?;
        tx.commit().await?;
        Ok(())
    }
}

/// People with their scores, and what was verified of them to be scored.
struct Scored {
    ranked: Vec<Ranked>,
    /// Nothing when there is nobody.
    ahead: Option<Ahead>,
}

impl Scored {
    fn join(&mut self, other: Self) {
        self.ranked.extend(other.ranked);
        match (&mut self.ahead, other.ahead) {
            (Some(ahead), Some(other)) if ahead.kept() < KEPT => ahead.join(other),
            (ahead @ None, other) => *ahead = other,
            (Some(_), _) => {}
        }
    }
}

struct Written {
    rows: Vec<Target>,
    denied: usize,
    /// Where the last row stands.
    cut: f64,
}

/// The entry: that a list was made in this app, its root and its size; nothing about whom.
fn sealed_leaf(sealed: &SealedList, campaign: &Campaign, now: Timestamp) -> Leaf {
    let detail = serde_json::to_value(sealed).expect("ids, a count and a hash are JSON");
    Leaf::new(LeafKind::ListSealed, now).with_app(campaign.delivery_app.clone()).with_detail(detail)
}

async fn clear(tx: &mut Tx, order: Order) -> Result<()> {
    let of = (order.business, order.list);
    relevance::forget_list(tx, order.list).await?;
    store::remove(tx, of).await?;
    store::remove_loans(tx, of).await?;
    store::remove_leaves(tx, order.business, order.list).await?;
    Ok(())
}
