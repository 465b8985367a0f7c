//! The worker: claims, runs, renews, retries with backoff, gives up aloud.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Job, store};
use crate::clock::Clock;
use crate::db::{self, Db};

/// How long a claimed job may stay silent.
const LEASE: Duration = Duration::from_mins(1);
/// Attempts before a job is given up.
const ATTEMPTS_MAX: i64 = 6;
/// Wait before attempt *n* + 1: 2, 4, 8 … seconds.
const BACKOFF: Duration = Duration::from_secs(2);
/// Pause between looks at an empty queue.
const PAUSE: Duration = Duration::from_millis(100);

/// Why a handler did not finish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Worth another attempt (a busy database, a lost connection).
    Retry(&'static str),
    /// Will not get better.
    Final(&'static str),
}

impl From<db::Error> for Failure {
    fn from(_: db::Error) -> Self {
        Self::Retry("database")
    }
}

/// What a handler returns.
pub(super) type Running = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;
/// Runs one kind of job.
type Handler = Arc<dyn Fn(Job) -> Running + Send + Sync>;

/// Every kind of job and what runs it.
#[derive(Clone, Default)]
pub struct Handlers(BTreeMap<&'static str, Handler>);

impl Handlers {
    /// Adds the handler of `kind`.
    #[must_use]
    pub fn with<F, R>(mut self, kind: &'static str, run: F) -> Self
    where
        F: Fn(Job) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), Failure>> + Send + 'static,
    {
        self.0.insert(kind, Arc::new(move |job| Box::pin(run(job))));
        self
    }
}

/// Runs jobs, one at a time; start several for more.
pub struct Worker {
    db: Db,
    clock: Arc<dyn Clock>,
    handlers: Handlers,
}

impl Worker {
    /// A worker over this queue.
    pub fn new(db: Db, clock: Arc<dyn Clock>, handlers: Handlers) -> Self {
        Self { db, clock, handlers }
    }

    /// Works until `stop` resolves; a job in hand is finished first.
    pub async fn run_until(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let worked = self.run_one().await.unwrap_or_else(|error| {
                tracing::error!(error = &error as &dyn std::error::Error, "claiming a job failed");
                false
            });
            let pause = if worked { Duration::ZERO } else { PAUSE };
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    /// Runs jobs until none is due: how tests and commands wait for their work.
    pub async fn run_due(&self) -> db::Result<()> {
        while self.run_one().await? {}
        Ok(())
    }

    /// Claims and runs one job. `false` when none was due.
    pub async fn run_one(&self) -> db::Result<bool> {
        let now = self.clock.now();
        let mut tx = self.db.read().await?;
        if !store::any_due(&mut tx, now).await? {
            return Ok(false);
        }
        drop(tx);
        let mut tx = self.db.begin().await?;
        let claimed = store::claim(&mut tx, now, now.plus(LEASE)).await?;
        tx.commit().await?;
        let Some(job) = claimed else { return Ok(false) };
        let outcome = match self.handlers.0.get(job.kind.as_str()) {
            Some(handler) => self.guarded(Arc::clone(handler), job.clone()).await,
            None => Err(Failure::Final("job.unknown_kind")),
        };
        self.settle(&job, outcome).await?;
        Ok(true)
    }

    /// Runs the handler in a task of its own, so that its panic is a failed attempt, and renews the
    /// lease while it runs.
    async fn guarded(&self, handler: Handler, job: Job) -> Result<(), Failure> {
        let mut running = tokio::spawn(handler(job.clone()));
        loop {
            tokio::select! {
                done = &mut running => {
                    return done.unwrap_or(Err(Failure::Retry("job.panicked")));
                }
                () = tokio::time::sleep(LEASE / 3) => {
                    let renewed = self.renew(&job).await;
                    if !matches!(renewed, Ok(1)) {
                        tracing::warn!(job = %job.id, "a job's lease could not be renewed");
                    }
                }
            }
        }
    }

    async fn renew(&self, job: &Job) -> db::Result<u64> {
        let mut tx = self.db.begin().await?;
        let progress = job.progress.unwrap_or(0.0);
        let renewed = store::progress(&mut tx, job, progress, self.clock.now().plus(LEASE)).await?;
        tx.commit().await?;
        Ok(renewed)
    }

    async fn settle(&self, job: &Job, outcome: Result<(), Failure>) -> db::Result<()> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        match outcome {
            Ok(()) => store::finish(&mut tx, job, now).await?,
            Err(Failure::Retry(code)) if job.attempts < ATTEMPTS_MAX => {
                let exponent = u32::try_from(job.attempts - 1).unwrap_or(0);
                let wait = BACKOFF * 2_u32.saturating_pow(exponent);
                store::retry(&mut tx, job, now.plus(wait), code).await?
            }
            Err(Failure::Retry(code) | Failure::Final(code)) => {
                tracing::error!(job = %job.id, kind = job.kind, code, "a job was given up");
                store::fail(&mut tx, job, now, code).await?
            }
        };
        tx.commit().await
    }
}
