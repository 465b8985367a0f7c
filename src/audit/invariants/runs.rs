//! Runs over all invariants as durable jobs: their reports are kept, and the hash of each is an entry
//! of the ledger, so that a report cannot be changed afterwards without being found out.

use std::time::Duration;

use rand::Rng;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use volens_privacy::ledger::{Leaf, LeafKind};
use volens_privacy::{KeyRing, Timestamp};

use super::{Progress, Report, check, store};
use crate::audit::AuditError;
use crate::db::{self, Db, Tx};
use crate::ids::{JobId, hex};
use crate::jobs;
use crate::ledger::{self, Trust};

/// The kind of job that checks all invariants.
pub const RUN_JOB: &str = "audit.invariants";
/// How long reports are kept; their hashes stay in the ledger.
pub(super) const KEPT: Duration = Duration::from_hours(400 * 24);

/// A run that was made.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it found.
    pub report: Report,
    /// SHA-256 of the report's canonical JSON (RFC 8785).
    pub sha256: [u8; 32],
    /// Ledger index of its `audit.run` entry.
    pub entry: u64,
}

/// Orders a run in the caller's transaction.
pub async fn order(tx: &mut Tx, rng: &mut (dyn Rng + Send), now: Timestamp) -> db::Result<JobId> {
    jobs::enqueue(tx, rng, RUN_JOB, json!({}), now, now).await
}

/// Orders the run of this day (UTC), unless some node did already.
pub async fn order_nightly(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    now: Timestamp,
) -> db::Result<Option<JobId>> {
    if !store::begin_night(tx, now.day()).await? {
        return Ok(None);
    }
    store::forget_runs(tx, now.minus(KEPT)).await?;
    order(tx, rng, now).await.map(Some)
}

/// Checks every invariant in one snapshot and keeps the report. A job that is tried again after its
/// report was kept changes nothing.
///
/// # Errors
/// When the database does not answer.
pub async fn make(
    db: &Db,
    keys: &KeyRing,
    trust: &Trust,
    job: JobId,
    now: Timestamp,
    progress: Progress<'_>,
) -> Result<Report, AuditError> {
    let mut tx = db.read().await?;
    let report = check(&mut tx, keys, trust, now, progress).await?;
    drop(tx);
    let json = serde_jcs::to_vec(&report).map_err(|_| db::Error::Range)?;
    let sha256: [u8; 32] = Sha256::digest(&json).into();
    let mut tx = db.begin().await?;
    ledger::hold(&mut tx).await?;
    if store::has_run(&mut tx, job).await? {
        return Ok(report);
    }
    let detail = json!({
        "holds": report.holds,
        "ledger_size": report.ledger_size,
        "sha256": hex(&sha256),
    });
    let leaf = Leaf::new(LeafKind::AuditRun, now).with_detail(detail);
    let appended = ledger::append(&mut tx, &keys.log_signer(), &[leaf], now).await?;
    let run = Run { report, sha256, entry: appended.first };
    store::add_run(&mut tx, job, &run, json).await?;
    tx.commit().await?;
    Ok(run.report)
}

/// The last run, if there was one.
pub async fn last(tx: &mut Tx) -> db::Result<Option<Run>> {
    store::last_run(tx).await
}
