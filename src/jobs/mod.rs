//! The durable job queue: work that outlives the request that asked for it and the process that
//! began it.
//!
//! A job is a row written in the transaction that made it necessary. A worker claims one under a
//! lease; when the worker dies the lease runs out and another takes the job, with `attempts` as the
//! fencing token: whoever comes back late changes nothing. Handlers must therefore be idempotent.

mod store;
#[cfg(test)]
mod tests;
mod worker;

pub(crate) use store::STATEMENTS;
pub use worker::{Failure, Handlers, Worker};

use std::time::Duration;

use rand::Rng;
use serde_json::Value as Json;
use volens_privacy::Timestamp;

use crate::db::{self, Tx};
use crate::ids::JobId;

/// How long a job that ended is kept.
pub const KEPT: Duration = Duration::from_hours(30 * 24);

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Waiting for its time and a worker.
    Queued,
    /// Claimed under a lease.
    Running,
    /// Finished.
    Done,
    /// Given up; the error code says why.
    Failed,
}

impl JobState {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "queued" => Some(Self::Queued),
            "running" => Some(Self::Running),
            "done" => Some(Self::Done),
            "failed" => Some(Self::Failed),
            _ => None,
        }
    }
}

/// A job as claimed or looked up.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Which handler runs it.
    pub kind: String,
    /// What the handler needs: ids, never personal data.
    pub payload: Json,
    /// Where it stands.
    pub state: JobState,
    /// How often it was claimed; also the fencing token.
    pub attempts: i64,
    /// Part done, 0 to 1, where the handler reports it.
    pub progress: Option<f64>,
    /// The code of the last failure.
    pub error: Option<String>,
}

/// Adds a job in the caller's transaction: it exists exactly if the caller's work does.
pub async fn enqueue(
    tx: &mut Tx,
    rng: &mut (dyn Rng + Send),
    kind: &'static str,
    payload: Json,
    run_at: Timestamp,
    now: Timestamp,
) -> db::Result<JobId> {
    let id = JobId::random(rng);
    store::add(tx, id, kind, &payload, run_at, now).await?;
    Ok(id)
}

/// Looks a job up.
pub async fn find(tx: &mut Tx, id: JobId) -> db::Result<Option<Job>> {
    store::find(tx, id).await
}

/// Deletes jobs that ended long ago; answers how many.
pub async fn forget_old(tx: &mut Tx, now: Timestamp) -> db::Result<u64> {
    store::forget(tx, now.minus(KEPT)).await
}

/// Jobs that have not ended, for readiness and tests.
pub async fn waiting(tx: &mut Tx) -> db::Result<i64> {
    store::waiting(tx).await
}
