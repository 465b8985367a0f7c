//! What a text is about, over HTTP.

use axum::extract::State;

use crate::app::App;
use crate::audience::topics::{self, Proposal};
use crate::audience::{AudienceError, Text};
use crate::web::callers::Business;
use crate::web::json::Json;
use crate::web::problem::ApiResult;

/// Propose topics for a text.
///
/// Nothing is kept. The proposal is what a campaign with this text and without topics would get, with the
/// words that led to it. It learns from the campaigns for which this business named topics itself.
#[utoipa::path(post, path = "/v1/topics/propose", tag = "audience",
    security(("key" = []), ("session" = [])), request_body = Text,
    responses((status = 200, body = Proposal)))]
pub(super) async fn propose_topics(
    Business { id }: Business,
    State(app): State<App>,
    Json(body): Json<Text>,
) -> ApiResult<Json<Proposal>> {
    let mut tx = app.db.read().await?;
    let found = topics::propose(&mut tx, id, body).await.map_err(|error| match error {
        // Here the message is the body itself.
        AudienceError::Invalid { field, why } => {
            AudienceError::Invalid { field: field.trim_start_matches("message."), why }
        }
        other => other,
    })?;
    Ok(Json(found))
}
