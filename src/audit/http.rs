//! What officers read over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::SubjectId;

use super::{AuditError, Timeline, timeline};
use crate::app::App;
use crate::audience::replay::{Replay, replay};
use crate::audience::request;
use crate::ids::ListId;
use crate::web::callers::Officer;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_timeline)).routes(routes!(replay_list))
}

impl From<AuditError> for Problem {
    fn from(error: AuditError) -> Self {
        match error {
            AuditError::NoAccount => Self::not_found(),
            AuditError::Unverifiable => Self::new(
                StatusCode::CONFLICT,
                "account.unverifiable",
                "the account's records cannot be verified against the ledger",
            ),
            AuditError::Db(error) => error.into(),
            AuditError::Consent(error) => error.into(),
            AuditError::Ledger(error) => error.into(),
            AuditError::Audience(error) => error.into(),
        }
    }
}

/// The history of one account.
///
/// The reading itself is recorded in the ledger as `officer.access`.
#[utoipa::path(get, path = "/v1/audit/accounts/{subject}/timeline", tag = "audit",
    security(("key" = []), ("session" = [])), params(("subject" = String, Path)),
    responses((status = 200, body = Timeline)))]
async fn show_timeline(
    Officer: Officer,
    State(app): State<App>,
    Path(subject): Path<SubjectId>,
) -> ApiResult<Json<Timeline>> {
    let mut tx = app.db.begin().await?;
    let found = timeline(&mut tx, &app.keys, subject, app.now()).await?;
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
