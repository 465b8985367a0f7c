//! The queue's SQL.

use serde_json::Value as Json;
use volens_privacy::Timestamp;

use super::{Job, JobState};
use crate::db::{self, Row, Tx, statements, values};
use crate::ids::JobId;

statements! {
    ADD = "insert into jobs (id, kind, payload, state, run_at, attempts, created_at)
           values ($1, $2, $3, 'queued', $4, 0, $5)";
    FIND = "select id, kind, payload, state, attempts, progress, error from jobs where id = $1";
    DUE = "select count(*) as due from jobs
           where (state = 'queued' and run_at <= $1) or (state = 'running' and lease_until < $1)";
    // Due jobs, and running ones whose worker went silent.
    CLAIM = "update jobs set state = 'running', attempts = attempts + 1, lease_until = $2
             where id = (select id from jobs
                         where (state = 'queued' and run_at <= $1)
                            or (state = 'running' and lease_until < $1)
                         order by run_at limit 1)
             returning id, kind, payload, state, attempts, progress, error"
        | postgres
            "update jobs set state = 'running', attempts = attempts + 1, lease_until = $2
             where id = (select id from jobs
                         where (state = 'queued' and run_at <= $1)
                            or (state = 'running' and lease_until < $1)
                         order by run_at limit 1 for update skip locked)
             returning id, kind, payload, state, attempts, progress, error";
    PROGRESS = "update jobs set progress = $3, lease_until = $4 where id = $1 and attempts = $2";
    FINISH = "update jobs set state = 'done', progress = 1, lease_until = null, finished_at = $3
              where id = $1 and attempts = $2 and state = 'running'";
    RETRY = "update jobs set state = 'queued', run_at = $3, lease_until = null, error = $4
             where id = $1 and attempts = $2 and state = 'running'";
    FAIL = "update jobs set state = 'failed', lease_until = null, error = $4, finished_at = $3
            where id = $1 and attempts = $2 and state = 'running'";
    // A job ends after it was due, which the index knows.
    FORGET = "delete from jobs
              where state in ('done', 'failed') and run_at < $1 and finished_at < $1";
    WAITING = "select count(*) as waiting from jobs where state in ('queued', 'running')";
}

fn job(row: &Row) -> db::Result<Job> {
    let payload: String = row.get("payload")?;
    let state: String = row.get("state")?;
    Ok(Job {
        id: row.get("id")?,
        kind: row.get("kind")?,
        payload: serde_json::from_str(&payload)
            .map_err(|_| db::Error::Decode("payload".to_owned()))?,
        state: JobState::parse(&state).ok_or_else(|| db::Error::Decode("state".to_owned()))?,
        attempts: row.get("attempts")?,
        progress: row.get("progress")?,
        error: row.get("error")?,
    })
}

pub(super) async fn add(
    tx: &mut Tx,
    id: JobId,
    kind: &str,
    payload: &Json,
    run_at: Timestamp,
    now: Timestamp,
) -> db::Result<()> {
    let values = values![id, kind, payload.to_string(), run_at, now];
    tx.execute(ADD, values).await.map(drop)
}

pub(super) async fn forget(tx: &mut Tx, before: Timestamp) -> db::Result<u64> {
    tx.execute(FORGET, values![before]).await
}

pub(super) async fn find(tx: &mut Tx, id: JobId) -> db::Result<Option<Job>> {
    tx.fetch_optional(FIND, values![id]).await?.as_ref().map(job).transpose()
}

/// Whether a claim would find something: a look that takes no lock.
pub(super) async fn any_due(tx: &mut Tx, now: Timestamp) -> db::Result<bool> {
    let due: i64 = tx.fetch_one(DUE, values![now]).await?.get("due")?;
    Ok(due > 0)
}

pub(super) async fn claim(
    tx: &mut Tx,
    now: Timestamp,
    lease_until: Timestamp,
) -> db::Result<Option<Job>> {
    tx.fetch_optional(CLAIM, values![now, lease_until]).await?.as_ref().map(job).transpose()
}

pub(super) async fn progress(
    tx: &mut Tx,
    job: &Job,
    progress: f64,
    lease_until: Timestamp,
) -> db::Result<u64> {
    tx.execute(PROGRESS, values![job.id, job.attempts, progress, lease_until]).await
}

pub(super) async fn finish(tx: &mut Tx, job: &Job, now: Timestamp) -> db::Result<u64> {
    tx.execute(FINISH, values![job.id, job.attempts, now]).await
}

pub(super) async fn retry(
    tx: &mut Tx,
    job: &Job,
    run_at: Timestamp,
    error: &str,
) -> db::Result<u64> {
    tx.execute(RETRY, values![job.id, job.attempts, run_at, error]).await
}

pub(super) async fn fail(tx: &mut Tx, job: &Job, now: Timestamp, error: &str) -> db::Result<u64> {
    tx.execute(FAIL, values![job.id, job.attempts, now, error]).await
}

pub(super) async fn waiting(tx: &mut Tx) -> db::Result<i64> {
    tx.fetch_one(WAITING, values![]).await?.get("waiting")
}
