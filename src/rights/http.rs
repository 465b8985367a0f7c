//! Demands of people over HTTP, brought by their app.

use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::Timestamp;

use super::{Removed, RightsError};
use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::web::callers::AppCaller;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::{ApiResult, Problem};

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(erase))
}

impl From<RightsError> for Problem {
    fn from(error: RightsError) -> Self {
        match error {
            RightsError::Account(error) => error.into(),
            RightsError::Ledger(error) => error.into(),
            RightsError::Journal(error) => Self::internal(&error),
            RightsError::Relevance(error) => Self::internal(&error),
            RightsError::Db(error) => error.into(),
        }
    }
}

/// An erasure that took effect before this answer.
#[derive(Serialize, utoipa::ToSchema)]
struct ErasedOut {
    /// Ledger index of the entry that says that an account was erased, and not whose.
    entry: u64,
    /// When.
    #[schema(value_type = String, format = "date-time")]
    erased_at: Timestamp,
    /// What went with it.
    removed: Removed,
}

/// Erase an account (GDPR Art. 17).
///
/// Effective before the answer, and final: consents, links, profile, scores, places in lists and the
/// key of everything sealed are gone in one transaction, and a restored backup does not bring them
/// back. Nothing is kept to recognise the account by: a second call is `account.unknown`, as for an
/// account that never was.
#[utoipa::path(delete, path = "/v1/accounts/{reference}", tag = "rights",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = ErasedOut)))]
async fn erase(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<ErasedOut>> {
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &caller, reference(&text)?).await?;
    drop(tx);
    let subject = subject.ok_or(AccountError::Unknown)?;
    let done = super::erase_for_good(&app.db, &app.keys, &app.erasures, subject, app.now()).await?;
    Ok(Json(ErasedOut { entry: done.entry, erased_at: done.at, removed: done.removed }))
}
