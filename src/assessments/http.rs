//! Attaching and reading impact assessments over HTTP.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::PurposeKind;

use super::{Assessment, AssessmentError, attach};
use crate::app::App;
use crate::ids::unhex;
use crate::web::callers::Officer;
use crate::web::idempotency::Repeat;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(all, add))
}

impl From<AssessmentError> for Problem {
    fn from(error: AssessmentError) -> Self {
        let said = error.to_string();
        match error {
            AssessmentError::NotNeeded => Self::refused(
                "assessment.not_needed",
                "the purpose needs none",
            )
            .field("/purpose", "assessment.not_needed", said),
            AssessmentError::Name => Self::refused("assessment.name", "the name cannot be one")
                .field("/id", "assessment.name", said),
            AssessmentError::Ledger(error) => error.into(),
            AssessmentError::Db(error) => error.into(),
        }
    }
}

/// Assessments and what is still missing.
#[derive(Serialize, utoipa::ToSchema)]
struct Assessments {
    /// The newest first.
    data: Vec<Assessment>,
    /// Purposes that nobody can consent to before one is attached.
    #[schema(value_type = Vec<String>)]
    missing: Vec<PurposeKind>,
}

/// The impact assessments that were attached (GDPR Art. 35).
#[utoipa::path(get, path = "/v1/audit/assessments", tag = "audit",
    security(("key" = []), ("session" = [])), responses((status = 200, body = Assessments)))]
async fn all(Officer: Officer, State(app): State<App>) -> ApiResult<Json<Assessments>> {
    let mut tx = app.db.read().await?;
    let data = super::all(&mut tx).await?;
    let missing = super::missing(&mut tx).await?.into_iter().collect();
    Ok(Json(Assessments { data, missing }))
}

/// An assessment to be attached.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct AssessmentIn {
    /// Which purpose it assesses.
    #[schema(value_type = String, example = "cross_app_linking")]
    purpose: PurposeKind,
    /// Your name for the document.
    id: String,
    /// SHA-256 of the document, hexadecimal.
    sha256: String,
}

/// Attach an impact assessment, so that people can consent to its purpose.
///
/// Recorded in the ledger as `impact.assessed`. The document itself stays with you.
#[utoipa::path(post, path = "/v1/audit/assessments", tag = "audit",
    security(("key" = []), ("session" = [])), request_body = AssessmentIn,
    responses((status = 201, body = Assessment)))]
async fn add(
    Officer: Officer,
    State(app): State<App>,
    repeat: Repeat,
    Json(body): Json<AssessmentIn>,
) -> ApiResult<Response> {
    let sha256: [u8; 32] = unhex(&body.sha256).ok_or_else(|| {
        Problem::refused("assessment.sha256", "the hash cannot be one").field(
            "/sha256",
            "assessment.sha256",
            "64 lower-case hexadecimal digits",
        )
    })?;
    let mut tx = app.db.begin().await?;
    let document = (body.id.as_str(), sha256);
    let made = attach(&mut tx, &app.keys, body.purpose, document, app.now()).await?;
    let answer = repeat.answer(&app, &mut tx, StatusCode::CREATED, &made).await?;
    tx.commit().await?;
    Ok(answer)
}
