//! Links over HTTP: an app asks which of its peers an account is linked with.

use axum::extract::State;
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::identity::AppId;

use crate::accounts::http::reference;
use crate::accounts::{self, AccountError};
use crate::app::App;
use crate::web::callers::AppCaller;
use crate::web::extract::Path;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(links))
}

/// The links of one account.
#[derive(Serialize, utoipa::ToSchema)]
struct LinksOut {
    /// One per linked app.
    links: Vec<LinkOut>,
}

/// One link. The other app's own reference of the person is not told.
#[derive(Serialize, utoipa::ToSchema)]
struct LinkOut {
    /// The other app.
    #[schema(value_type = String)]
    peer: AppId,
    /// Ledger index of the consent in this app.
    entry: u64,
    /// Ledger index of the consent in the other app.
    peer_entry: u64,
}

/// Apps that an account is linked with, while both consents live.
#[utoipa::path(get, path = "/v1/accounts/{reference}/links", tag = "accounts",
    security(("key" = [])), params(("reference" = String, Path, description = "the app's own reference")),
    responses((status = 200, body = LinksOut)))]
async fn links(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Path(text): Path<String>,
) -> ApiResult<Json<LinksOut>> {
    let mut tx = app.db.read().await?;
    let subject = accounts::subject_of(&mut tx, &app.keys, &caller, reference(&text)?).await?;
    let subject = subject.ok_or(AccountError::Unknown)?;
    let now = app.clock.now();
    let mut links = super::permitted_links(&mut tx, &app.keys, &[subject], now).await?;
    let links = links.remove(&subject).unwrap_or_default().into_iter().map(|link| LinkOut {
        peer: link.peer_app,
        entry: link.grant.1,
        peer_entry: link.peer_grant.1,
    });
    Ok(Json(LinksOut { links: links.collect() }))
}
