//! What runs without being asked: the job queue's worker, and the sweeps that end what is past its
//! time. Everything here also works when it runs on several nodes at once.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::access::sessions;
use crate::accounts::AccountError;
use crate::app::App;
use crate::assistant::{AssistantError, conversation};
use crate::audience::http::workshop;
use crate::audience::request::{self, BUILD_JOB, Order};
use crate::audience::{AudienceError, build, recalls};
use crate::audit::invariants::Verdict;
use crate::audit::invariants::runs::{self, RUN_JOB};
use crate::consent::{self, Command, ConsentError};
use crate::db;
use crate::db::group::GroupError;
use crate::jobs::{self, Failure, Handlers, Job, Worker};
use crate::keyring::{self, Node, RotationError, TEND_JOB};
use crate::ledger::LedgerError;
use crate::privacy_centre;
use crate::readings::openings;
use crate::relevance::members::{RETRAIN_JOB, Retraining};
use crate::relevance::{self, RelevanceError};
use crate::rights::canary::{self, CANARY_JOB};
use crate::rights::{self, RightsError};
use crate::signals::{self, SignalError};
use crate::web::idempotency;

/// How often sweeps look.
const SWEEP_EVERY: Duration = Duration::from_mins(1);
/// Grants ended in one go.
const EXPIRED_MAX: u32 = 500;

/// Why a sweep did not finish; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The conversations.
    #[error(transparent)]
    Assistant(#[from] AssistantError),
    /// Consents could not be read.
    #[error("expired consents could not be read")]
    Consent(#[from] ConsentError),
    /// Old marks of signals could not be forgotten.
    #[error("old marks of signals could not be forgotten")]
    Signals(#[from] SignalError),
    /// Expired lists could not be removed.
    #[error("expired lists could not be removed")]
    Lists(#[from] AudienceError),
    /// It is not certain that what was erased is gone.
    #[error("erasures could not be replayed")]
    Erasures(#[from] RightsError),
    /// Models could not be ordered to be trained again.
    #[error("models could not be ordered to be trained again")]
    Models(#[from] RelevanceError),
    /// The recorder did not take the expiry.
    #[error("an expiry could not be recorded")]
    Recorder(#[from] GroupError),
    /// The database failed.
    #[error("the database failed")]
    Db(#[from] db::Error),
}

/// The worker of this service's jobs.
pub fn worker(app: &App) -> Worker {
    Worker::new(app.db.clone(), Arc::clone(&app.clock), handlers(app))
}

/// Every kind of job and what runs it.
fn handlers(app: &App) -> Handlers {
    let (lists, audits, keys) = (app.clone(), app.clone(), app.clone());
    let (models, canaries) = (app.clone(), app.clone());
    Handlers::default()
        .with(CANARY_JOB, move |_| {
            let app = canaries.clone();
            async move { fly_canary(&app).await }
        })
        .with(TEND_JOB, move |_| {
            let app = keys.clone();
            async move { tend_keys(&app).await }
        })
        .with(BUILD_JOB, move |job| {
            let app = lists.clone();
            async move { build_list(&app, &job).await }
        })
        .with(RETRAIN_JOB, move |job| {
            let app = models.clone();
            async move { retrain(&app, &job).await }
        })
        .with(RUN_JOB, move |job| {
            let app = audits.clone();
            async move { check_invariants(&app, &job).await }
        })
}

/// Checks all invariants and keeps the report; what is violated is said aloud.
async fn check_invariants(app: &App, job: &Job) -> Result<(), Failure> {
    let trust = app.trust().map_err(|error| {
        tracing::error!(
            error = &error as &dyn std::error::Error,
            "the kept checkpoint is unreadable"
        );
        Failure::Retry("audit.unfinished")
    })?;
    let made = runs::make(&app.db, &app.keys, &trust, job.id, app.now(), &|_, _, _| {}).await;
    let report = made.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "invariants were not checked");
        Failure::Retry("audit.unfinished")
    })?;
    for checked in report.with(Verdict::Violated) {
        let (id, violations) = (&checked.id, checked.violations);
        tracing::error!(id, violations, "an invariant is violated");
    }
    watch_models(app).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "models were not watched");
        Failure::Retry("models.unwatched")
    })
}

/// Looks whether the models in use still fit; one that does not is counted and said aloud.
async fn watch_models(app: &App) -> relevance::Result<()> {
    let mut tx = app.db.read().await?;
    let all = relevance::all(&mut tx).await?;
    for version in all.into_iter().filter(|version| version.active) {
        let seen = relevance::watch(&mut tx, &app.keys, &version, app.now()).await?;
        let verdict = if seen.drift.is_some() { "drift" } else { "fits" };
        let labels = [("goal", version.goal.as_str()), ("verdict", verdict)];
        app.metrics.count("volens_models_watched_total", &labels, 1);
        if seen.drift.is_some() {
            tracing::warn!(model = %version.id, verdict = seen.in_words(), "a model stopped fitting");
        }
    }
    Ok(())
}

/// Erases a canary and looks for it and its predecessors; what is found is said aloud.
async fn fly_canary(app: &App) -> Result<(), Failure> {
    let (db, keys, journal, consents) = (&app.db, &*app.keys, &app.erasures, &app.consents);
    let (tokens, also) = (&app.tokens, app.beside());
    let keeper = canary::Keeper { db, keys, journal, consents, tokens, also };
    let look = canary::fly(&keeper, &mut app.rng(), app.now()).await.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "no canary was erased");
        Failure::Retry("canary.unfinished")
    })?;
    if look.unread > 0 {
        tracing::warn!(places = look.unread, "canaries could not be looked for everywhere");
    }
    Ok(())
}

/// Does what is due about the keys. A machine whose key ring cannot be written, or is not shared with
/// the others, leaves it to `volens keys`, and says so.
async fn tend_keys(app: &App) -> Result<(), Failure> {
    let (keeper, settings) = (app.keeper(), &app.settings.keys);
    match keyring::tend(&keeper, settings, &mut app.rng(), &|_, _, _| {}).await {
        Ok(done) => {
            if let Some(ratchet) = &done.ratchet {
                let (version, rows) = (ratchet.version, ratchet.rows);
                tracing::info!(version, rows, "the key that wraps keys was replaced");
            }
            Ok(())
        }
        // Somebody is at it.
        Err(RotationError::Locked) => Ok(()),
        Err(error) => {
            let code = error.code();
            tracing::error!(error = &error as &dyn std::error::Error, "keys were not rotated");
            Err(Failure::Final(code))
        }
    }
}

/// Trains a model again, without those who left it.
async fn retrain(app: &App, job: &Job) -> Result<(), Failure> {
    let order: Retraining =
        serde_json::from_value(job.payload.clone()).map_err(|_| Failure::Final("job.payload"))?;
    let failed = |error: RelevanceError| {
        tracing::error!(error = &error as &dyn std::error::Error, "a model was not trained again");
        // Until there is more to learn from, the stale model is not used.
        if error.is_too_little() {
            Failure::Final("model.too_little")
        } else {
            Failure::Retry("model.untrained")
        }
    };
    let now = app.now();
    let mut tx = app.db.read().await?;
    let set = relevance::gather(&mut tx, &app.keys, order.into(), now, &|_, _| {}).await;
    drop(tx);
    let set = set.map_err(failed)?;
    let learned = tokio::task::spawn_blocking(move || relevance::learn(set, now)).await;
    let learned = learned.map_err(|_| Failure::Retry("model.interrupted"))?.map_err(failed)?;
    let (signer, mut rng) = (app.keys.log_signer(), app.rng());
    let mut tx = app.db.begin().await?;
    let kept = relevance::keep(&mut tx, &signer, learned, app.now(), &mut rng).await;
    let kept = kept.map_err(failed)?;
    tx.commit().await?;
    if kept.version.held {
        tracing::warn!(model = %kept.version.id, "a model waits for an officer");
    }
    Ok(())
}

/// Builds the list that a request asked for.
async fn build_list(app: &App, job: &Job) -> Result<(), Failure> {
    let order: Order =
        serde_json::from_value(job.payload.clone()).map_err(|_| Failure::Final("job.payload"))?;
    match build::build(&workshop(app), order, &mut app.rng(), &|_, _| {}).await {
        Ok(_) => Ok(()),
        Err(
            AudienceError::Db(error)
            | AudienceError::Accounts(AccountError::Db(error))
            | AudienceError::Ledger(LedgerError::Db(error))
            | AudienceError::Signals(SignalError::Db(error))
            | AudienceError::Relevance(RelevanceError::Db(error))
            | AudienceError::Consent(
                ConsentError::Db(error)
                | ConsentError::Account(AccountError::Db(error))
                | ConsentError::Ledger(LedgerError::Db(error)),
            ),
        ) => Err(error.into()),
        Err(error @ (AudienceError::Overtaken | AudienceError::Crossed)) => {
            Err(Failure::Retry(error.code()))
        }
        Err(AudienceError::NoList) => Err(Failure::Final("list.not_found")),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a list was not built");
            let given_up = build::give_up(&app.db, order, error.code()).await;
            given_up.map_err(|_| Failure::Retry("database"))?;
            Err(Failure::Final(error.code()))
        }
    }
}

/// Works and sweeps until `stop` resolves; a job in hand is finished first.
pub async fn run(app: &App, node: Node, stop: impl Future<Output = ()>) {
    let (stopping, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = worker(app);
    let working = worker.run_until(async {
        // Either message or hang-up means stop.
        drop(stopped.await);
    });
    let (halt, halted) = tokio::sync::oneshot::channel::<()>();
    let witnessing = app.witnesses.run(&app.db, &*app.clock, async {
        // Either message or hang-up means stop.
        drop(halted.await);
    });
    let sweeping = async {
        let mut every = tokio::time::interval(SWEEP_EVERY);
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = every.tick() => {
                    if let Err(error) = sweep(app).await {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(error, "a sweep did not finish");
                    }
                }
            }
        }
        drop((stopping, halt));
    };
    let keeper = app.keeper();
    tokio::select! {
        _ = async { tokio::join!(working, sweeping, witnessing) } => {}
        () = keyring::watch(node, &keeper) => {}
    }
}

/// Finishes erasures that broke off, ends consents whose time has run out, removes the rows of
/// expired lists, deletes old sessions, addresses, kept answers, jobs, marks of signals and conversations, and
/// keeps the ledger's checkpoint outside the database. The first sweep of a day orders the check of the invariants.
pub async fn sweep(app: &App) -> Result<(), SweepError> {
    let replayed = rights::replay_erasures(&app.db, &app.keys, &app.erasures, app.now()).await;
    // What cannot be read must not keep the rest from being cleaned.
    let expired = expire(app).await;
    while remove_expired(app).await? {}
    let mut tx = app.db.begin().await?;
    idempotency::forget(&mut tx, idempotency::oldest(app)).await?;
    let before = app.now().minus(app.settings.access.session_lasts());
    sessions::forget(&mut tx, before).await?;
    sessions::forget_links(&mut tx, app.now()).await?;
    privacy_centre::forget_old(&mut tx, app.now()).await?;
    jobs::forget_old(&mut tx, app.now()).await?;
    signals::forget_old(&mut tx, app.now()).await?;
    let overdue = recalls::sweep(&mut tx, app.now()).await?;
    let requests = rights::requests::sweep(&mut tx, app.now()).await?;
    conversation::forget_old(&mut tx, app.now()).await?;
    relevance::members::order_retraining(&mut tx, &mut app.rng(), app.now()).await?;
    openings::forget_old(&mut tx, app.now()).await?;
    let night = runs::order_nightly(&mut tx, &mut app.rng(), app.now()).await?;
    if night.is_some() {
        let (rng, now) = (&mut app.rng(), app.now());
        jobs::enqueue(&mut tx, rng, CANARY_JOB, serde_json::json!({}), now, now).await?;
    }
    keyring::order(&mut tx, &mut app.rng(), app.now()).await?;
    tx.commit().await?;
    if overdue > 0 {
        tracing::warn!(overdue, "recall notices were not acknowledged in time");
    }
    if requests != rights::requests::Swept::default() {
        let rights::requests::Swept { reminded, escalated } = requests;
        tracing::warn!(reminded, escalated, "requests of people are due");
    }
    // Said aloud, every minute, and nothing else is kept from being done.
    let kept = consent::keep_head(&app.db, &app.kept, &app.keys.log_verifier()).await;
    if let Err(error) = &kept {
        let error = error as &dyn std::error::Error;
        tracing::error!(error, "the ledger's head cannot be kept outside the database");
    }
    if night.is_some() {
        signals::forget_days(&app.db, &app.keys, app.now(), &mut app.rng()).await?;
        relevance::forget_order(&app.db).await?;
    }
    replayed?;
    expired.map(drop)
}

/// Removes some rows of expired lists, in a transaction short enough for withdrawals to pass
/// between; answers whether there may be more.
async fn remove_expired(app: &App) -> Result<bool, SweepError> {
    let mut tx = app.db.begin().await?;
    let more = request::remove_expired(&mut tx, app.now()).await?;
    tx.commit().await?;
    Ok(more)
}

/// Records the end of every consent whose time has run out; answers how many. No permit ever waits
/// for this: permits look at the time themselves.
pub async fn expire(app: &App) -> Result<usize, SweepError> {
    let (mut ended, mut failed) = (0, None);
    loop {
        let mut tx = app.db.read().await?;
        let due = consent::due(&mut tx, app.now(), EXPIRED_MAX).await?;
        drop(tx);
        if due.is_empty() {
            return Ok(ended);
        }
        let mut waiting = tokio::task::JoinSet::new();
        for grant in due {
            let consents = app.consents.clone();
            waiting.spawn(async move { consents.submit_patiently(Command::Expire(grant)).await });
        }
        let before = ended;
        while let Some(done) = waiting.join_next().await {
            match done.map_err(|_| GroupError::Closed)? {
                Ok(recorded) => ended += usize::from(recorded.is_ok()),
                Err(error @ (GroupError::Db(_) | GroupError::Panicked)) => failed = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
        // Grants of accounts that cannot be read stay; trying them again at once changes nothing.
        if ended == before {
            return failed.map_or(Ok(ended), |error| Err(error.into()));
        }
    }
}
