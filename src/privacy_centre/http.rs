//! Addresses of privacy centres over HTTP: for apps, on behalf of a user they have signed in.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use volens_privacy::Timestamp;

use crate::accounts::http::reference;
use crate::app::App;
use crate::web::callers::AppCaller;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// Operations of the API.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(link))
}

/// For whom.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct PrivacyLinkIn {
    /// The app's own reference of its signed-in user.
    #[schema(example = "user-4711")]
    account: String,
}

/// An address.
#[derive(Serialize, utoipa::ToSchema)]
struct PrivacyLinkOut {
    /// Send the user there, and nobody else: whoever has the address sees the consents and can
    /// withdraw them.
    #[schema(example = "https://volens.example/p/…")]
    url: String,
    /// When it stops working; ask for another one then.
    #[schema(value_type = String, format = "date-time")]
    expires_at: Timestamp,
}

/// Make a short-lived address of a person's privacy centre.
///
/// The page shows every consent of the account in the account's language and lets the person take
/// each of them back. It needs no password and no JavaScript. Every call makes a new address.
#[utoipa::path(post, path = "/v1/privacy-centre-links", tag = "consent", security(("key" = [])),
    request_body = PrivacyLinkIn, responses((status = 201, body = PrivacyLinkOut)))]
async fn link(
    AppCaller { app: caller }: AppCaller,
    State(app): State<App>,
    Json(body): Json<PrivacyLinkIn>,
) -> ApiResult<Response> {
    let whose = (&caller, reference(&body.account)?);
    let (mut rng, now) = (app.rng(), app.now());
    let mut tx = app.db.begin().await?;
    let made = super::link(&mut tx, &app.keys, &mut rng, whose, now).await?;
    tx.commit().await?;
    let url = format!("{}/p/{}", app.settings.public_url(), made.expose());
    Ok((StatusCode::CREATED, Json(PrivacyLinkOut { url, expires_at: made.expires_at() }))
        .into_response())
}
