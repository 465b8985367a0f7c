//! What officers read over HTTP.

mod lessons;
pub(crate) mod time;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::SubjectId;

use super::invariants::Report;
use super::invariants::runs;
use super::{AuditError, Timeline, timeline};
use crate::app::App;
use crate::audience::replay::{Replay, replay};
use crate::audience::request;
use crate::ids::{JobId, ListId, hex};
use crate::ledger;
use crate::readings::Reader;
use crate::relevance::RelevanceError;
use crate::web::callers::{Known, Officer};
use crate::web::extract::Path;
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(show_timeline))
        .routes(routes!(replay_list))
        .merge(time::routes())
        .merge(lessons::routes())
        .routes(routes!(last_run, order_run))
        .routes(routes!(verify_ledger))
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NoAccount | AuditError::Relevance(RelevanceError::NoVersion) => {
                Self::not_found()
            }
            AuditError::Period(fault) => Self::refused("incident.period", fault.to_string()),
            AuditError::Unverifiable => Self::new(
                StatusCode::CONFLICT,
                "account.unverifiable",
                "the account's records cannot be verified against the ledger",
            ),
            AuditError::Db(error) => error.into(),
            AuditError::Consent(error) => error.into(),
            AuditError::Ledger(error) => error.into(),
            AuditError::Audience(error) => error.into(),
            AuditError::Opening(error) => error.into(),
            AuditError::Access(error) => error.into(),
            AuditError::Relevance(
                ref told @ (RelevanceError::NoManifest | RelevanceError::ManifestDiffers),
            ) => {
                let absent = matches!(told, RelevanceError::NoManifest);
                let code = if absent { "manifest.absent" } else { "manifest.differs" };
                Self::conflict(code, told.to_string())
            }
            AuditError::Relevance(_) => Self::internal(&error),
        }
    }
}

/// The history of one account.
///
/// A second officer must have approved a request for it (`POST
/// /v1/audit/accounts/{subject}/openings`). The reading itself is recorded in the ledger as
/// `officer.access`.
#[utoipa::path(get, path = "/v1/audit/accounts/{subject}/timeline", tag = "audit",
    security(("key" = []), ("session" = [])), params(("subject" = String, Path)),
    responses((status = 200, body = Timeline)))]
async fn show_timeline(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path(subject): Path<SubjectId>,
) -> ApiResult<Json<Timeline>> {
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let who = (Reader::from(&caller), subject);
    let found = timeline(&mut tx, &app.keys, &mut rng, who, app.now()).await?;
    tx.commit().await?;
    Ok(Json(found))
}

/// Replay a list: recompute the ledger up to its checkpoint and confirm or deny every row.
#[utoipa::path(get, path = "/v1/audit/lists/{id}", tag = "audit",
    security(("key" = []), ("session" = [])), params(("id" = String, Path)),
    responses((status = 200, body = Replay)))]
async fn replay_list(
    Officer: Officer,
    State(app): State<App>,
    Path(id): Path<ListId>,
) -> ApiResult<Json<Replay>> {
    let mut tx = app.db.read().await?;
    let business = request::owner(&mut tx, id).await?;
    Ok(Json(replay(&mut tx, &app.keys, business, id, app.now(), &|_, _| {}).await?))
}

/// What a verification of the whole ledger found.
#[derive(Serialize, utoipa::ToSchema)]
struct Verified {
    /// Whether nothing is wrong.
    holds: bool,
    #[serde(flatten)]
    report: ledger::Report,
}

/// Recompute the whole ledger from its leaves and compare everything stored with it, as
/// `volens ledger verify` does.
///
/// A ledger that does not hold is an answer too: 200 with its faults.
#[utoipa::path(post, path = "/v1/audit/verify", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Verified)))]
async fn verify_ledger(Officer: Officer, State(app): State<App>) -> ApiResult<Json<Verified>> {
    let trust = app.trust().map_err(|error| Problem::internal(&error))?;
    let mut tx = app.db.read().await?;
    let report = ledger::verify(&mut tx, &trust, |_, _| {}).await?;
    Ok(Json(Verified { holds: report.faults.is_empty(), report }))
}

/// The last run over the invariants.
#[derive(Serialize, utoipa::ToSchema)]
struct LastRun {
    /// Seconds since it was made.
    age_seconds: Option<u64>,
    /// Ledger index of the entry that holds its hash.
    entry: Option<u64>,
    /// SHA-256 of the report's canonical JSON (RFC 8785), lower-case hexadecimal.
    sha256: Option<String>,
    /// What was looked at and what was found; nothing before the first run.
    report: Option<Report>,
}

/// The result of the last check of the invariants, with its age.
///
/// They are checked every night, and when `POST /v1/audit/invariants` asks for it.
#[utoipa::path(get, path = "/v1/audit/invariants", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = LastRun)))]
async fn last_run(Officer: Officer, State(app): State<App>) -> ApiResult<Json<LastRun>> {
    let run = runs::last(&mut app.db.read().await?).await?;
    Ok(Json(LastRun {
        age_seconds: run.as_ref().map(|run| app.now().since(run.report.at).as_secs()),
        entry: run.as_ref().map(|run| run.entry),
        sha256: run.as_ref().map(|run| hex(&run.sha256)),
        report: run.map(|run| run.report),
    }))
}

/// A check that was asked for.
#[derive(Serialize, utoipa::ToSchema)]
struct RunOrdered {
    /// The job that makes it.
    #[schema(value_type = String)]
    job: JobId,
}

/// Check all invariants in the background.
#[utoipa::path(post, path = "/v1/audit/invariants", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 202, body = RunOrdered)))]
async fn order_run(
    Officer: Officer,
    State(app): State<App>,
    repeat: Repeat,
) -> ApiResult<Response> {
    let mut tx = app.db.begin().await?;
    let job = runs::order(&mut tx, &mut app.rng(), app.now()).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::ACCEPTED, &RunOrdered { job }).await?;
    tx.commit().await?;
    Ok(answer)
}
