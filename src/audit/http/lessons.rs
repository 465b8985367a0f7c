//! Manifests of models over HTTP.

use axum::extract::State;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::SubjectId;
use volens_privacy::manifest::ManifestFile;

use crate::app::App;
use crate::audit::AuditError;
use crate::audit::lessons::{self, LessonFound};
use crate::ids::ModelId;
use crate::readings::Reader;
use crate::relevance::{self, manifest};
use crate::web::callers::{Known, Officer};
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

pub(super) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show_manifest)).routes(routes!(show_lesson))
}

/// The manifest of a model: one keyed hash for each person it learned from, the root that its ledger
/// entry commits to, and the proof of that entry.
///
/// It says nothing about anybody without the key of their account. `volens models manifest --verify`
/// checks it without us. 409 `manifest.absent` for a model of before manifests were kept, or one that two
/// later versions have replaced.
#[utoipa::path(get, path = "/v1/audit/models/{model}/manifest", tag = "audit",
    security(("key" = []), ("session" = [])), params(("model" = String, Path)),
    responses((status = 200, body = serde_json::Value)))]
async fn show_manifest(
    Officer: Officer,
    State(app): State<App>,
    Path(model): Path<ModelId>,
) -> ApiResult<Json<ManifestFile>> {
    let mut tx = app.db.read().await?;
    let version = relevance::find(&mut tx, model).await.map_err(AuditError::from)?;
    Ok(Json(manifest::file(&mut tx, &version).await.map_err(AuditError::from)?))
}

/// Whether a model learned from one account: from how many messages, under which consents that lived
/// then, with the proof; or that it did not, or that the person has left since.
///
/// A second officer must have approved a request for the account's record (`POST
/// /v1/audit/accounts/{subject}/openings`). The reading itself is recorded in the ledger as
/// `officer.access`.
#[utoipa::path(get, path = "/v1/audit/models/{model}/people/{subject}", tag = "audit",
    security(("key" = []), ("session" = [])),
    params(("model" = String, Path), ("subject" = String, Path)),
    responses((status = 200, body = LessonFound)))]
async fn show_lesson(
    Officer: Officer,
    Known(caller): Known,
    State(app): State<App>,
    Path((model, subject)): Path<(ModelId, SubjectId)>,
) -> ApiResult<Json<LessonFound>> {
    let (mut rng, mut tx) = (app.rng(), app.db.begin().await?);
    let (who, what) = ((Reader::from(&caller), subject), (model, app.now()));
    let found = lessons::lesson(&mut tx, &app.keys, &mut rng, who, what).await?;
    tx.commit().await?;
    Ok(Json(found))
}
